#define _GNU_SOURCE
#include "simulated_npu.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Of HailoRT's interface: batches from there on have another meaning. */
static const uint32_t most_batch = 65534;

static uint32_t check_terms(uint32_t in_type, uint32_t out_type, uint32_t batch, uint32_t power, uint32_t depth,
                            char *err, size_t cap) {
  /* Frames are as on the device: it converts nothing. */
  if (in_type != 0 || out_type != 0)
    return sim_fail(err, cap, HAILO_INVALID_ARGUMENT, "expected type 0, as on the device");
  if (batch > most_batch)
    return sim_fail(err, cap, HAILO_INVALID_ARGUMENT, "expected a batch up to %u, found %u", most_batch, batch);
  if (power > 1) return sim_fail(err, cap, HAILO_INVALID_ARGUMENT, "expected power mode 0 or 1, found %u", power);
  if (depth < 1 || depth > MOST_SLOTS)
    return sim_fail(err, cap, HAILO_INVALID_ARGUMENT, "expected 1 to %d slots, found %u", MOST_SLOTS, depth);
  return HAILO_SUCCESS;
}

static bool is_configured(const pn_dev *dev, const core_op *wanted) {
  for (uint32_t i = 0; i < dev->core_op_count; i++) {
    const core_op *held = &dev->core_ops[i];
    if (held->hef_hash == wanted->hef_hash && held->network_hash == wanted->network_hash &&
        held->batch == wanted->batch && held->power == wanted->power)
      return true;
  }
  return false;
}

static size_t memory_in_use(const pn_dev *dev) {
  size_t sum = 0;
  for (uint32_t i = 0; i < dev->core_op_count; i++) sum += dev->core_ops[i].bytes;
  return sum;
}

/* Puts a model on the chip, where it stays until the device is closed. What is there already costs nothing more. */
static uint32_t configure(pn_dev *dev, core_op wanted, char *err, size_t cap) {
  if (is_configured(dev, &wanted)) return HAILO_SUCCESS;
  const uint64_t most = control_number("core_ops", chip_is_10h() ? 26 : 32);
  const uint64_t memory = control_number("memory_bytes", 0);
  if (dev->core_op_count >= most || dev->core_op_count == MOST_CORE_OPS)
    return sim_fail(err, cap, HAILO_INVALID_OPERATION, "%u networks were configured since the device was opened",
                    dev->core_op_count);
  if (memory > 0 && memory_in_use(dev) + wanted.bytes > memory)
    return sim_fail(err, cap, HAILO_OUT_OF_FW_MEMORY, "%zu of %llu bytes are in use, %zu are needed",
                    memory_in_use(dev), (unsigned long long)memory, wanted.bytes);
  dev->core_ops[dev->core_op_count++] = wanted;
  return HAILO_SUCCESS;
}

