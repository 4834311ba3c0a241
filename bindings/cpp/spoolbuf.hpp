/*
 * spoolbuf for C++17 (and a little nicer in C++20): a stream that arrives once, readable anywhere.
 *
 *     spoolbuf::buffer film(std::ifstream("/dev/stdin"));
 *     film.read(1000, bytes);                                 // any array, vector, string; blocks
 *     spoolbuf::reader reader = film.reader();                // has its own position
 *     spoolbuf::istream in(film);                             // the same as a std::istream
 *     film.save("whole.mp4");
 *
 * Header only. It needs spoolbuf.h beside it, and the library to link. spoolbuf.h is the manual: what it
 * says about blocking, and about which thread calls the source, holds here too.
 *
 * SOURCES
 *
 *   A source is moved (or copied) into the buffer. It is destroyed, on any thread, once no more bytes
 *   can be requested from it. The destructor of a buffer does not wait for a read of the source that
 *   runs on another thread, a helper's, say. So what a source refers to must live until the source is
 *   destroyed: let it own that, by a std::shared_ptr, for example. It is one of these:
 *     - a callable that takes room for bytes and returns how many it wrote, 0 at the end:
 *       std::size_t (void *, std::size_t). The pointer may also be std::byte *, unsigned char * or
 *       char *; in C++20 a std::span<std::byte> may replace both arguments. The last argument may be
 *       a std::error_code &.
 *     - an object whose member `read` is such a callable. Three more members are optional.
 *       `seek(std::uint64_t)` makes the next read deliver from that offset. It may return void, a bool
 *       (false is a failure) or a number (< 0 is a failure), and may take a std::error_code &.
 *       `size()` returns the size of the resource once the source knows it, as a std::optional or as a
 *       number (< 0: not known yet). It is called after each read until then, unless options::size is set.
 *       `cancel()` makes a blocked read return soon. Any thread may call it. If it only ends the call that
 *       is running, add `static constexpr bool interruptible = true;`: a canceled reader then does not
 *       wait for the source, and a stalled source is left for a read elsewhere (SB_SOURCE_INTERRUPTIBLE).
 *     - a std::istream. A temporary is moved in, a std::unique_ptr is owned, and an lvalue must
 *       outlive the source. It can seek if its tellg() works. Open files with std::ios::binary. std::cin
 *       delivers one byte at a time unless std::ios::sync_with_stdio(false) was called first.
 *
 *   A source reports a failure by an exception, by the std::error_code, or by a negative result. These
 *   results have a meaning of their own:
 *     - canceled: spoolbuf::canceled, SB_SOURCE_CANCELED, or a std::system_error or error code equal to
 *       std::errc::operation_canceled. The source obeyed a cancel. If it has no bytes yet, it reports
 *       the same, or operation_would_block.
 *     - can't seek: std::errc::not_supported or SB_SOURCE_UNSUPPORTED from `seek`. The source only goes
 *       forward from then on.
 *   Any other failure of a seek is the error of the read that needed it. The source's position must then be
 *   unchanged, and the next read tries again.
 *
 * CACHES
 *
 *   A cache keeps many resources under one budget. Its opener finds the resource of a key; a reader keeps
 *   its bytes.
 *
 *     spoolbuf::cache cache([](std::string_view key, std::uint64_t) -> spoolbuf::resource {
 *         return {std::ifstream(std::string(key), std::ios::binary)};
 *     });
 *     spoolbuf::istream in(cache.open("film.mp4"));
 *
 *   What the opener and the sources throw is rethrown, as for a buffer. The codes of sources that C gets,
 *   in a log, for example, are then numbers of this header.
 *
 * ERRORS
 *
 *   Functions throw. With a std::error_code argument they set that instead, and never throw.
 *   They throw spoolbuf::error, a std::system_error with spoolbuf::category(). what() contains the
 *   operation, the path and the system's own words, if they are known. A cancellation is spoolbuf::canceled, which is
 *   derived from it. Codes compare equal to std::errc: canceled to operation_canceled, timeout to
 *   timed_out, disk_full to no_space_on_device, and so on.
 *
 *   An exception of any type that the source throws is rethrown, unchanged, by each read that reaches
 *   that offset, on any thread, until retry() or resume(). Concurrent reads throw the same object. With
 *   a std::error_code the error is errc::source, and source_exception() returns the exception. An error
 *   code that the source sets is reported unchanged in both ways.
 *
 *   reopen() replaces the source by another one of the same bytes. Its exceptions then take the place of
 *   the old one's.
 *
 *   Without exceptions (-fno-exceptions, with -fno-rtti or without), the functions that take a
 *   std::error_code remain, and those that can't fail. A std::istream over a buffer is bad() after an
 *   error.
 *
 * PARAMETERS
 *
 *   A function without a std::error_code has the comment of the one with it. These names mean the same everywhere:
 *
 *   parameter     meaning
 *   code          set if the call fails, and cleared otherwise
 *   off           the offset in the resource, in bytes from its start
 *   out           where the bytes go
 *   len           how many bytes, at most
 *   bytes         the bytes to push
 *   limit         how long to wait at most, any std::chrono::duration
 *   how           the options
 *   which         the flags
 *   source        the source, see SOURCES
 *   opener        the opener, see CACHES
 *   from          the buffer or the reader to read from
 *   whence        the origin: SB_SEEK_SET, _CUR, _END or _LIVE
 *   key           the key, of 1 to 4,096 bytes
 *   ready         the function to call
 *   path          the path of the file
 *   progress      the function that is told of the progress: (done, total) or (done)
 *   size          the size of the resource in bytes; nothing: unknown
 *   declared      the declared size of the resource in bytes; nothing: unknown
 *   tag           a number that stands for the bytes, as in sb_opened
 *   ahead         how many bytes to keep buffered
 *   max           the memory limit in bytes
 *   max_memory    how many bytes of memory may be used
 *   max_disk      how many bytes of disk space may be used
 *   handle        the handle of the C API
 *   why           the negative code of the failure
 *   log           the function that receives the messages
 *   level         the least important level that it receives
 *
 * THREADS
 *
 *   A buffer's and a cache's member functions, including reset(), may be called from any thread at any
 *   time. The exceptions are moving from it, assigning to it and the destructor. A reader, a streambuf and an istream
 *   are for one thread each; any thread may call their cancel() and resume().
 *   Readers do not keep their buffer alive: after it is gone, their calls fail with errc::invalid.
 */
#ifndef SPOOLBUF_HPP
#define SPOOLBUF_HPP

#if __cplusplus < 201703L && (!defined(_MSVC_LANG) || _MSVC_LANG < 201703L)
#error "spoolbuf.hpp needs C++17; spoolbuf.h does not"
#endif

#include "spoolbuf.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <filesystem>
#include <functional>
#include <ios>
#include <istream>
#include <iterator>
#include <limits>
#include <list>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <streambuf>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#if __has_include(<version>)
#include <version>
#endif
#ifdef __cpp_lib_span
#include <span>
#endif

/* One object for all libraries of a process, even if they hide their symbols. */
#if defined(__GNUC__)
#define SPOOLBUF_SHARED __attribute__((visibility("default")))
#else
#define SPOOLBUF_SHARED
#endif

#ifdef __cpp_exceptions
#define SPOOLBUF_THROWS 1
#else
#define SPOOLBUF_THROWS 0
#endif

namespace spoolbuf {

/// The status codes of spoolbuf.h as an error code enum.
enum class errc : int {
    invalid = SB_ERR_INVALID,
    source = SB_ERR_SOURCE,
    io = SB_ERR_IO,
    disk_full = SB_ERR_DISK_FULL,
    no_memory = SB_ERR_NO_MEMORY,
    canceled = SB_ERR_CANCELED,
    timeout = SB_ERR_TIMEOUT,
    reentrant = SB_ERR_REENTRANT,
    unknown_size = SB_ERR_UNKNOWN_SIZE,
    unsupported = SB_ERR_UNSUPPORTED,
    exists = SB_ERR_EXISTS,
    size = SB_ERR_SIZE,
    panic = SB_ERR_PANIC,
    ended_short = SB_ERR_SHORT,
    lapped = SB_ERR_LAPPED,
};

namespace detail {

class SPOOLBUF_SHARED category_type final : public std::error_category {
public:
    const char *name() const noexcept override { return "spoolbuf"; }

    std::string message(int code) const override { return sb_strerror(code); }

    std::error_condition default_error_condition(int code) const noexcept override
    {
        switch (static_cast<errc>(code)) {
        case errc::invalid: return std::errc::invalid_argument;
        case errc::source:
        case errc::io: return std::errc::io_error;
        case errc::disk_full: return std::errc::no_space_on_device;
        case errc::no_memory: return std::errc::not_enough_memory;
        case errc::canceled: return std::errc::operation_canceled;
        case errc::timeout: return std::errc::timed_out;
        case errc::reentrant: return std::errc::resource_deadlock_would_occur;
        case errc::unsupported: return std::errc::not_supported;
        case errc::exists: return std::errc::file_exists;
        default: return {code, *this};
        }
    }
};

} // namespace detail

/// The category of this library's error codes.
SPOOLBUF_SHARED inline const std::error_category &category() noexcept
{
    static const detail::category_type instance;
    return instance;
}

/// The error code of a status, for std::error_code.
/// @param code the status.
inline std::error_code make_error_code(errc code) noexcept
{
    return {static_cast<int>(code), category()};
}

} // namespace spoolbuf

template <> struct std::is_error_code_enum<spoolbuf::errc> : std::true_type {};

namespace spoolbuf {

/// The options of a new buffer. The meanings are those of sb_options.
struct options {
    std::optional<std::uint64_t> size;   ///< declared size in bytes, a hint
    std::uint64_t max_memory = SB_MAX_DEFAULT;  ///< most bytes to keep in memory
    std::string spool_dir;               ///< directory of the spool file; empty: the default
    std::uint64_t prefetch = 0;          ///< bytes to keep buffered past the furthest read
    std::optional<std::uint64_t> seek_gap; ///< a gap up to this is read through, see sb_options; nothing: the default
    std::optional<std::uint32_t> read_granularity; ///< fewest bytes to ask the source for; nothing: the default
    std::uint64_t prefetch_low = 0;      ///< the prefetch refills below this; 0: half of what it keeps
    void (*thread_begin)(void *) = nullptr; ///< called on the helper thread before it calls the source
    void (*thread_end)(void *) = nullptr;   ///< called as that thread's last act, maybe after the buffer's end
    void *thread_opaque = nullptr;          ///< passed to both; must outlive that thread
    std::uint64_t ahead = 0;             ///< of a push_buffer: most bytes past the furthest read; 0: no limit
    std::uint64_t window = 0;            ///< bytes to keep behind the newest; 0: all, see sb_options
    bool memory_when_full = false;       ///< on a full disk, go on in memory instead of failing
    sb_on_short on_short = SB_SHORT_END; ///< an end before the declared size: the end, or an error
    bool trust_size = false;             ///< the declared size is a fact, see SB_SIZE_TRUSTED
};

/// The options of a save: sb_save_flag values, ORed together, or more of sb_save_options.
struct save_options {
    /// The default options, with these flags.
    save_options(std::uint32_t which = 0) noexcept : flags(which) {}

    std::uint32_t flags;                    ///< sb_save_flag values, ORed together
    std::chrono::milliseconds timeout{0};   ///< for the whole save; 0 or less: no limit
    std::uint32_t mode = 0;                 ///< permission bits of the file; 0: the default mode
};

/// Receives messages about the buffers, for set_log(). Called on any thread, by several at a time. Must not throw.
using log_function = std::function<void(sb_log_level, const char *message)>;

namespace detail {

inline void call_log(void *opaque, std::uint32_t level, const char *message) noexcept
{
    (*static_cast<log_function *>(opaque))(static_cast<sb_log_level>(level), message);
}

} // namespace detail

/// Sets the function that receives messages about the buffers of this process; an empty one for none. See
/// sb_set_log(). The function before is destroyed, so this must not be called from inside one.
SPOOLBUF_SHARED inline void set_log(log_function log, sb_log_level level, std::error_code &code) noexcept
{
    static std::mutex lock;
    static log_function *current = nullptr;
    const bool wanted = static_cast<bool>(log);
    log_function *next = wanted ? new (std::nothrow) log_function(std::move(log)) : nullptr;
    int status = SB_ERR_NO_MEMORY;
    if (next || !wanted) {
        std::lock_guard<std::mutex> guard(lock);
        status = sb_set_log(next ? detail::call_log : nullptr, next, static_cast<std::uint32_t>(level));
        if (status == SB_OK)
            std::swap(current, next);
    }
    code.assign(status, category());
    // Without the lock: what the function owns may set another one when it is destroyed.
    delete next;
}

#if SPOOLBUF_THROWS
SPOOLBUF_SHARED inline void set_log(log_function log, sb_log_level level = SB_LOG_WARN)
{
    std::error_code code;
    set_log(std::move(log), level, code);
    if (code)
        throw std::system_error(code, "spoolbuf");
}
#endif

/// A snapshot of a buffer.
using stats = sb_stats;

/// A range of bytes: from `start` up to, but not including, `end`.
using range = sb_range;

#if SPOOLBUF_THROWS
/// Thrown by functions that fail; has the system's error, if there was one.
class SPOOLBUF_SHARED error : public std::system_error {
public:
    /// An error without more details.
    /// @param code the error code.
    explicit error(std::error_code code) : std::system_error(code) {}

