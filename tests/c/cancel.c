/*
 * sb_cancel() wakes every blocked call, lasts until sb_resume(), leaves buffered bytes readable, and
 * loses no fetched byte.
 */
#include "check.h"

enum { SIZE = 500000, HELD = 100000 };

static unsigned char bytes[SIZE];

static void held_bytes_are_served(sb_buffer *buffer)
{
    CHECK_EQ(sb_read(buffer, 0, HELD, bytes), HELD);
    CHECK_BYTES(bytes, 0, HELD);
    CHECK_EQ(sb_read_some(buffer, HELD - 5, 100, bytes, -1), 5);
    CHECK_BYTES(bytes, HELD - 5, 5);
}

/* Blocked calls of each kind, and the one that is inside the source. */
static void wakes_all(uint64_t max, int cancels)
{
    stream source;
    sb_buffer *buffer;
    sb_reader *reader;
    call inside, waiting[6];
    int index, reads;

    stream_init(&source, SIZE, 7000);
    source.stall_at = HELD;
    buffer = stream_open(&source, SIZE, max);
    CHECK_EQ(sb_read(buffer, 0, HELD, bytes), HELD);
    reader = sb_reader_new(buffer);
    CHECK_EQ(sb_reader_seek(reader, HELD + 50, SB_SEEK_SET), HELD + 50);
    call_start(&inside, buffer, HELD, 10, NULL);
    stream_await_stall(&source);
    call_start(&waiting[0], buffer, HELD, 10, NULL);
    call_start(&waiting[1], buffer, SIZE, 10, NULL);
    call_start_some(&waiting[2], buffer, HELD + 5, 10, -1, NULL);
    call_start_some(&waiting[3], buffer, HELD + 5, 10, 600000, NULL);
    call_start(&waiting[4], buffer, 0, SIZE, NULL);
    call_start_reader(&waiting[5], reader, 10, NULL);
    WAIT_UNTIL(stats_of(buffer).waits == 6);
    for (index = 0; index < cancels; index++)
        CHECK_EQ(sb_cancel(buffer), SB_OK);
    for (index = 0; index < 6; index++)
        CHECK_EQ(call_finish(&waiting[index]), SB_ERR_CANCELED);
    CHECK_EQ(call_finish(&inside), SB_ERR_CANCELED);
    CHECK(source.cancels >= 1);

    /* It lasts, for calls that need the source. */
    reads = source.reads;
    CHECK_EQ(stats_of(buffer).state, SB_STATE_CANCELED);
    CHECK_EQ(stats_of(buffer).status, SB_ERR_CANCELED);
    CHECK_EQ(sb_read(buffer, HELD, 10, bytes), SB_ERR_CANCELED);
    CHECK_EQ(sb_read(buffer, 0, SIZE, bytes), SB_ERR_CANCELED);
    CHECK_EQ(sb_read_some(buffer, HELD, 10, bytes, -1), SB_ERR_CANCELED);
    CHECK_EQ(sb_read_some(buffer, HELD, 10, bytes, 0), SB_ERR_CANCELED);
    CHECK_EQ(sb_read_some(buffer, HELD, 10, bytes, 600000), SB_ERR_CANCELED);
    CHECK_EQ(sb_reader_read(reader, 10, bytes), SB_ERR_CANCELED);
    CHECK_EQ(sb_save(buffer, "saved"), SB_ERR_CANCELED);
    held_bytes_are_served(buffer);
    CHECK_EQ(sb_cancel(buffer), SB_OK);
    CHECK_EQ(sb_read(buffer, HELD, 10, bytes), SB_ERR_CANCELED);
    CHECK_EQ(source.reads, reads);
    CHECK_EQ(stats_of(buffer).frontier, HELD);

    /* And sb_resume() ends it. */
    stream_release(&source, NEVER);
    CHECK_EQ(sb_resume(buffer), SB_OK);
    CHECK_EQ(sb_resume(buffer), SB_OK);
    CHECK_EQ(stats_of(buffer).state, SB_STATE_OPEN);
    CHECK_EQ(sb_reader_read(reader, 10, bytes), 10);
    CHECK_BYTES(bytes, HELD + 50, 10);
    CHECK_EQ(sb_read(buffer, 0, SIZE, bytes), SIZE);
    CHECK_BYTES(bytes, 0, SIZE);
    CHECK_EQ(source.at, SIZE);
    CHECK_EQ(stats_of(buffer).source_error == 0 || stats_of(buffer).source_error == -ECANCELED, 1);
    /* Once every byte is buffered, a cancel stops nothing and does not show. */
    CHECK_EQ(sb_read(buffer, SIZE, 10, bytes), 0);
    CHECK_EQ(sb_cancel(buffer), SB_OK);
    CHECK_EQ(sb_read(buffer, 0, SIZE, bytes), SIZE);
    CHECK_EQ(sb_read(buffer, SIZE, 10, bytes), 0);
    CHECK_EQ(stats_of(buffer).state, SB_STATE_ENDED);
    CHECK_EQ(stats_of(buffer).status, SB_OK);
    CHECK_EQ(source.closes, 1);
    sb_reader_free(reader);
    sb_free(buffer);
}

