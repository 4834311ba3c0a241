/*
 * spoolbuf_sndfile.h - libsndfile reads from a buffer: an SF_VIRTUAL_IO over a position in it.
 *
 *     spoolbuf_sndfile io;
 *     if (spoolbuf_sndfile_open(&io, buffer) < 0) ...
 *     SNDFILE *sound = sf_open_virtual(&io.calls, SFM_READ, &info, &io);
 *     ...
 *     sf_close(sound);
 *     spoolbuf_sndfile_close(&io);
 *
 *   libsndfile requests  result
 *   data                 all the bytes that it asks for. The read blocks until they have arrived: after
 *                        a shorter read libsndfile drops the partial sample and gets out of step
 *   the end              fewer bytes, or 0
 *   an end too early     before the declared size: it is the end, or with SB_SHORT_ERROR an error.
 *                        spoolbuf_sndfile_status() is SB_ERR_SHORT in both cases
 *   an error             the same, since libsndfile has no other result: the sound is truncated
 *                        silently. spoolbuf_sndfile_status() returns the library's code. Check it
 *                        whenever you get fewer frames than requested. To go on: sb_retry(), open it
 *                        again with the whole (see below), sf_seek() to the old position
 *   the length           the size if it is a fact, else SF_COUNT_MAX, which means "unknown" (see below)
 *   a seek, the position cost nothing within the buffered bytes or if the source can seek. Otherwise a
 *                        seek beyond the reach fails, and one from an unknown end
 *   a write              0: read-only
 *   a blocked read       spoolbuf_sndfile_cancel(), from any thread, makes it and every later read
 *                        return, until spoolbuf_sndfile_resume()
 *   with a prefetch      (sb_prefetch(), the option `prefetch`) a thread of the library calls the
 *                        source, and a stop takes effect at once
 *   without one          the source is called on the thread that reads, and a stop takes effect when
 *                        the source returns: at once if it is SB_SOURCE_INTERRUPTIBLE. Else only
 *                        sb_cancel() makes it return; that cancels every blocked call, until sb_resume()
 *   threads              data is read on the thread that is in sf_open_virtual(), sf_readf_short() and
 *                        so on
 *   lifetime             close it after sf_close() and before sb_free()
 *
 * spoolbuf_sndfile_open() means AUTO: a reach of SB_REACH_AUTO. spoolbuf_sndfile_open_with() takes the
 * options of a reader, and so another reach, SB_REACH_WHOLE for example, or a timeout.
 *
 *   a source             plays
 *   whose end is known   as a file does
 *   that can seek, with  the same, after one seek of the source to the declared end, which proves the
 *    a size              size
 *   any other            as it arrives, whether a size is declared or not. The number of frames is the
 *                        header's. Ogg has none: `info.frames` is SF_COUNT_MAX. WAV, Ogg and Opus are
 *                        sought within what is buffered; FLAC and MP3 can't be sought
 *   with SB_REACH_WHOLE  as a file does, once everything is fetched
 *
 * To seek a sound that cannot be sought, or if sf_open_virtual() fails though the status is SB_OK, open
 * it again, with the whole:
 *
 *     sb_reader_options whole;
 *     sb_reader_options_init(&whole, sizeof whole);         (its reach is SB_REACH_WHOLE)
 *     sf_close(sound);                                      (if there is one)
 *     spoolbuf_sndfile_close(&io);
 *     spoolbuf_sndfile_open_with(&io, buffer, &whole);
 *     sound = sf_open_virtual(&io.calls, SFM_READ, &info, &io);
 *
 * libsndfile 1.0.17 or newer. C99 and C++. The header is self-contained: what it
 * has in common with the other adapters is repeated.
 */
#ifndef SPOOLBUF_SNDFILE_H
#define SPOOLBUF_SNDFILE_H

#include <sndfile.h>
#include <stdio.h>

#include "spoolbuf.h"

#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
#define SPOOLBUF_SNDFILE_SET(target, value) _InterlockedExchange((target), (value))
#define SPOOLBUF_SNDFILE_GET(target) _InterlockedOr((target), 0)
#else
#define SPOOLBUF_SNDFILE_SET(target, value) __atomic_store_n((target), (value), __ATOMIC_SEQ_CST)
#define SPOOLBUF_SNDFILE_GET(target) __atomic_load_n((target), __ATOMIC_SEQ_CST)
#endif

