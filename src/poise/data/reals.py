"""The real images, in an order that is a function of (seed, images drawn) alone.

n images in a batch, c channels, h height, w width. The only file of `data` that knows torch.
"""

from __future__ import annotations

import hashlib
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import OptionError
from ..size import Size
from .decode import Pixels
from .prepared import Indices, Prepared
from .shards import is_raw

DECODERS = 4  # threads, for levels that are packed

_CPU = torch.device("cpu")


class Reals:
    """An endless supply: every epoch a new permutation, batches run over its end.

    Nothing is kept but `drawn`: a run that starts again with it draws what it would have drawn.
    """

    def __init__(  # noqa: PLR0913 - all but two have a default that suits one process
        self,
        prepared: Prepared,
        *,
        seed: int,
        drawn: int = 0,
        mirror: bool = False,
        rank: int = 0,
        world: int = 1,
        device: torch.device = _CPU,
        size: Size | None = None,
        held_out: bool = False,
    ) -> None:
        self.prepared, self.seed, self.drawn, self.mirror = prepared, seed, drawn, mirror
        self.rank, self.world, self.device = rank, world, device
        self.size = size or prepared.size  # of the images when a call does not say
        self._from = prepared.held_out if held_out else prepared.training
        self._epochs: dict[int, Indices] = {}  # the two that were used last
        self._flips = _word(seed, "mirror")
        self._ahead = _Ahead()

    def __len__(self) -> int:
        """Images in an epoch."""
        return len(self._from)

    def __call__(self, n: int, size: Size | None = None) -> Tensor:
        """The next n images of the global order, of which this rank gets its slice.

        Returns:
            [n / world, c, h, w] float32, pixel / 127.5 - 1, channels-last, on the device.

        Raises:
            OptionError: n cannot be divided among the ranks.
        """
        if n < 1 or n % self.world:
            raise OptionError(
                f"a batch of {n} images cannot be shared by {self.world} ranks: "
                "it must be a multiple of their number."
            )
        level = size or self.size
        if is_raw(level):
            pixels = self._pixels(self.drawn, n, level)
        else:
            pixels = self._ahead.take(self, self.drawn, n, level)
        self.drawn += n
        return self._to_device(pixels)

    def order(self, positions: NDArray[np.int64]) -> Indices:
        """Which image is the i-th ever drawn: each epoch holds every image once."""
        epochs, places = np.divmod(positions, len(self))
        images = np.empty(len(positions), np.int64)
        for epoch in np.unique(epochs).tolist():
            here = epochs == epoch
            images[here] = self._from[self._permutation(epoch)[places[here]]]
        return images

    def mirrored(self, positions: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether the i-th image ever drawn is flipped left to right: a fair coin for each."""
        return (_mix(positions.astype(np.uint64) + self._flips) >> np.uint64(63)).astype(np.bool_)

    def _pixels(self, start: int, n: int, level: Size) -> Pixels:
        """This rank's slice of the n images from `start` on, [n / world, h, w, c]."""
        positions = self._slice(start, n)
        return self._flipped(self.prepared.gather(self.order(positions), level), positions)

    def _slice(self, start: int, n: int) -> NDArray[np.int64]:
        share = n // self.world
        first = start + self.rank * share
        return np.arange(first, first + share)

    def _flipped(self, pixels: Pixels, positions: NDArray[np.int64]) -> Pixels:
        if self.mirror:
            for row in np.flatnonzero(self.mirrored(positions)):
                pixels[row] = pixels[row, :, ::-1].copy()
        return pixels

    def _permutation(self, epoch: int) -> Indices:
        """Sorted random words, not numpy's own shuffle: that may change between its versions."""
        if epoch not in self._epochs:
            while len(self._epochs) > 1:
                self._epochs.pop(next(iter(self._epochs)))
            key = [_word(self.seed, "order"), np.uint64(epoch)]
            words = np.random.Philox(key=np.array(key, np.uint64)).random_raw(len(self))
            self._epochs[epoch] = np.argsort(words, kind="stable")
        return self._epochs[epoch]

    def _to_device(self, pixels: Pixels) -> Tensor:
        x = torch.from_numpy(pixels)  # [n, h, w, c]
        if self.device.type == "cuda":
            x = x.pin_memory().to(self.device, non_blocking=True)
        else:
            x = x.to(self.device)
        x = x.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.channels_last)
        return x.div_(127.5).sub_(1)  # in [-1, 1]


class _Ahead:
    """Decodes the next batch while the step works on this one; the order says which it will be."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._wanted: tuple[int, int, Size] | None = None
        self._parts: list[Future[Pixels]] = []

    def take(self, reals: Reals, start: int, n: int, level: Size) -> Pixels:
        """The batch, from the guess if it was right; then guess that the next is alike."""
        if self._wanted != (start, n, level):
            self._begin(reals, start, n, level)
        pixels = np.concatenate([part.result() for part in self._parts])
        self._begin(reals, start + n, n, level)
        return pixels

    def _begin(self, reals: Reals, start: int, n: int, level: Size) -> None:
        for part in self._parts:
            part.cancel()
        self._pool = self._pool or ThreadPoolExecutor(DECODERS, "poise-decode")
        positions = reals._slice(start, n)
        images = reals.order(positions)
        self._parts = [
            self._pool.submit(_decoded, reals, images[rows], positions[rows], level)
            for rows in np.array_split(np.arange(len(images)), DECODERS)
        ]
        self._wanted = (start, n, level)


def _decoded(reals: Reals, images: Indices, positions: NDArray[np.int64], level: Size) -> Pixels:
    return reals._flipped(reals.prepared.gather(images, level), positions)


def _word(seed: int, stream: str) -> np.uint64:
    """64 bits for one use of the seed."""
    digest = hashlib.sha256(f"{seed} {stream}".encode()).digest()
    return np.uint64(int.from_bytes(digest[:8], "big"))


def _mix(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64: every bit of the result depends on every bit of the word."""
    words = words * np.uint64(0x9E3779B97F4A7C15)
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
