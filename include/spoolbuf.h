/*
 * spoolbuf - a stream that arrives once, readable at any offset, any number of times.
 *
 * Generated from src/ffi by `BLESS=1 cargo full --test it header::`. Do not edit.
 *
 * OVERVIEW
 *
 *   A resource arrives as a stream: in chunks, in order, once. The caller's callbacks (the source)
 *   deliver it. A buffer keeps the received bytes: in memory up to `max_memory` bytes, and beyond
 *   that in an unnamed temporary file (the spool file), oldest bytes first. Any thread can read at
 *   any offset. A caller that receives the bytes by events pushes them instead: see sb_new_push().
 *
 *       sb_callback cb = { my_read, my_state };
 *       sb_buffer *b = sb_new(&cb, SB_SIZE_UNKNOWN, SB_MAX_DEFAULT);
 *       int64_t n = sb_read(b, 1000, sizeof bytes, bytes);
 *       sb_save(b, "whole.mp4");
 *       sb_free(b);
 *
 *   The frontier is how far the resource is buffered without a gap, from its start. The declared
 *   size is the size that the caller expects; it is a hint. The final size is known once the source
 *   has reached its end (EOF). Bytes are buffered and spilled in segments of at most 256 KiB.
 *
 * NUMBERS
 *
 *   Offsets and sizes of the resource are uint64_t, in bytes. Lengths of the caller's memory are
 *   size_t, in bytes. A resource has less than 2^63 bytes.
 *
 *   Functions that return a count return int64_t: 0 or more is a count, a negative value is an
 *   sb_status. Any function may return SB_ERR_PANIC, which indicates a bug in this library.
 *
 *   Times are int64_t milliseconds on a monotonic clock. A negative timeout means no limit. A
 *   timeout of 0 makes a read non-blocking; for a save it means no limit.
 *
 * PROMISES
 *
 *   1. Reading buffered bytes never blocks: not on the source, a spill, a save or another reader.
 *      Such reads run in parallel.
 *   2. No received byte is lost: a byte that the source delivered stays readable until sb_free(), or
 *      until it leaves the `window` that the caller set, despite a full disk, a failed write, a
 *      cancellation, an error or a panic.
 *   3. An error is never reported as the end of the stream (EOF), and the end is never reported as
 *      an error. Bytes before an error are delivered first. The error then persists until
 *      sb_retry() or sb_resume().
 *   4. Memory for bytes is bounded by `max_memory` plus one segment in flight (at most 256 KiB),
 *      plus at most 256 KiB for each save while it runs, and for each source that sb_reopen() has
 *      replaced while a thread is still inside it. With a `window` it may be 256 KiB more, see
 *      there. Bookkeeping takes about 3 KiB more for each buffer, and 100 to 500 bytes for each
 *      offset that the source seeks to, as long as bytes before it are missing. sb_stats counts it
 *      as `overhead`. Freed buffers leave at most 4 MiB allocated in the process, which the system
 *      can reclaim. They also leave about 1 KiB times the largest number of handles that were alive
 *      at once.
 *   5. At most one thread calls the source at a time. The source is never called with a lock held,
 *      nor after it has ended, failed or been closed. It is asked for what the waiting readers
 *      need, rounded up by at most 16 KiB. A prefetch asks for up to 64 KiB, or as much as is
 *      buffered ahead of the reader, up to 256 KiB. If several places of a source that can seek are
 *      read in turn, it is asked for up to 64 KiB where it goes on for the first time, and then for
 *      twice as much each time, up to 256 KiB. If it is SB_SOURCE_INTERRUPTIBLE and delivers less, it
 *      is read again until it has delivered that, for at most about as long as its seek took.
 *   6. Inputs are validated: no argument and no callback result causes undefined behavior.
 *   7. No trace is left. The spool file has no name; where the system does not support that, it is
 *      deleted when it is closed. Its mode is 0600, executed programs do not inherit it, and it is
 *      not created before the first spill.
 *   8. A full disk is a state. Reads that need more space return SB_ERR_DISK_FULL, all buffered
 *      bytes stay readable, and the next read tries again.
 *   9. There can be any number of handles, and any number of threads on each.
 *
 * CACHE
 *
 *   An application that streams many resources limits them together: in a cache, each resource is an
 *   entry under a key, and all entries share one budget of memory and disk space. sb_cache_open()
 *   returns a reader. The reader is a lease: as long as an entry has one, its bytes stay.
 *
 *       sb_cache_options_init(&options, sizeof options);
 *       options.open = my_open;                         // fills an sb_opened with a source
 *       sb_cache_new(&options, &cache);
 *       sb_cache_open(cache, url, strlen(url), NULL, &reader);
 *       sb_reader_read(reader, sizeof bytes, bytes);
 *       sb_reader_free(reader);                         // the entry stays until its room is needed
 *
 *   The budget holds at every moment: the oldest bytes of any entry are spilled, and the least
 *   recently released entry without a lease is evicted. Concurrent opens of one key call the opener
 *   once. An entry without a lease has no open source. Nothing is kept when the process ends.
 *
 * STREAMS WITHOUT AN END
 *
 *   A radio or a camera would fill any disk. With the option `window`, only that many bytes behind
 *   the newest are kept, for pulled and for pushed streams; memory, disk and bookkeeping stay flat.
 *   Older bytes are lapped: reading there returns SB_ERR_LAPPED, never the end and never other bytes,
 *   and so does a reader, or a save, that falls behind midway. A new reader starts at the oldest byte
 *   that is kept (`tail` in sb_stats), and SB_SEEK_LIVE leads to the newest. A reader that gets
 *   SB_ERR_LAPPED keeps its position: seek to either, and go on.
 *
 * LIFETIME
 *
 *   Every call validates its handle. A NULL, freed or forged handle returns SB_ERR_INVALID, and
 *   freeing one does nothing. A handle may be freed at any time, from any thread, even inside a
 *   callback. Readers (sb_reader) do not keep their buffer alive, except those of a cache's entry. In
 *   a child of fork(), the handles of the parent are invalid; the child can create its own.
 *
 *   On 32-bit targets at most 32,704 buffers, 32,704 readers, 32,704 watches and 32,704 caches can be
 *   alive at once, and about 700 million of each can be created per process.
 *
 * THREADS
 *
 *   Every function may be called from any thread at any time, except that the calls of
 *   sb_reader_read(), sb_reader_seek() and sb_reader_find_size() on one reader must not overlap.
 *
 *   The library calls the source on the thread of the reader that needs bytes. It calls the source
 *   on a helper thread only if the caller asks for that: by sb_prefetch(), by sb_when(), by the
 *   option `prefetch`, or by a call or a reader with a positive timeout. The opener of a cache runs
 *   on a thread of the library if the open has a timeout, even one of 0. The runtimes of some
 *   languages (synchronous Node, Deno, Ruby, Perl, LuaJIT) cannot run callbacks on foreign threads.
 *   Use none of these there.
 *
 *   No function is async-signal-safe. A thread must not be canceled from outside (pthread_cancel)
 *   while it is inside a call. A call uses less than 8 KiB of its thread's stack, plus what the
 *   callbacks use.
 *
 * COMPATIBILITY
 *
 *   Structs that may grow carry their size. Codes and values are never reused. Each function states
 *   the version that introduced it.
 */


#ifndef SPOOLBUF_H
#define SPOOLBUF_H

#include <stddef.h>
#include <stdint.h>

#ifdef sb_free
#error "sb_free is a macro of stb's stretchy_buffer.h: define NO_STRETCHY_BUFFER_SHORT_NAMES for it"
#endif

/**
 * The prefix of each declaration. The program that includes this header can define it, for example
 * to hide the functions where the library is compiled in.
 *
 * With SB_DLL defined, the functions are imported from a DLL of Windows. Without it the program can
 * be linked with the DLL too, and with the static library.
 */
#ifndef SB_API
#if defined(_WIN32) && defined(SB_DLL)
#define SB_API __declspec(dllimport)
#elif defined(__GNUC__) && !defined(_WIN32)
#define SB_API __attribute__((visibility("default")))
#else
#define SB_API
#endif
#endif

/**
 * The major version of this header.
 */
#define SB_VERSION_MAJOR 0

/**
 * The minor version of this header.
 */
#define SB_VERSION_MINOR 1

/**
 * The patch version of this header.
 */
#define SB_VERSION_PATCH 0

/**
 * The version of this header as one number, which sb_version() returns for the library.
 */
#define SB_VERSION_NUMBER (((SB_VERSION_MAJOR * 65536) + (SB_VERSION_MINOR * 256)) + SB_VERSION_PATCH)

/**
 * An unknown size.
 */
#define SB_SIZE_UNKNOWN UINT64_MAX

/**
 * The default memory limit: 5 MiB, in bytes.
 */
#define SB_MAX_DEFAULT 5242880

/**
 * For sb_prefetch(): keep everything buffered, up to the end of the resource.
 */
#define SB_PREFETCH_ALL UINT64_MAX

/**
 * A `reach` without a limit: a read fetches everything before its offset, however far it is.
 */
#define SB_REACH_WHOLE UINT64_MAX

/**
 * The `reach` that the adapters for media libraries use unless told otherwise, in bytes. A source
 * that cannot seek is read through a short gap, and a look at the end of the resource fails at once.
 */
#define SB_REACH_AUTO 65536

/**
 * For sb_when(), instead of an offset: bytes to push, and space for them.
 */
#define SB_WHEN_WANTED (UINT64_MAX - 1)

/**
 * Status codes. Functions that return a count return one of these, negative, on failure. Codes are
 * never reused.
 */
typedef enum {
    /**
     * Success.
     */
    SB_OK = 0,
    /**
     * A NULL, freed or forged handle; a required pointer that is NULL; a range that extends past
     * 2^64.
     */
    SB_ERR_INVALID = -1,
    /**
     * The source failed. Its own error code is in sb_error and sb_stats. The error persists until
     * sb_retry() or sb_resume(), except after a failed seek, which the next read tries again.
     */
    SB_ERR_SOURCE = -2,
    /**
     * A file operation failed. sb_error says which one, and has the system's error code.
     */
    SB_ERR_IO = -3,
    /**
     * The disk is full, or a quota, a file size limit or the `max_disk` of a cache is reached.
     * Nothing is lost; the next call tries again.
     */
    SB_ERR_DISK_FULL = -4,
    /**
     * Out of memory, or no thread could be created. Nothing is lost; the next call tries again.
     */
    SB_ERR_NO_MEMORY = -5,
    /**
     * The call was canceled by sb_cancel(), sb_reader_cancel(), sb_free(), sb_reader_free(),
     * sb_cache_free(), or by the progress callback of a save. Or a cache's entry has no source now.
     */
    SB_ERR_CANCELED = -6,
    /**
     * Before the timeout no byte arrived or, in a push, was accepted; or the size did not become
     * known, or a save was not complete. Never means the end of the resource (EOF).
     */
    SB_ERR_TIMEOUT = -7,
    /**
     * The call would wait for the callback that made it. A source's callback, a log function, an
     * sb_ready_fn, `thread_begin` or `thread_end` called for bytes that are not buffered; or one of the
     * last four made a push that would block, or an sb_cache_open() that would. Or an opener opened its
     * own key.
     */
    SB_ERR_REENTRANT = -8,
    /**
     * The size is not known yet.
     */
    SB_ERR_UNKNOWN_SIZE = -9,
    /**
     * The source, the system or the target cannot do this.
     */
    SB_ERR_UNSUPPORTED = -10,
    /**
     * The target exists and must not be replaced.
     */
    SB_ERR_EXISTS = -11,
    /**
     * The resource does not have the required size, or is not completely buffered. In a push:
     * bytes past the end, or an end that contradicts what was pushed before.
     */
    SB_ERR_SIZE = -12,
    /**
     * The library, or a source written in Rust, panicked; the panic was caught.
     */
    SB_ERR_PANIC = -13,
    /**
     * The source ended below the declared size, and `on_short` is SB_SHORT_ERROR. The error
     * persists until sb_retry() or sb_resume().
     */
    SB_ERR_SHORT = -14,
    /**
     * The bytes have left the `window` of the buffer (see sb_options). They do not come back: continue
     * at `tail` in sb_stats, or with SB_SEEK_LIVE.
     */
    SB_ERR_LAPPED = -15,
} sb_status;

/**
 * The origin of a seek with sb_reader_seek(). The values are those of lseek(2).
 */
typedef enum {
    /**
     * From the start of the resource.
     */
    SB_SEEK_SET = 0,
    /**
     * From the reader's position.
     */
    SB_SEEK_CUR = 1,
    /**
     * From the final size or, until it is known, from the declared size.
     */
    SB_SEEK_END = 2,
    /**
     * From the end of the newest buffered byte, which is the furthest: with an offset of 0, the next
     * read waits for the next byte to arrive.
     */
    SB_SEEK_LIVE = 16,
} sb_whence;

/**
 * The state of a buffer's source, in sb_stats.
 */
typedef enum {
    /**
     * More bytes may arrive.
     */
    SB_STATE_OPEN = 0,
    /**
     * The source has ended; the final size is known.
     */
    SB_STATE_ENDED = 1,
    /**
     * The source failed. It is called again after sb_retry() or sb_resume().
     */
    SB_STATE_FAILED = 2,
    /**
     * sb_cancel() is in force, until sb_resume(). Or the buffer is an entry of a cache, and has no
     * source until the opener brings one.
     */
    SB_STATE_CANCELED = 3,
} sb_state;

/**
 * Where a buffer's spool file is, in sb_stats.
 */
