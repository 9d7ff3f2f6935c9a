"""What every measure of features has to say beside its number."""

from __future__ import annotations

from dataclasses import dataclass

# The published protocol: numbers are called FID and KID on these features only.
INCEPTION = "Inception-v3 2015-12-05, 2048 pool features"
INCEPTION_RESIZE = "299x299, bilinear as TensorFlow 1, no antialiasing"


@dataclass(frozen=True)
class Compared:
    """Comparable where all four are the same."""

    reals: int
    fakes: int
    network: str
    resize: str

    @property
    def published(self) -> bool:
        """Whether this is the network and the resize of the published FID and KID."""
        return (self.network, self.resize) == (INCEPTION, INCEPTION_RESIZE)

    @property
    def basis(self) -> str:
        """Counts, network and resize, as reports end."""
        counts = f"{self.reals:,} reals, {self.fakes:,} fakes"
        return f"{counts}; {self.network}; {self.resize}"
