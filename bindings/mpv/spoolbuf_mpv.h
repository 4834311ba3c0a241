/*
 * spoolbuf_mpv.h - mpv plays from a buffer: a stream_cb protocol of libmpv.
 *
 *     spoolbuf_mpv film;
 *     spoolbuf_mpv_open(&film, buffer);
 *     spoolbuf_mpv_add(mpv, "spoolbuf", &film);
 *     const char *play[] = { "loadfile", "spoolbuf://film.mp4", NULL };
 *     mpv_command(mpv, play);
 *     ...
 *     mpv_terminate_destroy(mpv);
 *     spoolbuf_mpv_close(&film);
 *
 * Only mpv uses the text after `spoolbuf://` (a title, an extension). For several buffers in one player,
 * add a protocol for each. Every loadfile opens its own position.
 *
 *   mpv requests         result
 *   data                 the bytes available once the first one is (sb_reader_read)
 *   the end              0
 *   an end too early     before the declared size: it is the end, or with SB_SHORT_ERROR an error.
 *                        spoolbuf_mpv_status() is SB_ERR_SHORT in both cases
 *   an error             -1, which in the middle of a file mpv reports as an ordinary end
 *                        (MPV_END_FILE_REASON_EOF). At each MPV_EVENT_END_FILE call
 *                        spoolbuf_mpv_status() for the library's code. To go on: sb_retry(), and
 *                        loadfile with `start` at the old position
 *   the size             the final size, else the declared size, else MPV_ERROR_UNSUPPORTED
 *   a seek               costs nothing, whatever the source can do
 *   a blocked read       is released for good by mpv itself (cancel_fn) at stop, quit, the next
 *                        loadfile and mpv_terminate_destroy(). The next loadfile has a new position
 *   with a prefetch      (sb_prefetch(), the option `prefetch`) a thread of the library calls the
 *                        source, and mpv's stop takes effect at once
 *   without one          the source is called on mpv's threads, and mpv stops when the source returns.
 *                        Only sb_cancel() makes the source return; it cancels every blocked call on the
 *                        buffer. Call it before the stop, and sb_resume() after it
 *   threads              streams are opened, read and closed on threads of mpv, and canceled on yet
 *                        another
 *   lifetime             `film` must not be moved until mpv_terminate_destroy() has returned. Call
 *                        sb_free() after that (an earlier call is harmless: the player gets an error)
 *
 * Client API 1.106 (mpv 0.32) or newer. GCC, Clang or MSVC; C99 and C++.
 */
#ifndef SPOOLBUF_MPV_H
#define SPOOLBUF_MPV_H

#include <mpv/client.h>
#include <mpv/stream_cb.h>
#include <stdlib.h>

#include "spoolbuf.h"

#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
#define SPOOLBUF_MPV_SWAP(target, old, value) _InterlockedCompareExchange((target), (value), (old))
#define SPOOLBUF_MPV_PUSH(target, value) _InterlockedExchangePointer((target), (value))
#else
#define SPOOLBUF_MPV_SWAP(target, old, value) __sync_val_compare_and_swap((target), (old), (value))
#define SPOOLBUF_MPV_PUSH(target, value) __atomic_exchange_n((target), (value), __ATOMIC_SEQ_CST)
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* A buffer that mpv plays. */
typedef struct spoolbuf_mpv {
    sb_buffer *buffer;
    void *volatile streams; /* the newest, linked to the one before it */
    volatile long status;
} spoolbuf_mpv;

/* One opened stream. It is kept until the film is closed: mpv calls close_fn and cancel_fn at the same
 * time if it is stopped just as a file ends. */
typedef struct spoolbuf_mpv_stream {
    spoolbuf_mpv *film;
    sb_reader *reader;
    void *before;
} spoolbuf_mpv_stream;

static inline int64_t spoolbuf_mpv_read_fn(void *cookie, char *out, uint64_t length)
{
    spoolbuf_mpv_stream *self = (spoolbuf_mpv_stream *)cookie;
    size_t most = length > SIZE_MAX / 2 ? SIZE_MAX / 2 : (size_t)length;
    int64_t count = sb_reader_read(self->reader, most, out);

    if (count >= 0)
        return count;
    /* Keeps the first error: the stop that follows must not hide it. */
    SPOOLBUF_MPV_SWAP(&self->film->status, 0, (long)count);
    return -1;
}

