/*
 * spoolbuf - a stream that arrives once, readable anywhere, any number of times.
 *
 * Generated from src/ffi by `BLESS=1 cargo full --test header`; never edited.
 *
 * OVERVIEW
 *
 *   A resource arrives as a stream: chunks, forwards, once. The caller's callbacks deliver it (the
 *   source); a buffer keeps what came, in memory first, past `max` bytes in an unnamed temporary
 *   file (the spool file), oldest bytes first; anyone reads it anywhere.
 *
 *       sb_callback cb = { my_read, my_state };
 *       sb_buffer *b = sb_new(&cb, SB_SIZE_UNKNOWN, SB_MAX_DEFAULT);
 *       int64_t n = sb_read(b, 1000, sizeof bytes, bytes);
 *       sb_save(b, "whole.mp4");
 *       sb_free(b);
 *
 *   Frontier is how far the source has been read without a gap, from the start of the resource.
 *   The declared size is what the caller was told, a hint; the final size is known once the source
 *   has ended.
 *
 * NUMBERS
 *
 *   Offsets and sizes of the resource are uint64_t bytes, lengths of the caller's memory size_t
 *   bytes. Functions that count return int64_t: >= 0 a count, < 0 an sb_status; any of them may be
 *   SB_ERR_PANIC, which is an error of this library's own. Times are int64_t
 *   milliseconds on a monotonic clock, negative for no limit. A resource has less than 2^63 bytes.
 *
 * PROMISES
 *
 *   1. Buffered is buffered: reading buffered bytes never waits for the source, for a spill, for a
 *      save or for another reader; such reads run in parallel.
 *   2. Nothing accepted is lost: a byte that the source handed over stays readable until sb_free(),
 *      through a full disk, a failed write, a cancel, an error, a panic.
 *   3. The end is the end: an error is never reported as the end, nor the end as an error. Bytes
 *      before an error are delivered first; the error then stays until sb_retry() or sb_resume().
 *   4. Memory for bytes is bounded by `max` plus one piece in flight (256 KiB at most), and at most
 *      256 KiB more for each save while it runs. Bookkeeping comes on top: some 3 KiB for each
 *      buffer, and 100 to 500 bytes for each place that the source seeks to, as long as the bytes
 *      before it are missing. sb_stats counts it (`overhead`). Freed buffers leave at most 4 MiB to
 *      the process, which the system may take back, and some 1 KiB for each handle of the most that
 *      existed at one time.
 *   5. A source is called by one thread at a time, never with a lock held, never after it ended,
 *      failed or was closed. It is asked for what the waiting readers need, rounded up by at most
 *      16 KiB; a prefetch asks for up to 64 KiB.
 *   6. The border is checked: every argument and every result of a callback has a defined outcome.
 *   7. No trace: the spool file has no name (or goes when it is closed, where the system lacks
 *      that), mode 0600, is not inherited by a program that is executed, and is made at the first
 *      spill only.
 *   8. A full disk is a state: reads that need more return SB_ERR_DISK_FULL, all that is buffered
 *      stays readable, and the next read tries again.
 *   9. Any number of handles, any number of threads on each.
 *
 * LIFETIME
 *
 *   Handles are checked at each call, never trusted: NULL, a freed and a made-up handle return
 *   SB_ERR_INVALID, and freeing one does nothing. Freeing is fine at any time, from any thread, also
 *   from inside a callback. Readers (sb_reader) do not keep their buffer alive. Where pointers have
 *   32 bits, 32,704 buffers and as many readers can exist at a time, and some 700 million be made.
 *   In a child of fork(), every handle from before is invalid; the child may make its own.
 *
 * THREADS
 *
 *   Every function may be called from any thread at any time, except the calls of one sb_reader,
 *   which are made one at a time. The library calls the source on the thread of the reader that
 *   needs bytes; on a thread of its own only where the caller asked for that: sb_prefetch(), the
 *   option `prefetch`, and sb_read_some() with a finite limit. Some hosts' runtimes (synchronous
 *   Node, Deno, Ruby, Perl, LuaJIT) can't bear callbacks on a thread that is not theirs: there, use
 *   none of these. Nothing here is made to be called from a signal handler, nor for threads that
 *   are ended from outside (pthread_cancel) while they are inside a call. A call takes less than
 *   8 KiB of its thread's stack, besides what the callbacks take.
 *
 * COMPATIBILITY
 *
 *   Structs that may grow carry their size. Codes and values are never reused. What a function is
 *   since is said at each.
 */


#ifndef SPOOLBUF_H
#define SPOOLBUF_H

#include <stddef.h>
#include <stdint.h>

/**
 * A size that is not known.
 */
#define SB_SIZE_UNKNOWN UINT64_MAX

/**
 * The memory limit for callers without an opinion: 5 MiB, in bytes.
 */
#define SB_MAX_DEFAULT 5242880

/**
 * As the distance of sb_prefetch(): everything, to the end.
 */
#define SB_ALL UINT64_MAX

/**
 * Status codes. Functions that return a count return one of these, negative, on failure. Codes are
 * never reused.
 */
