// Which pairs of camera and query lie within rounding of an image border, which lifted points within rounding of a cell's,
// and which side the tables took. Runtimes of the model differ there; the program rounds as docs/reference/relink.md says,
// on every machine. `specialize/binding/relink/landing.py` finds the same points in numpy.
#ifndef SPECIALIZE_BORDERLINE_HPP
#define SPECIALIZE_BORDERLINE_HPP

#include "relink.hpp"

namespace specialize {
namespace program {

// After make_tables: 1 if a mask of N x `queries` keeps a pair, 0 if none does.
inline int keeps(const specialize_relink &relink, void *memory, std::size_t queries, std::size_t pair) noexcept {
  const Machine machine = {&relink, static_cast<unsigned char *>(memory)};
  const unsigned char *code = relink.data + relink.code_at;
  int kept = 0;
  for (std::uint32_t k = 0; k < relink.instructions; ++k) {
    const auto *words = reinterpret_cast<const Int32 *>(code);
    code += 8 + 4 * words[1];
    if ((words[0] == ROWS || words[0] == BACK) && std::size_t(words[6]) == queries) kept |= machine.slot(words[3]).data[pair];
  }
  return kept;
}

}  // namespace program

// Calls `visit(grid, camera, query, kept)` for every such pair after make_tables; returns how many there are. `kept` is 1
// or 0, or -1 where another grid has as many queries.
template <class Visit>
inline std::uint64_t each_borderline(const specialize_contract &contract, const specialize_relink &relink,
                                     const specialize_today &today, void *memory, Visit visit) noexcept {
  using namespace detail;
  const double min_depth = f64(contract.data + MIN_DEPTH_AT), rounding = f64(contract.data + ROUNDING_AT);
  std::uint64_t count = 0;
  Grid grid, other;
  for (std::uint32_t g = 0; g < contract.grids; ++g) {
    read_grid(contract.data, contract.size, contract.grid_at[g], contract.cameras, &grid);
    bool known = true;
    for (std::uint32_t h = 0; h < contract.grids; ++h) {
      read_grid(contract.data, contract.size, contract.grid_at[h], contract.cameras, &other);
      known = known && (g == h || other.queries != grid.queries);
    }
    for (std::uint32_t n = 0; n < contract.cameras; ++n) {
      double projection[16] = {};
      judge_camera(today.cameras[n], false, projection);
      const unsigned char *record = camera_at(contract, n);
      const Planes wide = planes_of(projection, record, grid, min_depth, rounding);
      const Planes narrow = planes_of(projection, record, grid, min_depth, -rounding);
      for (std::size_t query = 0; query < grid.queries; ++query)
        if (sees(wide, grid, query) && !sees(narrow, grid, query)) {
          visit(g, n, query, known ? program::keeps(relink, memory, grid.queries, n * grid.queries + query) : -1);
          ++count;
        }
    }
  }
  return count;
}

namespace detail {

// The frustum of one camera today, as the contract describes it: numbers of points to places in units of cells.
struct Lift {
  const unsigned char *record;
  double lens[5], pose[12];  // fx, skew, cx, fy, cy of network pixels; lidar or vehicle points of camera points

  std::uint32_t count(std::size_t k) const noexcept { return u32(record + 4 * k); }  // D, h, w, then cells x, y, z
  double number(std::size_t k) const noexcept { return f64(record + 32 + 8 * k); }   // u, v, depth, box, share
  double spaced(std::size_t k, std::uint32_t at, std::uint32_t count) const noexcept {
    const double first = number(k), last = number(k + 1);
    return count > 1 ? at + 1 == count ? last : first + at * ((last - first) / (count - 1)) : first;
  }

  Lift(const unsigned char *frustum, const unsigned char *camera, const specialize_camera &today,
       const double *ego) noexcept
      : record(frustum) {
    const double *k = today.intrinsic, *m = today.camera_from_lidar, scale = f64(camera + SCALE);
    const double own[] = {scale * k[0], scale * k[1], scale * k[2] - f64(camera + SCALE + 8), scale * k[4],
                          scale * k[5] - f64(camera + SCALE + 16)};
    std::memcpy(lens, own, sizeof lens);
    double columns[3][3];
    cross(m + 4, m + 8, columns[0]), cross(m + 8, m, columns[1]), cross(m, m + 4, columns[2]);
    const double volume = dot(m, columns[0]), moved[] = {m[3], m[7], m[11]};
    for (int i = 0; i < 3; ++i) {
      for (int j = 0; j < 3; ++j) pose[4 * i + j] = columns[j][i] / volume;
      pose[4 * i + 3] = -dot(pose + 4 * i, moved);
    }
    if (!(u32(record + 24) & 1)) return;
    const double inner[] = {pose[0], pose[1], pose[2], pose[3], pose[4],  pose[5],
                            pose[6], pose[7], pose[8], pose[9], pose[10], pose[11]};
    for (int i = 0; i < 3; ++i)
      for (int j = 0; j < 4; ++j)
        pose[4 * i + j] = ((ego[4 * i] * inner[j] + ego[4 * i + 1] * inner[4 + j]) + ego[4 * i + 2] * inner[8 + j]) +
                          ego[4 * i + 3] * (j == 3 ? 1.0 : 0.0);
  }

