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
 * From a source that cannot seek, VLC by itself does not play an MP4 of more than 16 MiB with its index at
 * the end. And a source may turn out to be unable to seek only when VLC looks ahead (a URL without ranges).
 * If the player ends without having played anything, play the film once more:
 *
 *     if (libvlc_media_player_get_state(player) == libvlc_Ended && !played && spoolbuf_vlc_refused(&film)) {
 *         libvlc_media_player_set_media(player, spoolbuf_vlc_media(&film, vlc));
 *         libvlc_media_player_play(player);
 *     }
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
 *   the size             the size if it is a fact (sb_known_size()): the end was seen, or the caller
 *                        vouches for it (SB_SIZE_TRUSTED). A source that can seek is asked to prove its
 *                        size, by one seek. Else UINT64_MAX: a wrong declared size changes nothing. VLC
 *                        asks for it only at the opening
 *   a look at the end    of a source that cannot seek would fetch everything before the first frame. So
 *                        VLC is not told that it can seek (AUTO), and starts as from a pipe. A media that
 *                        is made after the end was seen can seek: an MP4 with its index at the end plays
 *                        once all of it has arrived, at the second time if it is large (see above)
 *   a source that can    VLC looks far ahead before it plays: at the first cluster of a Matroska file,
 *    seek                all of it, and at each fragment of an MP4. On a slow line lower the buffer's
 *                        `seek_gap`, to 65536 for example: such looks then skip more
 *   going back           before the end was seen: stop, and play the media of
 *                        spoolbuf_vlc_media_back() with the option `:start-time=12.5` (seconds). It seeks
 *                        within what is buffered
 *   reach                spoolbuf_vlc_open_with() takes reader options. `reach` = SB_REACH_WHOLE: every
 *                        seek works, and fetches what it needs. Options = NULL: AUTO, as above
 *   timeout_ms           of the reader options: a read without a byte in time is an error, also with
 *                        SB_READER_BUFFERED
 *   a blocked read       libVLC 3 has no cancel. spoolbuf_vlc_cancel(), from any thread, makes it and
 *                        every later read return -1, until spoolbuf_vlc_resume()
 *   with a prefetch      (sb_prefetch(), the option `prefetch`) a thread of the library calls the
 *                        source, and a stop takes effect at once
 *   without one          the source is called on a thread of VLC, and a stop takes effect when the
 *                        source returns: at once if it is SB_SOURCE_INTERRUPTIBLE. Else only
 *                        sb_cancel() makes it return; that cancels every blocked call, until sb_resume()
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

/** How many times a film can be open at once. */
#define SPOOLBUF_VLC_POSITIONS 4

struct spoolbuf_vlc;

/* One of the positions at which a film can be open. */
typedef struct spoolbuf_vlc_position {
    struct spoolbuf_vlc *film;
    sb_reader *reader;
    volatile long taken;
} spoolbuf_vlc_position;

/**
 * A buffer that VLC plays. It must not be moved in memory while it is open. All positions are created at the
 * opening, so that a stop finds them whatever VLC is doing at that moment.
 */
typedef struct spoolbuf_vlc {
    sb_buffer *buffer;
    sb_reader_options options;
    spoolbuf_vlc_position positions[SPOOLBUF_VLC_POSITIONS];
    volatile long status;
    volatile long canceled;
    volatile long refused; /* whether a look ahead was refused */
    volatile long piped;   /* whether it was opened as a pipe */
} spoolbuf_vlc;

/* Keeps the first error. */
static inline void spoolbuf_vlc_note(spoolbuf_vlc *self, int64_t result)
{
    if (result < 0)
        SPOOLBUF_VLC_SWAP(&self->status, 0, (long)result);
}

