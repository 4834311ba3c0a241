/*
 * spoolbuf_sdl.h - SDL 2 reads from a buffer: an SDL_RWops over a position in it.
 *
 *     spoolbuf_sdl io;
 *     SDL_RWops *file = spoolbuf_sdl_open(&io, buffer);
 *     Mix_Music *music = Mix_LoadMUS_RW(file, 1);          (1: closes the SDL_RWops)
 *     ...
 *     Mix_FreeMusic(music);
 *     spoolbuf_sdl_close(&io);
 *
 *   SDL requests         result
 *   objects              as many whole ones as it asks for. The read blocks until they have arrived,
 *                        since SDL takes fewer for the end
 *   the end              0, or fewer
 *   an end too early     before the declared size: it is the end, or with SB_SHORT_ERROR an error.
 *                        spoolbuf_sdl_status() is SB_ERR_SHORT in both cases
 *   an error             fewer, or 0, and SDL_GetError() has the text of sb_error_text(). Most code on
 *                        top of SDL turns it into an ordinary end or an error of its own.
 *                        spoolbuf_sdl_status() returns the library's code. To go on: sb_retry(),
 *                        spoolbuf_sdl_resume(), seek the SDL_RWops to its start, and load it again
 *   the size             the final size, else the declared size, else -1
 *   a seek, the position cost nothing, whatever the source can do. For a seek from an unknown end the
 *                        size is found first (sb_reader_find_size()): opusfile ignores a failure of
 *                        that seek, and would take the bytes received so far for everything
 *   a write              0: read-only
 *   a blocked read       spoolbuf_sdl_cancel(), from any thread, makes it and every read that would block
 *                        fail, until spoolbuf_sdl_resume()
 *   with a prefetch      (sb_prefetch(), the option `prefetch`) a thread of the library calls the
 *                        source, and a stop takes effect at once
 *   without one          the source is called on the thread that reads, and a stop takes effect when
 *                        the source returns. Only sb_cancel() makes the source return; it cancels every
 *                        blocked call on the buffer, until sb_resume()
 *   threads              data is read on the thread that loads, and for streamed music also on the
 *                        audio thread. SDL_mixer holds its lock while it plays music or loads anything
 *                        but a WAV. A blocked read then holds up everything that it plays and loads, so
 *                        prefetch
 *   lifetime             SDL_RWclose() frees only the SDL_RWops, whoever calls it. Close the position
 *                        after that and before sb_free()
 *
 * SDL 2.0 or newer; spoolbuf_sdl3.h is for SDL 3. C99 and C++. The header is self-contained: what it
 * has in common with the other adapters is repeated.
 */
#ifndef SPOOLBUF_SDL_H
#define SPOOLBUF_SDL_H

#include <SDL.h>

#include "spoolbuf.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One player's position in a buffer. It must not be moved in memory while it is open. */
typedef struct spoolbuf_sdl {
    sb_reader *reader;
    SDL_atomic_t status; /* set on the thread that reads, possibly the audio thread */
} spoolbuf_sdl;

static inline spoolbuf_sdl *spoolbuf_sdl_of(SDL_RWops *file)
{
    return (spoolbuf_sdl *)file->hidden.unknown.data1;
}

/* The result in the form that SDL expects. SDL's error is why the reader's call failed. */
static inline Sint64 spoolbuf_sdl_settle(spoolbuf_sdl *self, int64_t result)
{
    char path[1024], text[1536];
    sb_error error;

    if (result >= 0)
        return result;
    sb_error_init(&error, sizeof error);
    error.path = path;
    error.path_cap = sizeof path;
    if (sb_reader_error(self->reader, &error) != SB_OK || error.status != result)
        return SDL_SetError("%s", sb_strerror(result));
    sb_error_text(&error, text, sizeof text);
    return SDL_SetError("%s", text);
}

/* Keeps the first error. */
static inline void spoolbuf_sdl_note(spoolbuf_sdl *self, int64_t result)
{
    if (result < 0)
        SDL_AtomicCAS(&self->status, SB_OK, (int)result);
}

static inline Sint64 SDLCALL spoolbuf_sdl_size(SDL_RWops *file)
{
    spoolbuf_sdl *self = spoolbuf_sdl_of(file);

    return spoolbuf_sdl_settle(self, sb_size(sb_reader_buffer(self->reader)));
}

