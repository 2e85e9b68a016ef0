// Today's tables on the vehicle: runs the program that the build compiled, to the same bits as `specialize table`.
//
//   specialize_relink relink;
//   specialize::open_relink(contract, &relink);                      // once: checks every instruction
//   int reason = specialize::make_tables(relink, today, memory, size, &misfit);   // `memory` of relink.arena bytes
//   specialize::bind_tables(relink, memory, inputs, input_count);    // or one by one, with read_table
//
// docs/reference/relink.md defines every operator; `specialize/binding/relink/run.py` is the same in numpy.
#ifndef SPECIALIZE_RELINK_HPP
#define SPECIALIZE_RELINK_HPP

#include <cmath>

#include "guard.hpp"

namespace specialize {
namespace program {

#if defined(__GNUC__)
#define SPECIALIZE_ALIAS __attribute__((__may_alias__))  // the arena holds one type after the other
#else
#define SPECIALIZE_ALIAS
#endif
typedef unsigned char Bool;
typedef std::int32_t SPECIALIZE_ALIAS Int32;
typedef std::int64_t SPECIALIZE_ALIAS Int64;
typedef float SPECIALIZE_ALIAS Float32;
typedef double SPECIALIZE_ALIAS Float64;

enum Type : std::uint32_t { BOOL, INT32, INT64, FLOAT32, FLOAT64 };
enum Op : std::int32_t { BINARY = 1, UNARY, WHERE, COPY, MATMUL, REDUCE, TAKE, ROWS, BACK, INVERSE, COUNT, CUT, LIST };
enum Function : std::int32_t { ADD, SUB, MUL, DIV, MIN, MAX, MOD, GT, LT, GE, LE, EQ, AND, OR };
enum Unary : std::int32_t { CAST, NOT, NEG, ABS, SQRT, RECIPROCAL, FLOOR };
enum Reduction : std::int32_t { SUM, LARGEST, SMALLEST };
enum : std::size_t { SLOT = 48, MOST_AXES = 6, FIRST_SLOT = 80 };

struct Slot {
  std::uint32_t type;
  std::size_t size;  // elements
  unsigned char *data;
};

// Instructions see slots as typed memory; constants are never a target.
struct Machine {
  const specialize_relink *relink;
  unsigned char *arena;

