/* Loads the shared library at SPOOLBUF_LIBRARY, to which the program is not linked. */
#ifndef LOAD_H
#define LOAD_H

#include "check.h"
#include <dlfcn.h>

/* ISO C has no conversion of a data pointer to a function pointer. */
static void look_up(void *library, const char *name, void *function)
{
    void *found = dlsym(library, name);
    CHECK(found != NULL);
    memcpy(function, &found, sizeof found);
}

static void *load(int binding)
{
    const char *path = getenv("SPOOLBUF_LIBRARY");
    void *library;
    CHECK(path != NULL);
    library = dlopen(path, binding | RTLD_LOCAL);
    if (library == NULL)
        fprintf(stderr, "%s\n", dlerror());
    CHECK(library != NULL);
    return library;
}

#endif
