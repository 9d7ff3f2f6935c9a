"""Trainings on small images that several claims make: a set, players, readings along the way.

Time is that of one processor (`time.process_time`), and measuring is not counted. So what a
training with a budget of seconds reaches depends on the machine; all that compete share it.
"""

from __future__ import annotations

import base64
import io
import math
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..build import make_players
from ..config import Chores, Config, Images, Recipe
from ..data.options import PrepareOptions
from ..data.prepare import prepare
from ..data.prepared import Prepared
from ..data.reals import Reals
from ..measuring import Measuring
from ..meter import Meter
from ..metrics.swd import sliced_wasserstein
from ..monitor import judge
from ..networks import Networks
from ..pictures import grid, png, to_uint8
from ..players import Players
from ..presets import recipe
from ..sampling import draw
from ..signals import signals_of
from ..training import play
from .claim import Pieces

LOOKED_AT = 64  # images of each kind in a look, for the verdict
ENDLESS = 10**9  # images, of a training that time ends
LINES = 30  # of the log that the verdict is made from
TILES = 8  # images that are kept for the picture


@dataclass(frozen=True)
class Budget:
    """When a training ends: at the first of both."""

    seconds: float = math.inf  # of one processor
    images: int = ENDLESS  # drawn

    def spent(self, seconds: float, images: int) -> float:
        """The share that is used up, 0 to 1 and a little more."""
        return max(seconds / self.seconds, images / self.images)


@dataclass(frozen=True)
class Moment:
    """A training as it is at a reading."""

    players: Players
    drawn: int  # images
    seconds: float  # of training
    line: dict[str, float]  # of the log: means since the last reading, and a glance
    finite: bool  # all weights; if not, it is the last moment


@contextmanager
def images_of(pieces: Pieces, source: str, options: PrepareOptions) -> Iterator[Prepared]:
    """A built-in set, kept where the pieces are, or for as long as it is used."""
    with tempfile.TemporaryDirectory() as passing:
        name = f"{source}-{options.size}-{options.limit}-{options.channels}.poise"
        yield prepare(source, (pieces.folder or Path(passing)) / name, options, workers=1)


def config_of(recipe: Recipe, prepared: Prepared, seed: int, average: int = 10_000) -> Config:
    """A run that writes nothing."""
    images = Images(
        prepared.source, str(prepared.path), prepared.fingerprint, prepared.size, prepared.channels
    )
    chores = Chores(measure_images=LOOKED_AT, measure_by="swd")
    return Config(recipe, images, chores, seed=seed, average=average)


def moments(config: Config, prepared: Prepared, budget: Budget, readings: int) -> Iterator[Moment]:
    """Play until the budget is spent, or weights are no longer finite; stop at each reading."""
    players, meter = make_players(config), Meter()
    reals = Reals(prepared, seed=config.seed, size=prepared.size)
    measuring = Measuring(config, prepared)
    seconds, due, since = 0.0, 1, time.process_time()
    for _, losses in play(config, players, reals):
        meter.add(losses)
        here = seconds + time.process_time() - since
        used = budget.spent(here, reals.drawn)
        if used * readings < due:
            continue
        seconds, due = here, math.floor(used * readings) + 1
        finite = all(bool(weights.isfinite().all()) for weights in players.state().values())
        line = {"drawn": float(reals.drawn)} | meter.read()
        line |= measuring.glance(players) if finite else {}
        yield Moment(players, reals.drawn, seconds, line, finite)
        if used >= 1 or not finite:
            return
        since = time.process_time()


def samples(players: Players, n: int) -> Any:
    """n images of the average generator, [n, h, w, c] of 0 to 255; always of the same latents."""
    return to_uint8(draw(players.average, players.space.fixed(n, 1)))


def played(
    config: Config, prepared: Prepared, budget: Budget, fakes: int, looks: int
) -> dict[str, Any]:
    """A whole training: what it came to and what the product says of it, as plain values.

    The distance is None where weights are not finite.
    """
    measuring = Measuring(config, prepared)
    log: list[dict[str, float]] = []
    measures: list[dict[str, float]] = []
    every = LINES // looks if looks else LINES + 1
    for k, moment in enumerate(moments(config, prepared, budget, LINES), 1):
        log.append(moment.line)
        if moment.finite and k % every == 0:
            measures.append({"drawn": moment.drawn} | measuring.look(moment.players))
    verdict = judge(log, measures, signals_of(config.recipe.method)) if moment.finite else None
    reals = reals_of(prepared, fakes)
    images = samples(moment.players, fakes) if moment.finite else np.zeros_like(reals)
    return {
        "drawn": moment.drawn,
        "seconds": round(moment.seconds, 2),
        "swd": round(sliced_wasserstein(reals, images).mean, 2) if moment.finite else None,
        "variety": log[-1].get("variety", 0.0),
        "verdict": verdict.name if verdict else "diverging",
        "evidence": verdict.evidence if verdict else f"not finite at image {moment.drawn:,}",
        "tiles": as_text(images[:TILES]),
    }


def reals_of(prepared: Prepared, n: int, skip: int = 0) -> Any:
    """n images of the set in an order of their own, [n, h, w, c]; `skip` for others."""
    return prepared.gather(np.random.default_rng(0).permutation(len(prepared))[skip : skip + n])


def floor_of(prepared: Prepared, n: int) -> float:
    """The sliced Wasserstein distance of n reals from n others: nothing can be nearer."""
    return sliced_wasserstein(reals_of(prepared, n), reals_of(prepared, n, skip=n)).mean


def in_haste(method: str, networks: Networks | None, times: float) -> Recipe:
    """A method's preset with these networks or its own, at so many times its learning rate."""
    preset = recipe(method)
    move: Any = preset.optimizer  # all that presets hold have a rate
    move = replace(move, lr=times * move.lr)
    return replace(preset, images=ENDLESS, networks=networks or preset.networks, optimizer=move)


def as_text(images: Any, columns: int = TILES) -> str:
    """Images [n, h, w, c] as one small PNG in base64, which JSON can hold."""
    return base64.b64encode(png(grid(images, columns))).decode()


def as_picture(text: str) -> Any:
    """What `as_text` wrote, [H, W, 3]."""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))).convert("RGB"))
