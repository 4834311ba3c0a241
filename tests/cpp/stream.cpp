// std::istream on both sides: as a source, and over a buffer.
#include <spoolbuf.h>

/// Called inside a resume, after the reader was resumed.
static void (*in_resume)() = nullptr;

static int resume_reader(sb_reader *reader)
{
    int status = sb_reader_resume(reader);
    if (in_resume)
        in_resume();
    return status;
}

#define sb_reader_resume resume_reader
#include "check.hpp"
#undef sb_reader_resume

#include <atomic>
#include <fstream>
#include <iterator>
#include <limits>
#include <sstream>
#include <thread>

/// A streambuf that cannot seek and delivers a little at a time.
class pipe_like : public std::streambuf {
public:
    explicit pipe_like(std::uint64_t size, std::uint64_t fails_at = UINT64_MAX)
        : source_{size, fails_at}
    {
    }

protected:
    int_type underflow() override
    {
        std::size_t count = source_(area_, sizeof area_);
        setg(area_, area_, area_ + count);
        return count == 0 ? traits_type::eof() : traits_type::to_int_type(*gptr());
    }

private:
    stream source_;
    char area_[777];
};

/// A streambuf that delivers single bytes and expects no more after each; it fails at last.
class pessimist : public std::streambuf {
public:
    explicit pessimist(std::uint64_t fails_at) : source_{UINT64_MAX, fails_at} {}

protected:
    std::streamsize showmanyc() override { return -1; }

    int_type underflow() override
    {
        source_(&byte_, 1);
        setg(&byte_, &byte_, &byte_ + 1);
        return traits_type::to_int_type(byte_);
    }

private:
    stream source_;
    char byte_ = 0;
};

static std::string rest_of(std::istream &in)
{
    return std::string(std::istreambuf_iterator<char>(in), {});
}

static void reads_from_a_stream()
{
    // Moved in, and seekable.
    spoolbuf::buffer moved(std::istringstream(resource(0, 1000000)));
    CHECK(moved.stat().seekable == 1);
    auto tail = moved.read(999990, 100);
    CHECK(tail.size() == 10 && is_resource(999990, tail.data(), 10));
    CHECK(moved.ranges().size() == 1 && moved.buffered() == 0);
    CHECK(moved.read(0, 1000000).size() == 1000000);
    CHECK(moved.read(5000000, 1).empty());
    CHECK(moved.size() == std::uint64_t(1000000));

    // Past its end at first, however far: not an error, and the rest can still be read.
    for (std::uint64_t offset : {std::uint64_t(5000000), std::uint64_t(INT64_MAX), UINT64_MAX - 9}) {
        std::istringstream lent("skipped" + resource(0, 1000000));
        lent.ignore(7);
        spoolbuf::buffer past(lent);
        CHECK(past.read(offset, 1).empty() && past.stat().seekable == 1);
        auto middle = past.read(400000, 10);
        CHECK(middle.size() == 10 && is_resource(400000, middle.data(), 10));
        CHECK(past.stat().memory + past.stat().disk < 100000);
    }

    // From its position.
    std::istringstream lent("skipped" + resource(0, 3000));
    lent.ignore(7);
    spoolbuf::buffer from_there(lent);
    auto bytes = from_there.read(std::uint64_t(0), std::size_t(5000));
    CHECK(bytes.size() == 3000 && is_resource(0, bytes.data(), bytes.size()));

    // Forward-only.
    pipe_like pipe(100000);
    spoolbuf::buffer forwards(std::make_unique<std::istream>(&pipe));
    CHECK(forwards.stat().seekable == 0);
    CHECK(is_resource(60000, forwards.read(60000, 100).data(), 100));
    CHECK(is_resource(10, forwards.read(10, 100).data(), 100));
    CHECK(forwards.read(99999, 100).size() == 1);
}

