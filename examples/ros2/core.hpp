// What the ROS 2 node decides, without ROS: CameraInfo of every camera and static transforms in; status and action out.
//
// Nothing is latched: every check looks at the last message of every camera and at the last transforms. As long as a
// camera or a transform is missing the answer is "not yet known", which is not FRESH, and the engine is not to run.
//
// A build in mode exact is FRESH for its own very numbers alone, and poses that are composed from transforms differ
// from those of a profile in their last bits: use a build with tables or with an envelope.
#ifndef VEHICLE_GUARD_CORE_HPP
#define VEHICLE_GUARD_CORE_HPP

#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "specialize/guard.hpp"
#include "specialize/policy.hpp"
#include "specialize/relink.hpp"

namespace vehicle_guard {

using Matrix = std::array<double, 16>;  // row-major; b_from_a takes points of a to b

// What is used of sensor_msgs/CameraInfo.
struct CameraInfo {
  std::string frame_id;
  std::uint32_t width = 0, height = 0, binning_x = 0, binning_y = 0, roi_width = 0, roi_height = 0;
  std::array<double, 9> k = {};
  std::array<double, 12> p = {};
};

// A transform of /tf_static: takes points of `child` to `parent`.
struct Transform {
  std::string parent, child;
  double x = 0, y = 0, z = 0, qx = 0, qy = 0, qz = 0, qw = 1;
};

struct Setup {
  std::string lidar_frame = "lidar_top";
  std::string ego_frame;   // where the model reads the lidar's pose on the vehicle; empty without
  bool rectified = false;  // whether the engine is fed rectified images, whose matrix is P
  std::uint32_t needed = 3, window = 5;  // checks that must agree before anything changes
  specialize_policies policies = {SPECIALIZE_DO_RELINK, SPECIALIZE_DO_FALL_BACK, SPECIALIZE_DO_FAIL};
};

enum Level : std::uint8_t { OK = 0, WARN = 1, ERROR = 2, STALE = 3 };  // of diagnostic_msgs/DiagnosticStatus

struct Status {
  Level level = STALE;
  std::string message;
  bool known = false;                          // false: calibration or transforms are not complete
  std::uint32_t state = SPECIALIZE_UNUSABLE;   // of the last check alone
  std::uint32_t action = SPECIALIZE_DO_FAIL;   // what to do, once it has settled
};

inline Matrix product(const Matrix &a, const Matrix &b) {
  Matrix c = {};
  for (int i = 0; i < 4; ++i)
    for (int j = 0; j < 4; ++j)
      for (int k = 0; k < 4; ++k) c[4 * i + j] += a[4 * i + k] * b[4 * k + j];
  return c;
}

inline Matrix inverse(const Matrix &a) {  // of a rigid transform
  Matrix b = {};
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j) b[4 * i + j] = a[4 * j + i], b[4 * i + 3] -= a[4 * j + i] * a[4 * j + 3];
  b[15] = 1;
  return b;
}

inline Matrix matrix(const Transform &t) {
  const double n = std::sqrt(t.qx * t.qx + t.qy * t.qy + t.qz * t.qz + t.qw * t.qw);  // 0 becomes NaN, which is refused
  const double x = t.qx / n, y = t.qy / n, z = t.qz / n, w = t.qw / n;
  return {1 - 2 * (y * y + z * z), 2 * (x * y - z * w),     2 * (x * z + y * w),     t.x,
          2 * (x * y + z * w),     1 - 2 * (x * x + z * z), 2 * (y * z - x * w),     t.y,
          2 * (x * z - y * w),     2 * (y * z + x * w),     1 - 2 * (x * x + y * y), t.z,
          0,                       0,                       0,                       1};
}

class Core {
 public:
  // `contract` stays where it is. Returns through `reason` why it cannot be used.
  Core(const std::vector<char> &contract, Setup setup, int *reason) : setup_(std::move(setup)) {
    *reason = specialize::open(contract.data(), contract.size(), &contract_);
    if (*reason == SPECIALIZE_OK) *reason = specialize::start(&watch_, setup_.needed, setup_.window, setup_.policies);
    if (*reason == SPECIALIZE_OK) infos_.resize(contract_.cameras), cameras_.resize(contract_.cameras);
  }

  Core(const Core &) = delete;  // it points into itself
  std::size_t cameras() const { return infos_.size(); }
  std::string camera(std::size_t n) const { return specialize::camera_name(contract_, std::int32_t(n)); }

  // Take note of a message; every one replaces the one before.
  void note(std::size_t camera, const CameraInfo &info) { infos_.at(camera) = info; }
  void note(const Transform &transform) { parents_[transform.child] = transform; }

