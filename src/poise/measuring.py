"""How well a run does, measured while it is trained, in at most a twentieth of its time.

At every log line a glance at the generator itself: the variety of 64 images. At every measurement a
look at the average generator, on `measure_images` images: its distance from the reals and its
variety, and whether the critic scores images it trained on above held-out ones.

All of it is a function of the weights, the seed and the prepared set, so measures.jsonl, too, is
the same after a resume. Numbers are rounded to 4 digits: the last bits of a decomposition depend on
where in memory a matrix lies.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate

from .build import make_players
from .config import Config
from .data.prepared import Indices, Prepared
from .errors import OptionError
from .metrics.features import Features, features_of
from .metrics.frechet import LEAST as LEAST_FEATURES
from .metrics.frechet import frechet
from .metrics.lite0 import PACKAGE, load_lite0
from .metrics.ms_ssim import WINDOW, diversity
from .metrics.sets import Images
from .metrics.swd import SIDE, sliced_wasserstein
from .metrics.variety import dimension, spread
from .pictures import to_uint8
from .players import Players
from .sampling import at_once, draw
from .size import Size

GLANCED = 64  # images of a glance
SHARE = 0.03  # of the time of training that looks may take; with the glances it is 0.05 at most
LOOKS = 20  # at a run, where there is time for them, and more where ...
APART = 600.0  # ... those would be so many seconds apart or more
LONGEST = 60.0  # seconds of a look: other ranks wait for it
FEWER = (1024, 512, 256, 128, 64)  # images of each kind in a look
FROM = 256  # images on which features are worth their time: there are 320 of them
FEATURES_TAKE = 0.005  # seconds an image, at the very least
FEW = 16  # images, to time features with
SCORED = 256  # images, at most, of each kind that the critic scores
LEAST_SCORED = 16  # images below which nothing can be said of a critic or of a dimension


class Measuring:
    """Measures players against the images of their run. Holds some of those; draws no noise."""

    def __init__(self, config: Config, prepared: Prepared) -> None:
        self._seed, self._size = config.seed, config.data.size
        self.n = config.chores.measure_images or GLANCED
        self.best_by = config.chores.measure_by or "swd"
        self._trained = self._some(prepared, prepared.training, SCORED)
        self._held_out = self._some(prepared, prepared.held_out, SCORED)
        self._reals = self._some(prepared, prepared.training, self.n)
        self.few = self._reals[:FEW]
        self._real_variety = spread(self._some(prepared, prepared.training, GLANCED))
        # Loaded now: a package that is missing must be missed before anything is trained.
        self._network = load_lite0() if self.best_by == "frechet" else None
        self._features: Features | None = None  # of the reals; worked out when it is asked for

    def _some(self, prepared: Prepared, of: Indices, n: int) -> Images:
        """n images, evenly spread over these."""
        places = np.linspace(0, max(len(of) - 1, 0), min(n, len(of))).astype(np.int64)
        return prepared.gather(of[places], self._size)

    def glance(self, players: Players) -> dict[str, float]:
        """The variety of the generator itself, as a share of the reals': 0 is one image."""
        fakes = self._drawn(players, players.generator, GLANCED)
        return {"variety": _rounded(min(1.0, spread(fakes) / max(self._real_variety, 1e-9)))}

    def look(self, players: Players) -> dict[str, float]:
        """What there is to say of the average generator, and of the critic."""
        fakes = self._drawn(players, players.average, self.n)
        found: dict[str, float] = {}
        if min(self._size) >= SIDE and len(self._reals) > 1:
            found["swd"] = sliced_wasserstein(self._reals, fakes, seed=self._seed).mean
        if min(self._size) >= WINDOW and len(self._reals) > 3:
            found["similarity"] = diversity(fakes, seed=self._seed).similarity
            found["similarity_reals"] = self._similarity_of_reals
        if len(self._reals) >= LEAST_SCORED:
            found["dimension"] = dimension(fakes[: len(self._reals)])  # denser ones show other ways
            found["dimension_reals"] = self._dimension_of_reals
        if self._network:
            if self._features is None:
                self._features = features_of(self._reals, self._network)
            fake = features_of(fakes, self._network)
            found["frechet"] = frechet(self._features, fake).distance
        found |= self._overfit(players)
        return {name: _rounded(value) for name, value in found.items()} | _stage(players)

    @cached_property
    def _similarity_of_reals(self) -> float:
        return diversity(self._reals, seed=self._seed).similarity

    @cached_property
    def _dimension_of_reals(self) -> float:
        return dimension(self._reals)

    def _drawn(self, players: Players, generator: nn.Module, n: int) -> Images:
        latents = players.space.fixed(n, self._seed).to(players.device)
        training = generator.training
        generator.eval()
        some = torch.split(latents, at_once(self._size))
        parts = [self._seen(draw(generator, part)) for part in some]
        generator.train(training)
        return np.concatenate(parts)

    def _seen(self, images: Tensor) -> Images:
        """As 8-bit numbers at the full size, which a run that grows reaches in the end."""
        if tuple(images.shape[2:]) != tuple(self._size):
            images = interpolate(images, size=tuple(self._size), mode="nearest")
        return to_uint8(images)

    @torch.no_grad()
    def _overfit(self, players: Players) -> dict[str, float]:
        """How far the critic tells images it trained on from held-out ones.

        `overfit` is that, as a share of how far it tells them from fakes, and `overfit_z` in
        standard errors.
        """
        if min(len(self._held_out), len(self._trained)) < LEAST_SCORED:
            return {}
        fakes = self._drawn(players, players.generator, len(self._trained))
        sets = (self._trained, self._held_out, fakes)
        # A critic that sees how much a batch varies must see batches of one size.
        some = min(at_once(self._size), *(len(images) // 4 * 4 for images in sets))
        known, held, false = (_scores(players, images, some) for images in sets)
        gap, reach = known.mean() - held.mean(), known.mean() - false.mean()
        error = math.sqrt(known.var(ddof=1) / len(known) + held.var(ddof=1) / len(held))
        return {
            "overfit": float(gap / max(abs(reach), 1e-12)),
            "overfit_z": float(gap / max(error, 1e-12)),
        }


def _stage(players: Players) -> dict[str, float]:
    """How far what grows has grown, as its method logs it; nothing for others."""
    generator: Any = players.generator
    if not hasattr(generator, "stage"):
        return {}
    level, alpha = generator.stage
    return {"stage": level - 1 + alpha}


def _scores(players: Players, images: Images, some: int) -> NDArray[np.float64]:
    """How real the critic finds images [n, h, w, c]; if it rebuilds them: how well.

    It sees `some` at a time; those that are left over in the end are not scored.
    """
    critic: Any = players.critic
    training = critic.training
    critic.eval()
    found = []
    for last in range(some, len(images) + 1, some):
        part = torch.from_numpy(np.ascontiguousarray(images[last - some : last]))
        x = part.to(players.device).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)
        x = _as_seen(x, critic)
        answer: Tensor = critic(x)
        score = answer if answer.ndim == 1 else -(x - answer).abs().flatten(1).mean(1)
        found.append(score.cpu().double().numpy())
    critic.train(training)
    return np.concatenate(found)


def _as_seen(x: Tensor, critic: Any) -> Tensor:
    """Images at the level of a critic that grows."""
    if not hasattr(critic, "stage"):
        return x
    size: Size = critic.levels[critic.stage.level]
    factor = x.shape[2] // size.height
    return avg_pool2d(x, factor) if factor > 1 else x


def planned(config: Config, prepared: Prepared, images_per_second: float) -> Config:
    """The configuration with the interval, the images and the measure that its time allows.

    What was chosen stays. As many images as leave time for all looks, and features if they do.
    Where interval and images are given nothing is timed, so the same command gives the same bytes.
    """
    chores, images = config.chores, config.recipe.images
    enough = len(prepared.training) >= LEAST_FEATURES
    if chores.measure_by == "frechet" and not enough:
        raise OptionError(
            f"--measure-by frechet needs {LEAST_FEATURES} training images, got "
            f"{len(prepared.training)}. Give --measure-by swd."
        )
    if chores.measure_every and chores.measure_images:
        chosen = replace(chores, measure_by=chores.measure_by or "swd")
        return replace(config, chores=chosen)
    seconds = SHARE * images / images_per_second
    players = make_players(config)
    measuring = Measuring(replace(config, chores=replace(chores, measure_by="swd")), prepared)
    each = _seconds_of(lambda: measuring.look(players)) / measuring.n
    by = chores.measure_by
    often = max(LOOKS, math.ceil(images / images_per_second / APART))
    looks = math.ceil(images / chores.measure_every) if chores.measure_every else often
    worth = seconds / looks > FROM * (each + FEATURES_TAKE)
    if by == "frechet" or (by is None and worth and enough and find_spec(PACKAGE)):
        network = load_lite0()
        with_features = each + _seconds_of(lambda: features_of(measuring.few, network)) / FEW
        fits = seconds / looks > FROM * with_features
        by, each = ("frechet", with_features) if by or fits else ("swd", each)
    fitting = [n for n in FEWER if n * each * looks <= seconds and n * each <= LONGEST]
    n = chores.measure_images or next(iter(fitting), FEWER[-1])
    looks = min(looks, max(1, int(seconds / (n * each))))
    every = chores.measure_every or max(1, images // looks)  # so that the end is measured
    chosen = replace(chores, measure_every=every, measure_images=n, measure_by=by or "swd")
    return replace(config, chores=chosen)


def _seconds_of(work: Callable[[], object]) -> float:
    """Of the second time: the first one warms up, and works out what is kept."""
    work()
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
