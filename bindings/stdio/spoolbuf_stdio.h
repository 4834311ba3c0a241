/*
 * spoolbuf_stdio.h - a FILE over a position in a buffer, for any code that reads a FILE.
 *
 *     sb_reader *reader;
 *     FILE *file = spoolbuf_fopen(buffer, &reader);
 *     fseek(file, -128, SEEK_END);  fread(bytes, 1, 128, file);  fclose(file);
 *
 *   stdio requests       result
 *   data                 the bytes available once the first one is; stdio asks again for the rest
 *   the end              0: feof(). By then the size is known, and `ended_short` in sb_stats says
 *                        whether the end came before the declared size. With SB_SHORT_ERROR such an end
 *                        is an error
 *   an error             -1: ferror(), and errno ECANCELED, ENOSPC, ENOMEM, EDEADLK, ENOTSUP, EBADF
 *                        (the buffer was freed) or EIO
 *   a seek, the position cost nothing within the buffered bytes or if the source can seek. Otherwise a
 *                        seek beyond the reach fails with ESPIPE. SEEK_END uses a size that is a fact
 *                        (sb_known_size()); a source that can seek is sent to the declared end, which
 *                        proves it; else it fails with ESPIPE. Some callers ignore that: opusfile takes
 *                        the current position for the end. For these use SB_REACH_WHOLE. A position
 *                        before the start is EINVAL, and one that does not fit in the system's offsets
 *                        (32 bits on 32-bit Android) is EOVERFLOW
 *   a blocked read       sb_reader_cancel(reader), from any thread, makes it and every read that would
 *                        block fail, until sb_reader_resume(reader) and clearerr(). It takes effect at
 *                        once if a thread of the library calls the source (sb_prefetch(), the option
 *                        `prefetch`). Otherwise it takes effect when the source returns: at
 *                        once if that is SB_SOURCE_INTERRUPTIBLE. Else sb_cancel() makes it return
 *   a read loop          spoolbuf_stdio_cancel(), from any thread, also ends a loop over buffered bytes:
 *                        when the FILE needs more than it holds itself. spoolbuf_stdio_open() returns
 *                        what to pass to it
 *   threads              the source is called on the thread that uses the FILE
 *   lifetime             fclose() frees the reader, so do not cancel it after that; the buffer stays
 *                        open
 *
 * spoolbuf_fopen() means AUTO: a reach of SB_REACH_AUTO. spoolbuf_fopen_with() takes the options of a
 * reader. With SB_REACH_WHOLE every seek works, and one from the end fetches everything first. A
 * timeout is an error with ETIMEDOUT.
 *
 * Uses fopencookie(3) of glibc, musl and others, which needs _GNU_SOURCE, or funopen(3) of the BSDs,
 * macOS and Android. Windows has neither. C99 and C++.
 */
#ifndef SPOOLBUF_STDIO_H
#define SPOOLBUF_STDIO_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>

#include "spoolbuf.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A FILE's position. */
typedef struct spoolbuf_stdio {
    sb_reader *reader;
    int whole; /* the end may be found first, whatever that costs */
    long canceled;
} spoolbuf_stdio;

/* The errno for one of the library's codes. */
static inline int spoolbuf_stdio_errno(int64_t status)
{
    switch (status) {
    case SB_ERR_CANCELED: return ECANCELED;
    case SB_ERR_INVALID: return EBADF;
    case SB_ERR_DISK_FULL: return ENOSPC;
    case SB_ERR_NO_MEMORY: return ENOMEM;
    case SB_ERR_REENTRANT: return EDEADLK;
    case SB_ERR_UNKNOWN_SIZE: return ESPIPE;
    case SB_ERR_UNSUPPORTED: return ENOTSUP;
    case SB_ERR_TIMEOUT: return ETIMEDOUT;
    default: return EIO;
    }
}

static inline int64_t spoolbuf_stdio_fail(int64_t result)
{
    if (result >= 0)
        return result;
    errno = spoolbuf_stdio_errno(result);
    return -1;
}

