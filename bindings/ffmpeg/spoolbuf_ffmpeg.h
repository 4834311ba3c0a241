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
 *   AVSEEK_SIZE          the size if it is a fact (sb_known_size()): the end was seen, or the caller
 *                        vouches for it (SB_SIZE_TRUSTED). A source that can seek is asked to prove its
 *                        size, by one seek. Else AVERROR(ENOSYS): a wrong declared size changes nothing
 *   a seek               within the buffered bytes always works
 *   a look at the end    of a source that cannot seek would fetch everything before the first frame. So
 *                        context->seekable is 0 for such a source until its end was seen (AUTO). FFmpeg
 *                        then starts as from a pipe, reads through a gap, and seeks back. An MP4 with its
 *                        index at the end plays from a pipe, once all of it has arrived. Seeks after the
 *                        opening (av_seek_frame) work, except where a format requires context->seekable
 *                        (MPEG-TS): it may be set to AVIO_SEEKABLE_NORMAL after
 *                        avformat_find_stream_info(). AVSEEK_SIZE is then what is buffered, until
 *                        the end was seen
 *   reach                spoolbuf_ffmpeg_open_with() takes reader options. `reach` = SB_REACH_WHOLE:
 *                        every seek works, and fetches what it needs. Another `reach`, or options = NULL:
 *                        AUTO, as above, and our own seeks go at most that far
 *   timeout_ms           of the reader options: AVERROR(EAGAIN) if no byte arrives in time, also with
 *                        SB_READER_BUFFERED. To go on: spoolbuf_ffmpeg_resume()
 *   a blocked read       spoolbuf_ffmpeg_cancel(), from any thread, makes it and every later read return
 *                        AVERROR_EXIT, until spoolbuf_ffmpeg_resume(). FFmpeg's own interrupt_callback
 *                        does not reach a custom AVIOContext
 *   with a prefetch      (sb_prefetch(), the option `prefetch`) a thread of the library calls the
 *                        source, and a stop takes effect at once
 *   without one          the source is called on the thread that reads, and a stop takes effect when
 *                        the source returns: at once if it is SB_SOURCE_INTERRUPTIBLE. Else only
 *                        sb_cancel() makes it return; that cancels every blocked call, until sb_resume()
 *   threads              data is read on the thread that is in avformat_open_input(), av_read_frame()
 *                        and so on
 *   lifetime             close it after avformat_close_input() and before sb_free()
 *
 * The output of some demuxers depends on the size (MP3 removes the encoder's padding only with it):
 * vouch for the size if it is known for certain.
 *
 * FFmpeg 4.0 to 8. GCC, Clang or MSVC; C99 and C++.
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

#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
#define SPOOLBUF_FFMPEG_SET(target, value) _InterlockedExchange((target), (value))
#define SPOOLBUF_FFMPEG_GET(target) _InterlockedCompareExchange((target), 0, 0)
#else
#define SPOOLBUF_FFMPEG_SET(target, value) __atomic_store_n((target), (value), __ATOMIC_SEQ_CST)
#define SPOOLBUF_FFMPEG_GET(target) __atomic_load_n((target), __ATOMIC_SEQ_CST)
#endif

/** One player's position in a buffer. It must not be moved in memory while it is open. */
typedef struct spoolbuf_ffmpeg {
    AVIOContext *context; /**< for AVFormatContext.pb */
    sb_reader *reader;
    uint64_t reach;
    int can_seek; /* what context->seekable was set to */
    int status;
    volatile long canceled;
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
    case SB_ERR_TIMEOUT: return AVERROR(EAGAIN);
    case SB_ERR_UNKNOWN_SIZE:
    case SB_ERR_UNSUPPORTED: return AVERROR(ENOSYS);
    default: return AVERROR(EIO);
    }
}

/* Keeps the first error: a later read of buffered bytes must not hide it. */
static inline void spoolbuf_ffmpeg_note(spoolbuf_ffmpeg *self, int64_t result)
{
    if (result < 0 && self->status == SB_OK)
        self->status = (int)result;
}

/* Tells FFmpeg whether it may look ahead, whenever that has changed. What the program has set stays. */
static inline void spoolbuf_ffmpeg_update(spoolbuf_ffmpeg *self)
{
    sb_stats facts;
    int can_seek = AVIO_SEEKABLE_NORMAL;

    if (self->reach != SB_REACH_WHOLE
        && sb_stat(sb_reader_buffer(self->reader), &facts, sizeof facts) == SB_OK
        && !facts.seekable && facts.final_size == SB_SIZE_UNKNOWN)
        can_seek = 0;
    if (can_seek != self->can_seek)
        self->context->seekable = self->can_seek = can_seek;
}

