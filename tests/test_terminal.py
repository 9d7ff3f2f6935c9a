"""What a person reads."""

from __future__ import annotations

import pytest

from poise.terminal import Terminal, clock, describe, printable
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


def test_without_a_terminal_lines_are_plain_and_few(capsys: pytest.CaptureFixture[str]) -> None:
    with Terminal() as terminal:
        for _ in range(50):
            terminal.stepped(MOMENT)
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"training 2,000/10,000 {describe(MOMENT)}"]
