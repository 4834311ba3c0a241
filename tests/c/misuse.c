/*
 * Every misuse has its code, and harms nothing: the buffered bytes are readable afterwards, no source is
 * called, and a source that was handed over is closed once. The table is misuse_rows.h.
 */
#include "check.h"

enum { SIZE = 1000 };

static unsigned char whole[SIZE], other[SIZE], out_bytes[SIZE];

/* ---- what the rows use --------------------------------------------------------------------------- */

/* Fresh for each row. */
typedef struct things {
    stream source;
    sb_buffer *pulled; /* of `source`, of which it has read 100 bytes */
    sb_buffer *pushed; /* has 100 bytes */
    sb_reader *reader; /* of `pulled` */
    sb_watch *watch;   /* of `pushed`, at 500 */
    sb_cache *cache;   /* has an entry for "a" */
    sb_reader *leased; /* of that entry, of which it has read 100 bytes */
    int calls;         /* of the watch's function */
} things;

/* The source that a call is handed over. */
static stream spare;

static void *const out = out_bytes;
static sb_range range;
static sb_stats stats;
static sb_error error = { .struct_size = sizeof(sb_error) };
static sb_options options;
static sb_reader_options reading;
static sb_save_options saving;
static sb_cache_options caching;
static sb_cache_stats cached;
static unsigned char long_key[4097];

#define CALLBACK(...) \
    (&(sb_callback){ .opaque = &spare, .cancel = stream_cancel, .close = stream_close, __VA_ARGS__ })
#define OPTIONS(...) (&(sb_options){ .struct_size = sizeof(sb_options), __VA_ARGS__ })
#define READING(...) (&(sb_reader_options){ .struct_size = sizeof(sb_reader_options), __VA_ARGS__ })
#define SAVE(...) (&(sb_save_options){ .struct_size = sizeof(sb_save_options), __VA_ARGS__ })
#define CACHING(...) \
    (&(sb_cache_options){ .struct_size = sizeof(sb_cache_options), .open = opener, .fresh_ms = -1, \
                          .idle_ms = -1, __VA_ARGS__ })
#define ERROR(...) (&(sb_error){ .struct_size = sizeof(sb_error), __VA_ARGS__ })

/* The options of a program built with a later header, whose struct has one more member. */
#define LATER(type, value) \
    (((struct { type known; uint64_t later; }){ { .struct_size = sizeof(type) + 8 }, value }).known)

/* A number that looks like a pointer. */
static void *forged(uintptr_t number)
{
    void *pointer;
    memcpy(&pointer, &number, sizeof pointer);
    return pointer;
}

/* The result of a function that returns a handle. */
static int64_t made(const void *handle)
{
    return handle == NULL ? SB_ERR_INVALID : SB_OK;
}

static int64_t seek_never(void *opaque, uint64_t offset)
{
    (void)opaque;
    (void)offset;
    CHECK(!"an invalid source is not called");
    return -1;
}

static int pull_never(void *opaque, uint64_t offset, void *to, size_t capacity, size_t *count)
{
    (void)to;
    (void)capacity;
    (void)count;
    return (int)seek_never(opaque, offset);
}

static int progress_never(void *opaque, uint64_t done, uint64_t total)
{
    (void)opaque;
    (void)done;
    (void)total;
    CHECK(!"a save of a bad handle reports no progress");
    return 1;
}

static void log_never(void *opaque, uint32_t level, const char *message)
{
    (void)opaque;
    (void)level;
    (void)message;
    CHECK(!"a log function that was refused is not called");
}

static void on_ready(void *opaque, int64_t buffered)
{
    things *t = opaque;
    (void)buffered;
    t->calls++;
}

/* Hands a source over, to a call with this result. */
static sb_callback hand_over(void)
{
    stream_init(&spare, SIZE, 0);
    return stream_callback(&spare);
}

static int64_t handed_over(int64_t result, sb_buffer *buffer)
{
    CHECK_EQ(spare.reads, 0);
    CHECK_EQ(spare.closes, result < 0);
    CHECK((result < 0) == (buffer == NULL));
    sb_free(buffer);
    CHECK_EQ(spare.closes, 1);
    return result;
}

static int64_t new_with(const sb_options *with)
{
    sb_callback callback = hand_over();
    sb_buffer *buffer = (sb_buffer *)out;
    int64_t result = sb_new_with(&callback, with, &buffer);
    return handed_over(result, buffer);
}

