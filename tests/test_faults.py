"""Whatever interrupts a training, the same command goes on as if nothing had happened."""

from __future__ import annotations

import errno
import functools
import importlib
import io
import math
import os
import random
import resource
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from poise import run as run_module
from poise import session
from poise.__main__ import main as command
from poise.checkpoints import Checkpoints
from poise.config import Config
from poise.data.prepared import Prepared
from poise.errors import RunError, TrainingFailed
from poise.lines import append
from poise.methods import WGANGP
from poise.players import Losses, Players, Reals
from poise.recovery import Trouble, attempt_of, given_up
from poise.run import Run
from poise.session import check_space
from poise.stopping import SIGNALS, StopRequest

from .helpers import (
    Process,
    Told,
    go_on,
    last_bits,
    leftovers,
    log_of,
    poise,
    tiny,
    trained_run,
    training,
)
from .test_checkpoints import killed, with_crash_at

train_module: Any = importlib.import_module("poise.training")  # `poise.train` is the function

LONG = 3_200  # images: about a second, so that a signal comes in the middle


@pytest.fixture(scope="module")
def long(shapes: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of a second that nothing disturbed."""
    return trained_run(tmp_path_factory.mktemp("long") / "run", tiny(shapes, images=LONG))


# --- killed at any call (F3 over a whole training) ------------------------------------------------


def train_and_be_killed_at(number: int, path: Path) -> Process:
    """Prints how many calls there were if it lives."""

    def work() -> int:
        codes: list[int] = []
        calls = with_crash_at(number, killed, lambda: codes.append(poise("train", path)))
        print(f"{len(calls)} calls")  # noqa: T201 - into the pipe of the process
        return codes[0]

    return Process(work)


def test_killed_at_any_call_into_the_system_it_ends_with_the_same_bits(
    shapes: Prepared, tmp_path: Path
) -> None:
    config = tiny(shapes, images=320)
    whole = Run.create(tmp_path / "whole", config)
    assert poise("train", whole.path) == 0  # and all modules are loaded
    code, output = train_and_be_killed_at(-1, Run.create(tmp_path / "counted", config).path).wait()
    assert code == 0
    total = int(output.split()[-2])
    assert 300 < total < 5_000
    chance = random.Random(0)
    for number in sorted(chance.sample(range(total - 20), 16)):
        run = Run.create(tmp_path / f"killed at {number}", config)
        code, output = train_and_be_killed_at(number, run.path).wait()
        assert code == 9, f"at call {number} of {total}: {output}"
        go_on(run.path)
        assert last_bits(run) == last_bits(whole), f"killed at call {number} of {total}"
        assert log_of(run) == log_of(whole), f"killed at call {number} of {total}"
        assert leftovers(run) == [], f"killed at call {number} of {total}"
        assert run.newest_samples().read_bytes() == whole.newest_samples().read_bytes()


def test_killed_at_random_moments_it_ends_with_the_same_bits(long: Run, tmp_path: Path) -> None:
    """As benchmarks/kill.py does at length."""
    run, chance, kills = Run.create(tmp_path / "run", long.config), random.Random(0), 0
    for _ in range(12):
        process = training(run.path)
        time.sleep(chance.uniform(0, 0.15))
        process.kill(signal.SIGKILL)
        kills += process.wait()[0] == -signal.SIGKILL
    go_on(run.path)
    assert kills >= 4, "the run was over too soon"
    assert last_bits(run) == last_bits(long)
    assert log_of(run) == log_of(long)
    assert leftovers(run) == []
    assert not any(event["event"] == "fell back" for event in events(run))


# --- Ctrl-C and SIGTERM (F6) ----------------------------------------------------------------------


def test_asked_to_stop_at_any_moment_it_saves_says_how_to_go_on_and_goes_on_the_same(
    long: Run, tmp_path: Path
) -> None:
    run, chance, stops = Run.create(tmp_path / "run", long.config), random.Random(0), 0
    slowest = 0.0
    while True:
        process = training(run.path)
        time.sleep(chance.uniform(0, 0.1))
        asked = time.monotonic()
        process.kill(chance.choice((signal.SIGINT, signal.SIGTERM, signal.SIGHUP)))
        code, output = process.wait()
        assert code == 0, output
        assert "Traceback" not in output
        if "Done." in output:
            break
        stops += 1
        slowest = max(slowest, time.monotonic() - asked)
        assert f"Stopped and saved. To go on: poise train {run.path}" in output
        assert run.checkpoints.drawn()[-1] == events(run)[-1]["drawn"], (
            "the last step was not saved"
        )
    assert stops >= 5, "the run was over too soon"
    assert slowest < 5.0, f"it took {slowest:.1f} s to stop"  # 0.1 s where nothing else runs
    assert last_bits(run) == last_bits(long)
    assert log_of(run) == log_of(long)


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_asked_twice_it_ends_at_once_and_loses_only_what_was_not_saved(
    second: signal.Signals, trained: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, step = Run.create(tmp_path / "run", trained.config), WGANGP.step

    def endless(self: WGANGP, players: Players, reals: Reals) -> Losses:
        if reals.drawn > 400:
            time.sleep(1000)
        return step(self, players, reals)

    monkeypatch.setattr(WGANGP, "step", endless)
    process = training(run.path)
    while not run.checkpoints.drawn():
        time.sleep(0.01)
    process.kill(signal.SIGINT)
    process.read_until("Once more to stop at once.")
    asked = time.monotonic()
    process.kill(second)
    code, output = process.wait()
    assert time.monotonic() - asked < 0.5
    assert (code, output.strip()) == (-second, "")
    monkeypatch.undo()
    go_on(run.path)
    assert last_bits(run) == last_bits(trained)
    assert log_of(run) == log_of(trained)


def sending(*numbers: signal.Signals) -> Callable[[WGANGP, Players, Reals], Losses]:
    """A step that sends its own process these signals, once the first checkpoint is saved."""
    step = WGANGP.step

    def interrupted(self: WGANGP, players: Players, reals: Reals) -> Losses:
        if reals.drawn > 400:
            for number in numbers:
                signal.raise_signal(number)
        return step(self, players, reals)

    return interrupted


def test_a_terminal_that_hangs_up_twice_as_it_closes_asks_once(
    trained: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run.create(tmp_path / "run", trained.config)
    monkeypatch.setattr(WGANGP, "step", sending(signal.SIGHUP, signal.SIGHUP))
    code, output = training(run.path).wait()
    assert code == 0, output
    assert output.count("Once more to stop at once.") == 1
    assert f"Stopped and saved. To go on: poise train {run.path}" in output
    monkeypatch.undo()
    go_on(run.path)
    assert last_bits(run) == last_bits(trained)


@pytest.mark.parametrize("then", [signal.SIGINT, signal.SIGTERM])
def test_hung_up_on_and_then_asked_to_stop_it_ends_at_once(
    then: signal.Signals, trained: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run.create(tmp_path / "run", trained.config)
    monkeypatch.setattr(WGANGP, "step", sending(signal.SIGHUP, signal.SIGHUP, then))
    code, output = training(run.path).wait()
    assert code == -then, output
    assert "Stopped and saved." not in output


@pytest.mark.parametrize("ignored", SIGNALS)
@pytest.mark.parametrize("asked", [False, True])
def test_a_signal_that_was_ignored_when_it_began_stays_ignored(
    asked: bool,
    ignored: signal.Signals,
    trained: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As SIGHUP is under nohup, and SIGINT in a job in the background."""
    other = signal.SIGINT if ignored == signal.SIGTERM else signal.SIGTERM
    run = Run.create(tmp_path / "run", trained.config)
    sent = (ignored, other, ignored) if asked else (ignored,)
    monkeypatch.setattr(WGANGP, "step", sending(*sent))
    code, output = training(run.path, ignored).wait()
    assert code == 0, output
    assert ("Stopped and saved." if asked else "Done.") in output
    monkeypatch.undo()
    go_on(run.path)
    assert last_bits(run) == last_bits(trained)


def test_the_command_itself_leaves_what_was_ignored_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def version() -> int:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        with pytest.raises(SystemExit):
            command()
        return int(signal.getsignal(signal.SIGTERM) is not signal.SIG_IGN)

    monkeypatch.setattr("sys.argv", ["poise", "--version"])
    assert Process(version).wait()[0] == 0


def test_after_a_run_that_was_hung_up_on_signals_mean_what_they_meant() -> None:
    def hang_up() -> int:
        before = [signal.getsignal(number) for number in SIGNALS]
        with StopRequest() as stop:
            for _ in range(2):
                signal.raise_signal(signal.SIGHUP)
            assert stop()
        assert [signal.getsignal(number) for number in SIGNALS] == before
        return 0

    assert Process(hang_up).wait()[0] == 0


def test_it_stops_and_saves_although_nobody_reads_what_it_prints(long: Run, tmp_path: Path) -> None:
    """As in `poise train ... | tee log`, where Ctrl-C ends tee as well."""
    run = Run.create(tmp_path / "run", long.config)
    process = training(run.path)
    while not log_exists(run):
        time.sleep(0.01)
    process.close()
    process.kill(signal.SIGINT)
    code = process.wait_silently()
    assert code in (0, 1)
    newest = run.checkpoints.newest(pytest.fail)
    assert newest, "it did not save"
    assert [e["event"] for e in events(run)][-1] == "stopped"
    go_on(run.path)
    assert last_bits(run) == last_bits(long)


def log_exists(run: Run) -> bool:
    return (run.path / "log.jsonl").exists()


def events(run: Run) -> list[dict[str, Any]]:
    from poise.lines import read_lines
    from poise.run import EVENTS

    return list(read_lines(run.path / EVENTS))


def test_it_trains_to_the_end_although_what_it_prints_fills_the_disk(
    trained: Run, tmp_path: Path
) -> None:
    def into_the_void() -> int:
        full = os.open("/dev/full", os.O_WRONLY)  # every write: no space left on device
        os.dup2(full, 1)
        os.dup2(full, 2)
        return poise("train", run.path)

    run = Run.create(tmp_path / "run", trained.config)
    assert Process(into_the_void).wait() == (0, "")
    assert last_bits(run) == last_bits(trained)


# --- a full disk (F7) -----------------------------------------------------------------------------


def with_files_up_to(size: int, work: Callable[[], int]) -> Callable[[], int]:
    """As on a full disk, without root: no file may grow beyond so many bytes."""

    def limited() -> int:
        # Python ignores SIGXFSZ, so that a write too many is an error and not the end.
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        return work()

    return limited


# Bytes: config.json takes 1,100, the log 1,300 then 2,500, a picture 20,000, tensors 190,000.
LIMITS = [0, 1, 50, 500, 1000, 1200, 1300, 1400, 1700, 2000, 2400, 3000, 10_000, 18_000, 25_000]
LIMITS += [50_000, 100_000, 150_000, 180_000, 10_000_000]


@pytest.mark.parametrize("limit", LIMITS)
def test_on_a_full_disk_it_goes_on_or_says_why_not_and_the_last_checkpoint_loads(
    limit: int, trained: Run, twice: Run, tmp_path: Path
) -> None:
    path = shutil.copytree(trained.path, tmp_path / "run")
    words = ("train", path, "--images", "1280")
    code, output = Process(with_files_up_to(limit, lambda: poise(*words))).wait()
    assert "Traceback" not in output
    assert code == (0 if limit == LIMITS[-1] else 1), output
    if code:
        assert output.splitlines()[-1].startswith("poise: "), output
        assert "go on" in output.splitlines()[-1]
    run = Run.open(path)
    newest = run.checkpoints.newest(pytest.fail)
    assert newest, "no checkpoint is left"
    assert newest.drawn >= 640
    go_on(path, images=1280)
    assert last_bits(run) == last_bits(twice)
    assert log_of(run) == log_of(twice)
    assert leftovers(run) == []


@pytest.fixture(scope="module")
def twice(trained: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The tiny run, trained twice as long with nothing in the way."""
    path = shutil.copytree(trained.path, tmp_path_factory.mktemp("twice") / "run")
    return go_on(path, images=1280)


@pytest.mark.parametrize("limit", [0, 500, 5_000])
def test_a_new_run_on_a_full_disk_ends_in_a_sentence(
    limit: int, shapes: Prepared, tmp_path: Path
) -> None:
    words = ("train", shapes.path, "--out", tmp_path / "run", "--images", "320", "--network", "mlp")
    code, output = Process(
        with_files_up_to(limit, lambda: poise(*words, "--width", "0.05", "--threads", "1"))
    ).wait()
    assert code in (1, 2), output
    assert "Traceback" not in output
    assert output.splitlines()[-1].startswith("poise: "), output
    assert (tmp_path / "run").exists() == (limit > 1_000), "a run without a configuration"


def test_room_is_asked_for_what_a_run_leaves_and_one_checkpoint_more(
    trained: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tensors_of(run: Run) -> int:
        return sum(path.stat().st_size for path in run.path.rglob("state.safetensors"))

    chores = replace(trained.config.chores, save_every=64, keep=2, milestone_every=320)
    config = replace(trained.config, chores=chores)
    run = trained_run(tmp_path / "run", config)  # 640 images: two newest, two milestones, the best
    one = tensors_of(run) / len([*run.path.rglob("state.safetensors")])
    room = 6 * one  # keep 2, milestones 2, the best one, one being written
    for share, refused in ((1.2, False), (0.8, True)):
        monkeypatch.setattr(session, "free_space", lambda path, share=share: int(share * room))
        with pytest.raises(RunError) if refused else nullcontext() as caught:
            check_space(config, tmp_path / "new")
        if caught:
            assert f"{tmp_path / 'new'} has" in str(caught.value)
            assert "a smaller --keep" in str(caught.value)
    monkeypatch.setattr(session, "free_space", lambda path: int(4 * one))
    check_space(config, run.path)  # most of them are there already


def test_training_goes_on_when_the_disk_is_full_for_a_while(
    trained: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every write fails from the 5th step to the 12th."""
    told, steps, opened = Told(), iter(range(10**9)), io.open
    full = {"is": False}

    def refused(path: Any, *args: Any, **options: Any) -> Any:
        if full["is"] and str(tmp_path) in str(path) and args[:1] not in ((), ("rb",)):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        return opened(path, *args, **options)

    monkeypatch.setattr("io.open", refused)
    told.stepped = lambda moment: full.update(  # type: ignore[method-assign]
        {"is": 5 <= next(steps) <= 12}
    )
    run = trained_run(tmp_path / "run", trained.config, told)
    assert [text[:16] for text in told.warned] == ["the disk is full"], "not said, or too often"
    assert last_bits(run) == last_bits(trained)
    assert log_of(run) == log_of(trained), "a line that could not be written is missing"


def test_a_line_that_the_disk_cut_in_half_is_taken_back_and_written_when_there_is_room(
    trained: Run, tmp_path: Path
) -> None:
    run = Run.create(tmp_path / "run", trained.config)
    run.log(1, {"distance": 0.5})
    line = log_of(run)

    def log_on_a_disk_that_fills() -> int:
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(line) * 5 // 2, resource.RLIM_INFINITY))
        run.log(2, {"distance": 0.5})
        with pytest.raises(OSError, match=r"No space|too large"):
            run.log(3, {"distance": 0.5})
        assert log_of(run).count(b"\n") == 2
        assert log_of(run).endswith(b"\n")
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        run.log(4, {"distance": 0.5})
        return 0

    assert Process(log_on_a_disk_that_fills).wait() == (0, "")
    assert [entry["drawn"] for entry in run.history()] == [1, 2, 3, 4]


# --- numbers that are not finite (F8) -------------------------------------------------------------


def poison(place: str, value: float, players: Players, losses: Losses) -> None:
    """Spoil one number."""
    weight = next(players.critic.parameters())
    if place == "loss":
        losses["distance"] = torch.tensor(value)
    elif place == "gradient":

        def spoil(gradient: Tensor) -> Tensor:
            hook.remove()
            return torch.full_like(gradient, value)

        hook = weight.register_hook(spoil)  # type: ignore[no-untyped-call]
    elif place == "weight":
        weight.data.view(-1)[3] = value
    elif place == "average":
        next(players.average.parameters()).data.view(-1)[3] = value
    else:
        state: dict[str, Tensor] = players.opt_c.state[weight]
        state["exp_avg_sq"].view(-1)[3] = value


def playing_and_spoiling(
    at: int, spoil: Callable[[Players, Losses], None], attempts: int = 1
) -> Callable[[Config, Players, Reals], Iterator[tuple[int, Losses]]]:
    """The loop's `play`, with something spoiled after so many images in the first attempts."""
    play: Any = train_module.play

    def poisoned(config: Config, players: Players, reals: Reals) -> Iterator[tuple[int, Losses]]:
        for before, losses in play(config, players, reals):
            if reals.drawn == at and attempt_of(players) < attempts:
                spoil(players, losses)
            yield before, losses

    return poisoned


def assert_all_is_finite(run: Run) -> None:
    """In the log and in every checkpoint."""
    for line in run.history():
        assert isinstance(line.pop("verdict"), str)
        assert all(math.isfinite(number) for number in line.values())
    for file in run.path.rglob("*.safetensors"):
        saved = load_file(file)
        assert all(torch.isfinite(value).all() for value in saved.values()), file
    assert leftovers(run) == []


def poisoned_moments(place: str, value: float) -> list[int]:
    """Images after which the poison is given: three steps of all 20, by chance."""
    steps = random.Random(f"{place} {value}").sample(range(15), 3)
    return [32 * (step + 1) for step in steps]


def spoilt_runs(place: str, value: float, undisturbed: Run, folder: Path) -> Iterator[Any]:
    """Runs that are spoiled once, at three moments by chance: the moment, the run, what it told."""
    for at in poisoned_moments(place, value):
        spoil, told = functools.partial(poison, place, value), Told()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(train_module, "play", playing_and_spoiling(at, spoil))
            run = trained_run(folder / f"{place} {at}", undisturbed.config, told)
        yield at, run, told


BAD = pytest.mark.parametrize("value", [math.nan, math.inf])


@BAD
@pytest.mark.parametrize("place", ["weight", "average", "optimizer"])
def test_a_state_that_is_not_finite_is_found_by_the_next_line_and_training_goes_back_once(
    place: str, value: float, trained: Run, tmp_path: Path
) -> None:
    for at, run, told in spoilt_runs(place, value, trained, tmp_path):
        (back,) = [event for event in events(run) if event["event"] == "went back"]
        assert at <= back["drawn"] <= at + 100, "found too late"
        assert back["to"] == max([c for c in (0, 224, 416) if c < back["drawn"]])
        assert "not finite" in told.warned[0]
        assert "attempt 1 of 3, with other noise and 1/2 of the rate" in told.warned[0]
        assert_all_is_finite(run)
        assert run.history()[-1]["drawn"] == 608
        assert int(run.checkpoints.load(640).tensors["memory.attempt"]) == 1


@BAD
def test_one_bad_gradient_is_skipped_and_counted(
    value: float, trained: Run, tmp_path: Path
) -> None:
    for at, run, _told in spoilt_runs("gradient", value, trained, tmp_path):
        skipped = {line["drawn"]: line["skipped"] for line in run.history() if line["skipped"]}
        ((drawn, share),) = skipped.items()
        assert at < drawn <= at + 128
        assert share == pytest.approx(1 / 3, abs=0.1), "one of 3 or 4 steps"
        assert [e["drawn"] for e in events(run) if e["event"] == "skipped"] == [drawn]
        assert not any(event["event"] == "went back" for event in events(run))
        assert_all_is_finite(run)


@BAD
def test_one_bad_loss_that_spoils_no_weight_leaves_the_bits_as_they_are(
    value: float, trained: Run, tmp_path: Path
) -> None:
    for _at, run, _told in spoilt_runs("loss", value, trained, tmp_path):
        assert_all_is_finite(run)
        assert last_bits(run) == last_bits(trained)


@pytest.mark.parametrize("place", ["weight", "average", "optimizer"])
def test_what_gives_way_in_every_attempt_ends_in_words_and_what_was_saved_is_whole(
    place: str,
    trained: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    spoil = functools.partial(poison, place, math.nan)
    monkeypatch.setattr(train_module, "play", playing_and_spoiling(480, spoil, attempts=99))
    run = Run.create(tmp_path / "run", trained.config)
    assert poise("train", run.path) == 1
    told = capsys.readouterr().err
    assert "not finite after" in told.splitlines()[-1]
    assert "again, after 3 attempts; the checkpoint at" in told
    assert "Start anew with a lower --lr" in told
    backs = [event for event in events(run) if event["event"] == "went back"]
    assert [(back["attempt"], back["to"]) for back in backs] == [(1, 416), (2, 224), (3, 224)]
    assert [back["gentler"][:6] for back in backs] == ["1/2 of", "1/4 of", "1/8 of"]
    assert_all_is_finite(run)
    monkeypatch.undo()
    go_on(run.path)
    assert run.checkpoints.drawn()[-1] == 640


def test_a_run_that_went_back_and_was_killed_ends_with_the_same_bits(
    trained: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil = functools.partial(poison, "weight", math.nan)
    monkeypatch.setattr(train_module, "play", playing_and_spoiling(320, spoil))
    whole = trained_run(tmp_path / "whole", trained.config)
    chance, run = random.Random(0), Run.create(tmp_path / "killed", trained.config)
    kills = 0
    for _ in range(8):
        process = training(run.path)
        time.sleep(chance.uniform(0, 0.08))
        process.kill(signal.SIGKILL)
        kills += process.wait()[0] == -signal.SIGKILL
    go_on(run.path)
    assert kills >= 3, "the run was over too soon"
    assert any(event["event"] == "went back" for event in events(run))
    assert last_bits(run) == last_bits(whole)
    assert log_of(run) == log_of(whole)


def test_what_gives_way_for_good_fails_again_and_does_not_loop(
    trained: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = WGANGP.step

    def overflowing(self: WGANGP, players: Players, reals: Reals) -> Losses:
        return {name: value * math.inf for name, value in step(self, players, reals).items()}

    monkeypatch.setattr(WGANGP, "step", overflowing)
    run = Run.create(tmp_path / "run", trained.config)
    for _ in range(3):
        assert poise("train", run.path) == 1
    assert run.history() == []
    assert run.checkpoints.drawn() == []
    assert sum(event["event"] == "went back" for event in events(run)) == 9


def test_a_run_without_retries_ends_with_the_first_trouble(
    trained: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil = functools.partial(poison, "weight", math.nan)
    monkeypatch.setattr(train_module, "play", playing_and_spoiling(96, spoil))
    config = replace(trained.config, chores=replace(trained.config.chores, retries=0))
    with pytest.raises(TrainingFailed, match=r"not finite after 128 images; none is saved\."):
        trained_run(tmp_path / "run", config)


def test_a_run_that_is_given_up_says_where_its_best_is(trained: Run, tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", trained.config)
    run.best.save(96, {"x": torch.ones(1)}, {})
    trouble = Trouble("diverging", 96)
    assert "; the best one at 96 images is whole." in str(given_up(run, trouble, 640))
    run.checkpoints.save(416, {"x": torch.ones(1)}, {})
    whole = "; the checkpoint at 416 images is whole and the best one at 96 images is whole."
    assert whole in str(given_up(run, trouble, 640))


def test_when_the_disk_is_full_older_checkpoints_make_room_for_the_next(
    shapes: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A save is tried again once all but the newest are gone; the run ends as if undisturbed."""
    real = Checkpoints.save

    def full(self: Checkpoints, drawn: int, *rest: Any) -> Path:
        if len(self.drawn()) > 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(self, drawn, *rest)

    undisturbed = trained_run(tmp_path / "undisturbed", tiny(shapes))
    monkeypatch.setattr(Checkpoints, "save", full)
    told = Told()
    run = trained_run(tmp_path / "cramped", tiny(shapes), told)
    assert told.warned == []
    assert last_bits(run) == last_bits(undisturbed)
    assert len(run.checkpoints.drawn()) == 2


def test_older_checkpoints_make_room_for_a_line_of_the_log_that_waits(
    trained: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No line is taken while two checkpoints are there: without room the last save would fail."""
    run = Run.create(tmp_path / "cramped", trained.config)

    def full(path: Path, lines: bytes) -> None:
        if len(run.checkpoints.drawn()) > 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        append(path, lines)

    monkeypatch.setattr(run_module, "append", full)
    assert train_module.train(run, told := Told())
    assert all(text.startswith("the disk is full") for text in told.warned)
    assert last_bits(run) == last_bits(trained)
    assert log_of(run) == log_of(trained), "a line that could not be written is missing"
