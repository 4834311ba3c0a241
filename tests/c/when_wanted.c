/*
 * Readiness of a pusher: a function is called when bytes are wanted and there is space for them.
 */
#include "limit_files.h"
#include "when.h"
#include <signal.h>

/* The pusher is told of readers that come nearer, and of watches. */
static void wanted(void)
{
    sb_buffer *buffer = open_push(SB_MAX_DEFAULT, 1000);
    watcher self, reader;
    sb_range range;

    at_once(buffer, SB_WHEN_WANTED, 1000);
    CHECK_EQ(push(buffer, 0, 5000), 1000);
    watcher_init(&self);
    watch(&self, buffer, SB_WHEN_WANTED);
    CHECK_EQ(sb_read(buffer, 0, 300, bytes), 300);
    CHECK_EQ(self.calls, 1);
    CHECK(pthread_equal(self.thread, pthread_self()));
    CHECK_EQ(finish(&self), 300);
    at_once(buffer, SB_WHEN_WANTED, 300);
    CHECK_EQ(push(buffer, 1000, 5000), 300);
    /* A wish for bytes that are too far ahead. */
    watcher_init(&self);
    watcher_init(&reader);
    watch(&self, buffer, SB_WHEN_WANTED);
    watch(&reader, buffer, 100000);
    CHECK_EQ(finish(&self), 1001);
    CHECK_EQ(sb_wanted(buffer, &range), SB_OK);
    CHECK_EQ(range.start, 100000);
    CHECK_EQ(push(buffer, 100000, 5), 5);
    CHECK_EQ(finish(&reader), 5);
    /* The end. */
    CHECK_EQ(sb_push_end(buffer, 100005, 0), SB_OK);
    at_once(buffer, SB_WHEN_WANTED, 98700);
    CHECK_EQ(push(buffer, 1300, 98700), 98700);
    at_once(buffer, SB_WHEN_WANTED, 0);
    CHECK_EQ(sb_cancel(buffer), SB_OK);
    at_once(buffer, SB_WHEN_WANTED, 0);
    sb_free(buffer);
    /* A failure, and the end while it waits. */
    buffer = open_push(SB_MAX_DEFAULT, 1000);
    CHECK_EQ(push(buffer, 0, 5000), 1000);
    watcher_init(&self);
    watch(&self, buffer, SB_WHEN_WANTED);
    CHECK_EQ(sb_push_end(buffer, 0, -9), SB_OK);
    CHECK_EQ(finish(&self), SB_ERR_SOURCE);
    at_once(buffer, SB_WHEN_WANTED, SB_ERR_SOURCE);
    CHECK_EQ(sb_retry(buffer), SB_OK);
    watcher_init(&self);
    watch(&self, buffer, SB_WHEN_WANTED);
    CHECK_EQ(sb_push_end(buffer, SB_SIZE_UNKNOWN, 0), SB_OK);
    CHECK_EQ(finish(&self), 0);
    sb_free(buffer);
}

/* An event loop that never blocks pushes everything, however little memory there is. */
static void event_loop(uint64_t max_memory, uint64_t piece)
{
    sb_buffer *buffer = open_push(max_memory, 0);
    uint64_t at = 0;
    unsigned full = 0;

    while (at < SIZE) {
        uint64_t len = at + piece < SIZE ? piece : SIZE - at;
        int64_t count = push(buffer, at, len);
        if (count > 0) {
            at += (uint64_t)count;
        } else {
            CHECK_EQ(count, SB_ERR_TIMEOUT);
            CHECK(result_of(buffer, SB_WHEN_WANTED) > 0);
            full++;
            /* Now it takes at least a byte. */
            CHECK_EQ(push(buffer, at, 1), 1);
            at++;
        }
        CHECK(stats_of(buffer).memory <= max_memory + SEGMENT);
    }
    CHECK(full > 0);
    CHECK_EQ(sb_push_end(buffer, SB_SIZE_UNKNOWN, 0), SB_OK);
    at_once(buffer, SB_WHEN_WANTED, 0);
    CHECK_EQ(sb_read(buffer, 0, SIZE, bytes), SIZE);
    CHECK_BYTES(bytes, 0, SIZE);
    sb_free(buffer);
}

/* Memory that is full although no push has failed yet: the watch makes the helper spill. */
static void space_is_made(void)
{
    sb_buffer *buffer = open_push(0, 0);
    uint64_t at = (uint64_t)push(buffer, 0, SIZE);
    watcher self;

    CHECK(at > 0 && at < SIZE);
    /* That push asked for a spill. Fill memory again without one. */
    WAIT_UNTIL(push(buffer, at, 1) == 1);
    at++;
    while (stats_of(buffer).memory < 16384 && push(buffer, at, 1) == 1)
        at++;
    watcher_init(&self);
    watch(&self, buffer, SB_WHEN_WANTED);
    CHECK(finish(&self) > 0);
    CHECK_EQ(push(buffer, at, 1), 1);
    sb_free(buffer);
}

/* Memory is full while nothing is wanted, before the watch or by a lower limit. A reader that makes bytes
 * wanted makes no space. */
static void full_before_wanted(uint64_t ahead, int lowers)
{
    sb_buffer *buffer = open_push(lowers ? SB_MAX_DEFAULT : 0, ahead);
    uint64_t at = 0;
    watcher self;

    watcher_init(&self);
    while (at < ahead) {
        int64_t count = push(buffer, at, ahead - at);
        if (count > 0)
            at += (uint64_t)count;
        else
            CHECK(result_of(buffer, SB_WHEN_WANTED) > 0);
    }
    watch(&self, buffer, SB_WHEN_WANTED);
    if (lowers) {
        limit_files(1);
        CHECK_EQ(sb_set_max_memory(buffer, 0), SB_ERR_DISK_FULL);
        limit_files(RLIM_INFINITY);
    }
    CHECK_EQ(get(&self, &self.calls), 0);
    CHECK_EQ(sb_read(buffer, 0, 100, bytes), 100);
    CHECK_EQ(finish(&self), 100);
    CHECK_EQ(push(buffer, at, 100), 100);
    sb_free(buffer);
}

static void full_disk(void)
{
    sb_buffer *buffer = open_push(300000, 0);
    uint64_t at = 0;
    int64_t count;
    watcher self;
    unsigned turn;

    limit_files(500000);
    for (;;) {
        count = push(buffer, at, 20000);
        if (count > 0) {
            at += (uint64_t)count;
            continue;
        }
        if (result_of(buffer, SB_WHEN_WANTED) == SB_ERR_DISK_FULL)
            break;
    }
    /* It is tried again each time. */
    for (turn = 0; turn < 3; turn++) {
        watcher_init(&self);
        watch(&self, buffer, SB_WHEN_WANTED);
        CHECK_EQ(finish(&self), SB_ERR_DISK_FULL);
    }
    limit_files(RLIM_INFINITY);
    watcher_init(&self);
    watch(&self, buffer, SB_WHEN_WANTED);
    CHECK(finish(&self) > 0);
    CHECK(push(buffer, at, 20000) > 0);
    CHECK_EQ(sb_read(buffer, 0, (size_t)at, bytes), at);
    CHECK_BYTES(bytes, 0, at);
    sb_free(buffer);
}

int main(void)
{
    uint64_t at;
    signal(SIGXFSZ, SIG_IGN);
    whole_init();
    wanted();
    event_loop(300000, 65536);
    event_loop(0, 5000);
    space_is_made();
    for (at = 4096; at < 600000; at += 4096) {
        full_before_wanted(at, 0);
        full_before_wanted(at, 1);
    }
    full_disk();
    return 0;
}
