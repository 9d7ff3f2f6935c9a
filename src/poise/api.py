"""`poise.train`: the command line's `train`, from Python."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import session
from .config import Chores, Recipe, name_of
from .data.options import PrepareOptions
from .errors import unknown
from .generator import Generator, load
from .methods import METHODS
from .players import Method
from .presets import recipe
from .run import is_run
from .session import ResumeOptions, TrainOptions
from .training import train as train_run
from .watcher import Watcher


def train(
    source: str | Path,
    *,
    method: Method | str | None = None,
    preset: str = "default",
    watcher: Watcher | None = None,
    **options: Any,
) -> Generator:
    """Train on images and return the generator; everything is kept in a run directory.

    `source` is a folder, a zip, an .npy or .npz, a prepared set or a built-in name, and a new run
    is made. Or it is a run's directory, and that run goes on, exactly.

    Further options are those of the command line, with underscores: `size`, `images`, `seed`,
    `out`, `mirror`, `channels`, `log_every`, `threads`, ...; and `networks` and `optimizer`, which
    are values: `poise.DCGAN(width=0.5)`, `poise.Adam(lr=2e-4)`.

    Example:
        >>> generator = poise.train("photos/", method=poise.WGANGP(penalty=5.0), images=100_000)

    Raises:
        InputError: the source or an option cannot be used.
        TrainingFailed: the training gave way; what was saved before is whole.
    """
    watcher = watcher or Watcher()
    if is_run(Path(source)):
        if method is not None:
            options["method"] = method  # refused: it is fixed with the run
        (changes,) = _filled(options, ResumeOptions())
        run = session.resume(Path(source), changes)
    else:
        if "size" in options:
            options["size"] = str(options["size"])
        if options.get("out") is not None:
            options["out"] = Path(options["out"])
        parts = (_recipe(method or "wgan-gp", preset), PrepareOptions(), Chores(), TrainOptions())
        chosen, data, chores, rest = _filled(options, *parts)
        run = session.start(
            str(source), chosen, dataclasses.replace(rest, data=data, chores=chores), watcher
        )
    train_run(run, watcher)
    return load(run.path, device=run.config.device)


def _recipe(method: Method | str, preset: str) -> Recipe:
    if isinstance(method, str):
        return recipe(method, preset)
    return dataclasses.replace(recipe(name_of(method, METHODS), preset), method=method)


def _filled(options: Mapping[str, Any], *parts: Any) -> list[Any]:
    """The parts, each with the options that are fields of it; the last part that has one gets it.

    Raises:
        OptionError: no part has it; says the nearest.
    """
    owner = {field.name: part for part in parts for field in dataclasses.fields(part)}
    for name in options:
        if name not in owner:
            raise unknown("option", name, owner)
    return [
        dataclasses.replace(part, **{k: v for k, v in options.items() if owner[k] is part})
        for part in parts
    ]
