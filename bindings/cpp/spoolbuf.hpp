/*
 * spoolbuf for C++17 (and a little nicer in C++20): a stream that arrives once, readable anywhere.
 *
 *     spoolbuf::buffer film(std::ifstream("/dev/stdin"));
 *     film.read(1000, bytes, sizeof bytes);                   // waits for what is missing
 *     spoolbuf::istream in(film);                             // a place of its own, seekable
 *     film.save("whole.mp4");
 *
 * Header only; needs spoolbuf.h beside it and the library to link. spoolbuf.h is the manual: who
 * waits, who calls the source and on which thread is said there, and holds here.
 *
 * SOURCES
 *
 *   Anything of these, moved (or copied) into the buffer and destroyed once it can't be asked for a
 *   byte any more, on whatever thread that is:
 *     - a callable that takes room for bytes and returns how many it wrote, 0 at the end:
 *       std::size_t (void *, std::size_t), with std::byte *, unsigned char * or char * as well, and
 *       in C++20 with std::span<std::byte>; a negative number is an error with that code;
 *     - an object whose member `read` is such a callable. Two more members are optional:
 *       `seek(std::uint64_t)`, which makes the next read deliver from there, and `cancel()`, which
 *       makes a blocked read return soon (from any thread);
 *     - a std::istream: a temporary is moved in, std::unique_ptr is owned, a plain one must outlive
 *       the buffer. It can seek if its tellg() works. Open files with std::ios::binary; std::cin
 *       brings a byte at a time unless std::ios::sync_with_stdio(false) was called first.
 *
 * ERRORS
 *
 *   Functions throw std::system_error with spoolbuf::category(), or fill a std::error_code where
 *   they are given one. Codes compare equal to std::errc: canceled to operation_canceled, timeout to
 *   timed_out, disk_full to no_space_on_device, and so on.
 *   An exception that the source throws, of any type, arrives as itself at each read that reaches
 *   that place, on whatever thread it was thrown, until resume(); threads that read at the same time
 *   get the same object. With a std::error_code it is errc::source, and source_exception() has it.
 *
 * THREADS
 *
 *   A buffer's member functions, reset() among them, may be called from any thread at any time, but
 *   for moving from it, assigning to it and the destructor. A reader, a streambuf and an istream are
 *   for one thread each; their cancel() and resume() are for any.
 *   Readers do not keep their buffer alive: without it their calls fail with errc::invalid.
 */
#ifndef SPOOLBUF_HPP
#define SPOOLBUF_HPP

#if __cplusplus < 201703L && (!defined(_MSVC_LANG) || _MSVC_LANG < 201703L)
#error "spoolbuf.hpp needs C++17; spoolbuf.h does not"
#elif !defined(__cpp_exceptions)
#error "spoolbuf.hpp needs exceptions; spoolbuf.h does not"
#endif

#include "spoolbuf.h"

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
#include <limits>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <streambuf>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#if __has_include(<version>)
#include <version>
#endif
#ifdef __cpp_lib_span
#include <span>
#endif

/* One object for all libraries of a process, also where they hide their symbols. */
#if defined(__GNUC__)
#define SPOOLBUF_SHARED __attribute__((visibility("default")))
#else
#define SPOOLBUF_SHARED
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
    unknown = SB_ERR_UNKNOWN,
    unsupported = SB_ERR_UNSUPPORTED,
    exists = SB_ERR_EXISTS,
    size = SB_ERR_SIZE,
    panic = SB_ERR_PANIC,
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

inline std::error_code make_error_code(errc code) noexcept
{
    return {static_cast<int>(code), category()};
}

/// What a buffer may be told when it is made. The meanings are those of sb_options.
struct options {
    std::optional<std::uint64_t> size;   ///< declared size in bytes, a hint
    std::uint64_t max = SB_MAX_DEFAULT;  ///< the memory part's limit in bytes
    std::string spool_dir;               ///< directory of the spool file; empty: the system's
    std::uint64_t prefetch = 0;          ///< bytes to keep ready past the furthest read
    std::optional<std::uint64_t> seek_gap;
    std::optional<std::uint32_t> round_up;
    bool memory_when_full = false;       ///< a full disk: go on in memory instead of failing
};

