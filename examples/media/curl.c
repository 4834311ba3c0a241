/*
 * Tells the size and the last bytes of what is at an URL, then all of it; saves it if told where to.
 *
 *     curl https://example.com/film.mp4 [film.mp4]
 *
 * Ctrl-C stops at once, also while nothing comes.
 */
#define _GNU_SOURCE
#define WITH_CURL
#include <inttypes.h>

#include "resource.h"

static void stop(void *buffer)
{
    sb_cancel(buffer);
}

int main(int argc, char **argv)
{
    sb_buffer *buffer = argc >= 2 ? resource_open(argv[1]) : NULL;
    unsigned char bytes[10000];
    uint32_t low = 1, high = 0;
    int64_t size, place = 0, count, at;
    sb_stats stats;

    if (buffer == NULL)
        return 2;
    resource_on_interrupt(stop, buffer);
    size = sb_size(buffer);
    if (size >= 100 && (count = sb_read(buffer, size - 100, 100, bytes)) > 0) {
        sb_stat(buffer, &stats, sizeof stats);
        printf("last byte 0x%02x, %s\n", bytes[count - 1],
               stats.frontier < (uint64_t)size ? "by a jump" : "by reading on");
    }
    while ((count = sb_read(buffer, place, sizeof bytes, bytes)) > 0) {
        for (at = 0; at < count; at++) {
            low = (low + bytes[at]) % 65521;
            high = (high + low) % 65521;
        }
        place += count;
    }
    if (count == 0 && argc >= 3)
        count = sb_save(buffer, argv[2]) < 0;
    sb_stat(buffer, &stats, sizeof stats);
    printf("size %" PRId64 "\nsum 0x%08x\n", place, high << 16 | low);
    if (count == SB_ERR_SOURCE)
        printf("source's error %" PRId64 "\n", stats.source_error);
    puts(count == 0 ? "ended" : count == SB_ERR_CANCELED ? "stopped" : sb_strerror(count));
    sb_free(buffer);
    return count != 0;
}
