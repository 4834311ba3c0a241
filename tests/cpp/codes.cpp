// Everything without an exception: errors are codes, of sources and of calls. Compiled with exceptions
// and without them.
#include "check.hpp"

#include <array>
#include <cerrno>
#include <fstream>
#include <sstream>
#include <thread>

static constexpr std::uint64_t size = 100000;

/// Fails `times` times at an offset with an error of its own, then continues.
struct failing {
    std::uint64_t at = UINT64_MAX;
    int times = 2;
    std::error_code with = std::make_error_code(std::errc::connection_reset);
    stream inner{size};

    std::size_t operator()(void *out, std::size_t capacity, std::error_code &code)
    {
        if (inner.at == at && times > 0) {
            times--;
            code = with;
            return 0;
        }
        if (inner.at < at)
            capacity = static_cast<std::size_t>(std::min<std::uint64_t>(capacity, at - inner.at));
        return inner(out, capacity);
    }
};

template <class Source> spoolbuf::buffer over(Source &&source, const spoolbuf::options &how = {})
{
    std::error_code code = spoolbuf::errc::panic;
    spoolbuf::buffer buffer(std::forward<Source>(source), how, code);
    CHECK(buffer && !code);
    return buffer;
}

static void reopens()
{
    std::error_code code = spoolbuf::errc::panic;
    std::array<char, 500> bytes;
    spoolbuf::buffer b = over(stream{size});
    CHECK(b.read(0, bytes, code) == 500);
    b.reopen(stream{size}, {}, code);
    CHECK(!code && b.read(50000, bytes, code) == 500 && is_resource(50000, bytes.data(), 500));
    b.reopen(stream{size}, 7, code);
    CHECK(code == spoolbuf::errc::size);
    b.reopen(stream{size}, size, code);
    CHECK(!code && b.size(code) == size && b.read_all(code).size() == size && !code);
}

static void reads_anywhere()
{
    spoolbuf::buffer b = over(stream{size});
    std::error_code code = spoolbuf::errc::panic;
    std::array<char, 500> bytes;
    CHECK(b.read(50000, bytes, code) == 500 && !code && is_resource(50000, bytes.data(), 500));
    CHECK(b.read(7, bytes.data(), 20, code) == 20 && !code && is_resource(7, bytes.data(), 20));
    CHECK(b.read_some(7, bytes, code) > 0 && !code);
    CHECK(b.read_for(0, bytes, std::chrono::seconds(60), code) > 0 && !code);
    CHECK(b.read(size, bytes, code) == 0 && !code);
    CHECK(b.read_all(code).size() == size && !code);
    CHECK(b.size(code) == size && !code);
    CHECK(b.buffered(10, code) == size - 10 && !code);
    CHECK(b.stats(code).state == SB_STATE_ENDED && !code);
    spoolbuf::set_log([](sb_log_level, const char *) {}, SB_LOG_DEBUG, code);
    CHECK(!code);
    b.set_max_memory(1, code);
    CHECK(!code && b.stats(code).memory <= 1);
    spoolbuf::set_log({}, SB_LOG_OFF, code);
    CHECK(!code);
    b.spill(code);
    CHECK(!code);
    b.prefetch(SB_PREFETCH_ALL, code);
    CHECK(!code);
    spoolbuf::reader r = b.reader(code);
    CHECK(!code && r.seek(-10, SB_SEEK_END, code) == size - 10 && !code);
    CHECK(r.buffered(code) == 10 && !r.at_end(code) && r.tell(code) == size - 10);
    CHECK(r.read(bytes, code) == 10 && !code && r.at_end(code) && !code);
    CHECK(r.read(bytes, code) == 0 && !code);
    std::uint64_t last = 0;
    CHECK(b.save("saved", 0, [&](std::uint64_t done) { last = done; }, code) == size && last == size);
    CHECK(b.save("saved", code) == size && !code);
    CHECK(b.save("saved", SB_SAVE_NO_REPLACE, [](std::uint64_t) {}, code) == 0);
    CHECK(code == std::errc::file_exists);
    CHECK(b.save("no/such/folder/saved", code) == 0 && code == spoolbuf::errc::io);
    CHECK(b.save("other", 0, [](std::uint64_t) { return false; }, code) == 0);
    CHECK(code == std::errc::operation_canceled);
    std::filesystem::remove("saved");
}