typedef enum sb_status {
    /**
     * Done.
     */
    SB_OK = 0,
    /**
     * A NULL, freed or made-up handle, a NULL where bytes were asked for, a range past 2^64.
     */
    SB_ERR_INVALID = -1,
    /**
     * The source failed; its own code is in sb_stats. Stays until sb_retry() or sb_resume(), except
     * for a failed seek, which the next read tries again.
     */
    SB_ERR_SOURCE = -2,
    /**
     * A file operation failed; the system's code is in sb_stats.
     */
    SB_ERR_IO = -3,
    /**
     * The disk, a quota or a file size limit is full. Nothing is lost; the next call tries again.
     */
    SB_ERR_DISK_FULL = -4,
    /**
     * No memory, or no thread to be had. Nothing is lost; the next call tries again.
     */
    SB_ERR_NO_MEMORY = -5,
    /**
     * sb_cancel(), sb_reader_cancel() or sb_free() stopped the call.
     */
    SB_ERR_CANCELED = -6,
    /**
     * Nothing came within the time allowed. Never the end of the resource.
     */
    SB_ERR_TIMEOUT = -7,
    /**
     * A source's callback asked its own handle for bytes that only the source could deliver.
     */
    SB_ERR_REENTRANT = -8,
    /**
     * The size is not known yet.
     */
    SB_ERR_UNKNOWN = -9,
    /**
     * The source, the system or the target cannot do this.
     */
    SB_ERR_UNSUPPORTED = -10,
    /**
     * The target exists and was not to be replaced.
     */
    SB_ERR_EXISTS = -11,
    /**
     * The resource does not have the size that was demanded, or is not wholly buffered.
     */
    SB_ERR_SIZE = -12,
    /**
     * The library, or a source written in Rust, panicked; the panic was caught.
     */
    SB_ERR_PANIC = -13,
    /**
     * The source ended below the declared size, which SB_SHORT_ERROR makes an error. Stays until
     * sb_retry() or sb_resume().
     */
    SB_ERR_SHORT = -14,
} sb_status;

/**
 * Where sb_reader_seek() counts from. The values are those of lseek(2).
 */
typedef enum sb_whence {
    /**
     * From the start of the resource.
     */
    SB_SEEK_SET = 0,
    /**
     * From the reader's place.
     */
    SB_SEEK_CUR = 1,
    /**
     * From the final size, else the declared one.
     */
    SB_SEEK_END = 2,
} sb_whence;

/**
 * What a buffer's source is doing, in sb_stats.
 */
typedef enum sb_state {
    /**
     * More may come.
     */
    SB_STATE_OPEN = 0,
    /**
     * The source has ended; the final size is known.
     */
    SB_STATE_ENDED = 1,
    /**
     * The source failed; sb_retry() or sb_resume() asks it again.
     */
    SB_STATE_FAILED = 2,
    /**
     * sb_cancel() was called; sb_resume() goes on.
     */
    SB_STATE_CANCELED = 3,
} sb_state;

/**
 * Where a buffer's spool file is, in sb_stats.
 */
typedef enum sb_spool {
    /**
     * There is none: nothing was spilled so far.
     */
    SB_SPOOL_NONE = 0,
    /**
     * On a file system that frees memory.
     */
    SB_SPOOL_DISK = 1,
    /**
     * On a file system that keeps its files in memory (tmpfs, ramfs).
     */
    SB_SPOOL_MEMORY = 2,
} sb_spool;

/**
 * What a disk that is full, or fails, does, in sb_options.
 */
typedef enum sb_on_full {
    /**
     * Reads that need more return SB_ERR_DISK_FULL or SB_ERR_IO; memory stays within its limit.
     */
    SB_FULL_FAIL = 0,
    /**
     * Goes on in memory past `max`, until the disk has room again.
     */
    SB_FULL_MEMORY = 1,
} sb_on_full;

/**
 * What a source that ends below the declared size means, in sb_options.
 */
typedef enum sb_on_short {
    /**
     * The end. The source's word wins over the declared size. Where a source that was sought to an
     * offset had nothing, and the bytes before that come later, it is asked there once more.
     */
    SB_SHORT_END = 0,
    /**
     * SB_ERR_SHORT: the connection was cut, and more may come when the source is asked again. Where the
     * source says that nothing is at an offset that it was sought to, reads there return 0 until
     * sb_retry() or sb_resume(), which ask again.
     */
    SB_SHORT_ERROR = 1,
} sb_on_short;

/**
 * Codes of a source's callback that mean something to the library. Every other negative code is the
 * source's own and a failure.
 */
typedef enum sb_source_code {
    /**
     * The call was given up without bytes, and the source is as it was: it obeyed `cancel`, or it
     * has nothing yet and does not wait. While a cancel is in force that is no failure. After it, the
     * request may be a stale one: the source is asked again, at most as often as `cancel` was called
     * and not yet obeyed. If no cancel explains it, the call returns SB_ERR_SOURCE; an end after that
     * is still believed.
     */
    SB_SOURCE_CANCELED = -2147483647,
    /**
     * From `seek`, or from `pull` for another offset than the one after the last call: the source
     * cannot go there, nor anywhere. It only goes forwards from then on.
     */
    SB_SOURCE_UNSUPPORTED = -2147483646,
} sb_source_code;