using stats = sb_stats;
using range = sb_range;

namespace detail {

/// What the source threw. Shared by the source and by whoever reads it, since either may go first.
class fault {
public:
    void keep(std::exception_ptr thrown) noexcept
    {
        // The one before is destroyed after the guard, since that may run anything.
        std::lock_guard<std::mutex> guard(lock_);
        std::swap(thrown_, thrown);
    }

    std::exception_ptr get() const noexcept
    {
        std::lock_guard<std::mutex> guard(lock_);
        return thrown_;
    }

    /// Throws what a status stands for: the source's own exception where it was one.
    [[noreturn]] void raise(std::int64_t status) const
    {
        // Unsupported: a source that failed to seek, maybe by throwing, has passed the bytes.
        if (status == SB_ERR_SOURCE || status == SB_ERR_UNSUPPORTED) {
            if (std::exception_ptr thrown = get())
                std::rethrow_exception(thrown);
        }
        if (status == SB_ERR_NO_MEMORY)
            throw std::bad_alloc();
        throw std::system_error(static_cast<int>(status), category());
    }

private:
    mutable std::mutex lock_;
    std::exception_ptr thrown_;
};

#ifdef __cpp_lib_span
/// What bytes can be read into.
template <class Element>
constexpr bool room_for =
    !std::is_const_v<Element> && std::is_trivially_copyable_v<Element> && sizeof(Element) == 1;

template <class Callable>
constexpr bool takes_span = std::is_invocable_v<Callable &, std::span<std::byte>>;
#else
template <class Callable> constexpr bool takes_span = false;
#endif

template <class Callable, class Byte>
constexpr bool takes = std::is_invocable_v<Callable &, Byte *, std::size_t>;

/// Asks a callable for bytes, with whichever pointer it takes.
template <class Callable>
std::int64_t ask(Callable &callable, void *out, std::size_t capacity)
{
    auto with = [&](auto... room) {
        return static_cast<std::int64_t>(std::invoke(callable, room...));
    };
    if constexpr (takes_span<Callable>) {
#ifdef __cpp_lib_span
        return with(std::span(static_cast<std::byte *>(out), capacity));
#endif
    } else if constexpr (takes<Callable, std::byte>) {
        return with(static_cast<std::byte *>(out), capacity);
    } else if constexpr (takes<Callable, unsigned char>) {
        return with(static_cast<unsigned char *>(out), capacity);
    } else {
        static_assert(takes<Callable, char>,
                      "a source takes (void *, std::size_t), or has a member `read` that does");
        return with(static_cast<char *>(out), capacity);
    }
}

/// A source's member `read` as a callable, which takes nothing if there is none.
template <class Source> struct reading {
    Source &source;

    template <class From = Source, class... Room>
    auto operator()(Room... room) const -> decltype(std::declval<From &>().read(room...))
    {
        return source.read(room...);
    }
};

template <class Source, class Reading = reading<Source>>
constexpr bool has_read = takes_span<Reading> || takes<Reading, std::byte>
    || takes<Reading, unsigned char> || takes<Reading, char>;

template <class Source> using seek_of = decltype(std::declval<Source &>().seek(std::uint64_t()));
template <class Source> using cancel_of = decltype(std::declval<Source &>().cancel());
template <class Source> using can_seek_of = decltype(std::declval<Source &>().can_seek());

/// Whether a source has such a member.
template <template <class> class Member, class Source, class = void>
constexpr bool has = false;
template <template <class> class Member, class Source>
constexpr bool has<Member, Source, std::void_t<Member<Source>>> = true;

/// A std::istream as a source; Holder points to it and may own it.
/// Goes by its streambuf, whose exceptions arrive as they are thrown, whatever its exceptions() say.
template <class Holder> class stream_source {
public:
    explicit stream_source(Holder holder) : stream_(std::move(holder))
    {
        if (!stream_)
            throw std::system_error(SB_ERR_INVALID, category());
        if (stream_->good())
            start_ = stream_->rdbuf()->pubseekoff(0, std::ios_base::cur, std::ios_base::in);
    }

    bool can_seek() const { return start_ >= 0; }

    std::int64_t read(char *out, std::size_t capacity)
    {
        std::streambuf &bytes = *stream_->rdbuf();
        // The first byte may take its time; what has come with it is taken, and no more waited for.
        auto first = past_end_ ? traits::eof() : bytes.sbumpc();
        if (first == traits::eof()) {
            // One that could not be opened has no end.
            if (stream_->bad() || (stream_->fail() && !stream_->eof()))
                throw std::ios_base::failure("the stream can't be read");
            return 0;
        }
        *out = traits::to_char_type(first);
        // Negative is a guess that no more will come: the next call sees what does.
        std::streamsize more = bytes.in_avail();
        if (more > 0 && static_cast<std::uint64_t>(more) >= capacity)
            more = static_cast<std::streamsize>(capacity) - 1;
        return 1 + (more > 0 ? bytes.sgetn(out + 1, more) : 0);
    }

    std::int64_t seek(std::uint64_t offset)
    {
        std::streambuf &bytes = *stream_->rdbuf();
        // Further than a stream can count there is nothing.
        auto most = (std::numeric_limits<std::streamoff>::max)() - start_;
        past_end_ = offset > static_cast<std::uint64_t>(most);
        if (past_end_)
            return 0;
        std::streamoff to = static_cast<std::streamoff>(offset) + start_;
        if (bytes.pubseekpos(to, std::ios_base::in) == std::streampos(to))
            return 0;
        // Some streams refuse a place past their end, others go there.
        std::streamoff end = bytes.pubseekoff(0, std::ios_base::end, std::ios_base::in);
        past_end_ = end >= 0 && to > end;
        return past_end_ ? 0 : -1;
    }

private:
    using traits = std::istream::traits_type;

    Holder stream_;
    std::streamoff start_ = -1;
    bool past_end_ = false;
};

/// A stream that was moved in. It stays at its place in memory while the holder is moved.
template <class Stream> std::unique_ptr<std::istream> hold(Stream &&stream)
{
    return std::make_unique<std::decay_t<Stream>>(std::forward<Stream>(stream));
}

/// The border: the user's source behind C callbacks. No exception leaves it.
template <class Source> struct border {
    Source source;
    std::shared_ptr<fault> thrown;

    template <class Work>
    static std::int64_t guarded(border &self, Work &&work) noexcept
    {
        try {
            return work(self.source);
        } catch (...) {
            self.thrown->keep(std::current_exception());
            return -1;
        }
    }

    static std::int64_t read(void *opaque, void *out, std::size_t capacity) noexcept
    {
        border &self = *static_cast<border *>(opaque);
        self.thrown->keep(nullptr);
        return guarded(self, [&](Source &from) {
            if constexpr (has_read<Source>) {
                reading<Source> member{from};
                return ask(member, out, capacity);
            } else {
                return ask(from, out, capacity);
            }
        });
    }

    static std::int64_t seek(void *opaque, std::uint64_t offset) noexcept
    {
        border &self = *static_cast<border *>(opaque);
        return guarded(self, [&](Source &from) -> std::int64_t {
            if constexpr (has<seek_of, Source>) {
                if constexpr (std::is_integral_v<decltype(from.seek(offset))>)
                    return static_cast<std::int64_t>(from.seek(offset));
                else
                    from.seek(offset);
                return 0;
            } else {
                return -1;
            }
        });
    }

    static void cancel(void *opaque) noexcept
    {
        if constexpr (has<cancel_of, Source>) {
            try {
                static_cast<border *>(opaque)->source.cancel();
            } catch (...) {
                // There is nobody to tell: the call that it was to stop goes on.
            }
        }
    }

    static void close(void *opaque) noexcept { delete static_cast<border *>(opaque); }

    /// The C source, which owns the border from sb_new_with() on.
    sb_callback callback()
    {
        bool seeks = has<seek_of, Source>;
        if constexpr (has<can_seek_of, Source>)
            seeks = source.can_seek();
        sb_callback result = {};
        result.read = read;
        result.opaque = this;
        result.seek = seeks ? seek : nullptr;
        result.cancel = has<cancel_of, Source> ? cancel : nullptr;
        result.close = close;
        return result;
    }
};

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

/// A count, or what it stands for thrown. There is no fault where there never was a source.
inline std::uint64_t checked(std::int64_t result, const std::shared_ptr<fault> &thrown)
{
    if (result < 0)
        thrown ? thrown->raise(result) : fault().raise(result);
    return static_cast<std::uint64_t>(result);
}

/// A count; 0 with the code filled if it is none.
inline std::size_t settled(std::int64_t result, std::error_code &code) noexcept
{
    code.clear();
    if (result >= 0)
        return static_cast<std::size_t>(result);
    code.assign(static_cast<int>(result), category());
    return 0;
}

} // namespace detail

