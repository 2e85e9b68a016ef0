// Reading the vehicle's files: little-endian, in the caller's memory, no place read that was not checked before.
#ifndef SPECIALIZE_BYTES_HPP
#define SPECIALIZE_BYTES_HPP

#include <cfloat>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "vehicle.h"

#if defined(__FAST_MATH__)
#error "specialize: -ffast-math changes results; the same bits as at build time are needed"
#endif
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "specialize: the vehicle's files are read as they are, on little-endian processors"
#endif
#if defined(FLT_EVAL_METHOD) && FLT_EVAL_METHOD != 0
#error "specialize: doubles must be computed as doubles (on 32-bit x86: -msse2 -mfpmath=sse)"
#endif
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif

namespace specialize {
namespace bytes {

inline std::uint32_t u32(const unsigned char *at) noexcept {
  std::uint32_t value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

inline std::uint64_t u64(const unsigned char *at) noexcept {
  std::uint64_t value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

inline double f64(const unsigned char *at) noexcept {
  double value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

inline void copy(double *to, const unsigned char *from, std::size_t count) noexcept {
  std::memcpy(to, from, count * sizeof(double));
}

// The sum over all 64-bit words but the one at `skip`: sum = sum * P + word. P is odd, so every change within one word
// changes the sum.
inline std::uint64_t checksum(const unsigned char *data, std::size_t size, std::size_t skip) noexcept {
  std::uint64_t sum = 0;
  for (std::size_t at = 0; at < size; at += 8)
    if (at != skip) sum = sum * 0x9E3779B97F4A7C15ull + u64(data + at);
  return sum;
}

// Every file begins alike: 8 bytes that name its kind, u32 version, u32 of its own, u64 size, u64 checksum.
enum : std::size_t { VERSION_AT = 8, OWN_AT = 12, SIZE_AT = 16, CHECKSUM_AT = 24, PREFIX = 32 };

inline int open_file(const unsigned char *data, std::size_t size, const char (&kind)[9], std::size_t least) noexcept {
  if (data == nullptr || size < PREFIX) return SPECIALIZE_TOO_SHORT;
  if (std::memcmp(data, kind, 8) != 0) return SPECIALIZE_NOT_THIS_FILE;
  if (u32(data + VERSION_AT) != 1) return SPECIALIZE_OTHER_VERSION;
  if (u64(data + SIZE_AT) > size || size < least) return SPECIALIZE_TOO_SHORT;
  if (u64(data + SIZE_AT) != size || size % 8 != 0) return SPECIALIZE_MALFORMED;
  return checksum(data, size, CHECKSUM_AT) == u64(data + CHECKSUM_AT) ? SPECIALIZE_OK : SPECIALIZE_DAMAGED;
}

// Whether this code was compiled with fused multiply-add, which rounds once where twice is meant.
inline bool is_fused() noexcept {
  const volatile double a = 1.0 + 1.0 / 1073741824, b = 1.0 + 1.0 / 536870912;  // 1 + 2^-30, 1 + 2^-29
  return a * a - b != 0.0;  // exactly 2^-60, of which nothing is left once a * a is rounded
}

// Whether a name field of SPECIALIZE_NAME_BYTES is one: not empty, a zero behind it, and zeros to its end.
inline bool is_name(const unsigned char *at) noexcept {
  std::size_t length = 0;
  while (length < SPECIALIZE_NAME_BYTES && at[length] != 0) ++length;
  if (length == 0 || length == SPECIALIZE_NAME_BYTES) return false;
  for (std::size_t rest = length; rest < SPECIALIZE_NAME_BYTES; ++rest)
    if (at[rest] != 0) return false;
  return true;
}

}  // namespace bytes
}  // namespace specialize

#endif
