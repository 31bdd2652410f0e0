#!/usr/bin/python3
"""Measures training on several ranks, beside what fcnn-bench train --ranks-model predicts of it.

Usage: ranks.py BUILD [options]; --help lists them. Markdown tables go to standard output.

    machine    one rank of two threads against two ranks of one thread, and two processes of half
               the batch that know nothing of each other: what computing alone takes beside another
    hosts      two ranks on two hosts, network namespaces joined by a link of some rate and delay
               (hosts.py), by mpirun over TCP; for root
    oversubscribed   1, 2 and 4 ranks of one thread on this machine

A step's time is that of an epoch in log.csv by its steps, the median of all epochs but the first of
each run; images come from a cache. What it waits for other ranks is told by fcnn-train at the end.
Predictions are of as many ranks that time their steps at once, and of the link as it is stated or,
between ranks of this machine, as they measure it. Everything is run in turn, --rounds times, and
the median of the rounds is given. Models are compared byte by byte: a difference is an error.
"""
import argparse
import csv
import filecmp
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from typing import NamedTuple

import hosts
from peers import HERE, Failed, main, run, table

MODELS = os.path.join(HERE, "..", "..", "models")
SETTINGS = ((1000, 0.1), (1000, 1.0), (100, 1.0))  # Mbit/s, ms
LIMIT = ("timeout", "900")  # libraries have been seen to hang in the end
OPENMPI = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
           "OMPI_MCA_rmaps_base_oversubscribe": "1", "OMPI_MCA_mpi_yield_when_idle": "1",
           "OMPI_MCA_hwloc_base_binding_policy": "none"}


class Job(NamedTuple):
    """A cfg on noise of the size that it is for, and how long it is trained."""
    cfg: str
    size: int
    channels: int
    batch: int
    steps: int  # an epoch
    epochs: int
    slowest: int  # link, Mbit/s

    def words(self, shards, batch):
        count = self.batch * self.steps
        data = f"synthetic:size={self.size},channels={self.channels},train={count},val=16"
        return [os.path.join(MODELS, self.cfg), "--data", data, "--batch", str(batch),
                "--limit", str(batch * self.steps), "--epochs", str(self.epochs), "--quiet",
                "--set", f"net.shards={shards}", "--set", "net.save_every=1000000",
                "--set", "net.validate_every=1000000"]


JOBS = {"lenet": Job("lenet.cfg", 28, 1, 128, 16, 4, 100),
        "cifar10": Job("cifar10.cfg", 32, 3, 128, 4, 3, 100),
        "alexnet": Job("alexnet.cfg", 224, 3, 16, 3, 3, 1000)}


def options():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("build", help="folder of the programs")
    p.add_argument("--cfg", default=",".join(JOBS), help=f"of {', '.join(JOBS)}")
    p.add_argument("--parts", default="machine,hosts,oversubscribed")
    p.add_argument("--mpi", choices=("openmpi", "mpich"), default="openmpi")
    p.add_argument("--rounds", type=int, default=3)
    o = p.parse_args()
    o.build = os.path.abspath(o.build)
    for module in ("fcnn-train", "fcnn-bench", f"libfcnn_{o.mpi}.so"):
        if not os.path.exists(os.path.join(o.build, module)):
            p.error(f"there is no {o.build}/{module}")
    os.environ.update(OPENMPI)
    os.environ["UCX_TLS"] = os.environ.get("UCX_TLS", "tcp,sm,self")
    return o


# ---- Runs ----


