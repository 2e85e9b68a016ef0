// Reads cases from standard input, each in memory of exactly its size, so that a sanitizer sees every byte read beyond.
//
// A case is u32 kind (0 contract, 1 today, 2 contract whose program is run, 3 golden frame), u32 size and its bytes.
// For each the reason is written to standard output; a contract that is accepted is asked about the first calibration that was accepted.
#include <cstdio>
#include <cstdlib>

#include "specialize/golden.hpp"
#include "specialize/relink.hpp"

static volatile unsigned touched = 0;  // so that the last byte of everything is read

// Reads every byte of the inputs, and gives what the frame expects, from memory of exactly its size.
static int give_expected(void *user, const specialize_tensor *inputs, std::uint32_t input_count,
                         specialize_tensor *outputs, std::uint32_t output_count) {
  static unsigned char *kept[SPECIALIZE_MOST_TENSORS];
  static std::uint32_t frame = 1;
  frame = 1 - frame;
  for (std::uint32_t k = 0; k < input_count; ++k) {
    for (std::size_t at = 0; at < inputs[k].bytes; ++at)
      touched = touched + static_cast<const unsigned char *>(inputs[k].data)[at];
    for (const char *at = inputs[k].name; *at; ++at) touched = touched + static_cast<unsigned char>(*at);
  }
  for (std::uint32_t k = 0; k < output_count; ++k) {
    specialize_tensor wanted;
    specialize::golden_tensor(*static_cast<const specialize_golden *>(user), input_count + k, frame, &wanted);
    std::free(kept[k]);
    kept[k] = static_cast<unsigned char *>(std::malloc(wanted.bytes ? wanted.bytes : 1));
    if (kept[k] == nullptr) return 1;
    std::memcpy(kept[k], wanted.data, wanted.bytes);
    outputs[k].data = kept[k];
  }
  return 0;
}

int main() {
  static specialize_camera cameras[SPECIALIZE_MOST_CAMERAS];
  specialize_today today = {cameras, 0, 0, {}, 0.0, 0.0, 0.0, nullptr};
  unsigned char *kept = nullptr;
  std::uint32_t head[2];
  while (std::fread(head, sizeof head, 1, stdin) == 1) {
    auto *data = static_cast<unsigned char *>(std::malloc(head[1] ? head[1] : 1));
    if (data == nullptr || std::fread(data, 1, head[1], stdin) != head[1]) return 1;
    int reason;
    if (head[0] == 0) {
      specialize_contract contract;
      reason = specialize::open(data, head[1], &contract);
      if (reason == SPECIALIZE_OK) {
        const specialize_verdict verdict = specialize::check(contract, today);
        if (verdict.state > SPECIALIZE_UNUSABLE || specialize::camera_name(contract, verdict.camera) == nullptr) return 1;
      }
    } else if (head[0] == 2) {
      specialize_contract contract;
      specialize_relink relink;
      reason = specialize::open(data, head[1], &contract);
      if (reason == SPECIALIZE_OK) reason = specialize::open_relink(contract, &relink);
      if (reason == SPECIALIZE_OK && relink.arena < (std::size_t(1) << 26)) {
        void *memory = std::calloc(1, relink.arena ? relink.arena : 1);
        specialize_misfit misfit;
        reason = specialize::make_tables(relink, today, memory, relink.arena, &misfit);
        specialize_table table;
        for (std::uint32_t k = 0; k < relink.tables; ++k) {
          if (specialize::read_table(relink, memory, k, &table) != SPECIALIZE_OK) return 1;
          const auto *last = static_cast<const unsigned char *>(table.data) + table.bytes - 1;
          touched = touched + *last;
          if (table.name_bytes > 0) touched = touched + static_cast<unsigned char>(table.name[table.name_bytes - 1]);
        }
        std::free(memory);
      }
    } else if (head[0] == 3) {
      specialize_golden golden;
      specialize_difference first;
      reason = specialize::open_golden(data, head[1], nullptr, &golden);
      if (reason == SPECIALIZE_OK) specialize::selftest(golden, give_expected, &golden, &first);
    } else {
      specialize_today read;
      specialize_camera others[SPECIALIZE_MOST_CAMERAS];
      reason = specialize::read_today(data, head[1], &read, others, SPECIALIZE_MOST_CAMERAS);
      if (reason == SPECIALIZE_OK && kept == nullptr) {
        specialize::read_today(data, head[1], &today, cameras, SPECIALIZE_MOST_CAMERAS);
        kept = data;
        data = nullptr;
      }
    }
    std::printf("%d\n", reason);
    std::free(data);
  }
  std::free(kept);
  return 0;
}
