"""The work of `poise export`, with its options: a generator as one file that runs elsewhere.

.onnx          for any ONNX runtime: no Poise and no PyTorch needed
.safetensors   for poise.load, without the run
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .data.sources import printable
from .errors import OptionError
from .files import refuse_taken, write_asked
from .generator import Generator, load
from .generator_file import SUFFIX, generator_bytes
from .onnx_file import onnx_bytes, refuse_without_packages
from .options import parsed
from .places import RunWord
from .run import Run, export_path
from .watcher import Watcher


@dataclass(frozen=True)
class ExportOptions:
    """Write a trained generator as one file that runs without the run."""

    run: RunWord  # the run's directory
    to: Literal["onnx", "safetensors"] = "onnx"  # any ONNX runtime (extra `export`), or poise.load
    out: Path | None = None  # a .onnx or .safetensors; unset: in the run
    at: str = "best"  # which checkpoint: best (as measured), last, or a number of images

    def __post_init__(self) -> None:
        if self.out and self.out.suffix.lower() != self.suffix:
            raise OptionError(f"--out is a {self.suffix} with --to {self.to}, got {self.out}.")

    @property
    def suffix(self) -> str:
        """Of the file."""
        return {"onnx": ".onnx", "safetensors": SUFFIX}[self.to]


def parse_export(argv: Sequence[str]) -> ExportOptions:
    """The options of `poise export`."""
    return parsed(ExportOptions, argv, "poise export")


def export(asked: ExportOptions, watcher: Watcher) -> int:
    """Write the file and say how to use it; the exit code.

    Raises:
        InputError: not a run, no checkpoint, a package is missing, or --out is there already.
        RunError: the file would not draw what the generator draws.
    """
    if asked.to == "onnx":
        refuse_without_packages()
    generator = load(asked.run, at=asked.at, warn=watcher.warn)
    config = Run.open(Path(asked.run)).config
    source = printable(Path(config.data.source).name)  # its bytes may be no text
    if asked.out:  # the run's own file of its name holds the same: a person's is spared
        refuse_taken([asked.out])
    path = asked.out or export_path(Path(asked.run), generator.drawn, asked.suffix)
    if asked.to == "onnx":
        data = onnx_bytes(generator, source)
    else:
        data = generator_bytes(generator, config.recipe.networks, str(config.data.size), source)
    write_asked(path, data)
    watcher.say(str(path))
    watcher.say(usage(generator, path))
    return 0


def usage(generator: Generator, path: Path) -> str:
    """How to draw images from the file."""
    d, size, channels = generator.space.size, generator.size, generator.channels
    if path.suffix == SUFFIX:
        return f'From Python: poise.load("{path}").sample(16)'
    law = "N(0, 1)" if generator.space.prior == "normal" else "even over [-1, 1]"
    return (
        f"In: latents, float32 [n, {d}], {law}. Out: images, uint8 [n, {size.height}, "
        f"{size.width}, {channels}]. From Python: onnxruntime.InferenceSession"
        f'("{path}").run(None, {{"latents": latents}})'
    )
