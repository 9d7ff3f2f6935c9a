"""Results of claims as JSON and back, and the page that is written from them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import RunError
from . import NAMES
from .claim import Claim, Result, Scale

PAGE = "claims.md"
VERSION = 1  # of the JSON

HEAD = """# What the papers claim, and what came out here

Written by `poise claims{scale}` from its JSON files: nothing here was typed by hand. Each claim
is one file in `src/poise/claims/`, with the paper's statement, our experiment and a threshold;
one that was changed after a trial had been seen says so. A claim passes when every seed does. One
thread. Seconds are of the whole experiment, on a machine that other work may have shared; in
brackets, of the CPU alone.
"""


@dataclass(frozen=True)
class SeedRun:
    """One run of a claim's experiment."""

    seed: int
    seconds: float  # by the clock, of all parts
    cpu_seconds: float
    result: Result


@dataclass(frozen=True)
class Outcome:
    """A claim, and what all of its runs found: what a JSON file holds."""

    version: int
    name: str
    edition: int  # of the experiment
    scale: Scale
    title: str
    statement: str
    source: str
    paper: str
    threshold: str
    failure: str
    runs: list[SeedRun]

    @classmethod
    def of(cls, name: str, claim: Claim, scale: Scale, runs: list[SeedRun]) -> Outcome:
        """The outcome of a claim with these runs."""
        texts = (claim.title, claim.statement, claim.source, claim.paper, claim.threshold)
        return cls(VERSION, name, claim.edition, scale, *texts, claim.failure, runs)

    @property
    def passed(self) -> bool:
        """Whether every seed passed, and there is one."""
        return bool(self.runs) and all(run.result.passed for run in self.runs)

    @property
    def word(self) -> str:
        """The verdict in a word or two."""
        if self.passed:
            return "PASS"
        right = sum(run.result.passed for run in self.runs)
        return f"FAIL ({right} of {len(self.runs)} seeds pass)" if right else "FAIL"


def outcome_from_json(path: Path) -> Outcome:
    """What a JSON file holds.

    Raises:
        RunError: it is damaged, or of another version.
    """
    try:
        facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if facts["version"] != VERSION:
            raise RunError(
                f"{path} is of version {facts['version']}, this Poise reads {VERSION}. "
                "Give another --out."
            )
        runs = [SeedRun(**{**run, "result": Result(**run["result"])}) for run in facts.pop("runs")]
        return Outcome(runs=runs, **facts)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise RunError(
            f"{path} is not a result of poise claims: {error!r}. Remove it to run the claim anew."
        ) from error


def page(found: Sequence[Outcome], folder: Path, beside: Path) -> str:
    """The page of these outcomes, whose pictures lie in `folder`, to be written in `beside`."""
    scale = f" --scale {found[0].scale}" if found and found[0].scale != "quick" else ""
    right = sum(outcome.passed for outcome in found)
    lines = [HEAD.format(scale=scale), f"**{right} of {len(found)} claims reproduce.**", ""]
    lines += ["| claim | of | verdict | seeds | seconds |", "|---|---|---|---:|---:|"]
    lines += [_row(outcome) for outcome in found]
    missing = [name for name in NAMES if name not in {outcome.name for outcome in found}]
    if missing:
        lines += ["", f"Not run at this scale yet: {', '.join(missing)}."]
    for outcome in found:
        lines += ["", *_section(outcome, os.path.relpath(folder, beside))]
    return "\n".join(lines) + "\n"


def _row(outcome: Outcome) -> str:
    anchor = outcome.title.lower().replace(" ", "-")
    anchor = "".join(letter for letter in anchor if letter.isalnum() or letter == "-")
    seconds = sum(run.seconds for run in outcome.runs)
    cpu = sum(run.cpu_seconds for run in outcome.runs)
    return (
        f"| [{outcome.title}](#{anchor}) | {_cell(outcome.source)} | {outcome.word} "
        f"| {len(outcome.runs)} | {seconds:,.0f} ({cpu:,.0f}) |"
    )


def _failures(run: SeedRun) -> Iterator[str]:
    """The trainings of the lottery that missed its goal, each with the verdict on it."""
    missed = run.result.figure.get("failures", [])
    if not missed:
        return
    yield ""
    yield f"<details><summary>Seed {run.seed}: {len(missed)} trainings that missed</summary>"
    yield ""
    yield "| architecture | method | SWD x1e3 | variety, of the reals' | verdict of Poise |"
    yield "|---:|---|---:|---:|---|"
    yield from ("| " + " | ".join(str(value) for value in row) + " |" for row in missed)
    yield ""
    yield "</details>"


def _cell(text: str) -> str:
    """Text for a cell of a table, which a bar would end."""
    return text.replace("|", "\\|")


def _section(outcome: Outcome, pictures: str) -> Iterator[str]:
    yield f"## {outcome.title}"
    yield ""
    yield f"**{outcome.word}.** {outcome.statement}"
    yield ""
    yield f"- Source: {outcome.source}"
    yield f"- The paper: {outcome.paper}"
    yield f"- Threshold: {outcome.threshold}"
    yield from (f"- Seed {run.seed}: {run.result.because}" for run in outcome.runs)
    if not outcome.passed and outcome.failure:
        yield f"- Why not, as far as we know: {outcome.failure}"
    yield ""
    yield f"![{outcome.title}]({pictures}/{outcome.name}.png)"
    yield ""
    yield "| measured | mean over seeds | least to most |"
    yield "|---|---:|---:|"
    for name in outcome.runs[0].result.numbers if outcome.runs else ():
        values = [run.result.numbers[name] for run in outcome.runs]
        spread = f"{min(values):.3g} to {max(values):.3g}" if len(values) > 1 else "one seed"
        yield f"| {_cell(name)} | {sum(values) / len(values):.3g} | {spread} |"
    for run in outcome.runs:
        yield from _failures(run)
    yield ""
    yield f"Again: `poise claims {outcome.name} --scale {outcome.scale}`"