    /// An error with its details.
    /// @param code      the error code.
    /// @param text      the whole of what(); if it is empty, what() is the code's message.
    /// @param system    the error code of the system or the source.
    /// @param path      the file or directory.
    /// @param operation what the call was doing.
    /// @param offset    where in the resource.
    error(std::error_code code, std::string text, std::error_code system, std::string path,
          sb_operation operation, std::optional<std::uint64_t> offset)
        : std::system_error(code, "spoolbuf"), text_(std::move(text)), system_(system),
          path_(std::move(path)), operation_(operation), offset_(offset)
    {
    }

    /// One line: the operation, the path, and the system's own words, as far as they are known.
    const char *what() const noexcept override
    {
        return text_.empty() ? std::system_error::what() : text_.c_str();
    }

    /// What the call was doing when it failed.
    sb_operation operation() const noexcept { return operation_; }

    /// The offset in the resource of the first byte that could not be read or written, if it is known.
    const std::optional<std::uint64_t> &offset() const noexcept { return offset_; }

    /// The error code of the system or the source; empty if there was none.
    const std::error_code &system_code() const noexcept { return system_; }

    /// The file or directory that the error concerns; empty if unknown.
    const std::string &path() const noexcept { return path_; }

private:
    std::string text_;
    std::error_code system_;
    std::string path_;
    sb_operation operation_ = SB_OP_NONE;
    std::optional<std::uint64_t> offset_;
};

/// A call was canceled. A source throws this to report that it obeyed a cancel.
class SPOOLBUF_SHARED canceled : public error {
public:
    /// What a source throws.
    canceled() : error(errc::canceled) {}
};
#endif

namespace detail {

inline std::error_code code_of(std::int64_t status) noexcept
{
    return {static_cast<int>(status), category()};
}

/// The sources' last failure. Shared by the sources and their readers, since either may be destroyed first.
class fault {
public:
    struct cause {
        std::error_code code = {};
#if SPOOLBUF_THROWS
        std::exception_ptr thrown = nullptr;
#endif
    };

    fault() noexcept = default;
    fault(const fault &) = delete;
    fault &operator=(const fault &) = delete;
    virtual ~fault() = default;

    /// Stores the cause of a callback's failure, and returns the code that C gets: `result`, if that fits.
    /// `turn` is the source's: one that was replaced has no say any more.
    virtual int keep(unsigned turn, std::int64_t result, cause why) noexcept
    {
        // A code that does not fit has no meaning of its own.
        if (!is_special(result) && (result >= 0 || result < SB_SOURCE_UNSUPPORTED))
            result = -1;
        // The previous cause is destroyed after the guard, since its destructor may run arbitrary code.
        std::lock_guard<std::mutex> guard(lock_);
        if (turn >= turn_) {
            turn_ = turn;
            std::swap(slot(result), why);
        }
        return static_cast<int>(result);
    }

    /// The cause of the failure for which the source returned this code. The library itself finds that
    /// a source delivers another resource.
    virtual cause get(std::int64_t source_error) noexcept
    {
        if (source_error == SB_SOURCE_MISMATCH)
            return {};
        std::lock_guard<std::mutex> guard(lock_);
        return slot(source_error);
    }

    /// A source was destroyed.
    virtual void closed(unsigned turn) noexcept { (void)turn; }

    /// The turn of one more source, which replaces the one before it.
    unsigned next_turn() noexcept
    {
        std::lock_guard<std::mutex> guard(lock_);
        return ++last_turn_;
    }

    /// Forgets the failures of the sources before this turn's.
    void forget_before(unsigned turn) noexcept
    {
        // Destroyed after the guard.
        cause failed, gave_up, can_not_seek;
        std::lock_guard<std::mutex> guard(lock_);
        if (turn_ < turn) {
            turn_ = turn;
            std::swap(failed_, failed);
            std::swap(gave_up_, gave_up);
            std::swap(can_not_seek_, can_not_seek);
        }
    }

protected:
    static bool is_special(std::int64_t result) noexcept
    {
        return result == SB_SOURCE_CANCELED || result == SB_SOURCE_UNSUPPORTED;
    }

    std::mutex lock_;

private:
    cause &slot(std::int64_t result) noexcept
    {
        return result == SB_SOURCE_CANCELED      ? gave_up_
            : result == SB_SOURCE_UNSUPPORTED ? can_not_seek_
                                                 : failed_;
    }

    cause failed_, gave_up_, can_not_seek_;
    unsigned last_turn_ = 0; ///< of the last source that was made
    unsigned turn_ = 0;      ///< of the source that failed last
};

using faults = std::shared_ptr<fault>;

/// The source's own error behind a status, if there is one. Unsupported: the bytes lie before the current
/// position of a source that can't seek, and that may have thrown to say so.
inline fault::cause cause_of(std::int64_t status, sb_buffer *handle, const faults &from) noexcept
{
    sb_stats facts;
    if (!from || (status != SB_ERR_SOURCE && status != SB_ERR_UNSUPPORTED))
        return {};
    if (status == SB_ERR_UNSUPPORTED)
        return from->get(SB_SOURCE_UNSUPPORTED);
    return from->get(sb_stat(handle, &facts, sizeof facts) == SB_OK ? facts.source_error : 0);
}

/// Returns the count, or 0 and sets the code if `result` is an error.
inline std::uint64_t settled(std::int64_t result, sb_buffer *handle, const faults &from,
                             std::error_code &code) noexcept
{
    code.clear();
    if (result >= 0)
        return static_cast<std::uint64_t>(result);
    code = cause_of(result, handle, from).code;
    if (!code)
        code = code_of(result);
    return 0;
}

#if SPOOLBUF_THROWS
/// An sb_error, with space for its path.
class details {
public:
    details() noexcept
    {
        sb_error_init(&error, sizeof error);
        error.path = path_.data();
        error.path_cap = path_.size();
        path_[0] = 0;
    }

    details(const details &) = delete;
    details &operator=(const details &) = delete;

    /// Fills it for a call that has no sb_error of its own, from its buffer's stats.
    void guess(std::int64_t status, sb_buffer *handle) noexcept
    {
        sb_stats facts;
        error.status = static_cast<std::int32_t>(status);
        if (sb_stat(handle, &facts, sizeof facts) != SB_OK)
            return;
        if (status == SB_ERR_SOURCE) {
            error.source = facts.source_error;
            // A failed seek is the error of one read alone.
            error.operation = facts.status == SB_ERR_SOURCE ? SB_OP_SOURCE_READ : SB_OP_SOURCE_SEEK;
        } else if (status == SB_ERR_IO || status == SB_ERR_DISK_FULL) {
            error.system = facts.system_error;
            error.operation = facts.system_operation;
            std::int64_t length = sb_spool_dir(handle, path_.data(), path_.size());
            error.path_len = length > 0 ? static_cast<std::size_t>(length) : 0;
        }
    }

    std::string path() const
    {
        return {path_.data(), (std::min)(error.path_len, path_.size() - 1)};
    }

    std::string text() const
    {
        std::string line(static_cast<std::size_t>(sb_error_text(&error, nullptr, 0)), ' ');
        sb_error_text(&error, line.data(), line.size() + 1);
        return line;
    }

