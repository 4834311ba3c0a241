/*
 * What the stats count besides sizes: the bytes that came, the time inside the source and behind
 * it, and how often a prefetch had nothing for its reader.
 */
#include "check.h"
#include <time.h>

enum { SIZE = 500000, CHUNK = 10000 };

static unsigned char bytes[SIZE];

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static int64_t slow_read(void *opaque, void *out, size_t capacity)
{
    struct timespec pause = { 0, 5000000 };
    nanosleep(&pause, NULL);
    return stream_read(opaque, out, capacity);
}

/* The time inside the source is that of its calls, and a sleep is never too short. */
static void time_inside(void)
{
    stream source;
    sb_callback callback;
    sb_buffer *buffer;
    sb_stats stats;
    uint64_t begin = now_us();

    stream_init(&source, SIZE, CHUNK);
    callback = stream_callback(&source);
    callback.read = slow_read;
    buffer = sb_new(&callback, SIZE, SB_MAX_DEFAULT);
    CHECK(buffer != NULL);
    stats = stats_of(buffer);
    CHECK_EQ(stats.pulled, 0);
    CHECK_EQ(stats.pull_us, 0);
    CHECK_EQ(stats.wait_us, 0);
    CHECK_EQ(stats.underruns, 0);
    CHECK_EQ(sb_read(buffer, 0, 10 * CHUNK, bytes), 10 * CHUNK);
    stats = stats_of(buffer);
    CHECK_EQ(stats.pulled, stats.frontier);
    CHECK(stats.pulled >= 10 * CHUNK);
    CHECK(stats.pull_us >= stats.pulls * 5000);
    CHECK(stats.pull_us <= now_us() - begin);
    CHECK_EQ(stats.wait_us, 0);
    CHECK_EQ(stats.underruns, 0);
    /* Buffered bytes add nothing. */
    CHECK_EQ(sb_read(buffer, 100, CHUNK, bytes), CHUNK);
    CHECK_EQ(stats_of(buffer).pull_us, stats.pull_us);
    CHECK_EQ(stats_of(buffer).pulled, stats.pulled);
    free_and_await_close(buffer, &source);
}

/* A call that waits for another one's bytes counts once it has returned. */
static void time_behind(void)
{
    struct timespec pause = { 0, 20000000 };
    stream source;
    sb_buffer *buffer;
    call inside, behind;
    sb_stats stats;

    stream_init(&source, SIZE, CHUNK);
    source.stall_at = 0;
    buffer = stream_open(&source, SIZE, SB_MAX_DEFAULT);
    call_start(&inside, buffer, 0, 10, NULL);
    stream_await_stall(&source);
    call_start(&behind, buffer, 100, 10, NULL);
    WAIT_UNTIL(stats_of(buffer).waits == 1);
    CHECK_EQ(stats_of(buffer).wait_us, 0);
    nanosleep(&pause, NULL);
    stream_release(&source, NEVER);
    CHECK_EQ(call_finish(&inside), 10);
    CHECK_EQ(call_finish(&behind), 10);
    stats = stats_of(buffer);
    CHECK(stats.wait_us >= 20000);
    CHECK(stats.pull_us >= 20000);
    CHECK_EQ(stats.underruns, 0);
    free_and_await_close(buffer, &source);
}

/* A reader that has followed the prefetch to its end, and nothing else. */
static void underruns(void)
{
    stream source;
    sb_buffer *buffer;
    call waiting;
    int poll;

    stream_init(&source, SIZE, CHUNK);
    source.stall_at = 3 * CHUNK;
    buffer = stream_open(&source, SB_SIZE_UNKNOWN, SB_MAX_DEFAULT);
    CHECK_EQ(sb_prefetch(buffer, SB_PREFETCH_ALL), SB_OK);
    /* The first bytes were never in front of anyone. */
    call_start(&waiting, buffer, 0, 10, NULL);
    CHECK_EQ(call_finish(&waiting), 10);
    stream_await_stall(&source);
    CHECK_EQ(stats_of(buffer).underruns, 0);
    /* Nor are those elsewhere. */
    CHECK_EQ(sb_read_some(buffer, 20 * CHUNK, 10, bytes, 0), SB_ERR_TIMEOUT);
    CHECK_EQ(sb_read(buffer, 0, 3 * CHUNK, bytes), 3 * CHUNK);
    CHECK_EQ(stats_of(buffer).underruns, 0);
    for (poll = 0; poll < 10; poll++)
        CHECK_EQ(sb_read_some(buffer, 3 * CHUNK, 10, bytes, 0), SB_ERR_TIMEOUT);
    CHECK_EQ(stats_of(buffer).underruns, 1);
    stream_release(&source, 5 * CHUNK);
    WAIT_UNTIL(stats_of(buffer).frontier == 5 * CHUNK);
    call_start(&waiting, buffer, 4 * CHUNK, 2 * CHUNK, NULL);
    WAIT_UNTIL(stats_of(buffer).underruns == 2);
    stream_release(&source, NEVER);
    CHECK_EQ(call_finish(&waiting), 2 * CHUNK);
    WAIT_UNTIL(stats_of(buffer).state == SB_STATE_ENDED);
    /* The end is none. */
    CHECK_EQ(sb_read_some(buffer, SIZE, 10, bytes, 0), 0);
    CHECK_EQ(stats_of(buffer).underruns, 2);
    CHECK_EQ(stats_of(buffer).pulled, SIZE);
    free_and_await_close(buffer, &source);
    WAIT_UNTIL(stream_get(&source, &source.closes) == 1);
}

/* Without a prefetch there is none, nor after an error or a cancel. */
static void no_underruns(void)
{
    stream source;
    sb_buffer *buffer;

    stream_init(&source, SIZE, CHUNK);
    source.fail_at = 6 * CHUNK;
    source.code = -5;
    buffer = stream_open(&source, SB_SIZE_UNKNOWN, SB_MAX_DEFAULT);
    CHECK_EQ(sb_read(buffer, 0, CHUNK, bytes), CHUNK);
    CHECK_EQ(sb_read(buffer, CHUNK, CHUNK, bytes), CHUNK);
    CHECK_EQ(sb_cancel(buffer), SB_OK);
    CHECK_EQ(sb_prefetch(buffer, SB_PREFETCH_ALL), SB_OK);
    CHECK_EQ(sb_read(buffer, stats_of(buffer).frontier, 10, bytes), SB_ERR_CANCELED);
    CHECK_EQ(sb_resume(buffer), SB_OK);
    WAIT_UNTIL(stats_of(buffer).state == SB_STATE_FAILED);
    CHECK_EQ(sb_read(buffer, 6 * CHUNK, 10, bytes), SB_ERR_SOURCE);
    CHECK_EQ(stats_of(buffer).underruns, 0);
    free_and_await_close(buffer, &source);
    WAIT_UNTIL(stream_get(&source, &source.closes) == 1);
}

int main(void)
{
    time_inside();
    time_behind();
    underruns();
    no_underruns();
    return 0;
}
