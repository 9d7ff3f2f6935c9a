"""`poise prepare`, `poise sample` and `--dry-run`: their options and work; others by their name."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import numpy as np
from tyro.conf import Positional, arg

from . import session
from .config import name_of
from .data.options import PrepareOptions
from .data.prepare import prepare
from .data.prepared import Prepared, is_prepared
from .errors import DataError, OptionError, RunError
from .evaluate import evaluate, parse_evaluate
from .files import refuse_taken, write_asked
from .generator import load
from .machine import forecast
from .methods import METHODS
from .options import DEFAULT_METHOD, Asked, names_a_run, parse_resume, parse_train, parsed
from .pictures import grid, png, to_uint8, upsampled
from .planning import plan
from .presets import recipe
from .ranks import first_makes
from .run import Run, sample_path
from .session import TrainOptions, planned, prepared_path, with_images
from .status import describe, parse_status
from .terminal import Terminal
from .walk import film, parse_walk
from .watcher import Watcher

LONGEST_ROW = 16  # images of one level, side by side


@dataclass(frozen=True)
class SampleOptions:
    """Draw images from a trained run."""

    run: Positional[str]  # the run's directory
    n: Annotated[int, arg(aliases=["-n"])] = 64  # images
    out: Path | None = None  # a .png for a grid, a directory for single images; unset: in the run
    seed: int = 0  # of the latents; the first images of many are those of few
    grid: bool = True  # one picture of all, or one file an image
    stage: bool = (
        False  # of a run that grows: a row of up to 16 for each level, of the same latents
    )
    at: str = "best"  # which checkpoint: best (as measured), last, or a number of images
    device: str = "cpu"  # cpu, cuda, mps: where the generator runs


@dataclass(frozen=True)
class PrepareCommand:
    """Check images and cache them for training. `train` does it by itself."""

    source: Positional[str]  # a folder, zip, .npy, .npz, prepared set or built-in name
    out: Positional[str] = ""  # unset: <source>-<size>-<digest>.poise, here
    options: Annotated[PrepareOptions, arg(name="")] = field(default_factory=PrepareOptions)
    check: bool = False  # verify the checksums of a set that is prepared
    workers: int = 0  # processes; 0 takes one for each core
    estimate: bool = True  # say how long training will take: times a few steps


def parse_sample(argv: Sequence[str]) -> SampleOptions:
    """The options of `poise sample`."""
    return parsed(SampleOptions, argv, "poise sample")


def parse_prepare(argv: Sequence[str]) -> PrepareCommand:
    """The options of `poise prepare`."""
    return parsed(PrepareCommand, argv, "poise prepare")


def sample_to_files(asked: SampleOptions, warn: Callable[[str], None]) -> Iterator[Path]:
    """Write a grid, or one PNG an image, and yield what was written; nothing is overwritten.

    Raises:
        InputError: not a run, no checkpoint, or the files are there already.
    """
    if asked.stage:
        _refuse_without_stages(asked.run)
    generator = load(asked.run, device=asked.device, at=asked.at, warn=warn)
    n = min(asked.n, LONGEST_ROW) if asked.stage else asked.n
    what = f"n{n}-seed{asked.seed}" + ("-stages.png" if asked.stage else ".png")
    mine = sample_path(Path(asked.run), generator.drawn, what)
    if asked.stage:
        levels = generator.at_every_level(generator.latents(n, seed=asked.seed))
        images = np.concatenate([upsampled(to_uint8(part), generator.size) for part in levels])
    else:
        images = to_uint8(generator.sample(n, seed=asked.seed))
    target = _target(asked, mine)
    if target.suffix == ".png":
        columns = n if asked.stage else 0
        files = {target: png(grid(images, columns), at_least=512)}
    else:
        files = {target / f"{i:06d}.png": png(image) for i, image in enumerate(images)}
    if asked.out:  # the run's own file of its name holds the same picture: a person's is spared
        refuse_taken(files)
    for path, data in files.items():
        write_asked(path, data)
    yield target


def _refuse_without_stages(path: str) -> None:
    config = Run.open(Path(path)).config
    if config.recipe.method.needs != "grow":
        raise RunError(
            f"{path} was trained by {name_of(config.recipe.method, METHODS)}, which has no stages. "
            "--stage is for runs of --method progressive."
        )


def _target(asked: SampleOptions, mine: Path) -> Path:
    """A .png for a grid, a directory for single images."""
    if asked.out is None:
        return mine if asked.grid else mine.with_suffix("")
    suffix = asked.out.suffix.lower()
    if suffix in (".jpg", ".jpeg", ".webp", ".gif", ".bmp") or (suffix and not asked.grid):
        raise OptionError(
            f"--out is a .png for a grid or a directory for single images, got {asked.out}."
        )
    return asked.out.with_suffix(".png") if suffix == ".png" else asked.out


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
    made = first_makes(lambda: session.start(*asked.parts, watcher).path)
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
        raise OptionError("poise claims needs matplotlib: pip install 'poise[claims]'")
    from .claims.driver import parse_claims, reproduce

    with Terminal() as terminal:
        return reproduce(parse_claims(argv), terminal)


WORK: dict[str, Callable[[Sequence[str]], int]] = {
    "claims": claims,
    "evaluate": evaluate_to_files,
    "prepare": prepare_images,
    "sample": sample,
    "status": status,
    "walk": walk,
}