typedef enum {
    /**
     * There is no spool file: nothing has been spilled yet.
     */
    SB_SPOOL_NONE = 0,
    /**
     * On a file system that does not use memory, so that spilling frees memory.
     */
    SB_SPOOL_DISK = 1,
    /**
     * On a file system that keeps its files in memory (tmpfs, ramfs).
     */
    SB_SPOOL_MEMORY = 2,
} sb_spool;

/**
 * What happens when the disk is full or fails, in sb_options.
 */
typedef enum {
    /**
     * Reads that need more space return SB_ERR_DISK_FULL or SB_ERR_IO. Memory stays within its
     * limit.
     */
    SB_ON_FULL_FAIL = 0,
    /**
     * The buffer grows in memory past `max_memory` until the disk has space again.
     */
    SB_ON_FULL_MEMORY = 1,
} sb_on_full;

/**
 * What an end below the declared size means, in sb_options.
 */
typedef enum {
    /**
     * The end of the resource: the source takes precedence over the declared size. If the source
     * was sought to an offset and had no bytes there, and the bytes before that offset arrive
     * later, the source is asked at that offset once more.
     */
    SB_SHORT_END = 0,
    /**
     * SB_ERR_SHORT: the connection was cut, and more bytes may arrive when the source is called
     * again. If the source was sought to an offset and had no bytes there, reads there return 0
     * until sb_retry() or sb_resume(), after which the source is asked again.
     */
    SB_SHORT_ERROR = 1,
} sb_on_short;

/**
 * Return codes of a source's callbacks that have a meaning to the library. Every other negative
 * code is the source's own error code and a failure.
 */
typedef enum {
    /**
     * The call gave up without bytes, and the source's state is unchanged. Either the source
     * obeyed `cancel`, or it has no bytes yet and does not block.
     *
     * While a cancel is in force, this is not a failure. Afterwards the cancel request may be
     * stale: the source is then called again, at most as often as `cancel` was called and not yet
     * obeyed. If no cancel explains the code, the call returns SB_ERR_SOURCE. An end after that
     * error is still believed (see sb_callback).
     */
    SB_SOURCE_CANCELED = -2147483647,
    /**
     * From `seek`, or from `pull` at an offset other than where the last call ended: the source
     * cannot seek there, nor anywhere else. From then on it is only read forward.
     */
    SB_SOURCE_UNSUPPORTED = -2147483646,
    /**
     * The source delivers another resource than the one that is buffered. The library sets this
     * code after sb_reopen() if bytes that the source delivers again differ from the buffered ones,
     * or if it ends below them. A source may return it as well, if a validator differs, say. The failure
     * persists until sb_reopen(), even after sb_retry() or sb_resume().
     */
    SB_SOURCE_MISMATCH = -2147483645,
} sb_source_code;

/**
 * Capabilities of a source, in sb_callback: any of these, ORed together.
 */
typedef enum {
    /**
     * `pull` accepts any offset. Only with `pull`.
     */
    SB_SOURCE_SEEKS = 1,
    /**
     * `cancel` ends only the call that is running, and does no harm: the source goes on as if there
     * had been none. A `cancel` that closes a connection is not of this kind.
     *
     * The library may then call `cancel` by itself, in two cases. A reader was canceled or freed
     * whose own thread is inside the source: its call returns at once. Or the source can seek and
     * has stalled while another call needs bytes elsewhere: that call interrupts it after 20 ms, or
     * after four times the longest of the recent calls of the source, at most a second. The source
     * is then sought for that call, and the interrupted one gets its bytes afterwards. If a source
     * delivers nothing between two such interrupts, the time doubles.
     *
     * If several places are read in turn, the source may be read again although nobody needs more
     * bytes yet: see `read_granularity` in sb_options.
     *
     * A read with a timeout of 0 and an sb_when() never interrupt the source, since they do not wait.
     *
     * Without this flag, or without a `cancel`, both wait until the source returns.
     */
    SB_SOURCE_INTERRUPTIBLE = 2,
} sb_source_flag;

/**
 * Properties of a buffer, in sb_options: any of these, ORed together.
 */
typedef enum {
    /**
     * The declared size, or the one that the source's `size` returns, is a fact: sb_known_size()
     * returns it before the end is known, and the adapters for media libraries pass it on. Set it
     * only for a size that cannot be wrong, and not for that of a file that still grows. Reads do
     * not depend on it.
     */
    SB_SIZE_TRUSTED = 1,
} sb_option_flag;

/**
 * Properties of a reader, in sb_reader_options: any of these, ORed together.
 */
typedef enum {
    /**
     * Reads only bytes that are buffered, or that arrive for other calls before the timeout. The
     * source is never called for this reader, and the prefetch does not follow it. Without a
     * timeout (a negative `timeout_ms`) it never blocks. If there are no bytes it returns
     * SB_ERR_TIMEOUT, 0 at the end, or the failure that stops the source.
     */
    SB_READER_BUFFERED = 1,
} sb_reader_flag;

/**
 * Flags of sb_save_with(), in sb_save_options: any of these, ORed together.
 */
typedef enum {
    /**
     * Flushes the file to disk (fsync) before the call returns, and for a path also its directory.
     */
    SB_SAVE_SYNC = 1,
    /**
     * If the target exists, leaves it alone and returns SB_ERR_EXISTS.
     */
    SB_SAVE_NO_REPLACE = 2,
    /**
     * If the final size is not the declared size, saves nothing and returns SB_ERR_SIZE.
     */
    SB_SAVE_REQUIRE_SIZE = 4,
    /**
     * Saves the bytes that are buffered now, from the start, without calling the source. If they
     * have gaps, returns SB_ERR_SIZE. With the option `window`, saves them from `tail` in sb_stats on,
     * and returns SB_ERR_LAPPED if some are dropped before they have been written.
     */
    SB_SAVE_BUFFERED = 8,
    /**
     * Allows the file to share its blocks with the spool file, or to be the spool file, if both
     * are on the same file system. The save then takes almost no time. The bytes in memory are
     * spilled for that; if linking is impossible, nothing is spilled. The caller promises not to
     * modify the saved file in place while the buffer exists.
     */
    SB_SAVE_LINK = 16,
} sb_save_flag;

/**
 * What a call was doing when it failed, in sb_error.
 */
typedef enum {
    /**
     * None of these: the call was canceled or timed out, say.
     */
    SB_OP_NONE = 0,
    /**
     * Reading the source.
     */
    SB_OP_SOURCE_READ = 1,
    /**
     * Seeking the source. With `pull`: reading it at an offset other than where the last call
     * ended.
     */
    SB_OP_SOURCE_SEEK = 2,
    /**
     * Creating the spool file.
     */
    SB_OP_SPOOL_CREATE = 3,
    /**
     * Writing the spool file.
     */
    SB_OP_SPOOL_WRITE = 4,
    /**
     * Reading the spool file.
     */
    SB_OP_SPOOL_READ = 5,
    /**
     * Opening the directory of a save's target, or creating the new file there.
     */
    SB_OP_TARGET_OPEN = 6,
    /**
     * Writing the target.
     */
    SB_OP_TARGET_WRITE = 7,
    /**
     * Setting the target's permission bits (`mode` in sb_save_options).
     */
    SB_OP_TARGET_MODE = 8,
    /**
     * Asking the system whether it has accepted what was written to the target. Some file systems
     * report that only when a file is closed.
     */
    SB_OP_TARGET_CLOSE = 9,
    /**
     * Flushing the target or its directory to disk, for SB_SAVE_SYNC.
     */
    SB_OP_TARGET_SYNC = 10,
    /**
     * Giving the complete new file the target's name.
     */
    SB_OP_TARGET_RENAME = 11,
    /**
     * Making the spool file the target, for SB_SAVE_LINK.
     */
    SB_OP_TARGET_LINK = 12,
    /**
     * Opening the source of an entry of a cache (see sb_opener_fn).
     */
    SB_OP_SOURCE_OPEN = 13,
} sb_operation;

/**
 * How important a message is, for sb_set_log().
 */
typedef enum {
    /**
     * No messages.
     */
    SB_LOG_OFF = 0,
    /**
     * Calls fail because of it: the source failed, the spool file cannot be written.
     */
    SB_LOG_ERROR = 1,
    /**
     * It works, but worse than expected: the source cannot seek, or ended too early; the spool file
     * is in memory.
     */
    SB_LOG_WARN = 2,
    /**
     * What happens once or twice in the life of a buffer and may explain its behavior: where the
     * spool file is, where the source ended, why a save had to copy.
     */
    SB_LOG_INFO = 3,
    /**
     * The life of each buffer, step by step: opened, prefetch, canceled, freed.
     */
    SB_LOG_DEBUG = 4,
} sb_log_level;

/**
 * A buffer: an opaque handle, validated by each call, and not a pointer to dereference.
 */
typedef struct sb_buffer sb_buffer;

/**
 * Many buffers under one budget, each known by a key: an opaque handle, validated by each call.
 */
typedef struct sb_cache sb_cache;

/**
 * A read position in a buffer, with its own cancellation: an opaque handle, validated by each
 * call.
 */
typedef struct sb_reader sb_reader;

/**
 * A pending call of an sb_ready_fn, made by sb_when(): an opaque handle, validated by
 * sb_watch_free().
 */
typedef struct sb_watch sb_watch;

/**
 * A source of bytes: the caller's callbacks. sb_new() copies the struct, so it need not outlive
 * that call.
 *
 * `{ my_read, my_state }` is a complete source. `pull` replaces `read` and `seek`: it is the form
 * for languages in which a callback that fails returns 0 or an arbitrary value. Setting both forms
 * is SB_ERR_INVALID.
 *
 * The library calls `read`, `seek`, `pull` and `size` from one thread at a time, never with a lock
 * held, and never after `close`. After the end it calls them only for bytes elsewhere that the source
 * can reach. After an error it calls at most `size`, once, and then none of them until sb_retry()
 * or sb_resume(), except after a failed seek or a stale `cancel` (see `seek` and `cancel`). They
 * run on the thread of the reader that needs bytes. They also run on a helper thread of the library
 * after sb_prefetch() and sb_when(), with the option `prefetch`, and for a call or a reader with a
 * positive timeout.
 *
 * A callback may call any function of this library, even on its own handle. Buffered bytes are
 * returned. A call that would need the source returns SB_ERR_REENTRANT.
 *
 * An error is never the end of the stream (EOF). After an error other than SB_SOURCE_CANCELED, an
 * end is believed only in three cases: the source has delivered a byte since, a `seek` has
 * succeeded since, or the end is at the declared size. Any other end is reported as the same error
 * again. If `pull` was called for an offset other than where its last call ended, only the read
 * that needed those bytes gets that error.
 *
 * After sb_retry() or sb_resume(), a source that can seek is first asked again for up to 64 KiB of
 * buffered bytes before the end that was not believed. An end that follows those bytes is
 * believed. Without such bytes, and for a source that is only read forward, the error returns
 * however often it is retried, unless the end is at the declared size. To continue, call
 * sb_reopen() with another source. Buffered bytes stay readable, and SB_SAVE_BUFFERED saves them.
 *
 * A callback must return. No C++ exception may leave it: the process would be aborted, with a
 * message. Nor may longjmp(), pthread_exit() or pthread_cancel() leave it: no other thread could
 * reach the source again.
 */
typedef struct {
    /**
     * Required unless `pull` is set. Writes the next bytes of the resource to `out`, at most
     * `capacity` (never 0). Returns the number of bytes written, 0 at the end (EOF), or a negative
     * code on error, which is kept for sb_stats. More than `capacity` is SB_ERR_SOURCE.
     *
     * May block. After `cancel` it must return soon, with bytes or with SB_SOURCE_CANCELED, and
     * with 0 only at the real end. Any other error is a failure, even if a cancel came in the
     * meantime.
     */
    int64_t (*read)(void *opaque, void *out, size_t capacity);
    /**
     * Passed to every callback and never dereferenced. Must be usable from any thread.
     */
    void *opaque;
    /**
     * Optional; NULL for a source that is only read forward. Makes the next `read` deliver the
     * bytes at `offset`, which is below 2^63 and counted from the start of the resource. Returns 0
     * or more on success, and a negative code on error. After an error the source must still be
     * where it was.
     *
     * SB_SOURCE_UNSUPPORTED means that the source is only read forward from then on. Any other
     * error is SB_ERR_SOURCE for the read that needed the bytes, and the next read tries again.
     * After success the bytes must be those at `offset`, which the library cannot verify. An
     * offset past the end is not an error: the next `read` returns 0.
     */
    int64_t (*seek)(void *opaque, uint64_t offset);
    /**
     * Optional. Makes a blocked `read`, `seek` or `pull` return soon. Called while one runs or is
     * about to run, from any other thread, possibly more than once, but by one thread at a time.
     * Must not block. Called by sb_cancel(), sb_free() and sb_reopen(), and if the source is
     * SB_SOURCE_INTERRUPTIBLE in a few cases more.
     *
     * `cancel` can race with a call that is already returning. The source may record the request,
     * in a flag, say, and a later call may return SB_SOURCE_CANCELED because of the stale flag.
     * The library then calls the source again instead of reporting an error.
     */
    void (*cancel)(void *opaque);
    /**
     * Optional. Called exactly once, after the last other callback has returned, on any thread: as
     * soon as every byte is buffered, or else at sb_reopen() or sb_free(). That of a cache's entry is
     * called when the last lease ends, by any function of the cache, or by a call for which the source
     * of another entry delivers bytes. Each of these calls may call it, and sb_free() may block while
     * another thread is inside it: it must not take a lock that a caller of them holds. It should not
     * block, since they return after it.
     */
    void (*close)(void *opaque);
    /**
     * Replaces `read` and `seek`. Writes the bytes of the resource from `offset` on to `out`, at
     * most `capacity` (never 0), sets `*count` to the number of bytes written, and returns SB_OK.
     * A `*count` of 0 means that the end (EOF) is at or before `offset`. A negative result is an
     * error, as for `read`.
     *
     * `*count` is used only if the result is SB_OK. It is SIZE_MAX when `pull` is called, so a
     * `*count` that was never set is SB_ERR_SOURCE. So are a `*count` greater than `capacity` and
     * a positive result.
     *
     * Without SB_SOURCE_SEEKS in `flags`, `offset` is always where the last call ended, and 0 at
     * first. With it, `offset` can be any offset below 2^63. An error at an offset other than
     * where the last call ended is a failed seek, as for `seek`.
     */
    int (*pull)(void *opaque, uint64_t offset, void *out, size_t capacity, size_t *count);
    /**
     * sb_source_flag values, ORed together.
     */
    uint32_t flags;
    /**
     * Must be 0.
     */
    uint32_t reserved_flags;
    /**
     * Optional. Returns the size of the resource in bytes, or a negative value as long as it is
     * not known: for sources that learn it only from their first response.
     *
     * Called after each `read`, `seek` or `pull` has returned, on the same thread, until it
     * returns 0 or more or the final size is known. The result becomes the declared size: a hint,
     * to which `on_short` applies. If the caller declared a size, that one counts, and `size` is
     * never called. Must not block.
     */
    int64_t (*size)(void *opaque);
    /**
     * Must be NULL.
     */
    void *reserved[7];
} sb_callback;

