/*
 * A source that returns wrong counts. More bytes than requested is an error. A count without bytes
 * shows zeros, never earlier contents of the memory.
 */
#include "check.h"

typedef struct liar {
    int64_t answer; /* the count it returns, unless 0; then the requested one */
    size_t writes;  /* the number of bytes that it really writes */
    int calls;
} liar;

static int64_t liar_read(void *opaque, void *out, size_t capacity)
{
    liar *self = opaque;
    self->calls++;
    memset(out, 'w', self->writes < capacity ? self->writes : capacity);
    return self->answer != 0 ? self->answer : (int64_t)capacity;
}

static void too_much(int64_t answer)
{
    liar source = { 0, 100, 0 };
    sb_callback callback = { .read = liar_read };
    sb_buffer *buffer;
    unsigned char bytes[100];
    uint64_t held;

    callback.opaque = &source;
    buffer = sb_new(&callback, SB_SIZE_UNKNOWN, SB_MAX_DEFAULT);
    CHECK(buffer != NULL);
    CHECK_EQ(sb_read(buffer, 0, 100, bytes), 100);
    held = stats_of(buffer).frontier;
    source.answer = answer;
    CHECK_EQ(sb_read(buffer, held, 100, bytes), SB_ERR_SOURCE);
    CHECK_EQ(sb_read(buffer, held, 100, bytes), SB_ERR_SOURCE);
    CHECK_EQ(source.calls, 2);
    CHECK_EQ(stats_of(buffer).state, SB_STATE_FAILED);
    CHECK_EQ(stats_of(buffer).frontier, (int64_t)held);
    CHECK_EQ(sb_read(buffer, 0, 100, bytes), 100);
    CHECK_EQ(bytes[99], 'w');
    sb_free(buffer);
}

/* Fills the heap with secrets, in blocks of the sizes that a buffer allocates. */
static void litter(void)
{
    enum { BLOCKS = 400 };
    static unsigned char *blocks[BLOCKS];
    size_t index;
    for (index = 0; index < BLOCKS; index++) {
        size_t size = (size_t)512 << (index % 9);
        blocks[index] = malloc(size);
        CHECK(blocks[index] != NULL);
        memset(blocks[index], 0x5E, size);
    }
    for (index = 0; index < BLOCKS; index++)
        free(blocks[index]);
}

static void nothing_written(uint64_t declared, uint64_t max, size_t writes)
{
    enum { LENGTH = 600000 };
    liar source = { 0, 0, 0 };
    sb_callback callback = { .read = liar_read };
    static unsigned char bytes[LENGTH];
    sb_buffer *buffer;
    size_t index;

    litter();
    source.writes = writes;
    callback.opaque = &source;
    buffer = sb_new(&callback, declared, max);
    CHECK(buffer != NULL);
    CHECK_EQ(sb_read(buffer, 0, LENGTH, bytes), LENGTH);
    for (index = 0; index < LENGTH; index++)
        CHECK(bytes[index] == 0 || (writes > 0 && bytes[index] == 'w'));
    sb_free(buffer);
}

int main(void)
{
    too_much(16385);
    too_much(262145);
    too_much(INT64_MAX);
    too_much((int64_t)1 << 32);
    nothing_written(SB_SIZE_UNKNOWN, SB_MAX_DEFAULT, 0);
    nothing_written(SB_SIZE_UNKNOWN, 0, 10);
    nothing_written(3000, 0, 0);
    nothing_written(40000, 100000, 1);
    return 0;
}
