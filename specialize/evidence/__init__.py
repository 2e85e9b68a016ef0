"""Define the evidence that a build keeps: records of the comparison with the original, of its power, and of costs.

Verification and counting return the same records that the manifest keeps; nothing here computes them.
"""
