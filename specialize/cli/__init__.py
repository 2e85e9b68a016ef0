"""Implement the command line: each command parses, calls one function and prints what it returns."""
