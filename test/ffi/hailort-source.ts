/**
 * A stand-in for libhailort: it is 4.23.0 unless `pretend` says otherwise, answers with known values, and keeps what it was
 * given. FAKE_HAILORT in the environment: `hang`, `crash` or `busy` when a device is to be identified; `soc`: does not do what a
 * Hailo-10H does not. Its structs are written down a second time here, for the compiler to lay them out.
 */
export const hailortSource = `
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct { uint32_t major, minor, revision; } version;
typedef struct { char id[32]; } device_id;
typedef struct {
  uint32_t protocol; version firmware; uint32_t logger;
  uint8_t board_length; char board[32];
  bool is_release, extended_buffer, extended_check;
  uint32_t architecture;
  uint8_t serial_length; char serial[16];
  uint8_t part_length; char part[16];
  uint8_t product_length; char product[42];
} identity;
typedef struct { float first, second; uint16_t samples; } temperature;

static version pretended = {4, 23, 0};
static uint32_t refusal, misses;
static char given[64];
static int open_devices;
static int device;

void pretend(uint32_t major, uint32_t minor, uint32_t revision) { pretended = (version){major, minor, revision}; }
void refuse(uint32_t status) { refusal = status; }
void miss(uint32_t count) { misses = count; }
const char *what_was_given(void) { return given; }
int devices_open(void) { return open_devices; }

uint32_t hailo_get_library_version(version *out) { *out = pretended; return 0; }
const char *hailo_get_status_message(uint32_t status) { return status < 94 ? "HAILO_OF_THE_FAKE" : NULL; }

uint32_t hailo_scan_devices(void *params, device_id *ids, size_t *count) {
  if (params || *count < 2) return 2;
  strcpy(ids[0].id, "0000:01:00.0");
  strcpy(ids[1].id, "0001:01:00.0");
  *count = 2;
  return 0;
}

uint32_t hailo_create_device_by_id(const device_id *id, void **out) {
  snprintf(given, sizeof given, "%s", id->id);
  if (strcmp(id->id, "0001:01:00.0") != 0) return 2;
  open_devices++;
  *out = &device;
  return 0;
}

uint32_t hailo_release_device(void *which) { open_devices--; return which == &device ? 0 : 2; }

uint32_t hailo_identify(void *which, identity *out) {
  if (which != &device) return 2;
  if (misses) { misses--; return 4; }
  if (refusal) return refusal;
  const char *trouble = getenv("FAKE_HAILORT");
  if (trouble && strcmp(trouble, "hang") == 0) sleep(60);
  if (trouble && strcmp(trouble, "crash") == 0) abort();
  if (trouble && strcmp(trouble, "busy") == 0) return 73;
  memset(out, 0xee, sizeof *out);
  out->firmware = (version){4, 23, 0};
  out->is_release = true;
  out->architecture = 2;
  out->board_length = 7; memcpy(out->board, "Hailo-8", 7);
  out->serial_length = 16; memcpy(out->serial, "HLLWM2A224500123", 16);
  out->part_length = 4; memcpy(out->part, "HM21", 4);
  out->product_length = 12; memcpy(out->product, "HAILO-8L M.2", 13);
  return 0;
}

uint32_t hailo_get_extended_device_information(void *which, uint8_t *out) {
  if (which != &device) return 2;
  uint32_t clock = 400000000, boot = 1;
  memset(out, 0, 96);
  memcpy(out, &clock, 4);
  out[pretended.major == 5 ? 9 : 7] = 1; /* power_measurement, current_monitoring */
  memcpy(out + 12, &boot, 4);
  return 0;
}

uint32_t hailo_get_chip_temperature(void *which, temperature *out) {
  if (which != &device) return 2;
  *out = (temperature){51.5f, 52.25f, 9};
  return 0;
}

uint32_t hailo_power_measurement(void *which, uint32_t what, uint32_t type, float *out) {
  if (which != &device || what != 0x7fffffff || type != 0x7fffffff) return 2;
  if (refusal) return refusal;
  *out = 1.75f;
  return 0;
}

uint32_t hailo_get_throttling_state(void *which, bool *out) {
  const char *trouble = getenv("FAKE_HAILORT");
  if (trouble && strcmp(trouble, "soc") == 0) return 7;
  *out = true;
  return which == &device ? 0 : 2;
}
`
