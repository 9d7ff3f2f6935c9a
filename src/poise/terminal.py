"""What a person sees while a command works: a live line in a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import numpy as np
from PIL import Image
from rich.color import Color
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TaskID, TextColumn
from rich.style import Style
from rich.text import Text

from .ranks import rank_of_ranks
from .run import Run
from .watcher import Moment, Watcher

UPPER_HALF = "\u2580"  # the block whose lower half shows the background
PLAIN_EVERY = 10.0  # seconds between lines where there is no terminal


class _Lasting(Console):
    """Falls silent when its output is gone or full, where others end the program."""

    def on_broken_pipe(self) -> None:
        """What rich calls when the reader of a pipe has ended; its own version exits."""
        self.silence()

    def silence(self) -> None:
        """Print no more. What is still buffered goes nowhere, or Python would fail at its end."""
        self.quiet = True
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())


class Terminal(Watcher):
    """Prints what a Watcher is told; a context, so that the live line is left whole."""

    def __init__(self) -> None:
        first, _ = rank_of_ranks()  # only the first of several speaks
        self.out = _Lasting(highlight=False, soft_wrap=True, quiet=first != 0)
        self.err = _Lasting(stderr=True, highlight=False, soft_wrap=True)
        self._live: Progress | None = None
        self._task = TaskID(0)
        self._spoke = 0.0  # when the last plain line was printed

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._rest()

    def say(self, text: str) -> None:
        """A sentence on standard output."""
        self._rest()
        _print(self.out, text)

    def warn(self, text: str) -> None:
        """A sentence on standard error."""
        _print(self.err, f"Warning: {text}")

    def prepared(self, done: int, of: int) -> None:
        """Images prepared so far."""
        self._show("preparing", done, of, "", force=done == of)

    def searched(self, done: int, of: int) -> None:
        """Steps towards the latents of images so far."""
        self._show("searching", done, of, "")

    def drew(self, done: int, of: int) -> None:
        """Frames drawn so far."""
        self._show("drawing", done, of, "")

    def measured(self, what: str, done: int, of: int) -> None:
        """How far a part of an evaluation is."""
        self._show(what, done, of, "")

    def paragraph(self, heading: str, lines: Sequence[str]) -> None:
        """A heading, which a terminal shows in bold, and what stands below it."""
        self._rest()
        _print(self.out, f"\n{heading}", style="bold")
        for line in lines:
            _print(self.out, line)

    def stepped(self, moment: Moment) -> None:
        """A step was made: speed, time left, the distance, memory."""
        self._show("training", moment.drawn, moment.images, describe(moment))

    def ended(self, run: Run, done: bool) -> None:
        """Training is over: the picture, and what to do next."""
        if not done:
            self.say(f"Stopped and saved. To go on: poise train {run.path}")
            return
        samples = run.newest_samples()
        if samples.is_file():
            self.show(samples)
        self.say(f"Done. See {samples}")
        self.say(f"Draw more:    poise sample {run.path} -n 64")
        self.say(f"Film a walk:  poise walk {run.path}")
        self.say(f"Take it away: poise export {run.path}")
        self.say(f"Train on:     poise train {run.path} --images {2 * run.config.recipe.images}")

    def show(self, path: Path) -> None:
        """The first images of a grid, two pixels a character, where a terminal has the colours."""
        self._rest()
        if not self.out.is_terminal or self.out.color_system != "truecolor":
            return
        columns = min(self.out.width, 96)
        with Image.open(path) as picture:
            part = picture.convert("RGB").crop((0, 0, picture.width // 2, picture.height // 4))
        rows = 2 * round(columns * part.height / part.width / 2)
        pixels = np.asarray(part.resize((columns, rows), Image.Resampling.BOX))
        for upper, lower in zip(pixels[::2].tolist(), pixels[1::2].tolist(), strict=True):
            line = Text()
            for above, below in zip(upper, lower, strict=True):
                style = Style(color=Color.from_rgb(*above), bgcolor=Color.from_rgb(*below))
                line.append(UPPER_HALF, style)
            self.out.print(line)

    def _show(self, what: str, done: int, of: int, text: str, *, force: bool = False) -> None:
        if self.out.is_terminal:
            if self._live is None:
                columns: list[str | ProgressColumn] = [TextColumn("{task.description}")]
                columns += [BarColumn(24), TextColumn("{task.fields[text]}")]
                self._live = Progress(*columns, console=self.out, refresh_per_second=4)
                self._task = self._live.add_task(what, text="")
                self._live.start()
            count = f"{done:,}/{of:,}"
            self._live.update(self._task, description=what, completed=done, total=of)
            self._live.update(self._task, text=f"{count} {text}")
        elif force or time.monotonic() - self._spoke > PLAIN_EVERY:
            self._spoke = time.monotonic()
            _print(self.out, f"{what} {done:,}/{of:,} {text}".rstrip())

    def _rest(self) -> None:
        if self._live:
            self._live.stop()
            self._live = None


def _print(console: _Lasting, text: str, style: str | None = None) -> None:
    try:
        console.print(printable(text), markup=False, style=style)
    except OSError:  # a full disk, when the output goes to a file
        console.silence()


def describe(moment: Moment) -> str:
    """One line: images/s, time left, the distance, memory."""
    parts = [f"{moment.images_per_second:.0f} images/s", f"{clock(moment.seconds_left)} left"]
    for name in ("stage", "distance", "convergence"):
        if name in moment.numbers:
            parts.append(f"{name} {moment.numbers[name]:.3g}")
    if moment.verdict:
        parts.append(moment.verdict)
    if moment.memory:
        parts.append(f"{moment.memory / 1e9:.1f} GB")
    return ", ".join(parts)


def clock(seconds: float) -> str:
    """`4:05` or `2:04:05`."""
    minutes, rest = divmod(round(min(seconds, 1e7)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def printable(text: str) -> str:
    """Text that any terminal takes: bytes of a name that are no characters become escapes."""
    return Text(text.encode("utf-8", "backslashreplace").decode("utf-8")).plain
