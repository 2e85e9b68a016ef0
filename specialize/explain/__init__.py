"""Describe and compare: inspect a model, plan, check, diff, compare and time. Nothing here changes a build."""