/**
 * Why a call failed. sb_reader_error() fills it for a reader, sb_save_with() for a save, and
 * sb_cache_open() for an open.
 *
 * The caller sets `path` and `path_cap`, if it wants the path. The other members are written by
 * the library.
 */
typedef struct {
    /**
     * sizeof(sb_error) in the caller's header; set by sb_error_init().
     */
    size_t struct_size;
    /**
     * [in] Space for the path, which is written here: NUL-terminated, and truncated to fit. NULL
     * if the path is not needed.
     */
    char *path;
    /**
     * [in] The size of `path` in bytes, including the NUL; 0 if `path` is NULL.
     */
    size_t path_cap;
    /**
     * The length of the whole path in bytes, without the NUL, even if it was truncated. The path
     * is that of a save's target, or the directory of the spool file, whichever `operation`
     * concerns. 0 if there is none: for the source, say, or for a descriptor.
     */
    size_t path_len;
    /**
     * The source's own code (the return value of its callback), or 0. Only for SB_ERR_SOURCE.
     */
    int64_t source;
    /**
     * The offset in the resource of the first byte that the call could not read or write, or
     * SB_SIZE_UNKNOWN if the operation has no offset.
     */
    uint64_t offset;
    /**
     * The result of the call: an sb_status. SB_OK if no call has failed.
     */
    int32_t status;
    /**
     * What failed: an sb_operation.
     */
    int32_t operation;
    /**
     * The system's code (errno, GetLastError) of a failed file operation, or 0. With
     * SB_ERR_DISK_FULL, 0 means that a cache has reached its `max_disk` or `min_free`.
     */
    int32_t system;
    /**
     * Always 0.
     */
    int32_t reserved;
} sb_error;

/**
 * Options of sb_reader_new_with(). sb_reader_options_init() sets them to the defaults.
 */
typedef struct {
    /**
     * sizeof(sb_reader_options) in the caller's header; set by sb_reader_options_init().
     */
    size_t struct_size;
    /**
     * The timeout of each call of the reader in milliseconds, as for sb_read_some(): 0 is
     * non-blocking (not the default), and a negative value means no timeout. Default: -1.
     */
    int64_t timeout_ms;
    /**
     * sb_reader_flag values, ORed together. Default: 0.
     */
    uint32_t flags;
    /**
     * Must be 0.
     */
    uint32_t reserved;
    /**
     * The most bytes by which the position may pass the buffered bytes, if the source cannot seek
     * or the bytes are pushed. A seek further ahead returns SB_ERR_UNSUPPORTED at once and leaves
     * the position where it is, instead of the next read fetching all bytes up to there. Within the
     * buffered bytes every seek works. A source may show only after a seek that it cannot seek: the
     * read then fetches all bytes up to there. For players and parsers, which look at the end of a
     * resource if they can. Default: SB_REACH_WHOLE, no limit.
     */
    uint64_t reach;
    /**
     * For sb_cache_open(): filled with the reason if that fails, and with SB_OK if it does not;
     * initialized with sb_error_init(). The reader does not keep it. sb_reader_new_with() ignores
     * it. Default: NULL.
     */
    sb_error *error;
    /**
     * Must be NULL.
     */
    void *reserved_pointer;
} sb_reader_options;

/**
 * A range of buffered bytes: from `start` up to, but not including, `end`.
 */
typedef struct {
    /**
     * The offset of the first byte.
     */
    uint64_t start;
    /**
     * The offset after the last byte.
     */
    uint64_t end;
} sb_range;

/**
 * A consistent snapshot of a buffer, taken by sb_stat(). New members are only added at the end.
 */
typedef struct {
    /**
     * The declared size in bytes, or the one that the source's `size` returned, or
     * SB_SIZE_UNKNOWN.
     */
    uint64_t declared;
    /**
     * The final size in bytes, or SB_SIZE_UNKNOWN until the source has ended.
     */
    uint64_t final_size;
    /**
     * The lowest offset at which the source had no bytes, which is an upper bound of the size, or
     * SB_SIZE_UNKNOWN.
     */
    uint64_t bound;
    /**
     * How far the resource is buffered without a gap, in bytes from its start, or from `tail` on.
     */
    uint64_t frontier;
    /**
     * Buffered bytes in memory.
     */
    uint64_t memory;
    /**
     * Buffered bytes in the spool file.
     */
    uint64_t disk;
    /**
     * Memory that the buffer uses besides the bytes in `memory`: bookkeeping, space that is not
     * filled yet, and memory kept for future bytes.
     */
    uint64_t overhead;
    /**
     * The number of calls of the source's `read` or `pull`.
     */
    uint64_t pulls;
    /**
     * The number of seeks of the source to another offset. With `pull`, a seek is not a call of
     * its own.
     */
    uint64_t seeks;
    /**
     * How often a call blocked to wait for bytes that another call was fetching.
     */
    uint64_t waits;
    /**
     * The source's own code at its last error (the return value of its callback), or 0. An obeyed
     * `cancel` is not recorded.
     */
    int64_t source_error;
    /**
     * The system's code (errno, GetLastError) at the last failed operation on the spool file, or
     * 0. A failed save of its target is not recorded: see sb_error.
     */
    int32_t system_error;
    /**
     * An sb_state. Once every byte is buffered it is SB_STATE_ENDED, even after sb_cancel().
     */
    int32_t state;
    /**
     * Why the source is no longer called: an sb_status. SB_OK if it is still called or has ended.
     */
    int32_t status;
    /**
     * 1 if the source can seek; 0 if it cannot, or returned SB_SOURCE_UNSUPPORTED.
     */
    int32_t seekable;
    /**
     * Where the spool file is: an sb_spool.
     */
    int32_t spool;
    /**
     * 1 while a helper thread of the library exists, else 0.
     */
    int32_t helper;
    /**
     * 1 if the source ended below the declared size, or had no bytes at an offset below it,
     * regardless of `on_short`; else 0.
     */
    int32_t ended_short;
    /**
     * The operation that failed with `system_error`: an sb_operation.
     */
    int32_t system_operation;
    /**
     * The number of bytes received from the source. Bytes that it delivered twice count twice.
     */
    uint64_t pulled;
    /**
     * The time spent inside the source's `read`, `seek`, `pull` and `size`, in microseconds,
     * without a call that has not returned.
     */
    uint64_t pull_us;
    /**
     * The time for which calls blocked (see `waits`), in microseconds, summed over all threads,
     * without calls that still do.
     */
    uint64_t wait_us;
    /**
     * How often a read, while a prefetch was running, found no byte where the buffered bytes before
     * it end. Repeated reads at one offset count once.
     */
    uint64_t underruns;
    /**
     * The offset of the oldest byte that is kept. Not 0 only with the option `window`, if bytes have
     * been dropped: reading below it returns SB_ERR_LAPPED.
     */
    uint64_t tail;
} sb_stats;

/**
 * Options of sb_new_with(). sb_options_init() sets them to the defaults.
 */
typedef struct {
    /**
     * sizeof(sb_options) in the caller's header; set by sb_options_init().
     */
    size_t struct_size;
    /**
     * The declared size in bytes, a hint. Default: SB_SIZE_UNKNOWN.
     */
    uint64_t size;
    /**
     * The memory limit in bytes. Default: SB_MAX_DEFAULT.
     */
    uint64_t max_memory;
    /**
     * The directory of the spool file. The path is copied. Default: NULL, which means the
     * first of these in which a file can be created: TMPDIR, if it is set; the system's temporary
     * directory; /var/tmp, which comes before a temporary directory that is kept in memory. The log
     * names each that cannot be used. No directory is accessed before the first spill. Bytes at offsets
     * past the largest file that it can hold (4 GiB on FAT) cannot be spilled.
     */
    const char *spool_dir;
    /**
     * The number of bytes to keep buffered ahead, as with sb_prefetch(). Default: 0, none.
     */
    uint64_t prefetch;
    /**
     * If the source can seek, a gap of at most this many bytes is read through, and a larger one
     * is sought over. Default: 262144. Lower it for a slow line on which a seek is fast: at 400 KB/s
     * such a gap takes 0.6 s.
     */
    uint64_t seek_gap;
    /**
     * The source is asked for the bytes that are needed, rounded up to a multiple of
     * `read_granularity` bytes, which is at most 16384. 0 requests exactly what is needed. A call
     * that waits only for the first byte needs what its `len` has room for: at most 256 KiB if
     * `read_granularity` is 0, otherwise at most 16384 - `read_granularity` bytes. Default: 16384.
     *
     * Unless it is 0, more is requested where several places of a source that can seek are read in
     * turn, so that the source need not seek for every few bytes. Where the source returns to the
     * end of one of the last 8 ranges that it delivered without a seek, it is asked for up to 64 KiB
     * the first time, and then for twice as much each time, up to 256 KiB. That is never more than
     * twice the bytes of that range, except at a multiple of 256 KiB.
     *
     * If a source that is SB_SOURCE_INTERRUPTIBLE delivers fewer bytes than that, it is read again
     * until it has delivered them, for at most about as long as the seek took. A call without a
     * timeout returns after that; one with a timeout, or on another thread, returns as soon as its own
     * bytes are there. If the source stalls meanwhile, a call that needs bytes elsewhere interrupts
     * it, and so do sb_cancel() and sb_reader_cancel(). After a stall, the next 16 seeks read nothing
     * more, and twice as many after each further stall, up to 1024. Any other source is not read
     * again: a call returns as soon as its own bytes are there.
     */
    uint32_t read_granularity;
    /**
     * What happens when the disk is full: an sb_on_full. Default: SB_ON_FULL_FAIL.
     */
    uint32_t on_full;
    /**
     * What an end below the declared size means: an sb_on_short. Default: SB_SHORT_END.
     */
    uint32_t on_short;
    /**
     * sb_option_flag values, ORed together. Default: 0.
     */
    uint32_t flags;
    /**
     * The low mark of a prefetch, in bytes: the helper thread sleeps until fewer than this many
     * bytes are buffered past the furthest read, and then calls the source until as many as the
     * prefetch keeps are buffered. A larger value counts as the number that the prefetch keeps:
     * UINT64_MAX refills after each read. Default: 0, half of what the prefetch keeps.
     */
    uint64_t prefetch_low;
    /**
     * Passed to `thread_begin` and `thread_end`, and never dereferenced. Default: NULL.
     */
    void *thread_opaque;
    /**
     * Called once on each helper thread, before that thread calls the source: to attach it to a
     * runtime, say, or to set its priority. A read of any buffer there that would need a source, a
     * push that would block, and an sb_cache_open() that would, return SB_ERR_REENTRANT. sb_free() may
     * wait for it. Default: NULL, none.
     */
    void (*thread_begin)(void *opaque);
    /**
     * Called once on each helper thread as its last act, after its last call of the source, including
     * `close` if that is called there. Called if and only if the thread was created. sb_free() waits
     * for it, unless the thread is inside the source or an operation on the spool file at that
     * moment, or sb_reopen() has started another one in its place. What returns SB_ERR_REENTRANT in
     * `thread_begin` does here. As for a source's callbacks, no C++ exception may leave it. Default:
     * NULL, none.
     */
    void (*thread_end)(void *opaque);
    /**
     * Must be NULL.
     */
    void *reserved_pointer;
    /**
     * For sb_new_push(): the most bytes to accept past the furthest read, which slows the pusher
     * down to the speed of the readers. Bytes that a call waits for are accepted anyway.
     * Default: 0, no limit. Must be 0 for a buffer with a source.
     */
    uint64_t ahead;
    /**
     * For streams without an end: the number of bytes to keep behind the newest. At least that many
     * stay readable, and at most 512 KiB more. Older ones are dropped, in memory and in the spool
     * file, and reading there returns SB_ERR_LAPPED. Default: 0, which keeps all bytes.
     *
     * The buffer is then forward only. The source is never sought. Pushes are accepted only where the
     * buffered bytes end; bytes that had been buffered count as accepted. A prefetch keeps at most
     * `window` bytes ahead, so that it drops no byte that the furthest reader still has to read. Other
     * readers may be lapped: on a push buffer, `ahead` holds the pusher back. Saves return
     * SB_ERR_UNSUPPORTED, except with SB_SAVE_BUFFERED and without SB_SAVE_LINK, and so does
     * sb_reopen().
     *
     * If `window` is at most `max_memory`, there is no spool file. Memory for bytes is then bounded by
     * `window` plus 256 KiB, or plus 512 KiB unless `window` is a multiple of 256 KiB. Otherwise the
     * spool file takes at most `window` plus 512 KiB.
     */
    uint64_t window;
} sb_options;

