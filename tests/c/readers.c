/*
 * Readers: positions of their own, seeks that cost nothing, and a cancel that affects neither other
 * readers nor the source.
 */
#include "check.h"

enum { SIZE = 300000, HELD = 100000 };

static unsigned char bytes[SIZE];

static void positions(void)
{
    stream source;
    sb_buffer *buffer;
    sb_reader *one, *two;
    int64_t count;
    uint64_t at = 0;

    stream_init(&source, SIZE, 1000);
    buffer = stream_open(&source, SB_SIZE_UNKNOWN, 50000);
    one = sb_reader_new(buffer);
    two = sb_reader_new(buffer);
    CHECK(one != NULL && two != NULL && one != two);
    CHECK_EQ(sb_reader_seek(one, 0, SB_SEEK_CUR), 0);
    CHECK_EQ(sb_reader_seek(one, 0, SB_SEEK_END), SB_ERR_UNKNOWN_SIZE);
    CHECK_EQ(sb_reader_seek(one, 5000, SB_SEEK_SET), 5000);
    CHECK_EQ(sb_reader_seek(one, -100, SB_SEEK_CUR), 4900);
    CHECK_EQ(sb_reader_seek(one, -5000, SB_SEEK_CUR), SB_ERR_INVALID);
    CHECK_EQ(sb_reader_seek(one, 0, 17), SB_ERR_INVALID);
    CHECK_EQ(sb_reader_seek(one, 0, SB_SEEK_CUR), 4900);
    CHECK_EQ(source.reads, 0);
    CHECK_EQ(sb_reader_seek(two, 0, SB_SEEK_CUR), 0);
    /* The available bytes, once the first one is. */
    count = sb_reader_read(one, 5000, bytes);
    CHECK(count >= 1 && count <= 5000);
    CHECK_BYTES(bytes, 4900, (uint64_t)count);
    CHECK_EQ(sb_reader_seek(one, 0, SB_SEEK_CUR), 4900 + count);
    CHECK_EQ(sb_reader_seek(two, 0, SB_SEEK_CUR), 0);
    /* To the end, in order, each byte once. */
    while ((count = sb_reader_read(two, 777, bytes)) > 0) {
        CHECK_BYTES(bytes, at, (uint64_t)count);
        at += (uint64_t)count;
    }
    CHECK_EQ(count, 0);
    CHECK_EQ(at, SIZE);
    CHECK_EQ(sb_reader_read(two, 10, bytes), 0);
    CHECK_EQ(sb_reader_seek(two, 0, SB_SEEK_CUR), SIZE);
    CHECK_EQ(sb_reader_seek(two, -10, SB_SEEK_END), SIZE - 10);
    CHECK_EQ(sb_reader_read(two, 100, bytes), 10);
    CHECK_BYTES(bytes, SIZE - 10, 10);
    CHECK_EQ(sb_reader_seek(two, 100, SB_SEEK_END), SIZE + 100);
    CHECK_EQ(sb_reader_read(two, 100, bytes), 0);
    CHECK_EQ(sb_reader_seek(two, -SIZE - 1, SB_SEEK_END), SB_ERR_INVALID);
    CHECK_EQ(sb_reader_seek(two, INT64_MAX, SB_SEEK_CUR), SB_ERR_INVALID);
    CHECK_EQ(sb_reader_seek(two, INT64_MIN, SB_SEEK_CUR), SB_ERR_INVALID);
    sb_reader_free(one);
    CHECK_EQ(sb_reader_read(two, 1, bytes), 0);
    sb_reader_free(two);
    sb_free(buffer);

    /* From the declared end, until the real one is known. */
    stream_init(&source, SIZE, 0);
    buffer = stream_open(&source, SIZE + 500, 50000);
    one = sb_reader_new(buffer);
    CHECK_EQ(sb_reader_seek(one, -500, SB_SEEK_END), SIZE);
    CHECK_EQ(sb_reader_read(one, 10, bytes), 0);
    CHECK_EQ(sb_reader_seek(one, -500, SB_SEEK_END), SIZE - 500);
    sb_reader_free(one);
    sb_free(buffer);
}

/* Canceling a blocked reader does not affect the other one's pull, nor the source. */
static void stop_one(void)
{
    stream source;
    sb_buffer *buffer;
    sb_reader *stopped, *other;
    call waiting, inside;

    events_count = 0;
    stream_init(&source, SIZE, 1000);
    source.stall_at = HELD;
    buffer = stream_open(&source, SB_SIZE_UNKNOWN, SB_MAX_DEFAULT);
    CHECK_EQ(sb_read(buffer, 0, HELD, bytes), HELD);
    stopped = sb_reader_new(buffer);
    other = sb_reader_new(buffer);
    CHECK_EQ(sb_reader_seek(stopped, HELD, SB_SEEK_SET), HELD);
    CHECK_EQ(sb_reader_seek(other, HELD, SB_SEEK_SET), HELD);
    call_start_reader(&inside, other, 10, "the other got its bytes");
    stream_await_stall(&source);
    call_start_reader(&waiting, stopped, 10, "the stopped one returned");
    WAIT_UNTIL(stats_of(buffer).waits == 1);
    CHECK_EQ(sb_reader_cancel(stopped), SB_OK);
    CHECK_EQ(sb_reader_cancel(stopped), SB_OK);
    CHECK_EQ(call_finish(&waiting), SB_ERR_CANCELED);
    CHECK_EQ(source.cancels, 0);
    CHECK_EQ(stats_of(buffer).state, SB_STATE_OPEN);
    /* It stays canceled where it would block, and did not move. */
    CHECK_EQ(sb_reader_seek(stopped, 0, SB_SEEK_CUR), HELD);
    CHECK_EQ(sb_reader_read(stopped, 10, bytes), SB_ERR_CANCELED);
    CHECK_EQ(sb_reader_seek(stopped, HELD - 5, SB_SEEK_SET), HELD - 5);
    CHECK_EQ(sb_reader_read(stopped, 10, bytes), 5);
    CHECK_EQ(sb_reader_read(stopped, 10, bytes), SB_ERR_CANCELED);
    stream_release(&source, NEVER);
    CHECK_EQ(call_finish(&inside), 10);
    CHECK_ORDER("the stopped one returned", "the other got its bytes");
    /* Its bytes are buffered now: it can read them. */
    CHECK_EQ(sb_reader_read(stopped, 10, bytes), 10);
    CHECK_EQ(sb_reader_seek(stopped, SIZE - 10, SB_SEEK_SET), SIZE - 10);
    CHECK_EQ(sb_reader_read(stopped, 10, bytes), SB_ERR_CANCELED);
    CHECK_EQ(sb_reader_resume(stopped), SB_OK);
    CHECK_EQ(sb_reader_read(stopped, 10, bytes), 10);
    CHECK_BYTES(bytes, SIZE - 10, 10);
    sb_reader_free(stopped);
    sb_reader_free(other);
    sb_free(buffer);
}

