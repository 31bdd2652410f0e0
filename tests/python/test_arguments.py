"""What is given to the package: numbers, texts and labels of all kinds, and what becomes of models
that are copied, left behind or taken along into another process."""

import copy
import multiprocessing
import os
import pickle
import signal
import unittest
import warnings

from common import SMALL, Case, classes_by_waves, disturb, fcnn, generator, np, pictures

WAVES, KINDS = classes_by_waves(60)


def small(**options):
    return disturb(fcnn.create(SMALL, 1, 3, **options), generator())


def train(y=KINDS, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fcnn.train(SMALL, WAVES, y, epochs=1, progress=False, **options)


class Numbers(Case):
    def test_numpy(self):
        """numpy's whole numbers are taken wherever one is asked for."""
        one, two = np.int64(1), np.uint8(2)
        model = fcnn.create(SMALL, one, np.int64(3), threads=two, batch=two)
        self.assertEqual(model.classes, ["0", "1", "2"])
        band = model.output(pictures(2), one, domain="frequency")
        self.assertEqual(band.crop(two).maps(np.int32(9)).shape, (2, 4, 9, 9))
        self.assertEqual(fcnn.Band.from_maps(np.ones((9, 9)), two).radius, 2)
        summary = model.to_onnx(self.folder / "a.onnx", size=np.array([9, 7]).tolist())
        self.assertEqual((summary.height, summary.width), (9, 7))
        self.assertEqual(train(classes=np.int64(4), limit=np.int64(50), threads=one).classes,
                         list("0123"))
        self.assertEqual(fcnn.load_config(SMALL, {"net.augment_mirror": np.bool_(True)})
                         ["net"]["augment_mirror"], 1)

    def test_refused(self):
        """None wraps around to a small number on its way to C."""
        usage, onnx = fcnn.UsageError, self.folder / "a.onnx"
        model = small()
        for name in ("threads", "batch"):
            for value in (-1, 2**32 + 1, 1.5, "2", None, float("nan")):
                self.refused(usage, name if value != -1 else "-1", small, **{name: value})
        for size in (2**32 + 28, 1.5, (28,), (1, 2, 3), "28"):
            self.refused(usage, "size=", model.to_onnx, onnx, size=size)
        for limit in (-1, 2**64 + 1, 1.5):
            self.refused(usage, "limit", train, limit=limit)
        self.refused(usage, "-2 threads", train, threads=-2)
        self.refused(usage, "radius=1.5", fcnn.Band(np.zeros(13)).crop, 1.5)
        for classes in (0, -1, 2**30, 2.5, None, "abc"):
            self.refused(usage, "classes", fcnn.create, SMALL, 1, classes)

    def test_statistics(self):
        model = fcnn.create(SMALL, 3, 3, mean=0.5, deviation=[0.1, 0.2, 0.3])
        self.assertEqual(model.statistics.mean.tolist(), [0.5] * 3)
        self.assert_near(model.statistics.deviation, [0.1, 0.2, 0.3], 1e-6)
        self.refused(fcnn.UsageError, "mean= 3 numbers", fcnn.create, SMALL, 3, 3, mean=[1, 2])


class Texts(Case):
    def test_refused(self):
        """A zero byte, which ends a text in C, is refused wherever a text is given."""
        usage, model, name = fcnn.UsageError, small(), str(self.folder / "a\0b")
        for action in (model.save, model.to_onnx, fcnn.load, fcnn.load_config):
            self.refused(usage, "zero byte", action, name)
        for option in ("init", "resume", "checkpoint"):
            self.refused(usage, "zero byte", train, **{option: name})
        self.refused(usage, "zero byte", fcnn.load_config, SMALL, {"net.data": "a\0b"})
        self.refused(usage, "classes[1] zero byte", fcnn.create, SMALL, 1, ["a", "b\0"])
        self.refused(usage, "classes[0] UTF-8", fcnn.create, SMALL, 1, ["\udc80", "b"])
        self.refused(usage, "classes[0]=0 text", fcnn.create, SMALL, 1, [0, 1])
        self.refused(usage, "device=0", small, device=0)
        self.assertEqual(list(self.folder.iterdir()), [])


class Labels(Case):
    def test_kinds(self):
        """The same labels in any array are the same training."""
        wanted = train().weights["dense1.weight"]
        for y in (KINDS.tolist(), KINDS.astype(object), KINDS[:, None], KINDS.astype(">i2"),
                  KINDS.astype("U"), KINDS.astype("S"), KINDS.astype("U").astype(object)):
            model = train(y)
            self.assertEqual(model.classes, ["0", "1", "2"])
            self.assertEqual(model.weights["dense1.weight"].tobytes(), wanted.tobytes())
        many = train(np.array([10, 2] * 30, object))  # numbers, not texts in their order
        self.assertEqual(many.classes, [str(number) for number in range(11)])
        self.assertEqual(small().score(WAVES[:0], []).images, 0)

    def test_refused(self):
        usage = fcnn.UsageError
        for y, words in ((np.full(60, np.nan), "float64"), (KINDS + 10**9, "1000000002 1048575"),
                         (KINDS.astype("u8") + 2**63, "expected 0 to 1048575"),
                         (np.array([None] * 60), "None"), (KINDS > 0, "bool"),
                         (np.array(["a"] + [1] * 59, object), "some names numbers"),
                         (np.array([[1], *[2] * 59], object), "[1]"), (KINDS - 9, "label 0")):
            self.refused(usage, words, train, y)
        self.refused(usage, "'0' twice", train, KINDS.astype("U"), classes=["0", "1", "2", "0"])
        for validation in ((WAVES,), WAVES, (WAVES, KINDS, KINDS)):
            self.refused(usage, "validation pair", train, validation=validation)

    def test_samples(self):
        model, x = small(), np.full((1, 4, 4), 1e300)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            self.refused(fcnn.UsageError, "images[0][0][0][0] inf", model.predict, x)
        error = self.refused(fcnn.UsageError, "1.0000001", model.predict,
                             np.full((1, 4, 4), 1.0000001, np.float32))
        self.assertNotIn("255", str(error))

    def test_weights(self):
        weights = small().weights
        value = weights["dense1.weight"]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            self.refused(fcnn.UsageError, "complex real", weights.__setitem__, "dense1.weight",
                         value * 1j)
            self.refused(fcnn.UsageError, "not finite", weights.__setitem__, "dense1.weight",
                         value.astype(float) * 0 + 1e300)
        self.refused(fcnn.UsageError, "numbers", weights.__setitem__, "dense1.weight",
                     np.full(value.shape, "x"))
        self.assertEqual(weights["dense1.weight"].tobytes(), value.tobytes())


class Lives(Case):
    """Models that are left behind, copied, and used in other processes."""

    def test_left_behind(self):
        self.assertEqual(small().weights["conv1.weight"].shape, (3, 3, 4, 1))
        self.assertEqual(small().layers["conv1.activation"].index, 2)

    def test_copies(self):
        model, x = small(threads=1), pictures(3)
        wanted = model.predict(x, logits=True)
        spectral = self.folder / "spectral.safetensors"
        model.save(spectral, form="spectral")
        for one in (model, fcnn.load(spectral), train()):
            wanted = one.predict(x, logits=True).tobytes()
            for other in (copy.copy(one), copy.deepcopy(one), pickle.loads(pickle.dumps(one))):
                self.assertEqual(other.predict(x, logits=True).tobytes(), wanted)
                self.assertEqual((other.classes, other.form, other.history),
                                 (one.classes, one.form, one.history))
                other.weights["dense1.weight"] = other.weights["dense1.weight"] * 2
                self.assertEqual(one.predict(x, logits=True).tobytes(), wanted)

    @unittest.skipUnless(hasattr(os, "fork"), "no fork")
    def test_fork(self):
        """A child computes with threads of its own, as its parent did before and does after."""
        model, x = small(threads=2), pictures(64)
        wanted = model.predict(x).tobytes()
        child = os.fork()
        if not child:
            signal.alarm(60)  # a child that waits for threads of its parent's would never end
            os._exit(0 if model.predict(x).tobytes() == wanted else 1)
        self.assertEqual(os.waitpid(child, 0)[1], 0)
        self.assertEqual(model.predict(x).tobytes(), wanted)
        with multiprocessing.get_context("fork").Pool(2) as pool:
            found = pool.map_async(model.predict, [x, x]).get(60)  # which pickles the model too
        self.assertEqual([one.tobytes() for one in found], [wanted] * 2)


class Arithmetic(Case):
    def test_band(self):
        rng = generator()
        maps = rng.normal(0, 1, (2, 3, 9, 9)).astype(np.float32)
        band, gain = fcnn.Band.from_maps(maps), np.arange(41, dtype=np.float32)
        self.assert_near((-band / 2).maps(), -maps / 2, 1e-5)
        for product in (gain * band, band * gain, np.float64(2) * band, band / np.float32(2)):
            self.assertIsInstance(product, fcnn.Band)
        self.assert_near((gain * band).bins, band.bins * gain, 1e-6)
        self.assertEqual(np.array(band, copy=True).shape, (2, 3, 41))


if __name__ == "__main__":
    unittest.main()
