"""fcnn.Model: images in, predictions, scores, outputs and weights out."""

import copy
import json
import pickle
import subprocess
import threading
import time
import unittest

from common import (BUILD, MODELS, SMALL, Case, classes_by_waves, disturb, fcnn, generator, np,
                    pictures)


def small(channels=1, classes=3, **settings):
    return disturb(fcnn.create(SMALL, channels, classes, **settings), generator())


class Copies(Case):
    def test_pickle(self):
        """Bits, history and options survive, of both forms."""
        x, y = classes_by_waves(60)
        model = fcnn.train(SMALL, x, y, epochs=2, threads=1, progress=False)
        model.save(self.folder / "spectral.safetensors", form="spectral")
        spectral = fcnn.load(self.folder / "spectral.safetensors", band_fraction=0.5)
        for one in (model, spectral):
            for made in (pickle.loads(pickle.dumps(one)), copy.deepcopy(one)):
                self.assertEqual((made.form, made.history, made.size, made.band_fraction),
                                 (one.form, one.history, one.size, one.band_fraction))
                np.testing.assert_array_equal(made.predict(x), one.predict(x))
        made = copy.deepcopy(model)
        made.weights["conv1.weight"] *= 2
        self.assertFalse((made.weights["conv1.weight"] == model.weights["conv1.weight"]).any())


class Images(Case):
    """Shapes and types of what predict takes."""

    def test_shapes(self):
        grey, colour = small(1), small(3)
        x = pictures(5, 20, 17)
        wanted = grey.predict(x)
        self.assertEqual(wanted.shape, (5, 3))
        self.assert_near(wanted.sum(1), np.ones(5), 1e-5)
        for name, given, count in (("[n][h][w]", x[..., 0], 5), ("[h][w]", x[0, :, :, 0], 1),
                                   ("[h][w][1]", x[0], 1), ("a list", list(x), 5),
                                   ("another list", list(x[..., 0]), 5),
                                   ("not contiguous", x[:, :, ::-1][:, :, ::-1], 5)):
            self.assert_near(grey.predict(given), wanted[:count], 1e-5, name)
        x = pictures(5, 20, 17, 3)
        wanted = colour.predict(x)
        self.assert_near(colour.predict(x[2]), wanted[2:3], 1e-5, "[h][w][c]")
        self.assert_near(colour.predict([x[0], x[1][:9], x[2]])[[0, 2]], wanted[[0, 2]], 1e-5)

    def test_types(self):
        model, x = small(), pictures(4)
        wanted = model.predict(x, logits=True)
        for given in (x.astype(np.uint16) * 257, x / np.float32(255), x / 255.0,
                      (x.astype(np.uint16) * 257).astype(">u2")):
            found = model.predict(given, logits=True)
            self.assert_near(found, wanted, 1e-5, str(given.dtype))

    def test_refused(self):
        grey, colour = small(1), small(3)
        x = pictures(2, 20, 20, 3)
        self.refused(fcnn.UsageError, "2x20x20x3 1 channel", grey.predict, x)
        self.refused(fcnn.UsageError, "2x3x20x20 3 channels x.transpose(0, 2, 3, 1)",
                     colour.predict, x.transpose(0, 3, 1, 2))
        self.refused(fcnn.UsageError, "20x20 [n][h][w][3] [h][w][3]", colour.predict, x[0, :, :, 0])
        self.refused(fcnn.UsageError, "int64 uint8 float32", grey.predict, x[..., 0].astype(int))
        self.refused(ValueError, "", grey.predict, np.full((20, 20), 1.5))
        self.refused(ValueError, "", grey.predict, np.full((20, 20), np.nan))
        self.refused(fcnn.UsageError, "expected", grey.predict, np.zeros((2, 0, 20), np.uint8))
        self.refused(fcnn.UsageError, "images inhomogeneous", grey.predict, [[1, 2], [3]])

    def test_none(self):
        self.assertEqual(small().predict(np.zeros((0, 20, 20), np.uint8)).shape, (0, 3))


