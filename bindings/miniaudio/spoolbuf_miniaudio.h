/*
 * spoolbuf_miniaudio.h - miniaudio and the dr_libs (dr_wav, dr_flac, dr_mp3) read from a buffer.
 *
 *     #include "miniaudio.h"
 *     #include "spoolbuf_miniaudio.h"
 *
 *     spoolbuf_miniaudio io;
 *     if (spoolbuf_miniaudio_open(&io, buffer) < 0) ...
 *     ma_decoder_init(spoolbuf_miniaudio_read, spoolbuf_miniaudio_seek, &io, NULL, &decoder);
 *     ...
 *     ma_decoder_uninit(&decoder);
 *     spoolbuf_miniaudio_close(&io);
 *
 * A dr_lib alone, included before this file: SPOOLBUF_DR(drflac, DRFLAC) defines
 * spoolbuf_drflac_read, spoolbuf_drflac_seek and spoolbuf_drflac_tell for its open and init functions.
 *
 *   the decoder requests result
 *   data                 all the bytes that it asks for. The read blocks until they have arrived, since
 *                        decoders take fewer for the end
 *   the end              MA_AT_END if there are none, else fewer; dr_libs get fewer
 *   an end too early     before the declared size: it is the end, or with SB_SHORT_ERROR an error.
 *                        spoolbuf_miniaudio_status() is SB_ERR_SHORT in both cases
 *   an error             MA_IO_ERROR, MA_CANCELLED, MA_NO_SPACE, MA_OUT_OF_MEMORY; dr_libs get fewer
 *                        bytes. Decoders turn it into an ordinary end. spoolbuf_miniaudio_status()
 *                        returns the library's code. To go on: sb_retry(), spoolbuf_miniaudio_resume(),
 *                        a new decoder, and a seek to the old position
 *   a seek, the position cost nothing, whatever the source can do. A seek from an unknown end fails
 *   a blocked read       spoolbuf_miniaudio_cancel(), from any thread, makes it and every read that would
 *                        block fail, until spoolbuf_miniaudio_resume()
 *   with a prefetch      (sb_prefetch(), the option `prefetch`) a thread of the library calls the
 *                        source, and a stop takes effect at once
 *   without one          the source is called on the thread that decodes, and a stop takes effect when
 *                        the source returns. Only sb_cancel() makes the source return; it cancels every
 *                        blocked call on the buffer, until sb_resume()
 *   threads              data is read on the thread that decodes. That is the caller's, or the device's
 *                        if the device callback decodes. A blocked read then holds up the device:
 *                        prefetch, or decode on a thread of your own
 *   lifetime             close it after the decoder and before sb_free()
 *
 * miniaudio 0.11. C99 and C++. The header is self-contained: what it
 * has in common with the other adapters is repeated.
 */
#ifndef SPOOLBUF_MINIAUDIO_H
#define SPOOLBUF_MINIAUDIO_H

#include "spoolbuf.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One decoder's position in a buffer. It must not be moved in memory while it is open. */
typedef struct spoolbuf_miniaudio {
    sb_reader *reader;
    int status; /* written by the thread that decodes */
} spoolbuf_miniaudio;

/* Opens a position in a buffer. Returns SB_OK or an sb_status; after an error there is nothing to close. */
static inline int spoolbuf_miniaudio_open(spoolbuf_miniaudio *self, sb_buffer *buffer)
{
    self->status = SB_OK;
    self->reader = sb_reader_new(buffer);
    if (self->reader != NULL)
        return SB_OK;
    return sb_buffered(buffer, 0) < 0 ? SB_ERR_INVALID : SB_ERR_NO_MEMORY;
}

/* Reads `length` bytes, or those before the end or an error. Returns how many, or the error if there
 * are none. */
static inline int64_t spoolbuf_miniaudio_fill(spoolbuf_miniaudio *self, void *out, size_t length)
{
    size_t done = 0;
    int64_t count = 1;

    while (done < length && count > 0) {
        size_t left = length - done;
        count = sb_reader_read(self->reader, left > SIZE_MAX / 2 ? SIZE_MAX / 2 : left,
                               (char *)out + done);
        if (count > 0)
            done += (size_t)count;
    }
    if (count < 0 && self->status == SB_OK)
        self->status = (int)count;
    return count < 0 && done == 0 ? count : (int64_t)done;
}

