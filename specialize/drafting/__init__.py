"""Drafting a sidecar: what a graph does with its inputs says which matrices they are; a name is a hint."""
