/*
 * The declared size is a hint and never trusted: it may be too small, too large or absurd.
 */
#include "check.h"

static unsigned char bytes[400000];

static void declared(uint64_t size, uint64_t said, uint64_t max)
{
    stream source;
    sb_buffer *buffer;

    stream_init(&source, size, 5000);
    buffer = stream_open(&source, said, max);
    CHECK_EQ(stats_of(buffer).declared, (int64_t)said);
    if (said <= INT64_MAX)
        CHECK_EQ(sb_size(buffer), (int64_t)said);
    /* Across the declared size. */
    if (said < size && size - said > 2000) {
        CHECK_EQ(sb_read(buffer, said - 5, 20, bytes), 20);
        CHECK_BYTES(bytes, said - 5, 20);
        /* It is disproved and dropped. */
        CHECK_EQ(sb_size(buffer), SB_ERR_UNKNOWN_SIZE);
        CHECK_EQ(sb_read(buffer, said + 1000, 20, bytes), 20);
        CHECK_BYTES(bytes, said + 1000, 20);
    }
    /* Across the real end. */
    CHECK_EQ(sb_read(buffer, size - 3, 10, bytes), 3);
    CHECK_BYTES(bytes, size - 3, 3);
    CHECK_EQ(sb_read(buffer, size, 10, bytes), 0);
    if (said > size && said < UINT64_MAX - 10)
        CHECK_EQ(sb_read(buffer, said - 1, 10, bytes), 0);
    CHECK_EQ(sb_size(buffer), (int64_t)size);
    CHECK_EQ(stats_of(buffer).final_size, (int64_t)size);
    CHECK_EQ(stats_of(buffer).declared, (int64_t)said);
    CHECK_EQ(sb_read(buffer, 0, sizeof bytes, bytes), (int64_t)size);
    CHECK_BYTES(bytes, 0, size);
    sb_free(buffer);
    CHECK_EQ(source.closes, 1);
}

int main(void)
{
    static const uint64_t limits[] = { 0, 100000, UINT64_MAX };
    size_t index;

    for (index = 0; index < COUNT_OF(limits); index++) {
        declared(300000, 100000, limits[index]);
        declared(300000, 299999, limits[index]);
        declared(300000, 300001, limits[index]);
        declared(300000, 5000000, limits[index]);
        declared(300000, UINT64_MAX - 1, limits[index]);
        declared(300000, (uint64_t)INT64_MAX, limits[index]);
        declared(20000, 10, limits[index]);
        declared(20000, UINT64_C(1) << 60, limits[index]);
    }
    /* An empty resource with a declared size, and the reverse. */
    {
        stream source;
        sb_buffer *buffer;
        stream_init(&source, 0, 0);
        buffer = stream_open(&source, 1000, SB_MAX_DEFAULT);
        CHECK_EQ(sb_read(buffer, 0, 10, bytes), 0);
        CHECK_EQ(sb_size(buffer), 0);
        CHECK_EQ(source.closes, 1);
        sb_free(buffer);
        stream_init(&source, 1000, 0);
        buffer = stream_open(&source, 0, SB_MAX_DEFAULT);
        CHECK_EQ(sb_size(buffer), 0);
        CHECK_EQ(sb_read(buffer, 0, sizeof bytes, bytes), 1000);
        CHECK_BYTES(bytes, 0, 1000);
        CHECK_EQ(sb_size(buffer), 1000);
        sb_free(buffer);
    }
    return 0;
}
