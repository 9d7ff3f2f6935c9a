"""What the monitor says of the trainings of verdicts.py, from their histories.

    python benchmarks/judge_verdicts.py     # the tables of docs/verdicts.md; docs/verdicts.json

Trains nothing, so a change of the rules shows at once what it changes. What is judged while rules
are changed is no longer held back: give that half other seeds then (verdicts.py), and train it.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, repeat, zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from verdicts import Case, cases, held_back

from poise.config import name_of
from poise.history import WELL
from poise.methods import METHODS
from poise.monitor import judge
from poise.signals import signals_of

HALVES = ("design", "held back")
HISTORIES = Path(__file__).parents[1] / "docs" / "verdicts.json"
USUAL = 1.1  # times the worst healthy run: from then on a failure is plain


@dataclass(frozen=True)
class Judged:
    """A case and what became of it."""

    case: Case
    log: list[dict[str, Any]]
    measures: list[dict[str, Any]]
    frechet: list[tuple[int, float]]  # images drawn, distance
    gave_way: int  # images after which its numbers were no longer finite; 0 if they always were

    @property
    def kind(self) -> tuple[str, str]:
        """Its method and its set."""
        return name_of(self.case.recipe.method, METHODS), self.case.data

    def verdict(self, until: int | None = None) -> str:
        """The monitor's after so many images, as a person would have read it then; or at the end.

        A run that ended because numbers were not finite has said what it is.
        """
        if until is None and self.gave_way:
            return "diverging"
        log, measures = (
            [line for line in lines if until is None or line["drawn"] <= until]
            for lines in (self.log, self.measures)
        )
        return judge(log, measures, signals_of(self.case.recipe.method)).name

    def first_right(self) -> int | None:
        """The images drawn when a right verdict was first given; None if it never was."""
        for line in self.log:
            if self.verdict(line["drawn"]) in self.case.truth:
                return int(line["drawn"])
        return self.gave_way or None

    def plain_at(self, usual: Sequence[float]) -> int | None:
        """The images drawn when the failure was plain in the Frechet distance, and stayed so."""
        if self.gave_way:
            return self.gave_way
        since = None
        beyond = repeat(usual[-1] if usual else math.inf)  # for a run that is longer
        for (drawn, distance), well in zip(self.frechet, chain(usual, beyond), strict=False):
            since = (since or drawn) if distance > USUAL * well else None
        return since


def in_lines(columns: dict[str, list[Any]]) -> list[dict[str, Any]]:
    """A history as it was written: one dictionary a line."""
    rows = zip(*columns.values(), strict=True)
    return [
        {name: value for name, value in zip(columns, row, strict=True) if value is not None}
        for row in rows
    ]


def judged(histories: Path = HISTORIES, every: int = 1) -> list[Judged]:
    """Every case with its history; of its measures, `every` so many."""
    known = {case.name: case for case in cases()}
    return [
        Judged(
            known[kept["name"]],
            in_lines(kept["log"]),
            in_lines(kept["measures"])[every - 1 :: every],
            kept["frechet"],
            kept["gave way"],
        )
        for kept in json.loads(histories.read_text())
    ]


def usual_distances(every: list[Judged]) -> dict[tuple[str, str], list[float]]:
    """The largest of the healthy runs' distances over seeds, by method and set."""
    found: dict[tuple[str, str], list[list[float]]] = {}
    for each in every:
        if not each.case.truth:
            found.setdefault(each.kind, []).append([distance for _, distance in each.frechet])
    # A run that gave way is shorter.
    return {k: [max(row) for row in zip_longest(*v, fillvalue=0.0)] for k, v in found.items()}


def half_of(every: list[Judged], half: str) -> list[Judged]:
    """Those of one of the `HALVES`."""
    names = [each.case.name for each in every]
    return [e for e in every if held_back(e.case.name, names) == (half == "held back")]


def table(every: list[Judged], half: str) -> Iterator[str]:
    """A half: what share was right, and every case."""
    mine, usual = half_of(every, half), usual_distances(every)
    rows, right, plainly, shown, early = [], 0, 0, 0, []
    ill, well = ([e for e in mine if bool(e.case.truth) == sick] for sick in (True, False))
    alarms = 0
    for each in well:
        verdict = each.verdict()
        alarms += verdict not in WELL
        rows.append([each.case.name, "well", verdict, said(verdict in WELL), "", ""])
    for each in ill:
        verdict, first = each.verdict(), each.first_right()
        plain, names_it = each.plain_at(usual.get(each.kind, [])), verdict in each.case.truth
        right, plainly = right + names_it, plainly + (plain is not None)
        shown += plain is not None and names_it
        if first is not None and plain is not None:
            early.append(first / plain)
        when = ["never" if clock is None else f"{clock:,}" for clock in (first, plain)]
        truth = " or ".join(sorted(each.case.truth))
        rows.append([each.case.name, truth, verdict, said(names_it), *when])
    low, middle, high = np.quantile(early, [0.25, 0.5, 0.75])
    yield from (
        f"## {half.capitalize()}: {len(mine)} trainings",
        "",
        f"- Made ill: {right} of {len(ill)} named for a right reason ({right / len(ill):.1%}); of "
        f"the {plainly} whose failure showed in the Frechet distance, {shown} "
        f"({shown / plainly:.1%}).",
        f"- Well: {alarms} of {len(well)} called ill at their end ({alarms / len(well):.1%}).",
        f"- The right name was first said after {middle:.0%} (median; quartiles {low:.0%} and "
        f"{high:.0%}) of the images after which the Frechet distance showed it.",
        "",
        "| training | truth | verdict at the end | right | first said | plain in the distance |",
        "|---|---|---|---|---:|---:|",
    )
    yield from ("| " + " | ".join(row) + " |" for row in rows)


def said(right: bool) -> str:
    """For a table."""
    return "yes" if right else "**no**"


def main() -> None:
    """Print the tables of both halves."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--histories", type=Path, default=HISTORIES)
    parser.add_argument("--every", type=int, default=1, help="of its measures, every so many")
    asked = parser.parse_args()
    every = judged(asked.histories, asked.every)
    for half in HALVES:
        print("\n".join([*table(every, half), ""]))


if __name__ == "__main__":
    main()
