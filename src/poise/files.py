"""Writing so that a reader, a crash or a full disk finds the old file or the new, never half."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from .errors import RunError

NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def write_atomically(path: Path, data: bytes) -> None:
    """Replace `path` in one step; on an error the old file stands and nothing is left beside it."""
    part = part_of(path)
    try:
        write_synced(part, data)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def write_asked(path: Path, data: bytes) -> None:
    """Write a file where a person wants it, with the folders above it.

    Raises:
        RunError: nothing may be written there, or the disk is full.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, data)
    except OSError as error:
        raise RunError(_unwritable(path, error.strerror)) from error


def refuse_taken(names: Iterable[Path]) -> None:
    """Say so when these files cannot be written without overwriting something.

    Raises:
        RunError: one of them is there, or what it is called while it is written; or a folder of
            theirs is a file.
    """
    for name in names:
        try:
            taken = next((path for path in (name, part_of(name)) if path.exists()), None)
            above = next(folder for folder in (*name.parents, Path("/")) if folder.exists())
        except OSError as error:  # too long for a name
            raise RunError(_unwritable(name, error.strerror)) from error
        if taken:
            raise RunError(f"{taken} is there already and is not overwritten. Give another --out.")
        if not above.is_dir():
            raise RunError(_unwritable(name, f"{above} is not a directory"))


def _unwritable(path: Path, reason: str | None) -> str:
    return f"{path} cannot be written: {reason}. Give another --out."


def part_of(path: Path) -> Path:
    """Where `write_atomically` writes what will be `path`."""
    return path.with_name(path.name + ".part")


def write_synced(path: Path, data: bytes) -> None:
    """Write and wait until it is on the disk."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def sync_file(path: Path) -> None:
    """Wait until what was written to a file is on the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sync_directory(path: Path) -> None:
    """Wait until a directory's names are on the disk; some file systems refuse, and need not."""
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def sha256_of(path: Path) -> str:
    """The sha256 of a file's content, read in constant memory."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def free_space(path: Path) -> int:
    """Bytes that may still be written where `path` is, or will be."""
    there = next(place for place in (path, *path.absolute().parents) if place.exists())
    return shutil.disk_usage(there).free
