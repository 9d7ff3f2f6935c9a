"""From frames to a file and back."""

from __future__ import annotations

import io
import sys
import weakref
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from poise import video
from poise.errors import OptionError
from poise.video import Frame, check_suffix, encode

MP4 = pytest.param(
    ".mp4", marks=pytest.mark.skipif(find_spec("av") is None, reason="PyAV is not installed")
)


def frames(count: int, height: int = 32, width: int = 48, channels: int = 3) -> Iterator[Frame]:
    """A bar that walks from left to right over gray: no two frames are alike."""
    for i in range(count):
        frame = np.full((height, width, channels), 80, np.uint8)
        frame[:, 4 * i % width : 4 * i % width + 4] = 220
        frame[..., 3:] = 255
        yield frame


def shown(data: bytes) -> list[tuple[Frame, int]]:
    """The frames of a WebP as RGBA, with their lengths in milliseconds."""
    with Image.open(io.BytesIO(data)) as picture:
        found = []
        for i in range(getattr(picture, "n_frames", 1)):
            picture.seek(i)
            picture.load()
            found.append((np.asarray(picture.convert("RGBA")), picture.info["duration"]))
    return found


def decoded(data: bytes) -> list[Frame]:
    """The frames of an MP4 as RGB."""
    av = pytest.importorskip("av")
    with av.open(io.BytesIO(data)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_webp_shows_each_frame_in_its_place_and_begins_again(channels: int) -> None:
    data = encode(frames(12, channels=channels), 12, 10, ".webp")
    with Image.open(io.BytesIO(data)) as picture:
        assert (picture.format, picture.size, picture.n_frames) == ("WEBP", (48, 32), 12)  # type: ignore[attr-defined]
        assert picture.info["loop"] == 0
    for (got, length), want in zip(shown(data), frames(12, channels=channels), strict=True):
        assert length == 100
        assert np.abs(got[..., :3].astype(int) - want[..., :3]).mean() < 3


@pytest.mark.parametrize("fps", [1, 7, 24, 60])
def test_lengths_in_whole_milliseconds_add_up_to_the_length_of_the_whole(fps: int) -> None:
    lengths = [length for _, length in shown(encode(frames(12), 12, fps, ".webp"))]
    assert len(lengths) == 12
    assert all(abs(length - 1000 / fps) < 1 for length in lengths)
    assert abs(sum(lengths) - 12_000 / fps) <= 0.5


def test_frames_that_look_alike_may_be_joined_but_take_their_time() -> None:
    """A walk of a generator that learnt little yet changes by less than a level a frame."""
    slow = [np.full((32, 32, 3), 100 + i, np.uint8) for i in range(12)]
    found = shown(encode(slow, 12, 10, ".webp"))
    assert 1 < len(found) <= 12
    assert sum(length for _, length in found) == 1200
    time = 0
    for frame, length in found:
        first, last = time // 100, (time + length) // 100 - 1
        assert abs(int(frame[16, 16, 0]) - slow[first][0, 0, 0]) <= 4
        assert last - first <= 3
        time += length


def test_a_webp_keeps_what_can_be_seen_through() -> None:
    clear = [np.full((32, 32, 4), (200, 0, 0, level), np.uint8) for level in (0, 90, 255)]
    levels = [int(frame[16, 16, 3]) for frame, _ in shown(encode(clear, 3, 5, ".webp"))]
    assert levels == [0, 90, 255]


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_an_mp4_shows_each_frame_in_its_place(channels: int) -> None:
    av = pytest.importorskip("av")
    data = encode(frames(12, channels=channels), 12, 10, ".MP4")
    with av.open(io.BytesIO(data)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.pix_fmt, stream.average_rate) == ("yuv420p", 10)
        assert (stream.width, stream.height, stream.frames) == (48, 32, 12)
        assert float(stream.duration * stream.time_base) == pytest.approx(1.2)
    for got, want in zip(decoded(data), frames(12, channels=channels), strict=True):
        assert np.abs(got.astype(int) - want[..., :3]).mean() < 4


@pytest.mark.parametrize(("height", "width"), [(31, 48), (32, 47), (31, 47)])
def test_an_mp4_of_odd_sides_gets_its_last_row_or_column_twice(height: int, width: int) -> None:
    pytest.importorskip("av")
    got = decoded(encode(frames(3, height, width), 3, 10, ".mp4"))
    assert [frame.shape for frame in got] == [(32, 48, 3)] * 3
    want = next(frames(1, height, width))
    assert np.abs(got[0][:height, :width].astype(int) - want).mean() < 4
    assert np.abs(got[0][-1].astype(int) - got[0][-2]).mean() < 4


def test_what_can_be_seen_through_is_white_in_an_mp4() -> None:
    pytest.importorskip("av")
    clear = [np.full((32, 32, 4), (200, 0, 0, level), np.uint8) for level in (0, 51, 255)]
    for got, want in zip(
        decoded(encode(clear, 3, 5, ".mp4")),
        ((255, 255, 255), (244, 204, 204), (200, 0, 0)),
        strict=True,
    ):
        assert np.abs(got.reshape(-1, 3).mean(0) - want).max() < 4


@pytest.mark.parametrize("suffix", [".webp", MP4])
def test_the_same_frames_are_the_same_bytes(suffix: str) -> None:
    first, second = (encode(frames(6), 6, 12, suffix) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("suffix", [".webp", MP4])
def test_frames_are_drawn_when_they_are_asked_for_and_not_kept(
    suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive: list[weakref.ref[object]] = []
    most = 0

    def watched(pixels: Frame) -> Image.Image:
        picture = fromarray(pixels)
        alive.append(weakref.ref(picture))
        return picture

    def counted() -> Iterator[Frame]:
        nonlocal most
        for frame in frames(40):
            pixels = frame.view(_Watched)
            alive.append(weakref.ref(pixels))
            del frame
            most = max(most, sum(one() is not None for one in alive))
            yield pixels
            del pixels

    fromarray = Image.fromarray
    monkeypatch.setattr(Image, "fromarray", watched)
    encode(counted(), 40, 24, suffix)
    assert 1 <= most <= 6


class _Watched(np.ndarray):
    """An array that can be seen to be gone."""


@pytest.mark.parametrize("suffix", [".webp", MP4])
def test_a_video_that_is_too_large_is_refused(suffix: str) -> None:
    with pytest.raises(OptionError) as error:
        encode(frames(3, 4, 16_384, 1), 3, 24, suffix)
    assert str(error.value) == (
        "a video has at most 16,383 pixels a side, and these images side by side have "
        "4 x 16,384. Give a smaller -n."
    )


@pytest.mark.parametrize("name", ["walk.gif", "walk", "walk.mov", "walk.webp.png"])
def test_another_suffix_is_refused(name: str) -> None:
    with pytest.raises(OptionError) as error:
        check_suffix(Path(name))
    assert str(error.value) == f"--out is a .webp or an .mp4, got {name}."


def test_an_mp4_without_pyav_is_refused_with_the_way_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(video, "find_spec", lambda name: name)
    check_suffix(Path("walk.mp4"))
    monkeypatch.setattr(video, "find_spec", lambda name: None)
    check_suffix(Path("walk.webp"))
    with pytest.raises(OptionError) as error:
        check_suffix(Path("walk.mp4"))
    assert str(error.value) == (
        "MP4 needs PyAV, which is not installed. A .webp needs nothing more; or run: "
        f"{sys.executable} -m pip install 'poise[video]'"
    )
