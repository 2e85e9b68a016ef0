"""What a model's graph does not say: its sidecar, and what a vehicle's cameras see of its queries."""