/**
 * What a source can do, in sb_callback: any of these, added up.
 */
typedef enum sb_source_flag {
    /**
     * `pull` can be asked for any offset.
     */
    SB_SOURCE_SEEKS = 1,
} sb_source_flag;

/**
 * How sb_save_with() saves: any of these, added up.
 */
typedef enum sb_save_flag {
    /**
     * The file, and for a path its directory, are on the disk (fsync) before the call returns.
     */
    SB_SAVE_SYNC = 1,
    /**
     * An existing target is left alone: SB_ERR_EXISTS.
     */
    SB_SAVE_KEEP = 2,
    /**
     * Nothing is saved unless the final size is the declared one: SB_ERR_SIZE.
     */
    SB_SAVE_EXACT = 4,
    /**
     * Saves what is buffered now, from the start, without calling the source; SB_ERR_SIZE if
     * that has holes.
     */
    SB_SAVE_BUFFERED = 8,
    /**
     * May let the file share its blocks with the spool file, or be it, where both are on one file
     * system: done in no time. What is in memory is spilled for that; where no link can be, nothing
     * is. The caller promises not to edit the saved file
     * in place while the buffer lives.
     */
    SB_SAVE_LINK = 16,
} sb_save_flag;

/**
 * A buffer: an opaque handle, checked at each call, never a pointer to look through.
 */
typedef struct sb_buffer sb_buffer;

/**
 * A place in a buffer with a stop of its own: an opaque handle, checked at each call.
 */
typedef struct sb_reader sb_reader;

/**
 * A source of bytes: the caller's callbacks. Copied by sb_new(); the struct may be gone after it.
 *
 * `{ my_read, my_state }` is a whole source. `pull` replaces `read` and `seek`: it is the form for
 * languages in which a callback that fails returns 0, or anything. Setting both forms is
 * SB_ERR_INVALID.
 *
 * The library calls `read`, `seek` and `pull` on one thread at a time, never with a lock held, never
 * after `close`. After the end they are called again only for bytes at another place that the source
 * can reach, after a failure not until sb_retry() or sb_resume(). They run on the thread of the
 * reader that needs bytes; only after sb_prefetch() or a finite time limit also on a helper thread of
 * the library's own. A callback may call any function of this library, also on its own handle:
 * buffered bytes are served; what would need the source is SB_ERR_REENTRANT.
 *
 * An error is never the end: after one that is not SB_SOURCE_CANCELED an end is believed only once
 * the source has delivered a byte, a `seek` has succeeded, or the end is at the declared size. Until
 * then it is the same error again; where `pull` was asked for another offset than the one after the
 * last call, that of this read alone. After sb_retry() or sb_resume() a source that can seek is first
 * asked for up to 64 KiB of buffered bytes again, those before that place, and an end that follows
 * them is believed. Without such bytes, and for a source that only goes forwards, the error comes
 * again however often it is retried, unless the declared size is that of the resource: to go on, free
 * the buffer and make another. What is buffered stays readable, and SB_SAVE_BUFFERED saves it.
 *
 * A callback returns: no C++ exception may leave it (the process would be aborted, with a message),
 * and no longjmp(), pthread_exit() or pthread_cancel() (nobody else would get to the source).
 */
typedef struct sb_callback {
    /**
     * Required unless `pull` is set. Writes the resource's next bytes to `out`, at most `capacity`
     * (never 0), and returns how many: > 0 bytes written, 0 the end, < 0 an error (kept for
     * sb_stats). May block. After `cancel` it returns soon: with bytes, or with SB_SOURCE_CANCELED,
     * never with a 0 that is not the end. Any other error is a failure, whatever was canceled
     * meanwhile. More than `capacity` is SB_ERR_SOURCE.
     */
    int64_t (*read)(void *opaque, void *out, size_t capacity);
    /**
     * Handed to every callback, never looked at. Must be usable from any thread.
     */
    void *opaque;
    /**
     * Optional, NULL for a source that only goes forwards. Makes the next `read` deliver the bytes
     * at `offset`, counted from the start of the resource, below 2^63: >= 0 done, < 0 an error, after
     * which the source stands where it stood. SB_SOURCE_UNSUPPORTED means that it only goes forwards
     * from then on; any other error is SB_ERR_SOURCE for the read that needed the bytes, and the next
     * read tries again. After that the bytes must be those of `offset`, which the library can't
     * verify. An offset past the end is no error: the next `read` returns 0.
     */
    int64_t (*seek)(void *opaque, uint64_t offset);
    /**
     * Optional. Makes a `read`, `seek` or `pull` that blocks return soon. Called while one runs or is
     * about to, from any other thread, possibly more than once; must not block. It may come when
     * that call is returning already; if it leaves a mark that a later call finds and returns
     * SB_SOURCE_CANCELED for, the source is asked again.
     */
    void (*cancel)(void *opaque);
    /**
     * Optional. Called exactly once, after the last other call, on any thread: as soon as every
     * byte is held, else at sb_free(). sb_free() may call it, or wait while another thread is inside
     * it, so it must not take a lock that a caller of sb_free() holds.
     */
    void (*close)(void *opaque);
    /**
     * Instead of `read` and `seek`. Writes the resource's bytes from `offset` on to `out`, at most
     * `capacity` (never 0), sets `*count` to how many (0: the end is at or before `offset`), and
     * returns SB_OK. `*count` counts only with SB_OK; it is SIZE_MAX at the call, so a count that was
     * never set is SB_ERR_SOURCE, and so are more than `capacity` and a positive result. A negative
     * result is an error, as for `read`.
     *
     * Without SB_SOURCE_SEEKS in `flags`, `offset` is always where the last call ended, 0 at first.
     * With it, any offset below 2^63 may be asked for. An error for another offset than the one
     * after the last call is a failed seek, as for `seek`.
     */
    int (*pull)(void *opaque, uint64_t offset, void *out, size_t capacity, size_t *count);
    /**
     * sb_source_flag values, added up; 0 with `read`.
     */
    uint32_t flags;
    /**
     * Must be 0.
     */
    uint32_t reserved_flags;
    /**
     * Must be NULL.
     */
    void *reserved[8];
} sb_callback;

