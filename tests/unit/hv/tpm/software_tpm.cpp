// SPDX-License-Identifier: Apache-2.0
// libtpms behind a class.
#include "software_tpm.hpp"

#include <cstdlib>
#include <cstring>
#include <gtest/gtest.h>
#include <libtpms/tpm_error.h>
#include <libtpms/tpm_library.h>
#include <libtpms/tpm_memory.h>
#include <libtpms/tpm_tis.h>
#include <map>
#include <string>

namespace ravelin::hv::tpm::test {

namespace {

std::map<std::string, std::vector<u8>>& storage() {
    static std::map<std::string, std::vector<u8>> files;
    return files;
}
u8 current_locality = 0;

TPM_RESULT load(unsigned char** data, uint32_t* length, uint32_t, const char* name) {
    const auto found = storage().find(name);
    if (found == storage().end())
        return TPM_RETRY;
    // libtpms frees what it is given.
    *data = static_cast<unsigned char*>(std::malloc(found->second.size()));
    std::memcpy(*data, found->second.data(), found->second.size());
    *length = static_cast<uint32_t>(found->second.size());
    return TPM_SUCCESS;
}
TPM_RESULT store(const unsigned char* data, uint32_t length, uint32_t, const char* name) {
    storage()[name].assign(data, data + length);
    return TPM_SUCCESS;
}
TPM_RESULT remove(uint32_t, const char* name, TPM_BOOL) {
    storage().erase(name);
    return TPM_SUCCESS;
}
TPM_RESULT nothing() {
    return TPM_SUCCESS;
}
TPM_RESULT locality(TPM_MODIFIER_INDICATOR* modifier, uint32_t) {
    *modifier = current_locality;
    return TPM_SUCCESS;
}
TPM_RESULT presence(TPM_BOOL* present, uint32_t) {
    *present = 0;
    return TPM_SUCCESS;
}

void power_on(SoftwareTpm& tpm, SoftwareTpm::Started started) {
    ASSERT_EQ(TPMLIB_MainInit(), TPM_SUCCESS);
    if (started == SoftwareTpm::Started::no)
        return;
    const u8 startup[] = {0x80, 0x01, 0, 0, 0, 12, 0, 0, 0x01, 0x44, 0, 0};
    const auto response = tpm.execute(startup);
    ASSERT_EQ(response.size(), 10u);
    ASSERT_EQ(response[9], 0);
}

} // namespace

SoftwareTpm::SoftwareTpm(Started started) {
    storage().clear();
    libtpms_callbacks callbacks{};
    callbacks.sizeOfStruct = sizeof callbacks;
    callbacks.tpm_nvram_init = nothing;
    callbacks.tpm_nvram_loaddata = load;
    callbacks.tpm_nvram_storedata = store;
    callbacks.tpm_nvram_deletename = remove;
    callbacks.tpm_io_init = nothing;
    callbacks.tpm_io_getlocality = locality;
    callbacks.tpm_io_getphysicalpresence = presence;
    EXPECT_EQ(TPMLIB_ChooseTPMVersion(TPMLIB_TPM_VERSION_2), TPM_SUCCESS);
    EXPECT_EQ(TPMLIB_RegisterCallbacks(&callbacks), TPM_SUCCESS);
    power_on(*this, started);
}

SoftwareTpm::~SoftwareTpm() {
    TPMLIB_Terminate();
}

void SoftwareTpm::reset(Started started) {
    TPMLIB_Terminate();
    power_on(*this, started);
}

void SoftwareTpm::launch_dynamically(std::span<const u8> measured) {
    current_locality = 4;
    EXPECT_EQ(TPM_IO_Hash_Start(), TPM_SUCCESS);
    EXPECT_EQ(TPM_IO_Hash_Data(measured.data(), static_cast<uint32_t>(measured.size())),
              TPM_SUCCESS);
    EXPECT_EQ(TPM_IO_Hash_End(), TPM_SUCCESS);
}

std::vector<u8> SoftwareTpm::execute(std::span<const u8> command, u8 locality) {
    std::vector<u8> copy{command.begin(), command.end()};
    unsigned char* response = nullptr;
    uint32_t size = 0;
    uint32_t capacity = 0;
    current_locality = locality;
    const TPM_RESULT result = TPMLIB_Process(
        &response, &size, &capacity, copy.data(), static_cast<uint32_t>(copy.size()));
    EXPECT_EQ(result, TPM_SUCCESS);
    std::vector<u8> out{response, response + size};
    TPM_Free(response);
    return out;
}

void DirectTransport::fail(unsigned nth, Fault fault, u32 code, unsigned times) {
    fail_at_ = count_ + nth;
    fail_times_ = times;
    fault_ = fault;
    fault_code_ = code;
}

Status<TransportError> DirectTransport::start(std::span<const u8> command) {
    if (executing_)
        return Failure{TransportError::busy};
    const unsigned number = count_++;
    const bool faulty =
        fault_ != Fault::none && number >= fail_at_ && number - fail_at_ < fail_times_;
    fault_transport_ = false;
    if (faulty && fault_ == Fault::response_code) {
        // The TPM did not carry the command out.
        response_ = {0x80,
                     0x01,
                     0,
                     0,
                     0,
                     10,
                     static_cast<u8>(fault_code_ >> 24),
                     static_cast<u8>(fault_code_ >> 16),
                     static_cast<u8>(fault_code_ >> 8),
                     static_cast<u8>(fault_code_)};
    } else {
        commands.emplace_back(command.begin(), command.end());
        response_ = (closed >> locality_.raw() & 1) != 0
                        ? std::vector<u8>{0x80, 1, 0, 0, 0, 10, 0, 0, 0x09, 0x07} // TPM_RC_LOCALITY
                        : tpm_.execute(command, locality_.raw());
        if (faulty && fault_ == Fault::truncated) {
            response_.resize(response_.size() - 1);
            const auto size = static_cast<u32>(response_.size());
            for (unsigned i = 0; i < 4 && response_.size() > 6; ++i)
                response_[2 + i] = static_cast<u8>(size >> (24 - 8 * i));
        }
        if (faulty && fault_ == Fault::garbage)
            for (auto& byte : response_)
                byte ^= 0xa5;
        fault_transport_ = faulty && fault_ == Fault::transport;
    }
    executing_ = true;
    polls_ = 0;
    return Unit{};
}

Status<TransportError> DirectTransport::use(Locality locality) {
    if (executing_)
        return Failure{TransportError::busy};
    locality_ = locality;
    return Unit{};
}

Result<Progress, TransportError> DirectTransport::poll() {
    if (!executing_)
        return Failure{TransportError::idle};
    return polls_++ < latency ? Progress::executing : Progress::complete;
}

Result<std::span<const u8>, TransportError> DirectTransport::finish(std::span<u8> buffer) {
    if (!executing_)
        return Failure{TransportError::idle};
    executing_ = false;
    if (fault_transport_)
        return Failure{TransportError::response_short};
    if (response_.size() > buffer.size())
        return Failure{TransportError::response_overflow};
    std::copy(response_.begin(), response_.end(), buffer.begin());
    return std::span<const u8>{buffer.first(response_.size())};
}

Status<TransportError> DirectTransport::cancel() {
    return executing_ ? Status<TransportError>{Unit{}} : Failure{TransportError::idle};
}

Result<std::span<const u8>, TransportError>
DirectTransport::transact(std::span<const u8> command, std::span<u8> buffer, Patience) {
    (void)RAVELIN_TRY(start(command));
    return finish(buffer);
}

} // namespace ravelin::hv::tpm::test
