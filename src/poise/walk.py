"""The work of `poise walk`, with its options: a video of a generator's images along a path."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
from torch import Tensor
from tyro.conf import arg

from .between import Found, Pair, find, strip
from .data.decode import View
from .errors import OptionError
from .files import refuse_taken, write_asked
from .generator import Generator, load
from .options import parsed
from .pictures import enlarged, grid, png, to_uint8
from .places import RunWord
from .run import Run, sample_path
from .video import Frame, check_suffix, encode
from .walking import random_walk, through
from .watcher import Watcher

IMAGES = 16  # side by side, when nobody says
KEYS = 8  # latents that a walk passes, when nobody says
FASTEST = 60  # frames a second; browsers slow down animations of 10 ms a frame or less
MOST_IMAGES = 250_000  # in one video: the latents of all are held; 12 minutes of 16 at 24 a second
AT_LEAST = 512  # pixels of the longer side
BATCH = 64  # images that are held at a time


@dataclass(frozen=True)
class WalkOptions:
    """Film a walk through a generator's latents, from image to image and back to the first."""

    run: RunWord  # the run's directory
    n: Annotated[int | None, arg(aliases=["-n"])] = None  # images side by side; unset: 16
    keys: int | None = None  # random latents that each of them passes; unset: 8
    between: tuple[Path, Path] | None = None  # two images: walk from the first to the second
    fps: int = 24  # frames a second
    seconds: float = 8.0  # until it is where it began
    out: Path | None = None  # a .webp, or an .mp4 (extra `video`); unset: a .webp in the run
    seed: int = 0  # of the latents, and of the search for those of two images
    at: str = "best"  # which checkpoint: best (as measured), last, or a number of images
    device: str = "cpu"  # cpu, cuda, mps: where the generator runs

    def __post_init__(self) -> None:
        self._check_choices()
        if not 1 <= self.fps <= FASTEST:
            raise OptionError(f"--fps must be 1 to {FASTEST} frames a second, got {self.fps}.")
        if not 0 < self.seconds < math.inf:
            raise OptionError(f"--seconds must be over 0, got {self.seconds:g}.")
        if not -(2**63) <= self.seed < 2**63:
            raise OptionError(f"--seed is a number of 64 bits, got {self.seed}.")
        if not self.stops <= self.frames <= MOST_IMAGES // self.images:
            raise OptionError(
                f"{self.seconds:g} seconds at {self.fps} frames a second are {self.frames:,} "
                f"frames, and {self.images} images that pass {self.stops} latents need "
                f"{self.stops} to {MOST_IMAGES // self.images:,}. Give other --seconds."
            )

    def _check_choices(self) -> None:
        if self.between and (self.n not in (None, 1) or self.keys is not None):
            given = f"-n {self.n}" if self.n not in (None, 1) else f"--keys {self.keys}"
            raise OptionError(
                f"--between shows one image on its way between two, got {given} as well. "
                "Leave out one of them."
            )
        if not 1 <= self.images <= MOST_IMAGES:
            raise OptionError(f"-n must be 1 to {MOST_IMAGES:,} images, got {self.n}.")
        if self.stops < 2:
            raise OptionError(f"--keys must be at least 2 latents, got {self.keys}.")

    @property
    def images(self) -> int:
        """Images side by side."""
        return 1 if self.between else IMAGES if self.n is None else self.n

    @property
    def stops(self) -> int:
        """Latents that each of them passes."""
        return 4 if self.between else KEYS if self.keys is None else self.keys

    @property
    def frames(self) -> int:
        """Frames of the video."""
        return round(self.fps * self.seconds)

    def name(self, what: str) -> str:
        """What the video is called, of all that decides it."""
        return f"{what}-seed{self.seed}-{self.fps}fps-{self.seconds:g}s.webp"


def parse_walk(argv: Sequence[str]) -> WalkOptions:
    """The options of `poise walk`."""
    return parsed(WalkOptions, argv, "poise walk")


def film(asked: WalkOptions, watcher: Watcher) -> int:
    """Write the video, for `--between` a strip of pictures beside it; the exit code.

    Raises:
        InputError: not a run, no checkpoint, images that cannot be read, a video that cannot be
            written, or something is there already.
    """
    if asked.out:
        check_suffix(asked.out)
    generator = load(asked.run, device=asked.device, at=asked.at, warn=watcher.warn)
    if asked.between:
        files = _between(asked, asked.between, generator, watcher)
    else:
        target = _target(asked, generator, f"walk-n{asked.images}-keys{asked.stops}")
        path = random_walk(generator.space, asked.images, asked.stops, asked.frames, asked.seed)
        files = {target: _video(asked, target, generator, path, watcher)}
    for name, data in files.items():
        write_asked(name, data)
        watcher.say(str(name))
    return 0


def _between(
    asked: WalkOptions, names: tuple[Path, Path], generator: Generator, watcher: Watcher
) -> dict[Path, bytes]:
    """A video a -> b -> mirror of b -> mirror of a -> a, and its strip."""
    options = Run.open(Path(asked.run)).config.data.options
    view = View(generator.size, generator.channels, options.fit, options.colour)
    pair = Pair.read(names, view, watcher.warn)
    target = _target(asked, generator, f"between-{pair.digest}")
    found = find(generator, pair.images, seed=asked.seed, searched=watcher.searched)
    for text in _in_words(names, found):
        watcher.say(text)
    path = through(found.latents[None], asked.frames, generator.space, rest=True)
    picture = png(strip(generator, pair, found.latents), at_least=2 * AT_LEAST)
    video = _video(asked, target, generator, path, watcher)
    return {target: video, target.with_suffix(".png"): picture}


def _in_words(names: tuple[Path, Path], found: Found) -> Iterator[str]:
    a, b, mirror_b, mirror_a = found.errors
    for name, error, mirrored in ((names[0], a, mirror_a), (names[1], b, mirror_b)):
        yield (
            f"{name}: the nearest generated image is off by {error:.1f} of 255 levels in the mean, "
            f"that of its mirror image by {mirrored:.1f}."
        )


def _target(asked: WalkOptions, generator: Generator, what: str) -> Path:
    """Where the video goes. The run's own file of its name holds the same: a person's is spared."""
    if asked.out is None:
        return sample_path(Path(asked.run), generator.drawn, asked.name(what))
    refuse_taken([asked.out, asked.out.with_suffix(".png")] if asked.between else [asked.out])
    return asked.out


def _video(
    asked: WalkOptions, target: Path, generator: Generator, path: Tensor, watcher: Watcher
) -> bytes:
    return encode(draw(generator, path, watcher.drew), asked.frames, asked.fps, target.suffix)


def draw(generator: Generator, path: Tensor, drew: Callable[[int, int], None]) -> Iterator[Frame]:
    """The frames [h, w, c] of a path [f, n, d], n images side by side; some are drawn at a time."""
    frames, n, _ = path.shape
    done = 0
    for part in torch.split(path, max(1, BATCH // n)):
        images = to_uint8(generator(part.flatten(0, 1)))
        for frame in images.reshape(len(part), n, *images.shape[1:]):
            yield enlarged(grid(frame), AT_LEAST)
            done += 1
            drew(done, frames)
