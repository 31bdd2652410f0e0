#!/usr/bin/python3
"""Measures epochs of training from JPEG files, fcnn-train and PyTorch in turn; one Markdown table.

Usage: epoch.py CFG[,SECTION.KEY=VALUE...]... [--build FOLDER] [options]; --help lists them.

Each CFG, with its overrides, is trained with an empty spectra cache; --uncached adds a row without
one, --keep a row of the peer with its decoded pixels kept in memory, --workers 0,2 a row for each
number of the peer's loader processes. The full measurement of 512-pixel pictures:

    tests/bench/epoch.py models/alexnet-512.cfg models/alexnet-512-lean.cfg --keep --rounds 2

and a trial of a minute:

    tests/bench/epoch.py models/alexnet.cfg --size 224 --images 100 --limit 64 --epochs 2 --batch 16

A *cold* epoch is everything up to the end of the first one: folder read, network made, for fcnn
the input statistics, the files decoded (they are evicted from the page cache before) and, with a
cache, their spectra written. The peer's clock starts after Python's imports. *Later* epochs are the
mean of all others, with files and spectra in the page cache, and the median over the rounds: the
mean, because with growing bands (net.bands=) epochs differ on purpose. --peer-epochs spares the
peer's, which do not, a long schedule:

    tests/bench/epoch.py models/alexnet-512.cfg,net.bands=0.4:9,1: --epochs 10 --peer-epochs 2

Both sides train on the same files, in batches of equal size, the incomplete last batch left out;
validating and saving are not timed. Each row is a process of its own; rounds repeat the whole
series in the same order. Speed-ups are over the quickest peer's time an image, of cold and of later
epochs apart. A row that fails is named and left out, and the exit code is 1.
The peer, epoch_peer.py, trains the first CFG's spatial twin (without the overrides). Needs Debian's
packages python3-torch, python3-numpy and python3-pil.
"""
import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from peers import (HERE, INTERRUPTED, OVERRIDE, PYTHON, Failed, check_paths, devices, environment,
                   run, table)
from spatial import expand

POLL_SECONDS = 0.01


def options():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("cfg", nargs="+", metavar="CFG[,K=V...]", help="rows of fcnn-train")
    p.add_argument("--build", default="build", help="folder of fcnn-train")
    p.add_argument("--images", type=int, default=1000, help="JPEGs to make and train on")
    p.add_argument("--classes", type=int, default=10)
    p.add_argument("--size", type=int, default=512, help="pixels of a JPEG and the peer's input")
    p.add_argument("--data", help="an image folder in place of JPEGs made here; the peer resizes")
    p.add_argument("--epochs", type=int, default=3, help="a cold one and at least one more")
    p.add_argument("--peer-epochs", type=int, help="the peer's, if not as many")
    p.add_argument("--batch", type=int, default=64)
    p.add_argument("--limit", type=int, default=0, help="train on the first N images only")
    p.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    p.add_argument("--workers", default="2", help="the peer's loader processes: N[,N...]")
    p.add_argument("--norm", choices=("batch", "none"), default="batch", help="the peer's")
    p.add_argument("--layout", choices=("auto", "contiguous", "channels_last"), default="auto",
                   help="the peer's; auto: the faster of both")
    p.add_argument("--uncached", action="store_true", help="also fcnn-train without a cache")
    p.add_argument("--keep", action="store_true", help="also the peer keeping decoded pixels")
    p.add_argument("--rounds", type=int, default=1)
    p.add_argument("--work", help="folder for JPEGs, caches and models (default: a temporary one)")
    p.add_argument("--json", action="store_true", help="one JSON object in place of the table")
    o = p.parse_args()
    o.peer_epochs = o.epochs if o.peer_epochs is None else o.peer_epochs
    if (min(o.images, o.batch, o.threads, o.rounds) < 1 or min(o.epochs, o.peer_epochs) < 2
            or o.limit < 0):
        p.error("expected positive numbers and at least 2 epochs")
    if not re.fullmatch(r"\d+(,\d+)*", o.workers):
        p.error(f"--workers {o.workers}: expected whole numbers with commas between")
    if o.work and not os.path.isdir(o.work):
        p.error(f"there is no folder {o.work}")
    o.train = os.path.join(o.build, "fcnn-train")
    check_paths(p, o, ["fcnn-train"], o.cfg)
    return o


def evict(folder):
    """Asks the kernel to forget the files' pages."""
    for path, _, files in os.walk(folder):
        for name in files:
            descriptor = os.open(os.path.join(path, name), os.O_RDONLY)
            os.fsync(descriptor)  # pages not yet written cannot be forgotten
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


def search(pattern, text, what):
    found = re.search(pattern, text, re.MULTILINE)
    if not found:
        raise Failed(f"fcnn-train did not print {what}")
    return found[1]


def kind_of(text):
    """The label that fcnn-train gives the layers between fft and ifft."""
    if "domain=space" in text:
        return "space"
    fused = re.search(r"(\d+) layers between fft and ifft are resident, (\d+) fused", text)
    if fused:
        return f"fused ({fused[2]} of {int(fused[1]) + int(fused[2])} layers)"
    search("^(every layer between fft and ifft is resident)$", text, "a label of its layers")
    return "resident"


