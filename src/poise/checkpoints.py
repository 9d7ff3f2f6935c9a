"""Checkpoints: directories named by the images drawn, each whole or not there.

    checkpoints/000050000/state.safetensors    every tensor
    checkpoints/000050000/state.json           the clock, and the sha256 of both files

Written beside, fsynced, renamed. Nothing is ever unpickled. A checkpoint that is cut short or
flipped is passed over for the one before.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from .errors import TrainingFailed
from .files import NO_SPACE, sha256_of, sync_directory, sync_file, write_synced

TENSORS, FACTS = "state.safetensors", "state.json"
_BESIDE = ".writing-"  # what a crash leaves; swept at the next start
_ASIDE = "aside-"  # those that training went back behind


class Damaged(Exception):
    """One checkpoint cannot be used; the message says why."""


@dataclass(frozen=True)
class Checkpoint:
    """A verified checkpoint."""

    drawn: int  # images
    tensors: dict[str, Tensor]  # on the CPU
    facts: dict[str, Any]  # what else was written with it


class Checkpoints:
    """The checkpoints of one run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def drawn(self) -> list[int]:
        """The clocks of all checkpoints, whole or not, oldest first."""
        if not self.folder.is_dir():
            return []
        names = (path.name for path in self.folder.iterdir())
        return sorted(int(name) for name in names if re.fullmatch("[0-9]{9,}", name))

    def sweep(self) -> None:
        """Remove what an interrupted save left behind."""
        for path in self.folder.glob(_BESIDE + "*"):
            shutil.rmtree(path, ignore_errors=True)

    def save(self, drawn: int, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> Path:
        """Write a checkpoint, whole or not at all; one of the same clock is replaced.

        Raises:
            TrainingFailed: a tensor is not finite: nothing is written.
            OSError: the disk refused; nothing is left behind.
        """
        _refuse_not_finite(tensors)
        beside, path = self.folder / f"{_BESIDE}{drawn:09d}", self._path(drawn)
        self.folder.mkdir(exist_ok=True)  # not its parents: a run that is gone stays gone
        shutil.rmtree(beside, ignore_errors=True)
        try:
            beside.mkdir()
            plain = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
            save_file(plain, beside / TENSORS)
            sync_file(beside / TENSORS)
            known = {"drawn": drawn, "sha256": sha256_of(beside / TENSORS)} | dict(facts)
            write_synced(beside / FACTS, _sealed(known))
            sync_directory(beside)
            shutil.rmtree(path, ignore_errors=True)  # of the same clock, so of the same bits
            beside.rename(path)
        except safetensors.SafetensorError as error:
            raise OSError(NO_SPACE[0], f"could not write {path.name}: {error}") from error
        finally:
            shutil.rmtree(beside, ignore_errors=True)
        sync_directory(self.folder)
        return path

    def load(self, drawn: int, only: str = "") -> Checkpoint:
        """One checkpoint, its checksums verified; `only` the tensors whose names start so.

        Raises:
            Damaged: cut short, changed, or not a checkpoint.
        """
        path = self._path(drawn)
        facts = _unsealed(path / FACTS)
        try:
            if facts.get("drawn") != drawn:
                raise Damaged(f"{path.name} says it was made after {facts.get('drawn')} images")
            if sha256_of(path / TENSORS) != facts.get("sha256"):
                raise Damaged(f"{TENSORS} of {path.name} is not what was written")
            tensors = load_file(path / TENSORS)
        except (OSError, safetensors.SafetensorError) as error:
            raise Damaged(f"{TENSORS} of {path.name} cannot be read: {error}") from error
        wanted = {name: value for name, value in tensors.items() if name.startswith(only)}
        return Checkpoint(drawn, wanted, facts)

    def facts(self, drawn: int) -> dict[str, Any]:
        """What was written with a checkpoint; {} if it is damaged. Reads no tensor."""
        try:
            return _unsealed(self._path(drawn) / FACTS)
        except Damaged:
            return {}

    def newest(self, warn: Callable[[str], None], only: str = "") -> Checkpoint | None:
        """The newest whole checkpoint; `warn` hears of each damaged one. None if there is none."""
        return self.first_whole(self.drawn()[::-1], warn, only)

    def first_whole(
        self, clocks: Iterable[int], warn: Callable[[str], None], only: str = ""
    ) -> Checkpoint | None:
        """The first of these that is whole; `warn` hears of each damaged one before it."""
        for drawn in clocks:
            try:
                return self.load(drawn, only)
            except Damaged as damage:
                warn(f"checkpoint {drawn:,} is damaged ({damage}); taking the one before it.")
        return None

    def set_aside_after(self, drawn: int) -> None:
        """Rename those newer than the one that training went back to: damaged, or given up.

        Under their names they would count as the newest ones, on a resume and when others are
        pruned. They go once training has come as far again.
        """
        for newer in reversed(self.drawn()):  # a kill in between leaves the older ones in place
            if newer > drawn:
                aside = self.folder / f"{_ASIDE}{newer:09d}"
                shutil.rmtree(aside, ignore_errors=True)
                self._path(newer).rename(aside)

    def prune(self, keep: int, milestone_every: int) -> None:
        """Remove all but the newest `keep` and those that were first to pass a milestone."""
        clocks = self.drawn()
        passed = [
            b // milestone_every > a // milestone_every
            for a, b in zip([0, *clocks], clocks, strict=False)
        ]
        for drawn, milestone in list(zip(clocks, passed, strict=True))[: -max(keep, 1)]:
            if not milestone:
                shutil.rmtree(self._path(drawn), ignore_errors=True)
        self._remove_aside_to(max(clocks, default=-1))

    def keep_only(self, drawn: int) -> None:
        """Remove all others."""
        for other in self.drawn():
            if other != drawn:
                shutil.rmtree(self._path(other), ignore_errors=True)
        self._remove_aside_to(drawn)

    def _remove_aside_to(self, drawn: int) -> None:
        for path in self.folder.glob(f"{_ASIDE}*"):
            if int(path.name.removeprefix(_ASIDE)) <= drawn:
                shutil.rmtree(path, ignore_errors=True)

    def _path(self, drawn: int) -> Path:
        return self.folder / f"{drawn:09d}"


def not_finite(tensors: Mapping[str, Tensor]) -> list[str]:
    """The names of tensors that hold a NaN or an infinity. One sync."""
    floats = {name: value for name, value in tensors.items() if value.is_floating_point()}
    if not floats:
        return []
    device = next(iter(floats.values())).device  # optimizers can keep their counts elsewhere
    flags = torch.stack([torch.isfinite(value).all().to(device) for value in floats.values()])
    return [name for name, finite in zip(floats, flags.tolist(), strict=True) if not finite]


def _refuse_not_finite(tensors: Mapping[str, Tensor]) -> None:
    bad = not_finite(tensors)
    if bad:
        raise TrainingFailed(
            f"{len(bad)} tensors are not finite ({', '.join(bad[:3])}), so nothing was saved. "
            "Go on from the one before, or start anew with a lower --lr."
        )


def _sealed(facts: Mapping[str, Any]) -> bytes:
    text = json.dumps(facts, sort_keys=True)
    return json.dumps({"facts": facts, "seal": hashlib.sha256(text.encode()).hexdigest()}).encode()


def _unsealed(path: Path) -> dict[str, Any]:
    try:
        whole = json.loads(path.read_bytes())
        facts: dict[str, Any] = whole["facts"]
        text = json.dumps(facts, sort_keys=True)
        if not isinstance(facts, dict):
            raise TypeError(f"facts are a {type(facts).__name__}")
        sealed = whole["seal"] == hashlib.sha256(text.encode()).hexdigest()
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise Damaged(f"{FACTS} cannot be read: {error!r}") from error
    if not sealed:
        raise Damaged(f"{FACTS} is not what was written")
    return facts
