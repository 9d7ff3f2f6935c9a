"""The one training loop, and the chores that fall due beside it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import psutil
import torch
import torch.distributed as dist
from torch import Tensor, nn

from .config import Config
from .errors import TrainingFailed
from .files import NO_SPACE
from .optim import Move, rate_after
from .pictures import grid, png, to_uint8
from .players import Losses, Method, Players, Reals
from .run import Run

SAMPLES = 64  # images in a grid of samples
WARM_UP = 0.1  # the average's half-life is at most this share of the images so far


def play(
    method: Method, players: Players, reals: Reals, config: Config, attempt: int = 0
) -> Iterator[tuple[int, Losses]]:
    """Step until the run's images are drawn; yield the clock before each step, and its losses.

    Every random number and every rate of a step is a function of (seed, attempt, clock), so a run
    that is resumed repeats the unbroken one to the bit and no generator's state is saved.
    """
    while reals.drawn < config.recipe.images:
        before = reals.drawn
        players.seed_noise(config.seed, attempt, before)
        set_rates(players, config.recipe.optimizer, before)
        values = method.step(players, reals)
        halflife = min(config.average, max(1.0, WARM_UP * reals.drawn))
        players.update_average(reals.drawn - before, halflife)
        yield before, values


def due(interval: int, before: int, drawn: int) -> bool:
    """Whether the clock passed a multiple of `interval` images: a step draws 1 to 100 batches."""
    return drawn // interval > before // interval


def set_rates(players: Players, move: Move, drawn: int) -> None:
    """Give both optimizers the learning rate of this moment."""
    if move.decay:
        for optimizer in (players.opt_g, players.opt_c):
            for group in optimizer.param_groups:
                group["lr"] = rate_after(move, drawn)


def make_players(config: Config, rank: int = 0, ranks: int = 1) -> Players:
    """Fresh players of this configuration, their weights a function of the seed.

    Weights are drawn on the CPU and then moved, so that every device starts from the same ones.
    """
    networks, device = config.recipe.networks, torch.device(config.device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        generator = networks.generator(config.data.size, config.data.channels)
        critic = networks.critic(config.data.size, config.data.channels)
    for network in (generator, critic):
        network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    move = config.recipe.optimizer
    return Players(
        generator,
        critic,
        move.optimizer(generator.parameters()),
        move.optimizer(critic.parameters()),
        networks.latent,
        device,
        rank,
        ranks,
    )


class Meter:
    """Means of the losses since the last log line, kept on the device until they are read."""

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.steps = 0

    def add(self, values: Losses) -> None:
        """Count one step. No sync."""
        for name, value in values.items():
            held = self.sums.get(name)
            self.sums[name] = value.double() if held is None else held + value
        self.steps += 1

    def read(self) -> dict[str, float]:
        """The means, over all ranks, and start anew. One sync."""
        names = list(self.sums)
        means = torch.stack([self.sums[name] for name in names]) / self.steps
        if dist.is_available() and dist.is_initialized():
            dist.all_reduce(means)
            means /= dist.get_world_size()
        self.sums, self.steps = {}, 0
        return dict(zip(names, means.tolist(), strict=True))

    def state(self) -> dict[str, Tensor]:
        """What a checkpoint must hold for the next log line to come out the same."""
        sums = {f"meter.{name}": value for name, value in self.sums.items()}
        return sums | {"meter": torch.tensor(self.steps)}

    def load(self, state: dict[str, Tensor], device: torch.device) -> None:
        """Take over what `state` returned."""
        self.steps = int(state["meter"])
        self.sums = {
            name.removeprefix("meter."): value.to(device)
            for name, value in state.items()
            if name.startswith("meter.")
        }


@dataclass(frozen=True)
class Moment:
    """What a watcher is told after each step."""

    drawn: int  # images
    images: int  # at which training ends
    images_per_second: float  # since training began or was resumed
    memory: int  # bytes that the process takes; asked for when numbers are logged
    numbers: dict[str, float]  # of the last log line; {} before the first

    @property
    def seconds_left(self) -> float:
        """At the present speed."""
        return (self.images - self.drawn) / max(self.images_per_second, 1e-9)


@dataclass
class Training:
    """One process's work on a run: the loop with logging, sampling and saving."""

    run: Run
    reals: Reals
    players: Players
    watch: Callable[[Moment], None] = lambda moment: None
    warn: Callable[[str], None] = lambda text: None
    stop: Callable[[], bool] = lambda: False  # asked between steps
    meter: Meter = field(default_factory=Meter)
    saved: int = -1  # the clock of the last checkpoint

    def resume(self) -> int:
        """Go back to the newest whole checkpoint and return its clock; 0 when there is none."""
        self.run.checkpoints.sweep()
        checkpoint = self.run.checkpoints.newest(self._tell)
        if checkpoint:
            players = {k: v for k, v in checkpoint.tensors.items() if not k.startswith("meter")}
            self.players.load(players)
            self.meter.load(checkpoint.tensors, self.players.device)
            self.reals.drawn = self.saved = checkpoint.drawn
        self.run.rewind_log(self.reals.drawn)
        return self.reals.drawn

    def go(self) -> bool:
        """Train to the end, or until asked to stop; whether the end was reached.

        Raises:
            TrainingFailed: a loss is not finite, or the last checkpoint could not be written.
        """
        config, numbers = self.run.config, dict[str, float]()
        started, first, memory = time.monotonic(), self.reals.drawn, 0
        self.run.event("started", first, images=config.recipe.images)
        for before, values in play(config.recipe.method, self.players, self.reals, config):
            drawn = self.reals.drawn
            self.meter.add(values)
            if due(config.chores.log_every, before, drawn):
                numbers, memory = self._log(drawn), _memory(self.players.device)
            speed = (drawn - first) / (time.monotonic() - started)
            self.watch(Moment(drawn, config.recipe.images, speed, memory, numbers))
            self._chores(before, drawn)
            if self.stop():
                break
        return self._end()

    def _chores(self, before: int, drawn: int) -> None:
        chores = self.run.config.chores
        if due(chores.sample_every, before, drawn):
            self._sparing_the_run(self._sample)
        if due(chores.save_every, before, drawn):
            self._sparing_the_run(self._save)

    def _end(self) -> bool:
        done = self.reals.drawn >= self.run.config.recipe.images
        if self.saved != self.reals.drawn:
            try:
                self._save()
            except OSError as error:
                raise TrainingFailed(
                    f"the last checkpoint could not be written to {self.run.path} "
                    f"({error.strerror or error}). Free some space and go on from image "
                    f"{max(self.saved, 0):,}: poise train {self.run.path}"
                ) from error
            self._sparing_the_run(self._sample)
        self.run.event("done" if done else "stopped", self.reals.drawn)
        return done

    def _log(self, drawn: int) -> dict[str, float]:
        numbers = self.meter.read()
        bad = [name for name, value in numbers.items() if not math.isfinite(value)]
        if bad:
            self.run.event("failed", drawn, not_finite=bad)
            raise TrainingFailed(
                f"{', '.join(bad)} not finite after {drawn:,} images; the checkpoint at "
                f"{max(self.saved, 0):,} images is whole. Start anew with a lower --lr."
            )
        self.run.log(drawn, numbers)
        return numbers

    def _save(self) -> None:
        drawn, chores = self.reals.drawn, self.run.config.chores
        self.run.sync_log()
        facts = {"torch": torch.__version__, "threads": torch.get_num_threads()}
        path = self.run.checkpoints.save(drawn, self.players.state() | self.meter.state(), facts)
        self.saved = drawn
        self.run.checkpoints.prune(chores.keep, chores.milestone_every)
        self.run.event("saved", drawn, checkpoint=path.name)

    def _sample(self) -> None:
        latents = fixed_latents(SAMPLES, self.players.latent_size, self.run.config.seed)
        images = to_uint8(draw(self.players.average, latents.to(self.players.device)))
        self.run.save_samples(self.reals.drawn, png(grid(images), at_least=512))

    def _sparing_the_run(self, chore: Callable[[], None]) -> None:
        """Let a full disk cost a picture or a checkpoint, never the training."""
        try:
            chore()
        except OSError as error:
            if error.errno not in NO_SPACE:
                raise
            self.run.checkpoints.prune(1, self.run.config.chores.milestone_every)
            self.warn(
                f"the disk is full at {self.reals.drawn:,} images: nothing was written, training "
                "goes on. Free some space before it ends."
            )

    def _tell(self, text: str) -> None:
        self.warn(text)
        self.run.event("fell back", self.reals.drawn, why=text)


def fixed_latents(n: int, latent_size: int, seed: int) -> Tensor:
    """The same n latents for the same seed, [n, d], whatever n: the first of many stay the same."""
    noise = torch.Generator().manual_seed(seed)
    return torch.stack([torch.randn(latent_size, generator=noise) for _ in range(n)])


@torch.no_grad()
def draw(generator: nn.Module, latents: Tensor, batch: int = 64) -> Tensor:
    """Images [n, c, h, w] of latents [n, d], `batch` at a time; on the CPU."""
    return torch.cat([generator(part).float().cpu() for part in torch.split(latents, batch)])


def _memory(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.memory_reserved(device)
    resident: int = psutil.Process().memory_info().rss
    return resident
