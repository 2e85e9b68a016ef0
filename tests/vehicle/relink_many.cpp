// Makes tables for the tests: one calibration at a time, the tables one after the other in the caller's memory.
#include <cstdlib>

#include "specialize/borderline.hpp"
#include "specialize/relink.hpp"

extern "C" {

// Opens a contract and its program; returns the reason, and the bytes of all tables.
int relink_open(const unsigned char *data, std::size_t size, specialize_contract *contract, specialize_relink *relink) {
  if (const int reason = specialize::open(data, size, contract)) return reason;
  return specialize::open_relink(*contract, relink);
}

int relink_make(const specialize_relink *relink, const unsigned char *today_bytes, std::size_t today_size,
                unsigned char *out, std::size_t room, specialize_misfit *misfit) {
  static specialize_camera cameras[SPECIALIZE_MOST_CAMERAS];
  specialize_today today;
  if (const int reason = specialize::read_today(today_bytes, today_size, &today, cameras, SPECIALIZE_MOST_CAMERAS))
    return reason;
  void *memory = std::malloc(relink->arena ? relink->arena : 1);
  if (memory == nullptr) return SPECIALIZE_NO_ROOM;
  int reason = specialize::make_tables(*relink, today, memory, relink->arena, misfit);
  std::size_t at = 0;
  for (std::uint32_t k = 0; reason == 0 && k < relink->tables; ++k) {
    specialize_table table;
    reason = specialize::read_table(*relink, memory, k, &table);
    if (reason == 0 && table.bytes > room - at) reason = SPECIALIZE_NO_ROOM;
    if (reason == 0) std::memcpy(out + at, table.data, table.bytes);
    at += table.bytes;
  }
  std::free(memory);
  return reason;
}

// Binds a program's tables in memory of their own to inputs; returns the reason, and where in that memory each lies.
int relink_bind(const specialize_relink *relink, specialize_tensor *inputs, std::uint32_t count, std::ptrdiff_t *at) {
  auto *memory = static_cast<char *>(std::malloc(relink->arena ? relink->arena : 1));
  if (memory == nullptr) return SPECIALIZE_NO_ROOM;
  const int reason = specialize::bind_tables(*relink, memory, inputs, count);
  for (std::uint32_t k = 0; k < count; ++k)
    at[k] = inputs[k].data ? static_cast<const char *>(inputs[k].data) - memory : -1;
  std::free(memory);
  return reason;
}

// Lists the lifted points that rounding decides: camera, depth, row, column and cell of at most `room`; returns how many
// there are, or minus the reason for none.
std::int64_t relink_points(const specialize_contract *contract, const specialize_relink *relink,
                           const unsigned char *today_bytes, std::size_t today_size, std::int64_t *out, std::size_t room) {
  static specialize_camera cameras[SPECIALIZE_MOST_CAMERAS];
  specialize_today today;
  if (const int reason = specialize::read_today(today_bytes, today_size, &today, cameras, SPECIALIZE_MOST_CAMERAS))
    return -reason;
  void *memory = std::malloc(relink->arena ? relink->arena : 1);
  if (memory == nullptr) return -SPECIALIZE_NO_ROOM;
  specialize_misfit misfit;
  std::size_t at = 0;
  std::int64_t count = -specialize::make_tables(*relink, today, memory, relink->arena, &misfit);
  const auto visit = [&](std::uint32_t n, std::uint32_t depth, std::uint32_t row, std::uint32_t column, std::int64_t cell) noexcept {
    const std::int64_t numbers[] = {n, depth, row, column, cell};
    if (at < room) std::memcpy(out + 5 * at++, numbers, sizeof numbers);
  };
  if (count == 0) count = std::int64_t(specialize::each_borderline_point(*contract, *relink, today, memory, visit));
  std::free(memory);
  return count;
}
}