/**
 * Reports that what sb_when() was called for is ready. `buffered` is what sb_when() would have
 * returned at that moment: the number of bytes, which is positive; 0 at the end (EOF); or an
 * sb_status. It is SB_ERR_CANCELED after sb_cancel() and sb_free().
 *
 * Called exactly once for a watch, unless that is freed first, with no lock of the library held. It
 * runs on the thread that makes the bytes readable, or that cancels: inside any function of this
 * library that was called for the same buffer, or on the helper thread. So nobody may hold a lock that
 * this function takes while calling such a function, except sb_when() for an offset. It must not
 * block, since readers and the source may be waiting for its thread.
 *
 * Any function may be called inside. What would wait returns SB_ERR_REENTRANT: a read of bytes that
 * are not buffered, a push that would block, a save to a pipe that is full (that waits on Windows), an
 * sb_cache_open() that would call an opener or wait for one. sb_watch_free() does not wait there.
 * sb_free() may wait there for a source that has no `close`. No C++ exception may leave the function.
 */
typedef void (*sb_ready_fn)(void *opaque, int64_t buffered);

/**
 * Reports the progress of a save: `done` of `total` bytes are saved. `total` is SB_SIZE_UNKNOWN
 * until a size is known, and the declared size until the final size is known. The last report of a
 * successful save has the final size as both, which may be 0.
 *
 * Called on the saving thread, without a lock held. Returns 0 to continue; any other value stops
 * the save with SB_ERR_CANCELED.
 */
typedef int (*sb_progress_fn)(void *opaque, uint64_t done, uint64_t total);

/**
 * Options of sb_save_with(). sb_save_options_init() sets them to the defaults.
 */
typedef struct {
    /**
     * sizeof(sb_save_options) in the caller's header; set by sb_save_options_init().
     */
    size_t struct_size;
    /**
     * The file to save to, as for sb_save(). Default: NULL, which saves to `fd`.
     */
    const char *path;
    /**
     * Called after each step to report progress. Default: NULL.
     */
    sb_progress_fn progress;
    /**
     * Passed to `progress`.
     */
    void *opaque;
    /**
     * Filled with the reason if the save fails, and with SB_OK if it does not; initialized with
     * sb_error_init(). Default: NULL.
     */
    sb_error *error;
    /**
     * Must be NULL.
     */
    void *reserved_pointer;
    /**
     * The time limit for the whole save, in milliseconds. After it the save returns
     * SB_ERR_TIMEOUT. 0 or a negative value means no limit. Default: 0.
     *
     * With a limit, the source is not called on the saving thread but on a helper thread of the
     * library, so that the limit holds whatever the source does. A running file operation or
     * `progress` is not interrupted. On Windows, neither is a write to a full pipe.
     */
    int64_t timeout_ms;
    /**
     * An open descriptor to write to if `path` is NULL, else ignored. It stays the caller's. On
     * Windows it is a descriptor of the C runtime that the library was built for. It is written as
     * binary, at the position of its handle, even if it was opened in text or append mode.
     * Default: -1, none.
     */
    int fd;
    /**
     * sb_save_flag values, ORed together. Default: 0, which saves as sb_save() does.
     */
    uint32_t flags;
    /**
     * The permission bits of the file at `path` (0600, say), whatever the umask. Ignored on
     * Windows. Default: 0, the default mode of new files.
     */
    uint32_t mode;
    /**
     * Must be 0.
     */
    uint32_t reserved;
} sb_save_options;

/**
 * What an opener returns: the resource of a key, now. See sb_opener_fn.
 */
typedef struct {
    /**
     * sizeof(sb_opened) in the library, set before the opener is called.
     */
    size_t struct_size;
    /**
     * The size of the resource in bytes, a hint; or SB_SIZE_UNKNOWN, which it is set to before.
     */
    uint64_t size;
    /**
     * A tag of the resource's bytes: a hash of its ETag, say. Equal tags, except 0, mean equal bytes.
     * 0, which it is set to before, means that nothing is known about them.
     */
    uint64_t tag;
    /**
     * The source, as for sb_new(). It must have a `close`. It is set to zeros before, and may be
     * left so if `tag` is `old_tag` and not 0: see sb_opener_fn.
     */
    sb_callback source;
} sb_opened;

/**
 * Opens the resource of a key, for sb_cache_open().
 *
 * `key` is the key, valid until the function returns. The function fills `out` and returns 0. Any
 * other value is a failure, and `out` is ignored: the source in it stays the function's.
 * SB_SOURCE_CANCELED is returned by sb_cache_open() as SB_ERR_CANCELED, SB_SOURCE_UNSUPPORTED as
 * SB_ERR_UNSUPPORTED, and every other value as SB_ERR_SOURCE, with the value as `source` in sb_error.
 *
 * If the cache has bytes of the key, and `tag` is the tag that they were opened with and not 0, it
 * keeps them. It continues with the source if some are missing and the entry has no other source, as
 * by sb_reopen(); otherwise it closes the source. Any other tag is a new entry. `old_tag` is the tag
 * of the bytes if no source is needed: the source may then be left empty (zeros) with that tag, after
 * a conditional request, say. `old_tag` is 0 if a source is needed.
 *
 * A valid source belongs to the library once the function has returned 0, and is closed exactly once.
 * An invalid one is SB_ERR_INVALID, and nothing of it is called: it is one that is invalid for
 * sb_new(), that has no `close`, or that is empty although one is needed.
 *
 * Called without a lock held, and for several keys concurrently. For one key it is called once at a
 * time, unless the key is removed meanwhile. It runs on the thread of an sb_cache_open(), or on a
 * thread of the library if that has a timeout. It may block as long as it likes: opens of other keys do
 * not wait for it, unless they have a timeout and all `threads` are blocked. It may call any function of
 * this library. To open its own key is SB_ERR_REENTRANT, and so is a key whose opener waits for it. As
 * for a source's callbacks, no C++ exception may leave it.
 */
typedef int (*sb_opener_fn)(void *opaque,
                            const void *key,
                            size_t key_size,
                            uint64_t old_tag,
                            sb_opened *out);

/**
 * Options of sb_cache_new(). sb_cache_options_init() sets them to the defaults.
 */
typedef struct {
    /**
     * sizeof(sb_cache_options) in the caller's header; set by sb_cache_options_init().
     */
    size_t struct_size;
    /**
     * Opens the resource of a key. Must be set.
     */
    sb_opener_fn open;
    /**
     * Passed to `open`, and never dereferenced. Default: NULL.
     */
    void *opaque;
    /**
     * The most memory that all entries use together, in bytes: their segments, indexes, keys, handles
     * and records. Each entry that is being opened or filled may exceed it by 256 KiB, so that any value
     * works, even 0. While more is needed, the oldest segment of any entry is spilled; if keys and
     * records alone exceed it, and 256 KiB, entries are evicted. An opener that waits for a thread of
     * the library counts, too, with its key. No open is refused for that: many may exceed the limit.
     *
     * Not counted: readers, sources, the stacks of helper threads, up to 32 bytes for each gap in the
     * buffered bytes of an entry, and, when entries have gone, the places of their records and handles:
     * up to 400 bytes times the largest number of entries at once until the cache is freed, and about
     * 700 bytes times that number as long as the process lives. Later entries and buffers use them again.
     * Default: 67108864 (64 MiB).
     */
    uint64_t max_memory;
    /**
     * The most disk space that the spool files of all entries use together, in bytes. While more is
     * needed, the entry whose last lease ended longest ago is evicted. The same happens if the disk
     * itself is full, or cannot be written. If every entry has a lease, reads return SB_ERR_DISK_FULL
     * or SB_ERR_IO. While a thread is still inside an entry that was removed or has expired, that entry's
     * room stays in use. 0 spills nothing: entries are then evicted for memory. Default: 536870912
     * (512 MiB).
     */
    uint64_t max_disk;
    /**
     * The least number of bytes to leave free in the file system of the spool files. It is sampled,
     * so that it may be missed by some. Default: 0, none.
     */
    uint64_t min_free;
    /**
     * An entry of more than this many bytes is evicted before all others, once it has no lease. What
     * counts is the number of bytes that it has then.
     *
     * While an entry has a lease, it takes room from all that have none, whatever its size. A read
     * through a resource larger than `max_memory` and `max_disk` together evicts all of them, and
     * then returns SB_ERR_DISK_FULL. An opener that knows such a size can refuse it with a code of
     * its own, before anything is evicted. Default: 0, an eighth of `max_memory` and `max_disk`
     * together.
     */
    uint64_t max_entry;
    /**
     * For how long an entry is handed out without asking the opener, in milliseconds since that
     * opened it or confirmed it. 0 asks it at each open. Default: -1; a negative value means no limit.
     */
    int64_t fresh_ms;
    /**
     * For how long an entry is kept after its last lease has ended, in milliseconds, even if there is
     * room. There is no thread for that: it is applied by every call of a cache, and whenever an
     * entry needs memory. 0 keeps none. Default: -1; a negative value means no limit.
     */
    int64_t idle_ms;
    /**
     * The most helper threads that all entries share. 0 means the default, which is 4, and more than
     * 256 count as 256. They call the sources for prefetches, and sources and openers for calls with a
     * timeout. While all of them are blocked there, entries with a prefetch get no bytes from their
     * sources, and calls that need a helper thread return SB_ERR_TIMEOUT in time. Only an opener, and
     * a callback on one of these threads, then call the source of such an entry themselves, if they
     * read it without a timeout.
     */
    uint32_t threads;
    /**
     * What an end below the declared size means: an sb_on_short. Default: SB_SHORT_END.
     */
    uint32_t on_short;
    /**
     * The number of bytes to keep buffered ahead in each entry, as with sb_prefetch(). Default: 0,
     * none.
     */
    uint64_t prefetch;
    /**
     * The low mark of the prefetch, as in sb_options. Default: 0, half of `prefetch`.
     */
    uint64_t prefetch_low;
    /**
     * The directory of the spool files, as in sb_options. Default: NULL.
     */
    const char *spool_dir;
    /**
     * Passed to `thread_begin` and `thread_end`, and never dereferenced. Default: NULL.
     */
    void *thread_opaque;
    /**
     * Called once on each thread of the library, before that calls an opener or a source, as in
     * sb_options. Default: NULL, none.
     */
    void (*thread_begin)(void *opaque);
    /**
     * Called once on each thread of the library as its last act, as in sb_options. sb_cache_free()
     * waits for it as sb_free() does, and on a thread that called an opener in any case.
     * Default: NULL, none.
     */
    void (*thread_end)(void *opaque);
} sb_cache_options;

/**
 * A snapshot of a cache, taken by sb_cache_stat(). Counters count from the cache's creation. New
 * members are only added at the end.
 */
typedef struct {
    /**
     * The number of opens for which an entry was there that could be handed out at once.
     */
    uint64_t hits;
    /**
     * The number of opens for which it was not: they called the opener, waited for one that was
     * running, got the error of one that had returned, or had SB_READER_BUFFERED.
     */
    uint64_t misses;
    /**
     * The number of openers that are running now, or wait for a thread of the library.
     */
    uint64_t opening;
    /**
     * The number of entries now, with those that were removed or replaced and still have a lease.
     */
    uint64_t entries;
    /**
     * The number of leases now: readers, and opens about to return one.
     */
    uint64_t leases;
    /**
     * The number of bytes received from the sources of all entries, with those that are gone. What a
     * source still returns after its entry has ended is discarded and does not count.
     */
    uint64_t pulled;
    /**
     * The number of entries that ended because their `idle_ms` had passed.
     */
    uint64_t expired;
    /**
     * The number of entries that were evicted because `max_disk` was reached.
     */
    uint64_t evicted_disk;
    /**
     * The number of entries that were evicted because of `min_free`, or because the disk was full or
     * failed.
     */
    uint64_t evicted_free;
    /**
     * The number of entries that were evicted because `max_memory` was reached by bookkeeping alone.
     */
    uint64_t evicted_memory;
    /**
     * The number of entries that were evicted, for any of these reasons, before all others because
     * they were larger than `max_entry`. They are not counted above.
     */
    uint64_t evicted_large;
    /**
     * The memory that all entries use now, in bytes, with the openers that wait for a thread of the
     * library.
     */
    uint64_t memory;
    /**
     * The most memory that all of these have used at any time, in bytes.
     */
    uint64_t memory_peak;
    /**
     * The disk space that all entries use now, in bytes.
     */
    uint64_t disk;
    /**
     * The most disk space that they have used at any time, in bytes.
     */
    uint64_t disk_peak;
} sb_cache_stats;

/**
 * Receives a message, for sb_set_log(). `level` is an sb_log_level, `message` is one line of UTF-8
 * without a newline, of less than 1,024 bytes. It is valid until the function returns.
 */
