"""The page of results, written from what their JSON files hold."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from . import NAMES
from .outcome import Outcome, SeedRun

PAGE = "claims.md"

HEAD = """# What the papers claim, and what came out here

Written by `poise claims{scale}` from its JSON files: verdicts, tables and pictures are what the
experiments gave. Each claim is one file in `src/poise/claims/`, with the paper's statement, our
experiment and a threshold; one that was changed after a trial had been seen says so. A claim passes
when every seed does. One thread. Seconds are of the whole experiment, on a machine that other work
may have shared; in brackets, of the CPU alone.
"""


def page(found: Sequence[Outcome], folder: Path, beside: Path) -> str:
    """The page of these outcomes, whose pictures lie in `folder`, to be written in `beside`."""
    scale = f" --scale {found[0].scale}" if found and found[0].scale != "quick" else ""
    right = sum(outcome.passed for outcome in found)
    counts = sorted({len(outcome.runs) for outcome in found}) or [0]
    seeds = " to ".join(map(str, dict.fromkeys([counts[0], counts[-1]])))
    of = f"**{right} of the {len(found)} claims that were run reproduce"
    head = f"{of}, with {seeds} seed{'s' * (seeds != '1')} each.**"
    lines = [HEAD.format(scale=scale), head, ""]
    lines += ["| claim | of | verdict | seeds | seconds |", "|---|---|---|---:|---:|"]
    lines += [_row(outcome) for outcome in found]
    missing = [name for name in NAMES if name not in {outcome.name for outcome in found}]
    if missing:
        lines += ["", f"Not run at this scale yet, as it is today: {', '.join(missing)}."]
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


def _table(run: SeedRun) -> Iterator[str]:
    """What a run tells in rows, folded away."""
    table = run.result.table
    if table is None or not table.rows:
        return
    columns = zip(*table.rows, strict=True)
    numbers = [all(isinstance(value, int | float | None) for value in column) for column in columns]
    yield ""
    yield f"<details><summary>Seed {run.seed}: {table.caption}</summary>"
    yield ""
    yield "| " + " | ".join(table.head) + " |"
    yield "|" + "|".join("---:" if number else "---" for number in numbers) + "|"
    yield from ("| " + " | ".join(_cell(str(value)) for value in row) + " |" for row in table.rows)
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
    # A number may be of some seeds alone: of a training whose weights stayed finite, for one.
    names = dict.fromkeys(name for run in outcome.runs for name in run.result.numbers)
    for name in names:
        values = [n[name] for n in (run.result.numbers for run in outcome.runs) if name in n]
        spread = f"{min(values):.3g} to {max(values):.3g}" if len(values) > 1 else "one seed"
        some = f" ({len(values)} seeds)" if 1 < len(values) < len(outcome.runs) else ""
        yield f"| {_cell(name)} | {sum(values) / len(values):.3g} | {spread}{some} |"
    for run in outcome.runs:
        yield from _table(run)
    yield ""
    again = f"poise claims {outcome.name} --scale {outcome.scale} --seeds {len(outcome.runs)}"
    yield f"Again: `{again}`"
