#!/usr/bin/python3
"""Measures training steps of cfgs against the same spatial networks in PyTorch; a Markdown table.

Usage: step.py CFG[,SECTION.KEY=VALUE...]... [--batch N,...] [options]; --help lists them. An
override of section[*] is one of every section of the name. The figures of RESULTS.md:

    tests/bench/step.py models/alexnet-512.cfg models/alexnet-512-lean.cfg \\
        --against models/alexnet-512.cfg --batch 128 --steps 3 --rounds 1 --norm batch
    tests/bench/step.py models/lenet.cfg models/lenet-fused.cfg models/cifar10.cfg \\
        "models/cifar10.cfg,conv[*].activation=relu" models/cifar10-resnet.cfg --rounds 1 \\
        --norm batch

and a trial of half a minute:

    tests/bench/step.py models/lenet.cfg --rounds 1

A step is forward, backward and optimizer, classifier included, in float32. fcnn's side is
`fcnn-bench train`, whose images are spectra in memory as from a cache; PyTorch's are floats in
memory. The peer has max pooling and ReLU, and the cfg's channels, map sizes, classifier and
optimizer; spatial.py tells how a cfg is translated. --norm batch,none has a peer with the cfg's
norms and one without, whose steps are quicker. A cfg whose input is cut to fewer bins also stands
beside the peer fed with images of the size that it retains. --against CFG has each cfg stand beside
that one's peer as well, whose maps may be larger. The peer's memory layout is the faster of both,
tried first.

Each measurement is a process of its own, which does nothing else: its peak memory is its own.
Rounds repeat the series in the same order; a time is the median of the rounds' medians, with the
fastest step of all in parentheses. *Faster* is the peer's time over fcnn's, of both. Needs Debian's
package python3-torch. Exit codes: 0, 1 for a run that failed, 2 for wrong options.
"""
import json
import sys

import peers
import spatial


def options():
    p = peers.parser(__doc__)
    p.add_argument("cfg", nargs="+", metavar="CFG[,K=V...]")
    p.add_argument("--batch", type=peers.whole_numbers, help="images a step (default: the cfg's)")
    p.add_argument("--norm", default="batch,none", choices=("batch", "none", "batch,none"),
                   help="of the peers: the cfg's norms, none, or a peer of each")
    p.add_argument("--against", metavar="CFG[,K=V...]", help="a cfg whose peer is one of each cfg's")
    p.add_argument("--size", type=int, help="side of the images (default: the data's)")
    p.add_argument("--channels", type=int, help="of the images (default: the data's)")
    p.add_argument("--classes", type=int, default=10)
    o = p.parse_args()
    peers.check(p, o, ("fcnn-bench", "fcnn-info"), o.cfg + ([o.against] if o.against else []))
    return o


def peers_of(o, cfg, against):
    """{name: network} of a cfg's peers."""
    found = {}
    for norm in o.norm.split(","):
        network = cfg.twin(norm == "batch")
        text = "batch norm" if ("norm" in {layer[0] for layer in network.layers}) else "no norm"
        found[f"PyTorch, {text}, {network.side} px"] = network
        if cfg.used_side < spatial.full_side(cfg.sections):
            found[f"PyTorch, {text}, fed {cfg.used_side} px"] = spatial.fed(network, cfg.used_side)
        other = against.twin(norm == "batch") if against else network
        if other != network:
            found[f"PyTorch, {text}, {against.name}, {other.side} px"] = other
    return found


def make_cfg(o, text):
    return peers.Cfg(o, text, o.channels, o.size, o.classes)


def contenders(o, cfgs):
    """{name: contender}, and for each cfg and batch the names of its rows. Equal peers are one."""
    found, groups, jobs = {}, [], {}
    against = make_cfg(o, o.against) if o.against else None
    for cfg in cfgs:
        for batch in o.batch or [cfg.batch()]:
            ours = f"{cfg.name}, batch {batch}"
            found[ours] = peers.trained(o, cfg, batch)
            names = []
            for name, network in peers_of(o, cfg, against).items():
                job = peers.training(cfg, network, batch)
                if job not in jobs:
                    jobs[job] = f"{name} ({cfg.name}, batch {batch})"
                    found[jobs[job]] = peers.Peer(o, job)
                names.append((name, jobs[job]))
            groups.append((cfg, batch, ours, names))
    return found, groups


def rows_of(found, groups):
    rows = []
    for cfg, batch, ours, names in groups:
        mine = {"cfg": cfg.name, "batch": batch, "who": "fcnn", **found[ours].row()}
        rows.append(mine)
        for name, key in names:
            row = {"cfg": cfg.name, "batch": batch, "who": name, **found[key].row()}
            peers.compare(row, mine)
            rows.append(row)
    return rows


def line(row):
    fcnn = row["who"] == "fcnn"
    return (f"`{row['cfg']}`" if fcnn else "", row["batch"] if fcnn else "",
            f"{row['who']}, {row['form']}", row["input"], f"{row['parameters'] / 1e6:.2f} M",
            peers.times(row), f"{row['peak_mib']:.0f}", peers.faster(row))


def measure(o):
    cfgs = [make_cfg(o, text) for text in o.cfg]
    found, groups = contenders(o, cfgs)
    peers.take_turns(o, found)
    rows = rows_of(found, groups)
    if o.json:
        print(json.dumps({"threads": o.threads, "rounds": o.rounds, "rows": rows}))
        return 0
    print(f"Training steps, threads: {o.threads}, rounds: {o.rounds}.\n\n{peers.devices(rows)}\n")
    print(peers.table(("cfg", "batch", "who", "input used", "parameters",
                       "ms an image (fastest step)", "peak memory, MiB", "fcnn is faster"),
                      [line(row) for row in rows]))
    return 0


if __name__ == "__main__":
    OPTIONS = options()
    sys.exit(peers.main(lambda: measure(OPTIONS), "step.py"))
