"""What a person reads."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.color import ColorSystem

from poise.terminal import UPPER_HALF, Terminal, clock, describe, printable
from poise.watcher import Moment

MOMENT = Moment(2_000, 10_000, 80.0, 1_234_000_000, {"distance": 4.5678, "penalty": 0.1})


def test_a_line_tells_speed_time_left_distance_and_memory() -> None:
    assert describe(MOMENT) == "80 images/s, 1:40 left, distance 4.57, 1.2 GB"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (9.6, "0:10"), (245, "4:05"), (7445, "2:04:05")]
)
def test_time_left_reads_like_a_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def test_a_name_that_is_not_utf_8_is_printed_with_escapes() -> None:
    assert printable("caf\udce9.png") == r"caf\udce9.png"


def test_brackets_in_names_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    with Terminal() as terminal:
        terminal.say("saw [bold]photos[/bold]/[1].png")
        terminal.warn("[red]")
    out, err = capsys.readouterr()
    assert out == "saw [bold]photos[/bold]/[1].png\n"
    assert err == "Warning: [red]\n"


def test_a_terminal_with_colours_shows_the_first_images_two_pixels_a_character(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[:16, :32] = [[[10, 20, 30]]]  # the part that is shown, but for its lower right corner
    picture[8:16, 16:32] = [[[200, 100, 50]]]
    Image.fromarray(picture).save(tmp_path / "grid.png")
    terminal, out = Terminal(), io.StringIO()
    terminal.out.file, terminal.out.width = out, 32
    terminal.show(tmp_path / "grid.png")
    assert out.getvalue() == ""  # no terminal, no picture
    monkeypatch.setattr(terminal.out, "_force_terminal", True)
    monkeypatch.setattr(terminal.out, "_color_system", ColorSystem.TRUECOLOR)
    terminal.show(tmp_path / "grid.png")
    lines = out.getvalue().splitlines()
    assert len(lines) == 8
    assert all(line.count(UPPER_HALF) == 32 for line in lines)
    assert all("38;2;10;20;30;48;2;10;20;30" in line for line in lines)
    assert ["200;100;50" in line for line in lines] == [False] * 4 + [True] * 4


def test_without_a_terminal_lines_are_plain_and_few(capsys: pytest.CaptureFixture[str]) -> None:
    with Terminal() as terminal:
        for _ in range(50):
            terminal.stepped(MOMENT)
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"training 2,000/10,000 {describe(MOMENT)}"]
