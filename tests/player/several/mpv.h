/*
 * mpv plays the sound into a file, as fast as it goes.
 */
#include "spoolbuf_mpv.h"

#define FAILED_SAYS "end"
#define GOES_ON 0
#define ONE_AT_A_TIME 0
#define STOPS_ONLY_PLAY 1
/* Its first sound is not heard here. */
#define BEGINS 0
#define KEEPS_STATUS 1
#define GOES_BACK GOES_THROUGH
#define LOOKS_AHEAD
#define RESUMES_A_READER 0

struct player {
    PLAYER;
    spoolbuf_mpv film;
    mpv_handle *mpv;
};

static void player_open(player *self)
{
    const char *options[][2] = { { "ao", "pcm" }, { "ao-pcm-file", self->output }, { "vo", "null" },
                                 { "vid", "no" }, { "untimed", "yes" }, { "idle", "yes" } };
    size_t at;

    self->mpv = mpv_create();
    for (at = 0; at < sizeof options / sizeof *options; at++)
        assert(mpv_set_option_string(self->mpv, options[at][0], options[at][1]) == 0);
    assert(mpv_initialize(self->mpv) == 0);
    spoolbuf_mpv_open(&self->film, self->buffer);
    assert(spoolbuf_mpv_add(self->mpv, "spoolbuf", &self->film) == 0);
}

static void player_stop(player *self)
{
    const char *stop[] = { "stop", NULL };

    assert(mpv_command(self->mpv, stop) == 0);
}

static int player_status(player *self)
{
    return spoolbuf_mpv_status(&self->film);
}

static void player_resume(player *self)
{
    (void)self;
}

static void player_close(player *self)
{
    mpv_terminate_destroy(self->mpv);
    spoolbuf_mpv_close(&self->film);
}

static void player_asks(player *self)
{
    char uri[] = "spoolbuf://film", bytes[ODD];
    mpv_stream_cb_info info, second, third;
    sb_reader_options options;
    spoolbuf_mpv other;

    memset(&info, 0, sizeof info);
    memset(&second, 0, sizeof second);
    memset(&third, 0, sizeof third);
    assert(spoolbuf_mpv_open_fn(&self->film, uri, &info) == 0);
    assert(spoolbuf_mpv_open_fn(&self->film, uri, &second) == 0);
    assert(info.seek_fn(info.cookie, 0) == 0);
    assert(info.size_fn(info.cookie) == MPV_ERROR_UNSUPPORTED);
    assert(info.read_fn(info.cookie, bytes, ODD) == 100);
    assert((unsigned char)bytes[99] == odd_byte(99));
    /* A look ahead is refused, and may then be allowed, once. */
    assert(!spoolbuf_mpv_whole(&self->film));
    assert(info.seek_fn(info.cookie, SB_REACH_AUTO + 200) < 0);
    assert(info.read_fn(info.cookie, bytes, 1) == 1 && (unsigned char)bytes[0] == odd_byte(100));
    assert(spoolbuf_mpv_whole(&self->film) && !spoolbuf_mpv_whole(&self->film));
    sb_reader_options_init(&options, sizeof options);
    options.flags = SB_READER_BUFFERED;
    spoolbuf_mpv_open_with(&other, self->buffer, &options);
    assert(spoolbuf_mpv_open_fn(&other, uri, &third) == 0);
    assert(third.seek_fn(third.cookie, SB_REACH_AUTO + 200) == SB_REACH_AUTO + 200);
    assert(third.read_fn(third.cookie, bytes, 1) == -1);
    assert(spoolbuf_mpv_status(&other) == SB_ERR_TIMEOUT && !spoolbuf_mpv_whole(&other));
    third.close_fn(third.cookie);
    spoolbuf_mpv_close(&other);
    assert(info.seek_fn(info.cookie, 5000) == 5000 && info.read_fn(info.cookie, bytes, 1) == 0);
    assert(info.size_fn(info.cookie) == ODD && info.seek_fn(info.cookie, -1) < 0);
    assert(player_status(self) == SB_OK);
    /* A cancel affects its stream alone, and may be called twice and late. */
    info.cancel_fn(info.cookie);
    info.cancel_fn(info.cookie);
    assert(info.seek_fn(info.cookie, 0) == 0 && info.read_fn(info.cookie, bytes, 1) == -1);
    assert(player_status(self) == SB_ERR_CANCELED);
    info.close_fn(info.cookie);
    info.cancel_fn(info.cookie);
    assert(second.read_fn(second.cookie, bytes, 1) == 1);
    second.close_fn(second.cookie);
    assert(spoolbuf_mpv_open_fn(&self->film, uri, &second) == 0 && player_status(self) == SB_OK);
    sb_free(self->buffer);
    assert(second.read_fn(second.cookie, bytes, 1) == -1 && second.seek_fn(second.cookie, 0) < 0);
    assert(player_status(self) == SB_ERR_INVALID);
    second.close_fn(second.cookie);
    assert(spoolbuf_mpv_open_fn(&self->film, uri, &info) == MPV_ERROR_LOADING_FAILED);
}