  // What is the state now? Called by a timer, and after every message that changed something.
  Status check() {
    Status status;
    status.message = missing();
    if (!status.message.empty()) return status;
    const specialize_verdict verdict = specialize::check(contract_, today_);
    const bool has_tables = verdict.state == SPECIALIZE_RELINK && linked_ == numbers();
    status.known = true;
    status.state = has_tables ? std::uint32_t(SPECIALIZE_INSIDE) : verdict.state;
    status.action = specialize::step(&watch_, status.state);
    status.level = status.action == SPECIALIZE_DO_RUN ? OK : status.action == SPECIALIZE_DO_FAIL ? ERROR : WARN;
    status.message = specialize::state_name(status.state);
    if (verdict.camera >= 0) status.message += " " + camera(std::size_t(verdict.camera));
    if (verdict.reason != SPECIALIZE_OK) status.message += std::string(": ") + specialize::reason_text(verdict.reason);
    if (has_tables) status.message += ": tables were made for it";
    return status;
  }

  // Makes tables for the calibration as it is now. SPECIALIZE_OK, or why not; `memory` then holds the old ones.
  int relink(specialize_relink *program, std::vector<std::uint64_t> *memory, specialize_misfit *misfit) {
    if (!missing().empty()) return SPECIALIZE_INCOMPLETE;
    const specialize_verdict verdict = specialize::check(contract_, today_);
    if (verdict.state == SPECIALIZE_UNUSABLE) return int(verdict.reason);
    if (const int reason = specialize::open_relink(contract_, program)) return reason;
    std::vector<std::uint64_t> fresh(program->arena / 8 + 1);
    const int reason = specialize::make_tables(*program, today_, fresh.data(), program->arena, misfit);
    if (reason != SPECIALIZE_OK) return reason;
    memory->swap(fresh);
    linked_ = numbers();
    return SPECIALIZE_OK;
  }

 private:
  // Fills in today's calibration; returns what it lacks.
  std::string missing() {
    Matrix root_from_lidar, root_from_camera, root_from_ego;
    const std::string root = climb(setup_.lidar_frame, &root_from_lidar);
    if (root.empty()) return "not yet known: transforms of " + setup_.lidar_frame + " lead in a circle";
    for (std::size_t n = 0; n < infos_.size(); ++n) {
      const CameraInfo &info = infos_[n];
      if (info.frame_id.empty()) return "not yet known: no CameraInfo of " + camera(n);
      if (climb(info.frame_id, &root_from_camera) != root)
        return "not yet known: no transform between " + setup_.lidar_frame + " and " + info.frame_id;
      specialize_camera &to = cameras_[n];
      to = {specialize::camera_name(contract_, std::int32_t(n)), size(info.width, info.binning_x, info.roi_width),
            size(info.height, info.binning_y, info.roi_height), SPECIALIZE_HAS_PINHOLE, 0, {}, {}, {}};
      for (std::size_t k = 0; k < 9; ++k) to.intrinsic[k] = setup_.rectified ? info.p[k / 3 * 4 + k % 3] : info.k[k];
      const Matrix pose = product(inverse(root_from_camera), root_from_lidar);
      for (std::size_t k = 0; k < 16; ++k) to.camera_from_lidar[k] = pose[k];
    }
    const double nan = std::numeric_limits<double>::quiet_NaN();
    today_ = {cameras_.data(), std::uint32_t(cameras_.size()), 0, {}, nan, nan, nan, nullptr};
    if (setup_.ego_frame.empty()) return "";
    if (climb(setup_.ego_frame, &root_from_ego) != root)
      return "not yet known: no transform between " + setup_.lidar_frame + " and " + setup_.ego_frame;
    const Matrix ego = product(inverse(root_from_ego), root_from_lidar);
    today_.has_ego = 1;
    for (std::size_t k = 0; k < 16; ++k) today_.ego_from_lidar[k] = ego[k];
    return "";
  }

  // Follows parents to the last one that is known; returns its name, empty for a circle.
  std::string climb(std::string frame, Matrix *root_from_frame) const {
    *root_from_frame = matrix({});
    for (int step = 0; step < 64; ++step) {
      const auto found = parents_.find(frame);
      if (found == parents_.end()) return frame;
      *root_from_frame = product(matrix(found->second), *root_from_frame);
      frame = found->second.parent;
    }
    return "";
  }

  // Of the image as it is published: binned or cut out it is not what the build expects, and the guard says so.
  static std::uint32_t size(std::uint32_t whole, std::uint32_t binning, std::uint32_t roi) {
    return (roi > 0 ? roi : whole) / (binning > 1 ? binning : 1);
  }

  std::vector<double> numbers() const {
    std::vector<double> all(today_.ego_from_lidar, today_.ego_from_lidar + 16);
    for (const specialize_camera &each : cameras_) {
      all.insert(all.end(), each.intrinsic, each.intrinsic + 9);
      all.insert(all.end(), each.camera_from_lidar, each.camera_from_lidar + 16);
    }
    return all;
  }

  Setup setup_;
  specialize_contract contract_ = {};
  specialize_watch watch_ = {};
  specialize_today today_ = {};
  std::vector<CameraInfo> infos_;
  std::vector<specialize_camera> cameras_;
  std::map<std::string, Transform> parents_;  // by child
  std::vector<double> linked_;                // the calibration that tables were made for
};

}  // namespace vehicle_guard

#endif
