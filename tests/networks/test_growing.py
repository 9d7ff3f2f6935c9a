"""Growth: what fades in, what stays, and what the paper says of every layer."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, leaky_relu

from poise.errors import OptionError
from poise.networks import Growing
from poise.networks.growing import Weighted, deviation, pixelnorm
from poise.size import Size, Stage

SMALL = Growing(latent=6, maps=64, widest=8, group=2)
SIZES = [Size(32, 32), Size(32, 48), Size(28, 28)]  # from 4x4, 4x6 and 7x7


def pair(size: Size = SIZES[0], channels: int = 3, of: Growing = SMALL) -> tuple[Any, Any]:
    torch.manual_seed(0)
    return of.generator(size, channels), of.critic(size, channels)


def at(network: Any, level: int, alpha: float) -> Any:
    network.grow_to(Stage(level, alpha))
    return network


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_at_alpha_0_both_players_equal_the_old_ones_on_upsampled_images_exactly(
    size: Size, channels: int
) -> None:
    g, d = pair(size, channels)
    z = torch.randn(4, 6)
    for level in range(1, len(g.levels)):
        old = at(g, level - 1, 1.0)(z)
        assert torch.equal(at(g, level, 0.0)(z), interpolate(old, scale_factor=2.0))
        before = at(d, level - 1, 1.0)(old)
        assert torch.equal(at(d, level, 0.0)(interpolate(old, scale_factor=2.0)), before)


def test_at_alpha_1_the_old_ways_of_images_are_gone() -> None:
    g, d = pair()
    z, x = torch.randn(2, 6), torch.randn(2, 3, 16, 16)
    images, scores = at(g, 2, 1.0)(z), at(d, 2, 1.0)(x)
    with torch.no_grad():
        for p in [*g.images[1].parameters(), *d.reads[1].parameters()]:
            p.fill_(float("nan"))
    assert torch.equal(at(g, 2, 1.0)(z), images)
    assert torch.equal(at(d, 2, 1.0)(x), scores)


def test_the_fade_is_continuous_also_into_and_out_of_a_level() -> None:
    g, d = pair()
    z, x = torch.randn(2, 6), torch.randn(2, 3, 16, 16)

    def both(level: int, alpha: float) -> tuple[Tensor, Tensor]:
        return at(g, level, alpha)(z).detach(), at(d, level, alpha)(x).detach()

    for alpha in (0.0, 0.3, 0.999):
        for here, there in zip(both(2, alpha), both(2, alpha + 1e-4), strict=True):
            assert (here - there).abs().max() < 1e-2
    for fading, whole in zip(both(2, 1 - 1e-6), both(2, 1.0), strict=True):
        assert torch.allclose(fading, whole, atol=1e-4)


def test_images_fade_as_images_and_features_as_features() -> None:
    g, d = pair()
    z = torch.randn(2, 6)
    old = interpolate(at(g, 1, 1.0)(z), scale_factor=2.0)
    want = 0.7 * old + 0.3 * at(g, 2, 1.0)(z)
    assert torch.allclose(at(g, 2, 0.3)(z), want, atol=1e-5)
    d.grow_to(Stage(1, 0.3))
    x, d.of = torch.randn(2, 3, 8, 8), Growing(latent=6, maps=64, widest=8, group=1)
    d.last = nn.Identity()  # the rest of the critic is made linear, so that the blend shows
    d.flat, d.score = nn.Flatten(), Mean()
    blend = d(x)
    ends = [at(d, 1, alpha)(x) for alpha in (0.0, 1.0)]
    inner = 0.7 * features(d, x, 0) + 0.3 * features(d, x, 1)
    assert torch.allclose(blend, leaky_relu(leaky_relu(inner, 0.2), 0.2).flatten(1).mean(1))
    assert not torch.allclose(ends[0], ends[1])


class Mean(nn.Module):
    def forward(self, h: Tensor) -> Tensor:
        return h.flatten(1).mean(1, keepdim=True)


def features(d: Any, x: Tensor, new: int) -> Tensor:
    """What enters the critic's last block by the old way (0) and by the new one (1), by hand."""

    def bent(h: Tensor) -> Tensor:
        return leaky_relu(h, 0.2)

    if not new:
        return bent(d.reads[0](nn.AvgPool2d(2)(x)))
    h = bent(d.twos[0](bent(d.ones[0](bent(d.reads[1](x))))))
    half: Tensor = nn.AvgPool2d(2)(h)
    return half


