/*
 * The first bytes of a FILE, or the sum of all of them, over a slow line: see line.h.
 *
 * It reads as most code does that reads a FILE: it looks for the size, and reads as much as that.
 */
#define _GNU_SOURCE
#include "line.h"
#include "spoolbuf_stdio.h"

static FILE *opened(const line *the)
{
    if (the->buffer != NULL)
        return spoolbuf_fopen(the->buffer, NULL);
    return the->file != NULL ? fopen(the->file, "rb") : fdopen(the->pipe, "rb");
}

/* The size if the FILE tells it. */
static size_t size_of(FILE *file)
{
    long size = fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;

    if (size < 0)
        return SIZE_MAX;
    CHECK(fseek(file, 0, SEEK_SET) == 0);
    return (size_t)size;
}

int main(int argc, char **argv)
{
    char bytes[16384];
    uint32_t sum = 1;
    size_t left, count;
    sb_stats facts = { 0 };
    double start;
    FILE *file;
    int said = 0;
    line the;

    line_open(&the, argc, argv);
    CHECK((file = opened(&the)) != NULL);
    start = line_now();
    for (left = size_of(file); left > 0; left -= count) {
        count = fread(bytes, 1, left < sizeof bytes ? left : sizeof bytes, file);
        if (count > 0 && !said++)
            line_first(&the, start);
        if (count == 0 || the.sound == NULL)
            break;
        sum = line_sum(sum, bytes, count);
    }
    CHECK(!ferror(file));
    printf("sum %08x\n", sum);
    if (the.buffer != NULL)
        CHECK(sb_stat(the.buffer, &facts, sizeof facts) == SB_OK);
    printf("status %d\n", facts.ended_short ? SB_ERR_SHORT : SB_OK);
    line_end(!said);
}
