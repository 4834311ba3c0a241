// Calls as a user writes them from memory: each compiles, and does what it looks like.
#include "check.hpp"

#include <array>
#include <cerrno>
#include <fstream>
#include <sstream>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

static constexpr std::uint64_t size = 100000;

static std::size_t lines_of(std::istream &in)
{
    std::size_t count = 0;
    for (std::string line; std::getline(in, line);)
        count++;
    return count;
}

static void reads_into_anything()
{
    spoolbuf::buffer b(stream{size});
    std::array<std::byte, 300> array;
    CHECK(b.read(1000, array) == 300 && is_resource(1000, array.data(), 300));
    std::array<char, 300> chars;
    CHECK(b.read(size - 10, chars) == 10 && is_resource(size - 10, chars.data(), 10));
    std::vector<unsigned char> vector(500);
    CHECK(b.read(7, vector) == 500 && is_resource(7, vector.data(), 500) && vector.size() == 500);
    std::string text(20, ' ');
    CHECK(b.read(70, text) == 20 && text == resource(70, 20));
    char plain[40];
    CHECK(b.read(50, plain) == 40 && is_resource(50, plain, 40));
    unsigned char *at = vector.data();
    CHECK(b.read(60, at, 40) == 40 && is_resource(60, at, 40));
    CHECK(b.read_some(0, array) > 0 && b.read_now(0, array) > 0u);
    auto bytes = b.read(10, 20);
    CHECK(bytes.size() == 20 && is_resource(10, bytes.data(), 20));
    CHECK(b.read(0, plain, 0) == 0);
    auto all = b.read_all();
    CHECK(all.size() == size && is_resource(0, all.data(), size));
    CHECK(spoolbuf::buffer([](void *, std::size_t) { return 0; }).read_all().empty());
}

static void waits_for_a_while()
{
    spoolbuf::buffer b(stream{size});
    std::array<char, 100> out;
    std::optional<std::size_t> count = b.read_for(0, out, 60s);
    CHECK(count && *count > 0);
    CHECK(b.read_for(0, out.data(), out.size(), 1500ms) == 100u);
    spoolbuf::buffer slow([](void *, std::size_t) {
        std::this_thread::sleep_for(20ms);
        return 0;
    });
    CHECK(!slow.read_for(0, out, 0ms));
}

static void has_readers()
{
    spoolbuf::buffer b(stream{size}, {});
    auto r = b.reader();
    std::array<char, 100> out;
    r.seek(500);
    CHECK(r.read(out) > 0 && is_resource(500, out.data(), 1));
    b.read(0, 1);
    CHECK(b.read_all().size() == size);
    CHECK(r.seek(-10, std::ios::end) == size - 10 && r.tell() == size - 10);
    CHECK(r.read(out) == 10 && r.read(out) == 0 && r.at_end());
    CHECK(r.seek(-20, std::ios::cur) == size - 20 && r.seek(5, std::ios::beg) == 5);
}

static void tells_about_itself()
{
    spoolbuf::options how;
    how.size = size;
    how.on_short = SB_SHORT_ERROR;
    spoolbuf::buffer b(stream{size}, how);
    CHECK(b.size() == size && b.stats().declared == size && b.stats().frontier == 0);
    spoolbuf::stats facts = b.stats();
    CHECK(facts.state == SB_STATE_OPEN && facts.ended_short == 0);
    b.prefetch();
    b.cancel();
    b.resume();
    b.retry();
    CHECK(b.read_all().size() == size);
    b.set_max_memory(1);
    CHECK(b.stats().memory <= 1);
    b.spill();
    CHECK(b.ranges().size() == 1 && b.ranges()[0].end == size && b.buffered(10) == size - 10);
}

static void is_pushed()
{
    std::string all = resource(0, size);
    spoolbuf::options how;
    how.ahead = 1000;
    spoolbuf::push_buffer b(how);
    CHECK(b.wanted().start == 0 && b.wanted().end == 1000);
    CHECK(b.push_for(0, all.data(), size, 0ms) == 1000u);
    CHECK(!b.push_for(1000, all.data(), 10, 0ms));
    std::thread pusher([&] {
        CHECK(b.push(1000, all.data() + 1000, size - 1000) == size - 1000);
        b.end();
    });
    auto read = b.read_all();
    CHECK(read.size() == size && is_resource(0, read.data(), size));
    pusher.join();
    CHECK(b.size() == size);
    std::error_code code;
    spoolbuf::push_buffer failing({}, code);
    CHECK(!code && failing.push(0, all.data(), 10, code) == 10 && !code);
    failing.end(9, code);
    CHECK(code == spoolbuf::errc::size);
    failing.fail(1, code);
    CHECK(code == spoolbuf::errc::invalid);
    failing.fail(-EPIPE);
    char out[20];
    CHECK(failing.read(0, out) == 10 && is_resource(0, out, 10));
    try {
        failing.read(10, out);
        CHECK(false);
    } catch (const spoolbuf::error &error) {
        CHECK(error.code() == spoolbuf::errc::source);
    }
    CHECK(spoolbuf::push_buffer().push(0, out, 1, code) == 0 && code == spoolbuf::errc::invalid);
}

