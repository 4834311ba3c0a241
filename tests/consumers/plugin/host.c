/* Loads two plugins, each with its own copy of the library, and unloads one while the other works. */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>

typedef struct plugin {
    void *loaded;
    int (*open)(void);
    int (*reads)(uint64_t);
    void (*close)(void);
} plugin;

static int load(const char *path, int flags, plugin *out)
{
    out->loaded = dlopen(path, flags);
    if (!out->loaded) {
        fprintf(stderr, "%s\n", dlerror());
        return 0;
    }
    *(void **)&out->open = dlsym(out->loaded, "plugin_open");
    *(void **)&out->reads = dlsym(out->loaded, "plugin_reads");
    *(void **)&out->close = dlsym(out->loaded, "plugin_close");
    return out->open && out->reads && out->close && out->open() == 0;
}

int main(int count, char **arguments)
{
    plugin first, second;

    if (count != 3)
        return 2;
    /* Global, so that what one exported would be found by the other. */
    if (!load(arguments[1], RTLD_NOW | RTLD_GLOBAL, &first) || !load(arguments[2], RTLD_NOW | RTLD_GLOBAL, &second))
        return 3;
    if (first.open == second.open || dlsym(RTLD_DEFAULT, "sb_new"))
        return 4;
    for (int round = 0; round < 100; round++) {
        uint64_t offset = (uint64_t)round * 77777;
        if (!first.reads(offset) || !second.reads(offset))
            return 5;
    }
    first.close();
    if (dlclose(first.loaded) != 0)
        return 6;
    for (int round = 100; round < 200; round++)
        if (!second.reads((uint64_t)round * 77777))
            return 7;
    second.close();
    dlclose(second.loaded);
    puts("ok");
    return 0;
}
