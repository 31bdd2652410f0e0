#!/usr/bin/python3
"""Measures a training step's cost against the size of its images, fcnn and PyTorch in turn.

Usage: size.py [--sizes PIXELS,...] [--batch N] [options]; --help lists them. For example:

    tests/bench/size.py

and a trial of a quarter of a minute:

    tests/bench/size.py --sizes 64,128 --rounds 1

The network is AlexNet's convolutions (64-192-384-256-256 channels, stride 4, norm, srelu or what
--activation names) with every map scaled with the images: of 512 pixels they are 127, 63 and 31, of
64 pixels 15, 7 and 3. A last pool to 3 x 3 and one dense layer make a classifier that costs the
same at any size. Images, peer and timing are those of step.py; the batch is the same for all sizes.
*Slope* is the exponent of the images' side that the time grows with, from the row above to this
one and, by least squares, over all rows: 2 is proportional to the pixels. Needs Debian's package
python3-torch. Exit codes: 0, 1 for a run that failed, 2 for wrong options.
"""
import json
import math
import os
import sys
import tempfile

import peers

CONV = "[conv]\nfilters={}\nsize={}\n{}norm=batch\nactivation={}\n"
POOL = "[fourier_pool]\nsize={}\n"
LAST = 3  # side of the maps that the classifier sees


def options():
    p = peers.parser(__doc__)
    p.add_argument("--sizes", type=peers.whole_numbers, default=[64, 128, 256, 512, 1024])
    p.add_argument("--batch", type=int, default=16)
    p.add_argument("--activation", default="srelu")
    p.add_argument("--norm", choices=("batch", "none"), default="batch", help="the peer's")
    o = p.parse_args()
    peers.check(p, o, ("fcnn-bench", "fcnn-info"))
    if o.batch < 1 or any(size < 64 or size & (size - 1) for size in o.sizes):
        p.error("expected a positive batch and sizes that are powers of 2, 64 at least")
    return o


def cfg_text(size, activation):
    """Maps of a quarter of the images' side, less a pixel, and then of half of that and again."""
    first, second, third = (size // part - 1 for part in (4, 8, 16))
    text = f"[net]\ndata=synthetic:size={size},channels=3\noptimizer=adamw\nlearning_rate=0.0004\n"
    text += f"weight_decay=0.05\n[fft]\nsize={4 * first - 1}\n"
    text += CONV.format(64, 11, "stride=4\n", activation) + POOL.format(second)
    text += CONV.format(192, 5, "", activation) + POOL.format(third)
    for filters in (384, 256, 256):
        text += CONV.format(filters, 3, "", activation)
    text += POOL.format(LAST) if third > LAST else ""
    return text + "[ifft]\n[dense]\nunits=classes\n[softmax]\n"


def contenders(o, work):
    found = {}
    for size in o.sizes:
        path = os.path.join(work, f"alexnet-{size}.cfg")
        with open(path, "w", encoding="utf-8") as file:
            file.write(cfg_text(size, o.activation))
        cfg = peers.Cfg(o, path)
        found["fcnn", size] = peers.trained(o, cfg, o.batch)
        job = peers.training(cfg, cfg.twin(o.norm == "batch"), o.batch)
        found["PyTorch", size] = peers.Peer(o, job)
    return found


def slope(sizes, ms):
    """Of the least-squares line through the logarithms; None of one point."""
    x, y = ([math.log(value) for value in values] for values in (sizes, ms))
    if len(x) < 2:
        return None
    middle = sum(x) / len(x)
    return sum((a - middle) * b for a, b in zip(x, y)) / sum((a - middle)**2 for a in x)


def show(value):
    return "" if value is None else f"{value:.2f}"


def report(o, rows):
    slopes = {who: slope(o.sizes, [row["ms_per_image"] for row in rows if row["who"] == who])
              for who in ("fcnn", "PyTorch")}
    if o.json:
        print(json.dumps({"threads": o.threads, "rounds": o.rounds, "batch": o.batch,
                          "slopes": slopes, "rows": rows}))
        return
    print(f"Training steps by size, batch {o.batch}, threads: {o.threads}, rounds: {o.rounds}.\n\n"
          f"{peers.devices(rows)}\n")
    lines, above = [], {}
    for row in rows:
        before = above.get(row["who"])
        pair = [before, row] if before else [row]
        step = slope([r["size"] for r in pair], [r["ms_per_image"] for r in pair])
        above[row["who"]] = row
        lines.append((row["size"] if row["who"] == "fcnn" else "", f"{row['who']}, {row['form']}",
                      row["input"], peers.times(row), show(step), f"{row['peak_mib']:.0f}",
                      peers.faster(row)))
    lines += [("all", who, "", "", show(value), "", "") for who, value in slopes.items()]
    print(peers.table(("pixels", "who", "input used", "ms an image (fastest step)", "slope",
                       "peak memory, MiB", "fcnn is faster"), lines))


def measure(o):
    with tempfile.TemporaryDirectory(prefix="fcnn-size-") as work:
        found = contenders(o, work)
        peers.take_turns(o, {f"{who}, {size} px": c for (who, size), c in found.items()})
    rows = []
    for size in o.sizes:
        mine, theirs = ({"who": who, "size": size, **found[who, size].row()}
                        for who in ("fcnn", "PyTorch"))
        peers.compare(theirs, mine)
        rows += [mine, theirs]
    report(o, rows)
    return 0


if __name__ == "__main__":
    OPTIONS = options()
    sys.exit(peers.main(lambda: measure(OPTIONS), "size.py"))
