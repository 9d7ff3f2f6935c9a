"""What preparing costs: `python -m benchmarks.prepare [--quick]`, a markdown table.

Speed: images a second of `prepare` with one process, as a ratio to a bare loop that opens, decodes
and resizes the same files, one after the other in turns, so that a busy machine slows both.
Memory: the peak of preparing 10,000 and 100,000 small images, each in a process of its own.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image

from poise.data.options import PrepareOptions
from poise.data.prepare import prepare

SIDE = 64  # pixels of the prepared images
ROUNDS = 5

PEAK = """
import os, sys
from pathlib import Path
from poise.data.options import PrepareOptions
from poise.data.prepare import prepare

def peak(process):  # MB; ru_maxrss would begin with what the parent held
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        return 0

workers_peak = 0
def watch(*_):
    global workers_peak
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    workers_peak = max([workers_peak, *map(peak, children)])

options = PrepareOptions(size="32")
prepare(sys.argv[1], Path(sys.argv[2]), options, workers=int(sys.argv[3]), progress=watch)
print(peak("self"), workers_peak)
"""


def photographs(folder: Path, count: int, kind: str, height: int, width: int) -> None:
    """Soft colours with grain, so that decoders have as much to do as with photographs."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8))
        soft = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC)).astype(int)
        grain = rng.integers(-8, 9, (height, width, 1))
        image = Image.fromarray(np.clip(soft + grain, 0, 255).astype(np.uint8))
        image.save(folder / f"{number:05d}.{kind}", quality=90)


def bare(folder: Path) -> None:
    """What anyone would write first."""
    for path in folder.iterdir():
        with Image.open(path) as image:
            np.asarray(image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS))


def bare_and_fast(folder: Path) -> None:
    """What one would write who knows PIL: JPEGs decoded at a fraction, resized in two steps."""
    for path in folder.iterdir():
        with Image.open(path) as image:
            image.draft("RGB", (3 * SIDE, 3 * SIDE))
            small = image.convert("RGB")
            np.asarray(small.resize((SIDE, SIDE), Image.Resampling.LANCZOS, reducing_gap=3.0))


def ours(folder: Path) -> None:
    """Everything: decoded, fitted, halved, hashed, written, flushed to the disk."""
    prepare(folder, _set(folder), PrepareOptions(size=str(SIDE), channels=3), workers=1)


def _set(folder: Path) -> Path:
    return folder.with_name("set.poise")


def seconds(work: Callable[[Path], None], folder: Path) -> float:
    """How long `work` takes."""
    start = time.perf_counter()
    work(folder)
    took = time.perf_counter() - start
    shutil.rmtree(_set(folder), ignore_errors=True)
    return took


def speed(place: Path, scale: int) -> None:
    """The first table; a `scale` over 1 takes so many times fewer images."""
    print(f"| files, to {SIDE}x{SIDE} | bare loop | fast bare loop | prepare | to bare | to fast |")
    print("|---|---|---|---|---|---|")
    for count, kind, height, width in (
        (400, "jpeg", 480, 640),
        (120, "jpeg", 1080, 1440),
        (200, "png", 480, 640),
        (400, "webp", 256, 256),
        (3000, "png", 64, 64),
    ):
        folder = place / f"{kind} {height}x{width}"
        photographs(folder, count // scale, kind, height, width)
        works = (bare, bare_and_fast, ours)
        rounds = [[seconds(work, folder) for work in works] for _ in range(ROUNDS)]
        rates = [count // scale / median(times) for times in zip(*rounds, strict=True)]
        ratios = [median(times[k] / times[2] for times in rounds) for k in (0, 1)]
        cells = [f"{rate:,.0f}/s" for rate in rates] + [f"{ratio:.2f}" for ratio in ratios]
        print(f"| {count // scale} {folder.name} | {' | '.join(cells)} |")


def memory(place: Path, scale: int) -> None:
    """The second table."""
    rng = np.random.default_rng(0)
    print("\n| images of 16x16, to 32x32 | processes | peak, MB | peak of a worker, MB |")
    print("|---|---|---|---|")
    for count in (10_000 // scale, 100_000 // scale):
        folder = place / f"{count}"
        folder.mkdir()
        for number in range(count):
            file = io.BytesIO()
            Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8)).save(file, "BMP")
            (folder / f"{number:06d}.bmp").write_bytes(file.getvalue())
        for workers in (1, 2):
            out = place / f"{count} {workers}.poise"
            command = [sys.executable, "-c", PEAK, str(folder), str(out), str(workers)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            own, child = map(float, done.stdout.split())
            print(f"| {count:,} | {workers} | {own:.1f} | {child:.1f} |")


def main() -> None:
    """Both, in a temporary folder."""
    scale = 20 if "--quick" in sys.argv else 1
    with tempfile.TemporaryDirectory() as folder:
        speed(Path(folder), scale)
        memory(Path(folder), scale)


if __name__ == "__main__":
    main()
