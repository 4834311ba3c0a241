/*
 * What a pipeline is told of a size that is not known for certain. The program's own queries do not wait
 * while it is found, and a search that fails is a warning on the bus.
 *
 *     gst_size FILE
 */
#undef NDEBUG
#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "gst_play.h"

/* A file. It fails when it is to be sought, with SB_SOURCE_UNSUPPORTED for good; and stands still in the
 * middle while it is shut. */
typedef struct source {
    FILE *file;
    long size, at;
    int64_t code;
    int shut, stands;
    pthread_mutex_t lock;
    pthread_cond_t changed;
} source;

static int64_t give(void *opaque, void *out, size_t capacity)
{
    source *self = (source *)opaque;
    size_t count;

    pthread_mutex_lock(&self->lock);
    self->stands = self->shut && self->at > self->size / 2;
    pthread_cond_broadcast(&self->changed);
    while (self->shut && self->at > self->size / 2)
        pthread_cond_wait(&self->changed, &self->lock);
    self->stands = 0;
    pthread_mutex_unlock(&self->lock);
    count = fread(out, 1, capacity < 10000 ? capacity : 10000, self->file);
    self->at += (long)count;
    return (int64_t)count;
}

static int64_t go(void *opaque, uint64_t offset)
{
    (void)offset;
    return ((source *)opaque)->code;
}

static sb_buffer *open_source(source *self, const char *name, int64_t code, int shut, long part)
{
    sb_callback callback = { .read = give, .seek = go };

    self->file = fopen(name, "rb");
    assert(self->file != NULL && fseek(self->file, 0, SEEK_END) == 0);
    self->size = ftell(self->file);
    rewind(self->file);
    self->at = 0;
    self->code = code;
    self->shut = shut;
    self->stands = 0;
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->changed, NULL);
    callback.opaque = self;
    return sb_new(&callback, (uint64_t)(self->size / part), SB_MAX_DEFAULT);
}

static void wait_until_it_stands(source *self)
{
    pthread_mutex_lock(&self->lock);
    while (!self->stands)
        pthread_cond_wait(&self->changed, &self->lock);
    pthread_mutex_unlock(&self->lock);
}

static void open_gate(source *self)
{
    pthread_mutex_lock(&self->lock);
    self->shut = 0;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->lock);
}

/* The pipeline waits for a size that takes long to find; the program asks, and gets the declared one. */
static void asks_meanwhile(const char *name)
{
    source source;
    sb_buffer *buffer = open_source(&source, name, SB_SOURCE_UNSUPPORTED, 1, 2);
    spoolbuf_gst io;
    GstElement *pipeline = play(&io, buffer);
    GstPad *pad = GST_BASE_SRC_PAD(io.source);
    GstQuery *query = gst_query_new_seeking(GST_FORMAT_BYTES);
    gint64 size = 0;
    int warnings;

    wait_until_it_stands(&source);
    assert(gst_pad_query_duration(pad, GST_FORMAT_BYTES, &size) && size == source.size / 2);
    assert(gst_pad_query(pad, query) && g_atomic_int_get(&io.unproved));
    gst_query_unref(query);
    open_gate(&source);
    assert(end_of(pipeline, &warnings) == GST_MESSAGE_EOS && warnings == 0);
    assert(gst_pad_query_duration(pad, GST_FORMAT_BYTES, &size) && size == source.size);
    assert(stop(&io, pipeline) == SB_OK);
    sb_free(buffer);
    fclose(source.file);
}

/* A part of the sound is played, since the rest of it was not found. */
static void warns(const char *name)
{
    source source;
    sb_buffer *buffer = open_source(&source, name, -5, 0, 2);
    spoolbuf_gst io;
    GstElement *pipeline = play(&io, buffer);
    int warnings;

    end_of(pipeline, &warnings);
    assert(warnings == 1 && stop(&io, pipeline) == SB_ERR_SOURCE);
    sb_free(buffer);
    fclose(source.file);
}

int main(int argc, char **argv)
{
    assert(argc == 2);
    alarm(1100);
    gst_init(NULL, NULL);
    asks_meanwhile(argv[1]);
    warns(argv[1]);
    puts("ok");
    return 0;
}
