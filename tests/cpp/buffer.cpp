// A buffer and its sources: every kind of callable, errors as codes and as exceptions, moves.
#include "check.hpp"

#include <atomic>
#include <fstream>
#include <functional>
#include <thread>
#include <type_traits>

static_assert(!std::is_copy_constructible_v<spoolbuf::buffer>);
static_assert(!std::is_copy_assignable_v<spoolbuf::buffer>);
static_assert(std::is_nothrow_move_constructible_v<spoolbuf::buffer>);
static_assert(!std::is_copy_constructible_v<spoolbuf::reader>);
static_assert(std::is_nothrow_move_constructible_v<spoolbuf::reader>);
static_assert(std::is_nothrow_move_assignable_v<spoolbuf::buffer>);
static_assert(std::is_nothrow_move_assignable_v<spoolbuf::reader>);
static_assert(std::is_nothrow_default_constructible_v<spoolbuf::buffer>);
// Offsets have 64 bits where std::size_t has 32.
using in_64_bits = std::uint64_t;
static_assert(std::is_same_v<decltype(std::declval<spoolbuf::reader>().tell()), in_64_bits>);
static_assert(std::is_same_v<decltype(std::declval<spoolbuf::buffer>().buffered()), in_64_bits>);

static void reads_anywhere()
{
    spoolbuf::buffer buffer(stream{100000});
    char bytes[500];
    CHECK(buffer.read(50000, bytes, sizeof bytes) == sizeof bytes);
    CHECK(is_resource(50000, bytes, sizeof bytes));
    CHECK(buffer.read(7, bytes, sizeof bytes) == sizeof bytes);
    CHECK(is_resource(7, bytes, sizeof bytes));
    CHECK(buffer.read(99900, bytes, sizeof bytes) == 100);
    CHECK(buffer.read(100000, bytes, sizeof bytes) == 0);
    CHECK(buffer.read(std::uint64_t(10), std::size_t(20)).size() == 20);
    CHECK(buffer.size() == std::uint64_t(100000));
    CHECK(buffer.buffered() == 100000);
    CHECK(buffer.ranges().size() == 1);
    CHECK(buffer.stat().state == SB_STATE_ENDED);
}

/// The end of every kind of callable source.
template <class Source> void delivers(Source &&source)
{
    spoolbuf::buffer buffer(std::forward<Source>(source));
    char bytes[64];
    CHECK(buffer.read(0, bytes, sizeof bytes) == 10);
    CHECK(is_resource(0, bytes, 10));
}

template <class Byte> auto ten_bytes()
{
    return [at = 0](Byte *out, std::size_t) mutable -> int {
        if (at == 10)
            return 0;
        *out = static_cast<Byte>(byte_at(static_cast<std::uint64_t>(at++)));
        return 1;
    };
}

static stream of_function{10};

static std::size_t function(void *out, std::size_t capacity)
{
    return of_function(out, capacity);
}

struct member {
    stream state{10};
    std::int64_t read(unsigned char *out, std::size_t capacity)
    {
        return static_cast<std::int64_t>(state(out, capacity));
    }
};

/// Cannot be copied, so it is moved in.
struct owner {
    std::unique_ptr<stream> state = std::make_unique<stream>(stream{10});
    std::size_t operator()(std::byte *out, std::size_t capacity) { return (*state)(out, capacity); }
};

static void takes_any_callable()
{
    delivers(ten_bytes<char>());
    delivers(ten_bytes<unsigned char>());
    delivers([at = 0](auto *out, std::size_t) mutable -> unsigned short {
        if (at == 10)
            return 0;
        char byte = byte_at(static_cast<std::uint64_t>(at++));
        std::memcpy(out, &byte, 1);
        return 1;
    });
    delivers(function);
    of_function.at = 0;
    delivers(&function);
    delivers(std::function<std::size_t(void *, std::size_t)>(stream{10}));
    delivers(member{});
    delivers(owner{});
    stream lent{10};
    delivers(std::ref(lent));
    CHECK(lent.at == 10);
}