class reader;

/// A resource that arrives once, readable anywhere. Owns its sb_buffer; moves, does not copy.
class buffer {
public:
    /// No buffer: every call on it fails with errc::invalid.
    buffer() noexcept = default;

    /// Makes a buffer over a source. Starts nothing and reads nothing, unless `prefetch` is set.
    template <class Source,
              class = std::enable_if_t<!std::is_same_v<std::decay_t<Source>, buffer>>>
    explicit buffer(Source &&source, const options &how = {})
        : thrown_(std::make_shared<detail::fault>())
    {
        using kept = decltype(detail::into_source(std::forward<Source>(source)));
        using border = detail::border<kept>;
        std::unique_ptr<border> made(
            new border{detail::into_source(std::forward<Source>(source)), thrown_});
        sb_options plain;
        sb_options_init(&plain, sizeof plain);
        plain.size = how.size.value_or(SB_SIZE_UNKNOWN);
        plain.max = how.max;
        plain.spool_dir = how.spool_dir.empty() ? nullptr : how.spool_dir.c_str();
        plain.prefetch = how.prefetch;
        plain.seek_gap = how.seek_gap.value_or(plain.seek_gap);
        plain.round_up = how.round_up.value_or(plain.round_up);
        plain.on_full = how.memory_when_full ? SB_FULL_MEMORY : SB_FULL_FAIL;
        sb_callback callback = made->callback();
        // A good callback is the library's from the call on, whatever comes of it.
        made.release();
        sb_buffer *handle = nullptr;
        int status = sb_new_with(&callback, &plain, &handle);
        if (status < 0)
            thrown_->raise(status);
        handle_ = handle;
    }