class Runs:
    """The runs of a job: each in a folder of its own, which its last one keeps."""

    def __init__(self, o, job, work):
        self.o, self.job, self.work = o, job, work

    def folder(self, name):
        return os.path.join(self.work, re.sub(r"\W+", "-", name))

    def train(self, name, shards, threads, batch=None):
        """The command of a run."""
        words = self.job.words(shards, batch or self.job.batch)
        return [os.path.join(self.o.build, "fcnn-train"), *words, "--threads", str(threads),
                "--cache", os.path.join(self.work, "cache"), "--out", self.folder(name)]

    def launch(self, ranks, words):
        return [*LIMIT, f"mpirun.{self.o.mpi}", "-n", str(ranks), *words] if ranks > 1 else words

    def step(self, name, text):
        """A run's median step and what of it waits for other ranks, in ms."""
        with open(os.path.join(self.folder(name), "log.csv"), encoding="utf-8") as file:
            rates = [float(row["images_per_second"]) for row in csv.DictReader(file)][1:]
        waits = re.search(r"([0-9.]+)\s+waiting\s+for\s+other\s+ranks", text)
        steps = self.job.steps * self.job.epochs
        return 1e3 / statistics.median(rates), 1e3 * float(waits[1] if waits else 0) / steps

    def predicted(self, ranks, launch, words=()):
        """The prediction of a step on so many ranks, and the link."""
        job = self.job
        command = launch([os.path.join(self.o.build, "fcnn-bench"), "train",
                          os.path.join(MODELS, job.cfg), "--channels", str(job.channels), "--batch",
                          str(job.batch), "--size", str(job.size), "--threads", "1", "--json",
                          "--ranks-model", "--images", "1000000", *words])
        model = json.loads(run(command, "fcnn-bench"))["ranks_model"]
        return next(s for s in model["strong"] if s["ranks"] == ranks), model


def same_model(runs, one, other):
    files = [os.path.join(runs.folder(name), "model.safetensors") for name in (one, other)]
    if not filecmp.cmp(*files, shallow=False):
        raise Failed(f"{runs.job.cfg}: the models of '{one}' and '{other}' differ")


def median(rounds):
    return statistics.median(rounds)


def spread(rounds):
    return f"{median(rounds):.1f} ({min(rounds):.1f} to {max(rounds):.1f})"


def tell(text):
    print(text, file=sys.stderr)


# ---- One machine ----


def apart(runs):
    """Two processes of half the batch at the same time: the slower one's step."""
    half, batch = ["half a", "half b"], runs.job.batch // 2
    started = [subprocess.Popen(runs.train(name, 1, 1, batch), stdout=subprocess.PIPE, text=True)
               for name in half]
    texts = [process.communicate()[0] for process in started]
    if any(process.returncode for process in started):
        raise Failed(f"{runs.job.cfg}: half a batch could not be trained on")
    return max(batch * runs.step(name, text)[0] for name, text in zip(half, texts))


def machine(o, runs):
    batch = runs.job.batch
    kinds = {"1 rank of 2 threads, one shard": (1, 1, 2, ()),
             "1 rank of 2 threads, two shards": (1, 2, 2, ()),
             "2 ranks of 1 thread": (2, 2, 1, ()),
             "2 ranks of 1 thread, --partition-optimizer": (2, 2, 1, ("--partition-optimizer",))}
    steps, waits, alone = {name: [] for name in kinds}, {name: [] for name in kinds}, []
    for i in range(o.rounds):
        for name, (ranks, shards, threads, words) in kinds.items():
            command = runs.launch(ranks, [*runs.train(name, shards, threads), *words])
            step, wait = runs.step(name, run(command, name))
            steps[name].append(batch * step)
            waits[name].append(wait)
            tell(f"{runs.job.cfg}, round {i + 1}, {name}: {batch * step:.1f} ms")
        alone.append(apart(runs))
        tell(f"{runs.job.cfg}, round {i + 1}, apart: {alone[-1]:.1f} ms")
    _, one, *ranked = kinds
    for name in ranked:
        same_model(runs, one, name)
    rows = [[runs.job.cfg, batch, name, spread(steps[name]),
             f"{median(waits[name]):.1f}" if kinds[name][0] > 1 else "",
             f"{median([a - b for a, b in zip(steps[name], alone)]):+.1f}" if kinds[name][0] > 1
             else ""] for name in kinds]
    rows.append([runs.job.cfg, batch, "2 processes of half the batch, no exchange", spread(alone),
                 "", ""])
    return rows


# ---- Predictions ----


def compared(name, measured, predictions, waits):
    """A row: medians, and that of the rounds' ratios."""
    ratios = [m / p["step_ms"] for m, p in zip(measured, predictions)]
    exchange = median([p["exchange_ms"] for p in predictions])
    hidden = median([p["hidden_ms"] for p in predictions])
    return [*name, spread(measured), f"{median([p['step_ms'] for p in predictions]):.1f}",
            f"{median(ratios):.2f}", f"{median(waits):.1f}", f"{exchange - hidden:.1f}",
            f"{exchange:.1f}", predictions[-1]["binds"]]


