/*
 * The cases of out_of_memory.c. Each returns its buffer, which is then read completely and freed.
 */

static sb_buffer *in_memory(stream *source)
{
    return open_scarcely(source, UINT64_MAX, 0);
}

static sb_buffer *spilling(stream *source)
{
    return open_scarcely(source, 0, 0);
}

static sb_buffer *spilling_at_once(stream *source)
{
    sb_buffer *buffer = stream_open(source, SIZE, UINT64_MAX);
    int result;
    CHECK_EQ(sb_read(buffer, 0, 600000, bytes), 600000);
    SCARCE(result, sb_spill(buffer));
    CHECK(is_fine(result));
    return buffer;
}

static void quiet(void *opaque, uint32_t level, const char *message)
{
    (void)opaque;
    CHECK(level > 0 && strlen(message) > 0);
}

/* Whatever is logged costs no memory. */
static sb_buffer *logging(stream *source)
{
    int result;
    sb_buffer *buffer;

    SCARCE(result, sb_set_log(quiet, NULL, SB_LOG_DEBUG));
    CHECK(result == SB_OK || result == SB_ERR_NO_MEMORY);
    if (result != SB_OK)
        CHECK_EQ(sb_set_log(quiet, NULL, SB_LOG_DEBUG), SB_OK);
    buffer = open_scarcely(source, 0, 0);
    SCARCE(result, sb_set_max_memory(buffer, 1));
    CHECK(is_fine(result));
    return buffer;
}

static sb_buffer *lowering_the_limit(stream *source)
{
    sb_buffer *buffer = stream_open(source, SIZE, UINT64_MAX);
    int result;
    CHECK_EQ(sb_read(buffer, 0, 600000, bytes), 600000);
    SCARCE(result, sb_set_max_memory(buffer, 300000));
    CHECK(is_fine(result));
    return buffer;
}

static sb_buffer *limited(stream *source)
{
    sb_buffer *buffer = open_scarcely(source, 100000, 0);
    read_all(buffer, 600000);
    return buffer;
}

static sb_buffer *prefetching(stream *source)
{
    sb_buffer *buffer = open_scarcely(source, 100000, 50000);
    int result;
    SCARCE(result, sb_prefetch(buffer, SB_PREFETCH_ALL));
    CHECK(is_fine(result));
    return buffer;
}

/* A save succeeds, or leaves no file. */
static void is_saved_or_not(int64_t result)
{
    CHECK(result == SIZE || result == SB_ERR_NO_MEMORY);
    CHECK_EQ(access(target, F_OK) == 0, result == SIZE);
    unlink(target);
}

static sb_buffer *saving(stream *source)
{
    sb_buffer *buffer = open_scarcely(source, 100000, 0);
    int64_t result;
    SCARCE(result, sb_save(buffer, target));
    is_saved_or_not(result);
    return buffer;
}

/* A save that can link the spool file, which does not exist before. */
static sb_buffer *linking(stream *source)
{
    sb_buffer *buffer = open_scarcely(source, UINT64_MAX, 0);
    int64_t result;
    SCARCE(result, save_with(buffer, target, -1, SB_SAVE_LINK, NULL, NULL));
    is_saved_or_not(result);
    return buffer;
}

/* A save that replaces a dangling symbolic link. */
static sb_buffer *replacing(stream *source)
{
    sb_buffer *buffer = open_scarcely(source, UINT64_MAX, 0);
    int64_t result;
    CHECK_EQ(symlink("nothing", target), 0);
    SCARCE(result, sb_save(buffer, target));
    is_saved_or_not(result);
    return buffer;
}

static sb_buffer *reading(stream *source)
{
    sb_buffer *buffer = open_scarcely(source, 100000, 0);
    sb_reader *reader;
    int64_t count;
    SCARCE(reader, sb_reader_new(buffer));
    if (reader != NULL) {
        SCARCE(count, sb_reader_read(reader, 100, bytes));
        CHECK(is_fine(count));
        SCARCE(count, sb_reader_seek(reader, 0, SB_SEEK_SET));
        CHECK_EQ(count, 0);
        SCARCE(count, sb_reader_cancel(reader));
        CHECK_EQ(count, SB_OK);
        SCARCE(count, sb_reader_resume(reader));
        CHECK_EQ(count, SB_OK);
        scarce();
        sb_reader_free(reader);
        plenty();
    }
    return buffer;
}

