"""From what the user typed to a source."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

from ..errors import DataError
from .archive import Archive
from .arrays import Arrays
from .builtin import NAMES, builtin
from .folder import Folder
from .sources import Source, printable

ZIPS = (".zip",)
ARRAYS = (".npy", ".npz")
TARS = (".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst", ".7z", ".rar")


def find_source(given: str | Path, side: int, limit: int | None = None) -> Source:
    """A folder, a zip, an .npy or .npz, or a built-in set. What exists on disk goes first.

    Args:
        given: as typed.
        side: pixels; at which built-in sets are drawn.
        limit: images, if the user set a limit; drawn sets then give that many.

    Raises:
        DataError: there is no such thing, or it cannot be read.
    """
    path, label = Path(given), printable(str(given))
    try:
        exists = path.exists()
    except OSError as error:
        raise DataError(f"{label} cannot be read: {error.strerror}.") from error
    if not exists:
        return _named(str(given), label, side, limit)
    if path.is_dir():
        return Folder(path, label)
    name = path.name.lower()
    if name.endswith(ZIPS):
        return Archive(path, label)
    if name.endswith(ARRAYS):
        return Arrays(path, label)
    if name.endswith(TARS):
        raise DataError(f"{label} is an archive that Poise does not read: use a folder or a zip.")
    raise DataError(f"{label} is one file: expected a folder, a .zip, an .npy or an .npz.")


def _named(given: str, label: str, side: int, limit: int | None) -> Source:
    kind = given.partition(":")[0]
    if kind in NAMES and (kind == "faces" or kind == given):
        return builtin(given, side, limit)
    near = get_close_matches(given, NAMES, n=1, cutoff=0.5)
    hint = f' Did you mean "{near[0]}"?' if near else ""
    raise DataError(
        f'there is no folder or file "{label}", nor a built-in set of that name.{hint} '
        f"Built in are: {', '.join(NAMES)}."
    )
