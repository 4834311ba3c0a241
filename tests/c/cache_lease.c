/*
 * A cache's leases: a key's readers share one entry, and one without a reader holds no connection.
 */
#include "cache.h"

static void hits_and_leases(void)
{
    sb_reader *reader, *other, *more;
    sb_buffer *buffer;
    sb_callback callback = { .read = stream_read };
    unsigned char bytes[100];

    begin_default();
    reader = open_key(1);
    read_whole(reader, 1);
    other = open_key(1);
    CHECK_EQ(opens, 1);
    buffer = sb_reader_buffer(reader);
    CHECK(buffer != NULL && buffer == sb_reader_buffer(other));
    more = sb_reader_new(buffer);
    CHECK(more != NULL);
    CHECK_EQ(stat_now().leases, 3);
    CHECK_EQ(stat_now().hits, 1);
    CHECK_EQ(stat_now().misses, 1);
    CHECK_EQ(stat_now().pulled, 1000000);

    /* The buffer is the cache's. */
    CHECK_EQ(sb_cancel(buffer), SB_ERR_UNSUPPORTED);
    callback.close = stream_close;
    {
        stream spare;
        stream_init(&spare, 10, 0);
        callback.opaque = &spare;
        CHECK_EQ(sb_reopen(buffer, &callback, SB_SIZE_UNKNOWN), SB_ERR_UNSUPPORTED);
        CHECK_EQ(spare.closes, 1);
    }
    sb_free(buffer);
    sb_free(buffer);
    CHECK_EQ(sb_read(buffer, 5, 100, bytes), 100);
    CHECK_BYTES(bytes, resources[1].base + 5, 100);
    CHECK_EQ(sb_size(buffer), 1000000);
    CHECK_EQ(sb_save(buffer, "saved"), 1000000);
    CHECK_EQ(unlink("saved"), 0);
    CHECK_EQ(sb_prefetch(buffer, 1000), SB_OK);
    CHECK_EQ(sb_spill(buffer), SB_OK);
    CHECK(stat_now().disk >= 1000000);
    CHECK_EQ(sb_read(buffer, 0, 100, bytes), 100);
    CHECK_EQ(stats_of(buffer).disk, 1000000);

    sb_reader_free(reader);
    sb_reader_free(other);
    CHECK_EQ(stat_now().leases, 1);
    read_whole(more, 1);
    sb_reader_free(more);
    sb_reader_free(more);
    CHECK_EQ(stat_now().leases, 0);
    CHECK_EQ(stat_now().entries, 1);
    /* No lease, no further lease. */
    CHECK(sb_reader_new(buffer) == NULL);
    finish();
    CHECK_EQ(sb_size(buffer), SB_ERR_INVALID);
}

/* An idle entry holds no connection, and goes on with another one. */
static void idle_closes_source(void)
{
    sb_reader *reader, *peek;
    sb_reader_options buffered = reading(-1, SB_READER_BUFFERED);
    sb_buffer *buffer;
    unsigned char bytes[100];

    begin_default();
    reader = open_key(1);
    CHECK_EQ(read_on(reader, resources[1].base, 300000), 300000);
    CHECK_EQ(get(&resources[1].closes), 0);
    sb_reader_free(reader);
    CHECK_EQ(get(&resources[1].closes), 1);

    /* Buffered bytes are handed out without a source. */
    CHECK_EQ(open_with(1, &buffered, &peek), SB_OK);
    CHECK_EQ(opens, 1);
    CHECK_EQ(read_on(peek, resources[1].base, 300000), 300000);
    CHECK_EQ(sb_reader_seek(peek, 900000, SB_SEEK_SET), 900000);
    CHECK_EQ(sb_reader_read(peek, 100, bytes), SB_ERR_TIMEOUT);
    buffer = sb_reader_buffer(peek);
    CHECK_EQ(sb_read(buffer, 900000, 100, bytes), SB_ERR_CANCELED);
    CHECK_EQ(sb_find_size(buffer, -1), SB_ERR_CANCELED);
    CHECK_EQ(sb_save(buffer, "never"), SB_ERR_CANCELED);
    CHECK_EQ(stats_of(buffer).status, SB_ERR_CANCELED);
    CHECK_EQ(stats_of(buffer).state, SB_STATE_CANCELED);

    /* The same tag: the bytes stay. The opener is told that a source is needed. */
    reader = open_key(1);
    CHECK_EQ(opens, 2);
    CHECK_EQ(old_tag, 0);
    CHECK(sb_reader_buffer(reader) == buffer);
    CHECK_EQ(stats_of(buffer).status, SB_OK);
    CHECK_EQ(stats_of(buffer).state, SB_STATE_OPEN);
    read_whole(reader, 1);
    CHECK_EQ(sb_reader_read(peek, 100, bytes), 100);
    CHECK_BYTES(bytes, resources[1].base + 900000, 100);
    sb_reader_free(peek);
    sb_reader_free(reader);
    CHECK_EQ(get(&resources[1].closes), 2);

    /* Without a tag it begins anew. */
    resources[2].tag = 0;
    reader = open_key(2);
    CHECK_EQ(read_on(reader, resources[2].base, 300000), 300000);
    sb_reader_free(reader);
    reader = open_key(2);
    CHECK_EQ(sb_buffered(sb_reader_buffer(reader), 0), 0);
    read_whole(reader, 2);
    sb_reader_free(reader);
    finish();
}

/* A watch is no lease: it ends with the source. */
static int64_t watched;
static void on_ready(void *opaque, int64_t buffered)
{
    (void)opaque;
    pthread_mutex_lock(&lock);
    watched = buffered;
    pthread_mutex_unlock(&lock);
}

static void watch_is_no_lease(void)
{
    sb_reader_options buffered = reading(0, SB_READER_BUFFERED);
    sb_reader *reader;
    sb_watch *watch;

    begin_default();
    resources[1].fail_at = 100000;
    reader = open_key(1);
    CHECK_EQ(read_on(reader, resources[1].base, 50000), 50000);
    watched = 1;
    sb_reader_free(reader);
    CHECK_EQ(open_with(1, &buffered, &reader), SB_OK);
    CHECK_EQ(sb_when(sb_reader_buffer(reader), 90000, on_ready, NULL, &watch), SB_ERR_CANCELED);
    CHECK(watch == NULL);
    CHECK_EQ(watched, 1);
    sb_reader_free(reader);
    finish();
}

int main(void)
{
    hits_and_leases();
    idle_closes_source();
    watch_is_no_lease();
    return 0;
}
