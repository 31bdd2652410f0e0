#!/usr/bin/python3
"""Makes what the fuzz targets begin with: a folder of small inputs and a dictionary for each.

usage: seeds.py BUILD FOLDER

BUILD has the programs; FOLDER/NAME gets the inputs of the target NAME and FOLDER/NAME.dict its
words. Inputs are the files of tests/bad and tests/images, and small ones made here: archives,
images, models and a checkpoint of runs of a moment.
"""

import bz2
import gzip
import hashlib
import io
import lzma
import pathlib
import re
import struct
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib

TESTS = pathlib.Path(__file__).resolve().parent.parent
MARK = b"\n%%%%\n"
LARGEST = 1 << 14  # of an input: larger ones are slow, and hold nothing new


class Corpus:
    """The inputs of one target; equal ones are one file."""

    def __init__(self, root, name):
        self.folder = root / name
        self.words = root / f"{name}.dict"
        self.folder.mkdir(parents=True, exist_ok=True)

    def add(self, *parts):
        body = MARK.join(parts)
        if len(body) <= LARGEST:
            (self.folder / hashlib.sha1(body).hexdigest()[:16]).write_bytes(body)

    def set_words(self, words):
        def quoted(word):
            plain = (chr(b) if 32 <= b < 127 and b not in b'"\\' else f"\\x{b:02x}" for b in word)
            return '"' + "".join(plain) + '"\n'

        self.words.write_text("".join(quoted(word) for word in dict.fromkeys(words) if word))


# ---- Cfgs ----

TINY = [
    "[net]\nbatch=4\n[fft]\nsize=5\n[conv]\nfilters=2\nsize=3\nnorm=batch\nactivation=srelu\nwindow=1\n"
    "[ifft]\n[dense]\nunits=classes\n[softmax]\n",
    "[net]\nbatch=4\noptimizer=sgd\n[fft]\nsize=7\n[conv]\nfilters=2\nsize=full\nactivation=modrelu\n"
    "[fourier_pool]\nsize=5\n[conv]\nfilters=3\nsize=3\nstride=2\n[norm]\n[activation]\n"
    "function=relu\ngrid=auto\n[ifft]\n[dense]\nunits=4\nactivation=leaky_relu\n[dropout]\nrate=0.5\n"
    "[dense]\nunits=classes\n[softmax]\nlabel_smoothing=0.1\n",
    "[net]\nbatch=4\nbands=0.5:1,1:\n[fft]\nsize=9\nplacement=crop\ncrop=0.9\npad=zero\n[max_pool]\n"
    "size=3\nstride=2\npad=1\n[conv]\nfilters=2\nsize=1\n[conv]\nfilters=2\nsize=3\n[shortcut]\nfrom=-2\n"
    "[avg_pool]\nsize=3\nstride=2\npad=1\n[ifft]\n[dense]\nunits=classes\n[softmax]\n",
    "[net]\nbatch=4\ndomain=space\nborder=zero\n[fft]\nsize=7\n[conv]\nfilters=2\nsize=3\nnorm=batch\n"
    "activation=relu\nalgorithm=winograd\n[max_pool]\nsize=3\nstride=2\npad=1\n[conv]\nfilters=2\n"
    "size=3\nactivation=srelu\nalgorithm=fft\ntile=8\n[ifft]\n[dense]\nunits=classes\n[softmax]\n",
    "[net]\nbatch=4\nclass_weights=1,2,0.5\nschedule=onecycle\nwarmup_epochs=1\nclip_norm=1\n[fft]\n"
    "size=5\n[norm]\n[fourier_pool]\nsize=3\n[ifft]\n[dense]\nunits=classes\n[softmax]\n",
]


def cfgs():
    """All cfgs of the repository, and the tiny ones, as bytes."""
    folders = [TESTS.parent / "models", TESTS / "bad", TESTS / "programs"]
    return [path.read_bytes() for folder in folders for path in sorted(folder.glob("*.cfg"))] + [
        text.encode() for text in TINY
    ]


def config_words(build):
    """Sections, keys and the words of the cfg language, out of its manual."""
    manual = subprocess.run(
        [build / "fcnn-train", "--help-cfg"], check=True, capture_output=True, text=True
    ).stdout
    sections = [f"\n{section}\n" for section in re.findall(r"^\[\w+\]", manual, re.M)]
    keys = [f"\n{key}=" for key in re.findall(r"^  (\w+) ", manual, re.M)]
    words = [f"={word}" for group in re.findall(r"\w+(?:\|\w+)+", manual) for word in group.split("|")]
    return [word.encode() for word in sections + keys + words]


