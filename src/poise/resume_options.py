"""The options of `train` on a run that is there: what may change when it goes on."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro
from tyro.conf import arg

from .config import name_of
from .errors import OptionError
from .methods import METHODS
from .networks import NETWORKS
from .optim import OPTIMIZERS
from .options import all_parts, read_words, refuse_unknown
from .places import RunWord
from .run import Run
from .session import ResumeOptions


def parse_resume(argv: Sequence[str]) -> tuple[Path, ResumeOptions]:
    """The run to go on with, and what changes.

    Raises:
        OptionError: an option that is fixed with the run.
    """
    fields: list[Any] = [
        ("source", Annotated[RunWord, arg(help="the run's directory")]),
        ("options", Annotated[ResumeOptions, arg(name="")], ResumeOptions()),
    ]
    command: type[Any] = dataclasses.make_dataclass("Resume", fields, frozen=True)
    command.__doc__ = "Go on with a run, exactly."
    given, left = read_words(command, argv, "poise train", tyro.conf.FlagCreatePairsOff)
    if left:
        _refuse_fixed(left[0].partition("=")[0], Path(given.source))
    refuse_unknown(left, command)
    return Path(given.source), given.options


def _refuse_fixed(word: str, path: Path) -> None:
    """Of an option of new runs say what this run has, and what can change.

    Raises:
        OptionError: the word is one.
    """
    name, config = word.removeprefix("--").replace("-", "_"), Run.open(path).config
    chosen, has = config.recipe, dict[str, Any]()
    parts = (chosen.method, chosen.networks, chosen.optimizer)
    for part in (config, config.chores, config.data, config.data.options, *parts):
        has |= vars(part)
    has |= {"size": config.data.size, "method": name_of(chosen.method, METHODS)}
    has |= {"network": name_of(chosen.networks, NETWORKS)}
    has |= {"optimizer": name_of(chosen.optimizer, OPTIMIZERS)}
    others = {field.name for part in all_parts() for field in dataclasses.fields(part)}
    if name in has:
        told = f"{word} is fixed with the run, and {path} has {has[name]}."
    elif name in others | {"preset", "dry_run"}:
        told = f"{word} is for a new run."
    else:
        return
    fields = [field.name.replace("_", "-") for field in dataclasses.fields(ResumeOptions)]
    raise OptionError(f"{told} What can change when one goes on: --{', --'.join(fields)}.")
