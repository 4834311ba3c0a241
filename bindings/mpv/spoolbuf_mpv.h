/*
 * spoolbuf_mpv.h - mpv plays from a buffer: a stream_cb protocol of libmpv.
 *
 *     spoolbuf_mpv film;
 *     spoolbuf_mpv_open(&film, buffer);
 *     spoolbuf_mpv_add(mpv, "spoolbuf", &film);
 *     spoolbuf_mpv_load(mpv, &film, "spoolbuf://film.mp4");
 *     ...
 *     mpv_terminate_destroy(mpv);
 *     spoolbuf_mpv_close(&film);
 *
 * An MP4 with its index at the end cannot start over a source that cannot seek. It plays once all of it
 * has arrived. At MPV_EVENT_END_FILE, with its mpv_event_end_file in `end`:
 *
 *     if (end->reason == MPV_END_FILE_REASON_ERROR && spoolbuf_mpv_whole(&film)) {
 *         spoolbuf_mpv_load(mpv, &film, "spoolbuf://film.mp4");
 *         continue;
 *     }
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
 *   the size             the size if it is a fact (sb_known_size()): the end was seen, or the caller
 *                        vouches for it (SB_SIZE_TRUSTED). A source that can seek is asked to prove its
 *                        size, by one seek. Else MPV_ERROR_UNSUPPORTED: a wrong declared size changes
 *                        nothing
 *   a seek               within the buffered bytes always works
 *   a look at the end    of a source that cannot seek would fetch everything before the first frame. So
 *                        such a seek fails at once (AUTO), and the demuxer is told not to look for an
 *                        index (demuxer-lavf-o=fflags=+ignidx): by spoolbuf_mpv_load() for this file,
 *                        and for a plain loadfile by a profile of mpv, [protocol.spoolbuf], which
 *                        spoolbuf_mpv_add() defines. Windows has no such profile: MP4 starts late there
 *                        by a plain loadfile. Seeks past what has arrived fail until the end was seen
 *   reach                spoolbuf_mpv_open_with() takes reader options. `reach` = SB_REACH_WHOLE: every
 *                        seek works, and fetches what it needs. Options = NULL: AUTO, as above
 *   timeout_ms           of the reader options: a read without a byte in time is an error, also with
 *                        SB_READER_BUFFERED
 *   a stop               ends a blocked read, and a loop over buffered bytes: mpv itself calls cancel_fn
 *                        at stop, quit, the next loadfile and mpv_terminate_destroy(). The next loadfile
 *                        has a new position
 *   with a prefetch      (sb_prefetch(), the option `prefetch`) a thread of the library calls the
 *                        source, and mpv's stop takes effect at once
 *   without one          the source is called on mpv's threads, and mpv stops when the source returns.
 *                        It returns at once if it is SB_SOURCE_INTERRUPTIBLE. Else only sb_cancel() makes
 *                        it return; it cancels every blocked call on the buffer. Call it before the stop,
 *                        and sb_resume() after it
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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifndef _WIN32
#include <fcntl.h>
#include <unistd.h>
#endif

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

/** A buffer that mpv plays. */
typedef struct spoolbuf_mpv {
    sb_buffer *buffer;
    sb_reader_options options;
    void *volatile streams; /* the newest, linked to the one before it */
    volatile long status;
    volatile long refused; /* whether a look ahead was refused */
    volatile long whole;   /* whether none is refused any more */
} spoolbuf_mpv;

/* One opened stream. It is kept until the film is closed: mpv calls close_fn and cancel_fn at the same
 * time if it is stopped just as a file ends. */
typedef struct spoolbuf_mpv_stream {
    spoolbuf_mpv *film;
    sb_reader *reader;
    void *before;
    volatile long canceled;
} spoolbuf_mpv_stream;

/* Whether a look ahead may fetch everything: by choice, or because the source cannot do otherwise. */
static inline int spoolbuf_mpv_is_whole(spoolbuf_mpv *film)
{
    return film->options.reach == SB_REACH_WHOLE || SPOOLBUF_MPV_SWAP(&film->whole, 0, 0) != 0;
}

