"""to_torch() and from_torch(): the same function in space, which PyTorch computes and trains."""

import copy
import io
import sys
import unittest
import warnings

from common import MODELS, SMALL, Case, classes_by_waves, disturb, fcnn, generator, np, pictures

try:
    import torch
except ImportError:
    print("skipped: this Python has no torch (Debian's python3-torch)")
    sys.exit(77)

NETWORK = """[net]
{net}
[fft]
size={size}
{fft}
{body}
[ifft]
{tail}[dense]
units=classes
[softmax]
"""


def sections(text):
    """A cfg's sections from "conv filters=4 size=3, norm"."""
    lines = []
    for one in text.split(","):
        name, *keys = one.split()
        lines += [f"[{name}]", *keys]
    return "\n".join(lines)


def network(body, size=15, net="", fft="", tail=""):
    return NETWORK.format(body=sections(body), size=size, net=net, fft=fft,
                          tail=sections(tail) + "\n" if tail else "")


# Every layer, activation and key that changes what is computed.
CONV = "conv filters=4 size=3"
CASES = {
    "stride": network("conv filters=4 size=4 stride=2 activation=relu", 25),
    "stride 4": network("conv filters=4 size=5 stride=4 norm=batch activation=srelu", 27),
    "free kernels": network("conv filters=4 size=full activation=srelu, fourier_pool size=9, "
                            "conv filters=5 size=full norm=batch, fourier_pool size=7"),
    "free kernels, stride": network("conv filters=4 size=full stride=2 activation=gelu", 25),
    "rules of bins": network(f"{CONV} norm=batch activation=modrelu, fourier_pool size=9, "
                             "activation function=crelu, activation function=ctanh"),
    "grids": network(f"{CONV} activation=leaky_relu grid=auto slope=0.2, "
                     f"{CONV} activation=square grid=40, "
                     "activation function=srelu algorithm=grid window=9, "
                     "activation function=linear"),
    "saturated": network(f"{CONV} norm=batch activation=srelu saturation=4 window=5, {CONV} "
                         "activation=srelu algorithm=grid saturation=2 window=9, "
                         f"fourier_pool size=9, {CONV} norm=batch activation=srelu saturation=1, "
                         "fourier_pool size=3"),
    "pools": network(f"{CONV}, max_pool size=3 stride=2 pad=2, avg_pool size=3 stride=2 pad=2", 19),
    "shortcuts": network(f"{CONV} norm=batch activation=relu, {CONV}, fourier_pool size=9, "
                         "shortcut from=conv1, norm, fourier_pool size=7, shortcut from=-3, "
                         "dropout rate=0.3"),
    "behind ifft": network(CONV, tail="activation function=gelu, dropout rate=0.2, "
                           "dense units=8 activation=leaky_relu slope=0.3, "
                           "activation function=square"),
    "crop, reflected": network(CONV, fft="placement=crop\ncrop=0.8\npad=reflect\nmargin=0.3"),
    "frame of zeros": network(CONV, fft="pad=zero\nmargin=0.21"),
    "mirror images": network(CONV, net="test_mirror=1"),
    "mirror images, crop": network(CONV, net="test_mirror=1",
                                   fft="placement=crop\ncrop=0.85\npad=reflect\nmargin=0.3"),
    "bands": network("conv filters=4 size=4 stride=2 norm=batch activation=srelu, "
                     f"fourier_pool size=9, {CONV} activation=relu, {CONV} activation=modrelu, "
                     "shortcut from=conv1", 25, net="bands=0.5:1,0.6:"),
    "space": network("conv filters=4 size=4 stride=2 norm=batch activation=srelu, "
                     "max_pool size=2 stride=2, activation function=srelu, fourier_pool size=3, "
                     "shortcut from=conv1", 25, net="domain=space\nborder=zero"),
}
TOLERANCE = 2e-5  # of the largest logit; in the deepest cfg, vgg11, where modrelu has no derivative


