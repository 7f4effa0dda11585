#define _GNU_SOURCE
#include "simulated_npu.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work, done;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static _Thread_local char last_error[512];

pn_dev *sim_devices;

static void prepare(void) {
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(&work, &attributes);
  pthread_cond_init(&done, &attributes);
  pthread_condattr_destroy(&attributes);
}

void sim_enter(void) {
  pthread_once(&once, prepare);
  pthread_mutex_lock(&lock);
}

void sim_leave(void) { pthread_mutex_unlock(&lock); }

static struct timespec to_timespec(uint64_t ns) {
  return (struct timespec){.tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u)};
}

static bool wait_for(pthread_cond_t *signal, uint64_t until_ns) {
  if (until_ns == 0) {
    pthread_cond_wait(signal, &lock);
    return true;
  }
  const struct timespec at = to_timespec(until_ns);
  return pthread_cond_timedwait(signal, &lock, &at) != ETIMEDOUT;
}

bool sim_wait_work(uint64_t until_ns) { return wait_for(&work, until_ns); }
bool sim_wait_done(uint64_t until_ns) { return wait_for(&done, until_ns); }
void sim_signal_work(void) { pthread_cond_broadcast(&work); }
void sim_signal_done(void) { pthread_cond_broadcast(&done); }

uint64_t sim_now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void sim_sleep_until(uint64_t at_ns) {
  /* The kernel wakes us some tens of microseconds late. */
  const uint64_t early_ns = 50000;
  if (at_ns > sim_now_ns() + early_ns) {
    const struct timespec at = to_timespec(at_ns - early_ns);
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR) continue;
  }
  while (sim_now_ns() < at_ns) continue;
}

uint32_t sim_fail(char *err, size_t cap, uint32_t status, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(last_error, sizeof last_error, format, arguments);
  va_end(arguments);
  if (err != NULL && cap > 0) snprintf(err, cap, "%s", last_error);
  return status;
}

_Noreturn void sim_misuse(const char *call, const char *what) {
  fprintf(stderr, "simulated NPU: %s: %s. HailoRT would crash here.\n", call, what);
  abort();
}

void sim_check_device(const pn_dev *dev, const char *call) {
  for (const pn_dev *open = sim_devices; open != NULL; open = open->next)
    if (open == dev) return;
  sim_misuse(call, "the device is not open (any more)");
}

void sim_check_model(const pn_model *model, const char *call) {
  for (const pn_dev *dev = sim_devices; dev != NULL; dev = dev->next)
    for (const pn_model *loaded = dev->models; loaded != NULL; loaded = loaded->next)
      if (loaded == model) return;
  sim_misuse(call, "the model is not loaded (any more)");
}

uint32_t pn_abi(void) { return PN_ABI; }

const char *pn_kind(void) { return "simulated"; }

const char *pn_last_error(void) { return last_error; }

uint32_t pn_version(uint32_t *out3) {
  sim_enter();
  control_refresh();
  const bool is_10h = chip_is_10h();
  sim_leave();
  out3[0] = is_10h ? 5 : 4;
  out3[1] = is_10h ? 2 : 23;
  out3[2] = 0;
  return HAILO_SUCCESS;
}
