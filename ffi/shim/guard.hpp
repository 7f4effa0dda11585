// What becomes of failures at the C interface: a status, and a text.
#pragma once

#include <cstdio>
#include <exception>
#include <string>

#include "frames.hpp"
#include "hailo/hailort.hpp"

namespace pellet {

/** What pn_last_error says. */
inline thread_local std::string last_error;

/** Thrown and caught within the shim: HailoRT itself is compiled without exceptions. */
struct Failure {
  uint32_t status;
  std::string what;
};

inline void check(hailo_status status, const char *what) {
  if (status != HAILO_SUCCESS) throw Failure{static_cast<uint32_t>(status), what};
}

template <typename T>
T released(hailort::Expected<T> &&expected, const char *what) {
  check(expected.status(), what);
  return expected.release();
}

inline void copy_text(const std::string &text, char *to, size_t cap) {
  if (to != nullptr && cap > 0) snprintf(to, cap, "%s", text.c_str());
}

/** Runs `work`; no exception crosses the C interface. */
template <typename Work>
uint32_t guarded(char *err, size_t err_cap, const Work &work) {
  Failure failure{HAILO_INTERNAL_FAILURE, "unexpected exception"};
  try {
    work();
    return kSuccess;
  } catch (const Failure &thrown) {
    failure = thrown;
  } catch (const std::bad_alloc &) {
    failure = {HAILO_OUT_OF_HOST_MEMORY, "no memory"};
  } catch (const std::exception &thrown) {
    failure.what = thrown.what();
  }
  last_error = failure.what;
  copy_text(failure.what, err, err_cap);
  return failure.status;
}

inline uint32_t told(uint32_t status, const char *what) {
  if (status != kSuccess) last_error = what;
  return status;
}

}  // namespace pellet
