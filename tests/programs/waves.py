"""waves.py FOLDER CLASSES COUNT [SEED]: writes COUNT bitmaps of 16 x 16 pixels, p00.bmp and so on,
into FOLDER/CLASS for each of the comma-separated classes: waves whose direction is the class's
place among them. All files are of one size and one time."""

import math
import os
import random
import struct
import sys

SIDE = 16


def bitmap(angle, phase):
    u, v = math.cos(angle), math.sin(angle)
    pixels = bytes(
        value
        for y in range(SIDE)
        for x in range(SIDE)
        for value in [int(128 + 90 * math.sin(0.9 * (u * x + v * y) + phase))] * 3
    )
    head = struct.pack("<2sIHHI", b"BM", 54 + len(pixels), 0, 0, 54)
    return head + struct.pack("<IiiHHIIiiII", 40, SIDE, SIDE, 1, 24, 0, len(pixels), 0, 0, 0, 0) + pixels


folder, classes, count = sys.argv[1], sys.argv[2].split(","), int(sys.argv[3])
draw = random.Random(int(sys.argv[4]) if len(sys.argv) > 4 else 1)
for place, name in enumerate(classes):
    os.makedirs(os.path.join(folder, name), exist_ok=True)
    for i in range(count):
        path = os.path.join(folder, name, "p%02d.bmp" % i)
        with open(path, "wb") as file:
            file.write(bitmap(math.pi * place / max(4, len(classes)), draw.uniform(0, 6.28)))
        os.utime(path, (1.6e9, 1.6e9))
