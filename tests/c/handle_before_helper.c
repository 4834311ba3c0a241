/*
 * sb_new_with() writes the handle before the source can be called: a callback that looks for it finds
 * it, even on the helper that the option `prefetch` starts.
 */
#include "check.h"

#include <dlfcn.h>

static sb_buffer *handle;
static int started;

typedef int start(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

/* Interposes the library's start of a thread: nothing can be called on that thread earlier. */
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*body)(void *),
                   void *argument)
{
    start *real;
    void *found = dlsym(RTLD_NEXT, "pthread_create");
    CHECK(found != NULL);
    memcpy(&real, &found, sizeof real);
    CHECK(handle != NULL);
    started++;
    return real(thread, attributes, body, argument);
}

int main(void)
{
    stream source;
    sb_callback callback;
    sb_options options;

    stream_init(&source, 100000, 1000);
    callback = stream_callback(&source);
    CHECK_EQ(sb_options_init(&options, sizeof options), SB_OK);
    options.prefetch = 5000;
    CHECK_EQ(sb_new_with(&callback, &options, &handle), SB_OK);
    CHECK_EQ(started, 1);
    WAIT_UNTIL(sb_buffered(handle, 0) >= 5000);
    sb_free(handle);
    WAIT_UNTIL(stream_get(&source, &source.closes) == 1);
    return 0;
}
