"""What the vehicle is: cameras, lenses, poses, tolerances; read, written, compared and checked."""
