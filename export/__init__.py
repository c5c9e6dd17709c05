"""From a checkpoint to a bundle: the ONNX trunk, quantisation, parity, the folder.

The one offline room that may import `runtime`: what is exported is judged by the engine that will
serve it.
"""
