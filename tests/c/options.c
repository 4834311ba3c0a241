/*
 * Options: none, a directory of the caller's, and a disk that may be full.
 */
#include "check.h"
#include <sys/stat.h>

enum { SIZE = 8000000, PIECE = 262144 };

static unsigned char bytes[SIZE];

static sb_buffer *open_with(stream *source, const sb_options *options)
{
    sb_callback callback;
    sb_buffer *buffer = NULL;

    stream_init(source, SIZE, 50000);
    callback = stream_callback(source);
    CHECK_EQ(sb_new_with(&callback, options, &buffer), SB_OK);
    CHECK(buffer != NULL);
    CHECK_EQ(source->reads, 0);
    return buffer;
}

static void read_all(sb_buffer *buffer)
{
    CHECK_EQ(sb_read(buffer, 0, SIZE, bytes), SIZE);
    CHECK_BYTES(bytes, 0, SIZE);
}

/* NULL is what sb_options_init() writes, and that is what the header says. */
static void defaults(void)
{
    sb_options options;
    stream source;
    sb_buffer *buffer;
    sb_stats stats;
    int given;

    memset(&options, 0xEE, sizeof options);
    CHECK_EQ(sb_options_init(&options, sizeof options), SB_OK);
    CHECK_EQ(options.struct_size, sizeof options);
    CHECK_EQ(options.size, SB_SIZE_UNKNOWN);
    CHECK_EQ(options.max_memory, SB_MAX_DEFAULT);
    CHECK(options.spool_dir == NULL);
    CHECK_EQ(options.prefetch, 0);
    CHECK_EQ(options.seek_gap, 262144);
    CHECK_EQ(options.read_granularity, 16384);
    CHECK_EQ(options.on_full, SB_ON_FULL_FAIL);
    CHECK_EQ(options.on_short, SB_SHORT_END);
    CHECK_EQ(options.flags, 0);
    CHECK_EQ(options.prefetch_low, 0);
    CHECK(options.thread_begin == NULL && options.thread_end == NULL);
    CHECK(options.thread_opaque == NULL && options.reserved_pointer == NULL);
    for (given = 0; given < 2; given++) {
        buffer = open_with(&source, given ? &options : NULL);
        CHECK_EQ(sb_size(buffer), SB_ERR_UNKNOWN_SIZE);
        CHECK_EQ(sb_read(buffer, 0, 1, bytes), 1);
        CHECK_EQ(stats_of(buffer).frontier, 16384);
        CHECK_EQ(stats_of(buffer).helper, 0);
        read_all(buffer);
        stats = stats_of(buffer);
        CHECK_EQ(stats.declared, SB_SIZE_UNKNOWN);
        CHECK_EQ(stats.memory + stats.disk, SIZE);
        CHECK(stats.memory <= SB_MAX_DEFAULT + PIECE);
        CHECK(stats.memory >= SB_MAX_DEFAULT - 2 * PIECE);
        sb_free(buffer);
        CHECK_EQ(source.closes, 1);
    }
}

