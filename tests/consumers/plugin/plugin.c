/* A plugin with its own copy of the library: the archive is linked into it. */
#include <spoolbuf.h>

static int64_t from_place(void *opaque, void *out, size_t capacity)
{
    uint64_t *place = opaque;
    unsigned char *bytes = out;

    for (size_t at = 0; at < capacity; at++)
        bytes[at] = (unsigned char)((*place)++ % 251);
    return (int64_t)capacity;
}

static uint64_t place;
static sb_buffer *buffer;

__attribute__((visibility("default"))) int plugin_open(void)
{
    sb_callback source = { .read = from_place, .opaque = &place };

    buffer = sb_new(&source, SB_SIZE_UNKNOWN, 1 << 20);
    /* The helper thread runs from here on. */
    return buffer ? sb_prefetch(buffer, 1 << 18) : -1;
}

__attribute__((visibility("default"))) int plugin_reads(uint64_t offset)
{
    unsigned char byte;

    return sb_read(buffer, offset, 1, &byte) == 1 && byte == offset % 251;
}

__attribute__((visibility("default"))) void plugin_close(void)
{
    sb_free(buffer);
}
