#!/usr/bin/python3
"""The peer of epoch.py: AlexNet on an image folder by PyTorch, its time an epoch.

Usage: epoch_peer.py --data FOLDER [--epochs N] [--batch N] [--threads N] [--workers N]
                     [--size PIXELS] [--limit N] [--norm batch|none] [--keep]
                     [--layout auto|contiguous|channels_last]

The network is torchvision's AlexNet (64-192-384-256-256 channels, max pooling, 6x6, 4096-4096),
with --norm batch a batch norm after each convolution, in place of its bias, as in fcnn's cfg.
Pictures of FOLDER/train/<class>/* are decoded by PIL, brought to SIZE x SIZE where they have
another size, and normalised, by a DataLoader with N workers (0: in the training process itself);
AdamW. With --keep the decoded pixels stay in memory, shared by the workers, and later epochs only
normalise them.

Progress on standard error; one JSON object on standard output: versions, kernels in use,
`start_seconds` (folder listed, network and loader made), for each epoch its seconds, those of them
spent waiting for the loader, images per second and loss, and the peak memory of the process and of
its largest worker (a page shared by both counts in both). The clock starts after Python's imports
and stands still while layouts are tried. Steps allocate their tensors; the C library is told to
keep what they free, because returning it to the kernel at each step, as it would, costs a quarter
of the processor time.
Needs Debian's packages python3-torch and python3-pil; torchvision is not used.
"""
import argparse
import concurrent.futures
import ctypes
import json
import multiprocessing
import os
import re
import resource
import sys
import time


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="image folder, with train/<class>/*")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--workers", type=int, default=2, help="processes of the DataLoader")
    parser.add_argument("--size", type=int, default=224, help="side of the network's input")
    parser.add_argument("--limit", type=int, default=0, help="the first N images; 0: all")
    parser.add_argument("--norm", choices=("batch", "none"), default="batch")
    parser.add_argument("--keep", action="store_true", help="decode in the first epoch only")
    parser.add_argument("--layout", choices=("auto", "contiguous", "channels_last"),
                        default="auto", help="auto: the faster of both on some steps")
    o = parser.parse_args()
    if min(o.epochs, o.batch, o.threads) < 1 or min(o.workers, o.limit) < 0 or o.size < 63:
        parser.error("expected positive numbers and a size of 63 pixels at least")
    return o


OPTIONS = options()
# Read when the libraries are loaded: kernels by the processor, threads as the options say, and
# OpenMP threads that wait without spinning for long, as fcnn's programs set it for themselves.
os.environ.pop("OPENBLAS_CORETYPE", None)
os.environ["OPENBLAS_NUM_THREADS"] = str(OPTIONS.threads)
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # malloc.h
libc = ctypes.CDLL(None)
libc.mallopt(M_MMAP_MAX, 0)
libc.mallopt(M_TRIM_THRESHOLD, -1)
try:
    import numpy as np
    import torch
    from PIL import Image
    from torch import nn
except ImportError as missing:
    sys.exit(f"epoch_peer.py: {missing}; install Debian's packages python3-torch and python3-pil")

LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
MEAN = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
DEVIATION = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
LAYOUT_STEPS = 3  # timed of each
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif")


class Folder(torch.utils.data.Dataset):
    """Normalised [3][size][size] images and their labels, in the order of classes and names."""

    def __init__(self, folder, size, limit):
        self.size = size
        self.files = []
        train = os.path.join(folder, "train")
        self.classes = sorted(entry.name for entry in os.scandir(train) if entry.is_dir())
        for label, name in enumerate(self.classes):
            for file in sorted(os.listdir(os.path.join(train, name))):
                if file.lower().endswith(SUFFIXES):
                    self.files.append((os.path.join(train, name, file), label))
        if limit:
            self.files = self.files[:limit]
        self.pixels = self.kept = None

    def keep(self):
        """From now on, decoded pixels stay in memory that loader processes share."""
        self.pixels = torch.empty(len(self.files), self.size, self.size, 3, dtype=torch.uint8)
        self.kept = torch.zeros(len(self.files), dtype=torch.uint8)
        self.pixels.share_memory_()
        self.kept.share_memory_()

    def __len__(self):
        return len(self.files)

    def decode(self, index):
        with Image.open(self.files[index][0]) as file:
            image = file.convert("RGB")
        if image.size != (self.size, self.size):
            image = image.resize((self.size, self.size), Image.Resampling.BILINEAR)
        return torch.from_numpy(np.array(image))

    def __getitem__(self, index):
        if self.kept is not None and self.kept[index]:
            pixels = self.pixels[index]
        else:
            pixels = self.decode(index)
            if self.kept is not None:
                self.pixels[index] = pixels
                self.kept[index] = 1
        image = pixels.permute(2, 0, 1).contiguous().float().div_(255)
        return image.sub_(MEAN).div_(DEVIATION), self.files[index][1]


def alexnet(classes, norm):
    """torchvision's AlexNet; a norm comes between convolution and ReLU."""
    def convolution(inputs, outputs, kernel, stride, padding):
        layers = [nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=not norm)]
        return layers + [nn.BatchNorm2d(outputs)] * norm + [nn.ReLU(inplace=True)]

    return nn.Sequential(
        *convolution(3, 64, 11, 4, 2), nn.MaxPool2d(3, 2),
        *convolution(64, 192, 5, 1, 2), nn.MaxPool2d(3, 2),
        *convolution(192, 384, 3, 1, 1),
        *convolution(384, 256, 3, 1, 1),
        *convolution(256, 256, 3, 1, 1), nn.MaxPool2d(3, 2),
        nn.AdaptiveAvgPool2d(6), nn.Flatten(),
        nn.Dropout(), nn.Linear(256 * 36, 4096), nn.ReLU(inplace=True),
        nn.Dropout(), nn.Linear(4096, 4096), nn.ReLU(inplace=True),
        nn.Linear(4096, classes))


