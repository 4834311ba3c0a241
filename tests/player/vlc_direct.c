/*
 * VLC plays a file by itself, without a buffer: what examples/media/vlc.c is compared with.
 */
#include <semaphore.h>
#include <stdio.h>
#include <sys/types.h>
#include <vlc/vlc.h>

static sem_t ended;

static void on_end(const libvlc_event_t *event, void *opaque)
{
    (void)event;
    (void)opaque;
    sem_post(&ended);
}

int main(int argc, char **argv)
{
    libvlc_instance_t *vlc = libvlc_new(0, NULL);
    libvlc_media_t *media = libvlc_media_new_path(vlc, argv[1]);
    libvlc_media_player_t *player;
    libvlc_event_manager_t *events;
    int at;

    sem_init(&ended, 0, 0);
    for (at = 2; at < argc; at++)
        libvlc_media_add_option(media, argv[at]);
    player = libvlc_media_player_new_from_media(media);
    events = libvlc_media_player_event_manager(player);
    libvlc_event_attach(events, libvlc_MediaPlayerEndReached, on_end, NULL);
    libvlc_event_attach(events, libvlc_MediaPlayerEncounteredError, on_end, NULL);
    libvlc_media_player_play(player);
    sem_wait(&ended);
    libvlc_media_player_stop(player);
    printf("duration %.2f\n", libvlc_media_get_duration(media) / 1e3);
    libvlc_media_player_release(player);
    libvlc_media_release(media);
    libvlc_release(vlc);
    return 0;
}