/**
 * Bytes of the resource that are buffered: from `start` up to, without, `end`.
 */
typedef struct sb_range {
    /**
     * Offset of the first byte.
     */
    uint64_t start;
    /**
     * Offset after the last byte.
     */
    uint64_t end;
} sb_range;

/**
 * One consistent snapshot of a buffer, by sb_stat(). Grows at its end only.
 */
typedef struct sb_stats {
    /**
     * The declared size in bytes, or SB_SIZE_UNKNOWN.
     */
    uint64_t declared;
    /**
     * The final size in bytes, or SB_SIZE_UNKNOWN until the source has ended.
     */
    uint64_t final_size;
    /**
     * The lowest offset at which the source had nothing, an upper limit of the size, or
     * SB_SIZE_UNKNOWN.
     */
    uint64_t bound;
    /**
     * How far the resource is buffered without a gap, in bytes from its start.
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
     * Memory that the buffer takes besides the bytes in `memory`: what it knows them by, room that is
     * not filled yet, and memory kept for bytes to come.
     */
    uint64_t overhead;
    /**
     * How often the source's `read` or `pull` was called.
     */
    uint64_t pulls;
    /**
     * How often the source was sought to another offset; with `pull` that needs no call of its own.
     */
    uint64_t seeks;
    /**
     * How often a call went to sleep for bytes that another one was to bring.
     */
    uint64_t waits;
    /**
     * The source's own code at its last error (what its callback returned), else 0. An obeyed `cancel`
     * is no error.
     */
    int64_t source_error;
    /**
     * The system's code (errno, GetLastError) at the last file operation that failed, else 0.
     */
    int32_t system_error;
    /**
     * An sb_state. With every byte held it is SB_STATE_ENDED, whatever is canceled.
     */
    int32_t state;
    /**
     * Why the source is not asked any more: an sb_status, SB_OK if it is or has ended.
     */
    int32_t status;
    /**
     * 1 if the source can seek, 0 if it can't or said SB_SOURCE_UNSUPPORTED.
     */
    int32_t seekable;
    /**
     * Where the spool file is: an sb_spool.
     */
    int32_t spool;
    /**
     * 1 while a helper thread of the library's own exists, else 0.
     */
    int32_t helper;
    /**
     * 1 if the source ended below the declared size, or had nothing at an offset below it, whatever
     * `on_short` makes of that, else 0.
     */
    int32_t ended_short;
    /**
     * 0.
     */
    int32_t reserved;
    /**
     * The directory of the spool file, or the one where it could not be made; NUL-terminated, cut to
     * fit; empty before the first attempt to make it.
     */
    char spool_dir[256];
} sb_stats;

/**
 * What sb_new_with() may be told. sb_options_init() fills it with the defaults.
 */
typedef struct sb_options {
    /**
     * sizeof(sb_options) of the caller's header; set by sb_options_init().
     */
    size_t struct_size;
    /**
     * The declared size in bytes, a hint; SB_SIZE_UNKNOWN, the default.
     */
    uint64_t size;
    /**
     * The memory part's limit in bytes; SB_MAX_DEFAULT.
     */
    uint64_t max;
    /**
     * The directory of the spool file, copied; NULL, the default, means TMPDIR, else the
     * system's own, else /var/tmp where that one is kept in memory. Looked at at the first spill.
     * Bytes whose offsets are past what a file there can hold (4 GiB on FAT) can't be spilled.
     */
    const char *spool_dir;
    /**
     * Bytes to keep ready, as by sb_prefetch(); 0, the default: none.
     */
    uint64_t prefetch;
    /**
     * A source that can seek is read on through a gap of up to this many bytes, instead of being
     * made to seek over it; 262144.
     */
    uint64_t seek_gap;
    /**
     * The source is asked for what is needed rounded up to a multiple of this many bytes, 0 to
     * 16384; 0 asks for exactly what is needed. Where a call waits for the first byte only, what its
     * `len` has room for is needed, up to 256 KiB with 0, else as far as the sum with this stays within
     * 16384. 16384 is the default.
     */
    uint32_t round_up;
    /**
     * What a full disk does: an sb_on_full; SB_FULL_FAIL.
     */
    uint32_t on_full;
    /**
     * What an end below the declared size means: an sb_on_short; SB_SHORT_END.
     */
    uint32_t on_short;
    /**
     * Must be 0.
     */
    uint32_t reserved;
} sb_options;

