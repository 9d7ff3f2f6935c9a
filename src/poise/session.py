"""From what a person names to a trained run: prepare, configure, train; or go on with a run.

Nothing here prints: a Watcher is told, and the command line's watcher prints. Training itself is
in training.py.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import torch

from . import measuring
from .config import Chores, Config, Images, Recipe, name_of
from .data.options import PrepareOptions
from .data.prepare import fingerprint_of, prepare
from .data.prepared import Prepared, digest_of, is_prepared
from .errors import OptionError, RunError
from .files import free_space
from .machine import TIMING, device_named, forecast
from .methods import METHODS
from .planning import paced, plan, refuse_early
from .run import Run, checkpoints_of, next_name
from .typed import check_types
from .watcher import Watcher

MILESTONES = 10  # checkpoints kept for good that room is asked for; a run may have no end


@dataclass(frozen=True)
class TrainOptions:
    """What a person can choose for a new run, beside the recipe."""

    data: PrepareOptions = field(default_factory=PrepareOptions)
    chores: Chores = field(default_factory=Chores)
    images: int | None = None  # real images to train on, in all; unset: the preset's number
    hours: float | None = None  # of training: as many images as that takes, instead of --images
    mirror: bool = False  # show each image left-right mirrored half of the time
    seed: int = 0  # of weights, noise and the order of the images
    average: int = 10_000  # images after which half of the old average of the generator is left
    out: Path | None = None  # directory of the new run; unset: runs/<images>-<method>-<number>
    threads: int = 0  # of the CPU; 0 times a few real steps and takes the fastest number
    device: str = "auto"  # cpu, cuda, cuda:1, mps; auto takes the fastest kind there is


@dataclass(frozen=True)
class ResumeOptions:
    """What can be changed when a run goes on; the rest is fixed with the run. Unset: as it was."""

    images: int | None = None  # real images to train on, in all: a larger number extends the run
    log_every: int | None = None  # images
    sample_every: int | None = None  # images
    save_every: int | None = None  # images
    keep: int | None = None  # newest checkpoints kept
    retries: int | None = None  # times that a run which gives way goes back, in all
    stop_when: Literal["never", "converged"] | None = None  # before all images
    threads: int | None = None  # of the CPU; another number than the run's changes the last bits
    device: str | None = None  # another than the run's changes the last bits
    images_at: str | None = None  # a folder, archive or prepared set: where they are, if they moved


def planned(source: str, recipe: Recipe, options: TrainOptions) -> Config:
    """The configuration of a new run, as far as it is known before the images are prepared.

    The set's path is where it will be prepared; the channels are 3 where they are not given.
    """
    parent = options.out.parent if options.out else Path("runs")
    for part in (options, options.data, options.chores, recipe):
        check_types(type(part), vars(part))
    if None not in (options.images, options.hours):
        raise OptionError("--images and --hours both say when training ends. Give one of them.")
    device, data, path = device_named(options.device), options.data, Path(source)
    if not is_prepared(path):
        path = prepared_path(parent / "prepared", source, data)
    images = Images(source, str(path), "", data.target, data.channels or 3, data, options.mirror)
    if options.images is not None:
        recipe = replace(recipe, images=options.images)
    threads = options.threads or 1  # until the fastest number is known
    return Config(recipe, images, options.chores, options.seed, options.average, threads, device)


def start(source: str, recipe: Recipe, options: TrainOptions, watcher: Watcher) -> Run:
    """Prepare the images and make a new run's directory, not yet trained.

    Raises:
        InputError: images, options or the directory cannot be used; nothing is made but the set.
    """
    config = planned(source, recipe, options)
    if options.out:
        Run.refuse_taken(options.out)
    if config.data.options.size or not is_prepared(Path(source)):  # else its own size counts
        refuse_early(config, options.hours)
    watcher.say(f"Preparing {source} ...")
    prepared = prepare(
        source, Path(config.data.prepared), config.data.options, progress=watcher.prepared
    )
    watcher.say(f"{prepared.report}\n{TIMING}")
    config = with_images(config, prepared)
    config, speeds = plan(config, options.threads, options.hours)
    config = paced(config, speeds[config.threads])
    config = measuring.planned(config, prepared, speeds[config.threads])
    watcher.say(forecast(config, speeds))
    path = options.out or next_name(Path("runs"), _stem(source, config))
    check_space(config, path)
    return Run.create(path, config)


def resume(path: Path, options: ResumeOptions) -> Run:
    """An existing run, with what may be changed changed. Writes nothing yet."""
    run = Run.open(path)
    config = run.config
    changed = {k: v for k, v in vars(options).items() if v is not None}
    check_types(ResumeOptions, changed)
    chores = {k: changed[k] for k in vars(config.chores) if k in changed}
    images = changed.get("images", config.recipe.images)
    drawn, decay = max(run.checkpoints.drawn(), default=0), config.recipe.optimizer.decay
    if changed.get("images", drawn) < drawn:
        raise OptionError(
            f"{path} is trained on {drawn:,} images already; --images {images} is less."
        )
    if "images" in changed and 0 < decay < images:
        raise OptionError(
            f"the learning rate of {path} falls to 0 at {decay:,} images (--decay), so it would "
            f"learn nothing up to {images:,}. Start a new run with a larger --decay."
        )
    run.config = replace(
        config,
        data=_moved(config.data, path.parent, options.images_at),
        chores=replace(config.chores, **chores),
        recipe=replace(config.recipe, images=images),
        threads=changed.get("threads", config.threads) or config.threads,
        device=device_named(changed.get("device", config.device)),
    )
    return run


def _moved(data: Images, parent: Path, to: str | None) -> Images:
    """The run's images at another place; that they are the same is checked when they are opened."""
    if to is None:
        return data
    path = Path(to)
    if not is_prepared(path):
        path = prepared_path(parent / "prepared", to, data.options)
    return replace(data, source=_absolute(to), prepared=str(path.resolve()))


