/*
 * Readiness: a function is called once instead of a wait, when the bytes, the end or an error are
 * there.
 */
#include "when.h"

/* The helper leads the source to the bytes, in memory or spilled; then the end is there too. */
static void arrival(void)
{
    stream source;
    sb_buffer *buffer;
    watcher first, past;

    stream_init(&source, SIZE, 10000);
    buffer = stream_open(&source, SB_SIZE_UNKNOWN, 100000);
    watcher_init(&first);
    watch(&first, buffer, 1000000);
    CHECK(finish(&first) > 0);
    CHECK(!pthread_equal(first.thread, pthread_self()));
    CHECK_EQ(threads(), 2);
    at_once(buffer, 1000000, (int64_t)sb_buffered(buffer, 1000000));
    at_once(buffer, 0, (int64_t)sb_buffered(buffer, 0));
    CHECK(stats_of(buffer).disk > 500000);
    CHECK_EQ(sb_read_some(buffer, 1000000, 100, bytes, 0), 100);
    CHECK_BYTES(bytes, 1000000, 100);
    /* It asks for no more than a read does. */
    CHECK(sb_buffered(buffer, 0) <= 1000001 + 16384);
    watcher_init(&past);
    watch(&past, buffer, SIZE + 5);
    CHECK_EQ(finish(&past), 0);
    at_once(buffer, SIZE, 0);
    at_once(buffer, UINT64_MAX, 0);
    at_once(buffer, SIZE - 1, 1);
    sb_free(buffer);
    /* It may be in the spool file then. */
    WAIT_UNTIL(threads() == 1);
}

/* A reader's own thread may bring the bytes, and calls the function. */
static void arrival_by_a_reader(void)
{
    stream source;
    sb_buffer *buffer;
    call reader;
    watcher self;

    stream_init(&source, SIZE, 1000);
    source.stall_at = 0;
    buffer = stream_open(&source, SIZE, SB_MAX_DEFAULT);
    call_start(&reader, buffer, 0, 50000, NULL);
    stream_await_stall(&source);
    watcher_init(&self);
    watch(&self, buffer, 20000);
    stream_release(&source, NEVER);
    CHECK(finish(&self) >= 1);
    CHECK_EQ(call_finish(&reader), 50000);
    sb_free(buffer);
}

/* Many watches, few threads; each is called once. */
static void many(void)
{
    enum { COUNT = 1000 };
    static watcher all[COUNT];
    sb_buffer *buffer = open_push(UINT64_MAX, 0);
    unsigned at;

    /* The last one that was joined may still be ending. */
    WAIT_UNTIL(threads() == 1);
    for (at = 0; at < COUNT; at++) {
        watcher_init(&all[at]);
        watch(&all[at], buffer, (uint64_t)at * 2999);
    }
    CHECK_EQ(threads(), 1);
    CHECK_EQ(push(buffer, 0, SIZE / 2), SIZE / 2);
    for (at = 0; at < COUNT; at++)
        CHECK_EQ(get(&all[at], &all[at].calls), (uint64_t)at * 2999 < SIZE / 2);
    CHECK_EQ(sb_push_end(buffer, SB_SIZE_UNKNOWN, 0), SB_OK);
    for (at = 0; at < COUNT; at++) {
        uint64_t off = (uint64_t)at * 2999;
        int64_t result = finish(&all[at]);
        /* A long push makes its bytes readable a part at a time. */
        CHECK(off < SIZE / 2 ? result > 0 && result <= (int64_t)(SIZE / 2 - off) : result == 0);
    }
    sb_free(buffer);
}

static void failure(void)
{
    stream source;
    sb_buffer *buffer;
    watcher self, reachable;

    stream_init(&source, SIZE, 1000);
    source.fail_at = 50000;
    source.code = -77;
    buffer = stream_open(&source, SIZE, SB_MAX_DEFAULT);
    watcher_init(&self);
    watcher_init(&reachable);
    watch(&self, buffer, 60000);
    CHECK_EQ(finish(&self), SB_ERR_SOURCE);
    at_once(buffer, 60000, SB_ERR_SOURCE);
    at_once(buffer, 49999, 1);
    stream_release(&source, NEVER);
    pthread_mutex_lock(&source.lock);
    source.fail_at = NEVER;
    pthread_mutex_unlock(&source.lock);
    CHECK_EQ(sb_retry(buffer), SB_OK);
    watch(&reachable, buffer, 60000);
    CHECK(finish(&reachable) > 0);
    sb_free(buffer);
}

static void short_end(void)
{
    stream source;
    sb_callback callback;
    sb_options options;
    sb_buffer *buffer;
    watcher self;

    stream_init(&source, 5000, 1000);
    callback = stream_callback(&source);
    CHECK_EQ(sb_options_init(&options, sizeof options), SB_OK);
    options.size = 6000;
    options.on_short = SB_SHORT_ERROR;
    CHECK_EQ(sb_new_with(&callback, &options, &buffer), SB_OK);
    watcher_init(&self);
    watch(&self, buffer, 5000);
    CHECK_EQ(finish(&self), SB_ERR_SHORT);
    at_once(buffer, 5000, SB_ERR_SHORT);
    sb_free(buffer);
}

static int64_t seek_fails(void *opaque, uint64_t offset)
{
    (void)opaque;
    return offset >= 1000000 ? -5 : SB_SOURCE_UNSUPPORTED;
}

/* A seek that fails concerns only whoever waits there. */
static void unreachable(void)
{
    stream source;
    sb_callback callback;
    sb_options options;
    sb_buffer *buffer;
    watcher self, near;

    stream_init(&source, SIZE, 1000);
    source.stall_at = 0;
    callback = stream_callback(&source);
    callback.seek = seek_fails;
    CHECK_EQ(sb_options_init(&options, sizeof options), SB_OK);
    CHECK_EQ(sb_new_with(&callback, &options, &buffer), SB_OK);
    watcher_init(&self);
    watcher_init(&near);
    watch(&near, buffer, 10);
    stream_await_stall(&source);
    watch(&self, buffer, 2000000);
    stream_release(&source, NEVER);
    CHECK(finish(&near) > 0);
    CHECK_EQ(finish(&self), SB_ERR_SOURCE);
    watcher_init(&near);
    watch(&near, buffer, 100000);
    CHECK(finish(&near) > 0);
    sb_free(buffer);
}

/* A watch counts as a reader: the prefetch follows it, and a timeout was no reason to forget it. */
static void prefetch_follows(void)
{
    stream source;
    sb_buffer *buffer;
    watcher self;

    stream_init(&source, SIZE, 0);
    buffer = stream_open(&source, SIZE, SB_MAX_DEFAULT);
    CHECK_EQ(sb_prefetch(buffer, 200000), SB_OK);
    WAIT_UNTIL(sb_buffered(buffer, 0) >= 200000);
    watcher_init(&self);
    watch(&self, buffer, 1000000);
    CHECK(finish(&self) > 0);
    WAIT_UNTIL(sb_buffered(buffer, 0) >= 1200000);
    sb_free(buffer);
}

int main(void)
{
    whole_init();
    arrival();
    arrival_by_a_reader();
    many();
    failure();
    short_end();
    unreachable();
    prefetch_follows();
    return 0;
}
