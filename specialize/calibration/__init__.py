"""Model a vehicle's calibration: cameras, lenses, poses and tolerances; read, write, compare and lint it."""
