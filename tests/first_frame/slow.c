/*
 * A slow disk: a folder's files, each at the pace that its attribute `user.rate` says, and counted in
 * `user.fetched`. It shows what a library does by itself with a source that can seek.
 *
 *     slow -f -s -o modules=subdir,subdir=FOLDER MOUNTPOINT
 */
#define FUSE_USE_VERSION 31
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static unsigned long long rate, fetched;
static double began;

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int slow_getattr(const char *path, struct stat *facts, struct fuse_file_info *info)
{
    (void)info;
    return lstat(path, facts) < 0 ? -errno : 0;
}

static int slow_open(const char *path, struct fuse_file_info *info)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    info->fh = (uint64_t)fd;
    info->direct_io = 1; /* The system reads nothing ahead. */
    return fd < 0 ? -errno : 0;
}

static int slow_read(const char *path, char *out, size_t length, off_t at, struct fuse_file_info *info)
{
    struct timespec nap = { 0, 500000 };
    ssize_t count = pread((int)info->fh, out, length, at);

    (void)path;
    if (count < 0)
        return -errno;
    fetched += (unsigned long long)count;
    if (began == 0)
        began = now();
    while (rate > 0 && now() < began + (double)fetched / (double)rate)
        nanosleep(&nap, NULL);
    return (int)count;
}

static int slow_release(const char *path, struct fuse_file_info *info)
{
    (void)path;
    return close((int)info->fh);
}

/* Also forgets what was fetched: one file is played at a time. */
static int slow_setxattr(const char *path, const char *name, const char *value, size_t size, int flags)
{
    char text[24] = "";

    (void)path;
    (void)flags;
    if (strcmp(name, "user.rate") != 0 || size >= sizeof text)
        return -ENOTSUP;
    memcpy(text, value, size);
    rate = strtoull(text, NULL, 10);
    fetched = 0;
    began = 0;
    return 0;
}

static int slow_getxattr(const char *path, const char *name, char *value, size_t size)
{
    char text[24];
    int length = snprintf(text, sizeof text, "%llu", fetched);

    (void)path;
    if (strcmp(name, "user.fetched") != 0)
        return -ENODATA;
    if (size == 0)
        return length;
    if (size < (size_t)length)
        return -ERANGE;
    memcpy(value, text, (size_t)length);
    return length;
}

int main(int argc, char **argv)
{
    static const struct fuse_operations operations = {
        .getattr = slow_getattr,
        .open = slow_open,
        .read = slow_read,
        .release = slow_release,
        .setxattr = slow_setxattr,
        .getxattr = slow_getxattr,
    };

    return fuse_main(argc, argv, &operations, NULL);
}
