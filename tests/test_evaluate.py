"""`poise evaluate`: what it finds, what it prints and writes, and what it refuses."""

from __future__ import annotations

import json
import shutil
import tracemalloc
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torch import Tensor

from poise import evaluate, naming, subjects
from poise.data import labelled
from poise.data.options import PrepareOptions
from poise.data.prepare import prepare
from poise.data.prepared import Prepared
from poise.data.shapes import draw_shape
from poise.evaluate import parse_evaluate
from poise.generator import load
from poise.judging import NAMES
from poise.judging_features import SEARCHED
from poise.metrics import lite0
from poise.metrics.compared import INCEPTION, INCEPTION_RESIZE
from poise.metrics.sets import Images
from poise.pictures import to_uint8
from poise.run import Run
from poise.scores import COLUMNS, FLOOR, GROUPS, cell, heads_of, in_words, score, shortened
from poise.size import Size
from poise.watcher import Watcher

from .helpers import poise, tiny, trained_run, tree

SIDE, N = 16, 77


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A tiny run on 256 shapes, in a folder of its own, where evaluations may leave files."""
    place = tmp_path_factory.mktemp("evaluated")
    options = PrepareOptions(size=str(SIDE), limit=256, holdout=0.4)
    shapes = prepare("shapes", place / "shapes.poise", options, workers=1)
    with pytest.MonkeyPatch.context() as quick:
        quick.setattr(labelled, "DRAWN", 1_000)
        quick.setattr(naming, "SHOWN_SMALL", 4_000)
        yield trained_run(place / "run", tiny(shapes))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def drawn(count: int = N, first: int = 5_000, side: int = SIDE) -> Images:
    """Shapes that are in no set of these tests."""
    return np.stack([draw_shape(first + i, side) for i in range(count)])


def saved(path: Path, images: Images) -> Path:
    np.savez(path, images=images)
    return path


def report_of(path: Path) -> dict[str, Any]:
    """A report; NaN and infinity are no JSON."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} in {path}")

    found: dict[str, Any] = json.loads(path.read_text(), parse_constant=refuse)
    return found


def measured(out: Path, *words: object) -> dict[str, Any]:
    """The report of an evaluation of these words."""
    assert poise("evaluate", *map(str, words), "--out", out) == 0
    return report_of(out)


