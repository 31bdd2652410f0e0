"""fcnn.train: the bits of fcnn-train, callbacks, Ctrl-C, checkpoints."""

import contextlib
import fcntl
import gzip
import io
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import textwrap
import unittest
import warnings

from common import BUILD, MODELS, ROOT, SMALL, Case, classes_by_waves, fcnn, np, pictures

from fcnn import _progress

FASHION = "/usr/share/datasets/fashion-mnist"


def idx(name, offset):
    with gzip.open(f"{FASHION}/{name}.gz") as file:
        return np.frombuffer(file.read(), np.uint8, offset=offset)


def quietly(*arguments, **options):
    return fcnn.train(*arguments, progress=False, **options)


class SameBits(Case):
    def same(self, model, other):
        self.assertEqual(list(model.weights), list(other.weights))
        for name in model.weights:
            self.assertTrue((model.weights[name] == other.weights[name]).all(), name)

    def program(self, *options):
        environment = {**os.environ, "OMP_WAIT_POLICY": "passive"}
        subprocess.run([BUILD / "fcnn-train", MODELS / "lenet.cfg", "--limit", "600", "--epochs",
                        "2", "--out", self.folder / "run", *options], check=True,
                       capture_output=True, env=environment)
        return self.folder / "run" / "model.safetensors"

    def test_arrays(self):
        path = self.program()
        x = idx("train-images-idx3-ubyte", 16).reshape(-1, 28, 28)
        y = idx("train-labels-idx1-ubyte", 8)
        test = (idx("t10k-images-idx3-ubyte", 16).reshape(-1, 28, 28),
                idx("t10k-labels-idx1-ubyte", 8))
        names = fcnn.load(path).classes
        model = quietly(MODELS / "lenet.cfg", x, y, test, validation_is_test=True, classes=names,
                        epochs=2, limit=600)
        self.same(model, fcnn.load(path))
        rows = (self.folder / "run" / "log.csv").read_text().splitlines()
        self.assertEqual(len(model.history), len(rows) - 1)
        columns = rows[0].split(",")
        for epoch, row in zip(model.history, rows[1:]):
            row = dict(zip(columns, row.split(",")))
            for key, value in (("train_loss", epoch.loss), ("train_accuracy", epoch.accuracy),
                               ("val_loss", epoch.validation_loss),
                               ("val_accuracy", epoch.validation_accuracy),
                               ("val_top5", epoch.validation_top5)):
                self.assertAlmostEqual(float(row[key]), value, places=5, msg=key)
            self.assertFalse(epoch.is_best, "a test set chooses nothing")

    def test_data_of_the_cfg(self):
        """The same file, byte for byte."""
        path = self.program("--set", "net.learning_rate=0.002")
        model = quietly(MODELS / "lenet.cfg", epochs=2, limit=600, **{"net.learning_rate": 0.002})
        self.same(model, fcnn.load(path))
        model.save(self.folder / "own.safetensors")
        self.assertEqual((self.folder / "own.safetensors").read_bytes(), path.read_bytes())

    def test_threads(self):
        x, y = classes_by_waves()
        self.same(quietly(SMALL, x, y, threads=1), quietly(SMALL, x, y, threads=3))


