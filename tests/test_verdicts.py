"""The page on verdicts says what the rules say of the trainings whose histories are kept."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "benchmarks"))

from judge_verdicts import HALVES, Judged, half_of, judged, table  # noqa: E402 - it is no package

from poise.history import WELL  # noqa: E402


@pytest.fixture(scope="module")
def every() -> list[Judged]:
    return judged()


@pytest.mark.parametrize("half", HALVES)
def test_the_tables_of_the_page_are_what_the_rules_say_now(half: str, every: list[Judged]) -> None:
    """After a change of the rules: `python benchmarks/judge_verdicts.py`, and look at both."""
    page = (ROOT / "docs" / "verdicts.md").read_text(encoding="utf-8")
    assert "\n".join(table(every, half)) in page


def test_enough_were_trained(every: list[Judged]) -> None:
    ill = [bool(each.case.truth) for each in every]
    assert min(sum(ill), len(ill) - sum(ill)) >= 40


@pytest.mark.parametrize("half", HALVES)
def test_nine_tenths_of_what_is_ill_is_named_and_nothing_else(
    half: str, every: list[Judged]
) -> None:
    ill = [each for each in half_of(every, half) if each.case.truth]
    well = [each for each in half_of(every, half) if not each.case.truth]
    assert sum(each.verdict() in each.case.truth for each in ill) >= 0.9 * len(ill)
    assert all(each.verdict() in WELL for each in well)
