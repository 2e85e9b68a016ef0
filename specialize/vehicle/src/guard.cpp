// The guard as a program. g++ -std=c++17 -O2 -ffp-contract=off -I INCLUDE guard.cpp -o guard
//
//   guard check contract.bin today.bin      0 fresh or inside, 2 relink, 3 stale, 4 unusable, 1 a file that is refused
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "specialize/guard.hpp"

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

int check(const char *contract_path, const char *today_path) {
  File contract_file, today_file;
  if (!read_file(contract_path, &contract_file) || !read_file(today_path, &today_file)) return 1;
  specialize_contract contract;
  specialize_today today;
  specialize_camera cameras[SPECIALIZE_MOST_CAMERAS];
  if (const int reason = specialize::open(contract_file.data, contract_file.size, &contract))
    return refuse(contract_path, reason);
  if (const int reason =
          specialize::read_today(today_file.data, today_file.size, &today, cameras, SPECIALIZE_MOST_CAMERAS))
    return refuse(today_path, reason);
  const specialize_verdict verdict = specialize::check(contract, today);
  std::printf("%s", specialize::state_name(verdict.state));
  if (verdict.camera >= 0) std::printf(" %s", specialize::camera_name(contract, verdict.camera));
  if (verdict.reason != SPECIALIZE_OK) {
    std::printf(": %s", specialize::reason_text(verdict.reason));
  } else if (verdict.camera >= 0) {
    std::printf(": %.2f mrad, %.2f mm, %.2f %% focal length, %.2f px centre", verdict.rotation_mrad,
                verdict.translation_mm, verdict.focal_percent, verdict.centre_px);
    std::printf("; %llu pairs", static_cast<unsigned long long>(verdict.pairs));
  }
  std::printf("\n");
  const int codes[] = {0, 0, 2, 3, 4};
  return codes[verdict.state];
}

}  // namespace

int main(int count, char **words) {
  if (count == 4 && std::strcmp(words[1], "check") == 0) return check(words[2], words[3]);
  std::fprintf(stderr, "usage: guard check contract.bin today.bin\n");
  return 1;
}
