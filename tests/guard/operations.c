/*
 * The operations whose cost tests/full/guard.rs counts. `operations NAME` prepares, then does the
 * operation COUNT times inside measured(), between two system calls that can't be mistaken.
 */
#include "spoolbuf.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KIB 1024u
#define MIB (1024u * KIB)

#define CHECK(what)                                                            \
    do {                                                                       \
        if (!(what)) {                                                         \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what);         \
            exit(1);                                                           \
        }                                                                      \
    } while (0)

struct source {
    uint64_t at;
    uint64_t size;
    size_t chunk;
    /* The number of requests allowed, and the number made. */
    volatile int allowed;
    volatile int asked;
};

static unsigned char out[64 * KIB];
static struct source from;
static sb_buffer *buffer;
static sb_reader *reader;
static uint64_t place;

static int64_t next(void *opaque, void *to, size_t capacity)
{
    struct source *s = opaque;
    uint64_t n = capacity < s->chunk ? capacity : s->chunk;

    s->asked++;
    while (s->asked > s->allowed)
        ; /* Without a system call, which would be counted. */
    if (n > s->size - s->at)
        n = s->size - s->at;
    memset(to, (int)(s->at >> 12), (size_t)n);
    s->at += n;
    return (int64_t)n;
}

static int64_t jump(void *opaque, uint64_t offset)
{
    struct source *s = opaque;

    s->at = offset;
    return 0;
}

static sb_callback callback_of(uint64_t size, size_t chunk)
{
    sb_callback callback = {0};

    from.at = 0;
    from.size = size;
    from.chunk = chunk;
    from.allowed = INT_MAX;
    from.asked = 0;
    callback.read = next;
    callback.opaque = &from;
    return callback;
}

static void start(uint64_t size, size_t chunk)
{
    sb_callback callback = callback_of(size, chunk);

    buffer = sb_new(&callback, SB_SIZE_UNKNOWN, SB_MAX_DEFAULT);
    CHECK(buffer != NULL);
}

static void fill(uint64_t size)
{
    start(size, 64 * KIB);
    CHECK(sb_read(buffer, size - 1, 1, out) == 1);
    /* So that the end is known. */
    CHECK(sb_read(buffer, size, 1, out) == 0);
}

/* In memory, so that no disk's file system affects the counts. */
static char directory[] = "/dev/shm/spoolbuf-guard-XXXXXX";
static char target[sizeof directory + 8];

static void make_directory(void)
{
    CHECK(mkdtemp(directory) != NULL);
    sprintf(target, "%s/saved", directory);
}

static void remove_directory(void)
{
    if (target[0] == 0)
        return;
    unlink(target);
    CHECK(rmdir(directory) == 0);
}

/* Offsets in no order, the same each time. */
static uint64_t random_place(uint64_t span)
{
    place = place * 6364136223846793005u + 1442695040888963407u;
    return (place >> 33) % span;
}

static void in_memory(void)
{
    fill(4 * MIB);
}

static void on_disk(void)
{
    fill(16 * MIB);
    CHECK(sb_spill(buffer) == SB_OK);
}

static void empty(void)
{
    start(64 * MIB, 64 * KIB);
}

/* Memory is full: arriving bytes are spilled. */
static void spilling(void)
{
    start(512 * MIB, 64 * KIB);
    CHECK(sb_read(buffer, 8 * MIB - 1, 1, out) == 1);
    place = 8 * MIB;
}

static void spilling_small_chunks(void)
{
    spilling();
    from.chunk = 8 * KIB;
}

static void seekable(void)
{
    sb_callback callback = callback_of(1024 * MIB, 64 * KIB);

    callback.seek = jump;
    buffer = sb_new(&callback, from.size, SB_MAX_DEFAULT);
    CHECK(buffer != NULL);
}

/* A helper is inside the source, which waits for permission to deliver. */
static void prefetching(void)
{
    start(64 * MIB, 256 * KIB);
    from.allowed = 0;
    CHECK(sb_prefetch(buffer, SB_PREFETCH_ALL) == SB_OK);
}

static void to_save(void)
{
    in_memory();
    make_directory();
}

static void to_save_from_disk(void)
{
    on_disk();
    make_directory();
}

static void to_link(void)
{
    sb_callback callback = callback_of(16 * MIB, 64 * KIB);
    sb_options options;

    make_directory();
    CHECK(sb_options_init(&options, sizeof options) == SB_OK);
    options.spool_dir = directory;
    CHECK(sb_new_with(&callback, &options, &buffer) == SB_OK);
    CHECK(sb_read(buffer, 16 * MIB, 1, out) == 0);
    CHECK(sb_spill(buffer) == SB_OK);
}

static void with_reader(void)
{
    in_memory();
    reader = sb_reader_new(buffer);
    CHECK(reader != NULL);
}

static void nothing(void)
{
}

static void read_any(size_t len, uint64_t size)
{
    CHECK(sb_read(buffer, random_place(size - len), len, out) == (int64_t)len);
}

static void read_16(void)
{
    read_any(16, 4 * MIB);
}

static void read_4k(void)
{
    read_any(4 * KIB, 4 * MIB);
}

static void read_64k(void)
{
    read_any(64 * KIB, 4 * MIB);
}

