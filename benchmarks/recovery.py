"""Trainings that are disturbed on purpose, and how far from the undisturbed one they end.

    python benchmarks/recovery.py --out runs/recovery

One WGAN-GP on shapes at 16x16 of 20,000 images, undisturbed, and with each of 50 disturbances: a
NaN in a weight at 20 random steps; 10 that are finite (both players' weights are hit by noise as
large as they are themselves) at 10 others; and 20 that begin at a random step of the first half and
last until training goes back, if it does: for 5 the critic loses its penalty, for 5 its weights are
hit by noise at every step, for 10 both players' rates are a hundredfold. Distances are the Frechet
distance on 1,000 images of the last checkpoint. A run that is there is not made again.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from poise.config import Chores, Config
from poise.data.options import PrepareOptions
from poise.data.prepare import prepare
from poise.data.prepared import Prepared
from poise.errors import TrainingFailed
from poise.generator import load
from poise.lines import read_lines
from poise.methods import WGANGP
from poise.metrics.features import Features, features_of
from poise.metrics.frechet import frechet
from poise.metrics.lite0 import load_lite0
from poise.pictures import to_uint8
from poise.players import Players
from poise.presets import recipe
from poise.recovery import attempt_of
from poise.run import Run
from poise.session import TrainOptions, planned, with_images
from poise.training import train
from poise.watcher import Watcher

training: Any = importlib.import_module("poise.training")
IMAGES, SCORED = 20_000, 1_000
CHORES = Chores(log_every=400, save_every=2_000, measure_every=1_000, measure_images=128)

NOISE = torch.Generator().manual_seed(0)

Spoil = Callable[[Players], None]


def nan_in_a_weight(players: Players) -> None:
    """One number of the critic."""
    weight = next(players.critic.parameters()).data
    weight[(0,) * weight.ndim] = float("nan")


def noise_in_all_weights(players: Players) -> None:
    """Finite, and as large as the weights."""
    noise = torch.Generator().manual_seed(0)
    for network in (players.generator, players.critic):
        for weight in network.parameters():
            spread = weight.detach().std() if weight.numel() > 1 else weight.detach().abs().mean()
            weight.data += spread * torch.randn(weight.shape, generator=noise)


def noise_in_the_critic(players: Players) -> None:
    """A third of the spread of its weights."""
    for weight in players.critic.parameters():
        if weight.numel() > 1:
            weight.data += weight.detach().std() / 3 * torch.randn(weight.shape, generator=NOISE)


def no_penalty(players: Players) -> None:
    """Nothing at once; see `Unheld`."""


def rate_times_100(players: Players) -> None:
    """Nothing at once; see `Unheld`."""


class Unheld:
    """WGAN-GP's step without its penalty, or with another rate, where it is told to be."""

    now: Spoil | None = None
    step = WGANGP.step

    @staticmethod
    def stepping(method: WGANGP, players: Players, reals: Any) -> Any:
        """In place of `WGANGP.step`."""
        if Unheld.now is rate_times_100:
            players.set_rate(100 * players.rate)
        chosen = replace(method, penalty=0.0) if Unheld.now is no_penalty else method
        return Unheld.step(chosen, players, reals)


LASTING = (noise_in_the_critic, no_penalty)  # at every step


def disturbed(at: int, spoil: Spoil, play: Any) -> Any:
    """The loop's `play`, spoiled in the first attempt: once, or at every step from then on."""

    def playing(config: Config, players: Players, reals: Any) -> Iterator[Any]:
        waiting = True
        for before, losses in play(config, players, reals):
            first = attempt_of(players) == 0
            if waiting and reals.drawn >= at and first:
                spoil(players)
                waiting = spoil in LASTING
            Unheld.now = spoil if reals.drawn >= at and first else None
            yield before, losses
        Unheld.now = None

    return playing


def main() -> None:
    """Train, measure, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/recovery"))
    parser.add_argument("--nans", type=int, default=20)
    parser.add_argument("--noises", type=int, default=10)
    parser.add_argument("--lasting", type=int, default=10)
    parser.add_argument("--wild", type=int, default=10)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    path = asked.out / "shapes-16.poise"
    options = PrepareOptions(size="16")
    images = Prepared.open(path) if path.exists() else prepare("shapes", path, options, workers=1)
    chosen = replace(recipe("wgan-gp"), images=IMAGES)
    config = planned(str(path), chosen, TrainOptions(data=options, chores=CHORES, threads=1))
    config = with_images(config, images)
    network = load_lite0()
    reals = features_of(images.gather(images.training[:SCORED]), network)
    chance, play = random.Random(0), training.play
    moments = [chance.randrange(1_000, IMAGES) for _ in range(asked.nans + asked.noises)]
    kinds: list[tuple[str, int, Spoil | None]] = [("undisturbed", 0, None)]
    kinds += [("nan", at, nan_in_a_weight) for at in moments[: asked.nans]]
    kinds += [("noise", at, noise_in_all_weights) for at in moments[asked.nans :]]
    for k, last in zip(range(asked.lasting), itertools.cycle(LASTING), strict=False):
        kinds.append((f"lasting-{last.__name__}-{k}", chance.randrange(1_000, IMAGES // 2), last))
    wild = [chance.randrange(1_000, IMAGES // 2) for _ in range(asked.wild)]
    kinds += [("rate-x100", at, rate_times_100) for at in wild]
    WGANGP.step = Unheld.stepping  # type: ignore[method-assign, assignment]
    base = 0.0
    print("| disturbance | at image | went back | distance | of the undisturbed | outcome |")
    print("|---|---:|---:|---:|---:|---|", flush=True)
    for kind, at, spoil in kinds:
        training.play = disturbed(at, spoil, play) if spoil else play
        facts = one(asked.out / f"{kind}-{at}", config, network, reals)
        base = base or facts["distance"]
        ratio = facts["distance"] / base
        row = [kind, f"{at:,}", facts["backs"], f"{facts['distance']:.0f}", f"{ratio:.2f}"]
        print("| " + " | ".join(map(str, [*row, facts["outcome"]])) + " |", flush=True)


def one(path: Path, config: Config, network: Any, reals: Features) -> dict[str, Any]:
    """One run: made if it is not there."""
    known = path / "facts.json"
    if known.exists():
        found: dict[str, Any] = json.loads(known.read_text())
        return found
    run, outcome = Run.create(path, config), "done"
    try:
        train(run, Watcher())
    except TrainingFailed as error:
        outcome = str(error)
    events = list(read_lines(path / "events.jsonl"))
    fakes = features_of(to_uint8(load(path, at="last").sample(SCORED, seed=1)), network)
    facts = {
        "backs": sum(event["event"] == "went back" for event in events),
        "distance": frechet(reals, fakes).distance,
        "outcome": outcome,
    }
    known.write_text(json.dumps(facts))
    return facts


if __name__ == "__main__":
    main()
