/*
 * Loads a sound, from a file or what a pipe brings, with SDL_mixer, tells its sum and plays it.
 *
 *     sdl song.ogg
 *     curl -s https://example.com/song.ogg | sdl -
 *     sdl song.ogg quiet            (does not play it)
 *
 * Ctrl-C stops at once, also while nothing comes.
 */
#define _GNU_SOURCE
#define SDL_MAIN_HANDLED
#include <SDL_mixer.h>

#include "resource.h"
#include "spoolbuf_sdl.h"

static void stop(void *io)
{
    spoolbuf_sdl_stop(io);
}

int main(int argc, char **argv)
{
    sb_buffer *buffer = argc >= 2 ? resource_open(argv[1]) : NULL;
    uint32_t low = 1, high = 0, at;
    spoolbuf_sdl io;
    SDL_RWops *file;
    Mix_Chunk *sound;
    int status;

    if (buffer == NULL || (file = spoolbuf_sdl_open(&io, buffer)) == NULL)
        return 2;
    resource_on_interrupt(stop, &io);
    if (SDL_Init(SDL_INIT_AUDIO) < 0 || Mix_OpenAudio(44100, AUDIO_S16LSB, 2, 4096) < 0) {
        puts(SDL_GetError());
        return 2;
    }
    sound = Mix_LoadWAV_RW(file, 1);
    /* SDL_mixer plays what it got before an error, or tells one of its own: ask the adapter first. */
    status = spoolbuf_sdl_status(&io);
    for (at = 0; sound != NULL && at < sound->alen; at++) {
        low = (low + sound->abuf[at]) % 65521;
        high = (high + low) % 65521;
    }
    printf("duration %.2f\nsum 0x%08x\n%s\n", sound != NULL ? sound->alen / 4 / 44100.0 : 0,
           high << 16 | low,
           status == SB_ERR_CANCELED ? "stopped"
               : status < 0          ? sb_strerror(status)
               : sound == NULL       ? SDL_GetError()
                                     : "ended");
    if (sound != NULL && argc == 2)
        for (Mix_PlayChannel(0, sound, 0); Mix_Playing(0);)
            SDL_Delay(50);
    Mix_FreeChunk(sound);
    Mix_CloseAudio();
    SDL_Quit();
    spoolbuf_sdl_close(&io);
    sb_free(buffer);
    return status < 0 || sound == NULL;
}
