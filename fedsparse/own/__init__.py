"""What users bring and take away.

Objects named in a setting (`names`), modules (`module`), partitions (`partition`), frozen weights (`weights`), images
and labels (`arrays`), also those of one site (`site`); and a trained network as a plain PyTorch module, without its
dead units, and as ONNX (`exported`).
"""
