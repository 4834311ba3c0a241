/*
 * sb_reopen() from inside a function that the library calls: a source's `read` and `cancel`, and a log.
 */
#include "reopen.h"

static void reopen_from_inside(tank *self)
{
    self->inside = NULL;
    self->result = reopen(self->buffer, self->next, SEEKS);
}

/* With a `close`, the call returns at once and the running read is discarded. */
static void from_inside(form how, int64_t limit)
{
    tank first, second;
    sb_buffer *buffer;
    call inside;

    tanks_init(&first, &second);
    first.inside = reopen_from_inside;
    first.next = &second;
    first.other_until = NEVER;
    first.result = 1;
    buffer = tank_open(&first, how);
    call_start_some(&inside, buffer, 0, SIZE, limit, NULL);
    CHECK(call_finish(&inside) > 0);
    WAIT_UNTIL(closes(&first) == 1);
    CHECK_EQ(first.result, SB_OK);
    CHECK_EQ(reads(&first), 1);
    CHECK_EQ(cancels(&first), 0);
    read_is(buffer, 0, SIZE, SIZE);
    free_and_await_close(buffer, &second.stream);
}

/* Without a `close`, it would wait for itself: the new source is closed, and nothing changes. */
static void from_inside_without_close(void)
{
    tank first, second;

    tanks_init(&first, &second);
    first.inside = reopen_from_inside;
    first.next = &second;
    tank_open_closing(&first, 0, SB_MAX_DEFAULT);
    read_is(first.buffer, 0, SIZE, SIZE);
    CHECK_EQ(first.result, SB_ERR_REENTRANT);
    CHECK_EQ(closes(&second), 1);
    CHECK_EQ(reads(&second), 0);
    sb_free(first.buffer);
}

static sb_buffer *logged;
static tank *next_of_log;
static int result_of_log = 1;

static void reopen_from_log(void *opaque, uint32_t level, const char *message)
{
    (void)opaque;
    (void)level;
    if (strstr(message, "memory limit") != NULL)
        result_of_log = reopen(logged, next_of_log, SEEKS);
}

/* Nor does a log function block. */
static void from_log(void)
{
    tank first, second;
    call inside;

    tanks_init(&first, &second);
    first.stream.stall_at = 21000;
    logged = tank_open_closing(&first, 0, SB_MAX_DEFAULT);
    next_of_log = &second;
    call_start(&inside, logged, 0, SIZE, NULL);
    stream_await_stall(&first.stream);
    CHECK_EQ(sb_set_log(reopen_from_log, NULL, SB_LOG_INFO), SB_OK);
    CHECK_EQ(sb_set_max_memory(logged, 1), SB_OK);
    CHECK_EQ(sb_set_log(NULL, NULL, SB_LOG_OFF), SB_OK);
    CHECK_EQ(result_of_log, SB_ERR_REENTRANT);
    CHECK_EQ(closes(&second), 1);
    stream_release(&first.stream, NEVER);
    CHECK_EQ(call_finish(&inside), SIZE);
    sb_free(logged);
}

static void reopen_from_cancel(tank *self)
{
    self->at_cancel = NULL;
    self->result = reopen(self->buffer, self->next, SEEKS);
}

/* From `cancel`: the source is closed after both its read and its cancel have returned. */
static void from_cancel(int has_close)
{
    tank first, second;
    call inside;

    tanks_init(&first, &second);
    first.stream.stall_at = 21000;
    first.at_cancel = reopen_from_cancel;
    first.next = &second;
    first.result = 1;
    tank_open_closing(&first, has_close, SB_MAX_DEFAULT);
    call_start(&inside, first.buffer, 0, SIZE, NULL);
    stream_await_stall(&first.stream);
    CHECK_EQ(sb_cancel(first.buffer), SB_OK);
    CHECK_EQ(call_finish(&inside), SB_ERR_CANCELED);
    CHECK_EQ(first.result, has_close ? SB_OK : SB_ERR_REENTRANT);
    CHECK_EQ(cancels(&first), 1);
    CHECK_EQ(closes(&first), has_close);
    CHECK_EQ(closes(&second), !has_close);
    if (!has_close)
        stream_release(&first.stream, NEVER);
    CHECK_EQ(sb_resume(first.buffer), SB_OK);
    read_is(first.buffer, 0, SIZE, SIZE);
    sb_free(first.buffer);
}

static void reopen_then_stall(tank *self)
{
    reopen_from_inside(self);
    stream_release(&self->stream, 0);
}

/* A source that was replaced from inside its own read, and blocks after that, is canceled by the next
 * sb_cancel() or sb_free(), once. */
static void orphan_is_canceled(int cancels_first)
{
    tank first, second;
    sb_buffer *buffer;
    call inside;

    tanks_init(&first, &second);
    first.inside = reopen_then_stall;
    first.next = &second;
    buffer = tank_open(&first, FORWARD);
    call_start(&inside, buffer, 0, SIZE, NULL);
    stream_await_stall(&first.stream);
    read_is(buffer, 0, 5000, 5000);
    CHECK_EQ(cancels(&first), 0);
    if (cancels_first)
        CHECK_EQ(sb_cancel(buffer), SB_OK);
    sb_free(buffer);
    CHECK_EQ(call_finish(&inside), SB_ERR_CANCELED);
    CHECK_EQ(cancels(&first), 1);
    CHECK_EQ(closes(&first), 1);
    CHECK_EQ(closes(&second), 1);
}

int main(void)
{
    static const form forms[] = { FORWARD, SEEKS, PULLS, PULLS_FORWARD };
    static const int64_t waits[] = { NO_SOME, -1, PATIENCE };
    size_t how, wait;

    for (how = 0; how < COUNT_OF(forms); how++)
        for (wait = 0; wait < COUNT_OF(waits); wait++)
            from_inside(forms[how], waits[wait]);
    from_inside_without_close();
    from_log();
    from_cancel(0);
    from_cancel(1);
    orphan_is_canceled(0);
    orphan_is_canceled(1);
    return 0;
}
