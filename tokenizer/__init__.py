"""Members, requests and pages as tokens, one token a product concept.

Nothing here imports torch, onnxruntime or a room other than ``genpage``: training, evaluation and
serving share it.
"""
