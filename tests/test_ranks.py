"""Many ranks play the same game as one: on one machine, over Gloo."""

from __future__ import annotations

import dataclasses
import importlib
import json
import multiprocessing
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from poise import meter as meter_module
from poise import ranks
from poise.build import make_players
from poise.config import Config
from poise.data.prepared import Prepared
from poise.errors import OptionError
from poise.meter import Meter
from poise.methods import METHODS
from poise.own_images import batches_of, reals_of
from poise.players import Players
from poise.recovery import attempt_of
from poise.run import Run
from poise.size import Size
from poise.watcher import Watcher

from .helpers import PATIENCE, free_port, tiny
from .small import Noise, networks_for, play_to, small_config

IMAGES = 48


def unmixed(method: str) -> Config:
    """A run whose networks do not mix the images of a batch."""
    if method == "converged":  # what ends a level is decided by all ranks alike
        config = small_config("progressive", move="sgd", images=IMAGES)
        rule: Any = dataclasses.replace(
            config.recipe.method,  # type: ignore[type-var]
            grow="converged",
            least=0.0,
            settle=8,
            fade=8,
        )
        return dataclasses.replace(config, recipe=dataclasses.replace(config.recipe, method=rule))
    chosen = networks_for(method)
    return small_config(method, network="mlp" if "mlp" in chosen else chosen[0], images=IMAGES)


def one_rank(method: str, rank: int, of: int, port: int, out: Path) -> None:
    """What one process of torchrun does; its players' state goes to a file."""
    os.environ.update(
        RANK=str(rank), WORLD_SIZE=str(of), MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port)
    )
    assert ranks.join("cpu") == (rank, of)
    config = unmixed(method)
    players = make_players(config, rank, of)
    meter = play_to(config, IMAGES, players, Noise(rank=rank, ranks=of))
    meter.share()
    sums = {name: value.item() for name, value in meter.state().items()}
    state = {name: value.flatten().tolist() for name, value in players.state().items()}
    said = ranks.any_rank(rank == 1)  # one rank alone was asked to stop
    out.write_text(json.dumps({"state": state, "sums": sums, "means": meter.read(), "said": said}))
    ranks.leave()


@pytest.mark.parametrize("method", [*METHODS, "converged"])
def test_two_ranks_with_half_the_batch_each_take_the_steps_of_one_with_all_of_it(
    method: str, tmp_path: Path
) -> None:
    port = free_port()
    fork = multiprocessing.get_context("fork")  # one thread each, so forking is safe; and quick
    outs = [tmp_path / f"{rank}.json" for rank in range(2)]
    others = [
        fork.Process(target=one_rank, args=(method, rank, 2, port, out))
        for rank, out in enumerate(outs)
    ]
    for process in others:
        process.start()
    for process in others:
        process.join(60)
        assert process.exitcode == 0
    told = [json.loads(out.read_text()) for out in outs]
    assert told[0]["state"] == told[1]["state"]  # the ranks agree to the bit
    assert told[0]["sums"] == told[1]["sums"]  # what one saves is what all know
    assert told[0]["means"] == told[1]["means"]
    assert [each["said"] for each in told] == [True, True]

    config = unmixed(method)
    alone = make_players(config)
    means = play_to(config, IMAGES, alone, Noise()).read()
    for name, value in alone.state().items():
        got = torch.tensor(told[0]["state"][name]).view_as(value).to(value.dtype)
        assert torch.allclose(got, value, rtol=1e-3, atol=2e-5), name
    assert told[0]["means"] == pytest.approx(means, rel=1e-3, abs=1e-4)


def trained_by_rank(path: Path, rank: int, of: int, port: int, poisoned: bool) -> None:
    """`poise train` of one rank, whose critic is spoiled once."""
    os.environ.update(
        RANK=str(rank), WORLD_SIZE=str(of), MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port)
    )
    train_module: Any = importlib.import_module("poise.training")
    play = train_module.play

    def spoiling(config: Config, players: Players, reals: Any) -> Iterator[Any]:
        for before, losses in play(config, players, reals):
            if poisoned and reals.drawn == 320 and attempt_of(players) == 0:
                next(players.critic.parameters()).data.view(-1)[0] = float("nan")
            yield before, losses

    train_module.play = spoiling
    assert train_module.train(Run.open(path), Watcher())


@pytest.mark.parametrize("poisoned", [False, True])
def test_two_ranks_measure_go_back_and_end_together(
    poisoned: bool, shapes: Prepared, tmp_path: Path
) -> None:
    config = tiny(shapes)
    chores = dataclasses.replace(config.chores, measure_every=160, measure_images=64)
    run = Run.create(tmp_path / "run", dataclasses.replace(config, chores=chores))
    port, fork = free_port(), multiprocessing.get_context("fork")
    both = [
        fork.Process(target=trained_by_rank, args=(run.path, rank, 2, port, poisoned))
        for rank in range(2)
    ]
    for process in both:
        process.start()
    for process in both:
        process.join(60)
        assert process.exitcode == 0
    lines = (run.path / "events.jsonl").read_text().splitlines()
    told = [json.loads(line) for line in lines]
    backs = [event["to"] for event in told if event["event"] == "went back"]
    assert backs == ([224] if poisoned else [])
    assert [event["event"] for event in told].count("done") == 1
    assert run.checkpoints.drawn()[-1] == 640
    assert [line["drawn"] for line in run.measures()] == [160, 320, 480, 640]


