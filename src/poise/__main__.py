"""`poise` and `python -m poise`: set what must be set before torch is loaded, then the command."""

from __future__ import annotations

import os
import signal
import sys


def main() -> None:
    """Run the command line and exit with its code."""
    # Threads that wait must sleep, not spin: on a busy machine spinning costs everybody tenfold.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Until training listens itself: what `kill` sends is told in words, as Ctrl-C is.
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_IGN:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    from .cli import main as command

    sys.exit(command(sys.argv[1:]))


if __name__ == "__main__":
    main()
