"""Lint a calibration: the rules, their findings, and findings grouped by cause."""
