"""The README's main figure, models/picture.png, from nothing: a network is trained and drawn.

Run it in fcnn's checkout, or cell by cell (# %%); it takes Fashion-MNIST from Debian's package
dataset-fashion-mnist, and a minute or two, less with a LIMIT of pictures.

    PYTHONPATH=python python3 python/examples/figure.py [PICTURE.png [LIMIT]]
"""

# %% The network of models/lenet.cfg, five epochs on the 60,000 pictures that the cfg names.
import pathlib
import sys
import time

import fcnn

root = pathlib.Path(__file__).resolve().parents[2]
started = time.monotonic()
print("training takes a minute or two ...", flush=True)
model = fcnn.train(fcnn.MODELS / "lenet.cfg", limit=int(sys.argv[2]) if len(sys.argv) > 2 else 0)
print(f"{model.history[-1].validation_accuracy:.2%} of the test images after "
      f"{time.monotonic() - started:.0f} s")

# %% An ankle boot, 28 x 28 pixels of 8 bits.
from matplotlib import image  # noqa: E402

boot = image.imread(root / "tests" / "images" / "ankle-boot.png")
print(dict(zip(model.classes, model.predict(boot)[0].round(3))))

# %% What each layer makes of it: spectra, and the maps that they stand for.
figure = model.plot(boot)
path = sys.argv[1] if len(sys.argv) > 1 else "picture.png"
figure.savefig(path, dpi=100)
print(f"{path} is written, {time.monotonic() - started:.0f} s after the start")

# %% In numbers: how much of each layer's energy lies in which shell of frequencies.
for name in ("conv1.activation", "conv2.activation", "conv3.activation"):
    energy = model.output(boot, name, domain="frequency").energy.sum(axis=(0, 1))
    print(f"{name:18}", (energy / energy.sum()).round(3))