class Trainer:
    """A network in one memory layout, with its optimizer."""

    def __init__(self, classes, norm, layout):
        torch.manual_seed(1)
        self.layout = LAYOUTS[layout]
        self.network = alexnet(classes, norm == "batch").to(memory_format=self.layout)
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=0.0004, weight_decay=0.05)

    def step(self, images, labels):
        self.optimizer.zero_grad(set_to_none=True)
        output = self.network(images.contiguous(memory_format=self.layout))
        loss = nn.functional.cross_entropy(output, labels)
        loss.backward()
        self.optimizer.step()
        return loss.item()


def faster_layout(classes, o):
    """The layout whose quickest step on a few random images, the first apart, takes less time."""
    images = torch.randn(min(o.batch, 16), 3, o.size, o.size)
    labels = torch.zeros(len(images), dtype=torch.long)
    seconds = {}
    for layout in LAYOUTS:
        trainer = Trainer(classes, o.norm, layout)
        trainer.step(images, labels)
        times = []
        for _ in range(LAYOUT_STEPS):
            started = time.perf_counter()
            trainer.step(images, labels)
            times.append(time.perf_counter() - started)
        seconds[layout] = min(times)
    return min(seconds, key=seconds.get)


def elsewhere(function, *arguments):
    """The function's result from a process of its own, whose memory is not counted here."""
    context = multiprocessing.get_context("fork")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(function, *arguments).result()


def epoch(trainer, loader):
    """One pass; its seconds in all and those of waiting for the loader."""
    started = time.perf_counter()
    wait = loss = 0.0
    images = 0
    batches = iter(loader)
    while True:
        asked = time.perf_counter()
        batch = next(batches, None)
        wait += time.perf_counter() - asked
        if batch is None:
            break
        images += len(batch[1])
        loss += trainer.step(*batch) * len(batch[1])
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "wait_seconds": wait, "compute_seconds": seconds - wait,
            "images": images, "images_per_second": images / seconds, "loss": loss / images}


def mkldnn_isa():
    """The instruction set that oneDNN's convolutions use here."""
    names = {0x1: "SSE4.1", 0x3: "AVX", 0x7: "AVX2", 0x407: "AVX2-VNNI", 0x27: "AVX-512",
             0x67: "AVX-512 VNNI", 0xe7: "AVX-512 BF16", 0x3e7: "AMX"}
    try:
        code = ctypes.CDLL("libdnnl.so.2").dnnl_get_effective_cpu_isa()
    except (OSError, AttributeError):
        return "unknown instruction set"
    return names.get(code, f"instruction set {code:#x}")


def blas():
    """The BLAS of the dense layers."""
    try:
        name = ctypes.CDLL("libblas.so.3").openblas_get_corename
    except (OSError, AttributeError):
        return "the system's BLAS"
    name.restype = ctypes.c_char_p
    return f"OpenBLAS {name().decode()}"


def peak_mib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def worker_peak_mib():
    """Of the largest process of the loader; 0 where there is none."""
    peaks = [0.0]
    for worker in multiprocessing.active_children():
        with open(f"/proc/{worker.pid}/status", encoding="utf-8") as status:
            peaks.append(int(re.search(r"VmHWM:\s+(\d+) kB", status.read())[1]) / 1024)
    return max(peaks)


def main():
    o = OPTIONS
    torch.set_num_threads(o.threads)
    if not torch.backends.mkldnn.is_available():
        sys.exit(f"epoch_peer.py: PyTorch {torch.__version__} was built without oneDNN")
    started = time.perf_counter()
    try:
        data = Folder(o.data, o.size, o.limit)
    except OSError as error:
        sys.exit(f"epoch_peer.py: {error}")
    if len(data) < o.batch:
        sys.exit(f"epoch_peer.py: {o.data} has {len(data)} images and a batch takes {o.batch}")
    layout = o.layout
    if layout == "auto":
        tried = time.perf_counter()
        layout = elsewhere(faster_layout, len(data.classes), o)
        started += time.perf_counter() - tried  # a choice that fcnn does not make
    if o.keep:  # not before: a process forked after OpenMP's threads started would hang
        data.keep()
    trainer = Trainer(len(data.classes), o.norm, layout)
    loader = torch.utils.data.DataLoader(data, o.batch, shuffle=True, num_workers=o.workers,
                                         drop_last=True, persistent_workers=o.workers > 0)
    start_seconds = time.perf_counter() - started
    epochs = []
    for i in range(o.epochs):
        epochs.append(epoch(trainer, loader))
        e = epochs[-1]
        print(f"epoch {i + 1}/{o.epochs}  loss {e['loss']:.4f}  {e['seconds']:.1f} s, "
              f"{e['wait_seconds']:.1f} of them waiting  {e['images_per_second']:.1f} images/s",
              file=sys.stderr)
    threads = f"{o.threads} thread{'s' * (o.threads > 1)}"
    print(json.dumps({
        "version": f"PyTorch {torch.__version__.split('a')[0]}",
        "device": f"cpu: {threads}, oneDNN {mkldnn_isa()}, {blas()}",
        "layout": layout, "norm": o.norm, "keep": o.keep, "size": o.size, "batch": o.batch,
        "threads": o.threads, "workers": o.workers,
        "parameters": sum(p.numel() for p in trainer.network.parameters()),
        "start_seconds": start_seconds, "epochs": epochs,
        "peak_mib": peak_mib(), "worker_peak_mib": worker_peak_mib()}))


if __name__ == "__main__":
    main()
