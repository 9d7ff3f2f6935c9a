"""Players: their noise, their average, their state."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch

from poise.build import make_players
from poise.errors import RunError
from poise.players import Players
from poise.training import play

from .small import Noise, same, small_config


def players() -> Players:
    return make_players(small_config(network="mlp"))


def test_noise_is_a_function_of_seed_attempt_and_clock_and_of_nothing_else() -> None:
    def drawn(seed: int, attempt: int, clock: int) -> torch.Tensor:
        made = players()
        made.seed_noise(seed, attempt, clock)
        return torch.cat([made.latents(3).flatten(), made.uniform(3)])

    torch.manual_seed(1)
    once = drawn(0, 0, 64)
    torch.manual_seed(2)
    assert torch.equal(once, drawn(0, 0, 64))
    for other in ((1, 0, 64), (0, 1, 64), (0, 0, 65), (64, 0, 0), (0, 64, 0)):
        assert not torch.equal(once, drawn(*other))


def test_training_leaves_the_random_numbers_of_the_program_around_it_alone() -> None:
    torch.manual_seed(7)
    want = torch.rand(3)
    torch.manual_seed(7)
    config = small_config()
    next(play(config, make_players(config), Noise()))
    assert torch.equal(torch.rand(3), want)


def test_latents_are_standard_normal_and_eps_uniform() -> None:
    made = players()
    made.seed_noise(0, 0, 0)
    z, eps = made.latents(20_000), made.uniform(100_000)
    assert z.shape == (20_000, 6)
    assert z.mean().abs() < 0.02
    assert z.var().item() == pytest.approx(1.0, abs=0.02)
    assert 0 <= eps.min() < 1e-3
    assert 1 > eps.max() > 1 - 1e-3
    assert eps.mean().item() == pytest.approx(0.5, abs=0.01)


def test_the_average_goes_half_of_the_way_in_a_half_life_however_it_is_cut() -> None:
    whole, cut = players(), players()
    with torch.no_grad():
        for made in (whole, cut):
            for p in made.generator.parameters():
                p.add_(1.0)
    start = next(whole.average.parameters()).clone()
    whole.update_average(1000, halflife=1000)
    for _ in range(10):
        cut.update_average(100, halflife=1000)
    for got in (whole, cut):
        moved = next(got.average.parameters()) - start
        assert torch.allclose(moved, torch.tensor(0.5), atol=1e-5)


def test_the_average_follows_running_statistics_and_copies_counts() -> None:
    made = make_players(small_config(network="dcgan"))
    made.generator(torch.randn(8, 6))  # in training mode: statistics move
    names = dict(made.generator.named_buffers())
    made.update_average(1, halflife=1)
    for name, buffer in made.average.named_buffers():
        if buffer.is_floating_point():
            fresh = torch.zeros(()) if name.endswith("mean") else torch.ones(())
            assert torch.allclose(buffer, (names[name] + fresh) / 2, atol=1e-6), name
        else:
            assert torch.equal(buffer, names[name]), name


def test_a_state_of_other_networks_is_refused() -> None:
    state = copy.deepcopy(players().state())
    other = make_players(small_config(network="resnet"))
    with pytest.raises(RunError, match="the checkpoint is of other networks"):
        other.load(state)


def test_the_bits_do_not_depend_on_how_weights_lie_in_memory_when_they_are_saved() -> None:
    """Weights are channels-last; a checkpoint holds them in order; `load` lays them out again."""
    config = small_config(network="resnet", images=48)
    one, other = make_players(config), make_players(replace(config, seed=5))
    next(play(config, one, Noise()))
    other.load({name: value.contiguous().clone() for name, value in one.state().items()})
    assert same(one.state(), other.state())
    for mine, theirs in zip(one.generator.parameters(), other.generator.parameters(), strict=True):
        assert mine.stride() == theirs.stride()
        moment = other.opt_g.state[theirs]["exp_avg"]
        assert moment.stride() == theirs.stride()