class Course(Case):
    def test_callbacks(self):
        x, y = classes_by_waves()
        steps, epochs = [], []
        model = quietly(SMALL, x, np.array(["wide", "tall", "both"])[y],
                        (x[:30], np.array(["wide", "tall", "both"])[y[:30]]),
                        on_step=steps.append, on_epoch=epochs.append)
        self.assertEqual(model.classes, ["both", "tall", "wide"])
        self.assertEqual(len(steps), 2 * 6)
        self.assertEqual([(at.epoch, at.step) for at in steps[:7]],
                         [(0, n) for n in range(1, 7)] + [(1, 1)])
        self.assertEqual(epochs, model.history)
        self.assertEqual([at.epoch for at in epochs], [1, 2])
        self.assertGreater(epochs[-1].validation_accuracy, 0.8)
        self.assertTrue(epochs[0].is_best)
        self.assertTrue(all(np.isfinite(at.loss) for at in steps))

    def test_held_out(self):
        x, y = classes_by_waves()
        model = quietly(SMALL, x, y, **{"net.val_fraction": 0.25})
        self.assertIsNotNone(model.history[0].validation_loss)
        self.assertIsNone(quietly(SMALL, x, y, epochs=1).history[0].validation_loss)

    def test_exceptions(self):
        x, y = classes_by_waves()
        seen = []

        def third(at):
            seen.append(at)
            if len(seen) == 3:
                raise ZeroDivisionError("the third step")

        with self.assertRaisesRegex(ZeroDivisionError, "the third step"):
            quietly(SMALL, x, y, on_step=third)
        self.assertEqual(len(seen), 3)
        with self.assertRaises(StopIteration):
            quietly(SMALL, x, y, on_epoch=lambda at: next(iter(())))

    def test_stopped_by_a_callback(self):
        x, y = classes_by_waves()
        path = self.folder / "checkpoint.safetensors"
        model = quietly(SMALL, x, y, epochs=4, on_epoch=lambda at: at.epoch == 2)
        wanted = quietly(SMALL, x, y, epochs=4)
        self.assertEqual(len(model.history), 2)
        model = quietly(SMALL, x, y, epochs=4, on_epoch=lambda at: np.float32(at.loss) < 10)
        self.assertEqual(len(model.history), 1)
        seen = []
        model = quietly(SMALL, x, y, epochs=4, checkpoint=path,
                        on_step=lambda at: seen.append(at) or len(seen) == 8)
        self.assertEqual((len(seen), len(model.history)), (8, 1))
        model = quietly(SMALL, x, y, epochs=4, resume=path, on_step=lambda at: 0,
                        on_epoch=lambda at: np.bool_(False))
        for name in wanted.weights:
            self.assertTrue((model.weights[name] == wanted.weights[name]).all(), name)

    def test_checkpoint(self):
        x, y = classes_by_waves()
        wanted = quietly(SMALL, x, y, epochs=4)
        path = self.folder / "checkpoint.safetensors"
        quietly(SMALL, x, y, epochs=2, checkpoint=path)
        model = quietly(SMALL, x, y, epochs=4, resume=path)
        self.assertEqual([at.epoch for at in model.history], [3, 4])
        for name in wanted.weights:
            self.assertTrue((model.weights[name] == wanted.weights[name]).all(), name)
        self.refused(fcnn.Error, "", quietly, SMALL, x[::-1], y, epochs=4, resume=path)

    def test_checkpoint_behind_an_epoch(self):
        """What ends a run without a word finds the last one."""
        x, y = classes_by_waves()
        path = self.folder / "checkpoint.safetensors"
        seen = []

        def step(at):
            seen.append(path.stat().st_mtime_ns if path.exists() else None)
            if at.epoch == 1 and at.step == 4:
                raise MemoryError("the end")

        with self.assertRaises(MemoryError):
            quietly(SMALL, x, y, epochs=4, on_step=step, checkpoint=path)
        self.assertEqual(seen[:6], [None] * 6)
        self.assertEqual(len(set(seen[6:])), 1)
        model, wanted = quietly(SMALL, x, y, epochs=4, resume=path), quietly(SMALL, x, y, epochs=4)
        self.assertEqual([at.epoch for at in model.history], [2, 3, 4])
        for name in wanted.weights:
            self.assertTrue((model.weights[name] == wanted.weights[name]).all(), name)

    def test_init(self):
        x, y = classes_by_waves()
        path = self.folder / "model.safetensors"
        first = quietly(SMALL, x, y, epochs=3)
        first.save(path)
        model = quietly(SMALL, x, y, epochs=1, init=path, **{"net.learning_rate": 1e-6})
        self.assert_near(model.weights["conv1.weight"], first.weights["conv1.weight"], 1e-4)
        same = quietly(SMALL, x, y, epochs=1, init=first, **{"net.learning_rate": 1e-6})
        for name in model.weights:
            self.assertTrue((model.weights[name] == same.weights[name]).all(), name)
        self.refused(fcnn.UsageError, "one of them", quietly, SMALL, x, y, init=path, resume=path)

    def test_best(self):
        """The best epoch's network, which is not the last one's."""
        x, y = classes_by_waves()
        own, bests = self.folder / "own.safetensors", []

        def keep(epoch):
            if epoch.is_best:
                bests.append(epoch)
                epoch.model().save(own)
                self.assertEqual(epoch.model().history[-1], epoch)

        held = x, (y + 1) % 3  # what is learnt is wrong there, so that accuracy falls
        options = {"epochs": 4, "on_epoch": keep}
        model = quietly(SMALL, x, y, held, restore_best=True, **options)
        last = quietly(SMALL, x, y, held, **options)
        self.assertEqual(len(model.history), 4)
        self.assertEqual([epoch.loss for epoch in model.history],
                         [epoch.loss for epoch in last.history])
        best = [epoch for epoch in model.history if epoch.is_best][-1]
        self.assertLess(best.epoch, 4)
        self.assertAlmostEqual(model.score(*held).loss, best.validation_loss, places=4)
        for name in model.weights:
            self.assertTrue((model.weights[name] == fcnn.load(own).weights[name]).all(), name)
        self.assertTrue(any((model.weights[name] != last.weights[name]).any()
                            for name in model.weights))
        self.refused(fcnn.UsageError, "on_epoch", best.model)

    def test_best_refused(self):
        x, y = classes_by_waves()
        self.refused(fcnn.UsageError, "restore_best val_fraction", quietly, SMALL, x, y,
                     restore_best=True)
        self.refused(fcnn.UsageError, "restore_best test", quietly, SMALL, x, y, (x, y),
                     validation_is_test=True, restore_best=True)
        self.refused(fcnn.UsageError, "restore_best test", quietly, "lenet", limit=300,
                     restore_best=True)
        held = quietly(SMALL, x, y, val_fraction=0.25, restore_best=True)
        self.assertTrue(held.history[0].is_best)

    def test_refused(self):
        x, y = classes_by_waves()
        self.refused(fcnn.UsageError, "x without y", quietly, SMALL, x)
        self.refused(fcnn.UsageError, "go with x", quietly, SMALL, y=y)
        self.refused(fcnn.UsageError, "119 120 images", quietly, SMALL, x, y[1:])
        self.refused(fcnn.UsageError, "5 0 to 2", quietly, SMALL, x, np.where(y == 0, 5, y),
                     classes=3)
        self.refused(fcnn.UsageError, "names", quietly, SMALL, x, ["a"] * len(x), classes=3)
        self.refused(fcnn.ConfigError, "epochz epochs", quietly, SMALL, x, y, **{"net.epochz": 3})
        self.refused(fcnn.NumericError, "finite", quietly, SMALL, x, y,
                     **{"net.learning_rate": 1e6, "net.optimizer": "sgd"})

    def test_warnings(self):
        """What the library warns of is a Python warning."""
        x, y = classes_by_waves()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            quietly(SMALL, x, np.where(y == 2, 4, y), (x[:9], y[:9]), epochs=1)
        for one in caught:
            self.assertIs(one.category, UserWarning)


