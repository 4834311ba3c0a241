/*
 * spoolbuf_gst.h - GStreamer reads from a buffer: through an appsrc.
 *
 *     GstElement *pipeline = gst_parse_launch("appsrc name=src ! decodebin ! ...", NULL);
 *     GstElement *source = gst_bin_get_by_name(GST_BIN(pipeline), "src");
 *     spoolbuf_gst io;
 *     if (spoolbuf_gst_open(&io, buffer, GST_APP_SRC(source)) < 0) ...
 *     gst_element_set_state(pipeline, GST_STATE_PLAYING);
 *     ...
 *     spoolbuf_gst_stop(&io);                 (first, or the next line may never return)
 *     gst_element_set_state(pipeline, GST_STATE_NULL);
 *     spoolbuf_gst_close(&io);
 *
 * With playbin: uri `appsrc://`, and open in the handler of its signal `source-setup`.
 *
 *   GStreamer asks       it gets
 *   data (need-data)     one GstBuffer with its offset: in a random-access stream of all the bytes that
 *                        it names, since its demuxers take fewer for a cut file; else of what is there
 *                        once the first byte is, 64 KiB at most
 *   the end              gst_app_src_end_of_stream()
 *   an error             an error message of the element's on the bus (GST_RESOURCE_ERROR_READ);
 *                        spoolbuf_gst_status() has the library's code
 *   the size             the final one, else the declared one: the appsrc is `random-access`. Where
 *                        neither is known it is `seekable`, with no size
 *   a seek (seek-data)   costs nothing, whatever the source can
 *   a blocked read       a pipeline can't interrupt need-data: spoolbuf_gst_stop(), from any thread,
 *                        makes it and all that would wait return. At once where the library calls the
 *                        source on a thread of its own (sb_prefetch(), the option `prefetch`); else
 *                        when the source returns, for which sb_cancel() asks it
 *   who calls            a streaming thread of the pipeline's for data, others for seeks, never two
 *                        at once
 *   lifetime             close after the pipeline is in the state NULL, before sb_free()
 *
 * GStreamer 1.10 or newer. C99 and C++.
 */
#ifndef SPOOLBUF_GST_H
#define SPOOLBUF_GST_H

#include <gst/app/gstappsrc.h>
#include <gst/gst.h>
#include <string.h>

#include "spoolbuf.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One pipeline's place in a buffer. Stays where it is in memory while it is open. */
typedef struct spoolbuf_gst {
    sb_buffer *buffer;
    sb_reader *reader;
    GstAppSrc *source;
    gint status;
} spoolbuf_gst;

static inline void spoolbuf_gst_need_data(GstAppSrc *source, guint hint, gpointer opaque)
{
    spoolbuf_gst *self = (spoolbuf_gst *)opaque;
    gboolean all = gst_app_src_get_stream_type(source) == GST_APP_STREAM_TYPE_RANDOM_ACCESS
        && hint != (guint)-1;
    gsize room = all ? hint : 65536, done = 0;
    int64_t place = sb_reader_seek(self->reader, 0, SB_SEEK_CUR), count;
    char *bytes = (char *)g_malloc(room);
    GstBuffer *piece;

    do {
        count = sb_reader_read(self->reader, room - done, bytes + done);
        done += count > 0 ? (gsize)count : 0;
    } while (all && count > 0 && done < room);
    if (done > 0) {
        piece = gst_buffer_new_wrapped_full((GstMemoryFlags)0, bytes, room, 0, done, bytes, g_free);
        GST_BUFFER_OFFSET(piece) = (guint64)place;
        GST_BUFFER_OFFSET_END(piece) = (guint64)place + done;
        gst_app_src_push_buffer(source, piece);
        return;
    }
    g_free(bytes);
    if (count < 0) {
        g_atomic_int_set(&self->status, (gint)count);
        GST_ELEMENT_ERROR(source, RESOURCE, READ, ("%s", sb_strerror((int)count)), (NULL));
    }
    /* After an error too: or the pipeline would wait for more. */
    gst_app_src_end_of_stream(source);
}

static inline gboolean spoolbuf_gst_seek_data(GstAppSrc *source, guint64 offset, gpointer opaque)
{
    spoolbuf_gst *self = (spoolbuf_gst *)opaque;

    (void)source;
    return offset <= G_MAXINT64
        && sb_reader_seek(self->reader, (gint64)offset, SB_SEEK_SET) >= 0;
}

/* Makes an appsrc read from a buffer; before the pipeline is started. Returns SB_OK or an sb_status,
 * with nothing left to close. */
static inline int spoolbuf_gst_open(spoolbuf_gst *self, sb_buffer *buffer, GstAppSrc *source)
{
    GstAppSrcCallbacks callbacks;
    int64_t size = sb_size(buffer);

    self->buffer = buffer;
    self->status = SB_OK;
    self->reader = sb_reader_new(buffer);
    if (self->reader == NULL)
        return size == SB_ERR_INVALID ? SB_ERR_INVALID : SB_ERR_NO_MEMORY;
    self->source = (GstAppSrc *)gst_object_ref(source);
    memset(&callbacks, 0, sizeof callbacks);
    callbacks.need_data = spoolbuf_gst_need_data;
    callbacks.seek_data = spoolbuf_gst_seek_data;
    g_object_set(source, "format", GST_FORMAT_BYTES, NULL);
    gst_app_src_set_stream_type(source, size < 0 ? GST_APP_STREAM_TYPE_SEEKABLE
                                                 : GST_APP_STREAM_TYPE_RANDOM_ACCESS);
    gst_app_src_set_size(source, size < 0 ? -1 : size);
    gst_app_src_set_callbacks(source, &callbacks, self, NULL);
    return SB_OK;
}

/* Makes the waiting read, and those that would wait, fail. From any thread; before the pipeline's
 * state is changed. */
static inline void spoolbuf_gst_stop(spoolbuf_gst *self)
{
    sb_reader_cancel(self->reader);
}

/* Lets it go on: before the pipeline is started anew. */
static inline void spoolbuf_gst_resume(spoolbuf_gst *self)
{
    g_atomic_int_set(&self->status, SB_OK);
    sb_reader_resume(self->reader);
}

/* What went wrong since the opening, or since resume: SB_OK or the library's code. From any thread. */
static inline int spoolbuf_gst_status(spoolbuf_gst *self)
{
    return g_atomic_int_get(&self->status);
}

/* Closes the place; the buffer stays. After the pipeline is in the state NULL. */
static inline void spoolbuf_gst_close(spoolbuf_gst *self)
{
    sb_reader_free(self->reader);
    gst_object_unref(self->source);
    self->reader = NULL;
    self->source = NULL;
}

#ifdef __cplusplus
}
#endif

#endif
