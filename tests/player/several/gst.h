/*
 * GStreamer plays the sound into a file, as fast as it goes.
 */
#include "spoolbuf_gst.h"

#define FAILED_SAYS "error"
#define GOES_ON 0
#define ONE_AT_A_TIME 0
#define BEGINS 1
#define PIPED
#define GOES_BACK STANDS_STILL
#define LOOKS_AHEAD
#define RESUMES_A_READER 0

struct player {
    PLAYER;
    spoolbuf_gst io;
    GstElement *pipeline;
    int fd; /* of a file that is played as a pipe */
};

static GstPadProbeReturn on_sound(GstPad *pad, GstPadProbeInfo *info, gpointer begun)
{
    (void)pad;
    (void)info;
    begin((int *)begun);
    return GST_PAD_PROBE_OK;
}

/* A pipe with the contents of a file. */
static int piped(const char *name)
{
    char command[500];
    FILE *pipe;

    snprintf(command, sizeof command, "cat '%s'", name);
    pipe = popen(command, "r");
    assert(pipe != NULL);
    return dup(fileno(pipe));
}

/* By hand, since gst_parse_launch() links some elements later, and only once: not when it plays
 * again. */
static void on_pad(GstElement *decoder, GstPad *pad, gpointer sound)
{
    GstPad *sink = gst_element_get_static_pad((GstElement *)sound, "sink");

    (void)decoder;
    assert(gst_pad_link(pad, sink) == GST_PAD_LINK_OK);
    gst_object_unref(sink);
}

static void player_open(player *self)
{
    GstElement *source, *decoder, *sound;
    GstPad *pad;
    char text[800];

    gst_init(NULL, NULL);
    snprintf(text, sizeof text,
             "%s name=src ! decodebin name=decoder expose-all-streams=false caps=audio/x-raw "
             "audioconvert name=sound ! audio/x-raw,format=F32LE ! wavenc ! filesink location=%s",
             self->buffer != NULL ? "appsrc" : self->piped ? "fdsrc" : "filesrc", self->output);
    self->pipeline = gst_parse_launch(text, NULL);
    assert(self->pipeline != NULL);
    decoder = gst_bin_get_by_name(GST_BIN(self->pipeline), "decoder");
    sound = gst_bin_get_by_name(GST_BIN(self->pipeline), "sound");
    g_signal_connect(decoder, "pad-added", G_CALLBACK(on_pad), sound);
    gst_object_unref(decoder);
    pad = gst_element_get_static_pad(sound, "sink");
    gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER, on_sound, &self->begun, NULL);
    gst_object_unref(pad);
    gst_object_unref(sound);
    source = gst_bin_get_by_name(GST_BIN(self->pipeline), "src");
    if (self->buffer != NULL)
        assert(spoolbuf_gst_open(&self->io, self->buffer, GST_APP_SRC(source)) == SB_OK);
    else if (self->piped)
        g_object_set(source, "fd", self->fd = piped(self->file), NULL);
    else
        g_object_set(source, "location", self->file, NULL);
    gst_object_unref(source);
}

static void player_stop(player *self)
{
    spoolbuf_gst_cancel(&self->io);
}

static int player_status(player *self)
{
    return spoolbuf_gst_status(&self->io);
}

static void player_resume(player *self)
{
    spoolbuf_gst_resume(&self->io);
}

static void player_close(player *self)
{
    if (self->buffer != NULL)
        spoolbuf_gst_close(&self->io);
    if (self->piped)
        close(self->fd);
    gst_object_unref(self->pipeline);
}

/* A pipeline in the state NULL wants its thread back: a search gives up if it is not over soon. */
static void find_size(spoolbuf_gst *io)
{
    while (g_atomic_int_get(&io->unproved))
        spoolbuf_gst_prove(io);
}

/* LOOK zeros of a source that turns out to be unable to seek, and takes longer than a search is patient. */
static int64_t slow_read(void *position, void *out, size_t capacity)
{
    size_t *at = (size_t *)position, count = LOOK - *at < capacity ? LOOK - *at : capacity;

    if (*at % (LOOK / 4) == 0)
        usleep(2 * 1000 * SPOOLBUF_GST_PATIENCE);
    memset(out, 0, count);
    *at += count;
    return (int64_t)count;
}

static int64_t slow_seek(void *position, uint64_t offset)
{
    (void)position;
    (void)offset;
    return SB_SOURCE_UNSUPPORTED;
}

/* A wrong declared size is replaced before GStreamer relies on it, however long that takes. */
static void replaces_the_size(GstAppSrc *source, uint64_t declared, int status)
{
    size_t position = 0;
    sb_callback callback = { .read = slow_read, .seek = slow_seek, .opaque = &position };
    sb_buffer *buffer = sb_new(&callback, declared, SB_MAX_DEFAULT);
    spoolbuf_gst io;

    assert(spoolbuf_gst_open(&io, buffer, source) == SB_OK);
    assert(gst_app_src_get_size(source) == (gint64)declared);
    find_size(&io);
    assert(gst_app_src_get_size(source) == LOOK && spoolbuf_gst_status(&io) == status);
    spoolbuf_gst_close(&io);
    sb_free(buffer);
}

