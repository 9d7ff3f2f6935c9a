"""The command line: its options as a list that shows in a diff, its answers, its codes."""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from poise import cli
from poise.cli import COMMANDS, HELP, main
from poise.machine import TIMING
from poise.methods import METHODS
from poise.options import names_a_run, parse_train

DOCS = Path(__file__).parents[1] / "docs"
HELP_FILE = DOCS / "help.txt"


def whole_help() -> str:
    """The help of every command, and of `train` for every method, without frames."""
    commands = [
        ["claims"],
        ["evaluate"],
        ["export"],
        ["prepare"],
        ["sample"],
        ["status"],
        ["walk"],
        *(["train", "--method", name] for name in METHODS),
    ]
    parts = [f"$ poise --help\n{HELP}"]
    for words in commands:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
            main([*words, "--help"])
        lines = (line.strip("\u2502\u256d\u256e\u2570\u256f\u2500-+| ") for line in _lines(printed))
        parts.append(
            "\n".join([f"$ poise {' '.join(words)} --help", *(x.lstrip("@") for x in lines if x)])
            + "\n"
        )
    return "\n".join(parts)


def _lines(printed: io.StringIO) -> list[str]:
    """Lines of options keep their dashes."""
    return [re.sub(r"^[\u2502| ]*(?=--?[a-z])", "@", x) for x in printed.getvalue().splitlines()]


def test_every_option_and_its_help_stand_in_docs_help(monkeypatch: pytest.MonkeyPatch) -> None:
    """To write the file anew after a change: `python -m tests.test_cli`."""
    monkeypatch.setenv("COLUMNS", "100")
    assert whole_help() == HELP_FILE.read_text(encoding="utf-8")


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["help"], []])
def test_help_names_every_command(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 0
    out = capsys.readouterr().out
    assert all(f"poise {name}" in out for name in COMMANDS)


def test_help_answers_in_under_half_a_second() -> None:
    times = []
    for _ in range(3):
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "poise", "--help"], capture_output=True, check=True, text=True
        )
        times.append(time.monotonic() - began)
        assert "poise train photos/" in done.stdout
    assert min(times) < 0.5


def test_a_command_that_is_not_there_is_refused_with_the_nearest(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["trian", "photos"]) == 2
    assert capsys.readouterr().err == (
        'poise: no command called "trian". Did you mean "train"? '
        "There are: claims, evaluate, export, prepare, sample, status, train, walk.\n"
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_ctrl_c_is_answered_by_what_the_same_command_does_next(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def pressed(argv: Sequence[str]) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "train", pressed)
    monkeypatch.setattr(cli, "_other", lambda name: pressed)
    assert main([name]) == 1
    told = capsys.readouterr().err
    assert told.startswith("poise: interrupted")
    assert ("goes on" in told) == (name in {"claims", "evaluate", "prepare", "train"})
    assert ("begins anew" in told) == ("what was begun is kept" not in told)


def test_version_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == "poise 0.1.0\n"


def test_an_option_of_another_method_is_refused_and_its_method_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["train", "shapes", "--clip", "0.1"]) == 2
    told = capsys.readouterr().err
    assert 'no option called "--clip". --clip is an option of --method wgan.' in told, "no guess"


def test_help_shows_what_an_option_takes_and_not_how_it_is_unset() -> None:
    text = HELP_FILE.read_text(encoding="utf-8")
    assert "{None}" not in text
    assert "--images INT" in text
    assert "--between PATH PATH" in text


def test_the_word_none_unsets_what_a_preset_sets() -> None:
    words = ["photos", "--method", "progressive", "--preset", "paper"]
    assert vars(parse_train(words).recipe.method)["fade"] == 600_000
    assert vars(parse_train([*words, "--fade", "None"]).recipe.method)["fade"] is None
    assert vars(parse_train([*words, "--fade", "7"]).recipe.method)["fade"] == 7


def test_of_a_choice_that_is_made_twice_the_last_counts() -> None:
    asked = parse_train(["photos", "--method", "wgan", "--method=gan"])
    assert type(asked.recipe.method) is METHODS["gan"]


NAMES_A_RUN = {
    "wgan-gp": True,
    "wgan-gp --out second": True,
    "--images 1280 wgan-gp": True,
    "--images=1280 wgan-gp": True,
    "--mirror wgan-gp": True,
    "--one_sided wgan-gp": True,
    "--no-pixelnorm wgan-gp": True,
    "--dry-run wgan-gp": True,
    "-h wgan-gp": True,
    "photos --method wgan-gp --out second": False,
    "--method wgan-gp photos": False,
    "photos --mirror --out wgan-gp": False,
    "photos wgan-gp": False,
    "--method wgan-gp": False,
    "": False,
}


@pytest.mark.parametrize("words", NAMES_A_RUN)
def test_only_the_word_that_is_given_by_place_names_a_run(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is one called as a method is."""
    (tmp_path / "wgan-gp" / "checkpoints").mkdir(parents=True)
    (tmp_path / "wgan-gp" / "config.json").touch()
    monkeypatch.chdir(tmp_path)
    assert names_a_run(words.split()) == NAMES_A_RUN[words]


def test_the_words_become_the_values_of_the_parts() -> None:
    words = (
        "photos --method wgan --preset paper --network mlp --layers 3 --optimizer adam --lr 1e-3"
    )
    asked = parse_train([*words.split(), "--clip", "0.02", "--images", "2_000", "--mirror"])
    assert asked.source == "photos"
    assert vars(asked.recipe.method) == {
        "batch": 64,
        "n_critic": 5,
        "clip": 0.02,
        "thorough": True,
    }
    assert vars(asked.recipe.networks) == {
        "width": 1.0,
        "latent": 100,
        "layers": 3,
        "norm": "none",
        "critic_norm": "batch",
    }
    assert vars(asked.recipe.optimizer) == {"lr": 1e-3, "decay": 0, "beta1": 0.0, "beta2": 0.9}
    assert asked.options.images == 2_000
    assert asked.options.mirror


def test_a_dry_run_says_configuration_and_estimate_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["train", "shapes", "--size", "8", "--network", "mlp", "--threads", "1", "--dry-run"]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert out.startswith(TIMING)  # what follows may take minutes
    assert '"name": "wgan-gp"' in out
    assert "Training 160,000 images at 8x8 takes about" in out
    assert list(tmp_path.iterdir()) == []


if __name__ == "__main__":
    os.environ["COLUMNS"] = "100"
    HELP_FILE.write_text(whole_help(), encoding="utf-8")