    sb_error error;

private:
    std::array<char, 4096> path_;
};

/// The error code of the system or the source, if it is known.
inline std::error_code said_by_system(const sb_error &error)
{
    if (error.system != 0)
        return {error.system, std::system_category()};
    // Sources return -errno, if they return a known code at all. Those that don't return -1.
    if (error.status == SB_ERR_SOURCE && error.source < -1 && error.source > -4096)
        return {static_cast<int>(-error.source), std::generic_category()};
    return {};
}

/// Throws the exception for a failed call: the source's own exception, if it threw one.
[[noreturn]] inline void raise(const details &known, sb_buffer *handle, const faults &from)
{
    std::int32_t status = known.error.status;
    if (status == SB_ERR_NO_MEMORY)
        throw std::bad_alloc();
    if (status == SB_ERR_CANCELED)
        throw canceled();
    fault::cause cause = cause_of(status, handle, from);
    if (cause.thrown)
        std::rethrow_exception(cause.thrown);
    std::error_code code = cause.code ? cause.code : code_of(status);
    std::error_code system = said_by_system(known.error);
    std::string text;
    // A code that the source set says it best itself.
    if (known.error.operation != SB_OP_NONE && !cause.code) {
        text = known.text();
        if (status == SB_ERR_SOURCE && system)
            text += ": " + system.message();
    }
    std::optional<std::uint64_t> offset;
    if (known.error.offset != SB_SIZE_UNKNOWN)
        offset = known.error.offset;
    throw error(code, std::move(text), system, known.path(),
                static_cast<sb_operation>(known.error.operation), offset);
}

[[noreturn]] inline void raise(std::int64_t status, sb_buffer *handle, const faults &from)
{
    details known;
    known.guess(status, handle);
    raise(known, handle, from);
}

inline std::uint64_t checked(std::int64_t result, sb_buffer *handle, const faults &from)
{
    if (result < 0)
        raise(result, handle, from);
    return static_cast<std::uint64_t>(result);
}

/// The same for a call of a reader, which knows more of its failure.
inline std::uint64_t checked(std::int64_t result, const sb_reader *reader, sb_buffer *handle,
                             const faults &from)
{
    details known;
    if (result < 0 && sb_reader_error(reader, &known.error) == SB_OK && known.error.status == result)
        raise(known, handle, from);
    return checked(result, handle, from);
}
#endif

/// Milliseconds, rounded up, from any duration. Computed in floating point, since hours can overflow an
/// integer number of milliseconds.
template <class Rep, class Period>
std::int64_t milliseconds(std::chrono::duration<Rep, Period> limit) noexcept
{
    double ms = std::ceil(std::chrono::duration<double, std::milli>(limit).count());
    return ms < 9e18 ? static_cast<std::int64_t>(ms > 0 ? ms : 0) : -1;
}

/// Whether bytes can be read into such elements, one byte per element.
template <class Element>
constexpr bool room_for =
    !std::is_const_v<Element> && std::is_trivially_copyable_v<Element> && sizeof(Element) == 1;

template <class Room>
using element_of = std::remove_pointer_t<decltype(std::data(std::declval<Room &>()))>;

template <class Room> using size_of = decltype(std::size(std::declval<Room &>()));

template <class Room, class = void> constexpr bool is_room = false;
template <class Room>
constexpr bool is_room<Room, std::void_t<element_of<Room>, size_of<Room>>> =
    room_for<element_of<Room>>;

#ifdef __cpp_lib_span
template <class Room> constexpr bool is_span = false;
template <class Element, std::size_t Extent>
constexpr bool is_span<std::span<Element, Extent>> = true;

template <class Callable, class... More>
constexpr bool takes_span = std::is_invocable_v<Callable &, std::span<std::byte>, More...>;
#else
template <class Room> constexpr bool is_span = false;
template <class Callable, class... More> constexpr bool takes_span = false;
#endif

/// An array, a vector, a string or any other contiguous bytes; spans have their own functions.
template <class Room>
using if_room = std::enable_if_t<is_room<std::remove_reference_t<Room>>
                                 && !is_span<std::decay_t<Room>>>;

template <class Callable, class Byte, class... More>
constexpr bool takes = std::is_invocable_v<Callable &, Byte *, std::size_t, More...>;

template <class Callable, class... More>
constexpr bool takes_any = takes_span<Callable, More...> || takes<Callable, std::byte, More...>
    || takes<Callable, unsigned char, More...> || takes<Callable, char, More...>;

/// Asks a callable for bytes, with the pointer type and the further arguments that it takes.
template <class Callable, class... More>
std::int64_t ask_with(Callable &callable, void *out, std::size_t capacity, More &...more)
{
    auto with = [&](auto... room) {
        return static_cast<std::int64_t>(std::invoke(callable, room..., more...));
    };
    if constexpr (takes_span<Callable, More &...>) {
#ifdef __cpp_lib_span
        return with(std::span(static_cast<std::byte *>(out), capacity));
#endif
    } else if constexpr (takes<Callable, std::byte, More &...>) {
        return with(static_cast<std::byte *>(out), capacity);
    } else if constexpr (takes<Callable, unsigned char, More &...>) {
        return with(static_cast<unsigned char *>(out), capacity);
    } else {
        static_assert(takes<Callable, char, More &...>,
                      "a source takes (void *, std::size_t), or has a member `read` that does");
        return with(static_cast<char *>(out), capacity);
    }
}

template <class Callable>
std::int64_t ask(Callable &callable, void *out, std::size_t capacity, std::error_code &code)
{
    if constexpr (!takes_any<Callable> && takes_any<Callable, std::error_code &>)
        return ask_with(callable, out, capacity, code);
    else
        return ask_with(callable, out, capacity);
}

/// A source's member `read` as a callable; not invocable if there is no such member.
template <class Source> struct reading {
    Source &source;

    template <class From = Source, class... Room>
    auto operator()(Room &&...room) const
        -> decltype(std::declval<From &>().read(std::forward<Room>(room)...))
    {
        return source.read(std::forward<Room>(room)...);
    }
};

template <class Source, class Reading = reading<Source>>
constexpr bool has_read = takes_any<Reading> || takes_any<Reading, std::error_code &>;

template <class Source> using seek_of = decltype(std::declval<Source &>().seek(std::uint64_t()));
template <class Source>
using seek_with_of = decltype(std::declval<Source &>().seek(std::uint64_t(),
                                                            std::declval<std::error_code &>()));

/// What a source's `size()` returned, as a C result: < 0 if the size is not known.
template <class Size>
std::enable_if_t<std::is_integral_v<Size>, std::int64_t> size_result(const Size &size)
{
    if constexpr (std::is_signed_v<Size>)
        return size;
    else
        return size > std::uint64_t(INT64_MAX) ? -1 : static_cast<std::int64_t>(size);
}

template <class Size>
std::enable_if_t<std::is_integral_v<Size>, std::int64_t> size_result(const std::optional<Size> &size)
{
    return size ? size_result(*size) : -1;
}

template <class Source>
using total_of = decltype(size_result(std::declval<Source &>().size()));
template <class Source> using cancel_of = decltype(std::declval<Source &>().cancel());
template <class Source> using interruptible_of = std::enable_if_t<bool(Source::interruptible)>;
template <class Source> using can_seek_of = decltype(std::declval<Source &>().can_seek());

/// Whether a source has such a member.
template <template <class> class Member, class Source, class = void>
constexpr bool has = false;
template <template <class> class Member, class Source>
constexpr bool has<Member, Source, std::void_t<Member<Source>>> = true;

template <class Source>
constexpr bool has_seek = has<seek_of, Source> || has<seek_with_of, Source>;

/// The result of a seek as a C code: < 0 if it failed.
template <class Seek> std::int64_t seek_result(Seek &&seek)
{
    using result = std::invoke_result_t<Seek>;
    if constexpr (std::is_same_v<result, bool>) {
        return seek() ? 0 : -1;
    } else if constexpr (std::is_integral_v<result>) {
        return static_cast<std::int64_t>(seek());
    } else {
        seek();
        return 0;
    }
}

/// A std::istream as a source; Holder points to it and may own it.
/// Reads from its streambuf, so that the streambuf's exceptions propagate whatever exceptions() is set to.
template <class Holder> class stream_source {
public:
    explicit stream_source(Holder holder) : stream_(std::move(holder))
    {
        if (is_usable() && stream_->good())
            start_ = stream_->rdbuf()->pubseekoff(0, std::ios_base::cur, std::ios_base::in);
    }

    bool is_usable() const { return stream_ != nullptr && stream_->rdbuf() != nullptr; }

    bool can_seek() const { return start_ >= 0; }

    std::int64_t read(char *out, std::size_t capacity, std::error_code &code)
    {
        std::streambuf &bytes = *stream_->rdbuf();
        if (lost_ && !go(place_)) {
            code = std::make_error_code(std::io_errc::stream);
            return 0;
        }
        lost_ = false;
        // The first byte may block. The bytes that arrived with it are taken; no others are waited for.
        auto first = past_end_ ? traits::eof() : bytes.sbumpc();
        if (first == traits::eof()) {
            // A stream that could not be opened is not at its end: that is an error.
            if (stream_->bad() || (stream_->fail() && !stream_->eof()))
                refuse(code);
            return 0;
        }
        *out = traits::to_char_type(first);
        // A negative count is a guess that there are no more bytes: the next call finds out.
        std::streamsize more = bytes.in_avail();
        if (more > 0 && static_cast<std::uint64_t>(more) >= capacity)
            more = static_cast<std::streamsize>(capacity) - 1;
        std::streamsize count = 1 + (more > 0 ? bytes.sgetn(out + 1, more) : 0);
        place_ += static_cast<std::uint64_t>(count);
        return count;
    }

    bool seek(std::uint64_t offset)
    {
        bool was_past_end = past_end_;
        if (go(offset)) {
            place_ = offset;
            lost_ = false;
            return true;
        }
        // Its position is now unknown; the next read seeks back to the old one.
        lost_ = true;
        past_end_ = was_past_end;
        return false;
    }

private:
    using traits = std::istream::traits_type;

    bool go(std::uint64_t offset)
    {
        std::streambuf &bytes = *stream_->rdbuf();
        // There are no bytes past the largest offset of a stream.
        auto most = (std::numeric_limits<std::streamoff>::max)() - start_;
        past_end_ = offset > static_cast<std::uint64_t>(most);
        if (past_end_)
            return true;
        std::streamoff to = static_cast<std::streamoff>(offset) + start_;
        if (bytes.pubseekpos(to, std::ios_base::in) == std::streampos(to))
            return true;
        // Some streams refuse an offset past their end, others accept it.
        std::streamoff end = bytes.pubseekoff(0, std::ios_base::end, std::ios_base::in);
        past_end_ = end >= 0 && to > end;
        return past_end_;
    }

    static void refuse(std::error_code &code)
    {
#if SPOOLBUF_THROWS
        (void)code;
        throw std::ios_base::failure("the stream can't be read");
#else
        code = std::make_error_code(std::io_errc::stream);
#endif
    }

    Holder stream_;
    std::streamoff start_ = -1;
    std::uint64_t place_ = 0;
    bool past_end_ = false, lost_ = false;
};

/// Moves a stream to the heap, so that its address stays the same when the holder is moved.
template <class Stream> std::unique_ptr<std::istream> hold(Stream &&stream)
{
    if constexpr (std::is_same_v<std::decay_t<Stream>, std::istream>) {
        // A plain std::istream owns nothing and can't be moved: make another one on the same streambuf.
        auto held = std::make_unique<std::istream>(stream.rdbuf());
        held->clear(stream.rdstate());
        return held;
    } else {
        return std::make_unique<std::decay_t<Stream>>(std::forward<Stream>(stream));
    }
}

/// The callback result for a source's error code.
inline std::int64_t meaning_of(const std::error_code &code, bool seeks) noexcept
{
    if (code == std::errc::operation_canceled || code == std::errc::operation_would_block
        || code == std::errc::resource_unavailable_try_again)
        return SB_SOURCE_CANCELED;
    if (seeks && (code == std::errc::not_supported || code == std::errc::operation_not_supported
                  || code == std::errc::invalid_seek))
        return SB_SOURCE_UNSUPPORTED;
    const std::error_category &category = code.category();
    bool is_errno = category == std::generic_category() || category == std::system_category();
    return is_errno && code.value() > 0 ? -std::int64_t(code.value()) : -1;
}

/// The boundary: the user's source behind C callbacks. No exception leaves it.
template <class Source> struct border {
    Source source;
    faults failed;
    unsigned turn = 0;    ///< how many sources the buffer had before
    std::uint64_t at = 0; ///< the source's position
    bool seeks = false;   ///< whether the current call seeks

    /// Seeks the source to `offset`.
    std::int64_t go(std::uint64_t offset, std::error_code &code)
    {
        if (offset == at)
            return 0;
        seeks = true;
        std::int64_t result = SB_SOURCE_UNSUPPORTED;
        if constexpr (has<seek_of, Source>)
            result = seek_result([&] { return source.seek(offset); });
        else if constexpr (has<seek_with_of, Source>)
            result = seek_result([&] { return source.seek(offset, code); });
        if (result >= 0 && !code)
            at = offset;
        return result;
    }

    /// Reads bytes from `offset` on; returns how many.
    std::int64_t bring(std::uint64_t offset, void *out, std::size_t capacity, std::error_code &code)
    {
        seeks = false;
        std::int64_t result = go(offset, code);
        if (result < 0 || code)
            return result;
        seeks = false;
        if constexpr (has_read<Source>) {
            reading<Source> member{source};
            result = ask(member, out, capacity, code);
        } else {
            result = ask(source, out, capacity, code);
        }
        return result;
    }

    int settle(std::int64_t result, std::error_code code, std::size_t capacity,
               std::size_t *count) noexcept
    {
        if (code)
            return failed->keep(turn, meaning_of(code, seeks), {code});
        if (result < 0 || static_cast<std::uint64_t>(result) > capacity)
            return failed->keep(turn, result, {});
        *count = static_cast<std::size_t>(result);
        at += static_cast<std::uint64_t>(result);
        return SB_OK;
    }

    static int pull(void *opaque, std::uint64_t offset, void *out, std::size_t capacity,
                    std::size_t *count) noexcept
    {
        border &self = *static_cast<border *>(opaque);
        std::error_code code;
#if SPOOLBUF_THROWS
        try {
            return self.settle(self.bring(offset, out, capacity, code), code, capacity, count);
        } catch (const std::system_error &thrown) {
            return self.failed->keep(self.turn, meaning_of(thrown.code(), self.seeks),
                                     {{}, std::current_exception()});
        } catch (...) {
            return self.failed->keep(self.turn, -1, {{}, std::current_exception()});
        }
#else
        return self.settle(self.bring(offset, out, capacity, code), code, capacity, count);
#endif
    }

    static std::int64_t size(void *opaque) noexcept
    {
        std::int64_t result = -1;
        if constexpr (has<total_of, Source>) {
#if SPOOLBUF_THROWS
            try {
                result = size_result(static_cast<border *>(opaque)->source.size());
            } catch (...) {
                // Not known: the bytes have arrived, and it is asked for again.
            }
#else
            result = size_result(static_cast<border *>(opaque)->source.size());
#endif
        }
        return result;
    }

    static void cancel(void *opaque) noexcept
    {
        if constexpr (has<cancel_of, Source>) {
#if SPOOLBUF_THROWS
            try {
                static_cast<border *>(opaque)->source.cancel();
            } catch (...) {
                // Nobody can be told: the call that it should have stopped goes on.
            }
#else
            static_cast<border *>(opaque)->source.cancel();
#endif
        }
    }

    static void close(void *opaque) noexcept
    {
        std::unique_ptr<border> self(static_cast<border *>(opaque));
        faults failed = std::move(self->failed);
        unsigned turn = self->turn;
        self.reset();
        if (failed)
            failed->closed(turn);
    }

    /// The C source, which owns this object from sb_new_with() on.
    sb_callback callback()
    {
        bool can = has_seek<Source>;
        if constexpr (has<can_seek_of, Source>)
            can = source.can_seek();
        sb_callback result = {};
        result.pull = pull;
        result.flags = can ? SB_SOURCE_SEEKS : 0;
        if constexpr (has<interruptible_of, Source>)
            result.flags |= SB_SOURCE_INTERRUPTIBLE;
        result.opaque = this;
        result.cancel = has<cancel_of, Source> ? cancel : nullptr;
        result.close = close;
        result.size = has<total_of, Source> ? size : nullptr;
        return result;
    }
};

template <class Source> using is_usable_of = decltype(std::declval<Source &>().is_usable());

template <class Source> auto into_source(Source &&source)
{
    using plain = std::decay_t<Source>;
    if constexpr (std::is_base_of_v<std::istream, plain>) {
        if constexpr (std::is_lvalue_reference_v<Source>)
            return stream_source<std::istream *>(&source);
        else
            return stream_source<std::unique_ptr<std::istream>>(
                hold(std::forward<Source>(source)));
    } else if constexpr (std::is_convertible_v<plain, std::unique_ptr<std::istream>>) {
        return stream_source<std::unique_ptr<std::istream>>(std::forward<Source>(source));
    } else {
        return plain(std::forward<Source>(source));
    }
}

/// A source of the user's at the boundary, on the heap.
template <class Source> auto border_of(Source &&source, faults failed)
{
    using kept = decltype(into_source(std::forward<Source>(source)));
    return std::unique_ptr<border<kept>>(
        new border<kept>{into_source(std::forward<Source>(source)), std::move(failed)});
}

template <class Source> bool is_usable(const border<Source> &made)
{
    if constexpr (has<is_usable_of, Source>)
        return made.source.is_usable();
    else
        return (void)made, true;
}

/// Reports a save's progress to any callable: (done, total) or (done). The total is a std::optional or,
/// as in C, SB_SIZE_UNKNOWN. If it returns false the save stops; if it returns void the save goes on.
template <class Tell> bool report(Tell &tell, std::uint64_t done, std::uint64_t total)
{
    auto with = [&](auto... facts) {
        if constexpr (std::is_void_v<std::invoke_result_t<Tell &, decltype(facts)...>>) {
            std::invoke(tell, facts...);
            return true;
        } else {
            return static_cast<bool>(std::invoke(tell, facts...));
        }
    };
    using maybe = std::optional<std::uint64_t>;
    if constexpr (std::is_invocable_v<Tell &, std::uint64_t, maybe>)
        return with(done, total == SB_SIZE_UNKNOWN ? maybe() : maybe(total));
    else if constexpr (std::is_invocable_v<Tell &, std::uint64_t, std::uint64_t>)
        return with(done, total);
    else
        return with(done);
}

template <class Tell>
constexpr bool is_told = std::is_invocable_v<Tell &, std::uint64_t, std::optional<std::uint64_t>>
    || std::is_invocable_v<Tell &, std::uint64_t, std::uint64_t>
    || std::is_invocable_v<Tell &, std::uint64_t>;

template <class Tell> using if_told = std::enable_if_t<is_told<std::remove_reference_t<Tell>>>;

/// A progress callback and the exception that it threw.
template <class Tell> struct telling {
    Tell &tell;
#if SPOOLBUF_THROWS
    std::exception_ptr thrown = nullptr;
#endif

    static int call(void *opaque, std::uint64_t done, std::uint64_t total) noexcept
    {
        telling &self = *static_cast<telling *>(opaque);
        if constexpr (std::is_constructible_v<bool, Tell &>) {
            if (!static_cast<bool>(self.tell))
                return 0;
        }
#if SPOOLBUF_THROWS
        try {
            return report(self.tell, done, total) ? 0 : 1;
        } catch (...) {
            self.thrown = std::current_exception();
            return 1;
        }
#else
        return report(self.tell, done, total) ? 0 : 1;
#endif
    }
};

/// A path in the encoding that the library takes.
inline std::string path_text(const std::filesystem::path &path)
{
#ifdef _WIN32
    auto text = path.u8string();
    return std::string(text.begin(), text.end());
#else
    return path.native();
#endif
}

} // namespace detail

class reader;
class istream;
class push_buffer;

/// Receives what buffer::when() or push_buffer::when_wanted() waited for: the number of bytes, 0 at the
/// end (EOF), or an error code. See sb_ready_fn: it must not block, and must not throw.
using ready_function = std::function<void(std::uint64_t count, std::error_code code)>;

namespace detail {

/// The functions of the watches, by number. C gets a number and not an address, since a watch that is
/// destroyed inside the function of another one may be called at that moment.
class ready_functions {
public:
    /// Never destroyed: a function may be called until the process ends.
    SPOOLBUF_SHARED static ready_functions &all()
    {
        static ready_functions &only = *new ready_functions;
        return only;
    }

