"""Lint of a calibration: rules, what they find, and findings grouped by cause."""
