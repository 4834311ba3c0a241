/*
 * VLC plays the sound into a file, as fast as it goes.
 */
#include <semaphore.h>

#include "spoolbuf_vlc.h"

#define FAILED_SAYS "end"
#define GOES_ON 0
#define ONE_AT_A_TIME 0

struct player {
    PLAYER;
    spoolbuf_vlc film;
    libvlc_instance_t *vlc;
    sem_t ended;
};

static void player_open(player *self)
{
    const char *quiet[] = { "--quiet" };

    self->vlc = libvlc_new(1, quiet);
    assert(self->vlc != NULL && sem_init(&self->ended, 0, 0) == 0);
    if (self->buffer != NULL)
        assert(spoolbuf_vlc_open(&self->film, self->buffer) == SB_OK);
}

static void player_stop(player *self)
{
    self->says = "stop";
    spoolbuf_vlc_stop(&self->film);
    sem_post(&self->ended);
}

static int player_status(player *self)
{
    return spoolbuf_vlc_status(&self->film);
}

static void player_resume(player *self)
{
    spoolbuf_vlc_resume(&self->film);
    while (sem_trywait(&self->ended) == 0)
        continue;
}

static void player_close(player *self)
{
    libvlc_release(self->vlc);
    if (self->buffer != NULL)
        spoolbuf_vlc_close(&self->film);
    sem_destroy(&self->ended);
}

static void on_event(const libvlc_event_t *event, void *opaque)
{
    player *self = (player *)opaque;

    if (strcmp(self->says, "stop") != 0)
        self->says = event->type == libvlc_MediaPlayerEndReached ? "end" : "error";
    sem_post(&self->ended);
}

static void player_play(player *self)
{
    libvlc_media_t *media = self->buffer != NULL ? spoolbuf_vlc_media(&self->film, self->vlc)
                                                 : libvlc_media_new_path(self->vlc, self->file);
    libvlc_media_player_t *player = libvlc_media_player_new_from_media(media);
    libvlc_event_manager_t *events = libvlc_media_player_event_manager(player);
    char output[400];

    snprintf(output, sizeof output, ":sout=#transcode{acodec=s16l}:std{access=file,mux=wav,dst=%s}",
             self->output);
    libvlc_media_add_option(media, output);
    libvlc_media_add_option(media, ":no-video");
    libvlc_event_attach(events, libvlc_MediaPlayerEndReached, on_event, self);
    libvlc_event_attach(events, libvlc_MediaPlayerEncounteredError, on_event, self);
    libvlc_media_player_play(player);
    sem_wait(&self->ended);
    libvlc_media_player_stop(player);
    libvlc_media_player_release(player);
    libvlc_media_release(media);
    if (strcmp(self->says, "end") == 0)
        self->sum = sum_of_file(self->output);
}
