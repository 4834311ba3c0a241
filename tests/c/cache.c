/*
 * A cache: entries under keys, leases, one opener for all who ask, times, budgets, and an end at any
 * time. Every source checks itself that it is called as promised.
 */
#include "limit_files.h"

#include <signal.h>

enum { KEYS = 64, MIB = 1048576, SEGMENT = 262144 };

/* A resource: its bytes are those of check.h, `base` bytes further on. */
typedef struct resource {
    uint64_t size, tag, base;
    int fails;          /* what the opener returns */
    int64_t fail_at;    /* -1, or where a source fails with -5 */
    int opens, closes;  /* of its sources */
    int seeks;          /* its sources can seek */
    uint64_t pulled;
} resource;

/* A source over a resource. */
typedef struct track {
    resource *of;
    uint64_t at, size, base;
    int inside, canceled;
} track;

static resource resources[KEYS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int holds;          /* 1: openers wait; -n: the one of key n does */
static int waiting;        /* openers that do */
static int opens;          /* calls of the opener */
static uint64_t old_tag;   /* as the last opener got it */
static pthread_t opener_thread;
static int (*inside)(int key, sb_opened *out); /* called by the opener, if set */
static int empty;          /* the opener returns no source */
static sb_cache *cache;

static int track_pull(void *opaque, uint64_t offset, void *out, size_t capacity, size_t *count)
{
    track *self = opaque;
    unsigned char *bytes = out;
    uint64_t most = capacity < 50000 ? capacity : 50000, index;
    int result = SB_OK;

    pthread_mutex_lock(&lock);
    CHECK(!self->inside);
    self->inside = 1;
    CHECK(offset <= self->size);
    if (most > self->size - offset)
        most = self->size - offset;
    if (self->of->fail_at >= 0 && offset + most > (uint64_t)self->of->fail_at)
        most = (uint64_t)self->of->fail_at > offset ? (uint64_t)self->of->fail_at - offset : 0;
    if (self->of->fail_at >= 0 && offset == (uint64_t)self->of->fail_at)
        result = -5;
    pthread_mutex_unlock(&lock);
    for (index = 0; index < most; index++)
        bytes[index] = byte_at(self->base + offset + index);
    pthread_mutex_lock(&lock);
    self->inside = 0;
    self->of->pulled += most;
    pthread_mutex_unlock(&lock);
    *count = (size_t)most;
    return result;
}

static void track_close(void *opaque)
{
    track *self = opaque;
    pthread_mutex_lock(&lock);
    CHECK(!self->inside);
    self->of->closes++;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    free(self);
}

static int number_of(const void *key, size_t key_size)
{
    char text[16] = "";
    CHECK(key_size < sizeof text);
    memcpy(text, key, key_size);
    return atoi(text);
}

static int open_track(void *opaque, const void *key, size_t key_size, uint64_t tag, sb_opened *out)
{
    int number = number_of(key, key_size), result;
    resource *of = &resources[number];
    track *self;

    CHECK(opaque == &resources);
    CHECK_EQ(out->struct_size, sizeof *out);
    CHECK_EQ(out->tag, 0);
    CHECK(out->size == SB_SIZE_UNKNOWN);
    CHECK(out->source.close == NULL);
    pthread_mutex_lock(&lock);
    opens++;
    old_tag = tag;
    opener_thread = pthread_self();
    waiting++;
    pthread_cond_broadcast(&changed);
    while (holds == 1 || (holds < 0 && holds == -number))
        pthread_cond_wait(&changed, &lock);
    waiting--;
    pthread_mutex_unlock(&lock);
    if (inside != NULL)
        return inside(number, out);
    result = of->fails;
    if (result != 0)
        return result;
    out->tag = of->tag;
    out->size = of->size;
    if (empty)
        return 0;
    self = calloc(1, sizeof *self);
    CHECK(self != NULL);
    self->of = of;
    self->size = of->size;
    self->base = of->base;
    pthread_mutex_lock(&lock);
    of->opens++;
    pthread_mutex_unlock(&lock);
    out->source.pull = track_pull;
    out->source.close = track_close;
    out->source.opaque = self;
    out->source.flags = of->seeks ? SB_SOURCE_SEEKS : 0;
    return 0;
}

static int get(const int *member)
{
    int value;
    pthread_mutex_lock(&lock);
    value = *member;
    pthread_mutex_unlock(&lock);
    return value;
}

static void hold(int on)
{
    pthread_mutex_lock(&lock);
    holds = on;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static void reset(void)
{
    int index;
    for (index = 0; index < KEYS; index++) {
        resource fresh = { 1000000, (uint64_t)index + 1, (uint64_t)index * 7919, 0, -1, 0, 0, 0, 0 };
        resources[index] = fresh;
    }
    opens = holds = waiting = empty = 0;
    inside = NULL;
    cache = NULL;
}

static sb_cache_options options(void)
{
    sb_cache_options with;
    CHECK_EQ(sb_cache_options_init(&with, sizeof with), SB_OK);
    CHECK_EQ(with.max_memory, 64 * MIB);
    CHECK_EQ(with.threads, 4);
    with.open = open_track;
    with.opaque = &resources;
    with.max_memory = 4 * MIB;
    with.max_disk = 16 * MIB;
    return with;
}

static void begin(const sb_cache_options *with)
{
    reset();
    CHECK_EQ(sb_cache_new(with, &cache), SB_OK);
    CHECK(cache != NULL);
}

static void begin_default(void)
{
    sb_cache_options with = options();
    begin(&with);
}

static sb_cache_stats stat_now(void)
{
    sb_cache_stats stats;
    CHECK_EQ(sb_cache_stat(cache, &stats, sizeof stats), SB_OK);
    return stats;
}

/* Every source that was opened was closed. */
static void finish(void)
{
    int index;
    sb_cache_free(cache);
    for (index = 0; index < KEYS; index++)
        WAIT_UNTIL(get(&resources[index].opens) == get(&resources[index].closes));
}

static int open_with(int number, const sb_reader_options *with, sb_reader **out)
{
    char key[16];
    int size = snprintf(key, sizeof key, "%d", number);
    *out = (sb_reader *)&resources;
    return sb_cache_open(cache, key, (size_t)size, with, out);
}

static sb_reader *open_key(int number)
{
    sb_reader *reader;
    CHECK_EQ(open_with(number, NULL, &reader), SB_OK);
    CHECK(reader != NULL);
    return reader;
}

static int open_fails(int number, const sb_reader_options *with)
{
    sb_reader *reader;
    int result = open_with(number, with, &reader);
    CHECK(result < 0);
    CHECK(reader == NULL);
    return result;
}

static sb_reader_options reading(int64_t timeout_ms, uint32_t flags)
{
    sb_reader_options with;
    CHECK_EQ(sb_reader_options_init(&with, sizeof with), SB_OK);
    with.timeout_ms = timeout_ms;
    with.flags = flags;
    return with;
}

static void remove_key(int number)
{
    char key[16];
    int size = snprintf(key, sizeof key, "%d", number);
    CHECK_EQ(sb_cache_remove(cache, key, (size_t)size), SB_OK);
}

/* Reads from the reader's position on, and checks every byte. Returns how many, or an error. */
static int64_t read_on(sb_reader *reader, uint64_t base, uint64_t most)
{
    unsigned char bytes[65536];
    int64_t at = sb_reader_seek(reader, 0, SEEK_CUR), start = at;
    CHECK(at >= 0);
    while ((uint64_t)(at - start) < most) {
        uint64_t left = most - (uint64_t)(at - start);
        int64_t count = sb_reader_read(reader, left < sizeof bytes ? (size_t)left : sizeof bytes, bytes);
        if (count < 0)
            return count;
        if (count == 0)
            break;
        CHECK_BYTES(bytes, base + (uint64_t)at, (uint64_t)count);
        at += count;
    }
    return at - start;
}

static void read_whole(sb_reader *reader, int number)
{
    CHECK_EQ(sb_reader_seek(reader, 0, SB_SEEK_SET), 0);
    CHECK_EQ(read_on(reader, resources[number].base, UINT64_MAX), resources[number].size);
}

/* ---- leases -------------------------------------------------------------------------------------- */

static void hits_and_leases(void)
{
    sb_reader *reader, *other, *more;
    sb_buffer *buffer;
    sb_callback callback = { .read = stream_read };
    unsigned char bytes[100];

    begin_default();
    reader = open_key(1);
    read_whole(reader, 1);
    other = open_key(1);
    CHECK_EQ(opens, 1);
    buffer = sb_reader_buffer(reader);
    CHECK(buffer != NULL && buffer == sb_reader_buffer(other));
    more = sb_reader_new(buffer);
    CHECK(more != NULL);
    CHECK_EQ(stat_now().leases, 3);
    CHECK_EQ(stat_now().hits, 1);
    CHECK_EQ(stat_now().misses, 1);
    CHECK_EQ(stat_now().pulled, 1000000);

    /* The buffer is the cache's. */
    CHECK_EQ(sb_cancel(buffer), SB_ERR_UNSUPPORTED);
    callback.close = stream_close;
    {
        stream spare;
        stream_init(&spare, 10, 0);
        callback.opaque = &spare;
        CHECK_EQ(sb_reopen(buffer, &callback, SB_SIZE_UNKNOWN), SB_ERR_UNSUPPORTED);
        CHECK_EQ(spare.closes, 1);
    }
    sb_free(buffer);
    sb_free(buffer);
    CHECK_EQ(sb_read(buffer, 5, 100, bytes), 100);
    CHECK_BYTES(bytes, resources[1].base + 5, 100);
    CHECK_EQ(sb_size(buffer), 1000000);
    CHECK_EQ(sb_save(buffer, "saved"), 1000000);
    CHECK_EQ(unlink("saved"), 0);
    CHECK_EQ(sb_prefetch(buffer, 1000), SB_OK);
    CHECK_EQ(sb_spill(buffer), SB_OK);
    CHECK(stat_now().disk >= 1000000);
    CHECK_EQ(sb_read(buffer, 0, 100, bytes), 100);
    CHECK_EQ(stats_of(buffer).disk, 1000000);

    sb_reader_free(reader);
    sb_reader_free(other);
    CHECK_EQ(stat_now().leases, 1);
    read_whole(more, 1);
    sb_reader_free(more);
    sb_reader_free(more);
    CHECK_EQ(stat_now().leases, 0);
    CHECK_EQ(stat_now().entries, 1);
    /* No lease, no further lease. */
    CHECK(sb_reader_new(buffer) == NULL);
    finish();
    CHECK_EQ(sb_size(buffer), SB_ERR_INVALID);
}

/* An idle entry holds no connection, and goes on with another one. */
static void idle_closes_source(void)
{
    sb_reader *reader, *peek;
    sb_reader_options buffered = reading(-1, SB_READER_BUFFERED);
    sb_buffer *buffer;
    unsigned char bytes[100];

    begin_default();
    reader = open_key(1);
    CHECK_EQ(read_on(reader, resources[1].base, 300000), 300000);
    CHECK_EQ(get(&resources[1].closes), 0);
    sb_reader_free(reader);
    CHECK_EQ(get(&resources[1].closes), 1);

    /* What is there is handed out without a source. */
    CHECK_EQ(open_with(1, &buffered, &peek), SB_OK);
    CHECK_EQ(opens, 1);
    CHECK_EQ(read_on(peek, resources[1].base, 300000), 300000);
    CHECK_EQ(sb_reader_seek(peek, 900000, SB_SEEK_SET), 900000);
    CHECK_EQ(sb_reader_read(peek, 100, bytes), SB_ERR_TIMEOUT);
    buffer = sb_reader_buffer(peek);
    CHECK_EQ(sb_read(buffer, 900000, 100, bytes), SB_ERR_CANCELED);
    CHECK_EQ(sb_find_size(buffer, -1), SB_ERR_CANCELED);
    CHECK_EQ(sb_save(buffer, "never"), SB_ERR_CANCELED);
    CHECK_EQ(stats_of(buffer).status, SB_ERR_CANCELED);
    CHECK_EQ(stats_of(buffer).state, SB_STATE_CANCELED);

    /* The same tag: the bytes stay. The opener is told that a source is needed. */
    reader = open_key(1);
    CHECK_EQ(opens, 2);
    CHECK_EQ(old_tag, 0);
    CHECK(sb_reader_buffer(reader) == buffer);
    CHECK_EQ(stats_of(buffer).status, SB_OK);
    CHECK_EQ(stats_of(buffer).state, SB_STATE_OPEN);
    read_whole(reader, 1);
    CHECK_EQ(sb_reader_read(peek, 100, bytes), 100);
    CHECK_BYTES(bytes, resources[1].base + 900000, 100);
    sb_reader_free(peek);
    sb_reader_free(reader);
    CHECK_EQ(get(&resources[1].closes), 2);

    /* Without a tag it begins anew. */
    resources[2].tag = 0;
    reader = open_key(2);
    CHECK_EQ(read_on(reader, resources[2].base, 300000), 300000);
    sb_reader_free(reader);
    reader = open_key(2);
    CHECK_EQ(sb_buffered(sb_reader_buffer(reader), 0), 0);
    read_whole(reader, 2);
    sb_reader_free(reader);
    finish();
}

/* A watch is no lease: it ends with the source. */
static int64_t watched;
static void on_ready(void *opaque, int64_t buffered)
{
    (void)opaque;
    pthread_mutex_lock(&lock);
    watched = buffered;
    pthread_mutex_unlock(&lock);
}

static void watch_is_no_lease(void)
{
    sb_reader_options buffered = reading(0, SB_READER_BUFFERED);
    sb_reader *reader;
    sb_watch *watch;

    begin_default();
    resources[1].fail_at = 100000;
    reader = open_key(1);
    CHECK_EQ(read_on(reader, resources[1].base, 50000), 50000);
    watched = 1;
    sb_reader_free(reader);
    CHECK_EQ(open_with(1, &buffered, &reader), SB_OK);
    CHECK_EQ(sb_when(sb_reader_buffer(reader), 90000, on_ready, NULL, &watch), SB_ERR_CANCELED);
    CHECK(watch == NULL);
    CHECK_EQ(watched, 1);
    sb_reader_free(reader);
    finish();
}

/* ---- one opener ---------------------------------------------------------------------------------- */

typedef struct visitor {
    pthread_t thread;
    int number, result;
    int64_t timeout_ms;
    sb_reader *reader;
} visitor;

static void *visit(void *opaque)
{
    visitor *self = opaque;
    sb_reader_options with = reading(self->timeout_ms, 0);
    self->result = open_with(self->number, &with, &self->reader);
    return NULL;
}

static void visitor_start(visitor *self, int number, int64_t timeout_ms)
{
    memset(self, 0, sizeof *self);
    self->number = number;
    self->timeout_ms = timeout_ms;
    CHECK_EQ(pthread_create(&self->thread, NULL, visit, self), 0);
}

static int visitor_finish(visitor *self)
{
    CHECK_EQ(pthread_join(self->thread, NULL), 0);
    return self->result;
}

static void *read_through(void *opaque)
{
    visitor *self = opaque;
    visit(self);
    CHECK_EQ(self->result, SB_OK);
    read_whole(self->reader, self->number);
    return NULL;
}

static void single_flight(void)
{
    enum { THREADS = 64 };
    static visitor visitors[THREADS];
    int index;

    begin_default();
    hold(1);
    for (index = 0; index < THREADS; index++) {
        memset(&visitors[index], 0, sizeof visitors[index]);
        visitors[index].number = 3;
        visitors[index].timeout_ms = -1;
        CHECK_EQ(pthread_create(&visitors[index].thread, NULL, read_through, &visitors[index]), 0);
    }
    WAIT_UNTIL(stat_now().misses == THREADS);
    CHECK_EQ(stat_now().opening, 1);
    hold(0);
    for (index = 0; index < THREADS; index++)
        CHECK_EQ(visitor_finish(&visitors[index]), SB_OK);
    CHECK_EQ(opens, 1);
    CHECK_EQ(stat_now().pulled, resources[3].size);
    CHECK_EQ(resources[3].pulled, resources[3].size);
    CHECK_EQ(stat_now().leases, THREADS);
    for (index = 0; index < THREADS; index++)
        sb_reader_free(visitors[index].reader);
    finish();
}

/* Its error reaches all who wait, and is not remembered. */
static void opener_fails(void)
{
    visitor visitors[3];
    sb_error error;
    sb_reader_options with = reading(-1, 0);
    char text[200];
    size_t index;

    begin_default();
    resources[1].fails = -404;
    hold(1);
    for (index = 0; index < COUNT_OF(visitors); index++)
        visitor_start(&visitors[index], 1, index == 2 ? 50000 : -1);
    WAIT_UNTIL(stat_now().misses == COUNT_OF(visitors));
    hold(0);
    for (index = 0; index < COUNT_OF(visitors); index++) {
        CHECK_EQ(visitor_finish(&visitors[index]), SB_ERR_SOURCE);
        CHECK(visitors[index].reader == NULL);
    }
    CHECK_EQ(opens, 1);
    CHECK_EQ(stat_now().entries, 0);

    CHECK_EQ(sb_error_init(&error, sizeof error), SB_OK);
    with.error = &error;
    CHECK_EQ(open_fails(1, &with), SB_ERR_SOURCE);
    CHECK_EQ(error.status, SB_ERR_SOURCE);
    CHECK_EQ(error.source, -404);
    CHECK_EQ(error.operation, SB_OP_SOURCE_OPEN);
    CHECK(sb_error_text(&error, text, sizeof text) > 0);
    CHECK(strstr(text, "open the source") != NULL);
    resources[1].fails = 17;
    CHECK_EQ(open_fails(1, &with), SB_ERR_SOURCE);
    CHECK_EQ(error.source, 17);
    resources[1].fails = SB_SOURCE_CANCELED;
    CHECK_EQ(open_fails(1, &with), SB_ERR_CANCELED);
    resources[1].fails = SB_SOURCE_UNSUPPORTED;
    CHECK_EQ(open_fails(1, &with), SB_ERR_UNSUPPORTED);
    resources[1].fails = 0;
    CHECK_EQ(open_with(1, &with, &visitors[0].reader), SB_OK);
    CHECK_EQ(error.status, SB_OK);
    read_whole(visitors[0].reader, 1);
    sb_reader_free(visitors[0].reader);
    finish();
}

/* A time limit holds whatever the opener does, and the opener's result is for the next. */
static void timed_opens(void)
{
    sb_reader_options at_once = reading(0, 0), soon = reading(20, 0);
    sb_reader_options buffered = reading(-1, SB_READER_BUFFERED);
    sb_reader_options patient = reading(60000, 0), waits = reading(60000, SB_READER_BUFFERED);
    visitor late;
    sb_reader *reader;

    begin_default();
    hold(1);
    CHECK_EQ(open_fails(1, &buffered), SB_ERR_TIMEOUT);
    CHECK_EQ(opens, 0);
    CHECK_EQ(open_fails(1, &at_once), SB_ERR_TIMEOUT);
    WAIT_UNTIL(get(&waiting) == 1);
    CHECK(!pthread_equal(opener_thread, pthread_self()));
    CHECK_EQ(open_fails(1, &soon), SB_ERR_TIMEOUT);
    CHECK_EQ(open_fails(1, &buffered), SB_ERR_TIMEOUT);
    visitor_start(&late, 1, 60000);
    WAIT_UNTIL(stat_now().misses == 5);
    hold(0);
    CHECK_EQ(visitor_finish(&late), SB_OK);
    CHECK_EQ(opens, 1);
    WAIT_UNTIL(stat_now().leases == 1);
    read_whole(late.reader, 1);
    sb_reader_free(late.reader);
    CHECK_EQ(open_with(1, &at_once, &reader), SB_OK);
    sb_reader_free(reader);
    CHECK_EQ(opens, 1);

    /* Nobody waits any more: the entry is there for the next. */
    hold(1);
    CHECK_EQ(open_fails(2, &at_once), SB_ERR_TIMEOUT);
    WAIT_UNTIL(get(&waiting) == 1);
    hold(0);
    WAIT_UNTIL(stat_now().opening == 0);
    CHECK_EQ(open_with(2, &waits, &reader), SB_OK);
    sb_reader_free(reader);
    CHECK_EQ(open_with(2, &patient, &reader), SB_OK);
    CHECK_EQ(read_on(reader, resources[2].base, UINT64_MAX), 1000000);
    sb_reader_free(reader);
    CHECK_EQ(stat_now().leases, 0);
    finish();
}

static int closes_of(int first, int end)
{
    int sum = 0;
    for (; first < end; first++)
        sum += get(&resources[first].closes);
    return sum;
}

/* What an opener brings when nobody waits is for the next open of the key, so that a loop can poll. */
static void polling(void)
{
    enum { POLLS = 40, FIRST = 10, END = 30, MOST = 16 };
    sb_reader_options at_once = reading(0, 0), soon = reading(1, 0);
    sb_reader *reader, *other;
    sb_error error;
    int64_t start;
    int polls, number;

    begin_default();
    hold(1);
    for (polls = 0; polls < POLLS; polls++)
        CHECK_EQ(open_fails(1, polls % 8 == 0 ? &soon : &at_once), SB_ERR_TIMEOUT);
    start = now_ms();
    hold(0);
    WAIT_UNTIL(stat_now().opening == 0);
    for (; open_with(1, &at_once, &reader) == SB_ERR_TIMEOUT; polls++)
        CHECK(reader == NULL);
    /* On a machine that pauses for that long, its time may have been up. */
    CHECK(now_ms() - start > 4000 || get(&opens) == 1);
    CHECK_EQ(stat_now().leases, 1);
    CHECK_EQ(stat_now().hits + stat_now().misses, polls + 1);
    CHECK(stat_now().hits <= 1);
    other = open_key(1);
    read_whole(other, 1);
    sb_reader_free(other);
    sb_reader_free(reader);

    /* An error is for the next one, too, and for one only. */
    resources[2].fails = -404;
    hold(1);
    polls = get(&opens);
    CHECK_EQ(open_fails(2, &at_once), SB_ERR_TIMEOUT);
    start = now_ms();
    hold(0);
    WAIT_UNTIL(stat_now().opening == 0);
    CHECK_EQ(sb_error_init(&error, sizeof error), SB_OK);
    at_once.error = &error;
    if (open_fails(2, &at_once) == SB_ERR_SOURCE) {
        CHECK_EQ(error.source, -404);
        CHECK_EQ(get(&opens), polls + 1);
    } else {
        CHECK(now_ms() - start > 4000);
    }
    resources[2].fails = 0;
    at_once.error = NULL;
    reader = open_key(2);
    read_whole(reader, 2);
    sb_reader_free(reader);

    /* Some at a time. All that are left are closed by the end. */
    hold(1);
    for (number = FIRST; number < END; number++)
        CHECK_EQ(open_fails(number, &at_once), SB_ERR_TIMEOUT);
    start = now_ms();
    hold(0);
    WAIT_UNTIL(stat_now().opening == 0);
    CHECK(closes_of(FIRST, END) >= END - FIRST - MOST);
    CHECK(now_ms() - start > 4000 || closes_of(FIRST, END) == END - FIRST - MOST);
    CHECK_EQ(stat_now().entries, END - FIRST + 2);
    CHECK_EQ(stat_now().leases, 0);
    finish();
}

/* Helpers that are all inside openers that stall hold up nobody who may call the opener. */
static void busy_helpers(void)
{
    sb_cache_options with = options();
    sb_reader_options at_once = reading(0, 0);
    sb_reader *reader;

    with.threads = 1;
    begin(&with);
    hold(-1);
    CHECK_EQ(open_fails(1, &at_once), SB_ERR_TIMEOUT);
    WAIT_UNTIL(get(&waiting) == 1);
    /* This one waits for the helper. */
    CHECK_EQ(open_fails(2, &at_once), SB_ERR_TIMEOUT);
    CHECK_EQ(stat_now().opening, 2);
    reader = open_key(2);
    CHECK(pthread_equal(opener_thread, pthread_self()));
    read_whole(reader, 2);
    sb_reader_free(reader);
    CHECK_EQ(stat_now().opening, 1);
    hold(0);
    WAIT_UNTIL(stat_now().opening == 0);
    CHECK_EQ(opens, 2);
    finish();
}

/* ---- what an opener may return -------------------------------------------------------------------- */

static sb_callback returned;

static int return_this(int number, sb_opened *out)
{
    (void)number;
    out->source = returned;
    out->tag = 77;
    return 0;
}

static void bad_callbacks(void)
{
    stream spare;
    stream_init(&spare, 1000, 0);
    begin_default();
    inside = return_this;
    memset(&returned, 0, sizeof returned);
    CHECK_EQ(open_fails(1, NULL), SB_ERR_INVALID); /* nothing, and nothing is there */
    returned = stream_callback(&spare);
    returned.read = NULL;
    CHECK_EQ(open_fails(1, NULL), SB_ERR_INVALID);
    returned = stream_callback(&spare);
    returned.close = NULL;
    CHECK_EQ(open_fails(1, NULL), SB_ERR_INVALID);
    returned = stream_callback(&spare);
    returned.pull = track_pull;
    CHECK_EQ(open_fails(1, NULL), SB_ERR_INVALID);
    returned = stream_callback(&spare);
    returned.reserved_flags = 1;
    CHECK_EQ(open_fails(1, NULL), SB_ERR_INVALID);
    memset(&returned, 0, sizeof returned);
    returned.opaque = &spare;
    CHECK_EQ(open_fails(1, NULL), SB_ERR_INVALID);
    CHECK_EQ(spare.closes, 0);
    CHECK_EQ(spare.cancels, 0);
    CHECK_EQ(opens, 6);
    CHECK_EQ(stat_now().entries, 0);
    finish();
}

static int inner_result;

static int open_own(int number, sb_opened *out)
{
    sb_reader_options soon = reading(10, 0), buffered = reading(-1, SB_READER_BUFFERED);
    (void)out;
    inner_result = open_fails(number, NULL);
    CHECK_EQ(open_fails(number, &soon), inner_result);
    CHECK_EQ(open_fails(number, &buffered), inner_result);
    return -1;
}

static int open_next(int number, sb_opened *out)
{
    sb_reader *reader;
    (void)out;
    inside = NULL;
    CHECK_EQ(open_with(number + 1, NULL, &reader), SB_OK);
    read_whole(reader, number + 1);
    sb_reader_free(reader);
    return -1;
}

static int in_circle[2];

/* The openers of 1 and 2 open each other's keys. */
static int open_other(int number, sb_opened *out)
{
    sb_reader *reader;
    (void)out;
    in_circle[number - 1] = open_with(3 - number, NULL, &reader);
    if (in_circle[number - 1] == SB_OK)
        sb_reader_free(reader);
    return -9;
}

static void reentry(void)
{
    visitor visitors[2];
    begin_default();
    inside = open_own;
    CHECK_EQ(open_fails(1, NULL), SB_ERR_SOURCE);
    CHECK_EQ(inner_result, SB_ERR_REENTRANT);
    {
        sb_reader_options timed = reading(60000, 0);
        CHECK_EQ(open_fails(1, &timed), SB_ERR_SOURCE);
        CHECK_EQ(inner_result, SB_ERR_REENTRANT);
    }
    inside = open_next;
    CHECK_EQ(open_fails(1, NULL), SB_ERR_SOURCE);

    /* In a circle: the one that would close it is refused. */
    remove_key(2);
    hold(1);
    visitor_start(&visitors[0], 1, -1);
    visitor_start(&visitors[1], 2, 60000);
    WAIT_UNTIL(get(&waiting) == 2);
    inside = open_other;
    hold(0);
    CHECK_EQ(visitor_finish(&visitors[0]), SB_ERR_SOURCE);
    CHECK_EQ(visitor_finish(&visitors[1]), SB_ERR_SOURCE);
    CHECK((in_circle[0] == SB_ERR_REENTRANT) != (in_circle[1] == SB_ERR_REENTRANT));
    CHECK(in_circle[0] == SB_ERR_SOURCE || in_circle[1] == SB_ERR_SOURCE);
    inside = NULL;
    finish();
}

/* ---- times ---------------------------------------------------------------------------------------- */

static void revalidation(void)
{
    sb_cache_options with = options();
    sb_reader *reader, *old;
    with.fresh_ms = 0;
    begin(&with);
    reader = open_key(1);
    read_whole(reader, 1);
    sb_reader_free(reader);
    pause_ms(5);

    /* The same tag, no source. */
    empty = 1;
    reader = open_key(1);
    CHECK_EQ(opens, 2);
    CHECK_EQ(old_tag, resources[1].tag);
    read_whole(reader, 1);
    CHECK_EQ(resources[1].pulled, 1000000);
    pause_ms(5);

    /* The same tag, and a source that nobody needs. */
    empty = 0;
    old = open_key(1);
    CHECK_EQ(opens, 3);
    CHECK_EQ(get(&resources[1].closes), 2);
    CHECK(sb_reader_buffer(old) == sb_reader_buffer(reader));
    sb_reader_free(reader);
    pause_ms(5);

    /* Another tag: another entry, and the old one stays for its lease. */
    resources[1].tag = 1000;
    resources[1].base = 12345;
    reader = open_key(1);
    CHECK_EQ(opens, 4);
    CHECK(sb_reader_buffer(old) != sb_reader_buffer(reader));
    read_whole(reader, 1);
    CHECK_EQ(sb_reader_seek(old, 0, SB_SEEK_SET), 0);
    CHECK_EQ(read_on(old, 7919, UINT64_MAX), 1000000);
    CHECK_EQ(stat_now().entries, 2);
    sb_reader_free(old);
    CHECK_EQ(stat_now().entries, 1);
    sb_reader_free(reader);
    pause_ms(5);

    /* An opener that fails leaves the entry; one that leaves the source out must have the tag. */
    resources[1].fails = -1;
    CHECK_EQ(open_fails(1, NULL), SB_ERR_SOURCE);
    resources[1].fails = 0;
    resources[1].tag = 0;
    empty = 1;
    CHECK_EQ(open_fails(1, NULL), SB_ERR_INVALID);
    resources[1].tag = 1000;
    reader = open_key(1);
    read_whole(reader, 1);
    sb_reader_free(reader);
    finish();
}

static void idle_time(void)
{
    sb_cache_options with = options();
    sb_reader *reader;
    with.idle_ms = 1;
    begin(&with);
    reader = open_key(1);
    read_whole(reader, 1);
    pause_ms(20);
    CHECK_EQ(stat_now().entries, 1);
    sb_reader_free(reader);
    WAIT_UNTIL(stat_now().entries == 0);
    CHECK_EQ(stat_now().expired, 1);
    CHECK_EQ(stat_now().memory, 0);
    finish();
}

/* An entry that failed is opened again, with what it has. */
static void failed_entry(void)
{
    sb_reader *reader, *again;
    begin_default();
    resources[1].fail_at = 400000;
    reader = open_key(1);
    CHECK_EQ(read_on(reader, resources[1].base, UINT64_MAX), -2);
    resources[1].fail_at = -1;
    again = open_key(1);
    CHECK_EQ(opens, 2);
    CHECK(sb_reader_buffer(reader) == sb_reader_buffer(again));
    CHECK_EQ(sb_buffered(sb_reader_buffer(again), 0), 400000);
    read_whole(again, 1);
    read_whole(reader, 1);
    sb_reader_free(again);
    sb_reader_free(reader);
    finish();
}

/* ---- budgets --------------------------------------------------------------------------------------- */

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
    limit_files(RLIM_INFINITY);
    read_whole(reader, 1);
    sb_reader_free(reader);
    finish();
}

/* ---- removal and the end ---------------------------------------------------------------------------- */

static void removal(void)
{
    sb_reader *old, *new;
    visitor waiter;
    begin_default();
    old = open_key(1);
    CHECK_EQ(read_on(old, resources[1].base, 1000), 1000);
    remove_key(1);
    remove_key(2);
    resources[1].base = 4711;
    new = open_key(1);
    CHECK_EQ(opens, 2);
    CHECK_EQ(read_on(old, 7919, UINT64_MAX), 1000000 - 1000);
    read_whole(new, 1);
    CHECK_EQ(stat_now().entries, 2);
    sb_reader_free(old);
    CHECK_EQ(stat_now().entries, 1);
    sb_reader_free(new);
    remove_key(1);
    CHECK_EQ(stat_now().entries, 0);

    /* While the opener runs: its entry is for those who wait for it. */
    hold(1);
    visitor_start(&waiter, 3, -1);
    WAIT_UNTIL(get(&waiting) == 1);
    remove_key(3);
    hold(0);
    CHECK_EQ(visitor_finish(&waiter), SB_OK);
    new = open_key(3);
    CHECK_EQ(opens, 4);
    CHECK(sb_reader_buffer(new) != sb_reader_buffer(waiter.reader));
    sb_reader_free(new);
    read_whole(waiter.reader, 3);
    sb_reader_free(waiter.reader);
    CHECK_EQ(stat_now().entries, 1);

    /* All that is not in use. */
    old = open_key(4);
    CHECK_EQ(sb_cache_remove(cache, NULL, 0), SB_OK);
    CHECK_EQ(stat_now().entries, 1);
    read_whole(old, 4);
    sb_reader_free(old);
    finish();
}

static void *free_cache(void *opaque)
{
    sb_cache_free(opaque);
    note("the free has returned");
    return NULL;
}

static int free_inside(int number, sb_opened *out)
{
    (void)number;
    (void)out;
    sb_cache_free(cache);
    return -3;
}

static void freeing(void)
{
    pthread_t thread;
    visitor visitors[2];
    sb_reader *reader, *unread;
    unsigned char bytes[10];

    /* Readers outlive it. */
    begin_default();
    reader = open_key(1);
    unread = open_key(2);
    read_whole(reader, 1);
    finish();
    CHECK_EQ(sb_reader_read(reader, 10, bytes), SB_ERR_INVALID);
    CHECK_EQ(sb_reader_read(unread, 10, bytes), SB_ERR_INVALID);
    CHECK(sb_reader_buffer(reader) == NULL);
    sb_cache_free(cache);
    CHECK_EQ(open_fails(1, NULL), SB_ERR_INVALID);
    sb_reader_free(reader);
    sb_reader_free(unread);

    /* It waits for the openers of other threads, and those who wait for these are canceled. */
    begin_default();
    hold(1);
    visitor_start(&visitors[0], 1, -1);
    WAIT_UNTIL(get(&waiting) == 1);
    visitor_start(&visitors[1], 1, -1);
    WAIT_UNTIL(stat_now().misses == 2);
    CHECK_EQ(pthread_create(&thread, NULL, free_cache, cache), 0);
    CHECK_EQ(visitor_finish(&visitors[1]), SB_ERR_CANCELED);
    note("the opener goes on");
    hold(0);
    CHECK_EQ(visitor_finish(&visitors[0]), SB_ERR_CANCELED);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_ORDER("the opener goes on", "the free has returned");
    finish();

    /* Not for the opener in which it is called, on either kind of thread. */
    begin_default();
    inside = free_inside;
    CHECK_EQ(open_fails(1, NULL), SB_ERR_CANCELED);
    finish();
    {
        sb_reader_options timed = reading(60000, 0);
        begin_default();
        inside = free_inside;
        CHECK_EQ(open_fails(1, &timed), SB_ERR_CANCELED);
        finish();
    }
}

/* A reader that is blocked is canceled. */
static void free_while_reading(void)
{
    stream source;
    call blocked;
    sb_reader *reader;
    stream_init(&source, 1000000, 0);
    source.stall_at = 1000;
    begin_default();
    inside = return_this;
    returned = stream_callback(&source);
    reader = open_key(1);
    call_start_reader(&blocked, reader, 100000, NULL);
    CHECK_EQ(call_finish(&blocked), 1000);
    call_start_reader(&blocked, reader, 100000, NULL);
    stream_await_stall(&source);
    sb_cache_free(cache);
    CHECK_EQ(call_finish(&blocked), SB_ERR_CANCELED);
    WAIT_UNTIL(stream_get(&source, &source.closes) == 1);
    sb_reader_free(reader);
    finish();
}

static int begun, ended;
static sb_buffer *beside;

/* What would wait, in a hook: others may be waiting for this thread. */
static void waits_for_nobody(void)
{
    unsigned char byte;
    CHECK_EQ(sb_read(beside, 0, 1, &byte), SB_ERR_REENTRANT);
    CHECK_EQ(sb_read_some(beside, 0, 1, &byte, 60000), SB_ERR_REENTRANT);
    CHECK_EQ(sb_read_some(beside, 0, 1, &byte, 0), SB_ERR_TIMEOUT);
}

static void thread_begin(void *opaque)
{
    sb_reader_options timed = reading(60000, 0);
    CHECK(opaque == &begun);
    CHECK_EQ(open_fails(2, &timed), SB_ERR_REENTRANT);
    pthread_mutex_lock(&lock);
    begun++;
    pthread_mutex_unlock(&lock);
    waits_for_nobody();
}

static void thread_end(void *opaque)
{
    CHECK(opaque == &begun);
    waits_for_nobody();
    pthread_mutex_lock(&lock);
    ended++;
    pthread_mutex_unlock(&lock);
}

/* Every thread that calls an opener or a source is prepared. */
static void hooks(void)
{
    sb_cache_options with = options();
    sb_reader_options timed = reading(60000, 0);
    sb_reader *reader;
    stream source;
    stream_init(&source, 1000, 0);
    beside = stream_open(&source, SB_SIZE_UNKNOWN, SB_MAX_DEFAULT);
    with.thread_opaque = &begun;
    with.thread_begin = thread_begin;
    with.thread_end = thread_end;
    with.prefetch = 500000;
    begin(&with);
    CHECK_EQ(open_with(1, &timed, &reader), SB_OK);
    read_whole(reader, 1);
    CHECK(get(&begun) > 0);
    sb_reader_free(reader);
    finish();
    CHECK_EQ(get(&begun), get(&ended));
    sb_free(beside);
}

int main(void)
{
    hits_and_leases();
    idle_closes_source();
    watch_is_no_lease();
    single_flight();
    opener_fails();
    timed_opens();
    polling();
    busy_helpers();
    bad_callbacks();
    reentry();
    revalidation();
    idle_time();
    failed_entry();
    eviction();
    small_budgets();
    full_disk();
    removal();
    freeing();
    free_while_reading();
    hooks();
    return 0;
}
