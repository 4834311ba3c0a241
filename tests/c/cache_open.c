/*
 * An open of a cache's key: one opener for all who ask, its errors, and time limits.
 */
#include "cache.h"

static void *read_through(void *opaque)
{
    visitor *self = opaque;
    visit(self);
    CHECK_EQ(self->result, SB_OK);
    read_whole(self->reader, self->number);
    return NULL;
}

static void single_flight(void)
{
    enum { THREADS = 64 };
    static visitor visitors[THREADS];
    int index;

    begin_default();
    hold(1);
    for (index = 0; index < THREADS; index++) {
        memset(&visitors[index], 0, sizeof visitors[index]);
        visitors[index].number = 3;
        visitors[index].timeout_ms = -1;
        CHECK_EQ(pthread_create(&visitors[index].thread, NULL, read_through, &visitors[index]), 0);
    }
    WAIT_UNTIL(stat_now().misses == THREADS);
    CHECK_EQ(stat_now().opening, 1);
    hold(0);
    for (index = 0; index < THREADS; index++)
        CHECK_EQ(visitor_finish(&visitors[index]), SB_OK);
    CHECK_EQ(opens, 1);
    CHECK_EQ(stat_now().pulled, resources[3].size);
    CHECK_EQ(resources[3].pulled, resources[3].size);
    CHECK_EQ(stat_now().leases, THREADS);
    for (index = 0; index < THREADS; index++)
        sb_reader_free(visitors[index].reader);
    finish();
}

/* Its error reaches all who wait, and is not remembered. */
static void opener_fails(void)
{
    visitor visitors[3];
    sb_error error;
    sb_reader_options with = reading(-1, 0);
    char text[200];
    size_t index;

    begin_default();
    resources[1].fails = -404;
    hold(1);
    for (index = 0; index < COUNT_OF(visitors); index++)
        visitor_start(&visitors[index], 1, index == 2 ? PATIENCE : -1);
    WAIT_UNTIL(stat_now().misses == COUNT_OF(visitors));
    hold(0);
    for (index = 0; index < COUNT_OF(visitors); index++) {
        CHECK_EQ(visitor_finish(&visitors[index]), SB_ERR_SOURCE);
        CHECK(visitors[index].reader == NULL);
    }
    CHECK_EQ(opens, 1);
    CHECK_EQ(stat_now().entries, 0);

    CHECK_EQ(sb_error_init(&error, sizeof error), SB_OK);
    with.error = &error;
    CHECK_EQ(open_fails(1, &with), SB_ERR_SOURCE);
    CHECK_EQ(error.status, SB_ERR_SOURCE);
    CHECK_EQ(error.source, -404);
    CHECK_EQ(error.operation, SB_OP_SOURCE_OPEN);
    CHECK(sb_error_text(&error, text, sizeof text) > 0);
    CHECK(strstr(text, "open the source") != NULL);
    resources[1].fails = 17;
    CHECK_EQ(open_fails(1, &with), SB_ERR_SOURCE);
    CHECK_EQ(error.source, 17);
    resources[1].fails = SB_SOURCE_CANCELED;
    CHECK_EQ(open_fails(1, &with), SB_ERR_CANCELED);
    resources[1].fails = SB_SOURCE_UNSUPPORTED;
    CHECK_EQ(open_fails(1, &with), SB_ERR_UNSUPPORTED);
    resources[1].fails = 0;
    CHECK_EQ(open_with(1, &with, &visitors[0].reader), SB_OK);
    CHECK_EQ(error.status, SB_OK);
    read_whole(visitors[0].reader, 1);
    sb_reader_free(visitors[0].reader);
    finish();
}

/* A time limit holds whatever the opener does, and the opener's result is for the next. */
static void timed_opens(void)
{
    sb_reader_options at_once = reading(0, 0), soon = reading(20, 0);
    sb_reader_options buffered = reading(-1, SB_READER_BUFFERED);
    sb_reader_options patient = reading(PATIENCE, 0), waits = reading(PATIENCE, SB_READER_BUFFERED);
    visitor late;
    sb_reader *reader;

    begin_default();
    hold(1);
    CHECK_EQ(open_fails(1, &buffered), SB_ERR_TIMEOUT);
    CHECK_EQ(opens, 0);
    CHECK_EQ(open_fails(1, &at_once), SB_ERR_TIMEOUT);
    WAIT_UNTIL(get(&waiting) == 1);
    CHECK(!pthread_equal(opener_thread, pthread_self()));
    CHECK_EQ(open_fails(1, &soon), SB_ERR_TIMEOUT);
    CHECK_EQ(open_fails(1, &buffered), SB_ERR_TIMEOUT);
    visitor_start(&late, 1, PATIENCE);
    WAIT_UNTIL(stat_now().misses == 5);
    hold(0);
    CHECK_EQ(visitor_finish(&late), SB_OK);
    CHECK_EQ(opens, 1);
    WAIT_UNTIL(stat_now().leases == 1);
    read_whole(late.reader, 1);
    sb_reader_free(late.reader);
    CHECK_EQ(open_with(1, &at_once, &reader), SB_OK);
    sb_reader_free(reader);
    CHECK_EQ(opens, 1);

    /* Nobody waits any more: the entry is there for the next. */
    hold(1);
    CHECK_EQ(open_fails(2, &at_once), SB_ERR_TIMEOUT);
    WAIT_UNTIL(get(&waiting) == 1);
    hold(0);
    WAIT_UNTIL(stat_now().opening == 0);
    CHECK_EQ(open_with(2, &waits, &reader), SB_OK);
    sb_reader_free(reader);
    CHECK_EQ(open_with(2, &patient, &reader), SB_OK);
    CHECK_EQ(read_on(reader, resources[2].base, UINT64_MAX), 1000000);
    sb_reader_free(reader);
    CHECK_EQ(stat_now().leases, 0);
    finish();
}

