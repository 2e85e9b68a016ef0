// The guard for many calibrations at once, as the tests call it: records are those of today.bin.
#include "specialize/guard.hpp"
#include "specialize/policy.hpp"

extern "C" {

int judge_many(const unsigned char *contract_bytes, std::size_t size, const unsigned char *records,
               std::uint32_t cameras, std::size_t count, const unsigned char *has_ego, const double *ego,
               const double *times, const unsigned char *lenses, specialize_verdict *verdicts) {
  specialize_contract contract;
  if (const int reason = specialize::open(contract_bytes, size, &contract)) return reason;
  specialize_camera today_cameras[SPECIALIZE_MOST_CAMERAS];
  for (std::size_t k = 0; k < count; ++k) {
    specialize_today today = {today_cameras, cameras, has_ego[k], {}, times[3 * k], times[3 * k + 1],
                              times[3 * k + 2],
                              lenses == nullptr ? nullptr : lenses + k * cameras * SPECIALIZE_LENS_BYTES};
    std::memcpy(today.ego_from_lidar, ego + 16 * k, sizeof today.ego_from_lidar);
    for (std::uint32_t n = 0; n < cameras; ++n) {
      const unsigned char *record = records + (k * cameras + n) * 408;
      specialize_camera &camera = today_cameras[n];
      camera.name = reinterpret_cast<const char *>(record);
      std::memcpy(&camera.width_px, record + 64, 4), std::memcpy(&camera.height_px, record + 68, 4);
      std::memcpy(&camera.has, record + 72, 4);
      std::memcpy(camera.intrinsic, record + 80, sizeof camera.intrinsic);
      std::memcpy(camera.camera_from_lidar, record + 152, sizeof camera.camera_from_lidar);
      std::memcpy(camera.image_from_lidar, record + 280, sizeof camera.image_from_lidar);
    }
    verdicts[k] = specialize::check(contract, today);
  }
  return SPECIALIZE_OK;
}

// Steps a watch through states; writes what to do after each.
int watch_many(std::uint32_t needed, std::uint32_t window, std::uint32_t on_relink, std::uint32_t on_stale,
               std::uint32_t on_unusable, const unsigned char *states, std::size_t count, unsigned char *actions) {
  specialize_watch watch;
  if (const int reason = specialize::start(&watch, needed, window, {on_relink, on_stale, on_unusable})) return reason;
  for (std::size_t k = 0; k < count; ++k) actions[k] = static_cast<unsigned char>(specialize::step(&watch, states[k]));
  return SPECIALIZE_OK;
}
}
