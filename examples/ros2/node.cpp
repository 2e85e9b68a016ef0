// A ROS 2 component around core.hpp: CameraInfo of every camera and /tf_static in, diagnostics and ~/action out,
// service ~/relink.
//
// NOT compiled: no package index that the tests reach has rclcpp. What decides anything is in core.hpp, which the tests
// compile and run; here is only what hands messages over.
#include <diagnostic_updater/diagnostic_updater.hpp>
#include <rclcpp/rclcpp.hpp>
#include <rclcpp_components/register_node_macro.hpp>
#include <sensor_msgs/msg/camera_info.hpp>
#include <std_msgs/msg/u_int8.hpp>
#include <std_srvs/srv/trigger.hpp>
#include <tf2_msgs/msg/tf_message.hpp>

#include <fstream>
#include <iterator>
#include <memory>
#include <stdexcept>

#include "core.hpp"

namespace vehicle_guard {

class Node : public rclcpp::Node {
 public:
  explicit Node(const rclcpp::NodeOptions &options) : rclcpp::Node("vehicle_guard", options), updater_(this) {
    std::ifstream file(declare_parameter<std::string>("contract"), std::ios::binary);
    contract_.assign(std::istreambuf_iterator<char>(file), {});
    Setup setup;
    setup.lidar_frame = declare_parameter<std::string>("lidar_frame", setup.lidar_frame);
    setup.ego_frame = declare_parameter<std::string>("ego_frame", setup.ego_frame);
    setup.rectified = declare_parameter<bool>("rectified", setup.rectified);
    int reason = SPECIALIZE_OK;
    core_ = std::make_unique<Core>(contract_, setup, &reason);
    if (reason != SPECIALIZE_OK) throw std::runtime_error(specialize::reason_text(std::uint32_t(reason)));
    const auto topics = declare_parameter<std::vector<std::string>>("topics");  // in the order of the build's cameras
    if (topics.size() != core_->cameras()) throw std::runtime_error("topics: one for every camera of the build");
    for (std::size_t n = 0; n < topics.size(); ++n)
      infos_.push_back(create_subscription<sensor_msgs::msg::CameraInfo>(
          topics[n], rclcpp::SensorDataQoS(),
          [this, n](sensor_msgs::msg::CameraInfo::ConstSharedPtr message) { note(n, *message); }));
    transforms_ = create_subscription<tf2_msgs::msg::TFMessage>(
        "/tf_static", rclcpp::QoS(100).transient_local(),
        [this](tf2_msgs::msg::TFMessage::ConstSharedPtr message) { note(*message); });
    action_ = create_publisher<std_msgs::msg::UInt8>("~/action", rclcpp::QoS(1).transient_local());
    relink_ = create_service<std_srvs::srv::Trigger>(
        "~/relink", [this](std_srvs::srv::Trigger::Request::SharedPtr,
                           std_srvs::srv::Trigger::Response::SharedPtr response) { relink(response.get()); });
    updater_.setHardwareID("calibration");
    updater_.add("build fits calibration", [this](diagnostic_updater::DiagnosticStatusWrapper &status) {
      status.summary(status_.level, status_.message);
      status.add("known", status_.known);
      status.add("action", status_.action);
    });
    timer_ = create_wall_timer(std::chrono::milliseconds(100), [this] { check(); });
  }

 private:
  void note(std::size_t camera, const sensor_msgs::msg::CameraInfo &message) {
    CameraInfo info;
    info.frame_id = message.header.frame_id;
    info.width = message.width, info.height = message.height;
    info.binning_x = message.binning_x, info.binning_y = message.binning_y;
    info.roi_width = message.roi.width, info.roi_height = message.roi.height;
    info.k = message.k, info.p = message.p;
    core_->note(camera, info);
  }

  void note(const tf2_msgs::msg::TFMessage &message) {
    for (const auto &each : message.transforms) {
      const auto &t = each.transform.translation;
      const auto &q = each.transform.rotation;
      core_->note(Transform{each.header.frame_id, each.child_frame_id, t.x, t.y, t.z, q.x, q.y, q.z, q.w});
    }
  }

  void check() {
    status_ = core_->check();
    std_msgs::msg::UInt8 action;
    action.data = std::uint8_t(status_.action);
    action_->publish(action);
  }

  void relink(std_srvs::srv::Trigger::Response *response) {
    specialize_misfit misfit = {};
    const int reason = core_->relink(&program_, &tables_, &misfit);
    response->success = reason == SPECIALIZE_OK;
    response->message = specialize::reason_text(std::uint32_t(reason));
    // Hand the tables to the engine here: specialize::read_table(program_, tables_.data(), k, &table).
  }

  std::vector<char> contract_;
  std::unique_ptr<Core> core_;
  Status status_;
  specialize_relink program_ = {};
  std::vector<std::uint64_t> tables_;
  diagnostic_updater::Updater updater_;
  std::vector<rclcpp::Subscription<sensor_msgs::msg::CameraInfo>::SharedPtr> infos_;
  rclcpp::Subscription<tf2_msgs::msg::TFMessage>::SharedPtr transforms_;
  rclcpp::Publisher<std_msgs::msg::UInt8>::SharedPtr action_;
  rclcpp::Service<std_srvs::srv::Trigger>::SharedPtr relink_;
  rclcpp::TimerBase::SharedPtr timer_;
};

}  // namespace vehicle_guard

RCLCPP_COMPONENTS_REGISTER_NODE(vehicle_guard::Node)