/* Keeps the first error: the stop that follows must not hide it. */
static inline void spoolbuf_mpv_note(spoolbuf_mpv *film, int64_t result)
{
    if (result < 0)
        SPOOLBUF_MPV_SWAP(&film->status, 0, (long)result);
}

static inline int64_t spoolbuf_mpv_read_fn(void *cookie, char *out, uint64_t length)
{
    spoolbuf_mpv_stream *self = (spoolbuf_mpv_stream *)cookie;
    size_t most = length > SIZE_MAX / 2 ? SIZE_MAX / 2 : (size_t)length;
    int64_t count = sb_reader_read(self->reader, most, out);

    /* Bytes that are buffered can be read after a cancel, too. */
    if (SPOOLBUF_MPV_SWAP(&self->canceled, 0, 0))
        count = SB_ERR_CANCELED;
    if (count >= 0)
        return count;
    spoolbuf_mpv_note(self->film, count);
    return -1;
}

/* A source that was never sought may turn out to be unable to: its first byte there tells. */
static inline int64_t spoolbuf_mpv_try(spoolbuf_mpv_stream *self, int64_t from, int64_t to)
{
    sb_stats facts;
    int64_t count;
    char byte;

    if (spoolbuf_mpv_is_whole(self->film) || to < 0 || sb_buffered(self->film->buffer, (uint64_t)to) > 0
        || sb_stat(self->film->buffer, &facts, sizeof facts) < 0 || !facts.seekable || facts.seeks > 0)
        return to;
    count = sb_reader_read(self->reader, 1, &byte);
    if (count != SB_ERR_UNSUPPORTED)
        spoolbuf_mpv_note(self->film, count);
    sb_reader_seek(self->reader, count < 0 ? from : to, SB_SEEK_SET);
    return count < 0 ? count : to;
}

static inline int64_t spoolbuf_mpv_seek_fn(void *cookie, int64_t offset)
{
    spoolbuf_mpv_stream *self = (spoolbuf_mpv_stream *)cookie;
    int64_t from = sb_reader_seek(self->reader, 0, SB_SEEK_CUR);
    int64_t position = sb_reader_seek(self->reader, offset, SB_SEEK_SET);

    position = spoolbuf_mpv_try(self, from, position);
    if (position == SB_ERR_UNSUPPORTED)
        SPOOLBUF_MPV_SWAP(&self->film->refused, 0, 1);
    return position < 0 ? (int64_t)MPV_ERROR_GENERIC : position;
}

/* Proves a declared size by its last byte, and the end after it. A source that turns out to be unable to
 * seek is not an error, and neither is a proof that would take too long. */
static inline void spoolbuf_mpv_prove(spoolbuf_mpv_stream *self, int64_t declared)
{
    int64_t count = sb_reader_seek(self->reader, declared - 1, SB_SEEK_SET);
    char byte;

    if (count >= 0)
        count = sb_reader_read(self->reader, 1, &byte);
    if (count == 1)
        count = sb_reader_read(self->reader, 1, &byte);
    if (count != SB_ERR_UNSUPPORTED && count != SB_ERR_TIMEOUT)
        spoolbuf_mpv_note(self->film, count);
}

static inline int64_t spoolbuf_mpv_size_fn(void *cookie)
{
    spoolbuf_mpv_stream *self = (spoolbuf_mpv_stream *)cookie;
    sb_buffer *buffer = self->film->buffer;
    int64_t size = sb_known_size(buffer), declared = sb_size(buffer), from;
    sb_stats facts;

    /* A source that can seek proves a declared size. */
    if (size == SB_ERR_UNKNOWN_SIZE && declared > 0 && sb_stat(buffer, &facts, sizeof facts) == SB_OK
        && facts.seekable) {
        from = sb_reader_seek(self->reader, 0, SB_SEEK_CUR);
        spoolbuf_mpv_prove(self, declared);
        sb_reader_seek(self->reader, from, SB_SEEK_SET);
        size = sb_known_size(buffer);
    }
    return size < 0 ? (int64_t)MPV_ERROR_UNSUPPORTED : size;
}

