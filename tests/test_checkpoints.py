"""A checkpoint is whole or not there; other bits than were written are never loaded."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pickle
import random
import shutil
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from types import BuiltinFunctionType, FrameType
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from poise.checkpoints import FACTS, TENSORS, Checkpoints, Damaged
from poise.data.prepared import Prepared
from poise.errors import PoiseError, RunError, TrainingFailed
from poise.generator import load
from poise.run import Run
from poise.training import train

from .helpers import Process, Told, bits, go_on, last_bits, poise, tiny, trained_run, tree

Crash = Callable[[FrameType, BuiltinFunctionType], None]


def tensors(seed: int) -> dict[str, Tensor]:
    """Of several types and shapes, none of them empty."""
    noise = torch.Generator().manual_seed(seed)
    return {
        "generator.w": torch.randn(7, 5, generator=noise),
        "average.w": torch.randn(7, 5, generator=noise).to(torch.bfloat16),
        "opt_g.0.step": torch.tensor(float(seed)),
        "count": torch.tensor(seed),
    }


@pytest.fixture
def two(tmp_path: Path) -> Checkpoints:
    """Two checkpoints, after 100 and after 200 images."""
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    for drawn in (100, 200):
        checkpoints.save(drawn, tensors(drawn), {"torch": "2"})
    return checkpoints


def seal(facts: object) -> bytes:
    """state.json as a person would write it who knows how: its seal is right."""
    text = json.dumps(facts, sort_keys=True)
    return json.dumps({"facts": facts, "seal": hashlib.sha256(text.encode()).hexdigest()}).encode()


def forge(folder: Path, content: bytes, drawn: int) -> None:
    """A checkpoint with any content, and with checksums that are right."""
    (folder / TENSORS).write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    (folder / FACTS).write_bytes(seal({"drawn": drawn, "sha256": digest}))


# --- what is written is what is read -------------------------------------------------------------


def test_what_is_loaded_is_what_was_saved_to_the_bit(two: Checkpoints) -> None:
    loaded = two.load(200)
    assert bits(loaded.tensors) == bits(tensors(200))
    assert all(loaded.tensors[k].dtype == v.dtype for k, v in tensors(200).items())
    assert loaded.facts["torch"] == "2"
    assert set(two.load(200, only="average.").tensors) == {"average.w"}


def test_the_same_state_is_written_as_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        Checkpoints(tmp_path / name).save(5, tensors(5), {"threads": 1})
    for file in (TENSORS, FACTS):
        a, b = (tmp_path / name / "000000005" / file for name in ("a", "b"))
        assert a.read_bytes() == b.read_bytes()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("name", ["average.w", "generator.w", "opt_g.0.step"])
def test_a_tensor_that_is_not_finite_is_never_written(
    two: Checkpoints, name: str, value: float
) -> None:
    state = tensors(300)
    state[name].view(-1)[-1] = value
    with pytest.raises(TrainingFailed, match=f"not finite.*{name}.*nothing was saved"):
        two.save(300, state, {})
    assert two.drawn() == [100, 200]
    assert not list(two.folder.glob(".*"))


# --- crash points: every call of a save into the system, found by listening (F3) ------------------

HARMLESS = {"fspath", "fileno", "readable"}  # never reach the system


def goes_to_the_system(function: BuiltinFunctionType) -> bool:
    module = getattr(function, "__module__", None) or type(function.__self__).__module__
    ours = module in ("posix", "io", "_io", "fcntl") or module.startswith("safetensors")
    return ours and function.__name__ not in HARMLESS


def save_and_prune(folder: Path) -> None:
    """What training does when a checkpoint falls due: a third one, of which two are kept."""
    checkpoints = Checkpoints(folder)
    checkpoints.save(300, tensors(300), {})
    checkpoints.prune(keep=2, milestone_every=10**9)


def with_crash_at(number: int, crash: Crash, work: Callable[[], None]) -> list[str]:
    """Do the work, with a crash just before one of its calls to the system; the calls, by name."""
    calls: list[str] = []

    def hear(frame: FrameType, event: str, function: Any) -> None:
        if event == "c_call" and goes_to_the_system(function):
            if len(calls) == number:
                crash(frame, function)
            calls.append(function.__name__)

    sys.setprofile(hear)
    try:
        work()
    finally:
        sys.setprofile(None)
    return calls


def killed(frame: FrameType, function: BuiltinFunctionType) -> None:
    """As by kill -9, and half of what was to be written is on the disk."""
    here = frame.f_locals
    if function.__name__ == "serialize_file":
        Path(here["filename"]).write_bytes(b"\x08\0\0\0\0\0\0\0{}")
    if function.__name__ == "write" and "file" in here:
        data = here.get("data") or here["lines"]
        here["file"].write(data[: len(data) // 2])
        here["file"].flush()
    os._exit(9)


def failing(frame: FrameType, function: BuiltinFunctionType) -> None:
    """As by a disk that breaks."""
    raise OSError(5, "input/output error")


def crash_points(folder: Path) -> list[str]:
    copy = shutil.copytree(folder, folder.with_name("rehearsal"))
    return with_crash_at(-1, failing, lambda: save_and_prune(copy))


def test_whatever_call_a_save_dies_at_a_whole_checkpoint_is_loaded(two: Checkpoints) -> None:
    points = crash_points(two.folder)
    assert {"mkdir", "serialize_file", "write", "fsync", "rename", "unlink", "rmdir"} <= {*points}
    for k, point in enumerate(points):
        copy = Checkpoints(shutil.copytree(two.folder, two.folder.with_name(f"killed {k}")))
        process = Process(lambda k=k, at=copy.folder: work(at, k, killed))  # type: ignore[misc]
        assert process.wait() == (9, ""), f"at call {k}, {point}"
        copy.sweep()
        warned: list[str] = []
        newest = copy.newest(warned.append)
        assert newest, f"nothing to load after a crash at call {k}, {point}"
        assert newest.drawn == (300 if k > points.index("rename") else 200)
        assert bits(newest.tensors) == bits(tensors(newest.drawn))
        assert not warned, f"a damaged checkpoint is newest after call {k}, {point}: {warned}"
        assert not list(copy.folder.glob(".*")), f"left over after call {k}, {point}"


def test_whatever_call_a_save_fails_at_nothing_is_left_behind(two: Checkpoints) -> None:
    for k, point in enumerate(crash_points(two.folder)):
        copy = Checkpoints(shutil.copytree(two.folder, two.folder.with_name(f"failed {k}")))
        process = Process(lambda k=k, at=copy.folder: work(at, k, failing))  # type: ignore[misc]
        code, output = process.wait()
        assert code in (0, 5), f"at call {k}, {point}: {output}"
        newest = copy.newest(pytest.fail)
        assert newest
        assert newest.drawn in (200, 300)
        assert bits(newest.tensors) == bits(tensors(newest.drawn))
        assert not list(copy.folder.glob(".*")), f"left over after call {k}, {point}"


def work(folder: Path, number: int, crash: Crash) -> int:
    try:
        with_crash_at(number, crash, lambda: save_and_prune(folder))
    except OSError as error:
        return error.errno or 1
    return 0


def test_a_checkpoint_gets_its_name_only_when_both_files_are_on_the_disk(two: Checkpoints) -> None:
    calls = crash_points(two.folder)
    before = calls[: calls.index("rename")]
    assert before.count("fsync") == 3  # both files and the directory that names them
    assert before.index("fsync") > before.index("serialize_file")
    assert len(before) - before[::-1].index("fsync") > len(before) - before[::-1].index("write")
    assert "fsync" in calls[calls.index("rename") :]  # the new name


def test_what_a_crash_left_is_swept_and_nothing_else(two: Checkpoints) -> None:
    shutil.copytree(two.folder / "000000100", two.folder / ".writing-000000300")
    (two.folder / "notes.txt").write_text("mine")
    two.sweep()
    assert {p.name for p in two.folder.iterdir()} == {"000000100", "000000200", "notes.txt"}
    assert two.drawn() == [100, 200]


# --- corruption: refused or passed over, never loaded (F9) ----------------------------------------


def damage(folder: Path, chance: random.Random) -> str:
    """Spoil a checkpoint's files in one random way; says how."""
    path = folder / chance.choice((TENSORS, FACTS))
    data = bytearray(path.read_bytes())
    at = chance.randrange(len(data))
    kind = chance.choice(("cut", "flip", "zero", "empty", "longer", "gone", "swap", "folder"))
    if kind == "cut":
        path.write_bytes(data[:at])
    elif kind == "flip":
        data[at] ^= 1 << chance.randrange(8)
        path.write_bytes(data)
    elif kind == "zero":
        data[at : at + 64] = bytes(len(data[at : at + 64]))
        path.write_bytes(data)
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "longer":
        path.write_bytes(data + chance.randbytes(9))
    elif kind == "gone":
        path.unlink()
    elif kind == "swap":
        older = folder.with_name("000000100")
        shutil.copyfile(older / path.name, path)
    else:
        path.unlink()
        path.mkdir()
    return f"{kind} {path.name} at {at}"


