"""A folder of images, with all folders below it. It is only ever read."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from .decode import Unusable
from .sources import MEMBER_LIMIT, Entry, Source

_KINDS = {
    stat.S_IFIFO: "a named pipe, not a file",
    stat.S_IFSOCK: "a socket, not a file",
    stat.S_IFBLK: "a device, not a file",
    stat.S_IFCHR: "a device, not a file",
}


class Folder(Source):
    """Every file in it that is not hidden; prepared sets in it are passed over."""

    def __init__(self, path: Path, label: str) -> None:
        self.path, self.label = path, label
        self._labels = (path / "dataset.json").is_file()

    def entries(self) -> Iterator[Entry]:
        """Folder by folder. Links are followed; a folder that was seen is not entered again."""
        seen: set[tuple[int, int]] = set()
        waiting = [""]
        while waiting:
            folder = waiting.pop()
            try:
                status = (self.path / folder).stat()
                if (status.st_dev, status.st_ino) in seen:
                    continue
                seen.add((status.st_dev, status.st_ino))
                with os.scandir(self.path / folder) as found:
                    for item in found:
                        if item.name.startswith("."):
                            continue
                        name = f"{folder}/{item.name}" if folder else item.name
                        entry = _entry(item, name)
                        if entry is None:
                            waiting.append(name)
                        elif name != "dataset.json":
                            yield entry
            except OSError as error:
                yield Entry(folder or ".", "", f"the folder cannot be read: {error.strerror}")

    def read(self, name: str) -> bytes:
        """The bytes of the file."""
        try:
            with io.FileIO(f"{self.path}/{name}") as file:  # 3 us less than read_bytes
                return file.readall()
        except OSError as error:
            raise Unusable(f"cannot be read: {error.strerror}") from error

    def notes(self) -> list[str]:
        """Whether labels were passed over."""
        return ["dataset.json: its labels are not used."] if self._labels else []


def _entry(item: os.DirEntry[str], name: str) -> Entry | None:
    """None for a folder to enter."""
    try:
        status = item.stat()
    except OSError as error:
        what = "a link that leads nowhere" if item.is_symlink() else "cannot be read"
        return Entry(name, "", f"{what}: {error.strerror}")
    if stat.S_ISDIR(status.st_mode):
        if item.name.endswith((".poise", ".poise.part")):
            return Entry(name, "", "a prepared set, not images")
        is_run = Path(item.path, "events.jsonl").is_file()
        return Entry(name, "", "a run of Poise, not images") if is_run else None
    stamp = f"{status.st_size} {status.st_mtime_ns}"
    if not stat.S_ISREG(status.st_mode):
        return Entry(name, "", _KINDS.get(stat.S_IFMT(status.st_mode), "not a file"))
    if status.st_size > MEMBER_LIMIT:
        return Entry(name, stamp, f"too large: over {MEMBER_LIMIT >> 20} MB")
    return Entry(name, stamp)
