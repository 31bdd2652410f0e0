#!/usr/bin/python3
"""Writes the bad data files that tests/test_data.c and test_cifar.c read.

idx/<case>/ is a folder of idx files, complete but for one fault; images/ holds
image files with one fault each, archives/ such that ask for much memory. The output is the same on every run.
"""

import gzip
import io
import lzma
import os
import struct
import tarfile
import zipfile
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))


def write(path, body):
    path = os.path.join(HERE, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as out:
        out.write(body)


def noise(count):
    """Bytes that do not compress: a linear congruential generator's."""
    state, out = 1, bytearray()
    for _ in range(count):
        state = (state * 1103515245 + 12345) % 2**31
        out.append(state >> 16 & 255)
    return bytes(out)


# ---- idx ----

def idx(sizes, body, kind=8):
    header = struct.pack(">BBBB", 0, 0, kind, len(sizes))
    return header + b"".join(struct.pack(">I", size) for size in sizes) + body


IMAGES = idx([3, 2, 2], noise(12))
LABELS = idx([3], bytes([0, 1, 2]))


def case(name, images=IMAGES, labels=LABELS, suffix="", classes=None, test=True):
    folder = f"idx/{name}/"
    write(folder + "train-images-idx3-ubyte" + suffix, images)
    write(folder + "train-labels-idx1-ubyte", labels)
    if test:
        write(folder + "t10k-images-idx3-ubyte", idx([2, 2, 2], noise(8)))
        write(folder + "t10k-labels-idx1-ubyte", idx([2], bytes([1, 0])))
    if classes:
        write(folder + "classes.txt", classes)


def idx_cases():
    zipped = gzip.compress(idx([3, 16, 16], noise(768)), mtime=0)
    case("truncated-gz", zipped[:len(zipped) // 2], suffix=".gz")
    case("truncated-gz-trailer", zipped[:-4], suffix=".gz")
    case("damaged-gz", zipped[:-8] + b"\1\2\3\4" + zipped[-4:], suffix=".gz")
    case("truncated", IMAGES[:-1])
    case("truncated-header", IMAGES[:10])
    case("empty-file", b"")
    case("trailing-bytes", IMAGES + b"\0")
    case("huge-count", idx([2**32 - 1, 2, 2], noise(12)))
    case("overflow", idx([2**32 - 1, 65535, 65535, 3], noise(12)))
    case("wrong-magic", b"this is not an idx file\n")
    case("wrong-type", idx([3, 2, 2], noise(48), kind=0x0D))
    case("wrong-dimensions", idx([3, 4], noise(12)))
    case("zero-height", idx([3, 0, 2], b""))
    case("two-channels", idx([3, 2, 1, 2], noise(12)))
    case("other-channels", idx([3, 2, 2, 3], noise(36)))
    case("no-images", idx([0, 2, 2], b""))
    case("label-count", labels=idx([2], bytes([0, 1])))
    case("label-range", classes=b"zero\none\n")
    case("classes-gap", classes=b"zero\r\n\r\none\r\ntwo\r\n")
    case("missing-test", test=False)


# ---- Images ----

def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width, height, rows):
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows))
            + chunk(b"IEND", b""))


def jpeg_segment(marker, body):
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def jpeg_start(side):
    """Headers of a baseline grey JPEG whose scan is all zero bits: every block
    is two one-bit codes, "DC difference 0" and "end of block"."""
    table = bytes([1] + [0] * 15) + b"\0"  # one code, of one bit, for symbol 0
    return (b"\xff\xd8" + jpeg_segment(0xDB, b"\0" + b"\1" * 64)
            + jpeg_segment(0xC0, struct.pack(">BHHBBBB", 8, side, side, 1, 1, 0x11, 0))
            + jpeg_segment(0xC4, b"\x00" + table) + jpeg_segment(0xC4, b"\x10" + table)
            + jpeg_segment(0xDA, bytes([1, 1, 0x00, 0, 63, 0])))


def bmp_start(side):
    size = side * side * 3
    return (b"BM" + struct.pack("<IHHI", 54 + size, 0, 0, 54)
            + struct.pack("<IiiHHIIiiII", 40, side, side, 1, 24, 0, size, 2835, 2835, 0, 0))


def image_cases():
    rows = b"".join(b"\0" + noise(32) for _ in range(32))
    whole = png(32, 32, rows)
    write("images/truncated.png", whole[:len(whole) // 2])
    write("images/giant.png", png(20000, 20000, b"\0" * 40))
    write("images/absurd.png", png(2000000000, 2000000000, b"\0" * 40))
    # 256 x 256: 1024 blocks, 256 bytes of scan, of which the last 128 and the
    # end marker are missing.
    write("images/truncated.jpg", jpeg_start(256) + b"\0" * 128)
    # 16 x 100 codes where 256 is the most, before the rest of the headers.
    table = b"\x11" + b"\x64" * 16 + noise(1600)
    write("images/huffman.jpg", b"\xff\xd8" + jpeg_segment(0xC4, table) + jpeg_start(8)[2:]
          + b"\0\xff\xd9")
    write("images/truncated.bmp", bmp_start(32) + noise(512))
    write("images/truncated.gif", b"GIF89a" + struct.pack("<HHBBB", 64, 64, 0x80, 0, 0)
          + b"\0\0\0\xff\xff\xff" + b"," + struct.pack("<HHHHB", 0, 0, 64, 64, 0) + b"\x02\x16\x8c")
    write("images/text.png", b"This is a text, whatever its name says.\n")
    write("images/empty.jpg", b"")


# ---- Archives ----

def tar():
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        archive.addfile(tarfile.TarInfo("notes.txt"))
    return out.getvalue()


def with_dictionary(xz, bits):
    """An xz file whose first block's header asks for a dictionary of 2**bits bytes."""
    end = 12 + 4 * (xz[12] + 1)
    header = bytearray(xz[12:end - 4])
    header[header.index(b"\x21\x01") + 2] = 2 * (bits - 12)
    return xz[:12] + header + struct.pack("<I", zlib.crc32(header)) + xz[end:]


def archive_cases():
    xz = lzma.compress(tar(), preset=0)
    write("archives/dictionary.tar.xz", with_dictionary(xz, 31))
    # Of two streams that follow one another the second asks for it.
    write("archives/second.tar.xz", xz + with_dictionary(xz, 31))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(zipfile.ZipInfo("notes.txt"), "text", compress_type=zipfile.ZIP_LZMA)
    body = bytearray(out.getvalue())
    body[body.index(b"\x09\x04\x05\0") + 5:][:4] = b"\0\0\0\x80"
    write("archives/lzma.zip", body)


if __name__ == "__main__":
    idx_cases()
    image_cases()
    archive_cases()
