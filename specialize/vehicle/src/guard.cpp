// The guard as a program. g++ -std=c++17 -O3 -ffp-contract=off -I INCLUDE guard.cpp -o guard
//
//   guard check  contract.bin today.bin                        what to do about the build
//   guard relink contract.bin today.bin -o table.safetensors   today's tables for its engine
//   guard golden golden.bin                                    what a golden frame holds
//
// Exit codes: 0 fresh or inside, written, or shown; 2 relink; 3 stale, or tables that do not fit; 4 unusable; 1 a file that is
// refused or cannot be written.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "specialize/borderline.hpp"
#include "specialize/golden.hpp"
#include "specialize/guard.hpp"
#include "specialize/relink.hpp"
#include "specialize/table_file.hpp"

namespace {

struct File {
  unsigned char *data = nullptr;
  std::size_t size = 0;
  ~File() { std::free(data); }
};

// Reads a whole file, at most 1 GiB; false with a message if that fails.
bool read_file(const char *path, File *file) {
  std::FILE *stream = std::fopen(path, "rb");
  if (stream == nullptr) {
    std::perror(path);
    return false;
  }
  constexpr std::size_t most = std::size_t(1) << 30;
  std::size_t room = 0, got = 1;
  while (got > 0 && file->size < most) {
    if (file->size == room) {
      room = room ? 2 * room : 1 << 16;
      void *larger = std::realloc(file->data, room);
      if (larger == nullptr) break;
      file->data = static_cast<unsigned char *>(larger);
    }
    got = std::fread(file->data + file->size, 1, room - file->size, stream);
    file->size += got;
  }
  const bool whole = std::feof(stream) != 0;
  std::fclose(stream);
  if (!whole) std::fprintf(stderr, "%s: cannot be read to its end\n", path);
  return whole;
}

int refuse(const char *path, int reason) {
  std::fprintf(stderr, "%s: %s\n", path, specialize::reason_text(std::uint32_t(reason)));
  return 1;
}

struct Asked {
  File contract_file, today_file;
  specialize_contract contract;
  specialize_today today;
  specialize_camera cameras[SPECIALIZE_MOST_CAMERAS];
};

// Reads both files; 0, or the exit code.
int read(const char *contract_path, const char *today_path, Asked *asked) {
  if (!read_file(contract_path, &asked->contract_file) || !read_file(today_path, &asked->today_file)) return 1;
  if (const int reason = specialize::open(asked->contract_file.data, asked->contract_file.size, &asked->contract))
    return refuse(contract_path, reason);
  if (const int reason = specialize::read_today(asked->today_file.data, asked->today_file.size, &asked->today,
                                                asked->cameras, SPECIALIZE_MOST_CAMERAS))
    return refuse(today_path, reason);
  return 0;
}

void say(std::FILE *stream, const specialize_contract &contract, const specialize_verdict &verdict) {
  std::fprintf(stream, "%s", specialize::state_name(verdict.state));
  if (verdict.camera >= 0) std::fprintf(stream, " %s", specialize::camera_name(contract, verdict.camera));
  if (verdict.reason != SPECIALIZE_OK) {
    std::fprintf(stream, ": %s", specialize::reason_text(verdict.reason));
  } else if (verdict.camera >= 0) {
    std::fprintf(stream, ": %.2f mrad, %.2f mm, %.2f %% focal length, %.2f px centre", verdict.rotation_mrad,
                 verdict.translation_mm, verdict.focal_percent, verdict.centre_px);
    std::fprintf(stream, "; %llu pairs", static_cast<unsigned long long>(verdict.pairs));
  }
  std::fprintf(stream, "\n");
}

int check(const char *contract_path, const char *today_path) {
  Asked asked;
  if (const int code = read(contract_path, today_path, &asked)) return code;
  const specialize_verdict verdict = specialize::check(asked.contract, asked.today);
  say(stdout, asked.contract, verdict);
  const int codes[] = {0, 0, 2, 3, 4};
  return codes[verdict.state];
}

void explain(const specialize_contract &contract, const specialize_misfit &misfit) {
  for (std::uint32_t n = 0; n < misfit.cameras; ++n)
    if (misfit.wanted[n] > misfit.kept[n])
      std::fprintf(stderr, "%s: %llu rows too many (%llu of %llu)\n", specialize::camera_name(contract, std::int32_t(n)),
                   static_cast<unsigned long long>(misfit.wanted[n] - misfit.kept[n]),
                   static_cast<unsigned long long>(misfit.wanted[n]), static_cast<unsigned long long>(misfit.kept[n]));
  if (misfit.cameras_per_query > 0)
    std::fprintf(stderr, "%u cameras see the same query, tables have room for %u\n", misfit.cameras_per_query,
                 misfit.kept_per_query);
  const auto number = [](std::uint64_t value) { return static_cast<unsigned long long>(value); };
  if (misfit.rows_per_cell > 0)
    std::fprintf(stderr, "%llu rows are pooled into one cell, tables have room for %llu\n", number(misfit.rows_per_cell),
                 number(misfit.kept_rows_per_cell));
  if (misfit.blocks > 0) {
    std::fprintf(stderr, "%llu ", number(misfit.blocks - misfit.kept_blocks));
    if (misfit.block_rows == 1) std::fprintf(stderr, "points");
    else std::fprintf(stderr, "blocks of %llu rows", number(misfit.block_rows));
    std::fprintf(stderr, " too many (%llu of %llu)\n", number(misfit.blocks), number(misfit.kept_blocks));
  }
}

// Writes a file whole: under another name first, then renamed.
int write_tables(const Asked &asked, const specialize_relink &relink, void *memory, const char *path) {
  const unsigned char *today = asked.today_file.data;
  const std::size_t size = specialize::table_file::header(asked.contract, today, relink, memory, nullptr, 0);
  File head, name;
  head.data = static_cast<unsigned char *>(std::malloc(size));
  name.data = static_cast<unsigned char *>(std::malloc(std::strlen(path) + 5));
  if (head.data == nullptr || name.data == nullptr) return refuse(path, SPECIALIZE_NO_ROOM);
  char *text = reinterpret_cast<char *>(head.data), *temporary = reinterpret_cast<char *>(name.data);
  specialize::table_file::header(asked.contract, today, relink, memory, text, size);
  std::strcpy(temporary, path);
  std::strcat(temporary, ".tmp");
  std::FILE *stream = std::fopen(temporary, "wb");
  bool fine = stream != nullptr && specialize::table_file::write(stream, relink, memory, text, size);
  fine = stream != nullptr && std::fclose(stream) == 0 && fine;
  fine = fine && std::rename(temporary, path) == 0;
  if (!fine) {
    std::perror(path);
    std::remove(temporary);
  }
  return fine ? 0 : 1;
}

// Says which pairs rounding decided: how many, and the first.
void say_borderline(const Asked &asked, const specialize_relink &relink, void *memory) {
  constexpr unsigned most = 5;
  unsigned said = 0;
  bool several = false;
  const auto look = [&](std::uint32_t grid, std::uint32_t, std::size_t, int) noexcept { several |= grid > 0; };
  const std::uint64_t count = specialize::each_borderline(asked.contract, relink, asked.today, memory, look);
  if (count == 0) return;
  std::printf("pairs within rounding of an image border: %llu (", static_cast<unsigned long long>(count));
  const char *sides[] = {"undecided", "left out", "kept"};
  const auto say_pair = [&](std::uint32_t grid, std::uint32_t camera, std::size_t query, int kept) noexcept {
    if (said++ >= most) return;
    std::printf("%s%s ", said > 1 ? ", " : "", specialize::camera_name(asked.contract, std::int32_t(camera)));
    if (several) std::printf("grid %u ", unsigned(grid));
    std::printf("query %llu %s", static_cast<unsigned long long>(query), sides[kept + 1]);
  };
  specialize::each_borderline(asked.contract, relink, asked.today, memory, say_pair);
  std::printf("%s)\n", count > most ? ", ..." : "");
}

// Says which lifted points rounding decided: how many, and the first.
void say_points(const Asked &asked, const specialize_relink &relink, void *memory) {
  constexpr unsigned most = 5;
  unsigned said = 0;
  const std::uint64_t count = specialize::each_borderline_point(
      asked.contract, relink, asked.today, memory,
      [](std::uint32_t, std::uint32_t, std::uint32_t, std::uint32_t, std::int64_t) noexcept {});
  if (count == 0) return;
  std::printf("points within rounding of a cell's border: %llu (", static_cast<unsigned long long>(count));
  const auto say_point = [&](std::uint32_t camera, std::uint32_t depth, std::uint32_t row, std::uint32_t column,
                             std::int64_t cell) noexcept {
    if (said++ >= most) return;
    std::printf("%s%s depth %u row %u column %u ", said > 1 ? ", " : "",
                specialize::camera_name(asked.contract, std::int32_t(camera)), unsigned(depth), unsigned(row),
                unsigned(column));
    if (cell >= 0) std::printf("in cell %lld", static_cast<long long>(cell));
    else std::printf("%s", cell == -1 ? "left out" : "undecided");
  };
  specialize::each_borderline_point(asked.contract, relink, asked.today, memory, say_point);
  std::printf("%s)\n", count > most ? ", ..." : "");
}

int relink(const char *contract_path, const char *today_path, const char *output) {
  Asked asked;
  if (const int code = read(contract_path, today_path, &asked)) return code;
  const specialize_verdict verdict = specialize::check(asked.contract, asked.today);
  if (verdict.state == SPECIALIZE_UNUSABLE) {
    say(stderr, asked.contract, verdict);
    return 4;
  }
  specialize_relink program;
  if (const int reason = specialize::open_relink(asked.contract, &program)) return refuse(contract_path, reason);
  File memory;
  memory.data = static_cast<unsigned char *>(std::malloc(program.arena));
  if (memory.data == nullptr) return refuse(contract_path, SPECIALIZE_NO_ROOM);
  specialize_misfit misfit;
  if (const int reason = specialize::make_tables(program, asked.today, memory.data, program.arena, &misfit)) {
    refuse(today_path, reason);
    explain(asked.contract, misfit);
    return reason == SPECIALIZE_DOES_NOT_FIT ? 3 : 1;
  }
  const int code = write_tables(asked, program, memory.data, output);
  if (code == 0) say_borderline(asked, program, memory.data);
  if (code == 0) say_points(asked, program, memory.data);
  return code;
}

int golden(const char *path) {
  File file;
  if (!read_file(path, &file)) return 1;
  specialize_golden golden;
  if (const int reason = specialize::open_golden(file.data, file.size, nullptr, &golden)) return refuse(path, reason);
  std::printf("build ");
  for (int k = 32; k < 38; ++k) std::printf("%02x", file.data[k]);
  std::printf(", expected is what %s gave\n", golden.reference == 0 ? "the original model" : "the build's own model");
  const char *const types[] = {"bool", "int32", "int64", "float32", "float64", "float16",
                               "int8", "uint8", "int16", "uint16", "uint32", "uint64"};
  for (std::uint32_t k = 0; k < golden.inputs + golden.outputs; ++k) {
    specialize_tensor tensor;
    specialize::golden_tensor(golden, k, 0, &tensor);
    std::printf("%s %s: %s", k < golden.inputs ? "input " : "output", tensor.name, types[tensor.type]);
    for (std::uint32_t axis = 0; axis < tensor.rank; ++axis)
      std::printf("%s%lld", axis ? "x" : " ", static_cast<long long>(tensor.shape[axis]));
    std::printf("\n");
  }
  return 0;
}

}  // namespace

int main(int count, char **words) {
  if (count == 4 && std::strcmp(words[1], "check") == 0) return check(words[2], words[3]);
  if (count == 6 && std::strcmp(words[1], "relink") == 0 && std::strcmp(words[4], "-o") == 0)
    return relink(words[2], words[3], words[5]);
  if (count == 3 && std::strcmp(words[1], "golden") == 0) return golden(words[2]);
  std::fprintf(stderr, "usage: guard check contract.bin today.bin\n"
                       "       guard relink contract.bin today.bin -o table.safetensors\n"
                       "       guard golden golden.bin\n");
  return 1;
}
