"""Tiny grey pictures, whatever the names: pictures.py FOLDER IMAGES CLASS..."""

import os
import struct
import sys
import zlib

SIDE = 12


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def write_png(path, step):
    rows = b"".join(
        b"\0" + bytes(step * (x + y + 1) % 251 for x in range(SIDE)) for y in range(SIDE)
    )
    header = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 0, 0, 0, 0)
    with open(path, "wb") as file:
        file.write(
            b"\x89PNG\r\n\x1a\n"
            + chunk(b"IHDR", header)
            + chunk(b"IDAT", zlib.compress(rows))
            + chunk(b"IEND", b"")
        )


folder, images, *classes = (os.fsencode(argument) for argument in sys.argv[1:])
for number, name in enumerate(classes):
    os.makedirs(os.path.join(folder, name))
    for i in range(int(images)):
        write_png(os.path.join(folder, name, b"%d.png" % i), 3 + 40 * number + i)
