from __future__ import annotations

from pathlib import Path

import pytest

from poise.data.finding import find_source
from poise.errors import DataError

from .photos import encoded, fill, photo


@pytest.mark.parametrize(("name", "near"), [("shape", "shapes"), ("digit", "digits")])
def test_an_unknown_name_is_answered_with_the_nearest(name: str, near: str) -> None:
    with pytest.raises(DataError, match=f'no folder or file "{name}".*Did you mean "{near}"'):
        find_source(name, 64)


def test_what_exists_goes_before_a_built_in_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fill(tmp_path / "shapes", 3)
    assert len(list(find_source("shapes", 64).entries())) == 3


def test_one_image_is_not_a_source(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encoded(photo()))
    with pytest.raises(DataError, match="is one file: expected a folder"):
        find_source(tmp_path / "a.png", 64)


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "a.tgz", "a.rar", "a.7z"])
def test_other_archives_are_refused_with_the_way_out(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(DataError, match="use a folder or a zip"):
        find_source(tmp_path / name, 64)
