/*
 * The first sample of music that SDL_mixer plays, or the sum of all of them, over a slow line: see line.h.
 *
 * The device is a file, which takes the sound as fast as it comes.
 */
#define _GNU_SOURCE
#define SDL_MAIN_HANDLED
#include "line.h"
#include "spoolbuf_sdl.h"
#include <SDL_mixer.h>

static double start;
static line the;
static uint32_t sum = 1;
static size_t silence; /* bytes that are heard only if something follows */
static int ending;
static SDL_sem *ended;

/* Without the silence before and after, whose length varies. */
static void on_sound(void *opaque, Uint8 *sound, int length)
{
    static const char none[4];
    static int said;
    int at;

    (void)opaque;
    for (at = 0; at + 4 <= length; at += 4) {
        if (memcmp(sound + at, none, 4) == 0) {
            silence += said ? 4 : 0;
            continue;
        }
        if (!said++) {
            line_first(&the, start);
            if (the.sound == NULL)
                line_end(0);
        }
        for (; silence > 0; silence -= 4)
            sum = line_sum(sum, none, 4);
        sum = line_sum(sum, sound + at, 4);
    }
    if (ending)
        SDL_SemPost(ended);
}

/* On the same thread. The last sound follows. */
static void on_end(void)
{
    ending = 1;
}

static SDL_RWops *opened(spoolbuf_sdl *io)
{
    if (the.buffer != NULL)
        return spoolbuf_sdl_open(io, the.buffer);
    return the.file != NULL ? SDL_RWFromFile(the.file, "rb") : SDL_RWFromFP(fdopen(the.pipe, "rb"), SDL_TRUE);
}

int main(int argc, char **argv)
{
    Mix_Music *music;
    spoolbuf_sdl io;
    SDL_RWops *file;

    setenv("SDL_AUDIODRIVER", "disk", 1);
    setenv("SDL_DISKAUDIOFILE", "/dev/null", 1);
    setenv("SDL_DISKAUDIODELAY", "0", 1);
    line_open(&the, argc, argv);
    CHECK((ended = SDL_CreateSemaphore(0)) != NULL);
    CHECK(SDL_Init(SDL_INIT_AUDIO) == 0 && Mix_OpenAudio(44100, AUDIO_S16LSB, 2, 1024) == 0);
    Mix_HookMusicFinished(on_end);
    Mix_SetPostMix(on_sound, NULL);
    CHECK((file = opened(&io)) != NULL);
    start = line_now();
    music = Mix_LoadMUS_RW(file, 1);
    if (music != NULL && Mix_PlayMusic(music, 1) == 0) {
        SDL_SemWait(ended);
        printf("sum %08x\n", sum);
    }
    printf("status %d\n", the.buffer != NULL ? spoolbuf_sdl_status(&io) : 0);
    line_end(music == NULL);
}
