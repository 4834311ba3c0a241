/*
 * A pipeline that plays the sound of a buffer, as fast as it comes.
 */
#include <assert.h>

#include "spoolbuf_gst.h"

static GstElement *play(spoolbuf_gst *io, sb_buffer *buffer)
{
    GstElement *pipeline = gst_parse_launch("appsrc name=src ! decodebin expose-all-streams=false "
                                            "caps=audio/x-raw ! fakesink sync=false", NULL);
    GstElement *source = gst_bin_get_by_name(GST_BIN(pipeline), "src");

    assert(spoolbuf_gst_open(io, buffer, GST_APP_SRC(source)) == SB_OK);
    gst_object_unref(source);
    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    return pipeline;
}

/* What ends it. Counts the warnings of the source before that. */
static GstMessageType end_of(GstElement *pipeline, int *warnings)
{
    GstBus *bus = gst_element_get_bus(pipeline);
    GstMessageType type = GST_MESSAGE_WARNING;
    GstMessage *message;

    for (*warnings = 0; type == GST_MESSAGE_WARNING;) {
        message = gst_bus_timed_pop_filtered(bus, GST_CLOCK_TIME_NONE,
                                             GST_MESSAGE_EOS | GST_MESSAGE_ERROR | GST_MESSAGE_WARNING);
        type = GST_MESSAGE_TYPE(message);
        *warnings += type == GST_MESSAGE_WARNING && GST_IS_APP_SRC(GST_MESSAGE_SRC(message));
        gst_message_unref(message);
    }
    gst_object_unref(bus);
    return type;
}

/* Ends it, and returns the status of its source. */
static int stop(spoolbuf_gst *io, GstElement *pipeline)
{
    int status;

    gst_element_set_state(pipeline, GST_STATE_NULL);
    status = spoolbuf_gst_status(io);
    spoolbuf_gst_close(io);
    gst_object_unref(pipeline);
    return status;
}
