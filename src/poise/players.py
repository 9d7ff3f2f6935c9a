"""The two players of the game, and the noise they draw.

Shape legend, used in every file of this package:
    n images (or latents) in a batch, c channels, h height, w width, d numbers in a latent
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from .descent import tally
from .errors import RunError, TrainingFailed
from .latents import LatentSpace
from .optim import load_moments, moments
from .ranks import mean_over_ranks
from .size import Size

Losses = dict[str, Tensor]  # named scalars, detached, still on the device


class Reals(Protocol):
    """Endless supply of training images; calling it advances `drawn`."""

    drawn: int  # images handed out since the run began, over all ranks: the clock of everything

    def __call__(self, n: int, size: Size | None = None) -> Tensor:
        """This rank's share of the next n images, [n / ranks, c, h, w] in [-1, 1]."""


class Method(Protocol):
    """A way of playing: hyperparameters as fields, one generator update per `step`."""

    needs: ClassVar[str]  # what its networks can: "score", "rebuild" (an autoencoder), "grow"

    @property
    def batch(self) -> int:
        """Images in one batch, over all ranks."""

    def step(self, players: Players, reals: Reals) -> Losses:
        """Update the critic as often as the algorithm says, and the generator once."""


@runtime_checkable
class Clocked(Protocol):
    """A module that is a function of the clock, too."""

    def set_clock(self, drawn: int) -> None:
        """Become what it is after `drawn` images."""


