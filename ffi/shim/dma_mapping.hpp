// Memory that a device reads and writes in place.
#pragma once

#include "hailo/hailort.hpp"

namespace pellet {

/** Memory that stays mapped for DMA while a model is loaded. */
class DmaMapping {
 public:
  DmaMapping(hailort::VDevice &vdevice, void *at, size_t bytes, hailo_dma_buffer_direction_t direction)
      : vdevice_(vdevice), at_(at), bytes_(bytes), direction_(direction) {
    is_mapped_ = vdevice_.dma_map(at_, bytes_, direction_) == HAILO_SUCCESS;
  }
  ~DmaMapping() {
    if (is_mapped_) vdevice_.dma_unmap(at_, bytes_, direction_);
  }
  DmaMapping(const DmaMapping &) = delete;
  DmaMapping &operator=(const DmaMapping &) = delete;

 private:
  hailort::VDevice &vdevice_;
  void *at_;
  size_t bytes_;
  hailo_dma_buffer_direction_t direction_;
  bool is_mapped_;
};

}  // namespace pellet