/* The path is copied, and used when the first byte is spilled. */
static void directory(void)
{
    static char deep[400], directory[500];
    char path[] = "later/././././.";
    sb_options options;
    stream source;
    sb_buffer *buffer;
    sb_stats stats;
    size_t index;

    CHECK_EQ(sb_options_init(&options, sizeof options), SB_OK);
    options.max_memory = 0;
    options.spool_dir = path;
    buffer = open_with(&source, &options);
    memset(path, 'x', sizeof path - 1);
    CHECK_EQ(stats_of(buffer).spool, SB_SPOOL_NONE);
    memset(directory, 'x', sizeof directory);
    CHECK_EQ(sb_spool_dir(buffer, directory, sizeof directory), 0);
    CHECK_EQ(directory[0], 0);
    /* The directory does not exist yet: nothing is lost, and the next read tries again. */
    CHECK(sb_read(buffer, 0, SIZE, bytes) <= 2 * PIECE);
    CHECK_EQ(sb_read(buffer, SIZE - 1, 1, bytes), SB_ERR_IO);
    CHECK_EQ(stats_of(buffer).system_error, ENOENT);
    CHECK_EQ(stats_of(buffer).state, SB_STATE_OPEN);
    CHECK_EQ(stats_of(buffer).spool, SB_SPOOL_NONE);
    /* The directory is reported. */
    CHECK_EQ(sb_spool_dir(buffer, directory, sizeof directory), strlen("later/././././."));
    CHECK(strcmp(directory, "later/././././.") == 0);
    CHECK_EQ(mkdir("later", 0700), 0);
    read_all(buffer);
    stats = stats_of(buffer);
    memset(directory, 'x', sizeof directory);
    CHECK_EQ(sb_spool_dir(buffer, directory, sizeof directory), strlen("later/././././."));
    CHECK(strcmp(directory, "later/././././.") == 0);
    CHECK(stats.spool != SB_SPOOL_NONE && stats.disk >= SIZE - PIECE);
    /* It has no entry. */
    CHECK_EQ(entries_in("later"), 0);
    sb_free(buffer);

    /* A path that does not fit is truncated, and ends with a NUL. Nothing is written past that. */
    strcpy(deep, "later");
    for (index = 5; index + 2 < sizeof deep; index += 2)
        memcpy(deep + index, "/.", 3);
    options.spool_dir = deep;
    buffer = open_with(&source, &options);
    read_all(buffer);
    CHECK_EQ(sb_spool_dir(buffer, directory, sizeof directory), strlen(deep));
    CHECK(strcmp(directory, deep) == 0);
    for (index = 0; index <= 10; index++) {
        memset(directory, 'x', sizeof directory);
        CHECK_EQ(sb_spool_dir(buffer, directory, index), strlen(deep));
        CHECK(index == 0 || (strlen(directory) == index - 1 && strncmp(directory, deep, index - 1) == 0));
        CHECK_EQ(directory[index], 'x');
    }
    CHECK_EQ(sb_spool_dir(buffer, NULL, 0), strlen(deep));
    CHECK_EQ(sb_spool_dir(buffer, NULL, 1), SB_ERR_INVALID);
    sb_free(buffer);
    CHECK_EQ(rmdir("later"), 0);

    /* An empty path. */
    {
        sb_callback callback = stream_callback(&source);

        source.closes = 0;
        options.spool_dir = "";
        CHECK_EQ(sb_new_with(&callback, &options, &buffer), SB_ERR_INVALID);
        CHECK(buffer == NULL);
        CHECK_EQ(source.closes, 1);
    }
}

/* Memory exceeds `max_memory` as long as the disk is full, and is within it from then on. */
static void full_disk(void)
{
    sb_options options;
    stream source;
    sb_buffer *buffer;
    sb_stats stats;

    CHECK_EQ(sb_options_init(&options, sizeof options), SB_OK);
    options.max_memory = 500000;
    options.spool_dir = "not-yet";
    options.on_full = SB_ON_FULL_MEMORY;
    buffer = open_with(&source, &options);
    CHECK_EQ(sb_read(buffer, 0, SIZE / 2, bytes), SIZE / 2);
    CHECK_BYTES(bytes, 0, SIZE / 2);
    stats = stats_of(buffer);
    CHECK_EQ(stats.memory, stats.frontier);
    CHECK(stats.memory >= SIZE / 2);
    CHECK_EQ(stats.disk, 0);
    CHECK_EQ(sb_spill(buffer), SB_ERR_IO);
    CHECK_EQ(mkdir("not-yet", 0700), 0);
    read_all(buffer);
    stats = stats_of(buffer);
    CHECK(stats.memory <= 500000 + PIECE);
    CHECK_EQ(stats.memory + stats.disk, SIZE);
    sb_free(buffer);

    /* The default: memory stays within its limit, and the read fails. */
    options.on_full = SB_ON_FULL_FAIL;
    options.spool_dir = "never";
    buffer = open_with(&source, &options);
    CHECK(sb_read(buffer, 0, SIZE, bytes) <= 500000 + PIECE);
    stats = stats_of(buffer);
    CHECK(stats.memory <= 500000 + PIECE);
    CHECK_EQ(sb_read(buffer, stats.frontier, 1, bytes), SB_ERR_IO);
    sb_free(buffer);
    CHECK_EQ(rmdir("not-yet"), 0);
}

