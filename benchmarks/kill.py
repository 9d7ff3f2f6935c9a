"""Kills a real training with `kill -9` at random moments, resumes it, and compares bits.

    python benchmarks/kill.py --kills 50                    one training per method, killed 50 times
    python benchmarks/kill.py --kills 200 --methods wgan-gp

More than half of the kills are aimed into a save: up to 20 ms after an unfinished checkpoint shows
up on the disk. At the end every tensor of the last checkpoint (both players, the average, both
optimizers, the sums behind the next log line) and every byte of log.jsonl must be those of the
same training left alone. Prints a table and exits with 1 if anything differs.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import argparse
import hashlib
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import torch

from poise.config import Chores, Config, Images, Recipe
from poise.data.options import PrepareOptions
from poise.data.prepare import prepare
from poise.data.prepared import Prepared
from poise.lines import read_lines
from poise.methods import METHODS
from poise.networks import MLP, AutoEncoder, Growing, Networks
from poise.presets import recipe
from poise.run import EVENTS, Run
from poise.training import train
from poise.watcher import Watcher

PATIENCE = 120.0  # seconds for a training to end by itself, at most
INTO_A_SAVE = 0.6  # share of the kills
SAVE_LASTS = 0.02  # seconds that a kill waits, at most, once a save has begun
IMAGES_A_KILL = 640  # to train on between two kills, on average: some 20 steps and 3 saves
UNFINISHED = ".writing-*"  # what checkpoints.py calls a checkpoint that it has not renamed yet


@dataclass
class Tally:
    """What became of one training."""

    method: str
    kills: int = 0
    in_a_save: int = 0  # the kill left an unfinished checkpoint
    half_written: int = 0  # the kill left any unfinished file
    damaged: int = 0  # starts that found the newest checkpoint damaged
    same_tensors: bool = False
    same_log: bool = False
    left_over: int = 0  # unfinished files after the end
    seconds: float = 0.0

    def row(self) -> str:
        """A line of the table."""
        same = {True: "all", False: "**NO**"}
        cells = [self.method, self.kills, self.in_a_save, self.half_written, self.damaged]
        cells += [same[self.same_tensors], same[self.same_log], self.left_over]
        return f"| {' | '.join(map(str, cells))} | {self.seconds:.0f} s |"


def main() -> int:
    """Kill one training of each method; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50, help="of each training")
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--seed", type=int, default=0, help="of the training and of the moments")
    asked = parser.parse_args()
    print(
        "| method | kills | in a save | leaving a half-written file | damaged checkpoints |"
        " same tensors | same log | left over | time |"
    )
    print("|---|---:|---:|---:|---:|---|---|---:|---:|")
    fine = True
    with tempfile.TemporaryDirectory(prefix="poise-kill-") as folder:
        options = PrepareOptions(size="8", limit=256)
        prepared = prepare("shapes", Path(folder) / "shapes.poise", options, workers=1)
        for method in asked.methods:
            config = tiny(prepared, method, asked.kills, asked.seed)
            tally = kill_and_compare(Path(folder) / method, method, config, asked.kills)
            print(tally.row(), flush=True)
            fine &= tally.same_tensors and tally.same_log and not tally.left_over
            fine &= not tally.damaged and tally.kills == asked.kills
    return 0 if fine else 1


