"""What `poise evaluate` compares: from names to images in memory, all of one size and channels.

A run's samples are drawn by its generator. Images from a folder, zip, .npy, .npz or a built-in set
are fitted as the reals were, and that is said; a prepared set and a run must have the reals' size
and channels themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from .data.decode import View
from .data.finding import find_source
from .data.labelled import view_of
from .data.options import PrepareOptions
from .data.prepare import prepare
from .data.prepared import Prepared, is_prepared
from .data.some import by_lot, size_of_first, some_images
from .errors import DataError, OptionError
from .generator import Generator, load
from .metrics.sets import Images
from .own_images import same_images
from .pictures import to_uint8
from .run import Run, is_run
from .sampling import at_once
from .session import prepared_path
from .size import Size, base_of
from .watcher import Watcher


@dataclass(frozen=True)
class Drawn:
    """Images to measure, and where they are from."""

    name: str
    images: Images
    run: Path | None = None
    drawn: int | None = None  # real images that the run was trained on
    files: Sequence[str] = ()  # of each image its own, where it has one


@dataclass(frozen=True)
class Subjects:
    """What is compared: of runs, nothing is drawn before it is asked for."""

    loaded: dict[str, Generator]
    taken: dict[str, Drawn]  # images of what is no run, read to know how many there are
    n: int  # images of each

    def hand_over(self, name: str, seed: int, watcher: Watcher) -> Drawn:
        """The images of one, once: they are held by the caller alone."""
        if name in self.loaded:
            generator = self.loaded[name]
            images = draw(generator, self.n, seed, watcher)
            return Drawn(name, images, Path(name), generator.drawn)
        taken = self.taken.pop(name)
        return replace(taken, images=taken.images[: self.n])


@dataclass(frozen=True)
class RealSet:
    """The real images, in an order that is a function of the set alone, at one size."""

    prepared: Prepared
    size: Size
    given: str  # as a person named it, or a run's configuration did
    mirror: bool = False  # a run that is measured was shown their mirror images, too

    @property
    def most(self) -> int:
        """Images in each of two halves of those that are for training."""
        return len(self.prepared.training) // 2

    @property
    def view(self) -> View:
        """How its images were fitted, at the size that is measured."""
        return replace(view_of(self.prepared), size=self.size)

    def halves(self, n: int) -> tuple[Images, Images]:
        """n images, and n others: of those that are for training."""
        order = by_lot(self.prepared.training)
        one, other = (self.prepared.gather(order[k : k + n], self.size) for k in (0, n))
        return one, other

    def held_out(self) -> Images:
        """Those that training never sees."""
        return self.prepared.gather(self.prepared.held_out, self.size)


def generators(
    names: Sequence[str], at: str, device: str, watcher: Watcher
) -> dict[str, Generator]:
    """The generator of each name that is a run, as of the checkpoint that `at` names.

    Raises:
        InputError: a run without a checkpoint or of a newer version, or no such device.
    """
    runs = [name for name in names if is_run(Path(name))]
    return {name: load(name, device=device, at=at, warn=watcher.warn) for name in runs}


def find_reals(
    names: Sequence[str],
    loaded: dict[str, Generator],
    given: str | None,
    size: Size | None,
    watcher: Watcher,
) -> RealSet:
    """The set to compare with: as given, or that of the runs; prepared if it is not yet.

    Raises:
        InputError: nothing says which set, runs are of different sets, or it cannot be used.
    """
    if given is None:
        return _of_the_runs(names, loaded, size, watcher)
    path = Path(given)
    if is_prepared(path):
        prepared = Prepared.open(path)
        wanted = size or (next(iter(loaded.values())).size if loaded else prepared.size)
        return RealSet(prepared, wanted, given, _mirrored(loaded))
    if loaded:  # as the first run's own images were made
        name, generator = next(iter(loaded.items()))
        made, channels = Run.open(Path(name)).config.data.options, cast(Any, generator.channels)
        size = size or generator.size
        options = PrepareOptions(str(size), channels, made.fit, made.background)
    else:
        size = size or _size_by(names[0])
        options = PrepareOptions(str(size))
    watcher.say(f"Preparing {given} ...")
    path = prepared_path(Path("runs") / "prepared", given, options)
    prepared = prepare(given, path, options, progress=watcher.prepared)
    return RealSet(prepared, size, given, _mirrored(loaded))


def _mirrored(runs: Iterable[str]) -> bool:
    return any(Run.open(Path(name)).config.data.mirror for name in runs)


def _size_by(name: str) -> Size:
    """The size of the first image of a source by lot, if images can be made of it.

    Raises:
        InputError: no base reaches it, or no image can be read.
    """
    size = size_of_first(name)
    try:
        base_of(size)
    except OptionError as error:
        raise OptionError(
            f"the first image of {name} by lot sets the size, unless --size does, but {error}"
        ) from error
    return size


def _of_the_runs(
    names: Sequence[str], loaded: dict[str, Generator], size: Size | None, watcher: Watcher
) -> RealSet:
    if not loaded:
        find_source(names[0], min(size or (32,))).close()  # or a slip of the pen would not be told
        raise OptionError(
            f"{names[0]} is no run, so nothing says what it should look like. Give the real images "
            "as well: --reals photos/"
        )
    (one, first), *others = loaded.items()
    for name, other in others:
        if (other.size, other.channels) != (first.size, first.channels):
            raise OptionError(
                f"{one} draws images of {first.size} with {first.channels} channels and {name} of "
                f"{other.size} with {other.channels}: give runs of one size."
            )
    data = [Run.open(Path(name)).config.data for name in loaded]
    for name, of in zip(loaded, data, strict=True):
        splits = {of.held_out, data[0].held_out} - {""}  # of older runs it is not known
        if of.fingerprint != data[0].fingerprint or len(splits) > 1:
            raise OptionError(
                f"{one} was trained on {data[0].source} and {name} on {of.source}, so no one set "
                f"is right for both. Say which: --reals {data[0].prepared}"
            )
    prepared = same_images(data[0], watcher)
    return RealSet(prepared, size or first.size, data[0].source, _mirrored(loaded))


def refuse_unlike(loaded: dict[str, Generator], reals: RealSet) -> None:
    """Say which run draws images of another size or other channels than the reals'.

    Raises:
        DataError: one does.
    """
    for name, generator in loaded.items():
        if (generator.size, generator.channels) != (reals.size, reals.prepared.channels):
            raise DataError(
                f"{name} draws images of {generator.size} with {generator.channels} channels, the "
                f"reals are {reals.size} with {reals.prepared.channels}. Images are not enlarged "
                "or shrunk to be compared: give runs and reals of one size."
            )


def take_images(name: str, reals: RealSet, most: int, watcher: Watcher) -> tuple[Drawn, list[str]]:
    """Up to `most` images of a source, and sentences about them.

    Raises:
        DataError: there is no such source.
    """
    some = some_images(name, reals.view, most)
    notes = []
    if some.refitted:
        notes.append(
            f"{some.refitted:,} of {len(some.images):,} images of {name} had another size and were "
            f"brought to {reals.size} as the reals were (fit by {reals.view.fit}): what that does "
            "to them is measured, too."
        )
    if some.recoloured:
        notes.append(
            f"{some.recoloured:,} of {len(some.images):,} images of {name} had other channels than "
            f"the {reals.view.channels} of the reals and were given those (1 is gray, one more "
            "with alpha): what that does to them is measured, too."
        )
    for text in some.skipped[:3]:
        watcher.warn(f"skipped of {name}: {text}")
    if len(some.skipped) > 3:
        watcher.warn(f"skipped of {name}: {len(some.skipped) - 3:,} more.")
    return Drawn(name, some.images, files=some.files), notes


def draw(generator: Generator, n: int, seed: int, watcher: Watcher) -> Images:
    """n images of a generator, as a file would hold them."""
    images, done = np.empty((n, *generator.size, generator.channels), np.uint8), 0
    for latents in torch.split(generator.latents(n, seed=seed), at_once(generator.size)):
        images[done : done + len(latents)] = to_uint8(generator(latents))
        done += len(latents)
        watcher.measured("drawing", done, n)
    return images
