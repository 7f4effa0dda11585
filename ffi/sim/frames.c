#define _GNU_SOURCE
#include "simulated_npu.h"

#include <string.h>

static uint64_t last_ticket;

static sim_slot *slot_of(pn_model *model, uint64_t ticket) {
  for (uint32_t i = 0; i < model->depth; i++) {
    sim_slot *slot = &model->slots[i];
    if (slot->ticket == ticket && (slot->state == SLOT_FLYING || slot->state == SLOT_READY)) return slot;
  }
  return NULL;
}

static uint32_t refusal(const pn_model *model) {
  if (model->is_closing) return sim_fail(NULL, 0, HAILO_STREAM_ABORT, "the model is being unloaded");
  if (model->broken != HAILO_SUCCESS)
    return sim_fail(NULL, 0, HAILO_STREAM_ABORT, "a frame failed with status %u: load the model again", model->broken);
  return HAILO_SUCCESS;
}

static uint32_t acquire(pn_model *model, uint32_t *slot) {
  const uint32_t status = refusal(model);
  if (status != HAILO_SUCCESS) return status;
  for (uint32_t i = 0; i < model->depth; i++)
    if (model->slots[i].state == SLOT_FREE) {
      model->slots[i].state = SLOT_STAGED;
      *slot = i;
      return HAILO_SUCCESS;
    }
  return sim_fail(NULL, 0, HAILO_QUEUE_IS_FULL, "all %u slots are taken", model->depth);
}

static uint32_t start(pn_model *model, uint32_t index, uint64_t user, uint64_t *ticket) {
  if (index >= model->depth || model->slots[index].state != SLOT_STAGED)
    return sim_fail(NULL, 0, HAILO_INVALID_OPERATION, "slot %u was not acquired", index);
  sim_slot *slot = &model->slots[index];
  chip_notice_loss(model->dev);
  uint32_t status = refusal(model);
  if (status == HAILO_SUCCESS) {
    status = control_failure("start");
    /* Whatever run_async refuses shuts the model down. */
    if (status != HAILO_SUCCESS && status != HAILO_QUEUE_IS_FULL) model->broken = status;
    if (status != HAILO_SUCCESS) sim_fail(NULL, 0, status, "starting fails as ordered");
  }
  if (status != HAILO_SUCCESS) {
    slot->state = SLOT_FREE;
    return status;
  }
  *slot = (sim_slot){.state = SLOT_FLYING, .ticket = ++last_ticket, .user = user, .started_ns = sim_now_ns()};
  *ticket = slot->ticket;
  model->flying++;
  sim_signal_work();
  return HAILO_SUCCESS;
}

uint32_t pn_acquire(pn_model *model, uint32_t *slot) {
  sim_enter();
  sim_check_model(model, "pn_acquire");
  const uint32_t status = acquire(model, slot);
  sim_leave();
  return status;
}

uint32_t pn_release(pn_model *model, uint32_t slot) {
  sim_enter();
  sim_check_model(model, "pn_release");
  const bool is_staged = slot < model->depth && model->slots[slot].state == SLOT_STAGED;
  if (is_staged) model->slots[slot].state = SLOT_FREE;
  sim_leave();
  return is_staged ? HAILO_SUCCESS : sim_fail(NULL, 0, HAILO_INVALID_OPERATION, "slot %u was not acquired", slot);
}

uint32_t pn_start(pn_model *model, uint32_t slot, uint64_t user, uint64_t *ticket) {
  /* Never blocks, unless told to: then it is the whole program that hangs. */
  control_wait("start");
  sim_enter();
  sim_check_model(model, "pn_start");
  const uint32_t status = start(model, slot, user, ticket);
  sim_leave();
  return status;
}

uint32_t pn_submit(pn_model *model, const void *in, size_t in_bytes, uint64_t user, uint64_t *ticket) {
  sim_enter();
  sim_check_model(model, "pn_submit");
  const sim_network *network = &model->network;
  uint32_t index = 0;
  uint32_t status = in_bytes == network->in_bytes
                        ? acquire(model, &index)
                        : sim_fail(NULL, 0, HAILO_INVALID_ARGUMENT, "expected inputs of %zu bytes, found %zu",
                                   network->in_bytes, in_bytes);
  if (status == HAILO_SUCCESS) {
    const uint8_t *from = in;
    for (uint32_t i = 0; i < network->edge_count; i++) {
      const sim_edge *edge = &network->edges[i];
      if (edge->is_output) continue;
      memcpy(model->memory + index * network->slot_bytes + edge->offset, from, edge->bytes);
      from += edge->bytes;
    }
    status = start(model, index, user, ticket);
  }
  sim_leave();
  return status;
}

