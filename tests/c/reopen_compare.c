/*
 * sb_reopen() never mixes two resources: the new source has to deliver the bytes that are held.
 */
#include "reopen.h"

static void is_mismatch(sb_buffer *buffer, uint64_t offset)
{
    char text[300];
    unsigned char byte;
    sb_reader *reader = sb_reader_new(buffer);
    sb_error error;

    CHECK_EQ(sb_error_init(&error, sizeof error), SB_OK);
    CHECK_EQ(sb_reader_seek(reader, (int64_t)offset, SB_SEEK_SET), (int64_t)offset);
    CHECK_EQ(sb_reader_read(reader, 1, &byte), SB_ERR_SOURCE);
    CHECK_EQ(sb_reader_error(reader, &error), SB_OK);
    CHECK_EQ(error.source, SB_SOURCE_MISMATCH);
    CHECK(sb_error_text(&error, text, sizeof text) > 0);
    CHECK(strstr(text, "another resource") != NULL);
    CHECK_EQ(stats_of(buffer).source_error, SB_SOURCE_MISMATCH);
    CHECK_EQ(stats_of(buffer).state, SB_STATE_FAILED);
    sb_reader_free(reader);
}

/* The new source delivers one other byte where bytes are compared. Nothing of it is kept, until a
 * source of the right resource comes. */
static void mixture(form how, uint64_t other, uint64_t max)
{
    tank first, second, third;
    sb_buffer *buffer;
    int calls;

    tanks_init(&first, &second);
    tank_init(&third, SIZE, 9000);
    first.stream.fail_at = 100000;
    first.stream.code = EXPIRED;
    second.other_from = other;
    second.other_until = other + 1;
    buffer = tank_open_with(&first, how, max, SB_SIZE_UNKNOWN, SB_SHORT_END);
    read_is(buffer, 0, SIZE, 100000);
    CHECK_EQ(reopen(buffer, &second, how), SB_OK);
    read_is(buffer, 100000, 1, SB_ERR_SOURCE);
    is_mismatch(buffer, 100000);
    CHECK_EQ(stats_of(buffer).frontier, 100000);
    read_is(buffer, 0, 100000, 100000);
    /* Asking the same source again would prove nothing. */
    calls = reads(&second);
    CHECK_EQ(sb_retry(buffer), SB_OK);
    is_mismatch(buffer, 100000);
    CHECK_EQ(sb_resume(buffer), SB_OK);
    is_mismatch(buffer, 150000);
    CHECK_EQ(reads(&second), calls);
    CHECK_EQ(reopen(buffer, &third, how), SB_OK);
    CHECK_EQ(closes(&second), 1);
    read_is(buffer, 0, SIZE, SIZE);
    sb_free(buffer);
}

/* A source that can seek is compared once at each gap: before it or, at the start, behind it. */
static void each_gap_once(form how)
{
    static const uint64_t expected[] = {
        60000 - 4096, /* compared before the gap */
        90000,        /* the middle of that gap */
        70000,        /* the same gap: not compared again */
        71000,
        160000,       /* a short run of bytes: compared whole, and read on from there */
        50000,        /* nothing is held before the gap at the start: compared behind it */
        0,
    };
    tank first, second;
    sb_buffer *buffer;
    int index;

    buffer = open_holding(&first, &second, how, 50000, 10000);
    read_is(buffer, 160000, 100, 100);
    CHECK_EQ(reopen(buffer, &second, how), SB_OK);
    read_is(buffer, 90000, 10, 10);
    read_is(buffer, 70000, 10, 10);
    read_is(buffer, 71000, 10, 10);
    read_is(buffer, 160050, 100, 100);
    read_is(buffer, 0, 10, 10);
    CHECK_EQ(second.seek_count, COUNT_OF(expected));
    for (index = 0; index < second.seek_count; index++)
        CHECK_EQ(second.seeks[index], expected[index]);
    read_is(buffer, 0, SIZE, SIZE);
    sb_free(buffer);
}