static void tells_an_error_from_the_end()
{
    // The streambuf's exception arrives, whether the stream would have let it through or not.
    for (auto mask : {std::ios_base::goodbit, std::ios_base::badbit}) {
        pipe_like pipe(100000, 5000);
        std::istream failing(&pipe);
        failing.exceptions(mask);
        spoolbuf::buffer buffer(failing);
        CHECK(buffer.read(std::uint64_t(0), std::size_t(6000)).size() == 5000);
        CHECK(caught<mishap>([&] { buffer.read(5000, 1); }));
    }
    // The bytes before it come first, whatever the streambuf expects.
    pessimist bytewise(50);
    std::istream falling(&bytewise);
    spoolbuf::buffer fallen(falling);
    auto before = fallen.read(std::uint64_t(0), std::size_t(60));
    CHECK(before.size() == 50 && is_resource(0, before.data(), 50));
    CHECK(caught<mishap>([&] { fallen.read(50, 1); }));
    // A stream that throws at its end still has an end.
    std::istringstream loud(resource(0, 3000));
    loud.exceptions(std::ios_base::failbit | std::ios_base::eofbit | std::ios_base::badbit);
    spoolbuf::buffer ended(loud);
    CHECK(ended.read(std::uint64_t(0), std::size_t(6000)).size() == 3000);
    CHECK(ended.stat().state == SB_STATE_ENDED);
    // One that could not be opened is not empty.
    spoolbuf::buffer none(std::ifstream("never-there"));
    CHECK(caught<std::ios_base::failure>([&] { none.read(0, 1); }));
    CHECK(failure([] { spoolbuf::buffer(std::unique_ptr<std::istream>()); })
          == spoolbuf::errc::invalid);
}

static void reads_a_file()
{
    std::ofstream("file", std::ios::binary) << "skipped" << resource(0, 300000);
    std::ifstream file("file", std::ios::binary);
    file.ignore(7);
    spoolbuf::buffer buffer(std::move(file));
    CHECK(is_resource(299990, buffer.read(299990, 100).data(), 10));
    CHECK(buffer.read(299990, 100).size() == 10);
    CHECK(buffer.read(400000, 1).empty());
    CHECK(is_resource(0, buffer.read(std::uint64_t(0), std::size_t(300000)).data(), 300000));
    std::filesystem::remove("file");
}

/// A declared size is not the end, and neither is none.
static void finds_the_end(std::optional<std::uint64_t> declared)
{
    spoolbuf::options how;
    how.size = declared;
    spoolbuf::buffer buffer(stream{100000}, how);
    spoolbuf::istream in(buffer);
    CHECK(in.get() == static_cast<unsigned char>(byte_at(0)));
    CHECK(in.seekg(-10, std::ios::end) && in.tellg() == std::streampos(99990));
    CHECK(in.get() == static_cast<unsigned char>(byte_at(99990)));
    in.seekg(0);
    CHECK(is_resource(0, rest_of(in).data(), 100000));
}

/// An end that cannot be found is none: an error is shown as one, and so is a cancel.
static void finds_no_end()
{
    spoolbuf::options how;
    how.size = 100000;
    spoolbuf::buffer buffer(stream{100000, 5000}, how);
    spoolbuf::istream in(buffer);
    CHECK(!in.seekg(0, std::ios::end) && in.bad());
    in.clear();
    in.exceptions(std::ios_base::badbit);
    CHECK(caught<mishap>([&] { in.seekg(0, std::ios::end); }));
    in.clear();
    in.cancel();
    CHECK(caught<spoolbuf::canceled>([&] { in.seekg(0, std::ios::end); }));
    in.exceptions(std::ios_base::goodbit);
    in.clear();
    in.resume();
    CHECK(in.tellg() == std::streampos(0) && in.get() == static_cast<unsigned char>(byte_at(0)));
}