  Slot slot(std::int32_t number) const noexcept {
    const unsigned char *record = relink->data + FIRST_SLOT + std::size_t(number) * SLOT;
    Slot slot = {bytes::u32(record), 1, nullptr};
    for (std::uint32_t k = 0; k < bytes::u32(record + 4); ++k) slot.size *= bytes::u32(record + 8 + 4 * k);
    const std::size_t at = std::size_t(bytes::u64(record + 40));
    slot.data = bytes::u32(record + 32) == 0
                    ? arena + at
                    : const_cast<unsigned char *>(relink->data) + relink->constants_at + at;
    return slot;
  }
};

inline std::size_t width(std::uint32_t type) noexcept {
  const std::size_t widths[] = {1, 4, 8, 4, 8};
  return widths[type];
}

// ---- The operators --------------------------------------------------------------------------------------------------

// Calls `row(count, offsets)` for every innermost row of up to 6 axes; `words` holds the sizes, then the strides of each
// of K arrays. The last strides are words[(k + 1) * rank + rank - 1].
template <int K, class Row>
inline void each_row(std::int32_t rank, const std::int32_t *words, Row row) noexcept {
  std::int32_t at[MOST_AXES] = {};
  std::ptrdiff_t offset[K] = {};
  for (;;) {
    row(words[rank - 1], offset);
    std::int32_t axis = rank - 2;
    for (; axis >= 0; --axis) {
      for (int k = 0; k < K; ++k) offset[k] += words[(k + 1) * rank + axis];
      if (++at[axis] < words[axis]) break;
      for (int k = 0; k < K; ++k) offset[k] -= std::ptrdiff_t(words[(k + 1) * rank + axis]) * words[axis];
      at[axis] = 0;
    }
    if (axis < 0) return;
  }
}

template <class T> inline T plus(T x, T y) noexcept { return x + y; }
template <class T> inline T minus(T x, T y) noexcept { return x - y; }
template <class T> inline T times(T x, T y) noexcept { return x * y; }
template <class T> inline T over(T x, T y) noexcept { return x / y; }
template <class T> inline T modulo(T x, T) noexcept { return x; }  // refused for floating-point numbers

// Integers wrap around, divide towards minus infinity, and divide by 1 instead of 0.
template <> inline std::int64_t plus(std::int64_t x, std::int64_t y) noexcept {
  return std::int64_t(std::uint64_t(x) + std::uint64_t(y));
}
template <> inline std::int64_t minus(std::int64_t x, std::int64_t y) noexcept {
  return std::int64_t(std::uint64_t(x) - std::uint64_t(y));
}
template <> inline std::int64_t times(std::int64_t x, std::int64_t y) noexcept {
  return std::int64_t(std::uint64_t(x) * std::uint64_t(y));
}
template <> inline std::int64_t over(std::int64_t x, std::int64_t y) noexcept {
  if (y == 0) return x;
  if (y == -1) return minus<std::int64_t>(0, x);
  return x / y - (x % y != 0 && (x < 0) != (y < 0));
}
template <> inline std::int64_t modulo(std::int64_t x, std::int64_t y) noexcept {
  return minus(x, times(over(x, y), y == 0 ? 1 : y));
}

template <class T, class R, class F>
inline void binary(const std::int32_t *w, const Slot &target, const Slot &a, const Slot &b, F f) noexcept {
  R *out = reinterpret_cast<R *>(target.data);
  const T *x = reinterpret_cast<const T *>(a.data), *y = reinterpret_cast<const T *>(b.data);
  const std::int32_t rank = w[4], along_x = w[5 + 2 * rank - 1], along_y = w[5 + 3 * rank - 1];
  each_row<2>(rank, w + 5, [&](std::int32_t count, const std::ptrdiff_t *at) noexcept {
    const T *p = x + at[0], *q = y + at[1];
    if (along_x == 1 && along_y == 1)
      for (std::int32_t k = 0; k < count; ++k) out[k] = R(f(p[k], q[k]));
    else if (along_x == 1 && along_y == 0)
      for (std::int32_t k = 0; k < count; ++k) out[k] = R(f(p[k], *q));
    else
      for (std::int32_t k = 0; k < count; ++k) out[k] = R(f(p[std::ptrdiff_t(k) * along_x], q[std::ptrdiff_t(k) * along_y]));
    out += count;
  });
}

template <class T, class V>
inline void numeric(const std::int32_t *w, const Slot &t, const Slot &a, const Slot &b) noexcept {
  switch (w[0]) {
    case ADD: return binary<T, T>(w, t, a, b, [](V x, V y) { return plus<V>(x, y); });
    case SUB: return binary<T, T>(w, t, a, b, [](V x, V y) { return minus<V>(x, y); });
    case MUL: return binary<T, T>(w, t, a, b, [](V x, V y) { return times<V>(x, y); });
    case DIV: return binary<T, T>(w, t, a, b, [](V x, V y) { return over<V>(x, y); });
    case MOD: return binary<T, T>(w, t, a, b, [](V x, V y) { return modulo<V>(x, y); });
    case MIN: return binary<T, T>(w, t, a, b, [](V x, V y) { return x < y ? x : y; });
    case MAX: return binary<T, T>(w, t, a, b, [](V x, V y) { return x > y ? x : y; });
    case GT: return binary<T, Bool>(w, t, a, b, [](V x, V y) { return x > y; });
    case LT: return binary<T, Bool>(w, t, a, b, [](V x, V y) { return x < y; });
    case GE: return binary<T, Bool>(w, t, a, b, [](V x, V y) { return x >= y; });
    case LE: return binary<T, Bool>(w, t, a, b, [](V x, V y) { return x <= y; });
    default: return binary<T, Bool>(w, t, a, b, [](V x, V y) { return x == y; });
  }
}

inline void run_binary(const Machine &machine, const std::int32_t *w) noexcept {
  const Slot t = machine.slot(w[1]), a = machine.slot(w[2]), b = machine.slot(w[3]);
  if (a.type == FLOAT32) return numeric<Float32, float>(w, t, a, b);
  if (a.type == FLOAT64) return numeric<Float64, double>(w, t, a, b);
  if (a.type == INT32) return numeric<Int32, std::int64_t>(w, t, a, b);
  if (a.type == INT64) return numeric<Int64, std::int64_t>(w, t, a, b);
  if (w[0] == AND) return binary<Bool, Bool>(w, t, a, b, [](Bool x, Bool y) { return x & y; });
  if (w[0] == OR) return binary<Bool, Bool>(w, t, a, b, [](Bool x, Bool y) { return x | y; });
  return binary<Bool, Bool>(w, t, a, b, [](Bool x, Bool y) { return x == y; });
}

template <class V> inline std::int64_t to_integer(V x) noexcept { return std::int64_t(x); }
template <> inline std::int64_t to_integer(float x) noexcept {
  return std::fabs(x) < 4611686018427387904.0f ? std::int64_t(x) : 0;  // towards zero; 0 for what no integer is
}
template <> inline std::int64_t to_integer(double x) noexcept {
  return std::fabs(x) < 4611686018427387904.0 ? std::int64_t(x) : 0;
}

template <class T, class V> inline void cast(const Slot &target, const Slot &a) noexcept {
  const T *x = reinterpret_cast<const T *>(a.data);
  const std::size_t size = target.size;
  if (target.type == BOOL)
    for (std::size_t k = 0; k < size; ++k) target.data[k] = V(x[k]) != V(0);
  else if (target.type == INT32)
    for (std::size_t k = 0; k < size; ++k)
      reinterpret_cast<Int32 *>(target.data)[k] = std::int32_t(std::uint32_t(to_integer<V>(x[k])));
  else if (target.type == INT64)
    for (std::size_t k = 0; k < size; ++k) reinterpret_cast<Int64 *>(target.data)[k] = to_integer<V>(x[k]);
  else if (target.type == FLOAT32)
    for (std::size_t k = 0; k < size; ++k) reinterpret_cast<Float32 *>(target.data)[k] = float(x[k]);
  else
    for (std::size_t k = 0; k < size; ++k) reinterpret_cast<Float64 *>(target.data)[k] = double(x[k]);
}

template <class T, class V> inline void real(std::int32_t function, const Slot &target, const Slot &a) noexcept {
  T *out = reinterpret_cast<T *>(target.data);
  const T *x = reinterpret_cast<const T *>(a.data);
  for (std::size_t k = 0; k < target.size; ++k) {
    const V value = x[k];
    out[k] = function == NEG ? -value : function == ABS ? std::fabs(value) : function == SQRT ? std::sqrt(value)
             : function == RECIPROCAL ? V(1) / value : std::floor(value);
  }
}

inline void run_unary(const Machine &machine, const std::int32_t *w) noexcept {
  const Slot t = machine.slot(w[1]), a = machine.slot(w[2]);
  if (w[0] == NOT) {
    for (std::size_t k = 0; k < t.size; ++k) t.data[k] = !a.data[k];
  } else if (w[0] != CAST) {
    a.type == FLOAT32 ? real<Float32, float>(w[0], t, a) : real<Float64, double>(w[0], t, a);
  } else {
    switch (a.type) {
      case BOOL: return cast<Bool, std::int64_t>(t, a);
      case INT32: return cast<Int32, std::int64_t>(t, a);
      case INT64: return cast<Int64, std::int64_t>(t, a);
      case FLOAT32: return cast<Float32, float>(t, a);
      default: return cast<Float64, double>(t, a);
    }
  }
}

template <class T> inline void where(const std::int32_t *w, const Slot &t, const Slot &c, const Slot &a, const Slot &b) noexcept {
  T *out = reinterpret_cast<T *>(t.data);
  const T *x = reinterpret_cast<const T *>(a.data), *y = reinterpret_cast<const T *>(b.data);
  const std::int32_t rank = w[4], *last = w + 5 + rank - 1;
  each_row<3>(rank, w + 5, [&](std::int32_t count, const std::ptrdiff_t *at) noexcept {
    for (std::ptrdiff_t k = 0; k < count; ++k)
      *out++ = c.data[at[0] + k * last[rank]] ? x[at[1] + k * last[2 * rank]] : y[at[2] + k * last[3 * rank]];
  });
}

template <class T> inline void copy(const std::int32_t *w, const Slot &t, const Slot &a) noexcept {
  T *out = reinterpret_cast<T *>(t.data) + w[3];
  const T *x = reinterpret_cast<const T *>(a.data) + w[2];
  const std::int32_t rank = w[4], from = w[5 + 2 * rank - 1], to = w[5 + 3 * rank - 1];
  each_row<2>(rank, w + 5, [&](std::int32_t count, const std::ptrdiff_t *at) noexcept {
    for (std::ptrdiff_t k = 0; k < count; ++k) out[at[1] + k * to] = x[at[0] + k * from];
  });
}

// The same sums for a depth of 4, as projections have it: no sum is written before it is whole.
template <class T, class V> inline void matmul4(const std::int32_t *w, T *out, const T *a, const T *b) noexcept {
  const std::ptrdiff_t rows = std::ptrdiff_t(w[3]) * w[4], n = w[6];
  for (std::ptrdiff_t row = 0; row < rows; ++row, out += n) {
    const std::ptrdiff_t each = row / w[4];
    const T *x = a + each * w[7] + row % w[4] * 4, *y = b + each * w[8];
    const V x0 = x[0], x1 = x[1], x2 = x[2], x3 = x[3];
    for (std::ptrdiff_t j = 0; j < n; ++j)
      out[j] = ((x0 * y[j] + x1 * y[n + j]) + x2 * y[2 * n + j]) + x3 * y[3 * n + j];
  }
}

template <class T, class V> inline void matmul(const std::int32_t *w, const Slot &t, const Slot &a, const Slot &b) noexcept {
  const std::ptrdiff_t batch = w[3], m = w[4], depth = w[5], n = w[6], tile = 1024;
  T *out = reinterpret_cast<T *>(t.data);
  if (depth == 4) return matmul4<T, V>(w, out, reinterpret_cast<const T *>(a.data), reinterpret_cast<const T *>(b.data));
  for (std::ptrdiff_t each = 0; each < batch; ++each) {
    const T *x = reinterpret_cast<const T *>(a.data) + each * w[7], *y = reinterpret_cast<const T *>(b.data) + each * w[8];
    for (std::ptrdiff_t begin = 0; begin < n; begin += tile) {
      const std::ptrdiff_t count = n - begin < tile ? n - begin : tile;
      for (std::ptrdiff_t i = 0; i < m; ++i) {
        V sums[tile];
        for (std::ptrdiff_t j = 0; j < count; ++j) sums[j] = x[i * depth] * y[begin + j];
        for (std::ptrdiff_t k = 1; k < depth; ++k) {
          const V factor = x[i * depth + k];
          const T *row = y + k * n + begin;
          for (std::ptrdiff_t j = 0; j < count; ++j) sums[j] = sums[j] + factor * row[j];
        }
        for (std::ptrdiff_t j = 0; j < count; ++j) out[(each * m + i) * n + begin + j] = sums[j];
      }
    }
  }
}

template <class T, class V> inline void reduce(const std::int32_t *w, const Slot &t, const Slot &a) noexcept {
  const std::ptrdiff_t outer = w[3], count = w[4], inner = w[5];
  const T *x = reinterpret_cast<const T *>(a.data);
  T *out = reinterpret_cast<T *>(t.data);
  for (std::ptrdiff_t i = 0; i < outer; ++i)
    for (std::ptrdiff_t j = 0; j < inner; ++j) {
      V total = x[i * count * inner + j];
      for (std::ptrdiff_t k = 1; k < count; ++k) {
        const V value = x[(i * count + k) * inner + j];
        total = w[0] == SUM ? plus<V>(total, value) : (w[0] == LARGEST ? value > total : value < total) ? value : total;
      }
      out[i * inner + j] = T(total);
    }
}

inline bool run_take(const Machine &machine, const std::int32_t *w) noexcept {
  const Slot t = machine.slot(w[0]), a = machine.slot(w[1]), index = machine.slot(w[2]);
  const Int64 *places = reinterpret_cast<const Int64 *>(index.data);
  const std::size_t row = std::size_t(w[5]) * width(a.type), axis = std::size_t(w[4]);
  unsigned char *out = t.data;
  for (std::size_t k = 0; k < index.size; ++k)
    if (places[k] < 0 || places[k] >= w[4]) return false;
  for (std::int32_t i = 0; i < w[3]; ++i)
    for (std::size_t k = 0; k < index.size; ++k, out += row)
      std::memcpy(out, a.data + (std::size_t(i) * axis + std::size_t(places[k])) * row, row);
  return true;
}

// The pair n * Q + q at every place: a camera's queries ascending, then its last one again (its first query if it sees
// none). Counts every camera's queries; false if one has more than places.
inline bool run_rows(const Machine &machine, const std::int32_t *w, specialize_misfit *misfit) noexcept {
  const Slot mask = machine.slot(w[1]), lengths = machine.slot(w[2]);
  Int64 *out = reinterpret_cast<Int64 *>(machine.slot(w[0]).data);
  const std::int64_t cameras = w[3], queries = w[4];
  bool fits = true;
  for (std::int64_t n = 0; n < cameras; ++n) {
    const std::int64_t length = reinterpret_cast<const Int64 *>(lengths.data)[n];
    std::int64_t count = 0, last = n * queries;
    for (std::int64_t q = 0; q < queries; ++q) {
      if (!mask.data[n * queries + q]) continue;
      if (count < length) out[count] = n * queries + q;
      last = n * queries + q;
      ++count;
    }
    for (std::int64_t k = count; k < length; ++k) out[k] = last;
    misfit->wanted[n] = std::uint64_t(count), misfit->kept[n] = std::uint64_t(length);
    fits = fits && count <= length;
    out += length;
  }
  misfit->cameras = std::uint32_t(cameras);
  return fits;
}

// (Q, fan-in): the places of each query's rows in the order of cameras, then the place of a row of zeros.
inline bool run_back(const Machine &machine, const std::int32_t *w, specialize_misfit *misfit) noexcept {
  const Slot mask = machine.slot(w[1]), lengths = machine.slot(w[2]);
  Int64 *out = reinterpret_cast<Int64 *>(machine.slot(w[0]).data);
  const std::int64_t cameras = w[3], queries = w[4], fan_in = w[5];
  std::int64_t next[SPECIALIZE_MOST_CAMERAS], most = 0, start = 0;
  for (std::int64_t n = 0; n < cameras; ++n) next[n] = start, start += reinterpret_cast<const Int64 *>(lengths.data)[n];
  for (std::int64_t q = 0; q < queries; ++q) {
    std::int64_t count = 0;
    for (std::int64_t n = 0; n < cameras; ++n)
      if (mask.data[n * queries + q]) {
        if (count < fan_in) out[q * fan_in + count] = next[n];
        ++next[n], ++count;
      }
    most = count > most ? count : most;
    for (; count < fan_in; ++count) out[q * fan_in + count] = w[6];
  }
  if (most <= fan_in) return true;
  misfit->cameras_per_query = std::uint32_t(most), misfit->kept_per_query = std::uint32_t(fan_in);
  return false;
}

// Inverses of 4x4 matrices by Gauss and Jordan; the largest of each column is the pivot, the first of equals.
inline void run_inverse(const Machine &machine, const std::int32_t *w) noexcept {
  Float64 *out = reinterpret_cast<Float64 *>(machine.slot(w[0]).data);
  const Float64 *in = reinterpret_cast<const Float64 *>(machine.slot(w[1]).data);
  for (std::int32_t each = 0; each < w[2]; ++each, in += 16, out += 16) {
    double m[4][8];
    for (int i = 0; i < 4; ++i)
      for (int j = 0; j < 8; ++j) m[i][j] = j < 4 ? double(in[4 * i + j]) : double(j - 4 == i);
    for (int column = 0; column < 4; ++column) {
      int pivot = column;
      for (int row = column + 1; row < 4; ++row)
        if (std::fabs(m[row][column]) > std::fabs(m[pivot][column])) pivot = row;
      double swapped[8];
      std::memcpy(swapped, m[column], sizeof swapped);
      std::memcpy(m[column], m[pivot], sizeof swapped);
      std::memcpy(m[pivot], swapped, sizeof swapped);
      const double divisor = m[column][column];
      for (int j = 0; j < 8; ++j) m[column][j] = m[column][j] / divisor;
      for (int row = 0; row < 4; ++row) {
        const double factor = m[row][column];
        for (int j = 0; row != column && j < 8; ++j) m[row][j] = m[row][j] - factor * m[column][j];
      }
    }
    for (int k = 0; k < 16; ++k) out[k] = m[k / 4][4 + k % 4];
  }
}

// In relink_pool.hpp.
inline bool run_count(const Machine &machine, const std::int32_t *w, specialize_misfit *misfit) noexcept;
inline int run_cut(const Machine &machine, const std::int32_t *w, specialize_misfit *misfit) noexcept;
inline bool run_list(const Machine &machine, const std::int32_t *w) noexcept;

inline int run(const Machine &machine, std::int32_t op, const std::int32_t *w, specialize_misfit *misfit) noexcept {
  const Slot t = machine.slot(op == BINARY || op == UNARY || op == REDUCE ? w[1] : w[0]);
  switch (op) {
    case BINARY: run_binary(machine, w); break;
    case UNARY: run_unary(machine, w); break;
    case WHERE: {
      const Slot c = machine.slot(w[1]), a = machine.slot(w[2]), b = machine.slot(w[3]);
      if (width(t.type) == 1) where<Bool>(w, t, c, a, b);
      else if (width(t.type) == 4) where<Int32>(w, t, c, a, b);
      else where<Int64>(w, t, c, a, b);
      break;
    }
    case COPY:
      if (width(t.type) == 1) copy<Bool>(w, t, machine.slot(w[1]));
      else if (width(t.type) == 4) copy<Int32>(w, t, machine.slot(w[1]));
      else copy<Int64>(w, t, machine.slot(w[1]));
      break;
    case MATMUL:
      if (t.type == FLOAT32) matmul<Float32, float>(w, t, machine.slot(w[1]), machine.slot(w[2]));
      else matmul<Float64, double>(w, t, machine.slot(w[1]), machine.slot(w[2]));
      break;
    case REDUCE:
      if (t.type == FLOAT32) reduce<Float32, float>(w, t, machine.slot(w[2]));
      else if (t.type == FLOAT64) reduce<Float64, double>(w, t, machine.slot(w[2]));
      else if (t.type == INT32) reduce<Int32, std::int64_t>(w, t, machine.slot(w[2]));
      else if (t.type == INT64) reduce<Int64, std::int64_t>(w, t, machine.slot(w[2]));
      else reduce<Bool, std::int64_t>(w, t, machine.slot(w[2]));
      break;
    case TAKE: return run_take(machine, w) ? SPECIALIZE_OK : SPECIALIZE_MALFORMED;
    case ROWS: return run_rows(machine, w, misfit) ? SPECIALIZE_OK : SPECIALIZE_DOES_NOT_FIT;
    case BACK: return run_back(machine, w, misfit) ? SPECIALIZE_OK : SPECIALIZE_DOES_NOT_FIT;
    case COUNT: return run_count(machine, w, misfit) ? SPECIALIZE_OK : SPECIALIZE_DOES_NOT_FIT;
    case CUT: return run_cut(machine, w, misfit);
    case LIST: return run_list(machine, w) ? SPECIALIZE_OK : SPECIALIZE_MALFORMED;
    default: run_inverse(machine, w); break;
  }
  return SPECIALIZE_OK;
}

}  // namespace program

}  // namespace specialize

