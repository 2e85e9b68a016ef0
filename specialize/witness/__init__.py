"""Compute a vehicle's geometry a second time, in plain code, to compare the compiler's results with.

The witness is written from the mathematics in float64, and reads the documents as the user wrote them. It imports
nothing of this package but its errors; import contracts enforce that. So an error in poses, image preparation or
projection that affects both sides of a comparison is not repeated here.

Conventions: `b_from_a` takes points in frame a to frame b; lidar, vehicle and camera points are in metres; a network
pixel is `scale * raw - crop`. With `(p, q, d) = network_from_lidar @ (x, y, z, 1)` a point is seen if
`d > min_depth`, `0 < p / d < width` and `0 < q / d < height`, all strict.
"""