/* Fails after a cancel, where sb_reader_read() would still return buffered bytes. */
static inline int64_t spoolbuf_vlc_take(spoolbuf_vlc *self, sb_reader *reader, size_t length, void *out)
{
    int64_t count = SB_ERR_CANCELED;

    if (!SPOOLBUF_VLC_SWAP(&self->canceled, 0, 0))
        count = sb_reader_read(reader, length, out);
    if (SPOOLBUF_VLC_SWAP(&self->canceled, 0, 0))
        count = SB_ERR_CANCELED;
    return count;
}

/* Proves a declared size by its last byte, and the end after it. A source that turns out to be unable to
 * seek is not an error, and neither is a proof that would take too long. */
static inline void spoolbuf_vlc_prove(spoolbuf_vlc *self, sb_reader *reader, int64_t declared)
{
    int64_t count = sb_reader_seek(reader, declared - 1, SB_SEEK_SET);
    char byte;

    if (count >= 0)
        count = spoolbuf_vlc_take(self, reader, 1, &byte);
    if (count == 1)
        count = spoolbuf_vlc_take(self, reader, 1, &byte);
    if (count != SB_ERR_UNSUPPORTED && count != SB_ERR_TIMEOUT)
        spoolbuf_vlc_note(self, count);
}

/* The size if it is a fact; else an sb_status. A source that can seek proves a declared one. */
static inline int64_t spoolbuf_vlc_size(spoolbuf_vlc *self, sb_reader *reader)
{
    int64_t size = sb_known_size(self->buffer), declared = sb_size(self->buffer);
    sb_stats facts;

    if (size != SB_ERR_UNKNOWN_SIZE || declared <= 0
        || sb_stat(self->buffer, &facts, sizeof facts) < 0 || !facts.seekable)
        return size;
    spoolbuf_vlc_prove(self, reader, declared);
    sb_reader_seek(reader, 0, SB_SEEK_SET);
    return sb_known_size(self->buffer);
}

static inline int spoolbuf_vlc_open_cb(void *opaque, void **data, uint64_t *size)
{
    spoolbuf_vlc *self = (spoolbuf_vlc *)opaque;
    int64_t known;
    int at;

    for (at = 0; at < SPOOLBUF_VLC_POSITIONS; at++) {
        if (SPOOLBUF_VLC_SWAP(&self->positions[at].taken, 0, 1) == 0) {
            SPOOLBUF_VLC_SWAP(&self->refused, 1, 0);
            sb_reader_seek(self->positions[at].reader, 0, SB_SEEK_SET);
            known = spoolbuf_vlc_size(self, self->positions[at].reader);
            *data = &self->positions[at];
            *size = known < 0 ? UINT64_MAX : (uint64_t)known;
            return 0;
        }
    }
    return -1;
}

/* For a media that cannot seek, as VLC sees a pipe: its MP4 demuxer refuses one that has a size. */
static inline int spoolbuf_vlc_open_pipe_cb(void *opaque, void **data, uint64_t *size)
{
    int status = spoolbuf_vlc_open_cb(opaque, data, size);

    SPOOLBUF_VLC_SWAP(&((spoolbuf_vlc *)opaque)->piped, 0, 1);
    *size = UINT64_MAX;
    return status;
}

static inline ssize_t spoolbuf_vlc_read_cb(void *opaque, unsigned char *out, size_t length)
{
    spoolbuf_vlc_position *position = (spoolbuf_vlc_position *)opaque;
    size_t most = length > SIZE_MAX / 2 ? SIZE_MAX / 2 : length;
    int64_t count = spoolbuf_vlc_take(position->film, position->reader, most, out);

    if (count >= 0)
        return (ssize_t)count;
    spoolbuf_vlc_note(position->film, count);
    return -1;
}

