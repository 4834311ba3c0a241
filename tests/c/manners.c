/*
 * The library changes nothing in its process unless it is asked: no thread, no open file, no signal's
 * handler or mask, no variable of the environment, no limit, directory, locale or umask. That it prints
 * nothing, whatever fails, is checked by who runs this: its output is empty.
 */
#include "check.h"
#include "manners.h"

enum { SIZE = 1000000 };

static unsigned char bytes[SIZE];
static process_state before;

/* A program begins with no handler, and the library has run no code that sets one. What is ignored may be
 * inherited, but not SIGPIPE. */
static void at_the_start(void)
{
    int index;

    state_take(&before);
    CHECK_EQ(before.threads, 1);
    for (index = 1; index < SIGNALS; index++) {
        check_context = strsignal(index);
        CHECK(before.actions[index].sa_handler == SIG_DFL || before.actions[index].sa_handler == SIG_IGN);
    }
    check_context = "";
    CHECK(before.actions[SIGPIPE].sa_handler == SIG_DFL);
    CHECK(before.stack.ss_flags & SS_DISABLE);
}

/* Within the limit, there is neither a thread nor a file, even while the buffer is open. */
static void in_memory(void)
{
    stream source;
    sb_buffer *buffer;
    sb_reader *reader;

    stream_init(&source, SIZE, 30000);
    buffer = stream_open(&source, SIZE, 2 * SIZE);
    reader = sb_reader_new(buffer);
    state_check(&before);
    CHECK(sb_reader_read(reader, SIZE, bytes) > 0);
    CHECK_EQ(sb_read(buffer, 0, SIZE, bytes), SIZE);
    CHECK_BYTES(bytes, 0, SIZE);
    CHECK_EQ(sb_reader_seek(reader, -1, SB_SEEK_END), SIZE - 1);
    CHECK_EQ(sb_cancel(buffer), SB_OK);
    CHECK_EQ(sb_resume(buffer), SB_OK);
    state_check(&before);
    CHECK_EQ(sb_save(buffer, "saved"), SIZE);
    state_check(&before);
    CHECK_EQ(unlink("saved"), 0);
    sb_reader_free(reader);
    sb_free(buffer);
    state_check(&before);
}

/* A spool file and a helper thread come when they are asked for, one of each, and go. */
static void asked_for(void)
{
    stream source;
    sb_buffer *buffer;
    int files = descriptors();

    stream_init(&source, SIZE, 30000);
    buffer = stream_open(&source, SIZE, 100000);
    CHECK_EQ(sb_read(buffer, 0, SIZE / 2, bytes), SIZE / 2);
    CHECK_EQ(descriptors(), files + 1);
    CHECK_EQ(threads(), 1);
    CHECK_EQ(sb_prefetch(buffer, SB_PREFETCH_ALL), SB_OK);
    CHECK_EQ(threads(), 2);
    CHECK_EQ(sb_read(buffer, 0, SIZE, bytes), SIZE);
    sb_free(buffer);
    WAIT_UNTIL(threads() == 1);
    state_check(&before);
}

/* Failures are returned, and never printed. */
static void failures(void)
{
    stream source;
    sb_callback callback;
    sb_buffer *buffer;
    sb_options options;
    int files = descriptors();

    stream_init(&source, SIZE, 30000);
    source.fail_at = 1000;
    source.code = -7;
    buffer = stream_open(&source, SIZE, 0);
    CHECK_EQ(sb_read(buffer, 2000, 1, bytes), SB_ERR_SOURCE);
    CHECK_EQ(sb_save(buffer, "/no/such/folder/file"), SB_ERR_IO);
    CHECK_EQ(sb_save(buffer, "saved"), SB_ERR_SOURCE);
    CHECK_EQ(sb_read(NULL, 0, 1, bytes), SB_ERR_INVALID);
    sb_free(buffer);
    sb_free(buffer);

    stream_init(&source, SIZE, 30000);
    callback = stream_callback(&source);
    CHECK_EQ(sb_options_init(&options, sizeof options), SB_OK);
    options.max_memory = 0;
    options.spool_dir = "/no/such/folder";
    CHECK_EQ(sb_new_with(&callback, &options, &buffer), SB_OK);
    CHECK_EQ(sb_read(buffer, SIZE - 1, 1, bytes), SB_ERR_IO);
    sb_free(buffer);
    CHECK_EQ(descriptors(), files);
}

static int64_t nothing(void *opaque, void *out, size_t capacity)
{
    (void)opaque, (void)out, (void)capacity;
    return 0;
}

static void closes(void *opaque)
{
    (void)opaque;
}

static int opens(void *opaque, const void *key, size_t key_size, uint64_t old_tag, sb_opened *out)
{
    (void)opaque, (void)key, (void)key_size, (void)old_tag;
    out->source.read = nothing;
    out->source.close = closes;
    return 0;
}

static void a_cache(void)
{
    sb_cache_options options;
    sb_cache *cache;
    sb_reader *reader;

    CHECK_EQ(sb_cache_options_init(&options, sizeof options), SB_OK);
    options.open = opens;
    CHECK_EQ(sb_cache_new(&options, &cache), SB_OK);
    state_check(&before);
    CHECK_EQ(sb_cache_open(cache, "key", 3, NULL, &reader), SB_OK);
    CHECK_EQ(sb_reader_read(reader, 1, bytes), 0);
    CHECK_EQ(threads(), 1);
    sb_reader_free(reader);
    sb_cache_free(cache);
    state_check(&before);
}

int main(void)
{
    at_the_start();
    in_memory();
    asked_for();
    a_cache();
    failures();
    return 0;
}
