"""What a training leaves on the disk; a full disk costs a line or a picture, no training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from .errors import TrainingFailed
from .files import NO_SPACE
from .meter import Meter
from .pictures import grid, png, to_uint8
from .players import Players, Reals
from .run import Run
from .sampling import at_once, draw
from .watcher import Watcher

SAMPLES = 64  # images in a grid of samples


class Saver:
    """Writes the files of a run while it is trained."""

    def __init__(
        self, run: Run, players: Players, reals: Reals, meter: Meter, watcher: Watcher
    ) -> None:
        self.run, self.players, self.reals = run, players, reals
        self.meter, self.watcher = meter, watcher
        self.saved = -1  # the clock of the last checkpoint; -1 when there is none
        self._full = False  # the disk, when something was last written

    def log(self, numbers: Mapping[str, float | str]) -> None:
        """A line of the log."""
        self._sparing_the_run(lambda: self.run.log(self.reals.drawn, numbers))

    def measured(self, numbers: Mapping[str, float]) -> None:
        """A line of what was measured."""
        self._sparing_the_run(lambda: self.run.measured(self.reals.drawn, numbers))

    def sample(self) -> None:
        """A picture of samples."""
        self._sparing_the_run(self._sample)

    def save(self) -> None:
        """A checkpoint, unless the disk is full."""
        self._sparing_the_run(self._save)

    def save_best(self, facts: Mapping[str, float | str]) -> None:
        """The checkpoint that takes the place of the best one so far."""
        self._sparing_the_run(lambda: self._save_best(facts))

    def save_or_fail(self) -> None:
        """A checkpoint.

        Raises:
            TrainingFailed: it could not be written.
        """
        try:
            self._save()
        except OSError as error:
            raise TrainingFailed(
                f"the last checkpoint could not be written to {self.run.path} "
                f"({error.strerror or error}). Free some space and go on from image "
                f"{max(self.saved, 0):,}: poise train {self.run.path}"
            ) from error

    def _save(self) -> None:
        drawn, chores, kept = self.reals.drawn, self.run.config.chores, self.run.checkpoints
        try:
            path = self._save_after_log()
        except OSError as error:
            if error.errno not in NO_SPACE:
                raise
            kept.prune(1, chores.milestone_every)  # older ones make room; the newest stays
            path = self._save_after_log()
        self.saved, self._full = drawn, False
        kept.prune(chores.keep, chores.milestone_every)
        self.run.event("saved", drawn, checkpoint=path.name)

    def _save_after_log(self) -> Path:
        self.run.sync_log()  # what waits for room, too: a checkpoint must not be newer than its log
        tensors = self.players.state() | self.meter.state()
        return self.run.checkpoints.save(self.reals.drawn, tensors, self._facts())

    def _save_best(self, facts: Mapping[str, float | str]) -> None:
        tensors, drawn = self.players.state() | self.meter.state(), self.reals.drawn
        # One of a later clock, from before a return, would count as the newest best.
        self.run.best.set_aside_after(drawn)
        self.run.best.save(drawn, tensors, self._facts() | dict(facts))
        self.run.best.keep_only(drawn)
        self.run.event("best", drawn, **facts)

    def _facts(self) -> dict[str, float | str]:
        return {
            "run": self.run.config.identity,
            "torch": torch.__version__,
            "threads": torch.get_num_threads(),
        }

    def _sample(self) -> None:
        players, config = self.players, self.run.config
        latents = players.space.fixed(SAMPLES, config.seed).to(players.device)
        images = to_uint8(draw(players.average, latents, at_once(config.data.size)))
        self.run.save_samples(self.reals.drawn, png(grid(images), at_least=512))

    def _sparing_the_run(self, chore: Callable[[], None]) -> None:
        """Let a full disk cost a line, a picture or a checkpoint, never the training."""
        try:
            chore()
        except OSError as error:
            if error.errno not in NO_SPACE:
                raise
            if not self._full:  # once, until a checkpoint could be saved again
                self.watcher.warn(
                    f"the disk is full at {self.reals.drawn:,} images: something was not written, "
                    "training goes on. Free some space before it ends."
                )
            self._full = True
