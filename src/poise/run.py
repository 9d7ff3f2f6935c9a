"""A run's directory: the only code that knows its file names.

    config.json       what decides the bits
    log.jsonl         numbers by images drawn: a function of the configuration and the images alone
    measures.jsonl    measures of samples and critic by images drawn: such a function, too
    events.jsonl      what happened, with the time of day: started, saved, fell back, stopped
    samples/          what the average generator draws from the same latents, by images drawn
    evaluations/      what `poise evaluate` found, by images drawn
    exports/          what `poise export` made of its generator, by images drawn
    checkpoints/      see checkpoints.py
    best/             the checkpoint with the best measure so far
    lock              see lock.py

Copied to another machine it is complete, but for the images.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .checkpoints import Checkpoints
from .config import Config, config_from_json
from .errors import RunError
from .files import NO_SPACE, remove, sweep_parts, sync_file, write_atomically
from .lines import append, as_line, mend, read_lines

CONFIG, LOG, MEASURES, EVENTS = "config.json", "log.jsonl", "measures.jsonl", "events.jsonl"


class Run:
    """One run directory."""

    def __init__(self, path: Path, config: Config) -> None:
        self.path = path
        self.config = config
        self.checkpoints = checkpoints_of(path)
        self.best = Checkpoints(path / "best")
        self._unlogged = {LOG: b"", MEASURES: b""}  # lines that a full disk did not take

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

    def sweep(self) -> None:
        """Remove what an interrupted write left behind."""
        self.checkpoints.sweep()
        self.best.sweep()
        for name in (CONFIG, LOG, MEASURES, EVENTS):
            sweep_parts(self.path / name)
        for path in self.path.glob("[es]*/" + "[0-9]" * 9 + "*.part"):  # evaluations and samples
            remove(path)

    def log(self, drawn: int, numbers: Mapping[str, float | str]) -> None:
        """Append one line to the log; if the disk is full, the next call tries again."""
        self._append(LOG, {"drawn": drawn} | dict(numbers))

    def measured(self, drawn: int, numbers: Mapping[str, float]) -> None:
        """Append one line to the measures, likewise."""
        self._append(MEASURES, {"drawn": drawn} | dict(numbers))

    def _append(self, name: str, line: Mapping[str, float | str]) -> None:
        self._unlogged[name] += as_line(line)
        self._append_what_waits(name)

    def _append_what_waits(self, name: str) -> None:
        append(self.path / name, self._unlogged[name])
        self._unlogged[name] = b""

    def event(self, what: str, drawn: int, **facts: Any) -> None:
        """Append what happened, with the time of day; lost if the disk is full."""
        at = datetime.now(UTC).isoformat(timespec="seconds")
        try:
            append(self.path / EVENTS, as_line({"time": at, "event": what, "drawn": drawn} | facts))
        except OSError as error:
            if error.errno not in NO_SPACE:
                raise

    def rewind_log(self, drawn: int) -> None:
        """Cut off half a line at the end, and whatever was logged after `drawn` images.

        The steps after a checkpoint are played again and log the same numbers again.
        """
        for name in (LOG, MEASURES):
            self._unlogged[name] = b""
            mend(self.path / name, lambda line: _is_clocked(line) and line["drawn"] <= drawn)
        mend(self.path / EVENTS)

    def history(self) -> list[dict[str, Any]]:
        """The log's lines, oldest first; what is no whole line with a clock is left out."""
        return self._lines(LOG)

    def measures(self) -> list[dict[str, Any]]:
        """The lines of what was measured, oldest first."""
        return self._lines(MEASURES)

    def events(self) -> list[dict[str, Any]]:
        """What happened, oldest first."""
        return self._lines(EVENTS)

    def _lines(self, name: str) -> list[dict[str, Any]]:
        return [line for line in read_lines(self.path / name) if _is_clocked(line)]

    def best_so_far(self, measure: str) -> list[dict[str, Any]]:
        """The facts of checkpoints that were kept as the best by this measure: one, or none."""
        facts = [self.best.facts(drawn) for drawn in self.best.drawn()]
        mine = [fact for fact in facts if fact.get("run") == self.config.identity]
        return [fact for fact in mine if fact.get("measure") == measure]

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
        for name, waiting in self._unlogged.items():
            if waiting:
                self._append_what_waits(name)
            if (self.path / name).exists():
                sync_file(self.path / name)


def checkpoints_of(path: Path) -> Checkpoints:
    """Those of the run that is at a path, or will be."""
    return Checkpoints(path / "checkpoints")


def is_run(path: Path) -> bool:
    """Whether this is a run's directory."""
    try:
        return (path / CONFIG).is_file() and (path / "checkpoints").is_dir()
    except OSError:  # a word that is too long for a name
        return False


def _is_clocked(line: Mapping[str, Any]) -> bool:
    return isinstance(line.get("drawn"), int)


def sample_path(run: Path, drawn: int, name: str) -> Path:
    """Where a picture or video goes when nobody says; `name` holds all else that decides it."""
    return run / "samples" / f"{drawn:09d}-{name}"


def evaluation_path(run: Path, drawn: int, name: str) -> Path:
    """Where what was measured goes when nobody says; `name` holds all else that decides it."""
    return run / "evaluations" / f"{drawn:09d}-{name}.json"


def export_path(run: Path, drawn: int, suffix: str) -> Path:
    """Where `poise export` puts the generator, when nobody says where."""
    return run / "exports" / f"{drawn:09d}{suffix}"


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
