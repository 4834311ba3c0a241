/*
 * The options of a cache and of an open: the defaults that the header states, what each member does with
 * its extreme values, and where an open that fails says why.
 */
#include "check.h"

#include <stddef.h>

enum { SIZE = 300000 };

static const int64_t FULL = SB_ERR_DISK_FULL;
static int opens;

static int pull(void *opaque, uint64_t offset, void *out, size_t capacity, size_t *count)
{
    unsigned char *bytes = out;
    (void)opaque;
    for (*count = 0; *count < capacity && offset + *count < SIZE; ++*count)
        bytes[*count] = byte_at(offset + *count);
    return SB_OK;
}

static void close_source(void *opaque)
{
    (void)opaque;
}

static int open_source(void *opaque, const void *key, size_t key_size, uint64_t tag, sb_opened *out)
{
    (void)opaque, (void)key, (void)key_size, (void)tag;
    opens++;
    out->tag = 1;
    out->size = SIZE;
    out->source.pull = pull;
    out->source.close = close_source;
    return SB_OK;
}

static sb_cache_options defaults(void)
{
    sb_cache_options with;
    CHECK_EQ(sb_cache_options_init(&with, sizeof with), SB_OK);
    return with;
}

static void defaults_are_as_stated(void)
{
    sb_cache_options with = defaults();
    CHECK_EQ(with.struct_size, sizeof with);
    CHECK(with.open == NULL && with.opaque == NULL && with.spool_dir == NULL);
    CHECK(with.thread_opaque == NULL && with.thread_begin == NULL && with.thread_end == NULL);
    CHECK_EQ(with.max_memory, 67108864);
    CHECK_EQ(with.max_disk, 536870912);
    CHECK_EQ(with.min_free, 0);
    CHECK_EQ(with.max_entry, 0);
    CHECK_EQ(with.fresh_ms, -1);
    CHECK_EQ(with.idle_ms, -1);
    CHECK_EQ(with.threads, 4);
    CHECK_EQ(with.on_short, SB_SHORT_END);
    CHECK_EQ(with.prefetch, 0);
    CHECK_EQ(with.prefetch_low, 0);
}

/* ---- extreme values ------------------------------------------------------------------------------ */

/* A value of a member, with a budget that spills or not, and what comes of it: what sb_cache_new()
 * returns, what a read of all returns, the entries that are left then, and the calls of the opener for two
 * opens. */
typedef struct row {
    const char *name;
    size_t offset, size;
    uint64_t value;
    int spills, made;
    int64_t read;
    uint64_t left;
    int opens;
} row;

#define MEMBER(name) #name, offsetof(sb_cache_options, name), sizeof(((sb_cache_options *)0)->name)
#define FINE SB_OK, SIZE, 1, 1
#define REFUSED SB_ERR_INVALID, 0, 0, 0

static const row rows[] = {
    { MEMBER(max_memory), 0, 0, FINE },
    { MEMBER(max_memory), 1, 0, FINE },
    { MEMBER(max_memory), INT64_MAX, 0, FINE },
    { MEMBER(max_memory), UINT64_MAX, 0, FINE },
    { MEMBER(max_disk), 0, 0, FINE },
    { MEMBER(max_disk), INT64_MAX, 1, FINE },
    { MEMBER(max_disk), UINT64_MAX, 1, FINE },
    { MEMBER(min_free), 1, 1, FINE },
    { MEMBER(min_free), UINT64_MAX, 0, FINE },
    { MEMBER(max_entry), 1, 0, FINE },
    { MEMBER(max_entry), INT64_MAX, 1, FINE },
    { MEMBER(max_entry), UINT64_MAX, 1, FINE },
    { MEMBER(fresh_ms), (uint64_t)INT64_MIN, 0, FINE },
    { MEMBER(fresh_ms), INT64_MAX, 0, FINE },
    { MEMBER(idle_ms), (uint64_t)INT64_MIN, 0, FINE },
    { MEMBER(idle_ms), INT64_MAX, 0, FINE },
    { MEMBER(threads), 0, 0, FINE },
    { MEMBER(threads), 1, 0, FINE },
    { MEMBER(threads), 257, 0, FINE },
    { MEMBER(threads), UINT32_MAX, 0, FINE },
    { MEMBER(prefetch), 1, 1, FINE },
    { MEMBER(prefetch), INT64_MAX, 1, FINE },
    { MEMBER(prefetch), UINT64_MAX, 1, FINE },
    { MEMBER(prefetch_low), 1, 1, FINE },
    { MEMBER(prefetch_low), UINT64_MAX, 1, FINE },
    { MEMBER(on_short), SB_SHORT_ERROR, 0, FINE },
    { MEMBER(on_short), 2, 0, REFUSED },
    { MEMBER(on_short), UINT32_MAX, 0, REFUSED },
    { MEMBER(open), 0, 0, REFUSED },
    { MEMBER(struct_size), 0, 0, REFUSED },
    { MEMBER(struct_size), sizeof(sb_cache_options) - 1, 0, REFUSED },
    { MEMBER(struct_size), 4097, 0, REFUSED },
    /* No spool file takes bytes: what is in memory stays there, and the entry is continued. */
    { MEMBER(max_disk), 0, 1, SB_OK, FULL, 1, 2 },
    { MEMBER(max_disk), 1, 1, SB_OK, FULL, 1, 2 },
    { MEMBER(min_free), INT64_MAX, 1, SB_OK, FULL, 1, 2 },
    { MEMBER(min_free), UINT64_MAX, 1, SB_OK, FULL, 1, 2 },
    /* The opener is asked at each open. */
    { MEMBER(fresh_ms), 0, 0, SB_OK, SIZE, 1, 2 },
    /* An entry ends with its last lease. */
    { MEMBER(idle_ms), 0, 0, SB_OK, SIZE, 0, 2 },
};