static inline Sint64 SDLCALL spoolbuf_sdl_seek(SDL_RWops *file, Sint64 offset, int whence)
{
    spoolbuf_sdl *self = spoolbuf_sdl_of(file);
    int64_t place = sb_reader_seek(self->reader, offset, whence);

    if (place == SB_ERR_UNKNOWN_SIZE) {
        place = sb_reader_find_size(self->reader);
        spoolbuf_sdl_note(self, place);
        if (place >= 0)
            place = sb_reader_seek(self->reader, offset, whence);
    }
    return spoolbuf_sdl_settle(self, place);
}

static inline size_t SDLCALL spoolbuf_sdl_read(SDL_RWops *file, void *out, size_t size,
                                               size_t objects)
{
    spoolbuf_sdl *self = spoolbuf_sdl_of(file);
    size_t wanted, done = 0;
    int64_t count;

    if (size == 0 || objects > SIZE_MAX / size)
        return 0;
    wanted = size * objects;
    while (done < wanted) {
        size_t left = wanted - done;
        count = sb_reader_read(self->reader, left > SIZE_MAX / 2 ? SIZE_MAX / 2 : left,
                               (char *)out + done);
        if (count < 0) {
            spoolbuf_sdl_note(self, count);
            spoolbuf_sdl_settle(self, count);
        }
        if (count <= 0)
            break;
        done += (size_t)count;
    }
    /* The bytes of an incomplete object must be read again. */
    if (done % size != 0)
        sb_reader_seek(self->reader, -(int64_t)(done % size), SB_SEEK_CUR);
    return done / size;
}

static inline size_t SDLCALL spoolbuf_sdl_write(SDL_RWops *file, const void *bytes, size_t size,
                                                size_t objects)
{
    (void)file;
    (void)bytes;
    (void)size;
    (void)objects;
    SDL_SetError("%s", sb_strerror(SB_ERR_UNSUPPORTED));
    return 0;
}

static inline int SDLCALL spoolbuf_sdl_close_file(SDL_RWops *file)
{
    SDL_FreeRW(file);
    return 0;
}

/* Opens a position in a buffer. On an error returns NULL and sets SDL_GetError(). */
static inline SDL_RWops *spoolbuf_sdl_open(spoolbuf_sdl *self, sb_buffer *buffer)
{
    SDL_RWops *file;

    SDL_AtomicSet(&self->status, SB_OK);
    self->reader = sb_reader_new(buffer);
    if (self->reader == NULL) {
        spoolbuf_sdl_settle(self, sb_buffered(buffer, 0) < 0 ? SB_ERR_INVALID : SB_ERR_NO_MEMORY);
        return NULL;
    }
    file = SDL_AllocRW();
    if (file == NULL) {
        sb_reader_free(self->reader);
        return NULL;
    }
    file->type = SDL_RWOPS_UNKNOWN;
    file->size = spoolbuf_sdl_size;
    file->seek = spoolbuf_sdl_seek;
    file->read = spoolbuf_sdl_read;
    file->write = spoolbuf_sdl_write;
    file->close = spoolbuf_sdl_close_file;
    file->hidden.unknown.data1 = self;
    return file;
}

/* Makes the blocked read, and those that would block, fail. From any thread. */
static inline void spoolbuf_sdl_cancel(spoolbuf_sdl *self)
{
    sb_reader_cancel(self->reader);
}

/* Lets it go on. Not while a read is running. */
static inline void spoolbuf_sdl_resume(spoolbuf_sdl *self)
{
    SDL_AtomicSet(&self->status, SB_OK);
    sb_reader_resume(self->reader);
}

/* The first error since the opening or the last resume: SB_OK or the library's code. It is also
 * SB_ERR_SHORT once the source has ended before the declared size. From any thread. */
static inline int spoolbuf_sdl_status(spoolbuf_sdl *self)
{
    int status = SDL_AtomicGet(&self->status);
    sb_stats facts;

    if (status == SB_OK && sb_stat(sb_reader_buffer(self->reader), &facts, sizeof facts) == SB_OK
        && facts.ended_short)
        return SB_ERR_SHORT;
    return status;
}

/* Closes the position; the buffer stays open. After the SDL_RWops is closed. */
static inline void spoolbuf_sdl_close(spoolbuf_sdl *self)
{
    sb_reader_free(self->reader);
    self->reader = NULL;
}

#ifdef __cplusplus
}
#endif

#endif
