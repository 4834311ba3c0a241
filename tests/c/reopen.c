/*
 * sb_reopen(): another source for the same bytes takes the place of one that expired.
 */
#include "reopen.h"

/* The source fails in the middle. What is buffered stays, the failure is cleared, and the new source
 * delivers the rest. */
static void expired(form old, form new, uint64_t max)
{
    tank first, second;
    sb_buffer *buffer;

    tanks_init(&first, &second);
    first.stream.fail_at = 100000;
    first.stream.code = EXPIRED;
    buffer = tank_open_with(&first, old, max, SB_SIZE_UNKNOWN, SB_SHORT_END);
    read_is(buffer, 0, SIZE, 100000);
    read_is(buffer, 100000, 1, SB_ERR_SOURCE);
    CHECK_EQ(closes(&first), 0);
    CHECK_EQ(reopen(buffer, &second, new), SB_OK);
    CHECK_EQ(closes(&first), 1);
    CHECK_EQ(cancels(&first), 0);
    CHECK_EQ(reads(&second), 0);
    CHECK_EQ(stats_of(buffer).state, SB_STATE_OPEN);
    CHECK_EQ(stats_of(buffer).seekable, new == SEEKS || new == PULLS);
    read_is(buffer, 0, 100000, 100000);
    CHECK_EQ(reads(&second), 0);
    read_is(buffer, 0, SIZE, SIZE);
    read_is(buffer, SIZE, 1, 0);
    CHECK_EQ(sb_size(buffer), SIZE);
    if (new == SEEKS || new == PULLS) {
        CHECK_EQ(second.seek_count, 1);
        CHECK_EQ(second.seeks[0], 100000 - 4096);
    }
    CHECK_EQ(closes(&second), 1);
    CHECK_EQ(closes(&first), 1);
    sb_free(buffer);
    CHECK_EQ(closes(&second), 1);
}

static void keeps_a_cancel(void)
{
    tank first, second;
    sb_buffer *buffer;

    tank_init(&first, SIZE, 0);
    tank_init(&second, SIZE, 0);
    first.stream.fail_at = 1000;
    first.stream.code = EXPIRED;
    buffer = tank_open(&first, SEEKS);
    read_is(buffer, 0, SIZE, 1000);
    read_is(buffer, 1000, 1, SB_ERR_SOURCE);
    CHECK_EQ(sb_cancel(buffer), SB_OK);
    CHECK_EQ(reopen(buffer, &second, SEEKS), SB_OK);
    read_is(buffer, 1000, 1, SB_ERR_CANCELED);
    CHECK_EQ(stats_of(buffer).state, SB_STATE_CANCELED);
    CHECK_EQ(sb_resume(buffer), SB_OK);
    read_is(buffer, 0, SIZE, SIZE);
    sb_free(buffer);
}

static void short_end(form how)
{
    tank first, second;
    sb_buffer *buffer;

    tank_init(&first, 1000, 0);
    tank_init(&second, SIZE, 0);
    buffer = tank_open_with(&first, how, SB_MAX_DEFAULT, SIZE, SB_SHORT_ERROR);
    read_is(buffer, 0, SIZE, 1000);
    read_is(buffer, 1000, 1, SB_ERR_SHORT);
    CHECK_EQ(reopen(buffer, &second, how), SB_OK);
    CHECK_EQ(closes(&first), 1);
    read_is(buffer, 0, SIZE, SIZE);
    sb_free(buffer);
}

/* ---- sizes, and calls that do nothing --------------------------------------------------------- */

static void sizes(void)
{
    tank first, second;
    sb_callback callback;
    sb_buffer *buffer;

    /* A known end, with a hole before it. */
    tank_init(&first, SIZE, 0);
    buffer = tank_open_with(&first, SEEKS, SB_MAX_DEFAULT, SIZE, SB_SHORT_END);
    read_is(buffer, 0, 1000, 1000);
    CHECK_EQ(sb_find_size(buffer, -1), SIZE);
    CHECK(stats_of(buffer).frontier < SIZE);
    tank_init(&second, SIZE, 0);
    callback = tank_callback(&second, SEEKS);
    CHECK_EQ(sb_reopen(buffer, &callback, SIZE + 1), SB_ERR_SIZE);
    CHECK_EQ(closes(&second), 1);
    CHECK_EQ(closes(&first), 0);
    second.stream.closes = 0;
    CHECK_EQ(sb_reopen(buffer, &callback, SIZE - 1), SB_ERR_SIZE);
    CHECK_EQ(closes(&second), 1);
    second.stream.closes = 0;
    CHECK_EQ(sb_reopen(buffer, &callback, SIZE), SB_OK);
    CHECK_EQ(closes(&first), 1);
    read_is(buffer, 0, SIZE, SIZE);
    sb_free(buffer);

    /* Below what is buffered. Then a size that becomes the declared one, and one that does not. */
    tank_init(&first, SIZE, 0);
    tank_init(&second, SIZE, 0);
    buffer = tank_open(&first, SEEKS);
    read_is(buffer, 0, 1000, 1000);
    callback = tank_callback(&second, SEEKS);
    CHECK_EQ(sb_reopen(buffer, &callback, 999), SB_ERR_SIZE);
    CHECK_EQ(closes(&second), 1);
    CHECK_EQ(sb_size(buffer), SB_ERR_UNKNOWN_SIZE);
    second.stream.closes = 0;
    CHECK_EQ(sb_reopen(buffer, &callback, SIZE), SB_OK);
    CHECK_EQ(sb_size(buffer), SIZE);
    tank_init(&first, SIZE, 0);
    callback = tank_callback(&first, SEEKS);
    CHECK_EQ(sb_reopen(buffer, &callback, SIZE + 1), SB_OK);
    CHECK_EQ(sb_size(buffer), SIZE);
    read_is(buffer, 0, SIZE, SIZE);
    sb_free(buffer);
}

static void complete(void)
{
    tank first, second;
    sb_callback callback;
    sb_buffer *buffer;

    tank_init(&first, SIZE, 0);
    tank_init(&second, SIZE, 0);
    buffer = tank_open(&first, FORWARD);
    CHECK_EQ(sb_find_size(buffer, -1), SIZE);
    CHECK_EQ(closes(&first), 1);
    callback = tank_callback(&second, SEEKS);
    CHECK_EQ(sb_reopen(buffer, &callback, SIZE), SB_OK);
    CHECK_EQ(closes(&second), 1);
    second.stream.closes = 0;
    CHECK_EQ(sb_reopen(buffer, &callback, SIZE - 1), SB_ERR_SIZE);
    CHECK_EQ(closes(&second), 1);
    CHECK_EQ(reads(&second), 0);
    read_is(buffer, 0, SIZE, SIZE);
    sb_free(buffer);
    CHECK_EQ(closes(&first), 1);
}

int main(void)
{
    static const form forms[] = { FORWARD, SEEKS, PULLS, PULLS_FORWARD };
    static const uint64_t limits[] = { SB_MAX_DEFAULT, 0, 50000 };
    size_t old, new, index;

    for (old = 0; old < COUNT_OF(forms); old++) {
        for (new = 0; new < COUNT_OF(forms); new++)
            for (index = 0; index < COUNT_OF(limits); index++)
                expired(forms[old], forms[new], limits[index]);
        short_end(forms[old]);
    }
    keeps_a_cancel();
    sizes();
    complete();
    return 0;
}