/**
 * Told how a save goes: `done` of `total` bytes are saved; `total` is SB_SIZE_UNKNOWN until known, and
 * the declared size until the final one is. The last report of a save that succeeds has the final size
 * as both, which may be 0.
 * Called on the saving thread, without a lock; returns 0 to go on, anything else to stop with
 * SB_ERR_CANCELED.
 */
typedef int (*sb_progress)(void *opaque, uint64_t done, uint64_t total);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Makes a buffer over a source.
 *
 * Copies `*callback`; starts no thread, opens no file, calls nothing.
 *
 * @param callback [in] the source. NULL is a bad one, and one with neither `read` nor `pull`, with
 *                 both forms, with an unknown flag, or with a reserved member that is not 0.
 * @param size     declared size of the resource in bytes, a hint; SB_SIZE_UNKNOWN.
 * @param max      most bytes to keep in memory: SB_MAX_DEFAULT is 5 MiB; 0 keeps no more than the
 *                 piece in flight (256 KiB at most); UINT64_MAX never spills.
 * @return the handle; NULL for a bad callback or without memory. A good callback is the library's
 *         from the call on: without memory its `close` is called before sb_new() returns.
 *
 * Threads: any thread, concurrently.
 *
 * Ownership: the caller frees the handle by sb_free(). `callback` may be gone after the call;
 * what `opaque` points to is used until `close`, or without one until sb_free() has returned.
 *
 * Since: 0.1
 */
struct sb_buffer *sb_new(const struct sb_callback *callback, uint64_t size, uint64_t max);

/**
 * Copies the bytes at `[off, off + len)` to `out`.
 *
 * Waits for what is missing and may call the source on this thread. Bytes that are buffered never
 * wait, for whatever it may be.
 *
 * @param handle the buffer.
 * @param off    offset of the first byte, from the start of the resource.
 * @param len    bytes wanted; 0 reads nothing.
 * @param out    [out] room for `len` bytes; may be NULL if `len` is 0. Past the bytes returned
 *               its content is undefined.
 * @return bytes copied: `len`, or fewer when the resource ends or fails first (the next call at
 *         that place returns 0 or the error); 0 at or past the end.
 *         SB_ERR_INVALID: a bad handle, `out` NULL, `off + len` past 2^64, `len` past half
 *         of what a size_t holds.
 *         SB_ERR_SOURCE: the source failed here, or could not seek here this time.
 *         SB_ERR_SHORT: the source ended here, below the declared size, and `on_short` is
 *         SB_SHORT_ERROR.
 *         SB_ERR_CANCELED: sb_cancel() or sb_free() came while it waited, also if it had some
 *         bytes already, or the source came back with them: they are buffered.
 *         SB_ERR_REENTRANT: called by the source's own callback for bytes that are not there.
 *         SB_ERR_DISK_FULL, SB_ERR_NO_MEMORY: there is no room for more; later calls try again.
 *         SB_ERR_IO: the spool file can't be made, written or read.
 *         SB_ERR_UNSUPPORTED: a source that said SB_SOURCE_UNSUPPORTED has passed these bytes.
 *
 * Threads: any thread, concurrently.
 *
 * Since: 0.1
 */
int64_t sb_read(struct sb_buffer *handle, uint64_t off, size_t len, void *out);

/**
 * Reads the source to its end and puts the whole resource at `path`.
 *
 * It is there either completely or not at all: an existing file is replaced in one step or left
 * whole, also where the system reports a failed write no earlier than at close. Waits for the source
 * and may call it on this thread; other readers go on meanwhile. Takes at most 256 KiB of memory of
 * its own while it runs, whatever `max` is. The new file has the mode of any new file.
 *
 * A symbolic link to a file, or to nothing, is replaced, not followed. One to anything else is refused
 * like that itself, and so is what leads to a descriptor, as /dev/stdout and /dev/fd/3 do: a descriptor is for
 * sb_save_with(). The path is judged when the save begins, and again before the file is replaced.
 *
 * Until it is whole, the file has no name, or where a file must have one, one of its own beside the
 * target: `.spoolbuf-*.part`. If the process is killed that file may stay; a later save into the
 * directory removes it if its process has ended on this host, or after a week.
 *
 * @param handle the buffer.
 * @param path   [in] the file, NUL-terminated: the platform's bytes on Unix, UTF-8 on Windows.
 * @return bytes saved, the final size; or what sb_read() returns for a byte that it can't deliver, or
 *         SB_ERR_INVALID: `path` is NULL, empty or not UTF-8 on Windows; its name is like
 *         `.spoolbuf-*.part`.
 *         SB_ERR_UNSUPPORTED: `path` is a directory, a device or a pipe, or has become one.
 *         SB_ERR_DISK_FULL, SB_ERR_IO: the file can't be written.
 *
 * Threads: any thread, concurrently, any number of saves.
 *
 * Since: 0.1
 */
