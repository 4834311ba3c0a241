/*
 * spoolbuf_sdl3.h - SDL 3 reads from a buffer: an SDL_IOStream over a position in it.
 *
 *     spoolbuf_sdl3 io;
 *     SDL_IOStream *file = spoolbuf_sdl3_open(&io, buffer);
 *     SDL_LoadWAV_IO(file, true, &spec, &bytes, &length);  (true: closes the SDL_IOStream)
 *     ...
 *     spoolbuf_sdl3_close(&io);
 *
 *   SDL requests         result
 *   bytes                as many as it asks for. The read blocks until they have arrived, since SDL's
 *                        loaders take fewer for the end
 *   the end              fewer, or 0, with SDL_IO_STATUS_EOF
 *   an end too early     before the declared size: it is the end, or with SB_SHORT_ERROR an error.
 *                        spoolbuf_sdl3_status() is SB_ERR_SHORT in both cases
 *   an error             fewer, or 0, with SDL_IO_STATUS_ERROR, and SDL_GetError() has the text of
 *                        sb_error_text(). Most loaders turn it into an error of their own.
 *                        spoolbuf_sdl3_status() returns the library's code. To go on: sb_retry(),
 *                        spoolbuf_sdl3_resume(), seek the SDL_IOStream to its start, and load it again
 *   no bytes yet         only with options, for code that handles it: with a timeout (0 never blocks) or
 *                        SB_READER_BUFFERED, a read returns the bytes that are there, fewer than
 *                        requested or 0, with SDL_IO_STATUS_NOT_READY. That is not an error. The
 *                        timeout counts from the last byte
 *   the size             the size if it is a fact, else see below. A declared size may be wrong
 *   a seek, the position cost nothing within the buffered bytes or if the source can seek. Otherwise a
 *                        seek beyond the reach fails
 *   a write              SDL_IO_STATUS_READONLY. A flush has nothing to do
 *   a blocked read       spoolbuf_sdl3_cancel(), from any thread, makes it and every later read and
 *                        seek fail, until spoolbuf_sdl3_resume()
 *   with a prefetch      (sb_prefetch(), the option `prefetch`) or a timeout, a thread of the library
 *                        calls the source, and a stop takes effect at once
 *   without one          the source is called on the thread that reads, and a stop takes effect when
 *                        the source returns: at once if it is SB_SOURCE_INTERRUPTIBLE. Else only
 *                        sb_cancel() makes it return; that cancels every blocked call, until sb_resume()
 *   lifetime             SDL_CloseIO() frees only the SDL_IOStream, whoever calls it. Close the position
 *                        after that and before sb_free()
 *
 * spoolbuf_sdl3_open() means AUTO: a reach of SB_REACH_AUTO. spoolbuf_sdl3_open_with() takes the options
 * of a reader, and so another reach, SB_REACH_WHOLE for example, or a timeout.
 *
 *   a source             whose end is not known, when SDL asks for the size or seeks there
 *   that can seek, with  is sent to the declared end, which proves the size
 *   a size
 *   any other            has no size (-1), whether one is declared or not, and a seek from its end fails.
 *                        SDL loads a WAV as it arrives then
 *   with SB_REACH_WHOLE  is fetched to its end first
 *
 * If loading fails though spoolbuf_sdl3_status() is SB_OK, try it with the whole:
 *
 *     sb_reader_options whole;
 *     sb_reader_options_init(&whole, sizeof whole);         (its reach is SB_REACH_WHOLE)
 *     spoolbuf_sdl3_close(&io);
 *     file = spoolbuf_sdl3_open_with(&io, buffer, &whole);
 *     SDL_LoadWAV_IO(file, true, &spec, &bytes, &length);
 *
 * SDL 3.2 or newer; spoolbuf_sdl.h is for SDL 2. C99 and C++. The header is self-contained: what it has
 * in common with the other adapters is repeated.
 */
#ifndef SPOOLBUF_SDL3_H
#define SPOOLBUF_SDL3_H

#include <SDL3/SDL.h>

#include "spoolbuf.h"

