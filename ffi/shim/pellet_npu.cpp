// The shim: pellet_npu.h over HailoRT's infer model, of HailoRT 4.23 and 5.2 alike. Compiled where it is used, against the headers
// of the HailoRT that is there. frames.hpp has the slots, guard.hpp what becomes of failures, model_info.hpp what is told of a model.
#include "pellet_npu.h"

#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "dma_mapping.hpp"
#include "frames.hpp"
#include "guard.hpp"
#include "hailo/hailort.hpp"
#include "model_info.hpp"

using hailort::ConfiguredInferModel;
using hailort::InferModel;
using hailort::MemoryView;
using hailort::VDevice;
using pellet::check;
using pellet::Completions;
using pellet::copy_text;
using pellet::DmaMapping;
using pellet::Failure;
using pellet::Frames;
using pellet::guarded;
using pellet::Layout;
using pellet::Part;
using pellet::released;
using pellet::told;
using std::chrono::milliseconds;

namespace {

/** What HailoRT reads of a HEF before it looks whether there is as much: fewer bytes crash it. */
constexpr size_t kSmallestHef = 16;
constexpr uint32_t kMostSlots = 16;
constexpr uint32_t kMostBatch = UINT16_MAX;
/** Callbacks of frames that a shutdown aborted come from other threads, right afterwards. */
constexpr milliseconds kAbortedFramesLimit{2000};

/** On HailoRT 5, what looks like an IP address would be looked for in the network. */
bool is_pcie_address(const std::string &id) {
  const size_t colon = id.rfind(':'), dot = id.find('.');
  return colon != std::string::npos && dot != std::string::npos && dot > colon && dot == id.rfind('.') &&
         id.find_first_not_of("0123456789abcdefABCDEF:.") == std::string::npos;
}

std::string text_of(const char *chars, size_t length) { return std::string(chars, strnlen(chars, length)); }

}  // namespace

struct pn_dev {
  std::unique_ptr<VDevice> vdevice;
  std::shared_ptr<Completions> completions = std::make_shared<Completions>();
  /** Of load, unload and close. */
  std::mutex mutex;
  uint32_t models = 0;
};

/** Members go in reverse: the configured model before the memory that it uses, and the infer model last. */
struct pn_model {
  pn_dev *dev;
  std::shared_ptr<InferModel> infer_model;
  std::shared_ptr<Frames> frames;
  std::vector<std::unique_ptr<DmaMapping>> mappings;
  ConfiguredInferModel configured;
  /** One for each slot: HailoRT copies them, but not the memory that they name. */
  std::vector<ConfiguredInferModel::Bindings> bindings;
  std::string info;
  /** Readiness is asked and a frame is run in one go. */
  std::mutex run;
};