    std::uintptr_t add(ready_function ready)
    {
        auto shared = std::make_shared<ready_function>(std::move(ready));
        std::lock_guard<std::mutex> guard(lock_);
        functions_.emplace(++last_, std::move(shared));
        return last_;
    }

    /// Destroys the function, here or, if it is running, after that.
    void remove(std::uintptr_t number) noexcept
    {
        std::shared_ptr<ready_function> removed;
        std::lock_guard<std::mutex> guard(lock_);
        auto found = functions_.find(number);
        if (found == functions_.end())
            return;
        removed.swap(found->second);
        functions_.erase(found);
    }

    static void call(void *opaque, std::int64_t result) noexcept
    {
        auto ready = all().find(reinterpret_cast<std::uintptr_t>(opaque));
        if (ready)
            (*ready)(result < 0 ? 0 : static_cast<std::uint64_t>(result),
                     result < 0 ? code_of(result) : std::error_code());
    }

private:
    std::shared_ptr<ready_function> find(std::uintptr_t number) noexcept
    {
        std::lock_guard<std::mutex> guard(lock_);
        auto found = functions_.find(number);
        return found == functions_.end() ? nullptr : found->second;
    }

    std::mutex lock_;
    std::uintptr_t last_ = 0;
    std::unordered_map<std::uintptr_t, std::shared_ptr<ready_function>> functions_;
};

} // namespace detail

/// A pending call of a function, made by buffer::when() and push_buffer::when_wanted(). Once it has been
/// destroyed, the function is not running and will not be called. If it is running on another thread, the
/// destructor waits for it, except inside such a function. Owns its sb_watch; movable, not copyable. The
/// buffer may be destroyed before.
class watch {
public:
    /// An empty object, whose function is not called.
    watch() noexcept = default;

    watch(watch &&other) noexcept
        : handle_(std::exchange(other.handle_, nullptr)), number_(std::exchange(other.number_, 0)),
          now_(std::exchange(other.now_, std::nullopt))
    {
    }

    watch &operator=(watch &&other) noexcept
    {
        watch moved(std::move(other));
        std::swap(handle_, moved.handle_);
        std::swap(number_, moved.number_);
        std::swap(now_, moved.now_);
        return *this;
    }

    ~watch() { reset(); }

    /// The number of bytes, if they were ready at once, 0 at the end: then the function is not called.
    const std::optional<std::uint64_t> &now() const noexcept { return now_; }

    /// Frees it now: see sb_watch_free().
    void reset() noexcept
    {
        sb_watch_free(std::exchange(handle_, nullptr));
        if (number_ != 0)
            detail::ready_functions::all().remove(std::exchange(number_, 0));
    }

    /// The handle of the C API; null if no call is pending.
    sb_watch *native_handle() const noexcept { return handle_; }

private:
    friend class buffer;

    /// Returns an error, or 0.
    std::int64_t start(sb_buffer *handle, std::uint64_t off, ready_function &&ready) noexcept
    {
        if (!ready)
            return SB_ERR_INVALID;
#if SPOOLBUF_THROWS
        try {
            number_ = detail::ready_functions::all().add(std::move(ready));
        } catch (...) {
            return SB_ERR_NO_MEMORY;
        }
#else
        number_ = detail::ready_functions::all().add(std::move(ready));
#endif
        auto *opaque = reinterpret_cast<void *>(number_);
        std::int64_t result = sb_when(handle, off, detail::ready_functions::call, opaque, &handle_);
        if (result == SB_ERR_TIMEOUT)
            return 0;
        reset();
        if (result >= 0)
            now_ = static_cast<std::uint64_t>(result);
        return result < 0 ? result : 0;
    }

    sb_watch *handle_ = nullptr;
    std::uintptr_t number_ = 0;
    std::optional<std::uint64_t> now_;
};

/// How a reader reads.
struct reader_options {
    /// Each call fails with errc::timeout after this long, as read_for() does. Nothing: no timeout.
    std::optional<std::chrono::milliseconds> timeout;
    /// Reads what is buffered, or arrives for others before the timeout. Never calls the source and moves
    /// no prefetch; without a timeout it never blocks.
    bool buffered_only = false;
    /// The most bytes by which the position may pass the buffered ones, if the source cannot seek or the
    /// bytes are pushed: a seek further ahead fails with errc::unsupported and leaves the position.
    /// SB_REACH_AUTO suits players and parsers. Nothing: no limit.
    std::optional<std::uint64_t> reach;
};

/// A resource that arrives once, readable anywhere. Owns its sb_buffer; movable, not copyable.
class buffer {
public:
    /// An empty object: every call on it fails with errc::invalid.
    buffer() noexcept = default;

#if SPOOLBUF_THROWS
    /// Creates a buffer over a source. Starts nothing and reads nothing, unless `prefetch` is set.
    template <class Source,
              class = std::enable_if_t<!std::is_same_v<std::decay_t<Source>, buffer>>>
    explicit buffer(Source &&source, const options &how = {})
        : buffer(made_of(std::forward<Source>(source)), how)
    {
    }
#endif

    /// Creates a buffer over a source, as the constructor that throws. On failure the object is empty and the code
    /// is set.
    template <class Source,
              class = std::enable_if_t<!std::is_same_v<std::decay_t<Source>, buffer>>>
    buffer(Source &&source, const options &how, std::error_code &code)
    {
        auto made = made_of(std::forward<Source>(source));
        failed_ = made->failed;
        detail::settled(start(std::move(made), how), nullptr, failed_, code);
    }

    /// Takes ownership of a handle of the C API. Returns the buffer that owns it.
    static buffer adopt(sb_buffer *handle)
    {
        buffer result;
        result.handle_ = handle;
        return result;
    }

    buffer(buffer &&other) noexcept : handle_(other.release()), failed_(std::move(other.failed_)) {}

    buffer &operator=(buffer &&other) noexcept
    {
        // Self-assignment is safe: there is nothing to free then.
        sb_free(handle_.exchange(other.release()));
        failed_ = std::move(other.failed_);
        return *this;
    }

    ~buffer() { reset(); }

    /// Frees the buffer now, from any thread: see sb_free(). Calls that are blocked on other threads fail
    /// with errc::canceled, later calls with errc::invalid.
    void reset() noexcept { sb_free(release()); }

    /// Gives up ownership. Returns the handle.
    sb_buffer *release() noexcept { return handle_.exchange(nullptr); }

    /// The handle of the C API; null for an empty object.
    sb_buffer *native_handle() const noexcept { return handle_; }

    /// Whether it has a buffer.
    explicit operator bool() const noexcept { return handle_ != nullptr; }

    /// Copies the bytes at `[off, off + len)` to `out`. Returns how many: fewer than `len` only if the resource
    /// ends or fails first.
    std::size_t read(std::uint64_t off, void *out, std::size_t len,
                     std::error_code &code) const noexcept
    {
        return settled(sb_read(handle_, off, len, out), code);
    }

    /// Fills an array, a vector, a string and the like. Their size does not change. Returns how many bytes it read.
    template <class Room, class = detail::if_room<Room>>
    std::size_t read(std::uint64_t off, Room &&out, std::error_code &code) const noexcept
    {
        return read(off, std::data(out), std::size(out), code);
    }

    /// Blocks only for the first byte at `off`; returns how many bytes were available, 0 at the end.
    std::size_t read_some(std::uint64_t off, void *out, std::size_t len,
                          std::error_code &code) const noexcept
    {
        return settled(sb_read_some(handle_, off, len, out, -1), code);
    }

    template <class Room, class = detail::if_room<Room>>
    std::size_t read_some(std::uint64_t off, Room &&out, std::error_code &code) const noexcept
    {
        return read_some(off, std::data(out), std::size(out), code);
    }

    /// As read_some(), with a timeout that holds whatever the source does: a helper thread calls the source.
    /// Returns how many bytes were available, 0 at the end. Sets errc::timeout if no byte arrived in time.
    template <class Rep, class Period>
    std::size_t read_for(std::uint64_t off, void *out, std::size_t len,
                         std::chrono::duration<Rep, Period> limit,
                         std::error_code &code) const noexcept
    {
        return settled(sb_read_some(handle_, off, len, out, detail::milliseconds(limit)), code);
    }

    template <class Room, class Rep, class Period, class = detail::if_room<Room>>
    std::size_t read_for(std::uint64_t off, Room &&out, std::chrono::duration<Rep, Period> limit,
                         std::error_code &code) const noexcept
    {
        return read_for(off, std::data(out), std::size(out), limit, code);
    }

    /// Calls `ready` once bytes are available at `off`, instead of blocking a thread, unless they are
    /// available now: see sb_when() and ready_function. Returns the pending call, or the number of bytes in it.
    watch when(std::uint64_t off, ready_function ready, std::error_code &code) const noexcept
    {
        watch made;
        settled(made.start(handle_, off, std::move(ready)), code);
        return made;
    }

    /// Reads the whole resource. Returns its bytes; on an error that a code reports, those before it.
    std::vector<std::byte> read_all(std::error_code &code) const
    {
        std::vector<std::byte> bytes;
        settled(bring_all(bytes), code);
        return bytes;
    }

    /// Reads to the end and writes the whole resource to `path`, atomically.
    /// Returns the number of bytes saved.
    std::uint64_t save(const std::filesystem::path &path, std::error_code &code) const
    {
        return save(path, 0, [](std::uint64_t) {}, code);
    }

    /// As save() with a path only. `how` can be sb_save_flag values. If `progress(done, total)` returns false, the
    /// save stops with errc::canceled. Returns the number of bytes saved.
    template <class Tell, class = detail::if_told<Tell>>
    std::uint64_t save(const std::filesystem::path &path, const save_options &how, Tell &&progress,
                       std::error_code &code) const
    {
        detail::telling<std::remove_reference_t<Tell>> told{progress};
        return settled(save_to(detail::path_text(path), how, told, nullptr), code);
    }

    /// The final size; else the declared size, unless it is disproved; else nothing.
    std::optional<std::uint64_t> size(std::error_code &code) const noexcept
    {
        return if_known(sb_size(handle_), code);
    }

    /// The final size; else the declared size, if `trust_size` is set; else nothing.
    std::optional<std::uint64_t> known_size(std::error_code &code) const noexcept
    {
        return if_known(sb_known_size(handle_), code);
    }

    /// The final size. Reads the source to its end, or seeks it there, if that is necessary.
    std::uint64_t find_size(std::error_code &code) const noexcept
    {
        return settled(sb_find_size(handle_, -1), code);
    }

    /// As find_size() without a timeout. This one holds whatever the source does, as that of read_for(). Returns the
    /// final size. Sets errc::timeout if it did not become known in time.
    template <class Rep, class Period>
    std::uint64_t find_size(std::chrono::duration<Rep, Period> limit,
                            std::error_code &code) const noexcept
    {
        return settled(sb_find_size(handle_, detail::milliseconds(limit)), code);
    }

    /// The number of bytes that can be read at `off` without blocking.
    std::uint64_t buffered(std::uint64_t off, std::error_code &code) const noexcept
    {
        return settled(sb_buffered(handle_, off), code);
    }

    /// Returns a consistent snapshot.
    sb_stats stats(std::error_code &code) const noexcept
    {
        sb_stats out = {};
        settled(sb_stat(handle_, &out, sizeof out), code);
        return out;
    }

