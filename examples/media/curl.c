/*
 * Prints the size and the last byte of the resource at a URL, then reads all of it. Saves it if a path is given.
 *
 *     curl https://example.com/film.mp4 [film.mp4]
 */
#define WITH_CURL
#include "resource.h"

static void stop(void *buffer)
{
    sb_cancel(buffer);
}

int main(int argc, char **argv)
{
    sb_buffer *buffer = resource_open(argc > 1 ? argv[1] : NULL);
    int64_t size, offset = 0, count;
    unsigned char bytes[10000];
    uint32_t sum = 1;
    sb_stats stats;
    char path[4096];

    if (buffer == NULL)
        return 2;
    resource_on_interrupt(stop, buffer);
    size = sb_size(buffer);
    if (size >= 100 && (count = sb_read(buffer, (uint64_t)size - 100, 100, bytes)) > 0) {
        sb_stat(buffer, &stats, sizeof stats);
        printf("last byte 0x%02x, %s\n", bytes[count - 1],
               stats.frontier < (uint64_t)size ? "by a jump" : "by reading on");
    }
    for (; (count = sb_read(buffer, (uint64_t)offset, sizeof bytes, bytes)) > 0; offset += count)
        sum = resource_sum(sum, bytes, (size_t)count);
    printf("size %lld\nsum 0x%08x\n", (long long)offset, sum);
    if (count == 0 && argc > 2) {
        sb_save_options options;
        sb_save_options_init(&options, sizeof options);
        sb_error_init(&resource_error, sizeof resource_error);
        resource_error.path = path;
        resource_error.path_cap = sizeof path;
        options.path = argv[2];
        options.error = &resource_error;
        count = sb_save_with(buffer, &options);
    }
    sb_stat(buffer, &stats, sizeof stats);
    if (count == SB_ERR_SOURCE)
        printf("source's error %lld\n", (long long)stats.source_error);
    count = resource_end(count, NULL);
    sb_free(buffer);
    return (int)count;
}