/// It is no error that a reader does not get there.
static void reaches_no_end()
{
    spoolbuf::reader_options near;
    near.reach = 10;
    spoolbuf::buffer buffer(stream{1000000});
    spoolbuf::istream in(buffer.reader(near));
    CHECK(!in.seekg(0, std::ios::end) && !in.bad());
    in.clear();
    CHECK(in.get() == static_cast<unsigned char>(byte_at(0)));
}

static void is_read_as_a_stream()
{
    spoolbuf::buffer buffer(stream{100000});
    spoolbuf::istream in(buffer), other(buffer);
    CHECK(is_resource(0, rest_of(in).data(), 100000));
    CHECK(in.eof() || in.peek() == EOF);
    in.clear();
    in.seekg(-10, std::ios::end);
    CHECK(in.tellg() == std::streampos(99990));
    std::string bytes(100, 0);
    in.read(&bytes[0], 100);
    CHECK(in.gcount() == 10 && in.eof() && !in.bad());
    CHECK(is_resource(99990, bytes.data(), 10));
    in.clear();
    // Small and large reads across the area's border, and relative seeks, keep the position.
    in.seekg(5);
    CHECK(in.get() == static_cast<unsigned char>(byte_at(5)));
    std::string large(40000, 0);
    in.read(&large[0], 40000);
    CHECK(is_resource(6, large.data(), large.size()));
    in.seekg(-40001, std::ios::cur);
    CHECK(in.tellg() == std::streampos(5));
    CHECK(in.get() == static_cast<unsigned char>(byte_at(5)));
    in.unget();
    CHECK(in.get() == static_cast<unsigned char>(byte_at(5)));
    // The other one has its own position.
    CHECK(other.tellg() == std::streampos(0));
    CHECK(other.get() == static_cast<unsigned char>(byte_at(0)));
    in.seekg(-1);
    CHECK(in.fail());
}

static void puts_back()
{
    spoolbuf::buffer buffer(stream{100000});
    spoolbuf::istream in(buffer);
    std::string bytes(50000, 0);
    in.read(&bytes[0], 50000);
    // Across the borders of the areas.
    for (std::uint64_t at = 50000; at-- > 30000;) {
        CHECK(in.unget());
        CHECK(in.peek() == static_cast<unsigned char>(byte_at(at)));
    }
    CHECK(in.tellg() == std::streampos(30000));
    CHECK(in.putback(byte_at(29999)) && in.get() == static_cast<unsigned char>(byte_at(29999)));
    in.seekg(40000);
    CHECK(!in.putback(static_cast<char>(byte_at(39999) + 1)));
    in.clear();
    CHECK(in.tellg() == std::streampos(40000));
    in.seekg(0);
    CHECK(!in.unget());
    in.clear();
    CHECK(in.get() == static_cast<unsigned char>(byte_at(0)));
}

static void knows_what_there_is()
{
    spoolbuf::buffer buffer(stream{1000});
    spoolbuf::istream in(buffer);
    char bytes[2000];
    CHECK(in.rdbuf()->in_avail() == 0);
    CHECK(in.peek() != EOF && in.rdbuf()->in_avail() == 1000);
    CHECK(in.readsome(bytes, sizeof bytes) == 1000 && is_resource(0, bytes, 1000));
    CHECK(in.peek() == EOF);
    in.clear();
    // At the end, and not only without bytes at the moment.
    CHECK(in.readsome(bytes, sizeof bytes) == 0 && in.eof());
    in.clear();
    CHECK(in.sync() == 0);
    in.seekg(10);
    constexpr auto most = std::numeric_limits<std::streamoff>::max();
    in.seekg(most, std::ios::cur);
    CHECK(in.fail());
    in.clear();
    in.seekg(-most, std::ios::cur);
    CHECK(in.fail());
    in.clear();
    CHECK(in.tellg() == std::streampos(10));
    in.seekg(5000);
    CHECK(in.get() == EOF && in.eof() && !in.bad());
}

