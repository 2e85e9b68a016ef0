"""Other number formats than float32: what is converted, what must not be, and what the conversion loses.

The conversions are ONNX Runtime's. Ours is the list of nodes that stay in float32, the repair of what the converters
leave behind, and the measurement. Nothing is imported here: a request is checked without a runtime.
"""
