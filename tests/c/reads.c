/*
 * Every read returns exactly the bytes at its offset: wholly buffered, at the frontier, past it,
 * straddling it, straddling or past a wrong declared size; with all bytes in memory, some of them, or
 * none; with sizes around the memory limit and chunks of any size.
 */
#include "check.h"

#define MAX_SIZE 1000000

static unsigned char bytes[MAX_SIZE + 4096];

/* One read, checked to the last byte; nothing is written past the returned count. */
static void read_and_check(sb_buffer *buffer, uint64_t size, uint64_t offset, size_t length)
{
    uint64_t left = offset < size ? size - offset : 0;
    uint64_t expected = length < left ? length : left;
    memset(bytes, 0xEE, length + 16);
    CHECK_EQ(sb_read(buffer, offset, length, bytes), expected);
    CHECK_BYTES(bytes, offset, expected);
    CHECK_EQ(bytes[length], 0xEE);
}

static void five_cases(uint64_t size, uint64_t declared, uint64_t chunk, uint64_t max)
{
    stream source;
    sb_buffer *buffer;
    sb_stats stats;
    uint64_t half = size / 2;
    int round;

    stream_init(&source, size, chunk);
    buffer = stream_open(&source, declared, max);
    /* At the frontier. */
    read_and_check(buffer, size, 0, 100);
    /* Straddling it. */
    read_and_check(buffer, size, 50, (size_t)(half / 2));
    /* Past it, unaligned. */
    read_and_check(buffer, size, half + 13, 4099);
    /* Wholly buffered, old bytes and new ones. */
    read_and_check(buffer, size, 1, 3000);
    read_and_check(buffer, size, half, 1000);
    /* Straddling the end, and a declared size. */
    read_and_check(buffer, size, size - 7, 4000);
    if (declared < size)
        read_and_check(buffer, size, declared - 1, 500);
    CHECK_EQ(sb_size(buffer), size);
    /* At and past the end. */
    read_and_check(buffer, size, size, 10);
    read_and_check(buffer, size, size + 1000, 10);
    read_and_check(buffer, size, UINT64_MAX - 10, 10);

    /* Again in all states: as it is, then all on disk. */
    for (round = 0; round < 2; round++) {
        stats = stats_of(buffer);
        CHECK_EQ(stats.memory + stats.disk, size);
        CHECK_EQ(stats.frontier, size);
        CHECK_EQ(stats.final_size, size);
        CHECK_EQ(stats.state, SB_STATE_ENDED);
        if (round == 1)
            CHECK_EQ(stats.memory, 0);
        else if (max == UINT64_MAX)
            CHECK_EQ(stats.disk, 0);
        else
            CHECK(stats.memory <= max + 262144);
        read_and_check(buffer, size, 0, (size_t)size + 10);
        read_and_check(buffer, size, half - 1, 3);
        read_and_check(buffer, size, stats.disk > 5 ? stats.disk - 5 : 0, 10);
        read_and_check(buffer, size, 0, 1);
        read_and_check(buffer, size, size - 1, 1);
        read_and_check(buffer, size, 3, 0);
        CHECK_EQ(sb_spill(buffer), SB_OK);
    }
    /* All bytes are buffered, so the source is closed by now. */
    CHECK_EQ(source.closes, 1);
    sb_free(buffer);
    CHECK_EQ(source.closes, 1);
}

/* Memory, mixed and disk states while it grows: random reads with spills in between. */
static void across_the_change(uint64_t chunk)
{
    stream source;
    sb_buffer *buffer;
    uint64_t seed = chunk + 1;
    int round;

    stream_init(&source, MAX_SIZE, chunk);
    buffer = stream_open(&source, SB_SIZE_UNKNOWN, 300000);
    for (round = 0; round < 300; round++) {
        uint64_t reach = (uint64_t)(round + 1) * (MAX_SIZE / 280);
        uint64_t offset = random_next(&seed) % reach;
        size_t length = (size_t)(random_next(&seed) % 20000);
        read_and_check(buffer, MAX_SIZE, offset, length);
        if (round % 50 == 49)
            CHECK_EQ(sb_spill(buffer), SB_OK);
    }
    sb_free(buffer);
}

int main(void)
{
    static const uint64_t chunks[] = { 1, 7777, 262144, 700000, 0 };
    static const uint64_t around[] = { 300000, 299999, 300001 };
    size_t chunk, index;

    for (chunk = 0; chunk < COUNT_OF(chunks); chunk++) {
        for (index = 0; index < COUNT_OF(around); index++) {
            uint64_t size = around[index];
            five_cases(size, SB_SIZE_UNKNOWN, chunks[chunk], 300000);
            /* Byte by byte is slow: once is enough. */
            if (chunks[chunk] == 1)
                break;
            five_cases(size, size, chunks[chunk], UINT64_MAX);
            five_cases(size, size, chunks[chunk], 0);
        }
        if (chunks[chunk] == 1)
            for (index = 0; index < COUNT_OF(around); index++)
                five_cases(around[index] - 270000, SB_SIZE_UNKNOWN, 1, 30000);
        /* Declared sizes that are wrong, in both directions. */
        five_cases(20000, 10000, chunks[chunk], 0);
        five_cases(20000, 30000, chunks[chunk], 15000);
        if (chunks[chunk] == 1)
            continue;
        five_cases(300000, 200000, chunks[chunk], 300000);
        five_cases(300000, 400000, chunks[chunk], 300000);
        five_cases(300000, 200000, chunks[chunk], 0);
        five_cases(20000, 1000, chunks[chunk], 10000);
        across_the_change(chunks[chunk]);
    }
    five_cases(MAX_SIZE, SB_SIZE_UNKNOWN, 0, 262144);
    five_cases(MAX_SIZE, MAX_SIZE, 262144, 262143);
    five_cases(MAX_SIZE, MAX_SIZE, 262145, 262145);
    return 0;
}