static void reads_lines()
{
    spoolbuf::buffer buffer(std::istringstream("once upon\na time 17\n"));
    spoolbuf::istream in(buffer);
    std::string line, word;
    int number = 0;
    CHECK(std::getline(in, line) && line == "once upon");
    CHECK(in >> word >> word >> number && word == "time" && number == 17);
}

static void shows_errors_as_bad()
{
    spoolbuf::buffer buffer(stream{100000, 20000});
    spoolbuf::istream in(buffer);
    std::string bytes(100000, 0);
    CHECK(in.get() == static_cast<unsigned char>(byte_at(0)));
    // Not the end; and bytes before the error can still be read.
    in.read(&bytes[0], 100000);
    CHECK(in.bad() && !in.eof());
    in.clear();
    CHECK(in.tellg() == std::streampos(1));
    in.read(&bytes[0], 19999);
    CHECK(in && is_resource(1, bytes.data(), 19999));
    in.read(&bytes[0], 1);
    CHECK(in.bad() && in.gcount() == 0);
    in.clear();
    in.exceptions(std::ios_base::badbit);
    CHECK(caught<mishap>([&] { in.read(&bytes[0], 100000); }));
    in.exceptions(std::ios_base::goodbit);
    in.clear();
    in.seekg(19990);
    CHECK(in.get() == static_cast<unsigned char>(byte_at(19990)));
}

static void stops_alone()
{
    pipe_like pipe(100000);
    spoolbuf::buffer buffer(std::make_unique<std::istream>(&pipe));
    spoolbuf::istream in(buffer), other(buffer);
    in.cancel();
    CHECK(in.get() == EOF && in.bad());
    CHECK(other.get() == static_cast<unsigned char>(byte_at(0)));
    in.clear();
    in.resume();
    CHECK(is_resource(0, rest_of(in).data(), 100000));
}

/* Every byte is buffered, and the loop has no other end. */
static void stops_a_loop()
{
    pipe_like pipe(100000);
    spoolbuf::buffer buffer(std::make_unique<std::istream>(&pipe));
    CHECK(buffer.find_size() == 100000);
    spoolbuf::istream in(buffer);
    std::atomic<int> loops{0};
    std::thread player([&] {
        char bytes[100];
        while (!in.bad()) {
            in.read(bytes, sizeof bytes);
            if (in.eof()) {
                in.clear();
                in.seekg(0);
                loops++;
            }
        }
    });
    while (loops < 3)
        std::this_thread::yield();
    in.cancel();
    player.join();
    in.resume();
    in.clear();
    auto at = static_cast<std::uint64_t>(in.tellg());
    CHECK(at <= 100000 && is_resource(at, rest_of(in).data(), 100000 - at));
}

/// A cancel that comes during a resume is not lost.
static void keeps_a_cancel()
{
    static spoolbuf::istream *resumed;
    pipe_like pipe(100000);
    spoolbuf::buffer buffer(std::make_unique<std::istream>(&pipe));
    CHECK(buffer.find_size() == 100000);
    spoolbuf::istream in(buffer);
    resumed = &in;
    in.cancel();
    in_resume = [] { resumed->cancel(); };
    in.resume();
    in_resume = nullptr;
    CHECK(in.get() == EOF && in.bad());
    in.clear();
    in.resume();
    CHECK(in.get() == static_cast<unsigned char>(byte_at(0)));
}

int main()
{
    reads_from_a_stream();
    tells_an_error_from_the_end();
    reads_a_file();
    finds_the_end(100000);
    finds_the_end(50000);
    finds_the_end(200000);
    finds_the_end(std::nullopt);
    finds_no_end();
    reaches_no_end();
    is_read_as_a_stream();
    puts_back();
    knows_what_there_is();
    reads_lines();
    shows_errors_as_bad();
    stops_alone();
    stops_a_loop();
    keeps_a_cancel();
    std::puts("ok");
}
