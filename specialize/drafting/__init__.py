"""Draft a sidecar: infer the kinds of matrices from the graph's use of its inputs, with names as hints."""
