"""A claim run again with some of its parts thrown away: the rest need not be trained twice."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import torch

from poise.claims.claim import Claim, Pieces, Result


def kept_whole(claim: Claim, folder: Path) -> Path:
    """The folder of a run of a claim at quick scale, with all of its parts."""
    torch.set_num_threads(1)
    claim.run("quick", 0, Pieces(folder))
    return folder


def rerun(claim: Claim, whole: Path, scratch: Path, anew: Iterable[str]) -> Result:
    """The claim at quick scale; parts whose first word is in `anew` are worked out, others known.

    `whole` is what `kept_whole` gave.
    """
    lines = (whole / "claim.jsonl").read_text().splitlines(keepends=True)
    anew = set(anew)
    known = [line for line in lines if json.loads(line)["part"].split()[0] not in anew]
    assert len(known) < len(lines) or not anew  # a part that is thrown away must have been there
    (scratch / "claim.jsonl").write_text("".join(known))
    return claim.run("quick", 0, Pieces(scratch))
