// The C interface as a library: g++ -std=c++17 -O3 -ffp-contract=off -fPIC -shared -I INCLUDE vehicle.cpp -o libspecialize.so
#include "specialize/golden.hpp"
#include "specialize/guard.hpp"
#include "specialize/policy.hpp"
#include "specialize/relink.hpp"

extern "C" {

int specialize_open(const void *data, size_t size, specialize_contract *contract) {
  return specialize::open(data, size, contract);
}

int specialize_read_today(const void *data, size_t size, specialize_today *today, specialize_camera *cameras,
                          uint32_t most) {
  return specialize::read_today(data, size, today, cameras, most);
}

specialize_verdict specialize_check(const specialize_contract *contract, const specialize_today *today) {
  return specialize::check(*contract, *today);
}

int specialize_start(specialize_watch *watch, uint32_t needed, uint32_t window, specialize_policies policies) {
  return specialize::start(watch, needed, window, policies);
}

uint32_t specialize_step(specialize_watch *watch, uint32_t state) { return specialize::step(watch, state); }

int specialize_open_relink(const specialize_contract *contract, specialize_relink *relink) {
  return specialize::open_relink(*contract, relink);
}

int specialize_make_tables(const specialize_relink *relink, const specialize_today *today, void *memory, size_t size,
                           specialize_misfit *misfit) {
  return specialize::make_tables(*relink, *today, memory, size, misfit);
}

int specialize_read_table(const specialize_relink *relink, void *memory, uint32_t number, specialize_table *table) {
  return specialize::read_table(*relink, memory, number, table);
}

int specialize_bind_tables(const specialize_relink *relink, void *memory, specialize_tensor *inputs,
                           uint32_t input_count) {
  return specialize::bind_tables(*relink, memory, inputs, input_count);
}

int specialize_open_golden(const void *data, size_t size, const specialize_contract *contract,
                           specialize_golden *golden) {
  return specialize::open_golden(data, size, contract, golden);
}

int specialize_golden_tensor(const specialize_golden *golden, uint32_t number, uint32_t frame,
                             specialize_tensor *tensor) {
  return specialize::golden_tensor(*golden, number, frame, tensor);
}

int specialize_golden_frame(const specialize_golden *golden, uint32_t frame, specialize_tensor *inputs,
                            specialize_tensor *outputs) {
  return specialize::golden_frame(*golden, frame, inputs, outputs);
}

int specialize_selftest(const specialize_golden *golden, specialize_engine run, void *user,
                        specialize_difference *first) {
  return specialize::selftest(*golden, run, user, first);
}

const char *specialize_state_name(uint32_t state) { return specialize::state_name(state); }

const char *specialize_reason_text(uint32_t reason) { return specialize::reason_text(reason); }

const char *specialize_camera_name(const specialize_contract *contract, int32_t camera) {
  return specialize::camera_name(*contract, camera);
}

}  // extern "C"
