// Sources that fail by exceptions: at their first call, in the middle, at the last byte, in a seek and
// during a cancel. What they throw arrives as itself, and is never the end.
#include "check.hpp"

#include <atomic>
#include <thread>

static constexpr std::uint64_t size = 100000;

/// Fails `times` times at an offset, then continues.
struct failing {
    std::uint64_t at, times;
    stream inner{size};

    std::size_t operator()(void *out, std::size_t capacity)
    {
        if (inner.at == at && times > 0) {
            times--;
            throw mishap{7};
        }
        if (inner.at < at)
            capacity = std::min<std::uint64_t>(capacity, at - inner.at);
        return inner(out, capacity);
    }
};

static void fails_at(std::uint64_t offset)
{
    spoolbuf::buffer buffer(failing{offset, 2});
    std::string bytes(size + 1, 0);
    for (int turn = 0; turn < 2; turn++) {
        if (offset > 0)
            CHECK(buffer.read(0, bytes) == offset && is_resource(0, bytes.data(), offset));
        auto thrown = caught<mishap>([&] { buffer.read(offset, bytes.data(), 1); });
        CHECK(thrown && thrown->number == 7);
        CHECK(caught<mishap>([&] { buffer.read_all(); }));
        CHECK(caught<mishap>([&] { buffer.save("never-there"); }));
        CHECK(buffer.stats().state == SB_STATE_FAILED && !buffer.size());
        spoolbuf::istream in(buffer);
        in.seekg(static_cast<std::streamoff>(offset));
        CHECK(in.get() == EOF && in.bad() && !in.eof());
        std::error_code code;
        CHECK(buffer.read(offset, bytes, code) == 0 && code == spoolbuf::errc::source);
        buffer.retry();
    }
    CHECK(buffer.read(0, bytes) == size && is_resource(0, bytes.data(), size));
    CHECK(buffer.read(size, bytes) == 0 && buffer.stats().state == SB_STATE_ENDED);
    CHECK(!std::filesystem::exists("never-there"));
}

/// An end right after a failure is not believed.
static void is_no_end()
{
    spoolbuf::buffer buffer([turn = 0](void *, std::size_t) mutable -> int {
        if (turn++ == 0)
            throw mishap{1};
        return 0;
    });
    for (int turn = 0; turn < 3; turn++) {
        CHECK(caught<mishap>([&] { buffer.read(0, 1); }));
        buffer.retry();
    }
}

/// Waits in the middle for a cancel; then does what is planned.
struct stalling {
    struct gate {
        std::mutex lock;
        std::condition_variable changed;
        bool inside = false, canceled = false;
        int stops = 0;
    };
    enum outcome { obeys, obeys_by_code, fails } does;
    std::shared_ptr<gate> shared = std::make_shared<gate>();
    stream inner{size};

    std::size_t read(char *out, std::size_t capacity)
    {
        if (inner.at == size / 2 && shared->stops == 0) {
            std::unique_lock<std::mutex> lock(shared->lock);
            shared->inside = true;
            shared->changed.notify_all();
            shared->changed.wait(lock, [&] { return shared->canceled; });
            shared->stops++;
            if (does == fails)
                throw mishap{9};
            if (does == obeys_by_code)
                throw std::system_error(std::make_error_code(std::errc::operation_canceled));
            throw spoolbuf::canceled();
        }
        if (inner.at < size / 2)
            capacity = std::min<std::uint64_t>(capacity, size / 2 - inner.at);
        return inner(out, capacity);
    }

    void cancel()
    {
        std::lock_guard<std::mutex> guard(shared->lock);
        shared->canceled = true;
        shared->changed.notify_all();
    }
};

/// A cancel is a cancel, whatever the source does; after the resume no byte is missing.
static void in_a_cancel(stalling::outcome does)
{
    stalling source{does};
    auto gate = source.shared;
    spoolbuf::buffer buffer(source);
    std::thread stopper([&] {
        std::unique_lock<std::mutex> lock(gate->lock);
        gate->changed.wait(lock, [&] { return gate->inside; });
        lock.unlock();
        buffer.cancel();
    });
    CHECK(caught<spoolbuf::canceled>([&] { buffer.read_all(); }));
    stopper.join();
    CHECK(gate->stops == 1);
    // A source that obeyed has no error; one that failed has.
    CHECK((buffer.stats().source_error == 0) == (does != stalling::fails));
    CHECK((buffer.source_exception() == nullptr) == (does != stalling::fails));
    CHECK(failure([&] { buffer.read(size / 2, 1); }) == std::errc::operation_canceled);
    buffer.resume();
    auto all = buffer.read_all();
    CHECK(all.size() == size && is_resource(0, all.data(), size));
}