typedef void (*sb_log_fn)(void *opaque, uint32_t level, const char *message);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Creates a buffer over a source.
 *
 * Copies `*callback`. Starts no thread, opens no file and calls no callback.
 *
 * @param callback [in] the source. It is invalid if it is NULL, has neither `read` nor `pull`, has
 *                 both forms, has an unknown flag, or has a reserved member that is not 0.
 * @param size     the declared size of the resource in bytes, a hint; or SB_SIZE_UNKNOWN.
 * @param max_memory the most bytes to keep in memory. SB_MAX_DEFAULT is 5 MiB. 0 keeps no more
 *                 than the segment in flight (at most 256 KiB). UINT64_MAX never spills.
 * @return the handle; NULL if the callback is invalid or memory runs out. A valid callback belongs
 *         to the library from the call on: if memory runs out, its `close` is called before
 *         sb_new() returns.
 *
 * Threads: any thread, concurrently.
 *
 * Ownership: the caller frees the handle with sb_free(). `callback` is not used after the call.
 * The object that `opaque` points to is used until `close` is called or, without a `close`, until
 * sb_free() returns.
 *
 * Since: 0.1
 */
SB_API sb_buffer *sb_new(const sb_callback *callback, uint64_t size, uint64_t max_memory);

/**
 * Copies the bytes at `[off, off + len)` to `out`.
 *
 * Blocks until they are buffered, and may call the source on this thread. Reading buffered bytes
 * never blocks.
 *
 * @param handle the buffer.
 * @param off    the offset of the first byte, from the start of the resource.
 * @param len    the number of bytes to read; 0 reads nothing.
 * @param out    [out] space for `len` bytes; may be NULL if `len` is 0. Its content past the
 *               returned number of bytes is undefined.
 * @return the number of bytes copied: `len`, or fewer if the resource ends or fails first (the
 *         next call at that offset returns 0 or the error); 0 at or past the end (EOF).
 *         SB_ERR_INVALID: the handle is invalid, `out` is NULL, `off + len` is greater than 2^64,
 *         or `len` is greater than half of SIZE_MAX.
 *         SB_ERR_SOURCE: the source failed at this offset, or could not seek to it this time.
 *         SB_ERR_SHORT: the source ended at this offset, below the declared size, and `on_short`
 *         is SB_SHORT_ERROR.
 *         SB_ERR_CANCELED: sb_cancel() or sb_free() was called while the call was blocked. This is
 *         returned even if some bytes had been read, or if the source returned them: they are
 *         buffered.
 *         SB_ERR_REENTRANT: a callback of the source, a log function, an sb_ready_fn, `thread_begin`
 *         or `thread_end` called this function for bytes that are not buffered.
 *         SB_ERR_DISK_FULL, SB_ERR_NO_MEMORY: there is no space or memory for more bytes; later
 *         calls try again.
 *         SB_ERR_IO: the spool file cannot be created, written or read.
 *         SB_ERR_UNSUPPORTED: the bytes lie before the current position of a source that can no
 *         longer seek (it returned SB_SOURCE_UNSUPPORTED).
 *         SB_ERR_LAPPED: the bytes have left the `window` (see sb_options).
 *
 * Threads: any thread, concurrently.
 *
 * Since: 0.1
 */
SB_API
int64_t sb_read(sb_buffer *handle,
                uint64_t off,
                size_t len,
                void *out);

/**
 * Reads the source to its end (EOF) and saves the whole resource to the file `path`.
 *
 * The file is written atomically: either it is complete or `path` is unchanged. An existing file
 * is replaced in one step or left as it is, even if the system reports a failed write only at
 * close. Blocks until the source has ended, and may call it on this thread. Other readers are not
 * blocked. The save uses at most 256 KiB of memory while it runs, regardless of `max_memory`. The
 * new file has the default mode of new files.
 *
 * A symbolic link to a file, or to nothing, is replaced, not followed. A symbolic link to anything
 * else is refused with SB_ERR_UNSUPPORTED, as its target is. So is a path that leads to a
 * descriptor (/dev/stdout or /dev/fd/3, for example); to write to a descriptor use sb_save_with().
 * The path is checked when the save begins, and again before the file is replaced.
 *
 * Until it is complete, the file has no name. Where a file must have a name, it has one of its own
 * next to the target: `.spoolbuf-*.part`. If the process is killed, that file may remain. A later
 * save into the directory removes it if its process has ended on this host, or after a week.
 *
 * @param handle the buffer.
 * @param path   [in] the file, NUL-terminated: the platform's bytes on Unix, UTF-8 on Windows.
 * @return the number of bytes saved, which is the final size; an error of sb_read() if a byte
 *         cannot be read; or
 *         SB_ERR_INVALID: `path` is NULL, empty or, on Windows, not UTF-8; or its file name
 *         matches `.spoolbuf-*.part`.
 *         SB_ERR_UNSUPPORTED: `path` is a directory, a device or a pipe, or has become one; or the
 *         buffer has a `window`.
 *         SB_ERR_DISK_FULL, SB_ERR_IO: the file cannot be written.
 *
 * Threads: any thread, concurrently, any number of saves.
 *
 * Since: 0.1
 */
SB_API int64_t sb_save(sb_buffer *handle, const char *path);

/**
 * Frees a buffer, its memory and its spool file, without a trace.
 *
 * May be called at any time: while other threads are inside calls on the handle (they return
 * SB_ERR_CANCELED), from inside the source's callbacks, twice, or on NULL. Never blocks on a write
 * to the spool file.
 *
 * If the source is inside a callback on another thread, its `cancel` is called. With a `close`,
 * sb_free() then returns at once, and `close` is called when the source has returned. Without a
 * `close`, sb_free() blocks until the source has returned, which is the only sign that `opaque` is
 * no longer in use.
 *
 * sb_free() may also wait for `thread_begin`, `thread_end` and the log function on the helper
 * thread: see sb_options and sb_set_log(). The end of that thread is logged by sb_free() itself.
 *
 * @param handle the buffer; a NULL, freed or forged handle is ignored, and so is the buffer of a
 *               cache's entry.
 *
 * Threads: any thread, concurrently.
 *
 * Since: 0.1
 */
SB_API void sb_free(sb_buffer *handle);

/**
 * Blocks only until the first byte at `off` is buffered, then copies the bytes that are buffered
 * there.
 *
 * If `timeout_ms` is 0, the call is non-blocking: it copies buffered bytes only, and never calls
 * the source. If `timeout_ms` is positive, the call never calls the source on this thread. A
 * helper thread of the library calls it instead, so the timeout holds whatever the source does.
 * The first such call that finds no buffered bytes starts that thread. If `timeout_ms` is
 * negative, there is no timeout, and the call may call the source on this thread.
 *
 * @param handle     the buffer.
 * @param off        the offset of the first byte, from the start of the resource.
 * @param len        the most bytes to copy.
 * @param out        [out] space for `len` bytes; may be NULL if `len` is 0.
 * @param timeout_ms the timeout in milliseconds on a monotonic clock; 0 is non-blocking, a
 *                   negative value means no timeout.
 * @return the number of bytes copied, at least 1 unless `len` is 0 or `off` is at or past the end
 *         (EOF).
 *         SB_ERR_TIMEOUT: no byte arrived in time; never means the end.
 *         SB_ERR_NO_MEMORY: also if the helper thread cannot be created.
 *         Otherwise as sb_read().
 *
 * Threads: any thread, concurrently. With `timeout_ms` 0 it suits a real-time audio thread, as
 * long as the bytes are in memory: bytes in the spool file are read from that file.
 *
 * Since: 0.1
 */
SB_API
int64_t sb_read_some(sb_buffer *handle,
                     uint64_t off,
                     size_t len,
                     void *out,
                     int64_t timeout_ms);

/**
 * Creates a reader: a read position in a buffer, with its own cancellation. It is initially 0 or, with
 * the option `window`, the offset of the oldest byte that is kept.
 *
 * @param handle the buffer. The reader does not keep it alive: after sb_free() of the buffer, the
 *               reader's calls return SB_ERR_INVALID. If it is that of a cache's entry, the reader is
 *               a further lease, which keeps the entry.
 * @return the reader; NULL if the handle is invalid, if it is that of an entry without a lease, or if
 *         memory runs out.
 *
 * Threads: any thread, concurrently; any number of readers on one buffer.
 *
 * Ownership: the caller frees it with sb_reader_free().
 *
 * Since: 0.1
 */
SB_API
sb_reader *sb_reader_new(sb_buffer *handle);

/**
 * Returns the buffer of a reader.
 *
 * @param reader the reader.
 * @return the buffer; NULL if the reader is invalid or its buffer was freed. It stays valid until
 *         sb_free(), which may come at any time. That of a cache's entry stays valid as long as the
 *         entry has a lease: until sb_reader_free() of its last reader, or sb_cache_free().
 *
 * Threads: any thread, concurrently; never blocks.
 *
 * Ownership: the buffer stays its owner's.
 *
 * Since: 0.1
 */
SB_API sb_buffer *sb_reader_buffer(const sb_reader *reader);

/**
 * Reads at the reader's position, and advances it by the number of bytes read.
 *
 * Blocks until the first byte is buffered, then copies the bytes that are buffered there. May call
 * the source on this thread, except while a prefetch runs. A timeout, or a restriction to buffered
 * bytes, is an option of sb_reader_new_with().
 *
 * @param reader the reader.
 * @param len    the most bytes to copy.
 * @param out    [out] space for `len` bytes; may be NULL if `len` is 0.
 * @return the number of bytes copied, 0 at the end (EOF), otherwise as sb_read_some().
 *         SB_ERR_CANCELED: also if sb_reader_cancel() or sb_reader_free() was called.
 *         SB_ERR_TIMEOUT: only with options; never means the end.
 *
 * Threads: one at a time for one reader.
 *
 * Since: 0.1
 */
SB_API int64_t sb_reader_read(sb_reader *reader, size_t len, void *out);

/**
 * Sets the reader's position. Reads nothing, never blocks and costs next to nothing.
 *
 * @param reader the reader.
 * @param off    the offset in bytes, relative to `whence`. The new position may lie past the end.
 * @param whence SB_SEEK_SET, SB_SEEK_CUR, SB_SEEK_END or SB_SEEK_LIVE. The end is the final size
 *               or, until that is known, the declared size. SB_SEEK_LIVE is where the furthest
 *               buffered byte ends.
 * @return the new position, from the start of the resource. On error the position is unchanged.
 *         SB_ERR_INVALID: the reader or `whence` is invalid, or the position would lie before the
 *         start.
 *         SB_ERR_UNKNOWN_SIZE: SB_SEEK_END, and neither size is known.
 *         SB_ERR_UNSUPPORTED: the position would lie beyond the reader's `reach`.
 *
 * Threads: one at a time for one reader.
 *
 * Since: 0.1
 */
SB_API int64_t sb_reader_seek(sb_reader *reader, int64_t off, int whence);

/**
 * Finds the final size like sb_find_size(), but with the reader's timeout and cancellation, and
 * leaves its position as it is.
 *
 * @param reader the reader.
 * @return the final size in bytes, otherwise as sb_find_size().
 *         SB_ERR_UNSUPPORTED: the end is not known, the source cannot seek, and the reader's `reach`
 *         is limited.
 *         SB_ERR_CANCELED: also if sb_reader_cancel() or sb_reader_free() was called.
 *
 * Threads: one at a time for one reader.
 *
 * Since: 0.1
 */
SB_API
int64_t sb_reader_find_size(sb_reader *reader);

/**
 * Cancels one reader: its blocked call, and later calls that would block, return SB_ERR_CANCELED.
 *
 * Other readers are not affected. If the reader's own thread is inside the source at that moment, the
 * source's `cancel` is called to make it return, if the source is SB_SOURCE_INTERRUPTIBLE. It then goes
 * on for others. If it is not, the call returns when the source does. While a prefetch runs, no reader's
 * thread is ever inside the source, and cancellation is immediate; for the exception in a cache, see
 * `threads` in sb_cache_options. Never blocks. May be called any number of times.
 *
 * @param reader the reader.
 * @return SB_OK.
 *         SB_ERR_INVALID: the reader is invalid, or its buffer was freed.
 *
 * Threads: any thread, concurrently.
 *
 * Since: 0.1
 */
SB_API
int sb_reader_cancel(sb_reader *reader);

/**
 * Lets a canceled reader block again.
 *
 * @param reader the reader.
 * @return SB_OK.
 *         SB_ERR_INVALID: the reader is invalid, or its buffer was freed.
 *
 * Threads: any thread, concurrently.
 *
 * Since: 0.1
 */
SB_API int sb_reader_resume(sb_reader *reader);

/**
 * Frees a reader. If a call of the reader is blocked on another thread, that call returns
 * SB_ERR_CANCELED. If the reader is a lease of a cache's entry, the lease ends, once that call has
 * returned: see sb_cache_open().
 *
 * @param reader the reader; a NULL, freed or forged one is ignored. The buffer may already be
 *               freed.
 *
 * Threads: any thread.
 *
 * Since: 0.1
 */
SB_API void sb_reader_free(sb_reader *reader);

/**
 * Sets the options of a reader to the defaults: no timeout, no flags, no limit of the reach.
 *
 * @param options     [out] the options; not NULL.
 * @param struct_size sizeof(sb_reader_options) in the caller's header.
 * @return SB_OK.
 *         SB_ERR_INVALID: `options` is NULL, or no version has this size: it is less than in the
 *         first version, or more than 4,096 bytes.
 *
 * Threads: any thread, concurrently.
 *
 * Since: 0.1
 */
SB_API int sb_reader_options_init(sb_reader_options *options, size_t struct_size);