def test_the_shares_of_all_ranks_make_one_global_draw() -> None:
    def players(rank: int, of: int) -> Players:
        made = make_players(small_config(network="mlp"), rank, of)
        made.seed_noise(1, 2, 3)
        return made

    alone, shared = players(0, 1), [players(rank, 4) for rank in range(4)]
    assert torch.equal(torch.cat([p.latents(8) for p in shared]), alone.latents(8))
    assert torch.equal(torch.cat([p.uniform(8) for p in shared]), alone.uniform(8))


def test_batches_that_the_ranks_cannot_share_are_refused_before_training(
    shapes: Prepared, tmp_path: Path
) -> None:
    run = Run.create(tmp_path / "run", tiny(shapes, "progressive"))
    reals = reals_of(run, "cpu", Watcher(), 0, 8)
    assert reals(16, Size(4, 4)).shape == (2, 3, 4, 4)
    with pytest.raises(OptionError, match="a batch of 16 images cannot be shared by 3 ranks: it"):
        reals_of(run, "cpu", Watcher(), 0, 3)
    large = dataclasses.replace(run.config.data, size=Size(64, 96))
    assert batches_of(dataclasses.replace(run.config, data=large)) == {16}
    rule: Any = dataclasses.replace(run.config.recipe.method, batch=128)  # type: ignore[type-var]
    recipe = dataclasses.replace(run.config.recipe, method=rule)
    assert batches_of(dataclasses.replace(run.config, data=large, recipe=recipe)) == {
        *(128, 84, 40, 20)
    }


def test_alone_nothing_is_met_and_nothing_is_changed() -> None:
    assert ranks.join("cpu") == (0, 1)
    assert not ranks.together()
    assert not ranks.any_rank(False)
    values = torch.arange(3.0)
    assert ranks.mean_over_ranks(values) is values


def test_a_mean_of_the_log_counts_every_rank_by_its_finite_steps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two ranks, of which the other had one finite step of 9 where this one had three of 1."""
    monkeypatch.setattr(meter_module, "mean_over_ranks", lambda mine: (mine + other) / 2)
    for shared in (False, True):  # by a save before the line
        meter = Meter()
        for _ in range(3):
            meter.add({"a": torch.tensor(1.0)})
        other: Any = torch.tensor([[9.0], [1.0]])
        if shared:
            parts = iter([torch.tensor(9.0), torch.tensor(1.0)])
            monkeypatch.setattr(
                meter_module, "mean_over_ranks", lambda mine, parts=parts: (mine + next(parts)) / 2
            )
            meter.share()
            monkeypatch.setattr(meter_module, "mean_over_ranks", lambda mine: mine)
        assert meter.read() == {"a": 3.0}


def made_by_the_first(attempt: str, port: int, out: Path) -> None:
    """What the first rank of an attempt takes for the run."""
    os.environ.update(RANK="0", WORLD_SIZE="2", TORCHELASTIC_RESTART_COUNT=attempt)
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    os.environ["TORCHELASTIC_USE_AGENT_STORE"] = "True"

    def make() -> Path:
        (out / attempt).mkdir()
        return out / attempt

    (out / f"told {attempt}").write_text(ranks.first_makes("run", make).name)


@pytest.mark.parametrize(("gone", "second"), [(False, "0"), (True, "1")])
def test_an_attempt_after_a_restart_goes_on_with_the_run_of_the_first(
    gone: bool, second: str, tmp_path: Path
) -> None:
    """By the same words, which ask for a new run: torchrun restarts with what it began with."""
    store: Any = torch.distributed.TCPStore(  # type: ignore[attr-defined]
        "127.0.0.1", 0, is_master=True, wait_for_workers=False
    )
    fork = multiprocessing.get_context("fork")
    for attempt in ("0", "1"):
        first = fork.Process(target=made_by_the_first, args=(attempt, store.port, tmp_path))
        first.start()
        first.join(PATIENCE)
        assert first.exitcode == 0
        if gone and attempt == "0":
            (tmp_path / "0").rmdir()
    told = [(tmp_path / f"told {attempt}").read_text() for attempt in ("0", "1")]
    assert told == ["0", second]


@pytest.mark.parametrize(
    ("device", "backend", "current"),
    [("cpu", "gloo", []), ("cuda:1", "cpu:gloo,cuda:nccl", ["cuda:1"])],
)
def test_ranks_meet_on_the_device_of_the_run(
    device: str, backend: str, current: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also on a machine with GPUs that the run does not use."""
    told: dict[str, Any] = {"current": []}
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "set_device", told["current"].append)
    monkeypatch.setattr(ranks, "_store", lambda: None)
    monkeypatch.setattr(
        torch.distributed, "init_process_group", lambda by, **rest: told.update(by=by, **rest)
    )
    assert ranks.join(device) == (1, 2)
    assert (told["by"], told["rank"], told["world_size"]) == (backend, 1, 2)
    assert told["current"] == current


@pytest.mark.parametrize(
    ("of", "asked", "own"),
    [
        ("2", "cuda", "cuda:1"),
        ("2", "cuda:0", "cuda:1"),
        ("2", "cpu", "cpu"),
        ("1", "cuda:3", "cuda:3"),
    ],
)
def test_each_of_several_ranks_has_a_gpu_of_its_own(
    of: str, asked: str, own: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", of)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert ranks.own_device(asked) == own
