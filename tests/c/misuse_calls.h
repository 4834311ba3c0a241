/*
 * Calls of misuse_rows.h that take more than an expression. Included after misuse_things.h.
 */

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
