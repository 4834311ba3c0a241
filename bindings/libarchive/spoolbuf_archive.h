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
 *   libarchive requests  result
 *   data                 the bytes available once the first one is, at most 64 KiB, in memory of the
 *                        adapter that is valid until the next call
 *   the end              0
 *   an end too early     before the declared size: it is the end, or with SB_SHORT_ERROR an error.
 *                        spoolbuf_archive_status() is SB_ERR_SHORT in both cases
 *   an error             ARCHIVE_FATAL, and the text of sb_error_text(). libarchive's filters overwrite
 *                        the text with "truncated input". spoolbuf_archive_status() returns the
 *                        library's code. To go on: sb_retry(), spoolbuf_archive_resume(), and another
 *                        archive
 *   a skip               costs nothing, but does not go past a known size. With an unknown size it
 *                        returns 0, so that libarchive reads instead and sees where a truncated archive
 *                        ends
 *   a seek               costs nothing, whatever the source can do. Only ZIP and 7-Zip seek. A seek
 *                        from an unknown end is ARCHIVE_FATAL, and a ZIP is then read as it arrives
 *   a blocked read       spoolbuf_archive_cancel(), from any thread, makes it and every read that would
 *                        block fail, until spoolbuf_archive_resume()
 *   with a prefetch      (sb_prefetch(), the option `prefetch`) a thread of the library calls the
 *                        source, and a stop takes effect at once
 *   without one          the source is called on the thread that reads, and a stop takes effect when
 *                        the source returns. Only sb_cancel() makes the source return; it cancels every
 *                        blocked call on the buffer, until sb_resume()
 *   threads              data is read on the thread that is in archive_read_next_header() and so on
 *   lifetime             close it after archive_read_free() and before sb_free()
 *
 * libarchive 3.2 or newer. C99 and C++.
 */
#ifndef SPOOLBUF_ARCHIVE_H
#define SPOOLBUF_ARCHIVE_H

#include <archive.h>
#include <stdio.h>
#include <stdlib.h>

#include "spoolbuf.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { SPOOLBUF_ARCHIVE_AREA = 65536 };

/* One archive's position in a buffer. It must not be moved in memory while it is open. */
typedef struct spoolbuf_archive {
    sb_reader *reader;
    void *area;
    int status;
} spoolbuf_archive;

static inline int64_t spoolbuf_archive_settle(spoolbuf_archive *self, struct archive *archive,
                                              int64_t result)
{
    char path[1024], text[1536];
    sb_error error;

    if (result >= 0)
        return result;
    /* An unknown end is not a failure: libarchive works without it. */
    if (result != SB_ERR_UNKNOWN_SIZE && self->status == SB_OK)
        self->status = (int)result;
    sb_error_init(&error, sizeof error);
    error.path = path;
    error.path_cap = sizeof path;
    if (sb_reader_error(self->reader, &error) == SB_OK && error.status == result)
        sb_error_text(&error, text, sizeof text);
    else
        snprintf(text, sizeof text, "%s", sb_strerror(result));
    archive_set_error(archive, (int)result, "%s", text);
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
    int64_t place = sb_reader_seek(self->reader, 0, SB_SEEK_CUR);
    int64_t left = sb_size(sb_reader_buffer(self->reader));

    if (left == SB_ERR_UNKNOWN_SIZE || place < 0 || left <= place)
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

/* Opens a position in a buffer. Returns SB_OK or an sb_status; after an error there is nothing to close. */
static inline int spoolbuf_archive_open(spoolbuf_archive *self, sb_buffer *buffer)
{
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

/* Makes libarchive read from the position. Use it instead of archive_read_open(); it returns the same.
 * It reads, and so may block. */
static inline int spoolbuf_archive_read_open(spoolbuf_archive *self, struct archive *archive)
{
    archive_read_set_read_callback(archive, spoolbuf_archive_read);
    archive_read_set_skip_callback(archive, spoolbuf_archive_skip);
    archive_read_set_seek_callback(archive, spoolbuf_archive_seek);
    archive_read_set_callback_data(archive, self);
    return archive_read_open1(archive);
}

/* Makes the blocked read, and those that would block, fail. From any thread. After an
 * error an archive can't go on: open another one. */
static inline void spoolbuf_archive_cancel(spoolbuf_archive *self)
{
    sb_reader_cancel(self->reader);
}

/* Lets it read again, from the start, for another archive. Not while a read is running. */
static inline void spoolbuf_archive_resume(spoolbuf_archive *self)
{
    self->status = SB_OK;
    sb_reader_seek(self->reader, 0, SB_SEEK_SET);
    sb_reader_resume(self->reader);
}

/* The first error since the opening or the last resume: SB_OK or the library's code. It is also
 * SB_ERR_SHORT once the source has ended before the declared size. */
static inline int spoolbuf_archive_status(const spoolbuf_archive *self)
{
    sb_stats facts;

    if (self->status == SB_OK && sb_stat(sb_reader_buffer(self->reader), &facts, sizeof facts) == SB_OK
        && facts.ended_short)
        return SB_ERR_SHORT;
    return self->status;
}

/* Closes the position; the buffer stays open. After archive_read_free(). */
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
