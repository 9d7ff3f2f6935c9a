"""`poise status`: how a run does, from what lies on the disk; touches nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .errors import RunError
from .monitor import judge
from .observer import concluded
from .options import parsed
from .places import RunWord
from .run import Run
from .signals import signals_of

TOLD = ("went back", "fell back", "failed", "skipped", "verdict", "note")  # of events
LAST = 8  # events that are shown


@dataclass(frozen=True)
class StatusOptions:
    """Say how a run does: its verdict, its best checkpoint, what happened."""

    run: RunWord  # the run's directory


def parse_status(argv: Sequence[str]) -> StatusOptions:
    """The options of `poise status`."""
    return parsed(StatusOptions, argv, "poise status")


def describe(run: Run) -> Iterator[str]:
    """What there is to say of a run, line by line.

    Raises:
        RunError: nothing was logged yet.
    """
    log, measures = run.history(), run.measures()
    if not log and not run.checkpoints.drawn():
        first = min(run.config.log_every, run.config.recipe.images)
        raise RunError(
            f"{run.path} has logged nothing yet: the first line comes after {first:,} images: "
            f"poise train {run.path}"
        )
    images = run.config.recipe.images
    drawn = max([*(line["drawn"] for line in log[-1:]), *run.checkpoints.drawn()])
    yield f"{run.path}: {drawn:,} of {images:,} images drawn."
    verdict = judge(log, measures, signals_of(run.config.recipe.method))
    yield f"Verdict: {concluded(verdict, run, drawn)}"
    if measures:
        last = {k: v for k, v in measures[-1].items() if k != "drawn"}
        words = [
            f"{k} {v:g}" if isinstance(v, int | float) else f"{k} {v}" for k, v in last.items()
        ]
        yield f"Measured at {measures[-1]['drawn']:,} images: {', '.join(words)}."
    for drawn in run.best.drawn()[-1:]:
        facts = run.best.facts(drawn)
        yield f"Best checkpoint: {drawn:,} images, {facts.get('measure')} {facts.get('value')}."
    kept = ", ".join(f"{drawn:,}" for drawn in run.checkpoints.drawn())
    yield f"Checkpoints kept: {kept or 'none yet'}."
    told = [event for event in run.events() if event.get("event") in TOLD]
    for event in told[-LAST:]:
        yield f"{event.get('time', '')} at {event['drawn']:,}: {_in_words(event)}"


def _in_words(event: dict[str, Any]) -> str:
    """What a method said, as it said it; of other events, what is known."""
    if event["event"] == "note" and "text" in event:
        return str(event["text"])
    more = [f"{k} {v}" for k, v in event.items() if k not in ("time", "event", "drawn")]
    return f"{event['event']}; {', '.join(more)}"
