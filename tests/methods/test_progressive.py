from __future__ import annotations

import copy
import dataclasses
import math
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, softplus

from poise.build import make_players
from poise.config import Config
from poise.descent import descend
from poise.errors import OptionError
from poise.methods import Progressive, progressive
from poise.methods.progressive import blended
from poise.methods.wgan_gp import gradient_penalty
from poise.players import Players
from poise.size import Size, Stage
from poise.training import play

from ..small import Noise, play_to, same, small_config

SIZE = Size(16, 16)  # 4, 8, 16


def growing_config(images: int = 400, **changes: Any) -> Config:
    """Three levels: 4x4 to image 40, 8x8 from there, 16x16 from image 120 on."""
    config = small_config("progressive", images=images)
    rule: Any = dataclasses.replace(
        Progressive(batch=4, fade=40, settle=40),
        **changes,
    )
    return dataclasses.replace(
        config,
        recipe=dataclasses.replace(config.recipe, method=rule),
        data=dataclasses.replace(config.data, size=SIZE),
    )


def authors_lod(drawn: int, fade: int, settle: int, last: int) -> float:
    """Level of detail, from `last` (the base) down to 0, as the authors' schedule works it out."""
    phase, index = fade + settle, math.floor(drawn / (fade + settle))
    lod = float(last - index)
    lod -= max(drawn - index * phase - settle, 0.0) / fade
    return max(lod, 0.0)


@pytest.mark.parametrize(("fade", "settle"), [(600, 600), (800, 300), (1, 999)])
def test_the_stage_is_that_of_the_authors_schedule(fade: int, settle: int) -> None:
    rule, last = Progressive(fade=fade, settle=settle), 5
    for drawn in range(0, 11_000, 11):
        level, alpha = rule.stage_after(drawn, last)
        assert last - (level - 1 + alpha) == pytest.approx(authors_lod(drawn, fade, settle, last))
        assert 0 <= alpha <= 1
        assert alpha == 1 or level > 0


def test_phases_begin_where_the_schedule_begins_a_level() -> None:
    rule = Progressive(fade=30, settle=70)
    phases = rule.phases(500, SIZE)
    assert phases == [(0, 70), (70, 100), (170, 330)]
    for level, (start, _) in enumerate(phases):
        assert rule.stage_after(start, 2).level == level
        assert start == 0 or rule.stage_after(start - 1, 2).level == level - 1
    assert rule.phases(100, SIZE) == [(0, 70), (70, 30)]


@pytest.mark.parametrize(
    ("side", "batch"),
    [(4, 128), (8, 128), (16, 128), (32, 64), (64, 32), (128, 16), (256, 8), (512, 4), (1024, 4)],
)
def test_batches_by_resolution_are_the_authors_for_one_gpu(side: int, batch: int) -> None:
    assert Progressive().batch_at(Size(side, side)) == batch


def test_a_batch_is_a_multiple_of_4_but_never_more_than_was_asked_for() -> None:
    assert Progressive().batch_at(Size(64, 96)) == 20
    assert Progressive(batch=6).batch_at(Size(8, 8)) == 6
    assert Progressive(batch=2).batch_at(Size(1024, 1024)) == 2


@pytest.mark.parametrize(("side", "factor"), [(512, 1.0), (1024, 1.5)])
def test_the_rate_is_half_as_high_again_from_1024_pixels_on(side: int, factor: float) -> None:
    config = growing_config(fade=1, settle=1)
    players = make_players(config)
    for network in (players.generator, players.critic, players.average):
        cast(Any, network).levels = [Size(4, 4), Size(side, side)]

    class Small:
        drawn = 10

        def __call__(self, n: int, size: Size | None = None) -> Tensor:
            assert size == Size(side, side)
            self.drawn += n
            return torch.zeros(n, 1, 8, 8)

    players.set_rate(1e-3)
    config.recipe.method.step(players, Small())
    assert players.opt_g.param_groups[0]["lr"] == pytest.approx(1e-3 * factor)


