// A cache: an opener as a callable, readers as leases, and failures of openers and sources that arrive as
// themselves. Compiled with exceptions and without them.
#include "check.hpp"

#include <array>
#include <atomic>
#include <cerrno>
#include <fstream>
#include <sstream>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

static constexpr std::uint64_t size = 100000;

/// Counts what is alive.
struct counted {
    explicit counted(std::atomic<int> &of) : count(&of) { ++*count; }
    counted(const counted &other) : count(other.count) { ++*count; }
    counted &operator=(const counted &) = delete;
    ~counted() { --*count; }
    std::atomic<int> *count;
};

/// A resource whose sources are counted.
struct counted_stream {
    counted alive;
    stream inner;

    std::size_t operator()(void *out, std::size_t capacity) { return inner(out, capacity); }
};

static std::uint64_t read_all(spoolbuf::reader &reader, std::error_code &code)
{
    std::array<char, 3000> bytes;
    std::uint64_t at = reader.seek(0, SB_SEEK_SET, code);
    while (std::size_t count = reader.read(bytes, code)) {
        CHECK(is_resource(at, bytes.data(), count));
        at += count;
    }
    return at;
}

static void opens_once_and_keeps()
{
    std::error_code code = spoolbuf::errc::panic;
    std::atomic<int> alive = 0, openers = 0;
    int opened = 0;
    std::string keys;
    counted owned(openers);
    spoolbuf::cache cache(
        [&, owned](std::string_view key, std::uint64_t old_tag) -> spoolbuf::resource {
            opened++;
            keys += key;
            CHECK(old_tag == 0);
            return {counted_stream{counted(alive), {size}}, size, 7};
        },
        {}, code);
    CHECK(cache && !code && openers == 2);
    spoolbuf::reader a = cache.open("a", code);
    CHECK(!code && read_all(a, code) == size && !code);
    // Complete: its source is gone.
    CHECK(alive == 0);
    spoolbuf::reader again = cache.open("a", code);
    CHECK(!code && opened == 1 && again.native_buffer() == a.native_buffer());
    CHECK(read_all(again, code) == size && !code && again.find_size(code) == size);
    CHECK(again.at_end(code) && again.seek(5, SB_SEEK_SET, code) == 5 && again.buffered(code) == size - 5);
    spoolbuf::reader other = cache.open(std::string(4096, 'b'), code);
    char byte = 0;
    CHECK(!code && opened == 2 && other.read(&byte, 1, code) == 1 && byte == byte_at(0) && alive == 1);
    CHECK(keys == "a" + std::string(4096, 'b'));
    spoolbuf::cache_stats facts = cache.stats(code);
    CHECK(!code && facts.hits == 1 && facts.misses == 2 && facts.entries == 2 && facts.leases == 3);
    // Removed: readers keep it, and the next open gets a new one.
    cache.remove("a", code);
    CHECK(!code && read_all(again, code) == size && !code);
    spoolbuf::reader fresh = cache.open("a", code);
    CHECK(!code && opened == 3 && fresh.native_buffer() != a.native_buffer());
    // Without a reader, an entry has no open source.
    other = spoolbuf::reader();
    fresh = spoolbuf::reader();
    CHECK(alive == 0 && cache.stats(code).leases == 2);
    cache.trim(0, UINT64_MAX, code);
    CHECK(!code && read_all(a, code) == size && !code);
    cache.clear(code);
    CHECK(!code && cache.stats(code).entries == 1);
    // A moved cache is the same.
    spoolbuf::cache moved(std::move(cache));
    CHECK(!cache && moved && openers == 2);
    cache.open("a", code);
    CHECK(code == spoolbuf::errc::invalid);
    cache = std::move(moved);
    CHECK(cache && cache.stats(code).entries == 1 && !code);
    cache.reset();
    CHECK(!cache && openers == 1);
    CHECK(a.read(&byte, 1, code) == 0 && code == spoolbuf::errc::invalid);
    cache.open("a", code);
    CHECK(code == spoolbuf::errc::invalid);
    cache.reset();
}