#ifdef __cplusplus
extern "C" {
#endif

/** One sound's position in a buffer. It must not be moved in memory while it is open. */
typedef struct spoolbuf_sndfile {
    SF_VIRTUAL_IO calls; /**< for sf_open_virtual() */
    sb_reader *reader;
    int whole; /* the end may be found first, whatever that costs */
    int status;
    volatile long stopped;
} spoolbuf_sndfile;

static inline int64_t spoolbuf_sndfile_note(spoolbuf_sndfile *self, int64_t result)
{
    if (result < 0 && self->status == SB_OK)
        self->status = (int)result;
    return result;
}

/* The size if it is a fact, or becomes one at the cost of a seek of the source. That a source turns out to be
 * unable to seek is not an error. */
static inline int64_t spoolbuf_sndfile_size(spoolbuf_sndfile *self)
{
    sb_buffer *buffer = sb_reader_buffer(self->reader);
    int64_t size = sb_known_size(buffer);
    sb_stats facts;

    if (size == SB_ERR_UNKNOWN_SIZE
        && (self->whole
            || (sb_stat(buffer, &facts, sizeof facts) == SB_OK && facts.seekable && sb_size(buffer) >= 0)))
        size = SPOOLBUF_SNDFILE_GET(&self->stopped) ? (int64_t)SB_ERR_CANCELED
                                                    : sb_reader_find_size(self->reader);
    if (size == SB_ERR_UNKNOWN_SIZE || size == SB_ERR_UNSUPPORTED)
        return SB_ERR_UNKNOWN_SIZE;
    return spoolbuf_sndfile_note(self, size);
}

static inline sf_count_t spoolbuf_sndfile_length(void *opaque)
{
    spoolbuf_sndfile *self = (spoolbuf_sndfile *)opaque;
    int64_t size = spoolbuf_sndfile_size(self);

    /* This is what libsndfile itself takes for the length of a pipe. */
    return size == SB_ERR_UNKNOWN_SIZE ? SF_COUNT_MAX : size;
}

static inline sf_count_t spoolbuf_sndfile_seek(sf_count_t offset, int whence, void *opaque)
{
    spoolbuf_sndfile *self = (spoolbuf_sndfile *)opaque;

    /* The declared size is not the end. */
    if (whence == SEEK_END && spoolbuf_sndfile_size(self) < 0)
        return -1;
    return sb_reader_seek(self->reader, offset, whence);
}

static inline sf_count_t spoolbuf_sndfile_read(void *out, sf_count_t length, void *opaque)
{
    spoolbuf_sndfile *self = (spoolbuf_sndfile *)opaque;
    sf_count_t done = 0;
    int64_t count = 1;

    /* Buffered bytes would hide the cancel. */
    if (SPOOLBUF_SNDFILE_GET(&self->stopped))
        count = spoolbuf_sndfile_note(self, SB_ERR_CANCELED);
    while (done < length && count > 0) {
        uint64_t left = (uint64_t)(length - done);
        count = sb_reader_read(self->reader, left > SIZE_MAX / 2 ? SIZE_MAX / 2 : (size_t)left,
                               (char *)out + done);
        done += count > 0 ? count : 0;
    }
    spoolbuf_sndfile_note(self, count);
    return done;
}

static inline sf_count_t spoolbuf_sndfile_write(const void *bytes, sf_count_t length, void *opaque)
{
    (void)bytes;
    (void)length;
    (void)opaque;
    return 0;
}

static inline sf_count_t spoolbuf_sndfile_tell(void *opaque)
{
    return sb_reader_seek(((spoolbuf_sndfile *)opaque)->reader, 0, SB_SEEK_CUR);
}

/**
 * Opens a position in a buffer.
 *
 * @param self    the position to open.
 * @param buffer  the buffer to read.
 * @param options the options of a reader, or NULL for AUTO.
 * @return SB_OK, or an sb_status; after an error there is nothing to close.
 */
static inline int spoolbuf_sndfile_open_with(spoolbuf_sndfile *self, sb_buffer *buffer,
                                             const sb_reader_options *options)
{
    sb_reader_options automatic;

    self->calls.get_filelen = spoolbuf_sndfile_length;
    self->calls.seek = spoolbuf_sndfile_seek;
    self->calls.read = spoolbuf_sndfile_read;
    self->calls.write = spoolbuf_sndfile_write;
    self->calls.tell = spoolbuf_sndfile_tell;
    self->status = SB_OK;
    self->stopped = 0;
    sb_reader_options_init(&automatic, sizeof automatic);
    automatic.reach = SB_REACH_AUTO;
    if (options == NULL)
        options = &automatic;
    self->whole = options->reach == SB_REACH_WHOLE;
    return sb_reader_new_with(buffer, options, &self->reader);
}

/**
 * As spoolbuf_sndfile_open_with(), with AUTO.
 *
 * @param self   the position to open.
 * @param buffer the buffer to read.
 * @return SB_OK, or an sb_status; after an error there is nothing to close.
 */
static inline int spoolbuf_sndfile_open(spoolbuf_sndfile *self, sb_buffer *buffer)
{
    return spoolbuf_sndfile_open_with(self, buffer, NULL);
}

/**
 * Makes the blocked read, and every later one, return. From any thread.
 *
 * @param self the position.
 */
static inline void spoolbuf_sndfile_cancel(spoolbuf_sndfile *self)
{
    SPOOLBUF_SNDFILE_SET(&self->stopped, 1);
    sb_reader_cancel(self->reader);
}

/**
 * Lets it read again, from the start. Not while a read is running.
 *
 * @param self the position.
 */
static inline void spoolbuf_sndfile_resume(spoolbuf_sndfile *self)
{
    self->status = SB_OK;
    SPOOLBUF_SNDFILE_SET(&self->stopped, 0);
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
static inline int spoolbuf_sndfile_status(const spoolbuf_sndfile *self)
{
    sb_stats facts;

    if (self->status == SB_OK && sb_stat(sb_reader_buffer(self->reader), &facts, sizeof facts) == SB_OK
        && facts.ended_short)
        return SB_ERR_SHORT;
    return self->status;
}

/**
 * Closes the position; the buffer stays open. After sf_close().
 *
 * @param self the position.
 */
static inline void spoolbuf_sndfile_close(spoolbuf_sndfile *self)
{
    sb_reader_free(self->reader);
    self->reader = NULL;
}

#ifdef __cplusplus
}
#endif

#endif
