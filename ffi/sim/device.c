#define _GNU_SOURCE
#include "simulated_npu.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* As of a Raspberry Pi 5. */
static const char default_id[] = "0001:01:00.0";

/* HailoRT 5 reaches the device through a server on the module; until then it is starting again. */
static uint64_t server_back_ns;

static uint32_t refuse_open(bool has_id, char *err, size_t cap) {
  const char *device = control_text("device", "present");
  if (strcmp(device, "absent") == 0) return sim_fail(err, cap, HAILO_OUT_OF_PHYSICAL_DEVICES, "there is no device");
  if (strcmp(device, "busy") == 0 || sim_devices != NULL)
    return sim_fail(err, cap, has_id ? HAILO_DEVICE_IN_USE : HAILO_OUT_OF_PHYSICAL_DEVICES,
                    "another program holds the device");
  if (chip_is_10h() && sim_now_ns() < server_back_ns)
    return sim_fail(err, cap, HAILO_CONNECTION_REFUSED, "the server on the module is starting");
  if (strcmp(device, "lost") != 0) return HAILO_SUCCESS;
  return sim_fail(err, cap, chip_is_10h() ? HAILO_CONNECTION_REFUSED : HAILO_DRIVER_OPERATION_FAILED,
                  "the device is lost");
}

static pn_dev *create(const char *id) {
  pn_dev *dev = calloc(1, sizeof *dev);
  if (dev == NULL) return NULL;
  snprintf(dev->id, sizeof dev->id, "%s", id);
  dev->pipe_read = dev->pipe_write = -1;
  pthread_mutex_init(&dev->one_call, NULL);
  if (chip_start(dev)) return dev;
  free(dev);
  return NULL;
}

uint32_t pn_open(const char *id, const char *group, pn_dev **out, char *err, size_t err_cap) {
  (void)group;
  const bool has_id = id != NULL && *id != '\0';
  const uint32_t ordered = control_begin("open");
  if (ordered != HAILO_SUCCESS) return sim_fail(err, err_cap, ordered, "opening fails as ordered");
  sim_enter();
  uint32_t status = refuse_open(has_id, err, err_cap);
  if (status == HAILO_SUCCESS && control_false_timeout("open"))
    status = sim_fail(err, err_cap, HAILO_TIMEOUT, "no answer came, though the device was opened");
  pn_dev *dev = status == HAILO_SUCCESS ? create(has_id ? id : default_id) : NULL;
  if (status == HAILO_SUCCESS && dev == NULL)
    status = sim_fail(err, err_cap, HAILO_OUT_OF_HOST_MEMORY, "no memory or thread for the device");
  if (dev != NULL) {
    dev->next = sim_devices;
    sim_devices = *out = dev;
  }
  sim_leave();
  return status;
}

/* The status of calls to a lost device. */
static uint32_t lost_status(void) { return chip_is_10h() ? HAILO_COMMUNICATION_CLOSED : HAILO_DRIVER_OPERATION_FAILED; }

static uint32_t arch_of(const char *chip) {
  return strcmp(chip, "hailo8l") == 0 ? 2 : strcmp(chip, "hailo10h") == 0 ? 6 : 1;
}

uint32_t pn_identify(pn_dev *dev, char *json, size_t cap, char *err, size_t err_cap) {
  sim_enter();
  sim_check_device(dev, "pn_identify");
  sim_leave();
  pthread_mutex_lock(&dev->one_call);
  uint32_t status = control_begin("identify");
  sim_enter();
  chip_notice_loss(dev);
  if (status == HAILO_SUCCESS && dev->is_lost) status = lost_status();
  if (status == HAILO_SUCCESS && control_false_timeout("identify")) status = HAILO_TIMEOUT;
  const int length = snprintf(
      json, cap, "{\"id\":\"%s\",\"arch\":%u,\"fw\":\"%s\",\"product\":\"simulated %s\",\"serial\":\"simulated\"}",
      dev->id, arch_of(chip_name()), chip_is_10h() ? "5.2.0" : "4.23.0", chip_name());
  if (status != HAILO_SUCCESS)
    sim_fail(err, err_cap, status, "the device does not answer");
  else if ((size_t)length >= cap)
    status = sim_fail(err, err_cap, HAILO_INSUFFICIENT_BUFFER, "%zu bytes are too few", cap);
  sim_leave();
  pthread_mutex_unlock(&dev->one_call);
  return status;
}

int32_t pn_fd(pn_dev *dev) {
  sim_enter();
  sim_check_device(dev, "pn_fd");
  int ends[2];
  int32_t fd = -1;
  if (dev->pipe_write < 0 && pipe2(ends, O_NONBLOCK | O_CLOEXEC) == 0) {
    fd = ends[0];
    dev->pipe_write = ends[1];
  }
  sim_leave();
  return fd;
}

/* With the lock held: takes it out of the open ones and ends its chip. */
static void detach(pn_dev *dev) {
  for (pn_dev **open = &sim_devices; *open != NULL; open = &(*open)->next)
    if (*open == dev) {
      *open = dev->next;
      break;
    }
  dev->is_stopping = true;
  sim_signal_work();
  sim_signal_done();
  sim_leave();
  pthread_join(dev->chip, NULL);
  sim_enter();
  if (dev->pipe_write >= 0) close(dev->pipe_write);
  dev->pipe_write = -1;
}

uint32_t pn_close(pn_dev *dev, char *err, size_t err_cap) {
  sim_enter();
  sim_check_device(dev, "pn_close");
  sim_leave();
  pthread_mutex_lock(&dev->one_call);
  const uint32_t ordered = control_begin("close");
  sim_enter();
  if (dev->models != NULL) {
    sim_leave();
    pthread_mutex_unlock(&dev->one_call);
    return sim_fail(err, err_cap, HAILO_INVALID_OPERATION, "models are loaded");
  }
  uint32_t status = ordered;
  if (status == HAILO_SUCCESS && control_false_timeout("close")) status = HAILO_TIMEOUT;
  const uint64_t restart_ms = control_number("restart_ms", 0);
  if (dev->left_on_server > 0 && chip_is_10h() && restart_ms > 0) {
    /* The server ends when a client goes that has a model configured, also one of which it does not know. */
    server_back_ns = sim_now_ns() + restart_ms * 1000000;
    status = HAILO_COMMUNICATION_CLOSED;
  }
  detach(dev);
  sim_leave();
  pthread_mutex_unlock(&dev->one_call);
  pthread_mutex_destroy(&dev->one_call);
  free(dev);
  return status == HAILO_SUCCESS ? status : sim_fail(err, err_cap, status, "the device is closed, not without a fault");
}

uint32_t pn_abandon(pn_dev *dev) {
  sim_enter();
  sim_check_device(dev, "pn_abandon");
  detach(dev);
  sim_leave();
  return HAILO_SUCCESS;
}
