// The guard: may this build be used with today's calibration? C++17, header only, no dependency, no heap, no exception.
//
//   specialize_contract contract;
//   if (specialize::open(bytes, size, &contract) != SPECIALIZE_OK) ...
//   specialize_verdict verdict = specialize::check(contract, today);
//
// Arithmetic is double with + - * / and sqrt in the order that is written here, so that every machine decides alike;
// compile with -ffp-contract=off. `specialize/vehicle/twin.py` is the same in numpy; tests compare both by the million.
#ifndef SPECIALIZE_GUARD_HPP
#define SPECIALIZE_GUARD_HPP

#include <cmath>

#include "bytes.hpp"

namespace specialize {
namespace detail {

using bytes::f64;
using bytes::u32;
using bytes::u64;

// ---- contract.bin: a header, one record per camera, one per grid, then the program that makes tables ----------------

enum : std::size_t {
  RELINK_AT = 112, EGO_AT = 128, MIN_DEPTH_AT = 256, ROUNDING_AT = 264, VEHICLE_AT = 272, HEADER = 336,
  SIZE_PX = 64, NETWORK_PX = 72, HAS = 80, SCALE = 88, ALLOWED = 112, INTRINSIC = 144, POSE = 216, PROJECTION = 344,
  CAMERA = 472,
  GRID_HAS = 16, GRID_ORDER = 20, LARGEST = 24, AXES = 48, FRUSTUM = 136
};
enum : std::uint32_t { EXACT = 0, ENVELOPE = 1, TABLES = 2 };
enum : std::uint32_t { READS_APART = 1, READS_EGO = 2, HAS_EGO = 4, HAS_FRUSTUM = 8, HAS_LENSES = 16 };
enum : std::uint32_t { GRID_PAIRS = 1, GRID_LENGTHS = 2 };
constexpr double LARGEST_NUMBER = 1e9;

inline bool in_range(const unsigned char *at, std::size_t count) noexcept {
  for (std::size_t k = 0; k < count; ++k)
    if (!(std::fabs(f64(at + 8 * k)) <= LARGEST_NUMBER)) return false;
  return true;
}

struct Grid {
  const unsigned char *axes, *lengths, *pairs;
  std::uint32_t kind, count[3];       // points along x, y, z
  unsigned char order[3];             // the axes, 0 x to 2 z, that queries are numbered over, slowest first
  std::size_t queries, stride, end;   // stride: bytes of pairs per camera; end: where the next record begins
  double largest[3];

