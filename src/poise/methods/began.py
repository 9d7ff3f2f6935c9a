"""Boundary equilibrium GAN: the critic is an autoencoder, and a controller holds the balance.

Berthelot, Schumm, Metz 2017, https://arxiv.org/abs/1703.10717, sections 3.3 and 3.4.
D rebuilds images:

    L(v)    = |v - D(v)|^eta                       the mean over an image's numbers
    L_D     = L(x) - k_t L(G(z_D))
    L_G     = L(G(z_G))                            both move at once
    k_{t+1} = k_t + lambda_k (gamma L(x) - L(G(z_G))),    k in [0, 1], k_0 = 0
    M       = L(x) + |gamma L(x) - L(G(z_G))|      convergence: lower is better

gamma = E L(G(z)) / E L(x) is the balance that is held: lower is sharper and less varied.

Added to the paper: `critic_rate`, which slows the critic. An autoencoder that learns to rebuild
reals sooner than a generator finds what it rebuilds leaves k at 0, where nothing tells fakes from
reals and samples fade into one. And `margin`, above which spoiling an image pays the critic no more

    L_D = L(x) - k_t mean over images of min(L(G(z_D)), margin L(x))

(the last L(x) a number, not differentiated), as the margin of energy-based GANs does (Zhao,
Mathieu, LeCun 2016, https://arxiv.org/abs/1609.03126). What a critic wins by spoiling has no
end: with squares, a few images that it rebuilds ever worse once took all weights with them.

Differs from the paper: it halves the rate "when the measure of convergence stalls" and does not say
when that is; here, when the mean of M over `window` images has not set a new low for `patience`
windows, down to `floor`.
Held by: tests/methods/test_began.py::test_the_rate_is_halved_when_m_stalls_and_not_below_the_floor
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from ..descent import descend
from ..errors import OptionError
from ..plateau import Plateau
from ..players import Losses, Players, Reals, losses
from ..signals import BELOW, Signals


@dataclass(frozen=True)
class BEGAN:
    """Autoencoder losses of reals and fakes, held at a set ratio. Defaults: the paper's."""

    batch: int = 16  # images
    gamma: float = 0.5  # E L(G(z)) / E L(x) to hold; lower is sharper and less varied
    lambda_k: float = 0.001  # how fast k follows, per step
    eta: Literal[1, 2] = 1  # power of the difference in L
    critic_rate: float = 1.0  # learning rate of the critic, times the generator's
    margin: float | None = None  # most L of a fake that pays, times L(x); unset: no end
    window: int = 20_000  # images whose mean M is one reading of the convergence
    patience: int = 5  # readings without a new low of M before the rate is halved
    floor: float = 2e-5  # learning rate below which it is not halved

    needs: ClassVar[str] = "rebuild"

    def __post_init__(self) -> None:
        end = float("inf")
        checks = (
            ("gamma", 0 < self.gamma <= 1, "above 0 and at most 1"),
            ("lambda-k", 0 <= self.lambda_k < end, "at least 0"),
            ("eta", self.eta in (1, 2), "1 or 2"),
            ("critic-rate", 0 < self.critic_rate < end, "above 0"),
            ("margin", self.margin is None or self.margin >= 1, "at least 1"),
            ("window", self.window >= 1, "at least 1"),
            ("patience", self.patience >= 1, "at least 1"),
            ("floor", 0 <= self.floor < end, "at least 0"),
        )
        for name, holds, what in checks:
            if not holds:
                value = getattr(self, name.replace("-", "_"))
                raise OptionError(f"--{name} must be {what}, got {value}.")

    @property
    def signals(self) -> Signals:
        """What its numbers tell: M falls; L(G) / L(x) is to be gamma, and k free to move."""
        slower = f"a --critic-rate below {self.critic_rate:g}, "
        sooner = f"a --lambda-k that reacts sooner than {self.lambda_k:g}, or a lower --lr."
        nearer = f"a --gamma nearer to 1 than {self.gamma:g}, " if self.gamma < 1 else ""
        text = nearer + slower + sooner
        advice = dict.fromkeys(("equilibrium lost", "collapsing"), text[0].upper() + text[1:])
        faster = f"a --critic-rate above {self.critic_rate:g}, "
        advice["equilibrium lost" + BELOW] = f"A --gamma below {self.gamma:g}, {faster}{sooner}"
        return Signals("convergence", shows=True, control="k", held=self.gamma, advice=advice)

    def step(self, players: Players, reals: Reals) -> Losses:
        """One update of both players at once, then one of k."""
        g, d, memory = players.generator, players.critic, players.memory
        k = memory.setdefault("k", torch.zeros(())).to(players.device)
        halvings = memory.setdefault("rate.halvings", torch.tensor(0))  # on the CPU
        players.scale_rate(0.5 ** int(halvings), self.floor)
        players.scale_critic_rate(self.critic_rate)
        drawn, n = reals.drawn, players.fitting(self.batch)

        def loss(v: Tensor) -> Tensor:  # of each image, [n]
            rebuilt: Tensor = d(v)
            return (v - rebuilt).abs().pow(self.eta).flatten(1).mean(1)

        loss_x = loss(reals(n)).mean()
        with torch.no_grad():
            fake = g(players.latents(n))
        spoilt = loss(fake)
        if self.margin is not None:
            spoilt = spoilt.minimum(self.margin * players.mean(loss_x))
        loss_d = loss_x - k * spoilt.mean()
        loss_g = loss(g(players.latents(n))).mean()
        descend((players.opt_c, loss_d), (players.opt_g, loss_g))

        mean_x, mean_g = players.mean(torch.stack([loss_x, loss_g]))
        balance = self.gamma * mean_x - mean_g  # above 0: G is ahead, and D must attend to it
        memory["k"] = (k + self.lambda_k * balance.nan_to_num(0, 0, 0)).clamp(0, 1)
        convergence = mean_x + balance.abs()
        plateau = Plateau("convergence", self.window, self.patience)
        if plateau.stalled(players, convergence, drawn) and players.rate > self.floor:
            memory["rate.halvings"] = halvings + 1
            players.note(drawn, "M, the measure of convergence, has stalled: the rate is halved.")
        return losses(convergence=convergence, k=k, loss_x=loss_x, loss_g=loss_g)
