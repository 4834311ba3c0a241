/*
 * A source that stalls at one place is left for a call that needs bytes elsewhere, and for a reader
 * that is canceled, if it is SB_SOURCE_INTERRUPTIBLE. Whoever was inside it gets its bytes later.
 *
 * Without the library's help most of these calls would hang: nothing else ends the stall.
 */
#include "check.h"

#define SIZE 4000000
#define STALL 100000
#define FAR 3000000

static unsigned char bytes[100];

static int64_t stream_seek(void *opaque, uint64_t offset)
{
    stream *self = opaque;
    pthread_mutex_lock(&self->lock);
    CHECK(self->inside == 0);
    self->at = offset;
    self->ended = 0;
    pthread_mutex_unlock(&self->lock);
    return 0;
}

/* A buffer over a source that can seek, and stalls. */
static sb_buffer *open_stalling(stream *source, uint32_t flags)
{
    sb_callback callback;
    sb_buffer *buffer;

    events_count = 0;
    stream_init(source, SIZE, 1000);
    source->stall_at = STALL;
    callback = stream_callback(source);
    callback.seek = stream_seek;
    callback.flags = flags;
    buffer = sb_new(&callback, SIZE, SB_MAX_DEFAULT);
    CHECK(buffer != NULL);
    return buffer;
}

/* Waits until a call is stalled after this many interrupts were obeyed. */
static void await_stall_again(stream *source, int cancels)
{
    WAIT_UNTIL(stream_get(source, &source->cancels) >= cancels
               && stream_get(source, &source->canceled) == 0
               && stream_get(source, &source->stalled) == 1);
}

/* Two calls on two threads. The second one is served while the source would still be stalled for the
 * first one, which gets its bytes in the end. Three times over. */
static void of_two_calls(int64_t first_limit, int64_t second_limit)
{
    stream source;
    sb_buffer *buffer = open_stalling(&source, SB_SOURCE_INTERRUPTIBLE);
    call first;
    int turn;
    int64_t from = now_ms();

    if (first_limit == NO_SOME)
        call_start(&first, buffer, STALL, 10, "the first one returned");
    else
        call_start_some(&first, buffer, STALL, 10, first_limit, "the first one returned");
    stream_await_stall(&source);
    for (turn = 0; turn < 3; turn++) {
        uint64_t at = FAR - (uint64_t)turn * 500000;
        int64_t count = second_limit == NO_SOME ? sb_read(buffer, at, 10, bytes)
                                                : sb_read_some(buffer, at, 10, bytes, second_limit);
        CHECK_EQ(count, 10);
        CHECK_BYTES(bytes, at, 10);
        await_stall_again(&source, turn + 1);
    }
    note("the second one returned");
    CHECK(now_ms() - from < PATIENCE);
    CHECK_EQ(stats_of(buffer).state, SB_STATE_OPEN);
    stream_release(&source, NEVER);
    CHECK_EQ(call_finish(&first), 10);
    CHECK_ORDER("the second one returned", "the first one returned");
    free_and_await_close(buffer, &source);
}

/* Others wait for the stalled bytes, and for these a watch, for longer than the one that is served. */
static void ready(void *opaque, int64_t buffered)
{
    (void)opaque;
    CHECK(buffered > 0);
    note("the watch was ready");
}

static void before_older_ones(void)
{
    stream source;
    sb_buffer *buffer = open_stalling(&source, SB_SOURCE_INTERRUPTIBLE);
    sb_watch *watch;
    call inside, waiting;

    call_start(&inside, buffer, STALL, 10, NULL);
    stream_await_stall(&source);
    call_start(&waiting, buffer, STALL, 10, NULL);
    WAIT_UNTIL(stats_of(buffer).waits == 1);
    CHECK_EQ(sb_when(buffer, STALL, ready, NULL, &watch), SB_ERR_TIMEOUT);
    CHECK_EQ(sb_read(buffer, FAR, 10, bytes), 10);
    CHECK_BYTES(bytes, FAR, 10);
    CHECK_EQ(noted("the watch was ready"), 0);
    await_stall_again(&source, 1);
    stream_release(&source, NEVER);
    CHECK_EQ(call_finish(&inside), 10);
    CHECK_EQ(call_finish(&waiting), 10);
    WAIT_UNTIL(noted("the watch was ready"));
    sb_watch_free(watch);
    free_and_await_close(buffer, &source);
}