/**
 * Creates a reader with options: a timeout, a restriction to buffered bytes, or a limited reach.
 *
 * @param handle  the buffer, as for sb_reader_new().
 * @param options [in] the options, which are copied; NULL for the defaults. Initialize them with
 *                sb_reader_options_init().
 * @param out     [out] the reader, NULL on error; not NULL.
 * @return SB_OK.
 *         SB_ERR_INVALID: the handle or an option is invalid, `out` is NULL, or the handle is that of
 *         a cache's entry without a lease.
 *         SB_ERR_UNSUPPORTED: an option of a later version is not 0.
 *         SB_ERR_NO_MEMORY: memory runs out.
 *
 * Threads: any thread, concurrently; any number of readers on one buffer.
 *
 * Ownership: the caller frees the reader with sb_reader_free().
 *
 * Since: 0.1
 */
SB_API
int sb_reader_new_with(sb_buffer *handle,
                       const sb_reader_options *options,
                       sb_reader **out);

/**
 * Makes a helper thread keep bytes buffered ahead of the readers.
 *
 * The source is then called on that thread only, for the prefetch and for readers, once a reader
 * that is inside it has returned. For a cache's entry, see `threads` in sb_cache_options. An error of
 * the source is reported to the read that reaches it, not before.
 *
 * This call starts the thread if it does not exist, unless `ahead` is 0 or the buffer was created
 * by sb_new_push(). The thread works in bursts. It sleeps until fewer than `prefetch_low` bytes
 * (see sb_options) are buffered ahead, by default half of `ahead`. Then it calls the source until
 * `ahead` bytes are, rounded up to the end of a segment if a burst has 1 MiB or more.
 *
 * The thread blocks all signals except synchronous ones (SIGSEGV and the like). It exits before
 * sb_free() returns or, if it is inside a call of the source, an operation on the spool file or an
 * sb_ready_fn at that moment, when that returns. Never blocks.
 *
 * @param handle the buffer.
 * @param ahead  the number of bytes to keep buffered past the furthest read in the buffered range
 *               that was read last. SB_PREFETCH_ALL means everything, gaps included. 0 stops the
 *               prefetch; readers then call the source on their own threads again.
 * @return SB_OK.
 *         SB_ERR_INVALID: the handle is invalid.
 *         SB_ERR_NO_MEMORY: the thread cannot be created.
 *         SB_ERR_CANCELED: the buffer is being freed.
 *
 * Threads: any thread, concurrently.
 *
 * Since: 0.1
 */
SB_API
int sb_prefetch(sb_buffer *handle,
                uint64_t ahead);

/**
 * Cancels every blocked call: it returns SB_ERR_CANCELED at once.
 *
 * A call that is inside the source returns when the source does; the source's `cancel` is called
 * to make it return. Later calls that would need the source return SB_ERR_CANCELED too, until
 * sb_resume(). Buffered bytes stay readable. The functions of pending watches are called on this
 * thread (see sb_when()). Never blocks. May be called any number of times, even from inside a
 * callback.
 *
 * @param handle the buffer.
 * @return SB_OK.
 *         SB_ERR_INVALID: the handle is invalid.
 *         SB_ERR_UNSUPPORTED: the buffer is that of a cache's entry: cancel readers, or remove the key.
 *
 * Threads: any thread, concurrently.
 *
 * Since: 0.1
 */
SB_API
int sb_cancel(sb_buffer *handle);

/**
 * Clears a source error, but not a cancellation.
 *
 * The source is called again at its current position, and the prefetch continues unless it is
 * canceled. Clears SB_ERR_SHORT and SB_ERR_PANIC too, but not SB_SOURCE_MISMATCH. Nothing is fetched
 * twice, except after an end that was not believed (see sb_callback). Never blocks.
 *
 * @param handle the buffer.
 * @return SB_OK, even if there was nothing to clear.
 *         SB_ERR_INVALID: the handle is invalid.
 *
 * Threads: any thread, concurrently.
 *
 * Since: 0.1
 */
SB_API
int sb_retry(sb_buffer *handle);

/**
 * Clears a cancellation and a source error.
 *
 * The source is called again at its current position, as after sb_retry(). Never blocks.
 *
 * @param handle the buffer.
 * @return SB_OK, even if there was nothing to clear.
 *         SB_ERR_INVALID: the handle is invalid.
 *
 * Threads: any thread, concurrently.
 *
 * Since: 0.1
 */
SB_API int sb_resume(sb_buffer *handle);

/**
 * Replaces the source by another one of the same resource: a signed URL expired, a connection died,
 * a token was renewed.
 *
 * Buffered bytes stay. The new source starts at offset 0 and is asked for what is missing: by a seek
 * if it can seek, else by reading it from its start. Blocked calls and the prefetch go on with it at
 * once. Clears a source error, but not a cancellation. If this is called several times, the last
 * call wins.
 *
 * The old source is not called again, and is closed exactly once. If another thread is inside it,
 * its `cancel` is called, the bytes that it still delivers are discarded, and it is closed when it
 * returns. The other calls do not wait for that: the new source may be called while a thread is
 * still inside the old one. If it has a `close`, neither does this call; if
 * not, this call blocks until the old source has returned, which is the only sign that its `opaque`
 * is no longer in use. A cancellation does not end that wait. If the thread inside the old source is
 * the library's helper thread, another one is started.
 *
 * The two resources must have the same bytes, and the library checks some. Bytes that the new
 * source delivers again are compared with the buffered ones. A source that can seek delivers up to
 * 4 KiB before each gap that it fills again, or after it if no byte before it is buffered. If they
 * differ, if the source ends below buffered bytes, or if it returns SB_SOURCE_MISMATCH, the calls that
 * need the source return SB_ERR_SOURCE until another sb_reopen(), and the buffered bytes are untouched.
 * An end that `on_short` makes an error is SB_ERR_SHORT instead. This is a check, not a proof: compare
 * validators (ETag, Last-Modified, the size) where there are some.
 *
 * @param handle   the buffer, created with a source.
 * @param callback [in] the new source, as for sb_new(). A valid one belongs to the library from the
 *                 call on: if the call fails, its `close` is called before the call returns.
 * @param size     the size of the resource in bytes, or SB_SIZE_UNKNOWN. It becomes the declared
 *                 size if none is known.
 * @return SB_OK; also if every byte is buffered already: the new source is then closed at once.
 *         After any error, nothing has changed.
 *         SB_ERR_INVALID: the handle or the callback is invalid.
 *         SB_ERR_SIZE: `size` is not the final size, if that is known, or is below the end of the
 *         buffered bytes.
 *         SB_ERR_REENTRANT: the old source has no `close`, and the call came from one of its
 *         callbacks, or it came from a log function or a `ready` and would block.
 *         SB_ERR_UNSUPPORTED: the buffer was created by sb_new_push(), or with the option `window`, or is
 *         that of a cache's entry.
 *         SB_ERR_NO_MEMORY: memory runs out, or the helper thread cannot be created.
 *         SB_ERR_CANCELED: the buffer is being freed.
 *
 * Threads: any thread, concurrently.
 *
 * Ownership: as for sb_new(). The object that the old `opaque` points to is used until its `close`
 * is called or, without a `close`, until this call returns.
 *
 * Since: 0.1
 */
SB_API
int sb_reopen(sb_buffer *handle,
              const sb_callback *callback,
              uint64_t size);

/**
 * Spills all buffered bytes now, except the segment that the source is filling.
 *
 * Blocks on the disk, never on the source. Readers are not blocked.
 *
 * @param handle the buffer.
 * @return SB_OK.
 *         SB_ERR_INVALID: the handle is invalid.
 *         SB_ERR_DISK_FULL, SB_ERR_IO: the bytes that could not be spilled are still in memory.
 *
 * Threads: any thread, concurrently.
 *
 * Since: 0.1
 */
SB_API int sb_spill(sb_buffer *handle);

/**
 * Changes the memory limit, `max_memory` in sb_options, and spills the oldest bytes until memory is
 * within it.
 *
 * Also releases memory that the buffer keeps for future bytes. Blocks on the disk, never on the
 * source. Readers are not blocked. The segment that the source is filling, of at most 256 KiB, stays
 * in memory.
 *
 * @param handle the buffer.
 * @param max    the new limit in bytes. If it is higher than before, spilled bytes stay in the spool
 *               file. UINT64_MAX never spills.
 * @return SB_OK.
 *         SB_ERR_INVALID: the handle is invalid.
 *         SB_ERR_DISK_FULL, SB_ERR_IO: the bytes that could not be spilled are still in memory, even
 *         if `on_full` is SB_ON_FULL_MEMORY. The new limit applies all the same: the next read that
 *         needs memory tries again to spill down to it.
 *         SB_ERR_NO_MEMORY: memory ran out during the spill. The bytes that could not be spilled are
 *         still in memory, and the new limit applies.
 *
 * Threads: any thread, concurrently.
 *
 * Since: 0.1
 */
SB_API
int sb_set_max_memory(sb_buffer *handle,
                      uint64_t max);

/**
 * Returns the size of the resource.
 *
 * @param handle the buffer.
 * @return the size in bytes: the final size once the source has ended, else the declared size
 *         unless it has been disproved. A buffered byte past it disproves it, and so does a source
 *         that had no bytes at a lower offset (`bound` in sb_stats).
 *         SB_ERR_UNKNOWN_SIZE: no size is known.
 *         SB_ERR_INVALID: the handle is invalid.
 *
 * Threads: any thread, concurrently; never blocks.
 *
 * Since: 0.1
 */
SB_API int64_t sb_size(const sb_buffer *handle);

/**
 * Returns the size of the resource if it is a fact.
 *
 * For callers that believe what they are told: a demuxer that is given a wrong size loses sound or
 * fails. Where this returns SB_ERR_UNKNOWN_SIZE, sb_find_size() makes the size known.
 *
 * @param handle the buffer.
 * @return the size in bytes: the final size once the source has ended, else what sb_size() returns
 *         if the option SB_SIZE_TRUSTED is set.
 *         SB_ERR_UNKNOWN_SIZE: no size is known, or it is only declared.
 *         SB_ERR_INVALID: the handle is invalid.
 *
 * Threads: any thread, concurrently; never blocks.
 *
 * Since: 0.1
 */
SB_API int64_t sb_known_size(const sb_buffer *handle);

/**
 * Finds the final size: reads the source to its end (EOF) if that is necessary.
 *
 * The prefetch does not move. A source that can seek is sent to the last byte of the size that
 * sb_size() returns, which proves it, and is read on from there or, if that size is wrong or
 * unknown, from the furthest buffered byte. Other sources deliver everything.
 *
 * @param handle     the buffer.
 * @param timeout_ms the timeout in milliseconds for the whole call, as for sb_read_some(): 0 never
 *                   calls the source, with a positive one the helper thread calls it, and a
 *                   negative value means no timeout.
 * @return the final size in bytes.
 *         SB_ERR_TIMEOUT: the size did not become known in time.
 *         SB_ERR_SHORT: the source ended below the declared size, and `on_short` is
 *         SB_SHORT_ERROR.
 *         Otherwise the errors of sb_read_some().
 *
 * Threads: any thread, concurrently. sb_cancel() and sb_free() cancel it; for a call that
 * sb_reader_cancel() cancels use sb_reader_find_size().
 *
 * Since: 0.1
 */
SB_API int64_t sb_find_size(sb_buffer *handle, int64_t timeout_ms);

/**
 * Returns the number of bytes that can be read at `off` without blocking.
 *
 * @param handle the buffer.
 * @param off    the offset, from the start of the resource.
 * @return the number of bytes that are buffered from `off` on without a gap.
 *         SB_ERR_INVALID: the handle is invalid.
 *
 * Threads: any thread, concurrently; never blocks; cheap enough to call for every frame.
 *
 * Since: 0.1
 */
SB_API int64_t sb_buffered(const sb_buffer *handle, uint64_t off);

/**
 * Lists the buffered ranges, for a seek bar. They are sorted, and no two of them touch.
 *
 * @param handle the buffer.
 * @param out    [out] space for `cap` ranges; may be NULL if `cap` is 0.
 * @param cap    the most ranges to write.
 * @return the number of buffered ranges, which may be greater than `cap`.
 *         SB_ERR_INVALID: the handle is invalid, or `out` is NULL and `cap` is not 0.
 *
 * Threads: any thread, concurrently; never blocks; cheap enough to call for every frame.
 *
 * Since: 0.1
 */
SB_API int64_t sb_ranges(const sb_buffer *handle, sb_range *out, size_t cap);

/**
 * Takes a consistent snapshot of a buffer.
 *
 * @param handle   the buffer.
 * @param out      [out] the snapshot; not NULL.
 * @param out_size sizeof(sb_stats) in the caller's header. That many bytes are written, whatever
 *                 the version of the library. Members that the library does not know are set to 0.
 * @return SB_OK.
 *         SB_ERR_INVALID: the handle is invalid, or `out` is NULL.
 *
 * Threads: any thread, concurrently; never blocks.
 *
 * Since: 0.1
 */
SB_API int sb_stat(const sb_buffer *handle, sb_stats *out, size_t out_size);

/**
 * Copies the path of the directory of a buffer's spool file.
 *
 * @param handle the buffer.
 * @param out    [out] space for `cap` bytes; may be NULL if `cap` is 0. The path is terminated by
 *               a NUL, and truncated if it does not fit.
 * @param cap    the size of `out` in bytes.
 * @return the length of the path in bytes without the NUL: the path fits if this is less than
 *         `cap`. 0 before the first attempt to create the file. After a failed attempt it is the
 *         directory in which the file could not be created.
 *         SB_ERR_INVALID: the handle is invalid, or `out` is NULL and `cap` is not 0.
 *
 * Threads: any thread, concurrently; never blocks.
 *
 * Since: 0.1
 */
SB_API int64_t sb_spool_dir(const sb_buffer *handle, char *out, size_t cap);