def test_of_300_damaged_checkpoints_none_is_loaded_and_each_is_reported(two: Checkpoints) -> None:
    whole = shutil.copytree(two.folder, two.folder.with_name("whole"))
    for seed in range(300):
        shutil.rmtree(two.folder / "000000200")
        shutil.copytree(whole / "000000200", two.folder / "000000200")
        how = damage(two.folder / "000000200", random.Random(seed))
        warned: list[str] = []
        loaded = two.newest(warned.append)
        same = all(
            (two.folder / "000000200" / name).is_file()
            and (two.folder / "000000200" / name).read_bytes()
            == (whole / "000000200" / name).read_bytes()
            for name in (TENSORS, FACTS)
        )
        drawn = 200 if same else 100
        assert loaded, f"nothing loaded, seed {seed}: {how}"
        assert bits(loaded.tensors) == bits(tensors(drawn)), f"other bits, seed {seed}: {how}"
        assert loaded.drawn == drawn, f"seed {seed}: {how}"
        assert len(warned) == (not same), f"seed {seed}: {how}: {warned}"
        assert same or "200 is damaged" in warned[0]


def test_a_checkpoint_under_another_ones_name_is_not_loaded(two: Checkpoints) -> None:
    shutil.rmtree(two.folder / "000000200")
    shutil.copytree(two.folder / "000000100", two.folder / "000000200")
    with pytest.raises(Damaged, match="made after 100 images"):
        two.load(200)


