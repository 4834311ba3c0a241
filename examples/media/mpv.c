/*
 * Plays a file, or a pipe, with mpv: on the screen, or to a file as fast as possible.
 *
 *     mpv film.mp4
 *     curl -s https://example.com/film.mp4 | mpv -
 *     mpv film.mp4 ao=pcm ao-pcm-file=sound.wav vo=null        (any options of mpv)
 */
#define _GNU_SOURCE
#include "resource.h"
#include "spoolbuf_mpv.h"

static void stop(void *mpv)
{
    mpv_command_string(mpv, "quit");
}

int main(int argc, char **argv)
{
    sb_buffer *buffer = argc >= 2 ? resource_open(argv[1]) : NULL;
    spoolbuf_mpv film;
    const char *trouble = NULL;
    mpv_handle *mpv;
    mpv_event *event;
    double duration = 0;
    int at, status = SB_ERR_CANCELED;

    if (buffer == NULL)
        return 2;
    mpv = mpv_create();
    for (at = 2; at < argc; at++) {
        char *value = strchr(argv[at], '=');
        if (value == NULL)
            return 2;
        *value++ = '\0';
        mpv_set_option_string(mpv, argv[at], value);
    }
    mpv_initialize(mpv);
    spoolbuf_mpv_open(&film, buffer);
    spoolbuf_mpv_add(mpv, "spoolbuf", &film);
    spoolbuf_mpv_load(mpv, &film, "spoolbuf://film");
    resource_on_interrupt(stop, mpv);
    while ((event = mpv_wait_event(mpv, -1))->event_id != MPV_EVENT_SHUTDOWN) {
        if (event->event_id == MPV_EVENT_FILE_LOADED)
            mpv_get_property(mpv, "duration", MPV_FORMAT_DOUBLE, &duration);
        if (event->event_id == MPV_EVENT_END_FILE) {
            mpv_event_end_file *end = event->data;
            /* An MP4 with its index last, from a pipe: again, with the whole. */
            if (end->reason == MPV_END_FILE_REASON_ERROR && spoolbuf_mpv_whole(&film)) {
                spoolbuf_mpv_load(mpv, &film, "spoolbuf://film");
                continue;
            }
            status = spoolbuf_mpv_status(&film);
            if (status == SB_OK && end->reason == MPV_END_FILE_REASON_ERROR)
                trouble = mpv_error_string(end->error);
            else if (status == SB_OK && end->reason != MPV_END_FILE_REASON_EOF)
                status = SB_ERR_CANCELED;
            break;
        }
    }
    mpv_terminate_destroy(mpv);
    spoolbuf_mpv_close(&film);
    printf("duration %.2f\n", duration);
    status = resource_end(status, trouble);
    sb_free(buffer);
    return status;
}
