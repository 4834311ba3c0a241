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
 *   the size             once it is a fact and GStreamer can go there (see below). A declared size may
 *                        be wrong, and GStreamer would lose sound at the end of the resource
 *   a seek (seek-data)   costs nothing within the buffered bytes or if the source can seek. Otherwise
 *                        it fails beyond the reach (see below)
 *   a blocked read       yields within a twentieth of a second to a flushing seek and to a change of
 *                        state. spoolbuf_gst_cancel(), from any thread, makes it and every later read
 *                        fail, until spoolbuf_gst_resume()
 *   the source           is called on a thread of the library, with a prefetch or without one: no
 *                        thread of GStreamer ever waits for it
 *   threads              data is requested on a streaming thread of the pipeline, seeks on others,
 *                        never both at once
 *   lifetime             close it after the pipeline is in the state NULL and before sb_free()
 *
 * spoolbuf_gst_open() means AUTO: a reach of SB_REACH_AUTO. spoolbuf_gst_open_with() takes the options
 * of a reader, and so another reach, SB_REACH_WHOLE for example, or a timeout.
 *
 *   a source             plays
 *   at its end, with     from anywhere: the appsrc is `random-access`, with the size
 *   every byte buffered
 *   that can seek, with  from anywhere. GStreamer looks at the end first, so the source is sent there
 *    a size              first; that proves a declared size (sb_find_size()). If that fails, a warning
 *                        on the bus and the status say so: the sound may end at a wrong size. A source
 *                        that turns out to be unable to seek plays once everything is fetched. Only the
 *                        streaming thread waits for that. A query of the program's returns at once, and
 *                        may tell the declared size (GST_MESSAGE_DURATION_CHANGED follows)
 *   that cannot seek     as it arrives: the appsrc is `seekable`. It is sought within what is buffered,
 *                        and has no size until it is at its end, since Ogg's demuxer would wait there.
 *                        Until then that demuxer refuses every seek, and so does Matroska's if the
 *                        index (Cues) comes last
 *   with SB_REACH_WHOLE  from anywhere, of any source. Everything is fetched before the first frame,
 *                        if the source cannot seek
 *
 * An MP4 with its index last plays from a pipe if qtdemux can keep in memory what comes before the
 * index. Otherwise the pipeline fails, with the status SB_OK, and has to be played with the whole:
 *
 *     sb_reader_options whole;
 *     sb_reader_options_init(&whole, sizeof whole);         (its reach is SB_REACH_WHOLE)
 *     gst_element_set_state(pipeline, GST_STATE_NULL);
 *     spoolbuf_gst_close(&io);
 *     spoolbuf_gst_open_with(&io, buffer, GST_APP_SRC(source), &whole);
 *     gst_element_set_state(pipeline, GST_STATE_PLAYING);
 *
 * A pipeline of gst_parse_launch() with a decodebin plays only once: make another one.
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

/** The pace of a read. */
enum {
    SPOOLBUF_GST_PATIENCE = 50 /**< how long it blocks, in milliseconds, before it checks whether it is needed */
};

/**
 * One pipeline's position in a buffer. It must not be moved in memory while it is open. A pipeline does not
 * announce that it wants its thread back, so a read has to poll.
 */