/* Fails after a cancel, where sb_reader_read() would still return buffered bytes. */
static inline int64_t spoolbuf_ffmpeg_take(spoolbuf_ffmpeg *self, size_t length, void *out)
{
    int64_t count = SB_ERR_CANCELED;

    if (!SPOOLBUF_FFMPEG_GET(&self->canceled))
        count = sb_reader_read(self->reader, length, out);
    if (count > 0 && SPOOLBUF_FFMPEG_GET(&self->canceled)) {
        sb_reader_seek(self->reader, -count, SB_SEEK_CUR);
        count = SB_ERR_CANCELED;
    }
    return count;
}

static inline int spoolbuf_ffmpeg_read(void *opaque, uint8_t *out, int length)
{
    spoolbuf_ffmpeg *self = (spoolbuf_ffmpeg *)opaque;
    int64_t count;

    if (length <= 0)
        return length < 0 ? AVERROR(EINVAL) : 0;
    count = spoolbuf_ffmpeg_take(self, (size_t)length, out);
    if (count > 0)
        return (int)count;
    spoolbuf_ffmpeg_update(self);
    if (count == 0)
        return AVERROR_EOF;
    spoolbuf_ffmpeg_note(self, count);
    return spoolbuf_ffmpeg_error(count);
}

/* Proves a declared size by its last byte, and the end after it. A source that turns out to be unable to
 * seek is not an error, and neither is a proof that would take too long. */
static inline void spoolbuf_ffmpeg_prove(spoolbuf_ffmpeg *self, int64_t declared)
{
    int64_t count = sb_reader_seek(self->reader, declared - 1, SB_SEEK_SET);
    char byte;

    if (count >= 0)
        count = spoolbuf_ffmpeg_take(self, 1, &byte);
    if (count == 1)
        count = spoolbuf_ffmpeg_take(self, 1, &byte);
    if (count != SB_ERR_UNSUPPORTED && count != SB_ERR_TIMEOUT)
        spoolbuf_ffmpeg_note(self, count);
}

/* The size if it is a fact. A source that can seek proves a declared one. */
static inline int64_t spoolbuf_ffmpeg_size(spoolbuf_ffmpeg *self)
{
    sb_buffer *buffer = sb_reader_buffer(self->reader);
    int64_t size = sb_known_size(buffer), declared = sb_size(buffer), from;
    sb_stats facts;

    if (size != SB_ERR_UNKNOWN_SIZE || declared <= 0 || sb_stat(buffer, &facts, sizeof facts) < 0
        || !facts.seekable)
        return size;
    from = sb_reader_seek(self->reader, 0, SB_SEEK_CUR);
    spoolbuf_ffmpeg_prove(self, declared);
    sb_reader_seek(self->reader, from, SB_SEEK_SET);
    spoolbuf_ffmpeg_update(self);
    return sb_known_size(buffer);
}

/* How far the bytes are buffered: what a program that has set context->seekable seeks in. MPEG-TS is sought
 * only if there is a size. */
static inline int64_t spoolbuf_ffmpeg_buffered(spoolbuf_ffmpeg *self)
{
    sb_stats facts;

    if (sb_stat(sb_reader_buffer(self->reader), &facts, sizeof facts) < 0 || facts.seekable)
        return SB_ERR_UNKNOWN_SIZE;
    return (int64_t)facts.frontier;
}

/* A source that was never sought may turn out to be unable to: its first byte there tells. */
static inline int64_t spoolbuf_ffmpeg_try(spoolbuf_ffmpeg *self, int64_t from, int64_t to)
{
    sb_buffer *buffer = sb_reader_buffer(self->reader);
    sb_stats facts;
    int64_t count;
    char byte;

    if (self->reach == SB_REACH_WHOLE || to < 0 || sb_buffered(buffer, (uint64_t)to) > 0
        || sb_stat(buffer, &facts, sizeof facts) < 0 || !facts.seekable || facts.seeks > 0)
        return to;
    count = spoolbuf_ffmpeg_take(self, 1, &byte);
    spoolbuf_ffmpeg_update(self);
    if (count != SB_ERR_UNSUPPORTED)
        spoolbuf_ffmpeg_note(self, count);
    sb_reader_seek(self->reader, count < 0 ? from : to, SB_SEEK_SET);
    return count < 0 ? count : to;
}

