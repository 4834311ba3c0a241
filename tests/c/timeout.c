/*
 * A timeout holds even if the source never returns; a timeout of 0 never calls the source; a timeout is
 * never reported as the end, nor the end as a timeout.
 */
#include "check.h"

enum { SIZE = 300000, HELD = 100000 };

static unsigned char bytes[SIZE];

static void limit_holds(int by_reader)
{
    stream source;
    sb_buffer *buffer;
    call inside;
    int64_t start;

    stream_init(&source, SIZE, 10000);
    source.stall_at = HELD;
    buffer = stream_open(&source, SB_SIZE_UNKNOWN, SB_MAX_DEFAULT);
    if (by_reader) {
        /* Another thread is inside the source. */
        call_start(&inside, buffer, HELD, 10, NULL);
        stream_await_stall(&source);
    }
    start = now_ms();
    CHECK_EQ(sb_read_some(buffer, HELD, 10, bytes, 50), SB_ERR_TIMEOUT);
    CHECK(now_ms() - start >= 50);
    CHECK_EQ(sb_read_some(buffer, HELD + 5000, 10, bytes, 1), SB_ERR_TIMEOUT);
    CHECK_EQ(sb_read_some(buffer, INT64_MAX - 10, 10, bytes, 1), SB_ERR_TIMEOUT);
    /* On a busy machine the helper needs more calls to get there: it rests between them. */
    while (!stream_get(&source, &source.stalled))
        CHECK_EQ(sb_read_some(buffer, HELD, 10, bytes, 50), SB_ERR_TIMEOUT);
    /* Buffered bytes are returned without delay, and only those. */
    CHECK_EQ(sb_read_some(buffer, HELD - 5, 10, bytes, 600000), 5);
    CHECK_BYTES(bytes, HELD - 5, 5);
    CHECK_EQ(stats_of(buffer).state, SB_STATE_OPEN);
    CHECK_EQ(stats_of(buffer).helper, 1);
    /* Calls with a timeout never run the source on their own thread: nor do they hang now. */
    stream_release(&source, HELD + 20000);
    CHECK_EQ(sb_read_some(buffer, HELD, 10, bytes, 600000), 10);
    CHECK_BYTES(bytes, HELD, 10);
    CHECK_EQ(sb_read_some(buffer, HELD + 20000, 10, bytes, 20), SB_ERR_TIMEOUT);
    stream_release(&source, NEVER);
    if (by_reader)
        CHECK_EQ(call_finish(&inside), 10);
    CHECK_EQ(sb_read_some(buffer, SIZE - 5, 10, bytes, INT64_MAX), 5);
    CHECK_EQ(sb_read_some(buffer, SIZE, 10, bytes, INT64_MAX), 0);
    CHECK_EQ(sb_read_some(buffer, SIZE, 10, bytes, 1), 0);
    CHECK_EQ(sb_read_some(buffer, SIZE, 10, bytes, 0), 0);
    CHECK_EQ(sb_read_some(buffer, SIZE + 5, 10, bytes, 1), 0);
    sb_free(buffer);
    CHECK_EQ(source.closes, 1);
}

static void zero_never_asks(void)
{
    stream source;
    sb_buffer *buffer;
    int index;

    stream_init(&source, SIZE, 10000);
    buffer = stream_open(&source, SIZE, SB_MAX_DEFAULT);
    for (index = 0; index < 1000; index++) {
        CHECK_EQ(sb_read_some(buffer, 0, 10, bytes, 0), SB_ERR_TIMEOUT);
        CHECK_EQ(sb_read_some(buffer, SIZE, 10, bytes, 0), SB_ERR_TIMEOUT);
    }
    CHECK_EQ(source.reads, 0);
    CHECK_EQ(stats_of(buffer).helper, 0);
    CHECK_EQ(threads(), 1);
    CHECK_EQ(sb_read(buffer, 0, 100, bytes), 100);
    CHECK_EQ(source.reads, 1);
    CHECK_EQ(sb_read_some(buffer, 9990, 100, bytes, 0), 10);
    CHECK_EQ(sb_read_some(buffer, 10000, 100, bytes, 0), SB_ERR_TIMEOUT);
    CHECK_EQ(sb_read_some(buffer, 10, 0, bytes, 0), 0);
    CHECK_EQ(source.reads, 1);
    CHECK_EQ(stats_of(buffer).waits, 0);
    sb_free(buffer);
}

/* An end that was reached is the end, even if it was not known when the call began. */
static void end_in_time(void)
{
    stream source;
    sb_buffer *buffer;
    call waiting;

    stream_init(&source, HELD, 10000);
    source.stall_at = HELD;
    buffer = stream_open(&source, SB_SIZE_UNKNOWN, SB_MAX_DEFAULT);
    call_start_some(&waiting, buffer, HELD, 10, 600000, NULL);
    stream_await_stall(&source);
    CHECK_EQ(sb_read_some(buffer, HELD, 10, bytes, 0), SB_ERR_TIMEOUT);
    stream_release(&source, NEVER);
    CHECK_EQ(call_finish(&waiting), 0);
    CHECK_EQ(sb_read_some(buffer, HELD, 10, bytes, 0), 0);
    CHECK_EQ(sb_size(buffer), HELD);
    sb_free(buffer);
}

/* A source's failure reaches the call with a timeout, too. */
static void error_in_time(void)
{
    stream source;
    sb_buffer *buffer;

    stream_init(&source, SIZE, 10000);
    source.fail_at = HELD;
    source.code = -9;
    buffer = stream_open(&source, SB_SIZE_UNKNOWN, SB_MAX_DEFAULT);
    CHECK_EQ(sb_read_some(buffer, HELD, 10, bytes, 600000), SB_ERR_SOURCE);
    CHECK_EQ(sb_read_some(buffer, HELD - 1, 10, bytes, 600000), 1);
    CHECK_EQ(sb_resume(buffer), SB_OK);
    source.fail_at = NEVER;
    CHECK_EQ(sb_read_some(buffer, HELD, 10, bytes, 600000), 10);
    sb_free(buffer);
}

/* Calls with a timeout never call the source on the calling thread. */
static pthread_t main_thread;

static int64_t elsewhere_read(void *opaque, void *out, size_t capacity)
{
    CHECK(!pthread_equal(pthread_self(), main_thread));
    return stream_read(opaque, out, capacity);
}

static void never_on_this_thread(void)
{
    stream source;
    sb_callback callback;
    sb_buffer *buffer;
    uint64_t offset = 0;

    main_thread = pthread_self();
    stream_init(&source, SIZE, 1000);
    callback = stream_callback(&source);
    callback.read = elsewhere_read;
    buffer = sb_new(&callback, SB_SIZE_UNKNOWN, 20000);
    CHECK(buffer != NULL);
    for (;;) {
        int64_t count = sb_read_some(buffer, offset, 777, bytes, 600000);
        CHECK(count >= 0);
        if (count == 0)
            break;
        CHECK_BYTES(bytes, offset, (uint64_t)count);
        offset += (uint64_t)count;
    }
    CHECK_EQ(offset, SIZE);
    sb_free(buffer);
}

int main(void)
{
    zero_never_asks();
    limit_holds(0);
    limit_holds(1);
    end_in_time();
    error_in_time();
    never_on_this_thread();
    WAIT_UNTIL(threads() == 1);
    return 0;
}
