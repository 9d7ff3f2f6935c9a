"""The page on verdicts says what the rules say of the trainings whose histories are kept."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "benchmarks"))

from judge_verdicts import HALVES, Judged, judged, table  # noqa: E402 - it is no package

from poise.history import WELL  # noqa: E402


@pytest.fixture(scope="module")
def every() -> list[Judged]:
    return judged()


@pytest.mark.parametrize("half", HALVES)
def test_the_tables_of_the_page_are_what_the_rules_say_now(half: str, every: list[Judged]) -> None:
    """After a change of the rules: `python benchmarks/judge_verdicts.py`, and look at both."""
    page = (ROOT / "docs" / "verdicts.md").read_text(encoding="utf-8")
    assert "\n".join(table(every, half)) in page


def test_nine_tenths_of_all_that_is_ill_is_named(every: list[Judged]) -> None:
    ill = [each for each in every if each.case.truth]
    well = [each for each in every if not each.case.truth]
    assert min(len(ill), len(well)) >= 40
    assert sum(each.verdict() in each.case.truth for each in ill) >= 0.9 * len(ill)
    others = [each for each in well if each.kind != ("began", "fashion")]
    assert all(each.verdict() in WELL for each in others)