static void refuses_what_is_invalid()
{
    std::error_code code;
    spoolbuf::cache none;
    CHECK(!none && !none.native_handle());
    none.open("a", code);
    CHECK(code == spoolbuf::errc::invalid);
    none.remove("a", code);
    CHECK(code == spoolbuf::errc::invalid);
    none.clear(code);
    CHECK(code == spoolbuf::errc::invalid);
    none.trim(0, 0, code);
    CHECK(code == spoolbuf::errc::invalid);
    none.stats(code);
    CHECK(code == spoolbuf::errc::invalid);
    none.reset();

    int opened = 0;
    spoolbuf::cache cache(
        [&](std::string_view key, std::uint64_t old_tag) -> spoolbuf::resource {
            opened++;
            if (key == "empty")
                return {};
            if (key == "unusable")
                return {std::unique_ptr<std::istream>(), 5, 5};
            if (key == "unchanged")
                return spoolbuf::resource::unchanged(old_tag + 1);
            return stream{size};
        },
        {}, code);
    CHECK(!code);
    spoolbuf::reader kept = cache.open("kept", code);
    kept = spoolbuf::reader();
    // An empty key is not every key.
    cache.remove({}, code);
    CHECK(code == spoolbuf::errc::invalid && cache.stats(code).entries == 1);
    for (std::string key : {std::string(), std::string(4097, 'a')}) {
        CHECK(!cache.open(key, code).native_handle() && code == spoolbuf::errc::invalid);
    }
    CHECK(opened == 1);
    for (const char *key : {"empty", "unusable", "unchanged"}) {
        CHECK(!cache.open(key, code).native_handle() && code == spoolbuf::errc::invalid);
    }
    CHECK(opened == 4 && cache.stats(code).entries == 1);
}

/// The defaults are those of the library, and every option arrives.
static void has_the_defaults()
{
    sb_cache_options plain;
    CHECK(sb_cache_options_init(&plain, sizeof plain) == SB_OK);
    spoolbuf::cache_options how;
    CHECK(how.max_memory == plain.max_memory && how.max_disk == plain.max_disk);
    CHECK(how.min_free == plain.min_free && how.max_entry == plain.max_entry);
    CHECK(plain.fresh_ms == -1 && plain.idle_ms == -1 && !how.fresh && !how.idle);
    CHECK(how.prefetch == plain.prefetch && how.prefetch_low == plain.prefetch_low);
    CHECK(plain.on_short == SB_SHORT_END && plain.spool_dir == nullptr);
}

static void holds_its_limits()
{
    std::error_code code;
    spoolbuf::cache_options how;
    how.max_memory = 0;
    how.max_disk = 10 * size;
    how.prefetch = SB_PREFETCH_ALL;
    how.spool_dir = ".";
    how.threads = 2;
    static std::array<std::atomic<int>, 2> threads = {};
    how.thread_opaque = &threads;
    how.thread_begin = [](void *opaque) { (*static_cast<decltype(threads) *>(opaque))[0]++; };
    how.thread_end = [](void *opaque) { (*static_cast<decltype(threads) *>(opaque))[1]++; };
    spoolbuf::cache cache(
        [](std::string_view, std::uint64_t) { return spoolbuf::resource(stream{size}, size); }, how, code);
    CHECK(!code);
    spoolbuf::reader_options with;
    with.timeout = 100s;
    for (int key = 0; key < 30; key++) {
        spoolbuf::reader reader = cache.open(std::to_string(key), with, code);
        CHECK(!code && read_all(reader, code) == size && !code);
    }
    spoolbuf::cache_stats facts = cache.stats(code);
    CHECK(!code && facts.disk_peak > 0 && facts.disk_peak <= 10 * size);
    CHECK(facts.evicted_disk + facts.evicted_memory + facts.evicted_large >= 20 && facts.entries <= 10);
    cache.reset();
    CHECK(threads[0] > 0);
    while (threads[1] < threads[0])
        std::this_thread::sleep_for(1ms);
}

/// After `fresh`, the opener is asked whether the bytes are current.
static void asks_again()
{
    std::error_code code;
    std::vector<std::uint64_t> tags;
    std::uint64_t tag = 5;
    spoolbuf::cache_options how;
    how.fresh = 0ms;
    spoolbuf::cache cache(
        [&](std::string_view, std::uint64_t old_tag) {
            tags.push_back(old_tag);
            if (old_tag == tag)
                return spoolbuf::resource::unchanged(old_tag);
            return spoolbuf::resource(stream{size}, size, tag);
        },
        how, code);
    spoolbuf::reader first = cache.open("a", code);
    CHECK(!code && read_all(first, code) == size && !code);
    std::this_thread::sleep_for(5ms);
    spoolbuf::reader same = cache.open("a", code);
    CHECK(!code && same.native_buffer() == first.native_buffer());
    tag = 6;
    std::this_thread::sleep_for(5ms);
    spoolbuf::reader other = cache.open("a", code);
    CHECK(!code && other.native_buffer() != first.native_buffer() && read_all(other, code) == size);
    CHECK((tags == std::vector<std::uint64_t>{0, 5, 5}));
}