static sb_buffer *looking(stream *source)
{
    sb_buffer *buffer = open_scarcely(source, 100000, 0);
    sb_stats stats;
    sb_range range;
    int64_t result;
    CHECK_EQ(sb_read(buffer, 0, 500000, bytes), 500000);
    SCARCE(result, sb_stat(buffer, &stats, sizeof stats));
    CHECK_EQ(result, SB_OK);
    SCARCE(result, sb_ranges(buffer, &range, 1));
    CHECK_EQ(result, 1);
    SCARCE(result, sb_buffered(buffer, 0));
    CHECK(result >= 500000);
    SCARCE(result, sb_size(buffer));
    CHECK_EQ(result, SB_ERR_UNKNOWN_SIZE);
    SCARCE(result, sb_read_some(buffer, 0, 500000, bytes, 0));
    CHECK_EQ(result, 500000);
    SCARCE(result, sb_cancel(buffer));
    CHECK_EQ(result, SB_OK);
    SCARCE(result, sb_resume(buffer));
    CHECK_EQ(result, SB_OK);
    return buffer;
}

/* A call that waits for the bytes of another call. */
static sb_buffer *waiting(stream *source)
{
    sb_buffer *buffer = stream_open(source, SIZE, 100000);
    call inside;
    int64_t count;
    int round;
    source->stall_at = 0;
    call_start(&inside, buffer, 0, 10, NULL);
    stream_await_stall(source);
    for (round = 0; round < 12; round++) {
        SCARCE(count, sb_read_some(buffer, 100, 10, bytes, 1));
        CHECK(count == SB_ERR_TIMEOUT || count == SB_ERR_NO_MEMORY);
    }
    SCARCE(count, sb_cancel(buffer));
    CHECK_EQ(count, SB_OK);
    SCARCE(count, sb_resume(buffer));
    CHECK_EQ(count, SB_OK);
    stream_release(source, NEVER);
    call_finish(&inside);
    return buffer;
}

/* Pushes everything, backwards and repeatedly if needed: what was accepted stays, in full. */
static sb_buffer *pushing_in(stream *source, uint64_t max)
{
    static unsigned char whole[SIZE];
    uint64_t at, done = 0, piece = 70000;
    sb_options options;
    sb_buffer *buffer = NULL;
    int result, tries = 0;
    int64_t count;

    for (at = 0; at < SIZE; at++)
        whole[at] = byte_at(at);
    CHECK_EQ(sb_options_init(&options, sizeof options), SB_OK);
    options.max_memory = max;
    SCARCE(result, sb_new_push(&options, &buffer));
    CHECK(is_fine(result));
    CHECK((result == SB_OK) == (buffer != NULL));
    if (buffer == NULL) {
        plan_after = -1;
        CHECK_EQ(sb_new_push(&options, &buffer), SB_OK);
    }
    for (at = SIZE - piece;; at -= piece, done = 0) {
        while (done < piece) {
            SCARCE(count, sb_push(buffer, at + done, (size_t)(piece - done), whole + at + done, -1));
            CHECK(count > 0 || count == SB_ERR_NO_MEMORY);
            if (count < 0 && ++tries > 20)
                plan_after = -1;
            if (count > 0)
                done += (uint64_t)count;
            CHECK(sb_buffered(buffer, at) >= (int64_t)done);
            CHECK_EQ(sb_read_some(buffer, at, (size_t)done, bytes, 0), done);
            CHECK_BYTES(bytes, at, done);
        }
        if (at == 0)
            break;
    }
    SCARCE(result, sb_push_end(buffer, SB_SIZE_UNKNOWN, 0));
    CHECK_EQ(result, SB_OK);
    /* A push buffer has no source to close. */
    source->closes = 1;
    return buffer;
}

static sb_buffer *pushing(stream *source)
{
    return pushing_in(source, UINT64_MAX);
}

static sb_buffer *pushing_beyond_memory(stream *source)
{
    return pushing_in(source, 100000);
}

static void count_call(void *opaque, int64_t buffered)
{
    CHECK(buffered > 0 || buffered == SB_ERR_NO_MEMORY);
    __atomic_fetch_add((int *)opaque, 1, __ATOMIC_SEQ_CST);
}

