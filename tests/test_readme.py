"""What we tell people is executed."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from poise.cli import main
from poise.methods import METHODS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
# The README's run takes minutes; this makes it one of a second, and changes nothing else.
QUICK = ["--size", "8", "--network", "mlp", "--width", "0.05", "--images", "300", "--threads", "1"]


def commands(text: str) -> list[str]:
    """The indented lines that start with a command, without their remarks."""
    lines = re.findall(r"^    ((?:make|\.venv/bin/poise) .*)$", text, re.MULTILINE)
    return [line.partition("#")[0].strip() for line in lines]


def test_the_make_commands_are_those_of_the_makefile() -> None:
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    named = {line.split()[1] for line in commands(README) if line.startswith("make")}
    assert named == {"demo", "test"}
    assert set(targets) >= named | {"check", "fmt", "bench"}
    assert "exec make test" in (ROOT / ".ci" / "run").read_text()


def test_the_poise_commands_run_on_a_folder_of_mixed_photographs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    photos = tmp_path / "photos" / "more"
    photos.mkdir(parents=True)
    noise = np.random.default_rng(0)
    for i in range(12):
        pixels = noise.integers(0, 256, (20 + i, 24, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(photos / f"{i}.{'png' if i % 2 else 'jpg'}")
    asked = [line.split()[1:] for line in commands(README) if line.startswith(".venv")]
    named = ["train", "train", "sample", "walk", "evaluate", "export"]
    assert [words[0] for words in asked] == named
    for words in asked:
        new = words[0] == "train" and words[1] == "photos/"
        assert main([*words, *(QUICK if new else [])]) == 0, (words, capsys.readouterr())
    out = capsys.readouterr().out
    assert "Found 12, used 12, skipped 0." in out
    assert (tmp_path / "runs" / "photos-wgan-gp-1" / "samples").is_dir()


def test_the_python_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(blocks) == 1
    names: dict[str, object] = {}
    exec(blocks[0], names)
    assert names["images"].shape == (16, 3, 8, 8)  # type: ignore[attr-defined]
    assert (tmp_path / "runs" / "shapes-wgan-gp-1").is_dir()


def test_the_table_of_methods_is_complete_and_each_has_a_page() -> None:
    named = re.findall(r"^\| `([a-z-]+)`", README, re.MULTILINE)
    assert sorted(named) == sorted(METHODS)
    assert all((ROOT / "docs" / "methods" / f"{name}.md").exists() for name in named)


def test_every_file_of_the_tree_is_there() -> None:
    named = re.findall(r"^    ((?:src|tests|benchmarks)/\S*)", README, re.MULTILINE)
    assert len(named) >= 8
    assert [path for path in named if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_link_within_the_project_is_dead(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8"))
    inside = [link for link in links if not link.startswith("https://")]
    assert [link for link in inside if not (page.parent / link).exists()] == []


def test_tests_that_the_code_names_as_its_keepers_are_there() -> None:
    for path in (ROOT / "src").rglob("*.py"):
        for file, name in re.findall(r"Held by: (\S+)::(\w+)", path.read_text(encoding="utf-8")):
            assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8"), (path, name)
