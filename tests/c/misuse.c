/*
 * Every misuse has its code, and harms nothing: the buffered bytes are readable afterwards, no source is
 * called, and a source that was handed over is closed once. The table is misuse_rows.h, and the
 * other headers have what its rows use.
 */
#include "misuse_things.h"
#include "misuse_calls.h"
#include "misuse_cache.h"
#include "misuse_inside.h"

/* ---- the rows ------------------------------------------------------------------------------------ */

#define JOINED(left, right) left##right
#define NAMED(kind, line) JOINED(kind, line)

#define ROW(what, code, ...) \
    static int64_t NAMED(row_, __LINE__)(things *t) { (void)t; return __VA_ARGS__; }
#define BUFFER(function, ...) \
    static int64_t NAMED(buffer_, __LINE__)(sb_buffer *buffer) { return __VA_ARGS__; }
#define READER(function, ...) \
    static int64_t NAMED(reader_, __LINE__)(sb_reader *reader) { return __VA_ARGS__; }
#define CACHE(function, ...) \
    static int64_t NAMED(cache_, __LINE__)(sb_cache *cache) { return __VA_ARGS__; }
#define INSIDE(what, places, code, ...) \
    static int64_t NAMED(inside_, __LINE__)(sb_buffer *buffer) { (void)buffer; return __VA_ARGS__; }
#include "misuse_rows.h"
#undef ROW
#undef BUFFER
#undef READER
#undef CACHE
#undef INSIDE

typedef struct row {
    int line;
    const char *what;
    int64_t code;
    /* One of these. */
    int64_t (*misuse)(things *);
    int64_t (*with_buffer)(sb_buffer *);
    int64_t (*with_reader)(sb_reader *);
    int64_t (*with_cache)(sb_cache *);
    int64_t (*inside)(sb_buffer *);
    int places;
} row;

