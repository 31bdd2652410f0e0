#!/usr/bin/python3
"""Writes the first Fashion-MNIST test images of four classes as grey PNG files.

Usage: make_images.py [FASHION_MNIST_FOLDER]
Reads t10k-*-ubyte.gz (Debian's package dataset-fashion-mnist) and writes one
28x28 file for each of the first four classes met, named by class, beside this
script. Needs nothing but Python's own library.
"""

import gzip
import os
import struct
import sys
import zlib

NAMES = ["t-shirt", "trouser", "pullover", "dress", "coat",
         "sandal", "shirt", "sneaker", "bag", "ankle-boot"]
WANTED = 4


def chunk(kind, body):
    """One PNG chunk: length, type, body, CRC."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def grey_png(pixels, height, width):
    """8-bit grey PNG without row filters."""
    rows = b"".join(b"\0" + pixels[y * width:(y + 1) * width] for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
            + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b""))


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else "/usr/share/datasets/fashion-mnist"
    with gzip.open(os.path.join(folder, "t10k-images-idx3-ubyte.gz")) as stream:
        _, _, height, width = struct.unpack(">4I", stream.read(16))
        images = stream.read(100 * height * width)
    with gzip.open(os.path.join(folder, "t10k-labels-idx1-ubyte.gz")) as stream:
        labels = stream.read(8 + 100)[8:]
    written = set()
    for index, label in enumerate(labels):
        if label in written:
            continue
        pixels = images[index * height * width:(index + 1) * height * width]
        path = os.path.join(os.path.dirname(os.path.abspath(__file__)), NAMES[label] + ".png")
        with open(path, "wb") as out:
            out.write(grey_png(pixels, height, width))
        print(f"test image {index}: {NAMES[label]}.png")
        written.add(label)
        if len(written) == WANTED:
            break


if __name__ == "__main__":
    main()
