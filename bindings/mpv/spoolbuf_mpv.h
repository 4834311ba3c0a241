/*
 * spoolbuf_mpv.h - mpv plays from a buffer: a stream_cb protocol of libmpv's.
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
 * What follows `spoolbuf://` is for mpv's eyes only (a title, an extension); for several buffers in
 * one player add a protocol for each. Every loadfile opens a place of its own.
 *
 *   mpv asks             it gets
 *   data                 what is there once the first byte is (sb_reader_read)
 *   the end              0
 *   an end that is       before the declared size: the end, or with SB_SHORT_ERROR an error; the status
 *   too early            is SB_ERR_SHORT in both cases
 *   an error             -1, which mpv in the middle of a file shows as an ordinary end of it
 *                        (MPV_END_FILE_REASON_EOF): at each MPV_EVENT_END_FILE ask
 *                        spoolbuf_mpv_status() for the library's code. To go on: sb_retry(), and
 *                        loadfile with `start` where it was
 *   the size             the final one, else the declared one, else MPV_ERROR_UNSUPPORTED
 *   a seek               costs nothing, whatever the source can
 *   a blocked read       is released by mpv itself (cancel_fn) at stop, quit, the next loadfile and
 *                        mpv_terminate_destroy(), for good; the next loadfile has a new place
 *   with a prefetch      (sb_prefetch(), the option `prefetch`) the library calls the source on a
 *                        thread of its own, and mpv stops at once
 *   without one          the source is called on mpv's threads, and mpv stops when it returns. Only
 *                        sb_cancel() asks it to, and stops all that wait on the buffer: before the
 *                        stop, with sb_resume() after it
 *   who calls            opened, read and closed on threads of mpv's, stopped from yet another
 *   lifetime             `film` stays where it is until mpv_terminate_destroy() has returned;
 *                        sb_free() after that (before is no harm: the player gets an error)
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
#define SPOOLBUF_MPV_SWAP(place, old, value) _InterlockedCompareExchange((place), (value), (old))
#define SPOOLBUF_MPV_PUSH(place, value) _InterlockedExchangePointer((place), (value))
#else
#define SPOOLBUF_MPV_SWAP(place, old, value) __sync_val_compare_and_swap((place), (old), (value))
#define SPOOLBUF_MPV_PUSH(place, value) __atomic_exchange_n((place), (value), __ATOMIC_SEQ_CST)
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* What mpv is to play. */
typedef struct spoolbuf_mpv {
    sb_buffer *buffer;
    void *volatile streams; /* the newest, which knows the one before it */
    volatile long status;
} spoolbuf_mpv;

/* One opened stream. It stays until the film is closed: mpv calls close_fn and cancel_fn at the same
 * time if it is told to stop just as a file ends. */
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
    /* The first: the stop that follows an error does not hide it. */
    SPOOLBUF_MPV_SWAP(&self->film->status, 0, (long)count);
    return -1;
}

static inline int64_t spoolbuf_mpv_seek_fn(void *cookie, int64_t offset)
{
    spoolbuf_mpv_stream *self = (spoolbuf_mpv_stream *)cookie;
    int64_t place = sb_reader_seek(self->reader, offset, SB_SEEK_SET);

    return place < 0 ? (int64_t)MPV_ERROR_GENERIC : place;
}

static inline int64_t spoolbuf_mpv_size_fn(void *cookie)
{
    spoolbuf_mpv_stream *self = (spoolbuf_mpv_stream *)cookie;
    int64_t size = sb_size(self->film->buffer);

    return size < 0 ? (int64_t)MPV_ERROR_UNSUPPORTED : size;
}

static inline void spoolbuf_mpv_cancel_fn(void *cookie)
{
    /* A reader is a handle that is checked: one that close_fn has freed does no harm. */
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

/* Makes a film of a buffer. Opens nothing yet. */
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

/* What went wrong first since the last loadfile: SB_OK or the library's code; SB_ERR_SHORT also once
 * the source has ended before the declared size. SB_ERR_CANCELED is a stop of mpv's own, unless
 * sb_cancel() was called. From any thread. */
static inline int spoolbuf_mpv_status(spoolbuf_mpv *film)
{
    int status = (int)SPOOLBUF_MPV_SWAP(&film->status, 0, 0);
    sb_stats facts;

    if (status == SB_OK && sb_stat(film->buffer, &facts, sizeof facts) == SB_OK && facts.ended_short)
        return SB_ERR_SHORT;
    return status;
}

/* Closes the film; the buffer stays. After mpv_terminate_destroy(). */
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
