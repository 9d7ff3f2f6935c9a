"""Files of JSON lines: appended to whole line by whole line, mended after a cut."""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from .files import write_atomically


def as_line(facts: Mapping[str, Any]) -> bytes:
    """One line, with its end."""
    return json.dumps(facts).encode() + b"\n"


def append(path: Path, lines: bytes) -> None:
    """Write all of the lines at the end, or nothing.

    Raises:
        OSError: the disk is full.
    """
    with path.open("ab", buffering=0) as file:
        end = file.tell()
        if file.write(lines) != len(lines):
            file.truncate(end)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The whole lines; one that was cut or damaged is passed over."""
    if not path.exists():
        return
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            with contextlib.suppress(ValueError):
                value = json.loads(line)
                if line.endswith("\n") and isinstance(value, dict):
                    yield value


def mend(path: Path, keep: Callable[[dict[str, Any]], bool] = lambda line: True) -> None:
    """Leave only whole lines that are to be kept; touches nothing when there are no others."""
    if not path.exists():
        return
    kept = b"".join(as_line(line) for line in read_lines(path) if keep(line))
    if kept != path.read_bytes():
        write_atomically(path, kept)