def test_reals_are_blended_as_the_networks_fade() -> None:
    x = Noise()(3, Size(8, 8))
    coarse = avg_pool2d(x, 2).repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert torch.equal(blended(x, 0.0), coarse)
    assert blended(x, 1.0) is x
    assert torch.allclose(blended(x, 0.25), 0.75 * coarse + 0.25 * x, atol=1e-6)


@pytest.mark.parametrize("alpha_at", [40, 60, 79])
def test_the_critic_sees_blended_reals_of_the_level_that_fades_in(alpha_at: int) -> None:
    config = growing_config()
    players, seen = make_players(config), []
    players.critic.register_forward_pre_hook(lambda _, args: seen.append(args[0].detach().clone()))
    config.recipe.method.step(players, Noise(alpha_at))
    alpha = (alpha_at - 40) / 40
    assert torch.equal(seen[0], blended(Noise(alpha_at)(4, Size(8, 8)), alpha))


def test_players_and_average_work_at_the_level_of_the_moment() -> None:
    config = growing_config()
    players, reals = make_players(config), Noise()
    stages = []
    for before, losses in play(config, players, reals):
        parts = (players.generator, players.critic, players.average)
        stage = {cast(Any, part).stage for part in parts}
        assert stage == {cast(Any, config.recipe.method).stage_after(before, 2)}
        level, alpha = stage.pop()
        stages.append(level - 1 + alpha)
        assert losses["stage"].item() == pytest.approx(stages[-1])
        assert players.average(torch.randn(1, 6)).shape[2:] == SIZE.doubled(0)._replace(
            height=4 << level, width=4 << level
        )
    assert stages == sorted(stages)
    assert stages[0] == 0
    assert stages[-1] == 2


def test_at_a_new_level_the_optimizers_start_anew_and_it_is_said_why() -> None:
    config = growing_config()
    players, reals, steps = make_players(config), Noise(), {}
    for before, _ in play(config, players, reals):
        counts = [s["step"].item() for s in players.opt_c.state.values() if "step" in s]
        steps[before] = max(counts)
    assert (steps[36], steps[40], steps[44]) == (10, 1, 2)
    assert (steps[116], steps[120], steps[196]) == (20, 1, 20)
    assert (steps[76], steps[80]) == (10, 11)  # the end of a fade is no new level
    assert players.notes == [
        (40, "Growing from 4x4 to 8x8, as scheduled."),
        (120, "Growing from 8x8 to 16x16, as scheduled."),
    ]


def test_the_critics_loss_is_that_of_wgan_gp_with_a_drift_of_the_reals_alone() -> None:
    torch.manual_seed(0)
    rule, d = Progressive(drift=0.25, target=3.0), nn.Sequential(nn.Flatten(), nn.Linear(64, 1))
    d.append(nn.Flatten(0))
    x, fake, eps = torch.randn(4, 1, 8, 8), torch.randn(4, 1, 8, 8), torch.rand(4)
    loss, seen = rule.critic_loss(d, x, fake, eps)
    norm = next(d.parameters()).norm().item()  # of the gradient of a linear critic
    distance = (d(x).mean() - d(fake).mean()).item()
    want = -distance + 10 * (norm - 3.0) ** 2 / 3.0**2 + 0.25 * d(x).square().mean().item()
    assert loss.item() == pytest.approx(want, rel=1e-4)
    assert seen["distance"].item() == pytest.approx(distance, rel=1e-4)
    assert seen["penalty"].item() == pytest.approx((norm / 3 - 1) ** 2, rel=1e-4)
    assert torch.equal(seen["penalty"], gradient_penalty(d, x, fake, eps, target=3.0))


def test_the_standard_loss_is_an_option() -> None:
    torch.manual_seed(0)
    rule, d = Progressive(loss="gan"), nn.Sequential(nn.Flatten(), nn.Linear(64, 1), nn.Flatten(0))
    x, fake, eps = torch.randn(4, 1, 8, 8), torch.randn(4, 1, 8, 8), torch.rand(4)
    loss, seen = rule.critic_loss(d, x, fake, eps)
    want = softplus(-d(x)).mean() + softplus(d(fake)).mean()
    assert torch.allclose(loss, want)
    assert torch.allclose(seen["distance"], math.log(2) - want / 2)
    config = growing_config(loss="gan")
    players = make_players(config)
    play_to(config, 120, players, Noise())
    assert cast(Any, players.generator).stage.level == 1


