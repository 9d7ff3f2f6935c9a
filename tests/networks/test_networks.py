"""Laws of every network, at every kind of size."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from torch import nn

from poise.errors import OptionError
from poise.networks import DCGAN, NETWORKS, ResNet
from poise.networks.layers import channels_after, norm_layer
from poise.size import Size

from ..small import SMALL_NETWORKS

SIZES = [Size(4, 4), Size(8, 8), Size(28, 28), Size(32, 32), Size(16, 24), Size(40, 16)]
ENDING_IN_TANH = ("dcgan", "mlp", "resnet")
every_network = pytest.mark.parametrize("name", NETWORKS)


@every_network
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_any_size_with_a_base_and_any_channels_go_through_both_players(
    name: str, size: Size, channels: int
) -> None:
    networks = SMALL_NETWORKS[name]
    images = networks.generator(size, channels)(torch.randn(2, networks.latent))
    assert images.shape == (2, channels, *size)
    if name in ENDING_IN_TANH:
        assert images.abs().max() <= 1
    assert networks.critic(size, channels)(images).shape == (
        images.shape if "rebuild" in networks.can else (2,)
    )


@every_network
@pytest.mark.parametrize("norm", ["layer", "none"])
def test_without_batch_norm_no_player_mixes_images(name: str, norm: str) -> None:
    torch.manual_seed(0)
    small: Any = SMALL_NETWORKS[name]
    norms = {"norm": norm, "critic_norm": norm} if hasattr(small, "norm") else {}
    networks = dataclasses.replace(small, **norms)
    size = Size(16, 16)
    generator, critic = networks.generator(size, 3), networks.critic(size, 3)
    z = torch.randn(4, networks.latent)
    x = generator(z)
    assert torch.allclose(generator(z[:1]), x[:1], rtol=1e-4, atol=1e-5)
    assert torch.allclose(critic(x[:1]), critic(x)[:1], rtol=1e-4, atol=1e-5)


def test_layer_norm_is_over_one_image_with_a_scale_and_an_offset_per_channel() -> None:
    layer, x = norm_layer("layer", 6), torch.randn(3, 6, 5, 7) * 4 + 2
    want = (x - x.mean((1, 2, 3), keepdim=True)) / x.std((1, 2, 3), keepdim=True, correction=0)
    assert torch.allclose(layer(x), want, atol=1e-4)
    assert [p.shape for p in layer.parameters()] == [(6,), (6,)]


def test_dcgan_at_64_has_the_papers_widths() -> None:
    generator = DCGAN(latent=100).generator(Size(64, 64), 3)
    ups = [m for m in generator.modules() if isinstance(m, nn.ConvTranspose2d)]
    assert [(m.in_channels, m.out_channels) for m in ups] == [
        *((100, 512), (512, 256), (256, 128), (128, 64), (64, 3))
    ]
    critic = DCGAN().critic(Size(64, 64), 3)
    downs = [m for m in critic.modules() if isinstance(m, nn.Conv2d)]
    assert [m.out_channels for m in downs] == [64, 128, 256, 512, 1]


def test_dcgan_starts_as_its_authors_say() -> None:
    generator = DCGAN().generator(Size(32, 32), 3)
    for module in generator.modules():
        if isinstance(module, nn.ConvTranspose2d):
            assert module.weight.std().item() == pytest.approx(0.02, rel=0.05)
        if isinstance(module, nn.BatchNorm2d):
            assert module.weight.mean().item() == pytest.approx(1.0, abs=0.01)


def test_resnet_at_64_has_the_papers_widths() -> None:
    widths = [channels_after(k, Size(64, 64), 1.0) for k in range(5)]
    assert widths == [64, 128, 256, 512, 512]  # 1, 2, 4, 8, 8 times 64
    even = ResNet(width=2, widen=False).critic(Size(32, 32), 3)  # for CIFAR
    convs = [m for m in even.modules() if isinstance(m, nn.Conv2d)]
    assert {m.out_channels for m in convs} == {128}
    generator = ResNet().generator(Size(64, 64), 3)
    assert generator.seed.out_features == 512 * 4 * 4  # type: ignore[union-attr]


def test_large_images_have_narrow_fine_layers_and_never_over_512_channels() -> None:
    assert channels_after(0, Size(1024, 1024), 1.0) == 16
    assert channels_after(8, Size(1024, 1024), 1.0) == 512
    assert channels_after(0, Size(64, 64), 0.5) == 32


@every_network
def test_a_width_or_latent_that_makes_no_sense_is_refused(name: str) -> None:
    kind: Any = NETWORKS[name]
    with pytest.raises(OptionError, match="--width is a factor above 0 and up to 16, got 0"):
        kind(width=0.0)
    with pytest.raises(OptionError, match="--latent must be at least 1, got 0"):
        kind(latent=0)


@every_network
def test_networks_can_be_built_on_meta_without_memory_or_a_device(name: str) -> None:
    with torch.device("meta"):
        networks: Any = NETWORKS[name]()
        generator = networks.generator(Size(256, 256), 3)
        images = generator(torch.randn(2, networks.latent))
        assert images.shape == (2, 3, 256, 256)
        assert networks.critic(Size(256, 256), 3)(images).device.type == "meta"