    /// Takes over a handle of the C API's.
    static buffer adopt(sb_buffer *handle)
    {
        buffer result;
        result.handle_ = handle;
        return result;
    }

    buffer(buffer &&other) noexcept : handle_(other.release()), thrown_(std::move(other.thrown_)) {}

    buffer &operator=(buffer &&other) noexcept
    {
        // To itself as well: it has nothing to free then.
        sb_free(handle_.exchange(other.release()));
        thrown_ = std::move(other.thrown_);
        return *this;
    }

    ~buffer() { reset(); }

    /// Frees the buffer now, see sb_free(); from any thread: calls that wait on other ones fail with
    /// errc::canceled, later ones with errc::invalid.
    void reset() noexcept { sb_free(release()); }

    /// Gives the handle away.
    sb_buffer *release() noexcept { return handle_.exchange(nullptr); }

    sb_buffer *native_handle() const noexcept { return handle_; }

    explicit operator bool() const noexcept { return handle_ != nullptr; }

    /// Copies the bytes at `[off, off + len)` to `out`; returns how many: fewer than `len` only if
    /// the resource ends or fails first.
    std::size_t read(std::uint64_t off, void *out, std::size_t len) const
    {
        return counted(sb_read(handle_, off, len, out));
    }

    std::size_t read(std::uint64_t off, void *out, std::size_t len,
                     std::error_code &code) const noexcept
    {
        return detail::settled(sb_read(handle_, off, len, out), code);
    }

