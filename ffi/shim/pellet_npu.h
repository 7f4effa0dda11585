/*
 * What Pellet asks of an NPU. Two libraries have these functions: the shim over HailoRT's C++ classes (pellet_npu.cpp), and
 * the simulated device (ffi/sim). ffi/shim/npu.ts says the same for TypeScript.
 *
 * Functions return a hailo_status number, 0 being well, unless noted. Handles are opaque. Strings are UTF-8. `err` of slow
 * functions receives a text when they fail: they are called from a thread pool, where a text kept by thread is of no use.
 *
 * slow: blocks (seconds at worst, minutes after a device loss); one at a time for each device.
 * quick: never blocks; from any thread.
 * After unload, close and abandon the handle is invalid in every case.
 */
#ifndef PELLET_NPU_H
#define PELLET_NPU_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PN_ABI 1
#define PN_API __attribute__((visibility("default")))

typedef struct pn_dev pn_dev;
typedef struct pn_model pn_model;

/* A frame that is done, as it comes through the pipe: less than PIPE_BUF, so a record is whole. */
typedef struct {
  uint64_t ticket; /* unique within the device */
  uint64_t user;   /* as given to pn_start */
  uint32_t status; /* of the frame */
  uint32_t slot;
  uint64_t ns; /* from pn_start to the library's callback */
} pn_done;

/* --- the library; quick */

PN_API uint32_t pn_abi(void);
/* "hailort" or "simulated" */
PN_API const char *pn_kind(void);
/* major, minor, revision of the HailoRT that is loaded (or simulated) */
PN_API uint32_t pn_version(uint32_t *out3);
/* Of the last failure on the calling thread; for quick functions. */
PN_API const char *pn_last_error(void);

/* --- a device; slow, but for pn_fd */

/* `id`: NULL or "" for any. `group`: NULL or "" for one's own. */
PN_API uint32_t pn_open(const char *id, const char *group, pn_dev **out, char *err, size_t err_cap);
/* JSON: { "id", "arch" (hailo_device_architecture_t), "fw": "4.23.0", "product", "serial" }. Also tells whether the device lives. */
PN_API uint32_t pn_identify(pn_dev *dev, char *json, size_t cap, char *err, size_t err_cap);
/* Read end of the completion pipe, non-blocking; the caller closes it. Once for each device; -1 where it fails. */
PN_API int32_t pn_fd(pn_dev *dev);
/* HAILO_INVALID_OPERATION (6) while models are loaded. */
PN_API uint32_t pn_close(pn_dev *dev, char *err, size_t err_cap);
/* The device is lost: drops it first, and leaks its models on purpose. No call on them or on `dev` afterwards. */
PN_API uint32_t pn_abandon(pn_dev *dev);

/* --- a model */

/*
 * slow. `hef` may go when this returns. `network`: NULL or "" for the only one. Types: 0 as on the device, 1 uint8, 2 uint16,
 * 3 float32. `batch`: 0 for HailoRT's choice. `power`: 0 performance, 1 ultra performance. `depth`: slots, 1 to 16.
 * `flags`: PN_DMA_MAP maps the slots once. On failure nothing is left, unless the call timed out (HailoRT 5).
 */
#define PN_DMA_MAP 1u
PN_API uint32_t pn_load(pn_dev *dev, const void *hef, size_t hef_bytes, const char *network, uint32_t in_type, uint32_t out_type,
                        uint32_t batch, uint32_t power, uint32_t depth, uint32_t flags, pn_model **out, char *err, size_t err_cap);
/*
 * JSON, owned by the model: { "queue", "slot_bytes", "inputs": [...], "outputs": [...] }, each with name, offset and bytes in
 * the slot's memory, h, w, c, type, order (hailo_format_order_t), quant: [[zero_point, scale, min, max], ...] (one, or one for
 * each feature), and where it is a list of boxes nms: [classes, max_boxes_per_class, max_boxes_total, max_mask_bytes]. In the
 * HEF's own order.
 */
PN_API const char *pn_info(pn_model *model);
/* Where a slot's frame lies, for as long as the model is loaded; page-aligned, `slot_bytes` long. NULL where there is none. */
PN_API void *pn_slot_memory(pn_model *model, uint32_t slot);

/* quick, all of these: */

/* A free slot, for its inputs to be written. 82 none is free, 63 the model is broken or being unloaded. */
PN_API uint32_t pn_acquire(pn_model *model, uint32_t *slot);
/* A slot that was acquired and is not started after all. 6 it was not acquired. */
PN_API uint32_t pn_release(pn_model *model, uint32_t slot);
/* Runs an acquired slot. When it fails the slot is free again: 82 the library's queue is full, 63 broken;
 * 6 it was not acquired. `user` 0: no record. */
PN_API uint32_t pn_start(pn_model *model, uint32_t slot, uint64_t user, uint64_t *ticket);
/* Acquire, copy (`in_bytes` being the sum of all inputs, in their order) and start. 2 where the size is wrong. */
PN_API uint32_t pn_submit(pn_model *model, const void *in, size_t in_bytes, uint64_t user, uint64_t *ticket);
/*
 * Copies the outputs, in their order, frees the slot, returns the frame's own status (nothing is copied where that is not 0).
 * 6 not done yet, 61 no such ticket, 5 `cap` is too small. Once for each record, also for frames that failed.
 */
PN_API uint32_t pn_take(pn_model *model, uint64_t ticket, void *out, size_t cap);
/* Gives an answer up: no record comes any more (or it is void), the slot is free again when the frame is done. */
PN_API uint32_t pn_orphan(pn_model *model, uint64_t ticket);
/* Frames that are in the library. */
PN_API uint32_t pn_flying(pn_model *model);
/* Status of the first frame that failed; the model is to be loaded anew. 0: well. */
PN_API uint32_t pn_broken(pn_model *model);

/* slow, all of these: */

/* Waits for one ticket: 0 done, 4 not within `ms`, and then the ticket is given up where `orphan` is 1. */
PN_API uint32_t pn_wait(pn_model *model, uint64_t ticket, uint32_t ms, uint32_t orphan);
/* Submit, wait and take: for tests and trials. */
PN_API uint32_t pn_infer(pn_model *model, const void *in, size_t in_bytes, void *out, size_t cap, uint32_t ms);
/* Of HailoRT's scheduler: 0 to 31, 16 being usual. */
PN_API uint32_t pn_priority(pn_model *model, uint32_t priority, char *err, size_t err_cap);
/*
 * Takes no more frames, waits up to `drain_ms` for those in flight, then shuts the model down. 4: frames never came back, the
 * model is leaked on purpose and the device is to be abandoned.
 */
PN_API uint32_t pn_unload(pn_model *model, uint32_t drain_ms, char *err, size_t err_cap);

#ifdef __cplusplus
}
#endif

#endif
