"""Short trainings, sick on purpose or healthy, and what the monitor says of each.

    python benchmarks/verdicts.py train --out runs/verdicts            # about 40 minutes on one core
    python benchmarks/verdicts.py judge --out runs/verdicts --page docs/verdicts.md

A case is made sick by its options or by a hand in the players (a critic whose optimizer does not
move, latents that are all the same), and its truth is written here before anything is trained. Half
of the cases, every second one of each kind, are for design; the others are held back: the monitor's
thresholds must not be set by looking at them. A case that is there is not trained again.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from poise.build import make_players
from poise.config import Chores, Config, Images, Recipe
from poise.data.options import PrepareOptions
from poise.data.prepare import prepare
from poise.data.prepared import Prepared
from poise.data.reals import Reals
from poise.errors import TrainingFailed
from poise.keeper import Keeper
from poise.measuring import Measuring
from poise.methods import BEGAN, GAN, WGAN, WGANGP
from poise.optim import Adam
from poise.players import Players
from poise.presets import recipe
from poise.run import Run
from poise.training import play
from poise.watcher import Watcher

SIZE, IMAGES = "16", 20_000
SETS = ("shapes", "digits", "fashion")
CHORES = Chores(
    log_every=400,
    measure_every=1_000,
    measure_images=128,
    measure_by="swd",
    sample_every=IMAGES,
    save_every=2_000,
    keep=100,
    retries=0,
)

Hand = Callable[[Players], None]
SICK = {"diverging", "collapsing", "oscillating"}


@dataclass(frozen=True)
class Case:
    """One training and its truth."""

    name: str
    data: str
    recipe: Recipe
    truth: frozenset[str]  # the verdicts that are right; empty for a healthy one
    seed: int = 0
    hand: Hand | None = None
    few: int = 0  # training images; 0 for all


def still(which: str) -> Hand:
    """A player that does not learn."""

    def hand(players: Players) -> None:
        getattr(players, which).step = lambda: None

    return hand


def faster(which: str, factor: float) -> Hand:
    """A player with another rate than the other: its rate is multiplied whenever it moves."""

    def hand(players: Players) -> None:
        optimizer = getattr(players, which)
        step = optimizer.step

        def scaled() -> None:
            before = [group["lr"] for group in optimizer.param_groups]
            for group in optimizer.param_groups:
                group["lr"] = group["lr"] * factor
            step()
            for group, lr in zip(optimizer.param_groups, before, strict=True):
                group["lr"] = lr

        optimizer.step = scaled

    return hand


def same_latents(players: Players) -> None:
    """A generator that is always asked for the same image, nearly."""
    players.generator.register_forward_pre_hook(lambda module, args: (args[0] * 0.01 + 0.3,))
    players.average.register_forward_pre_hook(lambda module, args: (args[0] * 0.01 + 0.3,))


def few_directions(players: Players) -> None:
    """A generator that gets two numbers of each latent and knows no others."""

    def cut(module: Any, args: Any) -> Any:
        kept = args[0].clone()
        kept[:, 2:] = 0
        return (kept,)

    players.generator.register_forward_pre_hook(cut)
    players.average.register_forward_pre_hook(cut)


def spoilt(after: int) -> Hand:
    """A generator that gets a NaN after so many moves, and again after as many."""

    def hand(players: Players) -> None:
        optimizer, moves = players.opt_g, [0]
        step = optimizer.step

        def spoiling() -> None:
            step()
            moves[0] += 1
            if moves[0] % after == 0:
                with torch.no_grad():
                    next(players.generator.parameters()).view(-1)[0] = float("nan")

        optimizer.step = spoiling  # type: ignore[method-assign]

    return hand


def with_rate(base: Recipe, factor: float) -> Recipe:
    """Another learning rate."""
    move: Any = base.optimizer
    return replace(base, optimizer=replace(move, lr=min(move.lr * factor, 5.0)))


def cases() -> Iterator[Case]:
    """All, healthy and sick; a method is named by its preset."""
    base = {
        name: replace(recipe(name), images=IMAGES)
        for name in ("gan", "wgan", "wgan-gp", "began", "progressive")
    }
    phase = IMAGES // 8
    grown: Any = base["progressive"].method
    networks: Any = replace(base["progressive"].networks, width=1.0, maps=512, widest=64)  # type: ignore[type-var]
    base["progressive"] = replace(
        base["progressive"], method=replace(grown, fade=phase, settle=phase), networks=networks
    )
    for method, chosen in base.items():
        for data in SETS:
            if (method, data) != ("began", "shapes"):  # collapses: docs/methods/began.md
                for seed in range(3):
                    yield Case(f"{method}-{data}-healthy-{seed}", data, chosen, frozenset(), seed)
    yield from sick(base)


def sick(base: dict[str, Recipe]) -> Iterator[Case]:
    """Those that are made to fail, and what may be said of them."""

    def case(name: str, data: str, chosen: Recipe, truth: set[str], **more: Any) -> Case:
        return Case(f"{name}-{data}", data, chosen, frozenset(truth), **more)

    for data in SETS[:2]:
        for method, chosen in base.items():
            yield case(
                f"{method}-rate-x100", data, with_rate(chosen, 100), SICK | {"critic overpowers"}
            )
            yield case(f"{method}-same-latents", data, chosen, {"collapsing"}, hand=same_latents)
        gp, clipped, gan, began = (base[k] for k in ("wgan-gp", "wgan", "gan", "began"))
        yield case("wgan-gp-no-penalty", data, replace(gp, method=WGANGP(32, 2, penalty=0.0)), SICK)
        yield case("wgan-clip-10", data, replace(clipped, method=WGAN(32, 3, clip=10.0)), SICK)
        tiny = replace(clipped, method=WGAN(32, 3, clip=1e-4))
        yield case("wgan-clip-.0001", data, tiny, {"clip saturated"})
        momentum = replace(clipped, optimizer=Adam(5e-3, beta1=0.9, beta2=0.999))
        yield case("wgan-momentum", data, momentum, SICK | {"clip saturated"})
        for method in ("gan", "wgan", "wgan-gp"):
            weak = {"generator overpowers", "diverging", "collapsing"}
            still_c = still("opt_c")
            yield case(f"{method}-critic-still", data, base[method], weak, hand=still_c)
        for method in ("gan", "wgan-gp"):
            stuck = {"critic overpowers", "stalled"}
            yield case(f"{method}-generator-still", data, base[method], stuck, hand=still("opt_g"))
            yield case(
                f"{method}-few-directions", data, base[method], {"collapsing"}, hand=few_directions
            )
        strong = replace(gan, method=GAN(saturating=True))
        hand = faster("opt_c", 20)
        yield case("gan-saturating-fast-critic", data, strong, {"critic overpowers"}, hand=hand)
        for method in ("gan", "wgan-gp", "progressive"):
            yield case(f"{method}-50-images", data, base[method], {"critic overfits"}, few=50)
        ratio = {"equilibrium lost", "collapsing"}
        yield case("began-gamma-.01", data, replace(began, method=BEGAN(gamma=0.01)), ratio)
        loose = replace(began, method=BEGAN(gamma=0.9, lambda_k=0.0))
        yield case("began-no-controller", data, loose, ratio)
        for method in ("gan", "wgan-gp"):
            yield case(f"{method}-nan", data, base[method], {"diverging"}, hand=spoilt(40))


def held_back(name: str, names: list[str]) -> bool:
    """Every second case in the order of their names."""
    return sorted(names).index(name) % 2 == 1


def prepared_set(out: Path, data: str) -> Prepared:
    """A set at the size of all cases."""
    path = out / "sets" / f"{data}-{SIZE}.poise"
    options = PrepareOptions(size=SIZE)
    return Prepared.open(path) if path.exists() else prepare(data, path, options, workers=1)


def trained(case: Case, out: Path) -> None:
    """One case, from beginning to end, or to where it gives way."""
    prepared = prepared_set(out, case.data)
    if case.few:
        spread = np.linspace(0, len(prepared.training) - 1, case.few).astype(np.int64)
        prepared.__dict__["training"] = prepared.training[spread]
    images = Images(
        case.data,
        str(prepared.path),
        prepared.fingerprint,
        prepared.size,
        prepared.channels,
        PrepareOptions(size=SIZE),
    )
    config = Config(case.recipe, images, CHORES, case.seed)
    torch.set_num_threads(1)
    players = make_players(config)
    if case.hand:
        case.hand(players)
    run = Run.create(out / case.name, config)
    reals = Reals(prepared, seed=config.seed, size=prepared.size)
    keeper = Keeper(run, players, reals, Watcher(), Measuring(config, prepared))
    began, failed = time.monotonic(), ""
    try:
        keeper.resume()
        for before, losses in play(config, players, reals):
            keeper.after_step(before, losses)
        keeper.close()
    except TrainingFailed as error:
        failed = str(error)
    facts = {"seconds": time.monotonic() - began, "failed": failed, "drawn": reals.drawn}
    (run.path / "case.json").write_text(json.dumps(facts))
    print(f"{case.name}: {facts['seconds']:.0f} s {failed}", flush=True)


def main() -> None:
    """Train the cases that are missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", choices=("train",))
    parser.add_argument("--out", type=Path, default=Path("runs/verdicts"))
    parser.add_argument("--only", default="", help="part of a case's name")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    for case in cases():
        if asked.only in case.name and not (asked.out / case.name / "case.json").exists():
            trained(case, asked.out)


if __name__ == "__main__":
    main()