class Shown(Case):
    def test_line(self):
        for columns in (20, 40, 79, 200):
            text = _progress.line("epoch 1/5", 30, 120, "loss 0.5000 accuracy 0.8000", 61, columns)
            self.assertLessEqual(len(text), columns)
        self.assertIn("[######..................] 30/120", text)
        self.assertTrue(text.endswith("1:01 left"))

    def test_epochs(self):
        x, y = classes_by_waves()
        err = io.StringIO()
        with contextlib.redirect_stderr(err):
            fcnn.train(SMALL, x, y, (x[:30], y[:30]))
        lines = err.getvalue().splitlines()
        self.assertTrue(lines[-2].startswith("epoch 2/2  train loss 0."), lines)
        self.assertTrue(lines[-1].startswith("  validation loss"), lines)
        self.assertLess(max(map(len, lines)), 80)
        self.assertNotIn("\r", err.getvalue())


    def test_terminal(self):
        """On a terminal there is a bar, which the epoch's line replaces."""
        self.terminal(70, 70)

    def test_unknown_width(self):
        self.terminal(0, 80)

    def terminal(self, columns, most):
        script = (f"import sys; sys.path.insert(0, {str(ROOT / 'tests' / 'python')!r}); "
                  "from common import *; import time; x, y = classes_by_waves(); "
                  "fcnn.train(SMALL, x, y, (x, y), on_step=lambda at: time.sleep(0.05))")
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        result = subprocess.run([sys.executable, "-c", script], stderr=theirs, timeout=300,
                                env={**os.environ, "FCNN_BUILD": str(BUILD)})
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # the other end is closed
            while piece := os.read(ours, 65536):
                shown += piece
        os.close(ours)
        self.assertEqual(result.returncode, 0, shown)
        bars = [line for line in shown.decode().replace("\n", "\r").split("\r") if "left" in line]
        self.assertGreater(len(bars), 2, shown)
        for bar in bars:
            self.assertLess(len(bar.replace("\033[K", "")), most)
        self.assertGreater(max(map(len, bars)), most - 15)
        self.assertRegex(bars[0], r"^epoch 1/2 .*\d/6  loss \d")
        self.assertRegex(shown.decode(), r"\033\[Kepoch 2/2  train loss")