namespace {

void set_types(InferModel &model, uint32_t in_type, uint32_t out_type) {
  for (const auto &stream : model.inputs()) {
    if (in_type == HAILO_FORMAT_TYPE_AUTO) break;
    auto input = released(model.input(stream.name()), "input");
    input.set_format_type(static_cast<hailo_format_type_t>(in_type));
  }
  for (const auto &stream : model.outputs()) {
    if (out_type == HAILO_FORMAT_TYPE_AUTO) break;
    auto output = released(model.output(stream.name()), "output");
    output.set_format_type(static_cast<hailo_format_type_t>(out_type));
  }
}

Layout layout_of(const InferModel &model) {
  Layout layout;
  for (const auto &stream : model.inputs()) layout.add(layout.inputs, stream.get_frame_size());
  for (const auto &stream : model.outputs()) layout.add(layout.outputs, stream.get_frame_size());
  return layout;
}

/** Ties a slot's memory to the streams. Exact sizes: with others HailoRT would not find what is mapped. */
void bind_slot(pn_model &model, uint32_t slot, bool dma_map) {
  auto bindings = released(model.configured.create_bindings(), "create_bindings");
  const auto bind = [&](const auto &streams, const std::vector<Part> &parts, auto stream_of, auto direction) {
    for (size_t i = 0; i < parts.size(); i++) {
      uint8_t *at = model.frames->memory(slot, parts[i].offset);
      auto stream = released(stream_of(streams[i].name()), "bindings");
      check(stream.set_buffer(MemoryView(at, parts[i].bytes)), "set_buffer");
      if (dma_map) model.mappings.push_back(std::make_unique<DmaMapping>(*model.dev->vdevice, at, parts[i].bytes, direction));
    }
  };
  const Layout &layout = model.frames->layout();
  bind(model.infer_model->inputs(), layout.inputs, [&](const std::string &name) { return bindings.input(name); },
       HAILO_DMA_BUFFER_DIRECTION_H2D);
  bind(model.infer_model->outputs(), layout.outputs, [&](const std::string &name) { return bindings.output(name); },
       HAILO_DMA_BUFFER_DIRECTION_D2H);
  model.bindings.push_back(bindings);
}

std::string info_of(pn_model &model) {
  const auto queue = model.configured.get_async_queue_size();
  const Layout &layout = model.frames->layout();
  return "{\"queue\":" + std::to_string(queue ? queue.value() : 0) + ",\"slot_bytes\":" + std::to_string(layout.slot_bytes) +
         ",\"inputs\":" + pellet::to_json(model.infer_model->inputs(), layout.inputs) +
         ",\"outputs\":" + pellet::to_json(model.infer_model->outputs(), layout.outputs) + "}";
}

/** Runs a frame that has departed. Never calls run_async where the frame cannot be queued: a refusal shuts the model down. */
uint32_t run(pn_model &model, uint32_t slot, uint64_t ticket) {
  std::lock_guard<std::mutex> lock(model.run);
  const hailo_status ready = model.configured.wait_for_async_ready(milliseconds(0));
  if (ready == HAILO_TIMEOUT) {
    model.frames->refuse(ticket, pellet::kSuccess);
    return told(pellet::kQueueIsFull, "HailoRT's own queue is full");
  }
  if (ready != HAILO_SUCCESS) {
    model.frames->refuse(ticket, ready);
    return told(static_cast<uint32_t>(ready), "wait_for_async_ready");
  }
  auto job = model.configured.run_async(
      model.bindings[slot], [frames = model.frames, ticket](const hailort::AsyncInferCompletionInfo &done) {
        frames->arrive(ticket, static_cast<uint32_t>(done.status));
      });
  if (!job) {
    model.frames->refuse(ticket, static_cast<uint32_t>(job.status()));
    return told(static_cast<uint32_t>(job.status()), "run_async");
  }
  // Else its destructor would wait for the frame. Its status is of no use: it says 0 for frames that were aborted.
  job->detach();
  return pellet::kSuccess;
}

}  // namespace

// --- the library

uint32_t pn_abi(void) { return PN_ABI; }

const char *pn_kind(void) { return "hailort"; }

uint32_t pn_version(uint32_t *out3) {
  hailo_version_t version{};
  const hailo_status status = hailo_get_library_version(&version);
  out3[0] = version.major;
  out3[1] = version.minor;
  out3[2] = version.revision;
  return told(static_cast<uint32_t>(status), "hailo_get_library_version");
}

const char *pn_last_error(void) { return pellet::last_error.c_str(); }

// --- a device

uint32_t pn_open(const char *id, const char *group, pn_dev **out, char *err, size_t err_cap) {
  *out = nullptr;
  return guarded(err, err_cap, [&] {
    hailo_vdevice_params_t params;
    check(hailo_init_vdevice_params(&params), "hailo_init_vdevice_params");
    hailo_device_id_t device_id{};
    if (id != nullptr && *id != '\0') {
      if (!is_pcie_address(id) || strlen(id) >= sizeof device_id.id)
        throw Failure{HAILO_INVALID_ARGUMENT, "a device id is a PCIe address like 0000:01:00.0"};
      strcpy(device_id.id, id);
      params.device_ids = &device_id;
    }
    if (group != nullptr && *group != '\0') params.group_id = group;
    auto dev = std::make_unique<pn_dev>();
    dev->vdevice = released(VDevice::create(params), "VDevice::create");
    *out = dev.release();
  });
}

