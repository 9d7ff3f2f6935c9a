"""The command line: words become objects here, results are printed here, errors become exit codes.

0 done (or stopped on request)    1 failed    2 what was given cannot be used
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from .errors import PoiseError, interrupted, unknown

COMMANDS = ("claims", "evaluate", "export", "prepare", "sample", "status", "train", "walk")
HELP = """usage: poise COMMAND ...

Trains GANs that keep their balance. Point it at images, get a generator.

  poise train photos/                  prepare, train, sample: a new run in runs/
  poise train runs/photos-wgan-gp-1    go on with a run, exactly where it stopped
  poise sample runs/photos-wgan-gp-1   draw images from what was trained
  poise status runs/photos-wgan-gp-1   say how it does, and what to do about it
  poise walk runs/photos-wgan-gp-1     film a walk from image to image
  poise evaluate runs/photos-wgan-gp-1 measure them beside the real ones
  poise export runs/photos-wgan-gp-1   write the generator as one file that runs anywhere
  poise claims                         reproduce what the papers claim, figure by figure
  poise prepare photos/                check and cache images; `train` does it by itself

Images are a folder, a zip, .npy, .npz, or built in: shapes, faces, digits, stacked-digits, fashion.
`poise COMMAND --help` lists the options of a command. To see it work at once: poise train shapes
"""


def main(argv: Sequence[str]) -> int:
    """Run one command and return the exit code."""
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(HELP, end="")
        return 0
    if argv[0] == "--version":
        from . import __version__

        print(f"poise {__version__}")
        return 0
    try:
        if argv[0] not in COMMANDS:
            raise unknown("command", argv[0], COMMANDS)
        return (train if argv[0] == "train" else _other(argv[0]))(argv[1:])
    except PoiseError as error:
        return _failed(str(error), error.exit_code)
    except OSError as error:
        return _failed(f"{error.filename}: {error.strerror}.", 2)
    except KeyboardInterrupt:
        return _failed(interrupted(argv[0]), 1)


def _other(name: str) -> Callable[[Sequence[str]], int]:
    from .commands import WORK

    return WORK[name]


def _failed(text: str, code: int) -> int:
    from .terminal import printable

    print(f"poise: {printable(text)}", file=sys.stderr)
    return code


def train(argv: Sequence[str]) -> int:
    """`poise train`."""
    from .commands import run_to_train
    from .stopping import StopRequest
    from .terminal import Terminal
    from .training import train as train_run

    with Terminal() as terminal:
        run = run_to_train(argv, terminal)
        if run:  # none with --dry-run
            done = train_run(run, terminal, StopRequest())
            terminal.ended(run, done)
    return 0