static void fails_as_itself(std::uint64_t offset)
{
    spoolbuf::buffer b = over(failing{offset});
    std::string bytes(size + 1, 0);
    std::error_code code;
    for (int turn = 0; turn < 2; turn++) {
        if (offset > 0)
            CHECK(b.read(0, bytes, code) == offset
                  && is_resource(0, bytes.data(), static_cast<std::size_t>(offset)));
        CHECK(b.read(offset, bytes, code) == 0 && code == std::errc::connection_reset);
        CHECK(b.read_all(code).size() == offset && code == std::errc::connection_reset);
        CHECK(b.save("never-there", code) == 0 && code == std::errc::connection_reset);
        CHECK(b.stats(code).source_error == -ECONNRESET && !b.size(code) && !code);
        spoolbuf::reader r = b.reader(code);
        CHECK(r.seek(static_cast<std::int64_t>(offset), SB_SEEK_SET, code) == offset);
        CHECK(r.read(bytes, code) == 0 && code == std::errc::connection_reset);
        spoolbuf::istream in(b);
        in.seekg(static_cast<std::streamoff>(offset));
        CHECK(in.get() == EOF && in.bad());
        b.retry();
    }
    CHECK(b.read(0, bytes, code) == size && !code && is_resource(0, bytes.data(), size));
    CHECK(b.read(size, bytes, code) == 0 && !code);
}

/// A code of no system keeps its category.
class own_category final : public std::error_category {
public:
    const char *name() const noexcept override { return "own"; }
    std::string message(int) const override { return "an error of its own"; }
};

static void keeps_any_code()
{
    static const own_category own;
    failing source;
    source.at = 10;
    source.with = {77, own};
    spoolbuf::buffer b = over(source);
    std::error_code code;
    char byte[1];
    CHECK(b.read(10, byte, code) == 0 && code.category() == own && code.value() == 77);
    CHECK(code.message() == "an error of its own");
    // A plain number is errc::source.
    spoolbuf::buffer plain = over([](void *, std::size_t) { return -77; });
    CHECK(plain.read(0, byte, code) == 0 && code == spoolbuf::errc::source);
    CHECK(plain.stats(code).source_error == -77);
}

/// Waits in the middle for a cancel.
struct stalling {
    struct gate {
        std::mutex lock;
        std::condition_variable changed;
        bool inside = false, canceled = false;
        int stops = 0;
    };
    std::error_code says;
    std::shared_ptr<gate> shared = std::make_shared<gate>();
    stream inner{size};

    std::size_t read(char *out, std::size_t capacity, std::error_code &code)
    {
        if (inner.at == size / 2 && shared->stops == 0) {
            std::unique_lock<std::mutex> lock(shared->lock);
            shared->inside = true;
            shared->changed.notify_all();
            shared->changed.wait(lock, [&] { return shared->canceled; });
            shared->stops++;
            code = says;
            return 0;
        }
        if (inner.at < size / 2)
            capacity = static_cast<std::size_t>(std::min<std::uint64_t>(capacity, size / 2 - inner.at));
        return inner(out, capacity);
    }

    void cancel()
    {
        std::lock_guard<std::mutex> guard(shared->lock);
        shared->canceled = true;
        shared->changed.notify_all();
    }
};

static void in_a_cancel(std::errc says)
{
    stalling source{std::make_error_code(says)};
    auto gate = source.shared;
    spoolbuf::buffer b = over(source);
    std::thread stopper([&] {
        std::unique_lock<std::mutex> lock(gate->lock);
        gate->changed.wait(lock, [&] { return gate->inside; });
        lock.unlock();
        b.cancel();
    });
    std::error_code code;
    CHECK(b.read_all(code).size() == size / 2 && code == std::errc::operation_canceled);
    stopper.join();
    bool obeyed = says == std::errc::operation_canceled;
    CHECK((b.stats(code).source_error == 0) == obeyed);
    b.resume();
    auto all = b.read_all(code);
    CHECK(all.size() == size && !code && is_resource(0, all.data(), size));
}

struct seeking {
    std::shared_ptr<std::error_code> says;
    stream inner{size};

    std::size_t read(void *out, std::size_t capacity) { return inner(out, capacity); }

    void seek(std::uint64_t offset, std::error_code &code)
    {
        code = *says;
        if (!code)
            inner.at = offset;
    }
};

static void fails_to_seek()
{
    auto says = std::make_shared<std::error_code>(std::make_error_code(std::errc::timed_out));
    spoolbuf::options how;
    how.size = size;
    how.seek_gap = 0;
    spoolbuf::buffer b = over(seeking{says}, how);
    std::error_code code;
    char bytes[100];
    CHECK(b.read(0, bytes, code) == 100);
    CHECK(b.read(size / 2, bytes, code) == 0 && code == std::errc::timed_out);
    CHECK(b.stats(code).seekable == 1);
    says->clear();
    CHECK(b.read(size / 2, bytes, code) == 100 && is_resource(size / 2, bytes, 100));
    *says = std::make_error_code(std::errc::not_supported);
    CHECK(b.read(30000, bytes, code) == 0 && code == std::errc::not_supported);
    CHECK(b.stats(code).seekable == 0);
    CHECK(b.read(size - 100, bytes, code) == 100 && is_resource(size - 100, bytes, 100));
}