/// A value that another thread sets.
template <class Value> class promise_of {
public:
    void set(Value value)
    {
        std::lock_guard<std::mutex> guard(lock_);
        values_.push_back(value);
        changed_.notify_all();
    }

    Value get()
    {
        std::unique_lock<std::mutex> guard(lock_);
        changed_.wait(guard, [&] { return !values_.empty(); });
        return values_.front();
    }

    std::size_t times()
    {
        std::lock_guard<std::mutex> guard(lock_);
        return values_.size();
    }

private:
    std::mutex lock_;
    std::condition_variable changed_;
    std::vector<Value> values_;
};

static void tells_when_it_is_ready()
{
    using result = std::pair<std::uint64_t, std::error_code>;
    promise_of<result> first, past, canceled, never;
    auto to = [](promise_of<result> &told) {
        return [&told](std::uint64_t count, std::error_code code) { told.set({count, code}); };
    };
    spoolbuf::buffer b(stream{size});
    spoolbuf::watch watch = b.when(50000, to(first));
    CHECK(!watch.now() && watch.native_handle());
    CHECK(first.get().first > 0 && !first.get().second);
    watch = b.when(size + 5, to(past));
    CHECK(past.get() == result(0, {}));
    CHECK(b.when(50000, to(never)).now() == size - 50000);
    CHECK(b.when(size, to(never)).now() == 0u);
    std::error_code code;
    CHECK(b.when(10, to(never), code).now() == size - 10 && !code);
    b.when(10, nullptr, code);
    CHECK(code == spoolbuf::errc::invalid);
    CHECK(failure([&] { spoolbuf::buffer().when(0, to(never)); }) == spoolbuf::errc::invalid);

    std::string all = resource(0, size);
    spoolbuf::options how;
    how.ahead = 1000;
    spoolbuf::push_buffer pushed(how);
    CHECK(pushed.when_wanted(to(never)).now() == 1000u);
    CHECK(pushed.push_for(0, all.data(), size, 0ms) == 1000u);
    promise_of<result> wanted;
    spoolbuf::watch pending = pushed.when_wanted(to(wanted), code);
    CHECK(!code && !pending.now());
    // What is destroyed is not called. A moved watch is the same watch.
    {
        spoolbuf::watch dropped = pushed.when(5000, to(never)), moved(std::move(dropped));
        CHECK(!dropped.native_handle() && moved.native_handle());
    }
    CHECK(wanted.get().first > 0);
    // A function may destroy its own watch, and the buffer may be gone before.
    auto own = std::make_shared<spoolbuf::watch>();
    *own = pushed.when(6000, [own, &canceled](std::uint64_t count, std::error_code why) {
        auto kept = own;
        kept->reset();
        canceled.set({count, why});
    });
    spoolbuf::watch last = pushed.when(7000, to(canceled));
    pushed.reset();
    CHECK(canceled.times() == 2 && canceled.get().second == std::errc::operation_canceled);
    last.reset();
    CHECK(failure([&] { b.when(SB_WHEN_WANTED, to(never)); }) == spoolbuf::errc::unsupported);
    CHECK(first.times() == 1 && past.times() == 1 && wanted.times() == 1 && never.times() == 0);
}

static void finds_the_size()
{
    spoolbuf::options how;
    how.size = size + 7;
    spoolbuf::buffer b(stream{size}, how);
    CHECK(!b.find_size(0ms) && b.buffered() == 0);
    CHECK(b.find_size() == size && b.find_size(0ms) == size && b.size() == size);
    how.size = size;
    how.trust_size = true;
    std::error_code known;
    spoolbuf::buffer trusting(stream{size}, how);
    CHECK(trusting.known_size() == size && trusting.known_size(known) == size && !known);
    spoolbuf::buffer timed(stream{size});
    CHECK(!timed.known_size() && !timed.known_size(known) && !known);
    CHECK(timed.find_size(60s) == size);
    spoolbuf::buffer read(stream{size});
    auto r = read.reader();
    r.seek(10);
    CHECK(r.native_buffer() == read.native_handle());
    CHECK(r.find_size() == size && r.tell() == 10);
    read.reset();
    CHECK(r.native_buffer() == nullptr);
    std::error_code code;
    CHECK(r.find_size(code) == 0 && code == spoolbuf::errc::invalid);
    CHECK(b.find_size(code) == size && !code && b.find_size(1ms, code) == size && !code);
}

