"""Results of a claim, seed by seed, as JSON and back."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..errors import RunError
from .claim import Claim, Result, Scale, Table

VERSION = 2  # of the JSON; 1 had no tables


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
        failure = claim.failure if scale in claim.fails else ""
        return cls(VERSION, name, claim.edition, scale, *texts, failure, runs)

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
        runs = [SeedRun(**{**run, "result": _result(run["result"])}) for run in facts.pop("runs")]
        return Outcome(runs=runs, **facts)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise RunError(
            f"{path} is not a result of poise claims: {error!r}. Remove it to run the claim anew."
        ) from error


def _result(facts: dict[str, Any]) -> Result:
    table = facts.get("table")
    return Result(**{**facts, "table": Table(**table) if table else None})


def outcome_to_json(outcome: Outcome) -> str:
    """What `outcome_from_json` reads: an entry a line, but lists of numbers on one."""
    return _laid_out(asdict(outcome)) + "\n"


def _laid_out(value: Any, depth: int = 0) -> str:
    apart = "\n" + (depth + 1) * " "
    if isinstance(value, dict) and value:
        parts = [f"{json.dumps(k)}: {_laid_out(v, depth + 1)}" for k, v in value.items()]
        return "{" + apart + f",{apart}".join(parts) + "}"
    if isinstance(value, list) and any(isinstance(each, dict | list) for each in value):
        parts = [_laid_out(each, depth + 1) for each in value]
        return "[" + apart + f",{apart}".join(parts) + "]"
    return json.dumps(value)