static void says_what_is_wrong()
{
    std::error_code code;
    char byte[1];
    spoolbuf::buffer none;
    CHECK(none.read(0, byte, code) == 0 && code == spoolbuf::errc::invalid);
    CHECK(!none.size(code) && code == spoolbuf::errc::invalid);
    spoolbuf::reader r = none.reader(code);
    CHECK(code == spoolbuf::errc::invalid);
    CHECK(r.read(byte, code) == 0 && code == spoolbuf::errc::invalid);
    spoolbuf::options bad;
    bad.read_granularity = 1 << 20;
    spoolbuf::buffer refused(stream{10}, bad, code);
    CHECK(!refused && code == spoolbuf::errc::invalid);
    spoolbuf::buffer null(std::unique_ptr<std::istream>(), {}, code);
    CHECK(!null && code == spoolbuf::errc::invalid);
    auto stalls = [](void *, std::size_t) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        return 0;
    };
    spoolbuf::buffer slow = over(stalls);
    CHECK(slow.read_for(0, byte, std::chrono::seconds(0), code) == 0 && code == std::errc::timed_out);
    // A short end.
    spoolbuf::options how;
    how.size = size;
    how.on_short = SB_SHORT_ERROR;
    spoolbuf::buffer cut = over(stream{size / 2}, how);
    CHECK(cut.read_all(code).size() == size / 2 && code == spoolbuf::errc::ended_short);
}

static void streams()
{
    // As a source, seekable; one that could not be opened is not empty.
    spoolbuf::buffer b = over(std::istringstream(resource(0, size)));
    std::error_code code;
    CHECK(b.stats(code).seekable == 1 && b.read_all(code).size() == size && !code);
#ifndef __cpp_exceptions
    spoolbuf::buffer none = over(std::ifstream("never-there"));
    CHECK(none.read_all(code).empty() && code);
    // Over a buffer: an error is bad, not the end, and moves nothing.
    spoolbuf::buffer failed = over(failing{20000});
    spoolbuf::istream in(failed);
    std::string bytes(size, 0);
    in.read(&bytes[0], size);
    CHECK(in.bad() && in.gcount() == 0 && in.error() == std::errc::connection_reset);
    in.clear();
    CHECK(!in.seekg(0, std::ios::end) && in.bad() && in.error() == std::errc::connection_reset);
    in.clear();
    in.cancel();
    CHECK(!in.seekg(0, std::ios::end) && in.bad() && in.error() == std::errc::operation_canceled);
    in.resume();
    spoolbuf::reader_options near;
    near.reach = 10;
    spoolbuf::buffer far = over(stream{size});
    spoolbuf::istream stays(far.reader(near, code));
    CHECK(!stays.seekg(0, std::ios::end) && !stays.bad() && !stays.error());
    failed.retry();
    failed.read(20000, bytes.data(), 1, code);
    CHECK(code);
    failed.retry();
    in.clear();
    in.read(&bytes[0], size);
    CHECK(in.gcount() == std::streamsize(size) && !in.bad() && is_resource(0, bytes.data(), size));
    CHECK(in.get() == EOF && in.eof() && !in.bad());
    CHECK(spoolbuf::istream(spoolbuf::buffer()).bad());
#endif
}

static void tells_when_it_is_wanted()
{
    std::error_code code;
    spoolbuf::options how;
    how.ahead = 10;
    spoolbuf::push_buffer b(how, code);
    std::string bytes = resource(0, 20);
    CHECK(b.push_for(0, bytes.data(), 20, std::chrono::seconds(0), code) == 10 && !code);
    std::uint64_t wanted = 0;
    spoolbuf::watch watch = b.when_wanted(
        [&wanted](std::uint64_t count, std::error_code why) { wanted = why ? 0 : count; }, code);
    CHECK(!code && !watch.now());
    CHECK(b.read(0, &bytes[0], 4, code) == 4 && wanted == 4);
    CHECK(b.when_wanted([](std::uint64_t, std::error_code) {}, code).now() == 4u && !code);
    spoolbuf::buffer().when(0, [](std::uint64_t, std::error_code) {}, code);
    CHECK(code == spoolbuf::errc::invalid);
}

int main()
{
    reads_anywhere();
    reopens();
    fails_as_itself(0);
    fails_as_itself(size / 2);
    fails_as_itself(size - 1);
    keeps_any_code();
    in_a_cancel(std::errc::operation_canceled);
    in_a_cancel(std::errc::connection_reset);
    fails_to_seek();
    says_what_is_wrong();
    streams();
    tells_when_it_is_wanted();
    std::puts("ok");
}
