"""Lowering: legalize a graph for a toolchain, one rule or one function per file."""