def test_a_run_with_a_damaged_checkpoint_says_so_and_ends_with_the_same_bits(
    trained: Run, tmp_path: Path
) -> None:
    path = shutil.copytree(trained.path, tmp_path / "run")
    run, told = Run.open(path), Told()
    newest = run.checkpoints.drawn()[-1]
    file = path / "checkpoints" / f"{newest:09d}" / TENSORS
    file.write_bytes(file.read_bytes()[:-1])
    go_on(path, told)
    assert len(told.warned) == 1
    assert f"{newest} is damaged" in told.warned[0]
    assert last_bits(run) == last_bits(trained)
    assert (path / "log.jsonl").read_bytes() == (trained.path / "log.jsonl").read_bytes()


def test_a_run_whose_checkpoints_are_all_damaged_is_not_begun_anew_unasked(
    trained: Run, tmp_path: Path
) -> None:
    path = shutil.copytree(trained.path, tmp_path / "run")
    run, told = Run.open(path), Told()
    for drawn in run.checkpoints.drawn():
        (path / "checkpoints" / f"{drawn:09d}" / FACTS).write_bytes(b"")
    with (
        pytest.warns(RuntimeWarning, match="is damaged"),
        pytest.raises(RunError, match="no whole checkpoint"),
    ):
        load(path)
    before = tree(path / "checkpoints")
    with pytest.raises(RunError, match=r"none is whole.*to start from the beginning"):
        go_on(path, told)
    assert len(told.warned) == 3
    assert tree(path / "checkpoints") == before
    shutil.rmtree(path / "checkpoints")
    (path / "checkpoints").mkdir()
    go_on(path)
    assert last_bits(run) == last_bits(trained)


# --- files that were made to do harm (F10) --------------------------------------------------------


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return (os.mkdir, (str(self.canary),))


def harmful(canary: Path) -> dict[str, bytes]:
    saved = canary.with_name("bomb.pt")
    torch.save({"generator.w": Bomb(canary)}, saved)
    header = json.dumps({"w": {"dtype": "F32", "shape": [1 << 60], "data_offsets": [0, 1 << 62]}})
    return {
        "a pickle": pickle.dumps(Bomb(canary)),
        "a file of torch.save": saved.read_bytes(),
        "a header that says 100 MB and is not there": struct.pack("<Q", 100_000_001) + b"{}",
        "a header of 100 MB": struct.pack("<Q", 100_000_001) + b" " * 100_000_001,
        "a header that says more than memory": struct.pack("<Q", 1 << 63) + b"{}",
        "a tensor larger than the file": struct.pack("<Q", len(header)) + header.encode(),
        "a header nested 50,000 deep": struct.pack("<Q", 100_000) + b"[" * 50_000 + b"]" * 50_000,
    }


def test_files_made_to_do_harm_are_damaged_checkpoints_and_run_nothing(
    two: Checkpoints, tmp_path: Path
) -> None:
    canary = tmp_path / "canary"
    for what, content in harmful(canary).items():
        forge(two.folder / "000000200", content, 200)
        with pytest.raises(Damaged, match="cannot be read"):
            two.load(200)
        loaded = two.newest(lambda text: None)
        assert loaded
        assert loaded.drawn == 100, what
    assert not canary.exists()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)


