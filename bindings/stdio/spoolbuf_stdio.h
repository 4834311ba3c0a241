/*
 * spoolbuf_stdio.h - a FILE over a position in a buffer, for any code that reads a FILE.
 *
 *     sb_reader *reader;
 *     FILE *file = spoolbuf_fopen(buffer, &reader);
 *     fseek(file, -128, SEEK_END);  fread(...);  fclose(file);
 *
 *   stdio requests       result
 *   data                 the bytes available once the first one is; stdio asks again for the rest
 *   the end              0: feof(). By then the size is known, and `ended_short` in sb_stats says
 *                        whether the end came before the declared size. With SB_SHORT_ERROR such an end
 *                        is an error
 *   an error             -1: ferror(), and errno ECANCELED, ENOSPC, ENOMEM, EDEADLK, ENOTSUP, EBADF
 *                        (the buffer was freed) or EIO
 *   a seek, the position cost nothing, whatever the source can do. SEEK_END uses the final size, else
 *                        the declared size, else it fails with ESPIPE. Some callers ignore that:
 *                        opusfile takes the current position for the end. For these, let sb_read() find
 *                        the end first, or declare the size. A position before the start is EINVAL
 *   a blocked read       sb_reader_cancel(reader), from any thread, makes it and every read that would
 *                        block fail, until sb_reader_resume(reader) and clearerr(). It takes effect at
 *                        once if a thread of the library calls the source (sb_prefetch(), the option
 *                        `prefetch`). Otherwise it takes effect when the source returns, and
 *                        sb_cancel() makes it return
 *   threads              the source is called on the thread that uses the FILE
 *   lifetime             fclose() frees the reader, so do not cancel it after that; the buffer stays
 *                        open
 *
 * Uses fopencookie(3) of glibc, musl and others, which needs _GNU_SOURCE, or funopen(3) of the BSDs,
 * macOS and Android. Windows has neither. C99 and C++.
 */
#ifndef SPOOLBUF_STDIO_H
#define SPOOLBUF_STDIO_H

#include <errno.h>
#include <stdio.h>
#include <sys/types.h>

#include "spoolbuf.h"

#ifdef __cplusplus
extern "C" {
#endif

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

/* As lseek(2): a position before the start is EINVAL, and a freed reader EBADF. */
static inline int64_t spoolbuf_stdio_move(void *opaque, int64_t offset, int whence)
{
    sb_reader *reader = (sb_reader *)opaque;
    int64_t at = sb_reader_seek(reader, offset, whence);

    if (at != SB_ERR_INVALID || sb_reader_seek(reader, 0, SB_SEEK_CUR) < 0)
        return spoolbuf_stdio_fail(at);
    errno = EINVAL;
    return -1;
}

static inline int spoolbuf_stdio_close(void *opaque)
{
    sb_reader_free((sb_reader *)opaque);
    return 0;
}

#if defined(__GLIBC__) || defined(__linux__) && !defined(__ANDROID__)

static inline ssize_t spoolbuf_stdio_read(void *opaque, char *out, size_t length)
{
    return (ssize_t)spoolbuf_stdio_fail(sb_reader_read((sb_reader *)opaque, length, out));
}

#ifdef __GLIBC__
static inline int spoolbuf_stdio_seek(void *opaque, off64_t *offset, int whence)
#else
static inline int spoolbuf_stdio_seek(void *opaque, off_t *offset, int whence)
#endif
{
    int64_t at = spoolbuf_stdio_move(opaque, *offset, whence);

    if (at >= 0)
        *offset = at;
    return at < 0 ? -1 : 0;
}

static inline FILE *spoolbuf_stdio_file(sb_reader *reader)
{
    cookie_io_functions_t functions = { spoolbuf_stdio_read, NULL, spoolbuf_stdio_seek,
                                        spoolbuf_stdio_close };
    return fopencookie(reader, "rb", functions);
}

#else

static inline int spoolbuf_stdio_read(void *opaque, char *out, int length)
{
    return (int)spoolbuf_stdio_fail(sb_reader_read((sb_reader *)opaque, (size_t)length, out));
}

static inline fpos_t spoolbuf_stdio_seek(void *opaque, fpos_t offset, int whence)
{
    return (fpos_t)spoolbuf_stdio_move(opaque, offset, whence);
}

static inline FILE *spoolbuf_stdio_file(sb_reader *reader)
{
    return funopen(reader, spoolbuf_stdio_read, NULL, spoolbuf_stdio_seek, spoolbuf_stdio_close);
}

#endif

/* Opens a FILE for reading. `*out`, if not NULL, is set to the reader that cancels it. On an error
 * returns NULL and sets errno. */
static inline FILE *spoolbuf_fopen(sb_buffer *buffer, sb_reader **out)
{
    sb_reader *reader = sb_reader_new(buffer);
    FILE *file;

    if (reader == NULL) {
        errno = sb_buffered(buffer, 0) < 0 ? EBADF : ENOMEM;
        return NULL;
    }
    file = spoolbuf_stdio_file(reader);
    if (file == NULL) {
        sb_reader_free(reader);
        return NULL;
    }
    if (out != NULL)
        *out = reader;
    return file;
}

#ifdef __cplusplus
}
#endif

#endif
