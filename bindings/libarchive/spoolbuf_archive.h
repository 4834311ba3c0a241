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
 *   a skip               costs nothing once the size is a fact (sb_known_size()), and does not go past
 *                        it. Before that, and beyond the reach, it returns 0, so that libarchive reads
 *                        instead and sees where a truncated archive ends
 *   a seek               costs nothing within the buffered bytes or if the source can seek. Otherwise
 *                        it fails beyond the reach. Only ZIP and 7-Zip seek
 *   a blocked read       spoolbuf_archive_cancel(), from any thread, makes it and every later read
 *                        fail, until spoolbuf_archive_resume()
 *   with a prefetch      (sb_prefetch(), the option `prefetch`) a thread of the library calls the
 *                        source, and a stop takes effect at once
 *   without one          the source is called on the thread that reads, and a stop takes effect when
 *                        the source returns: at once if it is SB_SOURCE_INTERRUPTIBLE. Else only
 *                        sb_cancel() makes it return; that cancels every blocked call, until sb_resume()
 *   threads              data is read on the thread that is in archive_read_next_header() and so on
 *   lifetime             close it after archive_read_free() and before sb_free()
 *
 * spoolbuf_archive_open() means AUTO: a reach of SB_REACH_AUTO. spoolbuf_archive_open_with() takes the
 * options of a reader, and so another reach, SB_REACH_WHOLE for example, or a timeout.
 *
 *   a source             a ZIP is read
 *   whose end is known   by its directory, which is at its end
 *   that can seek, with  the same, after a seek of the source to the declared end, which proves the
 *    a size              size
 *   any other            as it arrives, without its directory: permissions and links may be missing
 *   with SB_REACH_WHOLE  by its directory, once everything is fetched
 *
 * A 7-Zip cannot be read as it arrives: the adapter fetches everything first.
 *
 * libarchive 3.2 or newer. C99 and C++.
 */
#ifndef SPOOLBUF_ARCHIVE_H
#define SPOOLBUF_ARCHIVE_H

#include <archive.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spoolbuf.h"

#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
#define SPOOLBUF_ARCHIVE_SET(target, value) _InterlockedExchange((target), (value))
#define SPOOLBUF_ARCHIVE_GET(target) _InterlockedOr((target), 0)
#else
#define SPOOLBUF_ARCHIVE_SET(target, value) __atomic_store_n((target), (value), __ATOMIC_SEQ_CST)
#define SPOOLBUF_ARCHIVE_GET(target) __atomic_load_n((target), __ATOMIC_SEQ_CST)
#endif

