"""A configuration comes back from JSON as it was; presets hold their papers' numbers."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from poise.config import Chores, Config, config_from_json, pick
from poise.errors import OptionError, RunError
from poise.methods import METHODS
from poise.presets import PRESETS, recipe

from .small import small_config

CASES = [(method, preset) for method, presets in PRESETS.items() for preset in presets]


@pytest.mark.parametrize(("method", "preset"), CASES)
def test_every_preset_comes_back_from_json_as_it_was(method: str, preset: str) -> None:
    config = replace(small_config(), recipe=recipe(method, preset), seed=3, average=5)
    assert config_from_json(json.loads(json.dumps(config.to_json()))) == config


def test_every_method_has_a_default_and_the_papers_preset() -> None:
    assert PRESETS.keys() == METHODS.keys()
    assert all({"default", "paper"} <= presets.keys() for presets in PRESETS.values())


def numbers(method: str, preset: str) -> dict[str, Any]:
    """All hyperparameters of a preset, flat."""
    chosen = recipe(method, preset)
    more = {"images": chosen.images, "filters": getattr(chosen.networks, "filters", None)}
    return more | vars(chosen.method) | vars(chosen.networks) | vars(chosen.optimizer)


@pytest.mark.parametrize(
    ("method", "preset", "paper"),
    [
        ("wgan", "paper", {"lr": 5e-5, "clip": 0.01, "batch": 64, "n_critic": 5, "latent": 100}),
        ("wgan", "paper", {"thorough": True, "critic_norm": "batch"}),
        ("wgan-gp", "paper", {"lr": 1e-4, "beta1": 0.0, "beta2": 0.9, "batch": 64}),
        ("wgan-gp", "paper", {"penalty": 10.0, "n_critic": 5, "critic_norm": "layer"}),
        ("wgan-gp", "mnist", {"lr": 1e-4, "beta1": 0.5, "beta2": 0.9, "batch": 50}),
        ("wgan-gp", "cifar-dcgan", {"lr": 1e-4, "beta1": 0.5, "width": 2, "latent": 128}),
        ("wgan-gp", "cifar-resnet", {"lr": 2e-4, "beta1": 0.0, "decay": 32_000_000}),
        ("began", "paper", {"lr": 1e-4, "gamma": 0.5, "lambda_k": 0.001, "batch": 16}),
        ("began", "paper", {"eta": 1, "latent": 64, "filters": 128, "floor": 2e-5}),
        ("progressive", "paper", {"fade": 600_000, "settle": 600_000, "n_critic": 1}),
        ("progressive", "paper", {"penalty": 10.0, "drift": 0.001, "target": 1.0}),
        ("progressive", "paper", {"latent": 512, "maps": 8192, "widest": 512, "width": 1.0}),
        ("progressive", "paper", {"lr": 1e-3, "beta1": 0.0, "beta2": 0.99, "images": 12_000_000}),
        ("progressive", "cifar", {"fade": 400_000, "settle": 400_000, "target": 750.0}),
        ("progressive", "cifar", {"maps": 4096, "widest": 128, "latent": 128}),
        ("progressive", "stacked-digits", {"n_critic": 5, "batch": 64, "drift": 0.0}),
        ("gan", "paper", {"lr": 2e-4, "beta1": 0.5, "beta2": 0.999, "batch": 128}),
    ],
)
def test_presets_hold_their_papers_numbers(method: str, preset: str, paper: dict[str, Any]) -> None:
    assert numbers(method, preset).items() >= paper.items()


@pytest.mark.parametrize(
    ("images", "every"), [(1, 400), (20_000, 400), (24_000, 480), (100_000, 2_000), (10**9, 2_000)]
)
def test_a_short_run_logs_more_often_so_that_there_is_a_verdict_on_it(
    images: int, every: int
) -> None:
    config = small_config(images=images)
    assert replace(config, chores=Chores()).log_every == every
    assert replace(config, chores=Chores(log_every=7)).log_every == 7


def test_a_configuration_of_a_newer_version_is_refused() -> None:
    plain = small_config().to_json() | {"version": 2}
    with pytest.raises(RunError, match="is of version 2, this Poise reads up to 1"):
        config_from_json(plain)


@pytest.mark.parametrize("part", ["recipe", "data", "chores"])
@pytest.mark.parametrize("bad", [None, 3, [], {"unknown": 1}])
def test_what_is_not_a_configuration_is_refused(part: str, bad: object) -> None:
    with pytest.raises(RunError, match="is not a configuration of Poise"):
        config_from_json(small_config().to_json() | {part: bad})


def test_names_that_are_not_there_are_refused_with_the_nearest() -> None:
    with pytest.raises(OptionError, match=r'no method called "wgan_gp".*"wgan-gp"'):
        pick("method", "wgan_gp", METHODS)
    with pytest.raises(OptionError, match=r'no preset of wgan called "papre".*"paper"'):
        recipe("wgan", "papre")


def test_numbers_that_make_no_sense_are_refused() -> None:
    config: Config = small_config()
    with pytest.raises(OptionError, match="--average must be at least 1 image, got 0"):
        replace(config, average=0)
    with pytest.raises(OptionError, match="--images must be at least 1, got 0"):
        replace(config, recipe=replace(config.recipe, images=0))
    with pytest.raises(OptionError, match="--save-every must be at least 1, got -5"):
        Chores(save_every=-5)