  // Fills places[axis] with the cell's number a rounding below, there, and a rounding above.
  void place(double u, double v, double depth, double places[3][3]) const noexcept {
    const double fx = lens[0], fy = lens[3], y = (v - lens[4]) / fy, x = ((u - lens[2]) - lens[1] * y) / fx;
    const double a = x * depth, b = y * depth, share = number(12);
    const double wide_a = ((std::fabs(u) + std::fabs(lens[2])) / fx) * depth;
    const double wide_b = ((std::fabs(v) + std::fabs(lens[4])) / fy) * depth;
    const bool down = u32(record + 24) & 2;
    for (std::size_t axis = 0; axis < 3; ++axis) {
      const double *p = pose + 4 * axis, low = number(6 + axis), size = (number(9 + axis) - low) / count(3 + axis);
      const double metres = ((a * p[0] + b * p[1]) + depth * p[2]) + p[3];
      const double slack =
          (((wide_a * std::fabs(p[0]) + wide_b * std::fabs(p[1])) + depth * std::fabs(p[2])) + std::fabs(p[3])) * share;
      const double at = (metres - low) / size, doubt = (slack + share * std::fabs(low)) / size;
      const double all[] = {at - doubt, at, at + doubt};
      for (int k = 0; k < 3; ++k) places[axis][k] = down ? std::floor(all[k]) : std::trunc(all[k]);
    }
  }

  bool inside(const double places[3][3], const int *side) const noexcept {
    bool all = true;
    for (std::size_t axis = 0; axis < 3; ++axis)
      all = all && places[axis][side[axis]] >= 0.0 && places[axis][side[axis]] < count(3 + axis);
    return all;
  }

  // Whether moving every coordinate by its rounding puts the point into another cell, or outside.
  bool is_doubtful(const double places[3][3]) const noexcept {
    const int plain[] = {1, 1, 1};
    const bool here = inside(places, plain);
    for (int sides = 0; sides < 8; ++sides) {
      const int side[] = {sides / 4 * 2, sides / 2 % 2 * 2, sides % 2 * 2};
      bool same = true;
      for (int axis = 0; axis < 3; ++axis) same = same && places[axis][side[axis]] == places[axis][1];
      if (!same && (here || inside(places, side))) return true;
    }
    return false;
  }
};

}  // namespace detail

namespace program {

// After make_tables: where the program has the cell of every one of `points`; null if there is not exactly one such place.
inline const Int64 *cells_of(const specialize_relink &relink, void *memory, std::size_t points, std::size_t cells) noexcept {
  const Machine machine = {&relink, static_cast<unsigned char *>(memory)};
  const unsigned char *code = relink.data + relink.code_at;
  std::int32_t found = -1;
  for (std::uint32_t k = 0; k < relink.instructions; ++k) {
    const auto *words = reinterpret_cast<const Int32 *>(code);
    code += 8 + 4 * words[1];
    if (words[0] != COUNT && words[0] != CUT) continue;
    if (machine.slot(words[3]).size != points || machine.slot(words[words[0] == COUNT ? 2 : 4]).size != cells) continue;
    if (found >= 0 && found != words[3]) return nullptr;
    found = words[3];
  }
  return found < 0 ? nullptr : reinterpret_cast<const Int64 *>(machine.slot(found).data);
}

}  // namespace program

// Calls `visit(camera, depth, row, column, cell)` for every lifted point within rounding of a cell's border after
// make_tables; returns how many there are. `cell` is as the model counts, -1 if the point is left out, -2 if that is not
// known. Nothing is visited without a frustum in the contract, or without intrinsics and poses.
template <class Visit>
inline std::uint64_t each_borderline_point(const specialize_contract &contract, const specialize_relink &relink,
                                           const specialize_today &today, void *memory, Visit visit) noexcept {
  if (contract.frustum_at == 0) return 0;
  const unsigned char *record = contract.data + contract.frustum_at;
  for (std::uint32_t n = 0; n < contract.cameras; ++n)
    if (!(today.cameras[n].has & SPECIALIZE_HAS_PINHOLE)) return 0;
  if (bytes::u32(record + 24) & 1 && !today.has_ego) return 0;
  std::size_t sizes[6], points = contract.cameras, at = 0;
  for (std::size_t k = 0; k < 6; ++k) sizes[k] = bytes::u32(record + 4 * k), points *= k < 3 ? sizes[k] : 1;
  const program::Int64 *cells = program::cells_of(relink, memory, points, sizes[3] * sizes[4] * sizes[5]);
  std::uint64_t count = 0;
  for (std::uint32_t n = 0; n < contract.cameras; ++n) {
    const detail::Lift lift(record, detail::camera_at(contract, n), today.cameras[n], today.ego_from_lidar);
    for (std::uint32_t depth = 0; depth < sizes[0]; ++depth)
      for (std::uint32_t row = 0; row < sizes[1]; ++row)
        for (std::uint32_t column = 0; column < sizes[2]; ++column, ++at) {
          double places[3][3];
          lift.place(lift.spaced(0, column, lift.count(2)), lift.spaced(2, row, lift.count(1)),
                     lift.spaced(4, depth, lift.count(0)), places);
          if (!lift.is_doubtful(places)) continue;
          visit(n, depth, row, column, cells == nullptr ? std::int64_t(-2) : std::int64_t(cells[at]));
          ++count;
        }
  }
  return count;
}

}  // namespace specialize

#endif