static int64_t read_whole(sb_reader *reader)
{
    static unsigned char bytes[65536];
    int64_t at = 0, count;
    while ((count = sb_reader_read(reader, sizeof bytes, bytes)) > 0) {
        CHECK_BYTES(bytes, (uint64_t)at, (uint64_t)count);
        at += count;
    }
    return count < 0 ? count : at;
}

/* A member of four bytes gets the value's low ones, which a big-endian machine has at the end. */
static void set(void *member, size_t size, uint64_t value)
{
    uint32_t low = (uint32_t)value;
    CHECK(size == sizeof low || size == sizeof value);
    memcpy(member, size == sizeof low ? (void *)&low : (void *)&value, size);
}

static void follow(const row *row)
{
    sb_cache_options with = defaults();
    sb_cache_stats stats;
    sb_cache *cache;
    sb_reader *reader;

    check_context = row->name;
    with.open = open_source;
    with.max_memory = row->spills ? 0 : with.max_memory;
    set((char *)&with + row->offset, row->size, row->value);
    CHECK_EQ(sb_cache_new(&with, &cache), row->made);
    CHECK((cache != NULL) == (row->made == SB_OK));
    if (cache == NULL)
        return;
    opens = 0;
    CHECK_EQ(sb_cache_open(cache, "k", 1, NULL, &reader), SB_OK);
    CHECK_EQ(read_whole(reader), row->read);
    sb_reader_free(reader);
    CHECK_EQ(sb_cache_stat(cache, &stats, sizeof stats), SB_OK);
    CHECK_EQ(stats.entries, row->left);
    CHECK_EQ(sb_cache_open(cache, "k", 1, NULL, &reader), SB_OK);
    sb_reader_free(reader);
    CHECK_EQ(opens, row->opens);
    sb_cache_free(cache);
}

static void extreme_values(void)
{
    size_t index;
    for (index = 0; index < COUNT_OF(rows); index++)
        follow(&rows[index]);
    check_context = "";
}

/* ---- the error of an open ------------------------------------------------------------------------ */

/* Every failure is told in `error`, as soon as the options can be read. */
static void errors_are_told(void)
{
    struct {
        sb_reader_options known;
        uint64_t later;
    } with;
    sb_cache_options of = defaults();
    sb_cache *cache;
    sb_reader *reader;
    sb_error error;
    const char *key = "k";
    int index;

    of.open = open_source;
    CHECK_EQ(sb_cache_new(&of, &cache), SB_OK);
    for (index = 0; index < 9; index++) {
        sb_cache *in = index == 0 ? NULL : cache;
        size_t key_size = index == 1 ? 0 : index == 2 ? 4097 : 1;
        sb_reader **out = index == 3 ? NULL : &reader;
        int due = index == 8 ? SB_ERR_UNSUPPORTED : SB_ERR_INVALID;

        CHECK_EQ(sb_error_init(&error, sizeof error), SB_OK);
        CHECK_EQ(sb_reader_options_init(&with.known, sizeof with), SB_OK);
        with.known.error = &error;
        with.known.flags = index == 4 ? 2 : 0;
        with.known.reserved = index == 5;
        with.known.reserved_pointer = index == 6 ? &with : NULL;
        with.later = index == 8;
        reader = (sb_reader *)&with;
        CHECK_EQ(sb_cache_open(in, index == 7 ? NULL : key, key_size, &with.known, out), due);
        CHECK_EQ(error.status, due);
        CHECK((reader == NULL) == (out != NULL));
    }
    /* Options of no version cannot be read, nor can an error be written that is none. */
    with.later = 0;
    error.status = 99;
    with.known.struct_size = sizeof with.known - 1;
    CHECK_EQ(sb_cache_open(cache, key, 1, &with.known, &reader), SB_ERR_INVALID);
    with.known.struct_size = sizeof with.known;
    error.struct_size = 0;
    CHECK_EQ(sb_cache_open(cache, key, 1, &with.known, &reader), SB_ERR_INVALID);
    CHECK_EQ(error.status, 99);
    CHECK(reader == NULL);
    sb_cache_free(cache);
}

int main(void)
{
    defaults_are_as_stated();
    extreme_values();
    errors_are_told();
    return 0;
}
