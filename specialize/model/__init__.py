"""Describe a model beyond its graph: its sidecar, and which of its queries a vehicle's cameras see."""
