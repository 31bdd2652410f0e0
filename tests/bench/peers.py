"""What the measurements against PyTorch share: the programs' options, their processes and JSON,
training steps of both sides, and tables. Nothing here needs PyTorch."""
import argparse
import json
import os
import re
import statistics
import subprocess
import sys
from typing import NamedTuple

import spatial
from spatial import Failed

HERE = os.path.dirname(os.path.abspath(__file__))
PYTHON = "/usr/bin/python3"  # Debian's, which has the packages
OVERRIDE = re.compile(r",(?=[a-z_]+(?:\[(?:\d+|\*)\])?\.[a-z_0-9]+=)")
INTERRUPTED = 130  # exit code of a program that Ctrl-C stopped
MACS_A_SECOND = 2e11  # of a peer's step, to choose how many are timed
STEP_SECONDS, STEPS_MIN, STEPS_MAX = 3.0, 3, 100


# ---- Options ----


def whole_numbers(text):
    if not re.fullmatch(r"[1-9]\d*(,[1-9]\d*)*", text):
        raise argparse.ArgumentTypeError(f"{text}: expected whole numbers with commas between")
    return [int(number) for number in text.split(",")]


def parser(document):
    """Options that every measurement has; the help's text is the module's."""
    p = argparse.ArgumentParser(description=document,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--build", default="build", help="folder of fcnn's programs")
    p.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--steps", type=int, default=0, help="timed in a round (default: about "
                   f"{STEP_SECONDS:.0f} seconds of them, {STEPS_MIN} to {STEPS_MAX})")
    p.add_argument("--malloc", choices=("keep", "default"), default="keep",
                   help="the peer's C library keeps what is freed, or has its own settings: less "
                   "memory, more time")
    p.add_argument("--json", action="store_true", help="one JSON object in place of the table")
    return p


def check(p, o, programs, cfgs=()):
    """Ends the program (code 2) where an option is wrong or a path is not there."""
    if min(o.threads, o.rounds) < 1 or o.steps < 0:
        p.error("expected positive numbers")
    check_paths(p, o, programs, cfgs)


def check_paths(p, o, programs, cfgs):
    for program in programs:
        path = os.path.join(o.build, program)
        if not os.access(path, os.X_OK):
            p.error(f"there is no {path}: build it, and name its folder by --build")
    for cfg in cfgs:
        if not os.path.isfile(OVERRIDE.split(cfg)[0]):
            p.error(f"there is no {OVERRIDE.split(cfg)[0]}")


# ---- Processes ----


def environment():
    """Kernels are chosen by the processor on both sides."""
    return {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "FCNN_ISA")}


def run(command, name, text=""):
    """A program's standard output."""
    done = subprocess.run(command, env=environment(), input=text, capture_output=True, text=True,
                          check=False)
    if done.returncode == INTERRUPTED:
        raise KeyboardInterrupt
    if done.returncode:
        raise Failed(f"{name} ended with code {done.returncode}: {done.stderr.strip()[-2000:]}")
    return done.stdout