static int closes_of(int first, int end)
{
    int sum = 0;
    for (; first < end; first++)
        sum += get(&resources[first].closes);
    return sum;
}

/* What an opener brings when nobody waits is for the next open of the key, so that a loop can poll. */
static void polling(void)
{
    enum { POLLS = 40, FIRST = 10, END = 30, MOST = 16 };
    sb_reader_options at_once = reading(0, 0), soon = reading(1, 0);
    sb_reader *reader, *other;
    sb_error error;
    int64_t start;
    int polls, number;

    begin_default();
    hold(1);
    for (polls = 0; polls < POLLS; polls++)
        CHECK_EQ(open_fails(1, polls % 8 == 0 ? &soon : &at_once), SB_ERR_TIMEOUT);
    start = now_ms();
    hold(0);
    WAIT_UNTIL(stat_now().opening == 0);
    for (; open_with(1, &at_once, &reader) == SB_ERR_TIMEOUT; polls++)
        CHECK(reader == NULL);
    /* On a machine that pauses for that long, its time may have been up. */
    CHECK(now_ms() - start > 4000 || get(&opens) == 1);
    CHECK_EQ(stat_now().leases, 1);
    CHECK_EQ(stat_now().hits + stat_now().misses, polls + 1);
    CHECK(stat_now().hits <= 1);
    other = open_key(1);
    read_whole(other, 1);
    sb_reader_free(other);
    sb_reader_free(reader);

    /* An error is for the next one, too, and for one only. */
    resources[2].fails = -404;
    hold(1);
    polls = get(&opens);
    CHECK_EQ(open_fails(2, &at_once), SB_ERR_TIMEOUT);
    start = now_ms();
    hold(0);
    WAIT_UNTIL(stat_now().opening == 0);
    CHECK_EQ(sb_error_init(&error, sizeof error), SB_OK);
    at_once.error = &error;
    if (open_fails(2, &at_once) == SB_ERR_SOURCE) {
        CHECK_EQ(error.source, -404);
        CHECK_EQ(get(&opens), polls + 1);
    } else {
        CHECK(now_ms() - start > 4000);
    }
    resources[2].fails = 0;
    at_once.error = NULL;
    reader = open_key(2);
    read_whole(reader, 2);
    sb_reader_free(reader);

    /* Some at a time. All that are left are closed by the end. */
    hold(1);
    for (number = FIRST; number < END; number++)
        CHECK_EQ(open_fails(number, &at_once), SB_ERR_TIMEOUT);
    start = now_ms();
    hold(0);
    WAIT_UNTIL(stat_now().opening == 0);
    CHECK(closes_of(FIRST, END) >= END - FIRST - MOST);
    CHECK(now_ms() - start > 4000 || closes_of(FIRST, END) == END - FIRST - MOST);
    CHECK_EQ(stat_now().entries, END - FIRST + 2);
    CHECK_EQ(stat_now().leases, 0);
    finish();
}

/* Helpers that are all inside openers that stall hold up nobody who may call the opener. */
static void busy_helpers(void)
{
    sb_cache_options with = options();
    sb_reader_options at_once = reading(0, 0);
    sb_reader *reader;

    with.threads = 1;
    begin(&with);
    hold(-1);
    CHECK_EQ(open_fails(1, &at_once), SB_ERR_TIMEOUT);
    WAIT_UNTIL(get(&waiting) == 1);
    /* This one waits for the helper. */
    CHECK_EQ(open_fails(2, &at_once), SB_ERR_TIMEOUT);
    CHECK_EQ(stat_now().opening, 2);
    reader = open_key(2);
    CHECK(pthread_equal(opener_thread, pthread_self()));
    read_whole(reader, 2);
    sb_reader_free(reader);
    CHECK_EQ(stat_now().opening, 1);
    hold(0);
    WAIT_UNTIL(stat_now().opening == 0);
    CHECK_EQ(opens, 2);
    finish();
}

int main(void)
{
    single_flight();
    opener_fails();
    timed_opens();
    polling();
    busy_helpers();
    return 0;
}
