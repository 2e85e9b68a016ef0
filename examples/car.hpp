// What a car does with a build, whatever runs its engine: guard, golden frame, tables, one run. C++17, nothing else.
// Exit codes: 0 ran; 1 a file or the runtime; 3 stale, build again; 4 the calibration is unusable; 5 the wrong engine.
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <vector>

#include "specialize/golden.hpp"
#include "specialize/guard.hpp"
#include "specialize/relink.hpp"

inline void require(bool fine, const char *place, const char *what, int code = 1) {
  if (!fine) std::fprintf(stderr, "%s: %s\n", place, what), std::exit(code);
}
inline void require(int reason, const char *place, int code = 1) {
  require(reason == SPECIALIZE_OK, place, specialize::reason_text(std::uint32_t(reason)), code);
}
inline std::vector<char> bytes_of(const char *path) {  // aligned to 16, as operator new aligns
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

struct Car {
  const char *contract_path, *golden_path, *today_path;
  std::vector<char> contract_bytes = bytes_of(contract_path), golden_bytes = bytes_of(golden_path),
                    today_bytes = bytes_of(today_path);
  specialize_contract contract = {};
  specialize_golden golden = {};
  specialize_camera cameras[SPECIALIZE_MOST_CAMERAS] = {};
  specialize_today today = {};

  // May this build be used with today's calibration? Asked before the engine is loaded.
  void check() {
    require(specialize::open(contract_bytes.data(), contract_bytes.size(), &contract), contract_path);
    require(specialize::open_golden(golden_bytes.data(), golden_bytes.size(), &contract, &golden), golden_path);
    require(specialize::read_today(today_bytes.data(), today_bytes.size(), &today, cameras, 64), today_path);
    const specialize_verdict verdict = specialize::check(contract, today);
    std::printf("guard: %s\n", specialize::state_name(verdict.state));
    require(int(verdict.reason), today_path, 4);
    require(verdict.state != SPECIALIZE_STALE, today_path, "the build is for another calibration", 3);
  }

  // Is it the engine of this build? Then make its tables, which are inputs, and run one frame with them.
  void drive(specialize_engine run, void *engine) {
    specialize_difference first;
    const int reason = specialize::selftest(golden, run, engine, &first);
    if (first.index >= 0) std::fprintf(stderr, "%g, expected %g +- %g: ", first.found, first.expected, first.allowed);
    require(reason, "the engine", 5);
    std::printf("golden frame: pass\n");
    // Your cameras' images belong here, in mode envelope today's calibration too; the example takes the golden frame's.
    specialize_tensor in[SPECIALIZE_MOST_TENSORS], out[SPECIALIZE_MOST_TENSORS];
    specialize::golden_frame(golden, 0, in, out);
    specialize_relink relink = {};
    specialize_misfit misfit;
    if (contract.mode == 2) require(specialize::open_relink(contract, &relink), contract_path);
    std::vector<std::uint64_t> memory(relink.arena / 8 + 1);
    if (contract.mode == 2)
      require(specialize::make_tables(relink, today, memory.data(), relink.arena, &misfit), today_path, 3);
    require(specialize::bind_tables(relink, memory.data(), in, golden.inputs), "the engine's tables");
    require(run(engine, in, golden.inputs, out, golden.outputs) == 0, "the engine", "it fails");
    const auto *values = static_cast<const unsigned char *>(out->data);
    std::printf("ran: %s begins with %.6g\n", out->name, specialize::frame::element(out->type, values));
  }
};
