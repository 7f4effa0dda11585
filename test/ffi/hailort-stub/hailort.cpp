// A HailoRT that does what the test says, and counts what it is given.
#include "hailo/hailort.hpp"

#include <cstring>
#include <deque>

using namespace hailort;

namespace {

struct Frame {
  ConfiguredInferModel::Bindings bindings;
  std::function<void(const AsyncInferCompletionInfo &)> done;
};

/** Frames that are on the chip, in their order. */
std::deque<Frame> frames;
bool is_stuck = false;
uint32_t answers[4];
enum Call { kOpen, kReady, kRun, kShutdown };

struct Counts {
  uint32_t runs, undetached, destroyed_under_frames, shutdowns, mapped, devices, batch, priority;
} counts;

std::string opened_with;

hailo_status answer(Call call) { return static_cast<hailo_status>(answers[call]); }

}  // namespace

// --- what the test calls

extern "C" {

/** From now on `call` answers `status`. */
void stub_answer(uint32_t call, uint32_t status) { answers[call] = status; }
/** Whether a shutdown leaves frames on the chip. */
void stub_stick(uint32_t stuck) { is_stuck = stuck != 0; }
/** The oldest frame is done: its outputs are its input's first byte and one more for each output. */
void stub_finish(uint32_t status) {
  Frame frame = frames.front();
  frames.pop_front();
  const auto &views = frame.bindings.views;
  const uint8_t first = *static_cast<uint8_t *>(views.at("net/in \"1\"").at);
  if (status == 0) {
    memset(views.at("net/a").at, first + 1, views.at("net/a").bytes);
    memset(views.at("net/b").at, first + 2, views.at("net/b").bytes);
  }
  frame.done({static_cast<hailo_status>(status)});
}
uint32_t stub_frames(void) { return static_cast<uint32_t>(frames.size()); }
void stub_counts(Counts *out) { *out = counts; }
const char *stub_opened_with(void) { return opened_with.c_str(); }

// --- HailoRT

hailo_status hailo_get_library_version(hailo_version_t *version) {
  *version = {4, 23, 0};
  return HAILO_SUCCESS;
}
hailo_status hailo_init_vdevice_params(hailo_vdevice_params_t *params) {
  *params = {nullptr, "UNIQUE"};
  return HAILO_SUCCESS;
}
}

namespace hailort {

AsyncInferJob::~AsyncInferJob() {
  if (waits_) counts.undetached++;
}

struct ConfiguredInferModel::Impl {
  ~Impl() {
    if (!frames.empty()) counts.destroyed_under_frames++;
  }
};

hailo_status ConfiguredInferModel::Bindings::InferStream::set_buffer(MemoryView given) {
  if (given.bytes != view->bytes) return HAILO_INVALID_ARGUMENT;
  *view = given;
  return HAILO_SUCCESS;
}
Expected<ConfiguredInferModel::Bindings::InferStream> ConfiguredInferModel::Bindings::input(const std::string &name) {
  return InferStream{&views.at(name)};
}
Expected<ConfiguredInferModel::Bindings::InferStream> ConfiguredInferModel::Bindings::output(const std::string &name) {
  return InferStream{&views.at(name)};
}

Expected<ConfiguredInferModel::Bindings> ConfiguredInferModel::create_bindings() {
  Bindings bindings;
  bindings.views = {{"net/in \"1\"", {nullptr, 12}}, {"net/a", {nullptr, 3}}, {"net/b", {nullptr, 5000}}};
  return bindings;
}
hailo_status ConfiguredInferModel::wait_for_async_ready(std::chrono::milliseconds) { return answer(kReady); }
Expected<AsyncInferJob> ConfiguredInferModel::run_async(const Bindings &bindings,
                                                        std::function<void(const AsyncInferCompletionInfo &)> done) {
  counts.runs++;
  if (answer(kRun) != HAILO_SUCCESS) return answer(kRun);
  frames.push_back({bindings, done});
  return AsyncInferJob();
}
hailo_status ConfiguredInferModel::set_scheduler_priority(uint8_t priority) {
  if (priority > 31) return HAILO_INVALID_ARGUMENT;
  counts.priority = priority;
  return HAILO_SUCCESS;
}
Expected<size_t> ConfiguredInferModel::get_async_queue_size() const { return size_t{32}; }
hailo_status ConfiguredInferModel::shutdown() {
  counts.shutdowns++;
  while (!is_stuck && !frames.empty()) {
    Frame frame = frames.front();
    frames.pop_front();
    frame.done({HAILO_STREAM_ABORT});
  }
  return answer(kShutdown);
}

void InferModel::set_batch_size(uint16_t batch) { counts.batch = batch; }
void InferModel::set_power_mode(hailo_power_mode_t) {}
Expected<ConfiguredInferModel> InferModel::configure() {
  ConfiguredInferModel model;
  model.impl = std::make_shared<ConfiguredInferModel::Impl>();
  return model;
}
Expected<InferModel::InferStream> InferModel::input(const std::string &) { return inputs_[0]; }
Expected<InferModel::InferStream> InferModel::output(const std::string &) { return outputs_[0]; }

Expected<hailo_device_identity_t> Device::identify() {
  hailo_device_identity_t found{{4, 23, 0}, 2, 7, 4, "Hailo-8", "\"S\\1"};
  return found;
}

VDevice::~VDevice() { counts.devices--; }
Expected<std::unique_ptr<VDevice>> VDevice::create(const hailo_vdevice_params_t &params) {
  opened_with = std::string(params.device_ids ? params.device_ids->id : "") + " " + params.group_id;
  if (answer(kOpen) != HAILO_SUCCESS) return answer(kOpen);
  counts.devices++;
  return std::make_unique<VDevice>();
}
Expected<std::vector<std::reference_wrapper<Device>>> VDevice::get_physical_devices() {
  return std::vector<std::reference_wrapper<Device>>{device_};
}
Expected<std::shared_ptr<InferModel>> VDevice::create_infer_model(const MemoryView hef, const std::string &) {
  if (memcmp(hef.at, "garbage", 7) == 0) return static_cast<hailo_status>(92);
  auto model = std::make_shared<InferModel>();
  model->inputs_ = {{"net/in \"1\"", {2, 2, 3}, {HAILO_FORMAT_TYPE_UINT8, 1}, 12, {{0, 1, 0, 255}}, false}};
  model->outputs_ = {
      {"net/a", {1, 1, 3}, {HAILO_FORMAT_TYPE_UINT8, 6}, 3, {{128, 0.1f, -12.8f, 12.7f}, {1, 2, 3, 4}}, false},
      {"net/b", {80, 1, 0}, {HAILO_FORMAT_TYPE_AUTO, 22}, 5000, {{0, 1, 0, 0}}, true},
  };
  return model;
}
hailo_status VDevice::dma_map(void *, size_t bytes, hailo_dma_buffer_direction_t) {
  counts.mapped += static_cast<uint32_t>(bytes);
  return HAILO_SUCCESS;
}
hailo_status VDevice::dma_unmap(void *, size_t bytes, hailo_dma_buffer_direction_t) {
  counts.mapped -= static_cast<uint32_t>(bytes);
  return HAILO_SUCCESS;
}

}  // namespace hailort
