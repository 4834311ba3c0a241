/*
 * The end of a cache's entry and of the cache, at any time.
 */
#include "cache.h"

static void removal(void)
{
    sb_reader *old, *new;
    visitor waiter;
    begin_default();
    old = open_key(1);
    CHECK_EQ(read_on(old, resources[1].base, 1000), 1000);
    remove_key(1);
    remove_key(2);
    resources[1].base = 4711;
    new = open_key(1);
    CHECK_EQ(opens, 2);
    CHECK_EQ(read_on(old, 7919, UINT64_MAX), 1000000 - 1000);
    read_whole(new, 1);
    CHECK_EQ(stat_now().entries, 2);
    sb_reader_free(old);
    CHECK_EQ(stat_now().entries, 1);
    sb_reader_free(new);
    remove_key(1);
    CHECK_EQ(stat_now().entries, 0);

    /* While the opener runs: its entry is for those who wait for it. */
    hold(1);
    visitor_start(&waiter, 3, -1);
    WAIT_UNTIL(get(&waiting) == 1);
    remove_key(3);
    hold(0);
    CHECK_EQ(visitor_finish(&waiter), SB_OK);
    new = open_key(3);
    CHECK_EQ(opens, 4);
    CHECK(sb_reader_buffer(new) != sb_reader_buffer(waiter.reader));
    sb_reader_free(new);
    read_whole(waiter.reader, 3);
    sb_reader_free(waiter.reader);
    CHECK_EQ(stat_now().entries, 1);

    /* All that is not in use. */
    old = open_key(4);
    CHECK_EQ(sb_cache_remove(cache, NULL, 0), SB_OK);
    CHECK_EQ(stat_now().entries, 1);
    read_whole(old, 4);
    sb_reader_free(old);
    finish();
}

static void *free_cache(void *opaque)
{
    sb_cache_free(opaque);
    note("the free has returned");
    return NULL;
}

static int free_inside(int number, sb_opened *out)
{
    (void)number;
    (void)out;
    sb_cache_free(cache);
    return -3;
}

static void freeing(void)
{
    pthread_t thread;
    visitor visitors[2];
    sb_reader *reader, *unread;
    unsigned char bytes[10];

    /* Readers outlive it. */
    begin_default();
    reader = open_key(1);
    unread = open_key(2);
    read_whole(reader, 1);
    finish();
    CHECK_EQ(sb_reader_read(reader, 10, bytes), SB_ERR_INVALID);
    CHECK_EQ(sb_reader_read(unread, 10, bytes), SB_ERR_INVALID);
    CHECK(sb_reader_buffer(reader) == NULL);
    sb_cache_free(cache);
    CHECK_EQ(open_fails(1, NULL), SB_ERR_INVALID);
    sb_reader_free(reader);
    sb_reader_free(unread);

    /* It waits for the openers of other threads, and those who wait for these are canceled. */
    begin_default();
    hold(1);
    visitor_start(&visitors[0], 1, -1);
    WAIT_UNTIL(get(&waiting) == 1);
    visitor_start(&visitors[1], 1, -1);
    WAIT_UNTIL(stat_now().misses == 2);
    CHECK_EQ(pthread_create(&thread, NULL, free_cache, cache), 0);
    CHECK_EQ(visitor_finish(&visitors[1]), SB_ERR_CANCELED);
    note("the opener goes on");
    hold(0);
    CHECK_EQ(visitor_finish(&visitors[0]), SB_ERR_CANCELED);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_ORDER("the opener goes on", "the free has returned");
    finish();

    /* Not for the opener in which it is called, on either kind of thread. */
    begin_default();
    inside = free_inside;
    CHECK_EQ(open_fails(1, NULL), SB_ERR_CANCELED);
    finish();
    {
        sb_reader_options timed = reading(PATIENCE, 0);
        begin_default();
        inside = free_inside;
        CHECK_EQ(open_fails(1, &timed), SB_ERR_CANCELED);
        finish();
    }
}

/* A reader that is blocked is canceled. */
static void free_while_reading(void)
{
    stream source;
    call blocked;
    sb_reader *reader;
    stream_init(&source, 1000000, 0);
    source.stall_at = 1000;
    begin_default();
    inside = return_this;
    returned = stream_callback(&source);
    reader = open_key(1);
    call_start_reader(&blocked, reader, 100000, NULL);
    CHECK_EQ(call_finish(&blocked), 1000);
    call_start_reader(&blocked, reader, 100000, NULL);
    stream_await_stall(&source);
    sb_cache_free(cache);
    CHECK_EQ(call_finish(&blocked), SB_ERR_CANCELED);
    WAIT_UNTIL(stream_get(&source, &source.closes) == 1);
    sb_reader_free(reader);
    finish();
}

static int release_and_trim(void *opaque, uint64_t done, uint64_t total)
{
    sb_reader **lease = opaque;
    (void)done;
    (void)total;
    sb_reader_free(*lease);
    *lease = NULL;
    CHECK_EQ(sb_cache_trim(cache, 0, 0), SB_OK);
    return 0;
}

/* A save by the buffer's handle, whose last lease ends meanwhile: it is canceled. Nothing of what an
   evicted entry has left becomes a file. */
static void eviction_under_a_save(void)
{
    static const uint32_t flags[] = { 0, SB_SAVE_BUFFERED, SB_SAVE_LINK };
    size_t index;
    for (index = 0; index < sizeof flags / sizeof flags[0]; index++) {
        sb_reader *lease;
        sb_buffer *buffer;
        begin_default();
        lease = open_key(1);
        buffer = sb_reader_buffer(lease);
        read_whole(lease, 1);
        CHECK_EQ(sb_spill(buffer), SB_OK);
        CHECK_EQ(save_with(buffer, "saved", -1, flags[index], release_and_trim, &lease), SB_ERR_CANCELED);
        CHECK(access("saved", F_OK) != 0);
        CHECK_EQ(stat_now().disk, 0);
        finish();
    }
}

int main(void)
{
    eviction_under_a_save();
    removal();
    freeing();
    free_while_reading();
    return 0;
}
