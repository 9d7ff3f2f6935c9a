"""Laws that hold for every method with every optimizer; a new one inherits them."""

from __future__ import annotations

import copy
import dataclasses

import pytest
import torch
from torch import Tensor

from poise.build import make_players
from poise.methods import METHODS
from poise.networks import NETWORKS
from poise.optim import OPTIMIZERS
from poise.recovery import begin_attempt
from poise.training import play

from .small import (
    PAIRS,
    SMALL_METHODS,
    SMALL_MOVES,
    SMALL_NETWORKS,
    Noise,
    play_to,
    same,
    small_config,
    unbroken,
)

every_method = pytest.mark.parametrize("method", METHODS)
every_pair = pytest.mark.parametrize(("method", "network"), PAIRS)
every_move = pytest.mark.parametrize("move", OPTIMIZERS)


def test_every_method_network_and_optimizer_is_under_the_laws() -> None:
    assert SMALL_METHODS.keys() == METHODS.keys()
    assert SMALL_NETWORKS.keys() == NETWORKS.keys()
    assert SMALL_MOVES.keys() == OPTIMIZERS.keys()


@every_method
@every_move
def test_a_run_resumed_from_any_step_ends_with_the_bits_of_an_unbroken_one(
    method: str, move: str
) -> None:
    config = small_config(method, move=move)
    whole, reals = make_players(config), Noise()
    checkpoints: list[tuple[int, dict[str, Tensor]]] = []
    for _ in play(config, whole, reals):
        checkpoints.append((reals.drawn, copy.deepcopy(whole.state())))
    assert len(checkpoints) >= 6
    for drawn, state in checkpoints[:-1]:
        other = dataclasses.replace(config, seed=99)  # other first weights, which `load` replaces
        resumed = make_players(other)
        resumed.load(state)
        play_to(config, config.recipe.images, resumed, Noise(drawn))
        assert same(whole.state(), resumed.state()), drawn


@every_pair
def test_resuming_holds_for_every_network(method: str, network: str) -> None:
    config = small_config(method, network=network, images=60)
    first = make_players(config)
    play_to(config, 30, first, reals := Noise())
    second = make_players(dataclasses.replace(config, seed=99))
    second.load(copy.deepcopy(first.state()))
    play_to(config, 60, second, Noise(reals.drawn))
    assert same(unbroken(config).state(), second.state())


@every_method
@every_move
def test_the_same_seed_gives_the_same_bits_and_another_seed_others(method: str, move: str) -> None:
    config = small_config(method, move=move, images=24)
    once = unbroken(config).state()
    assert same(once, unbroken(config).state())
    other = unbroken(dataclasses.replace(config, seed=1)).state()
    weights = [name for name in once if name.endswith("weight")]
    assert {name.partition(".")[0] for name in weights} == {"generator", "critic", "average"}
    assert not any(torch.equal(once[name], other[name]) for name in weights)


@every_method
def test_another_attempt_at_the_same_step_draws_other_noise(method: str) -> None:
    config = small_config(method)
    ends = []
    for attempt in (0, 0, 1):
        players, reals = make_players(config), Noise()
        # Its gentler rate ends at once.
        begin_attempt(players, attempt, failed=0, good=0, ill=False)
        next(play(config, players, reals))
        ends.append({k: v for k, v in players.state().items() if k != "memory.attempt"})
    assert same(ends[0], ends[1])
    assert not same(ends[0], ends[2])


@every_method
@every_move
def test_both_players_and_the_average_move_in_a_step(method: str, move: str) -> None:
    config = small_config(method, move=move)
    players = make_players(config)
    before = copy.deepcopy(players.state())
    next(play(config, players, Noise()))
    after = players.state()
    for part in ("generator", "critic", "average"):
        moved = [k for k in before if k.startswith(part) and not torch.equal(before[k], after[k])]
        assert moved, part


@every_method
def test_a_step_draws_whole_batches_and_the_clock_counts_them(method: str) -> None:
    rule, reals = SMALL_METHODS[method], Noise()
    rule.step(make_players(small_config(method)), reals)
    assert reals.drawn == rule.batch * getattr(rule, "n_critic", 1)


@every_method
def test_losses_are_finite_scalars_cut_off_from_the_graph(method: str) -> None:
    config = small_config(method)
    _, losses = next(play(config, make_players(config), Noise()))
    assert losses.keys() & {"distance", "convergence"}  # what the progress line shows
    for value in losses.values():
        assert value.shape == ()
        assert not value.requires_grad
        assert torch.isfinite(value)


@every_method
def test_what_a_player_is_differentiated_for_is_only_its_own(method: str) -> None:
    """After the generator's move, its gradients stand in the generator and not in the critic.

    The critic's gradients are those of its own last loss: a step with a generator that cannot
    move leaves the same ones.
    """
    config = small_config(method, move="sgd")
    gradients = []
    for frozen in (False, True):
        players = make_players(config)
        if frozen:
            for group in players.opt_g.param_groups:
                group["lr"] = 0.0
        players.seed_noise(0, 0, 0)
        config.recipe.method.step(players, Noise())
        gradients.append([p.grad for p in players.critic.parameters() if p.grad is not None])
    assert gradients[0]
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


@every_pair
def test_every_parameter_of_both_players_receives_a_gradient(method: str, network: str) -> None:
    config = small_config(method, network=network)
    players = make_players(config)
    players.seed_noise(0, 0, 0)
    config.recipe.method.step(players, Noise(30))  # what grows has two levels here, fading
    for part in (players.generator, players.critic):
        without = [name for name, p in part.named_parameters() if p.grad is None]
        if network == "growing" and METHODS[method].needs != "grow":
            # At the full size all along, it needs no images of smaller sizes.
            without = [name for name in without if not name.startswith(("images.0.", "reads.0."))]
        assert without == []
