from __future__ import annotations

import io
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from poise.data.decode import Pixels, Unusable
from poise.data.finding import find_source
from poise.data.sources import Entry, Source, printable
from poise.errors import DataError

from .photos import encoded, fill, photo, pixels, tree

# n images, h height, w width, c channels

PNG = encoded(photo())


def listed(source: Source) -> dict[str, str]:
    """The reason for each name; "" if it is used."""
    return {entry.name: entry.refused for entry in source.entries()}


def opened(path: Path, tmp_path: Path) -> Source:
    source = find_source(path, 64)
    work = tmp_path / "work"
    work.mkdir(exist_ok=True)
    source.unpack(work)
    return source


def image_of(source: Source, index: int) -> Pixels:
    data = source.read(f"{index:09d}")
    assert isinstance(data, np.ndarray)
    return data


# A folder


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


# A zip


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


def test_a_damaged_member_is_a_reason_not_an_error(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", [("x.png", PNG)])
    data = bytearray(path.read_bytes())
    data[60] ^= 0xFF
    path.write_bytes(data)
    source = find_source(path, 64)
    with pytest.raises(Unusable, match="cannot be unpacked"):
        source.read("x.png")
    source.close()


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


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "a.tgz", "a.rar", "a.7z"])
def test_other_archives_are_refused_with_the_way_out(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(DataError, match="use a folder or a zip"):
        find_source(tmp_path / name, 64)


# Arrays


IMAGES = np.stack([pixels(8, 12, 3, seed) for seed in range(5)])  # [n, h, w, c]


@pytest.mark.parametrize(
    "stored",
    [
        IMAGES,
        IMAGES.transpose(0, 3, 1, 2),
        IMAGES / 255,
        (IMAGES / 127.5 - 1).astype(np.float32),
        IMAGES.astype(np.uint16) * 257,
        IMAGES.astype(np.int64),
        np.asfortranarray(IMAGES),
    ],
    ids=["uint8", "channels first", "0 to 1", "-1 to 1", "16 bits", "int64", "fortran"],
)
@pytest.mark.parametrize("kind", ["npy", "npz"])
def test_an_array_gives_its_images_however_they_are_stored(
    tmp_path: Path, stored: NDArray[Any], kind: str
) -> None:
    path = tmp_path / f"a.{kind}"
    if kind == "npy":
        np.save(path, stored)
    else:
        np.savez_compressed(path, y=np.arange(5), pictures=stored)
    source = opened(path, tmp_path)
    assert listed(source) == {f"{index:09d}": "" for index in range(5)}
    assert source.channels == 3
    for index in range(5):
        assert (image_of(source, index) == IMAGES[index]).all()
    source.close()


def test_gray_arrays_have_one_channel(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", IMAGES[..., 0])
    source = opened(tmp_path / "a.npy", tmp_path)
    assert source.channels == 1
    assert (image_of(source, 2)[..., 0] == IMAGES[2, ..., 0]).all()
    source.close()


class Canary:
    """Runs code when it is unpickled: makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("kind", ["npy", "npz"])
def test_an_array_of_objects_is_refused_and_never_unpickled(tmp_path: Path, kind: str) -> None:
    canary = tmp_path / "canary"
    objects = np.array([[[Canary(canary)] * 4] * 4], dtype=object)
    file = io.BytesIO()
    (np.save if kind == "npy" else np.savez)(file, objects)
    (tmp_path / f"a.{kind}").write_bytes(file.getvalue())
    with pytest.raises(DataError, match="holds Python objects, which can run code"):
        find_source(tmp_path / f"a.{kind}", 64)
    assert not canary.exists()


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((5, 5)), r"has the shape \[5, 5\], expected \[n, h, w\]"),
        (np.zeros((64, 64, 3)), r"has the shape \[64, 64, 3\], expected"),
        (np.zeros((5, 8, 8, 2)), r"has the shape \[5, 8, 8, 2\], expected"),
        (np.array(["a"]), "expected numbers"),
        (np.zeros((5, 8, 8), complex), "expected numbers"),
    ],
)
def test_an_array_that_cannot_be_images_is_refused(
    tmp_path: Path, array: NDArray[Any], message: str
) -> None:
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(DataError, match=message):
        find_source(tmp_path / "a.npy", 64)


def test_values_out_of_every_known_range_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.linspace(-5, 5, 320).reshape(5, 8, 8))
    with pytest.raises(DataError, match=r"values from -5 to 5, expected \[0, 1\]"):
        opened(tmp_path / "a.npy", tmp_path)


def test_an_image_with_nan_is_refused_alone(tmp_path: Path) -> None:
    array = IMAGES / 255
    array[1, 0, 0, 0] = np.nan
    np.save(tmp_path / "a.npy", array)
    source = opened(tmp_path / "a.npy", tmp_path)
    with pytest.raises(Unusable, match="not finite"):
        image_of(source, 1)
    assert (image_of(source, 2) == IMAGES[2]).all()
    source.close()


def test_an_npz_without_one_array_of_images_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", p=IMAGES, q=IMAGES)
    with pytest.raises(DataError, match="holds p, q: expected one array of images"):
        find_source(tmp_path / "a.npz", 64)


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_a_broken_array_file_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\x93NUMPY\1\0")
    with pytest.raises(DataError, match="is not a NumPy file that can be read"):
        find_source(tmp_path / name, 64)


# By name


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
    (tmp_path / "a.png").write_bytes(PNG)
    with pytest.raises(DataError, match="is one file: expected a folder"):
        find_source(tmp_path / "a.png", 64)


def test_an_entry_is_used_unless_it_says_why_not() -> None:
    assert Entry("a.png").refused == ""
