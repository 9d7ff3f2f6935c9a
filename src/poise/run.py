"""A run's directory: the only code that knows its file names.

    config.json       what decides the bits
    log.jsonl         numbers by images drawn: a function of the configuration and the images alone
    events.jsonl      what happened, with the time of day: started, saved, fell back, stopped
    samples/          what the average generator draws from the same latents, by images drawn
    evaluations/      what `poise evaluate` found, by images drawn
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
from .errors import RunError, TrainingFailed
from .files import NO_SPACE, part_of, sync_file, write_atomically
from .lines import append, as_line, mend, read_lines

CONFIG, LOG, EVENTS, LOCK = "config.json", "log.jsonl", "events.jsonl", "lock"


class Run:
    """One run directory."""

    def __init__(self, path: Path, config: Config) -> None:
        self.path = path
        self.config = config
        self.checkpoints = Checkpoints(path / "checkpoints")
        self._unlogged = b""  # lines that a full disk did not take

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
        except FileExistsError:  # somebody else was quicker
            raise RunError(_taken(path)) from None
        except OSError as error:
            for made in (path / "samples", path / "checkpoints", path):
                with contextlib.suppress(OSError):
                    made.rmdir()  # only if it is empty
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
        try:
            there = path.is_symlink() or path.exists()
            free = not there or (path.is_dir() and not any(path.iterdir()))
        except OSError as error:
            raise RunError(
                f"{path} cannot be used ({error.strerror}). Give another --out."
            ) from error
        if not free:
            raise RunError(_taken(path))

    @classmethod
    def open(cls, path: Path) -> Run:
        """The run in this directory.

        Raises:
            RunError: it is not a run, or of a newer version.
        """
        if not is_run(path):
            raise RunError(
                f"{path} is not a run: it has no {CONFIG} or no checkpoints/. "
                "Expected a directory that `poise train` made."
            )
        try:
            plain = json.loads((path / CONFIG).read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as error:
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
    def locked(self, by: int = 0) -> Iterator[None]:
        """Hold the run's lock. The system lets go of it when the process ends, however it ends.

        Of several ranks only the first holds it, for all. What the system refuses meanwhile is
        said in words.

        Raises:
            RunError: another process trains this run, or nothing may be written there.
            TrainingFailed: the directory or the images are gone, or the disk is broken.
        """
        if by != 0:
            yield
            return
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
            with self._in_words():
                os.ftruncate(handle, 0)
                os.write(handle, f"process {os.getpid()} on {os.uname().nodename}\n".encode())
                yield
        finally:
            os.close(handle)

    @contextlib.contextmanager
    def _in_words(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise TrainingFailed(
                f"{error.filename or self.path}: {error.strerror or error}. What was saved is "
                f"whole; once that is mended, go on with: poise train {self.path}"
            ) from error

    def sweep(self) -> None:
        """Remove what an interrupted write left behind."""
        self.checkpoints.sweep()
        for path in (self.path / CONFIG, self.path / LOG, self.path / EVENTS):
            part_of(path).unlink(missing_ok=True)
        for path in self.path.glob("[es]*/" + "[0-9]" * 9 + "*.part"):  # evaluations and samples
            path.unlink()

    def log(self, drawn: int, numbers: Mapping[str, float]) -> None:
        """Append one line of numbers to the log; if the disk is full, the next call tries again."""
        self._unlogged += as_line({"drawn": drawn} | dict(numbers))
        self._append_to_log()

    def _append_to_log(self) -> None:
        append(self.path / LOG, self._unlogged)
        self._unlogged = b""

    def event(self, what: str, drawn: int, **facts: Any) -> None:
        """Append what happened, with the time of day; lost if the disk is full."""
        at = datetime.now(UTC).isoformat(timespec="seconds")
        try:
            append(self.path / EVENTS, as_line({"time": at, "event": what, "drawn": drawn} | facts))
        except OSError as error:
            if error.errno not in NO_SPACE:
                raise

    def rewind_log(self, drawn: int) -> None:
        """Cut off half a line at the end, and what comes after `drawn` images: it comes again."""
        mend(self.path / LOG, lambda line: line.get("drawn", 0) <= drawn)
        mend(self.path / EVENTS)

    def history(self) -> list[dict[str, Any]]:
        """The log's lines, oldest first; half a line at the end is left out."""
        return list(read_lines(self.path / LOG))

    def newest_samples(self) -> Path:
        """The last picture that training made; the folder when there is none."""
        pictures = sorted(p for p in (self.path / "samples").glob("*.png") if p.stem.isdigit())
        return pictures[-1] if pictures else self.path / "samples"

    def samples_at(self, drawn: int) -> Path:
        """Where the picture of samples made after `drawn` images is, or will be."""
        return self.path / "samples" / f"{drawn:09d}.png"

    def save_samples(self, drawn: int, png: bytes) -> Path:
        """Write a picture of samples made after `drawn` images."""
        (self.path / "samples").mkdir(exist_ok=True)
        write_atomically(self.samples_at(drawn), png)
        return self.samples_at(drawn)

    def sync_log(self) -> None:
        """Wait until the log is on the disk: a checkpoint must not be newer than its log."""
        if self._unlogged:
            self._append_to_log()
        if (self.path / LOG).exists():
            sync_file(self.path / LOG)


def is_run(path: Path) -> bool:
    """Whether this is a run's directory."""
    try:
        return (path / CONFIG).is_file() and (path / "checkpoints").is_dir()
    except OSError:  # a word that is too long for a name
        return False


def sample_path(run: Path, drawn: int, name: str) -> Path:
    """Where a picture or video goes when nobody says; `name` holds all else that decides it."""
    return run / "samples" / f"{drawn:09d}-{name}"


def evaluation_path(run: Path, drawn: int, name: str) -> Path:
    """Where what was measured goes when nobody says; `name` holds all else that decides it."""
    return run / "evaluations" / f"{drawn:09d}-{name}.json"


def next_name(parent: Path, stem: str) -> Path:
    """The first free numbered directory name: runs/photos-wgan-gp-1, -2, ..."""
    taken = re.compile(re.escape(stem) + r"-(\d+)")
    names = [path.name for path in parent.iterdir()] if parent.is_dir() else []
    numbers = [int(match[1]) for name in names if (match := taken.fullmatch(name))]
    return parent / f"{stem}-{max(numbers, default=0) + 1}"


def _taken(path: Path) -> str:
    way_out = f" To go on with that run: poise train {path}." if is_run(path) else ""
    return (
        f"{path} is there already and nothing in it will be overwritten.{way_out} "
        "Give another --out, or an empty directory."
    )