@pytest.mark.parametrize("loss", ["wgan-gp", "gan"])
def test_each_player_moves_by_the_gradient_of_its_own_loss(loss: str) -> None:
    """By hand, in the middle of a fade: the critic first, then the generator against it."""
    rule: Any = growing_config(loss=loss, drift=0.5).recipe.method
    players, again = (make_players(growing_config(loss=loss)) for _ in range(2))
    for made in (players, again):
        made.seed_noise(3, 0, 60)
        made.set_rate(1e-3)
    rule.step(players, Noise(60))
    g, d = cast(Any, again.generator), cast(Any, again.critic)
    rule.arrive(again, 60)
    x = blended(Noise(60)(4, Size(8, 8)), 0.5)
    fake, eps = g(again.latents(4)).detach(), again.uniform(4)
    real, false = d(x), d(fake)
    if loss == "gan":
        loss_d = (1 + (-real).exp()).log().mean() + (1 + false.exp()).log().mean()
    else:
        loss_d = false.mean() - real.mean() + 0.5 * (real**2).mean()
        loss_d = loss_d + 10 * gradient_penalty(d, x, fake, eps)
    descend((again.opt_c, loss_d))
    score = d(g(again.latents(4)))
    loss_g = (1 + (-score).exp()).log().mean() if loss == "gan" else -score.mean()
    descend((again.opt_g, loss_g))
    for mine, theirs in ((again.critic, players.critic), (g, players.generator)):
        pairs = list(zip(mine.parameters(), theirs.parameters(), strict=True))
        moved = [(p.grad, q.grad) for p, q in pairs if p.grad is not None]
        assert moved
        for p, q in moved:
            assert q is not None
            assert torch.allclose(p, q, rtol=1e-4, atol=1e-6)


def test_a_step_takes_as_many_reals_as_its_resolution_has_in_a_batch() -> None:
    config = growing_config(batch=8, span=64, fewest=4, n_critic=1)
    players, reals, taken = make_players(config), Noise(), set()
    for before, _ in play(config, players, reals):
        level = cast(Any, players.generator).stage.level
        taken.add((level, reals.drawn - before))
    assert taken == {(0, 8), (1, 8), (2, 4)}


def resumed(config: Config, at: int) -> tuple[Players, Players]:
    """The players of an unbroken run and of one that was cut at an image and goes on."""
    whole, cut, again = (make_players(config) for _ in range(3))
    play_to(config, config.recipe.images, whole, Noise())
    play_to(config, at, cut, reals := Noise())
    again.load(copy.deepcopy(cut.state()))
    play_to(config, config.recipe.images, again, Noise(reals.drawn))
    return whole, again


@pytest.mark.parametrize("at", [36, 40, 44, 60, 80, 116, 120, 124, 150])
def test_a_run_cut_in_the_middle_of_a_fade_or_at_a_transition_ends_with_the_same_bits(
    at: int,
) -> None:
    whole, again = resumed(growing_config(200), at)
    assert same(whole.state(), again.state())


def converging(told: list[float], **changes: Any) -> tuple[Players, list[tuple[int, int]]]:
    """Play where images and fakes are so far apart; the clocks at which levels began."""
    config = growing_config(images=4 * len(told), grow="converged", **changes)
    left, rule = list(told), config.recipe.method
    players, reals, began = make_players(config), Noise(), []
    with pytest.MonkeyPatch.context() as scripted:
        scripted.setattr(progressive, "apart", lambda x, fake: torch.tensor(left.pop(0)))
        while reals.drawn < config.recipe.images:
            players.seed_noise(0, 0, reals.drawn)
            rule.step(players, reals)
            at = (int(players.memory["level"]), int(players.memory["since"]))
            if at not in began:
                began.append(at)
    return players, began