uint32_t pn_identify(pn_dev *dev, char *json, size_t cap, char *err, size_t err_cap) {
  return guarded(err, err_cap, [&] {
    const auto devices = released(dev->vdevice->get_physical_devices(), "get_physical_devices");
    if (devices.empty()) throw Failure{HAILO_NOT_FOUND, "no physical device"};
    hailort::Device &device = devices.front().get();
    const hailo_device_identity_t found = released(device.identify(), "identify");
    const auto &fw = found.fw_version;
    const std::string version = std::to_string(fw.major) + "." + std::to_string(fw.minor) + "." + std::to_string(fw.revision);
    using pellet::to_json;
    copy_text("{\"id\":" + to_json(std::string(device.get_dev_id())) + ",\"arch\":" + std::to_string(found.device_architecture) +
                  ",\"fw\":" + to_json(version) +
                  ",\"product\":" + to_json(text_of(found.product_name, found.product_name_length)) +
                  ",\"serial\":" + to_json(text_of(found.serial_number, found.serial_number_length)) + "}",
              json, cap);
  });
}

int32_t pn_fd(pn_dev *dev) { return dev->completions->take_read_end(); }

uint32_t pn_close(pn_dev *dev, char *err, size_t err_cap) {
  {
    std::lock_guard<std::mutex> lock(dev->mutex);
    if (dev->models > 0) {
      copy_text("models are loaded", err, err_cap);
      return told(pellet::kInvalidOperation, "models are loaded");
    }
    dev->vdevice.reset();
  }
  dev->completions->close();
  delete dev;
  return pellet::kSuccess;
}

uint32_t pn_abandon(pn_dev *dev) {
  // The device first: with it gone, nothing waits for frames that will not come. Its models are never touched again, not even to
  // free them: that would crash. What they name of `dev` stays, too.
  dev->vdevice.reset();
  dev->completions->close();
  return pellet::kSuccess;
}

// --- a model

uint32_t pn_load(pn_dev *dev, const void *hef, size_t hef_bytes, const char *network, uint32_t in_type, uint32_t out_type,
                 uint32_t batch, uint32_t power, uint32_t depth, uint32_t flags, pn_model **out, char *err, size_t err_cap) {
  *out = nullptr;
  return guarded(err, err_cap, [&] {
    if (hef == nullptr || hef_bytes < kSmallestHef) throw Failure{HAILO_HEF_FILE_CORRUPTED, "shorter than a header"};
    const bool has_types = in_type <= HAILO_FORMAT_TYPE_FLOAT32 && out_type <= HAILO_FORMAT_TYPE_FLOAT32;
    if (!has_types || batch > kMostBatch || power > 1 || depth < 1 || depth > kMostSlots)
      throw Failure{HAILO_INVALID_ARGUMENT, "type, batch, power mode or slots out of range"};

    std::lock_guard<std::mutex> lock(dev->mutex);
    auto model = std::make_unique<pn_model>();
    model->dev = dev;
    const MemoryView bytes(const_cast<void *>(hef), hef_bytes);
    model->infer_model = released(dev->vdevice->create_infer_model(bytes, network ? network : ""), "create_infer_model");
    if (batch > 0) model->infer_model->set_batch_size(static_cast<uint16_t>(batch));
    if (power > 0) model->infer_model->set_power_mode(HAILO_POWER_MODE_ULTRA_PERFORMANCE);
    set_types(*model->infer_model, in_type, out_type);
    model->configured = released(model->infer_model->configure(), "configure");
    model->frames = std::make_shared<Frames>(layout_of(*model->infer_model), depth, dev->completions);
    for (uint32_t slot = 0; slot < depth; slot++) bind_slot(*model, slot, flags & PN_DMA_MAP);
    model->info = info_of(*model);
    dev->models++;
    *out = model.release();
  });
}

const char *pn_info(pn_model *model) { return model->info.c_str(); }