/// Returned "canceled" without a cancel: an error, unchanged. A source that has no bytes yet may return
/// it, and then end.
static void gives_up_by_itself()
{
    spoolbuf::buffer buffer([turn = 0](void *, std::size_t) mutable -> int {
        switch (turn++) {
        case 0: throw spoolbuf::canceled();
        case 1: throw std::system_error(std::make_error_code(std::errc::operation_would_block));
        default: return 0;
        }
    });
    CHECK(caught<spoolbuf::canceled>([&] { buffer.read(0, 1); }));
    buffer.retry();
    CHECK(failure([&] { buffer.read(0, 1); }) == std::errc::operation_would_block);
    buffer.retry();
    CHECK(buffer.read(0, 1).empty() && buffer.size() == std::uint64_t(0));
}

/// A failure before a cancel is not mistaken for that cancel.
static void keeps_its_failures_apart()
{
    spoolbuf::buffer buffer([turn = 0](void *, std::size_t) mutable -> int {
        switch (turn++) {
        case 0: throw mishap{1};
        case 1: throw spoolbuf::canceled();
        default: return 0;
        }
    });
    CHECK(caught<mishap>([&] { buffer.read(0, 1); }));
    buffer.retry();
    CHECK(caught<spoolbuf::canceled>([&] { buffer.read(0, 1); }));
    buffer.retry();
    CHECK(caught<mishap>([&] { buffer.read(0, 1); }));
}

/// Can seek, except for a number of times.
struct seeking {
    std::shared_ptr<std::string> how;
    stream inner{size};

    std::size_t read(void *out, std::size_t capacity) { return inner(out, capacity); }

    bool seek(std::uint64_t offset)
    {
        if (*how == "throws")
            throw mishap{3};
        if (*how == "never")
            throw std::system_error(std::make_error_code(std::errc::not_supported));
        if (*how == "false")
            return false;
        inner.at = offset;
        return true;
    }
};

static void fails_to_seek()
{
    auto how = std::make_shared<std::string>("throws");
    spoolbuf::options options;
    options.size = size;
    options.seek_gap = 0;
    spoolbuf::buffer buffer(seeking{how}, options);
    char bytes[100];
    CHECK(buffer.read(0, bytes) == 100);
    for (const char *fault : {"throws", "false"}) {
        *how = fault;
        if (*how == "throws")
            CHECK(caught<mishap>([&] { buffer.read(size / 2, bytes); }));
        else
            CHECK(failure([&] { buffer.read(size / 2, bytes); }) == spoolbuf::errc::source);
        CHECK(buffer.stats().seekable == 1 && buffer.stats().frontier < size / 2);
    }
    // Only this time: then it can, and earlier bytes are at their offsets.
    *how = "can";
    CHECK(buffer.read(size / 2, bytes) == 100 && is_resource(size / 2, bytes, 100));
    *how = "throws";
    CHECK(caught<mishap>([&] { buffer.read(30000, bytes); }));
    CHECK(buffer.read(size / 2 + 100, bytes) == 100 && is_resource(size / 2 + 100, bytes, 100));
    // Never: it reads on, and bytes that it has passed are unsupported.
    *how = "never";
    CHECK(failure([&] { buffer.read(30000, bytes); }) == std::errc::not_supported);
    CHECK(buffer.stats().seekable == 0);
    CHECK(buffer.read(size - 100, bytes) == 100 && is_resource(size - 100, bytes, 100));
}

/// The seek of a stream fails once, and leaves the stream anywhere.
class astray : public std::stringbuf {
public:
    using std::stringbuf::stringbuf;
    int fails = 1;

protected:
    pos_type seekpos(pos_type to, std::ios_base::openmode which) override
    {
        if (to != pos_type(0) && fails > 0) {
            fails--;
            std::stringbuf::seekpos(12345, which);
            return pos_type(off_type(-1));
        }
        return std::stringbuf::seekpos(to, which);
    }
};

static void a_stream_finds_back()
{
    astray bytes(resource(0, size), std::ios_base::in);
    std::istream in(&bytes);
    spoolbuf::options how;
    how.seek_gap = 0;
    spoolbuf::buffer buffer(in, how);
    char out[100];
    CHECK(buffer.read(0, out) == 100);
    CHECK(failure([&] { buffer.read(size / 2, out); }) == spoolbuf::errc::source);
    CHECK(buffer.stats().seekable == 1);
    // At its previous position.
    auto all = buffer.read_all();
    CHECK(all.size() == size && is_resource(0, all.data(), size));
}

