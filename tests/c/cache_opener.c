/*
 * What a cache's opener may return, which calls it may make, and that its threads are prepared.
 */
#include "cache.h"

static void bad_callbacks(void)
{
    stream spare;
    stream_init(&spare, 1000, 0);
    begin_default();
    inside = return_this;
    memset(&returned, 0, sizeof returned);
    CHECK_EQ(open_fails(1, NULL), SB_ERR_INVALID); /* nothing, and nothing is there */
    returned = stream_callback(&spare);
    returned.read = NULL;
    CHECK_EQ(open_fails(1, NULL), SB_ERR_INVALID);
    returned = stream_callback(&spare);
    returned.close = NULL;
    CHECK_EQ(open_fails(1, NULL), SB_ERR_INVALID);
    returned = stream_callback(&spare);
    returned.pull = track_pull;
    CHECK_EQ(open_fails(1, NULL), SB_ERR_INVALID);
    returned = stream_callback(&spare);
    returned.reserved_flags = 1;
    CHECK_EQ(open_fails(1, NULL), SB_ERR_INVALID);
    memset(&returned, 0, sizeof returned);
    returned.opaque = &spare;
    CHECK_EQ(open_fails(1, NULL), SB_ERR_INVALID);
    CHECK_EQ(spare.closes, 0);
    CHECK_EQ(spare.cancels, 0);
    CHECK_EQ(opens, 6);
    CHECK_EQ(stat_now().entries, 0);
    finish();
}

static int inner_result;

static int open_own(int number, sb_opened *out)
{
    sb_reader_options soon = reading(10, 0), buffered = reading(-1, SB_READER_BUFFERED);
    (void)out;
    inner_result = open_fails(number, NULL);
    CHECK_EQ(open_fails(number, &soon), inner_result);
    CHECK_EQ(open_fails(number, &buffered), inner_result);
    return -1;
}

static int open_next(int number, sb_opened *out)
{
    sb_reader *reader;
    (void)out;
    inside = NULL;
    CHECK_EQ(open_with(number + 1, NULL, &reader), SB_OK);
    read_whole(reader, number + 1);
    sb_reader_free(reader);
    return -1;
}

static int in_circle[2];

/* The openers of 1 and 2 open each other's keys. */
static int open_other(int number, sb_opened *out)
{
    sb_reader *reader;
    (void)out;
    in_circle[number - 1] = open_with(3 - number, NULL, &reader);
    if (in_circle[number - 1] == SB_OK)
        sb_reader_free(reader);
    return -9;
}

static void reentry(void)
{
    visitor visitors[2];
    begin_default();
    inside = open_own;
    CHECK_EQ(open_fails(1, NULL), SB_ERR_SOURCE);
    CHECK_EQ(inner_result, SB_ERR_REENTRANT);
    {
        sb_reader_options timed = reading(PATIENCE, 0);
        CHECK_EQ(open_fails(1, &timed), SB_ERR_SOURCE);
        CHECK_EQ(inner_result, SB_ERR_REENTRANT);
    }
    inside = open_next;
    CHECK_EQ(open_fails(1, NULL), SB_ERR_SOURCE);

    /* In a circle: the one that would close it is refused. */
    remove_key(2);
    hold(1);
    visitor_start(&visitors[0], 1, -1);
    visitor_start(&visitors[1], 2, PATIENCE);
    WAIT_UNTIL(get(&waiting) == 2);
    inside = open_other;
    hold(0);
    CHECK_EQ(visitor_finish(&visitors[0]), SB_ERR_SOURCE);
    CHECK_EQ(visitor_finish(&visitors[1]), SB_ERR_SOURCE);
    CHECK((in_circle[0] == SB_ERR_REENTRANT) != (in_circle[1] == SB_ERR_REENTRANT));
    CHECK(in_circle[0] == SB_ERR_SOURCE || in_circle[1] == SB_ERR_SOURCE);
    inside = NULL;
    finish();
}

/* ---- threads that call it ------------------------------------------------------------------------ */

static int begun, ended, is_freed;
static sb_buffer *beside;

/* What would wait, in a hook: others may be waiting for this thread. */
static void waits_for_nobody(void)
{
    unsigned char byte;
    CHECK_EQ(sb_read(beside, 0, 1, &byte), SB_ERR_REENTRANT);
    CHECK_EQ(sb_read_some(beside, 0, 1, &byte, 60000), SB_ERR_REENTRANT);
    CHECK_EQ(sb_read_some(beside, 0, 1, &byte, 0), SB_ERR_TIMEOUT);
}

static void thread_begin(void *opaque)
{
    sb_reader_options timed = reading(60000, 0);
    int result = open_fails(2, &timed);
    CHECK(opaque == &begun);
    /* A thread may begin when the cache is gone. */
    CHECK(result == SB_ERR_REENTRANT || (get(&is_freed) && result == SB_ERR_INVALID));
    pthread_mutex_lock(&lock);
    begun++;
    pthread_mutex_unlock(&lock);
    waits_for_nobody();
}

static void thread_end(void *opaque)
{
    CHECK(opaque == &begun);
    waits_for_nobody();
    pthread_mutex_lock(&lock);
    ended++;
    pthread_mutex_unlock(&lock);
}

/* Every thread that calls an opener or a source is prepared. */
static void hooks(void)
{
    sb_cache_options with = options();
    sb_reader_options timed = reading(60000, 0);
    sb_reader *reader;
    stream source;
    stream_init(&source, 1000, 0);
    beside = stream_open(&source, SB_SIZE_UNKNOWN, SB_MAX_DEFAULT);
    with.thread_opaque = &begun;
    with.thread_begin = thread_begin;
    with.thread_end = thread_end;
    with.prefetch = 500000;
    begin(&with);
    CHECK_EQ(open_with(1, &timed, &reader), SB_OK);
    read_whole(reader, 1);
    CHECK(get(&begun) > 0);
    sb_reader_free(reader);
    pthread_mutex_lock(&lock);
    is_freed = 1;
    pthread_mutex_unlock(&lock);
    finish();
    CHECK_EQ(get(&begun), get(&ended));
    sb_free(beside);
}

int main(void)
{
    bad_callbacks();
    reentry();
    hooks();
    return 0;
}