def add_cfgs(root, build):
    config, network = Corpus(root, "config"), Corpus(root, "network")
    assignments = [b"net.seed=5", b"conv[1].filters=2", b"net.data=a b"]
    for number, cfg in enumerate(cfgs()):
        config.add(cfg + bytes([number]))
        config.add(cfg, *assignments, b"x" + bytes([number]))
    for cfg in TINY:
        for choice in (0, 1, 2, 3, 16, 17, 19, 20):
            network.add(cfg.encode() + bytes([choice]))
    words = config_words(build)
    config.set_words(words + [MARK, b"net.", b"conv[1].", b"#", b";", b"\r\n", b"\xef\xbb\xbf"])
    network.set_words(words)


# ---- Data sets ----


def idx(sizes, body):
    return struct.pack(f">BBBB{len(sizes)}I", 0, 0, 8, len(sizes), *sizes) + body


def add_idx(root):
    corpus = Corpus(root, "idx")
    names = ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte",
             "t10k-labels-idx1-ubyte", "classes.txt"]
    for folder in sorted((TESTS / "bad" / "idx").iterdir()):
        found = [next(iter(folder.glob(name + "*")), None) for name in names]
        corpus.add(*(path.read_bytes() if path else b"" for path in found))
    images, labels = idx([3, 2, 2], bytes(range(12))), idx([3], bytes(3))
    for classes in ([], [b"one\ntwo\n"], [b"\xef\xbb\xbfone\r\n"]):
        corpus.add(images, labels, images, labels, *classes)
        corpus.add(gzip.compress(images, mtime=0), labels, images, gzip.compress(labels), *classes)
    coloured = idx([1, 1, 2, 3], bytes(6))
    corpus.add(coloured, idx([1], bytes(1)), coloured, idx([1], bytes(1)))
    corpus.set_words([MARK, b"\0\0\x08\x01", b"\0\0\x08\x03", b"\0\0\x08\x04", b"\x1f\x8b\x08"])


def tar(files, compress=bytes, form=tarfile.USTAR_FORMAT):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for name, body in files:
            member = tarfile.TarInfo(name)
            member.size = len(body)
            archive.addfile(member, io.BytesIO(body))
    return compress(out.getvalue())


def zipped(files, method):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, body in files:
            archive.writestr(zipfile.ZipInfo(name), body, compress_type=method)
    return out.getvalue()


def add_cifar(root):
    corpus = Corpus(root, "cifar")
    record = bytes(3074)
    names = "".join(f"{number}\n" for number in range(100)).encode()
    corpus.add(record, record, names)
    corpus.add(record, record)
    hundred = [("cifar-100-binary/train.bin", record), ("cifar-100-binary/test.bin", record),
               ("cifar-100-binary/fine_label_names.txt", names)]
    ten = [(f"cifar-10-batches-bin/data_batch_{number}.bin", bytes(3073)) for number in range(1, 6)]
    ten += [("cifar-10-batches-bin/test_batch.bin", bytes(3073))]
    odd = [("notes.txt", b"text"), ("\u00fc.bin", b"")]
    xz = lambda body: lzma.compress(body, preset=0)
    for files in (hundred, ten, odd, odd + ten[:1], []):
        for compress in (bytes, gzip.compress, bz2.compress, xz):
            corpus.add(tar(files, compress))
        corpus.add(tar(files, gzip.compress, tarfile.PAX_FORMAT))
        corpus.add(tar(files, gzip.compress, tarfile.GNU_FORMAT))
        corpus.add(zipped(files, zipfile.ZIP_DEFLATED))
        corpus.add(zipped(files, zipfile.ZIP_STORED))
        corpus.add(zipped(files, zipfile.ZIP_LZMA))
    corpus.set_words([MARK, b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", b"PK\x06\x06", b"ustar\0",
                      b"ustar  \0", b"\x1f\x8b\x08", b"BZh9", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd",
                      b"data_batch_1.bin", b"train.bin", b"fine_label_names.txt", b"././@LongLink"])


# ---- Images ----


def png(width, height, depth, colour, interlaced=0, extra=b""):
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    row = b"\0" + bytes((width * channels * depth + 7) // 8)

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    palette = chunk(b"PLTE", bytes(range(48))) + chunk(b"tRNS", bytes(16)) if colour == 3 else b""
    # Interlaced ones have more rows, each with its filter; what is too much is left alone.
    body = zlib.compress(row * height * (3 if interlaced else 1))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + palette + extra + chunk(b"IDAT", body)
            + chunk(b"IEND", b""))


