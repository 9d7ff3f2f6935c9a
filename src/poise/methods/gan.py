"""The standard GAN, which everything else is compared with.

Goodfellow et al. 2014, https://arxiv.org/abs/1406.2661. D classifies; s is the logistic function:

    L_D = -E log s(D(x)) - E log(1 - s(D(G(z))))
    L_G = -E log s(D(G(z)))             non-saturating (default)
    L_G =  E log(1 - s(D(G(z))))        saturating: no gradient once D is sure

The distance to plot is the estimate of the Jensen-Shannon divergence, log 2 - L_D / 2, in nats:
at most log 2, and there whenever D tells real from fake for certain, however far apart they are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch.nn.functional import softplus

from ..descent import descend
from ..players import Losses, Players, Reals, losses
from ..signals import Signals


@dataclass(frozen=True)
class GAN:
    """A discriminator that classifies real against fake, one update each."""

    needs: ClassVar[str] = "score"

    batch: int = 64  # images
    saturating: bool = False  # the generator minimises log(1 - s(D(G(z)))), which goes flat

    @property
    def signals(self) -> Signals:
        """What its numbers tell: the distance cannot exceed log 2, and there nothing is learned."""
        return Signals(won=math.log(2))

    def step(self, players: Players, reals: Reals) -> Losses:
        """One update of the discriminator, then one of the generator."""
        g, d = players.generator, players.critic
        n = players.fitting(self.batch)

        x = reals(n)
        with torch.no_grad():
            fake = g(players.latents(n))
        # Two passes: with batch norm, reals and fakes have their own statistics (as in DCGAN).
        loss_d = softplus(-d(x)).mean() + softplus(d(fake)).mean()  # -log s(t) = softplus(-t)
        descend((players.opt_c, loss_d))

        score = d(g(players.latents(n)))
        loss_g = -softplus(score).mean() if self.saturating else softplus(-score).mean()
        descend((players.opt_g, loss_g))
        return losses(distance=math.log(2) - loss_d / 2, loss_g=loss_g)
