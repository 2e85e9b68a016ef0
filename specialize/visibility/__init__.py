"""What the cameras of one vehicle see of a grid of queries: plans, envelopes, and the tables they give."""