/* A cancel that is resumed at once still reaches every call that was blocked. */
static void resumed_at_once(void)
{
    stream source;
    sb_buffer *buffer;
    call inside, waiting, limited;

    stream_init(&source, SIZE, 7000);
    source.stall_at = HELD;
    buffer = stream_open(&source, SIZE, SB_MAX_DEFAULT);
    call_start(&inside, buffer, HELD, 10, NULL);
    stream_await_stall(&source);
    call_start(&waiting, buffer, HELD, 10, NULL);
    call_start_some(&limited, buffer, HELD, 10, 600000, NULL);
    WAIT_UNTIL(stats_of(buffer).waits == 2);
    CHECK_EQ(sb_cancel(buffer), SB_OK);
    CHECK_EQ(sb_resume(buffer), SB_OK);
    CHECK_EQ(call_finish(&waiting), SB_ERR_CANCELED);
    CHECK_EQ(call_finish(&limited), SB_ERR_CANCELED);
    CHECK_EQ(call_finish(&inside), SB_ERR_CANCELED);
    CHECK_EQ(stats_of(buffer).state, SB_STATE_OPEN);
    stream_release(&source, NEVER);
    CHECK_EQ(sb_read(buffer, HELD - 5, 10, bytes), 10);
    CHECK_BYTES(bytes, HELD - 5, 10);
    sb_free(buffer);
}

/* Bytes that the source delivers in spite of a cancel are kept: the call is canceled, the bytes are
 * buffered. */
static void late_bytes_are_kept(void)
{
    stream source;
    sb_buffer *buffer;
    call inside;

    stream_init(&source, SIZE, 7000);
    source.stall_at = HELD;
    source.obeys_cancel = 0;
    buffer = stream_open(&source, SIZE, SB_MAX_DEFAULT);
    call_start(&inside, buffer, HELD, 10, NULL);
    stream_await_stall(&source);
    CHECK_EQ(sb_cancel(buffer), SB_OK);
    CHECK_EQ(stream_get(&source, &source.cancels), 1);
    stream_release(&source, NEVER);
    CHECK_EQ(call_finish(&inside), SB_ERR_CANCELED);
    CHECK(sb_buffered(buffer, 0) > HELD);
    CHECK_EQ(sb_read(buffer, HELD, 10, bytes), 10);
    CHECK_BYTES(bytes, HELD, 10);
    CHECK_EQ(sb_resume(buffer), SB_OK);
    CHECK_EQ(sb_read(buffer, 0, SIZE, bytes), SIZE);
    CHECK_BYTES(bytes, 0, SIZE);
    sb_free(buffer);
}

/* From inside `read`: this call is canceled when `read` returns, and nothing hangs. */
static sb_buffer *own;
static stream inner;

static int64_t canceling_read(void *opaque, void *out, size_t capacity)
{
    if (inner.at == 0)
        CHECK_EQ(sb_cancel(own), SB_OK);
    return stream_read(opaque, out, capacity);
}

static void from_a_callback(void)
{
    sb_callback callback;

    stream_init(&inner, SIZE, 7000);
    callback = stream_callback(&inner);
    callback.read = canceling_read;
    own = sb_new(&callback, SIZE, SB_MAX_DEFAULT);
    CHECK(own != NULL);
    CHECK_EQ(sb_read(own, 0, 10, bytes), SB_ERR_CANCELED);
    CHECK_EQ(sb_read(own, 0, 10, bytes), 10);
    CHECK_EQ(sb_read(own, 7000, 10, bytes), SB_ERR_CANCELED);
    CHECK_EQ(sb_resume(own), SB_OK);
    CHECK_EQ(sb_read(own, 7000, 10, bytes), 10);
    CHECK_BYTES(bytes, 7000, 10);
    sb_free(own);
    CHECK_EQ(inner.closes, 1);
}

/* The source's `cancel` may call the library: no lock is held around it. */
static void calling_cancel(void *opaque)
{
    sb_stats stats;
    CHECK_EQ(sb_stat(own, &stats, sizeof stats), SB_OK);
    CHECK_EQ(sb_buffered(own, 0), HELD);
    CHECK_EQ(sb_read_some(own, 0, 10, bytes, 0), 10);
    CHECK_EQ(sb_cancel(own), SB_OK);
    stream_cancel(opaque);
}

