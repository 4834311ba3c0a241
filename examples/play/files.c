#define _POSIX_C_SOURCE 200809L
#define _DARWIN_C_SOURCE

#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tune.h"

static void give_up(const char *what, const char *path, const char *why)
{
    fprintf(stderr, "play: %s%s: %s\n", what, path, why);
    exit(1);
}

static const char *temporary_directory(void)
{
    const char *path = getenv("TMPDIR");
    return path != NULL && *path != '\0' ? path : "/tmp";
}

int files_temporary(void)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/spoolbuf-play-XXXXXX", temporary_directory());
    int file = mkstemp(path);
    if (file < 0)
        give_up("no temporary file in ", temporary_directory(), strerror(errno));
    unlink(path);
    fcntl(file, F_SETFD, FD_CLOEXEC);
    return file;
}

int files_open(const char *path, uint64_t *size)
{
    struct stat status;
    int file = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : files_temporary();

    if (file < 0)
        give_up("", path, strerror(errno));
    if (path == NULL) {
        FILE *tune = fdopen(file, "w+b");  /* open until the program ends */
        if (tune == NULL || tune_write(tune) != 0)
            give_up("a temporary file in ", temporary_directory(), strerror(errno));
    }
    if (fstat(file, &status) != 0)
        give_up("", path != NULL ? path : temporary_directory(), strerror(errno));
    if (!S_ISREG(status.st_mode))
        give_up("", path, "not a regular file, so there is nothing to compare with");
    *size = (uint64_t)status.st_size;
    return file;
}

void files_check_target(const char *path)
{
    char directory[PATH_MAX];
    struct stat status;

    snprintf(directory, sizeof directory, "%s", path);
    char *end = strrchr(directory, '/');
    if (end == NULL)
        snprintf(directory, sizeof directory, ".");
    else
        end[end == directory] = '\0';
    if (*path == '\0')
        give_up("--out: ", "the name is empty", strerror(ENOENT));
    if (stat(directory, &status) != 0)
        give_up("--out: the directory ", directory, strerror(errno));
    if (!S_ISDIR(status.st_mode))
        give_up("--out: the directory ", directory, strerror(ENOTDIR));
    if (access(directory, W_OK | X_OK) != 0)
        give_up("--out: the directory ", directory, strerror(errno));
    if (stat(path, &status) == 0 && !S_ISREG(status.st_mode))
        give_up("--out: ", path, S_ISDIR(status.st_mode) ? strerror(EISDIR) : "not a regular file");
}

void files_make_target(char *path, int size)
{
    char directory[PATH_MAX - 16];

    snprintf(directory, sizeof directory, "%s/spoolbuf-play-XXXXXX", temporary_directory());
    if (mkdtemp(directory) == NULL)
        give_up("no directory in ", temporary_directory(), strerror(errno));
    snprintf(path, (size_t)size, "%s/saved", directory);
}

void files_remove_target(const char *path)
{
    char directory[PATH_MAX];

    unlink(path);
    snprintf(directory, sizeof directory, "%s", path);
    *strrchr(directory, '/') = '\0';
    rmdir(directory);
}
