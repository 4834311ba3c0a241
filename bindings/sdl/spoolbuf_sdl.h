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
 *   the size             the size if it is a fact, else see below. A declared size may be wrong
 *   a seek, the position cost nothing within the buffered bytes or if the source can seek. Otherwise a
 *                        seek beyond the reach fails
 *   a write              0: read-only
 *   a blocked read       spoolbuf_sdl_cancel(), from any thread, makes it and every later read and seek
 *                        fail, until spoolbuf_sdl_resume()
 *   with a prefetch      (sb_prefetch(), the option `prefetch`) a thread of the library calls the
 *                        source, and a stop takes effect at once
 *   without one          the source is called on the thread that reads, and a stop takes effect when
 *                        the source returns: at once if it is SB_SOURCE_INTERRUPTIBLE. Else only
 *                        sb_cancel() makes it return; that cancels every blocked call, until sb_resume()
 *   threads              data is read on the thread that loads, and for streamed music also on the
 *                        audio thread. SDL_mixer holds its lock while it plays music or loads anything
 *                        but a WAV. A blocked read then holds up everything that it plays and loads, so
 *                        prefetch
 *   lifetime             SDL_RWclose() frees only the SDL_RWops, whoever calls it. Close the position
 *                        after that and before sb_free()
 *
 * spoolbuf_sdl_open() means AUTO: a reach of SB_REACH_AUTO. spoolbuf_sdl_open_with() takes the options
 * of a reader, and so another reach, SB_REACH_WHOLE for example, or a timeout.
 *
 *   a source             whose end is not known, when SDL asks for the size or seeks there
 *   that can seek, with  is sent to the declared end, which proves the size
 *   a size
 *   any other, of a WAV, has a size that is never reached, and zeros there: the sound is played as it
 *    an MP3 or a FLAC    arrives, whether a size is declared or not, and is sought within what is
 *                        buffered. What follows the sound (tags of an MP3, chunks of a WAV) is not seen
 *   any other            is fetched to its end first, by the adapter itself. Ogg and Opus cannot be
 *                        played as they arrive: SDL_mixer seeks to the start before it plays, which
 *                        their decoders do only once they have found the end
 *   with SB_REACH_WHOLE  is always fetched to its end first
 *
 * If loading fails though spoolbuf_sdl_status() is SB_OK, try it with the whole:
 *
 *     sb_reader_options whole;
 *     sb_reader_options_init(&whole, sizeof whole);         (its reach is SB_REACH_WHOLE)
 *     spoolbuf_sdl_close(&io);
 *     file = spoolbuf_sdl_open_with(&io, buffer, &whole);
 *     music = Mix_LoadMUS_RW(file, 1);
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

/** One player's position in a buffer. It must not be moved in memory while it is open. */
typedef struct spoolbuf_sdl {
    sb_reader *reader;
    sb_reader *finder;   /* finds the end, whatever the reach is */
    int whole;           /* the end may be found first, whatever that costs */
    int endless;         /* the size was said to be without an end */
    int64_t beyond;      /* the position, if no bytes can be read there; else -1 */
    SDL_atomic_t status; /* set on the thread that reads, possibly the audio thread */
    SDL_atomic_t stopped;
} spoolbuf_sdl;

/* The size of a stream whose end is not known. A decoder that is told of none gives up. */
#define SPOOLBUF_SDL_ENDLESS (INT64_C(1) << 60)

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
    if ((sb_reader_error(self->reader, &error) != SB_OK || error.status != result)
        && (sb_reader_error(self->finder, &error) != SB_OK || error.status != result))
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

/* Whether the decoders of this resource play it although nothing is found at its end: those of MP3, FLAC
 * and WAV do. Those of Ogg take what they can reach for everything. */
static inline int spoolbuf_sdl_is_stream(sb_buffer *buffer)
{
    unsigned char magic[12] = { 0 };

    if (sb_read_some(buffer, 0, sizeof magic, magic, 0) != sizeof magic)
        return 0;
    return SDL_memcmp(magic, "ID3", 3) == 0 || SDL_memcmp(magic, "fLaC", 4) == 0
        || (magic[0] == 0xff && magic[1] >= 0xe0)
        || (SDL_memcmp(magic, "RIFF", 4) == 0 && SDL_memcmp(magic + 8, "WAVE", 4) == 0);
}

