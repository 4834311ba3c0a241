/*
 * Plays a file, or a pipe, with GStreamer. The elements after the source are up to you.
 *
 *     gstreamer song.ogg
 *     curl -s https://example.com/film.mp4 | gstreamer - 'decodebin ! audioconvert ! autoaudiosink'
 *     gstreamer film.mp4 'decodebin ! audioconvert ! wavenc ! filesink location=sound.wav'
 */
#include "resource.h"
#include "spoolbuf_gst.h"

static GstElement *pipeline;
static volatile int stopped;

static void stop(void *io)
{
    stopped = 1;
    spoolbuf_gst_cancel(io);
    gst_element_post_message(pipeline, gst_message_new_eos(GST_OBJECT(pipeline)));
}

int main(int argc, char **argv)
{
    sb_buffer *buffer = resource_open(argc > 1 ? argv[1] : NULL);
    GstMessage *message;
    GstElement *source;
    GError *error = NULL;
    spoolbuf_gst io;
    char *text;
    int status;

    if (buffer == NULL)
        return 2;
    gst_init(NULL, NULL);
    text = g_strdup_printf("appsrc name=src ! %s",
                           argc > 2 ? argv[2] : "decodebin ! audioconvert ! autoaudiosink");
    if ((pipeline = gst_parse_launch(text, &error)) == NULL || error != NULL)
        return 2 * resource_end(SB_OK, error->message);
    source = gst_bin_get_by_name(GST_BIN(pipeline), "src");
    if (spoolbuf_gst_open(&io, buffer, GST_APP_SRC(source)) < 0)
        return 2;
    resource_on_interrupt(stop, &io);
    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    message = gst_bus_timed_pop_filtered(GST_ELEMENT_BUS(pipeline), GST_CLOCK_TIME_NONE,
                                         GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR)
        gst_message_parse_error(message, &error, NULL);
    spoolbuf_gst_cancel(&io); /* Otherwise a blocked read would keep the pipeline from stopping. */
    gst_element_set_state(pipeline, GST_STATE_NULL);
    status = stopped ? SB_ERR_CANCELED : spoolbuf_gst_status(&io);
    status = resource_end(status, error != NULL ? error->message : NULL);
    gst_message_unref(message);
    gst_object_unref(source);
    gst_object_unref(pipeline);
    g_clear_error(&error);
    g_free(text);
    spoolbuf_gst_close(&io);
    sb_free(buffer);
    return status;
}
