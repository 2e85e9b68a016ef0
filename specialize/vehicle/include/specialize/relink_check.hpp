// Opening a program that makes tables: every slot, operand and stride is checked once, so that running checks nothing
// but the indices that are computed. Included by relink.hpp.
#ifndef SPECIALIZE_RELINK_CHECK_HPP
#define SPECIALIZE_RELINK_CHECK_HPP

#include "relink.hpp"

namespace specialize {
namespace program {

struct Checker {
  const specialize_relink &relink;
  std::size_t constants_size;

  const unsigned char *record(std::int32_t slot) const noexcept {
    return relink.data + FIRST_SLOT + std::size_t(slot) * SLOT;
  }

  bool is_slot(std::int32_t slot) const noexcept { return slot >= 0 && std::uint32_t(slot) < relink.slots; }

  bool is_constant(std::int32_t slot) const noexcept { return bytes::u32(record(slot) + 32) == 1; }

  std::uint32_t type(std::int32_t slot) const noexcept { return bytes::u32(record(slot)); }

  std::int64_t size(std::int32_t slot) const noexcept {
    std::int64_t elements = 1;
    for (std::uint32_t k = 0; k < bytes::u32(record(slot) + 4); ++k) elements *= bytes::u32(record(slot) + 8 + 4 * k);
    return elements;
  }

  bool slot_is_sound(std::int32_t slot) const noexcept {
    const unsigned char *at = record(slot);
    if (type(slot) > FLOAT64 || bytes::u32(at + 4) > MOST_AXES || bytes::u32(at + 32) > 1 || bytes::u32(at + 36) != 0)
      return false;
    std::uint64_t elements = 1;
    for (std::uint32_t k = 0; k < bytes::u32(at + 4); ++k) {
      const std::uint32_t dim = bytes::u32(at + 8 + 4 * k);
      if (dim == 0 || elements * dim > 0x7FFFFFFFu) return false;
      elements *= dim;
    }
    const std::uint64_t place = bytes::u64(at + 40), room = is_constant(slot) ? constants_size : relink.arena;
    return place % 8 == 0 && place <= room && room - place >= elements * width(type(slot));
  }

  // Whether every element that sizes and strides name lies in a slot.
  bool reaches(std::int32_t slot, std::int64_t offset, std::int32_t rank, const std::int32_t *sizes,
               const std::int32_t *strides) const noexcept {
    std::int64_t low = offset, high = offset;
    for (std::int32_t k = 0; k < rank; ++k) {
      const std::int64_t far = std::int64_t(sizes[k] - 1) * strides[k];
      (far < 0 ? low : high) += far;
    }
    return low >= 0 && high < size(slot);
  }

  // The number of elements that `rank` sizes make; 0 if they cannot be.
  static std::int64_t elements(std::int32_t rank, const std::int32_t *sizes) noexcept {
    if (rank < 1 || rank > std::int32_t(MOST_AXES)) return 0;
    std::int64_t product = 1;
    for (std::int32_t k = 0; k < rank; ++k) {
      if (sizes[k] < 1 || product * sizes[k] > 0x7FFFFFFF) return 0;
      product *= sizes[k];
    }
    return product;
  }

  bool is_target(std::int32_t slot) const noexcept { return is_slot(slot) && !is_constant(slot); }

  bool binary(const std::int32_t *w, std::int32_t count) const noexcept {
    if (count < 5 || w[0] < ADD || w[0] > OR || !is_target(w[1]) || !is_slot(w[2]) || !is_slot(w[3])) return false;
    const std::int32_t rank = w[4], *sizes = w + 5;
    if (rank < 1 || rank > std::int32_t(MOST_AXES) || count != 5 + 3 * rank) return false;
    const std::uint32_t kind = type(w[2]);
    const bool logic = w[0] == AND || w[0] == OR, compared = w[0] >= GT && w[0] <= EQ;
    if (type(w[3]) != kind || type(w[1]) != (compared ? std::uint32_t(BOOL) : kind)) return false;
    if ((kind == BOOL) != logic && !(kind == BOOL && w[0] == EQ)) return false;
    if (w[0] == MOD && (kind == FLOAT32 || kind == FLOAT64)) return false;
    return elements(rank, sizes) == size(w[1]) && reaches(w[2], 0, rank, sizes, sizes + rank) &&
           reaches(w[3], 0, rank, sizes, sizes + 2 * rank);
  }

  bool unary(const std::int32_t *w, std::int32_t count) const noexcept {
    if (count != 3 || w[0] < CAST || w[0] > FLOOR || !is_target(w[1]) || !is_slot(w[2])) return false;
    if (size(w[1]) != size(w[2]) || (w[0] != CAST && type(w[1]) != type(w[2]))) return false;
    return w[0] == CAST || (w[0] == NOT) == (type(w[1]) == BOOL);
  }

  bool real_unary(const std::int32_t *w) const noexcept {
    return w[0] == CAST || w[0] == NOT || type(w[1]) == FLOAT32 || type(w[1]) == FLOAT64;
  }

