"""What `poise evaluate` found: one value that goes into JSON as it is, and from there into words.

    report = {"version", "poise", "images", "seed", "reals", "measures", "subjects", "floor",
              "notes"}

`subjects` and `floor` hold scores: {"swd": {"value": 8.1}, "ms_ssim": {"value": null, "why": ...}}.
`floor` is empty where nothing that was asked for has one.
What is printed is made from this and nothing else.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, NamedTuple

from .metrics.compared import INCEPTION, INCEPTION_RESIZE

VERSION = 1  # of the report; raised when a reader of the old one would misread it
WIDTH = 96  # characters of a line of words
MOST_DIGITS = 6  # behind the point: an error of 1e-9 is rounding, not a measure
LONGEST_NAME = 32  # characters, before paths are shortened
FLOOR = "real images (the floor)"

Scores = dict[str, dict[str, Any]]  # by column: value, or null and why; error, if there is one


class Column(NamedTuple):
    """One number, as it is printed."""

    head: str
    digits: int  # behind the point; fewer for larger numbers; an error has two figures


class Group(NamedTuple):
    """Numbers that answer one question."""

    question: str
    keys: tuple[str, ...]


COLUMNS = {
    "swd": Column("SWD x1e3", 2),
    "fid": Column("FID", 2),
    "frechet": Column("Frechet", 2),
    "kid": Column("kernel", 3),
    "precision": Column("precision", 3),
    "density": Column("density", 3),
    "recognised": Column("recognised", 3),
    "recall": Column("recall", 3),
    "coverage": Column("coverage", 3),
    "modes": Column("modes", 0),
    "kl": Column("KL", 3),
    "ms_ssim": Column("MS-SSIM", 4),
    "copies": Column("copies", 3),
    "nearest": Column("nearest", 3),
}
GROUPS = (
    Group("How far from the real images? Lower is better.", ("swd", "fid", "frechet", "kid")),
    Group("Does each one look real? Higher is better.", ("precision", "density", "recognised")),
    Group(
        "Is all of their variety there? Higher is better; KL: lower; MS-SSIM: near the floor.",
        ("recall", "coverage", "modes", "kl", "ms_ssim"),
    ),
    Group(
        "Are they copies of training images? Not if copies is about .01 and nearest about 1.",
        ("copies", "nearest"),
    ),
)


@dataclass(frozen=True)
class Subject:
    """What was measured: a run's samples, or images."""

    name: str
    kind: str  # run or images
    drawn: int | None  # real images that the run was trained on
    scores: Scores

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "name": self.name,
            "kind": self.kind,
            "drawn": self.drawn,
            "scores": self.scores,
        }


def score(value: float, **more: Any) -> dict[str, Any]:
    """A number; one that is not finite is no number but says so, as JSON has none."""
    if not math.isfinite(value):
        return undefined(f"it came out as {value}")
    return {"value": value} | more


def undefined(why: str) -> dict[str, Any]:
    """No number, and the reason."""
    return {"value": None, "why": why}


def in_words(report: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """The report as paragraphs: a heading and its lines; first the tables, then what they mean."""
    rows = [*report["subjects"]]
    if report["floor"]:
        rows.append({"name": FLOOR, "scores": report["floor"]})
    measured = {key for row in rows for key in row["scores"]}
    names, heads = shortened([row["name"] for row in rows]), heads_of(report)
    for group in GROUPS:
        keys = [key for key in group.keys if key in measured]
        table = [["", *(heads[key] for key in keys)]]
        for name, row in zip(names, rows, strict=True):
            table.append([name, *(cell(key, row["scores"].get(key)) for key in keys)])
        if keys:
            yield group.question, _aligned(table)
    sentences = [*_made_by(report), *_gaps(rows, heads), *report["notes"]]
    yield "What was measured", [line for text in sentences for line in _wrapped(text)]


def shortened(names: Sequence[str]) -> list[str]:
    """Names that leave room for numbers: of long paths the last part, where no two are alike."""
    if max(map(len, names)) <= LONGEST_NAME:
        return list(names)
    last = [PurePath(name).name or name for name in names]
    return last if len(set(last)) == len(last) else list(names)


def heads_of(report: Mapping[str, Any]) -> dict[str, str]:
    """What each column is called: a kernel distance is a KID on Inception's features only."""
    features = report["measures"].get("features", {})
    published = (features.get("network"), features.get("resize")) == (INCEPTION, INCEPTION_RESIZE)
    heads = {key: column.head for key, column in COLUMNS.items()}
    return heads | ({"kid": "KID"} if published else {})


def cell(key: str, found: Mapping[str, Any] | None) -> str:
    """One number as it is printed; a dash where there is none."""
    if found is None or found["value"] is None:
        return "-"
    value, error = found["value"], found.get("error", 0)
    digits = _digits(key, value, error)
    text = f"{value:z,.{digits}f}"  # z: what is rounded to 0 has no sign
    if "of" in found:
        text += f" of {found['of']:,}"
    return f"{text} +- {error:,.{digits}f}" if "error" in found else text


def _digits(key: str, value: float, error: float) -> int:
    """Behind the point: two figures of the error; without one, as the column has."""
    if error and math.isfinite(error):
        return min(MOST_DIGITS, max(0, 1 - int(f"{error:.1e}".partition("e")[2])))
    whole = len(f"{abs(value):.0f}") - 1  # figures before the point, but one
    return max(0, COLUMNS[key].digits - whole)


def _made_by(report: Mapping[str, Any]) -> Iterator[str]:
    """Counts, and how each number was made."""
    n, reals = report["images"], report["reals"]
    what = (
        f"{reals['source']} at {reals['size']}, {reals['channels']} "
        f"channel{'s' if reals['channels'] > 1 else ''}, seed {report['seed']}."
    )
    if report["floor"]:
        yield (
            f"{n:,} images of each against {n:,} of {what} The floor is {n:,} other real images "
            "against the same: what a perfect generator would score. Numbers compare at one size "
            "and one count only."
        )
    else:
        yield f"{n:,} images of each against {what}"
    for measure in report["measures"].values():
        yield measure["text"]


def _gaps(rows: Sequence[Mapping[str, Any]], heads: Mapping[str, str]) -> Iterator[str]:
    """Why a number is not there, once for each reason."""
    said: dict[str, list[str]] = {}
    for row in rows:
        for key, found in row["scores"].items():
            if found["value"] is None:
                text = f"{heads[key]} is undefined: {found['why']}"
                said.setdefault(text, []).append(row["name"])
    for text, names in said.items():
        yield f"{text} ({', '.join(names)})"


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent="- ", subsequent_indent="  ")


def _aligned(table: list[list[str]]) -> list[str]:
    """Lines whose columns stand below each other: the first to the left, the others right."""
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    return [
        "  ".join(
            text.rjust(width) if i else text.ljust(width)
            for i, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    ]
