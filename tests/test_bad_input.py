"""What cannot be used gets a sentence: what was expected, what came, what to do. Exit code 2."""

from __future__ import annotations

import ast
import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import poise as package
from poise.data.prepared import Prepared
from poise.errors import PoiseError
from poise.run import Run

from .data.photos import fill
from .helpers import TINY_WORDS, Told, go_on, last_bits, poise, tree

QUICK = ("--size", "8", *TINY_WORDS)


def sentence(capsys: pytest.CaptureFixture[str]) -> str:
    """The one sentence that is said of an error, on standard error."""
    told = capsys.readouterr().err
    assert "Traceback" not in told
    assert told.startswith("poise: "), told
    return told.removeprefix("poise: ").strip()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with some things that a person may have."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "texts").mkdir()
    for n in range(3):
        (tmp_path / "texts" / f"{n}.txt").write_text("no image")
    fill(tmp_path / "one", 1)
    fill(tmp_path / "photos", 6)
    (tmp_path / "same").mkdir()
    for n in range(4):
        Image.new("RGB", (20, 20), "red").save(tmp_path / "same" / f"{n}.png")
    (tmp_path / "renamed.zip").write_text("no archive")
    (tmp_path / "objects").mkdir()
    np.save(tmp_path / "objects.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    np.save(tmp_path / "negative.npy", np.full((9, 8, 8, 3), -1.0))
    np.save(tmp_path / "flat.npy", np.zeros((9, 8), np.uint8))
    (tmp_path / "photo.jpg").write_bytes((next((tmp_path / "photos").rglob("*.jpeg"))).read_bytes())
    return tmp_path


SOURCES = {
    "empty": "empty",
    "texts": "texts",
    "one": "one",
    "same": "same",
    "renamed.zip": "renamed.zip",
    "objects.npy": "objects.npy",
    "negative.npy": "negative.npy",
    "flat.npy": "flat.npy",
    "photo.jpg": "photo.jpg",
    "nowhere": "nowhere",
    "shape": "shapes",
    "runs/faces-wgan-gp-7": "runs/faces-wgan-gp-7",
    "": "",
    "a" * 300: "too long",
    "faces:nobody": "faces",
}


@pytest.mark.parametrize("command", ["train", "prepare"])
@pytest.mark.parametrize("source", SOURCES)
def test_a_source_that_cannot_be_used_is_refused_and_nothing_is_made(
    command: str, source: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tree(here)
    words = QUICK if command == "train" else ("--size", "8", "--workers", "1")
    assert poise(command, source, *words) == 2
    told = sentence(capsys)
    assert SOURCES[source] in told
    assert len(told) > 20
    made = tree(here).keys() - before.keys()
    assert made <= {"runs", "runs/prepared"}, "half-written"
    assert before.items() <= tree(here).items()


def test_what_can_be_used_of_a_folder_is_enough(here: Path) -> None:
    shutil.copytree("texts", "photos/texts")
    (here / "photos" / "cut.jpg").write_bytes((here / "photo.jpg").read_bytes()[:99])
    assert poise("train", "photos", *QUICK) == 0


# Words after `poise train photos`, and what the sentence must say.
OPTIONS: dict[str, tuple[str, ...]] = {
    "--method wgan_gp": ('no method called "wgan_gp"', 'Did you mean "wgan-gp"'),
    "--method began2": (
        'Did you mean "began"',
        "There are: began, gan, progressive, wgan, wgan-gp",
    ),
    "--preset papers": ("no preset", '"paper"'),
    "--network dcgam": ("no network", '"dcgan"'),
    "--optimizer adm": ("no optimizer", '"adam"'),
    "--penalti 3": ('no option called "--penalti"', '"--penalty"'),
    "--clip 0.1": ("--clip", "--method wgan"),
    "--saturating": ("--saturating", "--method gan"),
    "--frobnicate": ("--frobnicate",),
    "--source photos": ("--source is given by its place, without this name",),
    "more words": ('did not expect "more"',),
    "--size 100": ("no base fits 100x100",),
    "--size 2": ("a side must be 4 to",),
    "--size 9999999": ("a side must be 4 to",),
    "--size tiny": ('got "tiny"',),
    "--size -64": ("size",),
    "--size 16 --critic-norm batch": ("batch norm", "--critic-norm layer"),
    "--images 0": ("--images must be at least 1, got 0",),
    "--images -5": ("--images must be at least 1, got -5",),
    "--batch 0": ("--batch must be at least 1, got 0",),
    "--batch -3": ("--batch must be at least 1, got -3",),
    "--n-critic 0": ("--n-critic must be at least 1",),
    "--penalty -1": ("--penalty must be at least 0",),
    "--penalty nan": ("--penalty must be at least 0",),
    "--method wgan --clip 0": ("--clip",),
    "--method wgan --clip nan": ("--clip",),
    "--method began --network mlp": ("--method began plays with --network autoencoder, got mlp",),
    "--network autoencoder": ("plays with --network dcgan or mlp or resnet or growing, got auto",),
    "--method progressive --network dcgan": ("plays with --network growing, got dcgan",),
    "--method began --gamma 0": ("--gamma must be above 0 and at most 1, got 0",),
    "--method began --gamma 1.5": ("--gamma must be above 0 and at most 1, got 1.5",),
    "--method began --network autoencoder --residual --carry 0": ("--carry must be at least 1",),
    "--method progressive --fade 0": ("--fade must be at least 1, got 0",),
    "--method progressive --settle 0": ("--settle must be at least 1, got 0",),
    "--method progressive --least 3": ("--least must be at least 0 and at most --most",),
    "--method progressive --images 100": ("too few for the 2 levels up to 8x8", "--images 384"),
    "--method progressive --size 4": ("4x4 cannot grow", "--size like 8, 32 or 64x96"),
    "--method progressive --size 100": ("no base fits 100x100",),
    "--grow converged": ("--grow is an option of --method progressive",),
    "--hours 1 --images 100": ("--images and --hours both say when training ends. Give one",),
    "--method progressive --settle 200000": ("of 8x8 begins at image 200,000", "plans them to fit"),
    "--hours 0": ("--hours must be above 0, got 0",),
    "--hours nan": ("--hours must be above 0",),
    "--lr 0": ("--lr must lie between 0 and 10",),
    "--lr nan": ("--lr must lie between 0 and 10",),
    "--beta1 1": ("--beta1 must be at least 0 and below 1",),
    "--decay -1": ("--decay",),
    "--width 0": ("--width",),
    "--width nan": ("--width",),
    "--latent 0": ("--latent",),
    "--network mlp --layers 1": ("--layers",),
    "--limit 1": ("at least 2",),
    "--holdout 0.9": ("holdout",),
    "--background red": ("#rrggbb",),
    "--average 0": ("--average must be at least 1",),
    "--threads -1": ("--threads must be",),
    "--seed 99999999999999999999": ("--seed",),
    "--seed -99999999999999999999": ("--seed",),
    "--log-every 0": ("--log-every must be at least 1",),
    "--save-every -1": ("--save-every must be at least 1",),
    "--keep 0": ("--keep must be at least 1",),
    "--device tpu": ('no device "tpu"', "a --device is auto, cpu"),
    "--device cuda:99": ('no device "cuda:99"', "--device cpu"),
    "--out photos": ("photos is there already", "--out"),
    "--out photo.jpg/run": ("photo.jpg", "Not a directory"),
    f"--out {'x' * 300}": ("too long", "--out"),
}


@pytest.mark.parametrize("words", OPTIONS)
def test_an_option_that_cannot_be_is_refused_before_anything_is_made(
    words: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tree(here)
    assert poise("train", "photos", "--size", "8", *words.split()) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert "Traceback" not in told
    for part in OPTIONS[words]:
        assert part in told
    made = tree(here).keys() - before.keys()
    assert not any("config.json" in name for name in made), "a run was made"
    assert not made or "batch" in words, "only a step can tell, and it needs images"


@pytest.mark.parametrize(
    "words",
    ["--images many", "--lr", "--channels 2", "--fit shrink", "--images 1e3"],
)
def test_a_value_of_the_wrong_kind_is_refused(
    words: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tree(here)
    assert poise("train", "photos", *words.split()) == 2
    told = capsys.readouterr().err
    assert words.split()[0] in told
    assert "Traceback" not in told
    assert tree(here) == before


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"], ["--version"]])
def test_asking_for_help_is_no_error(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert poise(*words) == 0
    assert "poise" in capsys.readouterr().out


@pytest.mark.parametrize("word", ["trian", "sampel", "--trian", "runs", ""])
def test_an_unknown_command_is_refused_with_the_nearest(
    word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert poise(word) == 2
    told = sentence(capsys)
    assert "There are: claims, evaluate, export, prepare, sample, status, train" in told
    assert word not in ("trian", "sampel") or "Did you mean" in told


# --- runs -----------------------------------------------------------------------------------------

FIXED = (
    *("--method wgan", "--batch 8", "--seed 1", "--size 16", "--lr 0.1", "--mirror", "--width 2"),
    *("--fade 100", "--grow converged", "--gamma 0.3", "--skip", "--hours 2"),
    *("--out elsewhere", "--average 5", "--preset paper", "--n-critic 9", "--dry-run"),
)


OF_NEW_RUNS = {"--fade", "--grow", "--gamma", "--skip", "--hours", "--out", "--preset", "--dry-run"}


@pytest.mark.parametrize("words", FIXED)
def test_what_is_fixed_with_a_run_cannot_be_changed_when_it_goes_on(
    words: str, trained: Run, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tree(trained.path)
    assert poise("train", trained.path, *words.split()) == 2
    told = sentence(capsys)
    word = words.split()[0]
    fixed, new = f"{word} is fixed with the run, and {trained.path} has ", f"{word} is for a new"
    assert (new if word in OF_NEW_RUNS else fixed) in told
    assert "What can change when one goes on: --images, --log-every, " in told
    assert tree(trained.path) == before


@pytest.mark.parametrize("words", ["--images 0", "--keep 0", "--save-every -1", "--threads -2"])
def test_a_resume_with_a_number_that_cannot_be_changes_nothing(
    words: str, trained: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tree(trained.path)
    assert poise("train", trained.path, *words.split()) == 2
    assert words.split()[0] in sentence(capsys)
    assert tree(trained.path) == before


def test_a_run_is_never_trained_to_fewer_images_than_it_has_seen(
    trained: Run, tmp_path: Path
) -> None:
    path = shutil.copytree(trained.path, tmp_path / "run")
    assert poise("train", path, "--images", "100") in (0, 2)
    go_on(path, images=640)
    assert last_bits(Run.open(path)) == last_bits(trained)


def test_samples_of_a_run_without_a_checkpoint_are_refused(
    trained: Run, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run.create(here / "new", trained.config)
    before = tree(here)
    assert poise("sample", run.path) == 2
    assert f"poise train {run.path}" in sentence(capsys)
    assert tree(here) == before


@pytest.mark.parametrize("what", ["nowhere", "photos", "photo.jpg", "empty", "", "a" * 300])
def test_samples_of_what_is_no_run_are_refused(
    what: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tree(here)
    assert poise("sample", what) == 2
    assert "is not a run" in sentence(capsys)
    assert tree(here) == before


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ("-n 0", "at least 1"),
        ("-n -4", "at least 1"),
        ("--seed 99999999999999999999", "--seed"),
        ("--device tpu", "a --device is auto, cpu"),
        ("--colour red", "--colour"),
        ("more", '"more"'),
    ],
)
def test_samples_that_cannot_be_drawn_are_refused(
    words: str, part: str, trained: Run, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tree(trained.path), tree(here)
    assert poise("sample", trained.path, *words.split()) == 2
    assert part in sentence(capsys)
    assert (tree(trained.path), tree(here)) == before


# --- config.json ----------------------------------------------------------------------------------


@pytest.fixture
def copy(trained: Run, tmp_path: Path) -> Path:
    return shutil.copytree(trained.path, tmp_path / "run")


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000 + b"]" * 100_000, "not JSON"),
        (b"[]", "not a configuration"),
        (b"7", "not a configuration"),
        (b"{}", "version None"),
        (b'{"version": 1}', "not a configuration"),
        (b'{"version": 2}', "newer Poise"),
        (b'{"version": "1"}', "version 1"),
        (b'{"version": ' + b"9" * 5000 + b"}", "not JSON"),
    ],
)
def test_a_configuration_that_cannot_be_read_is_refused(
    content: bytes, part: str, copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (copy / "config.json").write_bytes(content)
    before = tree(copy)
    for command in ("train", "sample"):
        assert poise(command, copy) == 2
        assert part in sentence(capsys)
    assert tree(copy) == before


WRONG: list[Any] = [None, -1, 2.5, True, "x", [], {}, -(10**30), [[[]]], {"name": {}}, "\0", 1e999]


def paths_of(plain: Any, at: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Where every value of nested dicts is."""
    if not isinstance(plain, dict):
        return [at]
    return [at, *(path for k, v in plain.items() for path in paths_of(v, (*at, k)))][not at :]


def test_any_value_in_a_configuration_that_cannot_be_is_refused_in_words(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    original = json.loads((copy / "config.json").read_text())
    chance = random.Random(0)
    for path in paths_of(original):
        for value in chance.sample(WRONG, 5):
            plain = json.loads(json.dumps(original))
            inner = plain
            for key in path[:-1]:
                inner = inner[key]
            inner[path[-1]] = value
            (copy / "config.json").write_text(json.dumps(plain))
            code = poise("sample", copy, "-n", "1", "--out", copy / "one.png")
            what = f"{'.'.join(path)} = {value!r}"
            assert code in (0, 2), what
            if code == 2:
                assert len(sentence(capsys)) > 20, what
            (copy / "one.png").unlink(missing_ok=True)


def test_a_run_with_a_wrong_value_is_not_trained_and_not_changed(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    original = json.loads((copy / "config.json").read_text())
    original["recipe"]["images"] = 700
    for path in paths_of(original):
        plain = json.loads(json.dumps(original))
        inner = plain
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = ["wrong"]
        (copy / "config.json").write_text(json.dumps(plain))
        before = tree(copy)
        assert poise("train", copy) == 2, f"{'.'.join(path)}"
        assert len(sentence(capsys)) > 20
        assert tree(copy).items() - before.items() <= {("lock", tree(copy)["lock"])}


# --- from Python ----------------------------------------------------------------------------------


def test_python_gets_the_same_sentences_as_errors_of_its_own_kind(
    trained: Run, shapes: Prepared, tmp_path: Path
) -> None:
    calls: list[Callable[[], object]] = [
        lambda: package.load(tmp_path),
        lambda: package.load(trained.path).sample(0),
        lambda: go_on(tmp_path, Told()),
    ]
    for call in calls:
        with pytest.raises(package.InputError):
            call()
    assert issubclass(package.InputError, PoiseError)


# --- nothing is ever unpickled (rule 2) -----------------------------------------------------------

SOURCE = Path(str(package.__file__)).parent
BANNED_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
BANNED_CALLS = {"torch.load", "torch.save", "torch.jit.load", "eval", "exec", "compile"}
EXTRACTS = {"extractall", "extract"}  # from an archive, to wherever it says
# The one call that opens a pickle, in the one file that may: of bytes whose sha256 stands in our
# code (tests/metrics/test_weights.py), and tensors only.
WEIGHTS = Path("metrics", "weights.py")
ALLOWED = "torch.load(io.BytesIO(data), map_location='cpu', weights_only=True)"


def crimes(tree: ast.AST) -> list[str]:
    """What a file must not do, by line."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
            names += [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Call):
            names = [ast.unparse(node.func)]
            pickled = any(
                word.arg in ("allow_pickle", "weights_only")
                and not (isinstance(word.value, ast.Constant) and word.value.value is False)
                for word in node.keywords
            )
            if pickled or ast.unparse(node.func).rpartition(".")[2] in EXTRACTS:
                found.append(f"line {node.lineno}: {ast.unparse(node)[:60]}")
        else:
            continue
        for name in names:
            if name.partition(".")[0] in BANNED_MODULES or name in BANNED_CALLS:
                found.append(f"line {node.lineno}: {name}")
    return found


@pytest.mark.parametrize("file", sorted(SOURCE.rglob("*.py")), ids=lambda p: str(p.name))
def test_no_file_unpickles_or_evaluates_anything(file: Path) -> None:
    source = ast.unparse(ast.parse(file.read_text(encoding="utf-8")))
    if file == SOURCE / WEIGHTS:
        assert source.count(ALLOWED) == 1
        source = source.replace(ALLOWED, "None")
    assert crimes(ast.parse(source)) == []


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from pickle import loads",
        "from torch import load",
        "torch.load(path)",
        "torch.save(x, path)",
        "np.load(path, allow_pickle=True)",
        "np.load(path, allow_pickle=flag)",
        "eval('1')",
        "exec(text)",
        "archive.extractall(folder)",
    ],
)
def test_the_ban_sees_what_it_bans(line: str) -> None:
    assert crimes(ast.parse(line))


def test_every_numpy_file_is_read_with_pickles_refused() -> None:
    for file in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("np.load", "numpy.load"):
                assert "allow_pickle" in {word.arg for word in node.keywords}, (
                    f"{file}:{node.lineno}"
                )
