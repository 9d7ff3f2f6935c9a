"""The work of `poise evaluate`, with its options: how good a run's images are, in numbers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import arg

from .bench import Bench
from .errors import DataError, OptionError
from .files import refuse_taken, write_asked
from .generator import Generator
from .judging import NAMES, WITHOUT_FEATURES, Name, measures_for, scores_of
from .machine import device_named
from .metrics.features import FeatureNetwork
from .metrics.inception import load_inception
from .options import parsed
from .places import SubjectWords
from .run import evaluation_path
from .scores import VERSION, Subject, in_words
from .size import parse_size
from .subjects import (
    Drawn,
    RealSet,
    Subjects,
    find_reals,
    generators,
    refuse_unlike,
    take_images,
)
from .watcher import Watcher

LEAST = 4  # images: two pairs, for an error
USUAL = 2_000  # images, when nobody says
MEMORY = 4e9  # bytes that the images of the usual number may take


@dataclass(frozen=True)
class EvaluateOptions:
    """Measure what a generator draws, or any images, beside what real images themselves score."""

    subjects: SubjectWords  # runs, or images to compare: folders, zips, sets, ...
    reals: str | None = None  # the real images; unset: those that the runs were trained on
    n: Annotated[int | None, arg(aliases=["-n"])] = None  # of each; unset: 2,000, or as many as fit
    measures: tuple[Name, ...] = NAMES  # which; all that can be had
    inception: Path | None = None  # weights of Inception-v3 2015-12-05 (.pth), for a published FID
    size: str | None = None  # 64, or 64x96; unset: the runs', the set's, or the first image's
    seed: int = 0  # of the latents, and of what is looked at
    batch: int = 64  # images measured at a time; changes no number
    at: str = "best"  # which checkpoint: best (as measured), last, or a number of images
    device: str = "cpu"  # cpu, cuda, mps: where the generators run, and Inception
    out: Path | None = None  # a .json; unset: one in each run

    def __post_init__(self) -> None:
        if not self.subjects:
            raise OptionError("nothing to evaluate. Give a run: poise evaluate runs/photos-1")
        twice = [name for name in self.subjects if self.subjects.count(name) > 1]
        if twice:
            raise OptionError(f"{twice[0]} is given twice. Give each run once.")
        if self.n is not None and self.n < LEAST:
            raise OptionError(f"-n must be at least {LEAST} images, got {self.n}.")
        if self.batch < 1:
            raise OptionError(f"--batch must be at least 1 image, got {self.batch}.")
        if not -(2**63) <= self.seed < 2**63:
            raise OptionError(f"--seed is a number of 64 bits, got {self.seed}.")
        if self.out and self.out.suffix.lower() != ".json":
            raise OptionError(f"--out is a .json, got {self.out}.")
        self._check_measures()
        parse_size(self.size or "32")

    def _check_measures(self) -> None:
        if not self.measures:
            raise OptionError(f"--measures needs at least one of {', '.join(NAMES)}.")
        if self.by_name and "fid" in self.measures and self.inception is None:
            raise OptionError(
                "a FID needs the weights of Inception, which no package brings. Give the file: "
                "--inception pt_inception-2015-12-05-6726825d.pth"
            )

    @property
    def by_name(self) -> bool:
        """Whether measures were asked for by name: then each must be had."""
        return set(self.measures) != set(NAMES)

    @property
    def without_floor(self) -> bool:
        """Whether all is compared with all training images, so that none are left for a floor."""
        return self.chosen == ("fid",)

    @property
    def chosen(self) -> tuple[Name, ...]:
        """The measures in their order."""
        found = tuple(name for name in NAMES if name in self.measures)
        return found if self.inception else tuple(name for name in found if name != "fid")


def parse_evaluate(argv: Sequence[str]) -> EvaluateOptions:
    """The options of `poise evaluate`."""
    return parsed(EvaluateOptions, argv, "poise evaluate")


def evaluate(asked: EvaluateOptions, watcher: Watcher) -> int:
    """Measure, say what was found, and write it as JSON; the exit code.

    Raises:
        InputError: a run, images, options or --out cannot be used; nothing is written.
    """
    if asked.out:
        refuse_taken([asked.out])
    inception = None
    if asked.inception:
        inception = load_inception(asked.inception, device_named(asked.device))
    loaded = generators(asked.subjects, asked.at, asked.device, watcher)
    size = parse_size(asked.size) if asked.size else None
    reals = find_reals(asked.subjects, loaded, asked.reals, size, watcher)
    refuse_unlike(loaded, reals)
    subjects, notes = _subjects(asked, loaded, reals, watcher)
    report = _report(asked, subjects, reals, inception, watcher)
    report["notes"] = [*notes, *report["notes"]]
    for heading, lines in in_words(report):
        watcher.paragraph(heading, lines)
    for path, part in _files(asked, reals, report):
        write_asked(path, (json.dumps(part, indent=2) + "\n").encode())
        watcher.say(str(path))
    return 0


def _subjects(
    asked: EvaluateOptions, loaded: dict[str, Generator], reals: RealSet, watcher: Watcher
) -> tuple[Subjects, list[str]]:
    """What is compared, with as many images of each; and sentences about it."""
    given = [name for name in asked.subjects if name not in loaded]
    most, notes = _most(asked, reals, len(given) + bool(loaded)), []
    taken: dict[str, Drawn] = {}
    for name in given:
        taken[name], said = take_images(name, reals, most, watcher)
        notes += said
    for name, subject in taken.items():
        if len(subject.images) < max(LEAST, asked.n or 0):
            raise DataError(
                f"{name} has {len(subject.images)} images that can be used, and {asked.n or LEAST} "
                "are needed. Give more images" + (", or a smaller -n." if asked.n else ".")
            )
    n = min([most, *(len(subject.images) for subject in taken.values())])
    return Subjects(loaded, taken, n), notes


def _all_the_same(subject: Drawn) -> list[str]:
    first = subject.images[0]
    if any((image != first).any() for image in subject.images):  # no array of all of them
        return []
    text = f"All {len(subject.images):,} images of {subject.name} are the same one"
    return [f"{text}: distances from the reals say how far that one is."]


def _most(asked: EvaluateOptions, reals: RealSet, held: int) -> int:
    """How many images of each: what was asked for, or the usual number, if the reals have it.

    Beside two halves of the reals, those of `held` subjects are in memory at once.
    """
    if asked.without_floor:
        return asked.n or USUAL
    if reals.most < max(LEAST, asked.n or 0):
        least = asked.n or LEAST
        raise DataError(
            f"{reals.given} has {len(reals.prepared.training):,} real images for training, and "
            f"{2 * least:,} are needed: {least:,} to compare with, and {least:,} others for the "
            f"floor. Give " + (f"-n {reals.most} at most." if asked.n else "more images.")
        )
    image = reals.size.height * reals.size.width * reals.prepared.channels  # bytes
    return asked.n or min(USUAL, reals.most, max(LEAST, int(MEMORY / ((2 + held) * image))))


def _report(
    asked: EvaluateOptions,
    subjects: Subjects,
    reals: RealSet,
    inception: FeatureNetwork | None,
    watcher: Watcher,
) -> dict[str, Any]:
    one, other = reals.halves(0 if asked.without_floor else subjects.n)  # a FID alone reads none
    bench = Bench(reals, one, other, asked.seed, asked.batch, watcher, inception)
    measures, left_out = measures_for(bench, asked.chosen, by_name=asked.by_name)
    floor = {} if asked.without_floor else scores_of(other, measures)
    found, notes = [], []
    for i, name in enumerate(asked.subjects):
        subject = subjects.hand_over(name, asked.seed, watcher)
        watcher.measured("measuring", i, len(asked.subjects))
        scores = scores_of(subject.images, measures, subject.files)
        kind = "run" if subject.run else "images"
        found.append(Subject(name, kind, subject.drawn, scores).to_json())
        notes += _all_the_same(subject)
        del subject  # before the next is drawn: two would be in memory
    from . import __version__

    prepared = reals.prepared
    return {
        "version": VERSION,
        "poise": __version__,
        "images": subjects.n,
        "seed": asked.seed,
        "reals": {
            "source": reals.given,
            "fingerprint": prepared.fingerprint,
            "size": str(reals.size),
            "channels": prepared.channels,
            "training": len(prepared.training),
            "held_out": len(prepared.held_out),
        },
        "measures": {m.name: {"text": m.text} | m.facts for m in measures},
        "subjects": found,
        "floor": floor,
        "notes": [*notes, *left_out],
    }


def _files(
    asked: EvaluateOptions, reals: RealSet, report: dict[str, Any]
) -> list[tuple[Path, dict[str, Any]]]:
    """What is written where: all to --out, or to each run what was measured of it."""
    if asked.out:
        return [(asked.out, report)]
    name = f"n{report['images']}-seed{asked.seed}"
    if asked.reals:
        name += f"-reals-{reals.prepared.fingerprint[:8]}"
    if asked.inception:
        name += "-inception"
    if asked.by_name:
        name += "-" + "-".join(asked.chosen)
    if any(note.startswith(WITHOUT_FEATURES) for note in report["notes"]):
        name += "-without-features"
    return [
        (evaluation_path(Path(part["name"]), part["drawn"], name), report | {"subjects": [part]})
        for part in report["subjects"]
        if part["kind"] == "run"
    ]