class Results(Case):
    def test_logits(self):
        model, x = small(), pictures(6)
        logits = model.predict(x, logits=True).astype(float)
        e = np.exp(logits - logits.max(1, keepdims=True))
        self.assert_near(model.predict(x), e / e.sum(1, keepdims=True), 1e-5)

    def test_score(self):
        model, x = small(classes=["cat", "dog", "emu"]), pictures(40)
        y = np.random.default_rng(0).integers(0, 3, 40)
        score = model.score(x, y)
        p = model.predict(x).astype(float)
        self.assertEqual(score.accuracy, (p.argmax(1) == y).mean())
        self.assertAlmostEqual(score.loss, -np.log(p[np.arange(40), y]).mean(), places=5)
        self.assertEqual((score.top5, score.images), (1.0, 40))
        wanted = np.zeros((3, 3), int)
        np.add.at(wanted, (y, p.argmax(1)), 1)
        self.assertTrue((score.confusion == wanted).all())
        names = np.array(model.classes)[y]
        self.assertEqual(model.score(x, names).loss, score.loss)
        self.assertEqual(model.score(x, names.tolist()).loss, score.loss)
        self.refused(fcnn.UsageError, "cow cat, dog, emu", model.score, x, ["cow"] * 40)
        self.refused(fcnn.UsageError, "3 0 to 2", model.score, x, np.full(40, 3))
        self.refused(fcnn.UsageError, "39 40 images", model.score, x, y[1:])
        self.assertEqual(model.score(x, y / 1.0).loss, model.score(x, y).loss)
        self.refused(fcnn.UsageError, "float64 integers", model.score, x, y + 0.5)

    def test_output(self):
        model, x = small(), pictures(3)
        for layer in model.layers:
            found = model.output(x, layer.name)
            if layer.layout == "vector":
                self.assertEqual(found.shape, (3, layer.channels))
                continue
            self.assertEqual(found.shape, (3, layer.channels, layer.size, layer.size))
            band = model.output(x, layer.index, domain="frequency")
            if layer.layout == "band":
                self.assertEqual(band.radius, layer.radius)
            self.assert_near(band.maps(layer.size), found, 1e-5, layer.name)
        self.assertTrue((model.output(x, "softmax1") == model.predict(x)).all())
        self.refused(fcnn.Error, "conv7 conv1 dense1", model.output, x, "conv7")
        self.refused(fcnn.UsageError, "time frequency", model.output, x, "conv1", domain="time")
        self.refused(NotImplementedError, "", model.output, x, "dense1", domain="frequency")
        with self.assertRaises(IndexError):
            model.output(x, 99)

    def test_convolution(self):
        """A layer's output, which numpy makes of the one before."""
        model, x = small(), pictures(2)
        band = model.output(x, "fft1", domain="frequency")
        maps, taps = band.maps(), model.weights["conv1.weight"]
        wanted = sum(np.roll(maps, (1 - i, 1 - j), (2, 3)) * taps[i, j].reshape(1, 4, 1, 1)
                     for i in range(3) for j in range(3))
        self.assert_near(model.output(x, "conv1"), wanted, 1e-5)


