"""Other runtimes, decoding the same pages from the same weights on the same machine.

Each runs in a process of its own, on a Python of its own (``requirements/peers.txt``): none is a
dependency. `llama` writes a checkpoint as the model that all of them read.
"""