def tensor(x):
    return torch.tensor(x.transpose(0, 3, 1, 2)).float() / 255


def logits(module, x):
    with torch.no_grad():
        return module.eval()(tensor(x)).numpy()


class SameFunction(Case):
    def compare(self, model, x, tolerance=TOLERANCE, what=""):
        module = model.to_torch()
        self.assertFalse(module.training)
        self.assert_near(logits(module, x), model.predict(x, logits=True), tolerance, what)
        return module

    def test_layers(self):
        x = pictures(4, 20, 26, 2)
        for name, cfg in CASES.items():
            model = disturb(fcnn.create(cfg, 2, 6, mean=[0.4, 0.5], deviation=[0.2, 0.3]),
                            generator())
            with self.subTest(name):
                self.compare(model, x, what=name)
        with self.subTest("an even side and one that lacks bins"):
            self.compare(model, pictures(2, 9, 24, 2))

    def test_bins_that_pictures_lack(self):
        """They are 0: a b above 0 must not raise what rounding makes of them."""
        model = fcnn.create(network(f"{CONV} norm=batch activation=modrelu, {CONV}"), 2, 6)
        for name in model.weights:
            if name.endswith("activation.b"):
                model.weights[name] = np.full_like(model.weights[name], 0.3)
        self.compare(model, pictures(4, 7, 9, 2))

    def test_cuts(self):
        x = pictures(4, 20, 26, 2)
        for name in ("bands", "shortcuts", "pools", "free kernels", "grids"):
            for fraction in (0.3, 0.62):
                model = disturb(fcnn.create(CASES[name], 2, 6, band_fraction=fraction),
                                generator())
                with self.subTest(name, fraction=fraction):
                    self.compare(model, x)

    def test_spectral(self):
        x = pictures(4, 20, 26, 2)
        path = self.folder / "model.safetensors"
        for name, cfg in CASES.items():
            if name == "space":
                continue
            disturb(fcnn.create(cfg, 2, 6), generator()).save(path, form="spectral")
            with self.subTest(name):
                self.compare(fcnn.load(path), x)

    def test_models(self):
        for name, channels, side in (("lenet", 1, 28), ("lenet-fused", 1, 28), ("cifar10", 3, 32),
                                     ("cifar10-resnet", 3, 32), ("photos", 3, 120)):
            model = disturb(fcnn.create(MODELS / f"{name}.cfg", channels, 10,
                                        mean=[0.3] * channels, deviation=[0.2] * channels),
                            generator())
            with self.subTest(name):
                module = self.compare(model, pictures(10, side, side, channels))
                self.assertEqual(set(module.state_dict()) - {"fft1.mean", "fft1.deviation"},
                                 set(model.weights))

    def test_outputs(self):
        """Each layer's maps, not the logits alone."""
        model = disturb(fcnn.create(MODELS / "lenet.cfg", 1, 10), generator())
        x, compared = pictures(3), 0
        for name, found in model.to_torch().outputs(tensor(x)):
            try:
                layer = model.layers[name]
            except fcnn.UsageError:  # one of a pair
                continue
            if layer.radius == layer.size // 2 or layer.layout != "band":
                self.assert_near(found.detach().numpy(), model.output(x, name), TOLERANCE, name)
                compared += 1
        self.assertGreater(compared, 7)

    def test_double(self):
        model = disturb(fcnn.create(SMALL, 1, 3), generator())
        x = pictures(3)
        with torch.no_grad():
            found = model.to_torch().double()(tensor(x).double())
        self.assertEqual(found.dtype, torch.float64)
        self.assert_near(found.numpy(), model.predict(x, logits=True), TOLERANCE)

    def test_of_torch(self):
        """A module as others are: copied, stored, traced."""
        x = tensor(pictures(3, 20, 26, 2))
        for name, cfg in CASES.items():
            module = disturb(fcnn.create(cfg, 2, 6), generator()).to_torch()
            file = io.BytesIO()
            torch.save(module, file)
            file.seek(0)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # sizes are constants of what is traced
                traced = torch.jit.trace(module, x)
            with torch.no_grad(), self.subTest(name):
                wanted = module(x)
                self.assertTrue((copy.deepcopy(module)(x) == wanted).all())
                self.assertTrue((torch.load(file)(x) == wanted).all())
                self.assert_near(traced(x).numpy(), wanted.numpy(), 1e-6)

    def test_input(self):
        module = fcnn.create(SMALL, 1, 3).to_torch()
        for wrong in (torch.zeros(2, 3, 9, 9), torch.zeros(9, 9),
                      torch.zeros(1, 1, 9, 9, dtype=torch.uint8)):
            with self.assertRaises(ValueError):
                module(wrong)


