#!/usr/bin/python3
"""The peer of epoch.py: a cfg's spatial twin on an image folder by PyTorch, its time an epoch.

Usage: epoch_peer.py CFG --data FOLDER [--epochs N] [--batch N] [--threads N] [--workers N]
                     [--size PIXELS] [--limit N] [--norm batch|none] [--keep]
                     [--layout auto|contiguous|channels_last]

The network is the cfg's spatial twin, as spatial.py translates it: of models/alexnet.cfg
torchvision's AlexNet, with --norm batch a batch norm after each convolution in place of its bias.
Pictures of FOLDER/train/<class>/* are decoded by PIL, brought to SIZE x SIZE where they have
another size, and normalised, by a DataLoader with N workers (0: in the training process itself);
AdamW. With --keep the decoded pixels stay in memory, shared by the workers, and later epochs only
normalise them.

Progress on standard error; one JSON object on standard output: versions, kernels in use,
`start_seconds` (folder listed, network and loader made), for each epoch its seconds, those of them
spent waiting for the loader, images per second and loss, and the peak memory of the process and of
its largest worker (a page shared by both counts in both). The clock starts after Python's imports
and stands still while layouts are tried.
Needs Debian's packages python3-torch and python3-pil; torchvision is not used.
"""
import argparse
import json
import multiprocessing
import os
import re
import sys
import time

import spatial
import torch_peer


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cfg")
    parser.add_argument("--data", required=True, help="image folder, with train/<class>/*")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--workers", type=int, default=2, help="processes of the DataLoader")
    parser.add_argument("--size", type=int, default=224, help="side of the network's input")
    parser.add_argument("--limit", type=int, default=0, help="the first N images; 0: all")
    parser.add_argument("--norm", choices=("batch", "none"), default="batch")
    parser.add_argument("--keep", action="store_true", help="decode in the first epoch only")
    parser.add_argument("--layout", choices=("auto", *torch_peer.LAYOUTS),
                        default="auto", help="auto: the faster of both on some steps")
    o = parser.parse_args()
    if min(o.epochs, o.batch, o.threads) < 1 or min(o.workers, o.limit) < 0 or o.size < 1:
        parser.error("expected positive numbers")
    return o


OPTIONS = options()
torch_peer.prepare(OPTIONS.threads, "epoch_peer.py", "python3-torch and python3-pil")
try:
    import numpy as np
    import torch
    from PIL import Image
except ImportError as missing:
    sys.exit(f"epoch_peer.py: {missing}; install Debian's packages python3-numpy and python3-pil")

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
DEVIATION = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
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


def twin(o, classes):
    """The cfg's network for images of o.size, and its optimizer."""
    sections = spatial.read(o.cfg)
    network = spatial.translate(sections, 3, classes, o.size, o.norm == "batch")
    return spatial.fed(network, o.size), spatial.optimizer(sections)


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
    started = time.perf_counter()
    try:
        data = Folder(o.data, o.size, o.limit)
    except OSError as error:
        sys.exit(f"epoch_peer.py: {error}")
    if len(data) < o.batch:
        sys.exit(f"epoch_peer.py: {o.data} has {len(data)} images and a batch takes {o.batch}")
    try:
        network, rule = twin(o, len(data.classes))
    except spatial.Failed as failure:
        sys.exit(f"epoch_peer.py: {o.cfg}: {failure}")
    layout = o.layout
    if layout == "auto":
        tried = time.perf_counter()
        layout = torch_peer.elsewhere(torch_peer.faster_layout, network, rule, o.batch)
        started += time.perf_counter() - tried  # a choice that fcnn does not make
    if o.keep:  # not before: a process forked after OpenMP's threads started would hang
        data.keep()
    trainer = torch_peer.Trainer(network, rule, layout)
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
    print(json.dumps({
        "version": torch_peer.version(), "device": torch_peer.device(o.threads),
        "layout": layout, "norm": o.norm, "keep": o.keep, "size": o.size, "batch": o.batch,
        "threads": o.threads, "workers": o.workers,
        "parameters": torch_peer.parameters(trainer.network),
        "start_seconds": start_seconds, "epochs": epochs,
        "peak_mib": torch_peer.peak_mib(), "worker_peak_mib": worker_peak_mib()}))


if __name__ == "__main__":
    main()
