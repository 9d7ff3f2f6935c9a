"""A run goes on as if nothing had happened, and never touches what is not its own."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from poise import run as run_module
from poise.config import config_from_json
from poise.data.prepared import Prepared
from poise.errors import RunError, TrainingFailed
from poise.lock import locked
from poise.methods import METHODS
from poise.run import Run, next_name
from poise.session import ResumeOptions, resume
from poise.training import train

from .helpers import (
    TINY_WORDS,
    TINY_WORDS_OF,
    Process,
    Told,
    go_on,
    last_bits,
    leftovers,
    log_of,
    poise,
    run_poise,
    tiny,
    trained_run,
    training,
    tree,
)


def stop_after(steps: int) -> Callable[[], bool]:
    """Asks for a stop after so many steps."""
    left = iter(range(steps))
    return lambda: next(left, None) is None


def samples_of(run: Run) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (run.path / "samples").iterdir()}


# --- the same command, the same bytes (F15) -------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_the_same_command_twice_gives_the_same_bytes(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = ("shapes", "--size", "8", "--limit", "64", "--method", method)
    words = TINY_WORDS_OF.get(method, TINY_WORDS)
    trees = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        assert poise("train", *source, *words, "--out", "run") == 0
        assert poise("sample", "run", "-n", "9", "--out", "nine.png") == 0
        trees.append(tree(tmp_path / name))
    differ = {k for k in trees[0].keys() | trees[1].keys() if trees[0].get(k) != trees[1].get(k)}
    # The configuration names the images by their absolute path; events have the time of day.
    assert {name for name in differ if name.startswith("run/")} <= {
        "run/config.json",
        "run/events.jsonl",
    }
    assert "nine.png" not in differ
    assert sum(name.endswith(".safetensors") for name in trees[0]) == 4, "3 and the best"
    assert sum(name.startswith("run/samples/") for name in trees[0]) == 2


@pytest.mark.slow
def test_another_process_gives_the_same_bytes(trained: Run, tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", trained.config)
    done = run_poise("train", run.path)
    assert done.returncode == 0, done.stderr
    assert last_bits(run) == last_bits(trained)
    assert log_of(run) == log_of(trained)
    assert samples_of(run) == samples_of(trained)


# --- a resumed run is the unbroken one ------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_stopped_after_any_step_it_goes_on_to_the_same_bits_and_the_same_log(
    method: str, shapes: Prepared, tmp_path: Path
) -> None:
    config = tiny(shapes, method, images=320)
    whole = trained_run(tmp_path / "whole", config)
    for steps in range(1, 8):
        run = Run.create(tmp_path / f"stopped after {steps}", config)
        while not train(run, Told(), stop_after(steps)):
            pass
        assert last_bits(run) == last_bits(whole), f"stopped every {steps} steps"
        assert log_of(run) == log_of(whole), f"stopped every {steps} steps"


def test_the_log_is_the_same_whenever_checkpoints_are_saved(trained: Run, tmp_path: Path) -> None:
    for save_every in (32, 150, 10_000):
        chores = replace(trained.config.chores, save_every=save_every)
        config = replace(trained.config, chores=chores)
        run = Run.create(tmp_path / f"every {save_every}", config)
        while not train(run, Told(), stop_after(3)):
            pass
        assert log_of(run) == log_of(trained)
        assert last_bits(run) == last_bits(trained)


def test_a_run_that_is_extended_is_the_longer_run(trained: Run, tmp_path: Path) -> None:
    recipe = replace(trained.config.recipe, images=1280)
    longer = trained_run(tmp_path / "longer", replace(trained.config, recipe=recipe))
    path = shutil.copytree(trained.path, tmp_path / "run")
    extended = go_on(path, images=1280)
    assert last_bits(extended) == last_bits(longer)
    assert log_of(extended) == log_of(longer)
    assert Run.open(path).config == longer.config


def test_a_run_at_its_end_says_so_and_changes_nothing(
    trained: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = shutil.copytree(trained.path, tmp_path / "run")
    before = tree(path)
    assert poise("train", path) == 0
    after = tree(path)
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed <= {"events.jsonl", "lock"}
    assert "--images 1280" in capsys.readouterr().out


def test_a_run_that_was_moved_goes_on(trained: Run, tmp_path: Path) -> None:
    run = Run.create(tmp_path / "here", trained.config)
    assert not train(run, Told(), stop_after(3))
    (tmp_path / "there").mkdir()
    moved = Run.open(run.path.rename(tmp_path / "there" / "renamed"))
    go_on(moved.path)
    assert last_bits(moved) == last_bits(trained)


# --- log.jsonl ------------------------------------------------------------------------------------


def test_half_a_line_at_the_end_is_repaired(trained: Run, tmp_path: Path) -> None:
    whole, chance = log_of(trained), random.Random(0)
    events = (trained.path / "events.jsonl").read_bytes()
    path = shutil.copytree(trained.path, tmp_path / "run")
    for seed in range(12):
        cut = chance.randrange(len(whole.splitlines()[0]))
        (path / "log.jsonl").write_bytes(whole + whole[:cut])
        (path / "events.jsonl").write_bytes(events[: len(events) - 1 - seed])
        go_on(path)
        assert log_of(trained) == log_of(Run.open(path)), f"{cut} bytes too many"
        lines = (path / "events.jsonl").read_text().splitlines()
        assert all(isinstance(json.loads(line), dict) for line in lines)


def test_what_was_logged_after_the_checkpoint_is_logged_again_the_same(
    trained: Run, tmp_path: Path
) -> None:
    for drawn in trained.checkpoints.drawn()[:-1]:
        path = shutil.copytree(trained.path, tmp_path / f"from {drawn}")
        for newer in trained.checkpoints.drawn():
            if newer > drawn:
                shutil.rmtree(path / "checkpoints" / f"{newer:09d}")
        run = go_on(path)
        assert log_of(run) == log_of(trained)
        assert samples_of(run) == samples_of(trained)


def test_what_an_interrupted_write_left_is_swept_at_the_next_start(
    trained: Run, tmp_path: Path
) -> None:
    path = shutil.copytree(trained.path, tmp_path / "run")
    (path / "checkpoints" / ".writing-000000123").mkdir()
    for name in ("config.json", "log.jsonl", "events.jsonl", "samples/000000123.png"):
        (path / f"{name}.0123abcd.part").write_text("half")
    (path / "samples" / "my own.part").write_text("mine")
    go_on(path)
    assert leftovers(Run.open(path)) == ["samples/my own.part"]


@pytest.mark.parametrize("rubbish", [b"\0" * 100, b"\xff\xfe\n", b"[1]\n", b"{}\n{", b"\n\n"])
def test_rubbish_in_the_log_is_passed_over(trained: Run, tmp_path: Path, rubbish: bytes) -> None:
    path = shutil.copytree(trained.path, tmp_path / "run")
    (path / "log.jsonl").write_bytes(log_of(trained) + rubbish)
    lines = Run.open(path).history()
    assert [line for line in lines if line] == trained.history()


def test_the_log_and_the_config_do_not_depend_on_the_clock_on_the_wall(
    trained: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Jumping(datetime):
        """Jumps back by years whenever it is asked."""

        years = iter(range(2100, 0, -7))

        @classmethod
        def now(cls, tz: Any = None) -> Jumping:
            return cls(next(cls.years), 1, 1, tzinfo=UTC)

    monkeypatch.setattr(run_module, "datetime", Jumping)
    monkeypatch.setattr("time.time", lambda: 0.0)
    run = trained_run(tmp_path / "run", trained.config)
    go_on(run.path)
    assert last_bits(run) == last_bits(trained)
    assert log_of(run) == log_of(trained)


def test_a_clock_that_stands_still_stops_nothing(
    trained: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.monotonic", lambda: 7.0)
    run = trained_run(tmp_path / "run", trained.config)
    assert last_bits(run) == last_bits(trained)


# --- one run, one trainer; a directory that is gone or cannot be written (F17) --------------------


def test_a_second_training_of_a_run_is_refused_and_names_the_first(
    trained: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = shutil.copytree(trained.path, tmp_path / "run")
    with locked(path):
        before = tree(path)
        assert poise("train", path, "--images", "9999") == 2
        assert tree(path) == before
    told = capsys.readouterr().err
    assert f"is being trained already, by process {os.getpid()} on {os.uname().nodename}" in told
    assert poise("train", path) == 0


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_run_where_nothing_can_be_locked_is_refused_and_nobody_is_blamed(
    number: int,
    trained: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(number, os.strerror(number))

    path = shutil.copytree(trained.path, tmp_path / "run")
    before = tree(path)
    monkeypatch.setattr("fcntl.flock", refuse)
    assert poise("train", path, "--images", "9999") == 2
    told = capsys.readouterr().err
    assert f"{path} is on a file system that offers no locks ({os.strerror(number)})" in told
    assert "Put the run on a local disk." in told
    assert "being trained already" not in told
    assert tree(path) == before


def test_the_lock_of_a_process_that_was_killed_is_free(trained: Run, tmp_path: Path) -> None:
    path = shutil.copytree(trained.path, tmp_path / "run")
    resume(path, ResumeOptions(images=100_000)).configure(
        resume(path, ResumeOptions(images=100_000)).config
    )
    process = training(path)
    assert poise("train", path) == 2
    process.kill(9)
    assert process.wait()[0] == -9
    go_on(path, images=640)
    assert last_bits(Run.open(path)) == last_bits(trained)


def test_samples_can_be_drawn_while_somebody_trains(trained: Run, tmp_path: Path) -> None:
    path = shutil.copytree(trained.path, tmp_path / "run")
    with locked(path):
        assert poise("sample", path, "-n", "4", "--out", tmp_path / "four.png") == 0


def test_a_directory_that_is_removed_while_it_trains_ends_in_a_sentence(
    trained: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Remover(Told):
        """Removes the run after its third step."""

        steps = 0

        def stepped(self, moment: object) -> None:
            self.steps += 1
            if self.steps == 3:
                shutil.rmtree(tmp_path / "run")

    run = Run.create(tmp_path / "run", trained.config)
    with pytest.raises(TrainingFailed, match=r"run.*No such file or directory"):
        train(run, Remover())
    assert not (tmp_path / "run").exists()


@pytest.fixture
def open_to_all(tmp_path: Path) -> Iterator[Path]:
    """A folder that any user can reach: those of pytest are only for the one who runs it."""
    folder = Path("/var/tmp") / f"poise-test-{os.getpid()}"
    folder.mkdir(mode=0o755)
    yield folder
    for path in [folder, *folder.rglob("*")]:
        if path.is_dir():
            path.chmod(0o755)
    shutil.rmtree(folder)


def as_nobody(work: Callable[[], int]) -> Callable[[], int]:
    """Root may write anywhere, so root gives itself up first; anybody else is nobody already."""

    def drop_and_work() -> int:
        if os.getuid() == 0:
            with contextlib.suppress(PermissionError):  # a root that may not is no root to files
                os.setgid(65534)
                os.setuid(65534)
        return work()

    return drop_and_work


@pytest.mark.parametrize("lock", [True, False])
def test_a_run_that_may_only_be_read_is_sampled_but_not_trained(
    trained: Run, open_to_all: Path, lock: bool
) -> None:
    sets = shutil.copytree(trained.config.data.prepared, open_to_all / "set.poise")
    path = shutil.copytree(trained.path, open_to_all / "run")
    run = Run.open(path)
    run.configure(replace(run.config, data=replace(run.config.data, prepared=str(sets))))
    if not lock:
        (path / "lock").unlink()
    for each in [path, *path.rglob("*")]:
        each.chmod(0o555 if each.is_dir() else 0o444)
    before = tree(path)
    code, told = Process(as_nobody(lambda: poise("train", path, "--images", "999"))).wait()
    assert (code, "Traceback" in told) == (2, False), told
    assert "cannot be written (Permission denied)" in told
    code, told = Process(as_nobody(lambda: poise("sample", path, "-n", "4"))).wait()
    assert (code, "Traceback" in told) == (2, False), told
    assert "Give another --out" in told
    assert tree(path) == before


# --- nothing of the user's is overwritten or deleted ----------------------------------------------


def test_a_new_run_takes_the_next_free_number(tmp_path: Path) -> None:
    assert next_name(tmp_path / "runs", "faces-gan") == tmp_path / "runs" / "faces-gan-1"
    for name in ("faces-gan-1", "faces-gan-9", "faces-gan-x", "faces-gan-10-old", "other-gan-77"):
        (tmp_path / "runs" / name).mkdir(parents=True)
    (tmp_path / "runs" / "faces-gan-11").write_text("a file")
    assert next_name(tmp_path / "runs", "faces-gan").name == "faces-gan-12"


def test_runs_without_a_name_are_numbered_and_leave_the_others_alone(
    shapes: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before: dict[str, str] = {}
    for number in (1, 2):
        assert poise("train", shapes.path, *TINY_WORDS) == 0
        assert (tmp_path / f"runs/{shapes.path.stem}-wgan-gp-{number}").is_dir()
        after = tree(tmp_path)
        assert before.items() <= after.items()
        before = after


def users_things(tmp_path: Path) -> dict[str, Path]:
    """What a person may have lying where a run could go."""
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "text.md").write_text("years of work")
    (tmp_path / "file").write_text("precious")
    (tmp_path / "link").symlink_to("thesis")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "hanging").symlink_to("nowhere")
    return {p.name: p for p in tmp_path.iterdir()}


@pytest.mark.parametrize("name", ["thesis", "file", "link", "loop", "file/below", "hanging"])
def test_a_new_run_is_never_made_where_something_is(
    name: str, shapes: Prepared, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    users_things(tmp_path)
    before = tree(tmp_path)
    assert poise("train", shapes.path, *TINY_WORDS, "--out", tmp_path / name) == 2
    assert "--out" in capsys.readouterr().err
    assert tree(tmp_path) == before


def test_a_new_run_is_not_made_in_another_run(
    trained: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tree(trained.path)
    words = ("shapes", "--size", "8", "--limit", "64", "--out", trained.path)
    assert poise("train", *words) == 2
    assert f"poise train {trained.path}" in capsys.readouterr().err
    assert tree(trained.path) == before
    assert not (trained.path.parent / "prepared").exists()


def test_an_empty_directory_is_taken(shapes: Prepared, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert poise("train", shapes.path, *TINY_WORDS, "--out", tmp_path / "empty") == 0


def test_two_runs_made_at_the_same_moment_do_not_share_a_directory(
    trained: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = Run.refuse_taken

    def while_looking(path: Path) -> None:
        looked(path)
        (path / "samples").mkdir(parents=True)  # the other one's

    monkeypatch.setattr(Run, "refuse_taken", while_looking)
    with pytest.raises(RunError, match="is there already"):
        Run.create(tmp_path / "run", trained.config)


@pytest.mark.parametrize("out", ["mine.png", "pictures", "deep/er/mine.png", "file/mine.png"])
def test_samples_are_never_written_over_something(
    out: str, trained: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in ("pictures", "deep/er"):
        (tmp_path / folder).mkdir(parents=True)
    for file in ("mine.png", "pictures/000002.png", "deep/er/mine.png", "file"):
        (tmp_path / file).write_text("mine")
    before = tree(tmp_path)
    assert poise("sample", trained.path, "-n", "4", "--out", tmp_path / out) == 2
    assert "Give another --out" in capsys.readouterr().err
    assert tree(tmp_path) == before


def test_what_lies_beside_a_picture_is_left_alone(trained: Run, tmp_path: Path) -> None:
    (tmp_path / "new.png.part").write_text("mine")
    assert poise("sample", trained.path, "-n", "4", "--out", tmp_path / "new.png") == 0
    assert (tmp_path / "new.png.part").read_text() == "mine"
    assert {path.name for path in tmp_path.iterdir()} == {"new.png", "new.png.part"}


def test_the_images_are_only_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from .data.photos import fill

    photos = fill(tmp_path / "photos", 12)
    (photos / "notes.txt").write_text("mine")
    before = tree(photos)
    monkeypatch.chdir(tmp_path)
    assert poise("train", "photos", "--size", "8", *TINY_WORDS) == 0
    assert tree(photos) == before
    monkeypatch.chdir(photos)
    (tmp_path / "elsewhere").mkdir()
    words = (".", "--size", "8", *TINY_WORDS, "--out", tmp_path / "elsewhere" / "run")
    assert poise("train", *words) == 0
    assert tree(photos) == before


# --- a directory is complete, and a newer one is left alone ---------------------------------------


def test_the_configuration_comes_back_as_it_was(trained: Run) -> None:
    assert Run.open(trained.path).config == trained.config
    plain = json.loads((trained.path / "config.json").read_text())
    assert config_from_json(plain) == trained.config


def test_a_finished_run_has_its_files_and_no_others(trained: Run) -> None:
    assert {p.name for p in trained.path.iterdir()} == {
        *("config.json", "log.jsonl", "events.jsonl", "lock", "samples", "checkpoints"),
    }
    assert leftovers(trained) == []
