"""What preparing did, in words."""

from __future__ import annotations

from collections.abc import Iterator

from ..size import Size
from .options import PrepareOptions
from .plan import Plan
from .records import Measures
from .sources import printable

FEW = 1_000  # images; below it a generator tends to repeat them
LISTED = 20  # skipped files named in the report; the rest is in skipped.jsonl


def too_few(label: str, plan: Plan, facts: Measures) -> str:
    """The sentence for a source that does not hold two different images."""
    what = "different images" if facts.used > facts.different else "usable images"
    found = (
        f"{label} has too few {what}: found {facts.found:,} "
        f"{'file' if facts.found == 1 else 'files'}, used {facts.used:,}, skipped "
        f"{facts.skipped:,}; at least 2 that differ are needed, and some thousands to train well."
    )
    reasons = [f"  {printable(name)}: {why}" for name, why in plan.refusals(5)]
    return "\n".join([found, *reasons])


def lines(
    label: str, plan: Plan, facts: Measures, options: PrepareOptions, held: int
) -> Iterator[str]:
    """The report, line by line."""
    size, channels = options.target, plan.get("channels")
    kind = {1: "gray", 3: "colour", 4: "colour with alpha"}[channels]
    yield f"Prepared {label} at {size} (height x width), {kind}, fit by {options.fit}."
    yield f"Found {facts.found:,}, used {facts.used:,}, skipped {facts.skipped:,}."
    yield from _skipped(plan, facts.skipped)
    yield f"For training {facts.used - held:,}; held out to measure with {held:,}."
    smallest, median, largest = (str(Size(*pair)) for pair in facts.sizes)
    yield f"Originals: smallest {smallest}, median {median}, largest {largest}."
    for note in plan.get("notes"):
        yield f"Note: {note}"
    for warning in _warnings(facts, size, options):
        yield f"Warning: {warning}"
    yield from _duplicates(plan, facts)


def _skipped(plan: Plan, count: int) -> Iterator[str]:
    for name, reason in plan.refusals(LISTED):
        yield f"  {printable(name)}: {reason}"
    if count > LISTED:
        yield f"  and {count - LISTED:,} more, listed in skipped.jsonl"


def _warnings(facts: Measures, size: Size, options: PrepareOptions) -> Iterator[str]:
    if facts.used < FEW:
        yield (
            f"{facts.used:,} images are few: under {FEW:,}, expect a generator that repeats them."
        )
    if facts.enlarged:
        yield (
            f"{facts.enlarged:,} of {facts.used:,} images are smaller than {size} and were "
            "enlarged; a smaller --size would lose nothing of them."
        )
    if facts.odd:
        yield (
            f"{facts.odd:,} images lose over half of their area to the crop; "
            "--fit pad or another --size keeps more."
        )


def _duplicates(plan: Plan, facts: Measures) -> Iterator[str]:
    repeated = facts.used - facts.different
    if not repeated:
        return
    yield (
        f"Warning: {repeated:,} images repeat another byte for byte; they were kept, "
        "each on the same side of the held-out split as its twins."
    )
    for names in plan.duplicates(5):
        yield "  " + " = ".join(printable(name) for name in names)