def bmp(width, height, bits):
    palette = bytes(4 << bits) if bits <= 8 else b""
    stride = (width * bits + 31) // 32 * 4
    body = bytes(stride * abs(height))
    at = 54 + len(palette)
    return (struct.pack("<2sIHHI", b"BM", at + len(body), 0, 0, at)
            + struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, 0, len(body), 0, 0, 0, 0)
            + palette + body)


def gif(width, height):
    return (b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6)
            + b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02\x02\x44\x01\0;")


def images():
    files = [path for folder in ("images", "images/formats", "bad/images")
             for path in sorted((TESTS / folder).iterdir()) if path.is_file()]
    bodies = [path.read_bytes() for path in files if path.suffix in (".png", ".jpg", ".bmp", ".gif")]
    for depth, colour in ((1, 0), (8, 0), (16, 0), (8, 2), (16, 2), (4, 3), (8, 4), (8, 6), (16, 6)):
        bodies += [png(3, 2, depth, colour), png(9, 9, depth, colour, 1)]
    bodies += [bmp(3, 2, bits) for bits in (1, 4, 8, 16, 24, 32)] + [bmp(2, -2, 24), gif(2, 2)]
    return bodies


def add_images(root):
    image, folder = Corpus(root, "image"), Corpus(root, "folder")
    for body in images():
        image.add(body)
    small = png(2, 2, 8, 2)
    trees = [["train/a/1.png", "train/b/2.png", "val/a/3.png"], ["a/1.png", "a/2.jpg", "b/1.png"],
             ["train/a/1.png", "test/a/1.png", "test/c/1.png"], ["a.png", "a/1.txt", "b/c/d.png"],
             ["valid/x/1.png", "train/x/1.png", "train/.h/1.png"], ["\u00e4 #;/1.PNG", "=/+.gif"]]
    for tree in trees:
        folder.add(*(name.encode() + b"\n" + small for name in tree))
    folder.add(b"a\xff\x1b[1m/1.png\n" + small, b"b/2.png\n" + small[:40])
    image.set_words([b"\x89PNG\r\n\x1a\n", b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"CgBI",
                     b"\xff\xd8", b"\xff\xd9", b"\xff\xc0", b"\xff\xc2", b"\xff\xc4", b"\xff\xda",
                     b"\xff\xdb", b"\xff\xdd", b"\xff\xe0\0\x10JFIF\0", b"\xff\xee\0\x0eAdobe\0",
                     b"Exif\0\0", b"BM", b"GIF87a", b"GIF89a", b"\x21\xf9\x04", b"\xff\xff"])
    folder.set_words([MARK, b"train/", b"val/", b"test/", b"valid/", b"/1.png\n", b".jpg\n", b"\n"])


def add_archives(root):
    corpus = Corpus(root, "archive")
    small = png(2, 2, 8, 2)
    trees = [["a/1.png", "b/2.png"], ["top/train/a/1.png", "top/val/a/2.png", "__MACOSX/top/._x"],
             ["./a/1.png", "/b/2.png", "../c/3.png", "a//4.png"], ["top\\a\\1.png", "top\\b\\2.PNG"],
             ["a-b/1.png", "a/1.png", "a", "a/1.png/2.png"], ["x/y/z/a/1.png", "x/y/z/b/1.heic"]]
    for tree in trees:
        files = [(name, small) for name in tree]
        for compress in (bytes, gzip.compress, bz2.compress, lambda body: lzma.compress(body, preset=0)):
            corpus.add(tar(files, compress))
        corpus.add(tar(files, form=tarfile.PAX_FORMAT))
        corpus.add(zipped(files, zipfile.ZIP_DEFLATED))
        corpus.add(zipped(files, zipfile.ZIP_STORED))
    corpus.set_words([MARK, b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", b"ustar\0", b"ustar  \0",
                      b"a/1.png", b"train/", b"../", b"\\", b"._", b"././@LongLink", b"\x89PNG\r\n\x1a\n"])


# ---- Models, checkpoints, logs ----


