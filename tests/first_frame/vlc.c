/*
 * VLC's first frame, or all of the sound as a file, over a slow line: see line.h.
 */
#define _GNU_SOURCE
#include <semaphore.h>

#include "line.h"
#include "spoolbuf_vlc.h"

static double start;
static sem_t ended;
static line the;

/* VLC tells its time late: what counts is the first picture shown, or sound played. */
static void first(void)
{
    static int said;

    if (!said++) {
        line_first(&the, start);
        line_end(0);
    }
}

static void *on_lock(void *opaque, void **planes)
{
    static char picture[640 * 360 * 4];

    *planes = picture;
    return opaque;
}

static void on_display(void *opaque, void *picture)
{
    (void)opaque;
    (void)picture;
    first();
}

static void on_sound(void *opaque, const void *samples, unsigned int count, int64_t time)
{
    const char *name = opaque;

    (void)samples;
    (void)count;
    (void)time;
    if (strstr(name, "/sound") != NULL)
        first();
}

static void on_end(const libvlc_event_t *event, void *opaque)
{
    (void)event;
    (void)opaque;
    sem_post(&ended);
}

int main(int argc, char **argv)
{
    const char *options[] = { "--quiet" };
    libvlc_instance_t *vlc = libvlc_new(1, options);
    libvlc_media_player_t *player;
    libvlc_event_manager_t *events;
    libvlc_media_t *media;
    spoolbuf_vlc film;
    char text[400];

    line_open(&the, argc, argv);
    CHECK(vlc != NULL && sem_init(&ended, 0, 0) == 0);
    snprintf(text, sizeof text, "fd://%d", the.pipe);
    if (the.buffer != NULL)
        CHECK(spoolbuf_vlc_open(&film, the.buffer) == SB_OK);
    media = the.buffer != NULL ? spoolbuf_vlc_media(&film, vlc)
        : the.file != NULL     ? libvlc_media_new_path(vlc, the.file)
                               : libvlc_media_new_location(vlc, text);
    if (the.sound != NULL) {
        snprintf(text, sizeof text, ":sout=#transcode{acodec=s16l}:std{access=file,mux=wav,dst=%s}", the.sound);
        libvlc_media_add_option(media, text);
        libvlc_media_add_option(media, ":no-video");
    }
    player = libvlc_media_player_new_from_media(media);
    events = libvlc_media_player_event_manager(player);
    libvlc_event_attach(events, libvlc_MediaPlayerEndReached, on_end, NULL);
    libvlc_event_attach(events, libvlc_MediaPlayerEncounteredError, on_end, NULL);
    if (the.sound == NULL) {
        libvlc_video_set_format(player, "RV32", 640, 360, 640 * 4);
        libvlc_video_set_callbacks(player, on_lock, NULL, on_display, NULL);
        libvlc_audio_set_format(player, "S16N", 44100, 2);
        libvlc_audio_set_callbacks(player, on_sound, NULL, NULL, NULL, NULL, argv[1]);
    }
    start = line_now();
    libvlc_media_player_play(player);
    sem_wait(&ended);
    printf("status %d\n", the.buffer != NULL ? spoolbuf_vlc_status(&film) : 0);
    if (the.buffer != NULL)
        spoolbuf_vlc_cancel(&film);
    libvlc_media_player_stop(player);
    line_end(libvlc_media_player_get_state(player) == libvlc_Error);
}
