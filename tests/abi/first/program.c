/*
 * Compiled against the first header, which is beside it, and run with the library of today: it works,
 * and the library writes nothing past the ends of the structs of that header.
 */
#include "spoolbuf.h"

#include <stdio.h>
#include <string.h>

enum { SIZE = 600000 };

/* Each struct, and what must not be written. */
#define GUARD 0x5a5a5a5a5a5a5a5aULL
#define GUARDED(type, name)                                                                                            \
    struct {                                                                                                           \
        type known;                                                                                                    \
        uint64_t guard;                                                                                                \
    } name = { .guard = GUARD }
#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "line %d: %s\n", __LINE__, #condition);                                                    \
            return 1;                                                                                                  \
        }                                                                                                              \
    } while (0)

typedef struct {
    uint64_t at;
    int closed, ready;
} stream;

static unsigned char byte(uint64_t offset)
{
    return (unsigned char)(offset * 7 + offset / 251);
}

static int64_t deliver(void *opaque, void *out, size_t capacity)
{
    stream *from = opaque;
    unsigned char *bytes = out;
    size_t count = capacity < SIZE - from->at ? capacity : (size_t)(SIZE - from->at);

    for (size_t index = 0; index < count; index++)
        bytes[index] = byte(from->at++);
    return (int64_t)count;
}

static int64_t move(void *opaque, uint64_t offset)
{
    ((stream *)opaque)->at = offset;
    return 0;
}

static void end(void *opaque)
{
    ((stream *)opaque)->closed = 1;
}

static void ready(void *opaque, int64_t buffered)
{
    ((stream *)opaque)->ready += buffered > 0;
}

static sb_callback callback(stream *from)
{
    sb_callback source = { .read = deliver, .opaque = from, .seek = move, .close = end };

    return source;
}

static int is_right(const unsigned char *bytes, uint64_t offset, size_t count)
{
    for (size_t index = 0; index < count; index++)
        if (bytes[index] != byte(offset + index))
            return 0;
    return 1;
}

static unsigned char bytes[SIZE];

static int a_buffer(void)
{
    GUARDED(sb_options, options);
    GUARDED(sb_stats, stats);
    GUARDED(sb_range, range);
    GUARDED(sb_save_options, saving);
    GUARDED(sb_error, error);
    stream from = { 0 };
    sb_callback source = callback(&from);
    sb_buffer *buffer;
    sb_watch *watch;
    char line[200];

    CHECK(sb_options_init(&options.known, sizeof options.known) == SB_OK);
    options.known.max_memory = 100000;
    CHECK(sb_new_with(&source, &options.known, &buffer) == SB_OK);
    CHECK(sb_read(buffer, 1000, 5000, bytes) == 5000 && is_right(bytes, 1000, 5000));
    CHECK(sb_ranges(buffer, &range.known, 1) >= 1);
    CHECK(sb_when(buffer, 0, ready, &from, &watch) >= 0);
    sb_watch_free(watch);
    CHECK(sb_read(buffer, 0, SIZE, bytes) == SIZE && is_right(bytes, 0, SIZE));
    CHECK(sb_read(buffer, SIZE, 1, line) == 0);
    CHECK(sb_stat(buffer, &stats.known, sizeof stats.known) == SB_OK);
    CHECK(stats.known.memory + stats.known.disk == SIZE && stats.known.state == SB_STATE_ENDED);
    CHECK(sb_error_init(&error.known, sizeof error.known) == SB_OK);
    CHECK(sb_save_options_init(&saving.known, sizeof saving.known) == SB_OK);
    saving.known.path = "/no/such/folder/file";
    saving.known.error = &error.known;
    CHECK(sb_save_with(buffer, &saving.known) == SB_ERR_IO);
    CHECK(error.known.status == SB_ERR_IO && error.known.operation == SB_OP_TARGET_OPEN);
    CHECK(sb_error_text(&error.known, line, sizeof line) > 0);
    saving.known.path = "saved";
    CHECK(sb_save_with(buffer, &saving.known) == SIZE && remove("saved") == 0);
    sb_free(buffer);
    CHECK(from.closed && sb_size(buffer) == SB_ERR_INVALID);
    CHECK(options.guard == GUARD && stats.guard == GUARD && range.guard == GUARD);
    CHECK(saving.guard == GUARD && error.guard == GUARD);
    return 0;
}

