"""archives.py FOLDER: archives of the pictures in FOLDER, CLASS/FILE each, as people and their
machines make them, and some that are spoilt, in the current folder."""

import bz2
import gzip
import io
import lzma
import os
import sys
import tarfile
import zipfile

root = sys.argv[1]
files = [
    (f"{name}/{file}", open(os.path.join(root, name, file), "rb").read())
    for name in sorted(os.listdir(root))
    for file in sorted(os.listdir(os.path.join(root, name)))
]
junk = [("__MACOSX/._top", b"x"), ("__MACOSX/top/cat/._p00.bmp", b"x"), ("top/.DS_Store", b"x"),
        ("top/cat/._p00.bmp", b"x"), ("top/cat/Thumbs.db", b"x"), ("README.txt", b"text")]


def below(folder, chosen=files):
    return [(f"{folder}/{name}", body) for name, body in chosen]


def write_zip(path, members, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, body in members:
            archive.writestr(zipfile.ZipInfo(name), body, compress_type=method)


def tar(members, links=(), **options):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", **options) as archive:
        for name, body in members:
            member = tarfile.TarInfo(name)
            member.size = len(body)
            archive.addfile(member, io.BytesIO(body))
        for name, target, kind in links:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, target
            archive.addfile(member)
    return out.getvalue()


def write(path, body):
    with open(path, "wb") as file:
        file.write(body)


# Whole ones, all of the same pictures.
write_zip("flat.zip", reversed(files))
write_zip("stored.ZIP", files, zipfile.ZIP_STORED)
write_zip("top.zip", junk + below("top"))
write_zip("deep.zip", below("all/animals"))
write_zip("windows.zip", [("top\\", b"")] + [(n.replace("/", "\\"), b) for n, b in below("top")])
write("dots.tar", tar(below(".")))
write("plain.tar", tar(below("top")))
write("a.tar.gz", gzip.compress(tar(below("top"))))
write("a.tgz", gzip.compress(tar(files, format=tarfile.GNU_FORMAT)))
write("a.tar.bz2", bz2.compress(tar(files)))
write("a.tar.xz", lzma.compress(tar(files), preset=0))
first = next(name for name, body in files)
write("twice.tar", tar([(first, b"an older one")] + files))
write("hard.tar", tar([(n, b) for n, b in files if n != first] + [("other/x.bmp", files[0][1])],
                      [(first, "other/x.bmp", tarfile.LNKTYPE)]))

# Splits, and what a run tells of.
half = len(files) // 2
write_zip("splits.zip", below("top/train") + below("top/Validation", files[::3])
          + below("top/test", files[1::3]))
write_zip("val.zip", below("val"))
write("links.tar", tar(files, [("cat/link.bmp", "p00.bmp", tarfile.SYMTYPE)]))
write_zip("spoilt.zip", files + [("cat/bad.png", b"\x89PNG\r\n\x1a\n"), ("cat/x.heic", b"x"),
                                 ("../up.bmp", files[0][1]), ("cat/notes.txt", b"x"),
                                 ("cat/deep/p.bmp", files[0][1])])
write("latin.tar", tar([(n.replace("cat", "c\xe4t"), b) for n, b in files],
                       format=tarfile.GNU_FORMAT, encoding="latin-1"))

# Such that cannot be read.
body = open("flat.zip", "rb").read()
coded = bytearray(body)
for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
    at = coded.find(mark)
    while at >= 0:
        coded[at + flags] |= 1
        at = coded.find(mark, at + 4)
write("coded.zip", coded)
write("cut.zip", body[: len(body) // 2])
damaged = bytearray(body)
damaged[damaged.find(b"PK\x03\x04", 100) + 60] ^= 0xFF
write("damaged.zip", damaged)
write("cut.tar", tar(files)[:3000])
write("cut.tar.gz", gzip.compress(tar(files))[:200])
write_zip("lzma.zip", files, zipfile.ZIP_LZMA)
write_zip("empty.zip", [])
write_zip("texts.zip", [("a/1.txt", b"x"), ("b/2.md", b"y")])
write_zip("photos.zip", [("a/1.heic", b"x"), ("b/2.NEF", b"y")])
write_zip("loose.zip", [("1.bmp", files[0][1]), ("2.bmp", files[1][1])])
write("text.tar", b"a text")
