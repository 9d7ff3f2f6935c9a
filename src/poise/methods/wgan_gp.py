"""WGAN with gradient penalty: the critic's gradient is held at norm 1 where it matters.

Gulrajani, Ahmed, Arjovsky, Dumoulin, Courville 2017, https://arxiv.org/abs/1704.00028. Algorithm 1:

    x^ = eps x + (1 - eps) x~,   eps ~ U[0, 1], one per image          # line 6
    L  = D(x~) - D(x) + lambda (|| grad_x^ D(x^) ||_2 - 1)^2           # line 7, equation 3
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..descent import descend
from ..errors import OptionError
from ..players import Losses, Players, Reals, losses
from ..signals import Signals


def gradient_penalty(
    critic: nn.Module,
    x: Tensor,
    fake: Tensor,
    eps: Tensor,
    *,
    one_sided: bool = False,
    target: float = 1.0,
) -> Tensor:
    """Mean of (||grad D|| - 1)^2 at x^ = eps x + (1 - eps) fake; x, fake [n, c, h, w], eps [n].

    The norm is taken per image over all its numbers, in float32, in units of `target`. One-sided,
    only norms above 1 count. A gradient of exactly 0 gives 1 with a finite derivative:
    vector_norm's there is 0.

    Raises:
        OptionError: the critic has batch norm, which mixes images, so that the gradient of one
            image's score is spread over all of them.
    """
    if any(isinstance(module, _BatchNorm) for module in critic.modules()):
        raise OptionError(
            "a gradient penalty needs a critic that does not mix images, got one with batch norm. "
            "Use --critic-norm layer or --critic-norm none."
        )
    between = torch.lerp(fake, x, eps.view(-1, 1, 1, 1)).requires_grad_()
    (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    norm = torch.linalg.vector_norm(gradient.float().flatten(1), dim=1) / target  # [n]
    excess = (norm - 1).clamp_min(0) if one_sided else norm - 1
    mean: Tensor = excess.square().mean()
    return mean


@dataclass(frozen=True)
class WGANGP:
    """Critic kept 1-Lipschitz by a penalty on its gradient norm. Defaults: Algorithm 1."""

    needs: ClassVar[str] = "score"

    batch: int = 64  # m, images
    n_critic: int = 5  # critic updates per generator update
    penalty: float = 10.0  # lambda
    one_sided: bool = False  # penalise only gradient norms above 1

    def __post_init__(self) -> None:
        if self.n_critic < 1:
            raise OptionError(f"--n-critic must be at least 1, got {self.n_critic}.")
        if not 0 <= self.penalty < float("inf"):
            raise OptionError(f"--penalty must be at least 0, got {self.penalty}.")

    @property
    def signals(self) -> Signals:
        """What its numbers tell."""
        hold = f"A larger --penalty than {self.penalty:g} or a lower --lr holds the critic."
        more = f"More critic updates than --n-critic {self.n_critic}, or a higher --lr."
        return Signals(unit="penalty", advice={"diverging": hold, "generator overpowers": more})

    def step(self, players: Players, reals: Reals) -> Losses:
        """n_critic updates of the critic, then one of the generator."""
        g, d = players.generator, players.critic
        n = players.fitting(self.batch)

        for _ in range(self.n_critic):
            x = reals(n)
            with torch.no_grad():
                fake = g(players.latents(n))
            distance = d(x).mean() - d(fake).mean()
            eps = players.uniform(n)
            penalty = gradient_penalty(d, x, fake, eps, one_sided=self.one_sided)
            descend((players.opt_c, -distance + self.penalty * penalty))

        loss_g = -d(g(players.latents(n))).mean()
        descend((players.opt_g, loss_g))
        return losses(distance=distance, penalty=penalty, loss_g=loss_g)
