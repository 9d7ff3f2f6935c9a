from __future__ import annotations

import json
import pickle
import time
import zipfile
from pathlib import Path

import pytest

from poise.data.decode import Unusable
from poise.data.finding import find_source
from poise.data.options import PrepareOptions
from poise.data.prepare import prepare
from poise.data.sources import Source
from poise.errors import DataError

from .photos import encoded, listed, photo, tree

PNG = encoded(photo())


def zipped(path: Path, members: list[tuple[str | zipfile.ZipInfo, bytes]]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return path


def test_a_zip_gives_its_images_and_nothing_leaves_it(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link.png")
    link.external_attr = 0o120777 << 16
    path = zipped(
        tmp_path / "a.zip",
        [
            ("ok.png", PNG),
            ("folder/ok too.png", PNG),
            ("../up.png", PNG),
            ("/etc/absolute.png", PNG),
            ("a/../../b.png", PNG),
            ("..\\windows.png", PNG),
            ("C:\\windows.png", PNG),
            ("C:windows.png", PNG),
            ("\\rooted.png", PNG),
            (link, b"/etc/passwd"),
            ("bomb.png", bytes(300 * 2**20 // 100)),
            (".hidden.png", PNG),
            ("__MACOSX/._ok.png", PNG),
            ("folder/", b""),
        ],
    )
    before = tree(tmp_path)
    source = find_source(path, 64)
    climbs = "its path climbs out of the zip"
    names = [
        "../up.png",
        "/etc/absolute.png",
        "a/../../b.png",
        "..\\windows.png",
        "C:\\windows.png",
        "C:windows.png",
        "\\rooted.png",
    ]
    assert listed(source) == {
        "ok.png": "",
        "folder/ok too.png": "",
        **dict.fromkeys(names, climbs),
        "link.png": "a link, not a file",
        "bomb.png": "unpacks to over 100 times its size, as a zip bomb does",
    }
    assert source.read("ok.png") == PNG
    source.close()
    assert tree(tmp_path) == before


def test_of_members_with_one_name_the_last_is_used(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        path = zipped(tmp_path / "a.zip", [("x.png", b"first"), ("x.png", PNG)])
    source = find_source(path, 64)
    assert sorted(listed(source).values()) == ["", "another member has the same name"]
    assert source.read("x.png") == PNG
    source.close()


def test_an_encrypted_member_is_passed_over(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", [("x.png", PNG)])
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\1\2") + 8] |= 1  # the flag, in the table of contents
    path.write_bytes(data)
    source = find_source(path, 64)
    assert listed(source) == {"x.png": "encrypted"}
    source.close()


@pytest.mark.parametrize("packer", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_damaged_member_is_a_reason_not_an_error(tmp_path: Path, packer: int) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", packer) as archive:
        archive.writestr("x.png", PNG * 9)
    data = bytearray(path.read_bytes())
    data[50:70] = bytes(byte ^ 0xFF for byte in data[50:70])
    path.write_bytes(data)
    source = find_source(path, 64)
    with pytest.raises(Unusable, match="cannot be unpacked"):
        source.read("x.png")
    source.close()


def test_a_zip_whose_names_are_no_text_is_refused_in_words(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", [("\u00e4x.png", PNG)])
    path.write_bytes(path.read_bytes().replace("\u00e4x".encode(), b"\xff\xffx"))
    with pytest.raises(DataError, match=r"a\.zip is not a zip that can be read"):
        find_source(path, 64)


def test_labels_of_a_stylegan_zip_are_noted_not_used(tmp_path: Path) -> None:
    members: list[tuple[str | zipfile.ZipInfo, bytes]] = [
        ("00000/img00000000.png", PNG),
        ("dataset.json", b'{"labels": null}'),
    ]
    source = find_source(zipped(tmp_path / "a.zip", members), 64)
    assert listed(source) == {"00000/img00000000.png": ""}
    assert source.notes() == ["dataset.json: its labels are not used."]
    source.close()


def test_a_zip_travels_to_a_worker_closed(tmp_path: Path) -> None:
    source = find_source(zipped(tmp_path / "a.zip", [("x.png", PNG)]), 64)
    copy: Source = pickle.loads(pickle.dumps(source))
    assert copy.read("x.png") == PNG
    copy.close()
    source.close()


@pytest.mark.parametrize("data", [b"", b"PK\3\4 and no more", b"not a zip"])
def test_a_broken_zip_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(DataError, match="is not a zip that can be read"):
        find_source(tmp_path / "a.zip", 64)


def test_thousands_of_members_that_are_no_images_cost_little(tmp_path: Path) -> None:
    members: list[tuple[str | zipfile.ZipInfo, bytes]] = [
        *((f"texts/{number}.txt", b"text") for number in range(20_000)),
        *((f"{seed}.png", encoded(photo(seed=seed))) for seed in range(3)),
    ]
    path = zipped(tmp_path / "a.zip", members)
    start = time.perf_counter()
    prepared = prepare(path, tmp_path / "a.poise", PrepareOptions(size="16"), workers=1)
    assert time.perf_counter() - start < 20  # seconds; catches what grows with the square
    assert len(prepared) == 3
    skipped = (prepared.path / "skipped.jsonl").read_text().splitlines()
    assert {json.loads(line)["name"] for line in skipped} == {name for name, _ in members[:20_000]}
