"""Serving a bundle: KV slots, decoding, scheduling, the engine and the thread that owns it.

Policy (everything but ``onnx`` and ``worker``) is pure: it knows neither onnxruntime nor asyncio.
"""
