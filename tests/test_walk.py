"""`poise walk`: what it writes, where, and what it refuses."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import poise as package
from poise import walk
from poise.between import Found, find
from poise.generator import Generator
from poise.latents import LatentSpace
from poise.pictures import png, to_uint8
from poise.run import Run
from poise.size import Size
from poise.terminal import Terminal
from poise.video import Frame
from poise.walk import WalkOptions, draw, film

from .helpers import Told, poise, tree

SHORT = ("--fps", "10", "--seconds", "1.2")  # 12 frames


@pytest.fixture(scope="module")
def run(trained: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run whose images differ: after 20 steps they hardly do, so its weights are made larger."""
    path = shutil.copytree(trained.path, tmp_path_factory.mktemp("runs") / "lively")
    lively = Run.open(path)
    last = lively.checkpoints.drawn()[-1]
    tensors = lively.checkpoints.load(last).tensors
    grown = {k: 4 * v if k.endswith("weight") else v for k, v in tensors.items()}
    lively.checkpoints.save(last, grown, {})
    return lively


@pytest.fixture
def here(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working directory, with two generated images; afterwards the run must be as it was."""
    monkeypatch.chdir(tmp_path)
    before = tree(run.path)
    for name, image in zip("ab", to_uint8(package.load(run.path).sample(2)), strict=True):
        Path(f"{name}.png").write_bytes(png(image))
    yield tmp_path
    assert tree(run.path) == before


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A search of a few steps, for tests that do not look at what is found."""
    monkeypatch.setattr(
        walk, "find", lambda *args, **words: find(*args, **words, starts=2, steps=9)
    )


def told_by(words: tuple[object, ...], capsys: pytest.CaptureFixture[str]) -> str:
    """The one sentence in which `poise walk` refuses these words."""
    assert poise("walk", *map(str, words)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("poise: ")
    return err.removeprefix("poise: ").strip()


def length_and_size(path: Path) -> tuple[int, tuple[int, int]]:
    """Milliseconds, and width x height."""
    with Image.open(path) as picture:
        total, count = 0, picture.n_frames  # type: ignore[attr-defined]
        for i in range(count):
            picture.seek(i)
            picture.load()  # only then is the length of this frame known
            total += picture.info["duration"]
        return total, picture.size


# --- what is written ------------------------------------------------------------------------------


def test_a_walk_is_written_into_the_run_under_a_name_of_all_that_decides_it(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run.open(shutil.copytree(run.path, tmp_path / "run"))
    before = tree(run.path)
    assert poise("walk", run.path, *SHORT, "--seed", "5") == 0
    name = "samples/000000640-walk-n16-keys8-seed5-10fps-1.2s.webp"
    assert tree(run.path).keys() - before.keys() == {name}
    assert capsys.readouterr().out.splitlines()[-1] == str(run.path / name)
    assert length_and_size(run.path / name) == (1200, (512, 512))  # 4x4 of 8x8, enlarged 16 times
    first = (run.path / name).read_bytes()
    assert poise("walk", run.path, *SHORT, "--seed", "5") == 0  # the same again is no overwriting
    assert (run.path / name).read_bytes() == first


def test_one_image_is_shown_alone_and_four_by_two(run: Run, here: Path) -> None:
    assert poise("walk", run.path, *SHORT, "-n", "1", "--out", "one.webp") == 0
    assert length_and_size(here / "one.webp") == (1200, (512, 512))
    assert poise("walk", run.path, *SHORT, "-n", "6", "--out", "more/six.webp") == 0
    assert length_and_size(here / "more" / "six.webp") == (1200, (528, 352))  # 3 x 2, 22 times


def test_a_walk_is_a_function_of_its_seed(run: Run, here: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        words = (*SHORT, "-n", "4", "--seed", seed, "--out", f"{name}.webp")
        assert poise("walk", run.path, *map(str, words)) == 0
    a, b, c = ((here / f"{name}.webp").read_bytes() for name in "abc")
    assert a == b
    assert a != c


def test_an_mp4_has_as_many_frames_as_its_seconds_hold(run: Run, here: Path) -> None:
    av = pytest.importorskip("av")
    assert poise("walk", run.path, *SHORT, "--keys", "3", "--out", "walk.mp4") == 0
    with av.open("walk.mp4") as container:
        assert len(list(container.decode(video=0))) == 12
        assert container.streams.video[0].average_rate == 10


class Waves(torch.nn.Module):
    """A generator without a network: an image is one colour, its latent."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.zero = torch.nn.Parameter(torch.zeros(1), requires_grad=False)
        self.channels = channels

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return z[:, : self.channels, None, None].expand(-1, -1, 4, 6) + self.zero


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("n", [1, 5, 100])
def test_each_frame_shows_the_images_of_its_latents_side_by_side(channels: int, n: int) -> None:
    generator = Generator(Waves(channels), LatentSpace(4, "uniform"), Size(4, 6), channels, 0)
    path = generator.latents(7 * n).view(7, n, 4)
    told: list[tuple[int, int]] = []
    frames = list(draw(generator, path, lambda done, of: told.append((done, of))))
    assert told == [(done, 7) for done in range(1, 8)]
    want = to_uint8(path.reshape(-1, 4, 1, 1)[:, :channels]).reshape(7, n, channels)
    for frame, colours in zip(frames, want, strict=True):
        assert max(frame.shape[:2]) >= 512
        assert frame.shape[2] == channels
        columns = {1: 1, 5: 2, 100: 9}[n]
        down = frame.shape[0] // -(-n // columns)
        across = frame.shape[1] // columns
        cells = frame[down // 2 :: down, across // 2 :: across].reshape(-1, channels)
        assert np.array_equal(cells[:n], colours)


def test_the_terminal_says_how_far_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    with Terminal() as terminal:
        terminal.searched(3, 1_200)
    with Terminal() as terminal:
        terminal.drew(4, 192)
    assert capsys.readouterr().out.splitlines() == ["searching 3/1,200", "drawing 4/192"]


# --- between two images ---------------------------------------------------------------------------


def test_the_way_between_two_images_is_a_video_a_strip_and_their_errors_in_words(
    run: Run, here: Path
) -> None:
    told = Told()
    words = {"between": (Path("a.png"), Path("b.png")), "fps": 10, "seconds": 2.0}
    asked = WalkOptions(str(run.path), out=Path("way.webp"), **words)  # type: ignore[arg-type]
    assert film(asked, told) == 0
    a, b, *files = told.said
    assert files == ["way.webp", "way.png"]
    for name, text in (("a.png", a), ("b.png", b)):
        start, end = text.split(" of 255 levels in the mean, that of its mirror image by ")
        assert start.startswith(f"{name}: the nearest generated image is off by ")
        assert float(start.split()[-1]) < 4  # the generator's own image
        assert float(end.rstrip(".")) > 20  # which it has never seen from the other side
    assert told.warned == []
    assert length_and_size(here / "way.webp")[1] == (512, 512)
    with Image.open("way.png") as picture:
        assert picture.size == (1040, 208)  # 10 x 2 of 8x8, enlarged 13 times
        assert np.array_equal(
            np.asarray(picture)[6:104:13, 6:104:13], np.asarray(Image.open("a.png"))
        )


def test_the_way_leads_over_the_mirror_images_back(
    run: Run, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At each quarter of the video stands the reconstruction of a, b, b's mirror, a's mirror."""
    kept: list[Found] = []
    paths: list[torch.Tensor] = []

    def found(*words: Any, **named: Any) -> Found:
        assert named["seed"] == 3
        kept.append(find(*words, **named))
        return kept[-1]

    def drawn(generator: Generator, path: torch.Tensor, drew: Any) -> Iterator[Frame]:
        paths.append(path)
        return draw(generator, path, drew)

    monkeypatch.setattr(walk, "find", found)
    monkeypatch.setattr(walk, "draw", drawn)
    out = ("--out", "way.webp", "--fps", "10", "--seconds", "2", "--seed", "3")
    assert poise("walk", run.path, "--between", "a.png", "b.png", *out) == 0
    assert torch.allclose(paths[0][::5, 0], kept[0].latents, atol=1e-5)
    first, second = (paths[0][i + 1] - paths[0][i] for i in (0, 1))
    assert first.norm() < 0.6 * second.norm()  # it rests at each
    generator = package.load(run.path)
    mirrored = to_uint8(generator.sample(2).flip(-1))
    shown = to_uint8(generator(paths[0][10:16:5, 0])).astype(int)
    errors = [np.abs(x - mirrored[k]).mean() for x, k in zip(shown, (1, 0), strict=True)]
    assert errors == [pytest.approx(e, abs=0.5) for e in kept[0].errors[2:]]


@pytest.mark.usefixtures("quick")
def test_without_out_the_way_is_written_into_the_run(
    run: Run, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = []
    words = ("--between", "a.png", "b.png", *SHORT)
    for _ in range(2):
        assert poise("walk", run.path, *words) == 0
        made.append([Path(line) for line in capsys.readouterr().out.splitlines()[-2:]])
    (video, picture), again = made
    assert again == [video, picture]
    assert video.parent == run.path / "samples"
    assert video.name.startswith("000000640-between-")
    assert video.name.endswith("-seed0-10fps-1.2s.webp")
    assert picture == video.with_suffix(".png")
    video.unlink()
    picture.unlink()


@pytest.mark.usefixtures("quick")
def test_an_image_of_another_shape_is_fitted_with_a_note(
    run: Run, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("L", (30, 20), 99).save("wide.png")
    words = ("--between", "a.png", "wide.png", *SHORT, "--out", "way.webp")
    assert poise("walk", run.path, *words) == 0
    assert capsys.readouterr().err == (
        "Warning: wide.png is 20x30 pixels; it was scaled and cropped to the run's 8x8, "
        "as the run's images were.\n"
    )


# --- what is refused ------------------------------------------------------------------------------

REFUSED = {
    "--fps 0": "--fps must be 1 to 60 frames a second, got 0.",
    "--fps -5": "--fps must be 1 to 60 frames a second, got -5.",
    "--fps 61": "--fps must be 1 to 60 frames a second, got 61.",
    "--seconds 0": "--seconds must be over 0, got 0.",
    "--seconds -1": "--seconds must be over 0, got -1.",
    "--seconds nan": "--seconds must be over 0, got nan.",
    "--seconds inf": "--seconds must be over 0, got inf.",
    "--seconds 0.1": "0.1 seconds at 24 frames a second are 2 frames, and 16 images that pass 8 "
    "latents need 8 to 15,625. Give other --seconds.",
    "--seconds 1e9": "1e+09 seconds at 24 frames a second are 24,000,000,000 frames, and 16 images "
    "that pass 8 latents need 8 to 15,625. Give other --seconds.",
    "--keys 1": "--keys must be at least 2 latents, got 1.",
    "--keys -2": "--keys must be at least 2 latents, got -2.",
    "--keys 0": "--keys must be at least 2 latents, got 0.",
    "-n 0": "-n must be 1 to 250,000 images, got 0.",
    "-n -3": "-n must be 1 to 250,000 images, got -3.",
    "-n 300000": "-n must be 1 to 250,000 images, got 300000.",
    "--seed 99999999999999999999": "--seed is a number of 64 bits, got 99999999999999999999.",
    "--seed -99999999999999999999": "--seed is a number of 64 bits, got -99999999999999999999.",
    "--out walk.gif": "--out is a .webp or an .mp4, got walk.gif.",
    "--out walk": "--out is a .webp or an .mp4, got walk.",
    "--out a.png": "--out is a .webp or an .mp4, got a.png.",
    "--between a.png b.png -n 4": "--between shows one image on its way between two, got -n 4 as "
    "well. Leave out one of them.",
    "--between a.png b.png --keys 5": "--between shows one image on its way between two, got "
    "--keys 5 as well. Leave out one of them.",
    "--between a.png no.png": "no.png cannot be read (No such file or directory). --between takes "
    "two image files.",
    "--between no.txt a.png": "no.txt cannot be used: not an image that Poise reads (AVIF, BMP, "
    "GIF, JPEG, PNG, TIFF, WEBP), or its start is damaged. --between takes two image files.",
    "--between cut.png a.png": "cut.png cannot be used: truncated: ",
    "--device tpu": 'no device "tpu" here',
    "--framerate 3": 'no option called "--framerate".',
    "more": 'did not expect "more".',
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_cannot_be_is_refused_in_words_and_nothing_is_written(
    words: str, run: Run, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("no.txt").write_text("no image")
    Path("cut.png").write_bytes(Path("a.png").read_bytes()[:60])
    before = tree(here)
    told = told_by((run.path, *words.split()), capsys)
    assert told == REFUSED[words] if told.endswith("got 0.") else told.startswith(REFUSED[words])
    assert tree(here) == before


@pytest.mark.parametrize("words", ["--fps x", "--between a.png", "--seconds", "--keys 2.5"])
def test_a_value_of_the_wrong_kind_is_refused(
    words: str, run: Run, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tree(here)
    assert poise("walk", run.path, *words.split()) == 2
    assert words.split()[0] in capsys.readouterr().err
    assert tree(here) == before


TAKEN: dict[str, tuple[str, Callable[[Path], object]]] = {
    "way.webp": ("", lambda path: path.write_text("mine")),
    "way.png": ("--between a.png b.png", lambda path: path.write_text("mine")),
}


@pytest.mark.parametrize("name", TAKEN)
def test_what_is_there_is_not_overwritten(
    name: str, run: Run, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words, make = TAKEN[name]
    make(here / name)
    before = tree(here)
    told = told_by((run.path, *words.split(), "--out", "way.webp"), capsys)
    assert told == f"{name} is there already and is not overwritten. Give another --out."
    assert tree(here) == before


LONG = "x" * 300 + ".webp"
PLACES = {
    "a.png/walk.webp": "a.png/walk.webp cannot be written: a.png is not a directory. "
    "Give another --out.",
    "a.png/more/walk.webp": "a.png/more/walk.webp cannot be written: a.png is not a directory. "
    "Give another --out.",
    LONG: f"{LONG} cannot be written: File name too long. Give another --out.",
}


@pytest.mark.parametrize("place", PLACES)
def test_a_place_where_nothing_can_be_written_is_refused(
    place: str, run: Run, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tree(here)
    told = told_by((run.path, *SHORT, "-n", "1", "--out", place), capsys)
    assert told == PLACES[place]
    assert tree(here) == before


def test_a_run_without_a_checkpoint_is_refused(
    run: Run, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = Run.create(here / "new", run.config)
    before = tree(here)
    told = told_by((new.path,), capsys)
    assert told.startswith(f"{new.path} has no whole checkpoint yet: ")
    assert told.endswith(f"poise train {new.path}")
    assert tree(here) == before


@pytest.mark.parametrize("what", ["nowhere", "a.png", ""])
def test_what_is_no_run_is_refused(
    what: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "is not a run" in told_by((what,), capsys)


def test_a_resume_sweeps_away_a_half_written_video_and_nothing_of_a_persons(
    run: Run, tmp_path: Path
) -> None:
    new = Run.create(tmp_path / "run", run.config)
    samples = new.path / "samples"
    for name in ("000000640-walk-n1.webp.part", "2024.part", "mine.webp.part", "000000640.png"):
        (samples / name).write_text("half")
    (samples / "000000640-n9-seed0.0123abcd.part").mkdir()
    new.sweep()
    assert {path.name for path in samples.iterdir()} == {
        *("2024.part", "mine.webp.part", "000000640.png")
    }
