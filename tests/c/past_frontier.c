/*
 * A read that starts past the frontier, unaligned with the chunks, returns exactly the bytes at its
 * offset. The bytes before it are then buffered, fetched once.
 */
#include "check.h"

static void jump(uint64_t chunk, uint64_t offset, size_t length, uint64_t max)
{
    enum { SIZE = 900001 };
    static unsigned char bytes[SIZE];
    stream source;
    sb_buffer *buffer;
    int reads;

    stream_init(&source, SIZE, chunk);
    buffer = stream_open(&source, SB_SIZE_UNKNOWN, max);
    CHECK_EQ(sb_read(buffer, offset, length, bytes), (int64_t)length);
    CHECK_BYTES(bytes, offset, length);
    /* The source was asked for no more than is needed, rounded up by at most 16 KiB. */
    CHECK(source.at >= offset + length);
    CHECK(source.at < offset + length + 16384);
    CHECK(sb_buffered(buffer, 0) >= (int64_t)(offset + length));
    reads = source.reads;
    CHECK_EQ(sb_read(buffer, 0, (size_t)offset, bytes), (int64_t)offset);
    CHECK_BYTES(bytes, 0, offset);
    CHECK_EQ(source.reads, reads);
    sb_free(buffer);
    CHECK_EQ(source.closes, 1);
}

/* The bound holds at every call, for a source that fills every request. */
static int64_t greedy_read(void *opaque, void *out, size_t capacity)
{
    size_t *largest = opaque;
    if (capacity > *largest)
        *largest = capacity;
    memset(out, 'x', capacity);
    return (int64_t)capacity;
}

int main(void)
{
    static const uint64_t chunks[] = { 1, 13, 4096, 65537, 262144, 300000, 0 };
    sb_callback callback = { .read = greedy_read };
    sb_buffer *buffer;
    size_t index, largest = 0;
    char byte;

    for (index = 0; index < COUNT_OF(chunks); index++) {
        jump(chunks[index], 500003, 1001, SB_MAX_DEFAULT);
        jump(chunks[index], 262143, 2, 100000);
        jump(chunks[index], 700001, 100, 0);
        jump(chunks[index], 1, 1, 0);
    }
    callback.opaque = &largest;
    buffer = sb_new(&callback, SB_SIZE_UNKNOWN, SB_MAX_DEFAULT);
    CHECK(buffer != NULL);
    CHECK_EQ(sb_read(buffer, 0, 1, &byte), 1);
    CHECK(largest <= 16384);
    sb_free(buffer);
    return 0;
}
