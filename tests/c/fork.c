/*
 * fork(): in the child every earlier handle is invalid and sb_free() returns, whatever the parent's
 * threads were doing. The child creates buffers of its own.
 */
#include "check.h"
#include <signal.h>
#include <sys/wait.h>

enum { SIZE = 400000 };

static unsigned char bytes[SIZE];

static void own_buffer(int with_thread)
{
    stream source;
    sb_buffer *buffer;

    stream_init(&source, SIZE, 9000);
    buffer = stream_open(&source, SB_SIZE_UNKNOWN, 100000);
    if (with_thread) {
        CHECK_EQ(sb_prefetch(buffer, SB_PREFETCH_ALL), SB_OK);
        CHECK_EQ(sb_read_some(buffer, 300000, 10, bytes, 600000), 10);
    }
    CHECK_EQ(sb_read(buffer, 0, SIZE, bytes), SIZE);
    CHECK_BYTES(bytes, 0, SIZE);
    CHECK_EQ(sb_save(buffer, with_thread ? "saved-1" : "saved-0"), SIZE);
    CHECK_EQ(unlink(with_thread ? "saved-1" : "saved-0"), 0);
    sb_free(buffer);
}

static sb_cache *cache;

static int open_nothing(void *opaque, const void *key, size_t key_size, uint64_t tag, sb_opened *out)
{
    static stream source;
    (void)opaque;
    (void)key;
    (void)key_size;
    (void)tag;
    stream_init(&source, SIZE, 9000);
    out->source = stream_callback(&source);
    return 0;
}

/* A cache, and an entry of it that has a lease. */
static sb_reader *own_cache(sb_cache **made)
{
    sb_cache_options with;
    sb_reader *reader;
    CHECK_EQ(sb_cache_options_init(&with, sizeof with), SB_OK);
    with.open = open_nothing;
    CHECK_EQ(sb_cache_new(&with, made), SB_OK);
    CHECK_EQ(sb_cache_open(*made, "a", 1, NULL, &reader), SB_OK);
    CHECK_EQ(sb_reader_read(reader, 1000, bytes), 1000);
    CHECK_BYTES(bytes, 0, 1000);
    return reader;
}

static void cache_in_child(void)
{
    sb_cache *mine;
    sb_cache_stats stats;
    sb_reader *reader;
    CHECK_EQ(sb_cache_open(cache, "a", 1, NULL, &reader), SB_ERR_INVALID);
    CHECK_EQ(sb_cache_remove(cache, NULL, 0), SB_ERR_INVALID);
    CHECK_EQ(sb_cache_trim(cache, 0, 0), SB_ERR_INVALID);
    CHECK_EQ(sb_cache_stat(cache, &stats, sizeof stats), SB_ERR_INVALID);
    sb_cache_free(cache);
    sb_reader_free(own_cache(&mine));
    CHECK(mine != cache);
    sb_cache_free(mine);
}

static void in_child(sb_buffer *buffer, sb_reader *reader)
{
    int round;

    for (round = 0; round < 2; round++) {
        sb_stats stats;
        sb_range range;
        CHECK_EQ(sb_read(buffer, 0, 10, bytes), SB_ERR_INVALID);
        CHECK_EQ(sb_read_some(buffer, 0, 10, bytes, 0), SB_ERR_INVALID);
        CHECK_EQ(sb_read_some(buffer, 0, 10, bytes, 1000), SB_ERR_INVALID);
        CHECK_EQ(sb_save(buffer, "never"), SB_ERR_INVALID);
        CHECK_EQ(save_with(buffer, "never", -1, 0, NULL, NULL), SB_ERR_INVALID);
        CHECK_EQ(sb_prefetch(buffer, 1000), SB_ERR_INVALID);
        CHECK_EQ(sb_cancel(buffer), SB_ERR_INVALID);
        CHECK_EQ(sb_resume(buffer), SB_ERR_INVALID);
        CHECK_EQ(sb_spill(buffer), SB_ERR_INVALID);
        CHECK_EQ(sb_set_max_memory(buffer, 0), SB_ERR_INVALID);
        CHECK_EQ(sb_push(buffer, 0, 10, bytes, -1), SB_ERR_INVALID);
        CHECK_EQ(sb_push_end(buffer, SB_SIZE_UNKNOWN, 0), SB_ERR_INVALID);
        CHECK_EQ(sb_wanted(buffer, &range), SB_ERR_INVALID);
        CHECK_EQ(sb_size(buffer), SB_ERR_INVALID);
        CHECK_EQ(sb_buffered(buffer, 0), SB_ERR_INVALID);
        CHECK_EQ(sb_ranges(buffer, &range, 1), SB_ERR_INVALID);
        CHECK_EQ(sb_stat(buffer, &stats, sizeof stats), SB_ERR_INVALID);
        CHECK(sb_reader_new(buffer) == NULL);
        CHECK_EQ(sb_reader_read(reader, 10, bytes), SB_ERR_INVALID);
        CHECK_EQ(sb_reader_seek(reader, 0, SB_SEEK_SET), SB_ERR_INVALID);
        CHECK_EQ(sb_reader_cancel(reader), SB_ERR_INVALID);
        CHECK_EQ(sb_reader_resume(reader), SB_ERR_INVALID);
        sb_reader_free(reader);
        sb_free(buffer);
        sb_free(buffer);
        cache_in_child();
        /* A buffer of its own in between: earlier handles do not match that either. */
        own_buffer(round);
    }
    /* The handles of many new buffers are none of the parent's. */
    for (round = 0; round < 200; round++) {
        stream source;
        sb_buffer *mine;
        stream_init(&source, SIZE, 9000);
        mine = stream_open(&source, SIZE, 0);
        CHECK(mine != buffer);
        CHECK_EQ(sb_size(buffer), SB_ERR_INVALID);
    }
}

