// The slots of a model and the frames in them. Knows nothing of HailoRT.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>
#include <system_error>
#include <vector>

#include "pellet_npu.h"

namespace pellet {

// The hailo_status numbers that are ours to give.
enum : uint32_t {
  kSuccess = 0,
  kTimeout = 4,
  kInsufficientBuffer = 5,
  kInvalidOperation = 6,
  kNotFound = 61,
  kAborted = 63,
  kQueueIsFull = 82,
};

inline size_t to_whole_pages(size_t bytes) {
  static const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return (bytes + page - 1) / page * page;
}

/** One input or output of a frame within a slot. */
struct Part {
  size_t offset;
  size_t bytes;
};

/** Where the frames of a model lie in a slot: each part begins on a page of its own, so that HailoRT needs no copy of it. */
struct Layout {
  std::vector<Part> inputs;
  std::vector<Part> outputs;
  size_t slot_bytes = 0;

  Part &add(std::vector<Part> &to, size_t bytes) {
    to.push_back({slot_bytes, bytes});
    slot_bytes += to_whole_pages(bytes);
    return to.back();
  }
};

inline size_t total_of(const std::vector<Part> &parts) {
  size_t bytes = 0;
  for (const Part &part : parts) bytes += part.bytes;
  return bytes;
}

/** Tells the process of frames that are done, by records on a pipe; and numbers the frames of a device. */
class Completions {
 public:
  Completions() {
    if (pipe2(fds_, O_CLOEXEC | O_NONBLOCK) != 0) throw std::system_error(errno, std::generic_category(), "a pipe");
  }
  ~Completions() {
    close();
    if (fds_[0] >= 0) ::close(fds_[0]);
  }
  Completions(const Completions &) = delete;
  Completions &operator=(const Completions &) = delete;

  uint64_t next_ticket() { return ++last_ticket_; }

  /** The reader closes it. -1: taken already. */
  int take_read_end() {
    std::lock_guard<std::mutex> lock(mutex_);
    int fd = fds_[0];
    fds_[0] = -1;
    return fd;
  }

  /**
   * A record is whole or not there at all: it is smaller than PIPE_BUF. There are fewer slots than records fit in the pipe; were
   * one lost all the same, its frame would count as overdue.
   */
  void send(const pn_done &record) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (fds_[1] >= 0) (void)!write(fds_[1], &record, sizeof record);
  }

  /** The reader sees the end. */
  void close() {
    std::lock_guard<std::mutex> lock(mutex_);
    if (fds_[1] >= 0) ::close(fds_[1]);
    fds_[1] = -1;
  }

 private:
  std::mutex mutex_;
  int fds_[2] = {-1, -1};
  std::atomic<uint64_t> last_ticket_{0};
};

/** Memory of a slot: page-aligned, and there already when the first frame comes. */
class SlotMemory {
 public:
  explicit SlotMemory(size_t bytes) : bytes_(bytes) {
    void *at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (at == MAP_FAILED) throw std::bad_alloc();
    at_ = static_cast<uint8_t *>(at);
  }
  ~SlotMemory() {
    if (at_) munmap(at_, bytes_);
  }
  SlotMemory(SlotMemory &&other) noexcept : at_(other.at_), bytes_(other.bytes_) { other.at_ = nullptr; }
  SlotMemory &operator=(SlotMemory &&) = delete;

  uint8_t *at(size_t offset = 0) const { return at_ + offset; }

 private:
  uint8_t *at_ = nullptr;
  size_t bytes_;
};

/**
 * The slots of one model. A slot is free, acquired (its inputs are being written), flying (in HailoRT), ready (until its outputs
 * are taken) or orphaned (in HailoRT still, but nobody wants its answer); then it is free again. It is never free while HailoRT
 * may write to it: that is why a late frame cannot become another request's answer.
 *
 * Held by every callback in flight, so that one that comes after its model is gone finds it.
 */
class Frames {
 public:
  Frames(Layout layout, uint32_t depth, std::shared_ptr<Completions> completions)
      : layout_(std::move(layout)), completions_(std::move(completions)) {
    slots_.reserve(depth);
    for (uint32_t i = 0; i < depth; i++) slots_.emplace_back(layout_.slot_bytes);
  }

  const Layout &layout() const { return layout_; }
  uint32_t depth() const { return static_cast<uint32_t>(slots_.size()); }
  uint8_t *memory(uint32_t slot, size_t offset = 0) const { return slots_[slot].memory.at(offset); }