int64_t sb_save(struct sb_buffer *handle,
                const char *path);

/**
 * Frees a buffer; leaves no trace.
 *
 * May be called at any time, also while other threads are inside calls on the handle (they return
 * SB_ERR_CANCELED), from inside the source's callbacks, twice, or on NULL. If the source is inside
 * a callback on another thread, its `cancel` is called; then, with a `close`, sb_free() returns at
 * once, and `close` runs when the source has come back; without one it waits for the source, since
 * its return is the only sign that `opaque` is free again. Never waits for a write to the spool file.
 *
 * @param handle the buffer; NULL, a freed or a made-up handle do nothing.
 *
 * Threads: any thread, concurrently.
 *
 * Since: 0.1
 */
void sb_free(struct sb_buffer *handle);

/**
 * Waits only until the first byte at `off` is there, then copies what is there.
 *
 * With `timeout_ms` 0 it takes buffered bytes only: it never waits and never calls the source. With
 * a finite limit it never calls the source on this thread: a helper thread of the library's own,
 * started at the first such call that finds nothing, does, so the limit holds whatever the source
 * does. Without a limit it may call the source on this thread.
 *
 * @param handle     the buffer.
 * @param off        offset of the first byte, from the start of the resource.
 * @param len        most bytes to copy.
 * @param out        [out] room for `len` bytes; may be NULL if `len` is 0.
 * @param timeout_ms milliseconds on a monotonic clock; 0 doesn't wait, negative is no limit.
 * @return bytes copied, at least 1 unless `len` is 0 or `off` is at or past the end.
 *         SB_ERR_TIMEOUT: not a byte in time; never the end.
 *         SB_ERR_NO_MEMORY: also if no thread can be had.
 *         Else as sb_read().
 *
 * Threads: any thread, concurrently. With `timeout_ms` 0 fit for an audio thread, as far as the
 * bytes are in memory: those in the spool file are read from it.
 *
 * Since: 0.1
 */
int64_t sb_read_some(struct sb_buffer *handle,
                     uint64_t off,
                     size_t len,
                     void *out,
                     int64_t timeout_ms);

/**
 * Makes a reader: a place in a buffer, at 0 at first, with a stop of its own.
 *
 * @param handle the buffer. The reader does not keep it alive: after sb_free() of the buffer the
 *               reader's calls return SB_ERR_INVALID.
 * @return the reader; NULL for a bad handle or without memory.
 *
 * Threads: any thread, concurrently; any number of readers on one buffer.
 *
 * Ownership: the caller frees it by sb_reader_free().
 *
 * Since: 0.1
 */
struct sb_reader *sb_reader_new(struct sb_buffer *handle);

/**
 * Reads at the reader's place, which moves on by what it returns.
 *
 * Waits until the first byte is there, then copies what is there; may call the source on this
 * thread, unless a prefetch runs.
 *
 * @param reader the reader.
 * @param len    most bytes to copy.
 * @param out    [out] room for `len` bytes; may be NULL if `len` is 0.
 * @return bytes copied, 0 at the end, else as sb_read_some();
 *         SB_ERR_CANCELED: also by sb_reader_cancel() or sb_reader_free().
 *
 * Threads: one at a time for one reader.
 *
 * Since: 0.1
 */
int64_t sb_reader_read(struct sb_reader *reader, size_t len, void *out);

/**
 * Moves the reader's place. Reads nothing, waits for nothing, costs nothing.
 *
 * @param reader the reader.
 * @param off    bytes, counted from where `whence` says; the place may lie past the end.
 * @param whence SB_SEEK_SET, SB_SEEK_CUR or SB_SEEK_END, which means the final size, else the
 *               declared one.
 * @return the new place, from the start of the resource; the place is unchanged on an error.
 *         SB_ERR_INVALID: a bad reader or `whence`, a place before the start.
 *         SB_ERR_UNKNOWN: from an end that is not known.
 *
 * Threads: one at a time for one reader.
 *
 * Since: 0.1
 */
int64_t sb_reader_seek(struct sb_reader *reader, int64_t off, int whence);

/**
 * Stops one reader: its waiting call, and later ones that would wait, return SB_ERR_CANCELED.
 *
 * Other readers and the source are not disturbed: where the reader's own thread is inside the
 * source at that moment, its call returns when the source does; with a prefetch running no reader's
 * thread ever is, and the stop is immediate. Never waits; any number of times.
 *
 * @param reader the reader.
 * @return SB_OK; SB_ERR_INVALID: a bad reader, or its buffer was freed.
 *
 * Threads: any thread, concurrently.
 *
 * Since: 0.1
 */
