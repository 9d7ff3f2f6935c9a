"""`poise claims`: nothing is worked out twice, nothing is lost, and failures stay on the page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

from poise.claims import NAMES, driver
from poise.claims.claim import Claim, Pieces, Result, Scale, Table
from poise.claims.drawing import label, panels, seeds
from poise.claims.driver import ClaimsOptions, reproduce
from poise.claims.outcome import Outcome, SeedRun, outcome_from_json, outcome_to_json
from poise.errors import OptionError, RunError
from poise.watcher import Watcher

NAME = "parallel-lines"  # any of the names: what stands behind it here is made up


class Experiment:
    """Doubles its seed in two parts, and counts how often it works."""

    def __init__(self) -> None:
        self.worked: list[str] = []
        self.stop_before = ""
        self.claim = Claim("Twice", "A seed doubles.", "a paper", "2", "2", self.run, draw)

    def part(self, name: str, seed: int) -> int:
        if name == self.stop_before:
            raise KeyboardInterrupt
        self.worked.append(f"{name}{seed}")
        return seed

    def run(self, scale: Scale, seed: int, pieces: Pieces) -> Result:
        pieces.expect(2)
        twice = sum(pieces.once(name, self.part, name, seed) for name in ("a", "b"))
        table = Table("all of it", ["word", "number"], [["a|b", twice], ["c", None]])
        numbers: dict[str, float] = {"twice |seed|": twice}
        return Result(numbers, seed < 2, f"got {twice}", {"y": [seed, twice]}, table)


def draw(results: Sequence[Result]) -> Figure:
    figure, (axis,) = panels(1)
    seeds(axis, [0, 1], [result.figure["y"] for result in results], "k", "y")
    label(axis, "part", "seed")
    return figure


class Heard(Watcher):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def paragraph(self, heading: str, lines: Sequence[str]) -> None:
        self.lines += [heading, *lines]


@pytest.fixture
def experiment(monkeypatch: pytest.MonkeyPatch) -> Experiment:
    made = Experiment()
    use(monkeypatch, made.claim)
    return made


def use(monkeypatch: pytest.MonkeyPatch, claim: Claim) -> None:
    def known(name: str) -> Claim:
        return claim

    monkeypatch.setattr(driver, "claim_of", known)


def asked(out: Path, seeds: int = 2, scale: Scale = "quick") -> ClaimsOptions:
    return ClaimsOptions((NAME,), scale, seeds, out)


def test_a_result_that_is_there_is_not_worked_out_again(
    experiment: Experiment, tmp_path: Path
) -> None:
    reproduce(asked(tmp_path, 1), Watcher())
    reproduce(asked(tmp_path, 2), Watcher())
    assert experiment.worked == ["a0", "b0", "a1", "b1"]
    facts = json.loads((tmp_path / f"{NAME}.json").read_text())
    assert [run["result"]["numbers"] for run in facts["runs"]] == [
        {"twice |seed|": 0},
        {"twice |seed|": 2},
    ]


def test_what_is_kept_is_what_was_found_and_a_list_of_numbers_takes_one_line(
    experiment: Experiment, tmp_path: Path
) -> None:
    found = {"list": [1.5, 2], "text": 'a "b"', "objects": [{"x": [1, [2]]}, {}], "none": None}
    result = Result({"n": 2.0}, True, "it is so", found, Table("t", ["h"], [[1], ["x"]]))
    outcome = Outcome.of(NAME, experiment.claim, "quick", [SeedRun(3, 1.0, 0.5, result)])
    text = outcome_to_json(outcome)
    (tmp_path / "a.json").write_text(text)
    assert outcome_from_json(tmp_path / "a.json") == outcome
    assert '"list": [1.5, 2],\n' in text


def test_a_table_is_folded_away_on_the_page(experiment: Experiment, tmp_path: Path) -> None:
    reproduce(asked(tmp_path, 1), Watcher())
    page = (tmp_path / "claims.md").read_text()
    folded = page[page.index("<details>") : page.index("</details>")]
    assert "Seed 0: all of it" in folded
    assert "| word | number |\n|---|---:|\n| a\\|b | 0 |\n| c | None |\n" in folded


def test_fewer_seeds_than_lie_there_lose_none(experiment: Experiment, tmp_path: Path) -> None:
    reproduce(asked(tmp_path, 2), Watcher())
    before = (tmp_path / f"{NAME}.json").read_bytes()
    reproduce(asked(tmp_path, 1), Watcher())
    assert (tmp_path / f"{NAME}.json").read_bytes() == before


def test_what_was_cut_off_goes_on_with_the_next_part(
    experiment: Experiment, tmp_path: Path
) -> None:
    experiment.stop_before = "b"
    with pytest.raises(KeyboardInterrupt):
        reproduce(asked(tmp_path, 1), Watcher())
    part = tmp_path / "parts" / f"{NAME}-quick-1-0.jsonl"
    kept = json.loads(part.read_text())
    part.write_text(json.dumps(kept | {"seconds": 100.0}) + "\n")
    experiment.stop_before = ""
    reproduce(asked(tmp_path, 1), Watcher())
    assert experiment.worked == ["a0", "b0"]
    facts = json.loads((tmp_path / f"{NAME}.json").read_text())
    assert facts["runs"][0]["seconds"] == pytest.approx(100, abs=1)
    assert list((tmp_path / "parts").iterdir()) == []


def test_the_picture_of_the_same_results_is_the_same_to_the_byte(
    experiment: Experiment, tmp_path: Path
) -> None:
    reproduce(asked(tmp_path), Watcher())
    picture = tmp_path / f"{NAME}.png"
    first = picture.read_bytes()
    picture.unlink()
    reproduce(asked(tmp_path), Watcher())
    assert picture.read_bytes() == first


def test_a_later_edition_of_an_experiment_starts_anew(
    experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reproduce(asked(tmp_path, 1), Watcher())
    use(monkeypatch, replace(experiment.claim, edition=2))
    reproduce(asked(tmp_path, 1), Watcher())
    assert experiment.worked == ["a0", "b0", "a0", "b0"]


def test_a_failure_stays_on_the_page_with_its_reason_and_ends_with_1_unless_it_is_known(
    experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = Heard()
    assert reproduce(asked(tmp_path, 3), heard) == 1
    page = (tmp_path / "claims.md").read_text()
    assert "FAIL (2 of 3 seeds pass)" in page
    assert "**0 of the 1 claims that were run reproduce, with 3 seeds each.**" in page
    failing = replace(experiment.claim, failure="Seeds end at one.", fails=("quick",))
    use(monkeypatch, failing)
    assert reproduce(asked(tmp_path, 3), heard) == 0
    assert "Why not, as far as we know: Seeds end at one." in (tmp_path / "claims.md").read_text()
    assert any(line.endswith("got 4") for line in heard.lines)


def test_a_failure_at_a_scale_where_it_is_not_known_has_no_excuse(
    experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = replace(experiment.claim, failure="Seeds end at one.", fails=("full",))
    use(monkeypatch, failing)
    assert reproduce(asked(tmp_path, 3), Watcher()) == 1
    assert "Seeds end at one." not in (tmp_path / "claims.md").read_text()


def test_the_page_gives_mean_and_spread_and_escapes_bars(
    experiment: Experiment, tmp_path: Path
) -> None:
    assert reproduce(asked(tmp_path, 2), Watcher()) == 0
    page = (tmp_path / "claims.md").read_text()
    assert "| twice \\|seed\\| | 1 | 0 to 2 |" in page
    assert f"![Twice](./{NAME}.png)" in page
    assert (
        f"Not run at this scale yet, as it is today: {', '.join(n for n in NAMES if n != NAME)}."
        in page
    )


def test_a_page_elsewhere_points_to_the_pictures(experiment: Experiment, tmp_path: Path) -> None:
    options = replace(asked(tmp_path / "docs" / "claims", 1), page=tmp_path / "docs" / "claims.md")
    reproduce(options, Watcher())
    assert f"(claims/{NAME}.png)" in (tmp_path / "docs" / "claims.md").read_text()


def test_results_of_another_scale_are_not_mixed_in(experiment: Experiment, tmp_path: Path) -> None:
    reproduce(asked(tmp_path, 1), Watcher())
    with pytest.raises(RunError, match=r"made at --scale quick, this is full. Give another --out"):
        reproduce(asked(tmp_path, 1, "full"), Watcher())
    other = replace(asked(tmp_path, 1, "full"), names=("saturation",))
    with pytest.raises(RunError, match=r"parallel-lines.json was made at --scale quick"):
        reproduce(other, Watcher())
    assert experiment.worked == ["a0", "b0"]


def test_a_result_of_an_earlier_edition_that_is_not_run_again_is_not_on_the_page(
    experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reproduce(asked(tmp_path, 1), Watcher())
    use(monkeypatch, replace(experiment.claim, edition=2))
    reproduce(replace(asked(tmp_path, 1), names=("saturation",)), Watcher())
    page = (tmp_path / "claims.md").read_text()
    assert f"({NAME}.png)" not in page
    assert "**1 of the 1 claims that were run reproduce" in page
    assert "as it is today: parallel-lines, " in page


def test_a_number_that_some_seeds_lack_is_on_the_page_with_how_many_have_it(
    experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(scale: Scale, seed: int, pieces: Pieces) -> Result:
        found = experiment.run(scale, seed, pieces)
        return replace(found, numbers={"late": float(seed)} if seed else {})

    use(monkeypatch, replace(experiment.claim, run=run))
    reproduce(asked(tmp_path, 3), Watcher())
    assert "| late | 1.5 | 1 to 2 (2 seeds) |" in (tmp_path / "claims.md").read_text()


@pytest.mark.parametrize("text", ["{", "[]", '{"version": 1}', '{"version": 2}', '{"version": 3}'])
def test_a_file_that_is_no_result_is_refused_in_words(
    experiment: Experiment, tmp_path: Path, text: str
) -> None:
    (tmp_path / f"{NAME}.json").write_text(text)
    with pytest.raises(RunError, match=r"Remove it to run the claim anew|Give another --out"):
        reproduce(asked(tmp_path, 1), Watcher())
    assert (tmp_path / f"{NAME}.json").read_text() == text


def test_a_missing_package_is_named_before_any_work(
    experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, replace(experiment.claim, needs=("no_such_package",)))
    with pytest.raises(OptionError, match=r"needs no_such_package.*pip install 'poise\[claims\]'"):
        reproduce(asked(tmp_path, 1), Watcher())
    assert experiment.worked == []


def test_claims_are_asked_for_in_words() -> None:
    with pytest.raises(OptionError, match='Did you mean "parallel-lines"'):
        _ = ClaimsOptions(("paralel-lines",)).chosen
    with pytest.raises(OptionError, match="--seeds must be at least 1, got 0"):
        ClaimsOptions(seeds=0)
    with pytest.raises(OptionError, match=r"--page is a .md, got page.html"):
        ClaimsOptions(page=Path("page.html"))
    assert ClaimsOptions().chosen == NAMES
    described = str(ClaimsOptions.__doc__).replace(".", ",")
    assert all(f"{name}," in described for name in NAMES)
    assert ClaimsOptions(NAMES[::-1]).chosen == NAMES


def test_a_part_is_the_same_now_and_later(tmp_path: Path) -> None:
    first: Any = Pieces(tmp_path).once("p", lambda: {"1": (0.1, 2)})
    later: Any = Pieces(tmp_path).once("p", lambda: {"1": (0.3, 4)})
    assert first == later == {"1": [0.1, 2]}