/* Two calls wait for two places elsewhere: both are served. */
static void for_two(void)
{
    stream source;
    sb_buffer *buffer = open_stalling(&source, SB_SOURCE_INTERRUPTIBLE);
    call inside, second, third;

    call_start(&inside, buffer, STALL, 10, NULL);
    stream_await_stall(&source);
    call_start(&second, buffer, FAR, 10, NULL);
    call_start(&third, buffer, FAR / 2, 10, NULL);
    CHECK_EQ(call_finish(&second), 10);
    CHECK_EQ(call_finish(&third), 10);
    await_stall_again(&source, 1);
    stream_release(&source, NEVER);
    CHECK_EQ(call_finish(&inside), 10);
    free_and_await_close(buffer, &source);
}

/* The call that watches a slow source gives up before the source has stalled. Another one watches it
 * from then on. */
static void after_a_timeout(void)
{
    stream source;
    sb_buffer *buffer = open_stalling(&source, SB_SOURCE_INTERRUPTIBLE);
    call inside, brief, lasting;

    source.stall_at = 0;
    source.chunk = 0; /* few calls, so that the slow one is among the last ones */
    call_start(&inside, buffer, 0, 10, NULL);
    stream_await_stall(&source);
    pause_ms(150);
    stream_release(&source, STALL);
    CHECK_EQ(call_finish(&inside), 10);
    call_start(&inside, buffer, STALL, 10, NULL);
    stream_await_stall(&source);
    call_start_some(&brief, buffer, FAR, 10, 200, NULL);
    WAIT_UNTIL(stats_of(buffer).waits >= 1);
    call_start(&lasting, buffer, FAR / 2, 10, NULL);
    call_finish(&brief);
    CHECK_EQ(call_finish(&lasting), 10);
    await_stall_again(&source, 1);
    stream_release(&source, NEVER);
    CHECK_EQ(call_finish(&inside), 10);
    free_and_await_close(buffer, &source);
}

/* The helper thread is stalled, for a prefetch. One reader moves on. */
static void of_a_prefetch(int64_t limit)
{
    stream source;
    sb_buffer *buffer = open_stalling(&source, SB_SOURCE_INTERRUPTIBLE);

    CHECK_EQ(sb_read(buffer, STALL - 10, 10, bytes), 10);
    CHECK_EQ(sb_prefetch(buffer, 50000), SB_OK);
    stream_await_stall(&source);
    CHECK_EQ(sb_read_some(buffer, FAR, 10, bytes, limit), 10);
    CHECK_BYTES(bytes, FAR, 10);
    CHECK_EQ(stats_of(buffer).state, SB_STATE_OPEN);
    stream_release(&source, NEVER);
    CHECK_EQ(sb_read(buffer, STALL, 10, bytes), 10);
    CHECK_BYTES(bytes, STALL, 10);
    free_and_await_close(buffer, &source);
}

/* A reader that is inside the source is canceled, resumed, and goes elsewhere. Another one that needs
 * the stalled bytes goes on. */
