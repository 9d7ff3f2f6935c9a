"""Whether a measure that should fall has stopped falling.

The state is a handful of tensors in `players.memory`, so a resumed run decides as an unbroken one.
Between readings a value is only added to a sum on the device: one sync for each reading.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .players import Players


@dataclass(frozen=True)
class Plateau:
    """A measure has stalled when its mean over a window has not set a new low for a while.

    The lows count from its peak on: a critic's distance rises while the critic learns to see.
    """

    name: str  # of its tensors in memory: `name.sum`, ...
    window: int  # images whose mean value is one reading
    patience: int  # readings in a row without a new low, after which it has stalled
    gain: float = 0.02  # share by which a reading must be lower than the lowest to be a new low

    def stalled(self, players: Players, value: Tensor, drawn: int) -> bool:
        """Count the value of a step that began at `drawn` images; whether it has stalled now.

        The value is the same on all ranks (`players.mean`). Once it says so it waits anew: another
        `patience` readings must pass before the next time.
        """
        memory = players.memory
        since = int(memory.setdefault(f"{self.name}.since", torch.tensor(drawn)))
        if drawn - since < self.window:
            self._add(players, value)
            return False
        steps = int(memory.pop(f"{self.name}.steps"))
        reading = float(memory.pop(f"{self.name}.sum")) / steps
        memory[f"{self.name}.since"] = torch.tensor(drawn)
        self._add(players, value)
        return self._left(players, reading) == 0

    def forget(self, players: Players) -> None:
        """Start from nothing: what is measured has changed."""
        for part in ("since", "sum", "steps", "highest", "lowest", "left"):
            players.memory.pop(f"{self.name}.{part}", None)

    def _add(self, players: Players, value: Tensor) -> None:
        memory, total, steps = players.memory, f"{self.name}.sum", f"{self.name}.steps"
        counted = value.detach().nan_to_num(0, 0, 0)  # one bad step must not end all readings
        memory[total] = memory.get(total, torch.zeros(())).to(players.device) + counted
        memory[steps] = memory.get(steps, torch.tensor(0)) + 1  # on the CPU: read without a sync

    def _left(self, players: Players, reading: float) -> int:
        """Readings left to wait for; counted anew from a low or a peak, and once none was left."""
        memory, lowest, left = players.memory, f"{self.name}.lowest", f"{self.name}.left"
        highest = f"{self.name}.highest"
        peak = highest not in memory or reading > float(memory[highest])
        if peak:
            memory[highest] = torch.tensor(reading)
        if peak or reading < (low := float(memory[lowest])) - self.gain * abs(low):
            memory[lowest], memory[left] = torch.tensor(reading), torch.tensor(self.patience)
            return self.patience
        waiting = int(memory[left]) - 1
        memory[left] = torch.tensor(waiting or self.patience)
        return waiting
