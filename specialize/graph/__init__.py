"""ONNX graphs through `onnx_ir`: reading and writing, what is known, and how nodes are made."""