/* A source that was never sought may turn out to be unable to: its first byte there tells. */
static inline int64_t spoolbuf_vlc_try(spoolbuf_vlc_position *position, int64_t from, int64_t to)
{
    sb_buffer *buffer = position->film->buffer;
    sb_stats facts;
    int64_t count;
    char byte;

    if (position->film->options.reach == SB_REACH_WHOLE || to < 0 || sb_buffered(buffer, (uint64_t)to) > 0
        || sb_stat(buffer, &facts, sizeof facts) < 0 || !facts.seekable || facts.seeks > 0)
        return to;
    count = spoolbuf_vlc_take(position->film, position->reader, 1, &byte);
    if (count != SB_ERR_UNSUPPORTED)
        spoolbuf_vlc_note(position->film, count);
    sb_reader_seek(position->reader, count < 0 ? from : to, SB_SEEK_SET);
    return count < 0 ? count : to;
}

static inline int spoolbuf_vlc_seek_cb(void *opaque, uint64_t offset)
{
    spoolbuf_vlc_position *position = (spoolbuf_vlc_position *)opaque;
    int64_t from = sb_reader_seek(position->reader, 0, SB_SEEK_CUR), to;

    if (offset > INT64_MAX)
        return -1;
    to = sb_reader_seek(position->reader, (int64_t)offset, SB_SEEK_SET);
    to = spoolbuf_vlc_try(position, from, to);
    if (to == SB_ERR_UNSUPPORTED)
        SPOOLBUF_VLC_SWAP(&position->film->refused, 0, 1);
    return to < 0 ? -1 : 0;
}

static inline void spoolbuf_vlc_close_cb(void *opaque)
{
    SPOOLBUF_VLC_SWAP(&((spoolbuf_vlc_position *)opaque)->taken, 1, 0);
}

/**
 * Closes the film; the buffer stays open. After the last player and the media are released.
 *
 * @param self the film.
 */
static inline void spoolbuf_vlc_close(spoolbuf_vlc *self)
{
    int at;

    for (at = 0; at < SPOOLBUF_VLC_POSITIONS; at++)
        sb_reader_free(self->positions[at].reader);
    memset(self, 0, sizeof *self);
}

/**
 * Makes a film from a buffer.
 *
 * @param self    the film to make.
 * @param buffer  the buffer to read.
 * @param options options for its readers, or NULL for the library's defaults and SB_REACH_AUTO.
 * @return SB_OK, or an sb_status; after an error there is nothing to close.
 */
static inline int spoolbuf_vlc_open_with(spoolbuf_vlc *self, sb_buffer *buffer,
                                         const sb_reader_options *options)
{
    int at, status;

    memset(self, 0, sizeof *self);
    self->buffer = buffer;
    sb_reader_options_init(&self->options, sizeof self->options);
    self->options.reach = SB_REACH_AUTO;
    if (options != NULL)
        self->options = *options;
    for (at = 0; at < SPOOLBUF_VLC_POSITIONS; at++) {
        self->positions[at].film = self;
        status = sb_reader_new_with(buffer, &self->options, &self->positions[at].reader);
        if (status != SB_OK) {
            spoolbuf_vlc_close(self);
            return status;
        }
    }
    return SB_OK;
}

/**
 * As spoolbuf_vlc_open_with(), with the default options.
 *
 * @param self   the film to make.
 * @param buffer the buffer to read.
 * @return SB_OK, or an sb_status; after an error there is nothing to close.
 */
static inline int spoolbuf_vlc_open(spoolbuf_vlc *self, sb_buffer *buffer)
{
    return spoolbuf_vlc_open_with(self, buffer, NULL);
}

/* Whether the index of a resource may be at its end: MP4 and MOV begin with one of these. */
static inline int spoolbuf_vlc_is_mp4(sb_buffer *buffer)
{
    static const char names[] = "ftypmdatfreeskipwide";
    char head[8];
    size_t at;

    if (sb_read_some(buffer, 0, sizeof head, head, 0) != sizeof head)
        return 0;
    for (at = 0; at + 4 < sizeof names; at += 4)
        if (memcmp(head + 4, names + at, 4) == 0)
            return 1;
    return 0;
}

/**
 * Tells whether VLC could not look ahead since this was last called, and the next spoolbuf_vlc_media() may do
 * better: the source turned out to be unable to seek, or an MP4 was played as from a pipe, whose end has been
 * seen now.
 *
 * @param self the film.
 * @return 1 if so, otherwise 0. It is reset by the call.
 */
