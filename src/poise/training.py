"""The one training loop.

A method pulls the batches that its algorithm asks for; the clock is the images drawn; everything
else (log, samples, checkpoints) is a chore that the keeper sees to after a step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace

import torch

from . import ranks
from .build import make_players
from .config import Config
from .keeper import Keeper
from .lock import locked
from .optim import rate_after
from .own_images import reals_of
from .players import Losses, Players, Reals
from .recovery import attempt_of, gentleness
from .run import Run
from .watcher import Watcher

WARM_UP = 0.1  # the average's half-life is at most this share of the images drawn so far


def train(run: Run, watcher: Watcher, stop: Callable[[], bool] = lambda: False) -> bool:
    """Train a run from where it stands to its end, or until `stop`; whether the end was reached.

    Raises:
        InputError: its images changed or are gone, or somebody else trains it.
        TrainingFailed: the training gave way; what was saved is whole.
    """
    config = replace(run.config, device=ranks.own_device(run.config.device))
    rank, of = ranks.join(config.device)
    with locked(run.path) if rank == 0 else nullcontext():
        torch.set_num_threads(config.threads)
        torch.backends.cudnn.deterministic = True  # on CUDA, too, a resume is to the bit
        reals = reals_of(run, config.device, watcher, rank, of)
        players = make_players(config, rank, of)
        keeper = Keeper(run, players, reals, watcher, reals.prepared)
        keeper.resume()
        for before, losses in play(config, players, reals):
            keeper.after_step(before, losses)
            if ranks.any_rank(stop() or keeper.enough):
                break
        done = keeper.close()
    ranks.leave()
    return done


def play(config: Config, players: Players, reals: Reals) -> Iterator[tuple[int, Losses]]:
    """Step until the run's images are drawn; yield the clock before each step, and its losses.

    Every random number and every rate of a step is a function of (seed, attempt, clock), so a run
    that is resumed repeats the unbroken one to the bit and no generator's state is saved.
    """
    while reals.drawn < config.recipe.images:
        before = reals.drawn
        players.seed_noise(config.seed, attempt_of(players), before)
        players.set_clock(before)
        players.set_rate(rate_after(config.recipe.optimizer, before) * gentleness(players, before))
        try:
            losses = config.recipe.method.step(players, reals)
        except (RuntimeError, MemoryError) as error:
            players.make_room(error, before)
            reals.drawn = before  # the same images again, in smaller batches
            continue
        halflife = min(config.average, max(1.0, WARM_UP * reals.drawn))
        players.update_average(reals.drawn - before, halflife)
        yield before, losses | players.moved()