void *pn_slot_memory(pn_model *model, uint32_t slot) {
  return slot < model->frames->depth() ? model->frames->memory(slot) : nullptr;
}

uint32_t pn_acquire(pn_model *model, uint32_t *slot) { return told(model->frames->acquire(slot), "no slot"); }

uint32_t pn_release(pn_model *model, uint32_t slot) {
  return told(model->frames->release(slot), "the slot was not acquired");
}

uint32_t pn_start(pn_model *model, uint32_t slot, uint64_t user, uint64_t *ticket) {
  uint32_t status = pellet::kSuccess;
  const uint32_t failed = guarded(nullptr, 0, [&] {
    status = told(model->frames->depart(slot, user, ticket), "the slot was not acquired, or the model is broken");
    if (status == pellet::kSuccess) status = run(*model, slot, *ticket);
  });
  return failed != pellet::kSuccess ? failed : status;
}

uint32_t pn_submit(pn_model *model, const void *in, size_t in_bytes, uint64_t user, uint64_t *ticket) {
  const std::vector<Part> &inputs = model->frames->layout().inputs;
  if (in_bytes != pellet::total_of(inputs)) return told(HAILO_INVALID_ARGUMENT, "not the size of the inputs");
  uint32_t slot = 0;
  const uint32_t status = pn_acquire(model, &slot);
  if (status != pellet::kSuccess) return status;
  auto from = static_cast<const uint8_t *>(in);
  for (const Part &part : inputs) {
    memcpy(model->frames->memory(slot, part.offset), from, part.bytes);
    from += part.bytes;
  }
  return pn_start(model, slot, user, ticket);
}

uint32_t pn_take(pn_model *model, uint64_t ticket, void *out, size_t cap) {
  return told(model->frames->take(ticket, static_cast<uint8_t *>(out), cap), "take");
}

uint32_t pn_orphan(pn_model *model, uint64_t ticket) { return told(model->frames->orphan(ticket), "no such ticket"); }

uint32_t pn_flying(pn_model *model) { return model->frames->flying(); }

uint32_t pn_broken(pn_model *model) { return model->frames->broken(); }

uint32_t pn_wait(pn_model *model, uint64_t ticket, uint32_t ms, uint32_t orphan) {
  return told(model->frames->wait(ticket, milliseconds(ms), orphan != 0), "no such ticket, or not done in time");
}

uint32_t pn_infer(pn_model *model, const void *in, size_t in_bytes, void *out, size_t cap, uint32_t ms) {
  uint64_t ticket = 0;
  uint32_t status = pn_submit(model, in, in_bytes, 0, &ticket);
  if (status == pellet::kSuccess) status = pn_wait(model, ticket, ms, 1);
  return status == pellet::kSuccess ? pn_take(model, ticket, out, cap) : status;
}

uint32_t pn_priority(pn_model *model, uint32_t priority, char *err, size_t err_cap) {
  return guarded(err, err_cap, [&] {
    if (priority > UINT8_MAX) throw Failure{HAILO_INVALID_ARGUMENT, "priority out of range"};
    check(model->configured.set_scheduler_priority(static_cast<uint8_t>(priority)), "set_scheduler_priority");
  });
}

uint32_t pn_unload(pn_model *model, uint32_t drain_ms, char *err, size_t err_cap) {
  return guarded(err, err_cap, [&] {
    pn_dev *dev = model->dev;
    std::lock_guard<std::mutex> lock(dev->mutex);
    Frames &frames = *model->frames;
    frames.close();
    frames.wait_idle(milliseconds(drain_ms));
    const hailo_status status = model->configured.shutdown();
    dev->models--;
    // HailoRT's part of a callback uses the configured model: it may go once all have come.
    if (!frames.wait_idle(kAbortedFramesLimit)) throw Failure{HAILO_TIMEOUT, "frames never came back: the model is leaked"};
    delete model;
    // HailoRT 5 may say 4 of a call that was done; here 4 means that frames are missing, and none is.
    if (status != HAILO_TIMEOUT) check(status, "shutdown");
  });
}