    /// Has a helper thread keep `ahead` bytes buffered past the furthest read; SB_PREFETCH_ALL: all; 0 stops it.
    void prefetch(std::uint64_t ahead, std::error_code &code) const noexcept
    {
        settled(sb_prefetch(handle_, ahead), code);
    }

    /// Moves the buffered bytes in memory to the spool file now.
    void spill(std::error_code &code) const noexcept { settled(sb_spill(handle_), code); }

    /// Changes the memory limit, and spills down to it. It applies even if that fails.
    void set_max_memory(std::uint64_t max, std::error_code &code) const noexcept
    {
        settled(sb_set_max_memory(handle_, max), code);
    }

    /// Replaces the source by another one of the same resource: see sb_reopen(). On failure nothing has
    /// changed, and the new source is destroyed. `size` is the declared size, if none is known.
    template <class Source>
    void reopen(Source &&source, std::optional<std::uint64_t> size, std::error_code &code)
    {
        settled(replace(made_of(std::forward<Source>(source)), size), code);
    }

    /// A position in the buffer, with its own cancellation.
    inline spoolbuf::reader reader(std::error_code &code) const noexcept;
    inline spoolbuf::reader reader(const reader_options &how, std::error_code &code) const noexcept;

    /// A std::istream over the buffer. It can't be moved: `auto in = film.stream();`
    inline spoolbuf::istream stream() const;

#if SPOOLBUF_THROWS
    inline spoolbuf::reader reader() const;
    inline spoolbuf::reader reader(const reader_options &how) const;

    std::size_t read(std::uint64_t off, void *out, std::size_t len) const
    {
        return counted(sb_read(handle_, off, len, out));
    }

    template <class Room, class = detail::if_room<Room>>
    std::size_t read(std::uint64_t off, Room &&out) const
    {
        return read(off, std::data(out), std::size(out));
    }

    /// At most `len` bytes at `off`.
    std::vector<std::byte> read(std::uint64_t off, std::size_t len) const
    {
        std::vector<std::byte> bytes(len);
        bytes.resize(read(off, bytes.data(), len));
        return bytes;
    }

    std::vector<std::byte> read_all() const
    {
        std::vector<std::byte> bytes;
        checked(bring_all(bytes));
        return bytes;
    }

    std::size_t read_some(std::uint64_t off, void *out, std::size_t len) const
    {
        return counted(sb_read_some(handle_, off, len, out, -1));
    }

    template <class Room, class = detail::if_room<Room>>
    std::size_t read_some(std::uint64_t off, Room &&out) const
    {
        return read_some(off, std::data(out), std::size(out));
    }

    /// Returns the number of bytes, 0 at the end, or nothing if no byte arrived in time.
    template <class Rep, class Period>
    std::optional<std::size_t> read_for(std::uint64_t off, void *out, std::size_t len,
                                        std::chrono::duration<Rep, Period> limit) const
    {
        std::int64_t count = sb_read_some(handle_, off, len, out, detail::milliseconds(limit));
        if (count == SB_ERR_TIMEOUT)
            return std::nullopt;
        return counted(count);
    }

    /// Reads the available bytes into an array, a vector, a string and the like, with a timeout. Returns the number
    /// of bytes, 0 at the end, or nothing if no byte arrived in time.
    template <class Room, class Rep, class Period, class = detail::if_room<Room>>
    std::optional<std::size_t> read_for(std::uint64_t off, Room &&out,
                                        std::chrono::duration<Rep, Period> limit) const
    {
        return read_for(off, std::data(out), std::size(out), limit);
    }

    watch when(std::uint64_t off, ready_function ready) const
    {
        watch made;
        checked(made.start(handle_, off, std::move(ready)));
        return made;
    }

    /// As read_for(). Returns the number of bytes, 0 at the end, or nothing if no byte arrived in time.
    template <class Rep, class Period>
    std::optional<std::size_t> read_some(std::uint64_t off, void *out, std::size_t len,
                                         std::chrono::duration<Rep, Period> limit) const
    {
        return read_for(off, out, len, limit);
    }

    /// Reads buffered bytes only: never blocks, never calls the source. Returns the number of bytes, 0 at the end,
    /// or nothing if none is buffered there.
    std::optional<std::size_t> read_now(std::uint64_t off, void *out, std::size_t len) const
    {
        return read_for(off, out, len, std::chrono::milliseconds(0));
    }

    template <class Room, class = detail::if_room<Room>>
    std::optional<std::size_t> read_now(std::uint64_t off, Room &&out) const
    {
        return read_now(off, std::data(out), std::size(out));
    }

#ifdef __cpp_lib_span
    /// Fills `out` with the bytes at `off`; returns the filled part.
    template <class Element, std::size_t Extent>
        requires detail::room_for<Element>
    std::span<Element> read(std::uint64_t off, std::span<Element, Extent> out) const
    {
        return std::span<Element>(out).first(read(off, out.data(), out.size()));
    }

    /// Blocks only for the first byte at `off`; returns the filled part of `out`, an empty one at the end.
    template <class Element, std::size_t Extent>
        requires detail::room_for<Element>
    std::span<Element> read_some(std::uint64_t off, std::span<Element, Extent> out) const
    {
        return std::span<Element>(out).first(read_some(off, out.data(), out.size()));
    }
#endif

    /// As save() with a path only. `how` can be sb_save_flag values. If `progress(done, total)` returns false, the
    /// save stops with errc::canceled. An exception that it throws is rethrown unchanged. Returns the number of bytes
    /// saved.
    template <class Tell, class = detail::if_told<Tell>>
    std::uint64_t save(const std::filesystem::path &path, const save_options &how, Tell &&progress) const
    {
        std::string text = detail::path_text(path);
        detail::telling<std::remove_reference_t<Tell>> told{progress};
        detail::details known;
        std::int64_t count = save_to(text, how, told, &known.error);
        if (count < 0 && told.thrown)
            std::rethrow_exception(told.thrown);
        if (count < 0) {
            // A panic leaves `known` as it was.
            known.error.status = static_cast<std::int32_t>(count);
            detail::raise(known, handle_, failed_);
        }
        return static_cast<std::uint64_t>(count);
    }

    /// As save() with a path only. If `progress(done, total)` returns false, the save stops with errc::canceled. An
    /// exception that it throws is rethrown unchanged. Returns the number of bytes saved.
    template <class Tell, class = detail::if_told<Tell>>
    std::uint64_t save(const std::filesystem::path &path, Tell &&progress) const
    {
        return save(path, 0, std::forward<Tell>(progress));
    }

    /// Reads to the end and writes the whole resource to `path`, atomically. `how` can be sb_save_flag values.
    /// Returns the number of bytes saved.
    std::uint64_t save(const std::filesystem::path &path, const save_options &how = {}) const
    {
        return save(path, how, [](std::uint64_t) {});
    }

    std::optional<std::uint64_t> size() const { return if_known(sb_size(handle_)); }

    std::optional<std::uint64_t> known_size() const { return if_known(sb_known_size(handle_)); }

    std::uint64_t find_size() const { return checked(sb_find_size(handle_, -1)); }

    /// Returns the final size, or nothing if it did not become known in time.
    template <class Rep, class Period>
    std::optional<std::uint64_t> find_size(std::chrono::duration<Rep, Period> limit) const
    {
        std::int64_t size = sb_find_size(handle_, detail::milliseconds(limit));
        if (size == SB_ERR_TIMEOUT)
            return std::nullopt;
        return checked(size);
    }

    std::uint64_t buffered(std::uint64_t off = 0) const
    {
        return checked(sb_buffered(handle_, off));
    }

    /// The buffered ranges, in order.
    std::vector<range> ranges() const
    {
        std::vector<range> out(4);
        std::uint64_t count;
        while ((count = checked(sb_ranges(handle_, out.data(), out.size()))) > out.size())
            out.resize(count);
        out.resize(count);
        return out;
    }

    /// The directory of the spool file, or the one where it could not be created. Empty before the
    /// first attempt to create the file.
    std::string spool_dir() const
    {
        std::string out(200, '\0');
        std::uint64_t length;
        while ((length = checked(sb_spool_dir(handle_, &out[0], out.size()))) >= out.size())
            out.resize(length + 1);
        out.resize(length);
        return out;
    }

    sb_stats stats() const
    {
        sb_stats out;
        checked(sb_stat(handle_, &out, sizeof out));
        return out;
    }

    /// Returns the same as stats().
    sb_stats stat() const { return stats(); }

    void prefetch(std::uint64_t ahead = SB_PREFETCH_ALL) const { checked(sb_prefetch(handle_, ahead)); }

    void spill() const { checked(sb_spill(handle_)); }

    void set_max_memory(std::uint64_t max) const { checked(sb_set_max_memory(handle_, max)); }

    template <class Source>
    void reopen(Source &&source, std::optional<std::uint64_t> size = std::nullopt)
    {
        checked(replace(made_of(std::forward<Source>(source)), size));
    }

    /// The exception that the source threw last, if it is the reason why reads fail with errc::source.
    std::exception_ptr source_exception() const noexcept
    {
        if (!failed_)
            return nullptr;
        return detail::cause_of(SB_ERR_SOURCE, handle_, failed_).thrown;
    }
#endif

    /// Cancels every blocked call, and every later call that would block, until resume().
    void cancel() const noexcept { sb_cancel(handle_); }

    /// Clears a cancel and the source's failure: the source is asked again, from its current position.
    void resume() const noexcept { sb_resume(handle_); }

    /// Clears only the source's failure.
    void retry() const noexcept { sb_retry(handle_); }

private:
    friend class spoolbuf::reader;
    friend class spoolbuf::push_buffer;

    template <class Source> static auto made_of(Source &&source)
    {
        return detail::border_of(std::forward<Source>(source), std::make_shared<detail::fault>());
    }

#if SPOOLBUF_THROWS
    template <class Source>
    buffer(std::unique_ptr<detail::border<Source>> made, const options &how) : failed_(made->failed)
    {
        int status = start(std::move(made), how);
        if (status < 0)
            detail::raise(status, nullptr, failed_);
    }
#endif

    std::optional<std::uint64_t> if_known(std::int64_t size, std::error_code &code) const noexcept
    {
        code.clear();
        if (size == SB_ERR_UNKNOWN_SIZE)
            return std::nullopt;
        std::uint64_t count = settled(size, code);
        return code ? std::nullopt : std::optional(count);
    }

#if SPOOLBUF_THROWS
    std::optional<std::uint64_t> if_known(std::int64_t size) const
    {
        if (size == SB_ERR_UNKNOWN_SIZE)
            return std::nullopt;
        return checked(size);
    }
#endif

    static sb_options plain_of(const options &how) noexcept
    {
        sb_options plain;
        sb_options_init(&plain, sizeof plain);
        plain.size = how.size.value_or(SB_SIZE_UNKNOWN);
        plain.max_memory = how.max_memory;
        plain.spool_dir = how.spool_dir.empty() ? nullptr : how.spool_dir.c_str();
        plain.prefetch = how.prefetch;
        plain.seek_gap = how.seek_gap.value_or(plain.seek_gap);
        plain.read_granularity = how.read_granularity.value_or(plain.read_granularity);
        plain.prefetch_low = how.prefetch_low;
        plain.thread_begin = how.thread_begin;
        plain.thread_end = how.thread_end;
        plain.thread_opaque = how.thread_opaque;
        plain.ahead = how.ahead;
        plain.window = how.window;
        plain.on_full = how.memory_when_full ? SB_ON_FULL_MEMORY : SB_ON_FULL_FAIL;
        plain.on_short = how.on_short;
        plain.flags = how.trust_size ? SB_SIZE_TRUSTED : 0;
        return plain;
    }

    template <class Source>
    int start(std::unique_ptr<detail::border<Source>> made, const options &how)
    {
        if (!detail::is_usable(*made))
            return SB_ERR_INVALID;
        sb_options plain = plain_of(how);
        sb_callback callback = made->callback();
        // The library owns a valid callback from the call on, even if the call fails.
        made.release();
        sb_buffer *handle = nullptr;
        int status = sb_new_with(&callback, &plain, &handle);
        handle_ = handle;
        return status;
    }

    template <class Source>
    int replace(std::unique_ptr<detail::border<Source>> made, std::optional<std::uint64_t> size)
    {
        if (!detail::is_usable(*made))
            return SB_ERR_INVALID;
        // Readers find the new source's exceptions where they look for the old one's.
        if (!failed_)
            failed_ = made->failed;
        made->failed = failed_;
        unsigned turn = made->turn = failed_->next_turn();
        sb_callback callback = made->callback();
        // The library owns a valid callback from the call on, even if the call fails.
        made.release();
        int status = sb_reopen(handle_, &callback, size.value_or(SB_SIZE_UNKNOWN));
        if (status == SB_OK)
            failed_->forget_before(turn);
        return status;
    }

    /// Reads everything up to the end, which returns 0, or up to an error.
    std::int64_t bring_all(std::vector<std::byte> &bytes) const
    {
        constexpr std::size_t step = 65536;
        std::int64_t count = sb_size(handle_);
        std::size_t at = 0;
        // Reserves all of it at once, if the size is known and not absurd.
        bool is_sane = count > 0 && count < (std::int64_t(1) << 30);
        bytes.reserve(step + (is_sane ? static_cast<std::size_t>(count) : 0));
        do {
            bytes.resize(at + step);
            count = sb_read_some(handle_, at, step, bytes.data() + at, -1);
            at += count > 0 ? static_cast<std::size_t>(count) : 0;
            bytes.resize(at);
        } while (count > 0);
        return count;
    }

