"""From a source to a prepared set: found, decoded, fitted, halved down to the base, written.

    photos/ -> photos.poise.part/ (plan, shards) -> photos.poise/ (renamed when it is whole)

Whatever stops it, the same call goes on with the shards that are missing; when nothing changed, it
returns at once. The user's images are only read.
"""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path

from ..errors import DataError, OptionError, PoiseError
from ..files import NO_SPACE, free_space
from ..size import levels_of
from .decode import Unusable, View, is_gray
from .finding import find_source
from .finish import finish, publish
from .options import PrepareOptions
from .plan import Plan
from .prepared import FORMAT, Prepared, is_prepared
from .shards import images_a_shard, is_raw
from .sources import Source
from .work import Task, Work, run

GRAY_SAMPLE = 64  # images looked at to tell gray from colour

Progress = Callable[[int, int], None]  # images done, images in all


def prepare(
    source: str | Path,
    out: str | Path,
    options: PrepareOptions,
    *,
    workers: int = 0,
    progress: Progress | None = None,
) -> Prepared:
    """The prepared set of `source`, at `out`; made if it is not there yet.

    Args:
        source: a folder, a zip, an .npy or .npz, the name of a built-in set; a prepared set is
            returned as it is and `out` is left alone.
        out: a directory that will be made; nothing that is there is ever overwritten.
        options: how images become a set.
        workers: processes; 0 takes one for each core this process may use.
        progress: called with images done and images in all, after each shard.

    Raises:
        DataError: the source or what lies at `out` cannot be used.
        PoiseError: the disk is full, or a worker process died again and again.
    """
    out = Path(out)
    if workers < 0:
        raise OptionError(f"--workers must be 1 or more, or 0 to choose, got {workers}.")
    if is_prepared(Path(source)):
        return _as_it_is(Path(source), options)
    with closing(find_source(source, max(options.target), options.limit)) as found:
        key = _key(found, options)
        part = out.with_name(out.name + ".part")
        with _in_words(out, part):
            if out.exists() or out.is_symlink():
                return _unchanged(out, key, options)
            _check_apart(Path(source), out)
            _open_part(part)
            with closing(Plan(part)) as plan:
                _lay(plan, part, found, options, key)
                _make(Work(found, _view(plan, options), part), plan, workers, progress)
                finish(plan, part, found, options)
            publish(part, out)
    return Prepared.open(out)


def fingerprint_of(source: str | Path, options: PrepareOptions) -> str:
    """Tells whether preparing again would give the same: of names, sizes and times, and options."""
    with closing(find_source(source, max(options.target), options.limit)) as found:
        return _key(found, options)


def _key(source: Source, options: PrepareOptions) -> str:
    parts = [FORMAT, source.fingerprint(), str(options.target), options.chosen()]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _as_it_is(path: Path, options: PrepareOptions) -> Prepared:
    prepared = Prepared.open(path)
    levels = ", ".join(str(level) for level in prepared.levels)
    if options.size and options.target not in prepared.levels:
        raise DataError(
            f"{path} holds {levels}, not {options.target}. "
            "Leave --size away, or prepare it anew from the images."
        )
    if options.channels not in (None, prepared.channels):
        raise DataError(
            f"{path} has {prepared.channels} channels, not {options.channels}. "
            "Prepare it anew from the images."
        )
    return prepared


def _unchanged(out: Path, key: str, options: PrepareOptions) -> Prepared:
    if not is_prepared(out):
        raise DataError(f"{out} exists and is not a prepared set. Choose another name.")
    prepared = Prepared.open(out)
    if prepared.key != key:
        was = {**asdict(PrepareOptions()), **prepared.options}
        new = [
            f"{name} {was[name]} instead of {value}"
            for name, value in options.chosen().items()
            if was[name] != value
        ]
        why = ", ".join(new) if new else "from other images, or they changed since"
        raise DataError(
            f"{out} was prepared otherwise: {why}. Choose another name, or delete it first."
        )
    (out / Plan.NAME).unlink(missing_ok=True)  # left if the last call was killed at its very end
    return prepared


def _check_apart(source: Path, out: Path) -> None:
    """A set inside its own source would be found as images of the next one."""
    if source.is_dir() and out.resolve().is_relative_to(source.resolve()):
        raise DataError(
            f"{out} lies in the folder of images, where Poise never writes. Name a place outside, "
            "as with --out ../runs/NAME (of prepare: the second word), or start elsewhere."
        )


