from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from poise.data.decode import Unusable
from poise.data.finding import find_source
from poise.data.sources import Entry, printable

from .photos import encoded, fill, listed, photo

PNG = encoded(photo())

NAMES = [
    os.fsdecode(b"caf\xe9.png"),  # Latin-1, not UTF-8
    os.fsdecode(b"\xff\xfe.png"),
    "new\nline.png",
    "-rf.png",
    "n" * 236 + ".png",
    "\N{GRINNING FACE}.png",
    "\N{RIGHT-TO-LEFT OVERRIDE}gnp.png",
    "Case.png",
    "case.png",
    " space .png",
    "quote'\".png",
    "no extension",
]


def test_every_legal_name_is_read_and_can_be_printed(tmp_path: Path) -> None:
    for name in NAMES:
        (tmp_path / name).write_bytes(name.encode("utf-8", "surrogateescape"))
    source = find_source(tmp_path, 64)
    assert listed(source) == dict.fromkeys(NAMES, "")
    for name in NAMES:
        assert source.read(name) == name.encode("utf-8", "surrogateescape")
        printable(name).encode("utf-8")
        assert printable(name).isprintable()


def test_folders_below_are_entered_and_hidden_things_are_not(tmp_path: Path) -> None:
    for name in ("a.png", "b/c.png", "b/d/e.png", ".hidden.png", ".git/f.png", "b/.DS_Store"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(PNG)
    assert listed(find_source(tmp_path, 64)) == dict.fromkeys(("a.png", "b/c.png", "b/d/e.png"), "")


def test_a_loop_of_links_ends(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.png").write_bytes(PNG)
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "self").symlink_to("self")
    found = listed(find_source(tmp_path, 64))
    assert found.pop("self").startswith("a link that leads nowhere")
    assert found == {"a/x.png": ""}


def test_what_is_no_file_is_passed_over_with_the_reason(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "null.png").symlink_to("/dev/null")
    (tmp_path / "gone.png").symlink_to("nowhere")
    (tmp_path / "old.poise").mkdir()
    assert listed(find_source(tmp_path, 64)) == {
        "pipe.png": "a named pipe, not a file",
        "null.png": "a device, not a file",
        "gone.png": "a link that leads nowhere: No such file or directory",
        "old.poise": "a prepared set, not images",
    }


def test_a_folder_that_cannot_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, 3)
    real = os.scandir

    def refuse(path: Path) -> Any:
        if Path(path).name == "part 1":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", refuse)
    found = listed(find_source(tmp_path, 64))
    assert found["part 1"] == "the folder cannot be read: Permission denied"
    assert found["part 0/0.png"] == ""


def test_a_file_that_went_away_is_a_reason_not_an_error(tmp_path: Path) -> None:
    source = find_source(fill(tmp_path, 1), 64)
    (tmp_path / "part 0" / "0.png").unlink()
    with pytest.raises(Unusable, match="cannot be read: No such file"):
        source.read("part 0/0.png")


def test_the_fingerprint_changes_with_any_name_size_or_time(tmp_path: Path) -> None:
    source = find_source(fill(tmp_path, 4), 64)
    prints = [source.fingerprint()]
    assert source.fingerprint() == prints[0]
    file = tmp_path / "part 0" / "0.png"
    os.utime(file, (1, 1))
    prints.append(source.fingerprint())
    file.write_bytes(PNG + b"more")
    os.utime(file, (1, 1))
    prints.append(source.fingerprint())
    file.rename(file.with_name("other.png"))
    prints.append(source.fingerprint())
    assert len(set(prints)) == 4


def test_an_entry_is_used_unless_it_says_why_not() -> None:
    assert Entry("a.png").refused == ""
