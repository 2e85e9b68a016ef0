"""Passes: what a graph goes through on its way from generic to specialized."""