def _open_part(part: Path) -> None:
    """Make the unfinished set, or take up one of ours."""
    try:
        part.mkdir(parents=True)
    except FileExistsError:
        ours = part.is_dir() and ((part / Plan.NAME).is_file() or not any(part.iterdir()))
        if not ours:
            raise DataError(
                f"{part} is in the way and not an unfinished set of Poise. Move it away."
            ) from None


def _lay(plan: Plan, part: Path, source: Source, options: PrepareOptions, key: str) -> None:
    """List what is to be done, unless an interrupted call did."""
    if plan.get("key") != key or not plan.is_sound(part):
        shutil.rmtree(part / "levels", ignore_errors=True)
        plan.lay(key, source.entries(), options.limit)
    work = part / "work"
    work.mkdir(exist_ok=True)
    source.unpack(work)
    if plan.get("channels") is None:
        notes = source.notes()
        channels = options.channels or source.channels
        if channels is None:
            view = View(options.target, 3, options.fit, options.colour)
            channels, note = _channels(plan, source, view)
            notes.append(note)
        count = images_a_shard(plan.total, options.target, channels)
        plan.put(channels=channels, notes=notes, shard=count)
        _check_space(part, plan, options)


def _channels(plan: Plan, source: Source, view: View) -> tuple[int, str]:
    """1 if a sample over the whole plan is gray, else 3."""
    total, looked = plan.total, 0
    for k in range(min(GRAY_SAMPLE, total)):
        (name,) = plan.names(k * total // min(GRAY_SAMPLE, total), 1)
        try:
            if not is_gray(source.read(name), view):
                return 3, "some images are in colour, so all are kept in colour."
            looked += 1
        except (Unusable, OSError):
            continue
    if not looked:
        return 3, "no image of the sample could be read."
    return 1, f"all of {looked} images looked at are gray, so one channel is kept (--channels 3)."


def _check_space(part: Path, plan: Plan, options: PrepareOptions) -> None:
    pixels = sum(
        level.height * level.width * (1.0 if is_raw(level) else 0.7)  # 0.7: photographs as PNG
        for level in levels_of(options.target)
    )
    needed = plan.total * (pixels * plan.get("channels") + 400)  # 400: the lines about each
    free = free_space(part)
    if needed > free:
        raise PoiseError(
            f"preparing takes about {needed / 1e9:.1f} GB, but only {free / 1e9:.1f} GB are free "
            f"at {part.parent}. Free some, or choose another place or a smaller --size."
        )


def _view(plan: Plan, options: PrepareOptions) -> View:
    return View(options.target, plan.get("channels"), options.fit, options.colour)


def _make(work: Work, plan: Plan, workers: int, progress: Progress | None) -> None:
    total, count = plan.total, plan.get("shard")

    def missing() -> Iterator[Task]:
        for shard in range(-(-total // count)):
            if not plan.is_done(shard):
                yield Task(shard, shard * count, plan.names(shard * count, count))

    done = sum(min(count, total - s * count) for s in range(-(-total // count)) if plan.is_done(s))
    if progress:
        progress(done, total)
    with closing(run(work, missing(), total - done, workers)) as shards:  # ends its processes
        for made in shards:
            plan.keep(made)
            done += len(made.records) + len(made.refusals)
            if progress:
                progress(done, total)


@contextmanager
def _in_words(out: Path, part: Path) -> Iterator[None]:
    """What the system refuses, as sentences."""
    full = (
        f"the disk became full while preparing {out}. What is done is kept in {part}: "
        "free some space and start again to go on."
    )
    try:
        yield
    except sqlite3.Error as error:
        if "full" in str(error) or "disk I/O" in str(error):
            raise PoiseError(full) from error
        raise PoiseError(f"{part / Plan.NAME} is damaged ({error}). Delete {part}.") from error
    except OSError as error:
        if error.errno in NO_SPACE:
            raise PoiseError(full) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR):
            raise DataError(
                f"cannot write to {out}: {error.strerror}. Choose another place."
            ) from error
        raise PoiseError(f"preparing {out} failed: {error}.") from error