static void player_asks(player *self)
{
    GstAppSrc *source = self->io.source;
    sb_reader_options options;
    spoolbuf_gst other;

    assert(spoolbuf_gst_open(&other, NULL, source) == SB_ERR_INVALID);
    assert(gst_app_src_get_stream_type(source) == GST_APP_STREAM_TYPE_SEEKABLE);
    assert(gst_app_src_get_size(source) == -1);
    /* No seek beyond the reach, or to an offset that no resource reaches. */
    assert(!spoolbuf_gst_seek_data(source, G_MAXUINT64, &self->io));
    assert(!spoolbuf_gst_seek_data(source, SB_REACH_AUTO + 1, &self->io));
    assert(spoolbuf_gst_seek_data(source, ODD - 1, &self->io));
    /* A pipeline in the state NULL wants its thread back: a read gives up if the bytes do not come soon. */
    while (gst_app_src_get_size(source) != ODD)
        spoolbuf_gst_need_data(source, 0, &self->io);
    assert(player_status(self) == SB_OK);
    assert(spoolbuf_gst_seek_data(source, SB_REACH_AUTO + 1, &self->io));
    /* With every byte buffered it is read from anywhere, and a stop stops it all the same. */
    assert(spoolbuf_gst_open(&other, self->buffer, source) == SB_OK);
    assert(gst_app_src_get_stream_type(source) == GST_APP_STREAM_TYPE_RANDOM_ACCESS);
    spoolbuf_gst_cancel(&other);
    spoolbuf_gst_need_data(source, 10, &other);
    assert(spoolbuf_gst_status(&other) == SB_ERR_CANCELED);
    spoolbuf_gst_resume(&other);
    spoolbuf_gst_need_data(source, 10, &other);
    assert(spoolbuf_gst_status(&other) == SB_OK);
    spoolbuf_gst_close(&other);
    sb_reader_options_init(&options, sizeof options);
    options.flags = SB_READER_BUFFERED;
    assert(spoolbuf_gst_open_with(&other, self->buffer, source, &options) == SB_OK);
    spoolbuf_gst_close(&other);
    options.flags = 77;
    assert(spoolbuf_gst_open_with(&other, self->buffer, source, &options) == SB_ERR_INVALID);
    replaces_the_size(source, LOOK / 2, SB_OK);
    replaces_the_size(source, 2 * LOOK, SB_ERR_SHORT);
}

static int player_looks_ahead(player *self, int asks_size)
{
    if (asks_size) {
        find_size(&self->io);
        return sb_known_size(self->buffer) >= 0;
    }
    assert(spoolbuf_gst_seek_data(self->io.source, LOOK, &self->io));
    /* As above: a read that gave up has moved nothing. */
    do
        spoolbuf_gst_need_data(self->io.source, 1, &self->io);
    while (player_status(self) == SB_OK && sb_reader_seek(self->io.reader, 0, SB_SEEK_CUR) == LOOK);
    return player_status(self) == SB_OK;
}

static void player_play(player *self)
{
    GstBus *bus = gst_element_get_bus(self->pipeline);
    GstMessage *message;

    gst_element_set_state(self->pipeline, GST_STATE_PLAYING);
    message = gst_bus_timed_pop_filtered(
        bus, GST_CLOCK_TIME_NONE, GST_MESSAGE_EOS | GST_MESSAGE_ERROR | GST_MESSAGE_WARNING);
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_WARNING) {
        /* A short end. decodebin now and then keeps to itself what oggdemux says of it. */
        assert(player_status(self) == SB_ERR_SHORT);
        gst_message_unref(message);
        message = gst_bus_timed_pop_filtered(bus, 2 * GST_SECOND, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
    }
    self->says = message == NULL                                        ? "nothing"
        : GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS                  ? "end"
        : self->buffer != NULL && player_status(self) == SB_ERR_CANCELED ? "stop"
                                                                               : "error";
    if (message != NULL)
        gst_message_unref(message);
    gst_element_set_state(self->pipeline, GST_STATE_NULL);
    gst_object_unref(bus);
    if (strcmp(self->says, "end") == 0)
        self->sum = sum_of_file(self->output);
}

static void wait_for_state(player *self)
{
    assert(gst_element_get_state(self->pipeline, NULL, NULL, 60 * GST_SECOND) == GST_STATE_CHANGE_SUCCESS);
}

static gint64 place_of(player *self)
{
    gint64 place = -1;

    gst_element_query_position(self->pipeline, GST_FORMAT_TIME, &place);
    return place;
}

/* From two seconds on, back to the start. */
static void player_goes_back(player *self)
{
    GstSeekFlags how = (GstSeekFlags)(GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_ACCURATE);

    gst_element_set_state(self->pipeline, GST_STATE_PLAYING);
    while (place_of(self) < (gint64)(2 * GST_SECOND))
        usleep(1000);
    gst_element_set_state(self->pipeline, GST_STATE_PAUSED);
    wait_for_state(self);
    /* The other demuxers seek only once the end is known, or with an index that comes first. */
    if (strstr(self->file, ".mp4") != NULL) {
        assert(gst_element_seek_simple(self->pipeline, GST_FORMAT_TIME, how, 0));
        wait_for_state(self);
        assert(place_of(self) >= 0 && place_of(self) < (gint64)GST_SECOND);
    }
    gst_element_set_state(self->pipeline, GST_STATE_NULL);
}