#ifdef __cplusplus
extern "C" {
#endif

/** One player's position in a buffer. It must not be moved in memory while it is open. */
typedef struct spoolbuf_sdl3 {
    sb_reader *reader;
    int whole;            /* the end may be found first, whatever that costs */
    SDL_AtomicInt status; /* set on the thread that reads */
    SDL_AtomicInt stopped;
} spoolbuf_sdl3;

/* SDL's error is why the reader's call failed. */
static inline void spoolbuf_sdl3_explain(spoolbuf_sdl3 *self, int64_t result)
{
    char path[1024], text[1536];
    sb_error error;

    sb_error_init(&error, sizeof error);
    error.path = path;
    error.path_cap = sizeof path;
    if (sb_reader_error(self->reader, &error) == SB_OK && error.status == result
        && sb_error_text(&error, text, sizeof text) >= 0)
        SDL_SetError("%s", text);
    else
        SDL_SetError("%s", sb_strerror(result));
}

/* The result in the form that SDL expects. */
static inline Sint64 spoolbuf_sdl3_settle(spoolbuf_sdl3 *self, int64_t result)
{
    if (result >= 0)
        return result;
    spoolbuf_sdl3_explain(self, result);
    return -1;
}

/* Keeps the first error. That no bytes have arrived yet is none. */
static inline void spoolbuf_sdl3_note(spoolbuf_sdl3 *self, int64_t result)
{
    if (result < 0 && result != SB_ERR_TIMEOUT)
        SDL_CompareAndSwapAtomicInt(&self->status, SB_OK, (int)result);
}

/* The size if it is a fact, or becomes one at the cost of a seek of the source. */
static inline int64_t spoolbuf_sdl3_find_size(spoolbuf_sdl3 *self)
{
    sb_buffer *buffer = sb_reader_buffer(self->reader);
    int64_t size = sb_known_size(buffer);
    sb_stats facts;

    if (size != SB_ERR_UNKNOWN_SIZE)
        return size;
    if (self->whole
        || (sb_stat(buffer, &facts, sizeof facts) == SB_OK && facts.seekable && sb_size(buffer) >= 0)) {
        size = SDL_GetAtomicInt(&self->stopped) ? (int64_t)SB_ERR_CANCELED : sb_reader_find_size(self->reader);
        /* A source may turn out to be unable to seek. */
        if (size != SB_ERR_UNSUPPORTED)
            spoolbuf_sdl3_note(self, size);
    }
    return size;
}

static inline Sint64 SDLCALL spoolbuf_sdl3_size(void *opaque)
{
    spoolbuf_sdl3 *self = (spoolbuf_sdl3 *)opaque;

    return spoolbuf_sdl3_settle(self, spoolbuf_sdl3_find_size(self));
}

static inline Sint64 SDLCALL spoolbuf_sdl3_seek(void *opaque, Sint64 offset, SDL_IOWhence whence)
{
    spoolbuf_sdl3 *self = (spoolbuf_sdl3 *)opaque;
    int64_t size = whence == SDL_IO_SEEK_END ? spoolbuf_sdl3_find_size(self) : 0;

    if (SDL_GetAtomicInt(&self->stopped)) {
        size = SB_ERR_CANCELED;
        /* SDL may begin with a seek, and give up. */
        spoolbuf_sdl3_note(self, size);
    }
    /* The declared size is not the end. */
    return spoolbuf_sdl3_settle(self, size < 0 ? size : sb_reader_seek(self->reader, offset, (int)whence));
}

static inline size_t SDLCALL spoolbuf_sdl3_read(void *opaque, void *out, size_t size,
                                                SDL_IOStatus *status)
{
    spoolbuf_sdl3 *self = (spoolbuf_sdl3 *)opaque;
    size_t done = 0;
    int64_t count;

    while (done < size) {
        size_t left = size - done;
        /* Buffered bytes would hide the cancel. */
        if (SDL_GetAtomicInt(&self->stopped))
            count = SB_ERR_CANCELED;
        else
            count = sb_reader_read(self->reader, left > SIZE_MAX / 2 ? SIZE_MAX / 2 : left,
                                   (char *)out + done);
        if (count <= 0) {
            *status = count == 0               ? SDL_IO_STATUS_EOF
                : count == SB_ERR_TIMEOUT ? SDL_IO_STATUS_NOT_READY
                                          : SDL_IO_STATUS_ERROR;
            spoolbuf_sdl3_note(self, count);
            if (*status == SDL_IO_STATUS_ERROR)
                spoolbuf_sdl3_explain(self, count);
            break;
        }
        done += (size_t)count;
    }
    return done;
}

/**
 * Opens a position in a buffer.
 *
 * @param self    the position to open.
 * @param buffer  the buffer to read.
 * @param options the options of a reader, or NULL for AUTO.
 * @return the SDL_IOStream; or NULL, and SDL_GetError() says why.
 */
static inline SDL_IOStream *spoolbuf_sdl3_open_with(spoolbuf_sdl3 *self, sb_buffer *buffer,
                                                    const sb_reader_options *options)
{
    SDL_IOStreamInterface interface_of_reader;
    sb_reader_options own;
    SDL_IOStream *file;
    int result;

    SDL_SetAtomicInt(&self->status, SB_OK);
    SDL_SetAtomicInt(&self->stopped, 0);
    sb_reader_options_init(&own, sizeof own);
    own.reach = SB_REACH_AUTO;
    if (options == NULL)
        options = &own;
    self->whole = options->reach == SB_REACH_WHOLE;
    result = sb_reader_new_with(buffer, options, &self->reader);
    if (result != SB_OK) {
        SDL_SetError("%s", sb_strerror(result));
        return NULL;
    }
    /* Without a `write`, SDL reports that the stream is read-only. */
    SDL_INIT_INTERFACE(&interface_of_reader);
    interface_of_reader.size = spoolbuf_sdl3_size;
    interface_of_reader.seek = spoolbuf_sdl3_seek;
    interface_of_reader.read = spoolbuf_sdl3_read;
    file = SDL_OpenIO(&interface_of_reader, self);
    if (file == NULL) {
        sb_reader_free(self->reader);
        self->reader = NULL;
    }
    return file;
}

/**
 * As spoolbuf_sdl3_open_with(), with AUTO.
 *
 * @param self   the position to open.
 * @param buffer the buffer to read.
 * @return the SDL_IOStream; or NULL, and SDL_GetError() says why.
 */
static inline SDL_IOStream *spoolbuf_sdl3_open(spoolbuf_sdl3 *self, sb_buffer *buffer)
{
    return spoolbuf_sdl3_open_with(self, buffer, NULL);
}

/**
 * Makes the blocked read, and every later one, fail. From any thread.
 *
 * @param self the position.
 */
static inline void spoolbuf_sdl3_cancel(spoolbuf_sdl3 *self)
{
    SDL_SetAtomicInt(&self->stopped, 1);
    sb_reader_cancel(self->reader);
}

/**
 * Lets it go on. Not while a read is running.
 *
 * @param self the position.
 */
static inline void spoolbuf_sdl3_resume(spoolbuf_sdl3 *self)
{
    SDL_SetAtomicInt(&self->status, SB_OK);
    SDL_SetAtomicInt(&self->stopped, 0);
    sb_reader_resume(self->reader);
}

/**
 * Tells the first error since the opening or the last resume. From any thread.
 *
 * @param self the position.
 * @return SB_OK or the library's code. It is also SB_ERR_SHORT once the source has ended before the declared
 *         size.
 */
static inline int spoolbuf_sdl3_status(spoolbuf_sdl3 *self)
{
    int status = SDL_GetAtomicInt(&self->status);
    sb_stats facts;

    if (status == SB_OK && sb_stat(sb_reader_buffer(self->reader), &facts, sizeof facts) == SB_OK
        && facts.ended_short)
        return SB_ERR_SHORT;
    return status;
}

/**
 * Closes the position; the buffer stays open. After the SDL_IOStream is closed.
 *
 * @param self the position.
 */
static inline void spoolbuf_sdl3_close(spoolbuf_sdl3 *self)
{
    sb_reader_free(self->reader);
    self->reader = NULL;
}

#ifdef __cplusplus
}
#endif

#endif
