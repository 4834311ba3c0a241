// std::istream on both sides: as a source, and over a buffer.
#include "check.hpp"

#include <fstream>
#include <iterator>
#include <sstream>
#include <thread>

/// A streambuf that can't seek and delivers a little at a time.
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

    // Past its end at first: no error, and the rest is still to be had.
    spoolbuf::buffer past(std::istringstream(resource(0, 1000000)));
    CHECK(past.read(5000000, 1).empty());
    auto middle = past.read(400000, 10);
    CHECK(middle.size() == 10 && is_resource(400000, middle.data(), 10));

    // From where it stands.
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
    pipe_like pipe(100000, 5000);
    std::istream failing(&pipe);
    spoolbuf::buffer buffer(failing);
    CHECK(buffer.read(std::uint64_t(0), std::size_t(6000)).size() == 5000);
    // The stream swallowed the exception of its streambuf, as streams do.
    CHECK(caught<std::ios_base::failure>([&] { buffer.read(5000, 1); }));

    pipe_like second(100000, 5000);
    std::istream loud(&second);
    loud.exceptions(std::ios_base::badbit);
    spoolbuf::buffer loud_buffer(loud);
    CHECK(caught<mishap>([&] { loud_buffer.read(5000, 1); }));
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
    // Small and large reads over the area's border, and relative seeks, keep the place.
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
    // The other one has its own place.
    CHECK(other.tellg() == std::streampos(0));
    CHECK(other.get() == static_cast<unsigned char>(byte_at(0)));
    in.seekg(-1);
    CHECK(in.fail());
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
    in.read(&bytes[0], 100000);
    CHECK(in.gcount() == 20000 && is_resource(0, bytes.data(), 20000));
    in.clear();
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

int main()
{
    reads_from_a_stream();
    tells_an_error_from_the_end();
    is_read_as_a_stream();
    reads_lines();
    shows_errors_as_bad();
    stops_alone();
    std::puts("ok");
}
