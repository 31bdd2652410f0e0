"""What the tests of the Python package share. They run from any folder.

FCNN_BUILD is the build whose library is tested; by default the checkout's newest.
"""

import os
import pathlib
import sys
import tempfile
import unittest

try:
    import numpy as np
except ImportError:
    print("skipped: this Python has no numpy (Debian's python3-numpy)")
    sys.exit(77)

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODELS = ROOT / "models"
if "FCNN_BUILD" in os.environ:
    os.environ["FCNN_LIBRARY"] = os.path.join(os.environ["FCNN_BUILD"], "libfcnn.so")
sys.path.insert(0, str(ROOT / "python"))
sys.dont_write_bytecode = True

import fcnn  # noqa: E402

BUILD = pathlib.Path(fcnn._library.find()).resolve().parent

# A resident network of two layers, small enough to train in a test.
SMALL = """[net]
batch=20
epochs=2
learning_rate=0.01
seed=5
[fft]
size=15
[conv]
filters=4
size=3
norm=batch
activation=srelu
[fourier_pool]
size=7
[conv]
filters=6
size=3
norm=batch
activation=relu
[ifft]
[dense]
units=classes
[softmax]
"""


def generator():
    return np.random.default_rng(11)


def disturb(model, rng):
    """Gives every weight, and every running statistic, a value that is none of its first ones."""
    for name, value in model.weights.items():
        if name.endswith("running_variance"):
            model.weights[name] = rng.uniform(0.5, 2, value.shape)
        elif name.endswith("gamma"):
            model.weights[name] = rng.uniform(0.5, 1.5, value.shape)
        elif value.ndim == 1:
            model.weights[name] = value + rng.normal(0, 0.1, value.shape)
    return model


def pictures(count, height=28, width=28, channels=1, seed=3):
    """Pictures of noise over waves, uint8 [count][height][width][channels]."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    waves = rng.uniform(0, 0.4, (count, channels, 2, 1, 1)) * np.array([y, x])
    values = 128 + 90 * np.sin(waves.sum(2)) + rng.normal(0, 20, (count, channels, height, width))
    return np.clip(values, 0, 255).astype(np.uint8).transpose(0, 2, 3, 1).copy()


def classes_by_waves(count=120, seed=8):
    """Pictures [count][20][20] of three kinds of waves, and their kinds: easy to learn."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, count)
    y, x = np.mgrid[:20, :20]
    turns = np.array([[0.9, 0], [0, 0.9], [0.6, 0.6]])[labels]
    phase = rng.uniform(0, 6, (count, 1, 1))
    waves = np.sin(turns[:, 0, None, None] * y + turns[:, 1, None, None] * x + phase)
    noise = rng.normal(0, 10, waves.shape)
    return np.clip(128 + 90 * waves + noise, 0, 255).astype(np.uint8), labels


class Case(unittest.TestCase):
    """A test case with a folder of its own, and comparisons that NaN fails."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="fcnn-python-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def assert_near(self, found, wanted, tolerance, what=""):
        """The largest difference is at most so much of the largest value wanted."""
        found, wanted = np.asarray(found), np.asarray(wanted)
        self.assertEqual(found.shape, wanted.shape, what)
        self.assertGreater(wanted.size, 0, what)
        self.assertTrue(np.isfinite(found).all() and np.isfinite(wanted).all(), what)
        largest = np.abs(wanted).max()
        self.assertGreater(largest, 0, what)
        error = np.abs(found - wanted).max() / largest
        self.assertLessEqual(error, tolerance, what)
        return error

    def refused(self, kind, words, action, *arguments, **options):
        """The call raises this, with all of these words."""
        with self.assertRaises(kind) as caught:
            action(*arguments, **options)
        for word in words.split():
            self.assertIn(word, str(caught.exception))
        return caught.exception