/**
 * Sets options to the defaults.
 *
 * @param options     [out] the options; not NULL.
 * @param struct_size sizeof(sb_options) in the caller's header.
 * @return SB_OK.
 *         SB_ERR_INVALID: `options` is NULL, or no version has this size: it is less than in the
 *         first version, or more than 4,096 bytes.
 *
 * Threads: any thread, concurrently.
 *
 * Since: 0.1
 */
SB_API int sb_options_init(sb_options *options, size_t struct_size);

/**
 * Creates a buffer over a source, with options.
 *
 * Like sb_new(). With the option `prefetch` it also starts the helper thread, which calls the
 * source; `*out` is written before that.
 *
 * @param callback [in] the source, as for sb_new().
 * @param options  [in] the options, which are copied; NULL for the defaults. Initialize them with
 *                 sb_options_init().
 * @param out      [out] the handle, NULL on error; not NULL.
 * @return SB_OK.
 *         SB_ERR_INVALID: the callback or an option is invalid, or `out` is NULL.
 *         SB_ERR_UNSUPPORTED: an option of a later version is not 0, or `ahead` is not 0.
 *         SB_ERR_NO_MEMORY: memory runs out, or the helper thread cannot be created.
 *         A valid callback belongs to the library from the call on: if the call fails, its `close`
 *         is called.
 *
 * Threads: any thread, concurrently.
 *
 * Ownership: as for sb_new().
 *
 * Since: 0.1
 */
SB_API int sb_new_with(const sb_callback *callback, const sb_options *options, sb_buffer **out);

/**
 * Creates a buffer without a source, whose bytes the caller pushes with sb_push().
 *
 * For callers that receive the bytes through events: a write callback, a signal, a message. Readers
 * wait for the pusher as they would wait for a source. Starts no thread and opens no file.
 *
 * `seek_gap` and `read_granularity` have no effect. The option `prefetch` and sb_prefetch() only
 * determine what sb_wanted() returns. The library's helper thread exists only once memory is full,
 * and then writes the spool file.
 *
 * @param options [in] the options, which are copied; NULL for the defaults. Initialize them with
 *                sb_options_init().
 * @param out     [out] the handle, NULL on error; not NULL.
 * @return SB_OK.
 *         SB_ERR_INVALID: an option is invalid, or `out` is NULL.
 *         SB_ERR_UNSUPPORTED: an option of a later version is not 0.
 *         SB_ERR_NO_MEMORY: memory runs out.
 *
 * Threads: any thread, concurrently.
 *
 * Ownership: the caller frees the handle with sb_free().
 *
 * Since: 0.1
 */
SB_API int sb_new_push(const sb_options *options, sb_buffer **out);

/**
 * Pushes bytes of the resource: copies the bytes for `[off, off + len)`.
 *
 * Accepted bytes are buffered: every thread can read them before this call returns. Pieces may
 * come in any order and may overlap. Bytes that are buffered already count as accepted, and stay
 * as they are: they are not compared.
 *
 * Blocks only while there is no space, and at most until the timeout: while memory is over its
 * limit, until the helper thread has spilled; and while the bytes are more than `ahead` (see
 * sb_options) past the furthest read, until a reader comes closer. Never writes a file on this
 * thread. Of the caller's functions it calls only those of watches for the bytes that it accepts (see
 * sb_when()), and the log function. The first push that finds memory full starts the helper thread.
 * From then on that thread spills before memory is full, and keeps up to a quarter of it free, at most
 * 1 MiB.
 *
 * @param handle     the buffer, created by sb_new_push().
 * @param off        the offset of the first byte, from the start of the resource.
 * @param len        the number of bytes; 0 pushes nothing.
 * @param bytes      [in] the bytes; may be NULL if `len` is 0. They are not used after the call.
 * @param timeout_ms the timeout in milliseconds on a monotonic clock; 0 is non-blocking, a
 *                   negative value means no timeout.
 * @return the number of bytes accepted, counted from the first; at least 1 unless `len` is 0. If
 *         it is less than `len`, push the rest again: an error that ended the call is returned
 *         then.
 *         SB_ERR_TIMEOUT: no byte was accepted in time.
 *         SB_ERR_DISK_FULL, SB_ERR_IO: memory is full, and the helper thread could not spill. The
 *         next push tries again.
 *         SB_ERR_CANCELED: sb_cancel() was called, and sb_resume() was not; or the buffer was
 *         freed.
 *         SB_ERR_SOURCE, SB_ERR_SHORT: sb_push_end() has reported a failure, or an end below the
 *         declared size; until sb_retry() or sb_resume().
 *         SB_ERR_SIZE: the bytes would extend past the end, or past 2^63 - 1.
 *         SB_ERR_UNSUPPORTED: the buffer has a source; or it has a `window`, and `off` is past the end
 *         of the buffered bytes.
 *         SB_ERR_NO_MEMORY: memory runs out, or the helper thread cannot be created.
 *         SB_ERR_REENTRANT: called inside a log function, an sb_ready_fn, `thread_begin` or
 *         `thread_end`, and it would block.
 *         SB_ERR_INVALID: the handle is invalid, `bytes` is NULL, `off + len` is greater than 2^64,
 *         or `len` is greater than half of SIZE_MAX.
 *
 * Threads: any thread, concurrently. Concurrent pushes take turns, a segment at a time.
 *
 * Since: 0.1
 */
SB_API
int64_t sb_push(sb_buffer *handle,
                uint64_t off,
                size_t len,
                const void *bytes,
                int64_t timeout_ms);

/**
 * Ends a pushed stream, or reports that it failed.
 *
 * After an end, the final size is known, and missing bytes below it can still be pushed. After a
 * failure, readers get the buffered bytes first and then SB_ERR_SOURCE, until sb_retry() or
 * sb_resume(), after which pushes are accepted again. Until then an end is refused, since the bytes
 * before a failure may be a part, and a later failure replaces the one before. A pusher that goes
 * away without this call leaves readers waiting until they are canceled: there is no silent end.
 *
 * If `size` is below the declared size and `on_short` is SB_SHORT_ERROR, readers get SB_ERR_SHORT
 * instead of the end, as from a source.
 *
 * @param handle the buffer, created by sb_new_push().
 * @param size   the final size in bytes; SB_SIZE_UNKNOWN: the end is after the highest byte. Not
 *               used for a failure.
 * @param code   0 for an end. A negative value is a failure: it is kept as `source_error` for
 *               sb_stats.
 * @return SB_OK; also if the same end was reported before, or for a failure once every byte is
 *         buffered, which has no effect.
 *         SB_ERR_SOURCE, SB_ERR_SHORT: an end after a failure, or after an end below the declared
 *         size; until sb_retry() or sb_resume().
 *         SB_ERR_SIZE: `size` is below the highest byte, above 2^63 - 1, or not the end that was
 *         reported before.
 *         SB_ERR_UNSUPPORTED: the buffer has a source.
 *         SB_ERR_INVALID: the handle is invalid, or `code` is positive.
 *
 * Threads: any thread, concurrently; never blocks.
 *
 * Since: 0.1
 */
SB_API int sb_push_end(sb_buffer *handle, uint64_t size, int64_t code);

/**
 * Returns what to push next: a hint. Bytes elsewhere are accepted too.
 *
 * It is the gap for which a call has waited longest; else what the prefetch keeps buffered; else
 * what follows the frontier, at most `ahead` bytes past the furthest read.
 *
 * @param handle the buffer, created by sb_new_push().
 * @param out    [out] the range; not NULL. `end` is SB_SIZE_UNKNOWN if nothing limits it. Empty
 *               (`start` equals `end`): nothing is wanted, since every byte is buffered, enough
 *               bytes are ahead, or the buffer is canceled or has failed.
 * @return SB_OK.
 *         SB_ERR_UNSUPPORTED: the buffer has a source.
 *         SB_ERR_INVALID: the handle is invalid, or `out` is NULL.
 *
 * Threads: any thread, concurrently; never blocks.
 *
 * Since: 0.1
 */
SB_API int sb_wanted(const sb_buffer *handle, sb_range *out);

/**
 * Calls a function once bytes are available, instead of blocking a thread.
 *
 * Returns what sb_read_some() with a timeout of 0 would, without copying: then `ready` is not called,
 * and `*out` is NULL. Otherwise returns SB_ERR_TIMEOUT, and `ready` is called exactly once, when
 * there is a result: bytes, the end, an error or a cancellation. Until then the source is led to
 * `off` on a helper thread, which this call starts, or the pusher by sb_wanted(). The prefetch
 * follows as after a read.
 *
 * With SB_WHEN_WANTED instead of an offset, for a buffer that was created by sb_new_push(): the same
 * for bytes to push. Returns the number of bytes that sb_wanted() returns if an sb_push() with a
 * timeout of 0 would accept at least one of them, and 0 once every byte is buffered. Otherwise
 * `ready` is called when a reader has made the bytes wanted, or when the helper thread has made
 * space in memory, which this call makes it do. If it cannot spill, `ready` is called with
 * SB_ERR_DISK_FULL or SB_ERR_IO; the next call makes it try again.
 *
 * `ready` may be called before this call returns, on another thread; `*out` is set by then.
 *
 * A watch is no lease of a cache's entry: if the entry's last lease ends, `ready` is called with
 * SB_ERR_CANCELED, on the thread that ends it.
 *
 * @param handle the buffer.
 * @param off    the offset in bytes; may be past the end. Or SB_WHEN_WANTED.
 * @param ready  called once if the result is SB_ERR_TIMEOUT; not NULL. See sb_ready_fn.
 * @param opaque passed to `ready` and never dereferenced.
 * @param out    [out] the watch if the result is SB_ERR_TIMEOUT, otherwise NULL; not NULL.
 * @return the number of bytes that are buffered at `off` without a gap, or that can be pushed; at
 *         least 1. 0 at the end (EOF).
 *         SB_ERR_TIMEOUT: `ready` will be called.
 *         SB_ERR_SOURCE, SB_ERR_SHORT, SB_ERR_PANIC: the source, or the pusher, has failed.
 *         SB_ERR_CANCELED: sb_cancel() was called, and sb_resume() was not; or the buffer was freed.
 *         SB_ERR_NO_MEMORY: memory runs out, or the helper thread cannot be created.
 *         SB_ERR_UNSUPPORTED: SB_WHEN_WANTED, and the buffer has a source.
 *         SB_ERR_INVALID: the handle is invalid, or `ready` or `out` is NULL.
 *
 * Threads: any thread, concurrently; never blocks. May be called inside an sb_ready_fn.
 *
 * Ownership: the caller frees the watch with sb_watch_free(), after `ready` was called too.
 *
 * Since: 0.1
 */
SB_API
int64_t sb_when(sb_buffer *handle,
                uint64_t off,
                sb_ready_fn ready,
                void *opaque,
                sb_watch **out);

/**
 * Frees a watch: `ready` is not running, and will not run, once this returns.
 *
 * If `ready` is running on another thread, waits until it has returned, except inside any
 * sb_ready_fn. There, `ready` of another watch may still be running on another thread. A watch may be
 * freed inside its own `ready`.
 *
 * @param watch the watch; a NULL, freed or forged one is ignored. The buffer may already be freed.
 *
 * Threads: any thread. The caller must not hold a lock that `ready` takes, except inside an
 * sb_ready_fn.
 *
 * Since: 0.1
 */
SB_API
void sb_watch_free(sb_watch *watch);

/**
 * Sets options of a save to the defaults.
 *
 * @param options     [out] the options; not NULL.
 * @param struct_size sizeof(sb_save_options) in the caller's header.
 * @return SB_OK.
 *         SB_ERR_INVALID: `options` is NULL, or no version has this size: it is less than in the
 *         first version, or more than 4,096 bytes.
 *
 * Threads: any thread, concurrently.
 *
 * Since: 0.1
 */
SB_API int sb_save_options_init(sb_save_options *options, size_t struct_size);

/**
 * Saves with options, to a path or to a descriptor.
 *
 * A path is written as by sb_save(). A descriptor is written from its current position and not
 * atomically: if the save fails, the bytes written so far remain. An error that a file system
 * reports only at close is returned by the caller's own close().
 *
 * If a pipe, socket or terminal is full, the call blocks until it can be written, even if the
 * descriptor is non-blocking. sb_cancel() and sb_free() interrupt that wait, except on Windows.
 * The flags of a descriptor are not changed, except those of a terminal that cannot be opened a
 * second time, and those only during a write.
 *
 * @param handle  the buffer.
 * @param options [in] the options; not NULL. Initialize them with sb_save_options_init(), and set
 *                `path` or `fd`.
 * @return the number of bytes saved, otherwise as sb_save(), or
 *         SB_ERR_INVALID: `options` is NULL or has an invalid size; a flag is unknown, or `mode`
 *         has other bits than 0777; there is neither a path nor a descriptor; SB_SAVE_NO_REPLACE
 *         or `mode` is used with a descriptor, whose target exists; or `error` is invalid, as for
 *         sb_reader_error().
 *         SB_ERR_UNSUPPORTED: SB_SAVE_SYNC, and the descriptor is not that of a file; nothing is
 *         written. SB_SAVE_NO_REPLACE, and the file system can neither rename nor link without
 *         replacing. An option of a later version is not 0.
 *         SB_ERR_CANCELED: `progress` or sb_cancel() stopped the save; `path` is unchanged.
 *         SB_ERR_TIMEOUT: `timeout_ms` is over; `path` is unchanged. The bytes that arrived stay
 *         buffered.
 *         SB_ERR_EXISTS: SB_SAVE_NO_REPLACE, and the target exists.
 *         SB_ERR_UNKNOWN_SIZE: SB_SAVE_REQUIRE_SIZE, and no size was declared.
 *         SB_ERR_SIZE: SB_SAVE_REQUIRE_SIZE, and the final size is not the declared one; or
 *         SB_SAVE_BUFFERED, and the buffered bytes have gaps.
 *
 * Threads: any thread, concurrently, any number of saves.
 *
 * Since: 0.1
 */
