"""The only pickle that is ever opened: one whose sum is known, and only for its tensors."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path

import pytest
import torch

from poise.errors import OptionError
from poise.metrics.weights import load_weights


def sum_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_tensors_of_the_right_file_are_read(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    torch.save({"a.weight": torch.arange(3.0)}, path)
    weights = load_weights(path, sum_of(path), "Stub")
    assert list(weights) == ["a.weight"]
    assert weights["a.weight"].tolist() == [0, 1, 2]


def test_a_file_of_another_sum_is_refused_before_it_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "w.pth"
    torch.save({"a": torch.zeros(1)}, path)
    known = sum_of(path)
    path.write_bytes(path.read_bytes() + b"x")

    def opened(*_: object, **__: object) -> None:
        raise AssertionError("opened")

    monkeypatch.setattr(torch, "load", opened)
    with pytest.raises(OptionError) as caught:
        load_weights(path, known, "Stub")
    assert str(caught.value) == (
        f"{path} is not the weights of Stub: its sha256 should be {known}, got {sum_of(path)}. "
        "Fetch the file again from where it is published."
    )


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    with pytest.raises(OptionError) as caught:
        load_weights(path, "0", "Stub")
    assert str(caught.value) == (
        f"{path}, the weights of Stub, cannot be read: No such file or directory."
    )


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path("touched"),)  # type: ignore[return-value]


def test_even_with_the_right_sum_no_program_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "w.pth"
    torch.save({"a": Evil()}, path)
    with pytest.raises(pickle.UnpicklingError, match="Weights only load failed"):
        load_weights(path, sum_of(path), "Stub")
    assert [p.name for p in tmp_path.iterdir()] == ["w.pth"]
