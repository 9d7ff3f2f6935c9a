"""What is done beside training: numbers to the log, pictures, checkpoints; and back from one."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import torch
from torch import Tensor

from .checkpoints import not_finite
from .errors import RunError, TrainingFailed
from .files import NO_SPACE
from .machine import memory_in_use
from .pictures import grid, png, to_uint8
from .players import Losses, Players, Reals
from .ranks import mean_over_ranks, wait_for_all
from .run import Run
from .sampling import draw
from .watcher import Moment, Watcher

SAMPLES = 64  # images in a grid of samples


def due(interval: int, before: int, drawn: int) -> bool:
    """Whether the clock passed a multiple of `interval` images: a step draws 1 to 100 batches."""
    return drawn // interval > before // interval


class Meter:
    """Means of the losses since the last log line, kept on the device until they are read."""

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.steps = 0

    def add(self, losses: Losses) -> None:
        """Count one step. No sync."""
        for name, value in losses.items():
            held = self.sums.get(name)
            self.sums[name] = value.clone() if held is None else held + value
        self.steps += 1

    def read(self) -> dict[str, float]:
        """The means, over all ranks, and start anew. One sync."""
        names = sorted(self.sums)  # from a checkpoint they come in another order
        means = mean_over_ranks(torch.stack([self.sums[name] for name in names]) / self.steps)
        self.sums, self.steps = {}, 0
        return dict(zip(names, means.tolist(), strict=True))

    def share(self) -> None:
        """Give every rank the mean sums: one of them saves, and all load that on a resume."""
        for name in sorted(self.sums):
            self.sums[name] = mean_over_ranks(self.sums[name])

    def state(self) -> dict[str, Tensor]:
        """What a checkpoint must hold for the next log line to come out the same."""
        sums = {f"meter.{name}": value for name, value in self.sums.items()}
        return sums | {"meter": torch.tensor(self.steps)}

    def load(self, state: dict[str, Tensor], device: torch.device) -> None:
        """Take over what `state` returned."""
        self.steps = int(state["meter"])
        named = ((k.partition(".")[2], v) for k, v in state.items() if k.startswith("meter."))
        self.sums = {name: value.to(device) for name, value in named}


class Keeper:
    """Keeps a run's files while it is trained. With several ranks only the first one writes."""

    def __init__(self, run: Run, players: Players, reals: Reals, watcher: Watcher) -> None:
        self.run, self.players, self.reals, self.watcher = run, players, reals, watcher
        self.meter = Meter()
        self.saved = -1  # the clock of the last checkpoint; -1 when there is none
        self._started, self._first = time.monotonic(), 0
        self._numbers: dict[str, float] = {}
        self._memory = 0  # bytes
        self._full = False  # the disk, when something was last written

    @property
    def writes(self) -> bool:
        """Whether this rank is the one that writes."""
        return self.players.rank == 0

    def resume(self) -> None:
        """Go back to the newest whole checkpoint, if there is one."""
        if self.writes:
            self.run.sweep()
        wait_for_all()
        checkpoint = self.run.checkpoints.newest(self._fell_back)
        if checkpoint:
            if checkpoint.facts.get("run") != self.run.config.identity:
                raise RunError(
                    f"checkpoint {checkpoint.drawn:,} of {self.run.path} is of a run with other "
                    "options or images. Move it away, or bring back the run's own config.json."
                )
            tensors = checkpoint.tensors
            self.players.load({k: v for k, v in tensors.items() if not k.startswith("meter")})
            self.meter.load(tensors, self.players.device)
            self.reals.drawn = self.saved = checkpoint.drawn
        elif self.run.checkpoints.drawn():
            raise RunError(
                f"{self.run.path} has checkpoints, but none is whole. Restore one from a copy, or "
                "empty its folder checkpoints/ to start from the beginning."
            )
        self._first, self._started = self.reals.drawn, time.monotonic()
        if self.writes:
            self.run.checkpoints.set_aside_after(self._first)
            self.run.configure(self.run.config)
            self.run.rewind_log(self._first)
            self.run.event("started", self._first, images=self.run.config.recipe.images)
            self._tell_where()

    def after_step(self, before: int, losses: Losses) -> None:
        """Log, sample and save what is due after a step that began at `before`.

        Raises:
            TrainingFailed: a loss or a weight is not finite.
        """
        drawn, chores = self.reals.drawn, self.run.config.chores
        self.meter.add(losses)
        self._pass_on_notes()
        if due(chores.log_every, before, drawn):
            self._log(drawn)
        if due(chores.save_every, before, drawn):
            self.meter.share()
        if not self.writes:
            return
        speed = (drawn - self._first) / max(time.monotonic() - self._started, 1e-9)
        images = self.run.config.recipe.images
        self.watcher.stepped(Moment(drawn, images, speed, self._memory, self._numbers))
        if due(chores.sample_every, before, drawn):
            self._sparing_the_run(self._sample)
        if due(chores.save_every, before, drawn):
            self._sparing_the_run(self._save)

    def close(self) -> bool:
        """Save what is not saved yet; whether the run is at its end.

        Raises:
            TrainingFailed: the last checkpoint could not be written.
        """
        done = self.reals.drawn >= self.run.config.recipe.images
        self.meter.share()
        if self.writes:
            if self.saved != self.reals.drawn:
                self._save_or_fail()
            if not self.run.samples_at(self.reals.drawn).exists():
                self._sparing_the_run(self._sample)
            self.run.event("done" if done else "stopped", self.reals.drawn)
        wait_for_all()
        return done

    def _pass_on_notes(self) -> None:
        """What the method has to say: to the person, and to the events."""
        while self.players.notes:
            drawn, text = self.players.notes.pop(0)
            if self.writes:
                self.watcher.say(f"At {drawn:,} images: {text}")
                self.run.event("note", drawn, text=text)

    def _log(self, drawn: int) -> None:
        self._numbers, self._memory = self.meter.read(), memory_in_use(str(self.players.device))
        bad = [name for name, value in self._numbers.items() if not math.isfinite(value)]
        bad += not_finite(self.players.state())
        if bad and self.writes:
            self.run.event("failed", drawn, not_finite=bad)
        if bad:
            raise TrainingFailed(
                f"{', '.join(bad[:3])} not finite after {drawn:,} images; the checkpoint at "
                f"{max(self.saved, 0):,} images is whole. Start anew with a lower --lr."
            )
        if self.writes:
            self._sparing_the_run(lambda: self.run.log(drawn, self._numbers))

    def _save(self) -> None:
        drawn, chores = self.reals.drawn, self.run.config.chores
        self.run.sync_log()
        facts = {
            "run": self.run.config.identity,
            "torch": torch.__version__,
            "threads": torch.get_num_threads(),
        }
        tensors, kept = self.players.state() | self.meter.state(), self.run.checkpoints
        try:
            path = kept.save(drawn, tensors, facts)
        except OSError as error:
            if error.errno not in NO_SPACE:
                raise
            kept.prune(1, chores.milestone_every)  # older ones make room; the newest stays
            path = kept.save(drawn, tensors, facts)
        self.saved, self._full = drawn, False
        kept.prune(chores.keep, chores.milestone_every)
        self.run.event("saved", drawn, checkpoint=path.name)

    def _save_or_fail(self) -> None:
        try:
            self._save()
        except OSError as error:
            raise TrainingFailed(
                f"the last checkpoint could not be written to {self.run.path} "
                f"({error.strerror or error}). Free some space and go on from image "
                f"{max(self.saved, 0):,}: poise train {self.run.path}"
            ) from error

    def _sample(self) -> None:
        latents = self.players.space.fixed(SAMPLES, self.run.config.seed)
        images = to_uint8(draw(self.players.average, latents.to(self.players.device)))
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

    def _tell_where(self) -> None:
        drawn, images, path = self._first, self.run.config.recipe.images, self.run.path
        if drawn >= images:
            self.watcher.say(f"{path} is at its end already, after {drawn:,} images.")
        elif drawn:
            self.watcher.say(f"Going on from image {drawn:,} to {images:,}.")
        else:
            self.watcher.say(f"Training to {images:,} images, in {path}.")

    def _fell_back(self, text: str) -> None:
        if self.writes:
            self.watcher.warn(text)
            self.run.event("fell back", self.reals.drawn, why=text)