static int64_t new_without_out(const sb_options *with)
{
    sb_callback callback = hand_over();
    int64_t result = sb_new_with(&callback, with, NULL);
    return handed_over(result, NULL);
}

/* A buffer of either kind. */
static int64_t new_both(const sb_options *with)
{
    sb_buffer *buffer = (sb_buffer *)out;
    int64_t result = sb_new_push(with, &buffer);
    CHECK((result < 0) == (buffer == NULL));
    sb_free(buffer);
    CHECK_EQ(new_with(with), result);
    return result;
}

static int64_t reopen(sb_buffer *buffer, uint64_t size)
{
    sb_callback callback = hand_over();
    int64_t result = sb_reopen(buffer, &callback, size);
    /* A complete buffer needs none either. */
    CHECK_EQ(spare.closes, 1);
    CHECK_EQ(spare.reads, 0);
    return result;
}

/* No function accepts the callback, and it stays its owner's. */
static int64_t refused(things *t, const sb_callback *callback)
{
    sb_buffer *buffer = (sb_buffer *)out;
    stream_init(&spare, SIZE, 0);
    CHECK(sb_new(callback, SB_SIZE_UNKNOWN, 0) == NULL);
    CHECK_EQ(sb_new_with(callback, NULL, &buffer), SB_ERR_INVALID);
    CHECK(buffer == NULL);
    CHECK_EQ(sb_new_with(callback, NULL, NULL), SB_ERR_INVALID);
    CHECK_EQ(sb_reopen(NULL, callback, SB_SIZE_UNKNOWN), SB_ERR_INVALID);
    CHECK_EQ(sb_reopen(t->pushed, callback, SB_SIZE_UNKNOWN), SB_ERR_INVALID);
    CHECK_EQ(sb_reopen(t->pulled, callback, SB_SIZE_UNKNOWN), SB_ERR_INVALID);
    CHECK_EQ(spare.closes, 0);
    CHECK_EQ(spare.reads, 0);
    return SB_ERR_INVALID;
}

static int64_t reserved_member(things *t)
{
    sb_callback callback;
    size_t index;
    for (index = 0; index < COUNT_OF(callback.reserved); index++) {
        callback = *CALLBACK(.read = stream_read);
        callback.reserved[index] = &spare;
        refused(t, &callback);
    }
    return SB_ERR_INVALID;
}

static int64_t new_reader(sb_buffer *buffer, const sb_reader_options *with)
{
    sb_reader *reader = (sb_reader *)out;
    int64_t result = sb_reader_new_with(buffer, with, &reader);
    CHECK((result < 0) == (reader == NULL));
    sb_reader_free(reader);
    return result;
}

/* The reader, without its buffer. */
static sb_reader *orphan(things *t)
{
    sb_free(t->pulled);
    return t->reader;
}

static int64_t seek_past_the_last(sb_reader *reader)
{
    /* An offset far past the end is accepted. */
    CHECK_EQ(sb_reader_seek(reader, INT64_MAX, SB_SEEK_SET), INT64_MAX);
    CHECK_EQ(sb_reader_read(reader, 10, out), 0);
    return sb_reader_seek(reader, 1, SB_SEEK_CUR);
}

/* A read may end at 2^64 and not past it; no byte is at 2^63 or beyond, so it returns 0. */
static int64_t last_offsets(sb_buffer *buffer)
{
    static const uint64_t offsets[] = {
        UINT64_MAX, UINT64_MAX - 1, UINT64_MAX - 2, UINT64_MAX - 100, UINT64_MAX / 2 + 1,
        UINT64_MAX / 2, UINT64_MAX / 2 + 2, UINT64_MAX - 65536,
    };
    size_t index, len;

    for (index = 0; index < COUNT_OF(offsets); index++) {
        uint64_t off = offsets[index];
        uint64_t before_2_64 = UINT64_MAX - off; /* One byte less than a read may have. */

        for (len = 0; len <= 200; len++) {
            int64_t due = len > 0 && len - 1 > before_2_64 ? SB_ERR_INVALID : 0;

            CHECK_EQ(sb_read(buffer, off, len, out), due);
            CHECK_EQ(sb_read_some(buffer, off, len, out, 0), due);
            CHECK_EQ(sb_read_some(buffer, off, len, out, 1000), due);
            CHECK_EQ(sb_read_some(buffer, off, len, out, -1), due);
        }
        CHECK_EQ(sb_buffered(buffer, off), 0);
    }
    return SB_OK;
}

