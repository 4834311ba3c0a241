/*
 * sb_reopen() while a thread is inside the old source, and may be stuck there: every waiting call goes on
 * with the new one at once.
 */
#include "reopen.h"

/* The old source ignores its cancel, and delivers another resource in the end. Every other call goes
 * on with the new source meanwhile, and nothing of the old one's bytes is kept. */
static void stuck(form how, int64_t limit, int has_cancel, uint64_t max)
{
    tank first, second;
    sb_buffer *buffer;
    sb_callback callback;
    call inside, waiting, later;

    tanks_init(&first, &second);
    first.stream.stall_at = 21000;
    first.stream.obeys_cancel = 0;
    first.other_from = 21000;
    first.other_until = NEVER;
    callback = tank_callback(&first, how);
    if (!has_cancel)
        callback.cancel = NULL;
    buffer = sb_new(&callback, SB_SIZE_UNKNOWN, max);
    CHECK(buffer != NULL);
    call_start_some(&inside, buffer, 21000, 1000, limit, NULL);
    stream_await_stall(&first.stream);
    call_start(&waiting, buffer, 15000, SIZE, NULL);
    WAIT_UNTIL(stats_of(buffer).waits >= (limit < 0 ? 1 : 2));
    CHECK_EQ(reopen(buffer, &second, how), SB_OK);
    CHECK_EQ(cancels(&first), has_cancel);
    CHECK_EQ(closes(&first), 0);
    CHECK_EQ(call_finish(&waiting), SIZE - 15000);
    call_start_some(&later, buffer, 0, SIZE, 60000, NULL);
    CHECK(call_finish(&later) > 0);
    /* Spills what can be spilled, and does not wait for the old source. */
    CHECK_EQ(sb_spill(buffer), SB_OK);
    read_is(buffer, 0, SIZE, SIZE);
    CHECK_EQ(stream_get(&first.stream, &first.stream.stalled), 1);
    CHECK_EQ(closes(&first), 0);
    stream_release(&first.stream, NEVER);
    CHECK(call_finish(&inside) > 0);
    WAIT_UNTIL(closes(&first) == 1);
    read_is(buffer, 0, SIZE, SIZE);
    /* The segment that the old source wrote to can be spilled soon after. */
    WAIT_UNTIL(sb_spill(buffer) == SB_OK && stats_of(buffer).memory == 0);
    read_is(buffer, 0, SIZE, SIZE);
    sb_free(buffer);
    CHECK_EQ(closes(&second), 1);
    CHECK_EQ(closes(&first), 1);
}

/* The old source obeys its cancel: the call inside goes on with the new one. */
static void obeys(form how, int64_t limit)
{
    tank first, second;
    sb_buffer *buffer;
    call inside;

    tanks_init(&first, &second);
    first.stream.stall_at = 21000;
    buffer = tank_open(&first, how);
    call_start_some(&inside, buffer, 21000, 1000, limit, NULL);
    stream_await_stall(&first.stream);
    CHECK_EQ(reopen(buffer, &second, how), SB_OK);
    CHECK(call_finish(&inside) > 0);
    WAIT_UNTIL(closes(&first) == 1);
    CHECK_EQ(cancels(&first), 1);
    read_is(buffer, 0, SIZE, SIZE);
    free_and_await_close(buffer, &second.stream);
    CHECK_EQ(closes(&first), 1);
}

static void await_the_next(tank *self)
{
    WAIT_UNTIL(reads(self->next) > 0);
}

/* The other calls go on with the new source even while `cancel` of the old one has not returned. */
static void slow_cancel(void)
{
    tank first, second;
    sb_buffer *buffer;
    call inside, waiting;

    tanks_init(&first, &second);
    first.stream.stall_at = 21000;
    first.at_cancel = await_the_next;
    first.next = &second;
    buffer = tank_open(&first, FORWARD);
    call_start(&inside, buffer, 0, SIZE, NULL);
    stream_await_stall(&first.stream);
    call_start(&waiting, buffer, 0, SIZE, NULL);
    WAIT_UNTIL(stats_of(buffer).waits == 1);
    CHECK_EQ(reopen(buffer, &second, FORWARD), SB_OK);
    CHECK_EQ(call_finish(&waiting), SIZE);
    CHECK_EQ(call_finish(&inside), SIZE);
    CHECK_EQ(closes(&first), 1);
    sb_free(buffer);
}

