/*
 * spoolbuf_sdl.h - SDL 2 reads from a buffer: an SDL_RWops over a place in it.
 *
 *     spoolbuf_sdl io;
 *     SDL_RWops *file = spoolbuf_sdl_open(&io, buffer);
 *     Mix_Music *music = Mix_LoadMUS_RW(file, 1);          (1: closes the SDL_RWops)
 *     ...
 *     Mix_FreeMusic(music);
 *     spoolbuf_sdl_close(&io);
 *
 *   SDL asks             it gets
 *   objects              as many whole ones as there are: it waits for all, since SDL takes fewer for
 *                        the end
 *   the end              0, or fewer
 *   an end that is       before the declared size: the end, or with SB_SHORT_ERROR an error; the status
 *   too early            is SB_ERR_SHORT in both cases
 *   an error             fewer, or 0, and SDL_GetError() is sb_strerror()'s; most of what sits on SDL
 *                        makes an ordinary end or an error of its own of it: spoolbuf_sdl_status()
 *                        has the library's code. To go on: sb_retry(), spoolbuf_sdl_resume(), and
 *                        load it again, from the SDL_RWops after a seek to its start
 *   the size             the final one, else the declared one, else -1
 *   a seek, the place    cost nothing, whatever the source can. From an end that is not known the source
 *                        is read to it first: opusfile does not look whether that went well, and would
 *                        take what has come for all there is
 *   a write              0, read only
 *   a blocked read       spoolbuf_sdl_stop(), from any thread, makes it and all that would wait
 *                        fail, until spoolbuf_sdl_resume()
 *   with a prefetch      (sb_prefetch(), the option `prefetch`) the library calls the source on a
 *                        thread of its own, and a stop is at once
 *   without one          the source is called on the thread that reads, and a stop waits until it
 *                        returns. Only sb_cancel() asks it to, and stops all that wait on the buffer,
 *                        until sb_resume()
 *   who calls            the thread that loads; music that is played as it comes also the audio
 *                        thread. SDL_mixer holds its lock while it plays music or loads anything but
 *                        a WAV: a blocked read holds up all that it plays and loads, so prefetch
 *   lifetime             SDL_RWclose(), by whoever it is, frees the SDL_RWops only; close the place
 *                        after that, before sb_free()
 *
 * SDL 2.0 or newer (SDL 3 has another interface). C99 and C++. One file to copy: what it has in
 * common with the other adapters it repeats.
 */
#ifndef SPOOLBUF_SDL_H
#define SPOOLBUF_SDL_H

#include <SDL.h>

#include "spoolbuf.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One player's place in a buffer. Stays where it is in memory while it is open. */
typedef struct spoolbuf_sdl {
    sb_buffer *buffer;
    sb_reader *reader;
    SDL_atomic_t status; /* set on the thread that reads, which may be the audio thread */
} spoolbuf_sdl;

static inline spoolbuf_sdl *spoolbuf_sdl_of(SDL_RWops *file)
{
    return (spoolbuf_sdl *)file->hidden.unknown.data1;
}

/* The result as SDL knows it. */
static inline Sint64 spoolbuf_sdl_settle(int64_t result)
{
    if (result >= 0)
        return result;
    return SDL_SetError("%s", sb_strerror((int)result));
}

/* Keeps the first error. */
static inline void spoolbuf_sdl_note(spoolbuf_sdl *self, int64_t result)
{
    if (result < 0)
        SDL_AtomicCAS(&self->status, SB_OK, (int)result);
}

static inline Sint64 SDLCALL spoolbuf_sdl_size(SDL_RWops *file)
{
    return spoolbuf_sdl_settle(sb_size(spoolbuf_sdl_of(file)->buffer));
}

/* Reads on to the end, so that the size is known; the place is kept. Returns SB_OK or an sb_status. */
static inline int64_t spoolbuf_sdl_find_end(spoolbuf_sdl *self)
{
    int64_t place = sb_reader_seek(self->reader, 0, SB_SEEK_CUR), at = 0, count, held;
    char bytes[4096];

    do {
        held = sb_buffered(self->buffer, (uint64_t)at);
        at += held > 0 ? held : 0;
        sb_reader_seek(self->reader, at, SB_SEEK_SET);
        count = sb_reader_read(self->reader, sizeof bytes, bytes);
        at += count > 0 ? count : 0;
    } while (count > 0);
    sb_reader_seek(self->reader, place, SB_SEEK_SET);
    spoolbuf_sdl_note(self, count);
    return count;
}

static inline Sint64 SDLCALL spoolbuf_sdl_seek(SDL_RWops *file, Sint64 offset, int whence)
{
    spoolbuf_sdl *self = spoolbuf_sdl_of(file);
    int64_t place = sb_reader_seek(self->reader, offset, whence);

    if (place == SB_ERR_UNKNOWN) {
        place = spoolbuf_sdl_find_end(self);
        if (place >= 0)
            place = sb_reader_seek(self->reader, offset, whence);
    }
    return spoolbuf_sdl_settle(place);
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
            spoolbuf_sdl_settle(count);
        }
        if (count <= 0)
            break;
        done += (size_t)count;
    }
    /* The part of an object that there is no whole of is to be read again. */
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
    spoolbuf_sdl_settle(SB_ERR_UNSUPPORTED);
    return 0;
}

static inline int SDLCALL spoolbuf_sdl_close_file(SDL_RWops *file)
{
    SDL_FreeRW(file);
    return 0;
}

/* Opens a place in a buffer. NULL, and SDL_GetError(), if it can't be had. */
static inline SDL_RWops *spoolbuf_sdl_open(spoolbuf_sdl *self, sb_buffer *buffer)
{
    SDL_RWops *file;

    self->buffer = buffer;
    SDL_AtomicSet(&self->status, SB_OK);
    self->reader = sb_reader_new(buffer);
    if (self->reader == NULL) {
        spoolbuf_sdl_settle(sb_buffered(buffer, 0) < 0 ? SB_ERR_INVALID : SB_ERR_NO_MEMORY);
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

/* Makes the waiting read, and those that would wait, fail. From any thread. */
static inline void spoolbuf_sdl_stop(spoolbuf_sdl *self)
{
    sb_reader_cancel(self->reader);
}

/* Lets it go on; not while a read runs. */
static inline void spoolbuf_sdl_resume(spoolbuf_sdl *self)
{
    SDL_AtomicSet(&self->status, SB_OK);
    sb_reader_resume(self->reader);
}

/* What went wrong first since the opening, or since resume: SB_OK or the library's code; SB_ERR_SHORT
 * also once the source has ended before the declared size. From any thread. */
static inline int spoolbuf_sdl_status(spoolbuf_sdl *self)
{
    int status = SDL_AtomicGet(&self->status);
    sb_stats facts;

    if (status == SB_OK && sb_stat(self->buffer, &facts, sizeof facts) == SB_OK && facts.ended_short)
        return SB_ERR_SHORT;
    return status;
}

/* Closes the place; the buffer stays. After the SDL_RWops is closed. */
static inline void spoolbuf_sdl_close(spoolbuf_sdl *self)
{
    sb_reader_free(self->reader);
    self->reader = NULL;
}

#ifdef __cplusplus
}
#endif

#endif