  bool where(const std::int32_t *w, std::int32_t count) const noexcept {
    if (count < 5 || !is_target(w[0]) || !is_slot(w[1]) || !is_slot(w[2]) || !is_slot(w[3])) return false;
    const std::int32_t rank = w[4], *sizes = w + 5;
    if (rank < 1 || rank > std::int32_t(MOST_AXES) || count != 5 + 4 * rank || type(w[1]) != BOOL) return false;
    if (type(w[2]) != type(w[0]) || type(w[3]) != type(w[0]) || elements(rank, sizes) != size(w[0])) return false;
    for (std::int32_t k = 1; k < 4; ++k)
      if (!reaches(w[k], 0, rank, sizes, sizes + k * rank)) return false;
    return true;
  }

  bool copy(const std::int32_t *w, std::int32_t count) const noexcept {
    if (count < 5 || !is_target(w[0]) || !is_slot(w[1]) || type(w[0]) != type(w[1])) return false;
    const std::int32_t rank = w[4], *sizes = w + 5;
    if (rank < 1 || rank > std::int32_t(MOST_AXES) || count != 5 + 3 * rank || elements(rank, sizes) == 0) return false;
    return reaches(w[1], w[2], rank, sizes, sizes + rank) && reaches(w[0], w[3], rank, sizes, sizes + 2 * rank);
  }

  bool matmul(const std::int32_t *w, std::int32_t count) const noexcept {
    if (count != 9 || !is_target(w[0]) || !is_slot(w[1]) || !is_slot(w[2])) return false;
    if (type(w[0]) != FLOAT32 && type(w[0]) != FLOAT64) return false;
    if (type(w[1]) != type(w[0]) || type(w[2]) != type(w[0])) return false;
    const std::int32_t made[] = {w[3], w[4], w[6]}, left[] = {w[3], w[4] , w[5]}, right[] = {w[3], w[5], w[6]};
    const std::int32_t left_steps[] = {w[7], w[5], 1}, right_steps[] = {w[8], w[6], 1};
    return elements(3, made) == size(w[0]) && elements(3, left) != 0 && elements(3, right) != 0 &&
           reaches(w[1], 0, 3, left, left_steps) && reaches(w[2], 0, 3, right, right_steps);
  }

  bool reduce(const std::int32_t *w, std::int32_t count) const noexcept {
    if (count != 6 || w[0] < SUM || w[0] > SMALLEST || !is_target(w[1]) || !is_slot(w[2])) return false;
    const std::int32_t whole[] = {w[3], w[4], w[5]}, made[] = {w[3], w[5]};
    if (type(w[1]) != type(w[2]) || (w[0] == SUM && type(w[1]) == BOOL)) return false;
    return elements(3, whole) == size(w[2]) && elements(2, made) == size(w[1]);
  }

  bool take(const std::int32_t *w, std::int32_t count) const noexcept {
    if (count != 6 || !is_target(w[0]) || !is_slot(w[1]) || !is_slot(w[2]) || type(w[2]) != INT64) return false;
    const std::int32_t whole[] = {w[3], w[4], w[5]};
    if (type(w[0]) != type(w[1]) || elements(3, whole) != size(w[1])) return false;
    return std::int64_t(w[3]) * w[5] * size(w[2]) == size(w[0]);
  }

  // ROWS and BACK: the places of a mask (cameras, queries); the lengths are constant, so that their sum is known.
  bool places(const std::int32_t *w, std::int32_t count, std::int32_t expected) const noexcept {
    if (count != expected || !is_target(w[0]) || !is_slot(w[1]) || !is_slot(w[2])) return false;
    const std::int32_t pairs[] = {w[3], w[4]};
    if (w[3] < 1 || w[3] > SPECIALIZE_MOST_CAMERAS || type(w[0]) != INT64 || type(w[1]) != BOOL) return false;
    if (elements(2, pairs) != size(w[1]) || type(w[2]) != INT64 || size(w[2]) != w[3] || !is_constant(w[2])) return false;
    const unsigned char *lengths = relink.data + relink.constants_at + bytes::u64(record(w[2]) + 40);
    std::int64_t sum = 0;
    for (std::int32_t n = 0; n < w[3]; ++n) {
      const std::uint64_t length = bytes::u64(lengths + 8 * n);
      if (length > 0x7FFFFFFFu) return false;
      sum += std::int64_t(length);
    }
    return expected == 5 ? sum == size(w[0]) : w[5] >= 1 && std::int64_t(w[4]) * w[5] == size(w[0]);
  }

  bool inverse(const std::int32_t *w, std::int32_t count) const noexcept {
    return count == 3 && is_target(w[0]) && is_slot(w[1]) && type(w[0]) == FLOAT64 && type(w[1]) == FLOAT64 && w[2] > 0 &&
           size(w[0]) == std::int64_t(w[2]) * 16 && size(w[1]) == size(w[0]);
  }

  bool count(const std::int32_t *w, std::int32_t count) const noexcept {
    return count == 3 && is_target(w[0]) && is_slot(w[1]) && type(w[0]) == INT64 && type(w[1]) == INT64 && w[2] >= 0;
  }