@dataclass
class Players:
    """Everything a run must remember but the clock; `state` of this is the whole checkpoint."""

    generator: nn.Module  # z [n, d] -> images [n, c, h, w] in [-1, 1]
    critic: nn.Module  # images [n, c, h, w] -> scores [n]
    opt_g: Optimizer
    opt_c: Optimizer
    space: LatentSpace  # what latents are drawn from
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    rank: int = 0
    ranks: int = 1
    memory: dict[str, Tensor] = field(default_factory=dict)  # what a method keeps between steps
    notes: list[tuple[int, str]] = field(default_factory=list)  # clock and text, until read

    def __post_init__(self) -> None:
        self.average = copy.deepcopy(self.generator).eval().requires_grad_(False)
        self._fitted = 0  # images of the last batch that was asked for
        modules = (module for _, network in self._networks() for module in network.modules())
        self._clocked = [m for m in modules if isinstance(m, Clocked)]  # 0.4 ms: not at every step
        self._noise = torch.Generator()  # on the CPU, so that every device sees the same numbers

    def seed_noise(self, seed: int, attempt: int, drawn: int) -> None:
        """Make all noise of the coming step a function of these three; call it before each step."""
        key = f"poise {seed} {attempt} {drawn}".encode()
        digest = hashlib.blake2b(key, digest_size=8).digest()
        self._noise.manual_seed(int.from_bytes(digest, "big") >> 1)

    def set_rate(self, lr: float) -> None:
        """Give both optimizers this learning rate."""
        for group in self._groups():
            group["lr"] = lr

    def scale_rate(self, factor: float, floor: float = 0.0) -> None:
        """Multiply the rate of the coming step, but not to below `floor`, nor if it is below it."""
        for group in self._groups():
            group["lr"] = max(group["lr"] * factor, min(floor, group["lr"]))

    def scale_critic_rate(self, factor: float) -> None:
        """Multiply the critic's rate of the coming step alone."""
        for group in self.opt_c.param_groups:
            group["lr"] *= factor

    def set_clock(self, drawn: int) -> None:
        """Tell networks that change with the clock what time it is."""
        for module in self._clocked:
            module.set_clock(drawn)

    def fresh_optimizers(self) -> None:
        """Forget what both optimizers know of past gradients."""
        for optimizer in (self.opt_g, self.opt_c):
            optimizer.state.clear()

    @property
    def rate(self) -> float:
        """The learning rate of the coming step."""
        return float(next(self._groups())["lr"])

    def note(self, drawn: int, text: str) -> None:
        """Say what happened at this clock: to the person, and to the run's events."""
        self.notes.append((drawn, text))

    def fitting(self, batch: int) -> int:
        """The batch that fits into memory: halved as often as memory ran out in this run."""
        self._fitted = max(1, batch >> int(self.memory.get("halvings", 0)))
        return self._fitted

    def make_room(self, error: Exception, drawn: int) -> None:
        """Halve the batches from now on, if memory ran out; else raise the error.

        A player may have moved before memory ran out in the other's move: that move stays.

        Raises:
            TrainingFailed: smaller batches cannot help.
        """
        if not out_of_memory(error):
            raise error
        if self._fitted <= 1 or self.ranks > 1:
            shared = f" shared by {self.ranks} ranks" if self.ranks > 1 else ""
            raise TrainingFailed(
                f"memory ran out at {drawn:,} images, with {self._fitted} in a batch{shared}. What "
                "was saved is whole: go on with more memory, or start anew with a smaller --width."
            ) from error
        for optimizer in (self.opt_g, self.opt_c):
            optimizer.zero_grad(set_to_none=True)  # what the failed step still holds
        self.memory["halvings"] = self.memory.get("halvings", torch.tensor(0)) + 1
        self.note(drawn, f"Memory ran out: batches are of {self._fitted // 2} images from here.")

    def mean(self, value: Tensor) -> Tensor:
        """The mean of a number over all ranks, for what they must decide alike."""
        return mean_over_ranks(value.detach().clone())

    def moved(self) -> Losses:
        """The norms of the last gradients, and how many were not finite since the last call."""
        (norm_g, bad_g), (norm_c, bad_c) = tally(self.opt_g), tally(self.opt_c)
        return {"grad_g": norm_g, "grad_c": norm_c, "skipped": bad_g + bad_c}

    def latents(self, n: int) -> Tensor:
        """This rank's share of n latents of the networks' prior, [n / ranks, d]."""
        return self._share(self.space.draw(n, self._noise))

    def uniform(self, n: int) -> Tensor:
        """This rank's share of n numbers ~ U[0, 1), [n / ranks]."""
        return self._share(torch.rand(n, generator=self._noise))

    def _share(self, drawn: Tensor) -> Tensor:
        each = len(drawn) // self.ranks
        share = drawn[self.rank * each : (self.rank + 1) * each]
        # Only CUDA copies the source aside at once: MPS may read it after it was dropped here, and
        # get garbage without an error (pytorch issues 139550, 189690).
        return share.to(self.device, non_blocking=self.device.type == "cuda")

    @torch.no_grad()
    def update_average(self, images: int, halflife: float) -> None:
        """Pull `average` towards `generator`; half of the way in `halflife` images."""
        reach = 1 - 0.5 ** (images / halflife)
        slow, fast = _floats(self.average), _floats(self.generator)
        torch._foreach_lerp_(slow, fast, reach)  # one launch, not one per tensor
        for kept, current in zip(self.average.buffers(), self.generator.buffers(), strict=True):
            if not kept.is_floating_point():
                kept.copy_(current)

    def state(self) -> dict[str, Tensor]:
        """Every tensor of the run by name; copies nothing."""
        named = {f"memory.{name}": value for name, value in self.memory.items()}
        for part, network in self._networks():
            named |= {f"{part}.{name}": value for name, value in network.state_dict().items()}
        for part, optimizer in self._optimizers():
            named |= {f"{part}.{name}": value for name, value in moments(optimizer)}
        return named

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take over what `state` returned, to the bit.

        Raises:
            RunError: the tensors are not those of these networks.
        """
        parts: dict[str, dict[str, Tensor]] = {}
        for name, value in state.items():
            part, _, rest = name.partition(".")
            parts.setdefault(part, {})[rest] = value
        try:
            for part, network in self._networks():
                network.load_state_dict(parts.get(part, {}))
        except RuntimeError as error:
            raise RunError(f"the checkpoint is of other networks: {error}") from error
        for part, optimizer in self._optimizers():
            load_moments(optimizer, parts.get(part, {}))
        self.memory = parts.get("memory", {})

    def _networks(self) -> list[tuple[str, nn.Module]]:
        return [(name, getattr(self, name)) for name in ("generator", "critic", "average")]

    def _groups(self) -> Iterator[dict[str, Any]]:
        for optimizer in (self.opt_g, self.opt_c):
            yield from optimizer.param_groups

    def _optimizers(self) -> list[tuple[str, Optimizer]]:
        return [("opt_g", self.opt_g), ("opt_c", self.opt_c)]


def out_of_memory(error: Exception) -> bool:
    """Whether an error says that memory ran out; of a CPU and of MPS it is one of any kind."""
    known = isinstance(error, MemoryError | torch.OutOfMemoryError)
    return known or any(words in str(error) for words in RAN_OUT)


RAN_OUT = ("can't allocate memory", "MPS backend out of memory")


def losses(**values: Tensor) -> Losses:
    """Named numbers for the log, cut off from the graph but still on the device: no sync here."""
    return {name: value.detach() for name, value in values.items()}


def _floats(network: nn.Module) -> list[Tensor]:
    """Parameters and running statistics: what can be averaged."""
    everything = [*network.parameters(), *network.buffers()]
    return [tensor.detach() for tensor in everything if tensor.is_floating_point()]
