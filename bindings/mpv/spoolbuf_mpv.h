/*
 * spoolbuf_mpv.h - mpv plays from a buffer: a stream_cb protocol of libmpv's.
 *
 *     spoolbuf_mpv film = { buffer, SB_OK };
 *     spoolbuf_mpv_add(mpv, "spoolbuf", &film);
 *     const char *play[] = { "loadfile", "spoolbuf://film.mp4", NULL };
 *     mpv_command(mpv, play);
 *
 * What follows `spoolbuf://` is for mpv's eyes only (a title, an extension); for several buffers in
 * one player add a protocol for each. Every loadfile opens a place of its own.
 *
 *   mpv asks             it gets
 *   data                 what is there once the first byte is (sb_reader_read)
 *   the end              0
 *   an error             -1, which mpv in the middle of a file shows as an ordinary end of it
 *                        (MPV_END_FILE_REASON_EOF): `status` has the library's code
 *   the size             the final one, else the declared one, else MPV_ERROR_UNSUPPORTED
 *   a seek               costs nothing, whatever the source can
 *   a blocked read       is released by mpv itself (cancel_fn) at stop, quit, the next loadfile and
 *                        mpv_terminate_destroy(). At once where the library calls the source on a
 *                        thread of its own (sb_prefetch(), the option `prefetch`); else when the
 *                        source returns, for which sb_cancel() asks it
 *   who calls            opened, read and closed on threads of mpv's, stopped from yet another
 *   lifetime             `film` stays where it is until mpv_terminate_destroy() has returned;
 *                        sb_free() after that (before is no harm: the player gets an error)
 *
 * Client API 1.106 (mpv 0.32) or newer. C99 and C++.
 */
#ifndef SPOOLBUF_MPV_H
#define SPOOLBUF_MPV_H

#include <mpv/client.h>
#include <mpv/stream_cb.h>
#include <stdlib.h>

#include "spoolbuf.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What mpv is to play. */
typedef struct spoolbuf_mpv {
    sb_buffer *buffer;
    /* What last went wrong, an sb_status. Written by mpv's threads: look at it once the file has
     * ended (MPV_EVENT_END_FILE). */
    int status;
} spoolbuf_mpv;

/* One opened stream. */
typedef struct spoolbuf_mpv_stream {
    spoolbuf_mpv *film;
    sb_reader *reader;
} spoolbuf_mpv_stream;

static inline int64_t spoolbuf_mpv_read(void *cookie, char *out, uint64_t length)
{
    spoolbuf_mpv_stream *self = (spoolbuf_mpv_stream *)cookie;
    size_t most = length > SIZE_MAX / 2 ? SIZE_MAX / 2 : (size_t)length;
    int64_t count = sb_reader_read(self->reader, most, out);

    if (count >= 0)
        return count;
    self->film->status = (int)count;
    return -1;
}

static inline int64_t spoolbuf_mpv_seek(void *cookie, int64_t offset)
{
    spoolbuf_mpv_stream *self = (spoolbuf_mpv_stream *)cookie;
    int64_t place = sb_reader_seek(self->reader, offset, SB_SEEK_SET);

    return place < 0 ? MPV_ERROR_GENERIC : place;
}

static inline int64_t spoolbuf_mpv_size(void *cookie)
{
    spoolbuf_mpv_stream *self = (spoolbuf_mpv_stream *)cookie;
    int64_t size = sb_size(self->film->buffer);

    return size < 0 ? MPV_ERROR_UNSUPPORTED : size;
}

static inline void spoolbuf_mpv_cancel(void *cookie)
{
    spoolbuf_mpv_stream *self = (spoolbuf_mpv_stream *)cookie;

    sb_reader_cancel(self->reader);
}

static inline void spoolbuf_mpv_close(void *cookie)
{
    spoolbuf_mpv_stream *self = (spoolbuf_mpv_stream *)cookie;

    sb_reader_free(self->reader);
    free(self);
}

static inline int spoolbuf_mpv_open(void *film, char *uri, mpv_stream_cb_info *info)
{
    spoolbuf_mpv_stream *self = (spoolbuf_mpv_stream *)calloc(1, sizeof *self);

    (void)uri;
    if (self == NULL)
        return MPV_ERROR_NOMEM;
    self->film = (spoolbuf_mpv *)film;
    self->reader = sb_reader_new(self->film->buffer);
    if (self->reader == NULL) {
        free(self);
        return MPV_ERROR_LOADING_FAILED;
    }
    info->cookie = self;
    info->read_fn = spoolbuf_mpv_read;
    info->seek_fn = spoolbuf_mpv_seek;
    info->size_fn = spoolbuf_mpv_size;
    info->close_fn = spoolbuf_mpv_close;
    info->cancel_fn = spoolbuf_mpv_cancel;
    return 0;
}

/* Makes `protocol://` play from the film's buffer. Returns 0 or an mpv_error. */
static inline int spoolbuf_mpv_add(mpv_handle *mpv, const char *protocol, spoolbuf_mpv *film)
{
    return mpv_stream_cb_add_ro(mpv, protocol, film, spoolbuf_mpv_open);
}

#ifdef __cplusplus
}
#endif

#endif
