// ONNX Runtime on the car, by its C interface.   car model.onnx contract.bin golden.bin today.bin
#include "../car.hpp"
#include "onnxruntime_c_api.h"

static const OrtApi *ort = OrtGetApiBase()->GetApi(ORT_API_VERSION);

// ONNXTensorElementDataType by SPECIALIZE_BOOL to SPECIALIZE_UINT64.
static const int types[] = {9, 6, 7, 1, 11, 10, 3, 2, 5, 4, 12, 13};

struct Engine {
  OrtSession *session;
  OrtMemoryInfo *memory;
  std::vector<std::vector<char>> outputs;  // of the last run
};

static bool is_ok(OrtStatus *status) {
  return status == nullptr || (std::fprintf(stderr, "%s\n", ort->GetErrorMessage(status)), false);
}

// Runs the engine once: a specialize_engine. It writes where it is told; another type or shape is an error.
static int run(void *user, const specialize_tensor *in, uint32_t in_count, specialize_tensor *out, uint32_t out_count) {
  Engine &engine = *static_cast<Engine *>(user);
  engine.outputs.resize(out_count);
  for (uint32_t k = 0; k < out_count; ++k)
    engine.outputs[k].assign(out[k].bytes, 0), out[k].data = engine.outputs[k].data();
  std::vector<OrtValue *> values(in_count + out_count);
  std::vector<const char *> names;
  bool fine = true;
  for (uint32_t k = 0; k < values.size(); ++k) {
    const specialize_tensor &each = k < in_count ? in[k] : out[k - in_count];
    names.push_back(each.name);
    fine = fine && is_ok(ort->CreateTensorWithDataAsOrtValue(
                       engine.memory, const_cast<void *>(each.data), each.bytes, each.shape, each.rank,
                       ONNXTensorElementDataType(types[each.type]), &values[k]));
  }
  fine = fine && is_ok(ort->Run(engine.session, nullptr, names.data(), values.data(), in_count, names.data() + in_count,
                                out_count, values.data() + in_count));
  for (OrtValue *value : values) ort->ReleaseValue(value);
  return fine ? 0 : 1;
}

int main(int count, char **words) {
  require(count == 5 && ort != nullptr, "usage", "car model.onnx contract.bin golden.bin today.bin");
  Car car = {words[2], words[3], words[4]};
  car.check();
  Engine engine = {};
  OrtEnv *env;
  OrtSessionOptions *options;
  require(is_ok(ort->CreateEnv(ORT_LOGGING_LEVEL_WARNING, "car", &env)) && is_ok(ort->CreateSessionOptions(&options)) &&
              is_ok(ort->CreateSession(env, words[1], options, &engine.session)) &&
              is_ok(ort->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &engine.memory)),
          words[1], "no engine");
  car.drive(run, &engine);
}