/* The bytes behind a gap at the start differ. */
static void mixture_behind(form how)
{
    tank first, second;
    sb_buffer *buffer;

    buffer = open_holding(&first, &second, how, 50000, 10000);
    second.other_from = 50000;
    second.other_until = 50001;
    CHECK_EQ(reopen(buffer, &second, how), SB_OK);
    is_mismatch(buffer, 0);
    CHECK_EQ(stats_of(buffer).frontier, 0);
    sb_free(buffer);
}

/* A source may find by itself that it delivers another resource. */
static void told_by_the_source(void)
{
    tank first, second;
    sb_buffer *buffer;

    buffer = open_holding(&first, &second, PULLS, 0, 10);
    second.stream.fail_at = 0;
    second.stream.code = SB_SOURCE_MISMATCH;
    CHECK_EQ(reopen(buffer, &second, PULLS), SB_OK);
    is_mismatch(buffer, 10);
    CHECK_EQ(sb_retry(buffer), SB_OK);
    is_mismatch(buffer, 10);
    sb_free(buffer);
}

/* The new source ends below the bytes that are held: it delivers another resource or, where an end below
 * the declared size is an error, was cut there. */
static void ends_below_held(form how, uint64_t size, uint32_t on_short)
{
    int is_cut = on_short == SB_SHORT_ERROR && size != SB_SIZE_UNKNOWN;
    tank first, second;
    sb_buffer *buffer;

    tank_init(&first, SIZE, 0);
    tank_init(&second, 60000, 0);
    first.stream.fail_at = 100000;
    first.stream.code = EXPIRED;
    buffer = tank_open_with(&first, how, SB_MAX_DEFAULT, size, on_short);
    read_is(buffer, 0, SIZE, 100000);
    CHECK_EQ(reopen(buffer, &second, how), SB_OK);
    if (is_cut) {
        read_is(buffer, 100000, 1, SB_ERR_SHORT);
        CHECK_EQ(stats_of(buffer).ended_short, 1);
        CHECK_EQ(sb_size(buffer), SIZE);
        second.stream.size = SIZE;
        second.stream.ended = 0;
        CHECK_EQ(sb_retry(buffer), SB_OK);
    } else {
        is_mismatch(buffer, 100000);
        CHECK_EQ(sb_retry(buffer), SB_OK);
        is_mismatch(buffer, 100000);
        tank_init(&first, SIZE, 0);
        CHECK_EQ(reopen(buffer, &first, how), SB_OK);
    }
    read_is(buffer, 0, SIZE, SIZE);
    sb_free(buffer);
}

int main(void)
{
    static const form forms[] = { FORWARD, SEEKS, PULLS, PULLS_FORWARD };
    static const uint64_t limits[] = { SB_MAX_DEFAULT, 0, 50000 };
    size_t index;

    for (index = 0; index < COUNT_OF(limits); index++) {
        mixture(FORWARD, 99999, limits[index]);
        mixture(FORWARD, 0, limits[index]);
        mixture(PULLS_FORWARD, 70000, limits[index]);
        mixture(SEEKS, 99999, limits[index]);
        mixture(SEEKS, 100000 - 4096, limits[index]);
        mixture(PULLS, 99000, limits[index]);
    }
    each_gap_once(SEEKS);
    each_gap_once(PULLS);
    mixture_behind(SEEKS);
    mixture_behind(PULLS);
    told_by_the_source();
    for (index = 0; index < COUNT_OF(forms); index++) {
        ends_below_held(forms[index], SB_SIZE_UNKNOWN, SB_SHORT_END);
        ends_below_held(forms[index], SB_SIZE_UNKNOWN, SB_SHORT_ERROR);
        ends_below_held(forms[index], SIZE, SB_SHORT_END);
        ends_below_held(forms[index], SIZE, SB_SHORT_ERROR);
    }
    return 0;
}
