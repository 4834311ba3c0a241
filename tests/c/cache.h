/* A cache of resources, and threads that open them, for the programs about sb_cache. */
#ifndef CACHE_H
#define CACHE_H

#include "check.h"

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

static inline int track_pull(void *opaque, uint64_t offset, void *out, size_t capacity, size_t *count)
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

static inline void track_close(void *opaque)
{
    track *self = opaque;
    pthread_mutex_lock(&lock);
    CHECK(!self->inside);
    self->of->closes++;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    free(self);
}

static inline int number_of(const void *key, size_t key_size)
{
    char text[16] = "";
    CHECK(key_size < sizeof text);
    memcpy(text, key, key_size);
    return atoi(text);
}

static inline int open_track(void *opaque, const void *key, size_t key_size, uint64_t tag,
                             sb_opened *out)
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

static inline int get(const int *member)
{
    int value;
    pthread_mutex_lock(&lock);
    value = *member;
    pthread_mutex_unlock(&lock);
    return value;
}

static inline void hold(int on)
{
    pthread_mutex_lock(&lock);
    holds = on;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static inline void reset(void)
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

static inline sb_cache_options options(void)
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

static inline void begin(const sb_cache_options *with)
{
    reset();
    CHECK_EQ(sb_cache_new(with, &cache), SB_OK);
    CHECK(cache != NULL);
}

static inline void begin_default(void)
{
    sb_cache_options with = options();
    begin(&with);
}

static inline sb_cache_stats stat_now(void)
{
    sb_cache_stats stats;
    CHECK_EQ(sb_cache_stat(cache, &stats, sizeof stats), SB_OK);
    return stats;
}

/* Every source that was opened was closed. */
static inline void finish(void)
{
    int index;
    sb_cache_free(cache);
    for (index = 0; index < KEYS; index++)
        WAIT_UNTIL(get(&resources[index].opens) == get(&resources[index].closes));
}

static inline int open_with(int number, const sb_reader_options *with, sb_reader **out)
{
    char key[16];
    int size = snprintf(key, sizeof key, "%d", number);
    *out = (sb_reader *)&resources;
    return sb_cache_open(cache, key, (size_t)size, with, out);
}

static inline sb_reader *open_key(int number)
{
    sb_reader *reader;
    CHECK_EQ(open_with(number, NULL, &reader), SB_OK);
    CHECK(reader != NULL);
    return reader;
}

static inline int open_fails(int number, const sb_reader_options *with)
{
    sb_reader *reader;
    int result = open_with(number, with, &reader);
    CHECK(result < 0);
    CHECK(reader == NULL);
    return result;
}

static inline sb_reader_options reading(int64_t timeout_ms, uint32_t flags)
{
    sb_reader_options with;
    CHECK_EQ(sb_reader_options_init(&with, sizeof with), SB_OK);
    with.timeout_ms = timeout_ms;
    with.flags = flags;
    return with;
}

static inline void remove_key(int number)
{
    char key[16];
    int size = snprintf(key, sizeof key, "%d", number);
    CHECK_EQ(sb_cache_remove(cache, key, (size_t)size), SB_OK);
}

/* Reads from the reader's position on, and checks every byte. Returns how many, or an error. */
static inline int64_t read_on(sb_reader *reader, uint64_t base, uint64_t most)
{
    unsigned char bytes[65536];
    int64_t at = sb_reader_seek(reader, 0, SEEK_CUR), start = at;
    CHECK(at >= 0);
    while ((uint64_t)(at - start) < most) {
        uint64_t left = most - (uint64_t)(at - start);
        int64_t count = sb_reader_read(reader, left < sizeof bytes ? (size_t)left : sizeof bytes,
                                       bytes);
        if (count < 0)
            return count;
        if (count == 0)
            break;
        CHECK_BYTES(bytes, base + (uint64_t)at, (uint64_t)count);
        at += count;
    }
    return at - start;
}

static inline void read_whole(sb_reader *reader, int number)
{
    CHECK_EQ(sb_reader_seek(reader, 0, SB_SEEK_SET), 0);
    CHECK_EQ(read_on(reader, resources[number].base, UINT64_MAX), resources[number].size);
}

/* ---- a callback as the opener's result ----------------------------------------------------------- */

static sb_callback returned;

static inline int return_this(int number, sb_opened *out)
{
    (void)number;
    out->source = returned;
    out->tag = 77;
    return 0;
}

/* ---- an open on another thread ------------------------------------------------------------------ */

typedef struct visitor {
    pthread_t thread;
    int number, result;
    int64_t timeout_ms;
    sb_reader *reader;
} visitor;

static inline void *visit(void *opaque)
{
    visitor *self = opaque;
    sb_reader_options with = reading(self->timeout_ms, 0);
    self->result = open_with(self->number, &with, &self->reader);
    return NULL;
}

static inline void visitor_start(visitor *self, int number, int64_t timeout_ms)
{
    memset(self, 0, sizeof *self);
    self->number = number;
    self->timeout_ms = timeout_ms;
    CHECK_EQ(pthread_create(&self->thread, NULL, visit, self), 0);
}

static inline int visitor_finish(visitor *self)
{
    CHECK_EQ(pthread_join(self->thread, NULL), 0);
    return self->result;
}

#endif
