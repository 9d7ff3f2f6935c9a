"""Ctrl-C, SIGTERM, a closed terminal: once to finish the step and save, twice to stop at once."""

from __future__ import annotations

import contextlib
import os
import signal
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # the last: the terminal was closed


class StopRequest:
    """Whether somebody asked to stop. Made before training, asked between steps."""

    def __init__(self) -> None:
        self._asked = False
        for number in SIGNALS:
            signal.signal(number, self._hear)

    def __call__(self) -> bool:
        return self._asked

    def _hear(self, number: int, frame: FrameType | None) -> None:
        self._asked = True
        for each in SIGNALS:
            signal.signal(each, signal.SIG_DFL)  # by the system: it works in the middle of a step
        with contextlib.suppress(OSError):  # `| tee log` has ended by the same Ctrl-C
            os.write(2, b"\nFinishing the step and saving. Once more to stop at once.\n")
