"""Short trainings, sick on purpose or healthy, and what the monitor says of each.

    python benchmarks/verdicts.py train      # 107 trainings, 10 to 110 s each
    python benchmarks/verdicts.py measure    # the Frechet distance along each
    python benchmarks/verdicts.py keep       # their histories, as docs/verdicts.json
    python benchmarks/judge_verdicts.py      # the tables of docs/verdicts.md

A training draws 20,000 images, those on 50 images 100,000.

A case is made sick by its options or by a hand in the players (a critic whose optimizer does not
move, latents that are all the same), and its truth is written here before anything is trained. Half
of the cases, every second one of each kind, are for design; the others are held back: the monitor's
thresholds must not be set by looking at them, so they have seeds of their own, to be changed when
thresholds are set anew. A case that is there is not trained again, and one that is not there keeps
the history that it has.
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
from torch.nn.functional import interpolate

from poise.build import make_players
from poise.config import Chores, Config, Images, Recipe
from poise.data.options import PrepareOptions
from poise.data.prepare import prepare
from poise.data.prepared import Prepared
from poise.data.reals import Reals
from poise.errors import TrainingFailed
from poise.keeper import Keeper
from poise.methods import BEGAN, GAN, WGAN, WGANGP
from poise.metrics.features import Features, features_of
from poise.metrics.frechet import frechet
from poise.metrics.lite0 import Lite0, load_lite0
from poise.optim import Adam
from poise.pictures import to_uint8
from poise.players import Players
from poise.presets import recipe
from poise.run import Run
from poise.sampling import draw
from poise.training import play
from poise.watcher import Watcher

SIZE, IMAGES = "16", 20_000
BY_HEART = 100_000  # images until even a small critic knows 50 of them by heart
HELD_BACK = 30  # added to the seeds of those held back: none of them has been judged before
SCORED = 128  # images of each kind for a Frechet distance
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
    alike: int = 0  # training images, those nearest to one: one mode of the data; 0 for all


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
                    weight = next(players.generator.parameters())
                    weight[(0,) * weight.ndim] = float("nan")

        setattr(optimizer, "step", spoiling)  # noqa: B010 - as a hand would

    return hand


def with_rate(base: Recipe, factor: float) -> Recipe:
    """Another learning rate."""
    move: Any = base.optimizer
    return replace(base, optimizer=replace(move, lr=min(move.lr * factor, 5.0)))


def cases() -> list[Case]:
    """All, those for design first, with their seeds."""
    every = list(named())
    names = [case.name for case in every]
    back = {name for name in names if held_back(name, names)}
    seeded = [replace(c, seed=c.seed + HELD_BACK) if c.name in back else c for c in every]
    return sorted(seeded, key=lambda case: case.name in back)


def named() -> Iterator[Case]:
    """All, healthy and sick; a method is named by its preset."""
    base = {
        name: replace(recipe(name), images=IMAGES)
        for name in ("gan", "wgan", "wgan-gp", "began", "progressive")
    }
    phase = IMAGES // 8
    grown: Any = base["progressive"].method
    networks: Any = replace(base["progressive"].networks, width=1.0, maps=256, widest=32)  # type: ignore[type-var]
    base["progressive"] = replace(
        base["progressive"], method=replace(grown, fade=phase, settle=phase), networks=networks
    )
    for method, chosen in base.items():
        for data in SETS:
            for seed in range(3):
                yield Case(f"{method}-{data}-healthy-{seed}", data, chosen, frozenset(), seed)
    yield from sick(base)


def sick(base: dict[str, Recipe]) -> Iterator[Case]:
    """Those that are made to fail, and what may be said of them."""

    def case(name: str, data: str, chosen: Recipe, truth: set[str], **more: Any) -> Case:
        return Case(f"{name}-{data}", data, chosen, frozenset(truth), **more)

    for data in SETS[:2]:
        for method, chosen in base.items():
            # A hundredfold does these two no harm: batch norm, or weights at their bound anyway.
            times = 1000 if method in ("gan", "wgan") else 100
            wild = with_rate(chosen, times)
            yield case(f"{method}-rate-x{times}", data, wild, SICK | {"critic overpowers"})
            yield case(f"{method}-same-latents", data, chosen, {"collapsing"}, hand=same_latents)
        gp, clipped, gan, began = (base[k] for k in ("wgan-gp", "wgan", "gan", "began"))
        yield case("wgan-gp-no-penalty", data, replace(gp, method=WGANGP(32, 2, penalty=0.0)), SICK)
        yield case("wgan-clip-10", data, replace(clipped, method=WGAN(32, 3, clip=10.0)), SICK)
        tiny = replace(clipped, method=WGAN(32, 3, clip=1e-4))
        yield case("wgan-clip-.0001", data, tiny, {"clip saturated"})
        # Ten times the preset's rate: at the preset's, momentum did no harm on digits.
        momentum = replace(clipped, optimizer=Adam(5e-2, beta1=0.9, beta2=0.999))
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
            # Held-out images are of all modes: a critic that knows one scores the others below it.
            seen = {"critic overfits", "collapsing"}
            yield case(f"{method}-one-mode", data, base[method], seen, alike=200)
        strong = replace(gan, method=GAN(saturating=True))
        hand = faster("opt_c", 20)
        yield case("gan-saturating-fast-critic", data, strong, {"critic overpowers"}, hand=hand)
        for method in ("gan", "wgan-gp", "progressive"):
            longer = replace(base[method], images=BY_HEART)
            yield case(f"{method}-50-images", data, longer, {"critic overfits"}, few=50)
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
    if case.alike:
        images = prepared.gather(prepared.training).astype(np.float32)
        away = ((images - images[0]) ** 2).sum(axis=(1, 2, 3))
        prepared.__dict__["training"] = prepared.training[np.sort(np.argsort(away)[: case.alike])]
    kept = Images(
        case.data,
        str(prepared.path),
        prepared.fingerprint,
        prepared.size,
        prepared.channels,
        PrepareOptions(size=SIZE),
    )
    config = Config(case.recipe, kept, CHORES, case.seed)
    players = make_players(config)
    if case.hand:
        case.hand(players)
    run = Run.create(out / case.name, config)
    reals = Reals(prepared, seed=config.seed, size=prepared.size)
    keeper = Keeper(run, players, reals, Watcher(), prepared)
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


def measured(case: Case, out: Path, network: Lite0, reals: dict[str, Features]) -> None:
    """The Frechet distance of the average generator at every second checkpoint."""
    run, found = Run.open(out / case.name), []
    config = run.config
    prepared = prepared_set(out, case.data)
    if case.data not in reals:
        reals[case.data] = features_of(prepared.gather(prepared.training[:SCORED]), network)
    for drawn in run.checkpoints.drawn()[1::2]:
        players = make_players(config)
        if case.hand:
            case.hand(players)
        tensors = run.checkpoints.load(drawn).tensors
        players.load({k: v for k, v in tensors.items() if not k.startswith("meter.")})
        images = draw(players.average, players.space.fixed(SCORED, case.seed))
        images = interpolate(images, size=tuple(config.data.size), mode="nearest")
        features = features_of(to_uint8(images), network)
        found.append((drawn, frechet(reals[case.data], features).distance))
    (run.path / "frechet.json").write_text(json.dumps(found))
    print(f"{case.name}: {found}", flush=True)


def kept(case: Case, out: Path) -> dict[str, Any]:
    """All that a verdict on a case needs: its history, and what its images were."""
    run = Run.open(out / case.name)
    facts = json.loads((run.path / "case.json").read_text())
    found = {
        "name": case.name,
        "seed": case.seed,
        "gave way": int(facts["drawn"]) if "not finite" in facts["failed"] else 0,
        "frechet": json.loads((run.path / "frechet.json").read_text()),
    }
    return found | {"log": in_columns(run.history()), "measures": in_columns(run.measures())}


def keep(every: list[Case], out: Path, to: Path) -> None:
    """Write the histories of all: what lies in `out`, and what was written before of the others."""
    earlier = {h["name"]: h for h in json.loads(to.read_text())} if to.exists() else {}
    found = [kept(c, out) if (out / c.name).exists() else earlier[c.name] for c in every]
    for case, history in zip(every, found, strict=True):
        if history["seed"] != case.seed:
            raise SystemExit(f"{case.name} is kept with seed {history['seed']}: train it first.")
    to.write_text("[\n" + ",\n".join(json.dumps(history) for history in found) + "\n]\n")


def in_columns(lines: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """By name; with 5 digits, which change no verdict."""
    names = {name: None for line in lines for name in line if name not in ("verdict", "skipped")}
    return {name: [short(line.get(name)) for line in lines] for name in names}


def short(value: Any) -> Any:
    """A number with 5 digits."""
    return float(f"{value:.5g}") if isinstance(value, float) else value


def main() -> None:
    """Train or measure the cases, or keep what there is to judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", choices=("train", "measure", "keep"))
    parser.add_argument("--out", type=Path, default=Path("runs/verdicts"))
    parser.add_argument("--only", default="", help="part of a case's name")
    parser.add_argument("--to", type=Path, default=Path("docs/verdicts.json"))
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    every = cases()
    torch.set_num_threads(1)
    if asked.work == "keep":
        keep(every, asked.out, asked.to)
        return
    done = "case.json" if asked.work == "train" else "frechet.json"
    reals: dict[str, Features] = {}
    network = load_lite0() if asked.work == "measure" else None
    for case in every:
        path = asked.out / case.name
        if asked.only not in case.name or (path / done).exists():
            continue
        if network is None:
            trained(case, asked.out)
        elif (path / "case.json").exists():
            measured(case, asked.out, network, reals)


if __name__ == "__main__":
    main()
