"""Writing so that a reader, a crash or a full disk finds the old file or the new, never half."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

from .errors import RunError

NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
ABANDONED = 86_400.0  # seconds after which nobody writes a part any more


def write_atomically(path: Path, data: bytes) -> None:
    """Replace `path` in one step; on an error the old file stands and nothing is left beside it."""
    sweep_parts(path, ABANDONED)
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


def write_together(folder: Path, files: Iterable[tuple[str, bytes]]) -> None:
    """Write files, by their names, into a folder where a person wants them: all or none.

    The disk is waited for once: 8 ms for each of 50,000 files would be 6 minutes.

    Raises:
        RunError: nothing may be written there, or the disk is full.
    """
    part = part_of(folder)
    try:
        part.mkdir(parents=True)
        sweep_parts(folder, ABANDONED)
        for name, data in files:
            (part / name).write_bytes(data)
        os.sync()
        _publish(part, folder)
    except OSError as error:
        raise RunError(_unwritable(folder, error.strerror)) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _publish(part: Path, folder: Path) -> None:
    """By one rename, but into a folder that is there: what else lies in that stays."""
    if folder.is_dir():
        for file in part.iterdir():
            file.replace(folder / file.name)
        sync_directory(folder)
    else:
        part.rename(folder)
        sync_directory(folder.parent)


def refuse_taken(names: Iterable[Path]) -> None:
    """Say so when these files cannot be written without overwriting something.

    Raises:
        RunError: one of them is there, its name is too long, or a folder of theirs is a file.
    """
    for name in names:
        try:
            taken = name.exists() or part_of(name).exists()  # the latter: it is the longer name
            above = next(folder for folder in (*name.parents, Path("/")) if folder.exists())
        except OSError as error:  # too long for a name
            raise RunError(_unwritable(name, error.strerror)) from error
        if taken:
            raise RunError(f"{name} is there already and is not overwritten. Give another --out.")
        if not above.is_dir():
            raise RunError(_unwritable(name, f"{above} is not a directory"))


def _unwritable(path: Path, reason: str | None) -> str:
    return f"{path} cannot be written: {reason}. Give another --out."


def part_of(path: Path) -> Path:
    """Where to write what will be `path`: each time elsewhere, as two may write it at once."""
    return path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")


def sweep_parts(path: Path, older: float = 0.0) -> None:
    """Remove what writes of `path` left behind that were killed: parts older than so many seconds.

    Nobody else may be writing it, or `older` must be longer than any write.
    """
    mine = re.compile(re.escape(path.name) + r"\.[0-9a-f]{8}\.part")
    before = time.time() - older
    with contextlib.suppress(OSError):  # another one sweeps, too; or the write itself will say it
        for part in path.parent.iterdir():
            if mine.fullmatch(part.name) and part.stat().st_mtime <= before:
                remove(part)


def remove(path: Path) -> None:
    """A file, or a folder with what is in it."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


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