static void by_a_reader(int seeks)
{
    stream source;
    sb_buffer *buffer = open_stalling(&source, SB_SOURCE_INTERRUPTIBLE);
    sb_reader *reader = sb_reader_new(buffer);
    call inside, waiting;

    if (!seeks) {
        /* A source that cannot seek: the reader goes back. */
        sb_callback callback = stream_callback(&source);
        sb_free(buffer);
        stream_init(&source, SIZE, 1000);
        source.stall_at = STALL;
        callback.flags = SB_SOURCE_INTERRUPTIBLE;
        buffer = sb_new(&callback, SIZE, SB_MAX_DEFAULT);
        sb_reader_free(reader);
        reader = sb_reader_new(buffer);
    }
    CHECK_EQ(sb_reader_seek(reader, STALL, SB_SEEK_SET), STALL);
    call_start_reader(&inside, reader, 10, "the reader returned");
    stream_await_stall(&source);
    call_start(&waiting, buffer, STALL, 10, "the other one returned");
    WAIT_UNTIL(stats_of(buffer).waits == 1);
    CHECK_EQ(sb_reader_cancel(reader), SB_OK);
    CHECK_EQ(call_finish(&inside), SB_ERR_CANCELED);
    CHECK_EQ(sb_reader_seek(reader, 0, SB_SEEK_CUR), STALL);
    await_stall_again(&source, 1);
    /* It is not inside any more. */
    CHECK_EQ(sb_reader_cancel(reader), SB_OK);
    CHECK_EQ(source.cancels, 1);
    CHECK_EQ(sb_reader_resume(reader), SB_OK);
    CHECK_EQ(sb_reader_seek(reader, seeks ? FAR : 5, SB_SEEK_SET), seeks ? FAR : 5);
    CHECK_EQ(sb_reader_read(reader, 10, bytes), 10);
    CHECK_BYTES(bytes, seeks ? FAR : 5, 10);
    CHECK_EQ(stats_of(buffer).state, SB_STATE_OPEN);
    stream_release(&source, NEVER);
    CHECK_EQ(call_finish(&waiting), 10);
    CHECK_ORDER("the reader returned", "the other one returned");
    sb_reader_free(reader);
    free_and_await_close(buffer, &source);
}

/* A freed reader leaves the source, too. */
static void by_a_free(void)
{
    stream source;
    sb_buffer *buffer = open_stalling(&source, SB_SOURCE_INTERRUPTIBLE);
    sb_reader *reader = sb_reader_new(buffer);
    call inside;

    CHECK_EQ(sb_reader_seek(reader, STALL, SB_SEEK_SET), STALL);
    call_start_reader(&inside, reader, 10, NULL);
    stream_await_stall(&source);
    sb_reader_free(reader);
    CHECK_EQ(call_finish(&inside), SB_ERR_CANCELED);
    stream_release(&source, NEVER);
    CHECK_EQ(sb_read(buffer, STALL, 10, bytes), 10);
    free_and_await_close(buffer, &source);
}

/* What must not interrupt it: the flag is missing, the bytes are on the way, or the call takes only what
 * others bring. */
static void not_without_a_reason(uint32_t flags, uint64_t at, int is_buffered_only)
{
    stream source;
    sb_buffer *buffer = open_stalling(&source, flags);
    sb_reader_options options;
    sb_reader *reader;
    call inside, waiting;

    CHECK_EQ(sb_reader_options_init(&options, sizeof options), SB_OK);
    options.timeout_ms = is_buffered_only ? 300 : -1;
    options.flags = is_buffered_only ? SB_READER_BUFFERED : 0;
    CHECK_EQ(sb_reader_new_with(buffer, &options, &reader), SB_OK);
    CHECK_EQ(sb_reader_seek(reader, (int64_t)at, SB_SEEK_SET), (int64_t)at);
    call_start(&inside, buffer, STALL, 10, NULL);
    stream_await_stall(&source);
    call_start_reader(&waiting, reader, 10, NULL);
    WAIT_UNTIL(stats_of(buffer).waits == 1);
    pause_ms(200);
    CHECK_EQ(stream_get(&source, &source.cancels), 0);
    if (is_buffered_only)
        CHECK_EQ(call_finish(&waiting), SB_ERR_TIMEOUT);
    stream_release(&source, NEVER);
    CHECK_EQ(call_finish(&inside), 10);
    if (!is_buffered_only)
        CHECK_EQ(call_finish(&waiting), 10);
    sb_reader_free(reader);
    free_and_await_close(buffer, &source);
}

