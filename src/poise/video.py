"""Frames to a video file: animated WebP by Pillow alone, MP4 by PyAV.

Frames come one by one and are drawn when the encoder asks for them; only what is encoded is held.
h height, w width, c channels: 1 gray, 3 RGB, 4 RGBA.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .errors import OptionError, install

LARGEST_SIDE = 16_383  # pixels; of WebP, and H.264 holds hardly more
QUALITY = 90  # of 100: below it the edges of enlarged pixels show rings
CRF = "18"  # of H.264: constant quality, lower is better; 18 is called visually lossless

Frame = NDArray[np.uint8]  # [h, w, c]


def check_suffix(out: Path) -> None:
    """Refuse a name of a file that cannot be a video, here.

    Raises:
        OptionError: another suffix than .webp or .mp4, or .mp4 where PyAV is missing.
    """
    if out.suffix.lower() not in ENCODERS:
        raise OptionError(f"--out is a .webp or an .mp4, got {out}.")
    if out.suffix.lower() == ".mp4" and find_spec("av") is None:
        raise OptionError(
            "MP4 needs PyAV, which is not installed. A .webp needs nothing more; or run: "
            f"{install('video')}"
        )


def encode(frames: Iterable[Frame], count: int, fps: int, suffix: str) -> bytes:
    """The video of `count` frames [h, w, c], two or more, at `fps` a second.

    Raises:
        OptionError: they are larger than a video can be.
    """
    frames = iter(frames)
    first = next(frames)
    height, width = first.shape[:2]
    if max(height, width) > LARGEST_SIDE:
        raise OptionError(
            f"a video has at most {LARGEST_SIDE:,} pixels a side, and these images side by side "
            f"have {height:,} x {width:,}. Give a smaller -n."
        )
    return ENCODERS[suffix.lower()](itertools.chain([first], frames), count, fps)


class _Film(Image.Image):
    """An animation whose next frame is made when it is sought: a list would hold all at once."""

    def __init__(self, frames: Iterator[Frame], count: int) -> None:
        super().__init__()
        self.n_frames = count
        self._frames, self._at = frames, -1
        self.seek(0)

    def seek(self, frame: int) -> None:
        """Go on to the next frame. There is no way back: Pillow asks for it only at its end."""
        if frame != self._at + 1:
            return
        image = Image.fromarray(next(self._frames))
        self.im, self._mode, self._size, self._at = image.im, image.mode, image.size, frame

    def tell(self) -> int:
        """The number of the frame that is shown."""
        return self._at


def _webp(frames: Iterator[Frame], count: int, fps: int) -> bytes:
    """WebP counts whole milliseconds: lengths alternate, so that the whole has its length.

    The encoder joins frames to one that differs by 3 levels at most; the time they take stays.
    """
    ends = [round(1000 * (i + 1) / fps) for i in range(count)]
    lengths = [end - start for start, end in itertools.pairwise([0, *ends])]
    colours = (frame.repeat(3, axis=2) if frame.shape[2] == 1 else frame for frame in frames)
    file = io.BytesIO()
    _Film(colours, count).save(
        file, "WEBP", save_all=True, duration=lengths, loop=0, quality=QUALITY
    )
    return file.getvalue()


def _mp4(frames: Iterator[Frame], count: int, fps: int) -> bytes:
    """H.264 with yuv420p, which every player shows; that halves the colours, so sides are even."""
    import av

    even = (_even(_opaque(frame)) for frame in itertools.islice(frames, count))
    first = next(even)
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=fps, options={"crf": CRF})
        stream.pix_fmt = "yuv420p"
        stream.height, stream.width = first.shape[:2]
        for pixels in itertools.chain([first], even):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    return file.getvalue()


def _opaque(frame: Frame) -> Frame:
    """RGB of any number of channels; what can be seen through is white."""
    if frame.shape[2] == 1:
        return frame.repeat(3, axis=2)
    if frame.shape[2] == 3:
        return frame
    alpha = frame[..., 3:].astype(np.float32) / 255
    blended: Frame = np.rint(frame[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)
    return blended


def _even(frame: Frame) -> Frame:
    """With the last row and column once more where their number is odd."""
    height, width = frame.shape[:2]
    if height % 2 == width % 2 == 0:
        return np.ascontiguousarray(frame)
    padded: Frame = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    return padded


ENCODERS: dict[str, Callable[[Iterator[Frame], int, int], bytes]] = {".webp": _webp, ".mp4": _mp4}
