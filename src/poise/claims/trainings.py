"""Trainings on small images that several claims make: a set, players, readings along the way.

Time is that of one processor (`time.process_time`), and measuring is not counted. So what a
training with a budget of seconds reaches depends on the machine; all that compete share it. One
without ends after the images of its configuration, and is the same on every machine.
"""

from __future__ import annotations

import base64
import io
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from PIL import Image

from ..build import make_players
from ..config import Chores, Config, Recipe
from ..data.prepared import Prepared
from ..data.reals import Reals
from ..measuring import Measuring
from ..meter import Meter
from ..metrics.swd import sliced_wasserstein
from ..monitor import judge
from ..networks import Networks
from ..pictures import grid, png
from ..players import Players
from ..presets import recipe
from ..signals import signals_of
from ..training import play
from .images import fakes, image_config

LOOKED_AT = 64  # images of each kind in a look, for the verdict
ENDLESS = 10**9  # images, of a training that time ends
LINES = 30  # of the log that the verdict is made from
TILES = 8  # images that are kept for the picture


@dataclass(frozen=True)
class Moment:
    """A training as it is at a reading."""

    players: Players
    drawn: int  # images
    seconds: float  # of training
    line: dict[str, float]  # of the log: means since the last reading, and a glance
    finite: bool  # all weights; if not, it is the last moment
    measuring: Measuring  # against the images of the run


def config_of(recipe: Recipe, prepared: Prepared, seed: int) -> Config:
    """A run that writes nothing and is looked at for the verdict."""
    chores = Chores(measure_images=LOOKED_AT, measure_by="swd")
    return replace(image_config(recipe, prepared, seed), chores=chores)


def moments(
    config: Config, prepared: Prepared, budget: float | None, readings: int
) -> Iterator[Moment]:
    """Play for `budget` seconds, or until weights are no longer finite; stop at each reading."""
    players, meter = make_players(config), Meter()
    reals = Reals(prepared, seed=config.seed, size=prepared.size)
    measuring = Measuring(config, prepared)
    seconds, due, since = 0.0, 1, time.process_time()
    for _, losses in play(config, players, reals):
        meter.add(losses)
        here = seconds + time.process_time() - since
        used = here / budget if budget else reals.drawn / config.recipe.images
        if used * readings < due:
            continue
        seconds, due = here, math.floor(used * readings) + 1
        finite = all(bool(weights.isfinite().all()) for weights in players.state().values())
        line = {"drawn": float(reals.drawn)} | meter.read()
        line |= measuring.glance(players) if finite else {}
        yield Moment(players, reals.drawn, seconds, line, finite, measuring)
        if used >= 1 or not finite:
            return
        since = time.process_time()


def played(
    config: Config, prepared: Prepared, budget: float | None, n: int, looks: int
) -> dict[str, Any]:
    """A training of `budget` seconds, as `moments`: what it came to, what the product says of it.

    Plain values; n images of each kind are compared. The distance is None where weights are not
    finite.
    """
    log: list[dict[str, float]] = []
    measures: list[dict[str, float]] = []
    every = LINES // looks if looks else LINES + 1
    for k, moment in enumerate(moments(config, prepared, budget, LINES), 1):
        log.append(moment.line)
        if moment.finite and k % every == 0:
            measures.append({"drawn": moment.drawn} | moment.measuring.look(moment.players))
    verdict = judge(log, measures, signals_of(config.recipe.method)) if moment.finite else None
    reals, average = reals_of(prepared, n), moment.players.average
    images = np.zeros_like(reals)
    if moment.finite:
        images = fakes(moment.players, average, prepared, n)
    return {
        "drawn": moment.drawn,
        "seconds": round(moment.seconds, 2),
        "swd": round(sliced_wasserstein(reals, images).mean, 2) if moment.finite else None,
        "variety": log[-1].get("variety", 0.0),
        "verdict": verdict.name if verdict else "diverging",
        "evidence": verdict.evidence if verdict else f"not finite at image {moment.drawn:,}",
        "tiles": as_text(images[:TILES]),
    }


def reached(training: Mapping[str, Any], goal: float, variety: float) -> bool:
    """Whether what `played` gave is near enough and varied."""
    swd: float | None = training["swd"]
    return swd is not None and swd <= goal and float(training["variety"]) >= variety


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
