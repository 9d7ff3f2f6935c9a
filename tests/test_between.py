"""The latent of an image, and the way from one to another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from poise import between as module
from poise.between import STEPS_BETWEEN, Found, Pair, find, strip
from poise.data.decode import View
from poise.data.options import Fit
from poise.errors import DataError
from poise.generator import Generator
from poise.latents import LatentSpace, Prior
from poise.pictures import png, to_uint8
from poise.size import Size

SIZE = Size(8, 12)
VIEW = View(SIZE, 3)
PRIORS: list[Prior] = ["normal", "uniform"]


def smooth_generator(prior: Prior = "normal", channels: int = 3) -> Generator:
    """One whose images differ much and change slowly, as those of a trained one do."""
    torch.manual_seed(0)
    shape = (channels, *SIZE)
    first, last = nn.Linear(4, 32), nn.Linear(32, channels * SIZE.height * SIZE.width)
    network = nn.Sequential(first, nn.Tanh(), last, nn.Tanh(), nn.Unflatten(1, shape))
    for layer in (first, last):
        layer.weight.data.mul_(2)
    return Generator(network.eval().requires_grad_(False), LatentSpace(4, prior), SIZE, channels, 0)


def photo(path: Path, height: int = 8, width: int = 12, mode: str = "RGB") -> Path:
    """A file of noise."""
    noise = np.random.default_rng(height * width)
    Image.fromarray(noise.integers(0, 256, (height, width, 3), np.uint8)).convert(mode).save(path)
    return path


# --- the search -----------------------------------------------------------------------------------


@pytest.mark.parametrize("prior", PRIORS)
def test_the_latent_of_a_generated_image_is_found_again(prior: Prior) -> None:
    generator = smooth_generator(prior)
    found = find(generator, generator.sample(3, seed=5))
    assert max(found.errors) < 1.0  # of 255 levels
    assert torch.allclose(found.latents, generator.latents(3, seed=5), atol=0.05)


@pytest.mark.parametrize("prior", PRIORS)
def test_the_error_is_the_mean_distance_of_all_levels(prior: Prior) -> None:
    generator, image = smooth_generator(prior), torch.rand(1, 3, *SIZE) * 2 - 1
    found = find(generator, image, starts=2, steps=20)
    (real, drawn) = ((127.5 * (x + 1)).numpy() for x in (image, generator(found.latents)))
    assert found.errors == [pytest.approx(np.abs(real - drawn).mean(), rel=1e-5)]


def test_uniform_latents_stay_in_their_cube_at_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    generator, farthest = smooth_generator("uniform"), []
    network = generator.network
    network.register_forward_pre_hook(lambda _, given: farthest.append(given[0].abs().max()))
    far = 4 * generator.latents(2, seed=1).sign()  # a latent out of the cube draws these
    images = generator(far)
    farthest.clear()
    monkeypatch.setattr(module, "RATE", 1.0)
    found = find(generator, images, steps=50)
    assert max(farthest) <= 1
    assert found.latents.abs().max() == 1


def test_normal_latents_are_free_to_leave_it() -> None:
    generator = smooth_generator()
    far = 1.8 * generator.latents(1, seed=1).sign()
    found = find(generator, generator(far))
    assert found.errors[0] < 1.0
    assert found.latents.abs().max() > 1.5


def test_only_latents_are_differentiated_and_nothing_of_the_generator_changes() -> None:
    generator = smooth_generator()
    for weight in generator.network.parameters():
        weight.requires_grad_(True)  # as somebody might have left them
    before = {name: value.clone() for name, value in generator.network.state_dict().items()}
    find(generator, generator.sample(1), steps=5)
    after = generator.network.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert all(weight.grad is None for weight in generator.network.parameters())


def test_several_starts_are_never_worse_than_one() -> None:
    generator = smooth_generator()
    next(generator.network.parameters()).data.mul_(5)  # so that a descent can be caught in a hollow
    images = generator.sample(4, seed=5)
    one, many = (find(generator, images, starts=starts, steps=100) for starts in (1, 8))
    gains = [o - m for o, m in zip(one.errors, many.errors, strict=True)]
    assert min(gains) > -1e-3
    assert max(gains) > 10  # of 255 levels


def test_what_is_found_is_a_function_of_the_image_and_the_seed() -> None:
    generator = smooth_generator()
    images = torch.rand(3, 3, *SIZE) * 2 - 1

    def found(some: Tensor, seed: int) -> Found:
        return find(generator, some, seed=seed, starts=4, steps=30)

    assert torch.equal(found(images, 1).latents, found(images, 1).latents)
    assert torch.equal(found(images, 1).latents[1:2], found(images[1:2], 1).latents)
    assert not torch.equal(found(images, 1).latents, found(images, 2).latents)


def test_the_search_tells_of_every_step() -> None:
    told: list[tuple[int, int]] = []
    generator = smooth_generator()
    find(
        generator,
        generator.sample(2),
        starts=1,
        steps=3,
        searched=lambda done, of: told.append((done, of)),
    )
    assert told == [(done, 6) for done in range(1, 7)]


# --- the images -----------------------------------------------------------------------------------


def read(paths: list[Path], view: View = VIEW) -> tuple[Pair, list[str]]:
    """A pair, and what was warned of."""
    warned: list[str] = []
    return Pair.read(paths, view, warned.append), warned


def test_a_pair_holds_two_images_and_then_their_mirror_images_back(tmp_path: Path) -> None:
    names = [photo(tmp_path / "a.png"), photo(tmp_path / "b.png", 8, 12)]
    with Image.open(names[1]) as picture:
        picture.transpose(Image.Transpose.ROTATE_180).save(names[1])
    pair, warned = read(names)
    a, b = (np.asarray(Image.open(name)) for name in names)
    want = np.stack([a, b, b[:, ::-1], a[:, ::-1]])
    assert np.array_equal(to_uint8(pair.images), want)
    assert warned == []
    assert pair.digest == read(names)[0].digest != read(names[::-1])[0].digest


@pytest.mark.parametrize(("channels", "mode"), [(1, "RGBA"), (3, "L"), (4, "RGB")])
def test_an_image_of_other_channels_gets_those_of_the_run(
    channels: int, mode: str, tmp_path: Path
) -> None:
    pair, _ = read([photo(tmp_path / "a.png", mode=mode)] * 2, View(SIZE, channels))
    assert pair.images.shape == (4, channels, *SIZE)


@pytest.mark.parametrize(
    ("size", "fit", "note"),
    [
        ((16, 24), "crop", "a.png is 16x24 pixels; it was scaled to the run's 8x12."),
        (
            (20, 20),
            "crop",
            "a.png is 20x20 pixels; it was scaled and cropped to the run's 8x12, "
            "as the run's images were.",
        ),
        (
            (20, 20),
            "pad",
            "a.png is 20x20 pixels; it was scaled and padded to the run's 8x12, "
            "as the run's images were.",
        ),
        (
            (8, 13),
            "stretch",
            "a.png is 8x13 pixels; it was scaled and stretched to the run's 8x12, "
            "as the run's images were.",
        ),
    ],
)
def test_an_image_of_another_shape_is_fitted_as_the_runs_images_were_and_that_is_said(
    size: tuple[int, int], fit: Fit, note: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    view = View(SIZE, 3, fit, (1, 2, 3))
    pair, warned = read([photo(Path("a.png"), *size), photo(Path("b.png"))], view)
    assert warned == [note]
    assert (to_uint8(pair.images)[0, 0, 0].tolist() == [1, 2, 3]) == (fit == "pad")


def cut(path: Path) -> None:
    path.write_bytes(photo(path).read_bytes()[:150])


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: None, "cannot be read (No such file or directory)."),
    "a folder": (Path.mkdir, "cannot be read (Is a directory)."),
    "truncated": (cut, "cannot be used: truncated: "),
    "empty": (Path.touch, "cannot be used: empty: the file has 0 bytes."),
    "no image": (
        lambda path: path.write_text("no"),
        "cannot be used: not an image that Poise reads",
    ),
}


@pytest.mark.parametrize("what", BROKEN)
@pytest.mark.parametrize("first", [True, False])
def test_an_image_that_cannot_be_read_is_refused_in_words(
    what: str, first: bool, tmp_path: Path
) -> None:
    make, text = BROKEN[what]
    make(tmp_path / "broken.png")
    names = [tmp_path / "broken.png", photo(tmp_path / "good.png")]
    with pytest.raises(DataError) as error:
        read(names if first else names[::-1])
    told = str(error.value)
    assert told.startswith(f"{tmp_path / 'broken.png'} {text}")
    assert told.endswith(". --between takes two image files.")


def test_the_second_image_is_read_before_anything_is_said_of_the_first(tmp_path: Path) -> None:
    warned: list[str] = []
    large = photo(tmp_path / "a.png", 16, 24)
    with pytest.raises(DataError):
        Pair.read([large, tmp_path / "none.png"], View(SIZE, 3), warned.append)
    assert warned == []
    Pair.read([large, large], View(SIZE, 3), warned.append)
    assert len(warned) == 1


# --- the strip ------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_strip_shows_the_images_beside_their_reconstructions_and_the_way_between(
    channels: int, tmp_path: Path
) -> None:
    generator = smooth_generator("uniform", channels)
    drawn = generator.sample(2, seed=4)
    for name, image in zip("ab", to_uint8(drawn), strict=True):
        (tmp_path / f"{name}.png").write_bytes(png(image))
    pair, _ = read([tmp_path / "a.png", tmp_path / "b.png"], View(SIZE, channels))
    latents = generator.latents(4, seed=6)
    picture = strip(generator, pair, latents)
    columns = STEPS_BETWEEN + 4
    assert picture.shape == (2 * 8, columns * 12, channels)
    cells = picture.reshape(2, 8, columns, 12, channels).transpose(0, 2, 1, 3, 4)
    real, made = to_uint8(pair.images), to_uint8(generator(latents))
    for row, (a, b) in enumerate([(0, 1), (3, 2)]):
        for column, want in ((0, real[a]), (1, made[a]), (-2, made[b]), (-1, real[b])):
            assert np.array_equal(cells[row, column], want)
        half = generator((latents[a : a + 1] * 4 + latents[b : b + 1] * 3) / 7)
        assert np.abs(cells[row, 4].astype(int) - to_uint8(half)[0]).max() <= 1
    assert np.array_equal(cells[1, 0], cells[0, 0][:, ::-1])