static void copy_outputs(const pn_model *model, uint32_t index, uint8_t *out) {
  const sim_network *network = &model->network;
  for (uint32_t i = 0; i < network->edge_count; i++) {
    const sim_edge *edge = &network->edges[i];
    if (!edge->is_output) continue;
    memcpy(out, model->memory + index * network->slot_bytes + edge->offset, edge->bytes);
    out += edge->bytes;
  }
}

uint32_t pn_take(pn_model *model, uint64_t ticket, void *out, size_t cap) {
  sim_enter();
  sim_check_model(model, "pn_take");
  sim_slot *slot = slot_of(model, ticket);
  uint32_t status = HAILO_SUCCESS;
  if (slot == NULL)
    status = sim_fail(NULL, 0, HAILO_NOT_FOUND, "there is no such ticket");
  else if (slot->state == SLOT_FLYING)
    status = sim_fail(NULL, 0, HAILO_INVALID_OPERATION, "the frame is not done");
  else if (slot->status == HAILO_SUCCESS && cap < model->network.out_bytes)
    status = sim_fail(NULL, 0, HAILO_INSUFFICIENT_BUFFER, "expected room for %zu bytes, found %zu",
                      model->network.out_bytes, cap);
  if (status == HAILO_SUCCESS) {
    status = slot->status;
    if (status == HAILO_SUCCESS)
      copy_outputs(model, (uint32_t)(slot - model->slots), out);
    else
      sim_fail(NULL, 0, status, "the frame failed");
    slot->state = SLOT_FREE;
  }
  sim_leave();
  return status;
}

static uint32_t orphan(pn_model *model, uint64_t ticket) {
  sim_slot *slot = slot_of(model, ticket);
  if (slot == NULL) return sim_fail(NULL, 0, HAILO_NOT_FOUND, "there is no such ticket");
  slot->state = slot->state == SLOT_READY ? SLOT_FREE : SLOT_ORPHAN;
  return HAILO_SUCCESS;
}

uint32_t pn_orphan(pn_model *model, uint64_t ticket) {
  sim_enter();
  sim_check_model(model, "pn_orphan");
  const uint32_t status = orphan(model, ticket);
  sim_leave();
  return status;
}

uint32_t pn_flying(pn_model *model) {
  sim_enter();
  sim_check_model(model, "pn_flying");
  const uint32_t flying = model->flying;
  sim_leave();
  return flying;
}

uint32_t pn_broken(pn_model *model) {
  sim_enter();
  sim_check_model(model, "pn_broken");
  const uint32_t broken = model->broken;
  sim_leave();
  return broken;
}

uint32_t pn_wait(pn_model *model, uint64_t ticket, uint32_t ms, uint32_t give_up) {
  const uint64_t until = sim_now_ns() + ms * 1000000ull;
  sim_enter();
  sim_check_model(model, "pn_wait");
  uint32_t status = HAILO_SUCCESS;
  for (;;) {
    const sim_slot *slot = slot_of(model, ticket);
    if (slot == NULL) status = sim_fail(NULL, 0, HAILO_NOT_FOUND, "there is no such ticket");
    if (slot == NULL || slot->state == SLOT_READY) break;
    if (sim_wait_done(until)) {
      sim_check_model(model, "pn_wait");
      continue;
    }
    status = sim_fail(NULL, 0, HAILO_TIMEOUT, "the frame was not done within %u ms", ms);
    if (give_up) orphan(model, ticket);
    break;
  }
  sim_leave();
  return status;
}

uint32_t pn_infer(pn_model *model, const void *in, size_t in_bytes, void *out, size_t cap, uint32_t ms) {
  uint64_t ticket = 0;
  uint32_t status = pn_submit(model, in, in_bytes, 0, &ticket);
  if (status == HAILO_SUCCESS) status = pn_wait(model, ticket, ms, 1);
  return status == HAILO_SUCCESS ? pn_take(model, ticket, out, cap) : status;
}
