"""A prepared set: a directory with a manifest, from which any images can be had at any level.

n images, h height, w width, c channels.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import resource
from collections.abc import Sequence
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..files import sha256_of, write_atomically
from ..size import Size
from .decode import Pixels
from .shards import Written, open_shard

FORMAT = 1  # of the directory; a reader takes its own and older ones
MANIFEST = "manifest.json"
OPEN_SHARDS = 512  # mapped at a time at most, each with an open file
TOO_MANY_FILES = (errno.EMFILE, errno.ENFILE)  # of this process; of the machine

Indices = NDArray[np.int64]


def is_prepared(path: Path) -> bool:
    """Whether this is meant as a prepared set: a directory with a manifest."""
    return (path / MANIFEST).is_file()


class Prepared:
    """Images 0 to len - 1, at each level from the base to the full size."""

    def __init__(self, path: Path, manifest: dict[str, Any]) -> None:
        self.path, self._manifest = path, manifest
        self.size = Size(*manifest["size"])
        self.channels: int = manifest["channels"]
        self.levels = [Size(*level) for level in manifest["levels"]]  # smallest first
        self.key: str = manifest["key"]  # of the source and the options
        self.options: dict[str, Any] = manifest["options"]
        self.source: str = manifest["source"]
        self.built_in: bool | None = manifest.get("built_in")  # of older sets it is not known
        self.fingerprint: str = manifest["fingerprint"]  # of the images, wherever they came from
        self._shards = np.array([shard for shard, _ in manifest["shards"]], np.int64)
        counts = np.array([count for _, count in manifest["shards"]], np.int64)
        self._ends = np.cumsum(counts)
        self._starts = self._ends - counts
        held = np.load(path / "held_out.npy", allow_pickle=False)
        self.held_out: Indices = held
        # Not a method of this set: a circle would keep its files open until the collector comes.
        self._shard = lru_cache(maxsize=shards_at_once())(partial(open_shard, path))

    @classmethod
    def open(cls, path: str | Path) -> Prepared:
        """The set in the directory `path`.

        Raises:
            DataError: there is none, it is damaged, or of a newer version of Poise; or too many
                files are open.
        """
        path = Path(path)
        manifest = _read_manifest(path)
        try:
            return cls(path, manifest)
        except (OSError, ValueError, EOFError) as error:
            raise _unreadable(str(path), error) from error

    def __len__(self) -> int:
        return int(self._manifest["images"])

    @cached_property
    def training(self) -> Indices:
        """The numbers of all others; 8 bytes an image, so made when it is asked for."""
        kept = np.ones(len(self), np.bool_)
        kept[self.held_out] = False
        return np.flatnonzero(kept)

    @property
    def report(self) -> str:
        """What preparing found, where the set lies, and how large it is."""
        text = (self.path / "report.txt").read_text(encoding="utf-8")
        size = sum(entry["size"] for entry in self._manifest["files"].values())
        return f"{text}In {self.path}, {_in_units(size)}."

    def gather(self, indices: Indices, size: Size | None = None) -> Pixels:
        """The images of these numbers at one level, uint8 [n, h, w, c]; a level over 256 decodes.

        Raises:
            DataError: the set has no such level or is damaged, or too many files are open.
        """
        level = size or self.size
        if level not in self.levels:
            have = ", ".join(str(level) for level in self.levels)
            raise DataError(f"{self.path} has no images of {level}, but of {have}.")
        numbers = np.searchsorted(self._ends, indices, side="right")
        places = indices - self._starts[numbers]
        images = np.empty((len(indices), *level, self.channels), np.uint8)
        # One image at a time is as fast as grouping: they lie in as many shards.
        pairs = zip(self._shards[numbers].tolist(), places.tolist(), strict=True)
        for row, (shard, place) in enumerate(pairs):
            try:
                images[row] = self._shard(level, shard)[place]
            except (OSError, ValueError, EOFError, SyntaxError) as error:  # SyntaxError: PIL's
                raise _unreadable(f"shard {shard} of {self.path} at {level}", error) from error
        return images

    def check(self) -> list[str]:
        """Every file that is missing or not as it was written, in words; empty if all is well."""
        problems = []
        for name, entry in self._manifest["files"].items():
            try:
                digest = sha256_of(self.path / name)
            except OSError as error:
                problems.append(f"{name} cannot be read: {error.strerror}")
                continue
            if digest != entry["sha256"]:
                problems.append(f"{name} is not as it was written: its checksum differs")
        return problems


def shards_at_once() -> int:
    """How many shards may be open: half of the files that a process may have, which may be 256."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:  # -1 on Linux
        return OPEN_SHARDS
    return max(1, min(OPEN_SHARDS, files // 2))


def digest_of(indices: Indices) -> str:
    """Tells whether these are the same images in the same order."""
    return hashlib.sha256(indices.astype("<i8").tobytes()).hexdigest()


def write_manifest(folder: Path, facts: dict[str, Any], files: Sequence[Written]) -> None:
    """The last file of a set, which says that it is whole."""
    listed = {file.path: {"sha256": file.sha256, "size": file.size} for file in files}
    pixels = [f"{file.path} {file.sha256}\n" for file in files if file.path.startswith("levels/")]
    fingerprint = hashlib.sha256("".join(pixels).encode()).hexdigest()
    content = {"format": FORMAT, "fingerprint": fingerprint, **facts, "files": listed}
    content["checksum"] = _checksum(content)
    text = io.BytesIO()
    for piece in json.JSONEncoder(indent=1).iterencode(content):  # dumps would list all pieces
        text.write(piece.encode())
    write_atomically(folder / MANIFEST, text.getvalue())


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        manifest = json.loads((path / MANIFEST).read_bytes())
        version = manifest["format"]
    except OSError as error:
        if error.errno in TOO_MANY_FILES:
            raise _unreadable(str(path), error) from error
        raise DataError(f"{path} is not a prepared set: {error.strerror}, {MANIFEST}.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path / MANIFEST} is damaged. Prepare {path} anew.") from error
    if version != FORMAT:
        raise DataError(
            f"{path} has format {version}, this Poise reads format {FORMAT}. "
            "Update Poise, or prepare the set anew."
        )
    if manifest.get("checksum") != _checksum(manifest):
        raise DataError(f"{path / MANIFEST} is damaged: its checksum differs. Prepare {path} anew.")
    return dict(manifest)


def _unreadable(what: str, error: Exception) -> DataError:
    """What cannot be read is damaged, unless it could not even be opened."""
    if isinstance(error, OSError) and error.errno in TOO_MANY_FILES:
        return DataError(
            f"{what} cannot be opened: {error.strerror}. Allow more (ulimit -n 4096) or end other "
            "programs, then give the same command again."
        )
    return DataError(f"{what} is damaged: {error}. Prepare the set anew.")


def _checksum(content: dict[str, Any]) -> str:
    rest = {key: value for key, value in content.items() if key != "checksum"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def _in_units(size: int) -> str:
    return f"{size / 1e6:,.1f} MB" if size < 1e9 else f"{size / 1e9:,.1f} GB"
