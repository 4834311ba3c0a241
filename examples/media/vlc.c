/*
 * Plays a file, or a pipe, with VLC: on the screen, or to one of its stream outputs.
 *
 *     vlc film.mp4
 *     curl -s https://example.com/film.mp4 | vlc -
 *     vlc film.mp4 ':sout=#transcode{acodec=s16l}:std{access=file,mux=wav,dst=sound.wav}'
 */
#include "resource.h"
#include "spoolbuf_vlc.h"

static volatile int stopped;

static void stop(void *film)
{
    stopped = 1;
    spoolbuf_vlc_cancel(film);
}

static libvlc_media_t *media_of(spoolbuf_vlc *film, libvlc_instance_t *vlc, int argc, char **options)
{
    libvlc_media_t *media = spoolbuf_vlc_media(film, vlc);
    int at;

    for (at = 0; at < argc; at++)
        libvlc_media_add_option(media, options[at]);
    return media;
}

int main(int argc, char **argv)
{
    sb_buffer *buffer = resource_open(argc > 1 ? argv[1] : NULL);
    const char *quiet[] = { "--quiet", "--no-video-title-show" };
    libvlc_instance_t *vlc = buffer != NULL ? libvlc_new(2, quiet) : NULL;
    libvlc_media_player_t *player;
    libvlc_media_t *media;
    libvlc_state_t state;
    spoolbuf_vlc film;
    int status, played = 0;

    if (vlc == NULL || spoolbuf_vlc_open(&film, buffer) < 0)
        return 2;
    resource_on_interrupt(stop, &film);
    media = media_of(&film, vlc, argc - 2, argv + 2);
    player = libvlc_media_player_new_from_media(media);
    libvlc_media_player_play(player);
    do {
        poll(NULL, 0, 20);
        state = libvlc_media_player_get_state(player);
        played |= libvlc_media_player_get_time(player) > 0;
        /* A large MP4 with its index last, from a pipe; or a URL without ranges, in which VLC could not seek. */
        if (state == libvlc_Ended && !played && spoolbuf_vlc_refused(&film)) {
            libvlc_media_release(media);
            media = media_of(&film, vlc, argc - 2, argv + 2);
            libvlc_media_player_set_media(player, media);
            libvlc_media_player_play(player);
            state = libvlc_Opening;
        }
    } while (!stopped && state != libvlc_Ended && state != libvlc_Error);
    status = stopped ? SB_ERR_CANCELED : spoolbuf_vlc_status(&film);
    spoolbuf_vlc_cancel(&film); /* Otherwise a blocked read would keep the player from stopping. */
    libvlc_media_player_stop(player);
    printf("duration %.2f\n", (double)libvlc_media_get_duration(media) / 1e3);
    status = resource_end(status, state == libvlc_Error ? "VLC can't play it" : NULL);
    libvlc_media_player_release(player);
    libvlc_media_release(media);
    libvlc_release(vlc);
    spoolbuf_vlc_close(&film);
    sb_free(buffer);
    return status;
}
