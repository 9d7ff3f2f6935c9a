"""Images and folders for the tests of data."""

from __future__ import annotations

import hashlib
import io
import json
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from poise.data.decode import Fitted, Pixels, View
from poise.data.options import PrepareOptions
from poise.data.prepared import Prepared
from poise.data.sources import Source
from poise.size import Size

SMALL = PrepareOptions(size="16")


def pixels(height: int, width: int, channels: int = 3, seed: int = 0) -> Pixels:
    """Soft random colours, [height, width, channels]: what survives JPEG with little change."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (4, 4, channels), np.uint8)
    layers = [
        np.asarray(
            Image.fromarray(coarse[..., c]).resize((width, height), Image.Resampling.BICUBIC)
        )
        for c in range(channels)
    ]
    return np.stack(layers, axis=-1)


def photo(height: int = 40, width: int = 60, seed: int = 0) -> Image.Image:
    return Image.fromarray(pixels(height, width, 3, seed))


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def fill(folder: Path, count: int, height: int = 24, width: int = 30) -> Path:
    """`count` different images, by turns PNG and JPEG, in two folders."""
    for index in range(count):
        kind = ("png", "jpeg")[index % 2]
        place = folder / f"part {index % 3}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{index}.{kind}").write_bytes(encoded(photo(height, width, index), kind))
    return folder


def header_of_png(width: int, height: int) -> bytes:
    """A PNG that says it is so large, in 60 bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0"))
        + chunk(b"IEND", b"")
    )


def tree(folder: Path) -> dict[str, str]:
    """Every file below a folder, by its sha256."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def same_size(image: Image.Image, channels: int = 3) -> View:
    return View(Size(image.height, image.width), channels, background=(255, 255, 255))


def difference(fitted: Fitted, expected: NDArray[np.uint8]) -> float:
    """Mean over all pixels, in 255ths."""
    return float(np.abs(fitted.pixels.astype(int) - expected.astype(int)).mean())


def listed(source: Source) -> dict[str, str]:
    """The reason for each name; "" if it is used."""
    return {entry.name: entry.refused for entry in source.entries()}


def lines(prepared: Prepared, name: str) -> list[dict[str, Any]]:
    """A .jsonl file of a set."""
    return [json.loads(line) for line in (prepared.path / name).read_text().splitlines()]


def untouched(folder: Path) -> dict[str, int]:
    """When each file was written last: the same as long as nobody writes."""
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*")}