SCRIPT = """
    import os, signal, sys
    sys.path.insert(0, {tests!r})
    from common import SMALL, classes_by_waves, fcnn
    x, y = classes_by_waves()
    seen = []
    def step(at):
        seen.append(at)
        if len(seen) == 9:
            os.kill(os.getpid(), signal.SIGINT)
    try:
        fcnn.train(SMALL, x, y, epochs=4, on_step=step, checkpoint={path!r}, progress=False)
    except KeyboardInterrupt as stop:
        print(type(stop).__name__, stop, len(seen), len(stop.model.history))
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        stop.model.save({model!r})
        model = fcnn.train(SMALL, x, y, epochs=4, resume=stop.checkpoint, progress=False)
        model.save({resumed!r})
        raise
"""


class CtrlC(Case):
    def test_stops(self):
        """Behind its step, with a model and a checkpoint, from which the bits are the same."""
        names = {name: str(self.folder / f"{name}.safetensors")
                 for name in ("path", "model", "resumed")}
        script = textwrap.dedent(SCRIPT.format(tests=str(ROOT / "tests" / "python"), **names))
        result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True,
                                timeout=300,
                                env={**os.environ, "FCNN_BUILD": str(BUILD)})
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertIn("fcnn.Interrupted: interrupted in epoch 2 after step 3", result.stderr)
        self.assertIn("Interrupted interrupted in epoch 2 after step 3 of 6; resume=",
                      result.stdout, result.stderr)
        self.assertTrue(result.stdout.strip().endswith("9 1"), result.stdout)
        x, y = classes_by_waves()
        wanted, found = quietly(SMALL, x, y, epochs=4), fcnn.load(names["resumed"])
        for name in wanted.weights:
            self.assertTrue((found.weights[name] == wanted.weights[name]).all(), name)
        self.assertGreater(fcnn.load(names["model"]).score(x, y).accuracy, 0.4)

    def test_validation(self):
        """While images are validated on."""
        script = textwrap.dedent(f"""
            import os, signal, sys, threading
            sys.path.insert(0, {str(ROOT / "tests" / "python")!r})
            from common import SMALL, classes_by_waves, fcnn, np
            x, y = classes_by_waves()
            many = np.resize(x, (200000, 20, 20)), np.resize(y, 200000)
            def step(at):
                if at.step == at.steps_per_epoch:
                    threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
            try:
                fcnn.train(SMALL, x, y, many, on_step=step, progress=False)
            except fcnn.Interrupted as stop:
                print(stop, len(stop.model.history))
        """)
        result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True,
                                timeout=300,
                                env={**os.environ, "FCNN_BUILD": str(BUILD)})
        self.assertEqual(result.stdout, "interrupted in the validation of epoch 1; the "
                         "exception's model has the weights 0\n", result.stderr)

    def test_opening(self):
        """While images are looked through, in which no line of Python runs."""
        script = textwrap.dedent(f"""
            import sys, threading, time, os, signal
            sys.path.insert(0, {str(ROOT / "tests" / "python")!r})
            from common import SMALL, fcnn
            threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
            started = time.monotonic()
            try:
                fcnn.train(SMALL, progress=False,
                           **{{"net.data": "synthetic:size=1024,channels=3,train=20000"}})
            except fcnn.Interrupted as stop:
                print(stop, stop.model, time.monotonic() - started < 20)
        """)
        result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True,
                                timeout=300,
                                env={**os.environ, "FCNN_BUILD": str(BUILD)})
        self.assertEqual(result.stdout, "interrupted before the first step None True\n",
                         result.stderr)


if __name__ == "__main__":
    if not os.path.isdir(FASHION):
        print("skipped: Debian's dataset-fashion-mnist is missing")
        sys.exit(77)
    unittest.main()