#include "relink_check.hpp"
#include "relink_pool.hpp"

namespace specialize {

// Makes today's tables in `memory`, of relink.arena bytes and as aligned as malloc's. The calibration is taken as it is:
// ask `check` first. SPECIALIZE_DOES_NOT_FIT says in `misfit` what each camera or cell wants.
inline int make_tables(const specialize_relink &relink, const specialize_today &today, void *memory, std::size_t size,
                       specialize_misfit *misfit) noexcept {
  *misfit = specialize_misfit{};
  if (size < relink.arena) return SPECIALIZE_NO_ROOM;
  if (reinterpret_cast<std::uintptr_t>(memory) % 8 != 0) return SPECIALIZE_NOT_ALIGNED;
  if (today.camera_count != relink.cameras) return SPECIALIZE_CAMERA_COUNT;
  const program::Machine machine = {&relink, static_cast<unsigned char *>(memory)};
  double *starts[4];
  for (std::int32_t k = 0; k < 4; ++k) starts[k] = reinterpret_cast<double *>(machine.slot(k).data);
  for (std::uint32_t n = 0; n < relink.cameras; ++n) {
    const specialize_camera &camera = today.cameras[n];
    double matrices[3][16] = {};
    if (camera.has & SPECIALIZE_HAS_PINHOLE) {
      for (int k = 0; k < 9; ++k) matrices[1][4 * (k / 3) + k % 3] = camera.intrinsic[k];
      matrices[1][15] = 1.0;
      std::memcpy(matrices[2], camera.camera_from_lidar, sizeof matrices[2]);
      detail::product(camera.intrinsic, camera.camera_from_lidar, matrices[0]);
    }
    if (camera.has & SPECIALIZE_HAS_PROJECTION) std::memcpy(matrices[0], camera.image_from_lidar, sizeof matrices[0]);
    for (int k = 0; k < 3; ++k) std::memcpy(starts[k] + 16 * n, matrices[k], sizeof matrices[k]);
  }
  const double none[16] = {};
  std::memcpy(starts[3], today.has_ego ? today.ego_from_lidar : none, sizeof none);
  const unsigned char *code = relink.data + relink.code_at;
  for (std::uint32_t k = 0; k < relink.instructions; ++k) {
    const auto *words = reinterpret_cast<const program::Int32 *>(code);
    if (const int reason = program::run(machine, words[0], words + 2, misfit)) return reason;
    code += 8 + 4 * words[1];
  }
  return SPECIALIZE_OK;
}

// Describes one table after make_tables; the engine's input of this name gets `data`, which lies in `memory`.
inline int read_table(const specialize_relink &relink, void *memory, std::uint32_t number, specialize_table *table) noexcept {
  if (number >= relink.tables) return SPECIALIZE_MALFORMED;
  const unsigned char *entry = relink.data + relink.names_at;
  for (std::uint32_t k = 0; k < number; ++k) entry += 8 + (bytes::u32(entry + 4) + 7) / 8 * 8;
  const program::Machine machine = {&relink, static_cast<unsigned char *>(memory)};
  const program::Slot slot = machine.slot(std::int32_t(bytes::u32(entry)));
  const unsigned char *record = relink.data + program::FIRST_SLOT + bytes::u32(entry) * program::SLOT;
  *table = {reinterpret_cast<const char *>(entry + 8), bytes::u32(entry + 4), slot.type, bytes::u32(record + 4), 0, {},
            slot.data, slot.size * program::width(slot.type)};
  for (std::uint32_t k = 0; k < table->rank; ++k) table->shape[k] = bytes::u32(record + 8 + 4 * k);
  return SPECIALIZE_OK;
}

// Points the engine's inputs to today's tables, by name; SPECIALIZE_MALFORMED if a table has no input of its type and size.
inline int bind_tables(const specialize_relink &relink, void *memory, specialize_tensor *inputs,
                       std::uint32_t input_count) noexcept {
  for (std::uint32_t number = 0; number < relink.tables; ++number) {
    specialize_table table;
    read_table(relink, memory, number, &table);
    std::uint32_t k = 0;
    while (k < input_count && (std::strlen(inputs[k].name) != table.name_bytes ||
                               std::memcmp(inputs[k].name, table.name, table.name_bytes) != 0))
      ++k;
    if (k == input_count || inputs[k].type != table.type || inputs[k].bytes != table.bytes) return SPECIALIZE_MALFORMED;
    inputs[k].data = table.data;
  }
  return SPECIALIZE_OK;
}

}  // namespace specialize

#endif