static void takes_any_source()
{
    std::error_code code;
    spoolbuf::cache cache(
        [](std::string_view key, std::uint64_t) -> spoolbuf::resource {
            if (key == "file") {
                std::ofstream("file", std::ios::binary) << resource(0, size);
                return std::ifstream("file", std::ios::binary);
            }
            if (key == "text")
                return {std::istringstream(resource(0, size)), size};
            if (key == "owned")
                return {std::make_unique<std::istringstream>(resource(0, size)), std::nullopt, 3};
            return stream{size};
        },
        {}, code);
    for (const char *key : {"file", "text", "owned", "callable"}) {
        spoolbuf::reader reader = cache.open(key, code);
        CHECK(!code && read_all(reader, code) == size && !code);
        spoolbuf::istream in(cache.open(key, code));
        CHECK(!code && in.seekg(-10, std::ios::end).tellg() == std::streamoff(size - 10));
        std::string end(20, 0);
        in.read(&end[0], 20);
        CHECK(in.gcount() == 10 && is_resource(size - 10, end.data(), 10) && in.eof() && !in.bad());
    }
    std::filesystem::remove("file");
}

static void options_of_readers()
{
    std::error_code code;
    std::atomic<bool> may_go = false;
    spoolbuf::cache cache(
        [&](std::string_view, std::uint64_t) {
            while (!may_go)
                std::this_thread::sleep_for(1ms);
            return spoolbuf::resource(stream{size}, size, 1);
        },
        {}, code);
    spoolbuf::reader_options how;
    how.buffered_only = true;
    CHECK(!cache.open("a", how, code).native_handle() && code == spoolbuf::errc::timeout);
    how = {};
    how.timeout = 20ms;
    CHECK(!cache.open("a", how, code).native_handle() && code == spoolbuf::errc::timeout);
    CHECK(cache.stats(code).opening == 1);
    may_go = true;
    how.timeout = 100s;
    spoolbuf::reader reader = cache.open("a", how, code);
    CHECK(!code && read_all(reader, code) == size && !code);
}

/// An error code that an opener sets, or a source, arrives as itself.
static void codes_arrive()
{
    std::error_code code;
    int opened = 0;
    auto failing = [at = std::uint64_t(0)](void *out, std::size_t capacity,
                                           std::error_code &why) mutable -> std::size_t {
        if (at == 1000) {
            why = std::make_error_code(std::errc::connection_reset);
            return 0;
        }
        std::size_t count = std::min<std::size_t>(capacity, 1000);
        std::string bytes = resource(0, count);
        std::copy(bytes.begin(), bytes.end(), static_cast<char *>(out));
        at += count;
        return count;
    };
    auto opener = [&](std::string_view key, std::uint64_t, std::error_code &why) -> spoolbuf::resource {
        opened++;
        if (key == "missing")
            why = std::make_error_code(std::errc::no_such_file_or_directory);
        else if (key == "canceled")
            why = spoolbuf::errc::canceled;
        else
            return failing;
        return {};
    };
    spoolbuf::cache cache(opener, {}, code);
    for (int turn = 0; turn < 3; turn++) {
        cache.open("missing", code);
        CHECK(code == std::errc::no_such_file_or_directory && code.category() == std::generic_category());
    }
    cache.open("canceled", code);
    CHECK(code == spoolbuf::errc::canceled && opened == 4);
    // Two sources that fail alike are told apart from each other and from the openers.
    spoolbuf::reader a = cache.open("a", code), b = cache.open("b", code);
    char bytes[2000];
    CHECK(a.read(bytes, code) > 0 && a.seek(1000, SB_SEEK_SET, code) == 1000);
    CHECK(a.read(bytes, code) == 0 && code == std::errc::connection_reset);
    CHECK(code.category() == std::generic_category());
    CHECK(b.read(bytes, code) > 0 && !code && is_resource(0, bytes, 1));
    CHECK(a.read(bytes, code) == 0 && code == std::errc::connection_reset);
    CHECK(cache.stats(code).opening == 0);
}

