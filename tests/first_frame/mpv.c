/*
 * mpv's first frame, or all of the sound as a file, over a slow line: see line.h.
 */
#define _GNU_SOURCE
#include "line.h"
#include "spoolbuf_mpv.h"

static mpv_handle *opened(const char *sound)
{
    mpv_handle *mpv = mpv_create();

    CHECK(mpv != NULL && mpv_set_option_string(mpv, "vo", "null") == 0);
    CHECK(mpv_set_option_string(mpv, "ao", sound != NULL ? "pcm" : "null") == 0);
    if (sound != NULL)
        CHECK(mpv_set_option_string(mpv, "ao-pcm-file", sound) == 0
              && mpv_set_option_string(mpv, "untimed", "yes") == 0);
    CHECK(mpv_initialize(mpv) == 0);
    return mpv;
}

int main(int argc, char **argv)
{
    char bare[40];
    const char *load[] = { "loadfile", bare, NULL };
    const char *plain = getenv("PLAIN_LOADFILE");
    mpv_event *event;
    mpv_handle *mpv;
    double start;
    spoolbuf_mpv film;
    int failed = 1, again = 0, said = 0;
    line the;

    line_open(&the, argc, argv);
    snprintf(bare, sizeof bare, "fd://%d", the.pipe);
    if (the.file != NULL)
        load[1] = the.file;
    if (the.buffer != NULL)
        load[1] = "spoolbuf://film";
    mpv = opened(the.sound);
    spoolbuf_mpv_open(&film, the.buffer);
    CHECK(spoolbuf_mpv_add(mpv, "spoolbuf", &film) == 0);
    start = line_now();
    CHECK((the.buffer != NULL && plain == NULL ? spoolbuf_mpv_load(mpv, &film, "spoolbuf://film") : mpv_command(mpv, load)) >= 0);
    while ((event = mpv_wait_event(mpv, 60))->event_id != MPV_EVENT_NONE) {
        if (event->event_id == MPV_EVENT_PLAYBACK_RESTART && !said++) {
            line_first(&the, start);
            if (the.sound == NULL)
                line_end(0);
        }
        if (event->event_id == MPV_EVENT_END_FILE) {
            mpv_event_end_file *end = event->data;
            failed = end->reason != MPV_END_FILE_REASON_EOF;
            if (end->reason != MPV_END_FILE_REASON_ERROR || the.buffer == NULL || !spoolbuf_mpv_whole(&film))
                break;
            printf("again %d\n", ++again);
            spoolbuf_mpv_load(mpv, &film, "spoolbuf://film");
        }
    }
    printf("status %d\n", the.buffer != NULL ? spoolbuf_mpv_status(&film) : 0);
    mpv_terminate_destroy(mpv);
    line_end(failed);
}
