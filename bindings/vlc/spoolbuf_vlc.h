/*
 * spoolbuf_vlc.h - libVLC plays from a buffer: libvlc_media_new_callbacks().
 *
 *     spoolbuf_vlc film;
 *     if (spoolbuf_vlc_open(&film, buffer) < 0) ...
 *     libvlc_media_t *media = spoolbuf_vlc_media(&film, vlc);
 *     libvlc_media_player_t *player = libvlc_media_player_new_from_media(media);
 *     libvlc_media_player_play(player);
 *     ...
 *     spoolbuf_vlc_stop(&film);               (first, or the next line may never return)
 *     libvlc_media_player_stop(player);
 *     libvlc_media_player_release(player);  libvlc_media_release(media);
 *     spoolbuf_vlc_close(&film);
 *
 *   VLC asks             it gets
 *   data                 what is there once the first byte is (sb_reader_read), whatever it asks for:
 *                        up to 16 MiB in one call
 *   the end              0
 *   an end that is       before the declared size: the end, or with SB_SHORT_ERROR an error; the status
 *   too early            is SB_ERR_SHORT in both cases
 *   an error             -1, after which the player ends as if at the end
 *                        (libvlc_MediaPlayerEndReached): spoolbuf_vlc_status() has the library's
 *                        code. To go on: sb_retry(), spoolbuf_vlc_resume(), stop the player, play,
 *                        set the time
 *   the size             the final one, else the declared one, else UINT64_MAX, asked at the opening
 *                        only
 *   a seek               costs nothing, whatever the source can
 *   a blocked read       libVLC 3 has no cancel: spoolbuf_vlc_stop(), from any thread, makes it and all
 *                        that would wait return -1, until spoolbuf_vlc_resume()
 *   with a prefetch      (sb_prefetch(), the option `prefetch`) the library calls the source on a
 *                        thread of its own, and a stop is at once
 *   without one          the source is called on a thread of VLC's, and a stop waits until it
 *                        returns. Only sb_cancel() asks it to, and stops all that wait on the buffer,
 *                        until sb_resume()
 *   who calls            opened and closed on one thread of VLC's, read on another. A media may be
 *                        open several times at once (two players, or one that also parses it); each
 *                        has a place of its own, SPOOLBUF_VLC_PLACES of them at most, and one stop
 *                        for all: for players with a stop of their own, a spoolbuf_vlc each
 *   lifetime             close after the last player and the media are released, before sb_free()
 *
 * libVLC 3.0 or newer. GCC, Clang or MSVC; C99 and C++.
 */
#ifndef SPOOLBUF_VLC_H
#define SPOOLBUF_VLC_H

#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#include <sys/types.h>
#include <vlc/vlc.h>

#include "spoolbuf.h"

#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
#define SPOOLBUF_VLC_SWAP(place, old, value) _InterlockedCompareExchange((place), (value), (old))
#else
#define SPOOLBUF_VLC_SWAP(place, old, value) __sync_val_compare_and_swap((place), (old), (value))
#endif

/* How often a film may be open at once. */
#define SPOOLBUF_VLC_PLACES 4

struct spoolbuf_vlc;

/* One of the places at which a film can be open. */
typedef struct spoolbuf_vlc_place {
    struct spoolbuf_vlc *film;
    sb_reader *reader;
    volatile long taken;
} spoolbuf_vlc_place;

/* What VLC is to play. Stays where it is in memory while it is open. The places are made at the
 * opening, so that a stop finds all of them whatever VLC does at that moment. */
typedef struct spoolbuf_vlc {
    sb_buffer *buffer;
    spoolbuf_vlc_place places[SPOOLBUF_VLC_PLACES];
    volatile long status;
} spoolbuf_vlc;

static inline int spoolbuf_vlc_open_cb(void *opaque, void **data, uint64_t *size)
{
    spoolbuf_vlc *self = (spoolbuf_vlc *)opaque;
    int64_t known = sb_size(self->buffer);
    int at;

    for (at = 0; at < SPOOLBUF_VLC_PLACES; at++) {
        if (SPOOLBUF_VLC_SWAP(&self->places[at].taken, 0, 1) == 0) {
            sb_reader_seek(self->places[at].reader, 0, SB_SEEK_SET);
            *data = &self->places[at];
            *size = known < 0 ? UINT64_MAX : (uint64_t)known;
            return 0;
        }
    }
    return -1;
}

