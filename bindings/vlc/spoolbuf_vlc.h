/*
 * spoolbuf_vlc.h - libVLC plays from a buffer: libvlc_media_new_callbacks().
 *
 *     spoolbuf_vlc film;
 *     if (spoolbuf_vlc_open(&film, buffer) < 0) ...
 *     libvlc_media_t *media = spoolbuf_vlc_media(&film, vlc);
 *     libvlc_media_player_t *player = libvlc_media_player_new_from_media(media);
 *     libvlc_media_player_play(player);
 *     ...
 *     spoolbuf_vlc_cancel(&film);               (first, or the next line may never return)
 *     libvlc_media_player_stop(player);
 *     libvlc_media_player_release(player);  libvlc_media_release(media);
 *     spoolbuf_vlc_close(&film);
 *
 *   VLC requests         result
 *   data                 the bytes available once the first one is (sb_reader_read), whatever it asks
 *                        for: up to 16 MiB in one call
 *   the end              0
 *   an end too early     before the declared size: it is the end, or with SB_SHORT_ERROR an error.
 *                        spoolbuf_vlc_status() is SB_ERR_SHORT in both cases
 *   an error             -1, after which the player ends as if at the end
 *                        (libvlc_MediaPlayerEndReached). spoolbuf_vlc_status() returns the library's
 *                        code. To go on: sb_retry(), spoolbuf_vlc_resume(), stop the player, play, set
 *                        the time
 *   the size             the final size, else the declared size, else UINT64_MAX. VLC asks for it only
 *                        at the opening
 *   a seek               costs nothing, whatever the source can do
 *   a blocked read       libVLC 3 has no cancel. spoolbuf_vlc_cancel(), from any thread, makes it and
 *                        every read that would block return -1, until spoolbuf_vlc_resume()
 *   with a prefetch      (sb_prefetch(), the option `prefetch`) a thread of the library calls the
 *                        source, and a stop takes effect at once
 *   without one          the source is called on a thread of VLC, and a stop takes effect when the
 *                        source returns. Only sb_cancel() makes the source return; it cancels every
 *                        blocked call on the buffer, until sb_resume()
 *   threads              a media is opened and closed on one thread of VLC, and read on another. It may
 *                        be open several times at once (two players, or one that also parses it), at
 *                        most SPOOLBUF_VLC_POSITIONS times. Each has its own position, but one stop
 *                        cancels all of them. For players with their own cancellation, use one
 *                        spoolbuf_vlc each
 *   lifetime             close it after the last player and the media are released, and before
 *                        sb_free()
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
#define SPOOLBUF_VLC_SWAP(target, old, value) _InterlockedCompareExchange((target), (value), (old))
#else
#define SPOOLBUF_VLC_SWAP(target, old, value) __sync_val_compare_and_swap((target), (old), (value))
#endif

/* How many times a film can be open at once. */
#define SPOOLBUF_VLC_POSITIONS 4

struct spoolbuf_vlc;

/* One of the positions at which a film can be open. */
typedef struct spoolbuf_vlc_position {
    struct spoolbuf_vlc *film;
    sb_reader *reader;
    volatile long taken;
} spoolbuf_vlc_position;

/* A buffer that VLC plays. It must not be moved in memory while it is open. All positions are created
 * at the opening, so that a stop finds them whatever VLC is doing at that moment. */
typedef struct spoolbuf_vlc {
    sb_buffer *buffer;
    spoolbuf_vlc_position positions[SPOOLBUF_VLC_POSITIONS];
    volatile long status;
} spoolbuf_vlc;

static inline int spoolbuf_vlc_open_cb(void *opaque, void **data, uint64_t *size)
{
    spoolbuf_vlc *self = (spoolbuf_vlc *)opaque;
    int64_t known = sb_size(self->buffer);
    int at;

    for (at = 0; at < SPOOLBUF_VLC_POSITIONS; at++) {
        if (SPOOLBUF_VLC_SWAP(&self->positions[at].taken, 0, 1) == 0) {
            sb_reader_seek(self->positions[at].reader, 0, SB_SEEK_SET);
            *data = &self->positions[at];
            *size = known < 0 ? UINT64_MAX : (uint64_t)known;
            return 0;
        }
    }
    return -1;
}

static inline ssize_t spoolbuf_vlc_read_cb(void *opaque, unsigned char *out, size_t length)
{
    spoolbuf_vlc_position *position = (spoolbuf_vlc_position *)opaque;
    size_t most = length > SIZE_MAX / 2 ? SIZE_MAX / 2 : length;
    int64_t count = sb_reader_read(position->reader, most, out);

    if (count >= 0)
        return (ssize_t)count;
    SPOOLBUF_VLC_SWAP(&position->film->status, 0, (long)count);
    return -1;
}

static inline int spoolbuf_vlc_seek_cb(void *opaque, uint64_t offset)
{
    spoolbuf_vlc_position *position = (spoolbuf_vlc_position *)opaque;

    if (offset > INT64_MAX)
        return -1;
    return sb_reader_seek(position->reader, (int64_t)offset, SB_SEEK_SET) < 0 ? -1 : 0;
}

static inline void spoolbuf_vlc_close_cb(void *opaque)
{
    SPOOLBUF_VLC_SWAP(&((spoolbuf_vlc_position *)opaque)->taken, 1, 0);
}

/* Closes the film; the buffer stays open. After the last player and the media are released. */
static inline void spoolbuf_vlc_close(spoolbuf_vlc *self)
{
    int at;

    for (at = 0; at < SPOOLBUF_VLC_POSITIONS; at++)
        sb_reader_free(self->positions[at].reader);
    memset(self, 0, sizeof *self);
}

/* Makes a film from a buffer. Returns SB_OK or an sb_status; after an error there is nothing to close. */
static inline int spoolbuf_vlc_open(spoolbuf_vlc *self, sb_buffer *buffer)
{
    int at;

    memset(self, 0, sizeof *self);
    self->buffer = buffer;
    for (at = 0; at < SPOOLBUF_VLC_POSITIONS; at++) {
        self->positions[at].film = self;
        self->positions[at].reader = sb_reader_new(buffer);
        if (self->positions[at].reader == NULL) {
            spoolbuf_vlc_close(self);
            return sb_buffered(buffer, 0) < 0 ? SB_ERR_INVALID : SB_ERR_NO_MEMORY;
        }
    }
    return SB_OK;
}

/* The media that plays it; NULL if libVLC reports an error. */
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

/* Makes every blocked read of the film's players, and those that would block, fail. From any thread,
 * before libvlc_media_player_stop(). */
static inline void spoolbuf_vlc_cancel(spoolbuf_vlc *self)
{
    int at;

    for (at = 0; at < SPOOLBUF_VLC_POSITIONS; at++)
        sb_reader_cancel(self->positions[at].reader);
}

/* Lets them block again. Call it before the film is played again. */
static inline void spoolbuf_vlc_resume(spoolbuf_vlc *self)
{
    int at;

    SPOOLBUF_VLC_SWAP(&self->status, self->status, 0);
    for (at = 0; at < SPOOLBUF_VLC_POSITIONS; at++)
        sb_reader_resume(self->positions[at].reader);
}

/* The first error since the opening or the last resume: SB_OK or the library's code. It is also
 * SB_ERR_SHORT once the source has ended before the declared size. From any thread. */
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