static inline int spoolbuf_vlc_refused(spoolbuf_vlc *self)
{
    int refused = SPOOLBUF_VLC_SWAP(&self->refused, 1, 0) != 0;
    int piped = SPOOLBUF_VLC_SWAP(&self->piped, 1, 0) != 0;
    sb_stats facts;

    return refused
        || (piped && sb_stat(self->buffer, &facts, sizeof facts) == SB_OK
            && facts.final_size != SB_SIZE_UNKNOWN && spoolbuf_vlc_is_mp4(self->buffer));
}

static inline libvlc_media_t *spoolbuf_vlc_media_of(spoolbuf_vlc *self, libvlc_instance_t *vlc, int seeks)
{
    libvlc_media_open_cb open = seeks ? spoolbuf_vlc_open_cb : spoolbuf_vlc_open_pipe_cb;
    libvlc_media_seek_cb seek = seeks ? spoolbuf_vlc_seek_cb : NULL;

    (void)vlc;
#if defined(LIBVLC_VERSION_MAJOR) && LIBVLC_VERSION_MAJOR >= 4
    return libvlc_media_new_callbacks(open, spoolbuf_vlc_read_cb, seek,
                                      spoolbuf_vlc_close_cb, self);
#else
    return libvlc_media_new_callbacks(vlc, open, spoolbuf_vlc_read_cb, seek,
                                      spoolbuf_vlc_close_cb, self);
#endif
}

/**
 * Creates the media that plays the film. VLC may seek if the source can, or has ended.
 *
 * @param self the film.
 * @param vlc  the instance of libVLC.
 * @return the media, which you release; or NULL if libVLC reports an error.
 */
static inline libvlc_media_t *spoolbuf_vlc_media(spoolbuf_vlc *self, libvlc_instance_t *vlc)
{
    sb_stats facts;
    int seeks = self->options.reach == SB_REACH_WHOLE || sb_stat(self->buffer, &facts, sizeof facts) < 0
        || facts.seekable || facts.final_size != SB_SIZE_UNKNOWN;

    return spoolbuf_vlc_media_of(self, vlc, seeks);
}

/**
 * Creates a media in which VLC may seek within what is buffered: to go back.
 *
 * @param self the film.
 * @param vlc  the instance of libVLC.
 * @return the media, which you release; or NULL if libVLC reports an error.
 */
static inline libvlc_media_t *spoolbuf_vlc_media_back(spoolbuf_vlc *self, libvlc_instance_t *vlc)
{
    return spoolbuf_vlc_media_of(self, vlc, 1);
}

/**
 * Makes every blocked read of the film's players, and those that would block, fail. From any thread, before
 * libvlc_media_player_stop().
 *
 * @param self the film.
 */
static inline void spoolbuf_vlc_cancel(spoolbuf_vlc *self)
{
    int at;

    SPOOLBUF_VLC_SWAP(&self->canceled, 0, 1);
    for (at = 0; at < SPOOLBUF_VLC_POSITIONS; at++)
        sb_reader_cancel(self->positions[at].reader);
}

/**
 * Lets them block again. Call it before the film is played again.
 *
 * @param self the film.
 */
static inline void spoolbuf_vlc_resume(spoolbuf_vlc *self)
{
    int at;

    SPOOLBUF_VLC_SWAP(&self->status, self->status, 0);
    SPOOLBUF_VLC_SWAP(&self->canceled, 1, 0);
    for (at = 0; at < SPOOLBUF_VLC_POSITIONS; at++)
        sb_reader_resume(self->positions[at].reader);
}

/**
 * Tells the first error since the opening or the last resume. From any thread.
 *
 * @param self the film.
 * @return SB_OK or the library's code. It is also SB_ERR_SHORT once the source has ended before the declared
 *         size.
 */
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
