"""A configuration comes back from JSON as it was; presets hold their papers' numbers."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from poise.config import Chores, Config, Images, Recipe, config_from_json, pick
from poise.errors import OptionError, RunError
from poise.methods import GAN, METHODS, WGANGP
from poise.networks import MLP, NETWORKS
from poise.optim import OPTIMIZERS, Adam
from poise.presets import PRESETS, recipe
from poise.size import Size

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
        ("wgan-gp", "mnist", {"norm": "none", "critic_norm": "none"}),
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


# What older runs were made with: see Config.identity. New options are added; none ever changes.
DEFAULTS: dict[str, dict[str, Any]] = {
    "gan": {"batch": 64, "saturating": False},
    "wgan": {"batch": 64, "n_critic": 5, "clip": 0.01, "thorough": False},
    "wgan-gp": {"batch": 64, "n_critic": 5, "penalty": 10.0, "one_sided": False},
    "began": {
        "batch": 16,
        "gamma": 0.5,
        "lambda_k": 0.001,
        "eta": 1,
        "critic_rate": 1.0,
        "margin": None,
        "window": 20_000,
        "patience": 5,
        "floor": 2e-5,
    },
    "progressive": {
        "batch": 128,
        "span": 2048,
        "fewest": 4,
        "fade": 600_000,
        "settle": 600_000,
        "grow": "schedule",
        "least": 0.5,
        "most": 2.0,
        "loss": "wgan-gp",
        "n_critic": 1,
        "penalty": 10.0,
        "target": 1.0,
        "drift": 0.001,
        "finest_rate": 1.5,
    },
    "dcgan": {"width": 1.0, "latent": 128, "norm": "batch", "critic_norm": "batch"},
    "mlp": {"width": 1.0, "latent": 128, "norm": "none", "critic_norm": "none", "layers": 4},
    "resnet": {"width": 1.0, "latent": 128, "norm": "batch", "critic_norm": "layer", "widen": True},
    "autoencoder": {"width": 1.0, "latent": 64, "skip": False, "residual": False, "carry": 256_000},
    "growing": {
        "width": 1.0,
        "latent": 512,
        "maps": 8192,
        "widest": 512,
        "group": 4,
        "pixelnorm": True,
        "equalized": True,
    },
    "sgd": {"lr": 0.01, "decay": 0},
    "rmsprop": {"lr": 5e-5, "decay": 0, "alpha": 0.99},
    "adam": {"lr": 1e-4, "decay": 0, "beta1": 0.0, "beta2": 0.9},
    "optimistic-sgd": {"lr": 0.01, "decay": 0},
    "optimistic-adam": {"lr": 1e-4, "decay": 0, "beta1": 0.5, "beta2": 0.9},
}


def test_no_default_of_what_a_run_is_made_of_has_changed() -> None:
    tables: list[dict[str, Any]] = [METHODS, NETWORKS, OPTIMIZERS]
    kinds = {name: kind for table in tables for name, kind in table.items()}
    assert kinds.keys() == DEFAULTS.keys()
    for name, kind in kinds.items():
        assert vars(kind()).items() >= DEFAULTS[name].items()


def test_a_run_from_before_there_was_an_option_is_the_run_with_its_default() -> None:
    config = small_config("began", network="autoencoder")
    rule: Any = replace(config.recipe.method, margin=None)  # type: ignore[type-var]
    config = replace(config, recipe=replace(config.recipe, method=rule))
    plain = json.loads(json.dumps(config.to_json()))
    del plain["recipe"]["method"]["margin"]
    assert config_from_json(plain).identity == config.identity


def test_the_identity_of_a_run_at_its_defaults_stays_whatever_options_are_added() -> None:
    """Checkpoints hold it: another one here would part all older runs from theirs."""
    images = Images("photos", "photos.poise", "0123", Size(32, 32), 3)
    config = Config(Recipe(WGANGP(), MLP(), Adam(), 1), images)
    assert config.identity[:16] == "3567a884c9a40bf0"


def test_a_run_with_another_option_is_another_run() -> None:
    config = small_config()
    other: Any = replace(config.recipe.method, batch=5)  # type: ignore[type-var]
    changed = [
        replace(config, seed=1),
        replace(config, average=1),
        replace(config, recipe=replace(config.recipe, method=other)),
        replace(config, recipe=replace(config.recipe, method=METHODS["gan"]())),
        replace(config, data=replace(config.data, mirror=True)),
        replace(config, data=replace(config.data, fingerprint="other")),
    ]
    identities = {each.identity for each in (config, *changed)}
    assert len(identities) == 1 + len(changed)
    longer = replace(config, recipe=replace(config.recipe, images=999), threads=3)
    assert longer.identity == config.identity


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
    with pytest.raises(OptionError, match="batch norm in an mlp needs a --batch of at least 2"):
        Recipe(GAN(batch=1), MLP(norm="batch"), config.recipe.optimizer, 1)
    with pytest.raises(OptionError, match="--save-every must be at least 1, got -5"):
        Chores(save_every=-5)
