"""Describe and compare: inspect a model, plan, check, diff, compare and time, without changing a build."""