#define ROW(what, code, ...) { __LINE__, what, code, NAMED(row_, __LINE__), NULL, NULL, NULL, NULL, 0 },
#define BUFFER(function, ...) \
    { __LINE__, #function, SB_ERR_INVALID, NULL, NAMED(buffer_, __LINE__), NULL, NULL, NULL, 0 },
#define READER(function, ...) \
    { __LINE__, #function, SB_ERR_INVALID, NULL, NULL, NAMED(reader_, __LINE__), NULL, NULL, 0 },
#define CACHE(function, ...) \
    { __LINE__, #function, SB_ERR_INVALID, NULL, NULL, NULL, NAMED(cache_, __LINE__), NULL, 0 },
#define INSIDE(what, places, code, ...) \
    { __LINE__, what, code, NULL, NULL, NULL, NULL, NAMED(inside_, __LINE__), places },
static const row rows[] = {
#include "misuse_rows.h"
};

static int failures;

/* Reports a row that has another result, and goes on. */
static void expect(const row *row, const char *where, int64_t result)
{
    if (result == row->code)
        return;
    fprintf(stderr, "misuse_rows.h:%d: %s, %s: %" PRId64 " is not %" PRId64 "\n", row->line, row->what,
            where, result, row->code);
    failures++;
}

static void things_make(things *t)
{
    memset(t, 0, sizeof *t);
    stream_init(&t->source, SIZE, 100);
    t->pulled = stream_open(&t->source, SB_SIZE_UNKNOWN, SB_MAX_DEFAULT);
    CHECK_EQ(sb_read(t->pulled, 0, 100, out), 100);
    t->reader = sb_reader_new(t->pulled);
    CHECK(t->reader != NULL);
    CHECK_EQ(sb_new_push(NULL, &t->pushed), SB_OK);
    CHECK_EQ(sb_push(t->pushed, 0, 100, whole, 0), 100);
    CHECK_EQ(sb_when(t->pushed, 500, on_ready, t, &t->watch), SB_ERR_TIMEOUT);
    CHECK_EQ(sb_cache_new(CACHING(.max_disk = 1048576), &t->cache), SB_OK);
    CHECK_EQ(sb_cache_open(t->cache, "a", 1, NULL, &t->leased), SB_OK);
    CHECK_EQ(sb_reader_read(t->leased, 100, out), 100);
}

/* A buffer has its bytes, unless it is freed. */
static void things_have(sb_buffer *buffer)
{
    int64_t count = sb_read(buffer, 0, 100, out);
    CHECK(count == 100 || (count == SB_ERR_INVALID && sb_buffered(buffer, 0) == SB_ERR_INVALID));
    if (count == 100)
        CHECK_BYTES(out_bytes, 0, 100);
}

static void things_free(things *t)
{
    CHECK(t->source.reads == 1 || t->source.ended);
    things_have(t->pulled);
    things_have(t->pushed);
    things_have(sb_reader_buffer(t->leased));
    sb_reader_free(t->leased);
    sb_cache_free(t->cache);
    sb_watch_free(t->watch);
    sb_reader_free(t->reader);
    sb_free(t->pulled);
    sb_free(t->pushed);
    CHECK_EQ(t->source.closes, 1);
    CHECK(access("never", F_OK) != 0);
}

/* ---- handles that are none ------------------------------------------------------------------------ */

enum { BUFFERS = 1, READERS = 2, CACHES = 4, ALL = 7 };

/* Calls the functions of some kinds of handles, with a handle of none of them. */
static void bad_for(void *handle, const char *where, int kinds)
{
    const row *row;
    for (row = rows; row < rows + COUNT_OF(rows); row++) {
        check_context = row->what;
        if (row->with_buffer != NULL && (kinds & BUFFERS))
            expect(row, where, row->with_buffer(handle));
        if (row->with_reader != NULL && (kinds & READERS))
            expect(row, where, row->with_reader(handle));
        if (row->with_cache != NULL && (kinds & CACHES))
            expect(row, where, row->with_cache(handle));
    }
}

static void bad_handle(void *handle, const char *where)
{
    bad_for(handle, where, ALL);
    sb_watch_free(handle);
}

static void forged_handles(void)
{
    static const uintptr_t numbers[] = {
        1, 2, 3, 4, 64, 127, 128, 129, 4096, 4097, 0xffff, 0x10001,
        UINTPTR_MAX, UINTPTR_MAX - 1, UINTPTR_MAX / 2, UINTPTR_MAX / 2 + 1,
    };
    static uint64_t seed = 7;
    size_t index;

    bad_handle(NULL, "NULL");
    bad_handle(&seed, "a pointer");
    for (index = 0; index < COUNT_OF(numbers); index++)
        bad_handle(forged(numbers[index]), "forged");
    for (index = 0; index < 2000; index++) {
        uintptr_t number = (uintptr_t)random_next(&seed);
        bad_handle(forged(index % 2 ? number : number % 65536), "forged");
    }
}

/* A handle of one kind is none of another kind, and is as good as before. */
static void foreign_handles(void)
{
    things t;
    things_make(&t);
    bad_for(t.pulled, "a buffer", READERS | CACHES);
    bad_for(t.pushed, "a push buffer", READERS | CACHES);
    bad_for(t.reader, "a reader", BUFFERS | CACHES);
    bad_for(t.watch, "a watch", ALL);
    bad_for(t.cache, "a cache", BUFFERS | READERS);
    sb_watch_free((sb_watch *)(void *)t.cache);
    CHECK_EQ(sb_reader_read(t.reader, 100, out), 100);
    CHECK_EQ(sb_push(t.pushed, 500, 10, whole + 500, 0), 10);
    CHECK_EQ(t.calls, 1);
    things_free(&t);
    bad_handle(t.pulled, "a freed buffer");
    bad_handle(t.pushed, "a freed push buffer");
    bad_handle(t.reader, "a freed reader");
    bad_handle(t.watch, "a freed watch");
    bad_handle(t.cache, "a freed cache");
}

/* Freed handles stay invalid while others live. */
static void handles_are_not_reused(void)
{
    enum { MANY = 1000 };
    static sb_buffer *freed[MANY];
    stream source;
    sb_buffer *later;
    size_t index, before;

    stream_init(&source, 100, 0);
    for (index = 0; index < MANY; index++) {
        source.closes = 0;
        freed[index] = stream_open(&source, SB_SIZE_UNKNOWN, 0);
        sb_free(freed[index]);
        CHECK_EQ(source.closes, 1);
        for (before = 0; before < index; before++)
            CHECK(freed[before] != freed[index]);
    }
    source.closes = 0;
    later = stream_open(&source, 100, 0);
    for (index = 0; index < MANY; index++) {
        CHECK_EQ(sb_size(freed[index]), SB_ERR_INVALID);
        sb_free(freed[index]);
    }
    CHECK_EQ(sb_size(later), 100);
    sb_free(later);
}

/* Names the row that hangs, before the program is ended from outside. All of them take a second. */
static void *watch_for_a_hang(void *opaque)
{
    pause_ms(2 * PATIENCE);
    check_failed(__FILE__, __LINE__, "returns");
    return opaque;
}

int main(void)
{
    const row *row;
    things t;
    pthread_t watchdog;
    size_t at;

    CHECK_EQ(pthread_create(&watchdog, NULL, watch_for_a_hang, NULL), 0);
    CHECK_EQ(pthread_detach(watchdog), 0);
    for (at = 0; at < SIZE; at++) {
        whole[at] = byte_at(at);
        other[at] = (unsigned char)~whole[at];
    }
    /* Before the first handle exists. */
    forged_handles();
    for (row = rows; row < rows + COUNT_OF(rows); row++) {
        int place;
        check_context = row->what;
        if (row->misuse != NULL) {
            things_make(&t);
            expect(row, "alone", row->misuse(&t));
            things_free(&t);
        }
        for (place = READY; place <= BEGIN; place *= 2)
            if (row->places & place)
                expect(row, place_name(place), result_inside(place, row->inside));
    }
    foreign_handles();
    forged_handles();
    check_context = "";
    handles_are_not_reused();
    CHECK_EQ(failures, 0);
    return 0;
}
