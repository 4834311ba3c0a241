/* A limit on the size of files, which stands for a full disk. A header of its own: Windows has none. */
#ifndef LIMIT_FILES_H
#define LIMIT_FILES_H

#include "check.h"

#include <sys/resource.h>

/* Limits how large files can become, as a full disk does; RLIM_INFINITY lifts that. */
static inline void limit_files(rlim_t most)
{
    struct rlimit limit;
    CHECK_EQ(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = most;
    CHECK_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

#endif