static void destroys_its_source_once()
{
    auto alive = std::make_shared<int>(0);
    {
        spoolbuf::buffer buffer([alive](void *, std::size_t) { return 0; });
        CHECK(alive.use_count() == 2);
    }
    CHECK(alive.use_count() == 1);
    {
        // The source is destroyed with the last byte, before the buffer.
        spoolbuf::buffer buffer([alive, rest = 5](void *, std::size_t) mutable { return --rest > 0; });
        char byte;
        CHECK(buffer.read(100, &byte, 1) == 0);
        CHECK(alive.use_count() == 1);
    }
    spoolbuf::options bad;
    bad.read_granularity = 1 << 20;
    CHECK(failure([&] { spoolbuf::buffer([alive](void *, std::size_t) { return 0; }, bad); })
          == spoolbuf::errc::invalid);
    CHECK(alive.use_count() == 1);
}

static void carries_the_sources_exception()
{
    spoolbuf::buffer buffer(stream{5000, 2500});
    char bytes[100];
    // Earlier bytes are delivered first.
    CHECK(buffer.read(2450, bytes, sizeof bytes) == 50);
    CHECK(is_resource(2450, bytes, 50));
    CHECK(buffer.source_exception() != nullptr);
    // It persists, for each reader, and is the same object.
    for (int turn = 0; turn < 2; turn++) {
        auto thrown = caught<mishap>([&] { buffer.read(2500, bytes, sizeof bytes); });
        CHECK(thrown && thrown->number == 42);
    }
    spoolbuf::reader reader(buffer);
    reader.seek(2500);
    CHECK(caught<mishap>([&] { reader.read(bytes, sizeof bytes); }));
    CHECK(caught<mishap>([&] { buffer.save("never-there"); }));
    CHECK(!std::filesystem::exists("never-there"));
    std::error_code code;
    CHECK(buffer.read(2500, bytes, sizeof bytes, code) == 0);
    CHECK(code == spoolbuf::errc::source && code == std::errc::io_error);
    CHECK(buffer.read(0, bytes, sizeof bytes, code) == sizeof bytes && !code);
    CHECK(buffer.stat().state == SB_STATE_FAILED);
}

static void carries_it_over_the_helpers_thread()
{
    std::thread::id thrower;
    auto source = [&thrower, inner = stream{5000, 2500}](void *out, std::size_t capacity) mutable {
        thrower = std::this_thread::get_id();
        return inner(out, capacity);
    };
    spoolbuf::options how;
    how.prefetch = SB_PREFETCH_ALL;
    spoolbuf::buffer buffer(source, how);
    char bytes[100];
    CHECK(caught<mishap>([&] { buffer.read(2500, bytes, sizeof bytes); }));
    CHECK(thrower != std::this_thread::get_id());
    CHECK(caught<mishap>([&] { buffer.read_some(2500, bytes, 1, std::chrono::seconds(60)); }));
}