static int player_looks_ahead(player *self, int asks_size)
{
    char uri[] = "spoolbuf://film";
    mpv_stream_cb_info info;
    int64_t found;

    memset(&info, 0, sizeof info);
    assert(spoolbuf_mpv_open_fn(&self->film, uri, &info) == 0);
    found = asks_size ? info.size_fn(info.cookie) : info.seek_fn(info.cookie, LOOK);
    info.close_fn(info.cookie);
    return found >= 0;
}

static void player_play(player *self)
{
    const char *load[] = { "loadfile", self->file, NULL };
    const char *close[] = { "ao-reload", NULL };
    mpv_event *event;
    int reason;

    assert((self->buffer != NULL ? spoolbuf_mpv_load(self->mpv, &self->film, "spoolbuf://film")
                                 : mpv_command(self->mpv, load)) == 0);
    do
        event = mpv_wait_event(self->mpv, -1);
    while (event->event_id != MPV_EVENT_END_FILE);
    reason = ((mpv_event_end_file *)event->data)->reason;
    self->says = reason == MPV_END_FILE_REASON_EOF ? "end"
        : reason == MPV_END_FILE_REASON_STOP       ? "stop"
                                                   : "error";
    mpv_command(self->mpv, close);
    do
        event = mpv_wait_event(self->mpv, -1);
    while (event->event_id != MPV_EVENT_IDLE);
    if (strcmp(self->says, "end") == 0)
        self->sum = sum_of_file(self->output);
}

static double place_of(player *self)
{
    double seconds = -1;

    mpv_get_property(self->mpv, "time-pos", MPV_FORMAT_DOUBLE, &seconds);
    return seconds;
}

static void wait_for(player *self, mpv_event_id wanted)
{
    mpv_event *event;

    do {
        event = mpv_wait_event(self->mpv, -1);
        assert(event->event_id != MPV_EVENT_END_FILE || wanted == MPV_EVENT_END_FILE);
    } while (event->event_id != wanted);
}

/* As it is heard, and without a cache of mpv's own. */
static void player_goes_back(player *self)
{
    const char *back[] = { "seek", "0", "absolute+exact", NULL }, *stop[] = { "stop", NULL };
    int on = 1, off = 0;

    assert(mpv_set_property_string(self->mpv, "ao", "null") == 0);
    assert(mpv_set_property_string(self->mpv, "untimed", "no") == 0);
    assert(mpv_set_property_string(self->mpv, "cache", "no") == 0);
    assert(mpv_set_property_string(self->mpv, "demuxer-seekable-cache", "no") == 0);
    assert(spoolbuf_mpv_load(self->mpv, &self->film, "spoolbuf://film") == 0);
    wait_for(self, MPV_EVENT_PLAYBACK_RESTART);
    while (place_of(self) < 2)
        usleep(1000);
    assert(mpv_set_property(self->mpv, "pause", MPV_FORMAT_FLAG, &on) == 0);
    assert(mpv_command(self->mpv, back) == 0);
    wait_for(self, MPV_EVENT_PLAYBACK_RESTART);
    /* An AAC begins before zero. */
    assert(place_of(self) > -0.5 && place_of(self) < 0.5);
    assert(mpv_set_property(self->mpv, "pause", MPV_FORMAT_FLAG, &off) == 0);
    while (place_of(self) < 1)
        usleep(1000);
    assert(mpv_command(self->mpv, stop) == 0);
    wait_for(self, MPV_EVENT_END_FILE);
}
