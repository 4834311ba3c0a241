/*
 * What an adapter says in its library's own way: the line of sb_error_text, with the operation, the
 * offset and the path.
 */
#undef NDEBUG
#include <assert.h>
#include <stdio.h>
#include <string.h>

#ifdef WITH_SDL
#define SDL_MAIN_HANDLED
#include "spoolbuf_sdl.h"
#elif defined WITH_ARCHIVE
#include "spoolbuf_archive.h"
#else
#include "spoolbuf_gst.h"
#endif

#define FAILED "cannot read the source at offset 3000: the source failed (code -5)"
#define NO_FOLDER "cannot create the spool file in missing"

static int64_t fails(void *opaque, void *out, size_t capacity)
{
    int64_t *left = opaque, count = (int64_t)capacity < *left ? (int64_t)capacity : *left;

    if (*left == 0)
        return -5;
    memset(out, 'x', (size_t)count);
    *left -= count;
    return count;
}

/* Opens a buffer whose source fails after `*left` bytes, and which cannot create a spool file. */
static sb_buffer *opened(int64_t *left)
{
    sb_callback callback = { .read = fails, .opaque = left };
    sb_options options;
    sb_buffer *buffer;

    sb_options_init(&options, sizeof options);
    options.max_memory = 0;
    options.spool_dir = "missing";
    assert(sb_new_with(&callback, &options, &buffer) == SB_OK);
    return buffer;
}

#ifdef WITH_SDL
static void check(int64_t left, const char *text)
{
    static char bytes[2000000];
    sb_buffer *buffer = opened(&left);
    spoolbuf_sdl self;
    SDL_RWops *file = spoolbuf_sdl_open(&self, buffer);

    assert(file != NULL);
    assert(SDL_RWread(file, bytes, 1, sizeof bytes) < sizeof bytes);
    fprintf(stderr, "%s\n", SDL_GetError());
    assert(strncmp(SDL_GetError(), text, strlen(text)) == 0);
    SDL_RWclose(file);
    spoolbuf_sdl_close(&self);
    sb_free(buffer);
}
#elif defined WITH_ARCHIVE
static void check(int64_t left, const char *text)
{
    sb_buffer *buffer = opened(&left);
    struct archive *archive = archive_read_new();
    spoolbuf_archive self;
    const void *bytes;
    la_ssize_t count;

    assert(spoolbuf_archive_open(&self, buffer) == SB_OK);
    while ((count = spoolbuf_archive_read(archive, &self, &bytes)) > 0)
        ;
    assert(count == ARCHIVE_FATAL);
    fprintf(stderr, "%s\n", archive_error_string(archive));
    assert(strncmp(archive_error_string(archive), text, strlen(text)) == 0);
    archive_read_free(archive);
    spoolbuf_archive_close(&self);
    sb_free(buffer);
}
#else
static void check(int64_t left, const char *text)
{
    static char bytes[2000000];
    sb_buffer *buffer = opened(&left);
    GstElement *source = gst_element_factory_make("appsrc", NULL);
    GstBus *bus = gst_bus_new();
    spoolbuf_gst self;
    GstMessage *message;
    GError *error;
    int64_t count;

    assert(spoolbuf_gst_open(&self, buffer, GST_APP_SRC(source)) == SB_OK);
    /* An element in the state NULL wants its thread back: a read gives up if it is not over soon. */
    while ((count = spoolbuf_gst_read(&self, sizeof bytes, bytes)) > 0 || count == SB_ERR_TIMEOUT)
        ;
    gst_element_set_bus(source, bus);
    spoolbuf_gst_fail(&self, GST_APP_SRC(source), count);
    message = gst_bus_pop_filtered(bus, GST_MESSAGE_ERROR);
    assert(message != NULL);
    gst_message_parse_error(message, &error, NULL);
    fprintf(stderr, "%s\n", error->message);
    assert(strncmp(error->message, text, strlen(text)) == 0);
    g_error_free(error);
    gst_message_unref(message);
    gst_element_set_bus(source, NULL);
    spoolbuf_gst_close(&self);
    gst_object_unref(bus);
    gst_object_unref(source);
    sb_free(buffer);
}
#endif

int main(int argc, char **argv)
{
    (void)argc;
    (void)argv;
#if !defined WITH_SDL && !defined WITH_ARCHIVE
    gst_init(&argc, &argv);
#endif
    check(3000, FAILED);
    check(1000000000, NO_FOLDER);
    puts("ok");
    return 0;
}
