// As much of HailoRT's C++ interface as the shim uses, for machines without HailoRT: hailort.cpp beside this folder behaves as the
// test tells it to.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

enum hailo_status : uint32_t {
  HAILO_SUCCESS = 0,
  HAILO_INVALID_ARGUMENT = 2,
  HAILO_OUT_OF_HOST_MEMORY = 3,
  HAILO_TIMEOUT = 4,
  HAILO_INTERNAL_FAILURE = 8,
  HAILO_NOT_FOUND = 61,
  HAILO_STREAM_ABORT = 63,
  HAILO_HEF_FILE_CORRUPTED = 91,
};
enum hailo_format_type_t { HAILO_FORMAT_TYPE_AUTO, HAILO_FORMAT_TYPE_UINT8, HAILO_FORMAT_TYPE_UINT16, HAILO_FORMAT_TYPE_FLOAT32 };
enum hailo_power_mode_t { HAILO_POWER_MODE_PERFORMANCE, HAILO_POWER_MODE_ULTRA_PERFORMANCE };
enum hailo_dma_buffer_direction_t { HAILO_DMA_BUFFER_DIRECTION_H2D, HAILO_DMA_BUFFER_DIRECTION_D2H };

struct hailo_version_t { uint32_t major, minor, revision; };
struct hailo_device_id_t { char id[32]; };
struct hailo_vdevice_params_t { hailo_device_id_t *device_ids; const char *group_id; };
struct hailo_device_identity_t {
  hailo_version_t fw_version;
  uint32_t device_architecture;
  uint8_t product_name_length, serial_number_length;
  char product_name[42], serial_number[16];
};
struct hailo_format_t { hailo_format_type_t type; uint32_t order; };
struct hailo_3d_image_shape_t { uint32_t height, width, features; };
struct hailo_quant_info_t { float qp_zp, qp_scale, limvals_min, limvals_max; };
struct hailo_nms_shape_t { uint32_t number_of_classes, max_bboxes_per_class, max_bboxes_total, max_accumulated_mask_size; };

extern "C" {
hailo_status hailo_get_library_version(hailo_version_t *version);
hailo_status hailo_init_vdevice_params(hailo_vdevice_params_t *params);
}

namespace hailort {

template <typename T>
class Expected {
 public:
  Expected(hailo_status status) : status_(status) {}
  Expected(T value) : value_(std::make_unique<T>(std::move(value))) {}
  explicit operator bool() const { return value_ != nullptr; }
  hailo_status status() const { return status_; }
  T release() { return std::move(*value_); }
  T &value() { return *value_; }
  const T &value() const { return *value_; }
  T *operator->() { return value_.get(); }
  const T *operator->() const { return value_.get(); }

 private:
  hailo_status status_ = HAILO_SUCCESS;
  std::unique_ptr<T> value_;
};

struct MemoryView {
  MemoryView(void *at, size_t bytes) : at(at), bytes(bytes) {}
  void *at;
  size_t bytes;
};

struct AsyncInferCompletionInfo { hailo_status status; };

class AsyncInferJob {
 public:
  AsyncInferJob() = default;
  AsyncInferJob(AsyncInferJob &&other) : waits_(std::exchange(other.waits_, false)) {}
  ~AsyncInferJob();
  void detach() { waits_ = false; }

 private:
  bool waits_ = true;
};

class ConfiguredInferModel {
 public:
  class Bindings {
   public:
    struct InferStream {
      hailo_status set_buffer(MemoryView view);
      MemoryView *view;
    };
    Expected<InferStream> input(const std::string &name);
    Expected<InferStream> output(const std::string &name);
    std::map<std::string, MemoryView> views;
  };

  ConfiguredInferModel() = default;
  Expected<Bindings> create_bindings();
  hailo_status wait_for_async_ready(std::chrono::milliseconds timeout);
  Expected<AsyncInferJob> run_async(const Bindings &bindings, std::function<void(const AsyncInferCompletionInfo &)> done);
  hailo_status set_scheduler_priority(uint8_t priority);
  Expected<size_t> get_async_queue_size() const;
  hailo_status shutdown();

  struct Impl;
  std::shared_ptr<Impl> impl;
};

class InferModel {
 public:
  class InferStream {
   public:
    std::string name() const { return name_; }
    hailo_3d_image_shape_t shape() const { return shape_; }
    hailo_format_t format() const { return format_; }
    size_t get_frame_size() const { return bytes_; }
    std::vector<hailo_quant_info_t> get_quant_infos() const { return quant_; }
    bool is_nms() const { return is_nms_; }
    Expected<hailo_nms_shape_t> get_nms_shape() const { return hailo_nms_shape_t{80, 100, 0, 0}; }
    void set_format_type(hailo_format_type_t type) { format_.type = type; }

    std::string name_;
    hailo_3d_image_shape_t shape_;
    hailo_format_t format_;
    size_t bytes_;
    std::vector<hailo_quant_info_t> quant_;
    bool is_nms_;
  };

  void set_batch_size(uint16_t batch);
  void set_power_mode(hailo_power_mode_t mode);
  Expected<ConfiguredInferModel> configure();
  Expected<InferStream> input(const std::string &name);
  Expected<InferStream> output(const std::string &name);
  const std::vector<InferStream> &inputs() const { return inputs_; }
  const std::vector<InferStream> &outputs() const { return outputs_; }

  std::vector<InferStream> inputs_, outputs_;
};

class Device {
 public:
  Expected<hailo_device_identity_t> identify();
  const char *get_dev_id() const { return "0000:01:00.0"; }
};

class VDevice {
 public:
  ~VDevice();
  static Expected<std::unique_ptr<VDevice>> create(const hailo_vdevice_params_t &params);
  Expected<std::vector<std::reference_wrapper<Device>>> get_physical_devices();
  Expected<std::shared_ptr<InferModel>> create_infer_model(const MemoryView hef, const std::string &name);
  hailo_status dma_map(void *at, size_t bytes, hailo_dma_buffer_direction_t direction);
  hailo_status dma_unmap(void *at, size_t bytes, hailo_dma_buffer_direction_t direction);

 private:
  Device device_;
};

}  // namespace hailort
