/*
 * Lists an archive of any kind, from a file or what a pipe brings, with the sum of each file in it.
 *
 *     archive things.zip
 *     curl -s https://example.com/things.tar.xz | archive -
 *
 * Ctrl-C stops at once, also while nothing comes.
 */
#define _GNU_SOURCE
#include <archive_entry.h>

#include "resource.h"
#include "spoolbuf_archive.h"

static void stop(void *in)
{
    spoolbuf_archive_stop(in);
}

int main(int argc, char **argv)
{
    sb_buffer *buffer = argc == 2 ? resource_open(argv[1]) : NULL;
    struct archive *archive = archive_read_new();
    struct archive_entry *entry;
    spoolbuf_archive in;
    unsigned char bytes[8192];
    la_ssize_t count = 0, at;
    int status, failed;

    if (buffer == NULL || spoolbuf_archive_open(&in, buffer) < 0)
        return 2;
    resource_on_interrupt(stop, &in);
    archive_read_support_filter_all(archive);
    archive_read_support_format_all(archive);
    status = spoolbuf_archive_read_open(&in, archive);
    while (status == ARCHIVE_OK
           && (status = archive_read_next_header(archive, &entry)) == ARCHIVE_OK) {
        uint32_t low = 1, high = 0;
        long long size = 0;
        while ((count = archive_read_data(archive, bytes, sizeof bytes)) > 0) {
            size += count;
            for (at = 0; at < count; at++) {
                low = (low + bytes[at]) % 65521;
                high = (high + low) % 65521;
            }
        }
        printf("%s %lld 0x%08x\n", archive_entry_pathname(entry), size, high << 16 | low);
        if (count < 0)
            status = ARCHIVE_FATAL;
    }
    failed = spoolbuf_archive_status(&in);
    puts(failed == SB_ERR_CANCELED   ? "stopped"
             : failed < 0            ? sb_strerror(failed)
             : status == ARCHIVE_EOF ? "ended"
                                     : archive_error_string(archive));
    archive_read_free(archive);
    spoolbuf_archive_close(&in);
    sb_free(buffer);
    return status != ARCHIVE_EOF || failed < 0;
}
