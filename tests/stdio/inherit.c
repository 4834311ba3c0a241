/*
 * A program that another thread executes meanwhile inherits nothing of a source's: each descriptor is closed
 * then from its first moment on. A pipe(2), made so afterwards, would have a moment before.
 */
#undef NDEBUG
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static inline int pipe_refused(int *ends)
{
    (void)ends;
    errno = EMFILE;
    return -1;
}

#define pipe(ends) pipe_refused(ends)
#include "spoolbuf_fd.h"
#undef pipe

/* The number of descriptors, and of those that a program would inherit. */
static void count(int *all, int *inherited)
{
    DIR *folder = opendir("/proc/self/fd");
    struct dirent *entry;

    assert(folder != NULL);
    *all = *inherited = 0;
    while ((entry = readdir(folder)) != NULL) {
        int flags = fcntl(atoi(entry->d_name), F_GETFD);

        *all += entry->d_name[0] != '.';
        *inherited += entry->d_name[0] != '.' && flags >= 0 && (flags & FD_CLOEXEC) == 0;
    }
    closedir(folder);
}

int main(void)
{
    int ends[2], before[2], after[2];
    sb_callback source;
    sb_buffer *buffer;
    uint64_t size;

    assert(pipe(ends) == 0);
    count(&before[0], &before[1]);
    assert(spoolbuf_fd_source(&source, ends[0], 0, &size) == 0);
    buffer = sb_new(&source, size, SB_MAX_DEFAULT);
    assert(buffer != NULL);
    count(&after[0], &after[1]);
    assert(after[0] > before[0] && after[1] == before[1]);
    sb_free(buffer);
    count(&after[0], &after[1]);
    assert(after[0] == before[0] && after[1] == before[1]);
    puts("ok");
    return 0;
}