class Back(Case):
    def test_round_trip(self):
        x = pictures(4, 20, 26, 2)
        for name, cfg in CASES.items():
            model = disturb(fcnn.create(cfg, 2, ["a", "b"], mean=[0.4, 0.5], deviation=[0.2, 0.3]),
                            generator())
            module = model.to_torch()
            for back in (fcnn.from_torch(module), fcnn.from_torch(module.state_dict(), cfg)):
                with self.subTest(name):
                    self.assertEqual(list(back.weights), list(model.weights))
                    for weight in model.weights:
                        self.assertTrue(
                            (back.weights[weight] == model.weights[weight]).all(), weight)
                    self.assertTrue((back.predict(x) == model.predict(x)).all())
        self.assertEqual(fcnn.from_torch(module).classes, ["a", "b"])

    def test_refused(self):
        module = fcnn.create(SMALL, 1, 3).to_torch()
        state = module.state_dict()
        self.refused(fcnn.UsageError, "cfg", fcnn.from_torch, state)
        del state["conv1.norm.beta"]
        state["extra"] = torch.zeros(1)
        self.refused(fcnn.UsageError, "lacks conv1.norm.beta extra", fcnn.from_torch, state, SMALL)
        state = module.state_dict()
        state["conv1.weight"] = torch.zeros(5, 5, 4, 1)
        self.refused(fcnn.UsageError, "conv1.weight 5x5x4x1 3x3x4x1", fcnn.from_torch, state, SMALL)

    def test_trained_there(self):
        """Some steps in PyTorch; what fcnn computes of the result is what PyTorch does."""
        x, y = classes_by_waves()
        module = fcnn.create(SMALL, 1, 3, mean=[0.5], deviation=[0.3]).to_torch().train()
        optimizer = torch.optim.AdamW(module.parameters(), lr=0.01)
        images, labels = tensor(x[..., None]), torch.tensor(y)
        for _ in range(30):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(module(images), labels)
            loss.backward()
            optimizer.step()
        model = fcnn.from_torch(module)
        self.assert_near(model.predict(x, logits=True), logits(module, x[..., None]), TOLERANCE)
        self.assertGreater(model.score(x, y).accuracy, 0.9)
        self.assertLess(loss.item(), 0.3)