def runs(build, folder):
    """Short runs of the tiny cfgs. Yields the folder of each."""
    for number, cfg in enumerate(TINY):
        path, out = folder / f"{number}.cfg", folder / str(number)
        path.write_text(cfg)
        subprocess.run(
            [build / "fcnn-train", path, "--quiet", "--out", out, "--epochs", "2", "--data",
             "synthetic:classes=3,size=8,channels=1,train=8,val=4"],
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for form in (["--form", "spectral"], ["--form", "spectral", "--type", "half"]):
            # Not every network has each form.
            subprocess.run([build / "fcnn-convert", out / "model.safetensors", *form],
                           check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        yield out


def add_checkpoints(corpus, body):
    """A checkpoint, and the same with numbers in its position that no run has written."""
    corpus.add(body)
    end = 8 + struct.unpack("<Q", body[:8])[0]
    header = body[8:end]
    for key in (b"epoch", b"epoch_step", b"epoch_images", b"best_loss", b"since_best"):
        for value in (b"9223372036854775807", b"-9223372036854775808", b"nan", b"x", b""):
            hostile = re.sub(b'"' + key + b'": *"[^"]*"', b'"' + key + b'":"' + value + b'"', header)
            corpus.add(struct.pack("<Q", len(hostile)) + hostile + body[end:])


def add_runs(root, build):
    container, model = Corpus(root, "safetensors"), Corpus(root, "model")
    checkpoint, log = Corpus(root, "checkpoint"), Corpus(root, "log")
    steps = Corpus(root, "steps")
    for path in sorted((TESTS / "bad").glob("*.safetensors")):
        container.add(path.read_bytes())
    columns = b"epoch,train_loss,train_accuracy,seconds,images_per_second\n"
    log.add(columns + b"1,0,0,0,0\n\0")
    log.add(columns + b"1,1e100,-1e100,1e-320,5\n2,-0,3,4,1e100\n\x01")
    steps.add(b"step,train_loss\n5,\n6,1e12\n7,-1e12\n3000,0.25\n\0\4\xff")
    with tempfile.TemporaryDirectory() as folder:
        for out in runs(build, pathlib.Path(folder)):
            for path in sorted(out.glob("model*.safetensors")):
                model.add(path.read_bytes())
                container.add(path.read_bytes())
            add_checkpoints(checkpoint, (out / "checkpoint.safetensors").read_bytes())
            log.add((out / "log.csv").read_bytes() + b"\x01")
            steps.add((out / "steps.csv").read_bytes() + b"\0\0\2")
    container_words = [b'"__metadata__":{', b'"dtype":"F32"', b'"dtype":"F16"', b'"shape":[',
                       b'"data_offsets":[', b"9223372036854775807", b"-1", b"[]", b"{}", b"\\u0000"]
    keys = [b"format_version", b"form", b"compact", b"spectral", b"channels", b"class_names",
            b"input_mean", b"input_deviation", b"config", b"band_fraction"]
    escaped = [word.replace(b"\n", b"\\n") for word in config_words(build)]
    position = [b"epoch", b"epoch_step", b"epoch_loss", b"best_accuracy", b"since_best",
                b"training_images", b"0x1p+1", b"nan", b"inf", b"-0x1p+1023"]
    container.set_words(container_words)
    model.set_words(container_words + keys + escaped)
    checkpoint.set_words(container_words + keys + escaped + position)
    steps.set_words([b"step,train_loss\n", b",", b"\n", b"1e12", b"-1e12", b"4503599627370496", b"nan"])
    log.set_words(columns.strip().split(b",") + [b"val_loss", b"val_accuracy", b"band_fraction", b",",
                                                b"\n", b"1e308", b"-1e308", b"1e-320", b"0x1p3",
                                                b"nan", b"inf"])


def add_spectra(root):
    corpus = Corpus(root, "spectra")

    def change(kind, count=0, at=0, value=b"\0\0"):
        return struct.pack("<BBI2s", kind, count, at, value)

    header, record = change(2), change(3)
    corpus.add(change(1, at=5000))
    corpus.add(change(0, 8, 8, b"\1\1") + header)
    for at in range(32, 72, 4):
        corpus.add(change(0, 4, at, b"\1\0") + header)
    for at in range(0, 28, 4):
        corpus.add(change(0, 4, 4160 + at, b"\xff\xff") + record)
    corpus.set_words([change(1)[:2], header[:2], record[:2]])


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    build, root = (pathlib.Path(argument).resolve() for argument in sys.argv[1:])
    add_cfgs(root, build)
    add_idx(root)
    add_cifar(root)
    add_images(root)
    add_archives(root)
    add_runs(root, build)
    add_spectra(root)


main()