/* What the old source returns at last concerns nobody: neither an error, nor an end. */
static void late_outcome(int64_t code, uint64_t size)
{
    tank first, second;
    sb_buffer *buffer;
    call inside;

    tank_init(&first, size, 7000);
    tank_init(&second, SIZE, 9000);
    first.stream.stall_at = 21000;
    first.stream.obeys_cancel = 0;
    if (code != 0) {
        first.stream.fail_at = 21000;
        first.stream.code = code;
    }
    buffer = tank_open(&first, FORWARD);
    call_start(&inside, buffer, 0, SIZE, NULL);
    stream_await_stall(&first.stream);
    CHECK_EQ(reopen(buffer, &second, FORWARD), SB_OK);
    stream_release(&first.stream, NEVER);
    CHECK_EQ(call_finish(&inside), SIZE);
    CHECK_EQ(closes(&first), 1);
    CHECK_EQ(stats_of(buffer).source_error, 0);
    CHECK_EQ(sb_find_size(buffer, -1), SIZE);
    sb_free(buffer);
}

/* Without a `close`, sb_reopen() waits until the old source has returned, even after a cancel. The
 * other calls do not wait. */
static void no_close(void)
{
    tank first, second;
    sb_buffer *buffer;
    call inside;
    switching switching;

    tanks_init(&first, &second);
    first.stream.stall_at = 21000;
    first.stream.obeys_cancel = 0;
    buffer = tank_open_closing(&first, 0, SB_MAX_DEFAULT);
    call_start(&inside, buffer, 21000, 1000, NULL);
    stream_await_stall(&first.stream);
    switching_start(&switching, buffer, &second, 1, "reopened");
    read_is(buffer, 0, SIZE, SIZE);
    CHECK_EQ(sb_cancel(buffer), SB_OK);
    CHECK_EQ(sb_resume(buffer), SB_OK);
    CHECK_EQ(noted("reopened"), 0);
    note("released");
    stream_release(&first.stream, NEVER);
    CHECK_EQ(switching_finish(&switching), SB_OK);
    CHECK_ORDER("released", "reopened");
    /* Whatever `opaque` pointed to may be gone now. */
    CHECK_EQ(first.stream.inside, 0);
    memset(&first, 0xff, sizeof first);
    call_finish(&inside);
    sb_free(buffer);
    CHECK_EQ(closes(&second), 1);
}

/* ---- freed meanwhile -------------------------------------------------------------------------- */

static void *free_run(void *buffer)
{
    sb_free(buffer);
    note("freed");
    return NULL;
}

/* The buffer is freed while a thread is still inside the old source. */
static void freed(int has_close)
{
    tank first, second;
    sb_buffer *buffer;
    call inside;
    switching switching;
    pthread_t freeing;

    events_count = 0;
    tanks_init(&first, &second);
    first.stream.stall_at = 21000;
    first.stream.obeys_cancel = 0;
    buffer = tank_open_closing(&first, has_close, SB_MAX_DEFAULT);
    call_start(&inside, buffer, 0, SIZE, NULL);
    stream_await_stall(&first.stream);
    switching_start(&switching, buffer, &second, 1, "reopened");
    if (has_close)
        CHECK_EQ(switching_finish(&switching), SB_OK);
    else
        read_is(buffer, 0, SIZE, SIZE);
    CHECK_EQ(pthread_create(&freeing, NULL, free_run, buffer), 0);
    if (has_close)
        CHECK_EQ(pthread_join(freeing, NULL), 0);
    WAIT_UNTIL(closes(&second) == 1);
    CHECK_EQ(stream_get(&first.stream, &first.stream.stalled), 1);
    CHECK_EQ(closes(&first), 0);
    note("released");
    stream_release(&first.stream, NEVER);
    if (!has_close) {
        CHECK_EQ(switching_finish(&switching), SB_OK);
        CHECK_EQ(pthread_join(freeing, NULL), 0);
        CHECK_ORDER("released", "reopened");
        CHECK_ORDER("released", "freed");
    }
    CHECK(has_close ? call_finish(&inside) == SB_ERR_CANCELED : call_finish(&inside) != 0);
    CHECK_EQ(closes(&first), has_close);
    CHECK_EQ(cancels(&first), 1);
}

int main(void)
{
    static const form forms[] = { FORWARD, SEEKS, PULLS, PULLS_FORWARD };
    static const uint64_t limits[] = { SB_MAX_DEFAULT, 0, 50000 };
    static const int64_t waits[] = { NO_SOME, -1, 60000 };
    size_t how, wait, limit;

    for (how = 0; how < COUNT_OF(forms); how++) {
        for (wait = 0; wait < COUNT_OF(waits); wait++) {
            for (limit = 0; limit < COUNT_OF(limits); limit++) {
                stuck(forms[how], waits[wait], 1, limits[limit]);
                stuck(forms[how], waits[wait], 0, limits[limit]);
            }
            obeys(forms[how], waits[wait]);
        }
    }
    slow_cancel();
    late_outcome(-5, SIZE);
    late_outcome(0, 21000);
    no_close();
    freed(1);
    freed(0);
    return 0;
}
