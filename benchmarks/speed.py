"""What Poise costs beside the mathematics, as ratios inside one run; prints a markdown table.

    python benchmarks/speed.py [--rounds 9] [--threads 1]

Wants a machine with nothing else to do. Both sides of a ratio are timed in turn, a few steps
each, and the median of the rounds' ratios is given with the least and the most.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from poise.build import make_players
from poise.config import Config, Images
from poise.data.options import PrepareOptions
from poise.data.prepare import prepare
from poise.data.reals import Reals
from poise.keeper import Keeper
from poise.methods import METHODS, Progressive
from poise.planning import resolved
from poise.presets import recipe
from poise.run import Run
from poise.size import Size, parse_size
from poise.training import play
from poise.watcher import Watcher

SIZES = ("32", "64", "128", "256")
WITHOUT_END = 10**12  # images
FULLY_GROWN = 1_000  # images, after which what grows has its full size here


def main() -> None:
    """Measure everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    print("| what | bar | median | least | most |\n|---|---|---|---|---|")
    for method in METHODS:
        ratios = list(step_ratios(method, asked.rounds))
        show(f"a step of {method} / the same in bare PyTorch", "1.10", ratios)
    with tempfile.TemporaryDirectory() as folder:
        for size in SIZES:
            shares = list(drawing_shares(Path(folder), size, asked.rounds))
            show(f"drawing a batch / a step of wgan-gp on it, {size} px", "0.02", shares)
        shares = list(keeping_shares(Path(folder), asked.rounds))
        show("logging, sampling and saving / training, default intervals", "0.02", shares)
    show("`poise --help`, seconds", "0.5", [help_seconds() for _ in range(asked.rounds)])


def show(what: str, bar: str, values: list[float]) -> None:
    """One row."""
    middle = statistics.median(values)
    print(f"| {what} | {bar} | {middle:.4g} | {min(values):.4g} | {max(values):.4g} |", flush=True)


def small(method: str, size: Size) -> Config:
    """The default recipe, without an end, on images of three channels."""
    chosen = replace(recipe(method), images=WITHOUT_END)
    if isinstance(chosen.method, Progressive):  # at its full size, but for the first steps
        chosen = replace(chosen, method=replace(chosen.method, fade=1, settle=1))
    return resolved(Config(chosen, Images("noise", "nowhere", "", size, 3)))


class Given:
    """The same images again and again: what the two sides share costs nothing."""

    def __init__(self, n: int, size: Size) -> None:
        images = torch.rand(n, 3, *size) * 2 - 1
        self.images = images.to(memory_format=torch.channels_last)
        self.drawn = 0

    def __call__(self, n: int, size: Size | None = None) -> Tensor:
        self.drawn += n
        return self.images[:n]


def bare_loop(method: str, size: Size) -> Iterator[None]:
    """The same networks, losses, optimizers and average as a script would have them."""
    config = small(method, size)
    rule, nets, move = config.recipe.method, config.recipe.networks, config.recipe.optimizer
    g = nets.generator(size, 3).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    d = nets.critic(size, 3).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = [p.detach().clone() for p in g.parameters()]
    opt_g, opt_d = move.optimizer(g.parameters()), move.optimizer(d.parameters())
    x = Given(rule.batch, size).images
    while True:
        for _ in range(getattr(rule, "n_critic", 1)):
            with torch.no_grad():
                fake = g(torch.randn(rule.batch, nets.latent))
            loss = bare_critic_loss(method, d, x, fake)
            opt_d.zero_grad()
            torch.autograd.backward(loss)
            opt_d.step()
            if method == "wgan":
                for p in d.parameters():
                    p.data.clamp_(-0.01, 0.01)
        score = d(g(torch.randn(rule.batch, nets.latent)))
        loss = softplus(-score).mean() if method == "gan" else -score.mean()
        d.requires_grad_(False)
        opt_g.zero_grad()
        torch.autograd.backward(loss)
        opt_g.step()
        d.requires_grad_(True)
        follow(average, g)
        yield


