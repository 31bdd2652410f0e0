"""Pictures, labels and arguments as they are given: taken as meant, or refused with advice."""

import unittest
import warnings

from common import ROOT, SMALL, Case, classes_by_waves, fcnn, np, pictures

try:
    from PIL import Image
except ImportError:
    Image = None

FILES = ROOT / "tests" / "images"


def quietly(*arguments, **options):
    return fcnn.train(*arguments, progress=False, **options)


class Shapes(Case):
    def test_colour_on_grey(self):
        grey = fcnn.create(SMALL, 1, 3)
        for depth in (3, 4):
            x = pictures(1, 28, 28, 3)[0][..., [0, 1, 2, 0][:depth]]
            refusal = self.refused(fcnn.UsageError, f"28x28x{depth} colour mean(axis=2) x[..., "
                                   "None] 1 channel", grey.predict, x)
            self.refused(fcnn.UsageError, "colour", quietly, SMALL, x, np.zeros(28, int))
            self.assertEqual(grey.predict(x[..., None]).shape, (28, 3))
            advice = str(refusal).split("; ")[1].split(" makes")[0]
            self.assertEqual(grey.predict(eval(advice, {"x": x})).shape, (1, 3))
        self.refused(fcnn.UsageError, "mean(axis=-1)", grey.predict, pictures(2, channels=3))

    def test_flat(self):
        grey = fcnn.create(SMALL, 1, 3)
        flat = pictures(5).reshape(5, -1)
        self.refused(fcnn.UsageError, "5x784 reshape(-1, 28, 28) x[None]", grey.predict, flat)
        self.refused(fcnn.UsageError, "5x784 reshape(-1, 28, 28)", grey.score, flat, np.zeros(5))
        x = pictures(120).reshape(120, -1)
        self.refused(fcnn.UsageError, "120x784 reshape(-1, 28, 28)", quietly, SMALL, x,
                     np.zeros(120, int))
        self.refused(fcnn.UsageError, "height, width", quietly, SMALL, x[:, 1:], np.zeros(120))
        self.assertEqual(grey.predict(flat[None]).shape, (1, 3))
        self.assertEqual(grey.predict(x[:30, :300]).shape, (1, 3))

    def test_channels_first(self):
        x = pictures(9, 20, 20, 3).transpose(0, 3, 1, 2)
        self.refused(fcnn.UsageError, "x.transpose(0, 2, 3, 1)", quietly, SMALL, x, np.zeros(9))

    def test_types(self):
        grey, x = fcnn.create(SMALL, 1, 3), pictures(2)[..., 0]
        self.refused(fcnn.UsageError, 'astype("uint8")', grey.predict, x.astype(int))
        self.refused(fcnn.UsageError, 'astype("uint16")', grey.predict, x.astype(int) * 200)
        self.refused(fcnn.UsageError, 'bool astype("float32")', grey.predict, x > 99)

    def test_lists(self):
        """Of unlike sizes: scored one by one, and refused by a training."""
        grey, x = fcnn.create(SMALL, 1, 3), list(pictures(4)[..., 0])
        y = np.array([0, 1, 2, 1])
        whole = grey.score(np.stack(x), y)
        self.assertEqual(grey.score(x, y).loss, whole.loss)
        x[2] = x[2][:20]
        found, single = grey.score(x, y), grey.score(x[2], y[2:3])
        rest = grey.score(np.stack(x[:2] + x[3:]), y[[0, 1, 3]])
        self.assertAlmostEqual(found.loss, (3 * rest.loss + single.loss) / 4, places=5)
        np.testing.assert_array_equal(found.confusion, rest.confusion + single.confusion)
        self.refused(fcnn.UsageError, "20x28, 28x28 folder", quietly, SMALL, x, y)
        self.refused(fcnn.UsageError, "3 4 images", grey.score, x, y[:3])


class Opened(Case):
    def test_files(self):
        grey, colour = fcnn.create(SMALL, 1, 3), fcnn.create(SMALL, 3, 3)
        path = FILES / "ankle-boot.png"
        self.assertEqual(grey.predict(str(path)).shape, (1, 3))
        self.assert_near(colour.predict([path, str(path)])[1], colour.predict(path)[0], 1e-6)
        self.refused(fcnn.Error, "nowhere.png", grey.predict, "nowhere.png")
        self.refused(fcnn.UsageError, "1 or 3 4", fcnn.create(SMALL, 4, 3).predict, path)
        self.refused(fcnn.UsageError, "net.data", quietly, SMALL, "folder", [0])

    @unittest.skipIf(Image is None, "this Python has no PIL (Debian's python3-pil)")
    def test_pil(self):
        """As the file is read, whatever its mode, without a warning."""
        grey, colour = fcnn.create(SMALL, 1, 3), fcnn.create(SMALL, 3, 3)
        pixels = pictures(1, 24, 30, 4)[0]
        alpha = Image.fromarray(pixels, "RGBA")
        palette = alpha.convert("RGB").quantize(16)
        palette.info["transparency"] = bytes(range(16))
        made = {"L": alpha.convert("L"), "RGB": alpha.convert("RGB"), "P": palette,
                "16": Image.fromarray(pixels[..., 0].astype(np.uint16) * 201)}
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for name, one in made.items():
                path = self.folder / f"{name}.png"
                one.save(path)
                for model in (grey, colour):
                    self.assert_near(model.predict(one), model.predict(path), 1e-6, name)
            self.assert_near(colour.predict(alpha), colour.predict(pixels[..., :3]), 1e-6)
            self.assert_near(colour.predict(pixels), colour.predict(pixels[..., :3]), 1e-6)


