/*
 * spoolbuf_miniaudio.h - miniaudio and the dr_libs (dr_wav, dr_flac, dr_mp3) read from a buffer.
 *
 *     #include "miniaudio.h"
 *     #include "spoolbuf_miniaudio.h"
 *
 *     spoolbuf_miniaudio io;
 *     if (spoolbuf_miniaudio_open(&io, buffer) < 0) ...
 *     ma_decoder_init(spoolbuf_miniaudio_read, spoolbuf_miniaudio_seek, &io, NULL, &decoder);
 *     ...
 *     ma_decoder_uninit(&decoder);
 *     spoolbuf_miniaudio_close(&io);
 *
 * A dr_lib alone, included before this file: SPOOLBUF_DR(drflac, DRFLAC) defines
 * spoolbuf_drflac_read, spoolbuf_drflac_seek and spoolbuf_drflac_tell for its open and init functions.
 *
 *   the decoder requests result
 *   data                 all the bytes that it asks for. The read blocks until they have arrived, since
 *                        decoders take fewer for the end
 *   the end              MA_AT_END if there are none, else fewer; dr_libs get fewer
 *   an end too early     before the declared size: it is the end, or with SB_SHORT_ERROR an error.
 *                        spoolbuf_miniaudio_status() is SB_ERR_SHORT in both cases
 *   an error             MA_IO_ERROR, MA_CANCELLED, MA_NO_SPACE, MA_OUT_OF_MEMORY, MA_TIMEOUT; dr_libs
 *                        get fewer bytes. Decoders turn it into an ordinary end.
 *                        spoolbuf_miniaudio_status() returns the library's code. To go on: sb_retry(),
 *                        spoolbuf_miniaudio_resume(), a new decoder, and a seek to the old position
 *   a seek, the position cost nothing within the buffered bytes or if the source can seek. Otherwise a
 *                        seek beyond the reach fails (see below)
 *   a seek from the end  fails with MA_BAD_SEEK: miniaudio cannot ask for the position then, and plays
 *                        nothing of a WAV that was written to a pipe. dr_libs can ask: for these it
 *                        works once the size is a fact, and if the source can seek
 *   a blocked read       spoolbuf_miniaudio_cancel(), from any thread, makes it and every later read
 *                        fail, until spoolbuf_miniaudio_resume()
 *   with a prefetch      (sb_prefetch(), the option `prefetch`) a thread of the library calls the
 *                        source, and a stop takes effect at once
 *   without one          the source is called on the thread that decodes, and a stop takes effect when
 *                        the source returns: at once if it is SB_SOURCE_INTERRUPTIBLE. Else only
 *                        sb_cancel() makes it return; that cancels every blocked call, until sb_resume()
 *   threads              data is read on the thread that decodes. That is the caller's, or the device's
 *                        if the device callback decodes. A blocked read then holds up the device:
 *                        prefetch, or decode on a thread of your own
 *   lifetime             close it after the decoder and before sb_free()
 *
 * spoolbuf_miniaudio_open() means AUTO: a reach of SB_REACH_AUTO. spoolbuf_miniaudio_open_with() takes
 * the options of a reader, and so another reach, SB_REACH_WHOLE for example, or a timeout.
 *
 *   a source             plays
 *   that can seek        as a file does
 *   that cannot seek     as it arrives, whether a size is declared or not, and is sought within what is
 *                        buffered. With SB_REACH_WHOLE a seek ahead fetches all bytes up to there
 *
 * A decoder may have to pass more than the reach before the sound, such as a large picture in a tag. If it
 * cannot be initialized though the status is SB_OK, try it with the whole.
 *
 * miniaudio itself reads an Ogg to its end in search of an MP3, unless `encodingFormat` in its
 * configuration is ma_encoding_format_vorbis, and also a WAV whose header has no size.
 *
 * miniaudio 0.11. C99 and C++. The header is self-contained: what it
 * has in common with the other adapters is repeated.
 */
#ifndef SPOOLBUF_MINIAUDIO_H
#define SPOOLBUF_MINIAUDIO_H

#include "spoolbuf.h"

#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
#define SPOOLBUF_MINIAUDIO_SET(target, value) _InterlockedExchange((target), (value))
#define SPOOLBUF_MINIAUDIO_GET(target) _InterlockedOr((target), 0)
#else
#define SPOOLBUF_MINIAUDIO_SET(target, value) __atomic_store_n((target), (value), __ATOMIC_SEQ_CST)
#define SPOOLBUF_MINIAUDIO_GET(target) __atomic_load_n((target), __ATOMIC_SEQ_CST)
#endif