def folder_mib(folder):
    return sum(entry.stat().st_size for entry in os.scandir(folder)) / 2**20


def read(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def read_seconds(log):
    """Seconds of each epoch's steps."""
    names, *rows = (line.split(",") for line in read(log).splitlines())
    return [float(row[names.index("seconds")]) for row in rows]


class Ours:
    """A row of fcnn-train."""

    def __init__(self, o, cfg, cached):
        self.o, self.cached = o, cached
        self.cfg, *overrides = OVERRIDE.split(cfg)
        self.overrides = expand(self.cfg, overrides)
        self.name = " ".join(["fcnn-train", os.path.basename(self.cfg), *overrides,
                              "--cache" if cached else "without a cache"])

    def command(self, data, out, cache):
        o = self.o
        words = [o.train, self.cfg, "--data", data, "--epochs", str(o.epochs), "--batch",
                 str(o.batch), "--threads", str(o.threads), "--device", "cpu", "--out", out,
                 "--set", f"net.validate_every={o.epochs}", "--verbose"]
        words += ["--limit", str(o.limit)] * bool(o.limit) + ["--cache", cache] * self.cached
        for override in self.overrides:
            words += ["--set", override]
        return words

    def start(self, command, log, stdout, stderr):
        """Runs the command; the seconds until its log.csv, which it makes before the first step."""
        began = time.perf_counter()
        until_log = None
        with subprocess.Popen(command, env=environment(), stdin=subprocess.DEVNULL, stdout=stdout,
                              stderr=stderr) as process:
            try:
                while process.poll() is None:
                    if until_log is None and os.path.exists(log):
                        until_log = time.perf_counter() - began
                    time.sleep(POLL_SECONDS if until_log is None else 10 * POLL_SECONDS)
            except KeyboardInterrupt:
                process.kill()  # a clean stop would save what nobody reads
                raise
        return process.returncode, until_log

    def run(self, data, work):
        folder = tempfile.mkdtemp(dir=work)  # a cache of an earlier run would not be cold
        try:
            return self.run_in(folder, data)
        finally:
            shutil.rmtree(folder)

    def run_in(self, folder, data):
        out, cache, *paths = (os.path.join(folder, name)
                              for name in ("run", "cache", "stdout", "stderr"))
        log = os.path.join(out, "log.csv")
        with open(paths[0], "w", encoding="utf-8") as stdout, \
                open(paths[1], "w", encoding="utf-8") as stderr:
            code, started = self.start(self.command(data, out, cache), log, stdout, stderr)
        text, messages = (read(path) for path in paths)
        if code == INTERRUPTED:
            raise KeyboardInterrupt
        if code or started is None:
            raise Failed(f"{self.name} ended with code {code}: {messages.strip()[-2000:]}")
        steps = search(r"^epochs +\d+ of (\d+ steps of \d+) images", text, "its steps").split()
        used = re.search(r"input bins used: (.+?)\s*$", text, re.MULTILINE)
        return {
            "kind": kind_of(text),
            "input": used[1] if used else "all pixels of its map",
            "device": search(r"; device (.+)$", text, "its device"),
            "parameters": int(search(r"^total +(\d+)", text, "its parameters")),
            "images": int(steps[0]) * int(steps[-1]),
            "start_seconds": started,
            "epoch_seconds": read_seconds(log),
            "peak_mib": float(search(r"^peak resident memory ([\d.]+) MiB", text, "its memory")),
            "cache_mib": folder_mib(cache) if self.cached else 0.0}


class Peer:
    """A row of PyTorch."""

    def __init__(self, o, workers, keep):
        self.o, self.workers, self.keep = o, workers, keep
        self.name = f"PyTorch, DataLoader, workers: {workers}" + ", pixels kept" * keep

    def run(self, data, work):
        o = self.o
        cfg = OVERRIDE.split(o.cfg[0])[0]
        command = [PYTHON, os.path.join(HERE, "epoch_peer.py"), cfg, "--data", data, "--epochs",
                   str(o.peer_epochs), "--batch", str(o.batch), "--threads", str(o.threads),
                   "--workers", str(self.workers), "--size", str(o.size), "--limit", str(o.limit),
                   "--norm", o.norm, "--layout", o.layout] + ["--keep"] * self.keep
        r = json.loads(run(command, self.name))
        return {
            "kind": f"space, max pooling, norm {r['norm']}, {r['layout']}",
            "input": f"{r['size']} px",
            "device": f"{r['version']}, {r['device']}",
            "parameters": r["parameters"],
            "images": r["epochs"][0]["images"],
            "start_seconds": r["start_seconds"],
            "epoch_seconds": [e["seconds"] for e in r["epochs"]],
            "wait_seconds": [e["wait_seconds"] for e in r["epochs"]],
            "peak_mib": r["peak_mib"],
            "worker_peak_mib": r["worker_peak_mib"]}


def summarise(contender, runs):
    """A row from a contender's runs: medians of times, largest memory."""
    first = runs[0]
    row = {key: first[key] for key in ("kind", "input", "device", "parameters", "images")}
    row["name"], row["peer"] = contender.name, isinstance(contender, Peer)
    row["cold_seconds"] = statistics.median(r["start_seconds"] + r["epoch_seconds"][0]
                                            for r in runs)
    row["start_seconds"] = statistics.median(r["start_seconds"] for r in runs)
    row["later_seconds"] = statistics.median(statistics.fmean(r["epoch_seconds"][1:])
                                             for r in runs)
    for when in ("cold", "later"):
        row[f"{when}_images_per_second"] = row["images"] / row[f"{when}_seconds"]
    row["peak_mib"] = max(r["peak_mib"] for r in runs)
    for key in ("worker_peak_mib", "cache_mib"):
        row[key] = max(r.get(key, 0.0) for r in runs)
    row["runs"] = runs
    return row


def compare(rows):
    """Each row's speed-ups over the quickest peer; none where no peer ran."""
    for when in ("cold", "later"):
        key = f"{when}_images_per_second"
        base = max((row[key] for row in rows if row["peer"]), default=None)
        for row in rows:
            row[f"{when}_speedup"] = row[key] / base if base else None


def run_once(contender, data, work):
    """One run, with a line about it on standard error; None if it failed."""
    evict(data)
    try:
        r = contender.run(data, work)
    except Failed as failure:
        print(f"epoch.py: {failure}", file=sys.stderr)
        return None
    epochs = " ".join(f"{seconds:.1f}" for seconds in r["epoch_seconds"])
    print(f"  start {r['start_seconds']:.1f} s, epochs {epochs} s", file=sys.stderr)
    return r


def measure(o, data, work):
    """The rows of the contenders that ran, and whether all did."""
    contenders = []
    for cfg in o.cfg:
        contenders += [Ours(o, cfg, True)] + [Ours(o, cfg, False)] * o.uncached
    for workers in o.workers.split(","):
        contenders += [Peer(o, int(workers), False)] + [Peer(o, int(workers), True)] * o.keep
    runs = [[] for _ in contenders]
    for i in range(o.rounds):
        for contender, mine in zip(contenders, runs):
            if None in mine:
                continue
            print(f"round {i + 1}/{o.rounds}: {contender.name}", file=sys.stderr)
            mine.append(run_once(contender, data, work))
    complete = [(c, r) for c, r in zip(contenders, runs) if None not in r]
    rows = [summarise(contender, mine) for contender, mine in complete]
    compare(rows)
    return rows, len(rows) == len(contenders)


def memory(row):
    text = f"{row['peak_mib']:.0f}"
    if row["worker_peak_mib"]:
        text += f" and {row['worker_peak_mib']:.0f} a worker"
    return text


def speedups(row):
    if row["cold_speedup"] is None:
        return "-"
    return f"{row['cold_speedup']:.2f}x, {row['later_speedup']:.2f}x"


def print_table(o, rows, made):
    print(f"{made}; epochs: {o.epochs}, of the peer {o.peer_epochs}, each of {rows[0]['images']} "
          f"images in batches of {o.batch}; threads: {o.threads}, rounds: {o.rounds}.\n")
    print(devices(rows))
    for row in rows:
        if row["cache_mib"]:
            print(f"- {row['name']}: a cache of {row['cache_mib']:.0f} MiB, mapped: what is read "
                  "of it counts as the program's memory")
    columns = ("who", "kind", "input used", "parameters", "cold epoch, s (before its first step)",
               "later epochs, s", "images/s, cold and later", "peak memory, MiB",
               "speed-up, cold and later")
    print(f"\n{table(columns, map(line, rows))}")


def line(row):
    return (row["name"], row["kind"], row["input"], f"{row['parameters'] / 1e6:.1f} M",
            f"{row['cold_seconds']:.1f} ({row['start_seconds']:.1f})",
            f"{row['later_seconds']:.1f}",
            f"{row['cold_images_per_second']:.1f}, {row['later_images_per_second']:.1f}",
            memory(row), speedups(row))


def make_data(o, work):
    """The image folder and a sentence about it."""
    if o.data:
        return os.path.abspath(o.data), f"Images of {o.data}"
    data = os.path.join(work, "jpegs")
    words = ["--images", o.images, "--classes", o.classes, "--size", o.size]
    run([PYTHON, os.path.join(HERE, "make_jpegs.py"), data, *map(str, words)], "make_jpegs.py")
    return data, f"{o.images} synthetic JPEGs of {o.size}x{o.size} pixels"


def main():
    o = options()
    try:
        with tempfile.TemporaryDirectory(prefix="fcnn-epoch-", dir=o.work) as work:
            work = os.path.abspath(work)
            data, made = make_data(o, work)
            rows, complete = measure(o, data, work)
    except Failed as failure:
        sys.exit(f"epoch.py: {failure}")
    except KeyboardInterrupt:
        return INTERRUPTED
    if not rows:
        return 1
    if o.json:
        print(json.dumps({"data": made, "size": o.size, "epochs": o.epochs, "batch": o.batch,
                          "threads": o.threads, "rounds": o.rounds, "rows": rows}))
    else:
        print_table(o, rows, made)
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main())
