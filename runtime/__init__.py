"""Serving a bundle: KV slots, decoding, scheduling, the engine and the thread that owns it.

Policy is pure: only ``sessions`` imports onnxruntime, and only ``worker`` knows asyncio.
"""
