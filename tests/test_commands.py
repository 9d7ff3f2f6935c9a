"""`poise sample`: where its pictures go."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from poise.run import Run

from .helpers import poise


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as picture:
        return picture.size


def test_a_png_gets_a_grid_and_a_directory_single_images(trained: Run, tmp_path: Path) -> None:
    assert poise("sample", trained.path, "-n", "4", "--out", tmp_path / "grid.png") == 0
    assert size_of(tmp_path / "grid.png") == (512, 512)  # 2x2 of 8x8, enlarged 32 times
    assert poise("sample", trained.path, "-n", "3", "--out", tmp_path / "singles") == 0
    assert [size_of(file) for file in (tmp_path / "singles").iterdir()] == [(8, 8)] * 3


def test_samples_are_a_function_of_run_number_and_seed(trained: Run, tmp_path: Path) -> None:
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        assert (
            poise("sample", trained.path, "-n", "9", "--seed", seed, "--out", tmp_path / name) == 0
        )
    a, b, c = ([file.read_bytes() for file in sorted((tmp_path / n).iterdir())] for n in "abc")
    assert a == b
    assert a != c


@pytest.mark.parametrize("words", [["--out", "x.jpg"], ["--no-grid", "--out", "x.png"]])
def test_another_kind_of_file_is_refused(
    words: list[str],
    trained: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert poise("sample", trained.path, *words) == 2
    assert "--out is a .png for a grid or a directory for single images" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
