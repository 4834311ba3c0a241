/*
 * SDL_mixer loads a sound: a WAV, since it holds a lock of its own while it loads any other, so that
 * nothing else loads or plays meanwhile.
 */
#include "sdl_file.h"

#define FAILED_SAYS "error"
#define GOES_ON 0
#define ONE_AT_A_TIME 0
/* It loads a sound as a whole. */
#define BEGINS 0
#define LOOKS_AHEAD

static void player_open(player *self)
{
    static int opened;

    /* It loads sounds only in a device's format, with or without a device. */
    if (!opened++)
        assert(SDL_Init(SDL_INIT_AUDIO) == 0 && Mix_OpenAudio(44100, AUDIO_S16LSB, 2, 4096) == 0);
    file_open(self);
}

/* The start of a FLAC of unknown length. */
static int64_t flac_read(void *position, void *out, size_t capacity)
{
    size_t done;

    for (done = 0; done < capacity && done < 100; done++) {
        size_t at = (*(size_t *)position)++;
        ((unsigned char *)out)[done] = at < 4 ? (unsigned char)"fLaC"[at] : odd_byte(at);
    }
    return (int64_t)done;
}

/* Past the reach there are zeros. What is buffered is read again after a step back. */
static void steps_back(void)
{
    const int far = 8 * SB_REACH_AUTO;
    size_t position = 0;
    sb_callback callback = { .read = flac_read, .opaque = &position };
    sb_buffer *buffer = sb_new(&callback, SB_SIZE_UNKNOWN, SB_MAX_DEFAULT);
    spoolbuf_sdl io;
    SDL_RWops *file = spoolbuf_sdl_open(&io, buffer);
    unsigned char bytes[4];

    assert(file != NULL && SDL_RWread(file, bytes, 4, 1) == 1 && bytes[0] == 'f');
    assert(SDL_RWseek(file, far, RW_SEEK_CUR) == far + 4 && SDL_RWread(file, bytes, 4, 1) == 1);
    assert(bytes[0] == 0 && bytes[3] == 0 && SDL_RWtell(file) == far + 8);
    assert(SDL_RWseek(file, 2 - far, RW_SEEK_CUR) == 10 && SDL_RWread(file, bytes, 4, 1) == 1);
    assert(bytes[0] == odd_byte(10) && bytes[3] == odd_byte(13) && SDL_RWtell(file) == 14);
    /* From an end that is not known, too. */
    assert(SDL_RWseek(file, 0, RW_SEEK_END) == SPOOLBUF_SDL_ENDLESS);
    assert(SDL_RWseek(file, 10 - SPOOLBUF_SDL_ENDLESS, RW_SEEK_CUR) == 10);
    assert(SDL_RWread(file, bytes, 4, 1) == 1 && bytes[0] == odd_byte(10));
    assert(SDL_RWseek(file, -15, RW_SEEK_CUR) < 0 && SDL_RWtell(file) == 14);
    assert(spoolbuf_sdl_status(&io) == SB_OK);
    SDL_RWclose(file);
    spoolbuf_sdl_close(&io);
    sb_free(buffer);
}

static void player_asks(player *self)
{
    SDL_RWops *file = self->file_of_sdl;
    unsigned char bytes[ODD];
    spoolbuf_sdl other;
    sb_reader_options options;

    steps_back();
    SDL_ClearError();
    assert(SDL_RWseek(file, 3 * SB_REACH_AUTO, RW_SEEK_SET) < 0 && SDL_GetError()[0] != '\0');
    /* Seeking from the end waits until the size is known; the position is that of a file. */
    assert(SDL_RWseek(file, 0, RW_SEEK_END) == ODD && SDL_RWseek(file, 0, RW_SEEK_SET) == 0);
    assert(SDL_RWread(file, bytes, 0, 10) == 0 && SDL_RWread(file, bytes, 10, 0) == 0);
    assert(SDL_RWread(file, bytes, SIZE_MAX, 2) == 0 && SDL_RWtell(file) == 0);
    /* Whole objects: three of three of 300 bytes, none of a fourth. */
    assert(SDL_RWread(file, bytes, 300, 3) == 3 && bytes[899] == odd_byte(899));
    assert(SDL_RWread(file, bytes, 300, 1) == 0 && SDL_RWtell(file) == 900);
    assert(SDL_RWread(file, bytes, 1, 300) == 100 && bytes[99] == odd_byte(999));
    assert(SDL_RWsize(file) == ODD && SDL_RWseek(file, -1, RW_SEEK_END) == ODD - 1);
    assert(SDL_RWseek(file, -1, RW_SEEK_SET) < 0 && SDL_RWtell(file) == ODD - 1);
    assert(SDL_RWseek(file, 5000, RW_SEEK_SET) == 5000 && SDL_RWread(file, bytes, 1, 1) == 0);
    assert(SDL_RWwrite(file, bytes, 1, 1) == 0 && player_status(self) == SB_OK);
    assert(spoolbuf_sdl_open(&other, NULL) == NULL);
    /* A stop stops although every byte is buffered. */
    assert(SDL_RWseek(file, 0, RW_SEEK_SET) == 0);
    spoolbuf_sdl_cancel(&self->io);
    assert(SDL_RWseek(file, 0, RW_SEEK_SET) < 0 && player_status(self) == SB_ERR_CANCELED);
    spoolbuf_sdl_resume(&self->io);
    spoolbuf_sdl_cancel(&self->io);
    assert(SDL_RWread(file, bytes, 1, 1) == 0 && player_status(self) == SB_ERR_CANCELED);
    spoolbuf_sdl_resume(&self->io);
    assert(SDL_RWread(file, bytes, 1, 1) == 1 && bytes[0] == odd_byte(0));
    sb_reader_options_init(&options, sizeof options);
    options.flags = 77;
    assert(spoolbuf_sdl_open_with(&other, self->buffer, &options) == NULL);
    sb_free(self->buffer);
    SDL_ClearError();
    assert(SDL_RWread(file, bytes, 1, 1) == 0 && SDL_GetError()[0] != '\0');
    assert(player_status(self) == SB_ERR_INVALID);
}

static int player_looks_ahead(player *self, int asks_size)
{
    return (asks_size ? SDL_RWsize(self->file_of_sdl) : SDL_RWseek(self->file_of_sdl, 0, RW_SEEK_END)) >= 0;
}

static void player_play(player *self)
{
    Mix_Chunk *sound;

    SDL_ClearError();
    sound = Mix_LoadWAV_RW(self->file_of_sdl, 0);
    /* A truncated sound loads silently; only the error that was set tells. */
    self->says = SDL_GetError()[0] == '\0'                              ? "end"
        : strcmp(SDL_GetError(), sb_strerror(SB_ERR_CANCELED)) == 0 ? "stop"
                                                                        : "error";
    if (sound != NULL)
        self->sum = sum_of(1, sound->abuf, sound->alen);
    Mix_FreeChunk(sound);
}