def bare_began(size: Size) -> Iterator[None]:
    """The same for began, which has other losses and one move."""
    config = small("began", size)
    rule, nets, move = config.recipe.method, config.recipe.networks, config.recipe.optimizer
    g = nets.generator(size, 3).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    d = nets.critic(size, 3).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = [p.detach().clone() for p in g.parameters()]
    opt_g, opt_d = move.optimizer(g.parameters()), move.optimizer(d.parameters())
    x, k = Given(rule.batch, size).images, torch.zeros(())
    while True:
        loss_x = (x - d(x)).abs().mean()
        with torch.no_grad():
            fake = g(torch.rand(rule.batch, nets.latent) * 2 - 1)
        loss_d = loss_x - k * (fake - d(fake)).abs().mean()
        fake = g(torch.rand(rule.batch, nets.latent) * 2 - 1)
        loss_g = (fake - d(fake)).abs().mean()
        opt_d.zero_grad()
        opt_g.zero_grad()
        torch.autograd.backward(loss_d, inputs=list(d.parameters()))
        torch.autograd.backward(loss_g, inputs=list(g.parameters()))
        opt_d.step()
        opt_g.step()
        k = (k + 0.001 * (0.5 * loss_x - loss_g).detach()).clamp(0, 1)
        follow(average, g)
        yield


@torch.no_grad()
def follow(average: list[Tensor], g: nn.Module) -> None:
    """The running mean of weights, one by one."""
    for slow, fast in zip(average, g.parameters(), strict=True):
        slow.lerp_(fast, 0.01)


def bare_critic_loss(method: str, d: nn.Module, x: Tensor, fake: Tensor) -> Tensor:
    """The critic's loss as a script would have it."""
    if method == "gan":
        return softplus(-d(x)).mean() + softplus(d(fake)).mean()
    real = d(x)
    distance: Tensor = real.mean() - d(fake).mean()
    if method == "wgan":
        return -distance
    eps = torch.rand(len(x), 1, 1, 1)
    between = (eps * x + (1 - eps) * fake).requires_grad_()
    (slope,) = torch.autograd.grad(d(between).sum(), between, create_graph=True)
    penalty: Tensor = (slope.flatten(1).norm(dim=1) - 1).square().mean()
    loss = -distance + 10 * penalty
    return loss + 0.001 * real.square().mean() if method == "progressive" else loss


def seconds(steps: Callable[[], object], n: int) -> float:
    """How long n calls take."""
    began = time.perf_counter()
    for _ in range(n):
        steps()
    return time.perf_counter() - began


def step_ratios(method: str, rounds: int, steps: int = 4) -> Iterator[float]:
    """Poise's loop against the bare one, some steps of each in turn."""
    config = small(method, parse_size("32"))
    reals = Given(config.recipe.method.batch, config.data.size)
    reals.drawn = FULLY_GROWN
    ours = play(config, make_players(config), reals)
    size = config.data.size
    bare = bare_began(size) if method == "began" else bare_loop(method, size)
    for _ in range(8):  # warm up, and grow
        next(ours), next(bare)
    for _ in range(rounds):
        yield seconds(lambda: next(ours), steps) / seconds(lambda: next(bare), steps)


def drawing_shares(folder: Path, size: str, rounds: int) -> Iterator[float]:
    """Drawing one batch against all that a step does with one."""
    options = PrepareOptions(size=size, limit=1024)
    prepared = prepare("shapes", folder / f"{size}.poise", options)
    reals = Reals(prepared, seed=0)
    config = small("wgan-gp", prepared.size)
    batch, n_critic = config.recipe.method.batch, config.recipe.method.n_critic  # type: ignore[attr-defined]
    ours = play(config, make_players(config), Given(batch, prepared.size))
    next(ours)
    for _ in range(rounds if int(size) <= 64 else 3):
        drawing = seconds(lambda: reals(batch), 8) / 8
        yield drawing / (seconds(lambda: next(ours), 1) / n_critic)


def keeping_shares(folder: Path, rounds: int) -> Iterator[float]:
    """What the keeper's chores cost, each shared out over the images until it falls due again."""
    config = small("wgan-gp", parse_size("32"))
    run = Run.create(folder / "run", config)
    players, reals = make_players(config), Given(config.recipe.method.batch, config.data.size)
    keeper, loop = Keeper(run, players, reals, Watcher()), play(config, players, reals)
    keeper.resume()
    for _ in range(rounds):
        first, training = reals.drawn, 0.0
        for _ in range(4):
            training += seconds(lambda: next(loop), 1)
        per_image = training / (reals.drawn - first)
        before, losses = next(loop)
        cost = seconds(partial(keeper.meter.add, losses), 4) / 4 / (reals.drawn - before)
        for chore, every in (
            (lambda: keeper._log(reals.drawn), config.log_every),
            (keeper.saver._sample, config.sample_every),
            (keeper.saver._save, config.save_every),
        ):
            cost += seconds(chore, 1) / every
        yield cost / per_image


def help_seconds() -> float:
    """How long `poise --help` takes, from outside."""
    command = [sys.executable, "-m", "poise", "--help"]
    return seconds(lambda: subprocess.run(command, capture_output=True, check=True), 1)


if __name__ == "__main__":
    main()
