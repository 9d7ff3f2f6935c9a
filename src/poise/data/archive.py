"""A zip of images, StyleGAN's kind too. Members are streamed: nothing is ever extracted to disk."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path
from string import ascii_letters
from typing import Any

from ..errors import DataError
from .decode import Unusable
from .sources import MEMBER_LIMIT, Entry, Source, is_hidden

RATIO_LIMIT = 100  # unpacked bytes per packed byte: photographs reach about 1, a bomb 1,000
RATIO_FREE = 2**20  # bytes; below it a plain drawing may pack as well as it likes


class Archive(Source):
    """The members of a zip.

    Their number has no limit: its table of contents is held in memory, 0.6 KB a member.
    """

    def __init__(self, path: Path, label: str) -> None:
        self.path, self.label = path, label
        self._zip: zipfile.ZipFile | None = None
        try:
            self._labels = any(i.filename.endswith("dataset.json") for i in self._open().infolist())
        # ValueError: a name that says it is UTF-8 and is not.
        except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError) as error:
            raise DataError(f"{label} is not a zip that can be read: {error}.") from error

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_zip": None}  # an open file does not travel to a worker

    def entries(self) -> Iterator[Entry]:
        """Every member but folders, hidden ones and the labels."""
        opened = self._open()
        for info in opened.infolist():
            name = info.filename
            if info.is_dir() or name.endswith("dataset.json"):
                continue
            if is_hidden(name) and not _climbs_out(name):
                continue
            if opened.getinfo(name) is not info:
                number = info.header_offset
                yield Entry(f"{name} (at byte {number})", "", "another member has the same name")
                continue
            yield Entry(name, f"{info.file_size} {info.CRC:08x}", _refusal(info))

    def read(self, name: str) -> bytes:
        """The member's bytes."""
        try:
            with self._open().open(name) as member:
                return member.read(MEMBER_LIMIT)
        except Exception as error:  # of the zip, or of any of its packers
            raise Unusable(f"cannot be unpacked: {error}") from error

    def notes(self) -> list[str]:
        """Whether labels were passed over."""
        return ["dataset.json: its labels are not used."] if self._labels else []

    def close(self) -> None:
        """Close the zip; the next use opens it again."""
        if self._zip:
            self._zip.close()
            self._zip = None

    def _open(self) -> zipfile.ZipFile:
        if self._zip is None:
            self._zip = zipfile.ZipFile(self.path)
        return self._zip


def _refusal(info: zipfile.ZipInfo) -> str:
    if _climbs_out(info.filename):
        return "its path climbs out of the zip"
    if info.flag_bits & 1:
        return "encrypted"
    if stat.S_ISLNK(info.external_attr >> 16):
        return "a link, not a file"
    if info.file_size > MEMBER_LIMIT:
        return f"too large: over {MEMBER_LIMIT >> 20} MB unpacked"
    if info.file_size > max(RATIO_FREE, RATIO_LIMIT * info.compress_size):
        return f"unpacks to over {RATIO_LIMIT} times its size, as a zip bomb does"
    return ""


def _climbs_out(name: str) -> bool:
    # A zip made on Windows may hold backslashes and drive letters. By hand, as two paths
    # of pathlib for each name are slow where a zip has 100,000.
    path = name.replace("\\", "/")
    drive = path[1:2] == ":" and path[0] in ascii_letters
    return drive or path.startswith("/") or ".." in path.split("/")