    /// Up to `len` bytes at `off`.
    std::vector<std::byte> read(std::uint64_t off, std::size_t len) const
    {
        std::vector<std::byte> bytes(len);
        bytes.resize(read(off, bytes.data(), len));
        return bytes;
    }

    /// Waits only for the first byte at `off`; returns how many bytes were there, 0 at the end.
    std::size_t read_some(std::uint64_t off, void *out, std::size_t len) const
    {
        return counted(sb_read_some(handle_, off, len, out, -1));
    }

    /// The same within a time, which holds whatever the source does: a helper thread calls it.
    /// Nothing if no byte came in time; 0 is the end.
    template <class Rep, class Period>
    std::optional<std::size_t> read_some(std::uint64_t off, void *out, std::size_t len,
                                         std::chrono::duration<Rep, Period> limit) const
    {
        // As a floating-point number, since all the hours there are don't fit into milliseconds.
        double ms = std::ceil(std::chrono::duration<double, std::milli>(limit).count());
        std::int64_t whole = ms < 9e18 ? static_cast<std::int64_t>(ms > 0 ? ms : 0) : -1;
        std::int64_t count = sb_read_some(handle_, off, len, out, whole);
        if (count == SB_ERR_TIMEOUT)
            return std::nullopt;
        return counted(count);
    }

    /// Buffered bytes only: never waits, never calls the source.
    std::optional<std::size_t> read_now(std::uint64_t off, void *out, std::size_t len) const
    {
        return read_some(off, out, len, std::chrono::milliseconds(0));
    }

#ifdef __cpp_lib_span
    /// Fills `out` with the bytes at `off`; returns the part that is filled.
    template <class Element, std::size_t Extent>
        requires detail::room_for<Element>
    std::span<Element> read(std::uint64_t off, std::span<Element, Extent> out) const
    {
        return std::span<Element>(out).first(read(off, out.data(), out.size()));
    }

    template <class Element, std::size_t Extent>
        requires detail::room_for<Element>
    std::span<Element> read_some(std::uint64_t off, std::span<Element, Extent> out) const
    {
        return std::span<Element>(out).first(read_some(off, out.data(), out.size()));
    }
#endif

    /// Reads to the end and puts the whole resource at `path`, there completely or not at all.
    /// `flags` are sb_save_flag values. `progress(done, total)` returns false to stop, which is
    /// errc::canceled; what it throws arrives as itself. Returns the bytes saved.
    std::uint64_t save(const std::filesystem::path &path, std::uint32_t flags = 0,
                       const std::function<bool(std::uint64_t, std::optional<std::uint64_t>)>
                           &progress = nullptr) const
    {
#ifdef _WIN32
        auto text = path.u8string();
#else
        const std::string &text = path.native();
#endif
        struct report {
            decltype(progress) tell;
            std::exception_ptr thrown;

            static int call(void *opaque, std::uint64_t done, std::uint64_t total) noexcept
            {
                report &self = *static_cast<report *>(opaque);
                try {
                    auto known = total == SB_SIZE_UNKNOWN ? std::nullopt : std::optional(total);
                    return self.tell(done, known) ? 0 : 1;
                } catch (...) {
                    self.thrown = std::current_exception();
                    return 1;
                }
            }
        } told{progress, nullptr};
        std::int64_t count = sb_save_with(handle_, reinterpret_cast<const char *>(text.c_str()), -1,
                                          flags, progress ? report::call : nullptr, &told);
        if (count < 0 && told.thrown)
            std::rethrow_exception(told.thrown);
        return checked(count);
    }