/// A resource that nobody takes is destroyed.
static void resources_are_destroyed()
{
    std::error_code code;
    std::atomic<int> alive = 0;
    spoolbuf::cache cache(
        [&](std::string_view, std::uint64_t, std::error_code &why) {
            spoolbuf::resource first(counted_stream{counted(alive), {size}}, size, 1);
            spoolbuf::resource second(counted_stream{counted(alive), {size}}, size, 2);
            CHECK(alive == 2);
            first = std::move(second);
            why = spoolbuf::errc::source;
            return first;
        },
        {}, code);
    cache.open("a", code);
    CHECK(code == spoolbuf::errc::source && alive == 0);
}

/// An open that joins an opener which has failed already, but whose failure nobody has got yet.
static void failures_wait_for_late_opens()
{
    using attempt = spoolbuf::detail::cache_faults::attempt;
    spoolbuf::detail::cache_faults faults;
    std::error_code why = spoolbuf::errc::exists;
    std::optional<attempt> first, late, later;
    first.emplace(faults);
    int failed = faults.keep_opener({why});
    late.emplace(faults);
    first.reset();
    CHECK(faults.get(failed).code == why);
    later.emplace(faults);
    late.reset();
    CHECK(!faults.get(failed).code);
    later.reset();
}

#ifdef __cpp_exceptions
/// Waits until `count` opens wait for an opener: that of one and those of the others.
static void await_waiting(const spoolbuf::cache &cache, std::uint64_t count)
{
    while (cache.stats().misses < count)
        std::this_thread::sleep_for(1ms);
}

/// One call of the opener fails, and each of eight who wait gets that very exception.
static void exceptions_reach_all_who_wait()
{
    std::atomic<int> alive = 0, opened = 0;
    struct numbered {
        counted alive;
        int number;
    };
    spoolbuf::cache *shared = nullptr;
    spoolbuf::cache cache([&](std::string_view, std::uint64_t) -> spoolbuf::resource {
        await_waiting(*shared, 8);
        throw numbered{counted(alive), ++opened};
    });
    shared = &cache;
    std::mutex lock;
    std::vector<const numbered *> caught_at;
    std::atomic<int> caught_all = 0;
    std::vector<std::thread> threads;
    for (int thread = 0; thread < 8; thread++)
        threads.emplace_back([&, thread] {
            spoolbuf::reader_options how;
            // A thread of the library calls the opener if the first one has a timeout.
            if (thread % 2)
                how.timeout = 100s;
            try {
                cache.open("a", how);
                CHECK(false);
            } catch (const numbered &thrown) {
                CHECK(thrown.number == 1);
                std::lock_guard<std::mutex> guard(lock);
                caught_at.push_back(&thrown);
                caught_all++;
            }
            // Nobody goes before all have it, so that the addresses can be compared.
            while (caught_all < 8)
                std::this_thread::sleep_for(1ms);
        });
    for (std::thread &thread : threads)
        thread.join();
    CHECK(opened == 1 && cache.stats().opening == 0);
    for (const numbered *thrown : caught_at)
        CHECK(thrown == caught_at[0]);
    // It is not kept.
    while (alive > 0)
        std::this_thread::sleep_for(1ms);
}

struct sad {
    counted alive;
    std::string key;
};

/// The next open gets what was thrown when nobody waited, whatever happens to other keys meanwhile.
static void polls_get_what_was_thrown()
{
    std::atomic<int> alive = 0;
    std::atomic<bool> may_go = false;
    spoolbuf::cache cache([&](std::string_view key, std::uint64_t) -> spoolbuf::resource {
        while (!may_go)
            std::this_thread::sleep_for(1ms);
        if (key == "good")
            return spoolbuf::resource(stream{size}, size, 1);
        throw sad{counted(alive), std::string(key)};
    });
    spoolbuf::reader_options at_once;
    at_once.timeout = 0ms;
    std::error_code code;
    auto polls = [&](std::string_view key) { return !cache.open(key, at_once, code).native_handle(); };
    CHECK(polls("bad") && code == spoolbuf::errc::timeout && polls("good"));
    auto begun = std::chrono::steady_clock::now();
    may_go = true;
    while (cache.stats().opening > 0)
        std::this_thread::sleep_for(1ms);
    bool is_good = !polls("good");
    auto thrown = caught<sad>([&] { cache.open("bad", at_once); });
    // On a machine that pauses for that long, their time may have been up.
    if (std::chrono::steady_clock::now() - begun < 4s)
        CHECK(is_good && cache.stats().hits == 1 && thrown && thrown->key == "bad");
    thrown.reset();
    while (alive > 0)
        std::this_thread::sleep_for(1ms);
}

