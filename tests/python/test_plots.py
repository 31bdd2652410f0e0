"""Plots are drawn, of what they are asked for; how they look is for the eye."""

import sys
import unittest

from common import MODELS, SMALL, Case, disturb, fcnn, generator, np, pictures

try:
    import matplotlib.figure
except ImportError:
    print("skipped: this Python has no matplotlib (Debian's python3-matplotlib)")
    sys.exit(77)

matplotlib.use("Agg")

from fcnn import plots  # noqa: E402


def images(figure):
    """Arrays that a figure shows, by axes."""
    return [axes.images[0].get_array() for axes in figure.axes if axes.images]


class Plots(Case):
    def test_plot(self):
        model, x = disturb(fcnn.create(MODELS / "lenet.cfg", 1, 10), generator()), pictures(1)
        figure = model.plot(x[0], channels=5)
        shown = images(figure)
        self.assertEqual(len(shown), 3 + 3 * 2 * 5 + 5)  # head, three of bands, ifft
        self.assert_near(shown[0], x[0, :, :, 0] / 255, 1e-6)
        maps = model.output(x[0], "conv1.activation")[0]
        strongest = np.argsort(-(maps ** 2).mean((1, 2)))[0]
        self.assert_near(shown[3 + 5], maps[strongest], 1e-6)
        amplitudes = np.ma.filled(np.ma.masked_invalid(shown[3]), np.nan)
        self.assertEqual(np.isfinite(amplitudes).sum(), 13 * 13)  # of 27 x 27
        path = self.folder / "picture.png"
        figure.savefig(path)
        self.assertEqual(path.read_bytes()[:4], b"\x89PNG")

    def test_layers(self):
        model, x = fcnn.create(SMALL, 3, 4), pictures(2, channels=3)
        self.assertEqual(len(images(model.plot(x, "conv1"))), 3 + 2 * 4)
        self.refused(fcnn.UsageError, "classifier", model.plot, x, ["dense1"])
        self.refused(fcnn.UsageError, "conv9", model.plot, x, ["conv9"])
        self.assertEqual(len(images(fcnn.create(SMALL, 1, 4, **{"net.domain": "space"}).plot(
            pictures(1)))), 3 + 4 + 6 + 6)

    def test_spectrum(self):
        """Frequencies at its edges; of many bands none is drawn."""
        band = fcnn.Band.from_maps(generator().normal(size=(2, 3, 9, 9)))
        self.assertEqual(band.shape, (2, 3, 41))
        axes = matplotlib.figure.Figure().subplots()
        self.refused(fcnn.UsageError, "single band[0, 0]", plots.plot_spectrum, band, axes)
        plots.plot_spectrum(band[1, 2], axes, size=11)
        self.assertEqual((axes.get_xlabel(), axes.get_ylabel()), ("kx", "ky"))
        self.assertEqual([one.get_text() for one in axes.get_xticklabels()], ["-5", "0", "5"])

    def test_names(self):
        model = fcnn.create(SMALL, 1, 4)
        texts = [one.get_text() for one in model.plot(pictures(1)).texts]
        self.assertIn("norm, srelu\n4 channels\n15 x 15\nradius 3 of 7", texts)

    def test_kernels(self):
        model = fcnn.create(SMALL, 3, 4)
        shown = images(model.plot_kernels(count=3))
        taps = model.weights["conv1.weight"][:, :, 0].transpose(2, 0, 1)
        self.assert_near(shown[0], max(taps, key=lambda one: (one ** 2).sum()), 1e-6)
        self.assertEqual(len(shown), 6)
        free = fcnn.create(SMALL.replace("filters=4\nsize=3", "filters=4\nsize=full"), 1, 4)
        self.assertEqual(images(free.plot_kernels())[0].shape, (15, 15))
        self.refused(fcnn.UsageError, "dense1 conv1", model.plot_kernels, "dense1")

    def test_silence(self):
        """A picture of which nothing comes through."""
        model = fcnn.create(SMALL, 1, 4)
        for name in model.weights:
            model.weights[name] = np.zeros_like(model.weights[name])
        model.plot(np.zeros((9, 9))).savefig(self.folder / "x.png")

    def test_single(self):
        from matplotlib import pyplot
        band = fcnn.Band.from_maps(generator().normal(0, 1, (9, 9)))
        image = plots.plot_spectrum(band, pyplot.figure().gca())
        self.assertEqual(image.get_array().shape, (9, 9))
        self.assert_near(image.get_array().max(), np.abs(band.full()).max(), 1e-5)


if __name__ == "__main__":
    unittest.main()
