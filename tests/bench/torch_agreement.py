#!/usr/bin/python3
"""How near model.to_torch() is to fcnn: logits, gradients, and Fashion-MNIST's test images.

Usage: tests/bench/torch_agreement.py BUILD [CFG...] [--pictures 100] [--fashion MODEL]

For each cfg of models/ (seven by default) the largest difference of a logit over the largest logit,
of pictures of noise and waves, by weights that are disturbed so that no norm or activation is as it
began; then the norm of the difference of all gradients on one batch over their norm, for those that
train in little memory. --fashion: accuracy and loss of a trained model in both.
"""

import argparse
import gzip
import os
import pathlib
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
# cfg: channels, side of a picture
CFGS = {"lenet": (1, 28), "lenet-fused": (1, 28), "cifar10": (3, 32), "cifar10-resnet": (3, 32),
        "alexnet": (3, 224), "alexnet-512-lean": (3, 512), "vgg11": (3, 224)}
GRADIENTS = ("lenet", "lenet-fused", "cifar10", "cifar10-resnet", "alexnet")
FASHION = pathlib.Path("/usr/share/datasets/fashion-mnist")


def logits_of(name, count):
    """The largest difference over the largest logit, of both, and the seconds each took."""
    channels, side = CFGS[name]
    model = disturb(fcnn.create(MODELS / f"{name}.cfg", channels, 10, mean=[0.4] * channels,
                                deviation=[0.25] * channels, batch=10), generator())
    x = pictures(count, side, side, channels)
    started = time.perf_counter()
    found = model.predict(x, logits=True)
    own = time.perf_counter() - started
    module = model.to_torch()
    started = time.perf_counter()
    with torch.no_grad():
        other = np.concatenate([module(tensor(x[at:at + 10])).numpy()
                                for at in range(0, count, 10)])
    theirs = time.perf_counter() - started
    return np.abs(found - other).max() / np.abs(other).max(), own, theirs


def gradients_of(name):
    """The norm of the difference over the norm; of PyTorch in float64, and of it in float32."""
    channels, side = CFGS[name]
    x = pictures(16, side, side, channels)
    y = np.random.default_rng(2).integers(0, 10, len(x))
    config = fcnn.load_config(MODELS / f"{name}.cfg")
    rates = {f"dropout[{one.name[7:]}].rate": 0 for one in config if one.kind == "dropout"}
    before, wanted = one_step(config, x, y, **rates)
    found = {}
    for kind in (torch.float32, torch.float64):
        module = before.to_torch().train().to(kind)
        torch.nn.functional.cross_entropy(module(tensor(x).to(kind)), torch.tensor(y)).backward()
        found[kind] = {one: parameter.grad.numpy().astype(float)
                       for one, parameter in module.named_parameters()}
    exact = found[torch.float64]

    def distance(some):
        error = sum(((some[one] - exact[one]) ** 2).sum() for one in exact)
        return (error / sum((exact[one] ** 2).sum() for one in exact)) ** 0.5

    return distance(wanted), distance(found[torch.float32])


def fashion(path):
    """Accuracy and loss on the test images, of fcnn and of the module."""
    with gzip.open(FASHION / "t10k-images-idx3-ubyte.gz") as file:
        x = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28, 28)
    with gzip.open(FASHION / "t10k-labels-idx1-ubyte.gz") as file:
        y = np.frombuffer(file.read(), np.uint8, offset=8).astype(int)
    model = fcnn.load(path)
    score, module = model.score(x, y), model.to_torch()
    with torch.no_grad():
        found = torch.cat([module(tensor(x[at:at + 500, :, :, None]))
                           for at in range(0, len(x), 500)]).double()
    loss = torch.nn.functional.cross_entropy(found, torch.tensor(y)).item()
    accuracy = (found.argmax(1).numpy() == y).mean()
    print(f"{path}: accuracy {score.accuracy:.6f} and {accuracy:.6f}, "
          f"loss {score.loss:.7f} and {loss:.7f}")


parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("build", type=lambda text: pathlib.Path(text).resolve())
parser.add_argument("cfgs", nargs="*", metavar="CFG", default=list(CFGS))
parser.add_argument("--pictures", type=int, default=100)
parser.add_argument("--fashion", metavar="MODEL")
options = parser.parse_args()
os.environ["FCNN_BUILD"] = str(options.build)
sys.path.insert(0, str(ROOT / "tests" / "python"))

import torch  # noqa: E402
from common import MODELS, disturb, fcnn, generator, np, pictures  # noqa: E402
from test_torch import one_step, tensor  # noqa: E402

if options.fashion:
    fashion(options.fashion)
    sys.exit()
for cfg in options.cfgs:
    error, seconds, torch_seconds = logits_of(cfg, options.pictures)
    line = (f"{cfg:18} logits {error:.1e}  {seconds:.1f} s, PyTorch {torch_seconds:.1f} s "
            f"for {options.pictures} pictures")
    if cfg in GRADIENTS:
        line += "  gradients {:.1e}, of PyTorch in float32 {:.1e}".format(*gradients_of(cfg))
    print(line, flush=True)