class Facts(Case):
    def test_layers(self):
        model = fcnn.create(MODELS / "lenet.cfg", 1, 10)
        self.assertEqual(model.layers["conv1"].bins, 365)
        self.assertEqual(model.layers["conv1.activation"].radius, 6)
        self.assertEqual(model.layers[0].name, "fft1")
        self.assertEqual(model.layers.parameters, 434906)
        self.assertIn("434,906", repr(model.layers))
        self.assertIn("434,906", repr(model))
        self.assertEqual(model.config["conv2"]["filters"], 32)
        self.assertEqual(model.config["conv1"]["algorithm"], "sum")  # the table's fallback
        self.assertEqual(model.config["net"]["learning_rate"], 0.004)
        self.assertEqual([section.kind for section in model.config][:3], ["net", "fft", "conv"])
        self.assertEqual(fcnn.load_config(model.config.text).text, model.config.text)
        self.refused(KeyError, "conv9 conv1", model.config.__getitem__, "conv9")

    def test_config_errors(self):
        self.refused(fcnn.ConfigError, "filtres filters", fcnn.load_config,
                     SMALL.replace("filters", "filtres"))
        self.refused(fcnn.ConfigError, "nowhere.cfg", fcnn.load_config, "nowhere.cfg")
        self.refused(fcnn.Error, "conv[3]", fcnn.create, SMALL, 1, 3, **{"conv[3].filters": 2})
        model = fcnn.create(SMALL, 1, 3, **{"conv[2].filters": 7, "net.nesterov": True})
        self.assertEqual(model.weights["dense1.weight"].shape, (3, 7 * 49))
        self.assertEqual(model.config["net"]["nesterov"], 1)

    def test_weights(self):
        model, x = small(), pictures(2)
        before = model.predict(x)
        taps = model.weights["conv1.weight"]
        self.assertEqual(taps.shape, (3, 3, 4, 1))
        taps[:] = 0
        self.assertTrue((model.predict(x) == before).all(), "a copy was changed")
        model.weights["conv1.weight"] *= 2
        self.assertFalse((model.predict(x) == before).all())
        self.assertTrue(model.weights.is_trained("conv1.weight"))
        self.assertFalse(model.weights.is_trained("conv1.norm.running_mean"))
        self.refused(fcnn.UsageError, "3x3x1x4 3x3x4x1", model.weights.__setitem__,
                     "conv1.weight", taps.transpose(0, 1, 3, 2))
        self.refused(fcnn.UsageError, "finite", model.weights.__setitem__, "dense1.bias",
                     [0, 1, np.nan])
        self.refused(KeyError, "conv9.weight conv1.weight", model.weights.__getitem__,
                     "conv9.weight")
        self.assertIn("running_mean", repr(model.weights))

    def test_spectra(self):
        text = SMALL.replace("size=3\nnorm=batch\nactivation=srelu", "size=full")
        model = fcnn.create(text, 1, 3)
        spectrum = model.weights["conv1.spectrum"]
        self.assertEqual((spectrum.dtype, spectrum.shape), (np.complex64, (25, 4, 1)))
        model.weights["conv1.spectrum"] = spectrum * 1j
        self.assertTrue((model.weights["conv1.spectrum"][1:] == spectrum[1:] * 1j).all())


class Files(Case):
    def test_round_trip(self):
        model, x = small(classes=["cat", "dog", "emu"]), pictures(4)
        for form, half, tolerance in (("compact", False, 0), ("spectral", False, 1e-4),
                                      ("spectral", True, 1e-2)):
            path = self.folder / "model.safetensors"
            model.save(path, form=form, half=half)
            with fcnn.load(path) as again:
                self.assertEqual((again.form, again.classes), (form, model.classes))
                self.assert_near(again.predict(x, logits=True), model.predict(x, logits=True),
                                 tolerance, form)
        header = path.read_bytes()
        header = json.loads(header[8:8 + int.from_bytes(header[:8], "little")])
        self.assertEqual(header["conv1.spectrum"]["dtype"], "F16")

    def test_refused(self):
        model = small()
        self.refused(fcnn.FileError, "missing.safetensors", fcnn.load, "missing.safetensors")
        self.refused(OSError, "nowhere", model.save, self.folder / "nowhere" / "x.safetensors")
        self.refused(fcnn.UsageError, "dense compact", model.save, self.folder / "x", form="dense")
        (self.folder / "bad").write_bytes(b"no model at all, and long enough")
        self.refused(fcnn.FormatError, "bad", fcnn.load, self.folder / "bad")
        self.refused(fcnn.Error, "tpu", fcnn.create, SMALL, 1, 3, device="tpu")
        self.refused(fcnn.UsageError, "fraction", fcnn.create, SMALL, 1, 3, band_fraction=1.5)

    def test_close(self):
        model = small()
        with model:
            weights = model.weights
        self.refused(fcnn.UsageError, "closed", model.predict, pictures(1))
        self.refused(fcnn.UsageError, "closed", weights.__getitem__, "conv1.weight")
        model.close()

    def test_band_fraction(self):
        path = self.folder / "model.safetensors"
        model = small()
        model.save(path)
        self.assertEqual(model.band_fraction, 1)
        with fcnn.load(path, band_fraction=0.5) as cut:
            self.assertEqual(cut.band_fraction, 0.5)
            self.assertEqual(cut.output(pictures(1), 0, domain="frequency").radius, 4)


