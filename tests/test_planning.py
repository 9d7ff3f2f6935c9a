"""What a run leaves open is fitted to its images, its budget and the machine."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import pytest

from poise import planning
from poise.config import Chores, Config, Images
from poise.errors import OptionError
from poise.machine import Phase, phases_of
from poise.methods import Progressive
from poise.networks import Growing
from poise.planning import paced, plan
from poise.presets import recipe
from poise.size import Size, levels_of
from poise.step_memory import bytes_per_image, saved_bytes

from .small import small_config


def config_of(
    size: Size, images: int, method: Any = None, networks: Any = None, device: str = "cpu"
) -> Config:
    base = recipe("progressive")
    chosen = dataclasses.replace(
        base,
        images=images,
        method=method or base.method,
        networks=networks or Growing(latent=8, maps=64, widest=8),
    )
    return Config(chosen, Images("x", "x", "", size, 3), device=device)


@pytest.fixture(autouse=True)
def untimed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that draws 100 images a second, and 5 a second with networks over 64 maps wide."""

    def timed(config: Config, threads: int) -> list[Phase]:
        networks: Any = config.recipe.networks
        each = 0.01 if networks.maps_at(0) <= 64 else 0.2
        return [Phase(images, each) for _, images in phases_of(config)]

    def with_threads(config: Config, threads: int) -> tuple[Config, dict[int, float]]:
        return dataclasses.replace(config, threads=2), {2: 50.0, 1: 1.0}

    monkeypatch.setattr(planning, "timed", timed)
    monkeypatch.setattr(planning, "with_threads", with_threads)
    monkeypatch.setattr(planning, "free_memory", lambda device: 100 * 10**9)


def phases(config: Config) -> tuple[Any, Any]:
    method: Any = config.recipe.method
    return method.fade, method.settle


def test_the_papers_budget_at_1024_gives_the_papers_phases() -> None:
    fitted, _ = plan(config_of(Size(1024, 1024), 12_000_000), 0, None)
    assert phases(fitted) == (600_000, 600_000)


@pytest.mark.parametrize("size", [Size(8, 8), Size(64, 64), Size(64, 96), Size(28, 28)])
@pytest.mark.parametrize("images", [10_000, 1_234_567])
def test_all_levels_get_their_phases_and_the_full_size_a_third_at_least(
    size: Size, images: int
) -> None:
    fitted, _ = plan(config_of(size, images), 0, None)
    method: Any = fitted.recipe.method
    parts = method.phases(images, size)
    assert len(parts) == len(levels_of(size))
    assert sum(count for _, count in parts) == images
    assert parts[-1][1] / images > 5 / (2 * (len(parts) - 1) + 4) - 0.01  # a fade and 4 settlings


def test_phases_that_are_given_stay_as_they_are() -> None:
    fitted, _ = plan(config_of(Size(32, 32), 100_000, Progressive(fade=7, settle=None)), 0, None)
    assert phases(fitted) == (7, 10_000)


def test_a_budget_too_small_for_the_levels_is_refused_and_what_fits_is_said() -> None:
    too_few = config_of(Size(64, 64), 1_000, Progressive(batch=32, fade=None, settle=None))
    with pytest.raises(OptionError) as refused:
        plan(too_few, 0, None)
    assert str(refused.value) == (
        "1,000 images are too few for the 5 levels up to 64x64: each of 12 phases would have 83 "
        "images, and 4 batches are 128. Give --images 1536 or more (or more --hours), a smaller "
        "--batch, or a smaller --size."
    )
    enough = dataclasses.replace(too_few.recipe, images=1536)
    assert phases(plan(dataclasses.replace(too_few, recipe=enough), 0, None)[0]) == (128, 128)


@pytest.mark.parametrize("size", [Size(4, 4), Size(7, 7), Size(5, 8)])
def test_a_size_that_cannot_grow_is_refused(size: Size) -> None:
    with pytest.raises(OptionError, match=f"{size} cannot grow: it is no base doubled"):
        plan(config_of(size, 100_000), 0, None)


