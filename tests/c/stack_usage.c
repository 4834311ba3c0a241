/*
 * Threads with a small stack: every kind of work on the caller's thread takes little stack, including
 * the source's own part: about 6 KiB as the library ships, 17 KiB without optimization.
 */
#include "check.h"
#include <sys/mman.h>

enum { SIZE = 4 << 20, STACK = 256 * 1024, MOST = 20 * 1024, UNTOUCHED = 0x5a };

static unsigned char *stack;

/* A source that seeks until it cannot any more, and then must be read past buffered bytes. */
typedef struct position {
    uint64_t at;
    int seeks;
} position;

static int64_t place_read(void *opaque, void *out, size_t capacity)
{
    position *self = opaque;
    unsigned char *bytes = out;
    uint64_t count = capacity < 50000 ? capacity : 50000, done;
    if (count > SIZE - self->at)
        count = SIZE - self->at;
    for (done = 0; done < count; done++)
        bytes[done] = byte_at(self->at + done);
    self->at += count;
    return (int64_t)count;
}

static int64_t place_seek(void *opaque, uint64_t offset)
{
    position *self = opaque;
    if (self->seeks == 0)
        return SB_SOURCE_UNSUPPORTED;
    self->seeks--;
    self->at = offset;
    return 0;
}

static void expect(sb_buffer *buffer, uint64_t offset, size_t length)
{
    static unsigned char bytes[65536];
    CHECK_EQ(sb_read(buffer, offset, length, bytes), length);
    CHECK_BYTES(bytes, offset, length);
}

/* Pushes until the helper has to spill. */
static void push_some(void)
{
    static unsigned char bytes[65536];
    sb_options options;
    sb_buffer *buffer;
    sb_range range;
    uint64_t at;

    CHECK_EQ(sb_options_init(&options, sizeof options), SB_OK);
    options.max_memory = 0;
    CHECK_EQ(sb_new_push(&options, &buffer), SB_OK);
    for (at = 0; at < 1 << 20; at += sizeof bytes)
        CHECK_EQ(sb_push(buffer, at, sizeof bytes, bytes, -1), sizeof bytes);
    CHECK_EQ(sb_wanted(buffer, &range), SB_OK);
    CHECK_EQ(range.start, at);
    CHECK_EQ(sb_push_end(buffer, SB_SIZE_UNKNOWN, 0), SB_OK);
    CHECK_EQ(sb_read(buffer, 0, sizeof bytes, bytes), sizeof bytes);
    sb_free(buffer);
}

static void *work(void *opaque)
{
    static sb_stats stats;
    static char path[4096];
    position source = { 0, 2 };
    sb_callback callback = { .read = place_read, .seek = place_seek };
    sb_buffer *buffer;
    sb_reader *reader;
    unsigned char byte;

    callback.opaque = &source;
    buffer = sb_new(&callback, SIZE, 512 * 1024);
    CHECK(buffer != NULL);
    /* Forward and back; then no more seeks: through buffered bytes to what is beyond them. */
    expect(buffer, 1 << 20, 65536);
    expect(buffer, 0, 100);
    expect(buffer, 2 << 20, 65536);
    CHECK_EQ(source.seeks, 0);
    /* From the disk, by a reader, past the end. */
    expect(buffer, 1000, 65536);
    reader = sb_reader_new(buffer);
    CHECK_EQ(sb_reader_seek(reader, SIZE - 1, SB_SEEK_SET), SIZE - 1);
    CHECK_EQ(sb_reader_read(reader, 1, &byte), 1);
    CHECK_EQ(sb_reader_read(reader, 1, &byte), 0);
    sb_reader_free(reader);
    CHECK_EQ(sb_set_max_memory(buffer, 1 << 20), SB_OK);
    CHECK_EQ(sb_spill(buffer), SB_OK);
    CHECK_EQ(sb_stat(buffer, &stats, sizeof stats), SB_OK);
    snprintf(path, sizeof path, "%s/stack_usage", getenv("TMPDIR"));
    CHECK_EQ(sb_save(buffer, path), SIZE);
    CHECK_EQ(save_with(buffer, path, -1, SB_SAVE_LINK, NULL, NULL), SIZE);
    CHECK_EQ(unlink(path), 0);
    sb_free(buffer);
    push_some();
    return opaque;
}

/* The stack that a thread touches before and after the work. */
static void *nothing(void *opaque)
{
    return opaque;
}

static size_t touched_by(void *(*function)(void *))
{
    pthread_attr_t attributes;
    pthread_t thread;
    size_t free = 0;

    memset(stack, UNTOUCHED, STACK);
    CHECK(pthread_attr_init(&attributes) == 0);
    CHECK(pthread_attr_setstack(&attributes, stack, STACK) == 0);
    CHECK(pthread_create(&thread, &attributes, function, NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    pthread_attr_destroy(&attributes);
    while (free < STACK && stack[free] == UNTOUCHED)
        free++;
    return STACK - free;
}

static void quiet(void *opaque, uint32_t level, const char *message)
{
    (void)opaque;
    (void)level;
    (void)message;
}

int main(void)
{
    size_t before, used;

    /* A message is made on the stack. */
    CHECK_EQ(sb_set_log(quiet, NULL, SB_LOG_DEBUG), SB_OK);

    stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(stack != MAP_FAILED);
    before = touched_by(nothing);
    /* Work done once per process is not part of it. */
    touched_by(work);
    used = touched_by(work) - before;
    printf("%zu bytes of stack\n", used);
    CHECK(used <= MOST);
    return 0;
}