static inline ssize_t spoolbuf_vlc_read_cb(void *opaque, unsigned char *out, size_t length)
{
    spoolbuf_vlc_place *place = (spoolbuf_vlc_place *)opaque;
    size_t most = length > SIZE_MAX / 2 ? SIZE_MAX / 2 : length;
    int64_t count = sb_reader_read(place->reader, most, out);

    if (count >= 0)
        return (ssize_t)count;
    SPOOLBUF_VLC_SWAP(&place->film->status, 0, (long)count);
    return -1;
}

static inline int spoolbuf_vlc_seek_cb(void *opaque, uint64_t offset)
{
    spoolbuf_vlc_place *place = (spoolbuf_vlc_place *)opaque;

    if (offset > INT64_MAX)
        return -1;
    return sb_reader_seek(place->reader, (int64_t)offset, SB_SEEK_SET) < 0 ? -1 : 0;
}

static inline void spoolbuf_vlc_close_cb(void *opaque)
{
    SPOOLBUF_VLC_SWAP(&((spoolbuf_vlc_place *)opaque)->taken, 1, 0);
}

/* Closes the film; the buffer stays. After the last player and the media are released. */
static inline void spoolbuf_vlc_close(spoolbuf_vlc *self)
{
    int at;

    for (at = 0; at < SPOOLBUF_VLC_PLACES; at++)
        sb_reader_free(self->places[at].reader);
    memset(self, 0, sizeof *self);
}

/* Makes a film of a buffer. Returns SB_OK or an sb_status, with nothing left to close. */
static inline int spoolbuf_vlc_open(spoolbuf_vlc *self, sb_buffer *buffer)
{
    int at;

    memset(self, 0, sizeof *self);
    self->buffer = buffer;
    for (at = 0; at < SPOOLBUF_VLC_PLACES; at++) {
        self->places[at].film = self;
        self->places[at].reader = sb_reader_new(buffer);
        if (self->places[at].reader == NULL) {
            spoolbuf_vlc_close(self);
            return sb_buffered(buffer, 0) < 0 ? SB_ERR_INVALID : SB_ERR_NO_MEMORY;
        }
    }
    return SB_OK;
}

/* The media that plays it; NULL on an error of libVLC's. */
static inline libvlc_media_t *spoolbuf_vlc_media(spoolbuf_vlc *self, libvlc_instance_t *vlc)
{
    (void)vlc;
#if defined(LIBVLC_VERSION_MAJOR) && LIBVLC_VERSION_MAJOR >= 4
    return libvlc_media_new_callbacks(spoolbuf_vlc_open_cb, spoolbuf_vlc_read_cb,
                                      spoolbuf_vlc_seek_cb, spoolbuf_vlc_close_cb, self);
#else
    return libvlc_media_new_callbacks(vlc, spoolbuf_vlc_open_cb, spoolbuf_vlc_read_cb,
                                      spoolbuf_vlc_seek_cb, spoolbuf_vlc_close_cb, self);
#endif
}

/* Makes every waiting read of the film's players, and those that would wait, fail. From any thread;
 * before libvlc_media_player_stop(). */
static inline void spoolbuf_vlc_stop(spoolbuf_vlc *self)
{
    int at;

    for (at = 0; at < SPOOLBUF_VLC_PLACES; at++)
        sb_reader_cancel(self->places[at].reader);
}

/* Lets them wait again: before the film is played anew. */
static inline void spoolbuf_vlc_resume(spoolbuf_vlc *self)
{
    int at;

    SPOOLBUF_VLC_SWAP(&self->status, self->status, 0);
    for (at = 0; at < SPOOLBUF_VLC_PLACES; at++)
        sb_reader_resume(self->places[at].reader);
}

/* What went wrong first since the opening, or since resume: SB_OK or the library's code; SB_ERR_SHORT
 * also once the source has ended before the declared size. From any thread. */
static inline int spoolbuf_vlc_status(spoolbuf_vlc *self)
{
    int status = (int)SPOOLBUF_VLC_SWAP(&self->status, 0, 0);
    sb_stats facts;

    if (status == SB_OK && sb_stat(self->buffer, &facts, sizeof facts) == SB_OK && facts.ended_short)
        return SB_ERR_SHORT;
    return status;
}

#ifdef __cplusplus
}
#endif

#endif
