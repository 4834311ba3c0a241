/*
 * The same read twice returns the same bytes, from memory and from the spool file, and the source is
 * not asked for any byte twice.
 */
#include "check.h"

int main(void)
{
    enum { SIZE = 800000, LENGTH = 12345 };
    static unsigned char first[LENGTH], second[LENGTH];
    uint64_t seed = 42;
    stream source;
    sb_buffer *buffer;
    int round;

    stream_init(&source, SIZE, 9999);
    buffer = stream_open(&source, SB_SIZE_UNKNOWN, 100000);
    for (round = 0; round < 200; round++) {
        uint64_t offset = random_next(&seed) % (SIZE + 1000);
        int64_t count = sb_read(buffer, offset, LENGTH, first);
        int reads = source.reads;
        CHECK(count >= 0);
        if (round % 20 == 0)
            CHECK_EQ(sb_spill(buffer), SB_OK);
        CHECK_EQ(sb_read(buffer, offset, LENGTH, second), count);
        CHECK(memcmp(first, second, (size_t)count) == 0);
        CHECK_BYTES(first, offset, (uint64_t)count);
        /* A read that reached the end must not ask again either. */
        CHECK_EQ(source.reads, reads);
    }
    CHECK_EQ(sb_read(buffer, SIZE - 10, LENGTH, first), 10);
    CHECK_EQ(sb_read(buffer, SIZE - 10, LENGTH, second), 10);
    CHECK(memcmp(first, second, 10) == 0);
    CHECK_EQ(source.at, SIZE);
    CHECK_EQ(stats_of(buffer).pulls, source.reads);
    sb_free(buffer);
    return 0;
}
