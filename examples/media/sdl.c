/*
 * Loads a sound, from a file or a pipe, with SDL_mixer, prints its sum and plays it.
 *
 *     sdl song.ogg
 *     curl -s https://example.com/song.ogg | sdl -
 *     sdl song.ogg quiet            (does not play it)
 */
#define SDL_MAIN_HANDLED
#include "resource.h"
#include "spoolbuf_sdl.h"
#include <SDL_mixer.h>

static void stop(void *io)
{
    spoolbuf_sdl_cancel(io);
}

int main(int argc, char **argv)
{
    sb_buffer *buffer = resource_open(argc > 1 ? argv[1] : NULL);
    Mix_Chunk *sound;
    spoolbuf_sdl io;
    SDL_RWops *file;
    int status;

    if (buffer == NULL || (file = spoolbuf_sdl_open(&io, buffer)) == NULL)
        return 2;
    resource_on_interrupt(stop, &io);
    if (SDL_Init(SDL_INIT_AUDIO) < 0 || Mix_OpenAudio(44100, AUDIO_S16LSB, 2, 4096) < 0)
        return 2 * resource_end(SB_OK, SDL_GetError());
    sound = Mix_LoadWAV_RW(file, 1);
    if (sound != NULL)
        printf("duration %.2f\nsum 0x%08x\n", sound->alen / 4 / 44100.0,
               resource_sum(1, sound->abuf, sound->alen));
    status = resource_end(spoolbuf_sdl_status(&io), sound == NULL ? SDL_GetError() : NULL);
    if (sound != NULL && argc == 2)
        for (Mix_PlayChannel(0, sound, 0); Mix_Playing(0);)
            SDL_Delay(50);
    Mix_FreeChunk(sound);
    Mix_CloseAudio();
    SDL_Quit();
    spoolbuf_sdl_close(&io);
    sb_free(buffer);
    return status;
}