/* Nor does what does not wait: a read with a timeout of 0, and a watch. */
static void not_without_a_wait(void)
{
    stream source;
    sb_buffer *buffer = open_stalling(&source, SB_SOURCE_INTERRUPTIBLE);
    sb_watch *watch;
    call inside;

    call_start(&inside, buffer, STALL, 10, NULL);
    stream_await_stall(&source);
    CHECK_EQ(sb_when(buffer, FAR, ready, NULL, &watch), SB_ERR_TIMEOUT);
    CHECK_EQ(sb_read_some(buffer, FAR, 10, bytes, 0), SB_ERR_TIMEOUT);
    pause_ms(200);
    CHECK_EQ(sb_read_some(buffer, FAR, 10, bytes, 0), SB_ERR_TIMEOUT);
    CHECK_EQ(stream_get(&source, &source.cancels), 0);
    stream_release(&source, NEVER);
    CHECK_EQ(call_finish(&inside), 10);
    WAIT_UNTIL(noted("the watch was ready"));
    sb_watch_free(watch);
    free_and_await_close(buffer, &source);
}

/* A call inside such a `cancel` cannot wait for the source, which waits for the end of the `cancel`. */
static sb_buffer *canceled_buffer;
static int64_t read_by_cancel;

static void reading_cancel(void *opaque)
{
    stream_cancel(opaque);
    read_by_cancel = sb_read(canceled_buffer, FAR / 2, 10, bytes + 50);
}

static void reads_in_cancel(int by_reader)
{
    stream source;
    sb_callback callback;
    sb_reader *reader;
    call inside;

    stream_init(&source, SIZE, 1000);
    source.stall_at = STALL;
    callback = stream_callback(&source);
    callback.seek = stream_seek;
    callback.cancel = reading_cancel;
    callback.flags = SB_SOURCE_INTERRUPTIBLE;
    canceled_buffer = sb_new(&callback, SIZE, SB_MAX_DEFAULT);
    CHECK(canceled_buffer != NULL);
    reader = sb_reader_new(canceled_buffer);
    CHECK_EQ(sb_reader_seek(reader, STALL, SB_SEEK_SET), STALL);
    read_by_cancel = 0;
    call_start_reader(&inside, reader, 10, NULL);
    stream_await_stall(&source);
    if (by_reader)
        CHECK_EQ(sb_reader_cancel(reader), SB_OK);
    else
        CHECK_EQ(sb_read(canceled_buffer, FAR, 10, bytes), 10);
    CHECK_EQ(read_by_cancel, SB_ERR_REENTRANT);
    if (by_reader)
        CHECK_EQ(call_finish(&inside), SB_ERR_CANCELED);
    stream_release(&source, NEVER);
    if (!by_reader)
        CHECK_EQ(call_finish(&inside), 10);
    sb_reader_free(reader);
    free_and_await_close(canceled_buffer, &source);
}

int main(void)
{
    of_two_calls(NO_SOME, NO_SOME);
    of_two_calls(NO_SOME, PATIENCE);
    of_two_calls(PATIENCE, NO_SOME);
    of_two_calls(PATIENCE, PATIENCE);
    before_older_ones();
    for_two();
    after_a_timeout();
    of_a_prefetch(-1);
    of_a_prefetch(PATIENCE);
    by_a_reader(1);
    by_a_reader(0);
    by_a_free();
    not_without_a_reason(0, FAR, 0);
    not_without_a_reason(SB_SOURCE_INTERRUPTIBLE, STALL + 50000, 0);
    not_without_a_reason(SB_SOURCE_INTERRUPTIBLE, FAR, 1);
    not_without_a_wait();
    reads_in_cancel(0);
    reads_in_cancel(1);
    return 0;
}
