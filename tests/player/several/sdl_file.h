/* What both players of SDL_mixer share: the file that they read, through SDL_RWops. */
#define SDL_MAIN_HANDLED
#include <SDL_mixer.h>

#include "spoolbuf_sdl.h"

struct player {
    PLAYER;
    spoolbuf_sdl io;
    SDL_RWops *file_of_sdl;
};

static void file_open(player *self)
{
    self->file_of_sdl = self->buffer != NULL ? spoolbuf_sdl_open(&self->io, self->buffer)
                                             : SDL_RWFromFile(self->file, "rb");
    assert(self->file_of_sdl != NULL);
}

static void player_stop(player *self)
{
    spoolbuf_sdl_cancel(&self->io);
}

static int player_status(player *self)
{
    return spoolbuf_sdl_status(&self->io);
}

static void player_resume(player *self)
{
    spoolbuf_sdl_resume(&self->io);
    /* Unless a stop came meanwhile. */
    assert(SDL_RWseek(self->file_of_sdl, 0, RW_SEEK_SET) == 0 || player_status(self) == SB_ERR_CANCELED);
}

static void player_close(player *self)
{
    SDL_RWclose(self->file_of_sdl);
    if (self->buffer != NULL)
        spoolbuf_sdl_close(&self->io);
}
