/*
 * sb_find_size(): the final size, by reading to the end, or by a seek to the end of the size that is
 * expected; and sb_reader_buffer().
 */
#include "check.h"

enum { SIZE = 1000000 };

static unsigned char bytes[SIZE];
static int seeks;

static int64_t seek_stream(void *opaque, uint64_t offset)
{
    stream *self = opaque;

    pthread_mutex_lock(&self->lock);
    seeks++;
    self->at = offset < self->size ? offset : self->size;
    self->ended = 0;
    pthread_mutex_unlock(&self->lock);
    return 0;
}

static sb_buffer *seekable_open(stream *self, uint64_t declared, uint32_t on_short)
{
    sb_callback callback = stream_callback(self);
    sb_options options;
    sb_buffer *buffer;

    callback.seek = seek_stream;
    seeks = 0;
    CHECK_EQ(sb_options_init(&options, sizeof options), SB_OK);
    options.size = declared;
    options.on_short = on_short;
    options.max_memory = 300000;
    CHECK_EQ(sb_new_with(&callback, &options, &buffer), SB_OK);
    return buffer;
}

static void is_known(sb_buffer *buffer, int64_t size)
{
    CHECK_EQ(sb_find_size(buffer, 0), size);
    CHECK_EQ(sb_size(buffer), size);
    CHECK_EQ(stats_of(buffer).final_size, size);
}

/* A source that is only read forward is read to its end, whatever was declared. */
static void by_reading(uint64_t size, uint64_t declared, int64_t timeout)
{
    stream source;
    sb_buffer *buffer;

    stream_init(&source, size, 7000);
    buffer = stream_open(&source, declared, 100000);
    CHECK_EQ(sb_find_size(buffer, 0), SB_ERR_TIMEOUT);
    CHECK_EQ(source.reads, 0);
    CHECK_EQ(sb_find_size(buffer, timeout), (int64_t)size);
    is_known(buffer, (int64_t)size);
    CHECK_EQ(stats_of(buffer).frontier, (int64_t)size);
    WAIT_UNTIL(stream_get(&source, &source.closes) == 1);
    CHECK_EQ(sb_read(buffer, 0, SIZE, bytes), (int64_t)size);
    CHECK_BYTES(bytes, 0, size);
    free_and_await_close(buffer, &source);
}

/* One that can seek proves the declared size by its last byte. */
static void by_a_seek(int64_t timeout)
{
    stream source;
    sb_buffer *buffer;

    stream_init(&source, SIZE, 0);
    buffer = seekable_open(&source, SIZE, SB_SHORT_ERROR);
    CHECK_EQ(sb_find_size(buffer, timeout), SIZE);
    is_known(buffer, SIZE);
    CHECK_EQ(seeks, 1);
    CHECK_EQ(source.reads, 2);
    CHECK_EQ(stats_of(buffer).frontier, 0);
    CHECK_EQ(sb_buffered(buffer, SIZE - 1), 1);
    CHECK_EQ(sb_read(buffer, 0, SIZE, bytes), SIZE);
    CHECK_BYTES(bytes, 0, SIZE);
    free_and_await_close(buffer, &source);
}

/* Without one, or with a wrong one, it is read on from the furthest byte; gaps stay. */
static void on_from_the_furthest(uint64_t declared, uint32_t on_short, int64_t result)
{
    stream source;
    sb_buffer *buffer;

    stream_init(&source, SIZE, 0);
    buffer = seekable_open(&source, declared, on_short);
    CHECK_EQ(sb_read(buffer, 600000, 10, bytes), 10);
    CHECK_EQ(sb_find_size(buffer, -1), result);
    if (result >= 0)
        is_known(buffer, result);
    CHECK_EQ(sb_buffered(buffer, 0), 0);
    /* Near the end it was sent there, and one byte past what was declared was found. */
    if (declared == SIZE - 1)
        CHECK(sb_buffered(buffer, 600000) < SIZE - 600000 && sb_buffered(buffer, SIZE - 2) == 2);
    else
        CHECK_EQ(sb_buffered(buffer, 600000), SIZE - 600000);
    CHECK_EQ(stats_of(buffer).ended_short, declared != SB_SIZE_UNKNOWN && declared > SIZE);
    sb_free(buffer);
}

static int64_t states_it(void *opaque)
{
    return (int64_t)((stream *)opaque)->size;
}

/* A size that the source states with its first bytes is proved like a declared one. */
static void by_what_the_source_states(void)
{
    stream source;
    sb_callback callback;
    sb_buffer *buffer;

    stream_init(&source, SIZE, 1000);
    callback = stream_callback(&source);
    callback.seek = seek_stream;
    callback.size = states_it;
    seeks = 0;
    buffer = sb_new(&callback, SB_SIZE_UNKNOWN, SB_MAX_DEFAULT);
    CHECK_EQ(sb_find_size(buffer, -1), SIZE);
    is_known(buffer, SIZE);
    CHECK_EQ(seeks, 1);
    CHECK_EQ(sb_buffered(buffer, 0), 1000);
    sb_free(buffer);
}

