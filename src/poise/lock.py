"""One training of a run at a time: a lock that the system lets go of when a process ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from .errors import RunError, TrainingFailed

LOCK = "lock"


@contextlib.contextmanager
def locked(run: Path) -> Iterator[None]:
    """Hold the lock of the run in this directory.

    What the system refuses meanwhile is said in words.

    Raises:
        RunError: another process trains this run, nothing may be written there, or its file system
            has no locks.
        TrainingFailed: the directory or the images are gone, or the disk is broken.
    """
    try:
        handle = os.open(run / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise RunError(
            f"{run} cannot be written ({error.strerror}), and training writes there. "
            "Copy the run to a place you may write to."
        ) from error
    try:
        _take(handle, run)
        with _in_words(run):
            os.ftruncate(handle, 0)
            os.write(handle, f"process {os.getpid()} on {os.uname().nodename}\n".encode())
            yield
    finally:
        os.close(handle)


def _take(handle: int, run: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        who = os.read(handle, 200).decode(errors="replace").strip() or "another process"
        raise RunError(
            f"{run} is being trained already, by {who}. Wait, or stop that one first."
        ) from None
    except OSError as error:  # as on some network file systems
        raise RunError(
            f"{run} is on a file system that offers no locks ({error.strerror}), so two trainings "
            "could spoil it. Put the run on a local disk."
        ) from error


@contextlib.contextmanager
def _in_words(run: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise TrainingFailed(
            f"{error.filename or run}: {error.strerror or error}. What was saved is "
            f"whole; once that is mended, go on with: poise train {run}"
        ) from error