static void logs()
{
    std::vector<std::string> told;
    std::mutex lock;
    auto keep = std::make_shared<int>(1);
    spoolbuf::set_log(
        [&told, &lock, keep](sb_log_level level, const char *message) {
            std::lock_guard<std::mutex> guard(lock);
            CHECK(level <= SB_LOG_INFO);
            told.push_back(message);
        },
        SB_LOG_INFO);
    {
        spoolbuf::buffer b(stream{size});
        b.set_max_memory(5);
    }
    CHECK(told.size() == 1 && told[0].find("the memory limit becomes 5 bytes") != std::string::npos);
    CHECK(keep.use_count() == 2);
    spoolbuf::set_log({});
    CHECK(keep.use_count() == 1);
    spoolbuf::buffer(stream{size}).set_max_memory(6);
    CHECK(told.size() == 1);
    // A function is destroyed without a lock.
    std::shared_ptr<int> replaces(new int(1), [](int *it) {
        delete it;
        spoolbuf::set_log({});
    });
    spoolbuf::set_log([replaces](sb_log_level, const char *) {});
    replaces.reset();
    spoolbuf::set_log({});
    std::error_code code;
    spoolbuf::set_log([](sb_log_level, const char *) {}, static_cast<sb_log_level>(5), code);
    CHECK(code == spoolbuf::errc::invalid);
}

static void restricts_readers()
{
    spoolbuf::buffer b(stream{size});
    spoolbuf::reader_options how;
    how.buffered_only = true;
    auto peek = b.reader(how);
    std::array<char, 100> out;
    auto thrown = caught<spoolbuf::error>([&] { peek.read(out); });
    CHECK(thrown && thrown->code() == spoolbuf::errc::timeout && b.stats().pulls == 0);
    how.timeout = 1ms;
    std::error_code code;
    CHECK(b.reader(how, code).read(out, code) == 0 && code == std::errc::timed_out);
    CHECK(b.stats().pulls == 0 && b.stats().helper == 0);
    how.timeout = 60s;
    how.buffered_only = false;
    CHECK(spoolbuf::reader(b, how).read(out) > 0 && b.stats().helper == 1);
    CHECK(peek.read(out) > 0 && is_resource(0, out.data(), 1));
    how.timeout.reset();
    how.reach = 100;
    auto player = b.reader(how);
    player.seek(size - 1, SB_SEEK_SET, code);
    CHECK(code == spoolbuf::errc::unsupported && player.tell() == 0);
    player.seek(1);
    CHECK(player.read(out) > 0 && is_resource(1, out.data(), 1));
    b.reset();
    CHECK(!b.reader(how, code).native_handle() && code == spoolbuf::errc::invalid);
}

static void saves_and_tells()
{
    spoolbuf::buffer b(stream{size});
    CHECK(b.read_all().size() == size);
    std::uint64_t last = 0, told = 0;
    // With a total or without, with a result or without.
    CHECK(b.save("saved", [&](std::uint64_t done, std::optional<std::uint64_t> total) {
        last = done;
        told = total.value_or(0);
        return true;
    }) == size);
    CHECK(last == size && told == size);
    last = 0;
    CHECK(b.save("saved", [&](auto done) { last = done; }) == size && last == size);
    last = 0;
    CHECK(b.save(std::string("saved"), [&](std::uint64_t done, std::uint64_t total) {
        last = done == total ? done : 0;
    }) == size);
    CHECK(last == size);
    auto keep = std::function<bool(std::uint64_t, std::optional<std::uint64_t>)>();
    CHECK(b.save("saved", SB_SAVE_SYNC, keep) == size);
    spoolbuf::save_options how = SB_SAVE_SYNC | SB_SAVE_LINK;
    how.mode = 0600;
    how.timeout = std::chrono::hours(1);
    CHECK(b.save("saved", how) == size);
    CHECK(std::filesystem::status("saved").permissions() == std::filesystem::perms(0600));
    CHECK(failure([&] { b.save("saved", [](std::uint64_t) { return false; }); })
          == std::errc::operation_canceled);
    std::filesystem::remove("saved");
}

