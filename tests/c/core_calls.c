/*
 * A complete program of four calls: a source of two members is read anywhere, saved and freed.
 */
#include "check.h"

typedef struct counter {
    uint64_t at;
} counter;

static int64_t counter_read(void *opaque, void *out, size_t capacity)
{
    counter *self = opaque;
    unsigned char *bytes = out;
    size_t count = 0;
    while (count < capacity && count < 1000 && self->at < 100000)
        bytes[count++] = byte_at(self->at++);
    return (int64_t)count;
}

int main(void)
{
    counter source = { 0 };
    sb_callback cb = { .read = counter_read, .opaque = &source };
    sb_buffer *buffer = sb_new(&cb, SB_SIZE_UNKNOWN, SB_MAX_DEFAULT);
    unsigned char bytes[5000];
    FILE *saved;
    size_t count;
    uint64_t offset = 0;

    CHECK(buffer != NULL);
    CHECK_EQ(source.at, 0);
    CHECK_EQ(sb_size(buffer), SB_ERR_UNKNOWN_SIZE);
    CHECK_EQ(sb_read(buffer, 40000, sizeof bytes, bytes), (int64_t)sizeof bytes);
    CHECK_BYTES(bytes, 40000, sizeof bytes);
    CHECK_EQ(sb_read(buffer, 7, 100, bytes), 100);
    CHECK_BYTES(bytes, 7, 100);
    CHECK_EQ(sb_read(buffer, 99990, sizeof bytes, bytes), 10);
    CHECK_BYTES(bytes, 99990, 10);
    CHECK_EQ(sb_read(buffer, 100000, sizeof bytes, bytes), 0);
    CHECK_EQ(sb_size(buffer), 100000);
    CHECK_EQ(sb_save(buffer, "saved"), 100000);
    sb_free(buffer);

    saved = fopen("saved", "rb");
    CHECK(saved != NULL);
    while ((count = fread(bytes, 1, sizeof bytes, saved)) > 0) {
        CHECK_BYTES(bytes, offset, count);
        offset += count;
    }
    CHECK_EQ(offset, 100000);
    CHECK_EQ(fclose(saved), 0);
    CHECK_EQ(unlink("saved"), 0);

    CHECK_EQ(sb_version(), 0 * 65536 + 1 * 256 + 0);
    CHECK_EQ(sb_version(), SB_VERSION_NUMBER);
#if SB_VERSION_NUMBER != SB_VERSION_MAJOR * 65536 + SB_VERSION_MINOR * 256 + SB_VERSION_PATCH
#error "the preprocessor can compare versions"
#endif
    CHECK(strcmp(sb_strerror(SB_OK), sb_strerror(SB_ERR_INVALID)) != 0);
    CHECK(strcmp(sb_strerror(12345), sb_strerror(SB_OK)) == 0 && sb_strerror(-12345) != NULL);
    return 0;
}