int sb_reader_cancel(struct sb_reader *reader);

/**
 * Lets a stopped reader wait again.
 *
 * @param reader the reader.
 * @return SB_OK; SB_ERR_INVALID: a bad reader, or its buffer was freed.
 *
 * Threads: any thread, concurrently.
 *
 * Since: 0.1
 */
int sb_reader_resume(struct sb_reader *reader);

/**
 * Frees a reader. A call of it that waits on another thread returns SB_ERR_CANCELED.
 *
 * @param reader the reader; NULL, a freed or a made-up one do nothing. The buffer may be gone.
 *
 * Threads: any thread.
 *
 * Since: 0.1
 */
void sb_reader_free(struct sb_reader *reader);

/**
 * Has a helper thread keep bytes ready.
 *
 * The source is then called on that thread alone, for prefetch and readers alike, once a reader
 * that is inside it has come out. Its errors surface at the read that reaches them, not before. The
 * thread is started here, sleeps while the distance is kept, and blocks all signals except those that
 * a fault raises. It has ended when sb_free() returns, except while it is inside the source or the
 * spool file: then it ends when that call returns. Never blocks.
 *
 * @param handle the buffer.
 * @param ahead  bytes to keep past the furthest read in the buffered range that was read last;
 *               SB_ALL everything, holes included; 0 stops, and readers call the source on their own
 *               threads again.
 * @return SB_OK; SB_ERR_INVALID: a bad handle; SB_ERR_NO_MEMORY: no thread to be had;
 *         SB_ERR_CANCELED: it is being freed.
 *
 * Threads: any thread, concurrently.
 *
 * Since: 0.1
 */
int sb_prefetch(struct sb_buffer *handle,
                uint64_t ahead);

/**
 * Stops every call that waits: it returns SB_ERR_CANCELED now.
 *
 * The one that is inside the source returns as soon as that does, for which the source's `cancel`
 * is called. Later calls that would need the source return SB_ERR_CANCELED too, until
 * sb_resume(). Buffered bytes stay readable. Never waits; any number of times, also from inside a
 * callback.
 *
 * @param handle the buffer.
 * @return SB_OK; SB_ERR_INVALID: a bad handle.
 *
 * Threads: any thread, concurrently.
 *
 * Since: 0.1
 */
int sb_cancel(struct sb_buffer *handle);

/**
 * Clears a source's failure. A cancel stays in force.
 *
 * The source is asked again, where it stands, and the prefetch goes on unless it is canceled. Clears
 * SB_ERR_SHORT and SB_ERR_PANIC too. Nothing is fetched twice, except after an end that was not believed
 * (see sb_callback). Never waits.
 *
 * @param handle the buffer.
 * @return SB_OK, also if there was nothing to clear; SB_ERR_INVALID: a bad handle.
 *
 * Threads: any thread, concurrently.
 *
 * Since: 0.1
 */
int sb_retry(struct sb_buffer *handle);

/**
 * Clears a cancel and a source's failure.
 *
 * The source is asked again, where it stands, as after sb_retry(). Never waits.
 *
 * @param handle the buffer.
 * @return SB_OK, also if there was nothing to clear; SB_ERR_INVALID: a bad handle.
 *
 * Threads: any thread, concurrently.
 *
 * Since: 0.1
 */
int sb_resume(struct sb_buffer *handle);

/**
 * Spills all buffered bytes now, except the piece that the source is filling.
 *
 * Waits for the disk, never
 * for the source; readers are not held up.
 *
 * @param handle the buffer.
 * @return SB_OK; SB_ERR_INVALID: a bad handle; SB_ERR_DISK_FULL, SB_ERR_IO: what could not be moved
 *         is still in memory.
 *
 * Threads: any thread, concurrently.
 *
 * Since: 0.1
 */
int sb_spill(struct sb_buffer *handle);

/**
 * Tells the size of the resource.
 *
 * @param handle the buffer.
 * @return bytes: the final size once the source has ended, else the declared one as long as nothing
 *         has disproved it: no byte past it is buffered, and the source did not say that there is
 *         nothing at a lower offset (`bound` in sb_stats). Else SB_ERR_UNKNOWN; SB_ERR_INVALID: a bad
 *         handle.
 *
 * Threads: any thread, concurrently; never waits.
 *
 * Since: 0.1
 */
int64_t sb_size(struct sb_buffer *handle);

/**
 * Tells how many bytes can be read at `off` without waiting.
 *
 * @param handle the buffer.
 * @param off    offset, from the start of the resource.
 * @return bytes, without a gap from `off` on; SB_ERR_INVALID: a bad handle.
 *
 * Threads: any thread, concurrently; never waits, cheap enough for every frame.
 *
 * Since: 0.1
 */
int64_t sb_buffered(struct sb_buffer *handle, uint64_t off);