  uint32_t acquire(uint32_t *slot) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (is_closed_ || broken_ != 0) return kAborted;
    for (uint32_t i = 0; i < depth(); i++) {
      if (slots_[i].state != State::free) continue;
      slots_[i].state = State::acquired;
      *slot = i;
      return kSuccess;
    }
    return kQueueIsFull;
  }

  uint32_t release(uint32_t slot) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (slot >= depth() || slots_[slot].state != State::acquired) return kInvalidOperation;
    slots_[slot].state = State::free;
    return kSuccess;
  }

  /** Acquired to flying; where that cannot be, the slot is free. */
  uint32_t depart(uint32_t slot, uint64_t user, uint64_t *ticket) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (slot >= depth() || slots_[slot].state != State::acquired) return kInvalidOperation;
    Slot &it = slots_[slot];
    it.state = State::free;
    if (is_closed_ || broken_ != 0) return kAborted;
    it.state = State::flying;
    it.user = user;
    it.status = kSuccess;
    it.ticket = *ticket = completions_->next_ticket();
    it.departed = Clock::now();
    flying_++;
    return kSuccess;
  }

  /** HailoRT did not take the frame. @param status Why, where it is the model that is broken; 0 otherwise */
  void refuse(uint64_t ticket, uint32_t status) {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (status != 0 && broken_ == 0) broken_ = status;
      Slot *it = find(ticket);
      if (!it || !it->is_in_library()) return;
      it->state = State::free;
      flying_--;
    }
    changed_.notify_all();
  }

  /** A frame is done, well or not. Called by threads of HailoRT: calls nothing of it. */
  void arrive(uint64_t ticket, uint32_t status) {
    pn_done record{};
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (status != 0 && broken_ == 0) broken_ = status;
      Slot *it = find(ticket);
      if (!it || !it->is_in_library()) return;
      const auto took = std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - it->departed).count();
      it->status = status;
      if (it->state == State::flying) {
        const auto slot = static_cast<uint32_t>(it - slots_.data());
        record = {ticket, it->user, status, slot, static_cast<uint64_t>(took)};
        it->state = State::ready;
      } else {
        it->state = State::free;
      }
      flying_--;
    }
    changed_.notify_all();
    if (record.user != 0) completions_->send(record);
  }

  uint32_t take(uint64_t ticket, uint8_t *out, size_t cap) {
    std::unique_lock<std::mutex> lock(mutex_);
    Slot *it = find(ticket);
    if (!it) return kNotFound;
    if (it->state != State::ready) return kInvalidOperation;
    const uint32_t status = it->status;
    if (status == 0 && out != nullptr) {
      if (cap < total_of(layout_.outputs)) return kInsufficientBuffer;
      it->state = State::acquired;  // nobody else's while it is copied, without the lock
      lock.unlock();
      for (const Part &part : layout_.outputs) {
        memcpy(out, it->memory.at(part.offset), part.bytes);
        out += part.bytes;
      }
      lock.lock();
    }
    it->state = State::free;
    return status;
  }

  uint32_t orphan(uint64_t ticket) {
    std::lock_guard<std::mutex> lock(mutex_);
    Slot *it = find(ticket);
    if (!it) return kNotFound;
    if (it->state == State::ready) it->state = State::free;
    if (it->state == State::flying) it->state = State::orphaned;
    return kSuccess;
  }

  uint32_t wait(uint64_t ticket, std::chrono::milliseconds limit, bool orphan_then) {
    std::unique_lock<std::mutex> lock(mutex_);
    Slot *it = find(ticket);
    if (!it) return kNotFound;
    const auto is_done = [&] { return it->ticket != ticket || !it->is_in_library(); };
    if (changed_.wait_for(lock, limit, is_done)) return kSuccess;
    if (orphan_then) it->state = State::orphaned;
    return kTimeout;
  }

  /** No frame departs any more. */
  void close() {
    std::lock_guard<std::mutex> lock(mutex_);
    is_closed_ = true;
  }

  /** @return whether no frame is in HailoRT */
  bool wait_idle(std::chrono::milliseconds limit) {
    std::unique_lock<std::mutex> lock(mutex_);
    return changed_.wait_for(lock, limit, [&] { return flying_ == 0; });
  }

  uint32_t flying() const {
    std::lock_guard<std::mutex> lock(mutex_);
    return flying_;
  }

  uint32_t broken() const {
    std::lock_guard<std::mutex> lock(mutex_);
    return broken_;
  }

 private:
  using Clock = std::chrono::steady_clock;
  enum class State { free, acquired, flying, ready, orphaned };

  struct Slot {
    explicit Slot(size_t bytes) : memory(bytes) {}
    bool is_in_library() const { return state == State::flying || state == State::orphaned; }

    SlotMemory memory;
    State state = State::free;
    uint64_t ticket = 0;
    uint64_t user = 0;
    uint32_t status = 0;
    Clock::time_point departed;
  };

  Slot *find(uint64_t ticket) {
    for (Slot &slot : slots_) {
      const bool has_frame = slot.is_in_library() || slot.state == State::ready;
      if (has_frame && slot.ticket == ticket) return &slot;
    }
    return nullptr;
  }

  const Layout layout_;
  const std::shared_ptr<Completions> completions_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Slot> slots_;
  uint32_t flying_ = 0;
  uint32_t broken_ = 0;
  bool is_closed_ = false;
};

}  // namespace pellet
