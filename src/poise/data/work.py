"""The work of one shard, and the processes that share the shards.

A process that dies (out of memory, killed) is replaced and its shard made again, so a death costs
time, but neither a hang nor an image.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np

from ..errors import PoiseError
from ..size import levels_of
from .decode import Fitted, Pixels, Unusable, View, decode_in_silence, fit_pixels, silence
from .records import Made, Record, Refusal
from .shards import Written, write_shard
from .sources import Source

FEW = 200  # images; starting processes takes longer than preparing so many
DEATHS = 3  # of processes, before we give up


class Task(NamedTuple):
    """One shard to make."""

    shard: int
    start: int  # position in the plan of its first name
    names: list[str]


@dataclass(frozen=True)
class Work:
    """How any shard is made: all that a worker has to know."""

    source: Source
    view: View
    folder: Path

    def make(self, task: Task) -> Made:
        """Read, fit and write one shard; what cannot be used is refused with its reason."""
        shape = (len(task.names), *self.view.size, self.view.channels)
        images: Pixels = np.empty(shape, np.uint8)
        records: list[Record] = []
        refusals: list[Refusal] = []
        with silence():
            for position, name in enumerate(task.names, task.start):
                try:
                    sha256, fitted = self._fit(name)
                except Unusable as error:
                    refusals.append(Refusal(name, str(error)))
                    continue
                images[len(records)] = fitted.pixels
                records.append(_record(position, sha256, fitted))
        files: list[Written] = []
        if records:
            levels = levels_of(self.view.size)
            files = write_shard(self.folder, task.shard, images[: len(records)], levels)
        return Made(task.shard, records, refusals, files)

    def _fit(self, name: str) -> tuple[str, Fitted]:
        data = self.source.read(name)
        if isinstance(data, bytes):
            return hashlib.sha256(data).hexdigest(), decode_in_silence(data, self.view)
        return hashlib.sha256(data.tobytes()).hexdigest(), fit_pixels(data, self.view)


def _record(position: int, sha256: str, fitted: Fitted) -> Record:
    height, width = fitted.original
    left, top, right, bottom = fitted.box
    kept = (right - left) * (bottom - top) / (height * width)
    box = json.dumps([round(edge, 2) for edge in fitted.box])
    return Record(position, sha256, height, width, box, fitted.scale, kept)


def run(
    work: Work, tasks: Iterator[Task], images: int, workers: int
) -> Generator[Made, None, None]:
    """Every shard, as they get ready; `images` in all, `workers` processes or 0 for all cores."""
    workers = workers or usable_cores()
    if workers == 1 or images < FEW:
        yield from map(work.make, tasks)
    else:
        yield from _in_processes(work, tasks, workers)


def _in_processes(work: Work, tasks: Iterator[Task], workers: int) -> Iterator[Made]:
    crew = [_Worker(work, task) for task in islice(tasks, workers)]
    deaths = 0
    try:
        while crew:
            for pipe in wait([worker.pipe for worker in crew]):
                worker = next(worker for worker in crew if worker.pipe is pipe)
                made = worker.result()
                if made is None:
                    deaths += 1
                    if deaths == DEATHS:
                        raise PoiseError(
                            f"{DEATHS} processes that prepare images died, most likely for want "
                            "of memory. What is done is kept: start again with --workers 1."
                        )
                    crew[crew.index(worker)] = _Worker(work, worker.task)
                    continue
                task = next(tasks, None)
                if task is None:
                    crew.remove(worker)
                    worker.end()
                else:
                    worker.give(task)
                yield made
    finally:
        for worker in crew:
            worker.end()


class _Worker:
    """A process with a pipe of its own, at work on one task.

    Not a pool of the library: its processes share locks, and one that is killed at the wrong moment
    takes its lock with it, so that the others wait for ever.
    """

    def __init__(self, work: Work, task: Task) -> None:
        context = multiprocessing.get_context("spawn")  # a process with torch loaded must not fork
        self.pipe, there = context.Pipe()
        self._process = context.Process(target=_serve, args=(there, work), daemon=True)
        with _without_main():
            self._process.start()
        there.close()  # so that its death is the end of the pipe
        self.give(task)

    def give(self, task: Task) -> None:
        self.task = task
        with suppress(BrokenPipeError):  # it died; `result` will tell
            self.pipe.send(task)

    def result(self) -> Made | None:
        """What became of the task; None if the process died."""
        try:
            made: Made | Exception = self.pipe.recv()
        except (EOFError, OSError):
            self.end()
            return None
        if isinstance(made, Exception):
            raise made
        return made

    def end(self) -> None:
        self._process.kill()
        self._process.join()
        self.pipe.close()


def _serve(pipe: Connection, work: Work) -> None:
    """The life of a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends us
    threading.Thread(target=_end_with_parent, daemon=True).start()
    while True:
        task = pipe.recv()
        try:
            pipe.send(work.make(task))
        except Exception as error:
            pipe.send(error)


def _end_with_parent() -> None:
    """Nobody may write into the unfinished set once the one who prepares it was killed."""
    parent = multiprocessing.parent_process()
    if parent:
        wait([parent.sentinel])
    os._exit(1)


def usable_cores() -> int:
    """Cores that this process may use, which in a container are fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def _without_main() -> Iterator[None]:
    """Start a process without running the user's script in it, as spawn would.

    So `poise.train("photos/")` works in a script without `if __name__ == "__main__"`, and a worker
    does not import torch because the script does.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
