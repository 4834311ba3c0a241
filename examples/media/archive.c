/*
 * Lists an archive of any kind, from a file or a pipe, with the sum of each file in it.
 *
 *     archive things.zip
 *     curl -s https://example.com/things.tar.xz | archive -
 */
#include "resource.h"
#include "spoolbuf_archive.h"
#include <archive_entry.h>

static void stop(void *in)
{
    spoolbuf_archive_cancel(in);
}

int main(int argc, char **argv)
{
    sb_buffer *buffer = resource_open(argc > 1 ? argv[1] : NULL);
    struct archive *archive = archive_read_new();
    struct archive_entry *entry;
    unsigned char bytes[8192];
    spoolbuf_archive in;
    la_ssize_t count = 0;
    int status;

    if (buffer == NULL || spoolbuf_archive_open(&in, buffer) < 0)
        return 2;
    resource_on_interrupt(stop, &in);
    archive_read_support_filter_all(archive);
    archive_read_support_format_all(archive);
    status = spoolbuf_archive_read_open(&in, archive);
    while (status >= ARCHIVE_WARN && count >= 0
           && (status = archive_read_next_header(archive, &entry)) >= ARCHIVE_WARN
           && status != ARCHIVE_EOF) {
        long long size = 0;
        uint32_t sum = 1;
        while ((count = archive_read_data(archive, bytes, sizeof bytes)) > 0) {
            sum = resource_sum(sum, bytes, (size_t)count);
            size += count;
        }
        printf("%s %lld 0x%08x\n", archive_entry_pathname(entry), size, sum);
    }
    status = resource_end(spoolbuf_archive_status(&in),
                          status == ARCHIVE_EOF ? NULL : archive_error_string(archive));
    archive_read_free(archive);
    spoolbuf_archive_close(&in);
    sb_free(buffer);
    return status;
}