  double coordinate(std::size_t axis, std::size_t place) const noexcept {
    return f64(axes + 8 * (place + (axis > 0 ? count[0] : 0) + (axis > 1 ? count[1] : 0)));
  }
  bool has(std::size_t camera, std::size_t query) const noexcept {
    return (pairs[camera * stride + query / 8] >> (7 - query % 8)) & 1;
  }
};

// Reads the grid record at a place; false if it does not lie within `size` bytes or cannot be.
inline bool read_grid(const unsigned char *data, std::size_t size, std::size_t at, std::uint32_t cameras,
                      Grid *grid) noexcept {
  if (at > size || size - at < AXES) return false;
  const unsigned char *record = data + at;
  grid->kind = u32(record);
  const std::uint32_t has = u32(record + GRID_HAS);
  if (grid->kind < 2 || grid->kind > 3 || has > 3 || record[GRID_ORDER + 3] != 0) return false;
  std::size_t points = 1, axes = 0;
  std::uint32_t named = 0;
  for (std::size_t k = 0; k < 3; ++k) {
    grid->count[k] = u32(record + 4 + 4 * k), grid->order[k] = record[GRID_ORDER + k];
    if (grid->count[k] == 0 || grid->count[k] > 65536 || grid->order[k] > 2) return false;
    points = points > (1u << 26) ? points : points * grid->count[k];
    axes += 8 * std::size_t(grid->count[k]);
    named |= 1u << grid->order[k];
  }
  if (named != 7 || points > (1u << 26)) return false;
  grid->queries = grid->kind == 3 ? points : points / grid->count[grid->order[2]];
  grid->stride = (grid->queries + 7) / 8;
  const std::size_t lengths = has & GRID_LENGTHS ? (4 * std::size_t(cameras) + 7) / 8 * 8 : 0;
  const std::size_t pairs = has & GRID_PAIRS ? (grid->stride * cameras + 7) / 8 * 8 : 0;
  if (size - at < AXES + axes + lengths + pairs) return false;
  grid->axes = record + AXES;
  grid->lengths = lengths ? grid->axes + axes : nullptr;
  grid->pairs = pairs ? grid->axes + axes + lengths : nullptr;
  grid->end = at + AXES + axes + lengths + pairs;
  bytes::copy(grid->largest, record + LARGEST, 3);
  return in_range(record + LARGEST, 3) && in_range(grid->axes, axes / 8);
}

// Whether a record can be a frustum: what a model lifts from every pixel, and the cells that it adds that to.
inline bool is_frustum(const unsigned char *record) noexcept {
  std::uint64_t sizes[2] = {1, 1};
  for (std::size_t k = 0; k < 6; ++k) {
    const std::uint32_t count = u32(record + 4 * k);
    if (count == 0 || count > (1u << 24)) return false;
    if ((sizes[k / 3] *= count) > (1u << 24)) return false;
  }
  return u32(record + 24) <= 3 && u32(record + 28) == 0 && in_range(record + 32, (FRUSTUM - 32) / 8);
}

inline const unsigned char *camera_at(const specialize_contract &contract, std::size_t camera) noexcept {
  return contract.data + HEADER + camera * CAMERA;
}

// ---- Is today's calibration a calibration at all? -------------------------------------------------------------------

inline double dot(const double *a, const double *b) noexcept { return (a[0] * b[0] + a[1] * b[1]) + a[2] * b[2]; }

inline void cross(const double *a, const double *b, double *out) noexcept {
  out[0] = a[1] * b[2] - a[2] * b[1];
  out[1] = a[2] * b[0] - a[0] * b[2];
  out[2] = a[0] * b[1] - a[1] * b[0];
}

inline std::uint32_t judge_numbers(const double *values, std::size_t count) noexcept {
  for (std::size_t k = 0; k < count; ++k)
    if (!std::isfinite(values[k])) return SPECIALIZE_NOT_FINITE;
  for (std::size_t k = 0; k < count; ++k)
    if (std::fabs(values[k]) > LARGEST_NUMBER) return SPECIALIZE_OUT_OF_RANGE;
  return SPECIALIZE_OK;
}

inline bool is_last_row(const double *row, std::size_t size) noexcept {
  for (std::size_t k = 0; k < size; ++k)
    if (std::fabs(row[k] - (k + 1 == size ? 1.0 : 0.0)) > 1e-9) return false;
  return true;
}

// Looks at the 3x3 part of a row-major 4x4: invertible and not mirrored, in relation to the length of its rows.
inline std::uint32_t judge_volume(const double *m) noexcept {
  double across[3];
  cross(m + 4, m + 8, across);
  const double volume = dot(m, across);
  const double room = (std::sqrt(dot(m, m)) * std::sqrt(dot(m + 4, m + 4))) * std::sqrt(dot(m + 8, m + 8));
  if (!(std::fabs(volume) > 1e-9 * room)) return SPECIALIZE_SINGULAR;
  return volume < 0.0 ? SPECIALIZE_MIRRORED : SPECIALIZE_OK;
}

inline std::uint32_t judge_pose(const double *pose) noexcept {
  if (!is_last_row(pose + 12, 4)) return SPECIALIZE_NOT_A_POSE;
  for (int i = 0; i < 3; ++i)
    for (int j = i; j < 3; ++j)
      if (!(std::fabs(dot(pose + 4 * i, pose + 4 * j) - (i == j ? 1.0 : 0.0)) <= 5e-4)) return SPECIALIZE_NOT_A_POSE;
  return judge_volume(pose);
}

inline std::uint32_t judge_intrinsic(const double *k) noexcept {
  if (k[0] == 0.0) return SPECIALIZE_NOT_CALIBRATED;
  const bool upper = std::fabs(k[3]) <= 1e-9 * k[4] && is_last_row(k + 6, 3);
  return k[0] > 0.0 && k[4] > 0.0 && upper ? SPECIALIZE_OK : SPECIALIZE_FOCAL_LENGTH;
}

// image_from_lidar = intrinsic x pose, summed in order.
inline void product(const double *intrinsic, const double *pose, double *out) noexcept {
  for (int row = 0; row < 3; ++row)
    for (int column = 0; column < 4; ++column)
      out[4 * row + column] =
          (intrinsic[3 * row] * pose[column] + intrinsic[3 * row + 1] * pose[4 + column]) +
          intrinsic[3 * row + 2] * pose[8 + column];
  for (int column = 0; column < 4; ++column) out[12 + column] = pose[12 + column];
}

// Judges the numbers of one camera and completes its projection.
inline std::uint32_t judge_camera(const specialize_camera &camera, bool apart, double *projection) noexcept {
  const bool pinhole = camera.has & SPECIALIZE_HAS_PINHOLE, given = camera.has & SPECIALIZE_HAS_PROJECTION;
  if ((!pinhole && !given) || (apart && !pinhole)) return SPECIALIZE_INCOMPLETE;
  std::uint32_t reason = SPECIALIZE_OK;
  if (pinhole) {
    if ((reason = judge_numbers(camera.intrinsic, 9)) != 0) return reason;
    if ((reason = judge_numbers(camera.camera_from_lidar, 16)) != 0) return reason;
    if ((reason = judge_intrinsic(camera.intrinsic)) != 0) return reason;
    if ((reason = judge_pose(camera.camera_from_lidar)) != 0) return reason;
    product(camera.intrinsic, camera.camera_from_lidar, projection);
  }
  if (given) {
    if ((reason = judge_numbers(camera.image_from_lidar, 16)) != 0) return reason;
    if (!is_last_row(camera.image_from_lidar + 12, 4)) return SPECIALIZE_NOT_A_POSE;
    for (int k = 0; pinhole && k < 12; ++k) {
      const double *row = projection + k / 4 * 4;
      const double size = std::sqrt(dot(row, row)) + std::fabs(row[3]);
      if (!(std::fabs(camera.image_from_lidar[k] - projection[k]) <= 1e-6 * size)) return SPECIALIZE_CONTRADICTION;
    }
    std::memcpy(projection, camera.image_from_lidar, 16 * sizeof(double));
  }
  return judge_volume(projection);
}

inline std::uint32_t judge_name(const specialize_contract &contract, std::size_t camera, const char *name) noexcept {
  const char *expected = reinterpret_cast<const char *>(camera_at(contract, camera));
  if (name == nullptr) return SPECIALIZE_CAMERA_NAME;
  if (std::strncmp(name, expected, SPECIALIZE_NAME_BYTES) == 0) return SPECIALIZE_OK;
  for (std::size_t other = 0; other < contract.cameras; ++other)
    if (std::strncmp(name, reinterpret_cast<const char *>(camera_at(contract, other)), SPECIALIZE_NAME_BYTES) == 0)
      return SPECIALIZE_CAMERA_ORDER;
  return SPECIALIZE_CAMERA_NAME;
}

// ---- First test: the same numbers? ----------------------------------------------------------------------------------

inline bool same(const double *today, const unsigned char *built, std::size_t count) noexcept {
  for (std::size_t k = 0; k < count; ++k)
    if (!(today[k] == f64(built + 8 * k))) return false;
  return true;
}

inline bool same_ego(const specialize_contract &contract, const specialize_today &today) noexcept {
  return !(contract.reads & READS_EGO) || same(today.ego_from_lidar, contract.data + EGO_AT, 16);
}

inline bool same_camera(const specialize_camera &camera, const double *projection, const unsigned char *record) noexcept {
  if (!same(projection, record + PROJECTION, 16)) return false;
  if (!(camera.has & u32(record + HAS) & SPECIALIZE_HAS_PINHOLE)) return true;
  return same(camera.intrinsic, record + INTRINSIC, 9) && same(camera.camera_from_lidar, record + POSE, 16);
}

// Whether a camera has the lens that was built for, bit for bit; where no camera has one, no bytes are there.
inline bool same_lens(const specialize_contract &contract, const specialize_today &today, std::size_t camera) noexcept {
  const unsigned char *built = contract.reads & HAS_LENSES ? camera_at(contract, contract.cameras) : nullptr;
  const std::size_t at = camera * SPECIALIZE_LENS_BYTES;
  if (built == nullptr && today.lenses == nullptr) return true;
  for (std::size_t k = at; k < at + SPECIALIZE_LENS_BYTES; ++k)
    if ((built == nullptr ? 0 : built[k]) != (today.lenses == nullptr ? 0 : today.lenses[k])) return false;
  return true;
}

// ---- Second test: within the tolerance? -----------------------------------------------------------------------------
//
// A projection taken apart: unit vectors along its image rows and its depth, across the depth. The proof of the envelope
// (specialize/visibility/pyramid.py) treats every border alone, so each image axis may have turned by the angle allowed.

struct Shape {
  double right[3], down[3], forward[3], centre[3];
  double focal[2], middle[2], depth;
};

inline void across(const double *row, const Shape &shape, double *unit, double *focal, double *middle) noexcept {
  *middle = dot(row, shape.forward) / shape.depth;
  for (int k = 0; k < 3; ++k) unit[k] = row[k] / shape.depth - *middle * shape.forward[k];
  *focal = std::sqrt(dot(unit, unit));
  for (int k = 0; k < 3; ++k) unit[k] = unit[k] / *focal;
}

inline Shape shape_of(const double *m) noexcept {
  Shape shape;
  shape.depth = std::sqrt(dot(m + 8, m + 8));
  for (int k = 0; k < 3; ++k) shape.forward[k] = m[8 + k] / shape.depth;
  across(m, shape, shape.right, &shape.focal[0], &shape.middle[0]);
  across(m + 4, shape, shape.down, &shape.focal[1], &shape.middle[1]);
  double yz[3], zx[3], xy[3];
  cross(m + 4, m + 8, yz), cross(m + 8, m, zx), cross(m, m + 4, xy);
  const double volume = dot(m, yz);
  for (int k = 0; k < 3; ++k) shape.centre[k] = -((yz[k] * m[3] + zx[k] * m[7]) + xy[k] * m[11]) / volume;
  return shape;
}

inline double square(const double *a, const double *b) noexcept {
  const double d[3] = {a[0] - b[0], a[1] - b[1], a[2] - b[2]};
  return dot(d, d);
}

// 8 sin^2(angle / 2) of the rotation that takes one pair of perpendicular unit vectors to another.
inline double turned(const double *a, const double *z, const double *b, const double *w) noexcept {
  double third[3], other[3];
  cross(z, a, third), cross(w, b, other);
  return (square(a, b) + square(z, w)) + square(third, other);
}

struct Moved {
  double turn, distance, focal, middle[2], depth;
};

inline Moved moved(const Shape &from, const Shape &to) noexcept {
  Moved m;
  m.turn = std::fmax(turned(from.right, from.forward, to.right, to.forward),
                     turned(from.down, from.forward, to.down, to.forward));
  m.distance = std::sqrt(square(from.centre, to.centre));
  m.focal = std::fmax(std::fabs(to.focal[0] / from.focal[0] - 1.0), std::fabs(to.focal[1] / from.focal[1] - 1.0));
  for (int k = 0; k < 2; ++k) m.middle[k] = std::fabs(to.middle[k] - from.middle[k]);
  m.depth = std::fabs(to.depth / from.depth - 1.0);
  return m;
}

inline bool is_allowed(const Moved &m, const unsigned char *record) noexcept {
  const double turn = f64(record + ALLOWED), distance = f64(record + ALLOWED + 8);
  const double focal = f64(record + ALLOWED + 16), middle = f64(record + ALLOWED + 24);
  return m.turn <= turn && m.distance <= distance && m.focal <= focal && m.middle[0] <= middle &&
         m.middle[1] <= middle && m.depth <= 1e-3;
}

// ---- Third test: which pairs of camera and query are seen? ----------------------------------------------------------

struct Planes {
  double of[5][4], above[5];
};

// The five functions of a point that are above their bounds where a camera sees it: depth, left, right, top, bottom.
// `rounding` widens the image by what float32 may change, as a share of the sums that are added up.
inline Planes planes_of(const double *m, const unsigned char *record, const Grid &grid, double min_depth,
                        double rounding) noexcept {
  Planes planes;
  double sums[3], *depth = planes.of[0];
  for (int k = 0; k < 4; ++k) depth[k] = m[8 + k];
  for (int axis = 0; axis < 2; ++axis) {
    const double scale = f64(record + SCALE), crop = f64(record + SCALE + 8 + 8 * axis);
    const double size = double(u32(record + NETWORK_PX + 4 * axis));
    double *low = planes.of[1 + 2 * axis], *high = planes.of[2 + 2 * axis];
    for (int k = 0; k < 4; ++k) low[k] = scale * m[4 * axis + k] - crop * depth[k];
    for (int k = 0; k < 4; ++k) high[k] = size * depth[k] - low[k];
  }
  for (int row = 0; row < 3; ++row) {
    const double *p = planes.of[row == 0 ? 0 : 2 * row - 1];
    sums[row] = ((std::fabs(p[0]) * grid.largest[0] + std::fabs(p[1]) * grid.largest[1]) +
                 std::fabs(p[2]) * grid.largest[2]) + std::fabs(p[3]);
  }
  planes.above[0] = -((sums[0] + min_depth) * rounding);
  for (int axis = 0; axis < 2; ++axis) {
    const double size = double(u32(record + NETWORK_PX + 4 * axis));
    planes.above[1 + 2 * axis] = planes.above[2 + 2 * axis] = -((sums[1 + axis] + size * sums[0]) * rounding);
  }
  depth[3] = depth[3] - min_depth;
  return planes;
}

inline bool sees_point(const Planes &planes, double x, double y, double z) noexcept {
  for (int k = 0; k < 5; ++k) {
    const double *p = planes.of[k];
    if (!(((p[0] * x + p[1] * y) + p[2] * z) + p[3] > planes.above[k])) return false;
  }
  return true;
}

// A query is one point (kind 3), or seen if any point of it along the last axis of the order is (kind 2).
inline bool sees(const Planes &planes, const Grid &grid, std::size_t query) noexcept {
  const std::size_t slow = grid.order[0], middle = grid.order[1], fast = grid.order[2];
  const std::size_t anchors = grid.kind == 2 ? grid.count[fast] : 1;
  double point[3];
  if (grid.kind == 3) point[fast] = grid.coordinate(fast, query % grid.count[fast]), query /= grid.count[fast];
  point[middle] = grid.coordinate(middle, query % grid.count[middle]);
  point[slow] = grid.coordinate(slow, query / grid.count[middle]);
  for (std::size_t anchor = 0; anchor < anchors; ++anchor) {
    if (grid.kind == 2) point[fast] = grid.coordinate(fast, anchor);
    if (sees_point(planes, point[0], point[1], point[2])) return true;
  }
  return false;
}

// Counts the pairs of one grid that the build has no place for (exact: that it has and should not, or the reverse) into
// `pairs`; returns the queries that more cameras see than can be summed.
inline std::uint64_t count_pairs(const specialize_contract &contract, const Grid &grid,
                                 const double (*projections)[16], std::uint64_t *pairs) noexcept {
  const double min_depth = f64(contract.data + MIN_DEPTH_AT), rounding = f64(contract.data + ROUNDING_AT);
  Planes planes[SPECIALIZE_MOST_CAMERAS];
  std::uint64_t rows[SPECIALIZE_MOST_CAMERAS] = {}, crowded = 0;
  for (std::uint32_t n = 0; n < contract.cameras; ++n)
    planes[n] = planes_of(projections[n], camera_at(contract, n), grid, min_depth,
                          contract.mode == EXACT ? 0.0 : rounding);
  for (std::size_t query = 0; query < grid.queries; ++query) {
    std::uint32_t seeing = 0;
    for (std::uint32_t n = 0; n < contract.cameras; ++n) {
      const bool seen = sees(planes[n], grid, query), built = grid.pairs != nullptr && grid.has(n, query);
      seeing += seen;
      rows[n] += seen;
      if (contract.mode == EXACT ? seen != built : contract.mode == ENVELOPE && seen && !built) ++pairs[n];
    }
    crowded += contract.mode == TABLES && seeing > contract.fan_in;
  }
  for (std::uint32_t n = 0; contract.mode == TABLES && grid.lengths != nullptr && n < contract.cameras; ++n) {
    const std::uint64_t room = u32(grid.lengths + 4 * n);
    pairs[n] += rows[n] > room ? rows[n] - room : 0;
  }
  return crowded;
}

inline specialize_verdict verdict_of(std::uint32_t state, std::uint32_t reason, std::int32_t camera) noexcept {
  return {state, reason, camera, 0, 0, 0, 0.0, 0.0, 0.0, 0.0};
}

}  // namespace detail

// ---- What users call ------------------------------------------------------------------------------------------------

inline int open(const void *memory, std::size_t size, specialize_contract *contract) noexcept {
  using namespace detail;
  const auto *data = static_cast<const unsigned char *>(memory);
  if (const int reason = bytes::open_file(data, size, "SPZCTRCT", HEADER)) return reason;
  if (bytes::is_fused()) return SPECIALIZE_FUSED;
  *contract = {data, size, u32(data + bytes::OWN_AT), u32(data + 96), u32(data + 100), u32(data + 104),
               u32(data + 108), {}, 0, 0, 0};
  if (contract->mode > TABLES || contract->reads > 31 || contract->cameras == 0 ||
      contract->cameras > SPECIALIZE_MOST_CAMERAS || contract->grids > SPECIALIZE_MOST_GRIDS)
    return SPECIALIZE_MALFORMED;
  if (contract->reads & READS_EGO && !(contract->reads & HAS_EGO)) return SPECIALIZE_MALFORMED;
  std::size_t at = HEADER + contract->cameras * CAMERA;
  if (size < at || !in_range(data + EGO_AT, 18) || !bytes::is_name(data + VEHICLE_AT)) return SPECIALIZE_MALFORMED;
  for (std::size_t n = 0; n < contract->cameras; ++n) {
    const unsigned char *record = camera_at(*contract, n);
    if (!bytes::is_name(record) || !in_range(record + SCALE, 48)) return SPECIALIZE_MALFORMED;
    if (u32(record + HAS) < 1 || u32(record + HAS) > 3 || u32(record + HAS + 4) != 0) return SPECIALIZE_MALFORMED;
  }
  if (contract->reads & HAS_LENSES) at += contract->cameras * std::size_t(SPECIALIZE_LENS_BYTES);
  if (size < at) return SPECIALIZE_MALFORMED;
  Grid grid;
  for (std::size_t g = 0; g < contract->grids; ++g, at = grid.end) {
    contract->grid_at[g] = at;
    if (!read_grid(data, size, at, contract->cameras, &grid)) return SPECIALIZE_MALFORMED;
    if (contract->mode != TABLES && grid.pairs == nullptr) return SPECIALIZE_MALFORMED;
  }
  if (contract->mode == ENVELOPE && contract->grids == 0) return SPECIALIZE_MALFORMED;
  if (contract->reads & HAS_FRUSTUM) {
    if (size - at < FRUSTUM || !is_frustum(data + at)) return SPECIALIZE_MALFORMED;
    contract->frustum_at = at, at += FRUSTUM;
  }
  contract->relink_at = std::size_t(u64(data + RELINK_AT));
  contract->relink_size = std::size_t(u64(data + RELINK_AT + 8));
  const bool none = contract->relink_at == 0 && contract->relink_size == 0 && at == size;
  const bool last = contract->relink_at == at && contract->relink_size != 0 && size - at == contract->relink_size;
  return none || last ? SPECIALIZE_OK : SPECIALIZE_MALFORMED;
}

inline int read_today(const void *memory, std::size_t size, specialize_today *today, specialize_camera *cameras,
                      std::uint32_t most) noexcept {
  enum : std::size_t { HEADER = 288, RECORD = 408 };
  const auto *data = static_cast<const unsigned char *>(memory);
  if (const int reason = bytes::open_file(data, size, "SPZTODAY", HEADER)) return reason;
  const std::uint32_t count = bytes::u32(data + bytes::OWN_AT);
  if (count == 0 || count > SPECIALIZE_MOST_CAMERAS) return SPECIALIZE_MALFORMED;
  const std::size_t end = HEADER + count * RECORD, lenses = count * std::size_t(SPECIALIZE_LENS_BYTES);
  if (size != end && size != end + lenses) return SPECIALIZE_MALFORMED;
  if (bytes::u32(data + 128) > 1 || bytes::u32(data + 132) != 0 || !bytes::is_name(data + 64))
    return SPECIALIZE_MALFORMED;
  if (count > most) return SPECIALIZE_NO_ROOM;
  *today = {cameras, count, bytes::u32(data + 128), {}, bytes::f64(data + 136), bytes::f64(data + 144),
            bytes::f64(data + 152), size > end ? data + end : nullptr};
  bytes::copy(today->ego_from_lidar, data + 160, 16);
  for (std::uint32_t n = 0; n < count; ++n) {
    const unsigned char *record = data + HEADER + n * RECORD;
    if (!bytes::is_name(record) || bytes::u32(record + 72) > 3 || bytes::u32(record + 76) != 0)
      return SPECIALIZE_MALFORMED;
    specialize_camera &camera = cameras[n];
    camera.name = reinterpret_cast<const char *>(record);
    camera.width_px = bytes::u32(record + 64), camera.height_px = bytes::u32(record + 68);
    camera.has = bytes::u32(record + 72), camera.unused = 0;
    bytes::copy(camera.intrinsic, record + 80, 9);
    bytes::copy(camera.camera_from_lidar, record + 152, 16);
    bytes::copy(camera.image_from_lidar, record + 280, 16);
  }
  return SPECIALIZE_OK;
}

inline specialize_verdict check(const specialize_contract &contract, const specialize_today &today) noexcept {
  using namespace detail;
  if (today.time_s < today.valid_from_s || today.time_s > today.valid_until_s)
    return verdict_of(SPECIALIZE_UNUSABLE, SPECIALIZE_NOT_VALID_NOW, -1);
  if (today.camera_count != contract.cameras) return verdict_of(SPECIALIZE_UNUSABLE, SPECIALIZE_CAMERA_COUNT, -1);
  double projections[SPECIALIZE_MOST_CAMERAS][16];
  bool fresh = true;
  for (std::uint32_t n = 0; n < contract.cameras; ++n) {
    const specialize_camera &camera = today.cameras[n];
    const unsigned char *record = camera_at(contract, n);
    std::uint32_t reason = judge_name(contract, n, camera.name);
    if (reason == 0 && (camera.width_px != u32(record + SIZE_PX) || camera.height_px != u32(record + SIZE_PX + 4)))
      reason = SPECIALIZE_IMAGE_SIZE;
    if (reason == 0) reason = judge_camera(camera, contract.reads & READS_APART, projections[n]);
    if (reason != 0) return verdict_of(SPECIALIZE_UNUSABLE, reason, std::int32_t(n));
    fresh = fresh && same_camera(camera, projections[n], record);
  }
  if (contract.reads & READS_EGO) {
    std::uint32_t reason = SPECIALIZE_NO_EGO_POSE;
    if (today.has_ego) reason = judge_numbers(today.ego_from_lidar, 16);
    if (reason == 0) reason = judge_pose(today.ego_from_lidar);
    if (reason != 0) return verdict_of(SPECIALIZE_UNUSABLE, reason, -1);
  }
  for (std::uint32_t n = 0; n < contract.cameras; ++n)
    if (!same_lens(contract, today, n)) return verdict_of(SPECIALIZE_STALE, SPECIALIZE_OK, std::int32_t(n));
  const bool ego = same_ego(contract, today);
  if (fresh && ego) return verdict_of(SPECIALIZE_FRESH, SPECIALIZE_OK, -1);

  bool allowed = contract.mode == ENVELOPE && ego;
  Moved moves[SPECIALIZE_MOST_CAMERAS];
  for (std::uint32_t n = 0; n < contract.cameras; ++n) {
    double built[16];
    bytes::copy(built, camera_at(contract, n) + PROJECTION, 16);
    moves[n] = moved(shape_of(built), shape_of(projections[n]));
    allowed = allowed && is_allowed(moves[n], camera_at(contract, n));
  }
  std::uint64_t pairs[SPECIALIZE_MOST_CAMERAS] = {}, total = 0;
  Grid grid;
  for (std::size_t g = 0; !allowed && g < contract.grids; ++g)
    if (read_grid(contract.data, contract.size, contract.grid_at[g], contract.cameras, &grid))
      total += count_pairs(contract, grid, projections, pairs);
  std::uint32_t worst = 0;
  for (std::uint32_t n = 0; n < contract.cameras; ++n) {
    total += pairs[n];
    if (pairs[n] > pairs[worst] || (pairs[n] == pairs[worst] && moves[n].turn > moves[worst].turn)) worst = n;
  }
  specialize_verdict verdict = verdict_of(SPECIALIZE_STALE, SPECIALIZE_OK, std::int32_t(worst));
  if (contract.mode == ENVELOPE && ego && total == 0) verdict.state = SPECIALIZE_INSIDE;
  if (contract.mode == TABLES && total == 0) verdict.state = SPECIALIZE_RELINK;
  verdict.pairs = total;
  verdict.camera_pairs = pairs[worst];
  const Moved &most = moves[worst];
  verdict.rotation_mrad = 2000.0 * std::asin(std::fmin(1.0, std::sqrt(most.turn / 8.0)));
  verdict.translation_mm = 1000.0 * most.distance;
  verdict.focal_percent = 100.0 * most.focal;
  verdict.centre_px = std::sqrt(most.middle[0] * most.middle[0] + most.middle[1] * most.middle[1]);
  return verdict;
}

inline const char *camera_name(const specialize_contract &contract, std::int32_t camera) noexcept {
  const bool known = camera >= 0 && std::uint32_t(camera) < contract.cameras;
  return known ? reinterpret_cast<const char *>(detail::camera_at(contract, std::size_t(camera))) : "";
}

inline const char *state_name(std::uint32_t state) noexcept {
  const char *const names[] = {"FRESH", "INSIDE", "RELINK", "STALE", "UNUSABLE"};
  return state < 5 ? names[state] : "unknown state";
}

inline const char *reason_text(std::uint32_t reason) noexcept {
  switch (reason) {
    case SPECIALIZE_OK: return "ok";
    case SPECIALIZE_NOT_VALID_NOW: return "today's time is outside the calibration's validity";
    case SPECIALIZE_CAMERA_COUNT: return "another number of cameras";
    case SPECIALIZE_CAMERA_NAME: return "a camera that the build does not know";
    case SPECIALIZE_CAMERA_ORDER: return "the cameras are in another order";
    case SPECIALIZE_IMAGE_SIZE: return "another image size";
    case SPECIALIZE_INCOMPLETE: return "a matrix that the model needs is missing";
    case SPECIALIZE_NOT_FINITE: return "NaN or infinity";
    case SPECIALIZE_OUT_OF_RANGE: return "a number above 1e9";
    case SPECIALIZE_NOT_CALIBRATED: return "K[0] is 0: the camera was never calibrated";
    case SPECIALIZE_FOCAL_LENGTH: return "K is not [f s c; 0 f c; 0 0 1] with positive focal lengths";
    case SPECIALIZE_NOT_A_POSE: return "not a rigid pose, or the last row is not 0 0 0 1";
    case SPECIALIZE_MIRRORED: return "negative determinant: an axis has the wrong sign";
    case SPECIALIZE_SINGULAR: return "singular matrix: no camera centre";
    case SPECIALIZE_CONTRADICTION: return "lidar2img is not the product of the intrinsic and the pose";
    case SPECIALIZE_NO_EGO_POSE: return "the lidar's pose on the vehicle, which the model reads, is missing";
    case SPECIALIZE_TOO_SHORT: return "the file is too short";
    case SPECIALIZE_NOT_THIS_FILE: return "another kind of file";
    case SPECIALIZE_OTHER_VERSION: return "another version of the format";
    case SPECIALIZE_DAMAGED: return "the checksum does not fit: the file is damaged";
    case SPECIALIZE_MALFORMED: return "a count, size or place in the file cannot be";
    case SPECIALIZE_FUSED: return "compiled with fused multiply-add: add -ffp-contract=off";
    case SPECIALIZE_NO_RELINK: return "the contract has no program that makes tables";
    case SPECIALIZE_NO_ROOM: return "the buffer is too small";
    case SPECIALIZE_DOES_NOT_FIT: return "the calibration needs more rows than the tables have";
    case SPECIALIZE_GOLDEN_DIFFERS: return "the engine gives other outputs for the golden frame";
    case SPECIALIZE_GOLDEN_BLIND: return "the engine gives the same outputs for two different frames";
    case SPECIALIZE_ENGINE_FAILED: return "the engine's callback returned an error";
    case SPECIALIZE_NOT_ALIGNED: return "memory that is not aligned to 8 bytes";
    case SPECIALIZE_OTHER_BUILD: return "the file belongs to another build than the contract";
    default: return "unknown reason";
  }
}

}  // namespace specialize

#endif
