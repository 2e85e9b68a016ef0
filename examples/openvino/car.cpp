// OpenVINO on the car.   car model.onnx contract.bin golden.bin today.bin
#include <openvino/openvino.hpp>

#include "../car.hpp"

// Runs the engine once: a specialize_engine.
static int run(void *user, const specialize_tensor *in, uint32_t in_count, specialize_tensor *out, uint32_t out_count) {
  const ov::element::Type types[] = {ov::element::boolean, ov::element::i32, ov::element::i64, ov::element::f32,
                                     ov::element::f64,     ov::element::f16, ov::element::i8,  ov::element::u8,
                                     ov::element::i16,     ov::element::u16, ov::element::u32, ov::element::u64};
  auto &request = *static_cast<ov::InferRequest *>(user);
  try {
    for (uint32_t k = 0; k < in_count; ++k) {
      const ov::Shape shape(in[k].shape, in[k].shape + in[k].rank);
      request.set_tensor(in[k].name, ov::Tensor(types[in[k].type], shape, const_cast<void *>(in[k].data)));
    }
    request.infer();
    for (uint32_t k = 0; k < out_count; ++k) {
      const ov::Tensor found = request.get_tensor(out[k].name);
      if (found.get_element_type() != types[out[k].type]) return 1;
      out[k].data = found.data(), out[k].bytes = found.get_byte_size();
    }
  } catch (const std::exception &error) {  // the guard's own code has no exceptions: end them here
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}

int main(int count, char **words) {
  require(count == 5, "usage", "car model.onnx contract.bin golden.bin today.bin");
  Car car = {words[2], words[3], words[4]};
  car.check();
  ov::Core core;
  // Without the hint the CPU plugin computes in bfloat16 where the processor has it: another engine than was proven.
  auto engine = core.compile_model(words[1], "CPU", ov::hint::inference_precision(ov::element::f32));
  auto request = engine.create_infer_request();
  car.drive(run, &request);
}
