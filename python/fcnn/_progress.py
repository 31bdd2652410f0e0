"""What a training shows on standard error: a bar on a terminal, and a line an epoch."""

from __future__ import annotations

import math
import os
import sys
import time

CELLS_MOST, CELLS_LEAST = 24, 4
LINE_MOST = 79


def line(title: str, done: int, total: int, text: str, left: float, columns: int) -> str:
    """A bar as fcnn-train draws it, cut to so many columns: the cells shrink first."""
    end = f"{done}/{total}  {text}  {int(left) // 60}:{int(left) % 60:02d} left"
    width = min(columns - len(title) - len(end) - 4, CELLS_MOST)
    cells = ""
    if width >= CELLS_LEAST:
        filled = done * width // total if total > 0 else width
        cells = f"[{'#' * filled}{'.' * (width - filled)}] "
    return f"{title} {cells}{end}"[:columns]


def fold(text: str) -> str:
    """A text of parts two spaces apart, in lines of at most 79 columns."""
    lines = [""]
    for part in text.split("  "):
        if lines[-1].strip() and len(lines[-1]) + 2 + len(part) > LINE_MOST:
            lines.append(f"  {part}")
        else:
            lines[-1] = f"{lines[-1]}  {part}" if lines[-1] else part
    return "\n".join(lines)


class Bar:
    """Draws at most ten times a second, of steps of so many images."""

    def __init__(self, batch: int) -> None:
        self._out, self._batch = sys.stderr, batch
        self._terminal = self._out is not None and self._out.isatty()
        self._epoch, self._first, self._started, self._drawn = -1, 0, 0.0, 0.0

    def step(self, at) -> None:
        """Shows a training's :class:`fcnn.Progress`."""
        now = time.monotonic()
        if at.epoch != self._epoch:
            self._epoch, self._first, self._started = at.epoch, at.step - 1, now - at.seconds
        if not self._terminal or (now - self._drawn < 0.1 and at.step < at.steps_per_epoch):
            return
        self._drawn = now
        steps = max(at.step - self._first, 1)
        left = (now - self._started) * (at.steps_per_epoch - at.step) / steps
        text = f"{self._rate(at.step, at.seconds)} images/s"
        if not math.isnan(at.loss):
            text = f"loss {at.loss:.3f}  accuracy {at.accuracy:.3f}  {text}"
        shown = line(f"epoch {at.epoch + 1}/{at.epochs}", at.step, at.steps_per_epoch, text, left,
                     self._columns())
        self._out.write(f"\r{shown}\033[K")
        self._out.flush()

    def epoch(self, at) -> None:
        """Writes the line of an :class:`fcnn.Epoch`."""
        text = f"epoch {at.epoch}/{at.epochs}  train loss {at.loss:.4f} accuracy {at.accuracy:.4f}"
        if at.validation_loss is not None:
            text += (f"  validation loss {at.validation_loss:.4f} accuracy "
                     f"{at.validation_accuracy:.4f}")
        rate = self._rate(at.steps_per_epoch, at.seconds)
        self.note(fold(f"{text}  {at.seconds:.1f} s  {rate} images/s"))

    def _rate(self, steps: int, seconds: float) -> str:
        return f"{steps * self._batch / seconds:.0f}" if seconds > 0 else "?"

    def note(self, text: str) -> None:
        """Writes a line of its own."""
        if self._out is None:
            return
        self.clear()
        self._out.write(text + "\n")
        self._out.flush()

    def clear(self) -> None:
        """Removes the bar from its line."""
        if self._terminal:
            self._out.write("\r\033[K")
            self._out.flush()

    def _columns(self) -> int:
        try:
            columns = os.get_terminal_size(self._out.fileno()).columns
        except (OSError, ValueError):
            columns = 0
        return max(columns - 1, 1) if columns > 0 else LINE_MOST  # 0: it does not know