  bool cut(const std::int32_t *w, std::int32_t count) const noexcept {
    if (count != 4 || !is_target(w[0]) || !is_slot(w[1]) || !is_target(w[2]) || w[3] < 1) return false;
    return type(w[0]) == INT64 && type(w[1]) == INT64 && type(w[2]) == INT64 && size(w[0]) % w[3] == 0;
  }

  bool list(const std::int32_t *w, std::int32_t count) const noexcept {
    if (count != 5 || !is_target(w[0]) || !is_slot(w[1]) || type(w[0]) != INT64 || type(w[1]) != INT64) return false;
    const std::int32_t made[] = {w[2], w[3]};
    return elements(2, made) == size(w[0]) && w[4] >= size(w[1]);
  }

  bool is_sound(std::int32_t op, const std::int32_t *w, std::int32_t count) const noexcept {
    switch (op) {
      case BINARY: return binary(w, count);
      case UNARY: return unary(w, count) && real_unary(w);
      case WHERE: return where(w, count);
      case COPY: return copy(w, count);
      case MATMUL: return matmul(w, count);
      case REDUCE: return reduce(w, count);
      case TAKE: return take(w, count);
      case ROWS: return places(w, count, 5);
      case BACK: return places(w, count, 7);
      case INVERSE: return inverse(w, count);
      case COUNT: return this->count(w, count);
      case CUT: return cut(w, count);
      case LIST: return list(w, count);
      default: return false;
    }
  }

  // The matrices that a program starts from: three per camera, and the lidar's pose.
  bool starts_are_sound() const noexcept {
    if (relink.slots < 4) return false;
    for (std::int32_t k = 0; k < 4; ++k)
      if (type(k) != FLOAT64 || is_constant(k) || size(k) != (k < 3 ? 16 * std::int64_t(relink.cameras) : 16)) return false;
    return true;
  }
};

}  // namespace program

// Checks the program in a contract once, whose bytes must be as aligned as malloc's.
inline int open_relink(const specialize_contract &contract, specialize_relink *relink) noexcept {
  using namespace program;
  if (contract.relink_size == 0) return SPECIALIZE_NO_RELINK;
  const unsigned char *data = contract.data + contract.relink_at;
  if (reinterpret_cast<std::uintptr_t>(data) % 8 != 0) return SPECIALIZE_NOT_ALIGNED;
  if (const int reason = bytes::open_file(data, contract.relink_size, "SPZRELNK", FIRST_SLOT)) return reason;
  const std::uint64_t size = contract.relink_size, code = bytes::u64(data + 48), names = bytes::u64(data + 56);
  const std::uint64_t constants = bytes::u64(data + 64), slots = bytes::u32(data + 32);
  if (code > size || names > size || constants > size || code % 8 != 0 || names % 8 != 0) return SPECIALIZE_MALFORMED;
  if (FIRST_SLOT + slots * SLOT + code + names + constants != size) return SPECIALIZE_MALFORMED;
  if (bytes::u32(data + 44) != 0 || bytes::u64(data + 72) > (std::uint64_t(1) << 40)) return SPECIALIZE_MALFORMED;
  *relink = {data, bytes::u32(data + bytes::OWN_AT), std::uint32_t(slots), bytes::u32(data + 36), bytes::u32(data + 40),
             std::size_t(bytes::u64(data + 72)), std::size_t(FIRST_SLOT + slots * SLOT), 0, 0};
  relink->names_at = relink->code_at + std::size_t(code);
  relink->constants_at = relink->names_at + std::size_t(names);
  const Checker checker = {*relink, std::size_t(constants)};
  for (std::uint32_t k = 0; k < slots; ++k)
    if (!checker.slot_is_sound(std::int32_t(k))) return SPECIALIZE_MALFORMED;
  if (relink->cameras != contract.cameras || !checker.starts_are_sound()) return SPECIALIZE_MALFORMED;
  std::uint64_t at = 0;
  for (std::uint32_t k = 0; k < relink->instructions; ++k) {
    if (code - at < 8) return SPECIALIZE_MALFORMED;
    const auto *words = reinterpret_cast<const Int32 *>(data + relink->code_at + at);
    if (words[1] < 0 || std::uint64_t(words[1]) > (code - at - 8) / 4) return SPECIALIZE_MALFORMED;
    if (!checker.is_sound(words[0], words + 2, words[1])) return SPECIALIZE_MALFORMED;
    at += 8 + 4 * std::uint64_t(words[1]);
  }
  if ((at + 7) / 8 * 8 != code) return SPECIALIZE_MALFORMED;
  at = 0;
  for (std::uint32_t k = 0; k < relink->tables; ++k) {
    if (names - at < 8) return SPECIALIZE_MALFORMED;
    const unsigned char *entry = data + relink->names_at + at;
    const std::uint64_t length = (std::uint64_t(bytes::u32(entry + 4)) + 7) / 8 * 8;
    if (!checker.is_slot(std::int32_t(bytes::u32(entry))) || length > names - at - 8) return SPECIALIZE_MALFORMED;
    at += 8 + length;
  }
  return at == names ? SPECIALIZE_OK : SPECIALIZE_MALFORMED;
}

}  // namespace specialize

#endif