static void is_a_stream()
{
    spoolbuf::buffer b(std::istringstream("one\ntwo\nthree\n"));
    // For a function that takes a std::istream &, from a named stream and from a temporary.
    spoolbuf::istream in(b);
    CHECK(lines_of(in) == 3);
    auto other = b.stream();
    std::string word;
    CHECK(other >> word && word == "one");
    CHECK(lines_of(b.stream().ref()) == 3);
    CHECK(std::getline(spoolbuf::istream(b), word) && word == "one");

    // As a source: a temporary that owns its bytes, and one that does not.
    std::istringstream bytes(resource(0, 3000));
    spoolbuf::buffer lent(std::istream(bytes.rdbuf()));
    CHECK(lent.read_all().size() == 3000);
    std::ifstream missing("never-there");
    spoolbuf::buffer none(std::move(missing));
    CHECK(caught<std::ios_base::failure>([&] { none.read_all(); }));
}

/// What a message must contain.
static std::string message(const std::function<void()> &work)
{
    auto thrown = caught<spoolbuf::error>(work);
    return thrown ? thrown->what() : "nothing was thrown";
}

static bool has(const std::string &text, const std::string &part)
{
    return text.find(part) != std::string::npos;
}

static void says_what_went_wrong()
{
    std::array<char, 1000> bytes;
    spoolbuf::buffer b(stream{size});
    std::string said = message([&] { b.save("no/such/folder/saved"); });
    CHECK(has(said, "no/such/folder/saved") && has(said, "No such file or directory"));
    auto thrown = caught<spoolbuf::error>([&] { b.save("no/such/folder/saved"); });
    CHECK(thrown && thrown->code() == spoolbuf::errc::io);
    CHECK(thrown->path() == "no/such/folder/saved");
    CHECK(thrown->operation() == SB_OP_TARGET_OPEN && !thrown->offset());
    CHECK(said == "cannot open the target no/such/folder/saved: No such file or directory");
    CHECK(thrown->system_code() == std::errc::no_such_file_or_directory);
    // The spool file's folder.
    spoolbuf::options how;
    how.spool_dir = "/proc/no-such-folder";
    how.max_memory = 0;
    spoolbuf::buffer spilled(stream{1000000}, how);
    said = message([&] { spilled.read_all(); });
    CHECK(said == "cannot create the spool file in /proc/no-such-folder: No such file or directory");
    // A reader and a save know the offset too.
    spoolbuf::reader reader(spilled);
    thrown = caught<spoolbuf::error>([&] { while (reader.read(bytes) > 0) {} });
    CHECK(thrown && thrown->operation() == SB_OP_SPOOL_CREATE && thrown->offset() == reader.tell());
    CHECK(thrown->path() == how.spool_dir && has(thrown->what(), " at offset "));
    thrown = caught<spoolbuf::error>([&] { spilled.save("elsewhere"); });
    CHECK(thrown && thrown->operation() == SB_OP_SPOOL_CREATE && thrown->path() == how.spool_dir);
    thrown = caught<spoolbuf::error>([&] { reader.find_size(); });
    CHECK(thrown && thrown->operation() == SB_OP_SPOOL_CREATE && thrown->offset());
    thrown = caught<spoolbuf::error>([&] { reader.seek(-1); });
    CHECK(thrown && thrown->code() == spoolbuf::errc::invalid && thrown->operation() == SB_OP_NONE);
    CHECK(has(thrown->what(), sb_strerror(SB_ERR_INVALID)));
    // A source's own code: errno if it is one.
    spoolbuf::buffer reset([](void *, std::size_t) { return -ECONNRESET; });
    said = message([&] { reset.read(0, 1); });
    CHECK(has(said, "Connection reset by peer") && has(said, "cannot read the source"));
    spoolbuf::buffer odd([](void *, std::size_t) { return -77777; });
    CHECK(has(message([&] { odd.read(0, 1); }), "-77777"));
    // This is not the path of a save that meets it.
    said = message([&] { reset.save("elsewhere"); });
    CHECK(has(said, "Connection reset by peer") && !has(said, "elsewhere"));
}

int main()
{
    reads_into_anything();
    waits_for_a_while();
    has_readers();
    tells_about_itself();
    is_pushed();
    tells_when_it_is_ready();
    finds_the_size();
    logs();
    restricts_readers();
    saves_and_tells();
    is_a_stream();
    says_what_went_wrong();
    std::puts("ok");
}
