"""The options of `train` on the command line: those of the chosen parts, flat.

`--method`, `--preset`, `--network` and `--optimizer` choose the parts; every field of theirs is an
option, with the preset's number as its default and the comment beside it as its help.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_type_hints

import tyro
from tyro.conf import Positional, arg

from .config import Recipe, name_of, pick
from .errors import OptionError, unknown
from .methods import METHODS
from .networks import NETWORKS
from .optim import OPTIMIZERS
from .optional import registry
from .places import SourceWord
from .presets import PRESETS, recipe
from .run import is_run
from .session import TrainOptions

DEFAULT_METHOD = "wgan-gp"

T = TypeVar("T")


@dataclass(frozen=True)
class Asked:
    """What the command line asks `train` for."""

    source: str
    recipe: Recipe
    options: TrainOptions
    dry_run: bool

    @property
    def parts(self) -> tuple[str, Recipe, TrainOptions]:
        """What `session.start` takes."""
        return self.source, self.recipe, self.options


def parse_train(argv: Sequence[str]) -> Asked:
    """The options of a new run.

    Raises:
        OptionError: an option that these parts do not have, with the nearest; SystemExit by tyro
            for a value of the wrong kind or --help.
    """
    method = _chosen(argv, "--method", DEFAULT_METHOD)
    preset = _chosen(argv, "--preset", "default")
    base = recipe(method, preset)
    network = _chosen(argv, "--network", name_of(base.networks, NETWORKS))
    optimizer = _chosen(argv, "--optimizer", name_of(base.optimizer, OPTIMIZERS))
    if network != name_of(base.networks, NETWORKS):
        base = dataclasses.replace(base, networks=_network_like(base, network))
    if optimizer != name_of(base.optimizer, OPTIMIZERS):
        kind: Any = pick("optimizer", optimizer, OPTIMIZERS)
        base = dataclasses.replace(base, optimizer=kind(lr=base.optimizer.lr))
    names = {"method": method, "preset": preset, "network": network, "optimizer": optimizer}
    given = parsed(_command(base, names), argv, "poise train", tyro.conf.FlagCreatePairsOff)
    chosen = dataclasses.replace(
        base, method=given.of_method, networks=given.of_network, optimizer=given.of_optimizer
    )
    options = given.options
    if options.hours is not None and _chosen(argv, "--images", "") == "":
        options = dataclasses.replace(options, images=None)  # the preset's number is no wish
    return Asked(given.source, chosen, options, given.dry_run)


def _chosen(argv: Sequence[str], option: str, default: str) -> str:
    """The value of an option, before the parser can be built that depends on it."""
    chosen = default
    for word, after in pairwise([*argv, ""]):
        if word == option and after:
            chosen = after
        elif word.startswith(option + "="):
            chosen = word.partition("=")[2]
    return chosen  # the last one, as everywhere on a command line


def _network_like(base: Recipe, name: str) -> Any:
    """Another network, with the norms that the recipe's method can bear."""
    kind: Any = pick("network", name, NETWORKS)
    own = {field.name for field in dataclasses.fields(kind)}
    kept = {"width", "latent", "critic_norm"} & own
    return kind(**{k: v for k, v in vars(base.networks).items() if k in kept and v is not None})


def _command(base: Recipe, names: dict[str, str]) -> type[Any]:
    """A dataclass whose fields are the options, for tyro to read."""

    def choice(name: str, known: Sequence[str], text: str) -> tuple[str, Any, Any]:
        # Known only now, and mypy wants it written out.
        kind = Literal[tuple(known)]  # type: ignore[valid-type]
        return name, Annotated[kind, arg(help=text)], names[name]

    def flat(name: str, value: Any) -> tuple[str, Any, Any]:
        return name, Annotated[type(value), arg(name="")], value

    what = "a folder, zip, .npy, .npz, prepared set or built-in name; or a run, to go on with it"
    command = dataclasses.make_dataclass(
        "Train",
        [
            ("source", Annotated[SourceWord, arg(help=what)]),
            choice("method", list(METHODS), "how the players play"),
            choice("preset", list(PRESETS[names["method"]]), "the numbers to start from"),
            choice("network", list(NETWORKS), "of both players"),
            choice("optimizer", list(OPTIMIZERS), "of both players"),
            flat("of_method", base.method),
            flat("of_network", base.networks),
            flat("of_optimizer", base.optimizer),
            flat("options", dataclasses.replace(TrainOptions(), images=base.images)),
            ("dry_run", Annotated[bool, arg(help="only say what would be done")], False),
        ],
        frozen=True,
    )
    command.__doc__ = "Train a generator on images; or go on with a run, exactly."
    return command