/* Makes the blocked read, and those that would block, fail. From any thread. */
static inline void spoolbuf_miniaudio_cancel(spoolbuf_miniaudio *self)
{
    sb_reader_cancel(self->reader);
}

/* Lets it read again, from the start. Not while a read is running. */
static inline void spoolbuf_miniaudio_resume(spoolbuf_miniaudio *self)
{
    self->status = SB_OK;
    sb_reader_seek(self->reader, 0, SB_SEEK_SET);
    sb_reader_resume(self->reader);
}

/* The first error since the opening or the last resume: SB_OK or the library's code. It is also
 * SB_ERR_SHORT once the source has ended before the declared size. */
static inline int spoolbuf_miniaudio_status(const spoolbuf_miniaudio *self)
{
    sb_stats facts;

    if (self->status == SB_OK && sb_stat(sb_reader_buffer(self->reader), &facts, sizeof facts) == SB_OK
        && facts.ended_short)
        return SB_ERR_SHORT;
    return self->status;
}

/* Closes the position; the buffer stays open. */
static inline void spoolbuf_miniaudio_close(spoolbuf_miniaudio *self)
{
    sb_reader_free(self->reader);
    self->reader = NULL;
}

#ifdef MA_VERSION_MAJOR

static inline ma_result spoolbuf_miniaudio_result(int64_t status)
{
    switch (status) {
    case SB_ERR_CANCELED: return MA_CANCELLED;
    case SB_ERR_INVALID: return MA_INVALID_ARGS;
    case SB_ERR_DISK_FULL: return MA_NO_SPACE;
    case SB_ERR_NO_MEMORY: return MA_OUT_OF_MEMORY;
    default: return status < 0 ? MA_IO_ERROR : MA_SUCCESS;
    }
}

static inline ma_result spoolbuf_miniaudio_read(ma_decoder *decoder, void *out, size_t length,
                                                size_t *done)
{
    spoolbuf_miniaudio *self = (spoolbuf_miniaudio *)decoder->pUserData;
    int64_t count = spoolbuf_miniaudio_fill(self, out, length);

    if (done != NULL)
        *done = count < 0 ? 0 : (size_t)count;
    return count == 0 && length > 0 ? MA_AT_END : spoolbuf_miniaudio_result(count);
}

static inline ma_result spoolbuf_miniaudio_seek(ma_decoder *decoder, ma_int64 offset,
                                                ma_seek_origin origin)
{
    spoolbuf_miniaudio *self = (spoolbuf_miniaudio *)decoder->pUserData;
    int whence = origin == ma_seek_origin_start ? SB_SEEK_SET
        : origin == ma_seek_origin_end          ? SB_SEEK_END
                                                : SB_SEEK_CUR;

    return spoolbuf_miniaudio_result(sb_reader_seek(self->reader, offset, whence));
}

#endif

/* The callbacks of a dr_lib, for the versions whose origins are PREFIX_SEEK_SET, _CUR and _END. */
#define SPOOLBUF_DR(name, PREFIX)                                                                  \
    static size_t spoolbuf_##name##_read(void *opaque, void *out, size_t length)                   \
    {                                                                                              \
        int64_t count = spoolbuf_miniaudio_fill((spoolbuf_miniaudio *)opaque, out, length);        \
        return count < 0 ? 0 : (size_t)count;                                                      \
    }                                                                                              \
    static name##_bool32 spoolbuf_##name##_seek(void *opaque, int offset,                          \
                                                name##_seek_origin origin)                         \
    {                                                                                              \
        int whence = origin == PREFIX##_SEEK_SET ? SB_SEEK_SET                                     \
            : origin == PREFIX##_SEEK_END        ? SB_SEEK_END                                     \
                                                 : SB_SEEK_CUR;                                    \
        return sb_reader_seek(((spoolbuf_miniaudio *)opaque)->reader, offset, whence) >= 0;        \
    }                                                                                              \
    static name##_bool32 spoolbuf_##name##_tell(void *opaque, name##_int64 *place)                 \
    {                                                                                              \
        *place = sb_reader_seek(((spoolbuf_miniaudio *)opaque)->reader, 0, SB_SEEK_CUR);           \
        return *place >= 0;                                                                        \
    }

#ifdef __cplusplus
}
#endif

#endif