typedef struct spoolbuf_gst {
    sb_buffer *buffer;
    sb_reader *reader;
    GstAppSrc *source;
    gulong probe;
    gint64 timeout; /* in milliseconds, of a read; negative: none */
    gint64 told;    /* the size that GStreamer was given, or -1 */
    gboolean whole; /* the end may be found first, whatever that costs */
    gint unproved;  /* the size has to be found before GStreamer relies on it */
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

/* Whether to repeat a call that timed out: there is time left, and the pipeline does not want its thread
 * back. */
static inline gboolean spoolbuf_gst_waits_on(spoolbuf_gst *self, gint64 began)
{
    if (self->timeout >= 0 && (g_get_monotonic_time() - began) / 1000 >= self->timeout)
        return FALSE;
    return !g_atomic_int_get(&self->stopped) && !spoolbuf_gst_is_flushing(self);
}

/* Like sb_reader_read(); SB_ERR_TIMEOUT also if the pipeline wants its thread back. */
static inline int64_t spoolbuf_gst_read(spoolbuf_gst *self, gsize room, char *out)
{
    gint64 began = g_get_monotonic_time();
    int64_t count = SB_ERR_TIMEOUT;

    /* Buffered bytes would hide the cancel: a whole resource, and no end of it. */
    while (count == SB_ERR_TIMEOUT && !g_atomic_int_get(&self->stopped)) {
        count = sb_reader_read(self->reader, room, out);
        if (count == SB_ERR_TIMEOUT && !spoolbuf_gst_waits_on(self, began))
            break;
    }
    if (count == SB_ERR_TIMEOUT && g_atomic_int_get(&self->stopped))
        return SB_ERR_CANCELED;
    return count;
}

/* Reads `length` bytes, fewer only at the end; without `all`, the available bytes. Or returns an error. */
static inline int64_t spoolbuf_gst_fill(spoolbuf_gst *self, gboolean all, gsize length, char *out)
{
    gsize done = 0;
    int64_t count;

    do {
        count = spoolbuf_gst_read(self, length - done, out + done);
        if (count < 0) {
            sb_reader_seek(self->reader, -(int64_t)done, SB_SEEK_CUR);
            return count;
        }
        done += (gsize)count;
    } while (all && count > 0 && done < length);
    return (int64_t)done;
}

/* Keeps the first error. */
static inline void spoolbuf_gst_note(spoolbuf_gst *self, int64_t result)
{
    if (result < 0)
        g_atomic_int_compare_and_exchange(&self->status, SB_OK, (gint)result);
}

/* Gives GStreamer the size once it is a fact. Where it reads as the bytes arrive, a source that cannot seek
 * has none before its end: Ogg's demuxer would go there and wait forever if it can't, or flush a pipeline that
 * just starts. */
static inline void spoolbuf_gst_tell(spoolbuf_gst *self, gboolean at_end)
{
    int64_t size = sb_known_size(self->buffer);
    sb_stats facts;

    if (size < 0 || size == self->told || sb_stat(self->buffer, &facts, sizeof facts) != SB_OK)
        return;
    if (gst_app_src_get_stream_type(self->source) != GST_APP_STREAM_TYPE_RANDOM_ACCESS && !facts.seekable
        && !at_end)
        return;
    self->told = size;
    gst_app_src_set_size(self->source, size);
}

/* Finds the size before a demuxer that can go to the end does so. A source that can seek is sent to the
 * last byte. One that turns out to be unable to is read to its end: GStreamer relies on the size. */
static inline void spoolbuf_gst_prove(spoolbuf_gst *self)
{
    gint64 began = g_get_monotonic_time();
    int64_t size;

    if (!g_atomic_int_get(&self->unproved))
        return;
    do {
        size = sb_find_size(self->buffer, SPOOLBUF_GST_PATIENCE);
        if (size == SB_ERR_TIMEOUT && !spoolbuf_gst_waits_on(self, began))
            return;
    } while (size == SB_ERR_TIMEOUT);
    if (!g_atomic_int_compare_and_exchange(&self->unproved, TRUE, FALSE))
        return;
    spoolbuf_gst_note(self, size);
    if (size < 0)
        GST_ELEMENT_WARNING(self->source, RESOURCE, READ, ("%s", sb_strerror(size)),
                            ("The size is not known for certain: the sound may end too early."));
    spoolbuf_gst_tell(self, FALSE);
}

/* The pad that is linked to that one, through the walls of bins; or NULL. */
static inline GstPad *spoolbuf_gst_linked(GstPad *pad)
{
    GstPad *peer = gst_pad_get_peer(pad);
    GstProxyPad *inner;

    while (peer != NULL && GST_IS_PROXY_PAD(peer)) {
        inner = gst_proxy_pad_get_internal((GstProxyPad *)peer);
        gst_object_unref(peer);
        peer = inner != NULL ? gst_pad_get_peer((GstPad *)inner) : NULL;
        if (inner != NULL)
            gst_object_unref(inner);
    }
    return peer;
}

/* Whether this thread is the pad's own. No function returns a task's thread: this reads a private member, which is
 * part of the ABI of GStreamer 1, and which the thread sets under the lock before it calls the pad's function. */
static inline gboolean spoolbuf_gst_is_streaming(GstPad *pad)
{
    GstTask *task;
    gboolean streaming;

    GST_OBJECT_LOCK(pad);
    task = GST_PAD_TASK(pad);
    if (task != NULL)
        gst_object_ref(task);
    GST_OBJECT_UNLOCK(pad);
    if (task == NULL)
        return FALSE;
    GST_OBJECT_LOCK(task);
    streaming = task->thread == g_thread_self();
    GST_OBJECT_UNLOCK(task);
    gst_object_unref(task);
    return streaming;
}

/* Whether a demuxer asks, or another one that reads; and not the program, which must not wait. */
static inline gboolean spoolbuf_gst_may_wait(GstPad *pad)
{
    GstPad *reads = spoolbuf_gst_linked(pad);
    gboolean may = reads != NULL && spoolbuf_gst_is_streaming(reads);

    if (reads != NULL)
        gst_object_unref(reads);
    return may || spoolbuf_gst_is_streaming(pad);
}

static inline GstPadProbeReturn spoolbuf_gst_asked(GstPad *pad, GstPadProbeInfo *info, gpointer opaque)
{
    GstQuery *query = GST_PAD_PROBE_INFO_QUERY(info);

    if ((GST_QUERY_TYPE(query) == GST_QUERY_DURATION || GST_QUERY_TYPE(query) == GST_QUERY_SEEKING)
        && spoolbuf_gst_may_wait(pad))
        spoolbuf_gst_prove((spoolbuf_gst *)opaque);
    return GST_PAD_PROBE_OK;
}

/* At the end: reports whether it came before the declared size. */
static inline void spoolbuf_gst_warn(spoolbuf_gst *self, GstAppSrc *source)
{
    sb_stats facts;

    if (sb_stat(self->buffer, &facts, sizeof facts) == SB_OK && facts.ended_short)
        GST_ELEMENT_WARNING(source, RESOURCE, READ, ("%s", sb_strerror(SB_ERR_SHORT)), (NULL));
}

/* Posts why a read failed, and keeps the first such error. */
static inline void spoolbuf_gst_fail(spoolbuf_gst *self, GstAppSrc *source, int64_t status)
{
    char path[1024], text[1536];
    sb_error error;

    spoolbuf_gst_note(self, status);
    sb_error_init(&error, sizeof error);
    error.path = path;
    error.path_cap = sizeof path;
    if (sb_reader_error(self->reader, &error) == SB_OK && error.status == status)
        sb_error_text(&error, text, sizeof text);
    else
        g_strlcpy(text, sb_strerror(status), sizeof text);
    GST_ELEMENT_ERROR(source, RESOURCE, READ, ("%s", text), (NULL));
}

static inline void spoolbuf_gst_need_data(GstAppSrc *source, guint hint, gpointer opaque)
{
    spoolbuf_gst *self = (spoolbuf_gst *)opaque;
    gboolean all = gst_app_src_get_stream_type(source) == GST_APP_STREAM_TYPE_RANDOM_ACCESS
        && hint != 0 && hint != (guint)-1;
    gsize room = all ? hint : 65536;
    char *bytes = (char *)g_try_malloc(room);
    int64_t count = SB_ERR_NO_MEMORY, end;
    GstBuffer *piece;

    spoolbuf_gst_prove(self);
    spoolbuf_gst_tell(self, FALSE);
    if (bytes != NULL)
        count = spoolbuf_gst_fill(self, all, room, bytes);
    if (count > 0) {
        piece = gst_buffer_new_wrapped_full((GstMemoryFlags)0, bytes, room, 0, (gsize)count, bytes,
                                            g_free);
        end = sb_reader_seek(self->reader, 0, SB_SEEK_CUR);
        GST_BUFFER_OFFSET(piece) = (guint64)(end - count);
        GST_BUFFER_OFFSET_END(piece) = (guint64)end;
        gst_app_src_push_buffer(source, piece);
        return;
    }
    g_free(bytes);
    if (count == SB_ERR_TIMEOUT && spoolbuf_gst_is_flushing(self))
        return;
    spoolbuf_gst_tell(self, count == 0);
    if (count < 0)
        spoolbuf_gst_fail(self, source, count);
    if (count == 0)
        spoolbuf_gst_warn(self, source);
    /* After an error too: otherwise the pipeline would wait for more. */
    gst_app_src_end_of_stream(source);
}

/* A seek beyond the reach fails: GStreamer then stays where it is. */
static inline gboolean spoolbuf_gst_seek_data(GstAppSrc *source, guint64 offset, gpointer opaque)
{
    spoolbuf_gst *self = (spoolbuf_gst *)opaque;

    (void)source;
    return offset <= G_MAXINT64 && sb_reader_seek(self->reader, (int64_t)offset, SB_SEEK_SET) >= 0;
}

/* Creates the reader. It returns often, so that a read can look whether it is still needed. */
static inline int spoolbuf_gst_reader(spoolbuf_gst *self, const sb_reader_options *options)
{
    sb_reader_options own;

    sb_reader_options_init(&own, sizeof own);
    own.reach = SB_REACH_AUTO;
    if (options != NULL)
        memcpy(&own, options, options->struct_size < sizeof own ? options->struct_size : sizeof own);
    self->whole = own.reach == SB_REACH_WHOLE;
    self->timeout = own.timeout_ms;
    if (own.timeout_ms < 0 && (own.flags & SB_READER_BUFFERED) != 0)
        self->timeout = 0;
    else if (own.timeout_ms < 0 || own.timeout_ms > SPOOLBUF_GST_PATIENCE)
        own.timeout_ms = SPOOLBUF_GST_PATIENCE;
    return sb_reader_new_with(self->buffer, &own, &self->reader);
}

/* Decides how GStreamer reads: from anywhere, or as it arrives. */
static inline void spoolbuf_gst_offer(spoolbuf_gst *self)
{
    int64_t size = sb_size(self->buffer);
    gboolean anywhere;
    sb_stats facts;

    anywhere = self->whole
        || (sb_stat(self->buffer, &facts, sizeof facts) == SB_OK
            && (facts.state == SB_STATE_ENDED || (facts.seekable && size >= 0)));
    self->unproved = anywhere && sb_known_size(self->buffer) < 0;
    self->told = anywhere && size >= 0 ? size : -1;
    gst_app_src_set_stream_type(self->source, anywhere ? GST_APP_STREAM_TYPE_RANDOM_ACCESS
                                                       : GST_APP_STREAM_TYPE_SEEKABLE);
    gst_app_src_set_size(self->source, self->told);
}

/**
 * Makes an appsrc read from a buffer. Call it before the pipeline is started.
 *
 * @param self    the position to open.
 * @param buffer  the buffer to read.
 * @param source  the appsrc; referenced until spoolbuf_gst_close().
 * @param options the options of a reader, or NULL for AUTO.
 * @return SB_OK, or an sb_status; after an error there is nothing to close.
 */
static inline int spoolbuf_gst_open_with(spoolbuf_gst *self, sb_buffer *buffer, GstAppSrc *source,
                                         const sb_reader_options *options)
{
    GstAppSrcCallbacks callbacks;
    int status;

    memset(self, 0, sizeof *self);
    self->buffer = buffer;
    status = spoolbuf_gst_reader(self, options);
    if (status < 0)
        return status;
    self->source = (GstAppSrc *)gst_object_ref(source);
    memset(&callbacks, 0, sizeof callbacks);
    callbacks.need_data = spoolbuf_gst_need_data;
    callbacks.seek_data = spoolbuf_gst_seek_data;
    g_object_set(source, "format", GST_FORMAT_BYTES, NULL);
    spoolbuf_gst_offer(self);
    self->probe = gst_pad_add_probe(GST_BASE_SRC_PAD(source), GST_PAD_PROBE_TYPE_QUERY_UPSTREAM,
                                    spoolbuf_gst_asked, self, NULL);
    gst_app_src_set_callbacks(source, &callbacks, self, NULL);
    return SB_OK;
}

/**
 * As spoolbuf_gst_open_with(), with AUTO.
 *
 * @param self   the position to open.
 * @param buffer the buffer to read.
 * @param source the appsrc; referenced until spoolbuf_gst_close().
 * @return SB_OK, or an sb_status; after an error there is nothing to close.
 */
static inline int spoolbuf_gst_open(spoolbuf_gst *self, sb_buffer *buffer, GstAppSrc *source)
{
    return spoolbuf_gst_open_with(self, buffer, source, NULL);
}

/**
 * Makes the blocked read, and every later one, fail. From any thread.
 *
 * @param self the position.
 */
static inline void spoolbuf_gst_cancel(spoolbuf_gst *self)
{
    g_atomic_int_set(&self->stopped, TRUE);
}

/**
 * Lets it read again, from the start, and from anywhere if every byte is buffered by now. Call it while the
 * pipeline is in the state NULL, before it is restarted.
 *
 * @param self the position.
 */
static inline void spoolbuf_gst_resume(spoolbuf_gst *self)
{
    sb_reader_seek(self->reader, 0, SB_SEEK_SET);
    /* With a size in a `seekable` stream, Ogg's demuxer would flush what the pipeline just begins with. */
    spoolbuf_gst_offer(self);
    g_atomic_int_set(&self->status, SB_OK);
    g_atomic_int_set(&self->stopped, FALSE);
}

/**
 * Tells the first error since the opening or the last resume. From any thread.
 *
 * @param self the position.
 * @return SB_OK or the library's code. It is also SB_ERR_SHORT once the source has ended before the declared
 *         size.
 */
static inline int spoolbuf_gst_status(spoolbuf_gst *self)
{
    int status = g_atomic_int_get(&self->status);
    sb_stats facts;

    if (status == SB_OK && sb_stat(self->buffer, &facts, sizeof facts) == SB_OK && facts.ended_short)
        return SB_ERR_SHORT;
    return status;
}

/**
 * Closes the position; the buffer stays open. After the pipeline is in the state NULL. The pipeline can be
 * played again only with another source.
 *
 * @param self the position.
 */
static inline void spoolbuf_gst_close(spoolbuf_gst *self)
{
    GstAppSrcCallbacks none;

    memset(&none, 0, sizeof none);
    gst_app_src_set_callbacks(self->source, &none, NULL, NULL);
    gst_pad_remove_probe(GST_BASE_SRC_PAD(self->source), self->probe);
    gst_object_unref(self->source);
    self->source = NULL;
    sb_reader_free(self->reader);
    self->reader = NULL;
}

#ifdef __cplusplus
}
#endif

#endif
