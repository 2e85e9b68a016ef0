"""The witness: a second, plain computation of a vehicle's geometry, to compare the compiler's own with.

Written from the mathematics in float64, and read from the documents as the user wrote them. It imports nothing of this
package but its errors; import contracts hold it to that. So an error in poses, image preparation or projection
that the compiler makes on both sides of a comparison is not made here as well.

Conventions: `b_from_a` takes points in frame a to frame b; lidar, vehicle and camera points are in metres; a network
pixel is `scale * raw - crop`. With `(p, q, d) = network_from_lidar @ (x, y, z, 1)` a point is seen if
`d > min_depth`, `0 < p / d < width` and `0 < q / d < height`, all strict.
"""