def one_step(cfg, x, y, **settings):
    """fcnn's gradients of the loss on one batch: by a step of SGD, of a rate that rounding of the
    weights does not matter beside. Returns the model before it, and the gradients by name."""
    rate, options = 1000.0, dict(settings, progress=False, classes=10, epochs=1)
    fixed = {"net.optimizer": "sgd", "net.momentum": 0, "net.weight_decay": 0, "net.batch": len(x),
             "net.schedule": "constant", "net.subdivisions": 1, "net.augment_mirror": 0,
             "net.augment_shift": 0, "net.augment_jitter": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of few images
        before = fcnn.train(cfg, x, y, **options, **{**fixed, "net.learning_rate": 1e-30})
        after = fcnn.train(cfg, x, y, **options, **{**fixed, "net.learning_rate": rate})
    gradients = {}
    for name, value in before.weights.items():
        if before.weights.is_trained(name):
            value = value.astype(complex if np.iscomplexobj(value) else float)
            gradients[name] = (value - after.weights[name]) / rate
    return before, gradients


class Gradients(Case):
    """Of the loss in training: norms of the batch's statistics, without dropout."""

    def compare(self, cfg, x, y, tolerance=1e-4, **settings):
        before, wanted = one_step(cfg, x, y, **settings)
        module = before.to_torch().train()
        loss = torch.nn.functional.cross_entropy(module(tensor(x)), torch.tensor(y))
        loss.backward()
        self.assertAlmostEqual(loss.item(), before.history[0].loss, places=4)
        errors = squares = 0
        for name, parameter in module.named_parameters():
            found = parameter.grad.numpy()
            value = wanted[name]
            if np.iscomplexobj(value):
                found = found[..., 0] + 1j * found[..., 1]
            errors += (np.abs(found - value) ** 2).sum()
            squares += (np.abs(value) ** 2).sum()
        self.assertGreater(squares, 0)
        error = (errors / squares) ** 0.5
        self.assertLessEqual(error, tolerance)
        return error

    def test_layers(self):
        x = pictures(24, 20, 26, 2)
        y = np.random.default_rng(1).integers(0, 10, len(x))
        for name, cfg in CASES.items():
            with self.subTest(name):
                options = {"dropout.rate": 0} if "[dropout]" in cfg else {}
                self.compare(cfg, x, y, **options)

    def test_models(self):
        """cifar10-resnet with gelu: of the millions of numbers that its relu gets some lie so near
        to 0 that float32 decides which side they are on, for PyTorch too."""
        smooth = {f"conv[{at}].activation": "gelu" for at in range(1, 9)}
        for name, channels, side, count, changed in (
                ("lenet", 1, 28, 32, {}), ("lenet-fused", 1, 28, 16, {}),
                ("cifar10", 3, 32, 16, {}),
                ("cifar10-resnet", 3, 32, 16, smooth)):
            x = pictures(count, side, side, channels)
            y = np.random.default_rng(2).integers(0, 10, count)
            config = fcnn.load_config(MODELS / f"{name}.cfg", changed)
            rates = {f"dropout[{one.name[7:]}].rate": 0 for one in config if one.kind == "dropout"}
            with self.subTest(name):
                self.compare(config, x, y, **rates)

    def test_statistics(self):
        """Running statistics after a step are the batch's, in the same measure."""
        x, y = classes_by_waves()
        before, _ = one_step(SMALL, x, y)
        module = before.to_torch().train()
        module.conv1.norm.MOMENTUM = 1.0  # of a run's first batch
        module(tensor(x[..., None]))
        deviation = before.weights["conv1.norm.running_variance"] ** 0.5
        found = module.conv1.norm
        self.assert_near(found.running_variance.numpy() ** 0.5, deviation, 1e-5)
        self.assert_near(found.running_mean.numpy() + deviation,
                         before.weights["conv1.norm.running_mean"] + deviation, 1e-5)


class Said(Case):
    def test_printed(self):
        """Shapes and settings of every layer."""
        shown = repr(fcnn.create(SMALL, 1, 3).to_torch())
        for part in ("(conv1): Convolution(\n    weight=3x3x4x1, stride=1, border=wrap",
                     "(norm): Norm(gamma=4, beta=4)", "Srelu(a=4, b=4, window=3, saturation=0)",
                     "FourierPool(size=7)", "Input(size=15, placement=", "Dense(weight=3x294"):
            self.assertIn(part, shown)

    def test_another_module(self):
        self.refused(fcnn.UsageError, "Linear to_torch() cfg=", fcnn.from_torch,
                     torch.nn.Linear(3, 2))


if __name__ == "__main__":
    unittest.main()