@pytest.mark.parametrize("level", range(4))
@pytest.mark.parametrize("alpha", [0.5, 1.0])
def test_every_layer_of_the_stage_receives_a_gradient_and_no_other(
    level: int, alpha: float
) -> None:
    g, d = pair()
    at(d, level, alpha)(at(g, level, alpha if level else 1.0)(torch.randn(4, 6))).sum().backward()
    for network in (g, d):
        for name, p in network.named_parameters():
            part, _, index = name.partition(".")
            k = int(index.split(".")[0]) if index[0].isdigit() else -1
            fading = level > 0 and alpha < 1
            used = {
                "ones": k < level,
                "twos": k < level,
                "images": k == level or (fading and k == level - 1),
                "reads": k == level or (fading and k == level - 1),
            }.get(part, True)
            assert (p.grad is not None) == used, name
            assert p.grad is None or p.grad.abs().sum() > 0, name


def test_with_the_equalized_rate_the_variance_stays_near_1_layer_by_layer() -> None:
    """Each layer's output at the start, before its bend, for an input of variance 1."""
    torch.manual_seed(0)
    g, d = Growing(maps=1024, widest=128).generator(Size(16, 16), 3), None
    layers = [m for m in g.modules() if isinstance(m, Weighted)]
    d = Growing(maps=1024, widest=128).critic(Size(16, 16), 3)
    layers += [m for m in d.modules() if isinstance(m, Weighted)]
    assert len(layers) == 2 * (2 + 2 * 2 + 3) + 1
    for layer in layers:
        fan_in = layer.weight[0].numel()
        gain = layer.scale * math.sqrt(fan_in)
        shape = (64, fan_in) if layer.weight.dim() == 2 else (64, layer.weight.shape[1], 1, 1)
        x = torch.randn(shape)
        if layer.weight.dim() == 4:  # the kernel once over exactly its own area: no padding
            x = torch.randn(64, *layer.weight.shape[1:])
            out = (x.flatten(1) @ layer.weight.flatten(1).T) * layer.scale + layer.bias
        else:
            out = layer(x)
        assert out.var().item() / gain**2 == pytest.approx(1.0, abs=0.2)


def test_variance_neither_grows_nor_shrinks_on_the_way_through_both_players() -> None:
    """In a real pass: the mean square that leaves a layer is gain^2 times that which enters it."""
    torch.manual_seed(0)
    of, size, seen = Growing(maps=1024, widest=128), Size(16, 16), []

    def look(layer: Any, args: tuple[Tensor], out: Tensor) -> None:
        x, edge = args[0], layer.weight.shape[-1] // 2 if layer.weight.dim() == 4 else 0
        if out.shape[1] >= 16:  # of fewer maps it is anything by chance
            inner = (..., slice(edge, -edge), slice(edge, -edge)) if edge else (...,)
            gain = layer.scale * math.sqrt(layer.weight[0].numel())
            seen.append(float(out[inner].square().mean() / x.square().mean()) / gain**2)

    players = of.generator(size, 3), of.critic(size, 3)
    for player in players:
        for module in player.modules():
            if isinstance(module, Weighted):
                module.register_forward_hook(look)
    with torch.no_grad():
        players[0](torch.randn(64, of.latent))
        players[1](torch.randn(64, 3, *size))
    assert len(seen) == 6 + 7  # all but those to images, from other levels', and the score
    assert seen == pytest.approx([1.0] * len(seen), abs=0.2)


@pytest.mark.parametrize("equalized", [True, False])
def test_gains_are_the_papers_and_equalizing_changes_no_first_function(equalized: bool) -> None:
    torch.manual_seed(0)
    g, d = pair(Size(8, 8), of=Growing(maps=512, widest=64, equalized=equalized))
    gains = [(g.seed, math.sqrt(2) / 4), (g.first, math.sqrt(2)), (g.ones[0], math.sqrt(2))]
    gains += [(g.images[1], 1.0), (d.score, 1.0), (d.flat, math.sqrt(2)), (d.last, math.sqrt(2))]
    for layer, gain in gains:
        effective: Any = layer
        spread = (effective.weight * effective.scale).std().item()
        fan_in = effective.weight[0].numel()
        assert spread * math.sqrt(fan_in) == pytest.approx(gain, rel=0.15)
        assert effective.weight.std().item() == pytest.approx(
            1.0 if equalized else spread, rel=0.15
        )