static inline void spoolbuf_mpv_cancel_fn(void *cookie)
{
    spoolbuf_mpv_stream *self = (spoolbuf_mpv_stream *)cookie;

    SPOOLBUF_MPV_SWAP(&self->canceled, 0, 1);
    /* Reader handles are checked: one that close_fn has freed is harmless. */
    sb_reader_cancel(self->reader);
}

static inline void spoolbuf_mpv_close_fn(void *cookie)
{
    sb_reader_free(((spoolbuf_mpv_stream *)cookie)->reader);
}

static inline int spoolbuf_mpv_open_fn(void *film, char *uri, mpv_stream_cb_info *info)
{
    spoolbuf_mpv_stream *self = (spoolbuf_mpv_stream *)calloc(1, sizeof *self);
    sb_reader_options options;

    (void)uri;
    if (self == NULL)
        return MPV_ERROR_LOADING_FAILED;
    self->film = (spoolbuf_mpv *)film;
    options = self->film->options;
    if (spoolbuf_mpv_is_whole(self->film))
        options.reach = SB_REACH_WHOLE;
    if (sb_reader_new_with(self->film->buffer, &options, &self->reader) != SB_OK) {
        free(self);
        return MPV_ERROR_LOADING_FAILED;
    }
    SPOOLBUF_MPV_SWAP(&self->film->status, self->film->status, 0);
    SPOOLBUF_MPV_SWAP(&self->film->refused, 1, 0);
    self->before = SPOOLBUF_MPV_PUSH(&self->film->streams, (void *)self);
    info->cookie = self;
    info->read_fn = spoolbuf_mpv_read_fn;
    info->seek_fn = spoolbuf_mpv_seek_fn;
    info->size_fn = spoolbuf_mpv_size_fn;
    info->close_fn = spoolbuf_mpv_close_fn;
    info->cancel_fn = spoolbuf_mpv_cancel_fn;
    return 0;
}

/**
 * Makes a film from a buffer. Opens nothing yet.
 *
 * @param film    the film to make.
 * @param buffer  the buffer to read.
 * @param options options for its readers, or NULL for the library's defaults and SB_REACH_AUTO.
 */
static inline void spoolbuf_mpv_open_with(spoolbuf_mpv *film, sb_buffer *buffer,
                                          const sb_reader_options *options)
{
    memset(film, 0, sizeof *film);
    film->buffer = buffer;
    sb_reader_options_init(&film->options, sizeof film->options);
    film->options.reach = SB_REACH_AUTO;
    if (options != NULL)
        film->options = *options;
}

/**
 * As spoolbuf_mpv_open_with(), with the default options.
 *
 * @param film   the film to make.
 * @param buffer the buffer to read.
 */
static inline void spoolbuf_mpv_open(spoolbuf_mpv *film, sb_buffer *buffer)
{
    spoolbuf_mpv_open_with(film, buffer, NULL);
}

/* Whether mpv's demuxers may look for an index wherever it is. */
static inline int spoolbuf_mpv_may_look(spoolbuf_mpv *film)
{
    sb_stats facts;

    return spoolbuf_mpv_is_whole(film) || sb_stat(film->buffer, &facts, sizeof facts) < 0 || facts.seekable
        || facts.final_size != SB_SIZE_UNKNOWN;
}

/* Makes a plain loadfile start at once, too. mpv takes the profile of a protocol from a file only; a pipe
 * is one that needs no disk. Without it such a film starts late. */
