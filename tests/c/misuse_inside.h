/*
 * Misuses inside callbacks, for misuse_rows.h. Included after misuse_calls.h.
 */

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
    sb_read_some(inside.buffer, 10, 1, &byte, place == BEGIN ? PATIENCE : -1);
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
