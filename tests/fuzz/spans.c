/* Sets of offsets: sorted spans that never overlap. */
#include "fuzz.h"

/* The first span that ends past `offset`. */
static size_t find(const spans *self, uint64_t offset)
{
    size_t low = 0, high = self->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (self->list[middle].end <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void insert(spans *self, size_t at, span new)
{
    span *before = at > 0 ? &self->list[at - 1] : NULL;
    span *after = at < self->count ? &self->list[at] : NULL;
    bool left = before && before->end == new.start && before->variant == new.variant;
    bool right = after && after->start == new.end && after->variant == new.variant;
    if (left && right) {
        before->end = after->end;
        self->count--;
        memmove(after, after + 1, (self->count - at) * sizeof *after);
    } else if (left) {
        before->end = new.end;
    } else if (right) {
        after->start = new.start;
    } else {
        if (self->count == self->room) {
            self->room = self->room * 2 + 16;
            self->list = realloc(self->list, self->room * sizeof *self->list);
            if (!self->list)
                abort();
        }
        memmove(&self->list[at + 1], &self->list[at], (self->count - at) * sizeof *self->list);
        self->list[at] = new;
        self->count++;
    }
}

void spans_add(spans *self, uint64_t start, uint64_t end, uint32_t variant)
{
    while (start < end) {
        size_t at = find(self, start);
        uint64_t until = end;
        if (at < self->count) {
            if (self->list[at].start <= start) {
                start = self->list[at].end;
                continue;
            }
            if (self->list[at].start < until)
                until = self->list[at].start;
        }
        insert(self, at, (span){ start, until, variant });
        start = until;
    }
}

uint64_t spans_end(const spans *self, uint64_t offset)
{
    size_t at = find(self, offset);
    while (at < self->count && self->list[at].start <= offset)
        offset = self->list[at++].end;
    return offset;
}

uint64_t spans_next(const spans *self, uint64_t offset)
{
    size_t at = find(self, offset);
    if (at == self->count)
        return NONE;
    return self->list[at].start > offset ? self->list[at].start : offset;
}

uint64_t spans_total(const spans *self)
{
    uint64_t total = 0;
    for (size_t at = 0; at < self->count; at++)
        total += self->list[at].end - self->list[at].start;
    return total;
}

uint64_t spans_last(const spans *self)
{
    return self->count ? self->list[self->count - 1].end : 0;
}

bool spans_cover(const spans *self, uint64_t start, uint64_t end)
{
    return start >= end || spans_end(self, start) >= end;
}

const span *spans_at(const spans *self, uint64_t offset)
{
    size_t at = find(self, offset);
    return at < self->count && self->list[at].start <= offset ? &self->list[at] : NULL;
}

void spans_clear(spans *self)
{
    free(self->list);
    memset(self, 0, sizeof *self);
}
