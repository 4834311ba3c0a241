/*
 * A cache's entry that is opened again: when it is no longer fresh and after a failure, not after
 * its idle time.
 */
#include "cache.h"

static void revalidation(void)
{
    sb_cache_options with = options();
    sb_reader *reader, *old;
    with.fresh_ms = 0;
    begin(&with);
    reader = open_key(1);
    read_whole(reader, 1);
    sb_reader_free(reader);
    pause_ms(5);

    /* The same tag, no source. */
    empty = 1;
    reader = open_key(1);
    CHECK_EQ(opens, 2);
    CHECK_EQ(old_tag, resources[1].tag);
    read_whole(reader, 1);
    CHECK_EQ(resources[1].pulled, 1000000);
    pause_ms(5);

    /* The same tag, and a source that nobody needs. */
    empty = 0;
    old = open_key(1);
    CHECK_EQ(opens, 3);
    CHECK_EQ(get(&resources[1].closes), 2);
    CHECK(sb_reader_buffer(old) == sb_reader_buffer(reader));
    sb_reader_free(reader);
    pause_ms(5);

    /* Another tag: another entry, and the old one stays for its lease. */
    resources[1].tag = 1000;
    resources[1].base = 12345;
    reader = open_key(1);
    CHECK_EQ(opens, 4);
    CHECK(sb_reader_buffer(old) != sb_reader_buffer(reader));
    read_whole(reader, 1);
    CHECK_EQ(sb_reader_seek(old, 0, SB_SEEK_SET), 0);
    CHECK_EQ(read_on(old, 7919, UINT64_MAX), 1000000);
    CHECK_EQ(stat_now().entries, 2);
    sb_reader_free(old);
    CHECK_EQ(stat_now().entries, 1);
    sb_reader_free(reader);
    pause_ms(5);

    /* An opener that fails leaves the entry; one that leaves the source out must have the tag. */
    resources[1].fails = -1;
    CHECK_EQ(open_fails(1, NULL), SB_ERR_SOURCE);
    resources[1].fails = 0;
    resources[1].tag = 0;
    empty = 1;
    CHECK_EQ(open_fails(1, NULL), SB_ERR_INVALID);
    resources[1].tag = 1000;
    reader = open_key(1);
    read_whole(reader, 1);
    sb_reader_free(reader);
    finish();
}

static void idle_time(void)
{
    sb_cache_options with = options();
    sb_reader *reader;
    with.idle_ms = 1;
    begin(&with);
    reader = open_key(1);
    read_whole(reader, 1);
    pause_ms(20);
    CHECK_EQ(stat_now().entries, 1);
    sb_reader_free(reader);
    WAIT_UNTIL(stat_now().entries == 0);
    CHECK_EQ(stat_now().expired, 1);
    CHECK_EQ(stat_now().memory, 0);
    finish();
}

/* An entry that failed is opened again, with what it has. */
static void failed_entry(void)
{
    sb_reader *reader, *again;
    begin_default();
    resources[1].fail_at = 400000;
    reader = open_key(1);
    CHECK_EQ(read_on(reader, resources[1].base, UINT64_MAX), -2);
    resources[1].fail_at = -1;
    again = open_key(1);
    CHECK_EQ(opens, 2);
    CHECK(sb_reader_buffer(reader) == sb_reader_buffer(again));
    CHECK_EQ(sb_buffered(sb_reader_buffer(again), 0), 400000);
    read_whole(again, 1);
    read_whole(reader, 1);
    sb_reader_free(again);
    sb_reader_free(reader);
    finish();
}

int main(void)
{
    revalidation();
    idle_time();
    failed_entry();
    return 0;
}
