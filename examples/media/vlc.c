/*
 * Plays a file, or what a pipe brings, with VLC: on the screen, or as one of its stream outputs.
 *
 *     vlc film.mp4
 *     curl -s https://example.com/film.mp4 | vlc -
 *     vlc film.mp4 ':sout=#transcode{acodec=s16l}:std{access=file,mux=wav,dst=sound.wav}'
 *
 * Ctrl-C stops at once, also while nothing comes.
 */
#define _GNU_SOURCE
#include "resource.h"
#include "spoolbuf_vlc.h"

/* Where the main thread waits for the end, or for a stop. */
static struct {
    spoolbuf_vlc film;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    const char *end;
} playing = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static void end(const char *how)
{
    pthread_mutex_lock(&playing.lock);
    if (playing.end == NULL)
        playing.end = how;
    pthread_cond_signal(&playing.changed);
    pthread_mutex_unlock(&playing.lock);
}

static void stop(void *opaque)
{
    (void)opaque;
    end("stopped");
    spoolbuf_vlc_stop(&playing.film);
}

static void on_event(const libvlc_event_t *event, void *opaque)
{
    (void)opaque;
    end(event->type == libvlc_MediaPlayerEndReached ? "ended" : "failed");
}

int main(int argc, char **argv)
{
    sb_buffer *buffer = argc >= 2 ? resource_open(argv[1]) : NULL;
    const char *quiet[] = { "--quiet", "--no-video-title-show" };
    libvlc_media_player_t *player;
    libvlc_event_manager_t *events;
    libvlc_instance_t *vlc;
    libvlc_media_t *media;
    int at, status;

    if (buffer == NULL || spoolbuf_vlc_open(&playing.film, buffer) < 0)
        return 2;
    resource_on_interrupt(stop, NULL);
    vlc = libvlc_new(2, quiet);
    media = spoolbuf_vlc_media(&playing.film, vlc);
    for (at = 2; at < argc; at++)
        libvlc_media_add_option(media, argv[at]);
    player = libvlc_media_player_new_from_media(media);
    events = libvlc_media_player_event_manager(player);
    libvlc_event_attach(events, libvlc_MediaPlayerEndReached, on_event, NULL);
    libvlc_event_attach(events, libvlc_MediaPlayerEncounteredError, on_event, NULL);
    libvlc_media_player_play(player);
    pthread_mutex_lock(&playing.lock);
    while (playing.end == NULL)
        pthread_cond_wait(&playing.changed, &playing.lock);
    pthread_mutex_unlock(&playing.lock);
    /* Or a read that waits would keep the player from stopping. */
    status = spoolbuf_vlc_status(&playing.film);
    spoolbuf_vlc_stop(&playing.film);
    libvlc_media_player_stop(player);
    printf("duration %.2f\n%s\n", libvlc_media_get_duration(media) / 1e3,
           status < 0 && status != SB_ERR_CANCELED ? sb_strerror(status) : playing.end);
    libvlc_media_player_release(player);
    libvlc_media_release(media);
    libvlc_release(vlc);
    spoolbuf_vlc_close(&playing.film);
    sb_free(buffer);
    return 0;
}
