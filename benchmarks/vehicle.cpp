// Times guard and relink: vehicle contract.bin today.bin rounds. Prints the least microseconds of processor time of each,
// one a line; what takes less than 20 is repeated within a round.
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <vector>

#include "specialize/relink.hpp"

static std::vector<double> read_whole(const char *path, std::size_t *size) {
  std::vector<double> memory;  // aligned to 8
  std::FILE *file = std::fopen(path, "rb");
  if (file == nullptr) std::exit(1);
  std::fseek(file, 0, SEEK_END);
  *size = static_cast<std::size_t>(std::ftell(file));
  std::rewind(file);
  memory.resize(*size / 8 + 1);
  if (std::fread(memory.data(), 1, *size, file) != *size) std::exit(1);
  std::fclose(file);
  return memory;
}

static double now_us() {
  std::timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return 1e6 * double(time.tv_sec) + 1e-3 * double(time.tv_nsec);
}

template <class Work> static double taken_us(Work work, long repeats) {
  const double start = now_us();
  for (long repeat = 0; repeat < repeats; ++repeat) work();
  return now_us() - start;
}

template <class Work> static void time(const char *name, int rounds, Work work) {
  long repeats = 1;
  double least = 1e300;
  while (rounds > 1 && taken_us(work, repeats) < 20.0) repeats *= 2;
  for (int round = 0; round < rounds; ++round) {
    const double each = taken_us(work, repeats) / double(repeats);
    least = each < least ? each : least;
  }
  if (rounds > 0) std::printf("%s %.3f\n", name, least);
}

int main(int count, char **words) {
  if (count != 4) return 1;
  std::size_t contract_size = 0, today_size = 0;
  const auto contract_bytes = read_whole(words[1], &contract_size), today_bytes = read_whole(words[2], &today_size);
  const int rounds = std::atoi(words[3]);
  static specialize_camera cameras[SPECIALIZE_MOST_CAMERAS];
  specialize_contract contract;
  specialize_relink relink;
  specialize_today today;
  specialize_misfit misfit;
  if (specialize::open(contract_bytes.data(), contract_size, &contract)) return 1;
  if (specialize::read_today(today_bytes.data(), today_size, &today, cameras, SPECIALIZE_MOST_CAMERAS)) return 1;
  time("open_us", rounds, [&] { specialize::open(contract_bytes.data(), contract_size, &contract); });
  time("check_us", rounds, [&] { specialize::check(contract, today); });
  if (specialize::open_relink(contract, &relink)) return 0;
  std::vector<double> memory(relink.arena / 8 + 1);
  time("relink_us", rounds, [&] { specialize::make_tables(relink, today, memory.data(), relink.arena, &misfit); });
  return 0;
}
