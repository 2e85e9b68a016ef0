"""What a build keeps as evidence: records of the comparison with the original, what that can show, and of costs.

The records that the proof and the count return are those that the manifest keeps; nothing here computes them.
"""