def test_hours_become_images_at_the_speed_of_the_levels() -> None:
    fitted, _ = plan(config_of(Size(32, 32), 1, Progressive(fade=None, settle=None)), 0, 0.5)
    assert fitted.recipe.images == 0.5 * 3600 * 100
    assert phases(fitted) == (18_000, 18_000)
    for hours in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(OptionError, match="--hours must be above 0"):
            plan(config_of(Size(32, 32), 100_000), 0, hours)


def test_hours_hold_for_methods_that_do_not_grow_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "timed", lambda config, threads: [Phase(10**9, 1 / 7)])
    fitted, _ = plan(small_config("wgan"), 0, 1.0)
    assert fitted.recipe.images == 7 * 3600


@pytest.mark.parametrize(("device", "maps", "widest"), [("cpu", 256, 64), ("cuda", 8192, 512)])
def test_a_width_that_is_not_given_fits_the_device(device: str, maps: int, widest: int) -> None:
    networks = Growing(width=None, latent=8)
    fitted, _ = plan(config_of(Size(16, 16), 100_000, networks=networks, device=device), 0, None)
    chosen: Any = fitted.recipe.networks
    assert (chosen.width, chosen.maps, chosen.widest) == (1.0, maps, widest)


def test_maps_that_are_given_stay_as_they_are() -> None:
    networks = Growing(width=None, latent=8, maps=32, widest=6)
    fitted, _ = plan(config_of(Size(16, 16), 100_000, networks=networks), 0, None)
    assert fitted.recipe.networks == dataclasses.replace(networks, width=1.0)


