"""What a person can choose when images are prepared. Imports nothing heavy: `--help` reads it."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Literal

from ..errors import OptionError
from ..size import Size, parse_size

DEFAULT_SIZE = "32"  # a picture in minutes without a GPU

Fit = Literal["crop", "pad", "stretch"]


@dataclass(frozen=True)
class PrepareOptions:
    """How images become a set."""

    size: str | None = None  # 64, or 64x96: height x width; unset: 32, or a set's own size
    channels: Literal[1, 3, 4] | None = None  # unset: 1 for gray images, else 3; 4 keeps alpha
    fit: Fit = "crop"  # crop the centre, pad with the background, or stretch
    background: str = "#ffffff"  # behind transparent pixels and around padded images, #rrggbb
    limit: int | None = None  # images at most, chosen evenly; unset: all
    holdout: float = 0.05  # share kept from training for measuring; 1 to 1,000 images

    def __post_init__(self) -> None:
        parse_size(self.size or DEFAULT_SIZE)
        if self.channels not in (None, 1, 3, 4):
            raise OptionError(f"channels must be 1, 3 or 4, got {self.channels}.")
        if self.fit not in ("crop", "pad", "stretch"):
            raise OptionError(f'fit must be crop, pad or stretch, got "{self.fit}".')
        if not re.fullmatch(r"#[0-9a-fA-F]{6}", self.background):
            raise OptionError(f'background is written #rrggbb, got "{self.background}".')
        if self.limit is not None and self.limit < 2:
            raise OptionError(f"limit must be at least 2 images, got {self.limit}.")
        if not 0 < self.holdout <= 0.5:
            raise OptionError(f"holdout must be over 0 and at most 0.5, got {self.holdout}.")

    @property
    def target(self) -> Size:
        """The size asked for, or the default."""
        return parse_size(self.size or DEFAULT_SIZE)

    @property
    def colour(self) -> tuple[int, int, int]:
        """The background as red, green, blue in 0 to 255."""
        red, green, blue = bytes.fromhex(self.background[1:])
        return red, green, blue

    def chosen(self) -> dict[str, object]:
        """Every option as it works: 64 and 64x64 are one size."""
        return {**asdict(self), "size": str(self.target)}
