// ONNX Runtime on the car, by its C interface.   car model.onnx contract.bin golden.bin today.bin
#include "../car.hpp"
#include "onnxruntime_c_api.h"

static const OrtApi *ort = OrtGetApiBase()->GetApi(ORT_API_VERSION);

// ONNXTensorElementDataType by SPECIALIZE_BOOL to SPECIALIZE_UINT64.
static const int types[] = {9, 6, 7, 1, 11, 10, 3, 2, 5, 4, 12, 13};

struct Engine {
  OrtSession *session;
  OrtMemoryInfo *memory;
  std::vector<OrtValue *> outputs;  // of the last run
};

static bool is_ok(OrtStatus *status) {
  return status == nullptr || (std::fprintf(stderr, "%s\n", ort->GetErrorMessage(status)), false);
}

// Runs the engine once: a specialize_engine.
static int run(void *user, const specialize_tensor *in, uint32_t in_count, specialize_tensor *out, uint32_t out_count) {
  Engine &engine = *static_cast<Engine *>(user);
  for (OrtValue *value : engine.outputs) ort->ReleaseValue(value);
  engine.outputs.assign(out_count, nullptr);
  std::vector<OrtValue *> values(in_count, nullptr);
  std::vector<const char *> names;
  bool fine = true;
  for (uint32_t k = 0; k < in_count; ++k) {
    names.push_back(in[k].name);
    fine = fine && is_ok(ort->CreateTensorWithDataAsOrtValue(
                       engine.memory, const_cast<void *>(in[k].data), in[k].bytes, in[k].shape, in[k].rank,
                       ONNXTensorElementDataType(types[in[k].type]), &values[k]));
  }
  for (uint32_t k = 0; k < out_count; ++k) names.push_back(out[k].name);
  fine = fine && is_ok(ort->Run(engine.session, nullptr, names.data(), values.data(), in_count, names.data() + in_count,
                                out_count, engine.outputs.data()));
  for (OrtValue *value : values) ort->ReleaseValue(value);
  for (uint32_t k = 0; fine && k < out_count; ++k) {
    OrtTensorTypeAndShapeInfo *info = nullptr;
    ONNXTensorElementDataType type;
    size_t count = 0;
    void *data = nullptr;
    fine = is_ok(ort->GetTensorTypeAndShape(engine.outputs[k], &info)) &&
           is_ok(ort->GetTensorElementType(info, &type)) && type == types[out[k].type] &&
           is_ok(ort->GetTensorShapeElementCount(info, &count)) &&
           is_ok(ort->GetTensorMutableData(engine.outputs[k], &data));
    out[k].data = data, out[k].bytes = count * specialize::frame::width(out[k].type);
    ort->ReleaseTensorTypeAndShapeInfo(info);
  }
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