def tiny(prepared: Prepared, method: str, kills: int, seed: int) -> Config:
    """A training of tiny networks on 8x8 images, with a chore due at almost every step."""
    base = recipe(method)
    small: Any = replace(base.method, batch=16)  # type: ignore[type-var]
    networks: Networks = MLP(width=0.05)
    if method == "began":
        networks = AutoEncoder(width=0.07, latent=6)
    if method == "progressive":  # the fade takes the middle half of the training
        networks = Growing(latent=6, maps=32, widest=6)
        fade = IMAGES_A_KILL * (kills + 1) // 2
        small = replace(small, fade=fade, settle=fade // 2)
    data = Images("shapes", str(prepared.path), prepared.fingerprint, prepared.size, 3)
    chores = Chores(log_every=100, sample_every=1000, save_every=200, milestone_every=5000)
    images = IMAGES_A_KILL * (kills + 1)
    return Config(Recipe(small, networks, base.optimizer, images), data, chores, seed)


def kill_and_compare(folder: Path, method: str, config: Config, kills: int) -> Tally:
    """Train once undisturbed and once with kills."""
    few = replace(config, recipe=replace(config.recipe, images=500))
    train(Run.create(folder / "warm up", few), Watcher())  # loads what torch loads late
    alone, started = Run.create(folder / "alone", config), time.monotonic()
    train(alone, Watcher())
    each = (time.monotonic() - started) / (kills + 1)  # seconds: so that all kills find it running
    run, tally = Run.create(folder / "killed", config), Tally(method)
    chance = random.Random(f"{method} {config.seed}")
    started = time.monotonic()
    for _ in range(kills):
        pid = forked(lambda: train(Run.open(run.path), Watcher()))
        wait_for_start(run, pid)
        aim(run, chance, each)
        os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        if os.WIFSIGNALED(status):
            tally.kills += 1
        unfinished = half_written(run)
        tally.half_written += bool(unfinished)
        tally.in_a_save += any(path.match(UNFINISHED) for path in unfinished)
    end(forked(lambda: train(Run.open(run.path), Watcher())))
    tally.seconds = time.monotonic() - started
    events = read_lines(run.path / EVENTS)
    tally.damaged = sum(event.get("event") == "fell back" for event in events)
    tally.same_tensors = digests(run) == digests(alone)
    log = "log.jsonl"
    tally.same_log = (run.path / log).read_bytes() == (alone.path / log).read_bytes()
    tally.left_over = len(half_written(run))
    return tally


def forked(work: Callable[[], object]) -> int:
    """Do work in a fork of this process; its id.

    A fresh process takes 2.4 seconds to load torch, and its first step another 1.5 to load what
    torch loads late; a fork of one that has trained before takes 10 ms. It is safe because this
    process has one thread (OMP_NUM_THREADS is set above, before torch is loaded), so the copy holds
    no lock of a thread that it does not have.
    """
    assert psutil.Process().num_threads() == 1
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        torch.set_num_threads(1)
        work()
        code = 0
    except Exception as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
    finally:
        os._exit(code)


def end(pid: int) -> None:
    """Wait for a training to come to its end."""
    deadline = time.monotonic() + PATIENCE
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            break
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            raise SystemExit("a training did not end")
        time.sleep(0.01)
    if status:
        raise SystemExit(f"a training failed with status {status}")


def wait_for_start(run: Run, pid: int) -> None:
    """Until the training holds the lock: a kill before that disturbs nothing."""
    lock = run.path / "lock"
    deadline = time.monotonic() + PATIENCE
    while not (lock.exists() and lock.read_text().startswith(f"process {pid} ")):
        if time.monotonic() > deadline:
            raise SystemExit("a training did not start")
        time.sleep(0.0005)


def aim(run: Run, chance: random.Random, each: float) -> None:
    """Wait for the moment to kill."""
    time.sleep(chance.uniform(0, 1.2 * each))
    if chance.random() < INTO_A_SAVE:
        deadline = time.monotonic() + 2.0
        while time.monotonic() < deadline:
            if any((run.path / "checkpoints").glob(UNFINISHED)):
                break
        time.sleep(chance.uniform(0, SAVE_LASTS))


def half_written(run: Run) -> list[Path]:
    """What only an interrupted write leaves behind."""
    return [*run.path.rglob(UNFINISHED), *run.path.rglob("*.part")]


def digests(run: Run) -> dict[str, str]:
    """The sha256 of each tensor of the last checkpoint, which must be whole."""
    checkpoint = run.checkpoints.load(run.checkpoints.drawn()[-1])
    found = {"drawn": str(checkpoint.drawn)}
    for name, value in checkpoint.tensors.items():
        plain = value.contiguous().flatten().view(torch.uint8).numpy()
        found[name] = hashlib.sha256(plain.tobytes()).hexdigest()
    return found


if __name__ == "__main__":
    sys.exit(main())
