"""Shapes of JSON that differ from the record of their result on purpose; `results.py` says which."""
