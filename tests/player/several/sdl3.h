/* SDL 3 loads a sound: a WAV, the only kind that it knows itself. */
#define SDL_MAIN_HANDLED
#include "spoolbuf_sdl3.h"

#define FAILED_SAYS "error"
#define GOES_ON 0
#define ONE_AT_A_TIME 0
/* It loads a sound as a whole. */
#define BEGINS 0
#define LOOKS_AHEAD

struct player {
    PLAYER;
    spoolbuf_sdl3 io;
    SDL_IOStream *file_of_sdl;
};

static void player_open(player *self)
{
    self->file_of_sdl = self->buffer != NULL ? spoolbuf_sdl3_open(&self->io, self->buffer)
                                             : SDL_IOFromFile(self->file, "rb");
    assert(self->file_of_sdl != NULL);
}

static void player_stop(player *self)
{
    spoolbuf_sdl3_cancel(&self->io);
}

static int player_status(player *self)
{
    return spoolbuf_sdl3_status(&self->io);
}

static void player_resume(player *self)
{
    spoolbuf_sdl3_resume(&self->io);
    /* Unless a stop came meanwhile. */
    assert(SDL_SeekIO(self->file_of_sdl, 0, SDL_IO_SEEK_SET) == 0 || player_status(self) == SB_ERR_CANCELED);
}

static void player_close(player *self)
{
    assert(SDL_CloseIO(self->file_of_sdl));
    if (self->buffer != NULL)
        spoolbuf_sdl3_close(&self->io);
}

/* One that never blocks. */
static void player_is_not_ready(player *self)
{
    unsigned char bytes[ODD];
    sb_reader_options options;
    spoolbuf_sdl3 io;
    SDL_IOStream *file;

    assert(sb_reader_options_init(&options, sizeof options) == SB_OK);
    options.timeout_ms = 0;
    options.reach = SB_REACH_AUTO;
    file = spoolbuf_sdl3_open_with(&io, self->buffer, &options);
    assert(file != NULL && SDL_ReadIO(file, bytes, 10) == 0);
    assert(SDL_GetIOStatus(file) == SDL_IO_STATUS_NOT_READY && SDL_TellIO(file) == 0);
    /* Nor is the size known; and neither is an error. */
    assert(SDL_SeekIO(file, 0, SDL_IO_SEEK_END) < 0 && spoolbuf_sdl3_status(&io) == SB_OK);
    assert(sb_read(self->buffer, 0, 10, bytes) == 10);
    memset(bytes, 0, 10);
    assert(SDL_ReadIO(file, bytes, 10) == 10 && bytes[9] == odd_byte(9));
    assert(SDL_GetIOStatus(file) == SDL_IO_STATUS_READY);
    assert(SDL_SeekIO(file, ODD - 1, SDL_IO_SEEK_SET) == ODD - 1);
    spoolbuf_sdl3_cancel(&io);
    assert(SDL_SeekIO(file, 0, SDL_IO_SEEK_SET) < 0);
    assert(SDL_ReadIO(file, bytes, 1) == 0 && SDL_GetIOStatus(file) == SDL_IO_STATUS_ERROR);
    assert(spoolbuf_sdl3_status(&io) == SB_ERR_CANCELED);
    spoolbuf_sdl3_resume(&io);
    assert(SDL_ReadIO(file, bytes, 1) == 0 && SDL_GetIOStatus(file) == SDL_IO_STATUS_NOT_READY);
    assert(spoolbuf_sdl3_status(&io) == SB_OK && SDL_CloseIO(file));
    spoolbuf_sdl3_close(&io);
}

/* One that may fetch everything first. */
static void player_finds_the_end(player *self)
{
    sb_reader_options whole;
    spoolbuf_sdl3 io;
    SDL_IOStream *file;

    assert(sb_reader_options_init(&whole, sizeof whole) == SB_OK);
    file = spoolbuf_sdl3_open_with(&io, self->buffer, &whole);
    assert(file != NULL && SDL_SeekIO(file, 3 * SB_REACH_AUTO, SDL_IO_SEEK_SET) == 3 * SB_REACH_AUTO);
    assert(SDL_GetIOSize(file) == ODD && SDL_SeekIO(file, -1, SDL_IO_SEEK_END) == ODD - 1);
    assert(SDL_CloseIO(file));
    spoolbuf_sdl3_close(&io);
}