/* Members identified by their position are counted: one that nobody writes would be 0. */
static void overhead(void)
{
    stream source;
    sb_buffer *buffer;
    sb_stats stats;
    uint64_t before;

    stream_init(&source, SIZE, 0);
    buffer = stream_open(&source, SIZE, SB_MAX_DEFAULT);
    stats = stats_of(buffer);
    before = stats.overhead;
    CHECK(before >= 500 && before <= 8192);
    CHECK_EQ(sb_read(buffer, 0, 100000, bytes), 100000);
    stats = stats_of(buffer);
    /* A segment is as large as the resource allows, and not filled yet; its chunk may be one of eight.
     * */
    CHECK(stats.memory >= 100000 && stats.memory < PIECE);
    CHECK(stats.overhead >= before + PIECE - stats.memory);
    CHECK(stats.overhead <= before + 8 * PIECE - stats.memory + 4096);
    read_all(buffer);
    CHECK_EQ(sb_read(buffer, SIZE, 1, bytes), 0);
    CHECK_EQ(sb_spill(buffer), SB_OK);
    stats = stats_of(buffer);
    CHECK_EQ(stats.memory, 0);
    CHECK(stats.overhead >= before && stats.overhead <= before + 4096);
    sb_free(buffer);
}

/* A call that waits for one byte makes one request, for what its buffer can take. */
static void asks_for_what_has_room(uint32_t read_granularity, size_t length, uint64_t asked)
{
    stream source;
    sb_options options;
    sb_buffer *buffer;
    sb_reader *reader;
    uint64_t at = 0;
    int way;

    CHECK_EQ(sb_options_init(&options, sizeof options), SB_OK);
    options.read_granularity = read_granularity;
    buffer = open_with(&source, &options);
    reader = sb_reader_new(buffer);
    CHECK(reader != NULL);
    for (way = 0; way < 3; way++) {
        uint64_t start = at;
        int64_t count;
        if (way == 0)
            count = sb_read_some(buffer, at, length, bytes, -1);
        else if (way == 1)
            count = sb_read_some(buffer, at, length, bytes, 600000);
        else
            count = sb_reader_read(reader, length, bytes);
        CHECK_EQ(count, length < asked ? length : asked);
        CHECK_BYTES(bytes, start, (uint64_t)count);
        CHECK_EQ(stream_get(&source, &source.reads), way + 1);
        at = stats_of(buffer).frontier;
        CHECK_EQ(at, start + asked);
        CHECK_EQ(sb_reader_seek(reader, (int64_t)at, SB_SEEK_SET), (int64_t)at);
    }
    sb_reader_free(reader);
    sb_free(buffer);
    WAIT_UNTIL(stream_get(&source, &source.closes) == 1);
}

int main(void)
{
    defaults();
    directory();
    full_disk();
    overhead();
    asks_for_what_has_room(0, 1000, 1000);
    asks_for_what_has_room(0, 5000, 5000);
    asks_for_what_has_room(0, 1, 1);
    asks_for_what_has_room(1, 5000, 5000);
    asks_for_what_has_room(512, 1000, 1024);
    asks_for_what_has_room(8192, 5000, 8192);
    asks_for_what_has_room(16384, 1000, 16384);
    asks_for_what_has_room(16384, 40000, 16384);
    return 0;
}