/* Each function is called exactly once, or sb_when() has failed. */
static sb_buffer *watching(stream *source)
{
    static int calls;
    sb_buffer *buffer = open_scarcely(source, 100000, 0);
    uint64_t off;

    for (off = 0; off < SIZE; off += SIZE / 5) {
        sb_watch *watch = (sb_watch *)bytes;
        int64_t result;
        __atomic_store_n(&calls, 0, __ATOMIC_SEQ_CST);
        SCARCE(result, sb_when(buffer, off, count_call, &calls, &watch));
        CHECK((result == SB_ERR_TIMEOUT) == (watch != NULL));
        CHECK(result > 0 || result == SB_ERR_NO_MEMORY || result == SB_ERR_TIMEOUT);
        if (result == SB_ERR_TIMEOUT)
            WAIT_UNTIL(__atomic_load_n(&calls, __ATOMIC_SEQ_CST) == 1);
        sb_watch_free(watch);
        CHECK_EQ(__atomic_load_n(&calls, __ATOMIC_SEQ_CST), result == SB_ERR_TIMEOUT);
    }
    return buffer;
}

/* A source of its own for each opener, of which at most one is open. */
static stream track;
static int tracks;

static int open_track(void *opaque, const void *key, size_t key_size, uint64_t tag, sb_opened *out)
{
    (void)opaque;
    (void)key;
    (void)key_size;
    (void)tag;
    CHECK(tracks == 0 || track.closes == 1);
    tracks++;
    stream_init(&track, SIZE, 30000);
    out->source = stream_callback(&track);
    out->size = SIZE;
    out->tag = 1;
    return 0;
}

/* Opens the key, and once more with memory if that ran out. */
static sb_reader *open_scarce_key(sb_cache *cache)
{
    sb_reader *reader;
    int result;
    SCARCE(result, sb_cache_open(cache, "key", 3, NULL, &reader));
    CHECK(result == SB_OK || result == SB_ERR_NO_MEMORY);
    CHECK((result == SB_OK) == (reader != NULL));
    if (reader == NULL)
        CHECK_EQ(sb_cache_open(cache, "key", 3, NULL, &reader), SB_OK);
    return reader;
}

/* Reads the first bytes, and once more with memory if that ran out. */
static void read_scarce_key(sb_reader *reader)
{
    int64_t count;
    SCARCE(count, sb_reader_read(reader, 500000, bytes));
    CHECK(count > 0 || count == SB_ERR_NO_MEMORY);
    if (count < 0)
        count = sb_reader_read(reader, 500000, bytes);
    CHECK(count > 0);
    CHECK_BYTES(bytes, 0, (uint64_t)count);
}

static int64_t release(sb_reader *reader)
{
    sb_reader_free(reader);
    return 0;
}

static sb_buffer *caching(stream *source)
{
    sb_cache_options with;
    sb_cache_stats stats;
    sb_cache *cache;
    sb_reader *reader, *further;
    int result;
    int64_t count;

    CHECK_EQ(sb_cache_options_init(&with, sizeof with), SB_OK);
    with.open = open_track;
    with.max_memory = 300000;
    SCARCE(result, sb_cache_new(&with, &cache));
    CHECK(result == SB_OK || result == SB_ERR_NO_MEMORY);
    if (cache == NULL)
        CHECK_EQ(sb_cache_new(&with, &cache), SB_OK);
    reader = open_scarce_key(cache);
    read_scarce_key(reader);
    SCARCE(further, sb_reader_new(sb_reader_buffer(reader)));
    sb_reader_free(further);
    SCARCE(count, release(reader));
    CHECK_EQ(count, 0);
    /* It goes on with another source. */
    reader = open_scarce_key(cache);
    read_scarce_key(reader);
    SCARCE(result, sb_cache_trim(cache, 0, UINT64_MAX));
    CHECK(is_fine(result));
    SCARCE(result, sb_cache_remove(cache, "key", 3));
    CHECK_EQ(result, SB_OK);
    SCARCE(count, release(reader));
    CHECK_EQ(count, 0);
    CHECK_EQ(sb_cache_stat(cache, &stats, sizeof stats), SB_OK);
    CHECK_EQ(stats.entries, 0);
    CHECK_EQ(stats.memory, 0);
    sb_cache_free(cache);
    CHECK_EQ(track.closes, 1);
    return stream_open(source, SIZE, UINT64_MAX);
}