static void *finds(void *opaque)
{
    static int64_t size;

    size = sb_find_size(opaque, -1);
    return &size;
}

/* Errors, timeouts and cancellations are not sizes. */
static void fails(void)
{
    stream source;
    sb_buffer *buffer;
    pthread_t thread;
    uint64_t waits;
    void *found;

    CHECK_EQ(sb_find_size(NULL, -1), SB_ERR_INVALID);
    stream_init(&source, SIZE, 0);
    source.fail_at = 500000;
    source.code = -5;
    buffer = stream_open(&source, SIZE, SB_MAX_DEFAULT);
    CHECK_EQ(sb_find_size(buffer, -1), SB_ERR_SOURCE);
    CHECK_EQ(sb_find_size(buffer, 0), SB_ERR_SOURCE);
    CHECK_EQ(sb_buffered(buffer, 0), 500000);
    source.fail_at = NEVER;
    source.stall_at = 700000;
    CHECK_EQ(sb_retry(buffer), SB_OK);
    /* Repeated until the helper is inside the source: otherwise the other thread would enter it. */
    do
        CHECK_EQ(sb_find_size(buffer, 50), SB_ERR_TIMEOUT);
    while (!stream_get(&source, &source.stalled));
    waits = stats_of(buffer).waits;
    CHECK_EQ(pthread_create(&thread, NULL, finds, buffer), 0);
    WAIT_UNTIL(stats_of(buffer).waits > waits);
    CHECK_EQ(sb_cancel(buffer), SB_OK);
    CHECK_EQ(pthread_join(thread, &found), 0);
    CHECK_EQ(*(int64_t *)found, SB_ERR_CANCELED);
    CHECK_EQ(sb_find_size(buffer, 0), SB_ERR_CANCELED);
    stream_release(&source, NEVER);
    CHECK_EQ(sb_resume(buffer), SB_OK);
    CHECK_EQ(sb_find_size(buffer, 600000), SIZE);
    /* Known, whatever comes then. */
    CHECK_EQ(sb_cancel(buffer), SB_OK);
    is_known(buffer, SIZE);
    free_and_await_close(buffer, &source);
    CHECK_EQ(sb_find_size(buffer, -1), SB_ERR_INVALID);
}

/* The prefetch goes on where it was, although the last byte was asked for meanwhile. */
static void leaves_the_prefetch_alone(void)
{
    stream source;
    sb_buffer *buffer;
    pthread_t thread;
    void *found;

    stream_init(&source, SIZE, 10000);
    source.stall_at = 50000;
    buffer = seekable_open(&source, SIZE, SB_SHORT_END);
    CHECK_EQ(sb_prefetch(buffer, 100000), SB_OK);
    stream_await_stall(&source);
    CHECK_EQ(pthread_create(&thread, NULL, finds, buffer), 0);
    WAIT_UNTIL(stats_of(buffer).waits >= 1);
    stream_release(&source, NEVER);
    CHECK_EQ(pthread_join(thread, &found), 0);
    CHECK_EQ(*(int64_t *)found, SIZE);
    /* Nobody reads. */
    WAIT_UNTIL(sb_buffered(buffer, 0) >= 100000);
    free_and_await_close(buffer, &source);
}

static sb_buffer *own;

static int64_t asks_inside(void *opaque, void *out, size_t capacity)
{
    CHECK_EQ(sb_find_size(own, -1), SB_ERR_REENTRANT);
    CHECK_EQ(sb_find_size(own, 600000), SB_ERR_REENTRANT);
    CHECK_EQ(sb_find_size(own, 0), SB_ERR_TIMEOUT);
    return stream_read(opaque, out, capacity);
}

static void inside_the_source(void)
{
    stream source;
    sb_callback callback;

    stream_init(&source, 1000, 300);
    callback = stream_callback(&source);
    callback.read = asks_inside;
    own = sb_new(&callback, SB_SIZE_UNKNOWN, SB_MAX_DEFAULT);
    CHECK_EQ(sb_find_size(own, -1), 1000);
    sb_free(own);
}

/* No byte lies beyond 2^63 - 1, so the size is known there. */
static int64_t delivers_anything(void *opaque, void *out, size_t capacity)
{
    (void)opaque;
    memset(out, 1, capacity);
    return (int64_t)capacity;
}

static int64_t seeks_anywhere(void *opaque, uint64_t offset)
{
    (void)opaque;
    (void)offset;
    return 0;
}

static void without_an_end(void)
{
    sb_callback callback = { .read = delivers_anything, .seek = seeks_anywhere };
    sb_buffer *buffer = sb_new(&callback, INT64_MAX, SB_MAX_DEFAULT);

    CHECK_EQ(sb_find_size(buffer, -1), INT64_MAX);
    sb_free(buffer);
}

static void *finds_by_reader(void *opaque)
{
    static int64_t size;

    size = sb_reader_find_size(opaque);
    return &size;
}

