/*
 * VLC plays the sound into a file, as fast as it goes.
 */
#include <semaphore.h>

#include "spoolbuf_vlc.h"

#define FAILED_SAYS "end"
#define GOES_ON 0
#define ONE_AT_A_TIME 0
#define STOPS_ONLY_PLAY 1
/* Its first sound is not heard here. */
#define BEGINS 0
#define GOES_BACK GOES_THROUGH
#define LOOKS_AHEAD

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
    spoolbuf_vlc_cancel(&self->film);
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

static void player_asks(player *self)
{
    void *positions[SPOOLBUF_VLC_POSITIONS + 1];
    unsigned char bytes[ODD];
    sb_reader_options options;
    spoolbuf_vlc other;
    uint64_t size;
    int at;

    for (at = 0; at < SPOOLBUF_VLC_POSITIONS; at++)
        assert(spoolbuf_vlc_open_cb(&self->film, &positions[at], &size) == 0 && size == UINT64_MAX);
    assert(spoolbuf_vlc_open_cb(&self->film, &positions[at], &size) < 0);
    assert(spoolbuf_vlc_read_cb(positions[0], bytes, ODD) == 100 && bytes[99] == odd_byte(99));
    assert(spoolbuf_vlc_read_cb(positions[1], bytes, 1) == 1 && bytes[0] == odd_byte(0));
    assert(spoolbuf_vlc_seek_cb(positions[0], UINT64_MAX) < 0);
    /* A look ahead is refused, and leaves the position. */
    assert(!spoolbuf_vlc_refused(&self->film));
    assert(spoolbuf_vlc_seek_cb(positions[0], SB_REACH_AUTO + 200) < 0);
    assert(spoolbuf_vlc_refused(&self->film) && !spoolbuf_vlc_refused(&self->film));
    assert(spoolbuf_vlc_read_cb(positions[0], bytes, 1) == 1 && bytes[0] == odd_byte(100));
    sb_reader_options_init(&options, sizeof options);
    options.flags = SB_READER_BUFFERED;
    assert(spoolbuf_vlc_open_with(&other, self->buffer, &options) == SB_OK);
    assert(spoolbuf_vlc_open_cb(&other, &positions[at], &size) == 0);
    assert(spoolbuf_vlc_seek_cb(positions[at], SB_REACH_AUTO + 200) == 0);
    assert(spoolbuf_vlc_read_cb(positions[at], bytes, 1) == -1);
    assert(spoolbuf_vlc_status(&other) == SB_ERR_TIMEOUT);
    spoolbuf_vlc_close(&other);
    /* After a cancel no byte is read, not even a buffered one. */
    spoolbuf_vlc_cancel(&self->film);
    assert(spoolbuf_vlc_seek_cb(positions[0], 0) == 0);
    assert(spoolbuf_vlc_read_cb(positions[0], bytes, 1) == -1 && player_status(self) == SB_ERR_CANCELED);
    spoolbuf_vlc_resume(&self->film);
    assert(spoolbuf_vlc_read_cb(positions[0], bytes, 1) == 1 && bytes[0] == odd_byte(0));
    assert(spoolbuf_vlc_seek_cb(positions[0], 5000) == 0);
    assert(spoolbuf_vlc_read_cb(positions[0], bytes, 1) == 0 && player_status(self) == SB_OK);
    /* A closed position can be reused, and begins at the start. */
    spoolbuf_vlc_close_cb(positions[0]);
    assert(spoolbuf_vlc_open_cb(&self->film, &positions[0], &size) == 0 && size == ODD);
    assert(spoolbuf_vlc_read_cb(positions[0], bytes, 1) == 1 && bytes[0] == odd_byte(0));
    assert(spoolbuf_vlc_open(&other, NULL) == SB_ERR_INVALID);
    sb_free(self->buffer);
    assert(spoolbuf_vlc_read_cb(positions[0], bytes, 1) == -1);
    assert(player_status(self) == SB_ERR_INVALID);
    for (at = 0; at < SPOOLBUF_VLC_POSITIONS; at++)
        spoolbuf_vlc_close_cb(positions[at]);
}

static int player_looks_ahead(player *self, int asks_size)
{
    uint64_t size = 0;
    void *position;

    if (!asks_size)
        return spoolbuf_vlc_seek_cb(&self->film.positions[0], LOOK) == 0;
    assert(spoolbuf_vlc_open_cb(&self->film, &position, &size) == 0);
    spoolbuf_vlc_close_cb(position);
    return size != UINT64_MAX;
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

/* Instead of a sound card. */
static void on_samples(void *opaque, const void *samples, unsigned int count, int64_t time)
{
    (void)opaque;
    (void)samples;
    (void)count;
    (void)time;
}

/* Plays until the place is two seconds, and returns the first one, in milliseconds. */
static int64_t play_two_seconds(player *self, libvlc_media_t *media)
{
    libvlc_media_player_t *player = libvlc_media_player_new_from_media(media);
    int64_t first = 0;

    libvlc_media_add_option(media, ":no-video");
    libvlc_audio_set_format(player, "S16N", 44100, 2);
    libvlc_audio_set_callbacks(player, on_samples, NULL, NULL, NULL, NULL, NULL);
    libvlc_media_player_play(player);
    while (libvlc_media_player_get_time(player) < 2000) {
        if (first <= 0)
            first = libvlc_media_player_get_time(player);
        usleep(1000);
    }
    assert(player_status(self) == SB_OK);
    spoolbuf_vlc_cancel(&self->film);
    libvlc_media_player_stop(player);
    libvlc_media_player_release(player);
    libvlc_media_release(media);
    player_resume(self);
    return first;
}

/* From the start, and again from half a second on. */
static void player_goes_back(player *self)
{
    libvlc_media_t *media = spoolbuf_vlc_media(&self->film, self->vlc);

    play_two_seconds(self, media);
    media = spoolbuf_vlc_media_back(&self->film, self->vlc);
    libvlc_media_add_option(media, ":start-time=1");
    assert(play_two_seconds(self, media) >= 900);
}
