"""Several processes as one run: `torchrun --nproc-per-node 2 -m poise train ...`.

torch.distributed does the work, by the contract of RANK, WORLD_SIZE and MASTER_*; with none of them
set there is one rank, and nothing here costs anything.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from .errors import PoiseError

# The default of 30 minutes hides a dead rank for as long; the others wait while one measures.
TIMEOUT = timedelta(minutes=5)
PATIENCE = timedelta(days=1)  # while the first rank prepares the images


def rank_of_ranks() -> tuple[int, int]:
    """This process's rank and the number of ranks."""
    return int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))


def join(device: str) -> tuple[int, int]:
    """Meet the other ranks, if there are any; this one's rank and the number of all.

    From here to `leave`, gradients and means are those of all ranks, on the device of each. What
    they agree on beside that goes from CPU to CPU, so that it waits for no GPU.
    """
    rank, of = rank_of_ranks()
    if of > 1 and not dist.is_initialized():
        on_gpu = torch.device(device).type == "cuda"
        if on_gpu:
            torch.cuda.set_device(device)  # what names none, pinned memory too, goes by this
        dist.init_process_group(
            "cpu:gloo,cuda:nccl" if on_gpu else "gloo",
            store=_store(),
            rank=rank,
            world_size=of,
            timeout=TIMEOUT,
        )
    return rank, of


def _store() -> Any:
    """Where the ranks of this attempt leave notes for each other.

    Each restart by torchrun gets a name space of its own: addresses of dead peers that were left in
    the shared one made one restart in eight hang.
    """
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    # torch.distributed names its stores at run time only.
    return dist.PrefixStore(f"poise-{attempt}", _lasting())  # type: ignore[attr-defined]


@lru_cache(maxsize=1)
def _lasting() -> Any:
    """Where notes outlive a restart, if torchrun keeps the store and not the first rank."""
    rank, of = rank_of_ranks()
    agent_has_it = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    has_it = rank == 0 and not agent_has_it
    # As above: named at run time only.
    return dist.TCPStore(address, port, of, has_it, TIMEOUT)  # type: ignore[attr-defined]


def first_makes(what: str, make: Callable[[], Path]) -> Path:
    """What the first rank makes, told to all: it must be made once, restarts by torchrun included.

    Raises:
        PoiseError: the first rank could not make it.
    """
    rank, of = rank_of_ranks()
    if of == 1:
        return make()
    if rank == 0:
        made = _made_before(what)
        try:
            made = made or str(make())
        finally:
            _store().set(what, made)
            _lasting().set(f"poise {what}", made)
        return Path(made)
    _store().wait([what], PATIENCE)
    told: str = _store().get(what).decode()
    if not told:
        raise PoiseError(f"the first rank could not make the {what}; it says why.")
    return Path(told)


def _made_before(what: str) -> str:
    """What this rank made before torchrun restarted it; "" if it did not, or it is gone."""
    if not _lasting().check([f"poise {what}"]):
        return ""
    made: str = _lasting().get(f"poise {what}").decode()
    return made if made and Path(made).exists() else ""


def own_device(name: str) -> str:
    """The device of this rank: with several, each has a GPU of its own."""
    local, (_, of) = os.environ.get("LOCAL_RANK"), rank_of_ranks()
    shared = of > 1 and local is not None and torch.device(name).type == "cuda"
    return f"cuda:{local}" if shared else name


def leave() -> None:
    """Part from the others."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()


def together() -> bool:
    """Whether there are other ranks."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def any_rank(flag: bool) -> bool:
    """Whether any rank says so: all must stop after the same step."""
    return bool(most(int(flag)))


def most(value: int) -> int:
    """The largest value of all ranks."""
    if not together():
        return value
    said = torch.tensor(value)
    dist.all_reduce(said, dist.ReduceOp.MAX)
    return int(said)


def mean_over_ranks(values: torch.Tensor) -> torch.Tensor:
    """The mean of these values over all ranks; the values themselves where there is one."""
    if together():
        dist.all_reduce(values)
        values /= dist.get_world_size()
    return values


def wait_for_all() -> None:
    """Go on only when every rank is here."""
    most(0)  # not a barrier of torch's: that one would pick a GPU
