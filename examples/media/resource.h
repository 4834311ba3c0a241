/*
 * Code that the programs of this folder share, so that each shows only its library: a buffer over the named
 * resource, Ctrl-C as the stop button (interrupt.h), a sum of the output, and a message at the end.
 *
 * Environment variables: SPOOLBUF_MAX (bytes in memory), SPOOLBUF_DIR (the directory of the spool file) and
 * SPOOLBUF_FULL=memory (go on in memory when the disk is full).
 */
#ifndef RESOURCE_H
#define RESOURCE_H

#include "interrupt.h"
#include "spoolbuf_fd.h"
#ifdef WITH_CURL
#include "spoolbuf_curl.h"
#endif

#include <sys/stat.h>

/* A source over a file, or standard input if the name is `-`; with libcurl also over a URL. */
static inline int resource_source(sb_callback *source, const char *name, sb_options *options)
{
    int fd = strcmp(name, "-") == 0 ? 0 : -1;
    struct stat kind;

#ifdef WITH_CURL
    if (strstr(name, "://") != NULL) {
        int status = spoolbuf_curl_source(source, name, NULL);
        if (status == 0)
            spoolbuf_curl_declare(source, options);
        return status;
    }
#endif
    if (fd < 0)
        fd = open(name, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && fstat(fd, &kind) == 0 && S_ISDIR(kind.st_mode)) {
        close(fd); /* A directory can be opened; only reading it fails. */
        return -EISDIR;
    }
    return fd < 0 ? -errno : spoolbuf_fd_source(source, fd, 1, &options->size);
}

/* The resource that the program plays; why it could not be saved, if it was to be. */
static sb_buffer *resource_buffer;
static const char *resource_name;
static sb_error resource_error;

/* Why the resource could not be opened or read. For URLs the codes are those of libcurl. */
static inline const char *resource_reason(const char *name, int status)
{
#ifdef WITH_CURL
    if (strstr(name, "://") != NULL)
        return status > -CURL_LAST ? curl_easy_strerror((CURLcode)-status) : "see spoolbuf_curl.h";
#endif
    (void)name;
    return strerror(-status);
}

/* A buffer over the named resource. On an error prints a message and returns NULL. */
static inline sb_buffer *resource_open(const char *name)
{
    const char *max = getenv("SPOOLBUF_MAX"), *full = getenv("SPOOLBUF_FULL");
    sb_buffer *buffer = NULL;
    sb_callback source;
    sb_options options;
    int status;

    sb_options_init(&options, sizeof options);
    if (name == NULL) {
        fprintf(stderr, "Name a file, an URL, or - for standard input.\n");
        return NULL;
    }
    status = resource_source(&source, name, &options);
    if (status < 0) {
        fprintf(stderr, "%s: %s\n", name, resource_reason(name, status));
        return NULL;
    }
    resource_block_interrupt();
    options.spool_dir = getenv("SPOOLBUF_DIR");
    if (max != NULL)
        options.max_memory = strtoull(max, NULL, 10);
    if (full != NULL && strcmp(full, "memory") == 0)
        options.on_full = SB_ON_FULL_MEMORY;
    options.prefetch = 1 << 20; /* A thread of the library calls the source: a stop never waits for it. */
    status = sb_new_with(&source, &options, &buffer);
    if (status < 0)
        fprintf(stderr, "%s: %s\n", name, sb_strerror(status));
    resource_buffer = buffer;
    resource_name = name;
    return buffer;
}

/* Adler-32 of the output, as in ffmpeg's `crc` format; the sum of no bytes is 1. */
static inline uint32_t resource_sum(uint32_t sum, const void *bytes, size_t count)
{
    const unsigned char *next = (const unsigned char *)bytes;
    uint32_t low = sum & 0xffff, high = sum >> 16;

    for (; count > 0; count--) {
        low = (low + *next++) % 65521;
        high = (high + low) % 65521;
    }
    return high << 16 | low;
}

/* Prints the error of the system or the source, and its path. Call it before the buffer is freed. */
static inline void resource_detail(int64_t status)
{
    sb_stats stats;
    char directory[1024];

    if (sb_stat(resource_buffer, &stats, sizeof stats) < 0
        || sb_spool_dir(resource_buffer, directory, sizeof directory) < 0)
        return;
    if (status == SB_ERR_SOURCE)
        printf(": %s (%lld)", resource_reason(resource_name, (int)stats.source_error),
               (long long)stats.source_error);
    else if (stats.system_error != 0 && resource_error.status != status)
        printf(": %s: %s", directory, strerror(stats.system_error));
}

/* Prints how it ended. The buffer's status comes first, since libraries turn many errors into "invalid data" or
 * an ordinary end. `trouble` is the library's own error, or NULL. Returns the program's exit code. */
static inline int resource_end(int64_t status, const char *trouble)
{
    if (status == SB_ERR_CANCELED)
        puts("stopped");
    else if (status < 0) {
        char text[512];
        if (resource_error.status != status || sb_error_text(&resource_error, text, sizeof text) < 0)
            snprintf(text, sizeof text, "%s", sb_strerror(status));
        printf("%s: %s", resource_name, text);
        resource_detail(status);
        puts("");
    } else if (trouble != NULL)
        printf("%s: %s\n", resource_name, trouble);
    else
        puts("ended");
    return status < 0 || trouble != NULL;
}

#endif
