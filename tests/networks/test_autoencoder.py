"""BEGAN's networks: their shape is the paper's, and no image meets another."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from torch import nn

from poise.build import make_players
from poise.errors import OptionError
from poise.networks import AutoEncoder
from poise.networks.autoencoder import Convolutions, Decoder, sizes_of
from poise.size import Size
from poise.training import play

from ..small import Noise, small_config


def convolutions(network: nn.Module) -> list[tuple[int, int, int, int]]:
    """(maps in, maps out, kernel, stride) of every convolution, in order."""
    return [
        (m.in_channels, m.out_channels, m.kernel_size[0], m.stride[0])
        for m in network.modules()
        if isinstance(m, nn.Conv2d)
    ]


def test_at_64_pixels_the_layers_are_the_papers() -> None:
    n, critic = 64, AutoEncoder().critic(Size(64, 64), 3)
    encoder: Any = critic.encoder
    blocks = [c for block in encoder.blocks for c in convolutions(block)]
    assert blocks == [(k * n, k * n, 3, 1) for k in (1, 1, 2, 2, 3, 3, 4, 4)]
    assert convolutions(encoder.halves) == [(k * n, (k + 1) * n, 3, 2) for k in (1, 2, 3)]
    assert (encoder.code.in_features, encoder.code.out_features) == (8 * 8 * 4 * n, 64)
    decoder: Any = critic.decoder
    assert (decoder.seed.in_features, decoder.seed.out_features) == (64, 8 * 8 * n)
    assert convolutions(decoder) == [*[(n, n, 3, 1)] * 8, (n, 3, 3, 1)]


def test_the_generator_has_the_shape_of_the_critics_decoder() -> None:
    for of in (AutoEncoder(0.1), AutoEncoder(0.1, skip=True)):
        g: Any = of.generator(Size(32, 32), 3)
        d: Any = of.critic(Size(32, 32), 3)
        shapes = [{k: v.shape for k, v in x.state_dict().items()} for x in (g, d.decoder)]
        assert shapes[0] == shapes[1]


@pytest.mark.parametrize(
    ("size", "base"),
    [
        (Size(16, 16), Size(8, 8)),
        (Size(32, 32), Size(8, 8)),
        (Size(128, 128), Size(8, 8)),
        (Size(256, 256), Size(8, 8)),
        (Size(64, 96), Size(8, 12)),
        (Size(28, 28), Size(7, 7)),
        (Size(24, 24), Size(6, 6)),
        (Size(40, 40), Size(10, 10)),
        (Size(4, 4), Size(4, 4)),
    ],
)
def test_maps_start_at_about_8_pixels(size: Size, base: Size) -> None:
    assert sizes_of(size)[0] == base
    assert sizes_of(size)[-1] == size


def test_nothing_bends_a_latent_or_an_image() -> None:
    """Without its blocks the decoder is linear in h, and the encoder's h takes both signs."""
    torch.manual_seed(0)
    g: Any = AutoEncoder(0.1, latent=6).generator(Size(8, 8), 1)
    g.blocks = nn.ModuleList()
    a, b = torch.randn(2, 1, 6)
    zero = g(torch.zeros(1, 6))
    assert torch.allclose(g(a + b) + zero, g(a) + g(b), atol=1e-5)
    d: Any = AutoEncoder(0.1, latent=6).critic(Size(8, 8), 1)
    codes = d.encoder(torch.randn(64, 1, 8, 8))
    assert (codes < -0.01).any(0).all()
    assert (codes > 0.01).any(0).all()


def test_skip_gives_the_first_maps_to_every_doubled_size() -> None:
    g: Any = AutoEncoder(0.1, skip=True).generator(Size(32, 32), 3)
    widths = [block.conv1.in_channels for block in g.blocks]
    assert widths == [6, 12, 12]
    z = torch.randn(2, 64)
    seen: list[torch.Tensor] = []
    g.blocks[2].register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    g(z)
    first = g.seed(z).view(2, 6, 8, 8)
    assert torch.equal(seen[0][:, 6:, ::4, ::4], first)


def test_the_carry_mixes_the_input_of_a_convolution_with_its_output() -> None:
    block = Convolutions(4, 4)
    x = torch.randn(2, 4, 5, 5)
    assert torch.equal(block(x, 1.0), x)
    elu = nn.ELU()
    h = 0.25 * x + 0.75 * elu(block.conv1(x))
    want = 0.25 * h + 0.75 * elu(block.conv2(h))
    assert torch.allclose(block(x, 0.25), want, atol=1e-6)
    assert Convolutions(8, 4)(torch.randn(1, 8, 5, 5), 1.0).shape == (1, 4, 5, 5)


def test_the_carry_falls_from_1_to_0_with_the_clock_in_both_players_and_the_average() -> None:
    config = small_config("began", images=60)
    networks = AutoEncoder(0.07, latent=6, residual=True, carry=40)
    recipe = dataclasses.replace(config.recipe, networks=networks)
    config = dataclasses.replace(config, recipe=recipe)
    players = make_players(config)
    seen = []
    for before, _ in play(config, players, Noise()):
        parts: list[Any] = [m for m in players.critic.modules() if hasattr(m, "carry")]
        parts += [players.generator, players.average]
        assert len({part.carry for part in parts}) == 1
        seen.append((before, parts[0].carry))
    assert seen == [(n, pytest.approx(max(0.0, 1 - n / 40))) for n in range(0, 60, 4)]
    state = players.generator.state_dict()
    fresh: Any = networks.generator(Size(8, 8), 1)
    assert fresh.carry == 1.0
    fresh.load_state_dict(state)
    assert fresh.carry == seen[-1][1]


def test_first_images_differ_as_their_latents_do() -> None:
    """With weights that shrink the signal all first images are one, and BEGAN never parts them."""
    torch.manual_seed(0)
    for side in (32, 64):
        g = AutoEncoder(0.25).generator(Size(side, side), 3)
        images = g(torch.rand(32, 64) * 2 - 1)
        assert images.std(0).mean() > 3 * images.mean(0).std()
        assert images.std(0).mean() > 0.05


def test_numbers_that_make_no_sense_are_refused() -> None:
    with pytest.raises(OptionError, match="--carry must be at least 1 image, got 0"):
        AutoEncoder(carry=0)
    assert isinstance(AutoEncoder(0.01).generator(Size(8, 8), 1), Decoder)
