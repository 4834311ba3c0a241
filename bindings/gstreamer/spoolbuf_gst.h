/*
 * spoolbuf_gst.h - GStreamer reads from a buffer: through an appsrc.
 *
 *     GstElement *pipeline = gst_parse_launch("appsrc name=src ! decodebin ! ...", NULL);
 *     GstElement *source = gst_bin_get_by_name(GST_BIN(pipeline), "src");
 *     spoolbuf_gst io;
 *     if (spoolbuf_gst_open(&io, buffer, GST_APP_SRC(source)) < 0) ...
 *     gst_element_set_state(pipeline, GST_STATE_PLAYING);
 *     ...
 *     gst_element_set_state(pipeline, GST_STATE_NULL);
 *     spoolbuf_gst_close(&io);
 *
 * With playbin: set uri to `appsrc://`, and open in the handler of its signal `source-setup`.
 *
 *   GStreamer requests   result
 *   data (need-data)     one GstBuffer with its offset. In a random-access stream it has all the bytes
 *                        requested, since GStreamer's demuxers take fewer for a truncated file.
 *                        Otherwise it has the bytes available once the first one is, at most 64 KiB
 *   the end              gst_app_src_end_of_stream()
 *   an end too early     before the declared size: it is the end and a warning on the bus, or with
 *                        SB_SHORT_ERROR an error. spoolbuf_gst_status() is SB_ERR_SHORT in both cases.
 *                        Demuxers that looked for the declared end may have given up without a message
 *   an error             an error message of the element on the bus (GST_RESOURCE_ERROR_READ).
 *                        spoolbuf_gst_status() returns the library's code. To go on: set the pipeline
 *                        to NULL, sb_retry(), spoolbuf_gst_resume(), play, seek
 *   the size             the final size, else the declared size: the appsrc is `random-access`. If
 *                        neither is known the appsrc is `seekable`, without a size
 *   a seek (seek-data)   costs nothing, whatever the source can do
 *   a blocked read       yields within a twentieth of a second to a flushing seek and to a change of
 *                        state. spoolbuf_gst_cancel(), from any thread, makes it and every read that
 *                        would block fail as soon, until spoolbuf_gst_resume()
 *   the source           is called on a thread of the library, with a prefetch or without one: no
 *                        thread of GStreamer ever waits for it
 *   threads              data is requested on a streaming thread of the pipeline, seeks on others,
 *                        never both at once
 *   lifetime             close it after the pipeline is in the state NULL and before sb_free()
 *
 * GStreamer looks at the end to detect the type of the stream, if it can: a forward-only source then
 * runs to its end first. If the size is not declared, the stream plays as it arrives.
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

/* How long a read blocks, in milliseconds, before it checks whether it is still needed. */
enum { SPOOLBUF_GST_PATIENCE = 50 };

/* One pipeline's position in a buffer. It must not be moved in memory while it is open. It is not an
 * sb_reader: a pipeline does not announce that it wants its thread back, so a read has to poll. */
typedef struct spoolbuf_gst {
    sb_buffer *buffer;
    GstAppSrc *source;
    guint64 place;
    gint stopped;
    gint status;
} spoolbuf_gst;

/* Whether the pipeline wants its thread back: to seek, or to stop. */
static inline gboolean spoolbuf_gst_is_flushing(spoolbuf_gst *self)
{
    GstPad *pad = GST_BASE_SRC_PAD(self->source);
    gboolean flushing;

    GST_OBJECT_LOCK(pad);
    flushing = GST_PAD_IS_FLUSHING(pad);
    GST_OBJECT_UNLOCK(pad);
    return flushing;
}

/* Like sb_read_some(); SB_ERR_TIMEOUT if the pipeline wants its thread back. */
static inline int64_t spoolbuf_gst_read(spoolbuf_gst *self, guint64 place, gsize room, char *out)
{
    gboolean stopped;
    int64_t count;

    do {
        count = sb_read_some(self->buffer, place, room, out, SPOOLBUF_GST_PATIENCE);
        stopped = g_atomic_int_get(&self->stopped);
    } while (count == SB_ERR_TIMEOUT && !stopped && !spoolbuf_gst_is_flushing(self));
    return count == SB_ERR_TIMEOUT && stopped ? (int64_t)SB_ERR_CANCELED : count;
}

/* Reads `length` bytes, fewer only at the end; without `all`, the available bytes. Or returns an error. */
static inline int64_t spoolbuf_gst_fill(spoolbuf_gst *self, gboolean all, gsize length, char *out)
{
    gsize done = 0;
    int64_t count;

    do {
        count = spoolbuf_gst_read(self, self->place + done, length - done, out + done);
        if (count < 0)
            return count;
        done += (gsize)count;
    } while (all && count > 0 && done < length);
    return (int64_t)done;
}

/* At the end: reports whether it came before the size that GStreamer was given. */
static inline void spoolbuf_gst_warn(spoolbuf_gst *self, GstAppSrc *source)
{
    sb_stats facts;

    if (sb_stat(self->buffer, &facts, sizeof facts) != SB_OK || !facts.ended_short)
        return;
    gst_app_src_set_size(source, (gint64)facts.final_size);
    GST_ELEMENT_WARNING(source, RESOURCE, READ, ("%s", sb_strerror(SB_ERR_SHORT)), (NULL));
}

