"""The rules of the house: who imports whom, what is public, how far the reading goes."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

import poise

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "poise"
FILES = sorted(path.relative_to(SOURCE) for path in SOURCE.rglob("*.py"))


def imported(file: Path, *, always: bool = False) -> set[str]:
    """The modules of Poise that a file imports, by path without the ending; `always`: at once."""
    tree = ast.parse((SOURCE / file).read_text(encoding="utf-8"))
    nodes = tree.body if always else list(ast.walk(tree))
    found = set()
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.level:
            package = file.parent
            for _ in range(node.level - 1):
                package = package.parent
            base = package / Path(*(node.module or "").split("."))
            for name in [base, *(base / alias.name for alias in node.names)]:
                if (SOURCE / name).with_suffix(".py").exists():
                    found.add(str(name))
    return found


def foreign(file: Path) -> set[str]:
    """The packages that a file imports, at once or later."""
    names: set[str] = set()
    for node in ast.walk(ast.parse((SOURCE / file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            names.add(node.module.split(".")[0])
    return names


def test_the_import_reader_sees_what_is_there() -> None:
    assert "players" in imported(Path("methods/wgan.py"))
    assert "torch" in foreign(Path("training.py"))


@pytest.mark.parametrize("file", [f for f in FILES if f.parent.name == "methods"], ids=str)
def test_a_method_imports_only_the_players(file: Path) -> None:
    if file.name != "__init__.py":
        assert imported(file) <= {
            "descent",
            "players",
            "apart",
            "plateau",
            "signals",
            "errors",
            "size",
            "methods/wgan_gp",
        }


@pytest.mark.parametrize("file", [f for f in FILES if f.name != "__main__.py"], ids=str)
def test_nobody_imports_the_command_line(file: Path) -> None:
    assert not imported(file) & {"cli", "commands", "terminal"} or file.name in (
        "cli.py",
        "commands.py",
    )


@pytest.mark.parametrize("file", [f for f in FILES if f.parent.name != "claims"], ids=str)
def test_nobody_but_the_command_line_knows_the_claims(file: Path) -> None:
    assert not any(name.startswith("claims") for name in imported(file)) or (
        file.name == "commands.py"
    )


@pytest.mark.parametrize("file", [f for f in FILES if f.parent.name == "data"], ids=str)
def test_images_are_prepared_without_torch(file: Path) -> None:
    if file.name != "reals.py":
        assert "torch" not in foreign(file)
    assert imported(file) <= {"errors", "size", "files"} | {
        str(f.with_suffix("")) for f in FILES if f.parent.name == "data"
    }


@pytest.mark.parametrize("file", [f for f in FILES if f.parent.name == "metrics"], ids=str)
def test_a_measure_knows_nothing_of_runs(file: Path) -> None:
    assert foreign(file) - sys.stdlib_module_names <= {"torch", "numpy"}
    assert imported(file) <= {"errors", "size", "files"} | {
        str(f.with_suffix("")) for f in FILES if f.parent.name == "metrics"
    }


def test_the_command_line_starts_without_anything_heavy() -> None:
    for file in ("__main__.py", "cli.py", "errors.py", "__init__.py"):
        assert imported(Path(file), always=True) <= {"errors"}, file


def test_everything_public_is_listed_and_can_be_imported() -> None:
    assert poise.__all__ == [
        "Adam",
        "AutoEncoder",
        "BEGAN",
        "DCGAN",
        "DataError",
        "GAN",
        "Generator",
        "Growing",
        "InputError",
        "MLP",
        "OptimisticAdam",
        "OptimisticSGD",
        "OptionError",
        "Players",
        "PoiseError",
        "PrepareOptions",
        "Prepared",
        "Progressive",
        "RMSProp",
        "Reals",
        "Recipe",
        "ResNet",
        "RunError",
        "SGD",
        "TrainingFailed",
        "WGAN",
        "WGANGP",
        "Watcher",
        "descend",
        "load",
        "prepare",
        "recipe",
        "train",
    ]
    for name in poise.__all__:
        assert getattr(poise, name).__doc__, name
    with pytest.raises(AttributeError, match="has no attribute 'tarin'"):
        poise.tarin  # noqa: B018


def test_from_the_command_to_the_penalty_are_3_files_and_250_lines() -> None:
    path = ["cli.py", "training.py", "methods/wgan_gp.py"]
    assert "training" in imported(Path(path[0]))
    assert "method.step(" in (SOURCE / path[1]).read_text(encoding="utf-8")
    assert "def gradient_penalty" in (SOURCE / path[2]).read_text(encoding="utf-8")
    assert sum(len((SOURCE / file).read_text().splitlines()) for file in path) <= 250


@pytest.mark.parametrize("file", FILES, ids=str)
def test_files_are_of_one_idea_and_ascii(file: Path) -> None:
    text = (SOURCE / file).read_text(encoding="utf-8")
    assert text.isascii()
    assert len(text.splitlines()) <= 250