def refused(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """The one sentence in which an evaluation is refused."""
    capsys.readouterr()
    assert poise("evaluate", *map(str, words)) == 2
    told = capsys.readouterr().err
    assert "Traceback" not in told
    assert told.startswith("poise: ")
    return told.removeprefix("poise: ").strip()


# --- what is found --------------------------------------------------------------------------------


def test_a_run_is_measured_beside_its_floor_and_the_report_is_kept_in_it(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tree(run.path)
    assert poise("evaluate", run.path) == 0
    out, err = capsys.readouterr()
    assert err == ""
    name = f"evaluations/000000640-n{N}-seed0.json"
    assert tree(run.path).keys() - before.keys() == {"evaluations", name}
    assert before.items() <= tree(run.path).items()
    assert out.splitlines()[-1] == str(run.path / name)
    report = report_of(run.path / name)
    (subject,) = report["subjects"]
    assert subject["scores"].keys() == report["floor"].keys() == COLUMNS.keys() - {"fid"}
    assert all(each["value"] is not None for each in subject["scores"].values())
    for key in ("swd", "frechet", "kid", "kl"):
        assert subject["scores"][key]["value"] > report["floor"][key]["value"], key
    for key in ("precision", "coverage", "modes"):
        assert subject["scores"][key]["value"] < report["floor"][key]["value"], key
    first = (run.path / name).read_bytes()
    assert poise("evaluate", run.path) == 0  # the same again, from what was kept
    assert (run.path / name).read_bytes() == first


def test_the_table_is_the_report(run: Run, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = measured(here / "a.json", run.path)
    lines = capsys.readouterr().out.splitlines()
    assert not any("KID" in line for line in lines[: lines.index("What was measured")])
    for group in GROUPS:
        keys = [key for key in group.keys if key != "fid"]  # it needs weights that are not here
        at = lines.index(group.question)
        heads, *rows = lines[at + 1 : at + 4]
        assert heads.split() == " ".join(COLUMNS[key].head for key in keys).split()
        whole = [*report["subjects"], {"name": FLOOR, "scores": report["floor"]}]
        for line, row in zip(rows, whole, strict=True):
            cells = [cell(key, row["scores"][key]) for key in keys]
            name = FLOOR if row["name"] == FLOOR else Path(row["name"]).name  # long paths are cut
            assert line.split() == f"{name} {' '.join(cells)}".split()
    prose = " ".join(" ".join(lines).split())
    for part in ("EfficientNet-Lite0", "128x128, bilinear", f"{N} reals, {N} fakes", "16x16"):
        assert part in prose
    assert report["measures"]["features"]["network"].startswith("EfficientNet-Lite0")
    assert report["measures"]["modes"]["held_out"] == 100


def test_scores_do_not_depend_on_the_batch(run: Run, here: Path) -> None:
    one, other = (measured(here / f"{b}.json", run.path, "--batch", b) for b in (7, 64))
    assert one == other


def test_the_seed_draws_other_images_and_leaves_the_reals(run: Run, here: Path) -> None:
    words = (run.path, "--measures", "ms-ssim", "coverage", "-n", 60)
    one, other = (measured(here / f"{s}.json", *words, "--seed", s) for s in (0, 1))
    assert one["subjects"] != other["subjects"]
    assert one["floor"]["recall"] == other["floor"]["recall"]


def test_other_images_of_the_same_kind_sit_at_the_floor_and_noise_far_above(
    run: Run, here: Path
) -> None:
    dirt = np.random.default_rng(0).integers(0, 256, (N, SIDE, SIDE, 3), np.uint8)
    alike, noisy = saved(here / "alike.npz", drawn()), saved(here / "noise.npz", dirt)
    report = measured(here / "a.json", alike, noisy, "--reals", run.config.data.prepared)
    good, bad = (subject["scores"] for subject in report["subjects"])
    floor = {key: each["value"] for key, each in report["floor"].items()}
    for key in ("swd", "frechet", "coverage", "recall", "modes", "kl", "ms_ssim", "nearest"):
        assert good[key]["value"] == pytest.approx(floor[key], rel=0.6), key
    assert abs(good["kid"]["value"]) < 3 * good["kid"]["error"] + abs(floor["kid"])
    assert bad["swd"]["value"] > 3 * floor["swd"]
    assert bad["frechet"]["value"] > 3 * floor["frechet"]
    assert bad["kid"]["value"] > 10 * bad["kid"]["error"]
    assert bad["coverage"]["value"] == bad["precision"]["value"] == 0
    assert bad["modes"]["value"] < floor["modes"]


def test_copies_of_training_images_are_seen(run: Run, here: Path) -> None:
    from poise.data.prepared import Prepared

    prepared = Prepared.open(run.config.data.prepared)
    copies = saved(here / "copies.npz", prepared.gather(prepared.training[:N]))
    words = (copies, "--reals", prepared.path, "--measures", "nearest", "-n", 40)
    report = measured(here / "a.json", *words)
    copied = report["subjects"][0]["scores"]["copies"]
    assert copied["value"] == 1  # every one of them, though the floor takes a part of the reals
    assert report["floor"]["copies"]["value"] < 0.1
    closest = copied["closest"][0]
    assert closest["distance"] == 0
    original = prepared.gather(np.array([closest["training"]]))
    assert (np.load(copies)["images"] == original).all(axis=(1, 2, 3)).any()


def test_several_runs_stand_in_one_table_and_each_keeps_its_own_report(
    run: Run, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = Run.open(shutil.copytree(run.path, here / "other"))
    words = ("--measures", "swd", "-n", "20")
    assert poise("evaluate", run.path, other.path, *words) == 0
    out = capsys.readouterr().out
    assert str(run.path) in out
    name = "000000640-n20-seed0-swd.json"
    one, two = (report_of(r.path / "evaluations" / name) for r in (run, other))
    assert [s["name"] for s in one["subjects"]] == [str(run.path)]
    assert [s["name"] for s in two["subjects"]] == [str(other.path)]
    assert one["subjects"][0]["scores"] == two["subjects"][0]["scores"]
    assert one["floor"] == two["floor"]


def test_images_of_another_size_are_brought_to_the_reals_and_that_is_said(
    run: Run, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "large").mkdir()
    for i, image in enumerate(drawn(12, side=64)):
        Image.fromarray(image).save(here / "large" / f"{i}.png")
    (here / "large" / "text.png").write_text("no image")
    words = ("large", "--reals", run.config.data.prepared, "--measures", "swd")
    report = measured(here / "a.json", *words)
    out, err = capsys.readouterr()
    assert report["images"] == 12
    assert "12 of 12 images of large had another size and were brought to 16x16" in out
    assert "skipped of large: text.png" in err


def test_gray_images_beside_coloured_reals_are_measured_and_told(
    run: Run, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved(here / "gray.npz", drawn(12).mean(axis=3, keepdims=True).astype(np.uint8))
    words = ("gray.npz", "--reals", run.config.data.prepared, "--measures", "swd")
    report = measured(here / "a.json", *words)
    told = "12 of 12 images of gray.npz had other channels than the 3 of the reals"
    assert any(told in note for note in report["notes"])
    assert told in " ".join(capsys.readouterr().out.split())


def test_real_images_that_are_not_prepared_are_prepared_at_the_size_of_the_first_image(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = (saved(here / "a.npz", drawn(9)), "--reals", saved(here / "b.npz", drawn(40, 0)))
    report = measured(here / "a.json", *words, "--measures", "swd", "ms-ssim")
    assert "Preparing" in capsys.readouterr().out
    assert (report["reals"]["size"], report["images"]) == ("16x16", 9)
    assert [path.suffix for path in (here / "runs" / "prepared").iterdir()] == [".poise"]


# --- what it takes --------------------------------------------------------------------------------


def test_a_run_is_drawn_when_the_images_of_the_one_before_are_gone(
    run: Run, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = [str(shutil.copytree(run.path, here / f"{i}")) for i in range(2)]
    drawing, before = subjects.draw, list[weakref.ref[Images]]()

    def draw(*words: Any) -> Images:
        assert all(ref() is None for ref in before)
        images = drawing(*words)
        before.append(weakref.ref(images))
        return images

    monkeypatch.setattr(subjects, "draw", draw)
    measured(here / "a.json", run.path, *others, "--measures", "swd", "-n", "20")
    assert len(before) == 3


def test_drawing_takes_the_memory_of_the_images_once(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = load(run.path)
    # What numpy holds is traced, what torch holds is not.
    monkeypatch.setattr(subjects, "to_uint8", lambda images: to_uint8(images).copy())
    subjects.draw(generator, 64, 0, Watcher())  # what is loaded at the first time
    tracemalloc.start()
    images = subjects.draw(generator, 6_400, 0, Watcher())
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert images.nbytes < most < 1.2 * images.nbytes


def test_the_usual_number_falls_with_the_images_that_are_in_memory_at_once(
    run: Run, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two halves of the reals, one run at a time, and all that is no run."""
    monkeypatch.setattr(evaluate, "MEMORY", 60 * SIDE * SIDE * 3)
    other = shutil.copytree(run.path, here / "other")
    a, b = (saved(here / f"{name}.npz", drawn()) for name in "ab")
    for i, (words, n) in enumerate([((run.path, other), 20), ((a, b), 15), ((run.path, a, b), 12)]):
        given = (*words, "--reals", run.config.data.prepared, "--measures", "swd")
        assert measured(here / f"{i}.json", *given)["images"] == n


def test_the_numbers_that_bound_an_evaluation_stand_in_its_page() -> None:
    page = " ".join((Path(__file__).parents[1] / "docs" / "evaluate.md").read_text().split())
    fit = int(evaluate.MEMORY / (3 * 1024 * 1024 * 3))
    assert f"{evaluate.MEMORY / 1e9:.0f} GB of memory hold" in page
    assert f"of one run at 1024x1024, {fit} images" in page
    assert f"the least of {evaluate.USUAL:,}, half of the real images" in page
    assert f"among {SEARCHED:,} training images, or 2n where that is more" in page


# --- what is undefined ----------------------------------------------------------------------------


def test_of_a_set_that_is_all_one_image_every_number_is_one_or_says_why_not(
    run: Run, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    same = saved(here / "same.npz", drawn(1).repeat(N, axis=0))
    report = measured(here / "a.json", same, "--reals", run.config.data.prepared)
    scores = report["subjects"][0]["scores"]
    assert f"All {N} images of {same} are the same one" in " ".join(report["notes"])
    assert scores["ms_ssim"]["value"] == 1
    assert scores["modes"]["value"] == 1
    assert scores["kl"]["value"] == pytest.approx(np.log(2430))
    assert all(each["value"] is not None or each["why"] for each in scores.values())
    assert "nan" not in capsys.readouterr().out.lower()


def test_what_a_few_images_cannot_tell_is_a_dash_with_its_reason(
    run: Run, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = measured(here / "a.json", run.path, "-n", 5)
    scores = report["subjects"][0]["scores"]
    gone = {key for key, each in scores.items() if each["value"] is None}
    assert gone == {"frechet", "kid", "precision", "density", "recall", "coverage"}
    assert "at least 64 reals are needed" in scores["frechet"]["why"]
    prose = " ".join(capsys.readouterr().out.split())
    assert "Frechet is undefined: at least 64 reals are needed" in prose


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (0.00052, 0.00013, "0.00052 +- 0.00013"),  # of published scale
        (-0.0002, 0.0041, "-0.0002 +- 0.0041"),
        (-0.00001, 0.0041, "0.0000 +- 0.0041"),
        (0.3, 0.0996, "0.30 +- 0.10"),
        (1234.5, 61.2, "1,234 +- 61"),
        (1.0, 1e-17, "1.000000 +- 0.000000"),
        (2.5, 0.0, "2.500 +- 0.000"),
    ],
)
def test_a_number_has_the_digits_that_two_figures_of_its_error_need(
    value: float, error: float, text: str
) -> None:
    assert cell("kid", score(value, error=error)) == text


def test_zero_has_no_sign() -> None:
    assert cell("kl", score(-1e-9)) == "0.000"


def test_a_kernel_distance_is_called_a_kid_on_inceptions_features_only() -> None:
    inception = {"network": INCEPTION, "resize": INCEPTION_RESIZE}
    other = inception | {"resize": "299x299, bilinear"}
    heads = [heads_of({"measures": {"features": each}})["kid"] for each in (inception, other)]
    assert [*heads, heads_of({"measures": {}})["kid"]] == ["KID", "kernel", "kernel"]


def test_a_number_that_is_not_finite_is_none_and_says_so() -> None:
    assert score(float("nan")) == {"value": None, "why": "it came out as nan"}
    assert cell("kl", score(float("inf"))) == "-"


def test_a_measure_that_fails_for_one_subject_says_for_which() -> None:
    gap = {"swd": {"value": None, "why": "so."}}
    report = {
        "images": 4,
        "seed": 0,
        "reals": {"source": "x", "size": "8x8", "channels": 1},
        "measures": {},
        "subjects": [{"name": "a", "scores": gap}, {"name": "b", "scores": gap}],
        "floor": {"swd": {"value": 1.5}},
        "notes": [],
    }
    (_, table), (_, prose) = in_words(report)
    assert [line.split()[-1] for line in table] == ["x1e3", "-", "-", "1.50"]
    assert "SWD x1e3 is undefined: so. (a, b)" in " ".join(prose)


def test_without_the_weights_what_needs_them_is_left_out_and_the_extra_named(
    run: Run, here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(lite0, "find_spec", lambda name: None)
    copy = shutil.copytree(run.path, here / "copy")
    shutil.rmtree(copy / "evaluations", ignore_errors=True)
    assert poise("evaluate", copy, "-n", "20") == 0
    prose = " ".join(capsys.readouterr().out.split())
    assert "coverage and copies are left out" in prose
    assert "poise[features]" in prose
    (path,) = (copy / "evaluations").iterdir()
    assert path.name == "000000640-n20-seed0-without-features.json"
    assert report_of(path)["floor"].keys() == {"swd", "modes", "kl", "recognised", "ms_ssim"}
    assert "poise[features]" in refused(capsys, run.path, "--measures", "frechet")


# --- the published FID ----------------------------------------------------------------------------


class Means:
    """Stands in for Inception, whose weights cannot be had here: the mean of each channel."""

    name, resize, slug = INCEPTION, INCEPTION_RESIZE, "inception"

    def __call__(self, images: Tensor) -> Tensor:
        return images.mean(dim=(2, 3)) / 255


@pytest.fixture
def with_inception(monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """The words that give its weights."""
    monkeypatch.setattr(evaluate, "load_inception", lambda path, device: Means())
    return ("--inception", "weights.pth")


def test_a_fid_is_against_all_training_images_and_has_no_floor(
    run: Run,
    here: Path,
    with_inception: tuple[str, str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    images = drawn(70)
    saved(here / "other.npz", images)
    words = (here / "other.npz", "--reals", run.config.data.prepared, *with_inception)
    report = measured(here / "a.json", *words, "-n", "70")
    reals = Prepared.open(Path(run.config.data.prepared))
    all_of_them = reals.gather(reals.training)

    def gaussian(x: Images) -> tuple[Any, Any]:
        points = x.astype(np.float64).mean(axis=(1, 2)) / 255
        return points.mean(axis=0), np.cov(points.T)

    (m, c), (m_w, c_w) = gaussian(all_of_them), gaussian(images)
    root = np.sqrt(np.linalg.eigvals(c @ c_w).astype(complex)).real.sum()
    expected = ((m - m_w) ** 2).sum() + np.trace(c + c_w) - 2 * root
    (found,) = report["subjects"]
    assert found["scores"]["fid"]["value"] == pytest.approx(expected, rel=1e-3)
    assert found["scores"]["fid"]["reals"] == len(reals.training)
    assert report["floor"]["fid"]["value"] is None
    assert report["measures"]["features"]["network"] == INCEPTION
    assert "Not Inception" not in report["measures"]["features"]["text"]
    assert f"all {len(reals.training)} training images" in report["measures"]["features"]["text"]
    assert "KID" in capsys.readouterr().out.partition("What was measured")[0]


def test_a_fid_alone_may_be_of_more_samples_than_there_are_reals(
    run: Run, here: Path, with_inception: tuple[str, str]
) -> None:
    copy = shutil.copytree(run.path, here / "run")
    assert poise("evaluate", copy, "--measures", "fid", "-n", "300", *with_inception) == 0
    report = report_of(copy / "evaluations" / "000000640-n300-seed0-inception-fid.json")
    (found,) = report["subjects"]
    assert found["scores"]["fid"]["fakes"] == 300 > found["scores"]["fid"]["reals"]
    assert report["floor"] == {}
    told = " ".join(line for _, lines in in_words(report) for line in lines)
    assert FLOOR not in told
    assert "other real images" not in told


def test_for_a_fid_alone_whose_features_are_kept_no_real_image_is_read(
    run: Run, here: Path, with_inception: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = (run.path, "--measures", "fid", "-n", "70", *with_inception)
    first = measured(here / "a.json", *words)
    gather, read = Prepared.gather, list[int]()

    def counted(self: Prepared, indices: Any, size: Size | None = None) -> Images:
        read.append(len(indices))
        return gather(self, indices, size)

    monkeypatch.setattr(Prepared, "gather", counted)
    assert measured(here / "b.json", *words) == first
    assert sum(read) == 0


def test_without_the_file_a_fid_is_refused_or_left_out(
    run: Run, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "--inception pt_inception" in refused(capsys, run.path, "--measures", "fid")
    told = refused(capsys, run.path, "--inception", here / "none.pth", "--measures", "fid")
    assert f"{here / 'none.pth'}, the weights of Inception-v3 2015-12-05, cannot be read" in told
    (here / "other.pth").write_bytes(b"something else")
    told = refused(capsys, run.path, "--inception", here / "other.pth", "--measures", "fid")
    assert "its sha256 should be 6726825d0a" in told


# --- what is refused ------------------------------------------------------------------------------


def test_features_of_another_set_are_refused(
    run: Run, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = prepare("shapes", here / "b.poise", PrepareOptions(size="16", limit=30), workers=1)
    measured(here / "a.json", run.path, "--measures", "kid", "-n", "32")
    kept = Path(f"{run.config.data.prepared}.features-lite0-16x16-training.npz")
    strange = Path(f"{other.path}.features-lite0-16x16-training.npz")
    shutil.copy(kept, strange)
    told = refused(capsys, run.path, "--reals", other.path, "--measures", "kid")
    assert f"{strange} holds features of other images" in told
    assert "Move it away" in told
    strange.write_bytes(b"no features")
    told = refused(capsys, run.path, "--reals", other.path, "--measures", "kid")
    assert str(strange) in told


def test_more_features_are_added_to_those_that_are_kept(run: Run, here: Path) -> None:
    whole = prepare("shapes", here / "c.poise", PrepareOptions(size="16", limit=90), workers=1)
    words = (run.path, "--reals", whole.path, "--measures", "kid", "-n")
    few, many = (measured(here / f"{n}.json", *words, n) for n in (32, 40))
    kept = Path(f"{whole.path}.features-lite0-16x16-training.npz")
    kept.unlink()
    assert measured(here / "anew.json", *words, 40) == many
    assert few["floor"] != many["floor"]


def test_a_classifier_that_is_damaged_is_fitted_anew(run: Run, here: Path) -> None:
    words = (run.path, "--measures", "modes", "-n", "30")
    first = measured(here / "a.json", *words)
    (kept,) = Path(run.config.data.prepared).parent.glob("*-classifier.safetensors")
    whole = kept.read_bytes()
    kept.write_bytes(whole[: len(whole) // 2])
    assert measured(here / "b.json", *words) == first
    assert kept.read_bytes() == whole


def test_a_run_that_cannot_be_measured_is_refused(
    run: Run, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = Run.create(here / "new", run.config)
    assert "has no whole checkpoint yet" in refused(capsys, new.path)
    config = here / "new" / "config.json"
    config.write_text(config.read_text().replace('"version": 1', '"version": 2'))
    assert "Use the newer Poise that made the run" in refused(capsys, new.path)


def test_runs_of_other_sizes_or_other_sets_are_refused(
    run: Run, trained: Run, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = refused(capsys, run.path, trained.path)
    assert f"{run.path} draws images of 16x16 with 3 channels and {trained.path} of 8x8" in told
    twin = here / "twin"
    shutil.copytree(trained.path, twin)
    config, print_of = twin / "config.json", trained.config.data.fingerprint
    config.write_text(config.read_text().replace(print_of, "0" * len(print_of)))
    told = refused(capsys, trained.path, twin)
    assert f"{trained.path} was trained on shapes and {twin} on shapes, so no one set" in told
    assert f"--reals {trained.config.data.prepared}" in told
    shutil.rmtree(twin)
    told = refused(capsys, run.path, trained.path, "--reals", run.config.data.prepared)
    assert f"{trained.path} draws images of 8x8 with 3 channels, the reals are 16x16 with 3" in told
    gray = PrepareOptions(size="16", limit=30, channels=1)
    other = prepare("shapes", here / "gray.poise", gray, workers=1)
    told = refused(capsys, run.path, "--reals", other.path)
    assert "with 3 channels, the reals are 16x16 with 1" in told
    told = refused(capsys, other.path, "--reals", run.config.data.prepared)
    assert "has 1 channels, the reals have 3" in told
    assert list(here.iterdir()) == [other.path]


def test_too_few_images_are_refused(
    run: Run, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    three, prepared = saved(here / "three.npz", drawn(3)), run.config.data.prepared
    told = refused(capsys, three, "--reals", prepared)
    assert told == f"{three} has 3 images that can be used, and 4 are needed. Give more images."
    told = refused(capsys, saved(here / "nine.npz", drawn(9)), "--reals", prepared, "-n", "20")
    assert "9 images that can be used, and 20 are needed. Give more images, or a smaller -n" in told
    told = refused(capsys, run.path, "-n", "100")
    assert "154 real images for training, and 200 are needed" in told
    assert "-n 77 at most" in told
    few = saved(here / "few.npz", drawn(6))
    assert "4 others for the floor" in refused(capsys, few, "--reals", few)


def test_a_size_that_the_first_image_sets_and_no_base_fits_is_refused_with_the_way_out(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pics, photos = saved(here / "pics.npz", drawn(9, side=50)), saved(here / "photos.npz", drawn(9))
    told = refused(capsys, pics, "--reals", photos)
    assert told.startswith(f"the first image of {pics} by lot sets the size, unless --size does, ")
    assert "but no base fits 50x50: " in told
    assert told.endswith("The nearest that fits is 48x48.")
    words = ("--size", "48", "--measures", "ms-ssim", "-n", "4")
    assert measured(here / "a.json", pics, "--reals", photos, *words)["reals"]["size"] == "48x48"


WORDS = {
    "": "Give a run",
    "nowhere": 'no folder or file "nowhere"',
    "{photos}": "is no run, so nothing says what it should look like",
    "{run} {run}": "is given twice",
    "{run} -n 3": "-n must be at least 4 images, got 3",
    "{run} --batch 0": "--batch must be at least 1 image, got 0",
    "{run} --seed 99999999999999999999": "--seed",
    "{run} --device tpu": "a --device is auto, cpu",
    "{run} --at 7": "keeps no checkpoint after 7 images",
    "{run} --at worst": "--at is best, last or a number of images",
    "{run} --out taken.json": "taken.json is there already and is not overwritten",
    "{run} --out table.csv": "--out is a .json, got table.csv",
    "{run} --size 100": "no base fits",
    "{run} --size 8": "draws images of 16x16 with 3 channels, the reals are 8x8",
    "{run} --reals nowhere": 'no folder or file "nowhere"',
    "{photos} --reals {photos} --measures modes": "the modes of photos.npz are not known",
    "{run} --colour red": "--colour",
}


@pytest.mark.parametrize("words", WORDS)
def test_what_cannot_be_evaluated_is_refused_and_nothing_is_written(
    words: str, run: Run, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved(here / "photos.npz", drawn(12))
    (here / "taken.json").write_text("mine")
    before = tree(run.path), tree(here)
    given = words.format(run=run.path, photos="photos.npz").split()
    assert WORDS[words] in refused(capsys, *given)
    assert tree(run.path) == before[0]
    assert {k: v for k, v in tree(here).items() if not k.startswith("runs")} == before[1]


@pytest.mark.parametrize("words", ["--measures colour", "-n many"])
def test_a_value_of_the_wrong_kind_is_refused(words: str, run: Run) -> None:
    assert poise("evaluate", run.path, *words.split()) == 2


def test_measures_are_taken_in_their_order_whatever_was_typed() -> None:
    asked = parse_evaluate(["a", "b", "--measures", "modes", "swd", "-n", "9"])
    assert (asked.subjects, asked.chosen, asked.n) == (("a", "b"), ("swd", "modes"), 9)
    assert set(parse_evaluate(["a"]).chosen) == {*NAMES} - {"fid"}
    assert parse_evaluate(["a", "--inception", "weights.pth"]).chosen == NAMES


def test_long_paths_are_shortened_unless_two_would_be_alike() -> None:
    long = "a/" * 20
    assert shortened(["runs/a", FLOOR]) == ["runs/a", FLOOR]
    assert shortened([long + "one", long + "two", FLOOR]) == ["one", "two", FLOOR]
    assert shortened([long + "one", "b/one"]) == [long + "one", "b/one"]


def test_given_reals_are_made_as_the_runs_own_images_were(
    trained: Run, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Padded fakes beside cropped reals would be told apart by their edges."""
    twin = here / "twin"
    shutil.copytree(trained.path, twin)
    config = trained.config.to_json()
    config["data"]["options"] |= {"fit": "pad", "background": "#102030"}
    (twin / "config.json").write_text(json.dumps(config))
    asked: list[PrepareOptions] = []

    def prepared(source: str, out: Path, options: PrepareOptions, **_: Any) -> Prepared:
        asked.append(options)
        return Prepared.open(Path(trained.config.data.prepared))

    def looked_at(name: str) -> Size:
        raise AssertionError(f"{name} was looked through for images")

    monkeypatch.setattr(subjects, "prepare", prepared)
    monkeypatch.setattr(subjects, "size_of_first", looked_at)
    (here / "photos").mkdir()
    (here / "photos" / "a.png").write_bytes(b"")
    loaded = subjects.generators([str(twin)], "last", "cpu", Watcher())
    subjects.find_reals([str(twin)], loaded, str(here / "photos"), None, Watcher())
    assert asked == [PrepareOptions("8x8", 3, "pad", "#102030")]
    shutil.rmtree(twin)
    shutil.rmtree(here / "photos")