def parsed(command: type[T], argv: Sequence[str], prog: str, *markers: Any) -> T:
    """What tyro makes of the words, all fields flat; words that are no option are refused.

    Raises:
        OptionError: there is such a word; SystemExit by tyro for a value of the wrong kind.
    """
    given, left = read_words(command, argv, prog, *markers)
    refuse_unknown(left, command)
    return given


def read_words(
    command: type[T], argv: Sequence[str], prog: str, *markers: Any
) -> tuple[T, Sequence[str]]:
    """What tyro makes of the words, and those that it does not know."""
    return tyro.cli(
        command,
        args=list(argv),
        prog=prog,
        return_unknown_args=True,
        config=(tyro.conf.OmitArgPrefixes, *markers),
        registry=registry,
    )


def refuse_unknown(left: Sequence[str], command: type[Any]) -> None:
    """Say which words are no option of a command, and the nearest that is.

    Raises:
        OptionError: there is such a word.
    """
    if not left:
        return
    word = left[0].partition("=")[0]
    if not word.startswith("-"):
        raise OptionError(f'did not expect "{word}". See --help.')
    if word.removeprefix("--") in _by_place(command):
        raise OptionError(f"{word} is given by its place, without this name. See --help.")
    known = {"--" + name.replace("_", "-") for name in _leaves(command)}
    elsewhere = _elsewhere(word)
    raise unknown("option", word, known, elsewhere, guess=not elsewhere)


def _elsewhere(word: str) -> str:
    """Which choice would bring an option of this name along, in words; empty if none would."""
    field = word.removeprefix("--").replace("-", "_")
    tables: dict[str, Any] = {"method": METHODS, "network": NETWORKS, "optimizer": OPTIMIZERS}
    owners = [
        f"--{choice} {name}"
        for choice, table in tables.items()
        for name, kind in table.items()
        if field in {f.name for f in dataclasses.fields(kind)}
    ]
    return f"{word} is an option of {' and of '.join(owners)}." if owners else ""


def _leaves(command: Any) -> dict[str, Any]:
    """The names and types of all options: fields, and fields of fields that are dataclasses."""
    leaves: dict[str, Any] = {}
    placed = _by_place(command)
    for name, kind in get_type_hints(command).items():
        if dataclasses.is_dataclass(kind):
            leaves |= _leaves(kind)
        elif name not in placed:
            leaves[name] = kind
    return leaves


def _by_place(command: Any) -> set[str]:
    """The names of what is given without an option's name."""
    (marker,) = get_args(Positional[str])[1:]
    hints = get_type_hints(command, include_extras=True)
    return {name for name, kind in hints.items() if marker in get_args(kind)[1:]}


def names_a_run(argv: Sequence[str]) -> bool:
    """Whether the word that `train` takes by place is an existing run, to go on with.

    Values of options are passed over: a run may be called as a method is.
    """
    flags = _flags()
    placed = (
        word
        for before, word in pairwise(["", *argv])
        if not word.startswith("-") and not _wants_a_value(before, flags)
    )
    return any(is_run(Path(word)) for word in islice(placed, 1))


def _wants_a_value(word: str, flags: set[str]) -> bool:
    """Whether the next word is the value of this one."""
    return word.startswith("--") and "=" not in word and word.replace("_", "-") not in flags


def all_parts() -> list[type[Any]]:
    """Everything whose fields are options of a new run, if it is chosen."""
    tables: list[dict[str, Any]] = [METHODS, NETWORKS, OPTIMIZERS]
    return [TrainOptions, *(kind for table in tables for kind in table.values())]


def _flags() -> set[str]:
    """The options of `train` that take no value, of whichever parts."""
    names = [name for part in all_parts() for name, kind in _leaves(part).items() if kind is bool]
    ways = [f"--{no}{name.replace('_', '-')}" for name in names for no in ("", "no-")]
    return {"--help", "--dry-run", *ways}
