// Drives the core of the ROS 2 node: messages as lines on standard input, what it says on standard output.
//
//   info CAMERA FRAME WIDTH HEIGHT BINNING ROI_WIDTH k0 .. k8     tf PARENT CHILD x y z qx qy qz qw     check     relink
#include <fstream>
#include <iostream>
#include <iterator>

#include "core.hpp"

int main(int count, char **words) {
  if (count < 5) return 1;
  std::ifstream file(words[1], std::ios::binary);
  const std::vector<char> contract{std::istreambuf_iterator<char>(file), {}};
  vehicle_guard::Setup setup;
  setup.lidar_frame = words[2];
  setup.needed = std::uint32_t(std::atoi(words[3])), setup.window = std::uint32_t(std::atoi(words[4]));
  setup.rectified = count > 5;
  int reason = 0;
  vehicle_guard::Core core(contract, setup, &reason);
  if (reason != 0) return reason;
  std::vector<std::uint64_t> tables;
  for (std::string word; std::cin >> word;) {
    if (word == "info") {
      std::size_t camera;
      vehicle_guard::CameraInfo info;
      std::cin >> camera >> info.frame_id >> info.width >> info.height >> info.binning_x >> info.roi_width;
      for (double &value : info.k) std::cin >> value;
      if (setup.rectified) info.p = {info.k[0], info.k[1], info.k[2], 0, info.k[3], info.k[4], info.k[5], 0,
                                     info.k[6], info.k[7], info.k[8], 0}, info.k = {};
      core.note(camera, info);
    } else if (word == "tf") {
      vehicle_guard::Transform t;
      std::cin >> t.parent >> t.child >> t.x >> t.y >> t.z >> t.qx >> t.qy >> t.qz >> t.qw;
      core.note(t);
    } else if (word == "check") {
      const vehicle_guard::Status status = core.check();
      std::cout << int(status.level) << '|' << status.known << '|' << status.action << '|' << status.message << '\n';
    } else {
      specialize_relink program = {};
      specialize_misfit misfit = {};
      std::cout << core.relink(&program, &tables, &misfit) << '|' << program.tables << '|' << tables.size() << "||\n";
    }
  }
  return 0;
}
