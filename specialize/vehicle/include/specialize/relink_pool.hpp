// Points by cell, for models that add lifted points to cells: counted, sorted into blocks, listed. Included by relink.hpp.
//
// Values are cells; those outside of 0 to cells - 1 are points that are left out. A checked program may still have slots
// that lie over each other, so every place is compared before anything is written there.
#ifndef SPECIALIZE_RELINK_POOL_HPP
#define SPECIALIZE_RELINK_POOL_HPP

#include "relink.hpp"

namespace specialize {
namespace program {

// How many elements have each value; false if one occurs more often than the tables have room for.
inline bool run_count(const Machine &machine, const std::int32_t *w, specialize_misfit *misfit) noexcept {
  const Slot t = machine.slot(w[0]), a = machine.slot(w[1]);
  Int64 *out = reinterpret_cast<Int64 *>(t.data);
  const Int64 *values = reinterpret_cast<const Int64 *>(a.data);
  const std::uint64_t cells = t.size;
  std::memset(t.data, 0, t.size * sizeof(std::int64_t));
  for (std::size_t k = 0; k < a.size; ++k) {
    const std::uint64_t value = std::uint64_t(values[k]);
    if (value < cells) out[value] = std::int64_t(std::uint64_t(out[value]) + 1);
  }
  std::uint64_t largest = 0;
  for (std::size_t cell = 0; cell < t.size; ++cell)
    largest = std::uint64_t(out[cell]) > largest ? std::uint64_t(out[cell]) : largest;
  if (largest <= std::uint64_t(w[2])) return true;
  misfit->rows_per_cell = largest, misfit->kept_rows_per_cell = std::uint64_t(w[2]);
  return false;
}

// The places of elements, sorted by value and then by place; every value begins a block, and -1 fills it up.
inline int run_cut(const Machine &machine, const std::int32_t *w, specialize_misfit *misfit) noexcept {
  const Slot t = machine.slot(w[0]), a = machine.slot(w[1]), scratch = machine.slot(w[2]);
  Int64 *out = reinterpret_cast<Int64 *>(t.data), *next = reinterpret_cast<Int64 *>(scratch.data);
  const Int64 *values = reinterpret_cast<const Int64 *>(a.data);
  const std::uint64_t cells = scratch.size, size = std::uint64_t(w[3]), kept = t.size / size;
  std::memset(scratch.data, 0, scratch.size * sizeof(std::int64_t));
  for (std::size_t k = 0; k < a.size; ++k) {
    const std::uint64_t value = std::uint64_t(values[k]);
    if (value < cells) next[value] = std::int64_t(std::uint64_t(next[value]) + 1);
  }
  std::uint64_t blocks = 0;
  for (std::size_t cell = 0; cell < scratch.size; ++cell) {
    const std::uint64_t count = std::uint64_t(next[cell]);
    next[cell] = std::int64_t(blocks * size);
    blocks += count / size + (count % size != 0);
  }
  if (blocks > kept) {
    misfit->blocks = blocks, misfit->kept_blocks = kept, misfit->block_rows = size;
    return SPECIALIZE_DOES_NOT_FIT;
  }
  for (std::size_t k = 0; k < t.size; ++k) out[k] = -1;
  for (std::size_t k = 0; k < a.size; ++k) {
    const std::uint64_t value = std::uint64_t(values[k]);
    if (value >= cells) continue;
    const std::uint64_t place = std::uint64_t(next[value]);
    if (place >= t.size) return SPECIALIZE_MALFORMED;
    next[value] = std::int64_t(place + 1);
    out[place] = std::int64_t(k);
  }
  return SPECIALIZE_OK;
}

// (cells, width): the places of the elements with each value, ascending, then `spare`; false if there are more.
inline bool run_list(const Machine &machine, const std::int32_t *w) noexcept {
  const Slot t = machine.slot(w[0]), a = machine.slot(w[1]);
  Int64 *out = reinterpret_cast<Int64 *>(t.data);
  const Int64 *values = reinterpret_cast<const Int64 *>(a.data);
  const std::uint64_t cells = std::uint64_t(w[2]), width = std::uint64_t(w[3]);
  for (std::size_t k = 0; k < t.size; ++k) out[k] = w[4];
  for (std::size_t k = 0; k < a.size; ++k) {
    const std::uint64_t value = std::uint64_t(values[k]);
    if (value >= cells) continue;
    std::uint64_t at = value * width, end = at + width;
    while (at < end && out[at] != w[4]) ++at;
    if (at == end) return false;
    out[at] = std::int64_t(k);
  }
  return true;
}

}  // namespace program
}  // namespace specialize

#endif