class Onnx(Case):
    """The file is fcnn-convert's; what it computes is tested there."""

    def test_same_file(self):
        model = small(3, ["cat", "dog", "emu"])
        model.save(self.folder / "model.safetensors")
        for size, option in ((None, []), ((30, 20), ["--size", "30x20"]),
                             (24, ["--size", "24x24"])):
            summary = model.to_onnx(self.folder / "own.onnx", size=size)
            subprocess.run([BUILD / "fcnn-convert", self.folder / "model.safetensors", "--onnx",
                            self.folder / "other.onnx", *option], check=True, capture_output=True)
            own, other = (self.folder / name for name in ("own.onnx", "other.onnx"))
            self.assertEqual(summary.bytes, own.stat().st_size)
            self.assertEqual(own.read_bytes(), other.read_bytes())
            if size:
                self.assertEqual((summary.height, summary.width),
                                 size if isinstance(size, tuple) else (size, size))

    def test_refused(self):
        for size in (0, "28", "wide", (1, 2, 3), 2.5j):
            self.refused(fcnn.UsageError, "size=", small().to_onnx, self.folder / "x.onnx", size)
        summary = small().to_onnx(self.folder / "own.onnx", size="24x30")
        self.assertEqual((summary.height, summary.width), (24, 30))
        x, y = classes_by_waves(60)
        model = fcnn.train(SMALL, x[:, 2:], y, epochs=1, progress=False)
        for one in (model, copy.deepcopy(model)):
            summary = one.to_onnx(self.folder / "own.onnx")
            self.assertEqual((summary.height, summary.width), (18, 20))
        self.refused(fcnn.UsageError, "-3", small().to_onnx, self.folder / "x.onnx", size=-3)
        self.refused(OSError, "nowhere", small().to_onnx, self.folder / "nowhere" / "x.onnx")


class Threads(Case):
    def test_same_bits(self):
        """Threads that share a model, and have models of their own, get what one thread gets."""
        model, x = small(), pictures(64)
        wanted = model.predict(x)
        wrong = []

        def work(own):
            for _ in range(10):
                if not (own.predict(x) == wanted).all():
                    wrong.append(own)

        models = [model, model, small(), small()]
        threads = [threading.Thread(target=work, args=(own,)) for own in models]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertFalse(wrong)

    def test_closed_under_way(self):
        """Calls of other threads end as they began, or are refused."""
        wanted = small().predict(pictures(64))
        for _ in range(10):
            model, results = small(), []

            def work():
                try:
                    for _ in range(50):
                        results.append((model.predict(pictures(64)) == wanted).all())
                except fcnn.UsageError as error:
                    results.append("closed" in str(error))

            threads = [threading.Thread(target=work) for _ in range(3)]
            for thread in threads:
                thread.start()
            while not results:
                time.sleep(0.001)
            model.close()
            for thread in threads:
                thread.join()
            self.assertTrue(all(results))

    def test_others_run(self):
        """Python goes on while the library computes."""
        model = fcnn.create(MODELS / "cifar10.cfg", 3, 10, threads=1)
        x = pictures(256, 32, 32, 3)
        model.predict(x[:64])
        done = threading.Event()

        def work():
            model.predict(x)
            done.set()

        thread = threading.Thread(target=work)
        ticks = 0
        thread.start()
        while not done.is_set():
            time.sleep(0.001)
            ticks += 1
        thread.join()
        self.assertGreater(ticks, 5)


if __name__ == "__main__":
    unittest.main()