    /// The final size, else the declared one, else nothing.
    std::optional<std::uint64_t> size() const
    {
        std::int64_t size = sb_size(handle_);
        if (size == SB_ERR_UNKNOWN)
            return std::nullopt;
        return checked(size);
    }

    /// Bytes readable at `off` without waiting.
    std::uint64_t buffered(std::uint64_t off = 0) const
    {
        return checked(sb_buffered(handle_, off));
    }

    /// What is buffered, in order.
    std::vector<range> ranges() const
    {
        checked(sb_buffered(handle_, 0));
        std::vector<range> out(4);
        std::size_t count;
        while ((count = sb_ranges(handle_, out.data(), out.size())) > out.size())
            out.resize(count);
        out.resize(count);
        return out;
    }

    /// One consistent snapshot.
    stats stat() const
    {
        stats out;
        checked(sb_stat(handle_, &out, sizeof out));
        return out;
    }

    /// Has a helper thread keep `ahead` bytes ready; SB_ALL everything; 0 stops.
    void prefetch(std::uint64_t ahead) const { checked(sb_prefetch(handle_, ahead)); }

    /// Stops every call that waits, and those that would, until resume().
    void cancel() const noexcept { sb_cancel(handle_); }

    /// Clears a cancel or the source's failure: it is asked again, where it stands.
    void resume() const noexcept { sb_resume(handle_); }

    /// Moves the memory part to the spool file now.
    void spill() const { checked(sb_spill(handle_)); }

    /// What the source threw last, if that is why reads fail with errc::source.
    std::exception_ptr source_exception() const noexcept
    {
        return thrown_ ? thrown_->get() : nullptr;
    }

private:
    friend class reader;

    std::uint64_t checked(std::int64_t result) const { return detail::checked(result, thrown_); }

    std::size_t counted(std::int64_t result) const
    {
        return static_cast<std::size_t>(checked(result));
    }

    std::atomic<sb_buffer *> handle_{nullptr};
    std::shared_ptr<detail::fault> thrown_;
};

/// A place in a buffer, with a stop of its own. Owns its sb_reader; moves, does not copy.
class reader {
public:
    reader() noexcept = default;

    explicit reader(const buffer &from)
        : buffer_(from.handle_), handle_(sb_reader_new(buffer_)), thrown_(from.thrown_)
    {
        if (!handle_)
            checked(sb_buffered(buffer_, 0) < 0 ? SB_ERR_INVALID : SB_ERR_NO_MEMORY);
    }

    /// Waits for the first byte, returns what is there and moves on by it; 0 at the end.
    std::size_t read(void *out, std::size_t len)
    {
        return static_cast<std::size_t>(checked(sb_reader_read(native_handle(), len, out)));
    }

    std::size_t read(void *out, std::size_t len, std::error_code &code) noexcept
    {
        return detail::settled(sb_reader_read(native_handle(), len, out), code);
    }

#ifdef __cpp_lib_span
    template <class Element, std::size_t Extent>
        requires detail::room_for<Element>
    std::span<Element> read(std::span<Element, Extent> out)
    {
        return std::span<Element>(out).first(read(out.data(), out.size()));
    }
#endif

    /// Moves; reads nothing and costs nothing. `whence` is SB_SEEK_SET, _CUR or _END.
    std::uint64_t seek(std::int64_t off, int whence = SB_SEEK_SET)
    {
        return checked(sb_reader_seek(native_handle(), off, whence));
    }

    std::uint64_t tell() { return seek(0, SB_SEEK_CUR); }

    /// Bytes readable at the place without waiting.
    std::uint64_t buffered() { return checked(sb_buffered(buffer_, tell())); }

    /// Whether the place is at the end, or past it, as far as is known without waiting.
    bool at_end()
    {
        sb_stats facts;
        checked(sb_stat(buffer_, &facts, sizeof facts));
        return tell() >= facts.final_size;
    }

    /// Stops this reader only; from any thread.
    void cancel() const noexcept { sb_reader_cancel(native_handle()); }

