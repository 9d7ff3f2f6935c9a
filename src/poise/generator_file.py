"""A generator as one file: the weights of its network, and which network that is.

A `.safetensors`, so nothing in it can run. Its metadata names no place and no path of a machine:

    poise        1, the version of this layout
    networks     {"name": "dcgan", "width": 0.5, ...}
    size, channels, drawn, source
"""

from __future__ import annotations

import json
from pathlib import Path

import safetensors
import torch
from safetensors.torch import save

from .config import part_from_json, part_to_json
from .errors import OptionError, RunError
from .generator import Generator, size_of
from .latents import LatentSpace
from .machine import device_named
from .networks import Networks
from .size import parse_size

VERSION = 1
SUFFIX = ".safetensors"


def generator_bytes(generator: Generator, networks: Networks, full: str, source: str) -> bytes:
    """The whole file; `full` is the size that the run trains for, `source` the set's name."""
    tensors = {k: v.cpu().contiguous() for k, v in generator.network.state_dict().items()}
    facts = {
        "poise": str(VERSION),
        "networks": json.dumps(part_to_json("networks", networks)),
        "size": full,
        "channels": str(generator.channels),
        "drawn": str(generator.drawn),
        "source": source,
    }
    return save(tensors, facts)


def read_generator(path: Path, device: str = "cpu") -> Generator:
    """The generator of a file.

    Raises:
        RunError: it cannot be read, or is not what `poise export` wrote.
        OptionError: there is no such device here.
    """
    device = device_named(device)
    try:
        with safetensors.safe_open(path, "pt") as file:
            facts = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
        if facts.get("poise") != str(VERSION):
            raise RunError(
                f"{path} holds no generator that this Poise reads (version {facts.get('poise')}, "
                f"not {VERSION}). Write it with: poise export RUN --to safetensors"
            )
        networks = part_from_json("networks", json.loads(facts["networks"]))
        size, channels, drawn = parse_size(facts["size"]), int(facts["channels"]), facts["drawn"]
        with torch.device("meta"):  # no weights are drawn only to be thrown away
            network = networks.generator(size, channels)
        network.load_state_dict(tensors, assign=True)
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror or error}.") from error
    except _NOT_OURS as error:
        raise RunError(f"{path} is damaged, or no generator of Poise: {error}") from error
    network.to(device=device).eval().requires_grad_(False)
    space = LatentSpace(networks.latent, networks.prior)
    return Generator(network, space, size_of(network, size), channels, int(drawn))


_NOT_OURS = (
    safetensors.SafetensorError,
    OptionError,
    RuntimeError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
)
