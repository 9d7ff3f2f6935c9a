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
from .networks import NETWORKS
from .optim import OPTIMIZERS
from .players import Method
from .presets import recipe
from .run import is_run
from .session import ResumeOptions, TrainOptions
from .stopping import StopRequest
from .training import train as train_run
from .typed import check_types
from .watcher import Watcher


def train(
    source: str | Path,
    *,
    method: Method | str | None = None,
    preset: str | None = None,
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
        fixed = {"method": method, "preset": preset}
        options |= {name: value for name, value in fixed.items() if value is not None}
        (changes,) = _filled(options, ResumeOptions(), hint="All else is fixed with the run.")
        run = session.resume(Path(source), changes)
    else:
        base = _recipe(method or "wgan-gp", preset or "default")
        parts = (base, PrepareOptions(), Chores(), TrainOptions())
        chosen, data, chores, rest = _filled(_plain(options), *parts)
        rest = dataclasses.replace(rest, data=data, chores=chores)
        run = session.start(str(source), chosen, rest, watcher)
    with StopRequest.in_main_thread() as stop:
        train_run(run, watcher, stop)
    return load(run.path, device=run.config.device)


def _plain(options: Mapping[str, Any]) -> dict[str, Any]:
    """Sizes and paths as the command line would give them."""
    plain = dict(options)
    size, out = plain.get("size"), plain.get("out")
    if isinstance(size, tuple | list):
        plain["size"] = "x".join(str(side) for side in size)
    elif size is not None:
        plain["size"] = str(size)
    if out is not None:
        plain["out"] = Path(out)
    return plain


def _recipe(method: Method | str, preset: str) -> Recipe:
    if isinstance(method, str):
        return recipe(method, preset)
    return dataclasses.replace(recipe(name_of(method, METHODS), preset), method=method)


def _field_of(name: str) -> str:
    """How to give what is a number of a method, a network or an optimizer; empty if it is none."""
    tables: dict[str, Any] = {"method": METHODS, "networks": NETWORKS, "optimizer": OPTIMIZERS}
    ways = [
        f"{option}=poise.{kind.__name__}({name}=...)"
        for option, table in tables.items()
        for kind in table.values()
        if name in {field.name for field in dataclasses.fields(kind)}
    ]
    return f"It is a number of a part: {' or '.join(ways)}." if ways else ""


def _filled(options: Mapping[str, Any], *parts: Any, hint: str = "") -> list[Any]:
    """The parts, each with the options that are fields of it; the last part that has one gets it.

    Raises:
        OptionError: no part has it, or its value is of another kind.
    """
    owner = {field.name: part for part in parts for field in dataclasses.fields(part)}
    for name in ("method", "data", "chores"):  # filled by what else is given
        owner.pop(name, None)
    for name in options:
        if name not in owner:
            where = hint or _field_of(name)
            raise unknown("option", name, owner, where, guess=bool(hint) or not where)
    filled = []
    for part in parts:
        own = {name: value for name, value in options.items() if owner[name] is part}
        check_types(type(part), own)
        filled.append(dataclasses.replace(part, **own))
    return filled
