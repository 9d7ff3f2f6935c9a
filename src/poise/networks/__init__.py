"""The networks by the names that the command line knows them under."""

from .autoencoder import AutoEncoder
from .dcgan import DCGAN
from .growing import Growing
from .layers import Networks
from .mlp import MLP
from .resnet import ResNet

NETWORKS: dict[str, type[Networks]] = {
    "dcgan": DCGAN,
    "mlp": MLP,
    "resnet": ResNet,
    "autoencoder": AutoEncoder,
    "growing": Growing,
}

__all__ = ["DCGAN", "MLP", "NETWORKS", "AutoEncoder", "Growing", "Networks", "ResNet"]
