"""Back to where training was well, with other noise and a gentler rate, when it gives way.

Attempt 0 is a run that never went back. Each return makes the next attempt, which draws other noise
(play in training.py) and learns more gently: the first at half the rate until it has passed the
place where it gave way by as far again, later ones at a quarter, an eighth, ... for good. But where
what an attempt began from was ill itself, it tells nothing of the rate: the next one learns like
the first. All of it stands in `memory`, so a run that is cut short and resumed ends with the same
bits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from .checkpoints import Checkpoint
from .errors import TrainingFailed
from .players import Players
from .run import Run

# Names in memory.
ATTEMPT, FROM, HALVED, UNTIL = "attempt", "attempt.from", "gentle.halved", "gentle.until"


@dataclass(frozen=True)
class Trouble:
    """Why training cannot go on as it is."""

    what: str  # the end of a sentence: "loss_g is not finite"
    since: int  # images; what was saved before that is well
    advice: str = "Start anew with a lower --lr."


def attempt_of(players: Players) -> int:
    """How often this run has gone back."""
    return int(players.memory.get(ATTEMPT, 0))


def gentleness(players: Players, drawn: int) -> float:
    """What the learning rate is multiplied with at this clock, 0 to 1."""
    halved = int(players.memory.get(HALVED, attempt_of(players)))
    if halved == 1 and drawn >= int(players.memory[UNTIL]):
        return 1.0
    return 0.5**halved


def began_at(players: Players) -> int:
    """The images of the checkpoint that this attempt began from."""
    return int(players.memory.get(FROM, 0))


def last_good(
    run: Run, since: int, attempt: int, began: int, warn: Callable[[str], None]
) -> Checkpoint | None:
    """The newest whole checkpoint up to `since`; with each further attempt one older, if any is.

    The best one counts, too. Where all are newer the oldest is taken: a training is not thrown away
    for having kept only the last few. But if the trouble is older than where the attempt that now
    fails `began`, what that began from was ill itself, and all it left is: then there is none.
    """
    kept = {drawn: part for part in (run.best, run.checkpoints) for drawn in part.drawn()}
    clocks = sorted((drawn for drawn in kept if drawn <= since), reverse=True)
    if not clocks and since >= began:
        clocks = sorted(kept)[:1]
    for drawn in clocks[min(attempt - 1, max(len(clocks) - 1, 0)) :]:
        found = kept[drawn].first_whole([drawn], warn)
        if found and found.facts.get("run") == run.config.identity:
            return found
    return None


def begin_attempt(players: Players, attempt: int, failed: int, good: int, *, ill: bool) -> str:
    """Make what was loaded the start of an attempt; how it is gentler, in words.

    It goes back from image `failed` to `good`; `ill`: the one before it began ill.
    """
    halved, until = 1 if ill else attempt, 2 * failed - good
    values = {ATTEMPT: attempt, FROM: good, HALVED: halved, UNTIL: until}
    for name, value in values.items():
        players.memory[name] = torch.tensor(value)
    part = f"1/{2**halved} of the rate"
    return f"{part} up to {until:,} images" if halved == 1 else f"{part} from now on"


def given_up(run: Run, trouble: Trouble, failed: int) -> TrainingFailed:
    """The error that ends a run after enough attempts, and what there is of it."""
    retries = run.config.chores.retries
    again = f" again, after {retries} attempts" if retries else ""
    kinds = {"the checkpoint": run.checkpoints, "the best one": run.best}
    newest = [(name, kept.drawn()[-1]) for name, kept in kinds.items() if kept.drawn()]
    whole = " and ".join(f"{name} at {drawn:,} images is whole" for name, drawn in newest)
    what = f"{trouble.what} after {failed:,} images{again}"
    return TrainingFailed(f"{what}; {whole or 'none is saved'}. {trouble.advice}")
