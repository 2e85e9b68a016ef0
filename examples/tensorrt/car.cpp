// TensorRT on the car, with setTensorAddress.   car model.engine contract.bin golden.bin today.bin
//
// Compiled against the headers of TensorRT 11.1 and CUDA 12, and NOT run: no package index has the headers, and the
// machine that the tests run on has no GPU. Make model.engine with `trtexec --onnx=model.onnx --saveEngine=model.engine
// --noTF32`: with TF32, or in 16 bits, the bounds of the golden frame are too narrow unless the build has --precision.
#include <NvInfer.h>
#include <cuda_runtime_api.h>

#include <map>
#include <string>

#include "../car.hpp"

struct Log : nvinfer1::ILogger {
  void log(Severity severity, const char *text) noexcept override {
    if (severity <= Severity::kWARNING) std::fprintf(stderr, "%s\n", text);
  }
};

struct Engine {
  nvinfer1::IExecutionContext *context = nullptr;
  cudaStream_t stream = nullptr;
  std::map<std::string, void *> device;             // one buffer per tensor, made when it is first named
  std::map<std::string, std::vector<char>> outputs;  // of the last run

  // Returns the buffer of a tensor, which the engine is told of once; NULL if it has no such tensor.
  void *buffer(const specialize_tensor &tensor) {
    void *&address = device[tensor.name];
    if (address != nullptr) return address;
    if (cudaMalloc(&address, tensor.bytes ? tensor.bytes : 1) != cudaSuccess) return nullptr;
    return context->setTensorAddress(tensor.name, address) ? address : nullptr;
  }
};

// Runs the engine once: a specialize_engine. Shapes are static, so none is set.
static int run(void *user, const specialize_tensor *in, uint32_t in_count, specialize_tensor *out, uint32_t out_count) {
  Engine &engine = *static_cast<Engine *>(user);
  bool fine = true;
  for (uint32_t k = 0; fine && k < in_count; ++k) {
    void *to = engine.buffer(in[k]);
    fine = to != nullptr &&
           cudaMemcpyAsync(to, in[k].data, in[k].bytes, cudaMemcpyHostToDevice, engine.stream) == cudaSuccess;
  }
  for (uint32_t k = 0; fine && k < out_count; ++k) fine = engine.buffer(out[k]) != nullptr;
  fine = fine && engine.context->enqueueV3(engine.stream);
  for (uint32_t k = 0; fine && k < out_count; ++k) {
    std::vector<char> &host = engine.outputs[out[k].name];
    host.resize(out[k].bytes);
    out[k].data = host.data();
    fine = cudaMemcpyAsync(host.data(), engine.buffer(out[k]), out[k].bytes, cudaMemcpyDeviceToHost, engine.stream) ==
           cudaSuccess;
  }
  return fine && cudaStreamSynchronize(engine.stream) == cudaSuccess ? 0 : 1;
}

// Whether the engine's tensors are as large as the golden frame says, whose sizes the buffers have.
static bool fits(const nvinfer1::ICudaEngine &engine, const specialize_golden &golden) {
  for (uint32_t k = 0; k < golden.inputs + golden.outputs; ++k) {
    specialize_tensor tensor;
    specialize::golden_tensor(golden, k, 0, &tensor);
    const nvinfer1::Dims dims = engine.getTensorShape(tensor.name);
    bool same = dims.nbDims == int32_t(tensor.rank);
    for (int32_t axis = 0; same && axis < dims.nbDims; ++axis) same = dims.d[axis] == tensor.shape[axis];
    if (!same) return false;
  }
  return engine.getNbIOTensors() == int32_t(golden.inputs + golden.outputs);
}

int main(int count, char **words) {
  require(count == 5, "usage", "car model.engine contract.bin golden.bin today.bin");
  Car car = {words[2], words[3], words[4]};
  car.check();
  Log log;
  const std::vector<char> plan = bytes_of(words[1]);
  nvinfer1::IRuntime *runtime = nvinfer1::createInferRuntime(log);
  nvinfer1::ICudaEngine *built = runtime ? runtime->deserializeCudaEngine(plan.data(), plan.size()) : nullptr;
  require(built != nullptr && fits(*built, car.golden), words[1], "no engine of this build");
  Engine engine;
  engine.context = built->createExecutionContext();
  require(engine.context != nullptr && cudaStreamCreate(&engine.stream) == cudaSuccess, words[1], "no engine");
  car.drive(run, &engine);
}