static inline int64_t spoolbuf_ffmpeg_seek(void *opaque, int64_t offset, int whence)
{
    spoolbuf_ffmpeg *self = (spoolbuf_ffmpeg *)opaque;
    int64_t from = sb_reader_seek(self->reader, 0, SB_SEEK_CUR), result = 0;

    if ((whence & AVSEEK_SIZE) || (whence & ~AVSEEK_FORCE) == SEEK_END)
        result = spoolbuf_ffmpeg_size(self);
    if ((whence & AVSEEK_SIZE) && result == SB_ERR_UNKNOWN_SIZE && self->context->seekable != self->can_seek)
        result = spoolbuf_ffmpeg_buffered(self);
    if (!(whence & AVSEEK_SIZE) && result >= 0) {
        whence &= ~AVSEEK_FORCE;
        if (whence == SEEK_END)
            result = sb_reader_seek(self->reader, result + offset, SB_SEEK_SET);
        else
            result = sb_reader_seek(self->reader, offset, whence);
        result = spoolbuf_ffmpeg_try(self, from, result);
    }
    return result < 0 ? spoolbuf_ffmpeg_error(result) : result;
}

/**
 * Opens a position in a buffer.
 *
 * @param self    the position to open.
 * @param buffer  the buffer to read.
 * @param options options for its reader, or NULL for the library's defaults and SB_REACH_AUTO.
 * @return 0 or an AVERROR; after an error there is nothing to close.
 */
static inline int spoolbuf_ffmpeg_open_with(spoolbuf_ffmpeg *self, sb_buffer *buffer,
                                            const sb_reader_options *options)
{
    enum { AREA = 32768 };
    sb_reader_options defaults;
    unsigned char *area;
    int status;

    memset(self, 0, sizeof *self);
    sb_reader_options_init(&defaults, sizeof defaults);
    defaults.reach = SB_REACH_AUTO;
    if (options == NULL)
        options = &defaults;
    status = sb_reader_new_with(buffer, options, &self->reader);
    if (status != SB_OK)
        return spoolbuf_ffmpeg_error(status);
    self->reach = options->reach;
    area = (unsigned char *)av_malloc(AREA);
    if (area != NULL)
        self->context = avio_alloc_context(area, AREA, 0, self, spoolbuf_ffmpeg_read, NULL,
                                           spoolbuf_ffmpeg_seek);
    if (self->context == NULL) {
        av_free(area);
        sb_reader_free(self->reader);
        return AVERROR(ENOMEM);
    }
    self->can_seek = AVIO_SEEKABLE_NORMAL; /* as it is with a seek function */
    spoolbuf_ffmpeg_update(self);
    return 0;
}

/**
 * As spoolbuf_ffmpeg_open_with(), with the default options.
 *
 * @param self   the position to open.
 * @param buffer the buffer to read.
 * @return 0 or an AVERROR; after an error there is nothing to close.
 */
static inline int spoolbuf_ffmpeg_open(spoolbuf_ffmpeg *self, sb_buffer *buffer)
{
    return spoolbuf_ffmpeg_open_with(self, buffer, NULL);
}

/**
 * Makes the player's blocked read and every later one fail. From any thread.
 *
 * @param self the position.
 */
static inline void spoolbuf_ffmpeg_cancel(spoolbuf_ffmpeg *self)
{
    SPOOLBUF_FFMPEG_SET(&self->canceled, 1);
    sb_reader_cancel(self->reader);
}

/**
 * Lets it go on. Not while a read is running.
 *
 * @param self the position.
 */
static inline void spoolbuf_ffmpeg_resume(spoolbuf_ffmpeg *self)
{
    /* A cancel that comes in between stays. */
    SPOOLBUF_FFMPEG_SET(&self->canceled, 0);
    sb_reader_resume(self->reader);
    self->status = SB_OK;
    self->context->error = 0;
    self->context->eof_reached = 0;
}

/**
 * Tells the first error since the opening or the last resume.
 *
 * @param self the position.
 * @return SB_OK or the library's code. It is also SB_ERR_SHORT once the source has ended before the declared
 *         size.
 */
static inline int spoolbuf_ffmpeg_status(const spoolbuf_ffmpeg *self)
{
    sb_stats facts;

    if (self->status == SB_OK && sb_stat(sb_reader_buffer(self->reader), &facts, sizeof facts) == SB_OK
        && facts.ended_short)
        return SB_ERR_SHORT;
    return self->status;
}

/**
 * Closes the position; the buffer stays open. After avformat_close_input().
 *
 * @param self the position.
 */
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
