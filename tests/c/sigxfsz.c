/*
 * A file size limit does not kill the process: it is a full disk, a state that can end.
 */
#include "limit_files.h"

enum { SIZE = 4000000, LIMIT = 1000000 };

static unsigned char bytes[SIZE];

int main(void)
{
    stream source;
    sb_buffer *buffer;
    sb_stats stats;
    int64_t count;
    int reads;

    /* SIGXFSZ has its default action: it kills. */
    limit_files(LIMIT);
    stream_init(&source, SIZE, 30000);
    buffer = stream_open(&source, SIZE, 200000);
    count = sb_read(buffer, 0, SIZE, bytes);
    CHECK(count >= LIMIT - 262144 && count < LIMIT + 200000 + 2 * 262144);
    CHECK_BYTES(bytes, 0, (uint64_t)count);
    reads = source.reads;
    CHECK_EQ(sb_read(buffer, (uint64_t)count, 10, bytes), SB_ERR_DISK_FULL);
    CHECK_EQ(sb_read_some(buffer, (uint64_t)count, 10, bytes, -1), SB_ERR_DISK_FULL);
    CHECK_EQ(sb_read_some(buffer, (uint64_t)count, 10, bytes, 600000), SB_ERR_DISK_FULL);
    CHECK_EQ(sb_spill(buffer), SB_ERR_DISK_FULL);
    CHECK_EQ(source.reads, reads);
    stats = stats_of(buffer);
    CHECK_EQ(stats.frontier, count);
    CHECK(stats.disk <= LIMIT);
    CHECK(stats.memory <= 200000 + 262144);
    CHECK_EQ(stats.system_error, EFBIG);
    CHECK_EQ(stats.state, SB_STATE_OPEN);
    CHECK_EQ(source.closes, 0);
    /* Buffered bytes stay. */
    CHECK_EQ(sb_read(buffer, 0, (size_t)count, bytes), count);
    CHECK_BYTES(bytes, 0, (uint64_t)count);
    CHECK_EQ(save_with(buffer, "saved", -1, SB_SAVE_BUFFERED, NULL, NULL), SB_ERR_DISK_FULL);
    CHECK_EQ(sb_save(buffer, "saved"), SB_ERR_DISK_FULL);
    CHECK(access("saved", F_OK) != 0);
    /* There is room again: the next read continues. */
    limit_files(RLIM_INFINITY);
    CHECK_EQ(sb_read(buffer, 0, SIZE, bytes), SIZE);
    CHECK_BYTES(bytes, 0, SIZE);
    CHECK_EQ(sb_save(buffer, "saved"), SIZE);
    CHECK_EQ(unlink("saved"), 0);
    CHECK_EQ(source.at, SIZE);
    sb_free(buffer);

    /* No file may have a single byte; a prefetch pauses, and continues. */
    limit_files(0);
    stream_init(&source, SIZE, 30000);
    buffer = stream_open(&source, SIZE, 0);
    CHECK_EQ(sb_prefetch(buffer, SB_PREFETCH_ALL), SB_OK);
    CHECK_EQ(sb_read(buffer, SIZE - 10, 10, bytes), SB_ERR_DISK_FULL);
    CHECK(stats_of(buffer).memory <= 262144);
    limit_files(RLIM_INFINITY);
    CHECK_EQ(sb_read(buffer, SIZE - 10, 10, bytes), 10);
    CHECK_EQ(sb_read(buffer, 0, SIZE, bytes), SIZE);
    CHECK_BYTES(bytes, 0, SIZE);
    sb_free(buffer);
    return 0;
}