    template <class Telling>
    std::int64_t save_to(const std::string &path, const save_options &how, Telling &told,
                         sb_error *error) const noexcept
    {
        sb_save_options plain;
        sb_save_options_init(&plain, sizeof plain);
        plain.path = path.c_str();
        plain.flags = how.flags;
        plain.progress = Telling::call;
        plain.opaque = &told;
        plain.timeout_ms = how.timeout.count();
        plain.mode = how.mode;
        plain.error = error;
        return sb_save_with(handle_, &plain);
    }

    std::uint64_t settled(std::int64_t result, std::error_code &code) const noexcept
    {
        return detail::settled(result, handle_, failed_, code);
    }

#if SPOOLBUF_THROWS
    std::uint64_t checked(std::int64_t result) const
    {
        return detail::checked(result, handle_, failed_);
    }

    std::size_t counted(std::int64_t result) const
    {
        return static_cast<std::size_t>(checked(result));
    }
#endif

    std::atomic<sb_buffer *> handle_{nullptr};
    detail::faults failed_;
};

/// A buffer without a source: the program pushes the bytes. Readers wait for it as for a source.
/// A push_buffer that is not ended leaves them waiting until they are canceled or time out. While
/// other threads read it, reset() ends their calls, as for any buffer.
class push_buffer : public buffer {
public:
    /// An empty object: every call on it fails with errc::invalid.
    push_buffer() noexcept = default;

    /// On failure the object is empty and the code is set.
    push_buffer(const options &how, std::error_code &code) noexcept { settled(start(how), code); }

    /// Copies the bytes for `[off, off + len)`, in any order; returns how many were accepted. If they
    /// are fewer than `len`, push the rest again: an error that ended the call is returned then.
    /// Blocks while there is no space: see sb_push().
    std::size_t push(std::uint64_t off, const void *bytes, std::size_t len,
                     std::error_code &code) const noexcept
    {
        return settled(sb_push(native_handle(), off, len, bytes, -1), code);
    }

    /// As push(), with a timeout. Returns how many bytes were accepted. Sets errc::timeout if none was in time.
    template <class Rep, class Period>
    std::size_t push_for(std::uint64_t off, const void *bytes, std::size_t len,
                         std::chrono::duration<Rep, Period> limit,
                         std::error_code &code) const noexcept
    {
        return settled(sb_push(native_handle(), off, len, bytes, detail::milliseconds(limit)), code);
    }

    /// Ends the stream at `size`, by default after the highest byte. A stream that has failed has no end:
    /// the error is the failure then, until retry().
    void end(std::optional<std::uint64_t> size, std::error_code &code) const noexcept
    {
        settled(sb_push_end(native_handle(), size.value_or(SB_SIZE_UNKNOWN), 0), code);
    }

    /// Reports that the stream failed, with a negative code: readers get the buffered bytes first.
    void fail(std::int64_t why, std::error_code &code) const noexcept
    {
        settled(sb_push_end(native_handle(), SB_SIZE_UNKNOWN, why < 0 ? why : 1), code);
    }

    /// What to push next: a hint. Empty: nothing.
    range wanted(std::error_code &code) const noexcept
    {
        range out = {};
        settled(sb_wanted(native_handle(), &out), code);
        return out;
    }

    /// Calls `ready` once bytes are wanted and a push_for() with a timeout of 0 would accept some,
    /// unless that is so now: see SB_WHEN_WANTED at sb_when(). Returns the pending call, or the number of bytes in it.
    watch when_wanted(ready_function ready, std::error_code &code) const noexcept
    {
        return when(SB_WHEN_WANTED, std::move(ready), code);
    }

#if SPOOLBUF_THROWS
    /// Creates a buffer without a source.
    explicit push_buffer(const options &how) { checked(start(how)); }

    std::size_t push(std::uint64_t off, const void *bytes, std::size_t len) const
    {
        return counted(sb_push(native_handle(), off, len, bytes, -1));
    }

    /// Returns how many bytes were accepted, or nothing if none was in time.
    template <class Rep, class Period>
    std::optional<std::size_t> push_for(std::uint64_t off, const void *bytes, std::size_t len,
                                        std::chrono::duration<Rep, Period> limit) const
    {
        std::int64_t count = sb_push(native_handle(), off, len, bytes, detail::milliseconds(limit));
        if (count == SB_ERR_TIMEOUT)
            return std::nullopt;
        return counted(count);
    }

    void end(std::optional<std::uint64_t> size = std::nullopt) const
    {
        checked(sb_push_end(native_handle(), size.value_or(SB_SIZE_UNKNOWN), 0));
    }

    void fail(std::int64_t why) const
    {
        checked(sb_push_end(native_handle(), SB_SIZE_UNKNOWN, why < 0 ? why : 1));
    }

    range wanted() const
    {
        range out = {};
        checked(sb_wanted(native_handle(), &out));
        return out;
    }

    watch when_wanted(ready_function ready) const
    {
        return when(SB_WHEN_WANTED, std::move(ready));
    }
#endif

private:
    int start(const options &how) noexcept
    {
        sb_options plain = plain_of(how);
        sb_buffer *handle = nullptr;
        int status = sb_new_push(&plain, &handle);
        handle_ = handle;
        return status;
    }
};

/// A position in a buffer, with its own cancellation. Owns its sb_reader; movable, not copyable.
class reader {
public:
    /// An empty object: every call on it fails with errc::invalid.
    reader() noexcept = default;

    /// A reader at the start of a buffer. On failure the object is empty and the code is set.
    reader(const buffer &from, std::error_code &code) noexcept : reader(from, {}, code) {}

    /// A reader at the start of a buffer, with options. On failure the object is empty and the code is set.
    reader(const buffer &from, const reader_options &how, std::error_code &code) noexcept
        : buffer_(from.handle_), failed_(from.failed_)
    {
        detail::settled(start(how), buffer_, nullptr, code);
    }

    /// Blocks for the first byte, reads the available bytes and advances past them. Returns how many, 0 at the end.
    std::size_t read(void *out, std::size_t len, std::error_code &code) noexcept
    {
        return settled(sb_reader_read(native_handle(), len, out), code);
    }

    /// Blocks for the first byte, reads the available bytes into an array, a vector, a string and the like, and
    /// advances past them. Returns how many, 0 at the end.
    template <class Room, class = detail::if_room<Room>>
    std::size_t read(Room &&out, std::error_code &code) noexcept
    {
        return read(std::data(out), std::size(out), code);
    }

    /// Moves the position; reads nothing and costs nothing. Returns the new position.
    /// @param off how far from the origin, in bytes.
    std::uint64_t seek(std::int64_t off, int whence, std::error_code &code) noexcept
    {
        return settled(sb_reader_seek(native_handle(), off, whence), code);
    }

    /// The position.
    std::uint64_t tell(std::error_code &code) noexcept { return seek(0, SB_SEEK_CUR, code); }

    /// Moves the position to where the furthest buffered byte ends, plus `off`: see SB_SEEK_LIVE. Returns the new
    /// position.
    /// @param off how far from there, in bytes.
    std::uint64_t seek_live(std::int64_t off, std::error_code &code) noexcept
    {
        return seek(off, SB_SEEK_LIVE, code);
    }

    /// The final size, as buffer::find_size() finds it; cancel() cancels that too. The position stays.
    std::uint64_t find_size(std::error_code &code) noexcept
    {
        return settled(sb_reader_find_size(native_handle()), code);
    }

    /// The number of bytes that can be read at the position without blocking.
    std::uint64_t buffered(std::error_code &code) noexcept
    {
        std::uint64_t place = tell(code);
        return code ? 0 : settled(sb_buffered(buffer_, place), code);
    }

    /// Whether the position is at or past the end, as far as is known without blocking.
    bool at_end(std::error_code &code) noexcept
    {
        sb_stats facts;
        std::uint64_t place = tell(code);
        if (!code)
            settled(sb_stat(buffer_, &facts, sizeof facts), code);
        return !code && place >= facts.final_size;
    }

#if SPOOLBUF_THROWS
    /// A reader at the start of a buffer.
    explicit reader(const buffer &from, const reader_options &how = {})
        : buffer_(from.handle_), failed_(from.failed_)
    {
        checked(start(how));
    }

    std::size_t read(void *out, std::size_t len)
    {
        return static_cast<std::size_t>(checked_call(sb_reader_read(native_handle(), len, out)));
    }

    template <class Room, class = detail::if_room<Room>> std::size_t read(Room &&out)
    {
        return read(std::data(out), std::size(out));
    }

#ifdef __cpp_lib_span
    /// Blocks for the first byte, reads the available bytes into a span, and advances past them. Returns the filled
    /// part, an empty one at the end.
    template <class Element, std::size_t Extent>
        requires detail::room_for<Element>
    std::span<Element> read(std::span<Element, Extent> out)
    {
        return std::span<Element>(out).first(read(out.data(), out.size()));
    }
#endif

    std::uint64_t seek(std::int64_t off, int whence = SB_SEEK_SET)
    {
        return checked_call(sb_reader_seek(native_handle(), off, whence));
    }

    /// Moves the position from an origin of the standard library. Returns the new position.
    /// @param off  how far from the origin, in bytes.
    /// @param from the origin.
    std::uint64_t seek(std::int64_t off, std::ios_base::seekdir from)
    {
        return seek(off, from == std::ios_base::end   ? SB_SEEK_END
                             : from == std::ios_base::cur ? SB_SEEK_CUR
                                                          : SB_SEEK_SET);
    }

    std::uint64_t tell() { return seek(0, SB_SEEK_CUR); }

    std::uint64_t seek_live(std::int64_t off = 0) { return seek(off, SB_SEEK_LIVE); }

    std::uint64_t find_size() { return checked_call(sb_reader_find_size(native_handle())); }

    std::uint64_t buffered() { return checked(sb_buffered(buffer_, tell())); }

    bool at_end()
    {
        std::error_code code;
        bool is = at_end(code);
        if (code)
            checked(code.category() == category() ? code.value() : SB_ERR_SOURCE);
        return is;
    }
#endif

    /// Cancels only this reader, from any thread.
    void cancel() const noexcept { sb_reader_cancel(native_handle()); }

    /// Lets it block again.
    void resume() const noexcept { sb_reader_resume(native_handle()); }

    /// The handle of the C API; null for an empty object.
    sb_reader *native_handle() const noexcept { return handle_.get(); }

    /// The handle of its buffer; null once that is freed.
    sb_buffer *native_buffer() const noexcept { return sb_reader_buffer(native_handle()); }

private:
    struct deleter {
        void operator()(sb_reader *handle) const noexcept { sb_reader_free(handle); }
    };

    friend class cache;

    /// A lease of a cache's entry.
    reader(sb_reader *lease, detail::faults failed) noexcept
        : buffer_(sb_reader_buffer(lease)), handle_(lease), failed_(std::move(failed))
    {
    }

    static sb_reader_options plain_of(const reader_options &how) noexcept
    {
        sb_reader_options plain;
        sb_reader_options_init(&plain, sizeof plain);
        if (how.timeout)
            plain.timeout_ms = detail::milliseconds(*how.timeout);
        plain.flags = how.buffered_only ? SB_READER_BUFFERED : 0;
        if (how.reach)
            plain.reach = *how.reach;
        return plain;
    }

    int start(const reader_options &how) noexcept
    {
        sb_reader_options plain = plain_of(how);
        sb_reader *handle = nullptr;
        int status = sb_reader_new_with(buffer_, &plain, &handle);
        handle_.reset(handle);
        return status;
    }

    std::uint64_t settled(std::int64_t result, std::error_code &code) const noexcept
    {
        return detail::settled(result, buffer_, failed_, code);
    }

#if SPOOLBUF_THROWS
    std::uint64_t checked(std::int64_t result) const
    {
        return detail::checked(result, buffer_, failed_);
    }

    /// For the calls that sb_reader_error() tells about.
    std::uint64_t checked_call(std::int64_t result) const
    {
        if (result < 0)
            return detail::checked(result, native_handle(), buffer_, failed_);
        return static_cast<std::uint64_t>(result);
    }
#endif

    sb_buffer *buffer_ = nullptr;
    std::unique_ptr<sb_reader, deleter> handle_;
    detail::faults failed_;
};

/// A std::streambuf over a position in a buffer: read-only and seekable. Any byte can be put back.
/// A seek from the end finds the size first, as reader::find_size() does, and so may fetch everything.
///
/// Errors are thrown, so that an istream reports them as badbit (or throws them itself if its
/// exceptions() say so), never as the end. A read of several bytes that fails does not move the
/// position: the bytes before the error can still be read after clear(). Without exceptions it
/// reports that there are no more bytes, error() says why, and spoolbuf::istream is bad(). So are the
/// errors of a seek from the end; it fails without one where the reader cannot get there.
class streambuf : public std::streambuf {
public:
#if SPOOLBUF_THROWS
    /// A position at the start of a buffer.
    explicit streambuf(const buffer &from) : reader_(from) {}