/* The size if it is a fact, or becomes one by a seek of the source, or if nothing else will do; else
 * SPOOLBUF_SDL_ENDLESS, or an error. */
static inline int64_t spoolbuf_sdl_find_size(spoolbuf_sdl *self)
{
    sb_buffer *buffer = sb_reader_buffer(self->reader);
    int64_t size = sb_known_size(buffer);
    sb_stats facts;

    /* The size must not change in the middle of a file: a decoder compares the results. */
    if (self->endless)
        return SPOOLBUF_SDL_ENDLESS;
    if (size == SB_ERR_UNKNOWN_SIZE && sb_stat(buffer, &facts, sizeof facts) == SB_OK) {
        if (!self->whole && !(facts.seekable && sb_size(buffer) >= 0) && spoolbuf_sdl_is_stream(buffer)) {
            self->endless = 1;
            return SPOOLBUF_SDL_ENDLESS;
        }
        size = SDL_AtomicGet(&self->stopped) ? (int64_t)SB_ERR_CANCELED : sb_reader_find_size(self->finder);
    }
    spoolbuf_sdl_note(self, size);
    return size;
}

static inline Sint64 SDLCALL spoolbuf_sdl_size(SDL_RWops *file)
{
    spoolbuf_sdl *self = spoolbuf_sdl_of(file);

    return spoolbuf_sdl_settle(self, spoolbuf_sdl_find_size(self));
}

/* Moves to where no bytes can be read: at an end that is not known, or past the sound of a WAV. */
static inline int64_t spoolbuf_sdl_leave(spoolbuf_sdl *self, int64_t place)
{
    self->beyond = place;
    return place;
}

/* Moves relative to the position, which a decoder does to look at what follows the sound. */
static inline int64_t spoolbuf_sdl_skip(spoolbuf_sdl *self, Sint64 offset)
{
    int64_t from = self->beyond >= 0 ? self->beyond : sb_reader_seek(self->reader, 0, SB_SEEK_CUR);
    int64_t place = SB_ERR_UNSUPPORTED;

    if (from < 0)
        return from;
    if (offset > INT64_MAX - from)
        return SB_ERR_INVALID;
    /* From where no bytes can be read, back to where they can. */
    if (!self->endless || from + offset < SPOOLBUF_SDL_ENDLESS / 2)
        place = sb_reader_seek(self->reader, from + offset, SB_SEEK_SET);
    if (place >= 0)
        self->beyond = -1;
    if (place != SB_ERR_UNSUPPORTED || !spoolbuf_sdl_is_stream(sb_reader_buffer(self->reader)))
        return place;
    return spoolbuf_sdl_leave(self, from + offset);
}

