"""A run's images: those it was started with, made again if they are gone, and never others."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch

from .config import Config, Images
from .data.options import PrepareOptions
from .data.prepare import prepare
from .data.prepared import Prepared, digest_of, is_prepared
from .data.reals import Reals
from .errors import DataError, OptionError, RunError
from .methods import Progressive
from .ranks import first_makes
from .run import Run
from .session import check_space
from .size import levels_of
from .watcher import Watcher


def reals_of(run: Run, device: str, watcher: Watcher, rank: int, ranks: int) -> Reals:
    """This rank's share of the run's images, checked to be those it was started with.

    Raises:
        InputError: they changed or are gone, or the disk has no room for checkpoints.
    """
    config = run.config
    check_space(config, run.path)
    for batch in batches_of(config):
        if batch % ranks:
            raise OptionError(
                f"a batch of {batch} images cannot be shared by {ranks} ranks: it must be a "
                "multiple of their number. Start the run anew with another --batch or --fewest."
            )
    return Reals(
        same_images(config.data, watcher),
        seed=config.seed,
        mirror=config.data.mirror,
        rank=rank,
        world=ranks,
        device=torch.device(device),
        size=config.data.size,
    )


def batches_of(config: Config) -> set[int]:
    """How many images the batches of a run have."""
    method = config.recipe.method
    if isinstance(method, Progressive):
        return {method.batch_at(level) for level in levels_of(config.data.size)}
    return {method.batch}


def same_images(data: Images, watcher: Watcher) -> Prepared:
    """The run's prepared set, made again if it is gone (with several ranks by the first).

    Raises:
        InputError: the images changed, or are gone.
    """
    path = Path(data.prepared)
    if not is_prepared(path):
        path = first_makes("images", lambda: _made_again(data, watcher).path)
    prepared = Prepared.open(path)
    _refuse_others(prepared, data)
    return prepared


def _made_again(data: Images, watcher: Watcher) -> Prepared:
    watcher.say(f"The prepared set {data.prepared} is gone; preparing {data.source} again.")
    try:
        prepared = prepare(data.source, data.prepared, data.options, progress=watcher.prepared)
    except DataError as error:
        raise RunError(
            f"{error} If the run's images have moved, say where they are: "
            "poise train RUN --images-at PATH"
        ) from error
    try:
        _refuse_others(prepared, data)
    except RunError:
        # Where the right ones will be made once they are back. A set that was named stays.
        shutil.rmtree(data.prepared, ignore_errors=True)
        raise
    return prepared


def _refuse_others(prepared: Prepared, data: Images) -> None:
    if prepared.fingerprint != data.fingerprint:
        raise RunError(
            f"{prepared.path} holds other images than the run was started with, so it would not "
            "go on as if nothing had happened. Bring the old ones back, say where they are (poise "
            f"train RUN --images-at PATH), or start anew: poise train {data.source}"
        )
    if _holds_out_others(prepared, data):
        raise RunError(
            f"{prepared.path} holds out other images than when the run was started: some that it "
            "must never see are now for training. Prepare them with the --holdout they had, say "
            "where the old set is (poise train RUN --images-at PATH), or start anew: poise train "
            f"{data.source}"
        )


def _holds_out_others(prepared: Prepared, data: Images) -> bool:
    if data.held_out:
        return digest_of(prepared.held_out) != data.held_out
    # A run from before the digest was kept knows its share; of a set that was named not even that.
    named = Path(data.source) == Path(data.prepared)
    return not named and PrepareOptions(**prepared.options).holdout != data.options.holdout