typedef int64_t (*snapshot_fn)(void *object, void *to, size_t size);

static int64_t buffer_snapshot(void *buffer, void *to, size_t size)
{
    return sb_stat(buffer, to, size);
}

static int64_t cache_snapshot(void *cache, void *to, size_t size)
{
    return sb_cache_stat(cache, to, size);
}

/* A snapshot for an older header, and for a newer one, whose struct has 64 bytes more than `ours`. */
static void for_other_headers(snapshot_fn take, void *object, void *to, size_t ours)
{
    unsigned char *bytes = to;

    memset(to, 0xEE, ours + 64);
    CHECK_EQ(take(object, to, 28), SB_OK);
    CHECK_EQ(bytes[27], 0);
    CHECK_EQ(bytes[28], 0xEE);
    memset(to, 0xEE, ours + 64);
    CHECK_EQ(take(object, to, ours + 64), SB_OK);
    CHECK_EQ(bytes[ours], 0);
    CHECK_EQ(bytes[ours + 63], 0);
}

static int64_t other_snapshots(sb_buffer *buffer)
{
    struct { sb_stats stats; unsigned char later[64]; } large;

    for_other_headers(buffer_snapshot, buffer, &large, sizeof large.stats);
    CHECK_EQ(large.stats.frontier, 100);
    return SB_OK;
}

/* Every status has a text, and so has every other value. */
static int64_t texts(void)
{
    int status;
    CHECK(strlen(sb_strerror(INT64_MIN)) > 0);
    CHECK(strcmp(sb_strerror(INT64_MAX), sb_strerror(SB_OK)) == 0);
    for (status = 0; status >= SB_ERR_LAPPED; status--) {
        CHECK(strlen(sb_strerror(status)) > 0);
        CHECK(strcmp(sb_strerror(status), sb_strerror(-1000)) != 0);
    }
    return SB_OK;
}

static int64_t save_later(sb_buffer *buffer)
{
    struct { sb_save_options known; uint64_t later; } with;
    CHECK_EQ(sb_save_options_init(&with.known, sizeof with), SB_OK);
    with.known.path = "never";
    with.later = 7;
    return sb_save_with(buffer, &with.known);
}

static sb_buffer *ended(things *t, uint64_t size)
{
    CHECK_EQ(sb_push_end(t->pushed, size, 0), SB_OK);
    return t->pushed;
}

static sb_buffer *failed(things *t)
{
    CHECK_EQ(sb_push_end(t->pushed, SB_SIZE_UNKNOWN, -5), SB_OK);
    return t->pushed;
}

static sb_buffer *canceled(things *t)
{
    CHECK_EQ(sb_cancel(t->pushed), SB_OK);
    return t->pushed;
}

/* A buffer with 100 of 200 bytes, for which that is an error. */
static sb_buffer *ended_short(things *t)
{
    sb_free(t->pushed);
    CHECK_EQ(sb_new_push(OPTIONS(.size = 200, .on_short = SB_SHORT_ERROR), &t->pushed), SB_OK);
    CHECK_EQ(sb_push(t->pushed, 0, 100, whole, 0), 100);
    return ended(t, 100);
}

static sb_buffer *complete(things *t)
{
    CHECK_EQ(sb_find_size(t->pulled, -1), SIZE);
    return t->pulled;
}

/* Bytes that are buffered stay, and the others are accepted beside them. */
static int64_t first_bytes_win(sb_buffer *buffer)
{
    int64_t accepted = sb_push(buffer, 50, 100, other, 0);
    CHECK_EQ(sb_buffered(buffer, 0), 150);
    CHECK_EQ(sb_read(buffer, 0, 150, out), 150);
    CHECK_BYTES(out_bytes, 0, 100);
    CHECK(memcmp(out_bytes + 100, other + 50, 50) == 0);
    return accepted;
}

/* sb_when() at once: what waits is freed. */
static int64_t when(sb_buffer *buffer, uint64_t off)
{
    things never = { .calls = 0 };
    sb_watch *watch = (sb_watch *)out;
    int64_t result = sb_when(buffer, off, on_ready, &never, &watch);
    CHECK((result == SB_ERR_TIMEOUT) == (watch != NULL));
    sb_watch_free(watch);
    CHECK_EQ(never.calls, 0);
    return result;
}

static int64_t when_without_ready(sb_buffer *buffer)
{
    sb_watch *watch = (sb_watch *)out;
    int64_t result = sb_when(buffer, 500, NULL, NULL, &watch);
    CHECK(watch == NULL);
    return result;
}