static pn_model *create(pn_dev *dev, const sim_network *network, uint32_t depth) {
  pn_model *model = calloc(1, sizeof *model);
  void *memory = mmap(NULL, network->slot_bytes * depth, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (model == NULL || memory == MAP_FAILED) {
    free(model);
    if (memory != MAP_FAILED) munmap(memory, network->slot_bytes * depth);
    return NULL;
  }
  *model = (pn_model){.dev = dev, .network = *network, .memory = memory, .depth = depth, .priority = 16};
  model->next = dev->models;
  dev->models = model;
  return model;
}

/* With the lock held. `network` is taken over where it succeeds. */
static uint32_t load(pn_dev *dev, core_op wanted, const char *name, uint32_t depth, sim_network *network,
                     pn_model **out, char *err, size_t cap) {
  chip_notice_loss(dev);
  if (dev->is_lost || dev->is_stopping)
    return sim_fail(err, cap, chip_is_10h() ? HAILO_COMMUNICATION_CLOSED : HAILO_DRIVER_OPERATION_FAILED,
                    "the device is lost");
  uint32_t status = describe_find(wanted.hef_hash, name, network, err, cap);
  if (status != HAILO_SUCCESS) return status;
  if (control_false_timeout("load"))
    return sim_fail(err, cap, HAILO_TIMEOUT, "no answer came, though the HEF was taken");
  status = control_failure("configure");
  if (status != HAILO_SUCCESS) return sim_fail(err, cap, status, "configuring fails as ordered");
  wanted.network_hash = network->name_hash;
  status = configure(dev, wanted, err, cap);
  if (status != HAILO_SUCCESS) return status;
  if (control_false_timeout("configure")) {
    dev->left_on_server++;
    return sim_fail(err, cap, HAILO_TIMEOUT, "no answer came, though the model was configured");
  }
  *out = create(dev, network, depth);
  return *out != NULL ? HAILO_SUCCESS : sim_fail(err, cap, HAILO_OUT_OF_HOST_MEMORY, "no memory for %u slots", depth);
}

uint32_t pn_load(pn_dev *dev, const void *hef, size_t hef_bytes, const char *network_name, uint32_t in_type,
                 uint32_t out_type, uint32_t batch, uint32_t power, uint32_t depth, uint32_t flags, pn_model **out,
                 char *err, size_t err_cap) {
  (void)flags;
  const char *name = network_name == NULL ? "" : network_name;
  if (hef == NULL || hef_bytes < 16)
    return sim_fail(err, err_cap, HAILO_HEF_FILE_CORRUPTED, "%zu bytes are no HEF", hef_bytes);
  uint32_t status = check_terms(in_type, out_type, batch, power, depth, err, err_cap);
  if (status != HAILO_SUCCESS) return status;
  const core_op wanted = {.hef_hash = sim_hash(hef, hef_bytes, 0), .batch = batch, .power = power, .bytes = hef_bytes};
  sim_enter();
  sim_check_device(dev, "pn_load");
  sim_leave();
  pthread_mutex_lock(&dev->one_call);
  status = control_begin("load");
  if (status == HAILO_SUCCESS) control_wait("configure");
  sim_enter();
  sim_network network = {0};
  if (status != HAILO_SUCCESS)
    sim_fail(err, err_cap, status, "loading fails as ordered");
  else
    status = load(dev, wanted, name, depth, &network, out, err, err_cap);
  sim_leave();
  pthread_mutex_unlock(&dev->one_call);
  if (status != HAILO_SUCCESS) free(network.info);
  return status;
}

const char *pn_info(pn_model *model) {
  sim_enter();
  sim_check_model(model, "pn_info");
  const char *info = model->network.info;
  sim_leave();
  return info;
}

void *pn_slot_memory(pn_model *model, uint32_t slot) {
  sim_enter();
  sim_check_model(model, "pn_slot_memory");
  void *memory = slot < model->depth ? model->memory + slot * model->network.slot_bytes : NULL;
  sim_leave();
  return memory;
}

uint32_t pn_priority(pn_model *model, uint32_t priority, char *err, size_t err_cap) {
  sim_enter();
  sim_check_model(model, "pn_priority");
  pn_dev *dev = model->dev;
  sim_leave();
  if (priority > 31)
    return sim_fail(err, err_cap, HAILO_INVALID_ARGUMENT, "expected a priority from 0 to 31, found %u", priority);
  pthread_mutex_lock(&dev->one_call);
  uint32_t status = control_begin("priority");
  sim_enter();
  chip_notice_loss(dev);
  if (status == HAILO_SUCCESS && dev->is_lost && chip_is_10h()) status = HAILO_COMMUNICATION_CLOSED;
  if (status == HAILO_SUCCESS) model->priority = priority;
  if (status == HAILO_SUCCESS && control_false_timeout("priority")) status = HAILO_TIMEOUT;
  sim_leave();
  pthread_mutex_unlock(&dev->one_call);
  return status == HAILO_SUCCESS ? status : sim_fail(err, err_cap, status, "the priority was not taken");
}

/* With the lock held: waits until no frame is on its way. */
static void drain(const pn_model *model, uint64_t until_ns) {
  while (model->flying > 0 && !model->dev->is_stopping) {
    const uint64_t now = sim_now_ns();
    if (now >= until_ns) return;
    sim_wait_done(until_ns < now + 20000000 ? until_ns : now + 20000000);
  }
}

static void destroy(pn_model *model) {
  pn_dev *dev = model->dev;
  for (pn_model **loaded = &dev->models; *loaded != NULL; loaded = &(*loaded)->next)
    if (*loaded == model) {
      *loaded = model->next;
      break;
    }
  if (dev->last_active == model) dev->last_active = NULL;
  if (dev->deactivated == model) dev->deactivated = NULL;
  munmap(model->memory, model->network.slot_bytes * model->depth);
  free(model->network.info);
  free(model);
}

/* With the lock held. Frames that are stuck come back once the model is shut down, unless the device is lost. */
static uint32_t shut_down(pn_model *model) {
  pn_dev *dev = model->dev;
  if (dev->is_lost && model->flying > 0 && !chip_is_10h()) {
    /* HailoRT 4 waits ten seconds for each of 32 transfers. */
    drain(model, sim_now_ns() + control_number("lost_unload_ms", 332000) * 1000000);
    return HAILO_TIMEOUT;
  }
  dev->aborted = model;
  sim_signal_work();
  while (dev->running == model) sim_wait_done(0);
  dev->aborted = NULL;
  for (uint32_t i = 0; i < model->depth; i++) {
    const slot_state state = model->slots[i].state;
    if (state == SLOT_FLYING || state == SLOT_ORPHAN) chip_complete(model, i, HAILO_STREAM_ABORT);
  }
  return dev->is_lost && chip_is_10h() ? HAILO_COMMUNICATION_CLOSED : HAILO_SUCCESS;
}

uint32_t pn_unload(pn_model *model, uint32_t drain_ms, char *err, size_t err_cap) {
  sim_enter();
  sim_check_model(model, "pn_unload");
  if (model->is_closing) sim_misuse("pn_unload", "the model is being unloaded already");
  pn_dev *dev = model->dev;
  model->is_closing = true;
  sim_leave();
  pthread_mutex_lock(&dev->one_call);
  uint32_t status = control_begin("unload");
  sim_enter();
  chip_notice_loss(dev);
  drain(model, sim_now_ns() + drain_ms * 1000000ull);
  if (status != HAILO_TIMEOUT) {
    const uint32_t shut = shut_down(model);
    if (status == HAILO_SUCCESS || shut == HAILO_TIMEOUT) status = shut;
  }
  /* Of a model whose frames never came back its handle stays: the device can only be abandoned. */
  if (status != HAILO_TIMEOUT) destroy(model);
  if (status == HAILO_SUCCESS && control_false_timeout("unload")) status = HAILO_TIMEOUT;
  if (status != HAILO_SUCCESS) sim_fail(err, err_cap, status, "the model is unloaded, not without a fault");
  sim_leave();
  pthread_mutex_unlock(&dev->one_call);
  return status;
}
