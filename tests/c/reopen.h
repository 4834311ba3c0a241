/* Sources that can take each other's place, for the programs about sb_reopen(). */
#ifndef REOPEN_H
#define REOPEN_H

#include "check.h"

#define SIZE 200000
#define EXPIRED -403

/* A source that may seek, may deliver another resource, and may do something inside `read`. */
typedef struct tank tank;
struct tank {
    stream stream; /* first: its callbacks get a pointer to it */
    uint64_t other_from, other_until; /* the bytes there are those of another resource */
    void (*inside)(tank *self); /* called in each read, once it is set */
    void (*at_cancel)(tank *self);
    sb_buffer *buffer;
    tank *next;
    int result;
    uint64_t seeks[64];
    int seek_count, seek_fails;
};

static inline void tank_init(tank *self, uint64_t size, uint64_t chunk)
{
    memset(self, 0, sizeof *self);
    stream_init(&self->stream, size, chunk);
}

/* Two sources of the same bytes, which they deliver in chunks that end at different offsets. */
static inline void tanks_init(tank *first, tank *second)
{
    tank_init(first, SIZE, 7000);
    tank_init(second, SIZE, 9000);
}

static inline int64_t tank_read(void *opaque, void *out, size_t capacity)
{
    tank *self = opaque;
    unsigned char *bytes = out;
    int64_t result, index;
    uint64_t start;

    if (self->inside != NULL)
        self->inside(self);
    result = stream_read(&self->stream, out, capacity);
    if (result > 0) {
        pthread_mutex_lock(&self->stream.lock);
        start = self->stream.at - (uint64_t)result;
        pthread_mutex_unlock(&self->stream.lock);
        for (index = 0; index < result; index++)
            if (start + (uint64_t)index >= self->other_from
                && start + (uint64_t)index < self->other_until)
                bytes[index] ^= 0x55;
    }
    return result;
}

static inline int64_t tank_seek(void *opaque, uint64_t offset)
{
    tank *self = opaque;
    pthread_mutex_lock(&self->stream.lock);
    CHECK_EQ(self->stream.closes, 0);
    CHECK(self->seek_count < (int)COUNT_OF(self->seeks));
    self->seeks[self->seek_count++] = offset;
    if (!self->seek_fails) {
        self->stream.at = offset;
        self->stream.ended = 0;
    }
    pthread_mutex_unlock(&self->stream.lock);
    return self->seek_fails ? -5 : 0;
}

static inline int tank_pull(void *opaque, uint64_t offset, void *out, size_t capacity, size_t *count)
{
    tank *self = opaque;
    int64_t result;
    if (offset != self->stream.at)
        tank_seek(self, offset);
    result = tank_read(self, out, capacity);
    if (result < 0)
        return (int)result;
    *count = (size_t)result;
    return SB_OK;
}

static inline void tank_cancel(void *opaque)
{
    tank *self = opaque;
    CHECK_EQ(stream_get(&self->stream, &self->stream.closes), 0);
    if (self->at_cancel != NULL)
        self->at_cancel(self);
    stream_cancel(opaque);
}

typedef enum form { FORWARD, SEEKS, PULLS, PULLS_FORWARD } form;

static inline sb_callback tank_callback(tank *self, form how)
{
    sb_callback callback = { .opaque = self, .cancel = tank_cancel, .close = stream_close };
    if (how == PULLS || how == PULLS_FORWARD) {
        callback.pull = tank_pull;
        callback.flags = how == PULLS ? SB_SOURCE_SEEKS : 0;
    } else {
        callback.read = tank_read;
        callback.seek = how == SEEKS ? tank_seek : NULL;
    }
    return callback;
}

static inline sb_buffer *tank_open_with(tank *self, form how, uint64_t max, uint64_t size,
                                        uint32_t on_short)
{
    sb_callback callback = tank_callback(self, how);
    sb_options options;
    CHECK_EQ(sb_options_init(&options, sizeof options), SB_OK);
    options.size = size;
    options.max_memory = max;
    options.read_granularity = 0;
    options.seek_gap = 0;
    options.on_short = on_short;
    CHECK_EQ(sb_new_with(&callback, &options, &self->buffer), SB_OK);
    return self->buffer;
}

static inline sb_buffer *tank_open(tank *self, form how)
{
    return tank_open_with(self, how, SB_MAX_DEFAULT, SB_SIZE_UNKNOWN, SB_SHORT_END);
}

/* Over a source that cannot seek, with or without a `close`. */
static inline sb_buffer *tank_open_closing(tank *self, int has_close, uint64_t max)
{
    sb_callback callback = tank_callback(self, FORWARD);
    if (!has_close)
        callback.close = NULL;
    self->buffer = sb_new(&callback, SB_SIZE_UNKNOWN, max);
    CHECK(self->buffer != NULL);
    return self->buffer;
}

static inline int reopen(sb_buffer *buffer, tank *next, form how)
{
    sb_callback callback = tank_callback(next, how);
    return sb_reopen(buffer, &callback, SB_SIZE_UNKNOWN);
}

static inline int closes(tank *self)
{
    return stream_get(&self->stream, &self->stream.closes);
}

static inline int reads(tank *self)
{
    return stream_get(&self->stream, &self->stream.reads);
}

static inline int cancels(tank *self)
{
    return stream_get(&self->stream, &self->stream.cancels);
}

static inline void read_is(sb_buffer *buffer, uint64_t offset, size_t length, int64_t expected)
{
    unsigned char *bytes = malloc(length);
    CHECK(bytes != NULL);
    CHECK_EQ(sb_read(buffer, offset, length, bytes), expected);
    if (expected > 0)
        CHECK_BYTES(bytes, offset, (uint64_t)expected);
    free(bytes);
}

/* A buffer that holds some bytes of `first`, and `second`, another source of the same bytes. */
static inline sb_buffer *open_holding(tank *first, tank *second, form how, uint64_t offset,
                                      size_t length)
{
    sb_buffer *buffer;
    tank_init(first, SIZE, 0);
    tank_init(second, SIZE, 0);
    buffer = tank_open(first, how);
    read_is(buffer, offset, length, (int64_t)length);
    return buffer;
}

/* ---- a reopen on another thread ------------------------------------------------------------------ */

typedef struct switching {
    sb_buffer *buffer;
    tank *next;
    int has_close;
    const char *event;
    int result;
    pthread_t thread;
} switching;

static inline void *switching_run(void *opaque)
{
    switching *self = opaque;
    sb_callback callback = tank_callback(self->next, SEEKS);
    if (!self->has_close)
        callback.close = NULL;
    self->result = sb_reopen(self->buffer, &callback, SB_SIZE_UNKNOWN);
    if (self->event != NULL)
        note(self->event);
    return NULL;
}

static inline void switching_start(switching *self, sb_buffer *buffer, tank *next, int has_close,
                                   const char *event)
{
    self->buffer = buffer;
    self->next = next;
    self->has_close = has_close;
    self->event = event;
    CHECK_EQ(pthread_create(&self->thread, NULL, switching_run, self), 0);
}

static inline int switching_finish(switching *self)
{
    CHECK_EQ(pthread_join(self->thread, NULL), 0);
    return self->result;
}

#endif