    void resume() const noexcept { sb_reader_resume(native_handle()); }

    sb_reader *native_handle() const noexcept { return handle_.get(); }

private:
    struct deleter {
        void operator()(sb_reader *handle) const noexcept { sb_reader_free(handle); }
    };

    std::uint64_t checked(std::int64_t result) const { return detail::checked(result, thrown_); }

    sb_buffer *buffer_ = nullptr;
    std::unique_ptr<sb_reader, deleter> handle_;
    std::shared_ptr<detail::fault> thrown_;
};

/// A std::streambuf over a place in a buffer: for reading, seekable; any byte can be put back.
///
/// Errors are thrown, so that an istream shows them as badbit (or throws them itself if its
/// exceptions() say so), never as the end. A read of several bytes that an error ends does not move
/// the place: what there is before the error is still to be read after clear().
class streambuf : public std::streambuf {
public:
    explicit streambuf(const buffer &from) : reader_(from) {}

    /// Stops this one only; from any thread.
    void cancel() const noexcept { reader_.cancel(); }
    void resume() const noexcept { reader_.resume(); }

protected:
    int_type underflow() override
    {
        if (gptr() == egptr()) {
            forget();
            setg(area_, area_, area_ + reader_.read(area_, sizeof area_));
        }
        return gptr() == egptr() ? traits_type::eof() : traits_type::to_int_type(*gptr());
    }

    std::streamsize xsgetn(char *out, std::streamsize wanted) override
    {
        off_type before = place();
        std::streamsize done = 0;
        try {
            while (done < wanted) {
                std::streamsize count = egptr() - gptr();
                if (count > 0) {
                    count = count < wanted - done ? count : wanted - done;
                    std::memcpy(out + done, gptr(), static_cast<std::size_t>(count));
                    gbump(static_cast<int>(count));
                } else if (wanted - done >= area_size) {
                    forget();
                    count = static_cast<std::streamsize>(
                        reader_.read(out + done, static_cast<std::size_t>(wanted - done)));
                    if (count == 0)
                        break;
                } else if (underflow() == traits_type::eof()) {
                    break;
                }
                done += count;
            }
        } catch (...) {
            go(before);
            throw;
        }
        return done;
    }

    std::streamsize showmanyc() override
    {
        std::uint64_t count = reader_.buffered();
        return count == 0 && reader_.at_end() ? -1 : static_cast<std::streamsize>(count);
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
        // There is no writing.
        gbump(1);
        return traits_type::eof();
    }

    pos_type seekoff(off_type by, std::ios_base::seekdir from,
                     std::ios_base::openmode which) override
    {
        if ((which & std::ios_base::in) == 0)
            return pos_type(off_type(-1));
        if (from == std::ios_base::end) {
            std::int64_t to = sb_reader_seek(reader_.native_handle(), by, SB_SEEK_END);
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

    /// Where the next byte comes from: the reader is ahead of it by what is in the area.
    off_type place() { return static_cast<off_type>(reader_.tell()) - (egptr() - gptr()); }

    bool go(off_type to) noexcept
    {
        if (sb_reader_seek(reader_.native_handle(), to, SB_SEEK_SET) < 0)
            return false;
        forget();
        return true;
    }

    void forget() noexcept { setg(area_, area_, area_); }

    reader reader_;
    char area_[area_size];
};

/// A std::istream over a place in a buffer.
class istream : public std::istream {
public:
    explicit istream(const buffer &from) : std::istream(nullptr), bytes_(from) { rdbuf(&bytes_); }

    /// Stops this one only; from any thread.
    void cancel() const noexcept { bytes_.cancel(); }

    /// Lets it wait again; the stream's own state is cleared by clear().
    void resume() const noexcept { bytes_.resume(); }

private:
    streambuf bytes_;
};

} // namespace spoolbuf

template <> struct std::is_error_code_enum<spoolbuf::errc> : std::true_type {};

#undef SPOOLBUF_SHARED

#endif
