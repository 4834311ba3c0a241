/*
 * Standard input, a live stream, until its first frame: live bare|ours. With -DWITH_MPV by mpv, else by FFmpeg. It
 * prints `ready` before it opens the stream, and `first` after the first frame; with `ours`, it then goes back to the
 * start of the bytes and compares them.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spoolbuf_fd.h"

#ifdef WITH_MPV
#include "spoolbuf_mpv.h"
#else
#include "spoolbuf_ffmpeg.h"
#endif

#define CHECK(what) \
    do { \
        if (!(what)) { \
            fprintf(stderr, "%s:%d: FAILED: %s\n", __FILE__, __LINE__, #what); \
            exit(1); \
        } \
    } while (0)

static void say(const char *word)
{
    puts(word);
    fflush(stdout);
}

/* A buffer over standard input; NULL for `bare`. */
static sb_buffer *opened(const char *how)
{
    sb_callback source;
    sb_options options;
    sb_buffer *buffer = NULL;

    if (strcmp(how, "bare") == 0)
        return NULL;
    sb_options_init(&options, sizeof options);
    CHECK(spoolbuf_fd_source(&source, 0, 0, &options.size) == 0);
    options.prefetch = 1 << 20;
    CHECK(sb_new_with(&source, &options, &buffer) == SB_OK);
    return buffer;
}

#ifdef WITH_MPV
static void first_frame(sb_buffer *buffer)
{
    const char *load[] = { "loadfile", "fd://0", NULL };
    mpv_handle *mpv = mpv_create();
    spoolbuf_mpv film;
    mpv_event *event;

    CHECK(mpv != NULL && mpv_set_option_string(mpv, "vo", "null") == 0);
    CHECK(mpv_set_option_string(mpv, "ao", "null") == 0 && mpv_initialize(mpv) == 0);
    spoolbuf_mpv_open(&film, buffer);
    CHECK(spoolbuf_mpv_add(mpv, "spoolbuf", &film) == 0);
    say("ready");
    CHECK((buffer != NULL ? spoolbuf_mpv_load(mpv, &film, "spoolbuf://film") : mpv_command(mpv, load)) >= 0);
    do {
        event = mpv_wait_event(mpv, 60);
        CHECK(event->event_id != MPV_EVENT_NONE && event->event_id != MPV_EVENT_END_FILE);
    } while (event->event_id != MPV_EVENT_PLAYBACK_RESTART);
}
#else
static void first_frame(sb_buffer *buffer)
{
    AVFormatContext *format = avformat_alloc_context();
    AVPacket *packet = av_packet_alloc();
    static spoolbuf_ffmpeg io;

    if (buffer != NULL) {
        CHECK(spoolbuf_ffmpeg_open(&io, buffer) == 0);
        format->pb = io.context;
    }
    say("ready");
    CHECK(avformat_open_input(&format, buffer != NULL ? NULL : "pipe:0", NULL, NULL) == 0);
    CHECK(avformat_find_stream_info(format, NULL) >= 0 && av_read_frame(format, packet) == 0);
}
#endif

int main(int argc, char **argv)
{
    sb_buffer *buffer;
    char bytes[8];

    CHECK(argc == 2);
    buffer = opened(argv[1]);
    first_frame(buffer);
    say("first");
    if (buffer != NULL)
        CHECK(sb_read(buffer, 0, sizeof bytes, bytes) == 8 && memcmp(bytes + 4, "ftyp", 4) == 0);
    say("ok");
    _exit(0); /* Whatever the library is doing. */
}