static inline int64_t spoolbuf_mpv_seek_fn(void *cookie, int64_t offset)
{
    spoolbuf_mpv_stream *self = (spoolbuf_mpv_stream *)cookie;
    int64_t position = sb_reader_seek(self->reader, offset, SB_SEEK_SET);

    return position < 0 ? (int64_t)MPV_ERROR_GENERIC : position;
}

static inline int64_t spoolbuf_mpv_size_fn(void *cookie)
{
    spoolbuf_mpv_stream *self = (spoolbuf_mpv_stream *)cookie;
    int64_t size = sb_size(self->film->buffer);

    return size < 0 ? (int64_t)MPV_ERROR_UNSUPPORTED : size;
}

static inline void spoolbuf_mpv_cancel_fn(void *cookie)
{
    /* Reader handles are checked: one that close_fn has freed is harmless. */
    sb_reader_cancel(((spoolbuf_mpv_stream *)cookie)->reader);
}

static inline void spoolbuf_mpv_close_fn(void *cookie)
{
    sb_reader_free(((spoolbuf_mpv_stream *)cookie)->reader);
}

static inline int spoolbuf_mpv_open_fn(void *film, char *uri, mpv_stream_cb_info *info)
{
    spoolbuf_mpv_stream *self = (spoolbuf_mpv_stream *)calloc(1, sizeof *self);

    (void)uri;
    if (self == NULL)
        return MPV_ERROR_LOADING_FAILED;
    self->film = (spoolbuf_mpv *)film;
    self->reader = sb_reader_new(self->film->buffer);
    if (self->reader == NULL) {
        free(self);
        return MPV_ERROR_LOADING_FAILED;
    }
    SPOOLBUF_MPV_SWAP(&self->film->status, self->film->status, 0);
    self->before = SPOOLBUF_MPV_PUSH(&self->film->streams, (void *)self);
    info->cookie = self;
    info->read_fn = spoolbuf_mpv_read_fn;
    info->seek_fn = spoolbuf_mpv_seek_fn;
    info->size_fn = spoolbuf_mpv_size_fn;
    info->close_fn = spoolbuf_mpv_close_fn;
    info->cancel_fn = spoolbuf_mpv_cancel_fn;
    return 0;
}

/* Makes a film from a buffer. Opens nothing yet. */
static inline void spoolbuf_mpv_open(spoolbuf_mpv *film, sb_buffer *buffer)
{
    film->buffer = buffer;
    film->streams = NULL;
    film->status = SB_OK;
}

/* Makes `protocol://` play from the film's buffer. Returns 0 or an mpv_error. */
static inline int spoolbuf_mpv_add(mpv_handle *mpv, const char *protocol, spoolbuf_mpv *film)
{
    return mpv_stream_cb_add_ro(mpv, protocol, film, spoolbuf_mpv_open_fn);
}

/* The first error since the last loadfile: SB_OK or the library's code. It is also SB_ERR_SHORT once
 * the source has ended before the declared size. SB_ERR_CANCELED means that mpv itself stopped, unless
 * sb_cancel() was called. From any thread. */
static inline int spoolbuf_mpv_status(spoolbuf_mpv *film)
{
    int status = (int)SPOOLBUF_MPV_SWAP(&film->status, 0, 0);
    sb_stats facts;

    if (status == SB_OK && sb_stat(film->buffer, &facts, sizeof facts) == SB_OK && facts.ended_short)
        return SB_ERR_SHORT;
    return status;
}

/* Closes the film; the buffer stays open. After mpv_terminate_destroy(). */
static inline void spoolbuf_mpv_close(spoolbuf_mpv *film)
{
    spoolbuf_mpv_stream *self, *before;

    for (self = (spoolbuf_mpv_stream *)film->streams; self != NULL; self = before) {
        before = (spoolbuf_mpv_stream *)self->before;
        free(self);
    }
    film->streams = NULL;
}

#ifdef __cplusplus
}
#endif

#endif
