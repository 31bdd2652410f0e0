"""Everything once, in a minute: train on arrays, look at spectra, save, export, go to PyTorch.

Run it in fcnn's checkout, or cell by cell (# %%) in an editor that knows them:

    PYTHONPATH=python python3 python/examples/quick.py
"""

# %% Pictures of three kinds of waves, as numpy arrays: uint8 [n][h][w], and a name for each.
import pathlib
import tempfile

import numpy as np

import fcnn

rng = np.random.default_rng(1)
kinds = {"rows": (0.9, 0.0), "columns": (0.0, 0.9), "diagonals": (0.6, 0.6)}
y = rng.choice(list(kinds), 600)
rows, columns = np.mgrid[:28, :28]
turns = np.array([kinds[name] for name in y])[:, :, None, None]
waves = np.sin(turns[:, 0] * rows + turns[:, 1] * columns + rng.uniform(0, 6, (600, 1, 1)))
x = np.clip(128 + 30 * waves + rng.normal(0, 70, waves.shape), 0, 255).astype(np.uint8)

# %% Train on 500, score on 100. Keys of the cfg are set by name.
model = fcnn.train(fcnn.MODELS / "lenet.cfg", x[:500], y[:500], validation=(x[500:], y[500:]),
                   epochs=2, **{"net.batch": 25, "net.learning_rate": 0.002})
print(model)
print(model.layers)
print("accuracy:", model.score(x[500:], y[500:]).accuracy)
print(dict(zip(model.classes, model.predict(x[500])[0].round(3))), "is", y[500])

# %% The spectrum of a layer: complex bins in shell order, from low frequencies to high ones.
band = model.output(x[500:], "conv1.activation", domain="frequency")
print(band)
print("energy by shell:", band.energy.mean(axis=(0, 1)).round(4))

# %% Pictures: an image on its way through the network, and the first layer's kernels.
folder = pathlib.Path(tempfile.mkdtemp(prefix="fcnn-"))
try:
    import matplotlib
    matplotlib.use("Agg")
    model.plot(x[500]).savefig(folder / "layers.png")
    model.plot_kernels().savefig(folder / "kernels.png")
    print("pictures are in", folder)
except ImportError as error:
    print(error)

# %% Save, load, export.
model.save(folder / "waves.safetensors")
again = fcnn.load(folder / "waves.safetensors")
assert (again.predict(x) == model.predict(x)).all()
model.to_onnx(folder / "waves.onnx")

# %% The same function in PyTorch, trained a little further there, and back.
try:
    import torch
    module = model.to_torch()
    images = torch.tensor(x[:, None]).float() / 255
    labels = torch.tensor([model.classes.index(name) for name in y])
    with torch.no_grad():
        print("largest difference of a logit:",
              abs(module(images).numpy() - model.predict(x, logits=True)).max())
    module.train()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.01)
    for _ in range(3):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(module(images[:500]), labels[:500]).backward()
        optimizer.step()
    print("accuracy after three more steps:",
          fcnn.from_torch(module).score(x[500:], y[500:]).accuracy)
except ImportError as error:
    print("without PyTorch:", error)
