"""Writing: the old file or the new, whoever else writes it or was killed while writing it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from poise.files import ABANDONED, write_atomically
from poise.metrics.features import Features, load_features, save_features


def features(n: int) -> Features:
    return Features(np.full((n, 2), n, np.float32), "network", "resize")


def saved(path: Path, n: int) -> None:
    save_features(features(n), path)


def written(path: Path, n: int) -> None:
    write_atomically(path, bytes(n))


@pytest.mark.parametrize("write", [saved, written])
def test_two_that_write_one_file_at_once_both_end_well_and_leave_a_whole_one(
    write: Callable[[Path, int], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, sync, waiting = tmp_path / "a.npz", os.fsync, [7]

    def another_comes(file: int) -> None:
        sync(file)
        if waiting:
            write(path, waiting.pop())
            assert path.exists()

    monkeypatch.setattr(os, "fsync", another_comes)
    write(path, 5)
    assert [file.name for file in tmp_path.iterdir()] == ["a.npz"]
    assert path.read_bytes() == bytes(5) or load_features(path).n == 5


def test_what_a_killed_write_left_goes_after_a_day_and_nothing_else_does(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    old = ("a.json.0123abcd.part", "a.json.part", "a.json.my own.part", "b.json.0123abcd.part")
    for name in (*old, "a.json.4567abcd.part"):
        (tmp_path / name).write_text("half")
    for name in old:
        os.utime(tmp_path / name, (0, path.parent.stat().st_mtime - ABANDONED - 60))
    write_atomically(path, b"whole")
    left = {file.name for file in tmp_path.iterdir()}
    assert left == {"a.json", "a.json.4567abcd.part", *old[1:]}
