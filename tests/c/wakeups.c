/*
 * Wakeups are exact: 256 threads that wait for 256 different offsets cost about one wait each, not one
 * for every chunk that arrives.
 */
#include "check.h"

enum { WAITERS = 256, STEP = 1000, SIZE = WAITERS * STEP };

static void many(uint64_t chunk, int some, int by_helper)
{
    static call calls[WAITERS];
    stream source;
    sb_buffer *buffer;
    sb_stats stats;
    size_t index;

    stream_init(&source, SIZE, chunk);
    source.stall_at = 0;
    buffer = stream_open(&source, SIZE, SB_MAX_DEFAULT);
    if (by_helper)
        CHECK_EQ(sb_prefetch(buffer, SB_PREFETCH_ALL), SB_OK);
    for (index = 0; index < WAITERS; index++) {
        /* From the last offset to the first, so that the first to come wait longest. */
        uint64_t offset = (WAITERS - 1 - index) * STEP + STEP / 2;
        if (some)
            call_start_some(&calls[index], buffer, offset, 10, -1, NULL);
        else
            call_start(&calls[index], buffer, offset, 10, NULL);
    }
    /* All of them are blocked, except the one inside the source. */
    WAIT_UNTIL(stats_of(buffer).waits >= (by_helper ? WAITERS : WAITERS - 1));
    stream_await_stall(&source);
    CHECK_EQ(stats_of(buffer).waits, by_helper ? WAITERS : WAITERS - 1);
    stream_release(&source, NEVER);
    for (index = 0; index < WAITERS; index++)
        CHECK_EQ(call_finish(&calls[index]), 10);
    stats = stats_of(buffer);
    /* A thread woken to use the source may find it taken, and waits once more. */
    printf("chunk %" PRIu64 ": %" PRIu64 " waits, %" PRIu64 " pulls\n", chunk, stats.waits,
           stats.pulls);
    CHECK(stats.waits <= WAITERS + WAITERS / 4);
    sb_free(buffer);
    /* The helper may have been inside the source, which is gone after this. */
    WAIT_UNTIL(stream_get(&source, &source.closes) == 1);
}

int main(void)
{
    int mode;
    for (mode = 0; mode < 4; mode++) {
        many(100, mode & 1, mode >> 1);
        many(1000, mode & 1, mode >> 1);
        many(0, mode & 1, mode >> 1);
    }
    return 0;
}
