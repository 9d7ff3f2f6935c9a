"""Fresh players from a configuration."""

from __future__ import annotations

import torch

from .config import Config
from .latents import LatentSpace
from .players import Players


def make_players(config: Config, rank: int = 0, ranks: int = 1) -> Players:
    """Players whose first weights are a function of the seed.

    Weights are drawn on the CPU and then moved, so that every device starts from the same ones.
    """
    networks, device = config.recipe.networks, torch.device(config.device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        generator = networks.generator(config.data.size, config.data.channels)
        critic = networks.critic(config.data.size, config.data.channels)
    for network in (generator, critic):
        # torch's types know the two only apart.
        network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = config.recipe.optimizer.optimizer
    return Players(
        generator,
        critic,
        optimizer(generator.parameters()),
        optimizer(critic.parameters()),
        LatentSpace(networks.latent, networks.prior),
        device,
        rank,
        ranks,
    )