static int a_reader(void)
{
    GUARDED(sb_reader_options, options);
    GUARDED(sb_error, error);
    stream from = { 0 };
    sb_callback source = callback(&from);
    sb_buffer *buffer = sb_new(&source, SIZE, SB_MAX_DEFAULT);
    sb_reader *reader;

    CHECK(sb_reader_options_init(&options.known, sizeof options.known) == SB_OK);
    options.known.flags = SB_READER_BUFFERED;
    CHECK(sb_reader_new_with(buffer, &options.known, &reader) == SB_OK);
    CHECK(sb_reader_seek(reader, 10, SB_SEEK_SET) == 10);
    CHECK(sb_reader_read(reader, 10, bytes) == SB_ERR_TIMEOUT);
    CHECK(sb_error_init(&error.known, sizeof error.known) == SB_OK);
    CHECK(sb_reader_error(reader, &error.known) == SB_OK && error.known.status == SB_ERR_TIMEOUT);
    sb_reader_free(reader);
    reader = sb_reader_new(buffer);
    CHECK(sb_reader_seek(reader, -10, SB_SEEK_END) == SIZE - 10);
    CHECK(sb_reader_read(reader, 20, bytes) == 10 && is_right(bytes, SIZE - 10, 10));
    sb_reader_free(reader);
    sb_free(buffer);
    CHECK(options.guard == GUARD && error.guard == GUARD);
    return 0;
}

static int pushes(void)
{
    GUARDED(sb_range, wanted);
    sb_buffer *buffer;

    CHECK(sb_new_push(NULL, &buffer) == SB_OK);
    CHECK(sb_wanted(buffer, &wanted.known) >= 0);
    for (uint64_t index = 0; index < 1000; index++)
        bytes[index] = byte(index);
    CHECK(sb_push(buffer, 0, 1000, bytes, -1) == 1000);
    CHECK(sb_push_end(buffer, SB_SIZE_UNKNOWN, 0) == SB_OK);
    memset(bytes, 0, 1000);
    CHECK(sb_read(buffer, 0, 2000, bytes) == 1000 && is_right(bytes, 0, 1000));
    sb_free(buffer);
    CHECK(wanted.guard == GUARD);
    return 0;
}

static int opens(void *opaque, const void *key, size_t key_size, uint64_t old_tag, sb_opened *out)
{
    (void)key, (void)key_size, (void)old_tag;
    out->source = callback(opaque);
    out->size = SIZE;
    return out->struct_size >= sizeof *out ? 0 : 1;
}

static int a_cache(void)
{
    GUARDED(sb_cache_options, options);
    GUARDED(sb_cache_stats, stats);
    stream from = { 0 };
    sb_cache *cache;
    sb_reader *reader;

    CHECK(sb_cache_options_init(&options.known, sizeof options.known) == SB_OK);
    options.known.open = opens;
    options.known.opaque = &from;
    CHECK(sb_cache_new(&options.known, &cache) == SB_OK);
    CHECK(sb_cache_open(cache, "key", 3, NULL, &reader) == SB_OK);
    CHECK(sb_reader_read(reader, 1000, bytes) == 1000 && is_right(bytes, 0, 1000));
    CHECK(sb_cache_stat(cache, &stats.known, sizeof stats.known) == SB_OK);
    CHECK(stats.known.misses == 1 && stats.known.leases == 1);
    sb_reader_free(reader);
    sb_cache_free(cache);
    CHECK(from.closed && options.guard == GUARD && stats.guard == GUARD);
    return 0;
}

/* The sizes of that header are the smallest. */
static int sizes(void)
{
    union {
        sb_options options;
        sb_reader_options reader_options;
        sb_save_options save_options;
        sb_cache_options cache_options;
        sb_error error;
    } any;

    CHECK(sb_options_init(&any.options, sizeof any.options - 8) == SB_ERR_INVALID);
    CHECK(sb_reader_options_init(&any.reader_options, sizeof any.reader_options - 8) == SB_ERR_INVALID);
    CHECK(sb_save_options_init(&any.save_options, sizeof any.save_options - 8) == SB_ERR_INVALID);
    CHECK(sb_cache_options_init(&any.cache_options, sizeof any.cache_options - 8) == SB_ERR_INVALID);
    CHECK(sb_error_init(&any.error, sizeof any.error - 8) == SB_ERR_INVALID);
    return 0;
}

int main(void)
{
    CHECK(sb_version() >= SB_VERSION_NUMBER);
    if (a_buffer() || a_reader() || pushes() || a_cache() || sizes())
        return 1;
    puts("ok");
    return 0;
}
