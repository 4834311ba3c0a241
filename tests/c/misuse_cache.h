/*
 * Calls of misuse_rows.h that are made with a cache. Included after misuse_things.h.
 */

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