@given(value=json_values)
def test_any_json_in_place_of_the_facts_is_a_damaged_checkpoint(
    value: object, tmp_path_factory: pytest.TempPathFactory
) -> None:
    checkpoints = Checkpoints(tmp_path_factory.getbasetemp() / "any json")
    checkpoints.save(1, tensors(1), {})
    facts = checkpoints.folder / "000000001" / FACTS
    for content in (json.dumps(value).encode(), seal(value)):
        facts.write_bytes(content)
        with pytest.raises(Damaged):
            checkpoints.load(1)


@pytest.mark.parametrize("name", ["²", "٣", "7", "-1", "1e3", "000000300.old", "notes"])
def test_other_names_among_the_checkpoints_do_no_harm(two: Checkpoints, name: str) -> None:
    (two.folder / name).mkdir()
    newest = two.newest(lambda text: None)
    assert newest
    assert newest.drawn == 200
    with contextlib.suppress(TrainingFailed):
        two.prune(1, 10**9)
    newest = two.newest(lambda text: None)
    assert newest
    assert newest.drawn == 200


def test_a_checkpoint_of_another_run_is_refused_also_where_its_shapes_are_the_same(
    shapes: Prepared, trained: Run, tmp_path: Path
) -> None:
    other = trained_run(tmp_path / "other", tiny(shapes, seed=5))
    newest = trained.checkpoints.drawn()[-1]
    path = shutil.copytree(trained.path, tmp_path / "run")
    shutil.rmtree(path / "checkpoints")
    shutil.copytree(other.path / "checkpoints", path / "checkpoints")
    with pytest.raises(RunError, match=f"checkpoint {newest} of .* is of a run with other options"):
        train(Run.open(path), Told())


def test_a_checkpoint_of_other_networks_is_refused_in_words(trained: Run, tmp_path: Path) -> None:
    path = shutil.copytree(trained.path, tmp_path / "run")
    run = Run.open(path)
    newest = run.checkpoints.drawn()[-1]
    shutil.rmtree(path / "checkpoints")
    run.checkpoints.save(newest, tensors(newest), {"run": run.config.identity})
    with pytest.raises(PoiseError, match="of other networks"):
        train(run, Told())
    assert poise("sample", path) == 2


# --- retention ------------------------------------------------------------------------------------


@given(
    steps=st.lists(st.integers(1, 400), min_size=1, max_size=25),
    keep=st.integers(1, 4),
    every=st.integers(50, 900),
)
def test_the_newest_and_each_first_past_a_milestone_are_kept(
    steps: list[int], keep: int, every: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    checkpoints = Checkpoints(tmp_path_factory.getbasetemp() / "kept")
    shutil.rmtree(checkpoints.folder, ignore_errors=True)
    saved: list[int] = []
    for step in steps:
        saved.append(sum(saved[-1:]) + step)
        (checkpoints.folder / f"{saved[-1]:09d}").mkdir(parents=True)
        checkpoints.prune(keep, every)
    firsts = {next(d for d in saved if d // every == m) for m in {d // every for d in saved} - {0}}
    assert set(checkpoints.drawn()) == firsts | set(saved[-keep:])


def test_pruning_never_takes_the_checkpoint_that_training_stands_on(
    trained: Run, tmp_path: Path
) -> None:
    path = shutil.copytree(trained.path, tmp_path / "run")
    run, told = Run.open(path), Told()
    first, *newer = run.checkpoints.drawn()
    for drawn in newer:
        (path / "checkpoints" / f"{drawn:09d}" / FACTS).write_bytes(b"")
    run = go_on_one_step(path, told)
    newest = run.checkpoints.newest(pytest.fail)
    assert newest, "the damaged ones were kept, the whole one pruned"
    assert first < newest.drawn < newer[0]


def go_on_one_step(path: Path, told: Told) -> Run:
    """As after Ctrl-C in the first step, when only one checkpoint is kept."""
    from poise.session import ResumeOptions, resume

    run = resume(path, ResumeOptions(keep=1))
    assert not train(run, told, lambda: True)
    return run


def test_what_was_set_aside_goes_once_training_has_come_as_far_again(two: Checkpoints) -> None:
    two.set_aside_after(100)
    names = {path.name for path in two.folder.iterdir()}
    assert names == {"000000100", "aside-000000200"}
    two.save(150, tensors(1), {})
    two.prune(3, 10**9)
    assert (two.folder / "aside-000000200").is_dir()
    two.save(200, tensors(2), {})
    two.prune(3, 10**9)
    names = {path.name for path in two.folder.iterdir()}
    assert names == {"000000100", "000000150", "000000200"}
    two.set_aside_after(150)
    two.save(210, tensors(3), {})
    two.keep_only(210)
    assert {path.name for path in two.folder.iterdir()} == {"000000210"}
