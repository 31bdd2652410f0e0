#!/usr/bin/python3
"""Measures inference by a saved model against the same spatial network in PyTorch; a table.

Usage: infer.py MODEL|CFG[,SECTION.KEY=VALUE...] [--batch N,...] [options]; --help lists them. Of a
CFG a model is made first, by a step of fcnn-train on synthetic images. The figures of RESULTS.md,
for which the folder of --work needs 2 GB:

    tests/bench/infer.py models/alexnet-512.cfg --batch 32,1 --rounds 3

and a trial of half a minute:

    tests/bench/infer.py models/lenet.cfg --batch 128,1 --rounds 1

fcnn's side is `fcnn-bench infer`, whose images are spectra in memory as from a cache; PyTorch's are
floats in memory. The peer is the cfg's spatial twin (spatial.py) with max pooling and ReLU, without
batch norms, as folded into its convolutions, in evaluation mode without gradients: eager or frozen
by TorchScript with oneDNN's packed weights, each in both memory layouts, whichever is the quickest
in a trial at that batch. A time is the median of the rounds' medians, with the fastest pass.

*Floor* is the time in which the machine, at the rate of its large copy as fcnn-bench measures it,
reads the model's weights once: where they exceed the caches no batch can be inferred in less,
however few its images. Needs Debian's package python3-torch. Exit codes: 0, 1 for a run that failed, 2 for wrong options.
"""
import json
import os
import struct
import sys
import tempfile

import peers
import spatial


def options():
    p = peers.parser(__doc__)
    p.add_argument("model", metavar="MODEL|CFG[,K=V...]")
    p.add_argument("--batch", type=peers.whole_numbers, default=[32, 1], help="images a pass")
    p.add_argument("--work", help="folder for the model (default: a temporary one)")
    o = p.parse_args()
    peers.check(p, o, ("fcnn-bench", "fcnn-info", "fcnn-train"), [o.model])
    return o


def make_model(o, work):
    """A model of the cfg, trained for a step of few images."""
    cfg = peers.Cfg(o, o.model)
    side = cfg.side or spatial.full_side(cfg.sections)
    data = f"synthetic:size={side},channels={cfg.channels},classes={cfg.classes},train=20,val=10"
    sets = [word for override in cfg.overrides for word in ("--set", override)]
    out = os.path.join(work, "run")
    print(f"making a model of {cfg.name}", file=sys.stderr)
    peers.run([os.path.join(o.build, "fcnn-train"), cfg.path, *sets, "--data", data,
               "--epochs", "1", "--batch", "10", "--limit", "20", "--threads", str(o.threads),
               "--device", "cpu", "--out", out], "fcnn-train")
    for name in ("model-best.safetensors", "checkpoint.safetensors"):
        path = os.path.join(out, name)
        if os.path.exists(path):
            os.remove(path)
    return os.path.join(out, "model.safetensors")


class Model:
    """What a model's file tells, once fcnn-info has checked it."""

    def __init__(self, o, path):
        peers.run([os.path.join(o.build, "fcnn-info"), path], "fcnn-info")
        with open(path, "rb") as file:
            header = json.loads(file.read(*struct.unpack("<Q", file.read(8))))
        notes = header.pop("__metadata__")
        self.sections = spatial.parse(notes["config"])
        self.classes = len(json.loads(notes["class_names"]))
        self.channels, self.form = int(notes["channels"]), notes["form"]
        self.bytes = {name: t["data_offsets"][1] - t["data_offsets"][0]
                      for name, t in header.items()}
        self.types = {t["dtype"] for name, t in header.items() if name.endswith(".spectrum")}
        self.floats = sum(size // (2 if header[name]["dtype"] == "F16" else 4)
                          for name, size in self.bytes.items())

    def spectra_bytes(self):
        return sum(size for name, size in self.bytes.items() if name.endswith(".spectrum"))

    def all_bytes(self):
        return sum(self.bytes.values())


def contenders(o, path, model):
    """{name: contender}, ours and the peer's of each batch in turn."""
    side = spatial.images_of(model.sections)[1]
    network = spatial.translate(model.sections, model.channels, model.classes, side, norm=False)
    about = {"form": " ".join([model.form, *sorted(model.types)]), "parameters": model.floats,
             "input": f"{spatial.full_side(model.sections)} px"}
    found = {}
    for batch in o.batch:
        job = peers.Job(network, batch, "infer")
        found[f"fcnn, batch {batch}"] = peers.Ours(o, job, [path], side, about)
        found[f"PyTorch, batch {batch}"] = peers.Peer(o, job)
    return found


def rows_of(o, found, model):
    rows = []
    for batch in o.batch:
        mine, theirs = (found[f"{who}, batch {batch}"].row() for who in ("fcnn", "PyTorch"))
        mine["floor_ms"] = model.all_bytes() / mine["copy_gbytes"] / 1e6 / batch
        peers.compare(theirs, mine)
        rows += [{"who": "fcnn", "batch": batch, **mine},
                 {"who": "PyTorch", "batch": batch, **theirs}]
    return rows


def line(row):
    floor = peers.number(row["floor_ms"]) if "floor_ms" in row else ""
    return (row["batch"] if row["who"] == "fcnn" else "", f"{row['who']}, {row['form']}",
            row["input"], f"{row['parameters'] / 1e6:.2f} M", peers.times(row), floor,
            f"{row['peak_mib']:.0f}", peers.faster(row))


def report(o, rows, model):
    spectra, weights = model.spectra_bytes(), model.all_bytes()
    if o.json:
        print(json.dumps({"threads": o.threads, "rounds": o.rounds, "spectra_bytes": spectra,
                          "weight_bytes": weights, "rows": rows}))
        return
    rate = max(row.get("copy_gbytes", 0) for row in rows)
    stored = f", spectra {spectra / 1e6:.1f} MB of them" if spectra else ""
    print(f"Inference, threads: {o.threads}, rounds: {o.rounds}. The model's weights are "
          f"{weights / 1e6:.1f} MB{stored}; a large copy reads and "
          f"writes {rate:.1f} GB/s.\n\n{peers.devices(rows)}\n")
    print(peers.table(("batch", "who", "input used", "numbers", "ms an image (fastest pass)",
                       "floor, ms an image", "peak memory, MiB", "fcnn is faster"),
                      [line(row) for row in rows]))


def measure(o):
    with tempfile.TemporaryDirectory(prefix="fcnn-infer-", dir=o.work) as work:
        path = o.model if o.model.endswith(".safetensors") else make_model(o, work)
        model = Model(o, path)
        found = contenders(o, path, model)
        peers.take_turns(o, found)
        report(o, rows_of(o, found, model), model)
    return 0


if __name__ == "__main__":
    OPTIONS = options()
    sys.exit(peers.main(lambda: measure(OPTIONS), "infer.py"))
