"""Ctrl-C while the library works."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import threading


class CtrlC:
    """While it is entered, Ctrl-C sets a flag that the library looks at, and raises nothing.

    Python's own handler runs between two instructions of Python, of which there are none while the
    library validates or opens data. So a thread waits for the signal's byte in a pipe.
    """

    def __init__(self, flag: ctypes.c_int) -> None:
        self.pressed = False
        self._flag, self._ours = flag, False  # the library clears the flag once it has stopped

    def _press(self) -> None:
        self.pressed, self._flag.value = True, 1

    def _watch(self) -> None:
        while byte := os.read(self._pipe[0], 1):
            if byte[0] == signal.SIGINT:
                self._press()
            elif self._before >= 0:  # whoever waited for signals before
                with contextlib.suppress(OSError):
                    os.write(self._before, byte)

    def __enter__(self) -> CtrlC:
        self._ours = (threading.current_thread() is threading.main_thread()
                      and signal.getsignal(signal.SIGINT) is signal.default_int_handler)
        if self._ours:
            self._pipe = os.pipe()
            os.set_blocking(self._pipe[1], False)
            self._before = signal.set_wakeup_fd(self._pipe[1], warn_on_full_buffer=False)
            self._thread = threading.Thread(target=self._watch, daemon=True)
            self._thread.start()
            signal.signal(signal.SIGINT, lambda *_: self._press())
        return self

    def __exit__(self, *_: object) -> None:
        if self._ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.set_wakeup_fd(self._before)
            os.close(self._pipe[1])
            self._thread.join()
            os.close(self._pipe[0])
