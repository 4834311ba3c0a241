/*
 * spoolbuf_archive.h - libarchive reads from a buffer.
 *
 *     struct archive *archive = archive_read_new();
 *     archive_read_support_filter_all(archive);
 *     archive_read_support_format_all(archive);
 *     spoolbuf_archive in;
 *     if (spoolbuf_archive_open(&in, buffer) < 0) ...
 *     if (spoolbuf_archive_read_open(&in, archive) != ARCHIVE_OK) ...
 *     ...
 *     archive_read_free(archive);
 *     spoolbuf_archive_close(&in);
 *
 *   libarchive asks      it gets
 *   data                 what is there once the first byte is, up to 64 KiB, in memory of the
 *                        adapter's that is good until the next call
 *   the end              0
 *   an end that is       before the declared size: the end, or with SB_SHORT_ERROR an error; the status
 *   too early            is SB_ERR_SHORT in both cases
 *   an error             ARCHIVE_FATAL, and sb_strerror()'s words; its filters put "truncated input"
 *                        over them: spoolbuf_archive_status() has the library's code. To go on:
 *                        sb_retry(), spoolbuf_archive_resume(), and another archive
 *   a skip               costs nothing, but not past a known size; with an unknown size 0, so that it
 *                        reads instead and sees where a cut archive ends
 *   a seek               costs nothing, whatever the source can. Of ZIP and 7-Zip only. From an end
 *                        that is not known: ARCHIVE_FATAL, and a ZIP is read as it comes
 *   a blocked read       spoolbuf_archive_stop(), from any thread, makes it and all that would wait
 *                        fail, until spoolbuf_archive_resume()
 *   with a prefetch      (sb_prefetch(), the option `prefetch`) the library calls the source on a
 *                        thread of its own, and a stop is at once
 *   without one          the source is called on the thread that reads, and a stop waits until it
 *                        returns. Only sb_cancel() asks it to, and stops all that wait on the buffer,
 *                        until sb_resume()
 *   who calls            the thread that is in archive_read_next_header() and so on
 *   lifetime             close after archive_read_free(), before sb_free()
 *
 * libarchive 3.2 or newer. C99 and C++.
 */
#ifndef SPOOLBUF_ARCHIVE_H
#define SPOOLBUF_ARCHIVE_H

#include <archive.h>
#include <stdlib.h>

#include "spoolbuf.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { SPOOLBUF_ARCHIVE_AREA = 65536 };

/* One archive's place in a buffer. Stays where it is in memory while it is open. */
typedef struct spoolbuf_archive {
    sb_buffer *buffer;
    sb_reader *reader;
    void *area;
    int status;
} spoolbuf_archive;

static inline int64_t spoolbuf_archive_settle(spoolbuf_archive *self, struct archive *archive,
                                              int64_t result)
{
    if (result >= 0)
        return result;
    /* An end that is not known is no failure: libarchive does without. */
    if (result != SB_ERR_UNKNOWN && self->status == SB_OK)
        self->status = (int)result;
    archive_set_error(archive, (int)result, "%s", sb_strerror((int)result));
    return ARCHIVE_FATAL;
}

static inline la_ssize_t spoolbuf_archive_read(struct archive *archive, void *opaque,
                                               const void **out)
{
    spoolbuf_archive *self = (spoolbuf_archive *)opaque;

    *out = self->area;
    return (la_ssize_t)spoolbuf_archive_settle(
        self, archive, sb_reader_read(self->reader, SPOOLBUF_ARCHIVE_AREA, self->area));
}

static inline la_int64_t spoolbuf_archive_skip(struct archive *archive, void *opaque,
                                               la_int64_t wanted)
{
    spoolbuf_archive *self = (spoolbuf_archive *)opaque;
    int64_t place = sb_reader_seek(self->reader, 0, SB_SEEK_CUR), left = sb_size(self->buffer);

    if (left == SB_ERR_UNKNOWN || place < 0 || left <= place)
        return 0;
    left -= place;
    if (wanted > left)
        wanted = left;
    if (sb_reader_seek(self->reader, wanted, SB_SEEK_CUR) < 0)
        return (la_int64_t)spoolbuf_archive_settle(self, archive, SB_ERR_INVALID);
    return wanted;
}

static inline la_int64_t spoolbuf_archive_seek(struct archive *archive, void *opaque,
                                               la_int64_t offset, int whence)
{
    spoolbuf_archive *self = (spoolbuf_archive *)opaque;

    return (la_int64_t)spoolbuf_archive_settle(self, archive,
                                               sb_reader_seek(self->reader, offset, whence));
}

/* Opens a place in a buffer. Returns SB_OK or an sb_status, with nothing left to close. */
static inline int spoolbuf_archive_open(spoolbuf_archive *self, sb_buffer *buffer)
{
    self->buffer = buffer;
    self->status = SB_OK;
    self->reader = sb_reader_new(buffer);
    self->area = malloc(SPOOLBUF_ARCHIVE_AREA);
    if (self->reader != NULL && self->area != NULL)
        return SB_OK;
    sb_reader_free(self->reader);
    free(self->area);
    self->area = NULL;
    return sb_buffered(buffer, 0) < 0 ? SB_ERR_INVALID : SB_ERR_NO_MEMORY;
}

/* Has libarchive read from the place: instead of archive_read_open(), and returns what that does. It
 * reads, and so may wait. */
static inline int spoolbuf_archive_read_open(spoolbuf_archive *self, struct archive *archive)
{
    archive_read_set_read_callback(archive, spoolbuf_archive_read);
    archive_read_set_skip_callback(archive, spoolbuf_archive_skip);
    archive_read_set_seek_callback(archive, spoolbuf_archive_seek);
    archive_read_set_callback_data(archive, self);
    return archive_read_open1(archive);
}

/* Makes the waiting read, and those that would wait, fail. From any thread. An archive that met an
 * error can't be gone on with: open another one. */
static inline void spoolbuf_archive_stop(spoolbuf_archive *self)
{
    sb_reader_cancel(self->reader);
}

/* Lets it read again, from the start, for another archive; not while a read runs. */
static inline void spoolbuf_archive_resume(spoolbuf_archive *self)
{
    self->status = SB_OK;
    sb_reader_seek(self->reader, 0, SB_SEEK_SET);
    sb_reader_resume(self->reader);
}

/* What went wrong first since the opening, or since resume: SB_OK or the library's code; SB_ERR_SHORT
 * also once the source has ended before the declared size. */
static inline int spoolbuf_archive_status(const spoolbuf_archive *self)
{
    sb_stats facts;

    if (self->status == SB_OK && sb_stat(self->buffer, &facts, sizeof facts) == SB_OK && facts.ended_short)
        return SB_ERR_SHORT;
    return self->status;
}

/* Closes the place; the buffer stays. After archive_read_free(). */
static inline void spoolbuf_archive_close(spoolbuf_archive *self)
{
    sb_reader_free(self->reader);
    free(self->area);
    self->reader = NULL;
    self->area = NULL;
}

#ifdef __cplusplus
}
#endif

#endif