SB_API int64_t sb_save_with(sb_buffer *handle, const sb_save_options *options);

/**
 * Sets the options of a cache to the defaults. `open` remains to be set.
 *
 * @param options     [out] the options; not NULL.
 * @param struct_size sizeof(sb_cache_options) in the caller's header.
 * @return SB_OK.
 *         SB_ERR_INVALID: `options` is NULL, or no version has this size: it is less than in the
 *         first version, or more than 4,096 bytes.
 *
 * Threads: any thread, concurrently.
 *
 * Since: 0.1
 */
SB_API int sb_cache_options_init(sb_cache_options *options, size_t struct_size);

/**
 * Creates a cache: many buffers under one budget, each known by a key.
 *
 * Starts no thread, opens no file and calls no callback.
 *
 * @param options [in] the options, which are copied. Initialize them with sb_cache_options_init()
 *                and set `open`.
 * @param out     [out] the cache, NULL on error; not NULL.
 * @return SB_OK.
 *         SB_ERR_INVALID: `options`, its `open` or `out` is NULL, or an option is invalid.
 *         SB_ERR_UNSUPPORTED: an option of a later version is not 0.
 *         SB_ERR_NO_MEMORY: memory runs out.
 *
 * Threads: any thread, concurrently.
 *
 * Ownership: the caller frees the cache with sb_cache_free(). The object that `opaque` points to is
 * used until that has returned.
 *
 * Since: 0.1
 */
SB_API int sb_cache_new(const sb_cache_options *options, sb_cache **out);

/**
 * Opens the resource of a key: returns a reader at its start, which is a lease of the key's entry.
 *
 * If the cache has no entry for the key, or one that is stale (`fresh_ms`), incomplete and without
 * a lease, failed or came short, the opener is called: see sb_opener_fn. Any number of concurrent
 * opens of one key call it once, and all of them get its entry or its error. An error that one of them
 * got is not remembered: the next open calls the opener again. If the key was removed meanwhile, those who
 * waited get the entry all the same, and whoever comes later another one.
 *
 * As long as an entry has a lease, it is never evicted, and its bytes stay as they are. Every reader
 * of the same buffer is a lease too: see sb_reader_buffer() and sb_reader_new(). A lease ends with
 * sb_reader_free(), which waits for no source. When the last lease of an incomplete entry ends, its
 * source is closed: if no thread is inside it, sb_reader_free() calls its `close`. Calls on its buffer
 * that need a source, and watches, then return SB_ERR_CANCELED. The buffer's handle may become
 * invalid at any time after that.
 *
 * The buffer of an entry is the cache's. sb_free() ignores it. sb_cancel() and sb_reopen() return
 * SB_ERR_UNSUPPORTED. All other calls work.
 *
 * @param cache    the cache.
 * @param key      [in] the key: any bytes, which are copied and compared exactly.
 * @param key_size the size of the key in bytes: 1 to 4,096.
 * @param options  [in] the options of the reader, which are copied; NULL for the defaults.
 *                 Its `timeout_ms` limits the open as well. With any timeout, a thread of the
 *                 library calls the opener, which runs on after the timeout. 0 starts it without
 *                 waiting for it. If nobody waits when it returns, what it brought is for the next open
 *                 of the key, so that an event loop can poll with 0: the source of the entry stays open,
 *                 and an open with a timeout gets the opener's error, or an entry that is stale by then.
 *                 That ends after 5 seconds, as `idle_ms` is applied, and for the oldest of more than 16
 *                 keys. Until then the entry is one without a lease: it is evicted, removed and dropped
 *                 like others. With an `idle_ms` of 0, each poll would call the opener again.
 *                 With SB_READER_BUFFERED, the opener is not called: the entry is returned as it is,
 *                 even if it is stale or incomplete. If it has no source then, the reader returns
 *                 SB_ERR_TIMEOUT for missing bytes, and other calls that need them return
 *                 SB_ERR_CANCELED, until another open brings one. If there is no entry, the open
 *                 waits up to its timeout for another open of the key, if one is under way.
 * @param out      [out] the reader, NULL on error; not NULL.
 * @return SB_OK.
 *         SB_ERR_INVALID: the cache or an option is invalid, `key` or `out` is NULL, `key_size` is 0
 *         or more than 4,096, or the opener returned an invalid source.
 *         SB_ERR_SOURCE, SB_ERR_CANCELED, SB_ERR_UNSUPPORTED: the opener failed. `error` in the
 *         options receives its code. SB_ERR_UNSUPPORTED also if an option of a later version is not 0.
 *         SB_ERR_TIMEOUT: the opener did not return in time, or SB_READER_BUFFERED is set and there
 *         is no entry.
 *         SB_ERR_REENTRANT: the call came from the opener of the same key, or from one for which the
 *         opener of this key waits; or it came from a log function, an sb_ready_fn, `thread_begin` or
 *         `thread_end` and would block.
 *         SB_ERR_CANCELED: the cache was freed meanwhile.
 *         SB_ERR_SIZE: the opener returned the same tag and a size that the bytes contradict. The
 *         next open gets a new entry.
 *         SB_ERR_NO_MEMORY: memory runs out, or a thread cannot be created.
 *
 * Threads: any thread, concurrently.
 *
 * Ownership: the caller frees the reader with sb_reader_free(). A valid source that the opener
 * returned belongs to the library.
 *
 * Since: 0.1
 */
SB_API
int sb_cache_open(sb_cache *cache,
                  const void *key,
                  size_t key_size,
                  const sb_reader_options *options,
                  sb_reader **out);

/**
 * Removes the entry of a key: whoever opens the key later gets a new one.
 *
 * An entry without a lease ends at once. One with leases is kept for them and ends with the last. If
 * an opener is running for the key, the entry that it brings is only for those who wait for it.
 *
 * @param cache    the cache.
 * @param key      [in] the key; NULL removes every entry without a lease.
 * @param key_size the size of the key in bytes: 1 to 4,096; 0 if `key` is NULL.
 * @return SB_OK, even if there was nothing to remove.
 *         SB_ERR_INVALID: the cache is invalid, or `key_size` is not as above.
 *
 * Threads: any thread, concurrently. Calls the `close` of sources, and waits for no source.
 *
 * Since: 0.1
 */
SB_API
int sb_cache_remove(sb_cache *cache,
                    const void *key,
                    size_t key_size);

/**
 * Drops expired entries, evicts entries without a lease, and spills, until no more than this much
 * memory and disk space is used. Once, now: the limits of the cache stay as they are.
 *
 * @param cache      the cache.
 * @param max_memory the most memory, in bytes. UINT64_MAX leaves it alone.
 * @param max_disk   the most disk space, in bytes. UINT64_MAX leaves it alone.
 * @return SB_OK, even if entries with leases, the segments that are being filled, bytes that arrive
 *         during the call, and up to 256 KiB for the bookkeeping of entries use more: with a
 *         `max_memory` of 0 entries are spilled, not evicted.
 *         SB_ERR_INVALID: the cache is invalid.
 *         SB_ERR_DISK_FULL, SB_ERR_IO: the bytes that could not be spilled are still in memory.
 *
 * Threads: any thread, concurrently. Blocks on the disk, never on a source.
 *
 * Since: 0.1
 */
SB_API int sb_cache_trim(sb_cache *cache, uint64_t max_memory, uint64_t max_disk);

/**
 * Takes a snapshot of a cache.
 *
 * @param cache    the cache.
 * @param out      [out] the snapshot; not NULL.
 * @param out_size sizeof(sb_cache_stats) in the caller's header. That many bytes are written,
 *                 whatever the version of the library. Members that the library does not know are
 *                 set to 0.
 * @return SB_OK.
 *         SB_ERR_INVALID: the cache is invalid, or `out` is NULL.
 *
 * Threads: any thread, concurrently. Drops expired entries first, and takes longer the more entries
 * there are.
 *
 * Since: 0.1
 */
SB_API int sb_cache_stat(sb_cache *cache, sb_cache_stats *out, size_t out_size);

/**
 * Frees a cache and all of its entries, as sb_free() frees a buffer.
 *
 * May be called at any time. Calls that wait for an opener return SB_ERR_CANCELED. Those that are
 * blocked in a reader of an entry do too, and later calls of these readers return SB_ERR_INVALID. The
 * readers are still the caller's to free.
 *
 * Blocks until no other thread is inside the opener: then `opaque` is no longer in use. An opener on
 * this thread is not waited for, as if this were called inside the opener. A source is closed
 * when it has returned, as by sb_free().
 *
 * @param cache the cache; a NULL, freed or forged one is ignored.
 *
 * Threads: any thread, concurrently. If several threads free a cache at once, one of them waits.
 *
 * Since: 0.1
 */
SB_API
void sb_cache_free(sb_cache *cache);

/**
 * Sets an sb_error to "no error", without space for a path.
 *
 * @param error       [out] the error; not NULL.
 * @param struct_size sizeof(sb_error) in the caller's header.
 * @return SB_OK.
 *         SB_ERR_INVALID: `error` is NULL, or no version has this size: it is less than in the
 *         first version, or more than 4,096 bytes.
 *
 * Threads: any thread, concurrently.
 *
 * Since: 0.1
 */
SB_API int sb_error_init(sb_error *error, size_t struct_size);

/**
 * Tells why the last failed call of a reader failed.
 *
 * That is its last sb_reader_read(), sb_reader_seek() or sb_reader_find_size() that returned a
 * negative value. A call that succeeds does not clear it. Never blocks.
 *
 * @param reader the reader. Its buffer may already be freed; then `path_len` is 0.
 * @param out    [in,out] the error, initialized with sb_error_init(); not NULL. If no call has
 *               failed, its `status` is SB_OK.
 * @return SB_OK.
 *         SB_ERR_INVALID: the reader is invalid, `out` is NULL, its `struct_size` is that of no
 *         version, or its `path` is NULL and its `path_cap` is not 0. Nothing is written.
 *
 * Threads: any thread, concurrently; `out` is used by one thread at a time.
 *
 * Since: 0.1
 */
SB_API int sb_reader_error(const sb_reader *reader, sb_error *out);

/**
 * Describes an error in one line of English: the operation, the path, and the reason in the
 * system's words, for example "cannot open the target /missing/film.mp4: No such file or
 * directory".
 *
 * @param error [in] the error, filled by the library; not NULL. Its path is used as far as it fits
 *              into `path_cap`.
 * @param out   [out] the line, NUL-terminated, and truncated to fit; may be NULL if `cap` is 0. It
 *              has no ASCII control character.
 * @param cap   the space in `out`, in bytes, including the NUL.
 * @return the length of the whole line in bytes, without the NUL, even if it was truncated.
 *         SB_ERR_INVALID: `error` is NULL, or its `struct_size` is that of no version; `out` is
 *         NULL and `cap` is not 0.
 *
 * Threads: any thread, concurrently.
 *
 * Since: 0.1
 */
SB_API int64_t sb_error_text(const sb_error *error, char *out, size_t cap);

/**
 * Sets the function that receives messages about the buffers of this process: why a spool file is
 * where it is, why seeking was given up, why a save had to copy, when the disk is full, and so on.
 *
 * A message is one line of English, such as "buffer 3: the source failed with code -5". Buffers are
 * numbered in the order of creation. Wording and levels may change between versions.
 *
 * `fn` is called on any thread, by several threads at a time, from inside calls of this library and
 * on helper threads, without a lock of the library held. It must return. Inside it, a call that
 * would need the source, a push that would block, and an sb_cache_open() that would, return
 * SB_ERR_REENTRANT. What happens there is not logged. No C++ exception may leave it, as for a
 * source's callbacks.
 *
 * sb_free() calls `fn` too, and may wait for a call of it on the buffer's helper thread. So the
 * caller of sb_free() must not hold a lock that `fn` takes, not even a recursive one.
 *
 * Once this function returns, the function that was set before is not running and is not called any
 * more, except if the call comes from inside such a function. So the caller must not hold a lock
 * that the function before takes. A child of fork() starts without a log function.
 *
 * @param fn     the function; NULL, the default, for none.
 * @param opaque passed to `fn` and never dereferenced.
 * @param level  the least important messages that are wanted: an sb_log_level. SB_LOG_OFF for none.
 * @return SB_OK.
 *         SB_ERR_INVALID: `level` is not an sb_log_level.
 *         SB_ERR_NO_MEMORY: out of memory; the function before stays.
 *
 * Threads: any thread, concurrently.
 *
 * Since: 0.1
 */
SB_API int sb_set_log(sb_log_fn fn, void *opaque, uint32_t level);

/**
 * Describes a status code.
 *
 * @param status any value, such as the result of a function that returns a count.
 * @return one line of English without a period at its end; static, never NULL. A value of 0 or
 *         more is a success.
 *
 * Threads: any thread, concurrently.
 *
 * Since: 0.1
 */
SB_API const char *sb_strerror(int64_t status);

/**
 * Returns the version of the library. It differs from SB_VERSION_NUMBER if the program runs with
 * another library than the one whose header it was compiled with.
 *
 * @return major * 65536 + minor * 256 + patch.
 *
 * Threads: any thread, concurrently.
 *
 * Since: 0.1
 */
SB_API uint32_t sb_version(void);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* SPOOLBUF_H */
