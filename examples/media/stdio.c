/*
 * Reads a file, or what a pipe brings, as a FILE: the sum of all of it, then its last bytes again.
 *
 *     stdio anything
 *     curl -s https://example.com/anything | stdio -
 *
 * Ctrl-C stops at once, also while nothing comes.
 */
#define _GNU_SOURCE
#include "resource.h"
#include "spoolbuf_stdio.h"

static void stop(void *place)
{
    sb_reader_cancel(place);
}

int main(int argc, char **argv)
{
    sb_buffer *buffer = argc == 2 ? resource_open(argv[1]) : NULL;
    unsigned char bytes[3000], last[100], again[100];
    uint32_t low = 1, high = 0;
    sb_reader *place;
    size_t count, at;
    long size = 0;
    FILE *file;
    int failed;

    if (buffer == NULL || (file = spoolbuf_fopen(buffer, &place)) == NULL)
        return 2;
    resource_on_interrupt(stop, place);
    while ((count = fread(bytes, 1, sizeof bytes, file)) > 0) {
        for (at = 0; at < count; at++) {
            low = (low + bytes[at]) % 65521;
            high = (high + low) % 65521;
        }
        for (at = count > sizeof last ? count - sizeof last : 0; at < count; at++)
            last[(size + at) % sizeof last] = bytes[at];
        size += count;
    }
    failed = ferror(file) ? errno : 0;
    printf("size %ld\nsum 0x%08x\n", size, high << 16 | low);
    if (!failed && fseek(file, -(long)sizeof again, SEEK_END) == 0) {
        long start = ftell(file);
        count = fread(again, 1, sizeof again, file);
        for (at = 0; at < sizeof again; at++)
            if (at >= count || again[at] != last[(start + at) % sizeof last])
                failed = EILSEQ;
        printf("again from %ld\n", start);
    }
    puts(failed == 0 ? "ended" : failed == ECANCELED ? "stopped" : strerror(failed));
    fclose(file);
    sb_free(buffer);
    return failed != 0;
}
