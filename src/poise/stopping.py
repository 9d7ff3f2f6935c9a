"""Ctrl-C, SIGTERM, a closed terminal: once to finish the step and save, twice to stop at once.

A terminal that closes may hang up twice, by the shell and by the system: that is one request.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # the last: the terminal was closed


class StopRequest:
    """Whether somebody asked to stop: made before training, asked between steps.

    A context, after which signals mean what they meant before.
    """

    def __init__(self) -> None:
        self._asked = False
        # What was ignored stays so: SIGHUP under nohup, SIGINT of a job in the background.
        self._heard = [each for each in SIGNALS if signal.getsignal(each) is not signal.SIG_IGN]
        self._before = {number: signal.signal(number, self._hear) for number in self._heard}

    def __call__(self) -> bool:
        return self._asked

    def __enter__(self) -> StopRequest:
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @staticmethod
    @contextlib.contextmanager
    def in_main_thread() -> Iterator[Callable[[], bool]]:
        """A request where signals can be heard; elsewhere, nobody asks to stop."""
        if threading.current_thread() is not threading.main_thread():
            yield lambda: False
            return
        with StopRequest() as stop:
            yield stop

    def _hear(self, number: int, frame: FrameType | None) -> None:
        self._asked = True
        for each in self._heard:  # by the system: it works in the middle of a step
            signal.signal(each, signal.SIG_IGN if each == signal.SIGHUP else signal.SIG_DFL)
        with contextlib.suppress(OSError):  # `| tee log` has ended by the same Ctrl-C
            os.write(2, b"\nFinishing the step and saving. Once more to stop at once.\n")
