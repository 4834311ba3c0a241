/*
 * Reads a file, or a pipe, as a FILE: the sum of all of it, then its last bytes again.
 *
 *     stdio anything
 *     curl -s https://example.com/anything | stdio -
 */
#include "resource.h"
#include "spoolbuf_stdio.h"

static void stop(void *reader)
{
    sb_reader_cancel(reader);
}

int main(int argc, char **argv)
{
    sb_buffer *buffer = resource_open(argc > 1 ? argv[1] : NULL);
    unsigned char bytes[3000];
    uint32_t sum = 1;
    sb_reader *reader;
    size_t count;
    FILE *file;
    int failed;

    if (buffer == NULL || (file = spoolbuf_fopen(buffer, &reader)) == NULL)
        return 2;
    resource_on_interrupt(stop, reader);
    while ((count = fread(bytes, 1, sizeof bytes, file)) > 0)
        sum = resource_sum(sum, bytes, count);
    failed = ferror(file) ? errno : 0;
    printf("size %ld\nsum 0x%08x\n", ftell(file), sum);
    if (failed == 0 && fseek(file, -100, SEEK_END) == 0) {
        long from = ftell(file);
        count = fread(bytes, 1, 100, file);
        printf("again from %ld\nlast byte 0x%02x\n", from, bytes[count - 1]);
    }
    fclose(file);
    sb_free(buffer);
    return resource_end(failed == ECANCELED ? SB_ERR_CANCELED : SB_OK, failed ? strerror(failed) : NULL);
}
