"""The end of preparing: what is known of the images, the manifest, and the name."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np

from ..errors import DataError
from ..files import sync_directory, sync_file
from ..size import levels_of
from . import report
from .options import PrepareOptions
from .plan import Plan
from .prepared import write_manifest
from .shards import write_array, write_lines
from .sources import Source

FLUSHES = 8  # at a time: a disk writes many files with one wait; one by one takes 2 to 9 times it
HELD_OUT_MOST = 1_000  # images; measures hardly gain from more


def finish(plan: Plan, part: Path, source: Source, options: PrepareOptions) -> None:
    """Write everything but the shards, the manifest last.

    Raises:
        DataError: there are not two different images.
    """
    facts = plan.measure()
    if facts.different < 2:
        message = report.too_few(source.label, plan, facts)
        shutil.rmtree(part)
        raise DataError(message)
    shutil.rmtree(part / "work")
    held = np.array(plan.hold_out(options.holdout, HELD_OUT_MOST), np.int64)
    skipped = (json.dumps(refusal._asdict()) for refusal in plan.refusals())
    text = report.lines(source.label, plan, facts, options, len(held))
    files = [
        *plan.files(),
        write_array(part, "held_out.npy", held),
        write_lines(part, "images.jsonl", plan.image_lines()),
        write_lines(part, "skipped.jsonl", skipped),
        write_lines(part, "report.txt", text),
    ]
    write_manifest(
        part,
        {
            "size": list(options.target),
            "channels": plan.get("channels"),
            "levels": [list(level) for level in levels_of(options.target)],
            "images": facts.used,
            "held_out": len(held),
            "skipped": facts.skipped,
            "source": source.label,
            "built_in": source.built_in,
            "key": plan.get("key"),
            "options": options.chosen(),
            "shards": plan.shards(),
        },
        files,
    )


def publish(part: Path, out: Path) -> None:
    """Flush the finished set and give it its name; the plan goes last, so until then it is ours."""
    paths = part.rglob("*")
    with ThreadPoolExecutor(FLUSHES) as pool:
        while some := list(islice(paths, 100 * FLUSHES)):  # or the memory would grow with the set
            list(pool.map(_sync, some))
    sync_directory(part)
    part.rename(out)
    sync_directory(out.parent)
    (out / Plan.NAME).unlink()


def _sync(path: Path) -> None:
    (sync_directory if path.is_dir() else sync_file)(path)