static void read_disk_4k(void)
{
    read_any(4 * KIB, 16 * MIB);
}

static void read_disk_64k(void)
{
    read_any(64 * KIB, 16 * MIB);
}

static void read_some(void)
{
    uint64_t off = random_place(4 * MIB - 4 * KIB);

    CHECK(sb_read_some(buffer, off, 4 * KIB, out, 0) == (int64_t)(4 * KIB));
}

static void reader_read(void)
{
    uint64_t off = random_place(4 * MIB - 4 * KIB);

    CHECK(sb_reader_seek(reader, (int64_t)off, SB_SEEK_SET) == (int64_t)off);
    CHECK(sb_reader_read(reader, 4 * KIB, out) == (int64_t)(4 * KIB));
}

static void read_on(void)
{
    CHECK(sb_read(buffer, place, 64 * KIB, out) == (int64_t)(64 * KIB));
    place += 64 * KIB;
}

static void seek_4k(void)
{
    read_any(4 * KIB, 1024 * MIB);
}

/* The bytes that the helper fetches at a time, and a read at their end. */
static void prefetch_more(void)
{
    int asked = from.asked;

    while (asked == 0)
        asked = from.asked;
    from.allowed = asked;
    while (from.asked == asked)
        ;
    CHECK(sb_read_some(buffer, from.at - 4 * KIB, 4 * KIB, out, 0) == (int64_t)(4 * KIB));
}

static void save_all(void)
{
    CHECK(sb_save(buffer, target) == (int64_t)from.size);
}

static void save_linked(void)
{
    sb_save_options options;
    int64_t saved;

    CHECK(sb_save_options_init(&options, sizeof options) == SB_OK);
    options.path = target;
    options.flags = SB_SAVE_LINK;
    saved = sb_save_with(buffer, &options);
    CHECK(saved == (int64_t)from.size);
    /* It cannot be linked again while it has a name. */
    CHECK(unlink(target) == 0);
}

static void open_free(void)
{
    start(MIB, 64 * KIB);
    sb_free(buffer);
    buffer = NULL;
}

static void open_fill_free(void)
{
    fill(64 * KIB);
    sb_free(buffer);
    buffer = NULL;
}

static void past_the_end(void)
{
    CHECK(sb_read(buffer, 5 * MIB, 1, out) == 0);
}

static void ask(void)
{
    sb_range range;
    sb_stats stats;

    CHECK(sb_buffered(buffer, random_place(4 * MIB)) > 0);
    CHECK(sb_size(buffer) == (int64_t)(4 * MIB));
    CHECK(sb_ranges(buffer, &range, 1) == 1);
    CHECK(sb_stat(buffer, &stats, sizeof stats) == SB_OK);
}

static const struct operation {
    const char *name;
    void (*prepare)(void);
    void (*once)(void);
    int count;
    /* Other threads work, too: they are counted from the start. */
    int threads;
} operations[] = {
    {"read-16-memory", in_memory, read_16, 1000, 0},
    {"read-4k-memory", in_memory, read_4k, 1000, 0},
    {"read-64k-memory", in_memory, read_64k, 200, 0},
    {"read-4k-disk", on_disk, read_disk_4k, 1000, 0},
    {"read-64k-disk", on_disk, read_disk_64k, 200, 0},
    {"read-some", in_memory, read_some, 1000, 0},
    {"reader-seek-read", with_reader, reader_read, 1000, 0},
    {"read-past-end", in_memory, past_the_end, 1000, 0},
    {"pull-64k-first", empty, read_on, 64, 0},
    {"pull-64k-spilling", spilling, read_on, 512, 0},
    {"pull-8k-spilling", spilling_small_chunks, read_on, 512, 0},
    {"seek-pull-4k", seekable, seek_4k, 500, 0},
    {"prefetch-256k", prefetching, prefetch_more, 40, 1},
    {"save-4m-memory", to_save, save_all, 20, 0},
    {"save-16m-disk", to_save_from_disk, save_all, 20, 0},
    {"save-16m-linked", to_link, save_linked, 20, 0},
    {"open-free", nothing, open_free, 200, 0},
    {"open-fill-free", nothing, open_fill_free, 200, 0},
    {"size-buffered-ranges-stat", in_memory, ask, 500, 0},
};

/* Found by its name: callgrind counts from its begin to its end. */
__attribute__((noinline)) void measured(const struct operation *operation);

void measured(const struct operation *operation)
{
    int i;

    close(-1001);
    for (i = 0; i < operation->count; i++)
        operation->once();
    close(-1002);
}

int main(int argc, char **argv)
{
    size_t i;

    if (argc == 1) {
        for (i = 0; i < sizeof operations / sizeof *operations; i++)
            printf("%s %d %d\n", operations[i].name, operations[i].count,
                   operations[i].threads);
        return 0;
    }
    for (i = 0; i < sizeof operations / sizeof *operations; i++) {
        const struct operation *operation = &operations[i];

        if (strcmp(operation->name, argv[1]) != 0)
            continue;
        operation->prepare();
        operation->once();
        measured(operation);
        sb_reader_free(reader);
        from.allowed = INT_MAX;
        sb_free(buffer);
        remove_directory();
        return 0;
    }
    return 1;
}