#ifdef __cplusplus
extern "C" {
#endif

enum { SPOOLBUF_ARCHIVE_AREA = 65536 };

/** One archive's position in a buffer. It must not be moved in memory while it is open. */
typedef struct spoolbuf_archive {
    sb_reader *reader;
    void *area;
    int whole; /* the end may be found first, whatever that costs */
    int status;
    volatile long stopped;
} spoolbuf_archive;

/* Keeps the first error. */
static inline void spoolbuf_archive_note(spoolbuf_archive *self, int64_t result)
{
    if (result < 0 && self->status == SB_OK)
        self->status = (int)result;
}

/* The result in the form that libarchive expects. */
static inline int64_t spoolbuf_archive_settle(spoolbuf_archive *self, struct archive *archive,
                                              int64_t result)
{
    char path[1024], text[1536];
    sb_error error;

    if (result >= 0)
        return result;
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
    int64_t count = SB_ERR_CANCELED;

    *out = self->area;
    /* Buffered bytes would hide the cancel. */
    if (!SPOOLBUF_ARCHIVE_GET(&self->stopped))
        count = sb_reader_read(self->reader, SPOOLBUF_ARCHIVE_AREA, self->area);
    spoolbuf_archive_note(self, count);
    return (la_ssize_t)spoolbuf_archive_settle(self, archive, count);
}

/* The size if it is a fact, or becomes one at the cost of a seek of the source. */
static inline int64_t spoolbuf_archive_size(spoolbuf_archive *self)
{
    sb_buffer *buffer = sb_reader_buffer(self->reader);
    int64_t size = sb_known_size(buffer);
    sb_stats facts;

    if (size != SB_ERR_UNKNOWN_SIZE)
        return size;
    if (self->whole
        || (sb_stat(buffer, &facts, sizeof facts) == SB_OK && facts.seekable && sb_size(buffer) >= 0))
        return SPOOLBUF_ARCHIVE_GET(&self->stopped) ? (int64_t)SB_ERR_CANCELED
                                                    : sb_reader_find_size(self->reader);
    return size;
}

static inline la_int64_t spoolbuf_archive_skip(struct archive *archive, void *opaque,
                                               la_int64_t wanted)
{
    spoolbuf_archive *self = (spoolbuf_archive *)opaque;
    int64_t place = sb_reader_seek(self->reader, 0, SB_SEEK_CUR);
    int64_t left = sb_known_size(sb_reader_buffer(self->reader));

    (void)archive;
    if (place < 0 || left <= place)
        return 0;
    left -= place;
    if (wanted > left)
        wanted = left;
    return sb_reader_seek(self->reader, wanted, SB_SEEK_CUR) < 0 ? 0 : wanted;
}

/* Whether the resource is a 7-Zip, which libarchive reads only by its end. */
static inline int spoolbuf_archive_is_7zip(const spoolbuf_archive *self)
{
    char magic[6];

    return sb_read_some(sb_reader_buffer(self->reader), 0, sizeof magic, magic, 0) == sizeof magic
        && memcmp(magic, "7z\xbc\xaf\x27\x1c", sizeof magic) == 0;
}

/* Fetches everything, and leaves the position at the end. */
static inline int64_t spoolbuf_archive_fetch(spoolbuf_archive *self)
{
    int64_t count = 1;
    sb_stats facts;

    while (count > 0 && !SPOOLBUF_ARCHIVE_GET(&self->stopped)) {
        if (sb_stat(sb_reader_buffer(self->reader), &facts, sizeof facts) < 0)
            return SB_ERR_INVALID;
        sb_reader_seek(self->reader, (int64_t)facts.frontier, SB_SEEK_SET);
        count = sb_reader_read(self->reader, SPOOLBUF_ARCHIVE_AREA, self->area);
    }
    return count > 0 ? (int64_t)SB_ERR_CANCELED : count;
}

static inline la_int64_t spoolbuf_archive_seek(struct archive *archive, void *opaque,
                                               la_int64_t offset, int whence)
{
    spoolbuf_archive *self = (spoolbuf_archive *)opaque;
    int64_t place = whence == SEEK_END ? spoolbuf_archive_size(self) : 0;

    if ((place == SB_ERR_UNKNOWN_SIZE || place == SB_ERR_UNSUPPORTED) && spoolbuf_archive_is_7zip(self))
        place = spoolbuf_archive_fetch(self);
    if (place >= 0)
        place = sb_reader_seek(self->reader, offset, whence);
    /* An end that can't be reached is not a failure: libarchive works without it. */
    if (place != SB_ERR_UNKNOWN_SIZE && place != SB_ERR_UNSUPPORTED)
        spoolbuf_archive_note(self, place);
    return (la_int64_t)spoolbuf_archive_settle(self, archive, place);
}

/**
 * Opens a position in a buffer.
 *
 * @param self    the position to open.
 * @param buffer  the buffer to read.
 * @param options the options of a reader, or NULL for AUTO.
 * @return SB_OK, or an sb_status; after an error there is nothing to close.
 */
static inline int spoolbuf_archive_open_with(spoolbuf_archive *self, sb_buffer *buffer,
                                             const sb_reader_options *options)
{
    sb_reader_options automatic;
    int status;

    self->status = SB_OK;
    self->stopped = 0;
    self->area = NULL;
    sb_reader_options_init(&automatic, sizeof automatic);
    automatic.reach = SB_REACH_AUTO;
    if (options == NULL)
        options = &automatic;
    self->whole = options->reach == SB_REACH_WHOLE;
    status = sb_reader_new_with(buffer, options, &self->reader);
    if (status < 0)
        return status;
    self->area = malloc(SPOOLBUF_ARCHIVE_AREA);
    if (self->area != NULL)
        return SB_OK;
    sb_reader_free(self->reader);
    self->reader = NULL;
    return SB_ERR_NO_MEMORY;
}

/**
 * As spoolbuf_archive_open_with(), with AUTO.
 *
 * @param self   the position to open.
 * @param buffer the buffer to read.
 * @return SB_OK, or an sb_status; after an error there is nothing to close.
 */
static inline int spoolbuf_archive_open(spoolbuf_archive *self, sb_buffer *buffer)
{
    return spoolbuf_archive_open_with(self, buffer, NULL);
}

/**
 * Makes libarchive read from the position. Use it instead of archive_read_open(). It reads, and so may block.
 *
 * @param self    the position.
 * @param archive the archive, made by archive_read_new().
 * @return what archive_read_open() returns.
 */
static inline int spoolbuf_archive_read_open(spoolbuf_archive *self, struct archive *archive)
{
    archive_read_set_read_callback(archive, spoolbuf_archive_read);
    archive_read_set_skip_callback(archive, spoolbuf_archive_skip);
    archive_read_set_seek_callback(archive, spoolbuf_archive_seek);
    archive_read_set_callback_data(archive, self);
    return archive_read_open1(archive);
}

/**
 * Makes the blocked read, and every later one, fail. From any thread. After an error an archive can't go on:
 * open another one.
 *
 * @param self the position.
 */
static inline void spoolbuf_archive_cancel(spoolbuf_archive *self)
{
    SPOOLBUF_ARCHIVE_SET(&self->stopped, 1);
    sb_reader_cancel(self->reader);
}

/**
 * Lets it read again, from the start, for another archive. Not while a read is running.
 *
 * @param self the position.
 */
static inline void spoolbuf_archive_resume(spoolbuf_archive *self)
{
    self->status = SB_OK;
    SPOOLBUF_ARCHIVE_SET(&self->stopped, 0);
    sb_reader_seek(self->reader, 0, SB_SEEK_SET);
    sb_reader_resume(self->reader);
}

/**
 * Tells the first error since the opening or the last resume.
 *
 * @param self the position.
 * @return SB_OK or the library's code. It is also SB_ERR_SHORT once the source has ended before the declared
 *         size.
 */
static inline int spoolbuf_archive_status(const spoolbuf_archive *self)
{
    sb_stats facts;

    if (self->status == SB_OK && sb_stat(sb_reader_buffer(self->reader), &facts, sizeof facts) == SB_OK
        && facts.ended_short)
        return SB_ERR_SHORT;
    return self->status;
}

/**
 * Closes the position; the buffer stays open. After archive_read_free().
 *
 * @param self the position.
 */
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