class Labels(Case):
    def test_hints(self):
        x, y = classes_by_waves(60)
        self.refused(fcnn.UsageError, "argmax(1)", quietly, SMALL, x, np.eye(3)[y])
        self.refused(fcnn.UsageError, "y - 1", quietly, SMALL, x, y + 1, classes=3)
        with self.assertWarnsRegex(UserWarning, "y - 1"):
            quietly(SMALL, x, y + 1, epochs=1)
        self.assertEqual(len(quietly(SMALL, x, y / 1, epochs=1).classes), 3)
        self.refused(fcnn.UsageError, "float64", quietly, SMALL, x, y + 0.5)
        self.refused(fcnn.UsageError, "float64", quietly, SMALL, x, y * np.nan)


class Arguments(Case):
    def test_names(self):
        x, y = classes_by_waves(60)
        self.refused(fcnn.UsageError, "batch_size did you mean batch=32?", quietly, SMALL, x, y,
                     batch_size=32)
        self.refused(fcnn.UsageError, "learning_rate=0.1", quietly, SMALL, x, y, lr=0.1)
        self.refused(fcnn.UsageError, "epochs=3?", quietly, SMALL, x, y, epoch=3)
        self.refused(fcnn.UsageError, '**{"net.momentum": 0.5}', quietly, SMALL, x, y,
                     momentum=0.5)
        self.refused(fcnn.UsageError, "fcnn.keys()", quietly, SMALL, x, y, zzzzzz=1)
        self.refused(fcnn.UsageError, "threads=2", fcnn.create, SMALL, 1, 3, thread=2)
        refusal = self.refused(fcnn.ConfigError, "epochz epochs", quietly, SMALL, x, y,
                               **{"net.epochz": 3})
        self.assertNotIn("--set", str(refusal))

    def test_plain(self):
        x, y = classes_by_waves(80)
        plain = quietly(SMALL, x, y, batch=10, learning_rate=0.02, seed=9, val_fraction=0.25)
        net = plain.config["net"]
        self.assertEqual((net["batch"], net["learning_rate"], net["seed"], net["val_fraction"]),
                         (10, 0.02, 9, 0.25))
        self.assertEqual(plain.history[0].steps_per_epoch, 6)

    def test_validation(self):
        x, y = classes_by_waves(60)
        self.refused(fcnn.UsageError, "val_fraction=0.2", quietly, SMALL, x, y, validation=0.2)
        self.refused(fcnn.UsageError, "(x, y)", quietly, SMALL, x, y, validation=x)
        self.refused(fcnn.UsageError, "validation labels", quietly, SMALL, x, y, (x, y[1:]))

    def test_cfg(self):
        self.assertEqual(fcnn.load_config("lenet").text, fcnn.load_config("lenet.cfg").text)
        self.assertEqual(fcnn.create("lenet", 1, 10).classes[9], "9")
        self.refused(fcnn.ConfigError, "lenett fcnn.MODELS lenet, vgg11", fcnn.load_config,
                     "lenett")


class KeyTable(Case):
    def test_keys(self):
        keys = fcnn.keys()
        momentum = keys["net.momentum"]
        self.assertEqual((momentum.default, momentum.low, momentum.kind), ("0.9", 0, "float"))
        self.assertEqual(keys["net.optimizer"].words, ("sgd", "adam", "adamw"))
        config = fcnn.load_config(SMALL)
        for section in config:
            self.assertEqual([key.name for key in fcnn.keys(section.kind)], list(section))
        self.assertIn("1 to 1048576; required", repr(fcnn.keys("conv")))
        shown = repr(fcnn.keys("net"))
        self.assertTrue(shown.startswith("[net]  the run"))
        self.assertIn("0 to 0.9999; default 0.9", shown)
        self.assertLessEqual(max(map(len, repr(keys).splitlines())), 80)
        self.refused(fcnn.UsageError, "conv dense", fcnn.keys, "convv")
        self.assertRaises(KeyError, lambda: keys["nothing"])


if __name__ == "__main__":
    unittest.main()
