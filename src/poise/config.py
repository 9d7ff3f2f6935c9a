"""What decides the bits of a run: one frozen value, written to config.json, and presets of it.

Names (`wgan-gp`, `dcgan`, `adam`) stand only in JSON and on the command line; here they become
objects and back.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from .data.options import PrepareOptions
from .errors import OptionError, RunError, unknown
from .methods import METHODS
from .networks import MLP, NETWORKS, Networks
from .optim import OPTIMIZERS, Move
from .players import Method
from .size import Size, parse_size
from .typed import built

VERSION = 1  # of config.json; raised when an older Poise could misread it

LEAST = {"measure_images": 64, "retries": 0}  # of chores; 1 of all others
MOST_THREADS = 1024  # OpenMP crashes when it is asked for far more than there are

T = TypeVar("T")


@dataclass(frozen=True)
class Recipe:
    """A method with networks and an optimizer that suit it."""

    method: Method
    networks: Networks
    optimizer: Move
    images: int  # real images to train on, in all

    def __post_init__(self) -> None:
        if self.method.batch < 1:
            raise OptionError(f"--batch must be at least 1, got {self.method.batch}.")
        nets = self.networks
        mixes = isinstance(nets, MLP) and "batch" in (nets.norm, nets.critic_norm)
        if mixes and self.method.batch == 1:
            raise OptionError("batch norm in an mlp needs a --batch of at least 2, got 1.")
        if self.method.needs not in self.networks.can:
            fitting = [name for name, kind in NETWORKS.items() if self.method.needs in kind.can]
            raise OptionError(
                f"--method {name_of(self.method, METHODS)} plays with --network "
                f"{' or '.join(fitting)}, got {name_of(self.networks, NETWORKS)}."
            )


@dataclass(frozen=True)
class Images:
    """Which images a run trains on."""

    source: str  # as it was named: a folder, an archive, a built-in set
    prepared: str  # the prepared set's directory
    fingerprint: str  # of the prepared set's content
    size: Size  # height x width in pixels
    channels: int  # 1, 3 or 4
    options: PrepareOptions = field(default_factory=PrepareOptions)  # to prepare them again
    mirror: bool = False  # show each image left-right mirrored half of the time
    held_out: str = ""  # a digest of which ones training never sees; "" in older runs


@dataclass(frozen=True)
class Chores:
    """What is done beside training, and when. None of it changes what training computes."""

    log_every: int | None = None  # images; unset: 2,000, less in a short run, for a verdict on it
    sample_every: int | None = None  # images; unset: 20,000, fewer where those take over 3 minutes
    save_every: int | None = None  # images; unset: 50,000, fewer where those take over 10 minutes
    keep: int = 3  # newest checkpoints kept
    milestone_every: int = 500_000  # images; a checkpoint at each is kept for good
    measure_every: int | None = None  # images; unset: so that it costs at most 5 % of the time
    measure_images: int | None = None  # images of each kind in a measurement; unset: what that buys
    measure_by: Literal["swd", "frechet"] | None = None  # tells the best; unset: what time allows
    stop_when: Literal["never", "converged"] = "never"  # before all images: when nothing improves
    retries: int = 3  # times that a run which gives way goes back to a good checkpoint

    def __post_init__(self) -> None:
        for name, value in dataclasses.asdict(self).items():
            least = LEAST.get(name, 1)
            if isinstance(value, int) and value < least:
                option = name.replace("_", "-")
                raise OptionError(f"--{option} must be at least {least}, got {value}.")


@dataclass(frozen=True)
class Config:
    """A whole run. With the same images, threads and device it gives the same bits."""

    recipe: Recipe
    data: Images
    chores: Chores = field(default_factory=Chores)
    seed: int = 0
    average: int = 10_000  # images after which half of the old average is left
    threads: int = 1  # of PyTorch on the CPU; sums depend on it
    device: str = "cpu"

    def __post_init__(self) -> None:
        if self.average < 1:
            raise OptionError(f"--average must be at least 1 image, got {self.average}.")
        if self.recipe.images < 1:
            raise OptionError(f"--images must be at least 1, got {self.recipe.images}.")
        if not 1 <= self.threads <= MOST_THREADS:
            raise OptionError(
                f"--threads must be 1 to {MOST_THREADS}, or 0 for the fastest number, got "
                f"{self.threads}."
            )
        if not -(2**63) <= self.seed < 2**63:
            raise OptionError(f"--seed is a number of 64 bits, got {self.seed}.")

    @property
    def log_every(self) -> int:
        """Images from one line of the log to the next: 50 lines, where a run has 20,000 images."""
        return self.chores.log_every or max(400, min(2_000, self.recipe.images // 50))

    @property
    def sample_every(self) -> int:
        """Images from one grid of samples to the next."""
        return self.chores.sample_every or 20_000

    @property
    def save_every(self) -> int:
        """Images from one checkpoint to the next."""
        return self.chores.save_every or 50_000

    @property
    def identity(self) -> str:
        """A digest of all that its weights depend on, but for its length, threads and device.

        What is at its default does not count, so that a run from before there was such an option
        goes on. A default must therefore never change.
        """
        parts = [[name_of(part, _TABLES[name]), _changed(part)] for name, part in self._parts()]
        fixed = [parts, self.data.fingerprint, str(self.data.size), self.data.mirror]
        text = json.dumps([*fixed, self.seed, self.average], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def _parts(self) -> list[tuple[str, Any]]:
        return [(name, getattr(self.recipe, name)) for name in _TABLES]

    def to_json(self) -> dict[str, Any]:
        """Plain values, with every object by its name."""
        plain = dataclasses.asdict(self)
        for name, part in self._parts():
            plain["recipe"][name] = part_to_json(name, part)
        plain["data"]["size"] = str(self.data.size)
        return {"version": VERSION} | plain


_TABLES: dict[str, Mapping[str, type[Any]]] = {
    "method": METHODS,
    "networks": NETWORKS,
    "optimizer": OPTIMIZERS,
}


def _changed(part: Any) -> dict[str, Any]:
    """The fields of a method, networks or an optimizer that are not at their default."""
    fields = {field.name: field.default for field in dataclasses.fields(part)}
    return {k: v for k, v in dataclasses.asdict(part).items() if v != fields[k]}


def part_to_json(part: str, chosen: Any) -> dict[str, Any]:
    """A method, networks or an optimizer as plain values, with its name."""
    return {"name": name_of(chosen, _TABLES[part])} | dataclasses.asdict(chosen)


def part_from_json(part: str, plain: Mapping[str, Any]) -> Any:
    """The "method", "networks" or "optimizer" that `part_to_json` wrote.

    Raises:
        KeyError, TypeError, ValueError, OptionError: it did not write this.
    """
    fields = dict(plain)
    return built(pick(part, fields.pop("name"), _TABLES[part]), fields)


def config_from_json(plain: Mapping[str, Any]) -> Config:
    """The Config that `to_json` wrote.

    Raises:
        RunError: written by a newer Poise, or not a configuration.
    """
    version = plain.get("version")
    if not isinstance(version, int) or version > VERSION:
        raise RunError(
            f"config.json is of version {version}, this Poise reads up to {VERSION}. "
            "Use the newer Poise that made the run: pip install --upgrade poise."
        )
    try:
        recipe, data = dict(plain["recipe"]), dict(plain["data"])
        for part in _TABLES:
            recipe[part] = part_from_json(part, recipe[part])
        data["size"] = parse_size(data["size"])
        data["options"] = built(PrepareOptions, data["options"])
        rest = {k: v for k, v in plain.items() if k not in ("version", "recipe", "data", "chores")}
        rest |= {"recipe": built(Recipe, recipe), "data": built(Images, data)}
        return built(Config, rest | {"chores": built(Chores, plain["chores"])})
    except (KeyError, TypeError, ValueError, AttributeError, OptionError) as error:
        raise RunError(f"config.json is not a configuration of Poise: {error!r}.") from error


def pick(what: str, name: str, table: Mapping[str, type[T]]) -> type[T]:
    """The class of this name.

    Raises:
        OptionError: there is none; says the nearest.
    """
    if name not in table:
        raise unknown(what, name, table)
    return table[name]


def name_of(chosen: object, table: Mapping[str, type[Any]]) -> str:
    """The name under which the table holds this object's class.

    Raises:
        OptionError: it holds none: config.json could not bring the object back.
    """
    for name, kind in table.items():
        if kind is type(chosen):
            return name
    raise OptionError(
        f"{type(chosen).__name__} has no name that config.json could hold. There are: "
        f"{', '.join(table)}. A method of your own plays by poise.training.play."
    )
