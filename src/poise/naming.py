"""The classifier that names the modes of a built-in set: fitted once, kept beside the prepared set.

Kept as safetensors, with what it scored on held-out images; nothing is ever unpickled.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import safetensors
import safetensors.torch
import torch

from .data.decode import View
from .data.labelled import Known, labelled
from .errors import DataError
from .files import write_atomically
from .metrics.classifier import Classifier, Plan, fit, restore
from .metrics.modes import Modes, count_modes
from .metrics.sets import Images
from .watcher import Watcher

FORMAT = 1  # of the file; another one is not read but fitted anew
SMALL = 20  # pixels of the shorter side
SHOWN, SHOWN_SMALL = 120_000, 320_000  # images to learn from over all epochs; small ones need more


def modes_of(images: Images, known: Known, classifier: Classifier) -> Modes:
    """The modes of images that are meant to be of this set."""
    if not known.apart:
        return count_modes(classifier.probabilities(images))
    channels = [images[..., c : c + 1] for c in range(images.shape[3])]
    return count_modes([classifier.probabilities(channel)[0] for channel in channels])


def classifier_for(known: Known, view: View, folder: Path, watcher: Watcher) -> Classifier:
    """The classifier of this set at this size; fitted and kept in `folder` if it is not there.

    Raises:
        DataError: labels of the set are not installed.
    """
    around = view.fit if view.fit != "pad" else f"pad-{bytes(view.background).hex()}"
    path = folder / f"{known.name}-{view.size}-{around}-classifier.safetensors"
    shape = (*view.size, 1 if known.apart else view.channels)
    kept = _kept(path, shape, known)
    if kept:
        return kept
    images, labels = labelled(known, view)
    shown = SHOWN_SMALL if min(view.size) <= SMALL else SHOWN
    plan = Plan(max(1, round(shown / len(images))), shift=2 if known.moves else 0)
    made = fit(images, labels, known.kinds, plan, _told(watcher))
    try:
        write_atomically(path, _file(made))
    except OSError as error:
        watcher.warn(f"the classifier was not kept, {path}: {error.strerror}.")
    return made


def _told(watcher: Watcher) -> Callable[[int, int], None]:
    return lambda done, of: watcher.measured("learning the modes", done, of)


def _file(classifier: Classifier) -> bytes:
    facts = {
        "format": FORMAT,
        "shape": classifier.shape,
        "kinds": classifier.kinds,
        "accuracy": classifier.accuracy,
        "held_out": classifier.held_out,
    }
    weights = classifier.network.state_dict()
    return safetensors.torch.save(weights, {"classifier": json.dumps(facts)})


def _kept(path: Path, shape: tuple[int, ...], known: Known) -> Classifier | None:
    """None if there is none, or it is damaged or of another format: it is made again."""
    if not path.is_file():
        return None
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            facts = json.loads((file.metadata() or {})["classifier"])
            names = file.keys()  # a safetensors file is no mapping
            weights: dict[str, torch.Tensor] = {name: file.get_tensor(name) for name in names}
        asked = (FORMAT, list(shape), list(known.kinds))
        if (facts["format"], facts["shape"], facts["kinds"]) != asked:
            return None
        height, width, channels = shape
        scored = (float(facts["accuracy"]), int(facts["held_out"]))
        return restore(weights, (height, width, channels), known.kinds, *scored)
    except (safetensors.SafetensorError, OSError, ValueError, KeyError, TypeError, DataError):
        return None