def with_images(config: Config, prepared: Prepared) -> Config:
    """The configuration with what is known once the images are prepared."""
    data = config.data
    return replace(
        config,
        data=replace(
            data,
            source=_absolute(data.source),
            prepared=str(prepared.path.resolve()),
            fingerprint=prepared.fingerprint,
            held_out=digest_of(prepared.held_out),
            size=data.options.target if data.options.size else prepared.size,
            channels=prepared.channels,
        ),
    )


def check_space(config: Config, path: Path) -> None:
    """Refuse when the disk cannot hold the checkpoints that the run at `path` will write next.

    Raises:
        RunError: it says how much there is, and how much they take.
    """
    with torch.device("meta"):
        networks, shape = config.recipe.networks, (config.data.size, config.data.channels)
        both = (networks.generator(*shape), networks.critic(*shape))
    generator, critic = (sum(p.numel() for p in network.parameters()) for network in both)
    each = 4 * (3 * (generator + critic) + generator)  # bytes: weights, two moments; the average
    chores = config.chores
    milestones = min(config.recipe.images // chores.milestone_every, MILESTONES)
    count = chores.keep + milestones + 2  # and the best one, and one that is being written
    needed = each * max(2, count - len(checkpoints_of(path).drawn()))
    free = free_space(path)
    if free < needed:
        raise RunError(
            f"{path} has {free / 1e6:,.0f} MB free, and its checkpoints take about "
            f"{needed / 1e6:,.0f} MB more. Free some space, give another --out, a smaller --keep, "
            "or a larger --milestone-every."
        )


def prepared_path(parent: Path, source: str, options: PrepareOptions) -> Path:
    """Where a set is prepared when nobody says: the name changes when the images or options do."""
    key = f"{_absolute(source)} {fingerprint_of(source, options)}".encode(errors="surrogateescape")
    digest = hashlib.sha256(key).hexdigest()
    return parent / f"{_word(source)}-{options.target}-{digest[:8]}.poise"


def _absolute(source: str) -> str:
    return str(Path(source).resolve()) if Path(source).exists() else source


def _stem(source: str, config: Config) -> str:
    return f"{_word(source)}-{name_of(config.recipe.method, METHODS)}"


def _word(source: str) -> str:
    """The source's name as part of a directory's name: letters, digits, dots and dashes."""
    whole = Path(source).is_dir() and Path(source).suffix != ".poise"
    name = Path(source).name if whole else Path(source).stem
    if Path(source).exists() and not name:
        name = Path(source).resolve().name
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:60] or "images"
