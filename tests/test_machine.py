"""Choosing threads, and telling how long it will take."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
import torch

from poise import machine
from poise.errors import OptionError
from poise.machine import device_named, duration, fastest_threads, images_per_second, with_threads
from poise.methods import WGAN

from .small import small_config


def pretend(monkeypatch: pytest.MonkeyPatch, cores: int, speeds: dict[int, float]) -> None:
    """A machine with so many cores, where training goes so fast."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)), raising=False)
    monkeypatch.setattr(machine, "images_per_second", lambda _, threads: speeds[threads])


@pytest.mark.parametrize(
    ("cores", "speeds", "best"),
    [
        (1, {1: 100.0}, 1),
        (2, {1: 100.0, 2: 160.0}, 2),
        (2, {1: 100.0, 2: 20.0}, 1),  # a busy machine
        (2, {1: 100.0, 2: 105.0}, 1),  # not worth another core
        (6, {1: 100.0, 2: 180.0, 4: 300.0}, 4),
        (4, {1: 100.0, 2: 90.0, 4: 300.0}, 4),
    ],
)
def test_the_fastest_number_of_threads_is_taken_if_it_is_worth_the_cores(
    monkeypatch: pytest.MonkeyPatch, cores: int, speeds: dict[int, float], best: int
) -> None:
    pretend(monkeypatch, cores, speeds)
    measured = fastest_threads(small_config())
    assert next(iter(measured)) == best
    assert measured == speeds
    assert with_threads(small_config(), 0)[0].threads == best


def test_omp_num_threads_is_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, 8, {1: 100.0, 2: 180.0, 4: 300.0, 8: 500.0})
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert fastest_threads(small_config()).keys() == {1, 2}


def test_a_number_that_is_given_is_taken() -> None:
    config, speeds = with_threads(small_config(network="mlp"), 1)
    assert config.threads == 1
    assert speeds[1] > 0
    with pytest.raises(OptionError, match=r"--threads must be 1 to 1024, or 0 for the .*, got -1"):
        with_threads(small_config(), -1)


def test_timing_leaves_the_number_of_threads_as_it_was() -> None:
    before = torch.get_num_threads()
    images_per_second(small_config(network="mlp"), 2, seconds=0.0)
    assert torch.get_num_threads() == before


def test_a_step_of_a_hundred_critic_updates_is_broken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "SECONDS", 0.01)
    config = small_config("wgan", network="resnet")
    rule = WGAN(batch=64, n_critic=100_000)
    config = replace(config, recipe=replace(config.recipe, method=rule))
    assert images_per_second(config, 1, seconds=0.01) > 0


def test_a_device_that_is_not_there_is_refused() -> None:
    assert device_named("cpu") == "cpu"
    assert device_named("auto") in ("cpu", "cuda", "mps")
    with pytest.raises(OptionError, match='no device "abacus" here: a --device is auto, cpu, mps'):
        device_named("abacus")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(3.4, "3 seconds"), (90, "2 minutes"), (3000, "50 minutes"), (9000, "2.5 hours")],
)
def test_a_length_of_time_is_said_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words
