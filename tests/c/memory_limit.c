/*
 * sb_set_max_memory(): memory is within the new limit when it returns, or it returns why not, and the
 * limit applies from then on.
 */
#include "check.h"
#include <sys/stat.h>

enum { SIZE = 8000000, SEGMENT = 262144 };

static unsigned char bytes[SIZE];

static void read_part(sb_buffer *buffer, uint64_t size)
{
    CHECK_EQ(sb_read(buffer, 0, (size_t)size, bytes), (int64_t)size);
    CHECK_BYTES(bytes, 0, size);
}

/* Down, in steps, to nothing; then up. */
static void lower_and_higher(void)
{
    static const uint64_t limits[] = { 3000000, 2999999, 1000000, 100000, 1, 0, 0 };
    stream source;
    sb_buffer *buffer;
    sb_stats stats;
    size_t place;

    stream_init(&source, SIZE, 30000);
    buffer = stream_open(&source, SIZE, UINT64_MAX);
    read_part(buffer, SIZE / 2);
    CHECK_EQ(stats_of(buffer).disk, 0);
    CHECK_EQ(sb_set_max_memory(buffer, SIZE), SB_OK);
    CHECK_EQ(stats_of(buffer).disk, 0);
    for (place = 0; place < COUNT_OF(limits); place++) {
        CHECK_EQ(sb_set_max_memory(buffer, limits[place]), SB_OK);
        stats = stats_of(buffer);
        CHECK(stats.memory <= limits[place]);
        CHECK(limits[place] < SEGMENT || stats.memory + 2 * SEGMENT > limits[place]);
        CHECK_EQ(stats.memory + stats.disk, stats.frontier);
        read_part(buffer, SIZE / 2);
    }
    CHECK(stats_of(buffer).overhead < 16384);
    /* What comes from now on is kept in memory; what is on disk stays there. */
    stats = stats_of(buffer);
    CHECK_EQ(sb_set_max_memory(buffer, UINT64_MAX), SB_OK);
    read_part(buffer, SIZE);
    CHECK_EQ(stats_of(buffer).disk, stats.disk);
    CHECK_EQ(stats_of(buffer).memory, SIZE - stats.disk);
    CHECK_EQ(sb_set_max_memory(buffer, 0), SB_OK);
    CHECK_EQ(stats_of(buffer).memory, 0);
    read_part(buffer, SIZE);
    sb_free(buffer);
}

/* The segment that the source is filling stays, and nothing waits for the source. */
static void while_the_source_is_inside(void)
{
    stream source;
    sb_buffer *buffer;
    call reader;

    stream_init(&source, SIZE, 30000);
    buffer = stream_open(&source, SIZE, SB_MAX_DEFAULT);
    source.stall_at = 2000000 - 2000000 % 30000;
    call_start(&reader, buffer, 0, 3000000, NULL);
    stream_await_stall(&source);
    CHECK_EQ(sb_set_max_memory(buffer, 0), SB_OK);
    CHECK(stats_of(buffer).memory <= SEGMENT);
    stream_release(&source, NEVER);
    CHECK_EQ(call_finish(&reader), 3000000);
    CHECK(stats_of(buffer).memory <= 2 * SEGMENT);
    sb_free(buffer);
}

/* Without a disk nothing is lost, the caller is told, and the limit applies once there is one. */
static void without_space(uint32_t on_full)
{
    stream source;
    sb_callback callback;
    sb_options options;
    sb_buffer *buffer;
    sb_stats stats;

    stream_init(&source, SIZE, 30000);
    callback = stream_callback(&source);
    CHECK_EQ(sb_options_init(&options, sizeof options), SB_OK);
    options.spool_dir = "not-yet";
    options.on_full = on_full;
    CHECK_EQ(sb_new_with(&callback, &options, &buffer), SB_OK);
    read_part(buffer, SIZE / 2);
    CHECK_EQ(sb_set_max_memory(buffer, 100000), SB_ERR_IO);
    stats = stats_of(buffer);
    CHECK_EQ(stats.system_error, ENOENT);
    CHECK_EQ(stats.memory, stats.frontier);
    read_part(buffer, SIZE / 2);
    if (on_full == SB_ON_FULL_FAIL)
        CHECK_EQ(sb_read(buffer, SIZE - 1, 1, bytes), SB_ERR_IO);
    else
        read_part(buffer, SIZE - 1000000);
    CHECK_EQ(mkdir("not-yet", 0700), 0);
    read_part(buffer, SIZE);
    CHECK(stats_of(buffer).memory <= 100000 + SEGMENT);
    CHECK_EQ(sb_set_max_memory(buffer, 50000), SB_OK);
    CHECK(stats_of(buffer).memory <= 50000);
    sb_free(buffer);
    CHECK_EQ(rmdir("not-yet"), 0);
}

static void *reads_all(void *buffer)
{
    static unsigned char own[SIZE];
    CHECK_EQ(sb_read(buffer, 0, SIZE, own), SIZE);
    CHECK_BYTES(own, 0, SIZE);
    return NULL;
}

/* Up and down while another thread reads. */
static void while_reading(void)
{
    stream source;
    sb_buffer *buffer;
    pthread_t thread;
    uint64_t random = 7;
    int round;

    stream_init(&source, SIZE, 30000);
    buffer = stream_open(&source, SIZE, SB_MAX_DEFAULT);
    CHECK_EQ(pthread_create(&thread, NULL, reads_all, buffer), 0);
    for (round = 0; round < 200; round++)
        CHECK_EQ(sb_set_max_memory(buffer, random_next(&random) % 2000000), SB_OK);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(sb_set_max_memory(buffer, 1), SB_OK);
    CHECK(stats_of(buffer).memory <= 1);
    read_part(buffer, SIZE);
    sb_free(buffer);
}

int main(void)
{
    lower_and_higher();
    while_the_source_is_inside();
    without_space(SB_ON_FULL_FAIL);
    without_space(SB_ON_FULL_MEMORY);
    while_reading();
    return 0;
}
