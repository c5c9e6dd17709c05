"""The PyTorch network, its content fusion and its checkpoint files.

Serving imports nothing from here; export reads a checkpoint and writes what serving needs.
"""