/* How often the watch's function is called after this one was freed. */
static int64_t calls_after(things *t, sb_watch *freed)
{
    sb_watch_free(freed);
    CHECK_EQ(sb_push(t->pushed, 500, 10, whole + 500, 0), 10);
    return t->calls;
}

/* ---- a cache ------------------------------------------------------------------------------------- */

static int64_t letter_read(void *opaque, void *to, size_t capacity)
{
    return stream_read(opaque, to, capacity);
}

static void letter_close(void *opaque)
{
    stream_close(opaque);
    free(opaque);
}

/* Opens keys of one letter. */
static int opener(void *opaque, const void *key, size_t key_size, uint64_t old_tag, sb_opened *opened)
{
    stream *self;
    (void)opaque;
    (void)key;
    (void)old_tag;
    if (key_size != 1)
        return -7;
    self = malloc(sizeof *self);
    CHECK(self != NULL);
    stream_init(self, SIZE, 100);
    opened->source.read = letter_read;
    opened->source.close = letter_close;
    opened->source.opaque = self;
    return 0;
}

static int64_t new_cache(const sb_cache_options *with)
{
    sb_cache *cache = (sb_cache *)out;
    int64_t result = sb_cache_new(with, &cache);
    CHECK((result < 0) == (cache == NULL));
    sb_cache_free(cache);
    return result;
}

static int64_t cache_later(uint64_t value)
{
    struct { sb_cache_options known; uint64_t later; } with;
    CHECK_EQ(sb_cache_options_init(&with.known, sizeof with), SB_OK);
    with.known.open = opener;
    with.later = value;
    return new_cache(&with.known);
}

static int64_t open_key(sb_cache *cache, const void *key, size_t size, const sb_reader_options *with)
{
    sb_reader *reader = (sb_reader *)out;
    int64_t result = sb_cache_open(cache, key, size, with, &reader);
    CHECK((result < 0) == (reader == NULL));
    sb_reader_free(reader);
    return result;
}

/* In a cache of its own. */
static int64_t open_new(const sb_reader_options *with)
{
    sb_cache *cache;
    int64_t result;
    CHECK_EQ(sb_cache_new(CACHING(.threads = 1), &cache), SB_OK);
    result = open_key(cache, "a", 1, with);
    sb_cache_free(cache);
    return result;
}

/* The buffer of the entry, whose last lease has ended. */
static sb_buffer *idle(things *t)
{
    sb_buffer *buffer = sb_reader_buffer(t->leased);
    CHECK(buffer != NULL);
    sb_reader_free(t->leased);
    return buffer;
}

static int64_t other_cache_stats(sb_cache *cache)
{
    struct { sb_cache_stats stats; unsigned char later[64]; } large;

    for_other_headers(cache_snapshot, cache, &large, sizeof large.stats);
    CHECK_EQ(large.stats.entries, 1);
    CHECK_EQ(large.stats.leases, 1);
    return SB_OK;
}

/* ---- inside callbacks ---------------------------------------------------------------------------- */

enum { READY = 1, LOG = 2, SOURCE = 4, BEGIN = 8, ANY = READY | LOG | SOURCE | BEGIN };

static const char *place_name(int place)
{
    switch (place) {
    case READY:
        return "in ready";
    case LOG:
        return "in log";
    case SOURCE:
        return "in the source";
    default:
        return "in thread_begin";
    }
}

typedef int64_t (*inside_fn)(sb_buffer *);

/* The misuse, what it is done with and its result. */
static struct {
    inside_fn misuse;
    sb_buffer *buffer;
    sb_watch *watch;
    int64_t result;
} inside;

/* Once. */
static void misuse_inside(void)
{
    inside_fn misuse = inside.misuse;
    inside.misuse = NULL;
    if (misuse != NULL)
        inside.result = misuse(inside.buffer);
}

static void inside_ready(void *opaque, int64_t buffered)
{
    (void)opaque;
    (void)buffered;
    misuse_inside();
}

static void inside_log(void *opaque, uint32_t level, const char *message)
{
    (void)opaque;
    (void)level;
    (void)message;
    misuse_inside();
}

static void inside_begin(void *opaque)
{
    (void)opaque;
    misuse_inside();
}

/* Its second call. */
static int64_t inside_read(void *opaque, void *to, size_t capacity)
{
    stream *self = opaque;
    int64_t count = stream_read(self, to, capacity);
    if (stream_get(self, &self->reads) == 2)
        misuse_inside();
    return count;
}

