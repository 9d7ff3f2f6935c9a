"""Means of what steps report, for the log: kept on the device until they are read."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from .players import Losses
from .ranks import mean_over_ranks


class Meter:
    """Means since the last log line, over those steps whose number was finite."""

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.counts: dict[str, Tensor] = {}  # steps

    def add(self, losses: Losses) -> None:
        """Count one step. No sync."""
        for name, value in losses.items():
            finite = torch.isfinite(value)
            counted = torch.where(finite, value, 0)
            held = self.sums.get(name)
            self.sums[name] = counted if held is None else held + counted
            self.counts[name] = finite + self.counts.get(name, 0)

    def read(self) -> dict[str, float]:
        """The means, over all ranks, and start anew; NaN where no step's number was finite."""
        names = sorted(self.sums)  # from a checkpoint they come in another order
        rows = [torch.stack([part[name] for name in names]) for part in (self.sums, self.counts)]
        sums, counts = mean_over_ranks(torch.stack(rows))
        means = sums / counts  # one sync, when they are read
        self.clear()
        return dict(zip(names, means.tolist(), strict=True))

    def clear(self) -> None:
        """Start anew."""
        self.sums, self.counts = {}, {}

    def share(self) -> None:
        """Give every rank the mean of all: one of them saves, and all load that on a resume."""
        for name in sorted(self.sums):
            self.sums[name] = mean_over_ranks(self.sums[name])
            self.counts[name] = mean_over_ranks(self.counts[name].float())

    def state(self) -> dict[str, Tensor]:
        """What a checkpoint must hold for the next log line to come out the same."""
        sums = {f"meter.sum.{name}": value for name, value in self.sums.items()}
        return sums | {f"meter.count.{name}": value for name, value in self.counts.items()}

    def load(self, state: Mapping[str, Tensor], device: torch.device) -> None:
        """Take over what `state` returned."""
        self.clear()
        for key, value in state.items():
            part, _, name = key.removeprefix("meter.").partition(".")
            if key.startswith("meter."):
                (self.sums if part == "sum" else self.counts)[name] = value.to(device)