static void player_asks(player *self)
{
    SDL_IOStream *file = self->file_of_sdl;
    unsigned char bytes[ODD];
    spoolbuf_sdl3 other;

    player_is_not_ready(self);
    SDL_ClearError();
    assert(SDL_GetIOSize(file) < 0 && SDL_GetError()[0] != '\0');
    /* The source cannot seek: no end that is not known, and no position beyond the reach. */
    assert(SDL_SeekIO(file, 0, SDL_IO_SEEK_END) < 0 && SDL_TellIO(file) == 0);
    assert(SDL_SeekIO(file, 3 * SB_REACH_AUTO, SDL_IO_SEEK_SET) < 0 && SDL_TellIO(file) == 0);
    assert(player_status(self) == SB_OK);
    player_finds_the_end(self);
    assert(SDL_ReadIO(file, bytes, 0) == 0 && SDL_TellIO(file) == 0);
    assert(SDL_ReadIO(file, bytes, 900) == 900 && bytes[899] == odd_byte(899));
    assert(SDL_GetIOStatus(file) == SDL_IO_STATUS_READY);
    assert(SDL_ReadIO(file, bytes, 300) == 100 && bytes[99] == odd_byte(999));
    assert(SDL_GetIOStatus(file) == SDL_IO_STATUS_EOF);
    assert(SDL_GetIOSize(file) == ODD && SDL_SeekIO(file, -1, SDL_IO_SEEK_END) == ODD - 1);
    assert(SDL_SeekIO(file, -1, SDL_IO_SEEK_SET) < 0 && SDL_TellIO(file) == ODD - 1);
    assert(SDL_SeekIO(file, 5000, SDL_IO_SEEK_SET) == 5000 && SDL_ReadIO(file, bytes, 1) == 0);
    assert(SDL_GetIOStatus(file) == SDL_IO_STATUS_EOF);
    assert(SDL_WriteIO(file, bytes, 1) == 0 && SDL_GetIOStatus(file) == SDL_IO_STATUS_READONLY);
    assert(SDL_FlushIO(file) && player_status(self) == SB_OK);
    /* A stop stops although every byte is buffered. */
    assert(SDL_SeekIO(file, 0, SDL_IO_SEEK_SET) == 0);
    spoolbuf_sdl3_cancel(&self->io);
    assert(SDL_SeekIO(file, 0, SDL_IO_SEEK_SET) < 0 && player_status(self) == SB_ERR_CANCELED);
    spoolbuf_sdl3_resume(&self->io);
    spoolbuf_sdl3_cancel(&self->io);
    assert(SDL_ReadIO(file, bytes, 1) == 0 && player_status(self) == SB_ERR_CANCELED);
    spoolbuf_sdl3_resume(&self->io);
    assert(SDL_ReadIO(file, bytes, 1) == 1 && bytes[0] == odd_byte(0));
    SDL_ClearError();
    assert(spoolbuf_sdl3_open(&other, NULL) == NULL && SDL_GetError()[0] != '\0');
    sb_free(self->buffer);
    assert(SDL_ReadIO(file, bytes, 1) == 0 && SDL_GetError()[0] != '\0');
    assert(SDL_GetIOStatus(file) == SDL_IO_STATUS_ERROR && player_status(self) == SB_ERR_INVALID);
}

static int player_looks_ahead(player *self, int asks_size)
{
    return (asks_size ? SDL_GetIOSize(self->file_of_sdl) : SDL_SeekIO(self->file_of_sdl, 0, SDL_IO_SEEK_END)) >= 0;
}

static void player_play(player *self)
{
    SDL_AudioSpec spec;
    Uint8 *sound = NULL;
    Uint32 length = 0;

    SDL_ClearError();
    if (SDL_LoadWAV_IO(self->file_of_sdl, false, &spec, &sound, &length))
        self->sum = sum_of(1, sound, length);
    /* A truncated sound loads silently; only the error that was set tells. */
    self->says = SDL_GetError()[0] == '\0'                              ? "end"
        : strcmp(SDL_GetError(), sb_strerror(SB_ERR_UNKNOWN_SIZE)) == 0 ? "end"
        : strcmp(SDL_GetError(), sb_strerror(SB_ERR_CANCELED)) == 0 ? "stop"
                                                                        : "error";
    SDL_free(sound);
}