def test_a_level_ends_when_its_distance_has_stopped_falling_but_not_before_the_least() -> None:
    falling = [10 * 0.8**k for k in range(10)]
    players, began = converging([*falling, *[1.0] * 100], least=0.25, most=50.0)
    assert [level for level, _ in began] == [0, 1, 2]
    (_, first), (_, second) = began[1:]
    assert 40 < first <= 60  # it fell until image 40; two readings of 4 images later it has stalled
    assert second - first >= 40 + 10  # the fade, and a quarter of 40 images
    assert players.notes[0][0] == first
    assert "its images stopped getting nearer" in players.notes[0][1]
    assert f"after {first} images of settling" in players.notes[0][1]


def test_a_level_that_stalls_at_once_still_has_its_least() -> None:
    _, began = converging([1.0] * 60, least=0.9)
    assert 36 <= began[1][1] <= 48


def test_a_new_level_counts_its_own_lows() -> None:
    """Its distances lie between the old ones' peak and low, and fall."""
    first, fading = [100.0, 100.0, *[10.0] * 10], [60.0] * 10
    falling = [60 * 0.95**k for k in range(12)]
    _, began = converging([*first, *fading, *falling], least=0.9, most=9.0)
    assert [level for level, _ in began] == [0, 1]


def test_a_level_that_goes_on_falling_ends_at_the_most() -> None:
    players, began = converging([1e6 * 0.9**k for k in range(60)], least=0.0, most=1.5)
    assert began[1] == (1, 60)
    assert "the most there is for it" in players.notes[0][1]


def test_while_a_level_fades_in_nothing_is_read_of_its_convergence() -> None:
    config = growing_config(images=400, grow="converged", least=0.0)
    rule: Any = config.recipe.method
    players, reals, fading = make_players(config), Noise(), 0
    for _ in play(config, players, reals):
        level, since = int(players.memory["level"]), int(players.memory["since"])
        if level and reals.drawn - since < rule.fade:
            fading += 1
            assert not [name for name in players.memory if name.startswith("growth.")]
    assert fading >= 10


def test_the_last_level_has_no_end() -> None:
    _, began = converging([1.0] * 200, least=0.0)
    assert [level for level, _ in began] == [0, 1, 2]


@pytest.mark.parametrize("at", range(12, 480, 36))
def test_growth_that_is_decided_by_convergence_resumes_to_the_same_bits(at: int) -> None:
    """A reading takes 3 batches here, so that cuts fall into half-filled ones, too."""
    config = growing_config(480, grow="converged", least=0.0, most=1.5, settle=120)
    whole, again = resumed(config, at)
    assert same(whole.state(), again.state())
    assert int(whole.memory["level"]) == 2


def test_a_distance_that_rises_has_not_stopped_falling() -> None:
    players, began = converging([0.1 * k for k in range(60)], least=0.0, most=1.5)
    assert began[1] == (1, 60)
    assert "the most there is for it" in players.notes[0][1]


def test_numbers_that_make_no_sense_are_refused() -> None:
    with pytest.raises(OptionError, match="--fade must be at least 1, got 0"):
        Progressive(fade=0)
    with pytest.raises(OptionError, match="--settle must be at least 1, got -1"):
        Progressive(settle=-1)
    with pytest.raises(OptionError, match="--least must be at least 0 and at most --most, got 3"):
        Progressive(least=3.0)
    with pytest.raises(OptionError, match="--finest-rate must be above 0, got -2"):
        Progressive(finest_rate=-2.0)
    with pytest.raises(OptionError, match="--target must be above 0, got 0"):
        Progressive(target=0.0)
    with pytest.raises(OptionError, match="--drift must be at least 0, got -1"):
        Progressive(drift=-1.0)
    with pytest.raises(OptionError, match="Give --fade and --settle in images"):
        Progressive(fade=None).stage_after(0, 3)


def test_the_stage_before_everything_is_the_base_fully_in() -> None:
    assert Progressive().stage_after(0, 4) == Stage(0, 1.0)
