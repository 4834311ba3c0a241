/*
 * spoolbuf_ffmpeg.h - FFmpeg reads from a buffer: an AVIOContext over a position in it.
 *
 *     spoolbuf_ffmpeg io;
 *     if (spoolbuf_ffmpeg_open(&io, buffer) < 0) ...
 *     AVFormatContext *format = avformat_alloc_context();
 *     format->pb = io.context;
 *     avformat_open_input(&format, NULL, NULL, NULL);  ...  avformat_close_input(&format);
 *     spoolbuf_ffmpeg_close(&io);
 *
 *   FFmpeg requests      result
 *   data                 the bytes available once the first one is (sb_reader_read). 0 bytes only if it
 *                        asks for 0
 *   the end              AVERROR_EOF
 *   an end too early     before the declared size: it is the end, or with SB_SHORT_ERROR an error.
 *                        spoolbuf_ffmpeg_status() is SB_ERR_SHORT in both cases
 *   an error             AVERROR(ENOSPC) for a full disk; ENOMEM; EDEADLK if a source's own callback
 *                        reads; ENOSYS for bytes that a source can't go back to; else EIO. FFmpeg keeps
 *                        it in context->error. But many demuxers turn it into an ordinary end or
 *                        "invalid data", and the packet in which it occurs may be truncated
 *                        (AV_PKT_FLAG_CORRUPT). spoolbuf_ffmpeg_status() returns the library's code. To
 *                        go on: sb_retry(), spoolbuf_ffmpeg_resume(), av_seek_frame() to the last
 *                        complete packet
 *   AVSEEK_SIZE          the final size, else the declared size, else AVERROR(ENOSYS)
 *   a seek               costs nothing, whatever the source can do: an MP4 with its index at the end
 *                        plays from a pipe. SEEK_END uses the size of AVSEEK_SIZE
 *   a blocked read       spoolbuf_ffmpeg_cancel(), from any thread, makes it and every read that would
 *                        block return AVERROR_EXIT, until spoolbuf_ffmpeg_resume(). FFmpeg's own
 *                        interrupt_callback does not reach a custom AVIOContext
 *   with a prefetch      (sb_prefetch(), the option `prefetch`) a thread of the library calls the
 *                        source, and a stop takes effect at once
 *   without one          the source is called on the thread that reads, and a stop takes effect when
 *                        the source returns. Only sb_cancel() makes the source return; it cancels every
 *                        blocked call on the buffer, until sb_resume()
 *   threads              data is read on the thread that is in avformat_open_input(), av_read_frame()
 *                        and so on
 *   lifetime             close it after avformat_close_input() and before sb_free()
 *
 * Some demuxers look at the end first if they can seek (MPEG-TS with a known size, for the duration).
 * They make a forward-only source run to its end first; context->seekable = 0 prevents that. The output
 * of some depends on the size (MP3 removes the encoder's padding only with it): declare the size if it
 * is known.
 *
 * FFmpeg 4.0 to 8. C99 and C++.
 */
#ifndef SPOOLBUF_FFMPEG_H
#define SPOOLBUF_FFMPEG_H

#include <errno.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#include <libavformat/avformat.h>
#include <libavformat/avio.h>
#include <libavutil/error.h>
#include <libavutil/mem.h>

#include "spoolbuf.h"

/* One player's position in a buffer. It must not be moved in memory while it is open. */
typedef struct spoolbuf_ffmpeg {
    AVIOContext *context; /* for AVFormatContext.pb */
    sb_reader *reader;
    int status;
} spoolbuf_ffmpeg;

/* FFmpeg's code for one of the library's codes. */
static inline int spoolbuf_ffmpeg_error(int64_t status)
{
    switch (status) {
    case SB_ERR_CANCELED: return AVERROR_EXIT;
    case SB_ERR_INVALID: return AVERROR(EINVAL);
    case SB_ERR_DISK_FULL: return AVERROR(ENOSPC);
    case SB_ERR_NO_MEMORY: return AVERROR(ENOMEM);
    case SB_ERR_REENTRANT: return AVERROR(EDEADLK);
    case SB_ERR_UNKNOWN_SIZE:
    case SB_ERR_UNSUPPORTED: return AVERROR(ENOSYS);
    default: return AVERROR(EIO);
    }
}