static void no_lock_around_cancel(void)
{
    sb_callback callback;
    call inside;

    stream_init(&inner, SIZE, 10000);
    inner.stall_at = HELD;
    callback = stream_callback(&inner);
    callback.cancel = calling_cancel;
    own = sb_new(&callback, SIZE, SB_MAX_DEFAULT);
    CHECK(own != NULL);
    call_start(&inside, own, HELD, 10, NULL);
    stream_await_stall(&inner);
    /* calling_cancel() cancels again, which calls it again: the recursion must end by itself. */
    CHECK_EQ(sb_cancel(own), SB_OK);
    CHECK_EQ(call_finish(&inside), SB_ERR_CANCELED);
    sb_free(own);
    CHECK_EQ(inner.closes, 1);
}

/* A source without `cancel`: blocked calls return at once, the one inside the source when the source
 * returns. */
static void without_cancel(void)
{
    stream source;
    sb_callback callback;
    sb_buffer *buffer;
    call inside, waiting;

    events_count = 0;
    stream_init(&source, SIZE, 7000);
    source.stall_at = 0;
    callback = stream_callback(&source);
    callback.cancel = NULL;
    buffer = sb_new(&callback, SIZE, SB_MAX_DEFAULT);
    CHECK(buffer != NULL);
    call_start(&inside, buffer, 0, 10, "inside");
    stream_await_stall(&source);
    call_start(&waiting, buffer, 0, 10, "waiting");
    WAIT_UNTIL(stats_of(buffer).waits == 1);
    CHECK_EQ(sb_cancel(buffer), SB_OK);
    CHECK_EQ(call_finish(&waiting), SB_ERR_CANCELED);
    stream_release(&source, NEVER);
    CHECK_EQ(call_finish(&inside), SB_ERR_CANCELED);
    CHECK_ORDER("waiting", "inside");
    sb_free(buffer);
}

/* Before the source was ever called. */
static void at_first(void)
{
    stream source;
    sb_buffer *buffer;

    stream_init(&source, SIZE, 7000);
    buffer = stream_open(&source, SIZE, SB_MAX_DEFAULT);
    CHECK_EQ(sb_cancel(buffer), SB_OK);
    CHECK_EQ(sb_cancel(buffer), SB_OK);
    CHECK_EQ(sb_read(buffer, 0, 10, bytes), SB_ERR_CANCELED);
    CHECK_EQ(source.reads, 0);
    CHECK_EQ(source.cancels, 0);
    CHECK_EQ(sb_resume(buffer), SB_OK);
    CHECK_EQ(sb_read(buffer, 0, 10, bytes), 10);
    sb_free(buffer);
    CHECK_EQ(source.closes, 1);
}

/* One thread cancels and resumes, others read: nothing is lost, nothing hangs. */
static sb_buffer *shared_buffer;

static void *reads_and_reads(void *opaque)
{
    uint64_t seed = (uint64_t)(uintptr_t)opaque * 77 + 1, offset = 0;
    unsigned char piece[3000];
    while (offset < SIZE) {
        size_t length = (size_t)(random_next(&seed) % sizeof piece) + 1;
        int64_t count = sb_read(shared_buffer, offset, length, piece);
        if (count == SB_ERR_CANCELED)
            continue;
        CHECK(count > 0);
        CHECK_BYTES(piece, offset, (uint64_t)count);
        offset += (uint64_t)count;
    }
    return NULL;
}

static void storm(void)
{
    stream source;
    pthread_t readers[4];
    size_t index;
    int round;

    stream_init(&source, SIZE, 501);
    shared_buffer = stream_open(&source, SIZE, 50000);
    for (index = 0; index < COUNT_OF(readers); index++)
        CHECK_EQ(pthread_create(&readers[index], NULL, reads_and_reads,
                                (void *)(uintptr_t)(index + 1)), 0);
    for (round = 0; round < 300; round++) {
        CHECK_EQ(sb_cancel(shared_buffer), SB_OK);
        CHECK_EQ(sb_resume(shared_buffer), SB_OK);
        if (round % 8 == 0)
            pause_ms(1);
    }
    for (index = 0; index < COUNT_OF(readers); index++)
        CHECK_EQ(pthread_join(readers[index], NULL), 0);
    CHECK_EQ(source.at, SIZE);
    sb_free(shared_buffer);
    CHECK_EQ(source.closes, 1);
}

int main(void)
{
    wakes_all(SB_MAX_DEFAULT, 1);
    wakes_all(0, 3);
    resumed_at_once();
    late_bytes_are_kept();
    from_a_callback();
    without_cancel();
    at_first();
    storm();
    no_lock_around_cancel();
    return 0;
}
