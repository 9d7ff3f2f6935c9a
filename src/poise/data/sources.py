"""What a source of images is: entries that can be listed again and again, and read one by one.

A source is scanned by the process that prepares and read by its workers, so it pickles to little
and opens files on first use. Scanning never holds the list: a source may have millions of entries.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from .decode import Pixels

MEMBER_LIMIT = 512 * 2**20  # bytes of one file, or of one unpacked member of an archive


class Entry(NamedTuple):
    """One thing in a source."""

    name: str  # unique in the source: a relative path, or an index; may hold lone surrogates
    stamp: str = ""  # differs when the file does: its size and time
    refused: str = ""  # why it is not even read


class Source:
    """Where images come from. `channels` is None where only looking at them can tell."""

    label: str  # as the user named it
    channels: int | None = None
    built_in: bool = False

    def entries(self) -> Iterator[Entry]:
        """All there is, in any order."""
        raise NotImplementedError  # each kind of source defines it

    def read(self, name: str) -> bytes | Pixels:
        """A file's bytes, or pixels [h, w, c]. May raise OSError or Unusable."""
        raise NotImplementedError  # each kind of source defines it

    def fingerprint(self) -> str:
        """Changes when the source does. A sum of hashes, as scanning has no order."""
        total = 0
        for entry in self.entries():
            row = "\0".join(entry).encode("utf-8", "surrogateescape")
            total += int.from_bytes(hashlib.sha256(row).digest(), "big")
        return f"{total % 2**256:064x}"

    def unpack(self, work: Path) -> None:
        """Put what workers need into the folder `work`; called once, before any `read`."""

    def notes(self) -> list[str]:
        """Sentences for the report."""
        return []

    def close(self) -> None:
        """Let go of open files."""


class Indexed(Source):
    """A source whose images are numbered 0 to count - 1."""

    count: int
    identity: str  # changes when any image does

    def entries(self) -> Iterator[Entry]:
        """Numbers, padded so that they sort as text."""
        return (Entry(f"{index:09d}") for index in range(self.count))

    def fingerprint(self) -> str:
        """Of the whole: there is no need to go through the numbers."""
        return hashlib.sha256(f"{self.identity} {self.count}".encode()).hexdigest()

    def read(self, name: str) -> Pixels:
        """The image of that number."""
        return self.image(int(name))

    def image(self, index: int) -> Pixels:
        """Image number `index`, [h, w, c]."""
        raise NotImplementedError  # each kind of source defines it


def is_hidden(path: str) -> bool:
    """Whether any part of the path starts with a dot (or is macOS's shadow of a zip)."""
    return "/." in f"/{path}" or "/__MACOSX/" in f"/{path}/"


def printable(name: str) -> str:
    """A name that can go to a terminal and a text file, whatever bytes it is made of."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in name)
