/*
 * A cancel ends a loop that reads a FILE, although every byte is buffered. Afterwards the FILE goes on where it was.
 * One that comes during a resume is not lost.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <pthread.h>

#include "../player/resume_hook.h"
#include "spoolbuf_stdio.h"

enum { SIZE = 100000 };

static FILE *file;
static spoolbuf_stdio *canceler;
static int loops;

static void cancel(void)
{
    spoolbuf_stdio_cancel(canceler);
}

static unsigned char byte_at(int64_t at)
{
    return (unsigned char)((uint64_t)(at + 1) * UINT64_C(0x9e3779b97f4a7c15) >> 56);
}

static int64_t give(void *opaque, void *out, size_t capacity)
{
    int64_t *position = opaque;
    size_t at;

    for (at = 0; at < capacity && *position < SIZE; at++)
        ((unsigned char *)out)[at] = byte_at((*position)++);
    return (int64_t)at;
}

/* Reads it again and again. */
static void *play(void *opaque)
{
    unsigned char byte;

    (void)opaque;
    while (fread(&byte, 1, 1, file) == 1 || feof(file)) {
        if (!feof(file))
            continue;
        rewind(file);
        __atomic_add_fetch(&loops, 1, __ATOMIC_SEQ_CST);
    }
    assert(ferror(file) && errno == ECANCELED);
    return NULL;
}

/* A seek from the end, which would fetch everything. */
static void seeks_canceled(void)
{
    int64_t position = 0;
    sb_callback source = { .read = give, .opaque = &position };
    sb_buffer *buffer = sb_new(&source, SIZE, SB_MAX_DEFAULT);
    sb_reader_options whole;

    sb_reader_options_init(&whole, sizeof whole);
    file = spoolbuf_stdio_open(&canceler, buffer, &whole);
    assert(file != NULL);
    before_resume = cancel;
    spoolbuf_stdio_resume(canceler);
    before_resume = NULL;
    assert(fseek(file, 0, SEEK_END) == -1 && errno == ECANCELED && position == 0);
    spoolbuf_stdio_resume(canceler);
    assert(fseek(file, 0, SEEK_END) == 0 && ftell(file) == SIZE);
    fclose(file);
    sb_free(buffer);
}

int main(void)
{
    static char space[4096];
    int64_t position = 0, at;
    sb_callback source = { .read = give, .opaque = &position };
    sb_buffer *buffer = sb_new(&source, SIZE, SB_MAX_DEFAULT);
    pthread_t player;

    assert(buffer != NULL && sb_find_size(buffer, -1) == SIZE);
    file = spoolbuf_stdio_open(&canceler, buffer, NULL);
    assert(file != NULL && setvbuf(file, space, _IOFBF, sizeof space) == 0);
    assert(pthread_create(&player, NULL, play, NULL) == 0);
    while (__atomic_load_n(&loops, __ATOMIC_SEQ_CST) < 3)
        ;
    spoolbuf_stdio_cancel(canceler);
    pthread_join(player, NULL);
    clearerr(file);
    assert(fgetc(file) == EOF && errno == ECANCELED);
    /* A cancel that comes meanwhile. */
    after_resume = cancel;
    spoolbuf_stdio_resume(canceler);
    after_resume = NULL;
    clearerr(file);
    while (getc(file) != EOF)
        continue; /* What the FILE itself holds. */
    assert(ferror(file) && errno == ECANCELED);
    spoolbuf_stdio_resume(canceler);
    clearerr(file);
    at = ftell(file);
    assert(at >= 0 && at <= SIZE);
    assert(fgetc(file) == (at < SIZE ? byte_at(at) : EOF));
    assert(fseek(file, at / 2, SEEK_SET) == 0 && fgetc(file) == byte_at(at / 2));
    fclose(file);
    sb_free(buffer);
    seeks_canceled();
    puts("ok");
    return 0;
}
