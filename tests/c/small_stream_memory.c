/*
 * A stream of 20 KiB costs about 20 KiB: no segment of 256 KiB, no thread, no file. A handle by itself
 * costs next to nothing, and all memory is released.
 */
#include "memory.h"

enum { SIZE = 20 * 1024 };

static unsigned char bytes[SIZE];

static void small(uint64_t declared, uint64_t max, int64_t bound)
{
    stream source;
    sb_buffer *buffer;
    int64_t before, empty, touched = 0;
    int open;

    stream_init(&source, SIZE, 1500);
    open = descriptors();
    before = memory_live;
    memory_peak = before;
    buffer = stream_open(&source, declared, max);
    empty = memory_peak - before;
    CHECK_EQ(sb_read(buffer, 0, SIZE, bytes), SIZE);
    CHECK_BYTES(bytes, 0, SIZE);
    CHECK_EQ(sb_read(buffer, SIZE, 1, bytes), 0);
#if MEMORY_IS_OURS
    touched = memory_touched();
#endif
    printf("%" PRId64 " bytes for a new handle, %" PRId64 " and %" PRId64 " mapped for %d bytes\n",
           empty, memory_peak - before, touched, SIZE);
    if (MEMORY_IS_OURS) {
        CHECK(empty <= 12000);
        CHECK(memory_peak - before + touched <= bound);
    }
    CHECK_EQ(threads(), 1);
    CHECK_EQ(descriptors(), open);
    CHECK_EQ(stats_of(buffer).spool, SB_SPOOL_NONE);
    CHECK_EQ(stats_of(buffer).helper, 0);
    sb_free(buffer);
    CHECK_EQ(memory_live, before);
}

int main(void)
{
    stream source;
    sb_buffer *buffer;

    /* Allocations that happen once per process happen here, so that printing adds none. */
    setvbuf(stdout, NULL, _IONBF, 0);
    stream_init(&source, SIZE, 0);
    buffer = stream_open(&source, SIZE, 0);
    CHECK_EQ(sb_read(buffer, 0, SIZE, bytes), SIZE);
    sb_free(buffer);
    descriptors();

    /* The end is requested with a larger buffer, for a moment. */
    small(SIZE, SB_MAX_DEFAULT, 2 * SIZE + 12000);
    small(SB_SIZE_UNKNOWN, SB_MAX_DEFAULT, 2 * 16384 + 12000);
    /* A declared size that is far too large costs at most a mapping, of which no more is touched. */
    small(UINT64_C(1) << 40, UINT64_MAX, 2 * SIZE + 12000);
    CHECK_EQ(memory_mapped, 0);
    return 0;
}
