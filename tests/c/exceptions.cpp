/*
 * C++: the header included twice, a source in C++, and an exception that leaves a callback, which ends
 * the process with a message. The argument selects the callback that throws, and its thread.
 */
#include "spoolbuf.h"
#include "spoolbuf.h"

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>
#include <thread>

namespace {

std::string throwing;
std::atomic<bool> called{false};
std::atomic<bool> watched{false};

void may_throw(const char *callback)
{
    if (throwing == callback)
        throw std::runtime_error("left a callback");
}

int64_t read(void *opaque, void *out, size_t capacity)
{
    may_throw("read");
    /* The helper brings nothing before somebody waits for it. */
    while (throwing == "ready" && !watched)
        std::this_thread::yield();
    auto *left = static_cast<uint64_t *>(opaque);
    const size_t count = capacity < *left ? capacity : static_cast<size_t>(*left);
    std::memset(out, 'x', count);
    *left -= count;
    if (throwing == "cancel")
        std::this_thread::sleep_for(std::chrono::minutes(5));
    return static_cast<int64_t>(count);
}

int64_t seek(void *, uint64_t)
{
    may_throw("seek");
    return SB_SOURCE_UNSUPPORTED;
}

int64_t size(void *)
{
    may_throw("size");
    return -1;
}

void cancel(void *)
{
    may_throw("cancel");
}

void close(void *)
{
    may_throw("close");
}

void thread_begin(void *)
{
    may_throw("thread_begin");
}

void thread_end(void *)
{
    may_throw("thread_end");
}

void log(void *, uint32_t, const char *)
{
    may_throw("log");
}

void ready(void *, int64_t)
{
    may_throw("ready");
    called = true;
}

int progress(void *, uint64_t, uint64_t)
{
    may_throw("progress");
    return 0;
}

[[noreturn]] void fail(int line)
{
    std::fprintf(stderr, "exceptions.cpp:%d: FAILED\n", line);
    std::_Exit(1);
}

#define CHECK(what) ((what) ? static_cast<void>(0) : fail(__LINE__))

} // namespace

int main(int count, char **arguments)
{
    if (count > 1)
        throwing = arguments[1];
    const bool helper = count > 2;
    uint64_t left = 1000000;
    sb_callback callback{};
    callback.read = read;
    callback.seek = throwing == "seek" ? seek : nullptr;
    callback.opaque = &left;
    callback.size = size;
    callback.cancel = cancel;
    callback.close = close;
    CHECK(sb_set_log(log, nullptr, SB_LOG_DEBUG) == SB_OK);
    sb_options options;
    CHECK(sb_options_init(&options, sizeof options) == SB_OK);
    options.max_memory = 10000;
    options.thread_begin = thread_begin;
    options.thread_end = thread_end;
    sb_buffer *buffer = nullptr;
    CHECK(sb_new_with(&callback, &options, &buffer) == SB_OK);
    /* Not far enough ahead to serve the read without a seek. */
    if (helper)
        CHECK(sb_prefetch(buffer, throwing == "seek" ? 1 : SB_PREFETCH_ALL) == SB_OK);

    char bytes[100];
    /* An exception that arrived here would be caught here: none may. */
    try {
        if (throwing == "cancel") {
            std::thread([buffer] {
                char byte;
                sb_read(buffer, 0, 1, &byte);
            }).detach();
            sb_stats stats;
            do {
                CHECK(sb_stat(buffer, &stats, sizeof stats) == SB_OK);
                std::this_thread::yield();
            } while (stats.pulls == 0);
            sb_cancel(buffer);
        }
        sb_watch *watch = nullptr;
        if (throwing == "ready" || throwing.empty())
            CHECK(sb_when(buffer, 900000, ready, nullptr, &watch) == SB_ERR_TIMEOUT);
        watched = true;
        while (watch != nullptr && !called)
            std::this_thread::yield();
        CHECK(sb_read(buffer, 900000, sizeof bytes, bytes) == sizeof bytes);
        sb_watch_free(watch);
        CHECK(bytes[99] == 'x');
        sb_save_options options;
        CHECK(sb_save_options_init(&options, sizeof options) == SB_OK);
        options.path = "saved";
        options.progress = progress;
        CHECK(sb_save_with(buffer, &options) == 1000000);
        sb_free(buffer);
    } catch (...) {
        fail(__LINE__);
    }
    CHECK(std::remove("saved") == 0);
    CHECK(throwing.empty());
    std::puts("no exception");
    return 0;
}
