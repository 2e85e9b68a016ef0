"""Compute which queries of a grid the cameras of one vehicle see: plans, envelopes, and their tables."""
