"""What all pictures of claims share: size, colours, one line for each seed, labels with units."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Of a palette that colour-blind people can tell apart (Okabe and Ito 2008).
COLOURS = {
    "gan": "#D55E00",
    "wgan": "#0072B2",
    "wgan-gp": "#009E73",
    "began": "#CC79A7",
    "progressive": "#E69F00",
    "real": "#000000",
    "other": "#56B4E9",
}
PANEL = (3.6, 3.0)  # inches
DPI = 110


def panels(
    columns: int, rows: int = 1, *, title: str = "", height: float = PANEL[1]
) -> tuple[Figure, list[Axes]]:
    """A figure of equal panels, row by row, of this height in inches. No pyplot: no window."""
    figure = Figure(figsize=(columns * PANEL[0], rows * height), dpi=DPI, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.flat:
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(labelsize=8)
        axis.locator_params(axis="x", nbins=5)  # of more the labels touch
    if title:
        figure.suptitle(title, fontsize=10)
    return figure, list(axes.flat)


def panels_in_rows(count: int, in_a_row: int = 3, *, title: str = "") -> tuple[Figure, list[Axes]]:
    """So many equal panels, row by row; what is left of the last row stays empty."""
    figure, axes = panels(in_a_row, -(-count // in_a_row), title=title)
    for axis in axes[count:]:
        axis.set_axis_off()
    return figure, axes[:count]


def label(axis: Axes, x: str, y: str, title: str = "") -> None:
    """Names of both axes, with units, and what the panel shows."""
    axis.set_xlabel(x, fontsize=8)
    axis.set_ylabel(y, fontsize=8)
    axis.set_title(title, fontsize=9)


def seeds(
    axis: Axes,
    x: Sequence[float],
    curves: Sequence[Sequence[float]],
    colour: str,
    name: str,
) -> None:
    """A thin line for each seed and a thick one of their mean; curves [seeds, len(x)]."""
    for curve in curves:
        axis.plot(x, curve, color=colour, linewidth=0.7, alpha=0.5)
    axis.plot(
        x, np.mean(np.asarray(curves, float), axis=0), color=colour, linewidth=1.8, label=name
    )
