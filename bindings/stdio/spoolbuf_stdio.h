/*
 * spoolbuf_stdio.h - a FILE over a place in a buffer, for whatever reads a FILE.
 *
 *     sb_reader *place;
 *     FILE *file = spoolbuf_fopen(buffer, &place);
 *     fseek(file, -128, SEEK_END);  fread(...);  fclose(file);
 *
 *   stdio asks           it gets
 *   data                 what is there once the first byte is; stdio asks again for the rest
 *   the end              0: feof(). By then the size is known; sb_stats says in `ended_short` whether
 *                        it came before the declared size. With SB_SHORT_ERROR that is an error
 *   an error             -1: ferror(), and errno ECANCELED, ENOSPC, ENOMEM, EDEADLK, ENOTSUP, EBADF
 *                        (the buffer is gone) or EIO
 *   a seek, the place    cost nothing, whatever the source can; SEEK_END goes by the final size, else
 *                        the declared one, else it fails with ESPIPE (opusfile, for one, does not look,
 *                        and takes the place where it stands for the end: have sb_read() find the end
 *                        first, or declare the size); before the start is EINVAL
 *   a blocked read       sb_reader_cancel(place), from any thread, makes it and all that would wait
 *                        fail, until sb_reader_resume(place) and clearerr(). At once where the
 *                        library calls the source on a thread of its own (sb_prefetch(), the option
 *                        `prefetch`); else when the source returns, for which sb_cancel() asks it
 *   who calls            the thread that uses the FILE
 *   lifetime             fclose() frees the place, so no stop after it; the buffer stays
 *
 * fopencookie(3) of glibc, musl and others, which needs _GNU_SOURCE; funopen(3) of the BSDs, macOS
 * and Android. Windows has neither. C99 and C++.
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

/* errno for one of the library's codes. */
static inline int spoolbuf_stdio_errno(int64_t status)
{
    switch (status) {
    case SB_ERR_CANCELED: return ECANCELED;
    case SB_ERR_INVALID: return EBADF;
    case SB_ERR_DISK_FULL: return ENOSPC;
    case SB_ERR_NO_MEMORY: return ENOMEM;
    case SB_ERR_REENTRANT: return EDEADLK;
    case SB_ERR_UNKNOWN: return ESPIPE;
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

/* As lseek(2), which calls a place before the start EINVAL, and a reader that is gone EBADF. */
static inline int64_t spoolbuf_stdio_move(void *place, int64_t offset, int whence)
{
    sb_reader *reader = (sb_reader *)place;
    int64_t at = sb_reader_seek(reader, offset, whence);

    if (at != SB_ERR_INVALID || sb_reader_seek(reader, 0, SB_SEEK_CUR) < 0)
        return spoolbuf_stdio_fail(at);
    errno = EINVAL;
    return -1;
}

static inline int spoolbuf_stdio_close(void *place)
{
    sb_reader_free((sb_reader *)place);
    return 0;
}

#if defined(__GLIBC__) || defined(__linux__) && !defined(__ANDROID__)

static inline ssize_t spoolbuf_stdio_read(void *place, char *out, size_t length)
{
    return (ssize_t)spoolbuf_stdio_fail(sb_reader_read((sb_reader *)place, length, out));
}

#ifdef __GLIBC__
static inline int spoolbuf_stdio_seek(void *place, off64_t *offset, int whence)
#else
static inline int spoolbuf_stdio_seek(void *place, off_t *offset, int whence)
#endif
{
    int64_t at = spoolbuf_stdio_move(place, *offset, whence);

    if (at >= 0)
        *offset = at;
    return at < 0 ? -1 : 0;
}

static inline FILE *spoolbuf_stdio_file(sb_reader *place)
{
    cookie_io_functions_t functions = { spoolbuf_stdio_read, NULL, spoolbuf_stdio_seek,
                                        spoolbuf_stdio_close };
    return fopencookie(place, "rb", functions);
}

#else

static inline int spoolbuf_stdio_read(void *place, char *out, int length)
{
    return (int)spoolbuf_stdio_fail(sb_reader_read((sb_reader *)place, (size_t)length, out));
}

static inline fpos_t spoolbuf_stdio_seek(void *place, fpos_t offset, int whence)
{
    return (fpos_t)spoolbuf_stdio_move(place, offset, whence);
}

static inline FILE *spoolbuf_stdio_file(sb_reader *place)
{
    return funopen(place, spoolbuf_stdio_read, NULL, spoolbuf_stdio_seek, spoolbuf_stdio_close);
}

#endif

/* Opens a FILE for reading. `*place`, if not NULL, is set to what stops it. NULL and errno if it
 * can't be had. */
static inline FILE *spoolbuf_fopen(sb_buffer *buffer, sb_reader **place)
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
    if (place != NULL)
        *place = reader;
    return file;
}

#ifdef __cplusplus
}
#endif

#endif