/// Many threads, each of which gets the exception of its own key.
static void exceptions_of_many_threads()
{
    std::atomic<int> alive = 0;
    spoolbuf::cache cache([&](std::string_view key, std::uint64_t) -> spoolbuf::resource {
        throw sad{counted(alive), std::string(key)};
    });
    std::vector<std::thread> threads;
    for (int thread = 0; thread < 4; thread++)
        threads.emplace_back([&, thread] {
            for (int turn = 0; turn < 2000; turn++) {
                std::string key = std::to_string((turn + thread) % 3);
                auto thrown = caught<sad>([&] { cache.open(key); });
                CHECK(thrown && thrown->key == key);
            }
        });
    for (std::thread &thread : threads)
        thread.join();
    CHECK(alive == 0);
}

/// An exception is kept for the opens that were under way, and not as long as there are any at all.
static void exceptions_are_not_kept()
{
    std::atomic<int> alive = 0, inside = 0, released = -1;
    spoolbuf::cache cache([&](std::string_view key, std::uint64_t) -> spoolbuf::resource {
        if (key == "fails")
            throw sad{counted(alive), std::string(key)};
        inside++;
        while (std::stoi(std::string(key)) > released)
            std::this_thread::sleep_for(1ms);
        return stream{size};
    });
    std::vector<std::thread> slow;
    auto begin = [&] {
        slow.emplace_back([&, key = std::to_string(slow.size())] { cache.open(key); });
        while (inside < static_cast<int>(slow.size()))
            std::this_thread::sleep_for(1ms);
    };
    auto end = [&](std::size_t number) {
        released = static_cast<int>(number);
        slow[number].join();
    };
    begin();
    for (int turn = 0; turn < 10; turn++)
        CHECK(caught<sad>([&] { cache.open("fails"); }));
    CHECK(alive == 10);
    begin();
    end(0);
    begin();
    end(1);
    CHECK(alive == 0);
    end(2);
    CHECK(caught<sad>([&] { cache.open("fails"); }));
    CHECK(alive == 0);
}

static void exceptions_of_sources()
{
    struct numbered {
        int number;
        stream inner{size};
        std::size_t operator()(void *out, std::size_t capacity)
        {
            if (inner.at == size / 2)
                throw mishap{number};
            return inner(out, std::min<std::size_t>(capacity, size / 2 - inner.at));
        }
    };
    int opened = 0;
    spoolbuf::cache cache([&](std::string_view, std::uint64_t) -> spoolbuf::resource {
        return numbered{++opened};
    });
    auto a = cache.open("a"), b = cache.open("b"), again = cache.open("a");
    std::array<char, 100> bytes;
    std::error_code code;
    for (spoolbuf::reader *reader : {&a, &b, &again}) {
        reader->seek(size / 2);
        auto thrown = caught<mishap>([&] { reader->read(bytes); });
        CHECK(thrown && thrown->number == (reader == &b ? 2 : 1));
        CHECK(reader->read(bytes, code) == 0 && code == spoolbuf::errc::source);
    }
    CHECK(a.seek(100) == 100 && a.read(bytes) > 0 && is_resource(100, bytes.data(), 1));
    // The failed entry is opened again, on other bytes without a tag.
    auto fresh = cache.open("a");
    fresh.seek(size / 2);
    auto thrown = caught<mishap>([&] { fresh.read(bytes); });
    CHECK(opened == 3 && thrown && thrown->number == 3);
    // As an istream.
    spoolbuf::istream in(cache.open("b"));
    in.exceptions(std::ios::badbit);
    in.seekg(size / 2);
    CHECK(caught<mishap>([&] { in.get(); }));
}

