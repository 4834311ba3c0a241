/*
 * A source that fails: the bytes before the error arrive, the error follows and persists, is never the
 * end and keeps its own code. After sb_resume() the source continues at its position.
 */
#include "check.h"

static unsigned char bytes[600000];

static void fails(uint64_t at, int64_t code, uint64_t max)
{
    enum { SIZE = 500000 };
    stream source;
    sb_buffer *buffer;
    sb_stats stats;
    int reads;

    stream_init(&source, SIZE, 3001);
    source.fail_at = at;
    source.code = code;
    buffer = stream_open(&source, SIZE, max);
    /* The bytes before it, then the error. */
    CHECK_EQ(sb_read(buffer, 0, sizeof bytes, bytes), at > 0 ? (int64_t)at : SB_ERR_SOURCE);
    CHECK_BYTES(bytes, 0, at);
    reads = source.reads;
    CHECK_EQ(sb_read(buffer, at, 10, bytes), SB_ERR_SOURCE);
    CHECK_EQ(sb_read(buffer, at + 1000, 10, bytes), SB_ERR_SOURCE);
    CHECK_EQ(sb_read(buffer, SIZE, 10, bytes), SB_ERR_SOURCE);
    CHECK_EQ(sb_read_some(buffer, at, 10, bytes, -1), SB_ERR_SOURCE);
    CHECK_EQ(sb_read_some(buffer, at, 10, bytes, PATIENCE), SB_ERR_SOURCE);
    CHECK_EQ(sb_read_some(buffer, at, 10, bytes, 0), SB_ERR_SOURCE);
    CHECK_EQ(sb_save(buffer, "saved"), SB_ERR_SOURCE);
    CHECK(access("saved", F_OK) != 0);
    /* It persists: the source is not called again. */
    CHECK_EQ(source.reads, reads);
    CHECK_EQ(source.closes, 0);
    stats = stats_of(buffer);
    CHECK_EQ(stats.state, SB_STATE_FAILED);
    CHECK_EQ(stats.status, SB_ERR_SOURCE);
    CHECK_EQ(stats.source_error, code);
    CHECK_EQ(stats.frontier, (int64_t)at);
    CHECK(stats.final_size == SB_SIZE_UNKNOWN);
    if (at > 10) {
        CHECK_EQ(sb_read(buffer, at - 10, 100, bytes), 10);
        CHECK_BYTES(bytes, at - 10, 10);
    }
    /* It fails again when asked again. */
    CHECK_EQ(sb_resume(buffer), SB_OK);
    CHECK_EQ(stats_of(buffer).state, SB_STATE_OPEN);
    CHECK_EQ(sb_read(buffer, at, 10, bytes), SB_ERR_SOURCE);
    CHECK_EQ(source.reads, reads + 1);
    /* It has recovered: nothing is lost, nothing is fetched twice. */
    source.fail_at = NEVER;
    CHECK_EQ(sb_read(buffer, at, 10, bytes), SB_ERR_SOURCE);
    CHECK_EQ(sb_resume(buffer), SB_OK);
    CHECK_EQ(sb_read(buffer, at, 10, bytes), at < SIZE ? 10 : 0);
    CHECK_BYTES(bytes, at, at < SIZE ? 10 : 0);
    CHECK_EQ(sb_read(buffer, 0, sizeof bytes, bytes), SIZE);
    CHECK_BYTES(bytes, 0, SIZE);
    CHECK_EQ(source.at, SIZE);
    stats = stats_of(buffer);
    CHECK_EQ(stats.state, SB_STATE_ENDED);
    CHECK_EQ(stats.status, SB_OK);
    sb_free(buffer);
    CHECK_EQ(source.closes, 1);
}

/* Every blocked call gets the error, except calls whose bytes arrived before it. */
static void waiters(void)
{
    stream source;
    sb_buffer *buffer;
    call first, before, after;

    stream_init(&source, 100000, 1000);
    source.stall_at = 1000;
    source.fail_at = 50000;
    source.code = -77;
    buffer = stream_open(&source, SB_SIZE_UNKNOWN, SB_MAX_DEFAULT);
    call_start(&first, buffer, 2000, 100, NULL);
    stream_await_stall(&source);
    call_start(&before, buffer, 49000, 5000, NULL);
    call_start(&after, buffer, 60000, 100, NULL);
    WAIT_UNTIL(stats_of(buffer).waits == 2);
    stream_release(&source, NEVER);
    CHECK_EQ(call_finish(&first), 100);
    CHECK_EQ(call_finish(&before), 1000);
    CHECK_EQ(call_finish(&after), SB_ERR_SOURCE);
    CHECK_EQ(stats_of(buffer).source_error, -77);
    sb_free(buffer);
}

int main(void)
{
    fails(123456, -5, SB_MAX_DEFAULT);
    fails(123456, INT64_MIN, 50000);
    fails(262144, -1, 0);
    fails(0, -123456789012345, SB_MAX_DEFAULT);
    fails(1, -2, 0);
    /* Exactly where the end would be: still not the end. */
    fails(500000, -3, 0);
    waiters();
    return 0;
}
