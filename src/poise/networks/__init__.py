"""The networks by the names that the command line knows them under."""

from .dcgan import DCGAN
from .layers import Networks
from .mlp import MLP
from .resnet import ResNet

NETWORKS: dict[str, type[Networks]] = {"dcgan": DCGAN, "mlp": MLP, "resnet": ResNet}

__all__ = ["DCGAN", "MLP", "NETWORKS", "Networks", "ResNet"]
