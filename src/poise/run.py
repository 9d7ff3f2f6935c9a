"""A run's directory: the only code that knows its file names.

    config.json       what decides the bits
    log.jsonl         numbers by images drawn: a function of the configuration and the images alone
    events.jsonl      what happened, with the time of day: started, saved, fell back, stopped
    samples/          what the average generator draws from the same latents, by images drawn
    checkpoints/      see checkpoints.py
    lock              held while somebody trains

Copied to another machine it is complete, but for the images.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .checkpoints import Checkpoints
from .config import Config, config_from_json
from .errors import RunError
from .files import sync_file, write_atomically

CONFIG, LOG, EVENTS, LOCK = "config.json", "log.jsonl", "events.jsonl", "lock"


class Run:
    """One run directory."""

    def __init__(self, path: Path, config: Config) -> None:
        self.path = path
        self.config = config
        self.checkpoints = Checkpoints(path / "checkpoints")

    @classmethod
    def create(cls, path: Path, config: Config) -> Run:
        """A new run in a directory that is not there yet, or is empty.

        Raises:
            RunError: something is there, or nothing may be written there.
        """
        cls.refuse_taken(path)
        try:
            path.mkdir(parents=True, exist_ok=True)
            (path / "samples").mkdir()
            (path / "checkpoints").mkdir()
            run = cls(path, config)
            run.configure(config)
        except PermissionError as error:
            raise RunError(
                f"{path} cannot be written ({error.strerror}). Give another --out."
            ) from error
        return run

    @staticmethod
    def refuse_taken(path: Path) -> None:
        """Say so when a new run would overwrite something.

        Raises:
            RunError: the path is there and is not an empty directory.
        """
        if path.exists() and not (path.is_dir() and not any(path.iterdir())):
            raise RunError(
                f"{path} is there already and nothing in it will be overwritten. "
                f"{_resume_hint(path)}or give another --out."
            )

    @classmethod
    def open(cls, path: Path) -> Run:
        """The run in this directory.

        Raises:
            RunError: it is not a run, or of a newer version.
        """
        if not is_run(path):
            raise RunError(
                f"{path} is not a run: it has no {CONFIG}. "
                "Expected a directory that `poise train` made."
            )
        try:
            plain = json.loads((path / CONFIG).read_text(encoding="utf-8"))
        except ValueError as error:
            raise RunError(
                f"{path / CONFIG} is not JSON ({error}). Restore it from a copy of the run."
            ) from error
        if not isinstance(plain, dict):
            raise RunError(f"{path / CONFIG} is not a configuration of Poise.")
        return cls(path, config_from_json(plain))

    def configure(self, config: Config) -> None:
        """Write another configuration in place of the old."""
        self.config = config
        text = json.dumps(config.to_json(), indent=2) + "\n"
        write_atomically(self.path / CONFIG, text.encode())

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run's lock. The system lets go of it when the process ends, however it ends.

        Raises:
            RunError: another process trains this run.
        """
        try:
            handle = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise RunError(
                f"{self.path} cannot be written ({error.strerror}), and training writes there. "
                "Copy the run to a place you may write to."
            ) from error
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                who = os.read(handle, 200).decode(errors="replace").strip() or "another process"
                raise RunError(
                    f"{self.path} is being trained already, by {who}. Wait, or stop that one first."
                ) from None
            os.ftruncate(handle, 0)
            os.write(handle, f"process {os.getpid()} on {os.uname().nodename}\n".encode())
            yield
        finally:
            os.close(handle)

    def log(self, drawn: int, numbers: Mapping[str, float]) -> None:
        """Append one line of numbers to the log."""
        _append(self.path / LOG, {"drawn": drawn} | dict(numbers))

    def event(self, what: str, drawn: int, **facts: Any) -> None:
        """Append what happened, with the time of day."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        _append(self.path / EVENTS, {"time": now, "event": what, "drawn": drawn} | facts)

    def rewind_log(self, drawn: int) -> None:
        """Cut off half a line at the end, and whatever was logged after `drawn` images.

        The steps after a checkpoint are played again and log the same numbers again.
        """
        path = self.path / LOG
        if path.exists():
            kept = "".join(
                json.dumps(line) + "\n"
                for line in read_lines(path)
                if line.get("drawn", 0) <= drawn
            )
            if kept.encode() != path.read_bytes():
                write_atomically(path, kept.encode())
        events = self.path / EVENTS
        if events.exists() and not events.read_bytes().endswith(b"\n"):
            whole = "".join(json.dumps(line) + "\n" for line in read_lines(events))
            write_atomically(events, whole.encode())

    def history(self) -> list[dict[str, Any]]:
        """The log's lines, oldest first; half a line at the end is left out."""
        return list(read_lines(self.path / LOG))

    def newest_samples(self) -> Path:
        """The last picture that training made; the folder when there is none."""
        pictures = sorted(p for p in (self.path / "samples").glob("*.png") if p.stem.isdigit())
        return pictures[-1] if pictures else self.path / "samples"

    def save_samples(self, drawn: int, png: bytes) -> Path:
        """Write a picture of samples made after `drawn` images."""
        path = self.path / "samples" / f"{drawn:09d}.png"
        path.parent.mkdir(exist_ok=True)
        write_atomically(path, png)
        return path

    def sync_log(self) -> None:
        """Wait until the log is on the disk: a checkpoint must not be newer than its log."""
        if (self.path / LOG).exists():
            sync_file(self.path / LOG)


def is_run(path: Path) -> bool:
    """Whether this is a run's directory."""
    return (path / CONFIG).is_file() and (path / "checkpoints").is_dir()


def sample_path(run: Path, drawn: int, n: int, seed: int) -> Path:
    """Where samples go when nobody says: a name of all that decides the picture."""
    return run / "samples" / f"{drawn:09d}-n{n}-seed{seed}.png"


def next_name(parent: Path, stem: str) -> Path:
    """The first free numbered directory name: runs/photos-wgan-gp-1, -2, ..."""
    taken = re.compile(re.escape(stem) + r"-(\d+)")
    names = [path.name for path in parent.iterdir()] if parent.is_dir() else []
    numbers = [int(match[1]) for name in names if (match := taken.fullmatch(name))]
    return parent / f"{stem}-{max(numbers, default=0) + 1}"


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The whole lines of a .jsonl file; one that was cut or damaged is passed over."""
    if not path.exists():
        return
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            with contextlib.suppress(ValueError):
                value = json.loads(line)
                if line.endswith("\n") and isinstance(value, dict):
                    yield value


def _append(path: Path, line: Mapping[str, Any]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def _resume_hint(path: Path) -> str:
    return (
        f"To go on with that run: poise train {path}; " if is_run(path) else "Choose an empty one, "
    )