static inline int spoolbuf_ffmpeg_read(void *opaque, uint8_t *out, int length)
{
    spoolbuf_ffmpeg *self = (spoolbuf_ffmpeg *)opaque;
    int64_t count;

    if (length <= 0)
        return length < 0 ? AVERROR(EINVAL) : 0;
    count = sb_reader_read(self->reader, (size_t)length, out);
    if (count > 0)
        return (int)count;
    if (count == 0)
        return AVERROR_EOF;
    /* Keeps the first error: a later read of buffered bytes must not hide it. */
    if (self->status == SB_OK)
        self->status = (int)count;
    return spoolbuf_ffmpeg_error(count);
}

static inline int64_t spoolbuf_ffmpeg_seek(void *opaque, int64_t offset, int whence)
{
    spoolbuf_ffmpeg *self = (spoolbuf_ffmpeg *)opaque;
    int64_t result;

    if (whence & AVSEEK_SIZE)
        result = sb_size(sb_reader_buffer(self->reader));
    else
        result = sb_reader_seek(self->reader, offset, whence & ~AVSEEK_FORCE);
    return result < 0 ? spoolbuf_ffmpeg_error(result) : result;
}

/* Opens a position in a buffer. Returns 0 or an AVERROR; after an error there is nothing to close. */
static inline int spoolbuf_ffmpeg_open(spoolbuf_ffmpeg *self, sb_buffer *buffer)
{
    enum { AREA = 32768 };
    unsigned char *area;

    memset(self, 0, sizeof *self);
    self->reader = sb_reader_new(buffer);
    if (self->reader == NULL)
        return sb_buffered(buffer, 0) < 0 ? AVERROR(EINVAL) : AVERROR(ENOMEM);
    area = (unsigned char *)av_malloc(AREA);
    if (area != NULL)
        self->context = avio_alloc_context(area, AREA, 0, self, spoolbuf_ffmpeg_read, NULL,
                                           spoolbuf_ffmpeg_seek);
    if (self->context == NULL) {
        av_free(area);
        sb_reader_free(self->reader);
        return AVERROR(ENOMEM);
    }
    return 0;
}

/* Makes the player's blocked read, and those that would block, fail. From any thread. */
static inline void spoolbuf_ffmpeg_cancel(spoolbuf_ffmpeg *self)
{
    sb_reader_cancel(self->reader);
}

/* Lets it go on. Not while a read is running. */
static inline void spoolbuf_ffmpeg_resume(spoolbuf_ffmpeg *self)
{
    sb_reader_resume(self->reader);
    self->status = SB_OK;
    self->context->error = 0;
    self->context->eof_reached = 0;
}

/* The first error since the opening or the last resume: SB_OK or the library's code. It is also
 * SB_ERR_SHORT once the source has ended before the declared size. */
static inline int spoolbuf_ffmpeg_status(const spoolbuf_ffmpeg *self)
{
    sb_stats facts;

    if (self->status == SB_OK && sb_stat(sb_reader_buffer(self->reader), &facts, sizeof facts) == SB_OK
        && facts.ended_short)
        return SB_ERR_SHORT;
    return self->status;
}

/* Closes the position; the buffer stays open. After avformat_close_input(). */
static inline void spoolbuf_ffmpeg_close(spoolbuf_ffmpeg *self)
{
    if (self->context != NULL) {
        /* FFmpeg may have replaced the area. */
        av_freep(&self->context->buffer);
        avio_context_free(&self->context);
    }
    sb_reader_free(self->reader);
    self->reader = NULL;
}

#ifdef __cplusplus
}
#endif

#endif
