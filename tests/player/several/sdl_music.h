/*
 * SDL_mixer plays music as it comes, on its audio thread, to the device `disk`, which is a file.
 */
#include "sdl_file.h"

#define FAILED_SAYS "end"
#define GOES_ON 0
#define ONE_AT_A_TIME 1
/* Not an Ogg: its decoder goes to the end first. */
#define BEGINS (strstr(played, ".ogg") == NULL)
#define GOES_BACK GOES_THROUGH

static SDL_sem *music_ended;

static void on_end(void)
{
    SDL_SemPost(music_ended);
}

static void on_sound(void *begun, Uint8 *sound, int length)
{
    while (length > 0 && sound[length - 1] == 0)
        length--;
    if (length > 0)
        begin((int *)begun);
}

static void player_open(player *self)
{
    file_open(self);
}

static void player_asks(player *self)
{
    (void)self; /* The player that loads tests this. */
}

/* Without the silence before and after, whose length varies. */
static uint32_t sum_of_sound(const char *name)
{
    size_t size, at = 0;
    unsigned char *bytes = file_read(name, &size);
    uint32_t sum;

    while (at < size && bytes[at] == 0)
        at++;
    while (size > at && bytes[size - 1] == 0)
        size--;
    sum = sum_of(1, bytes + at, size - at);
    free(bytes);
    return sum;
}

static void player_play(player *self)
{
    Mix_Music *music;

    setenv("SDL_AUDIODRIVER", "disk", 1);
    setenv("SDL_DISKAUDIODELAY", "0", 1);
    setenv("SDL_DISKAUDIOFILE", self->output, 1);
    music_ended = SDL_CreateSemaphore(0);
    assert(SDL_Init(SDL_INIT_AUDIO) == 0 && Mix_OpenAudio(44100, AUDIO_S16LSB, 2, 4096) == 0);
    Mix_HookMusicFinished(on_end);
    Mix_SetPostMix(on_sound, &self->begun);
    music = Mix_LoadMUS_RW(self->file_of_sdl, 0);
    if (music != NULL) {
        assert(Mix_PlayMusic(music, 1) == 0);
        SDL_SemWait(music_ended);
    }
    Mix_FreeMusic(music);
    Mix_CloseAudio();
    SDL_Quit();
    SDL_DestroySemaphore(music_ended);
    self->sum = music != NULL ? sum_of_sound(self->output) : 0;
    /* It reports everything as an ordinary end: the adapter tells them apart. */
    self->says = self->buffer != NULL && player_status(self) == SB_ERR_CANCELED ? "stop" : "end";
}

enum { SECOND = 4 * 44100, CHUNK = 16384 };

/* What was heard, from its first sound on, until `goes_back` is over. */
static struct {
    Uint8 bytes[4 * SECOND];
    size_t count, back; /* where it went back; 0: it did not yet */
    int failed;
    SDL_sem *done;
} heard;

/* On the audio thread, since no other can tell at which sound the music is. */
static void on_heard(void *opaque, Uint8 *sound, int length)
{
    int at;

    (void)opaque;
    for (at = 0; at < length && heard.count == 0 && sound[at] == 0;)
        at++;
    at &= ~3; /* a whole sample */
    if (at == length || heard.count + (size_t)length > sizeof heard.bytes)
        return;
    memcpy(heard.bytes + heard.count, sound + at, (size_t)(length - at));
    heard.count += (size_t)(length - at);
    if (heard.back == 0 && heard.count >= SECOND) {
        heard.back = heard.count;
        heard.failed = Mix_SetMusicPosition(0) != 0;
    }
    if (heard.back > 0 && heard.count >= heard.back + SECOND)
        SDL_SemPost(heard.done);
}

/* A second, and the same again. */
static void player_goes_back(player *self)
{
    Mix_Music *music;

    setenv("SDL_AUDIODRIVER", "disk", 1);
    setenv("SDL_DISKAUDIODELAY", "0", 1);
    setenv("SDL_DISKAUDIOFILE", "/dev/null", 1);
    memset(&heard, 0, sizeof heard);
    heard.done = SDL_CreateSemaphore(0);
    assert(SDL_Init(SDL_INIT_AUDIO) == 0 && Mix_OpenAudio(44100, AUDIO_S16LSB, 2, 4096) == 0);
    Mix_HookMusicFinished(NULL);
    Mix_SetPostMix(on_heard, NULL);
    music = Mix_LoadMUS_RW(self->file_of_sdl, 0);
    assert(music != NULL && Mix_PlayMusic(music, 1) == 0);
    SDL_SemWait(heard.done);
    Mix_HaltMusic();
    assert(!heard.failed);
    /* What was decoded before is heard first. */
    assert(memmem(heard.bytes + heard.back, SECOND, heard.bytes, CHUNK) != NULL);
    Mix_FreeMusic(music);
    Mix_CloseAudio();
    SDL_Quit();
    SDL_DestroySemaphore(heard.done);
}
