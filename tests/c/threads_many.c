/*
 * Many threads read anywhere, by every function, while the resource arrives, spills and is saved; every
 * byte is the one at its offset.
 */
#include "check.h"

enum { SIZE = 3000000, THREADS = 16, ROUNDS = 250 };

static sb_buffer *buffer;

static void *reads(void *opaque)
{
    uint64_t seed = (uint64_t)(uintptr_t)opaque * 1000003 + 1;
    size_t room = 50000;
    unsigned char *bytes = malloc(room);
    sb_reader *reader = sb_reader_new(buffer);
    int round;

    CHECK(bytes != NULL && reader != NULL);
    for (round = 0; round < ROUNDS; round++) {
        /* Further and further, so that the frontier is passed all the time. */
        uint64_t reach = (uint64_t)(round + 1) * (SIZE / ROUNDS) + 5000;
        uint64_t offset = random_next(&seed) % reach;
        size_t length = (size_t)(random_next(&seed) % room);
        uint64_t left = offset < SIZE ? SIZE - offset : 0;
        uint64_t most = length < left ? length : left;
        int64_t count;
        switch (random_next(&seed) % 8) {
        case 0:
            count = sb_read_some(buffer, offset, length, bytes, 0);
            CHECK(count >= 0 || count == SB_ERR_TIMEOUT);
            break;
        case 1:
            count = sb_read_some(buffer, offset, length, bytes, 600000);
            CHECK(most == 0 ? count == 0 : count > 0);
            break;
        case 2:
            count = sb_read_some(buffer, offset, length, bytes, -1);
            CHECK(most == 0 ? count == 0 : count > 0);
            break;
        case 3:
            CHECK_EQ(sb_reader_seek(reader, (int64_t)offset, SB_SEEK_SET), (int64_t)offset);
            count = sb_reader_read(reader, length, bytes);
            CHECK(most == 0 ? count == 0 : count > 0);
            break;
        default:
            count = sb_read(buffer, offset, length, bytes);
            CHECK_EQ(count, (int64_t)most);
        }
        if (count > 0)
            CHECK_BYTES(bytes, offset, (uint64_t)count);
        if (round % 100 == 99)
            CHECK_EQ(sb_spill(buffer), SB_OK);
    }
    sb_reader_free(reader);
    free(bytes);
    return NULL;
}

static void run(uint64_t chunk, uint64_t max, int prefetch)
{
    stream source;
    pthread_t all[THREADS];
    sb_stats stats;
    size_t index;

    stream_init(&source, SIZE, chunk);
    buffer = stream_open(&source, SB_SIZE_UNKNOWN, max);
    if (prefetch)
        CHECK_EQ(sb_prefetch(buffer, 500000), SB_OK);
    for (index = 0; index < THREADS; index++)
        CHECK_EQ(pthread_create(&all[index], NULL, reads, (void *)(uintptr_t)index), 0);
    CHECK_EQ(sb_save(buffer, "saved"), SIZE);
    for (index = 0; index < THREADS; index++)
        CHECK_EQ(pthread_join(all[index], NULL), 0);
    stats = stats_of(buffer);
    CHECK_EQ(stats.final_size, SIZE);
    CHECK_EQ(stats.memory + stats.disk, SIZE);
    CHECK_EQ(source.at, SIZE);
    /* A helper reports the end before it closes the source. */
    WAIT_UNTIL(stream_get(&source, &source.closes) == 1);
    CHECK_EQ(stats.pulls, source.reads);
    sb_free(buffer);
    CHECK_EQ(unlink("saved"), 0);
}

int main(void)
{
    run(7001, 200000, 0);
    run(262144, SB_MAX_DEFAULT, 0);
    run(0, 0, 1);
    run(999, UINT64_MAX, 1);
    return 0;
}
