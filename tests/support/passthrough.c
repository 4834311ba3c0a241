/*
 * A file system for tests: shows a directory under a second path, and lacks or breaks what it is told.
 *
 *     passthrough BACKING MOUNTPOINT [OPTION...]
 *
 *     quota=N      takes writes past the first N bytes of a file and drops them; says so (EDQUOT) at
 *                  close only, as network file systems do
 *     late         takes writes in the system's memory, and refuses those past the quota (EDQUOT) when
 *                  they are written from there
 *     read=N       fails (EIO) to read from the byte N of a file on
 *     no-replace   has no renameat2: EINVAL
 *     no-links     has no second names: EPERM
 *
 * It has no files without a name, and no flock of its own: each mount has its own locks. Runs until it
 * is unmounted.
 */
#define FUSE_USE_VERSION 35
#define _GNU_SOURCE

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct handle {
    int fd;
    int dropped;
};

static const char *backing;
static uint64_t quota = UINT64_MAX;
static uint64_t readable = UINT64_MAX;
static int no_replace, no_links, late;

static struct handle *handle_of(struct fuse_file_info *info)
{
    return (struct handle *)(uintptr_t)info->fh;
}

static const char *real(const char *path, char out[PATH_MAX])
{
    snprintf(out, PATH_MAX, "%s%s", backing, path);
    return out;
}

static int done(int result)
{
    return result < 0 ? -errno : 0;
}

static void *fs_init(struct fuse_conn_info *connection, struct fuse_config *config)
{
    if (late)
        connection->want |= FUSE_CAP_WRITEBACK_CACHE;
    config->use_ino = 1;
    config->hard_remove = 1;
    config->nullpath_ok = 1;
    config->entry_timeout = config->attr_timeout = config->negative_timeout = 0;
    return NULL;
}

static int fs_getattr(const char *path, struct stat *out, struct fuse_file_info *info)
{
    char text[PATH_MAX];
    return done(info ? fstat(handle_of(info)->fd, out) : lstat(real(path, text), out));
}

static int fs_readlink(const char *path, char *out, size_t size)
{
    char text[PATH_MAX];
    ssize_t length = readlink(real(path, text), out, size - 1);
    if (length < 0)
        return -errno;
    out[length] = 0;
    return 0;
}

static int fs_opendir(const char *path, struct fuse_file_info *info)
{
    char text[PATH_MAX];
    DIR *directory = opendir(real(path, text));
    info->fh = (uintptr_t)directory;
    return directory == NULL ? -errno : 0;
}

static int fs_readdir(const char *path, void *out, fuse_fill_dir_t fill, off_t offset,
                      struct fuse_file_info *info, enum fuse_readdir_flags flags)
{
    DIR *directory = (DIR *)(uintptr_t)info->fh;
    struct dirent *entry;
    (void)path;
    (void)offset;
    (void)flags;
    rewinddir(directory);
    while ((entry = readdir(directory)) != NULL)
        fill(out, entry->d_name, NULL, 0, 0);
    return 0;
}

static int fs_releasedir(const char *path, struct fuse_file_info *info)
{
    (void)path;
    return closedir((DIR *)(uintptr_t)info->fh);
}

static int keep_open(int fd, struct fuse_file_info *info)
{
    struct handle *handle = calloc(1, sizeof *handle);
    if (fd < 0 || handle == NULL) {
        int error = fd < 0 ? errno : ENOMEM;
        free(handle);
        return -error;
    }
    handle->fd = fd;
    /* What is read is passed on as it comes: the system would take a short answer for the end. */
    info->direct_io = readable != UINT64_MAX;
    info->fh = (uintptr_t)handle;
    return 0;
}

/* The system's memory is filled by reading, and takes care of appending itself. */
static int flags_of(const struct fuse_file_info *info)
{
    int flags = info->flags & ~O_APPEND;
    return (late ? (flags & ~O_ACCMODE) | O_RDWR : flags) | O_CLOEXEC;
}

static int fs_open(const char *path, struct fuse_file_info *info)
{
    char text[PATH_MAX];
    return keep_open(open(real(path, text), flags_of(info)), info);
}

static int fs_create(const char *path, mode_t mode, struct fuse_file_info *info)
{
    char text[PATH_MAX];
    return keep_open(open(real(path, text), flags_of(info) | O_CREAT, mode), info);
}