def main(measure, program):
    """Runs a measurement; the exit code."""
    try:
        return measure()
    except Failed as failure:
        print(f"{program}: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED


# ---- What is measured ----


class Cfg:
    """A cfg with overrides, the images that it is given, and what fcnn-info tells of it."""

    def __init__(self, o, text, channels=None, side=None, classes=10):
        self.path, *overrides = OVERRIDE.split(text)
        self.overrides = spatial.expand(self.path, overrides)
        self.name = " ".join([os.path.basename(self.path), *overrides])
        self.sections = spatial.read(self.path, self.overrides)
        given = spatial.images_of(self.sections)
        self.channels, self.side = channels or given[0], side or given[1]
        self.classes = classes
        info = run([os.path.join(o.build, "fcnn-info"), self.path, *self.words()], "fcnn-info")
        used = re.search(r"input bins used: (\d+ of \d+, = (\d+) px)", info)
        if not used:
            raise Failed(f"{self.path}: fcnn-info does not tell the input bins used")
        self.used, self.used_side = used[1], int(used[2])
        self.parameters = int(re.search(r"^total +(\d+)", info, re.MULTILINE)[1])
        self.kind = "fused" if re.search(r"\bfused$", info, re.MULTILINE) else "resident"

    def words(self):
        sets = [word for override in self.overrides for word in ("--set", override)]
        return ["--channels", str(self.channels), "--classes", str(self.classes), *sets]

    def twin(self, norm=True):
        return spatial.translate(self.sections, self.channels, self.classes, self.side, norm)

    def batch(self):
        return self.sections[0].number("batch", 128)


class Job(NamedTuple):
    """Work for step_peer.py."""
    network: spatial.Network
    batch: int
    mode: str  # train, infer
    optimizer: tuple = ()  # items of spatial.optimizer()
    form: str = "auto"


def steps(o, network, batch, mode):
    """How many are timed, so that a round takes a few seconds."""
    seconds = (3 if mode == "train" else 1) * batch * network.macs() / MACS_A_SECOND
    return o.steps or min(max(round(STEP_SECONDS / seconds), STEPS_MIN), STEPS_MAX)


class Peer:
    """PyTorch's side of a job; the form that the first run finds quickest is kept."""

    def __init__(self, o, job):
        self.o, self.job, self.form, self.runs = o, job, job.form, []

    def run(self):
        o, job = self.o, self.job
        words = {"network": job.network._asdict(), "batch": job.batch, "mode": job.mode,
                 "optimizer": dict(job.optimizer), "form": self.form, "threads": o.threads,
                 "steps": steps(o, job.network, job.batch, job.mode), "keep": o.malloc == "keep"}
        out = run([PYTHON, os.path.join(HERE, "step_peer.py")], "step_peer.py", json.dumps(words))
        self.runs.append(json.loads(out))
        self.form = self.runs[-1]["form"]
        return statistics.median(self.runs[-1]["ms"])

    def row(self):
        """Of all rounds: the median of their medians, the quickest step, the largest memory."""
        last = self.runs[-1]
        row = {"ms_per_image": statistics.median(statistics.median(r["ms"]) for r in self.runs),
               "fastest_ms": min(min(r["ms"]) for r in self.runs),
               "rounds_ms": [statistics.median(r["ms"]) for r in self.runs],
               "peak_mib": max(r["peak_mib"] for r in self.runs),
               "device": f"{last['version']}, {last['device']}", "form": self.form,
               "parameters": last["parameters"], "input": f"{self.job.network.side} px"}
        for part in ("forward_ms", "backward_ms", "update_ms"):
            if part in last:
                row[part] = statistics.median(r[part] for r in self.runs)
        return row


class Ours:
    """fcnn-bench's side of a job; about: the row's form, parameters and input."""

    def __init__(self, o, job, words, side, about):
        self.o, self.job, self.about, self.runs = o, job, about, []
        self.words = [job.mode, *words, *(["--size", str(side)] if side else [])]

    def run(self):
        o, job = self.o, self.job
        words = ["--batch", job.batch, "--steps", steps(o, job.network, job.batch, job.mode),
                 "--threads", o.threads, "--device", "cpu", "--json"]
        command = [os.path.join(o.build, "fcnn-bench"), *self.words, *map(str, words)]
        self.runs.append(json.loads(run(command, "fcnn-bench")))
        return self.runs[-1]["ms_per_image"]

    def row(self):
        ms, last = [r["ms_per_image"] for r in self.runs], self.runs[-1]
        return {"ms_per_image": statistics.median(ms), "rounds_ms": ms,
                "fastest_ms": min(r["ms_per_step_fastest"] for r in self.runs) / self.job.batch,
                "peak_mib": max(r["peak_mib"] for r in self.runs),
                "device": f"fcnn, {last['device']}", "phases": last["phases"],
                "copy_gbytes": max(r["copy_gbytes"] for r in self.runs), **self.about}


def trained(o, cfg, batch):
    """fcnn-bench train of a cfg."""
    about = {"form": cfg.kind, "parameters": cfg.parameters, "input": cfg.used}
    return Ours(o, training(cfg, cfg.twin(), batch), [cfg.path, *cfg.words()], cfg.side, about)


def training(cfg, network, batch):
    return Job(network, batch, "train", tuple(spatial.optimizer(cfg.sections).items()))


def take_turns(o, contenders):
    """Every contender once a round, {name: contender}; a line for each on standard error."""
    for i in range(o.rounds):
        for name, contender in contenders.items():
            ms = contender.run()
            print(f"round {i + 1}/{o.rounds}: {name}: {ms:.3f} ms an image", file=sys.stderr)


# ---- Tables ----


def table(columns, rows):
    """Markdown."""
    lines = [f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}"]
    return "\n".join(lines + [f"| {' | '.join(map(str, row))} |" for row in rows])


def devices(rows):
    """A line for each device that rows ran on."""
    return "\n".join(f"- {device}" for device in dict.fromkeys(row["device"] for row in rows))


def number(value):
    """Three digits."""
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def times(row):
    return f"{number(row['ms_per_image'])} ({number(row['fastest_ms'])})"


def compare(row, ours):
    """How many times faster ours is, by medians and by fastest steps."""
    row["faster"] = row["ms_per_image"] / ours["ms_per_image"]
    row["faster_fastest"] = row["fastest_ms"] / ours["fastest_ms"]


def faster(row):
    return f"{row['faster']:.2f}x ({row['faster_fastest']:.2f}x)" if "faster" in row else ""
