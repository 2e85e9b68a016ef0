// Which pairs of camera and query lie within rounding of an image border, and which side the tables took. Runtimes of
// the model differ there; the program rounds as docs/reference/relink.md says, on every machine.
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

}  // namespace specialize

#endif