static inline void spoolbuf_mpv_profile(mpv_handle *mpv, const char *protocol)
{
#ifndef _WIN32
    char text[200], name[40];
    int ends[2], length;

    length = snprintf(text, sizeof text, "[protocol.%s]\ndemuxer-lavf-o-append=fflags=+ignidx\n", protocol);
    if (length >= (int)sizeof text || pipe(ends) < 0)
        return;
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    if (write(ends[1], text, (size_t)length) == length) {
        close(ends[1]);
        snprintf(name, sizeof name, "/dev/fd/%d", ends[0]);
        mpv_load_config_file(mpv, name);
    } else {
        close(ends[1]);
    }
    close(ends[0]);
#else
    (void)mpv;
    (void)protocol;
#endif
}

/**
 * Makes `protocol://` play from the film's buffer.
 *
 * @param mpv      the player.
 * @param protocol the name of the protocol.
 * @param film     the film.
 * @return 0 or an mpv_error.
 */
static inline int spoolbuf_mpv_add(mpv_handle *mpv, const char *protocol, spoolbuf_mpv *film)
{
    int status = mpv_stream_cb_add_ro(mpv, protocol, film, spoolbuf_mpv_open_fn);

    if (status >= 0 && !spoolbuf_mpv_may_look(film))
        spoolbuf_mpv_profile(mpv, protocol);
    return status;
}

/* A string for one of mpv's nodes. */
static inline mpv_node spoolbuf_mpv_text(const char *text)
{
    mpv_node node;

    node.format = MPV_FORMAT_STRING;
    node.u.string = (char *)text;
    return node;
}

/**
 * Plays a URI: loadfile, with the options that suit the source.
 *
 * @param mpv  the player.
 * @param film the film.
 * @param uri  the URI, which is of the film's protocol.
 * @return 0 or an mpv_error.
 */
static inline int spoolbuf_mpv_load(mpv_handle *mpv, spoolbuf_mpv *film, const char *uri)
{
    const char *names[3] = { "name", "url", "options" }, *option = "demuxer-lavf-o-append";
    mpv_node values[3] = { spoolbuf_mpv_text("loadfile"), spoolbuf_mpv_text(uri), { { 0 }, MPV_FORMAT_NONE } };
    mpv_node ignore_index = spoolbuf_mpv_text("fflags=+ignidx"), command, result;
    mpv_node_list per_file = { 1, &ignore_index, (char **)&option };
    mpv_node_list arguments = { 3, values, (char **)names };
    int status;

    /* By name: mpv 0.38 has put another argument before the options. */
    values[2].format = MPV_FORMAT_NODE_MAP;
    values[2].u.list = &per_file;
    if (spoolbuf_mpv_may_look(film))
        arguments.num = 2;
    command.format = MPV_FORMAT_NODE_MAP;
    command.u.list = &arguments;
    status = mpv_command_node(mpv, &command, &result);
    if (status >= 0)
        mpv_free_node_contents(&result);
    return status;
}

/**
 * Tells whether mpv was refused a look ahead since the last loadfile, which may be why it failed. If so, none
 * is refused any more: load the film again.
 *
 * @param film the film.
 * @return 1 if so, otherwise 0. It is reset by the call.
 */
static inline int spoolbuf_mpv_whole(spoolbuf_mpv *film)
{
    return SPOOLBUF_MPV_SWAP(&film->refused, 1, 0) && !SPOOLBUF_MPV_SWAP(&film->whole, 0, 1);
}

/**
 * Tells the first error since the last loadfile. From any thread.
 *
 * @param film the film.
 * @return SB_OK or the library's code. It is also SB_ERR_SHORT once the source has ended before the declared
 *         size. SB_ERR_CANCELED means that mpv itself stopped, unless sb_cancel() was called.
 */
static inline int spoolbuf_mpv_status(spoolbuf_mpv *film)
{
    int status = (int)SPOOLBUF_MPV_SWAP(&film->status, 0, 0);
    sb_stats facts;

    if (status == SB_OK && sb_stat(film->buffer, &facts, sizeof facts) == SB_OK && facts.ended_short)
        return SB_ERR_SHORT;
    return status;
}

/**
 * Closes the film; the buffer stays open. After mpv_terminate_destroy().
 *
 * @param film the film.
 */
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
