/*
 * GStreamer's first picture or sound, or the sum of all of the sound, over a slow line: see line.h.
 */
#define _GNU_SOURCE
#include "line.h"
#include "spoolbuf_gst.h"

static double start;
static line the;
static uint32_t sum = 1;

static void on_frame(GstElement *sink, GstBuffer *frame, GstPad *pad, gpointer opaque)
{
    static gint said;
    GstMapInfo map;

    (void)sink;
    (void)pad;
    (void)opaque;
    if (g_atomic_int_add(&said, 1) == 0) {
        line_first(&the, start);
        if (the.sound == NULL)
            line_end(0);
    }
    CHECK(gst_buffer_map(frame, &map, GST_MAP_READ));
    sum = line_sum(sum, map.data, map.size);
    gst_buffer_unmap(frame, &map);
}

/* A sink for each stream that decodebin finds. */
static void on_pad(GstElement *decoder, GstPad *pad, gpointer pipeline)
{
    GstElement *sink = gst_element_factory_make("fakesink", NULL);
    GstPad *end = gst_element_get_static_pad(sink, "sink");

    (void)decoder;
    g_object_set(sink, "signal-handoffs", TRUE, "async", FALSE, NULL);
    g_signal_connect(sink, "handoff", G_CALLBACK(on_frame), NULL);
    gst_bin_add(GST_BIN(pipeline), sink);
    gst_element_sync_state_with_parent(sink);
    CHECK(gst_pad_link(pad, end) == GST_PAD_LINK_OK);
    gst_object_unref(end);
}

/* All of the sound, or whatever comes first. */
static GstElement *made(void)
{
    const char *source = the.buffer != NULL ? "appsrc" : the.file != NULL ? "filesrc" : "fdsrc";
    const char *rest = the.sound != NULL ? " expose-all-streams=false caps=audio/x-raw ! audioconvert ! "
                                           "audio/x-raw,format=S16LE ! fakesink name=out signal-handoffs=true"
                                         : "";
    gchar *text = g_strdup_printf("%s name=src ! decodebin name=all%s", source, rest);
    GstElement *pipeline = gst_parse_launch(text, NULL), *part;

    CHECK(pipeline != NULL);
    if (the.sound != NULL) {
        part = gst_bin_get_by_name(GST_BIN(pipeline), "out");
        g_signal_connect(part, "handoff", G_CALLBACK(on_frame), NULL);
    } else {
        part = gst_bin_get_by_name(GST_BIN(pipeline), "all");
        g_signal_connect(part, "pad-added", G_CALLBACK(on_pad), pipeline);
    }
    g_free(text);
    return pipeline;
}

/* Plays to the end. Returns whether that was an error of GStreamer's. */
static int play(const sb_reader_options *options, int *status)
{
    GstElement *pipeline = made(), *source = gst_bin_get_by_name(GST_BIN(pipeline), "src");
    GstMessage *message;
    spoolbuf_gst io;

    if (the.buffer != NULL)
        CHECK(spoolbuf_gst_open_with(&io, the.buffer, GST_APP_SRC(source), options) == SB_OK);
    else if (the.file != NULL)
        g_object_set(source, "location", the.file, NULL);
    else
        g_object_set(source, "fd", the.pipe, NULL);
    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    message = gst_bus_timed_pop_filtered(GST_ELEMENT_BUS(pipeline), 60 * GST_SECOND,
                                         GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
    CHECK(message != NULL);
    *status = the.buffer != NULL ? spoolbuf_gst_status(&io) : 0;
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS)
        return 0;
    if (the.buffer != NULL) {
        spoolbuf_gst_cancel(&io);
        gst_element_set_state(pipeline, GST_STATE_NULL);
        spoolbuf_gst_close(&io);
    }
    return 1;
}

int main(int argc, char **argv)
{
    sb_reader_options whole;
    int failed, status;

    gst_init(NULL, NULL);
    line_open(&the, argc, argv);
    start = line_now();
    failed = play(NULL, &status);
    if (failed && the.buffer != NULL && (status == SB_OK || status == SB_ERR_SHORT)) {
        /* An index that comes last and too late. */
        sb_reader_options_init(&whole, sizeof whole);
        sum = 1;
        failed = play(&whole, &status);
    }
    if (!failed)
        printf("sum %08x\n", sum);
    printf("status %d\n", status);
    line_end(failed);
}