/* Forks, runs the checks in the child, and waits for it. A child that hangs is killed and reported. */
static void fork_and_check(sb_buffer *buffer, sb_reader *reader)
{
    int status;
    int64_t deadline = now_ms() + 60000;
    pid_t ended, child = fork();

    CHECK(child >= 0);
    if (child == 0) {
        in_child(buffer, reader);
        /* A grandchild is a child, too. */
        child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            CHECK_EQ(sb_size(buffer), SB_ERR_INVALID);
            own_buffer(0);
            _exit(0);
        }
        CHECK(waitpid(child, &status, 0) == child);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        _exit(0);
    }
    while ((ended = waitpid(child, &status, WNOHANG)) == 0) {
        if (now_ms() > deadline) {
            kill(child, SIGKILL);
            CHECK(!"the child does not hang");
        }
        pause_ms(1);
    }
    CHECK(ended == child);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fprintf(stderr, "the child's status is %d\n", status);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* Threads of the parent that are in the middle of something when it forks. */
static sb_buffer *busy;
static int stop;
static pthread_mutex_t stop_lock = PTHREAD_MUTEX_INITIALIZER;

static int stopped(void)
{
    int value;
    pthread_mutex_lock(&stop_lock);
    value = stop;
    pthread_mutex_unlock(&stop_lock);
    return value;
}

static void *reads_busily(void *opaque)
{
    uint64_t seed = (uint64_t)(uintptr_t)opaque;
    unsigned char piece[3000];
    while (!stopped()) {
        uint64_t offset = random_next(&seed) % SIZE;
        int64_t count = sb_read(busy, offset, sizeof piece, piece);
        CHECK(count >= 0);
        CHECK_BYTES(piece, offset, (uint64_t)count);
        sb_stat(busy, (sb_stats *)(void *)piece, 100);
    }
    return NULL;
}

static void *makes_busily(void *opaque)
{
    while (!stopped()) {
        stream source;
        sb_buffer *buffer;
        sb_reader *reader;
        stream_init(&source, SIZE, 1000);
        buffer = stream_open(&source, SB_SIZE_UNKNOWN, 0);
        reader = sb_reader_new(buffer);
        CHECK(sb_reader_read(reader, 10, source.at == 0 ? (void *)&source.code : NULL) > 0);
        sb_reader_free(reader);
        sb_free(buffer);
    }
    return opaque;
}

int main(void)
{
    stream source, stalled;
    sb_buffer *buffer, *waited;
    sb_reader *reader, *leased;
    call inside, waiting, limited;
    pthread_t threads_of[4];
    int round;

    /* No call is running; memory, disk and a helper are in use. */
    stream_init(&source, SIZE, 9000);
    buffer = stream_open(&source, SB_SIZE_UNKNOWN, 50000);
    reader = sb_reader_new(buffer);
    leased = own_cache(&cache);
    CHECK_EQ(sb_read(buffer, 0, 200000, bytes), 200000);
    fork_and_check(buffer, reader);
    if (parking_lot()) {
        LEAVE_OUT("fork() while other threads are in the library",
                  "the child inherits parking_lot's table of sleeping threads");
        return 0;
    }
    CHECK_EQ(sb_prefetch(buffer, 10000), SB_OK);
    fork_and_check(buffer, reader);
    /* The child's calls do not affect the parent. */
    CHECK_EQ(sb_read(buffer, 0, SIZE, bytes), SIZE);
    CHECK_BYTES(bytes, 0, SIZE);
    CHECK_EQ(sb_reader_read(reader, 10, bytes), 10);
    CHECK_EQ(sb_reader_read(leased, 10, bytes), 10);
    CHECK_BYTES(bytes, 1000, 10);
    sb_reader_free(leased);
    sb_cache_free(cache);
    sb_reader_free(reader);
    sb_free(buffer);
    CHECK_EQ(source.closes, 1);

    /* Threads inside the source, threads that wait for it, and a helper inside another source. */
    stream_init(&stalled, SIZE, 1000);
    stalled.stall_at = 0;
    waited = stream_open(&stalled, SIZE, SB_MAX_DEFAULT);
    reader = sb_reader_new(waited);
    call_start(&inside, waited, 0, 10, NULL);
    stream_await_stall(&stalled);
    call_start(&waiting, waited, 5000, 10, NULL);
    call_start_some(&limited, waited, 100, 10, 600000, NULL);
    WAIT_UNTIL(stats_of(waited).waits == 2);
    fork_and_check(waited, reader);
    stream_release(&stalled, NEVER);
    CHECK_EQ(call_finish(&inside), 10);
    CHECK_EQ(call_finish(&waiting), 10);
    CHECK_EQ(call_finish(&limited), 10);

    /* Busy threads, at any moment. */
    stream_init(&source, SIZE, 9000);
    busy = stream_open(&source, SB_SIZE_UNKNOWN, 50000);
    for (round = 0; round < 4; round++)
        CHECK_EQ(pthread_create(&threads_of[round], NULL, round < 3 ? reads_busily : makes_busily,
                                (void *)(uintptr_t)(round + 1)), 0);
    for (round = 0; round < 30; round++)
        fork_and_check(busy, reader);
    pthread_mutex_lock(&stop_lock);
    stop = 1;
    pthread_mutex_unlock(&stop_lock);
    for (round = 0; round < 4; round++)
        CHECK_EQ(pthread_join(threads_of[round], NULL), 0);
    sb_free(busy);
    sb_reader_free(reader);
    sb_free(waited);
    return 0;
}