/// Fewer bytes than declared: the end, or an error that a retry clears.
static void ends_short()
{
    spoolbuf::options how;
    how.size = size;
    auto source = [inner = stream{size}, cut = false](void *out, std::size_t capacity) mutable {
        if (inner.at == size / 2 && !std::exchange(cut, true))
            return std::size_t(0);
        if (inner.at < size / 2)
            capacity = std::min<std::uint64_t>(capacity, size / 2 - inner.at);
        return inner(out, capacity);
    };
    spoolbuf::buffer ended(source, how);
    CHECK(ended.read_all().size() == size / 2 && ended.stats().ended_short == 1);
    how.on_short = SB_SHORT_ERROR;
    spoolbuf::buffer cut(source, how);
    CHECK(failure([&] { cut.read_all(); }) == spoolbuf::errc::ended_short);
    CHECK(cut.size() == size && cut.stats().ended_short == 1);
    cut.retry();
    CHECK(cut.read_all().size() == size);
}

/// More bytes than requested is not a count.
static void says_too_much()
{
    spoolbuf::buffer buffer([turn = 0](void *, std::size_t capacity) mutable {
        if (turn++ == 0)
            throw mishap{1};
        return capacity + 1;
    });
    CHECK(caught<mishap>([&] { buffer.read(0, 1); }));
    buffer.retry();
    // Not the previous exception.
    CHECK(failure([&] { buffer.read(0, 1); }) == spoolbuf::errc::source);
}

/// Delivers other bytes.
struct other_stream {
    stream inner{size};

    std::size_t operator()(void *out, std::size_t capacity)
    {
        std::size_t count = inner(out, capacity);
        std::for_each_n(static_cast<char *>(out), count, [](char &byte) { byte ^= 1; });
        return count;
    }
};

/// The new source's exceptions reach readers as themselves, those of the old one no longer.
static void is_reopened()
{
    std::string bytes(size, 0);
    spoolbuf::buffer buffer(stream{size, 500});
    spoolbuf::reader reader = buffer.reader();
    CHECK(buffer.read(0, bytes) == 500);
    CHECK(caught<mishap>([&] { buffer.read(500, 1); })->number == 42);
    reader.seek(500);
    CHECK(caught<mishap>([&] { reader.read(bytes.data(), 1); })->number == 42);

    buffer.reopen(failing{1000, 1});
    CHECK(buffer.read(0, bytes) == 1000);
    CHECK(caught<mishap>([&] { buffer.read(1000, 1); })->number == 7);
    reader.seek(1000);
    CHECK(caught<mishap>([&] { reader.read(bytes.data(), 1); })->number == 7);

    // Another resource is not the old source's exception.
    buffer.reopen(other_stream{});
    CHECK(!buffer.source_exception());
    try {
        buffer.read(1000, 1);
        CHECK(false);
    } catch (const spoolbuf::error &error) {
        CHECK(error.code() == spoolbuf::errc::source);
        CHECK(std::string(error.what()).find("another resource") != std::string::npos);
    }
    try {
        buffer.reopen(stream{size}, 999);
        CHECK(false);
    } catch (const spoolbuf::error &error) {
        CHECK(error.code() == spoolbuf::errc::size);
    }
    buffer.reopen(stream{size}, size);
    CHECK(buffer.size() == size);
    CHECK(buffer.read(0, bytes) == size && is_resource(0, bytes.data(), size));
    buffer.reopen(stream{size});

    // A handle of the C API, whose source has no exceptions.
    spoolbuf::buffer adopted = spoolbuf::buffer::adopt(spoolbuf::buffer(stream{size}).release());
    adopted.reopen(failing{1000, 1});
    CHECK(adopted.read(0, bytes) == 1000);
    CHECK(caught<mishap>([&] { adopted.read(1000, 1); })->number == 7);

    std::error_code code;
    spoolbuf::buffer().reopen(stream{size}, {}, code);
    CHECK(code == spoolbuf::errc::invalid);
    spoolbuf::push_buffer pushed(spoolbuf::options{});
    pushed.reopen(stream{size}, {}, code);
    CHECK(code == spoolbuf::errc::unsupported);
}

int main()
{
    fails_at(0);
    fails_at(size / 2);
    fails_at(size - 1);
    is_no_end();
    in_a_cancel(stalling::obeys);
    in_a_cancel(stalling::obeys_by_code);
    in_a_cancel(stalling::fails);
    gives_up_by_itself();
    keeps_its_failures_apart();
    fails_to_seek();
    a_stream_finds_back();
    ends_short();
    says_too_much();
    is_reopened();
    std::puts("ok");
}
