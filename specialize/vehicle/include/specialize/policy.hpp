// What to do about a state, and how many checks it takes: separate from the guard, which has no memory.
//
//   specialize_watch watch;
//   specialize::start(&watch, 3, 5, {SPECIALIZE_DO_RELINK, SPECIALIZE_DO_FALL_BACK, SPECIALIZE_DO_FAIL});
//   switch (specialize::step(&watch, verdict.state)) ...
//
// The settled state is the worst that at least `needed` of the last `window` checks were, or worse than. The first check
// counts at once: a vehicle that starts with the wrong calibration is not given `needed` checks of grace.
#ifndef SPECIALIZE_POLICY_HPP
#define SPECIALIZE_POLICY_HPP

#include <cstdint>

#include "vehicle.h"

namespace specialize {

// Returns SPECIALIZE_OK, or SPECIALIZE_MALFORMED for numbers or policies that cannot be.
inline int start(specialize_watch *watch, std::uint32_t needed, std::uint32_t window,
                 specialize_policies policies) noexcept {
  if (needed < 1 || needed > window || window > SPECIALIZE_MOST_CHECKS) return SPECIALIZE_MALFORMED;
  const std::uint32_t chosen[] = {policies.on_relink, policies.on_stale, policies.on_unusable};
  for (const std::uint32_t each : chosen)
    if (each < SPECIALIZE_DO_WARN || each > SPECIALIZE_DO_FAIL) return SPECIALIZE_MALFORMED;
  if (policies.on_stale == SPECIALIZE_DO_RELINK || policies.on_unusable == SPECIALIZE_DO_RELINK)
    return SPECIALIZE_MALFORMED;  // no table helps there
  *watch = {needed, window, 0, 0, policies, {}};
  return SPECIALIZE_OK;
}

// Takes note of one check; returns the settled state.
inline std::uint32_t settle(specialize_watch *watch, std::uint32_t state) noexcept {
  const auto noted = std::uint8_t(state < SPECIALIZE_UNUSABLE ? state : std::uint32_t(SPECIALIZE_UNUSABLE));
  for (std::uint32_t k = 0; watch->checks == 0 && k < watch->window; ++k) watch->last[k] = noted;
  watch->last[watch->next] = noted;
  watch->next = (watch->next + 1) % watch->window;
  watch->checks += watch->checks < UINT32_MAX;
  for (std::uint32_t worst = SPECIALIZE_UNUSABLE; worst > SPECIALIZE_FRESH; --worst) {
    std::uint32_t count = 0;
    for (std::uint32_t k = 0; k < watch->window; ++k) count += watch->last[k] >= worst;
    if (count >= watch->needed) return worst;
  }
  return SPECIALIZE_FRESH;
}

// Takes note of one check; returns what to do.
inline std::uint32_t step(specialize_watch *watch, std::uint32_t state) noexcept {
  switch (settle(watch, state)) {
    case SPECIALIZE_FRESH:
    case SPECIALIZE_INSIDE: return SPECIALIZE_DO_RUN;
    case SPECIALIZE_RELINK: return watch->policies.on_relink;
    case SPECIALIZE_STALE: return watch->policies.on_stale;
    default: return watch->policies.on_unusable;
  }
}

}  // namespace specialize

#endif
