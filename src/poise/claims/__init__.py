"""What made the methods famous, as experiments: one file a claim, in the order to read them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from ..errors import unknown

if TYPE_CHECKING:
    from .claim import Claim

# A claim's name on the command line; its module has the same with underscores.
NAMES = (
    "parallel-lines",
    "saturation",
    "optimal-critic",
    "curve",
    "architectures",
    "momentum",
    "surfaces",
    "gradients",
    "equilibrium",
    "growing",
    "growing-quality",
    "fade",
    "stabilisers",
    "optimism",
    "lottery",
    "modes",
)


def claim_of(name: str) -> Claim:
    """The claim of this name; only its own module is imported.

    Raises:
        OptionError: there is none; says the nearest.
    """
    if name not in NAMES:
        raise unknown("claim", name, NAMES)
    found: Claim = import_module(f".{name.replace('-', '_')}", __name__).CLAIM
    return found