/* Posts why a read failed, as far as the buffer's stats tell. */
static inline void spoolbuf_gst_fail(spoolbuf_gst *self, GstAppSrc *source, int64_t status)
{
    char path[1024], text[1536];
    sb_error error;
    sb_stats facts;

    sb_error_init(&error, sizeof error);
    error.status = (int32_t)status;
    if (sb_stat(self->buffer, &facts, sizeof facts) == SB_OK) {
        if (status == SB_ERR_SOURCE) {
            error.source = facts.source_error;
            /* A failed seek is the error of one read alone. */
            error.operation = facts.status == SB_ERR_SOURCE ? SB_OP_SOURCE_READ : SB_OP_SOURCE_SEEK;
        }
        if (status == SB_ERR_IO || status == SB_ERR_DISK_FULL) {
            int64_t length = sb_spool_dir(self->buffer, path, sizeof path);
            error.operation = facts.system_operation;
            error.system = facts.system_error;
            error.path = path;
            error.path_cap = sizeof path;
            error.path_len = length > 0 ? (size_t)length : 0;
        }
    }
    sb_error_text(&error, text, sizeof text);
    GST_ELEMENT_ERROR(source, RESOURCE, READ, ("%s", text), (NULL));
}

static inline void spoolbuf_gst_need_data(GstAppSrc *source, guint hint, gpointer opaque)
{
    spoolbuf_gst *self = (spoolbuf_gst *)opaque;
    gboolean all = gst_app_src_get_stream_type(source) == GST_APP_STREAM_TYPE_RANDOM_ACCESS
        && hint != 0 && hint != (guint)-1;
    gsize room = all ? hint : 65536;
    char *bytes = (char *)g_try_malloc(room);
    int64_t count = SB_ERR_NO_MEMORY;
    GstBuffer *piece;

    if (bytes != NULL)
        count = spoolbuf_gst_fill(self, all, room, bytes);
    if (count > 0) {
        piece = gst_buffer_new_wrapped_full((GstMemoryFlags)0, bytes, room, 0, (gsize)count, bytes,
                                            g_free);
        GST_BUFFER_OFFSET(piece) = self->place;
        self->place += (guint64)count;
        GST_BUFFER_OFFSET_END(piece) = self->place;
        gst_app_src_push_buffer(source, piece);
        return;
    }
    g_free(bytes);
    if (count == SB_ERR_TIMEOUT)
        return;
    if (count < 0) {
        g_atomic_int_compare_and_exchange(&self->status, SB_OK, (gint)count);
        spoolbuf_gst_fail(self, source, count);
    }
    if (count == 0)
        spoolbuf_gst_warn(self, source);
    /* After an error too: otherwise the pipeline would wait for more. */
    gst_app_src_end_of_stream(source);
}

static inline gboolean spoolbuf_gst_seek_data(GstAppSrc *source, guint64 offset, gpointer opaque)
{
    (void)source;
    ((spoolbuf_gst *)opaque)->place = offset;
    return TRUE;
}

/* Makes an appsrc read from a buffer. Call it before the pipeline is started. Returns SB_OK or an
 * sb_status; after an error there is nothing to close. */
static inline int spoolbuf_gst_open(spoolbuf_gst *self, sb_buffer *buffer, GstAppSrc *source)
{
    GstAppSrcCallbacks callbacks;
    int64_t size = sb_size(buffer);

    if (size == SB_ERR_INVALID)
        return SB_ERR_INVALID;
    memset(self, 0, sizeof *self);
    self->buffer = buffer;
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

/* Makes the blocked read, and those that would block, fail. From any thread. */
static inline void spoolbuf_gst_cancel(spoolbuf_gst *self)
{
    g_atomic_int_set(&self->stopped, TRUE);
}

/* Lets it go on. Call it while the pipeline is in the state NULL, before it is restarted. */
static inline void spoolbuf_gst_resume(spoolbuf_gst *self)
{
    g_atomic_int_set(&self->status, SB_OK);
    g_atomic_int_set(&self->stopped, FALSE);
}

/* The first error since the opening or the last resume: SB_OK or the library's code. It is also
 * SB_ERR_SHORT once the source has ended before the declared size. From any thread. */
static inline int spoolbuf_gst_status(spoolbuf_gst *self)
{
    int status = g_atomic_int_get(&self->status);
    sb_stats facts;

    if (status == SB_OK && sb_stat(self->buffer, &facts, sizeof facts) == SB_OK && facts.ended_short)
        return SB_ERR_SHORT;
    return status;
}

/* Closes the position; the buffer stays open. After the pipeline is in the state NULL. The pipeline
 * can be played again only with another source. */
static inline void spoolbuf_gst_close(spoolbuf_gst *self)
{
    GstAppSrcCallbacks none;

    memset(&none, 0, sizeof none);
    gst_app_src_set_callbacks(self->source, &none, NULL, NULL);
    gst_object_unref(self->source);
    self->source = NULL;
}

#ifdef __cplusplus
}
#endif

#endif