static void refills_from_its_low_mark()
{
    spoolbuf::options how;
    how.prefetch = 100000;
    how.prefetch_low = 100000;
    static std::atomic<int> begun{0}, ended{0};
    how.thread_begin = [](void *number) { begun += *static_cast<int *>(number); };
    how.thread_end = [](void *number) { ended += *static_cast<int *>(number); };
    int number = 5;
    how.thread_opaque = &number;
    spoolbuf::buffer buffer(stream{1000000}, how);
    while (buffer.buffered() < 100000)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    char byte;
    buffer.read(20000, &byte, 1);
    // By default it rests as long as half is ahead.
    while (buffer.buffered() < 120000)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    CHECK(begun == 5 && ended == 0);
    buffer.reset();
    while (ended != 5)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

static void carries_anything_to_anyone()
{
    // Not a std::exception, and thrown to several at once: each gets the one object that was thrown.
    spoolbuf::buffer buffer([](void *, std::size_t) -> int { throw std::string("no type of ours"); });
    std::vector<std::thread> threads;
    std::mutex lock;
    std::vector<const std::string *> seen;
    for (int number = 0; number < 8; number++) {
        threads.emplace_back([&] {
            try {
                buffer.read(std::uint64_t(0), std::size_t(1));
            } catch (const std::string &thrown) {
                std::lock_guard<std::mutex> guard(lock);
                seen.push_back(&thrown);
            }
        });
    }
    for (auto &thread : threads)
        thread.join();
    CHECK(seen.size() == 8);
    for (auto *one : seen)
        CHECK(one == seen[0]);
    // It is kept beyond the buffer's life.
    std::exception_ptr kept = buffer.source_exception();
    buffer.reset();
    auto thrown = caught<std::string>([&] { std::rethrow_exception(kept); });
    CHECK(thrown == std::string("no type of ours"));
    spoolbuf::buffer full([](void *, std::size_t) -> int { throw std::bad_alloc(); });
    CHECK(caught<std::bad_alloc>([&] { full.read(std::uint64_t(0), std::size_t(1)); }));
}

static void goes_on_after_resume()
{
    int turn = 0;
    spoolbuf::buffer buffer([&turn](char *out, std::size_t) -> int {
        switch (turn++) {
        case 0: *out = byte_at(0); return 1;
        case 1: throw mishap{1};
        case 2: return -77;
        case 3: *out = byte_at(1); return 1;
        default: return 0;
        }
    });
    char bytes[2];
    CHECK(buffer.read(0, bytes, 2) == 1);
    CHECK(caught<mishap>([&] { buffer.read(1, bytes, 1); }));
    buffer.resume();
    // A plain error now, not the previous exception.
    CHECK(failure([&] { buffer.read(1, bytes, 1); }) == spoolbuf::errc::source);
    CHECK(buffer.stat().source_error == -77);
    buffer.resume();
    CHECK(buffer.read(0, bytes, 2) == 2 && is_resource(0, bytes, 2));
}

static void seeks_if_the_source_can()
{
    struct random_access {
        stream state{1000000};
        int *seeks;
        std::size_t read(char *out, std::size_t capacity) { return state(out, capacity); }
        void seek(std::uint64_t offset)
        {
            ++*seeks;
            state.at = offset;
        }
    };
    int seeks = 0;
    random_access source;
    source.seeks = &seeks;
    spoolbuf::options how;
    how.size = 1000000;
    spoolbuf::buffer buffer(source, how);
    char bytes[100];
    CHECK(buffer.read(900000, bytes, sizeof bytes) == sizeof bytes);
    CHECK(is_resource(900000, bytes, sizeof bytes));
    CHECK(seeks == 1);
    CHECK(buffer.buffered() == 0 && buffer.ranges().size() == 1);
}

/// Whether a source states its size, by any type, or by none that is a size.
template <class Size> static void learns_the_size(Size unknown, Size known, bool is_size)
{
    struct sized {
        stream state{100000};
        Size unknown, known;
        int asked = 0;
        std::size_t read(char *out, std::size_t capacity) { return state(out, capacity); }
        Size size()
        {
            if (++asked == 1)
                throw mishap{1};
            return asked == 2 ? unknown : known;
        }
    };
    sized source;
    source.unknown = unknown;
    source.known = known;
    spoolbuf::options how;
    how.read_granularity = 0;
    spoolbuf::buffer buffer(source, how);
    char byte;
    for (std::uint64_t at = 0; at < 2; at++)
        CHECK(buffer.read(at, &byte, 1) == 1 && is_resource(at, &byte, 1) && !buffer.size());
    CHECK(buffer.read(2, &byte, 1) == 1 && buffer.size() == (is_size ? std::optional<std::uint64_t>(200) : std::nullopt));
    // The one that was declared counts.
    how.size = 70;
    spoolbuf::buffer declared(source, how);
    CHECK(declared.read(0, &byte, 1) == 1 && declared.size() == 70u);
}

/// Blocks until it is cancelled.
struct stalled {
    struct gate {
        std::mutex lock;
        std::condition_variable changed;
        bool inside = false, canceled = false;
    };
    std::shared_ptr<gate> shared = std::make_shared<gate>();

    int read(char *, std::size_t)
    {
        std::unique_lock<std::mutex> lock(shared->lock);
        shared->inside = true;
        shared->changed.notify_all();
        shared->changed.wait(lock, [&] { return shared->canceled; });
        throw spoolbuf::canceled();
    }

    void cancel()
    {
        std::lock_guard<std::mutex> guard(shared->lock);
        shared->canceled = true;
        shared->changed.notify_all();
    }
};

static void stops_a_stall()
{
    stalled source;
    auto gate = source.shared;
    spoolbuf::buffer buffer(source);
    std::thread stopper([&] {
        std::unique_lock<std::mutex> lock(gate->lock);
        gate->changed.wait(lock, [&] { return gate->inside; });
        lock.unlock();
        buffer.cancel();
    });
    char byte;
    // The source obeyed the cancel: that is not an error of the source.
    CHECK(failure([&] { buffer.read(0, &byte, 1); }) == std::errc::operation_canceled);
    stopper.join();
    CHECK(buffer.stats().source_error == 0 && !buffer.source_exception());
}

/// The same, but another call may go on.
struct interruptible_stall : stalled {
    static constexpr bool interruptible = true;
};

/// A canceled reader does not wait for the source, which does not fail.
static void interrupts_a_stall()
{
    interruptible_stall source;
    auto gate = source.shared;
    spoolbuf::buffer buffer(source);
    spoolbuf::reader reader(buffer);
    std::thread stopper([&] {
        std::unique_lock<std::mutex> lock(gate->lock);
        gate->changed.wait(lock, [&] { return gate->inside; });
        lock.unlock();
        reader.cancel();
    });
    char byte;
    CHECK(failure([&] { reader.read(&byte, 1); }) == std::errc::operation_canceled);
    stopper.join();
    CHECK(buffer.stats().source_error == 0 && !buffer.source_exception());
}

static void limits_time()
{
    spoolbuf::buffer buffer(stalled{});
    char byte;
    CHECK(!buffer.read_now(0, &byte, 1));
    CHECK(!buffer.read_some(0, &byte, 1, std::chrono::milliseconds(1)));
    CHECK(!buffer.read_some(0, &byte, 1, std::chrono::duration<double>(-1e300)));
    CHECK(!buffer.read_some(0, &byte, 1, std::chrono::microseconds(1)));
    // Practically no limit.
    spoolbuf::buffer ten(stream{10});
    CHECK(ten.read_some(0, &byte, 1, (std::chrono::hours::max)()) == std::size_t(1));
    CHECK(ten.read_some(1, &byte, 1, std::chrono::duration<double>(1e300)) == std::size_t(1));
    spoolbuf::buffer empty([](void *, std::size_t) { return 0; });
    CHECK(empty.read_some(0, &byte, 1, std::chrono::seconds(60)) == std::size_t(0));
}

static void moves()
{
    spoolbuf::buffer first(stream{100});
    spoolbuf::reader reader(first);
    spoolbuf::buffer second = std::move(first);
    CHECK(!first && second);
    char bytes[10];
    CHECK(failure([&] { first.read(0, bytes, 1); }) == spoolbuf::errc::invalid);
    CHECK(reader.read(bytes, 10) == 10 && is_resource(0, bytes, 10));
    second = spoolbuf::buffer(stream{50});
    CHECK(second.read(std::uint64_t(0), std::size_t(100)).size() == 50);
    // Its buffer was freed.
    CHECK(failure([&] { reader.read(bytes, 1); }) == spoolbuf::errc::invalid);
    CHECK(failure([&] { spoolbuf::reader none(first); }) == spoolbuf::errc::invalid);
    sb_buffer *plain = second.release();
    spoolbuf::buffer third = spoolbuf::buffer::adopt(plain);
    CHECK(third.size() == std::uint64_t(50));
    spoolbuf::buffer &same = third;
    third = std::move(same);
    CHECK(third && third.buffered() == 50);
    CHECK(failure([&] { first.size(); }) == spoolbuf::errc::invalid);
    CHECK(failure([&] { first.ranges(); }) == spoolbuf::errc::invalid);
    first.cancel();
    first.reset();
    // A moved reader keeps its position.
    spoolbuf::reader one(third), other;
    one.seek(7);
    other = std::move(one);
    spoolbuf::reader &itself = other;
    other = std::move(itself);
    CHECK(other.tell() == 7 && other.buffered() == 43 && !other.at_end());
    CHECK(failure([&] { one.read(bytes, 1); }) == spoolbuf::errc::invalid);
    CHECK(failure([&] { one.buffered(); }) == spoolbuf::errc::invalid);
    other.seek(0, SB_SEEK_END);
    CHECK(other.at_end());
}

/// Freed while others are blocked in it: their calls return with a reason.
static void goes_while_others_wait()
{
    stalled source;
    auto gate = source.shared;
    spoolbuf::buffer buffer(source);
    std::atomic<int> canceled{0};
    auto wait = [&] {
        char byte;
        if (failure([&] { buffer.read(0, &byte, 1); }) == spoolbuf::errc::canceled)
            canceled++;
        CHECK(failure([&] { buffer.read(0, &byte, 1); }) == spoolbuf::errc::invalid);
    };
    std::thread inside(wait);
    {
        std::unique_lock<std::mutex> lock(gate->lock);
        gate->changed.wait(lock, [&] { return gate->inside; });
    }
    std::thread waiting(wait);
    while (buffer.stat().waits < 1)
        std::this_thread::yield();
    buffer.reset();
    inside.join();
    waiting.join();
    CHECK(canceled == 2 && !buffer);
}

static void has_a_stop_for_each_reader()
{
    // Shared: the helper may still be inside the source when the buffer is gone.
    auto released = std::make_shared<std::atomic<bool>>(false);
    spoolbuf::options how;
    how.prefetch = 1000;
    spoolbuf::buffer buffer(
        [released](void *out, std::size_t) -> int {
            while (!*released)
                std::this_thread::sleep_for(std::chrono::milliseconds(1));
            std::memset(out, 1, 1);
            return 1;
        },
        how);
    spoolbuf::reader one(buffer), other(buffer);
    std::thread stopper([&] { one.cancel(); });
    char byte;
    CHECK(failure([&] { one.read(&byte, 1); }) == std::errc::operation_canceled);
    stopper.join();
    *released = true;
    CHECK(other.read(&byte, 1) == 1);
    one.resume();
    CHECK(one.read(&byte, 1) == 1);
}

static void saves()
{
    spoolbuf::buffer buffer(stream{100000});
    std::uint64_t last = 0;
    CHECK(buffer.save("saved", 0, [&](std::uint64_t done, std::optional<std::uint64_t>) {
        last = done;
        return true;
    }) == 100000);
    CHECK(last == 100000);
    std::ifstream file("saved", std::ios::binary);
    std::string bytes((std::istreambuf_iterator<char>(file)), {});
    CHECK(bytes == resource(0, 100000));
    CHECK(failure([&] { buffer.save("saved", SB_SAVE_NO_REPLACE); }) == std::errc::file_exists);
    CHECK(caught<mishap>([&] {
        buffer.save("other", 0,
                    [](std::uint64_t, std::optional<std::uint64_t>) -> bool { throw mishap{3}; });
    }));
    CHECK(failure([&] {
        buffer.save("other", 0, [](std::uint64_t, std::optional<std::uint64_t>) { return false; });
    }) == spoolbuf::errc::canceled);
    // The last report, when everything but the name is there.
    CHECK(caught<mishap>([&] {
        buffer.save("other", 0, [](std::uint64_t done, std::optional<std::uint64_t> total) {
            return done == total ? throw mishap{4} : true;
        });
    }));
    CHECK(!std::filesystem::exists("other"));
    std::filesystem::remove("saved");
}

// A stream without an end: the newest bytes are kept, and older ones are reported.
static void keeps_a_window()
{
    spoolbuf::options how;
    how.window = 1 << 20;
    spoolbuf::buffer buffer(stream{std::uint64_t(1) << 40}, how);
    spoolbuf::reader first(buffer);
    std::vector<char> out(1 << 20);
    for (std::uint64_t at = 0; at < 8 << 20; at += out.size())
        CHECK(buffer.read(at, out) == out.size() && is_resource(at, out.data(), out.size()));
    CHECK(failure([&] { first.read(out); }) == spoolbuf::errc::lapped);
    CHECK(failure([&] { buffer.read(0, out); }) == spoolbuf::errc::lapped);
    std::uint64_t tail = buffer.stats().tail;
    CHECK(tail > 0 && spoolbuf::reader(buffer).tell() == tail);
    CHECK(first.seek_live() == 8 << 20);
    std::error_code code;
    CHECK(first.seek_live(-100, code) == (8 << 20) - 100 && !code);
    CHECK(first.read(out.data(), 100) == 100 && is_resource((8 << 20) - 100, out.data(), 100));
}

static void names_its_errors()
{
    std::error_code code = spoolbuf::errc::disk_full;
    CHECK(code.category() == spoolbuf::category());
    CHECK(std::string(code.category().name()) == "spoolbuf");
    CHECK(code.message() == sb_strerror(SB_ERR_DISK_FULL));
    CHECK(code == std::errc::no_space_on_device);
    CHECK(code != std::errc::io_error);
    const std::pair<spoolbuf::errc, std::errc> meanings[] = {
        {spoolbuf::errc::invalid, std::errc::invalid_argument},
        {spoolbuf::errc::source, std::errc::io_error},
        {spoolbuf::errc::io, std::errc::io_error},
        {spoolbuf::errc::disk_full, std::errc::no_space_on_device},
        {spoolbuf::errc::no_memory, std::errc::not_enough_memory},
        {spoolbuf::errc::canceled, std::errc::operation_canceled},
        {spoolbuf::errc::timeout, std::errc::timed_out},
        {spoolbuf::errc::reentrant, std::errc::resource_deadlock_would_occur},
        {spoolbuf::errc::unsupported, std::errc::not_supported},
        {spoolbuf::errc::exists, std::errc::file_exists},
    };
    for (auto [ours, theirs] : meanings)
        CHECK(make_error_code(ours) == theirs);
    // These have no meaning elsewhere.
    for (auto ours : {spoolbuf::errc::unknown_size, spoolbuf::errc::size, spoolbuf::errc::panic,
                      spoolbuf::errc::ended_short, spoolbuf::errc::lapped})
        CHECK(make_error_code(ours).default_error_condition().category() == spoolbuf::category());
}

int main()
{
    reads_anywhere();
    takes_any_callable();
    destroys_its_source_once();
    carries_the_sources_exception();
    carries_it_over_the_helpers_thread();
    refills_from_its_low_mark();
    carries_anything_to_anyone();
    goes_on_after_resume();
    seeks_if_the_source_can();
    learns_the_size<std::int64_t>(-1, 200, true);
    learns_the_size<std::uint64_t>(SB_SIZE_UNKNOWN, 200, true);
    learns_the_size<std::optional<int>>(std::nullopt, 200, true);
    learns_the_size<const char *>(nullptr, "200", false);
    stops_a_stall();
    interrupts_a_stall();
    limits_time();
    moves();
    goes_while_others_wait();
    has_a_stop_for_each_reader();
    saves();
    keeps_a_window();
    names_its_errors();
    std::puts("ok");
}
