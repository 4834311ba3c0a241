/*
 * Reads of buffered bytes never block: while one reader waits for a source that does not return, others
 * are served from memory and from the spool file, every other call returns too, and the reads run in
 * parallel.
 */
#include "check.h"

static void served_meanwhile(uint64_t max, int spilled)
{
    enum { HELD = 400000 };
    static unsigned char bytes[HELD];
    stream source;
    sb_buffer *buffer;
    sb_reader *reader;
    sb_range ranges[2];
    call waiting, more[8];
    size_t index;

    events_count = 0;
    stream_init(&source, 1000000, 9001);
    source.stall_at = HELD;
    buffer = stream_open(&source, SB_SIZE_UNKNOWN, max);
    CHECK_EQ(sb_read(buffer, 0, HELD, bytes), HELD);
    if (spilled)
        CHECK_EQ(sb_spill(buffer), SB_OK);

    call_start(&waiting, buffer, HELD - 10, 1000, "the first got its bytes");
    stream_await_stall(&source);
    /* The source blocks until it is released below: a call that waits for it hangs here. */
    for (index = 0; index < COUNT_OF(more); index++)
        call_start(&more[index], buffer, index * 40000, 100000, "another was served");
    for (index = 0; index < COUNT_OF(more); index++)
        CHECK_EQ(call_finish(&more[index]), 100000);
    CHECK_EQ(sb_read(buffer, 0, HELD, bytes), HELD);
    CHECK_BYTES(bytes, 0, HELD);
    CHECK_EQ(sb_read_some(buffer, HELD - 5, 100, bytes, -1), 5);
    CHECK_EQ(sb_read_some(buffer, HELD - 5, 100, bytes, 0), 5);
    CHECK_EQ(sb_read_some(buffer, HELD, 100, bytes, 0), SB_ERR_TIMEOUT);
    reader = sb_reader_new(buffer);
    CHECK(reader != NULL);
    CHECK_EQ(sb_reader_seek(reader, HELD - 3, SB_SEEK_SET), HELD - 3);
    CHECK_EQ(sb_reader_read(reader, 100, bytes), 3);
    CHECK_BYTES(bytes, HELD - 3, 3);
    sb_reader_free(reader);
    CHECK_EQ(sb_size(buffer), SB_ERR_UNKNOWN_SIZE);
    CHECK_EQ(sb_buffered(buffer, 1), HELD - 1);
    CHECK_EQ(sb_ranges(buffer, ranges, 2), 1);
    CHECK(ranges[0].start == 0 && ranges[0].end == HELD);
    CHECK_EQ(stats_of(buffer).frontier, HELD);
    /* A spill takes all bytes in memory except the segment that the source is filling. */
    CHECK_EQ(sb_spill(buffer), SB_OK);
    CHECK(stats_of(buffer).memory <= 262144);
    CHECK_EQ(sb_read(buffer, 0, HELD, bytes), HELD);
    CHECK_BYTES(bytes, 0, HELD);
    CHECK_EQ(save_with(buffer, "saved", -1, SB_SAVE_BUFFERED, NULL, NULL), HELD);
    CHECK_EQ(unlink("saved"), 0);
    note("all was served");
    stream_release(&source, NEVER);
    CHECK_EQ(call_finish(&waiting), 1000);
    CHECK_ORDER("another was served", "all was served");
    CHECK_ORDER("all was served", "the first got its bytes");
    sb_free(buffer);
}

/* A waiting call gets its bytes as soon as they have arrived, though the source continues for another
 * call. */
static void waits_for_its_own(void)
{
    stream source;
    sb_buffer *buffer;
    call far, near;

    events_count = 0;
    stream_init(&source, 1000000, 1000);
    source.stall_at = 0;
    buffer = stream_open(&source, SB_SIZE_UNKNOWN, SB_MAX_DEFAULT);
    call_start(&far, buffer, 900000, 100, "far");
    stream_await_stall(&source);
    call_start(&near, buffer, 100, 2000, "near");
    WAIT_UNTIL(stats_of(buffer).waits == 1);
    stream_release(&source, 3000);
    CHECK_EQ(call_finish(&near), 2000);
    stream_await_stall(&source);
    CHECK(noted("far") == 0);
    stream_release(&source, NEVER);
    CHECK_EQ(call_finish(&far), 100);
    CHECK_ORDER("near", "far");
    sb_free(buffer);
}

int main(void)
{
    served_meanwhile(SB_MAX_DEFAULT, 0);
    served_meanwhile(SB_MAX_DEFAULT, 1);
    served_meanwhile(100000, 0);
    served_meanwhile(0, 1);
    waits_for_its_own();
    return 0;
}
