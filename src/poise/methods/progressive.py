"""Progressive growing: coarse images first, then one doubling after another fades in.

Karras, Aila, Laine, Lehtinen 2017, https://arxiv.org/abs/1710.10196, section 2 and appendix A.1:

    settle at the base; then for each doubling: fade its layers in, and settle again
    while it fades:    x <- lerp(up(down(x)), x, alpha)        the reals are blended, too
    L_D = WGAN-GP + drift E D(x)^2                             one update each, n_critic = 1

The stage is a function of the clock; with `--grow converged`, of the clock at which the level
began, which is kept in memory: a level has settled once its images and fakes have stopped getting
nearer in what it adds (apart.py), between `least` and `most` times its settling phase.

Differs from the authors' code: they forget the optimizers' moments once more when a fade ends, and
look at the schedule at every fourth step only; the standard loss has no drift here.
Held by: tests/methods/test_progressive.py::test_the_stage_is_that_of_the_authors_schedule
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Literal, Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, softplus

from ..apart import apart
from ..descent import descend
from ..errors import OptionError
from ..plateau import Plateau
from ..players import Losses, Players, Reals, losses
from ..signals import Signals
from ..size import Size, Stage, levels_of
from .wgan_gp import gradient_penalty

# A level has converged when the mean of `apart` over a tenth of its settling phase has not fallen
# by 2 % for two readings. Measured against others: docs/methods/progressive.md.
READINGS, PATIENCE, GAIN = 10, 2, 0.02


class Grower(Protocol):
    """A network that works at any level up to its last."""

    levels: list[Size]

    def __call__(self, x: Tensor) -> Tensor: ...

    def grow_to(self, stage: Stage) -> None: ...


@dataclass(frozen=True)
class Progressive:
    """Both players grow from the base to the full size. Defaults: appendix A.1, one GPU."""

    batch: int = 128  # images, where `span` allows so many
    span: int = 2048  # batch times the longer side, at most: 64 images of 32 pixels
    fewest: int = 4  # images in a batch, however large they are
    fade: int | None = 600_000  # images over which a level's layers fade in; unset: planned
    settle: int | None = 600_000  # images for which a level then settles; unset: planned
    grow: Literal["schedule", "converged"] = "schedule"  # when a level has settled
    least: float = 0.5  # of `settle`, before a level can have converged
    most: float = 2.0  # of `settle`, after which it is taken to have
    loss: Literal["wgan-gp", "gan"] = "wgan-gp"  # or the standard one, non-saturating
    n_critic: int = 1  # critic updates per generator update
    penalty: float = 10.0  # lambda
    target: float = 1.0  # gradient norm that the penalty holds
    drift: float = 0.001  # weight of the mean square of the reals' scores
    finest_rate: float = 1.5  # times the learning rate from 1024 pixels on

    needs: ClassVar[str] = "grow"

    def __post_init__(self) -> None:
        for name in ("span", "fewest", "fade", "settle", "n_critic"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise OptionError(f"--{name.replace('_', '-')} must be at least 1, got {value}.")
        if not 0 <= self.least <= self.most < float("inf"):
            raise OptionError(
                f"--least must be at least 0 and at most --most, got {self.least} and {self.most}."
            )
        for name in ("penalty", "drift"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise OptionError(f"--{name} must be at least 0, got {getattr(self, name)}.")
        for name in ("target", "finest_rate"):
            if not 0 < getattr(self, name) < float("inf"):
                shown = name.replace("_", "-")
                raise OptionError(f"--{shown} must be above 0, got {getattr(self, name)}.")

    def step(self, players: Players, reals: Reals) -> Losses:
        """n_critic updates of the critic at this moment's stage, then one of the generator."""
        g, d = grower(players.generator), grower(players.critic)
        stage = self.arrive(players, reals.drawn)
        size = g.levels[stage.level]
        n = players.fitting(self.batch_at(size))
        players.scale_rate(self.finest_rate if max(size) >= 1024 else 1.0)

        for _ in range(self.n_critic):
            x = blended(reals(n, size), stage.alpha)
            with torch.no_grad():
                fake = g(players.latents(n))
            loss_d, seen = self.critic_loss(players.critic, x, fake, players.uniform(n))
            descend((players.opt_c, loss_d))

        score = d(g(players.latents(n)))
        loss_g = softplus(-score).mean() if self.loss == "gan" else -score.mean()
        descend((players.opt_g, loss_g))

        if self.grow == "converged":
            self.watch(players, apart(x, fake), reals.drawn)
        where = torch.full((), stage.level - 1 + stage.alpha, device=players.device)
        return losses(**seen, loss_g=loss_g, stage=where)

    @property
    def signals(self) -> Signals:
        """What its numbers tell: those of the loss it was given."""
        if self.loss == "gan":
            other = "A lower --lr, or --loss wgan-gp: its critic has a gradient everywhere."
            told = dict.fromkeys(("critic overpowers", "generator overpowers"), other)
            return Signals(won=math.log(2), level="stage", advice=told)
        hold = f"A larger --penalty than {self.penalty:g} or a lower --lr holds the critic."
        more = f"More critic updates than --n-critic {self.n_critic}, or a higher --lr."
        advice = {"diverging": hold, "generator overpowers": more}
        # Every level begins with a new curve.
        return Signals(unit="penalty", level="stage", advice=advice)

    def critic_loss(
        self, d: nn.Module, x: Tensor, fake: Tensor, eps: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """What the critic descends on, and what of it goes to the log."""
        real, false = d(x), d(fake)
        if self.loss == "gan":
            loss = softplus(-real).mean() + softplus(false).mean()
            return loss, {"distance": math.log(2) - loss / 2}
        distance = real.mean() - false.mean()
        penalty = gradient_penalty(d, x, fake, eps, target=self.target)
        loss = -distance + self.penalty * penalty + self.drift * real.square().mean()
        return loss, {"distance": distance, "penalty": penalty}

    def batch_at(self, size: Size) -> int:
        """Images in a batch of this size: a multiple of 4, for groups, where `fewest` is one."""
        return min(self.batch, max(self.fewest, self.span // max(size) // 4 * 4))

    def stage_after(self, drawn: int, last: int) -> Stage:
        """The schedule: a function of the clock alone. `last` is the level of the full size."""
        fade, settle = self.planned
        level, within = divmod(drawn + fade, fade + settle)
        if level > last:
            return Stage(last, 1.0)
        return Stage(level, min(1.0, within / fade) if level else 1.0)

    def phases(self, images: int, size: Size) -> list[tuple[int, int]]:
        """When each level begins, and how many images it sees, of so many in all, by schedule."""
        fade, settle = self.planned
        levels = range(len(levels_of(size)))
        starts = [max(0, level * (fade + settle) - fade) for level in levels]
        starts = [start for start in starts if start < images]
        return [(a, b - a) for a, b in pairwise([*starts, images])]

    @property
    def planned(self) -> tuple[int, int]:
        """Images of fading and of settling."""
        if self.fade is None or self.settle is None:
            raise OptionError("the phases are not planned yet. Give --fade and --settle in images.")
        return self.fade, self.settle

    def arrive(self, players: Players, drawn: int) -> Stage:
        """Bring the networks to the stage of this moment."""
        last, memory = len(grower(players.generator).levels) - 1, players.memory
        stage = self.stage_after(drawn, last)
        if "level" in memory and self.grow == "converged":
            level, fading = int(memory["level"]), drawn - int(memory["since"])
            stage = Stage(level, min(1.0, fading / self.planned[0]) if level else 1.0)
        elif "level" not in memory or int(memory["level"]) != stage.level:
            self.begin(players, stage.level, drawn, "as scheduled")
        for network in (players.generator, players.critic, players.average):
            grower(network).grow_to(stage)
        return stage

    def begin(self, players: Players, level: int, drawn: int, why: str) -> None:
        """Start a level: what optimizers know of the old one no longer holds."""
        sizes = grower(players.generator).levels
        if "level" in players.memory:
            players.fresh_optimizers()
            before = sizes[int(players.memory["level"])]
            players.note(drawn, f"Growing from {before} to {sizes[level]}, {why}.")
        players.memory["level"] = torch.tensor(level)  # on the CPU: read without a sync
        players.memory["since"] = torch.tensor(drawn)

    def watch(self, players: Players, far: Tensor, drawn: int) -> None:
        """Begin the next level when this one has settled: when `far` has stopped falling."""
        fade, settle = self.planned
        level = int(players.memory["level"])
        if level + 1 == len(grower(players.generator).levels):
            return
        settled = drawn - int(players.memory["since"]) - (fade if level else 0)
        if settled < 0:
            return
        plateau = Plateau("growth", max(1, settle // READINGS), PATIENCE, GAIN)
        stalled = plateau.stalled(players, players.mean(far), drawn)
        stalled = stalled and settled >= self.least * settle
        if stalled or settled >= self.most * settle:
            plateau.forget(players)
            how = "its images stopped getting nearer" if stalled else "the most there is for it"
            self.begin(players, level + 1, drawn, f"after {settled:,} images of settling: {how}")


def grower(network: nn.Module) -> Grower:
    """A network as one that grows; config.py sees to it that it is."""
    return cast(Grower, network)


def blended(x: Tensor, alpha: float) -> Tensor:
    """Images x [n, c, h, w] as fading networks see them: lerp(up(down(x)), x, alpha)."""
    if alpha == 1:
        return x
    return torch.lerp(interpolate(avg_pool2d(x, 2), scale_factor=2.0), x, alpha)
