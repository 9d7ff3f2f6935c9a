"""The work of `poise claims`, with its options: run what is missing, draw it, write the page."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import torch

from ..errors import OptionError, RunError, install
from ..files import write_asked
from ..options import parsed
from ..places import NameWords
from ..watcher import Watcher
from . import NAMES, claim_of
from .claim import Claim, Pieces, Result, Scale
from .outcome import Outcome, SeedRun, outcome_from_json, outcome_to_json
from .page import PAGE, page

SEEDS = {"quick": 1, "full": 3}  # by scale, when nobody says
PARTS = "parts"  # folder of what is kept while an experiment runs


@dataclass(frozen=True)
class ClaimsOptions:
    """Reproduce what the papers claim, figure by figure: pass or fail, with the numbers.

    Claims: parallel-lines, saturation, optimal-critic, curve, architectures, momentum, surfaces,
    gradients, equilibrium, growing, growing-quality, fade, stabilisers, optimism, lottery, modes.
    """

    names: NameWords = ()  # which; none: all
    scale: Scale = "quick"  # quick: minutes for all; full: hours, what docs/claims.md shows
    seeds: int | None = None  # how often each is run; unset: 1 at quick scale, 3 at full
    out: Path | None = None  # for a JSON and a PNG of each; unset: runs/claims-quick or -full
    page: Path | None = None  # what is written from the JSONs; unset: claims.md in --out

    def __post_init__(self) -> None:
        if self.seeds is not None and self.seeds < 1:
            raise OptionError(f"--seeds must be at least 1, got {self.seeds}.")
        if self.page and self.page.suffix.lower() != ".md":
            raise OptionError(f"--page is a .md, got {self.page}.")

    @property
    def chosen(self) -> tuple[str, ...]:
        """The claims in the order to read them.

        Raises:
            OptionError: there is no claim of such a name.
        """
        known = {name: None for name in self.names if claim_of(name)}
        return tuple(name for name in NAMES if not known or name in known)

    @property
    def folder(self) -> Path:
        """Where results lie."""
        return self.out or Path("runs") / f"claims-{self.scale}"


def parse_claims(argv: Sequence[str]) -> ClaimsOptions:
    """The options of `poise claims`."""
    return parsed(ClaimsOptions, argv, "poise claims")


def reproduce(asked: ClaimsOptions, watcher: Watcher) -> int:
    """Run each claim as often as asked; 0 when all pass or are known not to, else 1.

    Results that lie there are kept: the same command goes on where it was cut off.

    Raises:
        InputError: no such claim, a package is missing, or --out holds results of another scale.
    """
    torch.set_num_threads(1)  # sums depend on it, and so would the numbers
    claims = {name: claim_of(name) for name in asked.chosen}
    _refuse_without(claims)
    before = {name: known(asked.folder, name, asked.scale) for name in NAMES}  # all: for the page
    surprises = 0
    for name, claim in claims.items():
        outcome = completed(name, claim, before[name], asked, watcher)
        expected = outcome.passed or asked.scale in claim.fails
        surprises += not expected
        watcher.paragraph(f"{outcome.word}: {claim.title}", list(told(outcome)))
    written = asked.page or asked.folder / PAGE
    write_asked(
        written, page(outcomes(asked.folder, asked.scale), asked.folder, written.parent).encode()
    )
    watcher.say(f"\nPictures and numbers: {written}")
    return 1 if surprises else 0


def completed(
    name: str, claim: Claim, found: Outcome | None, asked: ClaimsOptions, watcher: Watcher
) -> Outcome:
    """A claim with a result for every seed, written and drawn after each."""
    runs = {run.seed: run for run in found.runs} if found and found.edition == claim.edition else {}
    wanted = range(asked.seeds or SEEDS[asked.scale])
    outcome = Outcome.of(name, claim, asked.scale, [runs[s] for s in sorted(runs)])
    for seed in wanted:
        if seed in runs:
            continue
        kept = f"{name}-{asked.scale}-{claim.edition}-{seed}"
        pieces = Pieces(asked.folder / PARTS, watcher, kept, f"{name}, seed {seed}")
        result = claim.run(asked.scale, seed, pieces)
        took = round(pieces.seconds, 1), round(pieces.cpu_seconds, 1)
        runs[seed] = SeedRun(seed, *took, result)
        outcome = replace(outcome, runs=[runs[s] for s in sorted(runs)])
        keep(outcome, asked.folder)
        pieces.forget()
    keep(outcome, asked.folder)  # its sentences may be newer than its numbers
    write_asked(asked.folder / f"{name}.png", drawn(claim, [run.result for run in outcome.runs]))
    return outcome


def keep(outcome: Outcome, folder: Path) -> None:
    """Write an outcome where `known` finds it."""
    write_asked(folder / f"{outcome.name}.json", outcome_to_json(outcome).encode())


def drawn(claim: Claim, results: Sequence[Result]) -> bytes:
    """A claim's picture as PNG, the same bytes for the same results."""
    target = io.BytesIO()
    claim.draw(results).savefig(target, format="png", metadata={"Software": None})
    return target.getvalue()


def told(outcome: Outcome) -> Iterator[str]:
    """What a person is told of a claim."""
    yield outcome.statement
    for run in outcome.runs:
        yield f"  seed {run.seed}, {run.seconds:,.0f} s: {run.result.because}"
    if not outcome.passed and outcome.failure:
        yield f"  {outcome.failure}"


def known(folder: Path, name: str, scale: Scale) -> Outcome | None:
    """What an earlier command found.

    Raises:
        RunError: it is of another scale, or cannot be read.
    """
    path = folder / f"{name}.json"
    if not path.exists():
        return None
    outcome = outcome_from_json(path)
    if outcome.scale != scale:
        raise RunError(
            f"{path} was made at --scale {outcome.scale}, this is {scale}. Give another --out."
        )
    return outcome


def outcomes(folder: Path, scale: Scale) -> list[Outcome]:
    """What lies in a folder of experiments as they are today, in the order to read it."""
    found = [(known(folder, name, scale), claim_of(name)) for name in NAMES]
    return [each for each, claim in found if each and each.edition == claim.edition]


def _refuse_without(claims: dict[str, Claim]) -> None:
    """Before hours of work, not after them.

    Raises:
        OptionError: a package is missing; says which extra brings it.
    """
    for name, claim in claims.items():
        for package in claim.needs:
            if find_spec(package) is None:
                raise OptionError(
                    f"{name} needs {package}, which is not installed: {install('claims')}"
                )