/// The exception of a source goes with it.
static void exceptions_of_sources_are_not_kept()
{
    std::atomic<int> alive = 0;
    spoolbuf::cache cache([&](std::string_view key, std::uint64_t) -> spoolbuf::resource {
        return [&alive, key = std::string(key)](void *, std::size_t) -> std::size_t {
            throw sad{counted(alive), key};
        };
    });
    std::array<char, 10> bytes;
    for (int turn = 0; turn < 3; turn++) {
        auto a = cache.open("a"), b = cache.open("b");
        CHECK(caught<sad>([&] { a.read(bytes); })->key == "a");
        CHECK(caught<sad>([&] { b.read(bytes); })->key == "b");
        CHECK(alive == 2);
    }
    CHECK(alive == 0);
}

/// The codes that sources return: those of a system, and any.
static void codes_of_sources()
{
    int result = 0;
    spoolbuf::cache cache([&](std::string_view, std::uint64_t) -> spoolbuf::resource {
        return [&](void *, std::size_t) { return result; };
    });
    std::array<char, 10> bytes;
    for (int code : {-EIO, -1, -70000, -2000000000}) {
        result = code;
        auto reader = cache.open("a");
        try {
            reader.read(bytes);
            CHECK(false);
        } catch (const spoolbuf::error &thrown) {
            CHECK(thrown.code() == spoolbuf::errc::source);
            CHECK((code == -EIO) == (thrown.system_code() == std::errc::io_error));
        }
    }
    result = SB_SOURCE_CANCELED;
    auto reader = cache.open("b");
    CHECK(failure([&] { reader.read(bytes); }) == spoolbuf::errc::source);
}

static void throws_what_it_should()
{
    spoolbuf::cache cache([](std::string_view key, std::uint64_t) -> spoolbuf::resource {
        if (key == "system")
            throw std::system_error(std::make_error_code(std::errc::permission_denied));
        if (key == "canceled")
            throw spoolbuf::canceled();
        return stream{size};
    });
    CHECK(failure([&] { cache.open(""); }) == spoolbuf::errc::invalid);
    CHECK(failure([&] { cache.open("system"); }) == std::errc::permission_denied);
    CHECK(caught<spoolbuf::canceled>([&] { cache.open("canceled"); }));
    std::error_code code;
    cache.open("system", code);
    CHECK(code == std::errc::permission_denied);
    cache.open("canceled", code);
    CHECK(code == spoolbuf::errc::canceled);
    auto reader = cache.open("a");
    CHECK(reader.find_size() == size && cache.stats().entries == 1);
    cache.remove("a");
    cache.trim(UINT64_MAX, UINT64_MAX);
    cache.clear();
    CHECK(cache.stats().leases == 1);
    CHECK(failure([&] { cache.remove(""); }) == spoolbuf::errc::invalid);
    spoolbuf::cache none;
    CHECK(failure([&] { none.open("a"); }) == spoolbuf::errc::invalid);
    CHECK(failure([&] { none.stats(); }) == spoolbuf::errc::invalid);
    CHECK(failure([&] { none.clear(); }) == spoolbuf::errc::invalid);
    CHECK(failure([&] { none.trim(0, 0); }) == spoolbuf::errc::invalid);
}

/// An opener opens its own key, and another one frees its cache.
static void in_an_opener()
{
    std::atomic<int> alive = 0;
    counted owned(alive);
    spoolbuf::cache *shared = nullptr;
    auto cache = std::make_unique<spoolbuf::cache>(
        [&, owned](std::string_view key, std::uint64_t) -> spoolbuf::resource {
            if (key == "itself")
                shared->open(key);
            shared->reset();
            CHECK(alive == 2);
            throw mishap{3};
        });
    shared = cache.get();
    CHECK(failure([&] { cache->open("itself"); }) == spoolbuf::errc::reentrant);
    bool failed = false;
    try {
        cache->open("frees");
    } catch (const mishap &) {
        failed = true;
    } catch (const spoolbuf::canceled &) {
        failed = true;
    }
    CHECK(failed && alive == 1);
}
#endif

int main()
{
    opens_once_and_keeps();
    refuses_what_is_invalid();
    has_the_defaults();
    holds_its_limits();
    asks_again();
    takes_any_source();
    options_of_readers();
    codes_arrive();
    resources_are_destroyed();
    failures_wait_for_late_opens();
#ifdef __cpp_exceptions
    exceptions_reach_all_who_wait();
    polls_get_what_was_thrown();
    exceptions_of_many_threads();
    exceptions_are_not_kept();
    exceptions_of_sources();
    exceptions_of_sources_are_not_kept();
    codes_of_sources();
    throws_what_it_should();
    in_an_opener();
#endif
    std::puts("ok");
}
