// What the programs in this folder share: a check that names its line, and data that is a function
// of its offset.
#ifndef CHECK_HPP
#define CHECK_HPP

#include <spoolbuf.hpp>

#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>

#define CHECK(what)                                                                                \
    do {                                                                                           \
        if (!(what)) {                                                                             \
            std::fprintf(stderr, "%s:%d: FAILED: %s\n", __FILE__, __LINE__, #what);                \
            std::_Exit(1);                                                                         \
        }                                                                                          \
    } while (0)

inline char byte_at(std::uint64_t offset)
{
    return static_cast<char>((offset + 1) * UINT64_C(0x9e3779b97f4a7c15) >> 56);
}

inline std::string resource(std::uint64_t offset, std::size_t length)
{
    std::string bytes(length, 0);
    for (std::size_t at = 0; at < length; at++)
        bytes[at] = byte_at(offset + at);
    return bytes;
}

inline bool is_resource(std::uint64_t offset, const void *bytes, std::size_t length)
{
    return resource(offset, length) == std::string(static_cast<const char *>(bytes), length);
}

/// What a test throws from a source: an exception that no library knows.
struct mishap {
    int number;
};

/// A forward-only source as a callable: `size` bytes, then the end; throws at `fails_at`.
struct stream {
    std::uint64_t size;
    std::uint64_t fails_at = UINT64_MAX;
    std::uint64_t at = 0;

    std::size_t operator()(void *out, std::size_t capacity)
    {
        std::uint64_t count = std::min<std::uint64_t>({capacity, size - at, 1000});
        if (at < fails_at)
            count = std::min(count, fails_at - at);
#ifdef __cpp_exceptions
        else if (at == fails_at)
            throw mishap{42};
#endif
        std::string bytes = resource(at, static_cast<std::size_t>(count));
        std::copy(bytes.begin(), bytes.end(), static_cast<char *>(out));
        at += count;
        return static_cast<std::size_t>(count);
    }
};

#ifdef __cpp_exceptions
/// The exception of this type that `work` throws, if it does.
template <class Thrown, class Work> std::optional<Thrown> caught(Work &&work)
{
    try {
        work();
    } catch (const Thrown &thrown) {
        return thrown;
    } catch (...) {
    }
    return std::nullopt;
}

/// The error with which `work` fails.
template <class Work> std::error_code failure(Work &&work)
{
    auto thrown = caught<std::system_error>(work);
    return thrown ? thrown->code() : std::error_code();
}
#endif

#endif
