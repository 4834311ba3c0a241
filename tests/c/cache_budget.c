/*
 * A cache's budgets of memory and disk: what is not leased is evicted, and the rest is a full disk.
 */
#include "cache.h"
#include "limit_files.h"

#include <errno.h>
#include <signal.h>

static void within(uint64_t max_memory, uint64_t max_disk)
{
    sb_cache_stats stats = stat_now();
    CHECK(stats.memory_peak <= max_memory);
    CHECK(stats.disk_peak <= max_disk);
}

static void eviction(void)
{
    sb_reader *kept, *reader;
    int round, number;
    begin_default();
    kept = open_key(0);
    read_whole(kept, 0);
    for (round = 0; round < 2; round++) {
        for (number = 1; number < 40; number++) {
            reader = open_key(number);
            read_whole(reader, number);
            sb_reader_free(reader);
            within(4 * MIB + 2 * SEGMENT, 16 * MIB);
        }
    }
    CHECK(stat_now().evicted_disk > 0);
    CHECK_EQ(stat_now().evicted_large, 0);
    read_whole(kept, 0);
    CHECK_EQ(resources[0].opens, 1);
    sb_reader_free(kept);
    CHECK_EQ(sb_cache_remove(cache, NULL, 0), SB_OK);
    CHECK_EQ(stat_now().entries, 0);
    CHECK_EQ(stat_now().memory, 0);
    CHECK_EQ(stat_now().disk, 0);
    finish();
}

/* It is told apart from a disk that is full: there is no code of the system. */
static void says_that_the_budget_is_full(sb_reader *reader)
{
    sb_error error;
    char line[200];
    CHECK_EQ(sb_error_init(&error, sizeof error), SB_OK);
    CHECK_EQ(sb_reader_error(reader, &error), SB_OK);
    CHECK_EQ(error.status, SB_ERR_DISK_FULL);
    CHECK_EQ(error.operation, SB_OP_SPOOL_WRITE);
    CHECK_EQ(error.system, 0);
    CHECK(sb_error_text(&error, line, sizeof line) > 0);
    CHECK(strstr(line, "max_disk") != NULL);
}

/* What an entry takes before it has bytes needs room, too. */
static void opens_without_reads(void)
{
    sb_cache_options with = options();
    sb_reader *readers[KEYS];
    int index;
    with.max_memory = 4 * SEGMENT;
    begin(&with);
    readers[0] = open_key(0);
    read_whole(readers[0], 0);
    for (index = 1; index < KEYS; index++) {
        readers[index] = open_key(index);
        CHECK(stat_now().memory <= with.max_memory);
    }
    CHECK(stat_now().disk > 0);
    within(with.max_memory + SEGMENT, with.max_disk);
    read_whole(readers[0], 0);
    for (index = 0; index < KEYS; index++)
        sb_reader_free(readers[index]);
    finish();
}

/* Any budget works. With every entry leased, it is a full disk. */
static void small_budgets(void)
{
    sb_cache_options with = options();
    sb_reader *readers[4];
    int index;
    with.max_memory = 0;
    with.max_disk = 1500000;
    begin(&with);
    readers[0] = open_key(0);
    read_whole(readers[0], 0);
    within(2 * SEGMENT, with.max_disk);
    readers[1] = open_key(1);
    CHECK_EQ(read_on(readers[1], resources[1].base, UINT64_MAX), SB_ERR_DISK_FULL);
    CHECK_EQ(read_on(readers[1], resources[1].base, UINT64_MAX), SB_ERR_DISK_FULL);
    says_that_the_budget_is_full(readers[1]);
    read_whole(readers[0], 0);
    sb_reader_free(readers[0]);
    read_whole(readers[1], 1);
    CHECK_EQ(stat_now().evicted_disk + stat_now().evicted_large, 1);
    sb_reader_free(readers[1]);
    finish();

    with.max_memory = 100;
    with.max_disk = 0;
    begin(&with);
    for (index = 0; index < 4; index++)
        readers[index] = open_key(index);
    CHECK_EQ(read_on(readers[0], resources[0].base, 1000), 1000);
    for (index = 0; index < 4; index++)
        sb_reader_free(readers[index]);
    finish();
}

static int stalls;

static int stalling_pull(void *opaque, uint64_t offset, void *out, size_t capacity, size_t *count)
{
    size_t index;
    *count = capacity < 50000 ? capacity : 50000;
    for (index = 0; index < *count; index++)
        ((unsigned char *)out)[index] = byte_at(offset + index);
    if (offset < 700000)
        return SB_OK;
    pthread_mutex_lock(&lock);
    stalls = 1;
    while (stalls)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
    (void)opaque;
    return -5;
}

static void no_close(void *opaque)
{
    (void)opaque;
}

/* Its bytes take no room, although the source has not returned. */
static void evicted_with_a_thread_inside(void)
{
    sb_cache_options with = options();
    sb_callback stalling = { NULL };
    sb_reader *reader;
    with.max_memory = 2 * SEGMENT;
    with.max_disk = 1100000;
    with.prefetch = SB_PREFETCH_ALL;
    with.threads = 1;
    begin(&with);
    stalling.pull = stalling_pull;
    stalling.close = no_close;
    returned = stalling;
    inside = return_this;
    reader = open_key(1);
    WAIT_UNTIL(get(&stalls));
    sb_reader_free(reader);
    inside = NULL;
    CHECK_EQ(open_with(2, NULL, &reader), SB_OK);
    CHECK_EQ(sb_prefetch(sb_reader_buffer(reader), 0), SB_OK);
    read_whole(reader, 2);
    CHECK_EQ(stat_now().entries, 1);
    CHECK(get(&stalls));
    pthread_mutex_lock(&lock);
    stalls = 0;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    sb_reader_free(reader);
    finish();
}

static void full_disk(void)
{
    sb_cache_options with = options();
    sb_reader *reader;
    with.max_memory = 2 * SEGMENT;
    begin(&with);
    signal(SIGXFSZ, SIG_IGN);
    limit_files(SEGMENT);
    reader = open_key(1);
    CHECK_EQ(read_on(reader, resources[1].base, UINT64_MAX), SB_ERR_DISK_FULL);
    CHECK_EQ(stats_of(sb_reader_buffer(reader)).system_error, EFBIG);
    limit_files(RLIM_INFINITY);
    read_whole(reader, 1);
    sb_reader_free(reader);
    finish();
}

int main(void)
{
    eviction();
    opens_without_reads();
    small_budgets();
    evicted_with_a_thread_inside();
    full_disk();
    return 0;
}
