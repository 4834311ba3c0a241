/*
 * A source that returns one result of a list after the other, by `read` or by `pull`: the test states
 * the result of each call.
 */
#ifndef SCRIPT_H
#define SCRIPT_H

#include "check.h"

typedef struct script {
    const int64_t *answers; /* > 0: at most that many bytes, 0: the end, < 0: a code */
    size_t count;           /* the last one is repeated */
    size_t calls;           /* `read` or `pull` */
    uint64_t at;            /* the offset of the next byte */
    const int64_t *seeks;   /* what `seek` returns, in turn; then 0 */
    size_t seeks_count;
    size_t seek_calls;
    int closes;
} script;

static inline int64_t script_answer(script *self, void *out, size_t capacity)
{
    int64_t answer = self->answers[self->calls < self->count ? self->calls : self->count - 1];
    unsigned char *bytes = out;
    size_t index;

    CHECK_EQ(self->closes, 0);
    self->calls++;
    if (answer <= 0)
        return answer;
    if ((uint64_t)answer > capacity)
        answer = (int64_t)capacity;
    for (index = 0; index < (size_t)answer; index++)
        bytes[index] = byte_at(self->at + index);
    self->at += (uint64_t)answer;
    return answer;
}

static inline int64_t script_read(void *opaque, void *out, size_t capacity)
{
    return script_answer(opaque, out, capacity);
}

static inline int64_t script_seek(void *opaque, uint64_t offset)
{
    script *self = opaque;
    int64_t answer = self->seek_calls < self->seeks_count ? self->seeks[self->seek_calls] : 0;
    self->seek_calls++;
    if (answer == 0)
        self->at = offset;
    return answer;
}

static inline int script_pull(void *opaque, uint64_t offset, void *out, size_t capacity,
                              size_t *count)
{
    script *self = opaque;
    int64_t answer;
    CHECK(*count == SIZE_MAX);
    self->at = offset;
    answer = script_answer(self, out, capacity);
    if (answer < 0)
        return (int)answer;
    *count = (size_t)answer;
    return SB_OK;
}

static inline void script_close(void *opaque)
{
    script *self = opaque;
    self->closes++;
    CHECK_EQ(self->closes, 1);
}

/* The ways to deliver the same bytes. */
typedef enum form { READ, READ_SEEK, PULL, PULL_SEEKS, FORMS } form;

static inline sb_callback script_callback(script *self, form how)
{
    sb_callback callback = { .opaque = self, .close = script_close };
    if (how == READ || how == READ_SEEK)
        callback.read = script_read;
    else
        callback.pull = script_pull;
    if (how == READ_SEEK)
        callback.seek = script_seek;
    if (how == PULL_SEEKS)
        callback.flags = SB_SOURCE_SEEKS;
    return callback;
}

/* A buffer over a script that requests no more than it needs. */
static inline sb_buffer *script_open(script *self, form how, uint64_t declared, uint32_t on_short)
{
    sb_callback callback = script_callback(self, how);
    sb_options options;
    sb_buffer *buffer;
    CHECK_EQ(sb_options_init(&options, sizeof options), SB_OK);
    options.size = declared;
    options.read_granularity = 0;
    options.seek_gap = 0;
    options.on_short = on_short;
    CHECK_EQ(sb_new_with(&callback, &options, &buffer), SB_OK);
    return buffer;
}

#define SCRIPT(list) { .answers = (list), .count = COUNT_OF(list) }

#endif