    /// Takes a reader, that of a cache, say.
    explicit streambuf(reader &&from) : reader_(std::move(from)) {}
#else
    explicit streambuf(const buffer &from, std::ios *shows = nullptr)
        : reader_(from, error_), shows_(shows)
    {
    }

    explicit streambuf(reader &&from, std::ios *shows = nullptr)
        : reader_(std::move(from)), shows_(shows)
    {
    }

    /// The last error.
    std::error_code error() const noexcept { return error_; }
#endif

    /// Cancels only this object, from any thread: a read that needs more bytes than it has in its area
    /// fails, even if they are buffered. So a loop ends that reads only such bytes.
    void cancel() const noexcept
    {
        canceled_ = true;
        reader_.cancel();
    }
    /// Lets it block again.
    void resume() const noexcept
    {
        // A cancel that comes in between stays.
        canceled_ = false;
        reader_.resume();
    }

protected:
    int_type underflow() override
    {
        if (gptr() == egptr()) {
            forget();
            setg(area_, area_, area_ + take(area_, sizeof area_));
        }
        return gptr() == egptr() ? traits_type::eof() : traits_type::to_int_type(*gptr());
    }

    std::streamsize xsgetn(char *out, std::streamsize wanted) override
    {
#if SPOOLBUF_THROWS
        off_type before = place();
        try {
            return get(out, wanted);
        } catch (...) {
            go(before);
            throw;
        }
#else
        off_type before = place();
        error_.clear();
        std::streamsize done = get(out, wanted);
        if (done < wanted && error_) {
            go(before);
            done = 0;
        }
        return done;
#endif
    }

    std::streamsize showmanyc() override
    {
        std::error_code code;
        std::uint64_t count = reader_.buffered(code);
        return count == 0 && reader_.at_end(code) ? -1 : static_cast<std::streamsize>(count);
    }

    int_type pbackfail(int_type byte) override
    {
        off_type before = place();
        if (before == 0 || !go(before - 1) || underflow() == traits_type::eof())
            return traits_type::eof();
        if (traits_type::eq_int_type(byte, traits_type::eof()))
            return traits_type::not_eof(byte);
        if (traits_type::eq_int_type(byte, traits_type::to_int_type(*gptr())))
            return byte;
        // Read-only: a different byte can't be put back.
        gbump(1);
        return traits_type::eof();
    }

    pos_type seekoff(off_type by, std::ios_base::seekdir from,
                     std::ios_base::openmode which) override
    {
        if ((which & std::ios_base::in) == 0)
            return pos_type(off_type(-1));
        if (from == std::ios_base::end) {
            sb_reader *handle = reader_.native_handle();
            // The declared size is not the end.
            std::int64_t to = sb_known_size(sb_reader_buffer(handle));
            if (to >= 0 || find_end())
                to = sb_reader_seek(handle, by, SB_SEEK_END);
            if (to >= 0)
                forget();
            return pos_type(to >= 0 ? off_type(to) : off_type(-1));
        }
        off_type start = from == std::ios_base::cur ? place() : 0;
        if (by > (std::numeric_limits<off_type>::max)() - start)
            return pos_type(off_type(-1));
        bool stays = from == std::ios_base::cur && by == 0;
        return pos_type(stays || go(start + by) ? start + by : off_type(-1));
    }

    pos_type seekpos(pos_type to, std::ios_base::openmode which) override
    {
        return seekoff(off_type(to), std::ios_base::beg, which);
    }

private:
    static constexpr std::streamsize area_size = 16384;

    /// The offset of the next byte. The reader is ahead of it by the bytes left in the area.
    off_type place()
    {
        std::error_code code;
        return static_cast<off_type>(reader_.tell(code)) - (egptr() - gptr());
    }

    std::streamsize get(char *out, std::streamsize wanted)
    {
        std::streamsize done = 0;
        while (done < wanted) {
            std::streamsize count = egptr() - gptr();
            if (count > 0) {
                count = count < wanted - done ? count : wanted - done;
                std::memcpy(out + done, gptr(), static_cast<std::size_t>(count));
                gbump(static_cast<int>(count));
            } else if (wanted - done >= area_size) {
                forget();
                count = static_cast<std::streamsize>(
                    take(out + done, static_cast<std::size_t>(wanted - done)));
                if (count == 0)
                    break;
            } else if (underflow() == traits_type::eof()) {
                break;
            }
            done += count;
        }
        return done;
    }

    std::size_t take(char *out, std::size_t room)
    {
        // Buffered bytes would hide the cancel.
#if SPOOLBUF_THROWS
        if (canceled_)
            throw canceled();
        return reader_.read(out, room);
#else
        std::size_t count = 0;
        if (canceled_)
            error_ = errc::canceled;
        else
            count = reader_.read(out, room, error_);
        if (error_ && shows_ != nullptr)
            shows_->setstate(std::ios_base::badbit);
        return count;
#endif
    }

    /// False where a reader cannot get to the end: that is no error.
    bool find_end()
    {
#if SPOOLBUF_THROWS
        if (canceled_)
            throw canceled();
        try {
            reader_.find_size();
        } catch (const error &why) {
            if (!is_out_of_reach(why.code()))
                throw;
            return false;
        }
        return true;
#else
        if (canceled_)
            error_ = errc::canceled;
        else
            reader_.find_size(error_);
        if (is_out_of_reach(error_)) {
            error_.clear();
            return false;
        }
        if (error_ && shows_ != nullptr)
            shows_->setstate(std::ios_base::badbit);
        return !error_;
#endif
    }

    static bool is_out_of_reach(const std::error_code &code) noexcept
    {
        return code == errc::unsupported || code == errc::unknown_size;
    }

    bool go(off_type to) noexcept
    {
        if (sb_reader_seek(reader_.native_handle(), to, SB_SEEK_SET) < 0)
            return false;
        forget();
        return true;
    }

    void forget() noexcept { setg(area_, area_, area_); }

#if !SPOOLBUF_THROWS
    std::error_code error_;
#endif
    reader reader_;
    mutable std::atomic<bool> canceled_{false};
#if !SPOOLBUF_THROWS
    std::ios *shows_;
#endif
    char area_[area_size];
};

/// A std::istream over a position in a buffer.
class istream : public std::istream {
public:
#if SPOOLBUF_THROWS
    /// A position at the start of a buffer.
    explicit istream(const buffer &from) : std::istream(nullptr), bytes_(from) { rdbuf(&bytes_); }

    /// Takes a reader, that of a cache, say.
    explicit istream(reader &&from) : std::istream(nullptr), bytes_(std::move(from))
    {
        rdbuf(&bytes_);
    }
#else
    /// bad() from the start if the buffer is not valid.
    explicit istream(const buffer &from) : std::istream(nullptr), bytes_(from, this)
    {
        rdbuf(&bytes_);
        if (bytes_.error())
            setstate(std::ios_base::badbit);
    }

    explicit istream(reader &&from) : std::istream(nullptr), bytes_(std::move(from), this)
    {
        rdbuf(&bytes_);
    }

    /// The last error.
    std::error_code error() const noexcept { return bytes_.error(); }
#endif

    /// Passes a temporary to a function that takes a std::istream &: `parse(film.stream().ref())`.
    /// Returns this object.
    std::istream &ref() noexcept { return *this; }

    /// Cancels only this object, from any thread, as streambuf::cancel() does.
    void cancel() const noexcept { bytes_.cancel(); }

    /// Lets it block again. clear() clears the stream's own state.
    void resume() const noexcept { bytes_.resume(); }

private:
    streambuf bytes_;
};

inline reader buffer::reader(std::error_code &code) const noexcept
{
    return spoolbuf::reader(*this, code);
}

inline reader buffer::reader(const reader_options &how, std::error_code &code) const noexcept
{
    return spoolbuf::reader(*this, how, code);
}

#if SPOOLBUF_THROWS
inline reader buffer::reader() const { return spoolbuf::reader(*this); }

inline reader buffer::reader(const reader_options &how) const
{
    return spoolbuf::reader(*this, how);
}
#endif

inline istream buffer::stream() const { return spoolbuf::istream(*this); }

namespace detail {

/// The failures of a cache's openers and sources. Its readers cannot know which source their entry has,
/// nor an open which call of the opener it waited for. So C gets a code of its own for each source and for
/// each failed call of the opener, and the cause is found by that.
class cache_faults final : public fault {
public:
    /// An open that is under way. It may wait for an opener that fails.
    class attempt {
    public:
        explicit attempt(cache_faults &of) noexcept : of_(of) { of_.enter(*this); }
        ~attempt() { of_.leave(*this); }
        attempt(const attempt &) = delete;
        attempt &operator=(const attempt &) = delete;

    private:
        friend class cache_faults;
        cache_faults &of_;
        attempt *older_ = nullptr, *newer_ = nullptr;
        std::uint64_t number_ = 0;
    };

    int keep(unsigned turn, std::int64_t result, cause why) noexcept override
    {
        if (is_special(result))
            return static_cast<int>(result);
        if (is_empty(why))
            return result < 0 && result > first_code ? static_cast<int>(result) : -1;
        int code = code_for(turn);
        return store([&] {
            // The previous cause is destroyed after the guard, since its destructor may run arbitrary code.
            std::lock_guard<std::mutex> guard(lock_);
            std::swap(of_sources_[code], why);
        }) ? code : -1;
    }

    /// The same for a call of the opener.
    int keep_opener(cause why) noexcept
    {
        int code = code_for(next_turn());
        return store([&] {
            std::list<opener_failure> made{{code, std::move(why)}};
            std::lock_guard<std::mutex> guard(lock_);
            made.front().until = last_attempt_ + 1;
            of_openers_.splice(of_openers_.end(), made);
        }) ? code : -1;
    }

    cause get(std::int64_t code) noexcept override
    {
        std::lock_guard<std::mutex> guard(lock_);
        auto found = of_sources_.find(code);
        if (found != of_sources_.end())
            return found->second;
        for (opener_failure &failure : of_openers_) {
            if (failure.code == code) {
                failure.is_found = true;
                return failure.why;
            }
        }
        return {};
    }

    void closed(unsigned turn) noexcept override
    {
        cause gone;
        std::lock_guard<std::mutex> guard(lock_);
        auto found = of_sources_.find(code_for(turn));
        if (found == of_sources_.end())
            return;
        std::swap(found->second, gone);
        of_sources_.erase(found);
    }

private:
    struct opener_failure {
        int code = 0;
        cause why = {};
        std::uint64_t until = 0; ///< kept while an attempt with a lower number is under way
        bool is_last_wait = false;
        bool is_found = false; ///< if not, the next open of the key may ask for it
    };

    /// A source's own codes are above; those that are not count as -1.
    static constexpr int first_code = -65536;
    /// As many keys are open to the next open.
    static constexpr std::size_t most_unclaimed = 16;

    static int code_for(unsigned turn) noexcept
    {
        return first_code - static_cast<int>(turn % 0x7f000000);
    }

    static bool is_empty(const cause &why) noexcept
    {
#if SPOOLBUF_THROWS
        if (why.thrown)
            return false;
#endif
        return !why.code;
    }

    /// Returns whether there was memory for it.
    template <class Work> static bool store(Work &&work) noexcept
    {
#if SPOOLBUF_THROWS
        try {
            work();
        } catch (...) {
            return false;
        }
#else
        work();
#endif
        return true;
    }

    void enter(attempt &begun) noexcept
    {
        std::lock_guard<std::mutex> guard(lock_);
        begun.number_ = ++last_attempt_;
        begun.older_ = newest_;
        (newest_ ? newest_->newer_ : oldest_) = &begun;
        newest_ = &begun;
    }

    void leave(attempt &ended) noexcept
    {
        // Destroyed after the guard.
        std::list<opener_failure> gone;
        std::lock_guard<std::mutex> guard(lock_);
        (ended.older_ ? ended.older_->newer_ : oldest_) = ended.newer_;
        (ended.newer_ ? ended.newer_->older_ : newest_) = ended.older_;
        std::uint64_t oldest = oldest_ ? oldest_->number_ : last_attempt_ + 1;
        for (auto at = of_openers_.begin(); at != of_openers_.end();) {
            auto failure = at++;
            if (failure->until > oldest)
                continue;
            // The open that called the opener has ended. Others may have joined it until then.
            if (!std::exchange(failure->is_last_wait, true) && oldest_)
                failure->until = last_attempt_ + 1;
            else if (failure->is_found || of_openers_.size() > most_unclaimed)
                gone.splice(gone.end(), of_openers_, failure);
        }
    }

    std::unordered_map<std::int64_t, cause> of_sources_;
    std::list<opener_failure> of_openers_;
    attempt *oldest_ = nullptr, *newest_ = nullptr;
    std::uint64_t last_attempt_ = 0;
};

} // namespace detail

/// What an opener of a cache returns: the resource of a key. Movable, not copyable.
class resource {
public:
    /// No resource, for an opener that sets its std::error_code.
    resource() noexcept = default;