@pytest.mark.parametrize(("hours", "maps"), [(0.3, 256), (1.0, 512), (20.0, 8192)])
def test_hours_go_to_the_widest_networks_that_still_see_enough_images(
    hours: float, maps: int
) -> None:
    networks = Growing(width=None, latent=8)
    fitted, speeds = plan(config_of(Size(16, 16), 1_000_000, networks=networks), 0, hours)
    chosen: Any = fitted.recipe.networks
    assert chosen.maps == maps
    assert fitted.recipe.images == round(hours * 3600 * speeds[fitted.threads])
    assert phases(fitted) == (fitted.recipe.images // 8,) * 2


def test_batches_fit_into_half_of_the_free_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    config = config_of(Size(64, 64), 1_000_000, Progressive(fade=None, settle=None))
    each = [bytes_per_image(config, level) for level in range(5)]
    assert each == sorted(each)
    monkeypatch.setattr(planning, "free_memory", lambda device: 2 * 20 * each[-1])
    method: Any = plan(config, 0, None)[0].recipe.method
    for level, size in enumerate(levels_of(config.data.size)):
        assert method.batch_at(size) * each[level] <= 20 * each[-1]
    assert method.batch_at(Size(64, 64)) == 20
    monkeypatch.setattr(planning, "free_memory", lambda device: 2 * 3 * each[-1])
    method = plan(config, 0, None)[0].recipe.method
    assert method.batch_at(Size(64, 64)) == 3
    monkeypatch.setattr(planning, "free_memory", lambda device: each[-1])
    with pytest.raises(OptionError, match=r"a step on one image of 64x64 takes .* GB, and .* free"):
        plan(config, 0, None)


def test_the_memory_of_an_image_is_what_one_more_adds() -> None:
    """Scaled weights are saved as well, once for all images, and outweigh an image of 4x4."""
    config = config_of(Size(16, 16), 1, networks=Growing(latent=8, maps=512, widest=64))
    for level in range(3):
        more = saved_bytes(config, level, 12) - saved_bytes(config, level, 8)
        assert bytes_per_image(config, level) == pytest.approx(more / 4, rel=0.1)
    assert saved_bytes(config, 0, 1) > 5 * bytes_per_image(config, 0)


def test_the_memory_of_an_image_grows_with_its_pixels_and_maps() -> None:
    narrow = config_of(Size(64, 64), 1, networks=Growing(maps=256, widest=8))
    wide = config_of(Size(64, 64), 1, networks=Growing(maps=1024, widest=32))
    for level in (3, 4):
        ratio = bytes_per_image(wide, level) / bytes_per_image(narrow, level)
        assert ratio == pytest.approx(4, rel=0.35)


def test_a_slow_run_shows_and_saves_something_in_minutes_and_a_fast_one_not_too_often() -> None:
    """A picture in 3 minutes and a checkpoint in 10, in round numbers of images."""

    def intervals(images_per_second: float) -> tuple[int | None, ...]:
        chores = paced(small_config(chores=Chores()), images_per_second).chores
        return chores.sample_every, chores.save_every

    assert intervals(1e6) == (20_000, 50_000)
    assert intervals(18.0) == (2_000, 10_000)  # of 3,240 and 10,800
    assert intervals(2.0) == (1_000, 1_000)  # fewer samples would cost more than 1 % of the time
    assert intervals(0.01) == (1_000, 5)
    assert intervals(1e-6) == (1_000, 1)


def test_intervals_that_were_given_stay() -> None:
    given = Chores(log_every=300, sample_every=7, save_every=99_999)
    for speed in (0.1, 1e6):
        assert paced(small_config(chores=given), speed).chores == given


def test_phases_that_do_not_reach_the_full_size_are_refused() -> None:
    config = config_of(Size(8, 8), 2_000, Progressive())
    with pytest.raises(OptionError) as refused:
        plan(config, 0, None)
    assert str(refused.value) == (
        "with phases of 600,000 and 600,000 images the level of 8x8 begins at image 600,000, and "
        "training ends at 2,000. Give --images 1800000 or more, or smaller --fade and --settle; "
        "--fade None --settle None plans them to fit."
    )
    with pytest.raises(OptionError, match="begins at image 600,000, and training ends at 3,600"):
        plan(config, 0, 0.01)


def test_hours_too_few_for_the_levels_are_refused_and_those_that_fit_are_said() -> None:
    open_ = config_of(Size(32, 32), 100_000, Progressive(batch=4, fade=None, settle=None))
    with pytest.raises(OptionError) as refused:
        plan(open_, 1, 1e-6)
    told = re.fullmatch(
        r"--hours 1e-06 hold ([\d,]+) images here, and the levels up to 32x32 need 160\. Give "
        r"--hours (\S+) or more, a smaller --batch, or a smaller --size\.",
        str(refused.value),
    )
    assert told
    images, hours = int(told[1].replace(",", "")), float(told[2])
    assert 1.0 <= hours / (1e-6 * 160 / images) < 1.11


@pytest.mark.parametrize("size", [Size(8, 8), Size(64, 64), Size(256, 256)])
def test_growth_by_convergence_reaches_the_full_size_however_long_its_levels_take(
    size: Size,
) -> None:
    config = config_of(
        size, 100_000, Progressive(batch=8, fade=None, settle=None, grow="converged")
    )
    method: Any = plan(config, 0, None)[0].recipe.method
    doublings = len(levels_of(size)) - 1
    latest = doublings * (method.fade + method.most * method.settle) - method.fade
    assert 100_000 - latest >= 4 * method.settle


def test_with_phases_given_hours_are_filled_phase_by_phase(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The base is four times as fast: a mean over all images would be far off."""

    def timed(config: Config, threads: int) -> list[Phase]:
        parts = phases_of(config)
        return [Phase(images, 1 / (100 if start else 400)) for start, images in parts]

    monkeypatch.setattr(planning, "timed", timed)
    config = config_of(Size(8, 8), 1, Progressive(fade=10_000, settle=200_000))
    fitted, speeds = plan(config, 0, 0.3)
    seconds = 200_000 / 400 + (fitted.recipe.images - 200_000) / 100
    assert seconds == pytest.approx(0.3 * 3600)
    assert fitted.recipe.images / speeds[fitted.threads] == pytest.approx(0.3 * 3600)


def test_a_width_that_does_not_fit_the_memory_ends_the_search_for_a_wider_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    networks = Growing(width=None, latent=8)
    config = config_of(Size(64, 64), 1, networks=networks)
    narrow = dataclasses.replace(networks, width=1.0, maps=512, widest=64)
    least = bytes_per_image(config_of(Size(64, 64), 1, networks=narrow), 4)
    monkeypatch.setattr(planning, "free_memory", lambda device: 2 * least)
    chosen: Any = plan(config, 0, 99.0)[0].recipe.networks
    assert chosen.maps == 512