static int64_t reader_inside(sb_buffer *buffer, int finds_size)
{
    sb_reader *reader = sb_reader_new(buffer);
    int64_t result;
    CHECK_EQ(sb_reader_seek(reader, 2000, SB_SEEK_SET), 2000);
    result = finds_size ? sb_reader_find_size(reader) : sb_reader_read(reader, 1, out);
    sb_reader_free(reader);
    return result;
}

static int64_t reopen_unknown(sb_buffer *buffer)
{
    return reopen(buffer, SB_SIZE_UNKNOWN);
}

/* Another thread is inside the source, whose return would be waited for since it has no `close`. */
static int64_t reopen_beside_a_read(int place)
{
    stream source;
    sb_callback callback;
    sb_watch *watch = NULL;
    call reader;

    stream_init(&source, SIZE, 100);
    source.stall_at = 100;
    source.obeys_cancel = 0;
    callback = stream_callback(&source);
    callback.close = NULL;
    memset(&inside, 0, sizeof inside);
    inside.buffer = sb_new(&callback, SB_SIZE_UNKNOWN, SB_MAX_DEFAULT);
    call_start(&reader, inside.buffer, 0, SIZE, NULL);
    stream_await_stall(&source);
    inside.misuse = reopen_unknown;
    if (place == READY) {
        CHECK_EQ(sb_when(inside.buffer, 500, inside_ready, NULL, &watch), SB_ERR_TIMEOUT);
        CHECK_EQ(sb_cancel(inside.buffer), SB_OK);
    } else {
        CHECK_EQ(sb_set_log(inside_log, NULL, SB_LOG_DEBUG), SB_OK);
        CHECK_EQ(sb_set_max_memory(inside.buffer, 1000), SB_OK);
        CHECK_EQ(sb_set_log(NULL, NULL, SB_LOG_OFF), SB_OK);
    }
    stream_release(&source, NEVER);
    CHECK_EQ(call_finish(&reader), place == READY ? SB_ERR_CANCELED : SIZE);
    sb_watch_free(watch);
    sb_free(inside.buffer);
    return inside.result;
}

static void in_push_buffer(int place)
{
    CHECK_EQ(sb_new_push(OPTIONS(.max_memory = SB_MAX_DEFAULT, .ahead = 1000), &inside.buffer), SB_OK);
    if (place == READY) {
        CHECK_EQ(sb_when(inside.buffer, 0, inside_ready, NULL, &inside.watch), SB_ERR_TIMEOUT);
        CHECK_EQ(sb_push(inside.buffer, 0, 10, whole, 0), 10);
    } else {
        CHECK_EQ(sb_push(inside.buffer, 0, 10, whole, 0), 10);
        CHECK_EQ(sb_set_log(inside_log, NULL, SB_LOG_DEBUG), SB_OK);
        CHECK_EQ(new_both(NULL), SB_OK);
        CHECK_EQ(sb_set_log(NULL, NULL, SB_LOG_OFF), SB_OK);
    }
}

static void in_source_buffer(int place, stream *source)
{
    sb_callback callback = { .read = inside_read, .opaque = source };
    sb_options with = { .struct_size = sizeof with, .size = SB_SIZE_UNKNOWN };
    inside_fn misuse = inside.misuse;
    unsigned char byte;

    inside.misuse = NULL;
    with.max_memory = SB_MAX_DEFAULT;
    with.thread_begin = place == BEGIN ? inside_begin : NULL;
    stream_init(source, SIZE, 10);
    CHECK_EQ(sb_new_with(&callback, &with, &inside.buffer), SB_OK);
    CHECK_EQ(sb_read(inside.buffer, 0, 10, out), 10);
    inside.misuse = misuse;
    /* With a timeout, the helper thread calls the source. */
    sb_read_some(inside.buffer, 10, 1, &byte, place == BEGIN ? 60000 : -1);
}

/* Does it inside one of the callbacks. */
static int64_t result_inside(int place, inside_fn misuse)
{
    stream source;
    memset(&inside, 0, sizeof inside);
    inside.misuse = misuse;
    inside.result = 12345;
    if (place == READY || place == LOG)
        in_push_buffer(place);
    else
        in_source_buffer(place, &source);
    sb_watch_free(inside.watch);
    sb_free(inside.buffer);
    return inside.result;
}

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
    pause_ms(80000);
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