static int fs_read(const char *path, char *out, size_t size, off_t offset,
                   struct fuse_file_info *info)
{
    ssize_t count;
    (void)path;
    if ((uint64_t)offset >= readable)
        return -EIO;
    if (size > readable - (uint64_t)offset)
        size = readable - (uint64_t)offset;
    count = pread(handle_of(info)->fd, out, size, offset);
    return count < 0 ? -errno : (int)count;
}

static int fs_write(const char *path, const char *bytes, size_t size, off_t offset,
                    struct fuse_file_info *info)
{
    struct handle *handle = handle_of(info);
    size_t most = size;
    ssize_t count;
    (void)path;
    if ((uint64_t)offset + size > quota) {
        if (late)
            return -EDQUOT;
        handle->dropped = 1;
        most = (uint64_t)offset < quota ? quota - (uint64_t)offset : 0;
    }
    if (most == 0)
        return (int)size;
    count = pwrite(handle->fd, bytes, most, offset);
    return count < 0 ? -errno : (int)size;
}

static int fs_flush(const char *path, struct fuse_file_info *info)
{
    (void)path;
    return handle_of(info)->dropped ? -EDQUOT : 0;
}

static int fs_release(const char *path, struct fuse_file_info *info)
{
    (void)path;
    close(handle_of(info)->fd);
    free(handle_of(info));
    return 0;
}

static int fs_fsync(const char *path, int data, struct fuse_file_info *info)
{
    (void)path;
    (void)data;
    return done(fsync(handle_of(info)->fd));
}

static int fs_truncate(const char *path, off_t size, struct fuse_file_info *info)
{
    char text[PATH_MAX];
    return done(info ? ftruncate(handle_of(info)->fd, size) : truncate(real(path, text), size));
}

static int fs_rename(const char *from, const char *to, unsigned flags)
{
    char old[PATH_MAX], new[PATH_MAX];
    if (flags != 0 && no_replace)
        return -EINVAL;
    return done(renameat2(AT_FDCWD, real(from, old), AT_FDCWD, real(to, new), flags));
}

static int fs_link(const char *from, const char *to)
{
    char old[PATH_MAX], new[PATH_MAX];
    if (no_links)
        return -EPERM;
    return done(link(real(from, old), real(to, new)));
}

static int fs_unlink(const char *path)
{
    char text[PATH_MAX];
    return done(unlink(real(path, text)));
}

static int fs_mkdir(const char *path, mode_t mode)
{
    char text[PATH_MAX];
    return done(mkdir(real(path, text), mode));
}

static int fs_chmod(const char *path, mode_t mode, struct fuse_file_info *info)
{
    char text[PATH_MAX];
    return done(info ? fchmod(handle_of(info)->fd, mode) : chmod(real(path, text), mode));
}

static int fs_utimens(const char *path, const struct timespec times[2], struct fuse_file_info *info)
{
    char text[PATH_MAX];
    return done(info ? futimens(handle_of(info)->fd, times)
                     : utimensat(AT_FDCWD, real(path, text), times, AT_SYMLINK_NOFOLLOW));
}

static const struct fuse_operations operations = {
    .init = fs_init,
    .getattr = fs_getattr,
    .readlink = fs_readlink,
    .opendir = fs_opendir,
    .readdir = fs_readdir,
    .releasedir = fs_releasedir,
    .open = fs_open,
    .create = fs_create,
    .read = fs_read,
    .write = fs_write,
    .flush = fs_flush,
    .release = fs_release,
    .fsync = fs_fsync,
    .truncate = fs_truncate,
    .rename = fs_rename,
    .link = fs_link,
    .unlink = fs_unlink,
    .mkdir = fs_mkdir,
    .chmod = fs_chmod,
    .utimens = fs_utimens,
};

int main(int count, char **arguments)
{
    char *fuse[] = { arguments[0], "-f", "-s", NULL, NULL };
    int at;
    if (count < 3)
        return 2;
    backing = arguments[1];
    fuse[3] = arguments[2];
    for (at = 3; at < count; at++) {
        const char *option = arguments[at];
        if (strncmp(option, "quota=", 6) == 0)
            quota = strtoull(option + 6, NULL, 10);
        else if (strncmp(option, "read=", 5) == 0)
            readable = strtoull(option + 5, NULL, 10);
        else if (strcmp(option, "no-replace") == 0)
            no_replace = 1;
        else if (strcmp(option, "late") == 0)
            late = 1;
        else if (strcmp(option, "no-links") == 0)
            no_links = 1;
        else
            return 2;
    }
    return fuse_main(4, fuse, &operations, NULL);
}