    /// Any source that a buffer takes. The declared size is a hint. Equal tags, except 0, mean equal
    /// bytes: a hash of an ETag, say. See sb_opened.
    template <class Source,
              class = std::enable_if_t<!std::is_same_v<std::decay_t<Source>, resource>>>
    resource(Source &&source, std::optional<std::uint64_t> declared = std::nullopt,
             std::uint64_t tag = 0)
        : size_(declared)
    {
        auto made = detail::border_of(std::forward<Source>(source), nullptr);
        // An unusable one is no source, which is invalid.
        if (!detail::is_usable(*made))
            return;
        join_ = [](void *opaque, detail::faults failed, unsigned turn) noexcept {
            auto *border = static_cast<typename decltype(made)::pointer>(opaque);
            border->failed = std::move(failed);
            border->turn = turn;
        };
        tag_ = tag;
        callback_ = made.release()->callback();
    }

    /// For an opener: the bytes that the cache has are current. Returns what the opener returns then.
    /// @param tag the `old_tag` that the opener got, and not 0.
    static resource unchanged(std::uint64_t tag) noexcept
    {
        resource same;
        same.tag_ = tag;
        return same;
    }

    resource(resource &&other) noexcept { *this = std::move(other); }

    resource &operator=(resource &&other) noexcept
    {
        std::swap(callback_, other.callback_);
        std::swap(join_, other.join_);
        std::swap(size_, other.size_);
        std::swap(tag_, other.tag_);
        return *this;
    }

    ~resource()
    {
        if (callback_.close)
            callback_.close(callback_.opaque);
    }

private:
    friend class cache;

    /// Gives the source to the library.
    void hand_over(sb_opened &out, const std::shared_ptr<detail::cache_faults> &failed) noexcept
    {
        if (callback_.close)
            join_(callback_.opaque, failed, failed->next_turn());
        out.size = size_.value_or(SB_SIZE_UNKNOWN);
        out.tag = tag_;
        out.source = std::exchange(callback_, {});
    }

    sb_callback callback_ = {};
    void (*join_)(void *, detail::faults, unsigned) noexcept = nullptr;
    std::optional<std::uint64_t> size_;
    std::uint64_t tag_ = 0;
};

/// The options of a cache. The meanings are those of sb_cache_options.
struct cache_options {
    std::uint64_t max_memory = 67108864; ///< most memory of all entries together, in bytes
    std::uint64_t max_disk = 536870912;  ///< most disk space of all entries together, in bytes
    std::uint64_t min_free = 0;          ///< bytes to leave free in the file system
    std::uint64_t max_entry = 0;         ///< larger entries are evicted first; 0: an eighth of the limits
    std::optional<std::chrono::milliseconds> fresh; ///< after it, the opener is asked again; nothing: never
    std::optional<std::chrono::milliseconds> idle;  ///< unused entries are kept that long; nothing: no limit
    std::uint32_t threads = 0;           ///< most helper threads of all entries; 0: the default
    sb_on_short on_short = SB_SHORT_END; ///< an end before the declared size: the end, or an error
    std::uint64_t prefetch = 0;          ///< bytes to keep buffered past the furthest read of each entry
    std::uint64_t prefetch_low = 0;      ///< the prefetch refills below this; 0: half of what it keeps
    std::string spool_dir;               ///< directory of the spool files; empty: the default
    void (*thread_begin)(void *) = nullptr; ///< called on a helper thread before an opener or a source is
    void (*thread_end)(void *) = nullptr;   ///< called as that thread's last act, maybe after the cache's end
    void *thread_opaque = nullptr;          ///< passed to both; must outlive those threads
};

/// A snapshot of a cache.
using cache_stats = sb_cache_stats;

/// Many resources under one budget of memory and disk space, each known by a key. Owns its sb_cache;
/// movable, not copyable.
///
/// The opener is called with a key and a tag, and returns the resource of that key:
/// spoolbuf::resource (std::string_view key, std::uint64_t old_tag). A std::error_code & may follow. It is
/// moved into the cache, and is called by several threads at a time, for different keys: see
/// sb_opener_fn. An exception that it throws is rethrown, unchanged, by each open() that waited for that
/// call. Concurrent opens throw the same object. With a std::error_code the error is that of a
/// std::system_error, otherwise errc::source.
class cache {
public:
    /// An empty object: every call on it fails with errc::invalid.
    cache() noexcept = default;

    /// On failure the object is empty and the code is set.
    template <class Opener>
    cache(Opener &&opener, const cache_options &how, std::error_code &code)
    {
        code.assign(start(std::forward<Opener>(opener), how), category());
    }

    cache(cache &&other) noexcept
        : handle_(other.handle_.exchange(nullptr)), failed_(std::move(other.failed_)),
          opener_(std::move(other.opener_))
    {
    }

    cache &operator=(cache &&other) noexcept
    {
        if (this != &other) {
            reset();
            handle_ = other.handle_.exchange(nullptr);
            failed_ = std::move(other.failed_);
            opener_ = std::move(other.opener_);
        }
        return *this;
    }

    ~cache() { reset(); }

    /// Frees the cache and its entries now, from any thread: see sb_cache_free(). Waits for openers, and
    /// destroys the opener. Its readers fail with errc::canceled or errc::invalid.
    void reset() noexcept
    {
        if (sb_cache *handle = handle_.exchange(nullptr)) {
            sb_cache_free(handle);
            opener_.reset();
        }
    }

    /// The handle of the C API; null for an empty object.
    sb_cache *native_handle() const noexcept { return handle_; }

    /// Whether it has a cache.
    explicit operator bool() const noexcept { return handle_ != nullptr; }

    /// Returns a reader at the start of the resource, which is a lease: its bytes stay. Calls the opener if
    /// they are not there. See sb_cache_open().
    spoolbuf::reader open(std::string_view key, std::error_code &code) const noexcept
    {
        return open(key, {}, code);
    }

    spoolbuf::reader open(std::string_view key, const reader_options &how,
                          std::error_code &code) const noexcept
    {
        sb_error error;
        sb_error_init(&error, sizeof error);
        sb_reader *lease = nullptr;
        detail::fault::cause cause;
        std::int64_t status = bring(key, how, error, cause, lease);
        code = cause.code ? cause.code : std::error_code();
        if (!code && status < 0)
            code = detail::code_of(status);
        return spoolbuf::reader(lease, failed_);
    }

    /// Whoever opens the key later gets a new entry. Readers keep the old one.
    void remove(std::string_view key, std::error_code &code) const noexcept
    {
        code.assign(sb_cache_remove(handle_, bytes_of(key), key.size()), category());
    }

    /// Removes every entry that has no reader.
    void clear(std::error_code &code) const noexcept
    {
        code.assign(sb_cache_remove(handle_, nullptr, 0), category());
    }

    /// Evicts and spills now, once, until no more than this is used; UINT64_MAX leaves one alone.
    void trim(std::uint64_t max_memory, std::uint64_t max_disk, std::error_code &code) const noexcept
    {
        code.assign(sb_cache_trim(handle_, max_memory, max_disk), category());
    }

    /// Returns a snapshot.
    sb_cache_stats stats(std::error_code &code) const noexcept
    {
        sb_cache_stats out = {};
        code.assign(sb_cache_stat(handle_, &out, sizeof out), category());
        return out;
    }

#if SPOOLBUF_THROWS
    /// Starts nothing and calls nothing.
    template <class Opener,
              class = std::enable_if_t<!std::is_same_v<std::decay_t<Opener>, cache>>>
    explicit cache(Opener &&opener, const cache_options &how = {})
    {
        checked(start(std::forward<Opener>(opener), how));
    }

    spoolbuf::reader open(std::string_view key, const reader_options &how = {}) const
    {
        detail::details known;
        sb_reader *lease = nullptr;
        detail::fault::cause cause;
        std::int64_t status = bring(key, how, known.error, cause, lease);
        if (cause.thrown)
            std::rethrow_exception(cause.thrown);
        if (cause.code)
            throw error(cause.code);
        if (status < 0) {
            known.error.status = static_cast<std::int32_t>(status);
            detail::raise(known, nullptr, nullptr);
        }
        return spoolbuf::reader(lease, failed_);
    }

    void remove(std::string_view key) const
    {
        checked(sb_cache_remove(handle_, bytes_of(key), key.size()));
    }

    void clear() const { checked(sb_cache_remove(handle_, nullptr, 0)); }

    void trim(std::uint64_t max_memory, std::uint64_t max_disk) const
    {
        checked(sb_cache_trim(handle_, max_memory, max_disk));
    }

    sb_cache_stats stats() const
    {
        sb_cache_stats out;
        checked(sb_cache_stat(handle_, &out, sizeof out));
        return out;
    }
#endif

private:
    using faults = std::shared_ptr<detail::cache_faults>;

    /// The boundary: the user's opener behind a C callback. No exception leaves it. It is shared since the
    /// opener may free its own cache.
    template <class Opener> struct border : std::enable_shared_from_this<border<Opener>> {
        border(Opener &&moved, faults shared) : opener(std::move(moved)), failed(std::move(shared)) {}
        border(const Opener &copied, faults shared) : opener(copied), failed(std::move(shared)) {}

        resource ask(std::string_view key, std::uint64_t old_tag, std::error_code &code)
        {
            using view = std::string_view;
            if constexpr (std::is_invocable_v<Opener &, view, std::uint64_t, std::error_code &>) {
                return std::invoke(opener, key, old_tag, code);
            } else {
                static_assert(std::is_invocable_v<Opener &, view, std::uint64_t>,
                              "an opener takes (std::string_view, std::uint64_t)");
                return std::invoke(opener, key, old_tag);
            }
        }

        int bring(std::string_view key, std::uint64_t old_tag, sb_opened &out)
        {
            std::error_code code;
            resource made = ask(key, old_tag, code);
            if (code)
                return failed->keep_opener({code});
            made.hand_over(out, failed);
            return SB_OK;
        }

        static int open(void *opaque, const void *key, std::size_t key_size, std::uint64_t old_tag,
                        sb_opened *out) noexcept
        {
            auto self = static_cast<border *>(opaque)->shared_from_this();
            std::string_view text(static_cast<const char *>(key), key_size);
#if SPOOLBUF_THROWS
            try {
                return self->bring(text, old_tag, *out);
            } catch (const std::system_error &thrown) {
                return self->failed->keep_opener({thrown.code(), std::current_exception()});
            } catch (...) {
                return self->failed->keep_opener({{}, std::current_exception()});
            }
#else
            return self->bring(text, old_tag, *out);
#endif
        }

        Opener opener;
        faults failed;
    };

    template <class Opener> int start(Opener &&opener, const cache_options &how)
    {
        using kept = border<std::decay_t<Opener>>;
        failed_ = std::make_shared<detail::cache_faults>();
        auto made = std::make_shared<kept>(std::forward<Opener>(opener), failed_);
        sb_cache_options plain = plain_of(how);
        plain.open = kept::open;
        plain.opaque = made.get();
        sb_cache *handle = nullptr;
        int status = sb_cache_new(&plain, &handle);
        handle_ = handle;
        if (status == SB_OK)
            opener_ = std::move(made);
        return status;
    }

    static sb_cache_options plain_of(const cache_options &how) noexcept
    {
        sb_cache_options plain;
        sb_cache_options_init(&plain, sizeof plain);
        plain.max_memory = how.max_memory;
        plain.max_disk = how.max_disk;
        plain.min_free = how.min_free;
        plain.max_entry = how.max_entry;
        if (how.fresh)
            plain.fresh_ms = detail::milliseconds(*how.fresh);
        if (how.idle)
            plain.idle_ms = detail::milliseconds(*how.idle);
        plain.threads = how.threads;
        plain.on_short = static_cast<std::uint32_t>(how.on_short);
        plain.prefetch = how.prefetch;
        plain.prefetch_low = how.prefetch_low;
        plain.spool_dir = how.spool_dir.empty() ? nullptr : how.spool_dir.c_str();
        plain.thread_begin = how.thread_begin;
        plain.thread_end = how.thread_end;
        plain.thread_opaque = how.thread_opaque;
        return plain;
    }

    /// Not null: an empty key is invalid, and does not stand for all of them.
    static const char *bytes_of(std::string_view key) noexcept { return key.data() ? key.data() : ""; }

    /// Opens a key. If the opener failed, `cause` says why.
    std::int64_t bring(std::string_view key, const reader_options &how, sb_error &error,
                       detail::fault::cause &cause, sb_reader *&lease) const noexcept
    {
        if (!failed_)
            return SB_ERR_INVALID;
        detail::cache_faults::attempt attempt(*failed_);
        sb_reader_options plain = spoolbuf::reader::plain_of(how);
        plain.error = &error;
        std::int64_t status = sb_cache_open(handle_, bytes_of(key), key.size(), &plain, &lease);
        if (status == SB_ERR_SOURCE)
            cause = failed_->get(error.source);
        return status;
    }

#if SPOOLBUF_THROWS
    static void checked(std::int64_t status) { detail::checked(status, nullptr, nullptr); }
#endif

    std::atomic<sb_cache *> handle_{nullptr};
    faults failed_;
    std::shared_ptr<void> opener_;
};

} // namespace spoolbuf

#undef SPOOLBUF_SHARED
#undef SPOOLBUF_THROWS

#endif