/* Canceled and resumed at once: the blocked call is canceled all the same. */
static void stopped_and_resumed(void)
{
    stream source;
    sb_buffer *buffer;
    sb_reader *reader;
    call waiting, inside;

    stream_init(&source, SIZE, 1000);
    source.stall_at = 0;
    buffer = stream_open(&source, SB_SIZE_UNKNOWN, SB_MAX_DEFAULT);
    reader = sb_reader_new(buffer);
    call_start(&inside, buffer, 0, 10, NULL);
    stream_await_stall(&source);
    call_start_reader(&waiting, reader, 10, NULL);
    WAIT_UNTIL(stats_of(buffer).waits == 1);
    CHECK_EQ(sb_reader_cancel(reader), SB_OK);
    CHECK_EQ(sb_reader_resume(reader), SB_OK);
    CHECK_EQ(call_finish(&waiting), SB_ERR_CANCELED);
    stream_release(&source, NEVER);
    CHECK_EQ(call_finish(&inside), 10);
    CHECK_EQ(sb_reader_read(reader, 10, bytes), 10);
    sb_reader_free(reader);
    sb_free(buffer);
}

/* The canceled reader is inside the source itself: another blocked call takes over, nothing else is
 * canceled. */
static void stop_the_puller(void)
{
    stream source;
    sb_buffer *buffer;
    sb_reader *stopped;
    call inside, waiting;

    stream_init(&source, SIZE, 1000);
    source.stall_at = 0;
    buffer = stream_open(&source, SB_SIZE_UNKNOWN, SB_MAX_DEFAULT);
    stopped = sb_reader_new(buffer);
    CHECK_EQ(sb_reader_seek(stopped, HELD, SB_SEEK_SET), HELD);
    call_start_reader(&inside, stopped, 10, NULL);
    stream_await_stall(&source);
    call_start(&waiting, buffer, HELD + 5000, 10, NULL);
    WAIT_UNTIL(stats_of(buffer).waits == 1);
    CHECK_EQ(sb_reader_cancel(stopped), SB_OK);
    CHECK_EQ(source.cancels, 0);
    stream_release(&source, NEVER);
    CHECK_EQ(call_finish(&inside), SB_ERR_CANCELED);
    CHECK_EQ(call_finish(&waiting), 10);
    sb_reader_free(stopped);
    sb_free(buffer);
    CHECK_EQ(source.closes, 1);
}

/* Freed by another thread while it is blocked; freed after its buffer. */
static void freed(void)
{
    stream source;
    sb_buffer *buffer;
    sb_reader *gone, *late, *waits;
    call inside, waiting, ended;

    stream_init(&source, SIZE, 1000);
    source.stall_at = 0;
    buffer = stream_open(&source, SB_SIZE_UNKNOWN, SB_MAX_DEFAULT);
    gone = sb_reader_new(buffer);
    late = sb_reader_new(buffer);
    waits = sb_reader_new(buffer);
    call_start(&inside, buffer, 0, 10, NULL);
    stream_await_stall(&source);
    call_start_reader(&waiting, gone, 10, NULL);
    call_start_reader(&ended, waits, 10, NULL);
    WAIT_UNTIL(stats_of(buffer).waits == 2);
    sb_reader_free(gone);
    CHECK_EQ(call_finish(&waiting), SB_ERR_CANCELED);
    CHECK_EQ(sb_reader_read(gone, 10, bytes), SB_ERR_INVALID);
    /* The buffer first. */
    sb_free(buffer);
    CHECK_EQ(call_finish(&ended), SB_ERR_CANCELED);
    CHECK_EQ(call_finish(&inside), SB_ERR_CANCELED);
    CHECK_EQ(sb_reader_read(late, 10, bytes), SB_ERR_INVALID);
    CHECK_EQ(sb_reader_seek(late, 0, SB_SEEK_SET), SB_ERR_INVALID);
    CHECK_EQ(sb_reader_cancel(late), SB_ERR_INVALID);
    CHECK_EQ(sb_reader_resume(late), SB_ERR_INVALID);
    sb_reader_free(late);
    sb_reader_free(late);
    sb_reader_free(waits);
}

int main(void)
{
    positions();
    stop_one();
    stopped_and_resumed();
    stop_the_puller();
    freed();
    return 0;
}