/* The size if it is a fact, or becomes one at the cost of a seek of the source. */
static inline int64_t spoolbuf_stdio_size(spoolbuf_stdio *self)
{
    sb_buffer *buffer = sb_reader_buffer(self->reader);
    int64_t size = sb_known_size(buffer);
    sb_stats facts;

    if (size != SB_ERR_UNKNOWN_SIZE)
        return size;
    if (self->whole
        || (sb_stat(buffer, &facts, sizeof facts) == SB_OK && facts.seekable && sb_size(buffer) >= 0))
        return __atomic_load_n(&self->canceled, __ATOMIC_SEQ_CST) ? (int64_t)SB_ERR_CANCELED
                                                                  : sb_reader_find_size(self->reader);
    return size;
}

/* As lseek(2): a position before the start is EINVAL, one beyond the reach ESPIPE, and a freed reader
 * EBADF. */
static inline int64_t spoolbuf_stdio_move(void *opaque, int64_t offset, int whence)
{
    spoolbuf_stdio *self = (spoolbuf_stdio *)opaque;
    int64_t at = whence == SEEK_END ? spoolbuf_stdio_size(self) : 0;

    if (at >= 0)
        at = sb_reader_seek(self->reader, offset, whence);
    if (at == SB_ERR_UNSUPPORTED)
        at = SB_ERR_UNKNOWN_SIZE;
    if (at != SB_ERR_INVALID || sb_reader_seek(self->reader, 0, SB_SEEK_CUR) < 0)
        return spoolbuf_stdio_fail(at);
    errno = EINVAL;
    return -1;
}

/* The same for a system whose offsets have `bytes` bytes: a position that does not fit is EOVERFLOW, and
 * leaves the old one. */
static inline int64_t spoolbuf_stdio_move_within(void *opaque, int64_t offset, int whence, size_t bytes)
{
    spoolbuf_stdio *self = (spoolbuf_stdio *)opaque;
    int64_t from = sb_reader_seek(self->reader, 0, SB_SEEK_CUR);
    int64_t at = spoolbuf_stdio_move(opaque, offset, whence);

    if (bytes >= sizeof at || at <= INT32_MAX)
        return at;
    sb_reader_seek(self->reader, from, SB_SEEK_SET);
    errno = EOVERFLOW;
    return -1;
}

static inline int64_t spoolbuf_stdio_take(void *opaque, void *out, size_t length)
{
    spoolbuf_stdio *self = (spoolbuf_stdio *)opaque;

    /* Buffered bytes would hide the cancel. */
    if (__atomic_load_n(&self->canceled, __ATOMIC_SEQ_CST))
        return spoolbuf_stdio_fail(SB_ERR_CANCELED);
    return spoolbuf_stdio_fail(sb_reader_read(self->reader, length, out));
}

static inline int spoolbuf_stdio_close(void *opaque)
{
    sb_reader_free(((spoolbuf_stdio *)opaque)->reader);
    free(opaque);
    return 0;
}

#if defined(__GLIBC__) || defined(__linux__) && !defined(__ANDROID__)

static inline ssize_t spoolbuf_stdio_read(void *opaque, char *out, size_t length)
{
    return (ssize_t)spoolbuf_stdio_take(opaque, out, length);
}

#ifdef __GLIBC__
static inline int spoolbuf_stdio_seek(void *opaque, off64_t *offset, int whence)
#else
static inline int spoolbuf_stdio_seek(void *opaque, off_t *offset, int whence)
#endif
{
    int64_t at = spoolbuf_stdio_move_within(opaque, *offset, whence, sizeof *offset);

    if (at >= 0)
        *offset = at;
    return at < 0 ? -1 : 0;
}

static inline FILE *spoolbuf_stdio_file(spoolbuf_stdio *self)
{
    cookie_io_functions_t functions = { spoolbuf_stdio_read, NULL, spoolbuf_stdio_seek,
                                        spoolbuf_stdio_close };
    return fopencookie(self, "rb", functions);
}

