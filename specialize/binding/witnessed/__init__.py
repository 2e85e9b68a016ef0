"""What the compiler computes of the geometry, compared with the witness."""
