"""Wasserstein GAN: the critic estimates a distance, and clipped weights keep it Lipschitz.

Arjovsky, Chintala, Bottou 2017, https://arxiv.org/abs/1701.07875. Algorithm 1:

    repeat n_critic times:                                             # lines 2-8
        w <- w + RMSProp( grad_w  mean f_w(x) - mean f_w(g(z)) )       # lines 5-6
        w <- clip(w, -c, c)                                            # line 7
    theta <- theta - RMSProp( -grad_theta  mean f_w(g(z)) )            # lines 9-11

The authors' code trains the critic 100 times before each of the first 25 updates of g and before
every 500th: `thorough`, on in the paper's preset.

Differs from the authors' code: it clips at the start of the next critic step, so the generator
sees a critic that may lie outside the bounds; the paper clips after the step, and so do we.
Held by: tests/methods/test_wgan.py::test_every_critic_weight_is_within_the_clip_after_a_step
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from ..descent import descend
from ..errors import OptionError
from ..players import Losses, Players, Reals, losses
from ..signals import Signals


@dataclass(frozen=True)
class WGAN:
    """Critic kept Lipschitz by clipping its weights. Defaults: Algorithm 1."""

    needs: ClassVar[str] = "score"

    batch: int = 64  # m, images
    n_critic: int = 5  # critic updates per generator update
    clip: float = 0.01  # c, bound on every critic weight
    thorough: bool = False  # 100 critic updates before the first 25 and every 500th of g

    def __post_init__(self) -> None:
        if self.n_critic < 1:
            raise OptionError(f"--n-critic must be at least 1, got {self.n_critic}.")
        if not 0 < self.clip < float("inf"):
            raise OptionError(f"--clip must be above 0, got {self.clip}.")

    def critic_updates(self, update: int) -> int:
        """Critic updates before the generator's `update`-th one, counted from 0."""
        return 100 if self.thorough and (update < 25 or update % 500 == 0) else self.n_critic

    @property
    def signals(self) -> Signals:
        """What its numbers tell; the scale of the distance is that of the clipped critic."""
        advice = {
            "diverging": f"A smaller --clip than {self.clip:g} flattens the critic; keep momentum "
            "out of it: --optimizer rmsprop, with a lower --lr.",
            "clip saturated": f"A larger --clip than {self.clip:g}, or a lower --lr: a step must "
            "be small beside the bound. --method wgan-gp needs no bound.",
            "oscillating": "Keep momentum out of the critic: --optimizer rmsprop, a lower --lr.",
            "generator overpowers": f"More critic updates than --n-critic {self.n_critic}.",
        }
        return Signals(clipped="clipped", advice=advice)

    def step(self, players: Players, reals: Reals) -> Losses:
        """n_critic updates of the critic, each clipped, then one of the generator."""
        g, f = players.generator, players.critic
        n = players.fitting(self.batch)
        update = players.memory.setdefault("update", torch.zeros((), dtype=torch.int64))  # CPU

        for _ in range(self.critic_updates(int(update))):
            x = reals(n)
            with torch.no_grad():
                fake = g(players.latents(n))
            distance = f(x).mean() - f(fake).mean()  # W(P_r, P_theta), up to a constant factor
            descend((players.opt_c, -distance))
            with torch.no_grad():
                torch._foreach_clamp_max_(list(f.parameters()), self.clip)
                torch._foreach_clamp_min_(list(f.parameters()), -self.clip)

        loss_g = -f(g(players.latents(n))).mean()
        descend((players.opt_g, loss_g))
        players.memory["update"] = update + 1
        return losses(distance=distance, loss_g=loss_g, clipped=share_at(f, self.clip))


def share_at(critic: nn.Module, clip: float) -> Tensor:
    """The share of a critic's weights that lie at the bound, 0 to 1."""
    weights = [w.detach() for w in critic.parameters()]
    at = torch.stack([(w.abs() >= clip).sum() for w in weights]).sum()
    return at / sum(w.numel() for w in weights)