#ifdef __cplusplus
extern "C" {
#endif

/** One decoder's position in a buffer. It must not be moved in memory while it is open. */
typedef struct spoolbuf_miniaudio {
    sb_reader *reader;
    int whole;  /* the end may be found first, whatever that costs */
    int status; /* written by the thread that decodes */
    volatile long stopped;
} spoolbuf_miniaudio;

/**
 * Opens a position in a buffer.
 *
 * @param self    the position to open.
 * @param buffer  the buffer to read.
 * @param options the options of a reader, or NULL for AUTO.
 * @return SB_OK, or an sb_status; after an error there is nothing to close.
 */
static inline int spoolbuf_miniaudio_open_with(spoolbuf_miniaudio *self, sb_buffer *buffer,
                                               const sb_reader_options *options)
{
    sb_reader_options automatic;

    self->status = SB_OK;
    self->stopped = 0;
    sb_reader_options_init(&automatic, sizeof automatic);
    automatic.reach = SB_REACH_AUTO;
    if (options == NULL)
        options = &automatic;
    self->whole = options->reach == SB_REACH_WHOLE;
    return sb_reader_new_with(buffer, options, &self->reader);
}

/**
 * As spoolbuf_miniaudio_open_with(), with AUTO.
 *
 * @param self   the position to open.
 * @param buffer the buffer to read.
 * @return SB_OK, or an sb_status; after an error there is nothing to close.
 */
static inline int spoolbuf_miniaudio_open(spoolbuf_miniaudio *self, sb_buffer *buffer)
{
    return spoolbuf_miniaudio_open_with(self, buffer, NULL);
}

static inline int64_t spoolbuf_miniaudio_note(spoolbuf_miniaudio *self, int64_t result)
{
    if (result < 0 && self->status == SB_OK)
        self->status = (int)result;
    return result;
}

/* The declared size is not the end: proves it, if that costs a seek of the source and no more. */
static inline int64_t spoolbuf_miniaudio_find_end(spoolbuf_miniaudio *self)
{
    sb_buffer *buffer = sb_reader_buffer(self->reader);
    int64_t size = sb_known_size(buffer);
    sb_stats facts;

    if (size != SB_ERR_UNKNOWN_SIZE)
        return size;
    if (self->whole
        || (sb_stat(buffer, &facts, sizeof facts) == SB_OK && facts.seekable && sb_size(buffer) >= 0))
        size = SPOOLBUF_MINIAUDIO_GET(&self->stopped) ? (int64_t)SB_ERR_CANCELED
                                                      : sb_reader_find_size(self->reader);
    /* A source may turn out to be unable to seek. */
    if (size == SB_ERR_UNKNOWN_SIZE || size == SB_ERR_UNSUPPORTED)
        return size;
    return spoolbuf_miniaudio_note(self, size);
}

static inline int64_t spoolbuf_miniaudio_move(spoolbuf_miniaudio *self, int64_t offset, int whence)
{
    int64_t end = whence == SB_SEEK_END ? spoolbuf_miniaudio_find_end(self) : 0;

    return end < 0 ? end : sb_reader_seek(self->reader, offset, whence);
}

/* Reads `length` bytes, or those before the end or an error. Returns how many, or the error if there
 * are none. */
static inline int64_t spoolbuf_miniaudio_fill(spoolbuf_miniaudio *self, void *out, size_t length)
{
    size_t done = 0;
    int64_t count = 1;

    /* Buffered bytes would hide the cancel. */
    if (SPOOLBUF_MINIAUDIO_GET(&self->stopped))
        count = SB_ERR_CANCELED;
    while (done < length && count > 0) {
        size_t left = length - done;
        count = sb_reader_read(self->reader, left > SIZE_MAX / 2 ? SIZE_MAX / 2 : left,
                               (char *)out + done);
        if (count > 0)
            done += (size_t)count;
    }
    spoolbuf_miniaudio_note(self, count);
    return count < 0 && done == 0 ? count : (int64_t)done;
}

/**
 * Makes the blocked read, and every later one, fail. From any thread.
 *
 * @param self the position.
 */
static inline void spoolbuf_miniaudio_cancel(spoolbuf_miniaudio *self)
{
    SPOOLBUF_MINIAUDIO_SET(&self->stopped, 1);
    sb_reader_cancel(self->reader);
}

/**
 * Lets it read again, from the start. Not while a read is running.
 *
 * @param self the position.
 */
static inline void spoolbuf_miniaudio_resume(spoolbuf_miniaudio *self)
{
    self->status = SB_OK;
    SPOOLBUF_MINIAUDIO_SET(&self->stopped, 0);
    sb_reader_seek(self->reader, 0, SB_SEEK_SET);
    sb_reader_resume(self->reader);
}

/**
 * Tells the first error since the opening or the last resume.
 *
 * @param self the position.
 * @return SB_OK or the library's code. It is also SB_ERR_SHORT once the source has ended before the declared
 *         size.
 */
static inline int spoolbuf_miniaudio_status(const spoolbuf_miniaudio *self)
{
    sb_stats facts;

    if (self->status == SB_OK && sb_stat(sb_reader_buffer(self->reader), &facts, sizeof facts) == SB_OK
        && facts.ended_short)
        return SB_ERR_SHORT;
    return self->status;
}

/**
 * Closes the position; the buffer stays open. After ma_decoder_uninit(), drflac_close() and the like.
 *
 * @param self the position.
 */
static inline void spoolbuf_miniaudio_close(spoolbuf_miniaudio *self)
{
    sb_reader_free(self->reader);
    self->reader = NULL;
}

#ifdef MA_VERSION_MAJOR

static inline ma_result spoolbuf_miniaudio_result(int64_t status)
{
    switch (status) {
    case SB_ERR_CANCELED: return MA_CANCELLED;
    case SB_ERR_INVALID: return MA_INVALID_ARGS;
    case SB_ERR_DISK_FULL: return MA_NO_SPACE;
    case SB_ERR_NO_MEMORY: return MA_OUT_OF_MEMORY;
    case SB_ERR_TIMEOUT: return MA_TIMEOUT;
    case SB_ERR_UNKNOWN_SIZE:
    case SB_ERR_UNSUPPORTED: return MA_BAD_SEEK;
    default: return status < 0 ? MA_IO_ERROR : MA_SUCCESS;
    }
}

/**
 * The read callback, for ma_decoder_init().
 *
 * @param decoder the decoder, whose user data is the position.
 * @param out     [out] space for `length` bytes.
 * @param length  the number of bytes to read.
 * @param done    [out] the number of bytes read.
 * @return MA_SUCCESS, MA_AT_END or another result.
 */
static inline ma_result spoolbuf_miniaudio_read(ma_decoder *decoder, void *out, size_t length,
                                                size_t *done)
{
    spoolbuf_miniaudio *self = (spoolbuf_miniaudio *)decoder->pUserData;
    int64_t count = spoolbuf_miniaudio_fill(self, out, length);

    if (done != NULL)
        *done = count < 0 ? 0 : (size_t)count;
    return count == 0 && length > 0 ? MA_AT_END : spoolbuf_miniaudio_result(count);
}

/**
 * The seek callback, for ma_decoder_init().
 *
 * @param decoder the decoder, whose user data is the position.
 * @param offset  the distance from the origin, in bytes.
 * @param origin  from where to count.
 * @return MA_SUCCESS or another result.
 */
static inline ma_result spoolbuf_miniaudio_seek(ma_decoder *decoder, ma_int64 offset,
                                                ma_seek_origin origin)
{
    spoolbuf_miniaudio *self = (spoolbuf_miniaudio *)decoder->pUserData;

    if (origin == ma_seek_origin_end)
        return MA_BAD_SEEK;
    return spoolbuf_miniaudio_result(sb_reader_seek(
        self->reader, offset, origin == ma_seek_origin_start ? SB_SEEK_SET : SB_SEEK_CUR));
}

#endif

/**
 * Defines the callbacks of a dr_lib, for the versions whose origins are PREFIX_SEEK_SET, _CUR and _END.
 *
 * @param name   the name of the library, as in its functions: drflac.
 * @param PREFIX the same, as in its constants: DRFLAC.
 */
#define SPOOLBUF_DR(name, PREFIX)                                                                  \
    static size_t spoolbuf_##name##_read(void *opaque, void *out, size_t length)                   \
    {                                                                                              \
        int64_t count = spoolbuf_miniaudio_fill((spoolbuf_miniaudio *)opaque, out, length);        \
        return count < 0 ? 0 : (size_t)count;                                                      \
    }                                                                                              \
    static name##_bool32 spoolbuf_##name##_seek(void *opaque, int offset,                          \
                                                name##_seek_origin origin)                         \
    {                                                                                              \
        int whence = origin == PREFIX##_SEEK_SET ? SB_SEEK_SET                                     \
            : origin == PREFIX##_SEEK_END        ? SB_SEEK_END                                     \
                                                 : SB_SEEK_CUR;                                    \
        return spoolbuf_miniaudio_move((spoolbuf_miniaudio *)opaque, offset, whence) >= 0;         \
    }                                                                                              \
    static name##_bool32 spoolbuf_##name##_tell(void *opaque, name##_int64 *place)                 \
    {                                                                                              \
        *place = sb_reader_seek(((spoolbuf_miniaudio *)opaque)->reader, 0, SB_SEEK_CUR);           \
        return *place >= 0;                                                                        \
    }

#ifdef __cplusplus
}
#endif

#endif