#else

static inline int spoolbuf_stdio_read(void *opaque, char *out, int length)
{
    return (int)spoolbuf_stdio_take(opaque, out, (size_t)length);
}

static inline fpos_t spoolbuf_stdio_seek(void *opaque, fpos_t offset, int whence)
{
    return (fpos_t)spoolbuf_stdio_move_within(opaque, offset, whence, sizeof offset);
}

static inline FILE *spoolbuf_stdio_file(spoolbuf_stdio *self)
{
    return funopen(self, spoolbuf_stdio_read, NULL, spoolbuf_stdio_seek, spoolbuf_stdio_close);
}

#endif

/**
 * Opens a FILE for reading.
 *
 * @param out     [out] what cancels it.
 * @param buffer  the buffer to read.
 * @param options the options of a reader, or NULL for AUTO.
 * @return the FILE; or NULL, with errno set.
 */
static inline FILE *spoolbuf_stdio_open(spoolbuf_stdio **out, sb_buffer *buffer,
                                        const sb_reader_options *options)
{
    spoolbuf_stdio *self = (spoolbuf_stdio *)calloc(1, sizeof *self);
    sb_reader_options automatic;
    FILE *file = NULL;
    int status;

    if (self == NULL)
        return NULL;
    sb_reader_options_init(&automatic, sizeof automatic);
    automatic.reach = SB_REACH_AUTO;
    if (options == NULL)
        options = &automatic;
    self->whole = options->reach == SB_REACH_WHOLE;
    status = sb_reader_new_with(buffer, options, &self->reader);
    if (status < 0) {
        errno = spoolbuf_stdio_errno(status);
    } else {
        file = spoolbuf_stdio_file(self);
        if (file == NULL)
            sb_reader_free(self->reader);
    }
    if (file == NULL)
        free(self);
    else
        *out = self;
    return file;
}

/**
 * Makes the blocked read of the FILE, and every later one, fail with ECANCELED. From any thread, until
 * fclose().
 *
 * @param self what spoolbuf_stdio_open() has set.
 */
static inline void spoolbuf_stdio_cancel(spoolbuf_stdio *self)
{
    __atomic_store_n(&self->canceled, 1, __ATOMIC_SEQ_CST);
    sb_reader_cancel(self->reader);
}

/**
 * Lets it read again, after clearerr(). Not while a read is running.
 *
 * @param self what spoolbuf_stdio_open() has set.
 */
static inline void spoolbuf_stdio_resume(spoolbuf_stdio *self)
{
    /* A cancel that comes in between stays. */
    __atomic_store_n(&self->canceled, 0, __ATOMIC_SEQ_CST);
    sb_reader_resume(self->reader);
}

/**
 * Opens a FILE for reading, as spoolbuf_stdio_open().
 *
 * @param buffer  the buffer to read.
 * @param out     [out] the reader that cancels it, unless NULL.
 * @param options the options of a reader, or NULL for AUTO.
 * @return the FILE; or NULL, with errno set.
 */
static inline FILE *spoolbuf_fopen_with(sb_buffer *buffer, sb_reader **out,
                                        const sb_reader_options *options)
{
    spoolbuf_stdio *self;
    FILE *file = spoolbuf_stdio_open(&self, buffer, options);

    if (file != NULL && out != NULL)
        *out = self->reader;
    return file;
}

/**
 * As spoolbuf_fopen_with(), with AUTO.
 *
 * @param buffer the buffer to read.
 * @param out    [out] the reader that cancels it, unless NULL.
 * @return the FILE; or NULL, with errno set.
 */
static inline FILE *spoolbuf_fopen(sb_buffer *buffer, sb_reader **out)
{
    return spoolbuf_fopen_with(buffer, out, NULL);
}

#ifdef __cplusplus
}
#endif

#endif
