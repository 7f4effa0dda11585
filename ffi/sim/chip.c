/* The chip: one thread for each open device, which computes one frame at a time over all models. */
#define _GNU_SOURCE
#include "simulated_npu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static const uint64_t slice_ns = 5000000;
static char default_chip[16] = "hailo8";

/* The chip where the control file names none. */
PN_API void ps_chip(const char *name) {
  sim_enter();
  snprintf(default_chip, sizeof default_chip, "%s", name);
  sim_leave();
}

const char *chip_name(void) {
  static const char *const chips[] = {"hailo8", "hailo8l", "hailo10h"};
  const char *wanted = control_text("chip", default_chip);
  for (size_t i = 0; i < sizeof chips / sizeof *chips; i++)
    if (strcmp(wanted, chips[i]) == 0) return chips[i];
  return default_chip;
}

bool chip_is_10h(void) { return strcmp(chip_name(), "hailo10h") == 0; }

void chip_notice_loss(pn_dev *dev) {
  control_refresh();
  if (dev->is_lost || strcmp(control_text("device", "present"), "lost") != 0) return;
  dev->is_lost = true;
  if (dev->last_active != NULL && dev->last_active->flying == 0) dev->deactivated = dev->last_active;
  sim_signal_work();
}

static void write_record(const pn_model *model, uint32_t index, uint64_t ns) {
  const sim_slot *slot = &model->slots[index];
  const pn_done record = {.ticket = slot->ticket, .user = slot->user, .status = slot->status, .slot = index, .ns = ns};
  if (slot->user == 0 || model->dev->pipe_write < 0) return;
  if (write(model->dev->pipe_write, &record, sizeof record) != (ssize_t)sizeof record)
    perror("simulated NPU: a completion could not be written");
}

void chip_complete(pn_model *model, uint32_t index, uint32_t status) {
  sim_slot *slot = &model->slots[index];
  if (status != HAILO_SUCCESS && model->broken == HAILO_SUCCESS) model->broken = status;
  model->flying--;
  if (slot->state == SLOT_ORPHAN) {
    slot->state = SLOT_FREE;
  } else {
    slot->state = SLOT_READY;
    slot->status = status;
    write_record(model, index, sim_now_ns() - slot->started_ns);
  }
  sim_signal_done();
}

static bool is_in_flight(const sim_slot *slot) { return slot->state == SLOT_FLYING || slot->state == SLOT_ORPHAN; }

/* The oldest frame of a model that has one. */
static uint32_t oldest(const pn_model *model) {
  uint32_t best = MOST_SLOTS;
  for (uint32_t i = 0; i < model->depth; i++)
    if (is_in_flight(&model->slots[i]) && (best == MOST_SLOTS || model->slots[i].ticket < model->slots[best].ticket))
      best = i;
  return best;
}

/* As HailoRT's scheduler: the highest priority, and among equals the one that has waited longest. */
static pn_model *next_model(const pn_dev *dev) {
  pn_model *best = NULL;
  for (pn_model *model = dev->models; model != NULL; model = model->next) {
    if (model->flying == 0 || model == dev->aborted) continue;
    if (best == NULL || model->priority > best->priority ||
        (model->priority == best->priority && model->served < best->served))
      best = model;
  }
  return best;
}

static void complete_all(pn_model *model, uint32_t status) {
  for (uint32_t i = oldest(model); i < MOST_SLOTS; i = oldest(model)) chip_complete(model, i, status);
}

/* What a lost device still answers. HailoRT 4 is silent about frames on the chip; with version 5 they end at once. */
static void answer_lost(pn_dev *dev) {
  if (dev->deactivated != NULL && !chip_is_10h()) complete_all(dev->deactivated, HAILO_STREAM_NOT_ACTIVATED);
  for (pn_model *model = dev->models; model != NULL && chip_is_10h(); model = model->next)
    complete_all(model, HAILO_COMMUNICATION_CLOSED);
}

/* How long the frame takes. */
static uint64_t frame_ns(const pn_dev *dev) {
  uint64_t us = control_number("frame_us", 1000) + control_number("hang.frame", 0) * 1000;
  const uint64_t every = control_number("late_every", 0);
  if (every > 0 && dev->frames % every == 0) us += control_number("late_us", 0);
  return us * 1000;
}

static bool is_cut_short(const pn_dev *dev) { return dev->is_stopping || dev->is_lost || dev->aborted == dev->running; }

/* Until the frame is done: with the lock given up meanwhile, and a look at the control file now and then. */
static void pass_time(pn_dev *dev, uint64_t from) {
  while (!is_cut_short(dev) && sim_now_ns() + slice_ns < from + frame_ns(dev)) {
    sim_wait_work(sim_now_ns() + slice_ns);
    chip_notice_loss(dev);
  }
  if (is_cut_short(dev)) {
    dev->free_at_ns = sim_now_ns();
    return;
  }
  const uint64_t until = from + frame_ns(dev);
  sim_leave();
  sim_sleep_until(until);
  sim_enter();
  dev->free_at_ns = until;
  chip_notice_loss(dev);
}

static void run_frame(pn_dev *dev, pn_model *model) {
  const uint32_t index = oldest(model);
  const uint64_t started_ns = model->slots[index].started_ns;
  const uint64_t from = started_ns > dev->free_at_ns ? started_ns : dev->free_at_ns;
  model->served = ++dev->frames;
  dev->last_active = dev->running = model;
  const uint32_t status = control_failure("frame");
  const uint32_t seed = (uint32_t)control_number("seed", 0);
  char recordings[4000];
  snprintf(recordings, sizeof recordings, "%s", control_text("recordings", ""));
  sim_leave();
  if (status == HAILO_SUCCESS)
    outputs_fill(&model->network, model->memory + index * model->network.slot_bytes, seed, recordings);
  sim_enter();
  pass_time(dev, from);
  if (!is_cut_short(dev)) chip_complete(model, index, status);
  dev->running = NULL;
  sim_signal_done();
}

static void *run(void *argument) {
  pn_dev *dev = argument;
  prctl(PR_SET_NAME, "simulated-npu");
  /* Else the kernel adds 50 microseconds to each sleep. */
  prctl(PR_SET_TIMERSLACK, 1000);
  sim_enter();
  while (!dev->is_stopping) {
    chip_notice_loss(dev);
    if (dev->is_lost) answer_lost(dev);
    pn_model *model = next_model(dev);
    if (model == NULL || dev->is_lost) {
      sim_wait_work(0);
    } else if (control_number("stall", 0) != 0) {
      dev->free_at_ns = sim_now_ns();
      sim_wait_work(dev->free_at_ns + 2000000);
    } else {
      run_frame(dev, model);
    }
  }
  sim_leave();
  return NULL;
}

bool chip_start(pn_dev *dev) { return pthread_create(&dev->chip, NULL, run, dev) == 0; }
