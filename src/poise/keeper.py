"""What is done beside training and when; and back to a checkpoint when training gives way."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor

from .build import make_players
from .checkpoints import not_finite
from .data.prepared import Prepared
from .errors import RunError
from .machine import memory_in_use
from .measuring import Measuring
from .meter import Meter
from .observer import Observer, beginning
from .players import Losses, Players, Reals
from .ranks import most, wait_for_all
from .recovery import Trouble, attempt_of, began_at, begin_attempt, given_up, last_good
from .run import Run
from .saver import Saver
from .watcher import Moment, Watcher

MANY = 0.5  # gradients a step that may be skipped between two log lines


def due(interval: int, before: int, drawn: int) -> bool:
    """Whether the clock passed a multiple of `interval` images: a step draws 1 to 100 batches."""
    return drawn // interval > before // interval


class Keeper:
    """Keeps a run's files while it is trained. With several ranks only the first one writes."""

    def __init__(
        self,
        run: Run,
        players: Players,
        reals: Reals,
        watcher: Watcher,
        prepared: Prepared | None = None,  # to measure against; without it nothing is measured
    ) -> None:
        self.run, self.players, self.reals, self.watcher = run, players, reals, watcher
        self.meter = Meter()
        wanted = prepared if self.writes else None
        self.measuring = Measuring(run.config, wanted) if wanted else None
        self.saver = Saver(run, players, reals, self.meter, watcher)
        self._started, self._first = time.monotonic(), 0
        self.observer = Observer(run, watcher)
        self._numbers: dict[str, float] = {}
        self._memory = 0  # bytes
        self._opened, self._measuring = time.monotonic(), 0.0  # seconds

    @property
    def writes(self) -> bool:
        """Whether this rank is the one that writes."""
        return self.players.rank == 0

    @property
    def enough(self) -> bool:
        """Whether the run was told to end here, since nothing improves any more."""
        return self.writes and self.observer.enough

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
        elif self.run.checkpoints.drawn():
            raise RunError(
                f"{self.run.path} has checkpoints, but none is whole. Restore one from a copy, or "
                "empty its folder checkpoints/ to start from the beginning."
            )
        if checkpoint:
            self._take(checkpoint.drawn, checkpoint.tensors)
        self._begin()
        if self.writes:
            self.run.configure(self.run.config)
            self.run.event("started", self._first, images=self.run.config.recipe.images)
            self.watcher.say(beginning(self.run, self._first))

    def after_step(self, before: int, losses: Losses) -> None:
        """Log, measure, sample and save what is due after a step that began at `before`.

        Raises:
            TrainingFailed: it gave way more often than the run's `retries`.
        """
        drawn, config, chores = self.reals.drawn, self.run.config, self.run.config.chores
        self.meter.add(losses)
        self._pass_on_notes()
        logs, saves = due(config.log_every, before, drawn), due(config.save_every, before, drawn)
        every, ends = chores.measure_every, drawn >= config.recipe.images
        measures = every is not None and due(every, before, drawn)
        trouble = None
        if logs or saves or measures or ends:
            trouble = self._not_finite(drawn) or (self._log(drawn) if logs else None)
            if measures and not trouble:
                trouble = self._measure(drawn)
        if trouble:
            self._go_back(trouble)
            return
        if saves:
            self.meter.share()
        if not self.writes:
            return
        speed = (drawn - self._first) / max(time.monotonic() - self._started, 1e-9)
        images = config.recipe.images
        word = self.observer.verdict.name
        self.watcher.stepped(Moment(drawn, images, speed, self._memory, self._numbers, word))
        if due(config.sample_every, before, drawn):
            self.saver.sample()
        if saves:
            self.saver.save()

    def close(self) -> bool:
        """Save what is not saved yet; whether the run is at its end, or told to be.

        Raises:
            TrainingFailed: the last checkpoint could not be written.
        """
        done = self.reals.drawn >= self.run.config.recipe.images
        self.meter.share()
        if self.writes:
            if self.saver.saved != self.reals.drawn:
                self.saver.save_or_fail()
            if not self.run.samples_at(self.reals.drawn).exists():
                self.saver.sample()
            if (verdict := self.observer.conclude(self.reals.drawn)).name != "too early":
                self.watcher.say(f"Verdict: {verdict}")
            took = {"seconds": time.monotonic() - self._opened, "measuring": self._measuring}
            if self.enough and not done:
                self.watcher.say(
                    "Nothing improves any more, so it ends here, as --stop-when says. To go on all "
                    f"the same: poise train {self.run.path} --stop-when never"
                )
            how = "done" if done else "converged" if self.enough else "stopped"
            self.run.event(how, self.reals.drawn, **took)
        wait_for_all()
        return done or self.enough

    def _pass_on_notes(self) -> None:
        """What the method has to say: to the person, and to the events."""
        while self.players.notes:
            drawn, text = self.players.notes.pop(0)
            if self.writes:
                self.observer.pass_on(drawn, text)

    def _take(self, drawn: int, tensors: Mapping[str, Tensor]) -> None:
        """Make these tensors the state of the run."""
        self.players.load({k: v for k, v in tensors.items() if not k.startswith("meter.")})
        self.meter.load(tensors, self.players.device)
        self.reals.drawn = self.saver.saved = drawn

    def _begin(self) -> None:
        """Train from here on: what lies after this clock is made again."""
        self._first, self._started = self.reals.drawn, time.monotonic()
        if self.writes:
            self.run.checkpoints.set_aside_after(self._first)
            self.run.rewind_log(self._first)
            self.observer.begin()

    def _go_back(self, trouble: Trouble) -> None:
        """Return to a good checkpoint, or to the beginning, for another attempt.

        Raises:
            TrainingFailed: there were enough attempts.
        """
        failed, began = self.reals.drawn, began_at(self.players)
        attempt, retries = attempt_of(self.players) + 1, self.run.config.chores.retries
        if attempt > retries:
            if self.writes:
                self.run.event("failed", failed, why=trouble.what)
            raise given_up(self.run, trouble, failed)
        good = last_good(self.run, trouble.since, attempt, began, self._fell_back)
        if good:
            self._take(good.drawn, good.tensors)
        else:
            config = replace(self.run.config, device=str(self.players.device))
            self._take(0, make_players(config, self.players.rank, self.players.ranks).state())
            self.saver.saved = -1
        to, ill = self.reals.drawn, trouble.since < began
        gentler = begin_attempt(self.players, attempt, failed, to, ill=ill)
        wait_for_all()  # all have read what the first is about to set aside
        self._begin()
        if self.writes:
            place = f"image {to:,}" if good else "the beginning"
            self.watcher.warn(
                f"{trouble.what} after {failed:,} images: back to {place}, attempt {attempt} of "
                f"{retries}, with other noise and {gentler}."
            )
            facts = {"why": trouble.what, "to": to, "attempt": attempt}
            self.run.event("went back", failed, **facts, gentler=gentler)

    def _agreed(self, trouble: Trouble | None) -> Trouble | None:
        """What one rank sees, told to all: they go back together."""
        since = most(trouble.since + 1 if trouble else 0)
        return trouble or (Trouble("another rank says why", since - 1) if since else None)

    def _not_finite(self, drawn: int) -> Trouble | None:
        bad = not_finite(self.players.state())  # batch norm's statistics are each rank's own
        trouble = Trouble(f"{', '.join(bad[:3])} not finite", drawn) if bad else None
        return self._agreed(trouble)

    def _log(self, drawn: int) -> Trouble | None:
        self._numbers, self._memory = self.meter.read(), memory_in_use(str(self.players.device))
        bad = [name for name, value in self._numbers.items() if not math.isfinite(value)]
        if bad:
            return Trouble(f"{', '.join(bad[:3])} not finite", drawn)
        skipped = self._numbers.get("skipped", 0.0)
        if skipped >= MANY:
            return Trouble(f"{skipped:.1f} gradients a step not finite", drawn)
        if self.writes:
            if skipped:
                self.run.event("skipped", drawn, gradients_a_step=skipped)
            if self.measuring:
                began = time.monotonic()
                self._numbers |= self.measuring.glance(self.players)
                self._measuring += time.monotonic() - began
            verdict = self.observer.logged(drawn, self._numbers)
            self.saver.log({**self._numbers, "verdict": verdict.name})
        return None

    def _measure(self, drawn: int) -> Trouble | None:
        """Measure, and keep the checkpoint if it is the best so far."""
        self.meter.share()
        if self.writes and self.measuring:
            began = time.monotonic()
            numbers = self.measuring.look(self.players)
            self._measuring += time.monotonic() - began
            self.saver.measured(numbers)
            self.observer.measured(drawn, numbers)
            best = self.observer.new_best(numbers, self.measuring.best_by)
            if best:
                self.saver.save_best(best)
        return self._agreed(self.observer.trouble() if self.writes else None)

    def _fell_back(self, text: str) -> None:
        if self.writes:
            self.watcher.warn(text)
            self.run.event("fell back", self.reals.drawn, why=text)
