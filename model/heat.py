"""A network's heat as serving and evaluation compute it."""

import torch

from model.network import Network
from tokenizer.signals import Heat


def heat_of(network: Network) -> Heat:
    """Copies of the weights."""
    heat = network.signals.heat
    with torch.no_grad():
        inner, bias, outer = (part.cpu().float().numpy().copy() for part in heat.parameters())
    return Heat(inner, bias, outer)