def oversubscribed(o, runs):
    rows, first = [], None
    for ranks in (1, 2, 4):
        name, measured, predictions, waits = f"{ranks} ranks", [], [], []
        for i in range(o.rounds):
            predicted, model = runs.predicted(ranks, lambda words: runs.launch(ranks, words))
            step, wait = runs.step(name, run(runs.launch(ranks, runs.train(name, 4, 1)), name))
            measured.append(runs.job.batch * step)
            predictions.append(predicted)
            waits.append(wait)
            tell(f"{runs.job.cfg}, round {i + 1}, {name}: {measured[-1]:.1f} ms, "
                 f"predicted {predicted['step_ms']:.1f}")
        first = first or name
        same_model(runs, first, name)
        link = (f"{model['bandwidth_gbit']:.1f} Gbit/s, {model['latency_us']:.0f} us"
                if ranks > 1 else "")
        rows.append(compared([runs.job.cfg, runs.job.batch, ranks, link], measured, predictions,
                             waits))
    return rows


def launcher(o, agent):
    """The command that starts a rank on each host."""
    def openmpi(words):
        return hosts.on(0, *LIMIT, "mpirun.openmpi", "-n", "2", "-host",
                        ",".join(hosts.ADDRESSES), "--mca", "btl", "tcp,self", "--mca",
                        "btl_tcp_if_include", hosts.NETWORK, "--mca", "oob_tcp_if_include",
                        hosts.NETWORK, "--mca", "plm_rsh_agent", agent, *words)

    def mpich(words):
        return hosts.on(0, *LIMIT, "env", "UCX_TLS=tcp,self", "mpirun.mpich", "-n", "2",
                        "-hosts", ",".join(hosts.ADDRESSES), "-launcher", "ssh",
                        "-launcher-exec", agent, *words)
    return openmpi if o.mpi == "openmpi" else mpich


def across(o, runs):
    agent = os.path.join(runs.work, "agent")
    hosts.write_agent(agent)
    launch, rows = launcher(o, agent), []
    run(runs.train("one process", 2, 2), "fcnn-train")
    for rate, delay in (s for s in SETTINGS if s[0] >= runs.job.slowest):
        name, measured, predictions, waits = f"{rate} {delay}", [], [], []
        with hosts.Hosts(rate, delay) as link:
            by_link, model = runs.predicted(2, launch)
            for i in range(o.rounds):
                stated = ("--bandwidth", str(rate / 1000), "--latency", str(1000 * delay))
                predicted, _ = runs.predicted(2, launch, stated)
                step, wait = runs.step(name, run(launch(runs.train(name, 2, 1)), name))
                measured.append(runs.job.batch * step)
                predictions.append(predicted)
                waits.append(wait)
                tell(f"{runs.job.cfg}, round {i + 1}, {name}: {measured[-1]:.1f} ms, "
                     f"predicted {predicted['step_ms']:.1f}")
            how = link.how()
        same_model(runs, "one process", name)
        text = (f"{model['bandwidth_gbit']:.3f} Gbit/s, {model['latency_us']:.0f} us: "
                f"{by_link['step_ms']:.1f} ms")
        rows.append(compared([runs.job.cfg, runs.job.batch, f"{rate} Mbit/s, {delay} ms ({how})",
                              text], measured, predictions, waits))
    return rows


PARTS = {
    "machine": (machine, ["cfg", "batch", "what", "ms a step (rounds)", "waiting for other ranks",
                          "more than without exchange"]),
    "hosts": (across, ["cfg", "batch", "link", "as ranks measure it, and predicted by that",
                       "ms a step (rounds)", "predicted", "measured / predicted",
                       "waiting for other ranks", "of the exchange not hidden, predicted",
                       "all of it", "binds"]),
    "oversubscribed": (oversubscribed,
                       ["cfg", "batch", "ranks", "link as measured", "ms a step (rounds)",
                        "predicted", "measured / predicted", "waiting for other ranks",
                        "of the exchange not hidden, predicted", "all of it", "binds"])}


def measure():
    o = options()
    for part in o.parts.split(","):
        function, columns = PARTS[part]
        rows = []
        for name in o.cfg.split(","):
            with tempfile.TemporaryDirectory(prefix="fcnn-ranks-") as work:
                rows += function(o, Runs(o, JOBS[name], work))
        print(f"{part}, {o.mpi}, {o.rounds} rounds; models are the same byte by byte\n")
        print(table(columns, rows), "\n", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(measure, "ranks.py"))
