/*
 * The gauge: what the process takes, as the system counts it. Spool files have no name, so they are found
 * among the open files.
 */
#include "soak.h"

#include <dirent.h>
#include <sys/stat.h>

static uint64_t resident(void)
{
    unsigned long long total = 0, pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%llu %llu", &total, &pages) != 2)
        wrong("/proc/self/statm");
    fclose(file);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static unsigned lines_of(const char *path)
{
    FILE *file = fopen(path, "r");
    unsigned lines = 0;
    int byte;
    if (file == NULL)
        wrong("%s", path);
    while ((byte = fgetc(file)) != EOF)
        lines += byte == '\n';
    fclose(file);
    return lines;
}

static unsigned entries_of(const char *path)
{
    unsigned count = 0;
    DIR *directory = opendir(path);
    if (directory == NULL)
        wrong("%s", path);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(directory);
    return count;
}

/* Adds up the open files without a name in the file system of the spool. */
static void count_files(gauge *gauge, const char *spool_dir)
{
    struct stat spool, file;
    DIR *directory = opendir("/proc/self/fd");
    if (directory == NULL || stat(spool_dir, &spool) != 0)
        wrong("/proc/self/fd or %s", spool_dir);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        gauge->files++;
        if (fstat(atoi(entry->d_name), &file) == 0 && S_ISREG(file.st_mode) && file.st_nlink == 0
            && file.st_dev == spool.st_dev) {
            gauge->spool_files++;
            gauge->spooled += (uint64_t)file.st_blocks * 512;
        }
    }
    closedir(directory);
}

gauge measure(const char *spool_dir)
{
    gauge gauge = { .resident = resident() };
    count_files(&gauge, spool_dir);
    gauge.threads = entries_of("/proc/self/task");
    gauge.maps = lines_of("/proc/self/maps");
    return gauge;
}
