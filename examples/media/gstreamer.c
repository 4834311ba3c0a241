/*
 * Plays a file, or what a pipe brings, with GStreamer: what comes after the source is up to you.
 *
 *     gstreamer song.ogg
 *     curl -s https://example.com/film.mp4 | gstreamer - 'decodebin ! audioconvert ! autoaudiosink'
 *     gstreamer film.mp4 'decodebin ! audioconvert ! wavenc ! filesink location=sound.wav'
 *
 * Ctrl-C stops at once, also while nothing comes.
 */
#define _GNU_SOURCE
#include "resource.h"
#include "spoolbuf_gst.h"

static struct {
    spoolbuf_gst io;
    GstElement *pipeline;
} playing;

static void stop(void *opaque)
{
    (void)opaque;
    spoolbuf_gst_stop(&playing.io);
    gst_element_post_message(playing.pipeline, gst_message_new_eos(GST_OBJECT(playing.pipeline)));
}

int main(int argc, char **argv)
{
    sb_buffer *buffer = argc >= 2 ? resource_open(argv[1]) : NULL;
    GstElement *source, *pipeline;
    GstMessage *message;
    GstBus *bus;
    GError *error = NULL;
    gint64 duration = 0;
    char *text;
    int status;

    if (buffer == NULL)
        return 2;
    gst_init(NULL, NULL);
    text = g_strdup_printf("appsrc name=src ! %s",
                           argc > 2 ? argv[2] : "decodebin ! audioconvert ! autoaudiosink");
    pipeline = playing.pipeline = gst_parse_launch(text, &error);
    g_free(text);
    if (error != NULL) {
        puts(error->message);
        return 2;
    }
    source = gst_bin_get_by_name(GST_BIN(pipeline), "src");
    if (spoolbuf_gst_open(&playing.io, buffer, GST_APP_SRC(source)) < 0)
        return 2;
    resource_on_interrupt(stop, NULL);
    bus = gst_element_get_bus(pipeline);
    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    message = gst_bus_timed_pop_filtered(bus, GST_CLOCK_TIME_NONE,
                                         GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR)
        gst_message_parse_error(message, &error, NULL);
    gst_element_query_duration(pipeline, GST_FORMAT_TIME, &duration);
    /* Or a read that waits would keep the pipeline from stopping. */
    spoolbuf_gst_stop(&playing.io);
    gst_element_set_state(pipeline, GST_STATE_NULL);
    status = spoolbuf_gst_status(&playing.io);
    printf("duration %.2f\n%s\n", duration / 1e9,
           status == SB_ERR_CANCELED ? "stopped"
               : status < 0          ? sb_strerror(status)
               : error != NULL       ? error->message
                                     : "ended");
    gst_message_unref(message);
    gst_object_unref(bus);
    g_clear_error(&error);
    gst_object_unref(source);
    gst_object_unref(pipeline);
    spoolbuf_gst_close(&playing.io);
    sb_free(buffer);
    return status < 0;
}
