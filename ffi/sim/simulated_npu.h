/*
 * A simulated NPU: what the files of this folder share. It behaves as HailoRT's shim does (../shim/pellet_npu.h), with
 * the time, the memory and the faults that a control file asks for (control.c). docs/npu.md says more.
 *
 * One lock guards everything; it is never held while something takes time.
 */
#ifndef PELLET_SIM_H
#define PELLET_SIM_H

#include "../shim/pellet_npu.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Statuses of hailort.h. */
enum {
  HAILO_SUCCESS = 0,
  HAILO_INVALID_ARGUMENT = 2,
  HAILO_OUT_OF_HOST_MEMORY = 3,
  HAILO_TIMEOUT = 4,
  HAILO_INSUFFICIENT_BUFFER = 5,
  HAILO_INVALID_OPERATION = 6,
  HAILO_DRIVER_OPERATION_FAILED = 36,
  HAILO_NOT_FOUND = 61,
  HAILO_COMMUNICATION_CLOSED = 62,
  HAILO_STREAM_ABORT = 63,
  HAILO_OUT_OF_FW_MEMORY = 71,
  HAILO_STREAM_NOT_ACTIVATED = 72,
  HAILO_DEVICE_IN_USE = 73,
  HAILO_OUT_OF_PHYSICAL_DEVICES = 74,
  HAILO_QUEUE_IS_FULL = 82,
  HAILO_CONNECTION_REFUSED = 89,
  HAILO_HEF_FILE_CORRUPTED = 91,
  HAILO_HEF_NOT_SUPPORTED = 92,
};

enum { MOST_SLOTS = 16, MOST_EDGES = 64, MOST_CORE_OPS = 64 };

typedef enum { FILL_BYTES, FILL_UNIT, FILL_BOXES } fill_kind;

/* An input or output: where it lies in a slot, and what an output is filled with. */
typedef struct {
  bool is_output;
  size_t offset, bytes;
  fill_kind fill;
  uint32_t classes, max_boxes; /* FILL_BOXES */
  uint32_t name_hash;
} sim_edge;

/* A network of a HEF, as ps_describe was told of it. */
typedef struct {
  sim_edge edges[MOST_EDGES];
  uint32_t edge_count;
  size_t in_bytes, out_bytes; /* of all inputs, of all outputs */
  size_t slot_bytes;
  uint32_t name_hash;
  char *info; /* the JSON of pn_info */
} sim_network;

typedef enum { SLOT_FREE, SLOT_STAGED, SLOT_FLYING, SLOT_READY, SLOT_ORPHAN } slot_state;

typedef struct {
  slot_state state; /* ORPHAN: on its way, and nobody wants it */
  uint64_t ticket, user, started_ns;
  uint32_t status;
} sim_slot;

struct pn_model {
  pn_model *next;
  pn_dev *dev;
  sim_network network;
  uint8_t *memory; /* of all slots */
  sim_slot slots[MOST_SLOTS];
  uint32_t depth, flying, broken, priority;
  uint64_t served; /* when the chip last took a frame of it, counted in frames */
  bool is_closing;
};

/* What the chip holds of a model that was configured, until the device is closed. */
typedef struct {
  uint64_t hef_hash, network_hash;
  uint32_t batch, power;
  size_t bytes;
} core_op;

struct pn_dev {
  pn_dev *next;
  char id[64];
  pn_model *models;
  core_op core_ops[MOST_CORE_OPS];
  uint32_t core_op_count;
  uint32_t left_on_server; /* configured by a call that seemed to time out */
  int pipe_read, pipe_write;
  bool is_lost, is_stopping;
  pn_model *running; /* a frame of it is on the chip */
  pn_model *aborted; /* and is not to be finished */
  pn_model *last_active;
  pn_model *deactivated; /* was on the chip, idle, when the device was lost */
  uint64_t frames, free_at_ns;
  pthread_t chip;
  pthread_mutex_t one_call; /* slow calls, one at a time */
};

/* --- simulated_npu.c */

void sim_enter(void);
void sim_leave(void);
/* Waits for a signal of that kind with the lock given up; false when `until_ns` came first. 0: for ever. */
bool sim_wait_work(uint64_t until_ns);
bool sim_wait_done(uint64_t until_ns);
void sim_signal_work(void);
void sim_signal_done(void);
uint64_t sim_now_ns(void);
/* To within some tens of microseconds; the lock is not held. */
void sim_sleep_until(uint64_t at_ns);
/* Keeps the text for pn_last_error, and in `err` where that is given. Returns `status`. */
uint32_t sim_fail(char *err, size_t cap, uint32_t status, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* For what crashes HailoRT: says what was wrong and aborts. */
_Noreturn void sim_misuse(const char *call, const char *what);
/* Devices that are open. A handle that is not among them, or a model of none of them, is misuse. */
extern pn_dev *sim_devices;
void sim_check_device(const pn_dev *dev, const char *call);
void sim_check_model(const pn_model *model, const char *call);

/* --- control.c, all with the lock held */

/* Reads the control file again where it changed. */
void control_refresh(void);
const char *control_text(const char *key, const char *fallback);
uint64_t control_number(const char *key, uint64_t fallback);
/* The status that `fail.CALL` orders; counts down. 0: none. */
uint32_t control_failure(const char *call);
bool control_false_timeout(const char *call);
/* Without the lock: waits as long as `hang.CALL` and `CALL_ms` say. */
void control_wait(const char *call);
/* Without the lock: that, then answers as control_failure. */
uint32_t control_begin(const char *call);

/* --- chip.c */

bool chip_is_10h(void);
const char *chip_name(void);
bool chip_start(pn_dev *dev);
/* With the lock held: looks whether the device was lost, and remembers what that means for its models. */
void chip_notice_loss(pn_dev *dev);
/* With the lock held: ends a frame. */
void chip_complete(pn_model *model, uint32_t slot, uint32_t status);

/* --- describe.c, with the lock held */

/* What was told of the HEF with that hash. HAILO_HEF_NOT_SUPPORTED: nothing. `network->info` is the caller's. */
uint32_t describe_find(uint64_t hef_hash, const char *name, sim_network *network, char *err, size_t cap);

/* --- outputs.c */

uint64_t sim_hash(const uint8_t *bytes, size_t n, uint64_t seed);
uint32_t sim_hash_name(const char *name);
/* Fills the outputs of a slot from its inputs. `recordings`: a folder, or "". */
void outputs_fill(const sim_network *network, uint8_t *slot, uint32_t seed, const char *recordings);

#endif
