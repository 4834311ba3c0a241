/*
 * sb_reopen() and the helper thread: the prefetch goes on with the new source.
 */
#include "reopen.h"

static pthread_mutex_t hooks_lock = PTHREAD_MUTEX_INITIALIZER;
static int begun, ended;

static void count_up(int *counter)
{
    pthread_mutex_lock(&hooks_lock);
    ++*counter;
    pthread_mutex_unlock(&hooks_lock);
}

static int count_of(const int *counter)
{
    int value;
    pthread_mutex_lock(&hooks_lock);
    value = *counter;
    pthread_mutex_unlock(&hooks_lock);
    return value;
}

static void on_begin(void *opaque)
{
    CHECK(opaque == NULL);
    count_up(&begun);
}

static void on_end(void *opaque)
{
    CHECK(opaque == NULL);
    count_up(&ended);
}

/* The helper is stuck in the old source. Another one goes on with the new source, and the first exits
 * when it returns. */
static void prefetch(form how)
{
    tank first, second;
    sb_callback callback;
    sb_options options;
    sb_buffer *buffer;

    begun = ended = 0;
    tanks_init(&first, &second);
    first.stream.stall_at = 21000;
    first.stream.obeys_cancel = 0;
    first.other_from = 21000;
    first.other_until = NEVER;
    callback = tank_callback(&first, how);
    CHECK_EQ(sb_options_init(&options, sizeof options), SB_OK);
    options.prefetch = SB_PREFETCH_ALL;
    options.thread_begin = on_begin;
    options.thread_end = on_end;
    CHECK_EQ(sb_new_with(&callback, &options, &buffer), SB_OK);
    stream_await_stall(&first.stream);
    CHECK_EQ(reopen(buffer, &second, how), SB_OK);
    WAIT_UNTIL(stats_of(buffer).frontier == SIZE);
    read_is(buffer, 0, SIZE, SIZE);
    CHECK_EQ(count_of(&begun), 2);
    CHECK_EQ(count_of(&ended), 0);
    stream_release(&first.stream, NEVER);
    WAIT_UNTIL(count_of(&ended) == 1);
    CHECK_EQ(closes(&first), 1);
    read_is(buffer, 0, SIZE, SIZE);
    CHECK_EQ(stats_of(buffer).helper, 1);
    sb_free(buffer);
    WAIT_UNTIL(count_of(&ended) == 2);
}

/* A prefetch that an error has stopped continues. */
static void prefetch_after_failure(void)
{
    tank first, second;
    sb_buffer *buffer;

    tanks_init(&first, &second);
    first.stream.fail_at = 21000;
    first.stream.code = EXPIRED;
    buffer = tank_open(&first, SEEKS);
    CHECK_EQ(sb_prefetch(buffer, SB_PREFETCH_ALL), SB_OK);
    WAIT_UNTIL(stats_of(buffer).state == SB_STATE_FAILED);
    CHECK_EQ(reopen(buffer, &second, SEEKS), SB_OK);
    WAIT_UNTIL(stats_of(buffer).frontier == SIZE);
    WAIT_UNTIL(closes(&second) == 1);
    sb_free(buffer);
}

/* The same for one that was paused, since the old source could not seek this time. */
static void prefetch_after_failed_seek(void)
{
    tank first, second;
    sb_buffer *buffer;

    buffer = open_holding(&first, &second, SEEKS, 50000, 1000);
    first.seek_fails = 1;
    CHECK_EQ(sb_prefetch(buffer, SB_PREFETCH_ALL), SB_OK);
    WAIT_UNTIL(stats_of(buffer).source_error == -5);
    CHECK_EQ(stats_of(buffer).state, SB_STATE_ENDED);
    CHECK_EQ(reopen(buffer, &second, SEEKS), SB_OK);
    WAIT_UNTIL(stats_of(buffer).frontier == SIZE);
    WAIT_UNTIL(closes(&second) == 1);
    CHECK_EQ(closes(&first), 1);
    sb_free(buffer);
}

int main(void)
{
    static const form forms[] = { FORWARD, SEEKS, PULLS, PULLS_FORWARD };
    size_t index;

    for (index = 0; index < COUNT_OF(forms); index++)
        prefetch(forms[index]);
    prefetch_after_failure();
    prefetch_after_failed_seek();
    return 0;
}
