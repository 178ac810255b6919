// SPDX-License-Identifier: Apache-2.0
#include "iommu/invalidation_queue.hpp"

#include "iommu/registers.hpp"

namespace ravelin::iommu {
namespace {

constexpr usize capacity = page_size / sizeof(Pair);
constexpr unsigned index_shift = 4;

} // namespace

Status<Error> InvalidationQueue::prepare() {
    queue_ = RAVELIN_TRY(writer_.allocate());
    status_ = RAVELIN_TRY(writer_.allocate());
    tail_ = 0;
    registers_.write64(reg::Iqt::offset, 0);
    registers_.write64(reg::Iqa::offset, queue_.address().raw()); // one page, 128-bit descriptors
    return Unit{};
}

void InvalidationQueue::push(const Pair& descriptor) {
    const TablePage page = writer_.memory().page(queue_);
    writer_.store(page[2 * tail_], descriptor[0]);
    writer_.store(page[2 * tail_ + 1], descriptor[1]);
    tail_ = (tail_ + 1) % capacity;
    ++descriptors_;
}

bool InvalidationQueue::refused() {
    const u32 errors = registers_.read32(reg::Fsts::offset) & reg::Fsts::queue_errors;
    if (errors != 0)
        registers_.write32(reg::Fsts::offset, errors);
    return errors != 0;
}

Status<Error> InvalidationQueue::perform(std::span<const Pair> descriptors) {
    ensure(descriptors.size() + 1 < capacity, "a batch of invalidations fits the queue");
    for (const Pair& descriptor : descriptors)
        push(descriptor);
    push(Descriptor::wait(status_.address(), ++token_));
    registers_.write64(reg::Iqt::offset, u64{tail_} << index_shift);
    const std::atomic_ref<u64> status{writer_.memory().page(status_)[0]};
    const u64 start = platform_.microseconds();
    while (static_cast<u32>(status.load(std::memory_order_acquire)) != token_) {
        if (refused())
            return Failure{Error::invalidation_refused};
        if (platform_.microseconds() - start > timeout_us)
            return Failure{Error::timed_out};
        platform_.relax();
    }
    return Unit{};
}

} // namespace ravelin::iommu
