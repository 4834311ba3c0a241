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
 *                        whenever you get fewer frames than requested. To go on: sf_close(),
 *                        sb_retry(), spoolbuf_sndfile_resume(), open it again, sf_seek() to the old
 *                        position
 *   the length           libsndfile needs it at opening: the final size, else the declared size. If
 *                        neither is known, it is found first (sb_reader_find_size())
 *   a seek, the position cost nothing, whatever the source can do
 *   a write              0: read-only
 *   a blocked read       spoolbuf_sndfile_cancel(), from any thread, makes it and every read that would
 *                        block return, until spoolbuf_sndfile_resume()
 *   with a prefetch      (sb_prefetch(), the option `prefetch`) a thread of the library calls the
 *                        source, and a stop takes effect at once
 *   without one          the source is called on the thread that reads, and a stop takes effect when
 *                        the source returns. Only sb_cancel() makes the source return; it cancels every
 *                        blocked call on the buffer, until sb_resume()
 *   threads              data is read on the thread that is in sf_open_virtual(), sf_readf_short() and
 *                        so on
 *   lifetime             close it after sf_close() and before sb_free()
 *
 * libsndfile 1.0.17 or newer. C99 and C++. The header is self-contained: what it
 * has in common with the other adapters is repeated.
 */
#ifndef SPOOLBUF_SNDFILE_H
#define SPOOLBUF_SNDFILE_H

#include <sndfile.h>
#include <stdio.h>

#include "spoolbuf.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One sound's position in a buffer. It must not be moved in memory while it is open. */
typedef struct spoolbuf_sndfile {
    SF_VIRTUAL_IO calls; /* for sf_open_virtual() */
    sb_reader *reader;
    int status;
} spoolbuf_sndfile;

static inline sf_count_t spoolbuf_sndfile_length(void *opaque)
{
    spoolbuf_sndfile *self = (spoolbuf_sndfile *)opaque;
    int64_t size = sb_size(sb_reader_buffer(self->reader));

    if (size == SB_ERR_UNKNOWN_SIZE)
        size = sb_reader_find_size(self->reader);
    if (size < 0 && self->status == SB_OK)
        self->status = (int)size;
    return size;
}

static inline sf_count_t spoolbuf_sndfile_seek(sf_count_t offset, int whence, void *opaque)
{
    spoolbuf_sndfile *self = (spoolbuf_sndfile *)opaque;

    if (whence == SEEK_END && spoolbuf_sndfile_length(self) < 0)
        return -1;
    return sb_reader_seek(self->reader, offset, whence);
}

static inline sf_count_t spoolbuf_sndfile_read(void *out, sf_count_t length, void *opaque)
{
    spoolbuf_sndfile *self = (spoolbuf_sndfile *)opaque;
    sf_count_t done = 0;
    int64_t count = 1;

    while (done < length && count > 0) {
        uint64_t left = (uint64_t)(length - done);
        count = sb_reader_read(self->reader, left > SIZE_MAX / 2 ? SIZE_MAX / 2 : (size_t)left,
                               (char *)out + done);
        done += count > 0 ? count : 0;
    }
    if (count < 0 && self->status == SB_OK)
        self->status = (int)count;
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

/* Opens a position in a buffer. Returns SB_OK or an sb_status. */
static inline int spoolbuf_sndfile_open(spoolbuf_sndfile *self, sb_buffer *buffer)
{
    self->calls.get_filelen = spoolbuf_sndfile_length;
    self->calls.seek = spoolbuf_sndfile_seek;
    self->calls.read = spoolbuf_sndfile_read;
    self->calls.write = spoolbuf_sndfile_write;
    self->calls.tell = spoolbuf_sndfile_tell;
    self->status = SB_OK;
    self->reader = sb_reader_new(buffer);
    if (self->reader != NULL)
        return SB_OK;
    return sb_buffered(buffer, 0) < 0 ? SB_ERR_INVALID : SB_ERR_NO_MEMORY;
}

/* Makes the blocked read, and those that would block, fail. From any thread. */
static inline void spoolbuf_sndfile_cancel(spoolbuf_sndfile *self)
{
    sb_reader_cancel(self->reader);
}

/* Lets it read again, from the start. Not while a read is running. */
static inline void spoolbuf_sndfile_resume(spoolbuf_sndfile *self)
{
    self->status = SB_OK;
    sb_reader_seek(self->reader, 0, SB_SEEK_SET);
    sb_reader_resume(self->reader);
}

/* The first error since the opening or the last resume: SB_OK or the library's code. It is also
 * SB_ERR_SHORT once the source has ended before the declared size. */
static inline int spoolbuf_sndfile_status(const spoolbuf_sndfile *self)
{
    sb_stats facts;

    if (self->status == SB_OK && sb_stat(sb_reader_buffer(self->reader), &facts, sizeof facts) == SB_OK
        && facts.ended_short)
        return SB_ERR_SHORT;
    return self->status;
}

/* Closes the position; the buffer stays open. After sf_close(). */
static inline void spoolbuf_sndfile_close(spoolbuf_sndfile *self)
{
    sb_reader_free(self->reader);
    self->reader = NULL;
}

#ifdef __cplusplus
}
#endif

#endif
