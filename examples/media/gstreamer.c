/*
 * Plays a file, or a pipe, with GStreamer. The elements after the source are up to you.
 *
 *     gstreamer song.ogg
 *     curl -s https://example.com/film.mp4 | gstreamer - 'decodebin ! audioconvert ! autoaudiosink'
 *     gstreamer film.mp4 'decodebin ! audioconvert ! wavenc ! filesink location=sound.wav'
 */
#include "resource.h"
#include "spoolbuf_gst.h"

static GMutex lock; /* of the two below */
static GstElement *pipeline;
static spoolbuf_gst *playing;
static volatile int stopped;

static void stop(void *opaque)
{
    (void)opaque;
    g_mutex_lock(&lock);
    stopped = 1;
    if (playing != NULL) {
        spoolbuf_gst_cancel(playing);
        gst_element_post_message(pipeline, gst_message_new_eos(GST_OBJECT(pipeline)));
    }
    g_mutex_unlock(&lock);
}

/* Shows `io` to the stop button, or takes it away. Returns whether it was pressed already. */
static int show(spoolbuf_gst *io)
{
    int late;

    g_mutex_lock(&lock);
    playing = io;
    late = stopped;
    g_mutex_unlock(&lock);
    return late;
}

/* Plays to the end. Returns the status, and GStreamer's own error in `*error`. */
static int play(sb_buffer *buffer, const char *text, const sb_reader_options *options, GError **error)
{
    GstMessage *message = NULL;
    GstElement *source;
    spoolbuf_gst io;
    int status;

    if ((pipeline = gst_parse_launch(text, error)) == NULL || *error != NULL)
        return SB_OK;
    source = gst_bin_get_by_name(GST_BIN(pipeline), "src");
    status = spoolbuf_gst_open_with(&io, buffer, GST_APP_SRC(source), options);
    if (status == SB_OK) {
        if (!show(&io)) {
            gst_element_set_state(pipeline, GST_STATE_PLAYING);
            message = gst_bus_timed_pop_filtered(GST_ELEMENT_BUS(pipeline), GST_CLOCK_TIME_NONE,
                                                 GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
        }
        if (message != NULL && GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR)
            gst_message_parse_error(message, error, NULL);
        status = stopped ? SB_ERR_CANCELED : spoolbuf_gst_status(&io);
        spoolbuf_gst_cancel(&io); /* Otherwise a blocked read would keep the pipeline from stopping. */
        gst_element_set_state(pipeline, GST_STATE_NULL);
        show(NULL);
        spoolbuf_gst_close(&io);
    }
    if (message != NULL)
        gst_message_unref(message);
    gst_object_unref(source);
    gst_object_unref(pipeline);
    return status;
}

int main(int argc, char **argv)
{
    sb_buffer *buffer = resource_open(argc > 1 ? argv[1] : NULL);
    sb_reader_options whole;
    GError *error = NULL;
    char *text;
    int status;

    if (buffer == NULL)
        return 2;
    gst_init(NULL, NULL);
    resource_on_interrupt(stop, NULL);
    text = g_strdup_printf("appsrc name=src ! %s",
                           argc > 2 ? argv[2] : "decodebin ! audioconvert ! autoaudiosink");
    status = play(buffer, text, NULL, &error);
    if (error != NULL && status == SB_OK && error->domain == GST_STREAM_ERROR) {
        /* An MP4 with its index last, for example, that is too large for qtdemux to keep. */
        g_clear_error(&error);
        sb_reader_options_init(&whole, sizeof whole);
        status = play(buffer, text, &whole, &error);
    }
    status = resource_end(status, error != NULL ? error->message : NULL);
    g_clear_error(&error);
    g_free(text);
    sb_free(buffer);
    return status;
}