def test_pixelnorm_gives_every_pixel_a_root_mean_square_of_1() -> None:
    for shape in ((3, 16), (3, 16, 5, 7)):
        a = pixelnorm(torch.randn(shape) * 30)
        assert torch.allclose(a.square().mean(1).sqrt(), torch.ones(()), atol=1e-5)
    assert torch.equal(pixelnorm(torch.zeros(2, 4)), torch.zeros(2, 4))


def test_the_generator_is_blind_to_the_length_of_a_latent() -> None:
    g, _ = pair()
    with torch.no_grad():
        g.seed.bias.fill_(0.5)  # without it the first pixelnorm would take the length away
    z = torch.randn(3, 6)
    assert torch.allclose(g(z), g(5 * z), atol=1e-4)


def test_without_pixelnorm_features_are_only_bent() -> None:
    g, _ = pair(of=Growing(latent=6, maps=64, widest=8, pixelnorm=False))
    h = torch.randn(2, 8, 4, 4)
    assert torch.equal(g.bent(h), leaky_relu(h, 0.2))


def test_the_deviation_over_groups_equals_the_one_made_by_hand() -> None:
    h = torch.randn(6, 3, 2, 2)
    got = deviation(h, 3)
    assert got.shape == (6, 1, 2, 2)
    for m in range(2):  # groups hold images m, m + 2, m + 4
        group = h[m::2]
        spread = torch.zeros(3, 2, 2)
        for c in range(3):
            for i in range(2):
                for j in range(2):
                    values = group[:, c, i, j]
                    variance = ((values - values.mean()) ** 2).mean()
                    spread[c, i, j] = math.sqrt(variance + 1e-8)
        assert torch.allclose(got[m::2], spread.mean(), atol=1e-6)


@pytest.mark.parametrize(("n", "group"), [(1, 1), (2, 2), (4, 4), (6, 3), (7, 1), (8, 4)])
def test_a_batch_that_groups_do_not_divide_has_smaller_ones(n: int, group: int) -> None:
    h = torch.randn(n, 3, 2, 2)
    assert torch.equal(deviation(h, 4), deviation(h, group))


def test_equal_images_have_no_deviation_and_the_critic_can_see_that() -> None:
    x = torch.randn(1, 3, 32, 32).expand(4, -1, -1, -1)
    assert deviation(x, 4).max() < 2e-4
    _, d = pair(of=Growing(latent=6, maps=64, widest=8, group=4))
    varied = torch.randn(4, 3, 32, 32)
    alone = d(varied[:1].expand(4, -1, -1, -1))
    assert (d(varied)[0] - alone[0]).abs() > 100 * (alone[1] - alone[0]).abs()


@pytest.mark.parametrize(
    ("level", "maps"), [(0, 512), (3, 512), (4, 256), (5, 128), (6, 64), (7, 32), (8, 16)]
)
def test_feature_maps_are_the_papers(level: int, maps: int) -> None:
    assert Growing().maps_at(level) == maps


def test_the_papers_networks_for_1024_pixels_have_23_million_weights_each() -> None:
    with torch.device("meta"):
        g, d = Growing().generator(Size(1024, 1024), 3), Growing().critic(Size(1024, 1024), 3)
    for network in (g, d):  # the paper's table 2: 23.1 million each, with the last images' layers
        used = [p.numel() for name, p in network.named_parameters() if not stale(name)]
        assert sum(used) / 1e6 == pytest.approx(23.1, abs=0.1)


def stale(name: str) -> bool:
    """Layers that read or draw images of smaller sizes."""
    return name.startswith(("images.", "reads.")) and not name.startswith(("images.8", "reads.8"))


def test_the_stage_is_saved_with_the_weights() -> None:
    g, _ = pair()
    at(g, 2, 0.25)
    other, _ = pair()
    other.load_state_dict(g.state_dict())
    assert other.stage == Stage(2, 0.25)
    with torch.device("meta"):
        third: Any = SMALL.generator(Size(32, 32), 3)
    third.load_state_dict(g.state_dict(), assign=True)
    assert third.stage == Stage(2, 0.25)


def test_numbers_that_make_no_sense_are_refused() -> None:
    for name in ("maps", "widest", "group"):
        numbers: Any = {name: 0}
        with pytest.raises(OptionError, match=f"--{name} must be at least 1, got 0"):
            Growing(**numbers)
    with pytest.raises(OptionError, match="Give --width"):
        Growing(width=None).generator(Size(8, 8), 3)
