"""What is said of a run while it is trained and afterwards, and when it must go back."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from poise.config import Config
from poise.data.prepared import Prepared
from poise.errors import RunError, TrainingFailed
from poise.history import Verdict
from poise.observer import Observer, concluded
from poise.presets import recipe
from poise.run import Run
from poise.session import ResumeOptions, resume
from poise.status import describe
from poise.training import train

from .helpers import Told, go_on, last_bits, log_of, poise, tiny, trained_run
from .test_measuring import measured
from .test_monitor import T, log, measures


def run_with(path: Path, config: Config, lines: list[Any], looks: list[Any]) -> Run:
    """A run that has logged this and trained nothing."""
    run = Run.create(path, config)
    for line in lines:
        run.log(line["drawn"], {k: v for k, v in line.items() if k != "drawn"})
    for line in looks:
        run.measured(line["drawn"], {k: v for k, v in line.items() if k != "drawn"})
    return run


def test_a_verdict_is_told_when_it_changes_and_not_again(shapes: Prepared, tmp_path: Path) -> None:
    told, lines = Told(), log()
    observer = Observer(run_with(tmp_path / "run", tiny(shapes), [], []), told)
    for line, look in zip(lines, [m for m in measures() for _ in range(3)], strict=True):
        if look["drawn"] == line["drawn"]:
            observer.measured(look["drawn"], look)
        observer.logged(line["drawn"], {k: v for k, v in line.items() if k != "drawn"})
    assert len(told.said) == 1
    assert told.said[0].startswith("At 6,000 images: learning since image ")
    assert told.warned == []
    for i in range(12):
        bad = lines[-1] | {"penalty": 50.0 + i, "loss_g": 5_000.0 + i}
        observer.logged(bad["drawn"] + 500 * (i + 1), bad)
    assert len(told.warned) == 1
    assert "diverging since image" in told.warned[0]
    assert "--penalty than" in told.warned[0], "the advice of its method"
    events = (observer.run.path / "events.jsonl").read_text().splitlines()
    assert [json.loads(line)["verdict"] for line in events] == ["learning", "diverging"]


ROSE = measures(swd=np.where(T < 0.4, 100 - 100 * T, 60 + 60 * (T - 0.4)))
FALLS = {"convergence": 0.2 - 0.1 * T, "k": 0.3, "loss_x": 0.1, "loss_g": 0.1 + 0.001 * T}


@pytest.mark.parametrize(
    ("columns", "looks", "better"),
    [
        (FALLS, ROSE, True),
        (FALLS | {"convergence": 0.2}, ROSE, False),
        (FALLS | {"loss_g": 0.2, "k": 0.0}, ROSE, False),  # its balance is lost
        (FALLS, [look | {"frechet": look["swd"]} for look in ROSE], False),
        (FALLS, [look | {"similarity": look["drawn"] / 50_000} for look in ROSE], False),
    ],
    ids=["disagree", "agree", "ill", "a better distance decides", "more and more alike"],
)
def test_where_the_sliced_distance_rises_and_began_gets_better_the_later_is_the_best(
    columns: dict[str, Any], looks: list[Any], better: bool, shapes: Prepared, tmp_path: Path
) -> None:
    config = replace(tiny(shapes), recipe=recipe("began"))
    run = run_with(tmp_path / "run", config, log(**columns), looks)
    by = "frechet" if "frechet" in looks[0] else "swd"
    facts = {"run": config.identity, "measure": by, "value": 60.0}
    run.best.save(12_000, {"x": torch.zeros(1)}, facts)
    found = Observer(run, Told()).new_best({by: 90.0}, by)
    assert found == ({"measure": by, "value": 90.0} if better else {})
    assert Observer(run, Told()).new_best({by: 59.0}, by) == {"measure": by, "value": 59.0}


SICK = log(loss_g=5_000.0)


@pytest.mark.parametrize(
    ("lines", "looks", "back"),
    [
        (SICK, measures(swd=100.0), True),  # and images never got better
        (SICK, measures(), False),  # images get better all the same
        (log(), measures(swd=100.0), False),
        (SICK, measures(swd=100.0)[:7], False),  # too few measures to know of images
        (log()[:-7] + SICK[-7:], measures(swd=100.0), False),  # not yet for three measures
    ],
    ids=["gave way", "images say no", "well", "unknown", "only now"],
)
def test_a_run_goes_back_only_when_numbers_and_measured_images_say_so_for_a_while(
    lines: list[Any], looks: list[Any], back: bool, shapes: Prepared, tmp_path: Path
) -> None:
    observer = Observer(run_with(tmp_path / "run", tiny(shapes, "gan"), lines, looks), Told())
    trouble = observer.trouble()
    assert (trouble is not None) == back
    if trouble:
        assert trouble.what.startswith("diverging (loss_g is 5e+03")
        assert "--lr" in trouble.advice


LOST = log(k=0.0, loss_x=0.1, loss_g=0.3, convergence=0.5)


@pytest.mark.parametrize(
    ("looks", "back"), [(measures(swd=100.0), True), (measures(), False)], ids=["bad", "good"]
)
def test_an_equilibrium_that_is_lost_takes_a_run_back_where_images_are_bad_too(
    looks: list[Any], back: bool, shapes: Prepared, tmp_path: Path
) -> None:
    run = run_with(tmp_path / "run", tiny(shapes, "began"), LOST, looks)
    trouble = Observer(run, Told()).trouble()
    assert (trouble is not None) == back
    if trouble:
        assert trouble.what.startswith("equilibrium lost (L(G) / L(x) is 3.00 and should be")
        assert "--critic-rate" in trouble.advice


def scripted(monkeypatch: pytest.MonkeyPatch, name: str, since: int, until_attempt: int) -> None:
    """A verdict that is grave from 400 images on, until the run has gone back so often."""

    def trouble(self: Observer) -> Any:
        from poise.recovery import Trouble

        backs = [
            json.loads(line)
            for line in (self.run.path / "events.jsonl").read_text().splitlines()
            if '"went back"' in line
        ]
        late = bool(self._log) and self._log[-1]["drawn"] >= 400
        if late and len(backs) < until_attempt:
            return Trouble(name, since, "Do this.")
        return None

    monkeypatch.setattr(Observer, "trouble", trouble)


def test_a_collapse_takes_a_run_back_to_before_it_began(
    shapes: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny(shapes)
    scripted(monkeypatch, "collapsing", since=300, until_attempt=1)
    told = Told()
    run = trained_run(tmp_path / "run", measured(config), told)
    assert told.warned == [
        "collapsing after 480 images: back to image 224, attempt 1 of 3, with other noise and "
        "1/2 of the rate up to 736 images."
    ]
    drawn = [line["drawn"] for line in run.history()]
    assert drawn == sorted(set(drawn)), "lines after the checkpoint were written anew"
    assert run.checkpoints.drawn()[-1] == 640


def test_a_collapse_that_comes_again_ends_with_a_diagnosis_and_the_best_checkpoint_whole(
    shapes: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted(monkeypatch, "collapsing", since=300, until_attempt=99)
    run = Run.create(tmp_path / "run", measured(tiny(shapes)))
    with pytest.raises(TrainingFailed, match=r"collapsing .* again, after 3 attempts.* Do this\."):
        train(run, Told())
    (best,) = run.best.drawn()
    assert run.best.load(best).drawn == best


def test_a_run_ends_when_nothing_improves_if_it_was_told_to(
    shapes: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from poise import observer as module

    def stalled(lines: Any, looks: Any, signals: Any) -> Verdict:
        name = "stalled" if len(lines) >= 3 else "learning"
        return Verdict(name, 0, "evidence 1", "advice")

    monkeypatch.setattr(module, "judge", stalled)
    config = measured(tiny(shapes), measure_every=100)
    wanted = replace(config, chores=replace(config.chores, stop_when="converged"))
    told = Told()
    run = Run.create(tmp_path / "run", wanted)
    assert train(run, told)
    assert run.checkpoints.drawn()[-1] == 416, "the second line that says so, of other measures"
    assert "Nothing improves any more" in told.said[-1]
    assert told.said[-2] == "Verdict: stalled since image 0: evidence 1. advice"
    whole = trained_run(tmp_path / "whole", config)
    assert whole.checkpoints.drawn()[-1] == 640
    monkeypatch.undo()
    on = resume(run.path, ResumeOptions(stop_when="never"))
    assert train(on, Told())
    monkeypatch.setattr(module, "judge", stalled)
    assert last_bits(on) == last_bits(whole), "it can go on as if it had not stopped"


def test_lines_that_are_said_of_the_same_measures_do_not_end_a_run(
    shapes: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from poise import observer as module

    monkeypatch.setattr(module, "judge", lambda *_: Verdict("stalled", 0, "", ""))
    config = tiny(shapes)  # four lines of the log between two measures
    chores = replace(config.chores, stop_when="converged", measure_every=320)
    observer = Observer(Run.create(tmp_path / "run", replace(config, chores=chores)), Told())
    ends = []
    for drawn in range(80, 720, 80):
        observer.logged(drawn, {})
        ends.append(observer.enough)
        if drawn % 320 == 0:
            observer.measured(drawn, {"swd": 1.0})
    assert ends == [drawn in (400, 480, 560, 640) for drawn in range(80, 720, 80)]


def test_a_run_whose_learning_rate_has_fallen_is_not_told_to_go_on(
    shapes: Prepared, tmp_path: Path
) -> None:
    """The same command would be refused."""
    config = tiny(shapes)
    run = Run.create(tmp_path / "run", config)
    learning = Verdict("learning", 0, "it falls", "")
    assert "--images 1280" in concluded(learning, run, 640).advice
    move: Any = replace(config.recipe.optimizer, decay=640)  # type: ignore[type-var]
    run.config = replace(config, recipe=replace(config.recipe, optimizer=move))
    assert "larger --images and --decay" in concluded(learning, run, 640).advice


def test_the_verdict_stands_in_every_line_of_the_log_and_is_the_same_after_a_resume(
    shapes: Prepared, tmp_path: Path
) -> None:
    config = measured(tiny(shapes, images=1280), measure_every=100)
    whole = trained_run(tmp_path / "whole", config)
    cut = trained_run(tmp_path / "cut", replace(config, recipe=replace(config.recipe, images=900)))
    go_on(cut.path, images=1280)
    assert log_of(whole) == log_of(cut)
    verdicts = [line["verdict"] for line in whole.history()]
    assert verdicts[:7] == ["too early"] * 7
    assert verdicts[-1] != "too early"


def test_status_says_where_a_run_stands_and_changes_nothing(
    shapes: Prepared, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = trained_run(tmp_path / "run", measured(tiny(shapes, images=1280)))
    before = sorted((p, p.stat().st_mtime_ns) for p in run.path.rglob("*"))
    assert poise("status", run.path) == 0
    out = capsys.readouterr().out
    assert "1,280 of 1,280 images drawn." in out
    assert "Verdict: " in out
    assert "Measured at 1,280 images: swd " in out
    best = run.best.drawn()[0]
    assert f"Best checkpoint: {best:,} images, swd {run.best.facts(best)['value']}." in out
    assert sorted((p, p.stat().st_mtime_ns) for p in run.path.rglob("*")) == before


def test_status_tells_what_happened(shapes: Prepared, tmp_path: Path) -> None:
    run = run_with(tmp_path / "run", tiny(shapes), log(loss_g=5_000.0), [])
    run.event("went back", 500, why="loss_g not finite", to=0, attempt=1)
    text = "\n".join(describe(run))
    assert "Verdict: diverging since image 500: loss_g is 5e+03" in text
    assert "at 500: went back; why loss_g not finite, to 0, attempt 1" in text


def test_the_verdict_at_the_end_is_on_all_that_was_measured_and_says_how_to_go_on(
    shapes: Prepared, tmp_path: Path
) -> None:
    config = tiny(shapes, images=30_000)
    run = run_with(tmp_path / "run", config, log(), measures())
    observer = Observer(run, Told())
    last = measures()[-1] | {"drawn": 30_000, "swd": 12.5}
    observer.measured(30_000, last)
    run.measured(30_000, last)
    verdict = str(observer.conclude(30_000))
    assert "to 12.5 (a trend of" in verdict, "after the last line of the log"
    assert verdict.endswith(f"Let it go on: poise train {run.path} --images 60000")
    assert f"Verdict: {verdict}" in "\n".join(describe(run))
    assert str(observer.conclude(29_000)).endswith("Let it go on.")


def test_lines_without_a_clock_or_with_words_for_numbers_are_passed_over(
    shapes: Prepared, tmp_path: Path
) -> None:
    run = trained_run(tmp_path / "run", measured(tiny(shapes, images=640)))
    for name in ("log.jsonl", "measures.jsonl", "events.jsonl"):
        with (run.path / name).open("a") as file:
            file.write('{"swd": 3.0}\n{"drawn": "many", "swd": 3.0, "event": "note"}\n')
            file.write('{"drawn": 641, "swd": NaN, "loss_g": "low", "event": "note", ')
            file.write('"text": "low tide"}\n')
    text = "\n".join(describe(run))
    assert "Measured at 641 images: swd nan, loss_g low" in text
    assert "at 641: low tide" in text
    on = go_on(run.path, images=960)
    assert log_of(on) == log_of(trained_run(tmp_path / "whole", on.config))


def test_status_of_what_is_no_run_or_has_logged_nothing_is_refused(
    shapes: Prepared, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert poise("status", tmp_path) == 2
    assert "is not a run" in capsys.readouterr().err
    run = Run.create(tmp_path / "run", tiny(shapes))
    with pytest.raises(RunError, match="has logged nothing yet: the first line comes after 100"):
        list(describe(run))


def test_status_of_a_run_too_short_for_a_line_shows_what_it_has(
    shapes: Prepared, tmp_path: Path
) -> None:
    run = trained_run(tmp_path / "run", tiny(shapes, images=64))
    text = "\n".join(describe(run))
    assert "64 of 64 images drawn." in text
    assert "Checkpoints kept: 64." in text


def test_status_of_an_older_run_is_judged_by_what_it_has(shapes: Prepared, tmp_path: Path) -> None:
    old = [{k: line[k] for k in ("drawn", "distance", "loss_g")} for line in log()]
    run = run_with(tmp_path / "run", tiny(shapes), old, [])
    assert "Verdict: too early since" in "\n".join(describe(run))
