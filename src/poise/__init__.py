"""Poise trains GANs that keep their balance.

    generator = poise.train("photos/")          # a new run, in runs/
    generator = poise.train("runs/photos-wgan-gp-1")   # go on with it, exactly
    images = poise.load("runs/photos-wgan-gp-1").sample(16)

Names are imported when they are first used: torch costs 2 seconds, and `poise --help` and the
processes that prepare images do without it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import train as train
    from .config import Recipe as Recipe
    from .data.options import PrepareOptions as PrepareOptions
    from .data.prepare import prepare as prepare
    from .data.prepared import Prepared as Prepared
    from .data.reals import Reals as Reals
    from .descent import descend as descend
    from .errors import DataError as DataError
    from .errors import InputError as InputError
    from .errors import OptionError as OptionError
    from .errors import PoiseError as PoiseError
    from .errors import RunError as RunError
    from .errors import TrainingFailed as TrainingFailed
    from .generator import Generator as Generator
    from .generator import load as load
    from .methods import BEGAN as BEGAN
    from .methods import GAN as GAN
    from .methods import WGAN as WGAN
    from .methods import WGANGP as WGANGP
    from .methods import Progressive as Progressive
    from .networks import DCGAN as DCGAN
    from .networks import MLP as MLP
    from .networks import AutoEncoder as AutoEncoder
    from .networks import Growing as Growing
    from .networks import ResNet as ResNet
    from .optim import SGD as SGD
    from .optim import Adam as Adam
    from .optim import OptimisticAdam as OptimisticAdam
    from .optim import OptimisticSGD as OptimisticSGD
    from .optim import RMSProp as RMSProp
    from .players import Players as Players
    from .presets import recipe as recipe
    from .watcher import Watcher as Watcher

__version__ = "0.1.0"

_HOME = {
    "api": ["train"],
    "config": ["Recipe"],
    "data.options": ["PrepareOptions"],
    "data.prepare": ["prepare"],
    "data.prepared": ["Prepared"],
    "data.reals": ["Reals"],
    "descent": ["descend"],
    "errors": [
        "DataError",
        "InputError",
        "OptionError",
        "PoiseError",
        "RunError",
        "TrainingFailed",
    ],
    "generator": ["Generator", "load"],
    "methods": ["BEGAN", "GAN", "WGAN", "WGANGP", "Progressive"],
    "networks": ["DCGAN", "MLP", "AutoEncoder", "Growing", "ResNet"],
    "optim": ["Adam", "OptimisticAdam", "OptimisticSGD", "RMSProp", "SGD"],
    "players": ["Players"],
    "presets": ["recipe"],
    "watcher": ["Watcher"],
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = sorted(_MODULE_OF)


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'poise' has no attribute {name!r}")
    value = getattr(import_module(f".{_MODULE_OF[name]}", __name__), name)
    globals()[name] = value  # over the module training.py, which an import puts under the same name
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