static inline Sint64 SDLCALL spoolbuf_sdl_seek(SDL_RWops *file, Sint64 offset, int whence)
{
    spoolbuf_sdl *self = spoolbuf_sdl_of(file);
    int64_t size = whence == RW_SEEK_END ? spoolbuf_sdl_find_size(self) : 0, place;

    /* libvorbis, which knows no error of a read, would look for the last page forever. */
    if (SDL_AtomicGet(&self->stopped)) {
        /* SDL may begin with a seek, and give up. */
        spoolbuf_sdl_note(self, SB_ERR_CANCELED);
        return spoolbuf_sdl_settle(self, SB_ERR_CANCELED);
    }
    if (whence == RW_SEEK_CUR)
        return spoolbuf_sdl_settle(self, spoolbuf_sdl_skip(self, offset));
    if (offset >= SPOOLBUF_SDL_ENDLESS / 2 && spoolbuf_sdl_find_size(self) == SPOOLBUF_SDL_ENDLESS)
        return spoolbuf_sdl_leave(self, offset);
    if (size == SPOOLBUF_SDL_ENDLESS)
        return spoolbuf_sdl_leave(self, size + offset);
    place = size < 0 ? size : sb_reader_seek(self->reader, offset, whence);
    if (place >= 0)
        self->beyond = -1;
    /* A decoder that goes on after an error must not hide it. */
    if (place < 0 && SDL_AtomicGet(&self->status) != SB_OK)
        place = SDL_AtomicGet(&self->status);
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
    if (self->beyond >= 0) {
        /* Neither a tag nor a chunk. */
        SDL_memset(out, 0, wanted);
        self->beyond += (int64_t)wanted;
        return objects;
    }
    while (done < wanted) {
        size_t left = wanted - done;
        /* Buffered bytes would hide the cancel. */
        if (SDL_AtomicGet(&self->stopped))
            count = SB_ERR_CANCELED;
        else
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

/* Creates the readers. */
static inline int spoolbuf_sdl_readers(spoolbuf_sdl *self, sb_buffer *buffer,
                                       const sb_reader_options *options)
{
    sb_reader_options own;
    int status;

    sb_reader_options_init(&own, sizeof own);
    own.reach = SB_REACH_AUTO;
    if (options != NULL)
        SDL_memcpy(&own, options,
                   options->struct_size < sizeof own ? options->struct_size : sizeof own);
    self->whole = own.reach == SB_REACH_WHOLE;
    self->endless = 0;
    self->finder = NULL;
    status = sb_reader_new_with(buffer, &own, &self->reader);
    if (status < 0)
        return status;
    own.reach = SB_REACH_WHOLE;
    status = sb_reader_new_with(buffer, &own, &self->finder);
    if (status < 0)
        sb_reader_free(self->reader);
    return status;
}

/**
 * Opens a position in a buffer.
 *
 * @param self    the position to open.
 * @param buffer  the buffer to read.
 * @param options the options of a reader, or NULL for AUTO.
 * @return the SDL_RWops; or NULL, and SDL_GetError() says why.
 */
static inline SDL_RWops *spoolbuf_sdl_open_with(spoolbuf_sdl *self, sb_buffer *buffer,
                                                const sb_reader_options *options)
{
    SDL_RWops *file;
    int status;

    SDL_AtomicSet(&self->status, SB_OK);
    SDL_AtomicSet(&self->stopped, 0);
    self->beyond = -1;
    status = spoolbuf_sdl_readers(self, buffer, options);
    if (status < 0) {
        SDL_SetError("%s", sb_strerror(status));
        return NULL;
    }
    file = SDL_AllocRW();
    if (file == NULL) {
        sb_reader_free(self->reader);
        sb_reader_free(self->finder);
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

/**
 * As spoolbuf_sdl_open_with(), with AUTO.
 *
 * @param self   the position to open.
 * @param buffer the buffer to read.
 * @return the SDL_RWops; or NULL, and SDL_GetError() says why.
 */
static inline SDL_RWops *spoolbuf_sdl_open(spoolbuf_sdl *self, sb_buffer *buffer)
{
    return spoolbuf_sdl_open_with(self, buffer, NULL);
}

/**
 * Makes the blocked read, and every later one, fail. From any thread.
 *
 * @param self the position.
 */
static inline void spoolbuf_sdl_cancel(spoolbuf_sdl *self)
{
    SDL_AtomicSet(&self->stopped, 1);
    sb_reader_cancel(self->reader);
    sb_reader_cancel(self->finder);
}

/**
 * Lets it go on. Not while a read is running.
 *
 * @param self the position.
 */
static inline void spoolbuf_sdl_resume(spoolbuf_sdl *self)
{
    SDL_AtomicSet(&self->status, SB_OK);
    SDL_AtomicSet(&self->stopped, 0);
    sb_reader_resume(self->reader);
    sb_reader_resume(self->finder);
}

/**
 * Tells the first error since the opening or the last resume. From any thread.
 *
 * @param self the position.
 * @return SB_OK or the library's code. It is also SB_ERR_SHORT once the source has ended before the declared
 *         size.
 */
static inline int spoolbuf_sdl_status(spoolbuf_sdl *self)
{
    int status = SDL_AtomicGet(&self->status);
    sb_stats facts;

    if (status == SB_OK && sb_stat(sb_reader_buffer(self->reader), &facts, sizeof facts) == SB_OK
        && facts.ended_short)
        return SB_ERR_SHORT;
    return status;
}

/**
 * Closes the position; the buffer stays open. After the SDL_RWops is closed.
 *
 * @param self the position.
 */
static inline void spoolbuf_sdl_close(spoolbuf_sdl *self)
{
    sb_reader_free(self->reader);
    sb_reader_free(self->finder);
    self->reader = self->finder = NULL;
}

#ifdef __cplusplus
}
#endif

#endif
