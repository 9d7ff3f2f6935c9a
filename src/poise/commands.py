"""What each word of the command line does; the work of `poise prepare` and of `--dry-run`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

from tyro.conf import arg

from . import session
from .data.options import PrepareOptions
from .data.prepare import prepare
from .data.prepared import Prepared, is_prepared
from .errors import DataError, OptionError, install
from .evaluate import evaluate, parse_evaluate
from .exporting import export, parse_export
from .machine import TIMING, forecast
from .options import DEFAULT_METHOD, Asked, names_a_run, parse_train, parsed
from .places import OutWord, SourceWord
from .planning import plan
from .presets import recipe
from .ranks import first_makes
from .resume_options import parse_resume
from .run import Run
from .samples import parse_sample, sample_to_files
from .session import TrainOptions, planned, prepared_path, with_images
from .status import describe, parse_status
from .terminal import Terminal
from .walk import film, parse_walk
from .watcher import Watcher


@dataclass(frozen=True)
class PrepareCommand:
    """Check images and cache them for training. `train` does it by itself."""

    source: SourceWord  # a folder, zip, .npy, .npz, prepared set or built-in name
    out: OutWord = ""  # unset: <source>-<size>-<digest>.poise, here
    options: Annotated[PrepareOptions, arg(name="")] = field(default_factory=PrepareOptions)
    check: bool = False  # verify the checksums of a set that is prepared
    workers: int = 0  # processes; 0 takes one for each core
    estimate: bool = True  # say how long training will take: times a few steps


def parse_prepare(argv: Sequence[str]) -> PrepareCommand:
    """The options of `poise prepare`."""
    return parsed(PrepareCommand, argv, "poise prepare")


def prepare_or_check(asked: PrepareCommand, watcher: Watcher) -> int:
    """Prepare, or verify what is prepared; the exit code."""
    source = Path(asked.source)
    out = Path(asked.out or prepared_path(Path(), asked.source, asked.options))
    if asked.check:
        return _check(source if is_prepared(source) else out, watcher)
    prepared = prepare(
        asked.source, out, asked.options, workers=asked.workers, progress=watcher.prepared
    )
    watcher.say(prepared.report)
    if asked.estimate:
        options = TrainOptions(data=asked.options)
        watcher.say(TIMING)
        config = planned(str(prepared.path), recipe(DEFAULT_METHOD), options)
        watcher.say(forecast(*plan(with_images(config, prepared), 0, None)))
    watcher.say(f"Train on it: poise train {prepared.path}")
    return 0


def _check(path: Path, watcher: Watcher) -> int:
    if not is_prepared(path):
        raise DataError(f"{path} is not a prepared set, so there is nothing to check yet.")
    damage = Prepared.open(path).check()
    for line in damage:
        watcher.warn(line)
    watcher.say(f"{path}: {len(damage)} damaged files." if damage else f"{path} is whole.")
    return 1 if damage else 0


def run_to_train(argv: Sequence[str], watcher: Watcher) -> Run | None:
    """The run that the words of `train` name or ask for, made if it is new; none to be trained.

    Raises:
        InputError: there can be no such run.
    """
    if names_a_run(argv):
        path, changes = parse_resume(argv)
        return session.resume(path, changes)
    asked = parse_train(argv)
    if asked.dry_run:
        for text in dry_run(asked):
            watcher.say(text)
        return None
    made = first_makes("run", lambda: session.start(*asked.parts, watcher).path)
    return session.resume(made, session.ResumeOptions())


def dry_run(asked: Asked) -> Iterator[str]:
    """What a run would be, in words and JSON; writes nothing.

    Raises:
        InputError: the run could not be made.
    """
    if asked.options.out:
        Run.refuse_taken(asked.options.out)
    config = planned(asked.source, asked.recipe, asked.options)
    if is_prepared(Path(config.data.prepared)):
        config = with_images(config, Prepared.open(Path(config.data.prepared)))
    yield TIMING
    config, speeds = plan(config, asked.options.threads, asked.options.hours)
    yield json.dumps(config.to_json(), indent=2)
    yield forecast(config, speeds)


def sample(argv: Sequence[str]) -> int:
    """`poise sample`; the exit code."""
    with Terminal() as terminal:
        for path in sample_to_files(parse_sample(argv), terminal.warn):
            terminal.say(str(path))
    return 0


def prepare_images(argv: Sequence[str]) -> int:
    """`poise prepare`; the exit code."""
    with Terminal() as terminal:
        return prepare_or_check(parse_prepare(argv), terminal)


def walk(argv: Sequence[str]) -> int:
    """`poise walk`; the exit code."""
    with Terminal() as terminal:
        return film(parse_walk(argv), terminal)


def evaluate_to_files(argv: Sequence[str]) -> int:
    """`poise evaluate`; the exit code."""
    with Terminal() as terminal:
        return evaluate(parse_evaluate(argv), terminal)


def export_to_file(argv: Sequence[str]) -> int:
    """`poise export`; the exit code."""
    with Terminal() as terminal:
        return export(parse_export(argv), terminal)


def status(argv: Sequence[str]) -> int:
    """`poise status`; the exit code."""
    with Terminal() as terminal:
        for line in describe(Run.open(Path(parse_status(argv).run))):
            terminal.say(line)
    return 0


def claims(argv: Sequence[str]) -> int:
    """`poise claims`; the exit code.

    Raises:
        OptionError: matplotlib, which draws the figures, is missing.
    """
    if find_spec("matplotlib") is None:
        raise OptionError(f"poise claims needs matplotlib: {install('claims')}")
    from .claims.driver import parse_claims, reproduce

    with Terminal() as terminal:
        return reproduce(parse_claims(argv), terminal)


WORK: dict[str, Callable[[Sequence[str]], int]] = {
    "claims": claims,
    "evaluate": evaluate_to_files,
    "export": export_to_file,
    "prepare": prepare_images,
    "sample": sample,
    "status": status,
    "walk": walk,
}