/**
 * Lists the buffered ranges, in order, never touching: what a seek bar draws.
 *
 * @param handle the buffer.
 * @param out    [out] room for `cap` ranges; may be NULL if `cap` is 0.
 * @param cap    how many ranges to write at most.
 * @return how many ranges there are, which may be more than `cap`; 0 also for a bad handle.
 *
 * Threads: any thread, concurrently; never waits, cheap enough for every frame.
 *
 * Since: 0.1
 */
size_t sb_ranges(struct sb_buffer *handle, struct sb_range *out, size_t cap);

/**
 * Takes one consistent snapshot.
 *
 * @param handle   the buffer.
 * @param out      [out] the snapshot; not NULL.
 * @param out_size sizeof(sb_stats) of the caller's header: that many bytes are written, whatever the
 *                 library's version; members it does not know are 0.
 * @return SB_OK; SB_ERR_INVALID: a bad handle or NULL.
 *
 * Threads: any thread, concurrently; never waits.
 *
 * Since: 0.1
 */
int sb_stat(struct sb_buffer *handle,
            struct sb_stats *out,
            size_t out_size);

/**
 * Fills options with the defaults.
 *
 * @param options     [out] the options; not NULL.
 * @param struct_size sizeof(sb_options) of the caller's header.
 * @return SB_OK; SB_ERR_INVALID: NULL, or a size that no version has: less than the first one's, or
 *         more than 4,096 bytes.
 *
 * Threads: any thread, concurrently.
 *
 * Since: 0.1
 */
int sb_options_init(struct sb_options *options, size_t struct_size);

/**
 * Makes a buffer over a source, with options.
 *
 * Like sb_new(); with `prefetch` it also starts the helper thread, which calls the source: `*out` is
 * written before.
 *
 * @param callback [in] the source, as for sb_new().
 * @param options  [in] the options, copied; NULL for the defaults. Begin with sb_options_init().
 * @param out      [out] the handle, NULL on an error; not NULL.
 * @return SB_OK; SB_ERR_INVALID: a bad callback or option, `out` NULL; SB_ERR_UNSUPPORTED: an option
 *         of a later version that is not 0; SB_ERR_NO_MEMORY. A good callback is the library's from
 *         the call on: if the rest fails its `close` is called.
 *
 * Threads: any thread, concurrently.
 *
 * Ownership: as for sb_new().
 *
 * Since: 0.1
 */
int sb_new_with(const struct sb_callback *callback,
                const struct sb_options *options,
                struct sb_buffer **out);

/**
 * Saves, as sb_save() does, with options.
 *
 * To a path: as sb_save(). To a descriptor: writes at its place, without a rename, so what was
 * written when a save fails stays there. A pipe, a socket or a terminal that takes nothing more for
 * now is waited for, whether or not its writes wait; sb_cancel() and sb_free() end that, except on
 * Windows. A descriptor's flags are changed for none but a terminal that can't be opened a second
 * time, and for that one only while it is written to. What a file system reports no earlier than at
 * close, the caller's own close() returns.
 *
 * @param handle   the buffer.
 * @param path     [in] the file, as for sb_save(); NULL saves to `fd`.
 * @param fd       an open descriptor to write to if `path` is NULL, which stays the caller's (on
 *                 Windows one of the C runtime that the library was built for; written to as bytes,
 *                 where its handle stands, even if it was opened as text or to append); else
 *                 ignored.
 * @param flags    sb_save_flag values, added up; 0 saves as sb_save() does.
 * @param progress told how far the save is, after each step; may be NULL.
 * @param opaque   handed to `progress`.
 * @return bytes saved, else as sb_save(), or
 *         SB_ERR_INVALID: unknown flags, neither a path nor a descriptor, or SB_SAVE_KEEP and a
 *         descriptor: it exists.
 *         SB_ERR_UNSUPPORTED: SB_SAVE_SYNC, and the descriptor is no file's: nothing is written.
 *         SB_SAVE_KEEP, and the file system can neither rename nor link without replacing.
 *         SB_ERR_CANCELED: `progress` or sb_cancel() stopped the save; a path is what it was.
 *         SB_ERR_EXISTS: SB_SAVE_KEEP, and the target exists.
 *         SB_ERR_UNKNOWN: SB_SAVE_EXACT, and no size was declared.
 *         SB_ERR_SIZE: SB_SAVE_EXACT, and the size is another; SB_SAVE_BUFFERED, and what is buffered
 *         has holes.
 *
 * Threads: any thread, concurrently, any number of saves.
 *
 * Since: 0.1
 */
int64_t sb_save_with(struct sb_buffer *handle,
                     const char *path,
                     int fd,
                     uint32_t flags,
                     sb_progress progress,
                     void *opaque);

/**
 * Describes a status code.
 *
 * @param status any value.
 * @return one line of English without a full stop; static, never NULL.
 *
 * Threads: any thread, concurrently.
 *
 * Since: 0.1
 */
const char *sb_strerror(int status);

/**
 * Tells the library's version.
 *
 * @return major * 65536 + minor * 256 + patch.
 *
 * Threads: any thread, concurrently.
 *
 * Since: 0.1
 */
uint32_t sb_version(void);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* SPOOLBUF_H */
