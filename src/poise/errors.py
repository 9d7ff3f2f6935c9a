"""What can go wrong, as a tree; the command line turns it into exit codes.

    PoiseError                      exit 1: it failed, and the message says how and what to do
    +-- TrainingFailed              losses, weights or the disk gave way; what was saved is whole
    +-- InputError                  exit 2: what was given cannot be used; nothing was changed
        +-- DataError               images, folders, archives, prepared sets
        +-- OptionError             options, methods, sizes
        +-- RunError                a run directory: locked, of a newer version, with no checkpoint

Each message says what was expected, what came, and what to do next.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from difflib import get_close_matches


class PoiseError(Exception):
    """Anything that Poise can explain."""

    exit_code = 1


class TrainingFailed(PoiseError):
    """Training could not go on. What was saved before is whole."""


class InputError(PoiseError):
    """What the user gave cannot be used.

    No ValueError: the parser of the command line would catch that and put a frame around it.
    """

    exit_code = 2


class DataError(InputError):
    """Images, folders, archives or prepared sets."""


class OptionError(InputError):
    """Options, methods or sizes."""


class RunError(InputError):
    """A run directory that cannot be used as asked."""


def install(extra: str) -> str:
    """The command that brings an extra into the Python that runs this; "pip" may be another's."""
    return f"{sys.executable} -m pip install 'poise[{extra}]'"


def interrupted(command: str) -> str:
    """What Ctrl-C leaves of a command of the command line, and what the same one does next."""
    if command in ("claims", "evaluate", "prepare", "train"):
        return "interrupted; what was begun is kept, the same command goes on."
    return "interrupted before its files were written; the same command begins anew."


def unknown(
    what: str, name: str, known: Iterable[str], hint: str = "", *, guess: bool = True
) -> OptionError:
    """The error for a name that does not exist: the nearest one, if it is no other's, and all."""
    choices = sorted(known)
    near = get_close_matches(name, choices, n=3, cutoff=0.6)
    parts = [f'no {what} called "{name}".']
    if near and guess:
        parts.append(f'Did you mean "{near[0]}"?')
    if hint:
        parts.append(hint)
    # A long list hides the answer; --help shows it in order.
    parts.append(f"There are: {', '.join(choices)}." if len(choices) <= 20 else "See --help.")
    return OptionError(" ".join(parts))
