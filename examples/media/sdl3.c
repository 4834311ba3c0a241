/*
 * Loads a WAV, from a file or a pipe, with SDL 3, prints its sum and plays it.
 *
 *     sdl3 song.wav
 *     curl -s https://example.com/song.wav | sdl3 -
 *     sdl3 song.wav quiet            (does not play it)
 */
#define SDL_MAIN_HANDLED
#include "resource.h"
#include "spoolbuf_sdl3.h"

static void stop(void *io)
{
    spoolbuf_sdl3_cancel(io);
}

static void play(const SDL_AudioSpec *spec, const Uint8 *sound, Uint32 length)
{
    SDL_AudioStream *stream;

    if (!SDL_Init(SDL_INIT_AUDIO))
        return;
    stream = SDL_OpenAudioDeviceStream(SDL_AUDIO_DEVICE_DEFAULT_PLAYBACK, spec, NULL, NULL);
    if (stream != NULL && SDL_PutAudioStreamData(stream, sound, (int)length)
        && SDL_FlushAudioStream(stream) && SDL_ResumeAudioStreamDevice(stream))
        while (SDL_GetAudioStreamQueued(stream) > 0)
            SDL_Delay(50);
    SDL_DestroyAudioStream(stream);
    SDL_Quit();
}

int main(int argc, char **argv)
{
    sb_buffer *buffer = resource_open(argc > 1 ? argv[1] : NULL);
    SDL_AudioSpec spec;
    SDL_IOStream *file;
    spoolbuf_sdl3 io;
    Uint8 *sound = NULL;
    Uint32 length = 0;
    int status;

    if (buffer == NULL || (file = spoolbuf_sdl3_open(&io, buffer)) == NULL)
        return 2;
    resource_on_interrupt(stop, &io);
    if (SDL_LoadWAV_IO(file, true, &spec, &sound, &length))
        printf("duration %.2f\nsum 0x%08x\n",
               (double)length / SDL_AUDIO_FRAMESIZE(spec) / spec.freq, resource_sum(1, sound, length));
    status = resource_end(spoolbuf_sdl3_status(&io), sound == NULL ? SDL_GetError() : NULL);
    if (sound != NULL && argc == 2)
        play(&spec, sound, length);
    SDL_free(sound);
    spoolbuf_sdl3_close(&io);
    sb_free(buffer);
    return status;
}
