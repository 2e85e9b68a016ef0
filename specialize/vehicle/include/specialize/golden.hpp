// The golden frame: does the engine on this vehicle compute what the build was proven to compute? No original needed.
//
//   specialize_golden golden;
//   if (specialize::open_golden(bytes, size, &contract, &golden) != SPECIALIZE_OK) ...
//   specialize_difference first;
//   int reason = specialize::selftest(golden, run, engine, &first);   // `run` calls the engine, see vehicle.h
//
// Two frames are run, of which at least one output differs by more than is allowed: an engine that ignores its inputs
// fails. `specialize/vehicle/golden.py` is the same in numpy. Nothing is allocated: the file is read where it lies.
#ifndef SPECIALIZE_GOLDEN_HPP
#define SPECIALIZE_GOLDEN_HPP

#include <cmath>

#include "bytes.hpp"

namespace specialize {
namespace frame {

using bytes::f64;
using bytes::u32;
using bytes::u64;

// A header, one record per tensor, the names, then blocks of data at multiples of 64.
enum : std::size_t {
  BUILD_AT = 32, COUNTS_AT = 96, ZERO_AT = 120, HEADER = 128,
  NAME_BYTES = 8, TYPE = 12, RANK = 16, NONFINITE = 20, SHAPE = 24, BYTES = 56, DATA = 64, ALLOWED = 80, MAY_DIFFER = 96,
  ZERO = 120, RECORD = 128,
  MOST_AXES = 8, MOST_NAME = 4096, BLOCK = 64
};

inline std::size_t width(std::uint32_t type) noexcept {
  const std::size_t widths[] = {1, 4, 8, 4, 8, 2, 1, 1, 2, 2, 4, 8};
  return type < sizeof widths / sizeof *widths ? widths[type] : 0;
}

// Whether a record describes a tensor that lies within the file.
inline bool is_tensor(const unsigned char *data, std::size_t size, const unsigned char *record, bool output) noexcept {
  const std::uint64_t name_at = u64(record), name_bytes = u32(record + NAME_BYTES), rank = u32(record + RANK);
  const std::uint64_t one = width(u32(record + TYPE)), whole = u64(record + BYTES);
  if (name_bytes == 0 || name_bytes > MOST_NAME || name_at < HEADER || name_at >= size || size - name_at <= name_bytes)
    return false;
  for (std::uint64_t k = 0; k <= name_bytes; ++k)
    if ((data[name_at + k] == 0) != (k == name_bytes)) return false;
  if (one == 0 || rank > MOST_AXES || u32(record + NONFINITE) > 1 || u64(record + ZERO) != 0) return false;
  std::uint64_t count = 1;
  for (std::size_t k = 0; k < MOST_AXES; ++k) {
    const std::uint64_t length = u32(record + SHAPE + 4 * k);
    if (k >= rank && length != 0) return false;
    if (k < rank) count *= length;
    if (count > size) return false;  // an element is a byte at least
  }
  if (whole != count * one || (!output && (u32(record + NONFINITE) || u64(record + MAY_DIFFER)))) return false;
  for (std::size_t k = 0; k < 2; ++k) {
    const std::uint64_t at = u64(record + DATA + 8 * k), allowed = u64(record + ALLOWED + 8 * k);
    if (at % BLOCK != 0 || at < HEADER || at > size || whole > size - at) return false;
    if (!output && allowed != 0) return false;
    if (output && (allowed % BLOCK != 0 || allowed < HEADER || allowed > size || 4 * count > size - allowed)) return false;
  }
  return true;
}

inline double half(std::uint16_t bits) noexcept {
  const std::uint64_t sign = std::uint64_t(bits >> 15) << 63, exponent = (bits >> 10) & 31, mantissa = bits & 1023;
  if (exponent == 0) return (sign ? -1.0 : 1.0) * (double(mantissa) * 0x1p-24);
  const std::uint64_t wide = sign | (exponent == 31 ? 2047 : exponent + 1008) << 52 | mantissa << 42;
  double value;
  std::memcpy(&value, &wide, sizeof value);
  return value;
}

template <class T> inline double number(const unsigned char *at) noexcept {
  T value;
  std::memcpy(&value, at, sizeof value);
  return double(value);
}

inline double element(std::uint32_t type, const unsigned char *at) noexcept {
  switch (type) {
    case SPECIALIZE_FLOAT32: return number<float>(at);
    case SPECIALIZE_FLOAT64: return number<double>(at);
    case SPECIALIZE_FLOAT16: return half(std::uint16_t(at[0] | at[1] << 8));
    case SPECIALIZE_INT8: return number<std::int8_t>(at);
    case SPECIALIZE_INT16: return number<std::int16_t>(at);
    case SPECIALIZE_UINT16: return number<std::uint16_t>(at);
    case SPECIALIZE_INT32: return number<std::int32_t>(at);
    case SPECIALIZE_UINT32: return number<std::uint32_t>(at);
    case SPECIALIZE_INT64: return number<std::int64_t>(at);
    case SPECIALIZE_UINT64: return number<std::uint64_t>(at);
    default: return number<std::uint8_t>(at);
  }
}

// Compares what an engine gave with what one frame expects; true if it is within bounds, else `first` says where not.
inline bool is_expected(const specialize_golden &golden, std::uint32_t output, std::uint32_t frame,
                        const unsigned char *found, specialize_difference *first) noexcept {
  const unsigned char *record = golden.data + HEADER + std::size_t(golden.inputs + output) * RECORD;
  const std::uint32_t type = u32(record + TYPE);
  const std::size_t one = width(type), count = std::size_t(u64(record + BYTES)) / one;
  const unsigned char *wanted = golden.data + u64(record + DATA + 8 * frame);
  const unsigned char *bounds = golden.data + u64(record + ALLOWED + 8 * frame);
  const bool real = type == SPECIALIZE_FLOAT16 || type == SPECIALIZE_FLOAT32 || type == SPECIALIZE_FLOAT64;
  std::uint64_t beyond = 0;
  bool broken = false;  // NaN or infinity where there is none
  for (std::size_t k = 0; k < count; ++k) {
    if (std::memcmp(wanted + k * one, found + k * one, one) == 0 && !real) continue;
    const double a = element(type, wanted + k * one), b = element(type, found + k * one);
    const double allowed = number<float>(bounds + 4 * k);
    bool fine = false;
    if (real && std::isfinite(a) && std::isfinite(b)) fine = std::fabs(b - a) <= allowed;
    else if (real) broken |= !(fine = u32(record + NONFINITE) && (a == b || (std::isnan(a) && std::isnan(b))));
    if (!fine && beyond++ == 0) *first = {std::int32_t(frame), std::int32_t(output), std::int64_t(k), 0, a, b, allowed};
  }
  if (beyond) first->beyond = beyond;
  return !broken && beyond <= u64(record + MAY_DIFFER);
}

}  // namespace frame

inline int golden_tensor(const specialize_golden &golden, std::uint32_t number, std::uint32_t frame,
                         specialize_tensor *tensor) noexcept {
  if (number >= golden.inputs + golden.outputs || frame > 1) return SPECIALIZE_MALFORMED;
  const unsigned char *record = golden.data + frame::HEADER + std::size_t(number) * frame::RECORD;
  *tensor = {reinterpret_cast<const char *>(golden.data + bytes::u64(record)),
             bytes::u32(record + frame::TYPE),
             bytes::u32(record + frame::RANK),
             {},
             golden.data + bytes::u64(record + frame::DATA + 8 * frame),
             std::size_t(bytes::u64(record + frame::BYTES))};
  for (std::size_t k = 0; k < frame::MOST_AXES; ++k) tensor->shape[k] = bytes::u32(record + frame::SHAPE + 4 * k);
  return SPECIALIZE_OK;
}

inline int golden_frame(const specialize_golden &golden, std::uint32_t frame, specialize_tensor *inputs,
                        specialize_tensor *outputs) noexcept {
  if (frame > 1) return SPECIALIZE_MALFORMED;
  for (std::uint32_t k = 0; k < golden.inputs; ++k) golden_tensor(golden, k, frame, inputs + k);
  for (std::uint32_t k = 0; k < golden.outputs; ++k) golden_tensor(golden, golden.inputs + k, frame, outputs + k);
  return SPECIALIZE_OK;
}

inline int open_golden(const void *memory, std::size_t size, const specialize_contract *contract,
                       specialize_golden *golden) noexcept {
  const auto *data = static_cast<const unsigned char *>(memory);
  if (reinterpret_cast<std::uintptr_t>(data) % 8 != 0) return SPECIALIZE_NOT_ALIGNED;
  if (const int reason = bytes::open_file(data, size, "SPZGOLDN", frame::HEADER)) return reason;
  *golden = {data, size, bytes::u32(data + frame::COUNTS_AT), bytes::u32(data + frame::COUNTS_AT + 4),
             bytes::u32(data + bytes::OWN_AT), 0};
  const std::size_t inputs = golden->inputs, outputs = golden->outputs;
  if (golden->reference > 1 || inputs == 0 || inputs > SPECIALIZE_MOST_TENSORS || outputs == 0 ||
      outputs > SPECIALIZE_MOST_TENSORS || bytes::u64(data + frame::ZERO_AT) != 0)
    return SPECIALIZE_MALFORMED;
  if (size < frame::HEADER + (inputs + outputs) * frame::RECORD) return SPECIALIZE_MALFORMED;
  for (std::size_t k = 0; k < inputs + outputs; ++k)
    if (!frame::is_tensor(data, size, data + frame::HEADER + k * frame::RECORD, k >= inputs)) return SPECIALIZE_MALFORMED;
  const bool other = contract != nullptr && std::memcmp(contract->data + 32, data + frame::BUILD_AT, 32) != 0;
  return other ? SPECIALIZE_OTHER_BUILD : SPECIALIZE_OK;
}

inline int selftest(const specialize_golden &golden, specialize_engine run, void *user,
                    specialize_difference *first) noexcept {
  specialize_tensor inputs[SPECIALIZE_MOST_TENSORS], outputs[SPECIALIZE_MOST_TENSORS];
  specialize_difference other;
  for (std::uint32_t frame = 0; frame < 2; ++frame) {
    *first = {std::int32_t(frame), -1, -1, 0, 0.0, 0.0, 0.0};
    golden_frame(golden, frame, inputs, outputs);
    for (std::uint32_t k = 0; k < golden.outputs; ++k) outputs[k].data = nullptr;
    if (run(user, inputs, golden.inputs, outputs, golden.outputs) != 0) return SPECIALIZE_ENGINE_FAILED;
    bool same = true, swapped = true;
    for (std::uint32_t k = 0; k < golden.outputs; ++k) {
      const auto *found = static_cast<const unsigned char *>(outputs[k].data);
      const std::uint64_t wanted =
          bytes::u64(golden.data + frame::HEADER + std::size_t(golden.inputs + k) * frame::RECORD + frame::BYTES);
      if ((found == nullptr && wanted != 0) || outputs[k].bytes != wanted) {
        first->output = std::int32_t(k);
        return SPECIALIZE_ENGINE_FAILED;
      }
      specialize_difference found_here;
      if (!frame::is_expected(golden, k, frame, found, &found_here)) {
        if (same) *first = found_here;
        same = false;
      }
      swapped = swapped && frame::is_expected(golden, k, 1 - frame, found, &other);
    }
    if (!same) return swapped ? SPECIALIZE_GOLDEN_BLIND : SPECIALIZE_GOLDEN_DIFFERS;
  }
  *first = {-1, -1, -1, 0, 0.0, 0.0, 0.0};
  return SPECIALIZE_OK;
}

}  // namespace specialize

#endif
