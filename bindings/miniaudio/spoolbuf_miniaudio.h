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
 * A dr_lib by itself, included before this file: SPOOLBUF_DR(drflac, DRFLAC) defines
 * spoolbuf_drflac_read, spoolbuf_drflac_seek and spoolbuf_drflac_tell for its open and init functions.
 *
 *   the decoder asks     it gets
 *   data                 all that it asked for: it waits for it, since decoders take less for the end
 *   the end              MA_AT_END if there was nothing, else less; dr_libs: less
 *   an end that is       before the declared size: the end, or with SB_SHORT_ERROR an error; the status
 *   too early            is SB_ERR_SHORT in both cases
 *   an error             MA_IO_ERROR, MA_CANCELLED, MA_NO_SPACE, MA_OUT_OF_MEMORY; less to dr_libs.
 *                        Decoders make an ordinary end of it: spoolbuf_miniaudio_status() has the
 *                        library's code. To go on: a new decoder, after sb_retry() and
 *                        spoolbuf_miniaudio_resume(), and a seek to where the old one was
 *   a seek, the place    cost nothing, whatever the source can; from an end that is not known: fails
 *   a blocked read       spoolbuf_miniaudio_stop(), from any thread, makes it and all that would wait
 *                        fail, until spoolbuf_miniaudio_resume()
 *   with a prefetch      (sb_prefetch(), the option `prefetch`) the library calls the source on a
 *                        thread of its own, and a stop is at once
 *   without one          the source is called on the thread that decodes, and a stop waits until it
 *                        returns. Only sb_cancel() asks it to, and stops all that wait on the buffer,
 *                        until sb_resume()
 *   who calls            the thread that decodes: the caller's, or the device's if its callback does,
 *                        which a blocked read holds up: prefetch, or decode on a thread of your own
 *   lifetime             close after the decoder, before sb_free()
 *
 * miniaudio 0.11. C99 and C++. One file to copy: what it has in
 * common with the other adapters it repeats.
 */
#ifndef SPOOLBUF_MINIAUDIO_H
#define SPOOLBUF_MINIAUDIO_H

#include "spoolbuf.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One decoder's place in a buffer. Stays where it is in memory while it is open. */
typedef struct spoolbuf_miniaudio {
    sb_buffer *buffer;
    sb_reader *reader;
    int status; /* written by the thread that decodes */
} spoolbuf_miniaudio;

/* Opens a place in a buffer. Returns SB_OK or an sb_status, with nothing left to close. */
static inline int spoolbuf_miniaudio_open(spoolbuf_miniaudio *self, sb_buffer *buffer)
{
    self->buffer = buffer;
    self->status = SB_OK;
    self->reader = sb_reader_new(buffer);
    if (self->reader != NULL)
        return SB_OK;
    return sb_buffered(buffer, 0) < 0 ? SB_ERR_INVALID : SB_ERR_NO_MEMORY;
}

/* Reads all of `length` bytes, or those that there are before the end or an error: how many, or if
 * none the error. */
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

/* Makes the waiting read, and those that would wait, fail. From any thread. */
static inline void spoolbuf_miniaudio_stop(spoolbuf_miniaudio *self)
{
    sb_reader_cancel(self->reader);
}

/* Lets it read again, from the start; not while a read runs. */
static inline void spoolbuf_miniaudio_resume(spoolbuf_miniaudio *self)
{
    self->status = SB_OK;
    sb_reader_seek(self->reader, 0, SB_SEEK_SET);
    sb_reader_resume(self->reader);
}

/* What went wrong first since the opening, or since resume: SB_OK or the library's code; SB_ERR_SHORT
 * also once the source has ended before the declared size. */
static inline int spoolbuf_miniaudio_status(const spoolbuf_miniaudio *self)
{
    sb_stats facts;

    if (self->status == SB_OK && sb_stat(self->buffer, &facts, sizeof facts) == SB_OK && facts.ended_short)
        return SB_ERR_SHORT;
    return self->status;
}

/* Closes the place; the buffer stays. */
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

/* The callbacks of a dr_lib, of the versions whose origins are PREFIX_SEEK_SET, _CUR and _END. */
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