/* A reader's own cancellation ends its search, and no other call. Its position stays. */
static void by_a_reader(void)
{
    stream source;
    sb_buffer *buffer;
    sb_reader *reader;
    pthread_t thread;
    call other;
    void *found;

    CHECK_EQ(sb_reader_find_size(NULL), SB_ERR_INVALID);
    stream_init(&source, SIZE, 0);
    source.stall_at = 500000;
    buffer = stream_open(&source, SB_SIZE_UNKNOWN, SB_MAX_DEFAULT);
    reader = sb_reader_new(buffer);
    CHECK_EQ(sb_reader_seek(reader, 17, SB_SEEK_SET), 17);
    call_start(&other, buffer, 500000, 10, NULL);
    stream_await_stall(&source);
    CHECK_EQ(pthread_create(&thread, NULL, finds_by_reader, reader), 0);
    WAIT_UNTIL(stats_of(buffer).waits == 1);
    CHECK_EQ(sb_reader_cancel(reader), SB_OK);
    CHECK_EQ(pthread_join(thread, &found), 0);
    CHECK_EQ(*(int64_t *)found, SB_ERR_CANCELED);
    CHECK_EQ(sb_reader_find_size(reader), SB_ERR_CANCELED);
    CHECK_EQ(source.cancels, 0);
    stream_release(&source, NEVER);
    CHECK_EQ(call_finish(&other), 10);
    CHECK_EQ(sb_reader_resume(reader), SB_OK);
    CHECK_EQ(sb_reader_find_size(reader), SIZE);
    CHECK_EQ(sb_reader_seek(reader, 0, SB_SEEK_CUR), 17);
    CHECK_EQ(sb_reader_cancel(reader), SB_OK);
    CHECK_EQ(sb_reader_find_size(reader), SIZE);
    free_and_await_close(buffer, &source);
    CHECK_EQ(sb_reader_find_size(reader), SB_ERR_INVALID);
    sb_reader_free(reader);
}

static void buffers_of_readers(void)
{
    stream source;
    sb_buffer *buffer;
    sb_reader *reader;

    CHECK(sb_reader_buffer(NULL) == NULL);
    stream_init(&source, SIZE, 0);
    buffer = stream_open(&source, SIZE, SB_MAX_DEFAULT);
    reader = sb_reader_new(buffer);
    CHECK(sb_reader_buffer(reader) == buffer);
    CHECK(sb_reader_buffer((sb_reader *)(void *)buffer) == NULL);
    sb_free(buffer);
    CHECK(sb_reader_buffer(reader) == NULL);
    sb_reader_free(reader);
    CHECK(sb_reader_buffer(reader) == NULL);
}

static int seeks_no_more;

static int64_t seek_once(void *opaque, uint64_t offset)
{
    return seeks_no_more ? SB_SOURCE_UNSUPPORTED : seek_stream(opaque, offset);
}

/* A source that had no bytes far ahead, and then could not seek any more: the end lies behind it. */
static void behind_the_source(int64_t timeout)
{
    stream source;
    sb_callback callback;
    sb_buffer *buffer;

    stream_init(&source, SIZE, 0);
    callback = stream_callback(&source);
    callback.seek = seek_once;
    seeks_no_more = 0;
    buffer = sb_new(&callback, SB_SIZE_UNKNOWN, SB_MAX_DEFAULT);
    CHECK_EQ(sb_read(buffer, 2 * SIZE, 1, bytes), 0);
    seeks_no_more = 1;
    CHECK_EQ(sb_read(buffer, 0, 1, bytes), SB_ERR_UNSUPPORTED);
    CHECK_EQ(stats_of(buffer).seekable, 0);
    CHECK_EQ(sb_find_size(buffer, timeout), SB_ERR_UNSUPPORTED);
    free_and_await_close(buffer, &source);
}

int main(void)
{
    behind_the_source(-1);
    behind_the_source(PATIENCE);
    static const uint64_t declared[] = { SB_SIZE_UNKNOWN, 0, 100000, SIZE, SIZE + 1, 1ull << 50 };
    static const int64_t timeouts[] = { -1, 600000, INT64_MAX };
    size_t index, limit;

    for (limit = 0; limit < COUNT_OF(timeouts); limit++) {
        for (index = 0; index < COUNT_OF(declared); index++) {
            by_reading(SIZE, declared[index], timeouts[limit]);
            by_reading(0, declared[index], timeouts[limit]);
        }
        by_a_seek(timeouts[limit]);
    }
    on_from_the_furthest(SB_SIZE_UNKNOWN, SB_SHORT_ERROR, SIZE);
    on_from_the_furthest(100000, SB_SHORT_ERROR, SIZE);
    on_from_the_furthest(SIZE - 1, SB_SHORT_ERROR, SIZE);
    on_from_the_furthest(SIZE + 1, SB_SHORT_END, SIZE);
    on_from_the_furthest(1ull << 40, SB_SHORT_END, SIZE);
    on_from_the_furthest(1ull << 40, SB_SHORT_ERROR, SB_ERR_SHORT);
    by_what_the_source_states();
    fails();
    leaves_the_prefetch_alone();
    inside_the_source();
    without_an_end();
    by_a_reader();
    buffers_of_readers();
    return 0;
}
