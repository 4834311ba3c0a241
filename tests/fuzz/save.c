/* Saves: the file is the whole resource, or unchanged. */
#include "fuzz.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct progress {
    call *call;
    rng *random;
    uint64_t done, total;
    bool stops, looks, cancels, canceled;
} progress;

static int report(void *opaque, uint64_t done, uint64_t total)
{
    progress *self = opaque;
    EXPECT(done >= self->done, "a save goes back from %" PRIu64 " to %" PRIu64, self->done, done);
    EXPECT(done <= total, "a save has done %" PRIu64 " of %" PRIu64, done, total);
    self->done = done;
    self->total = total;
    if (self->looks && below(self->random, 8) == 0)
        look(self->random);
    if (self->cancels && done < total && below(self->random, 4) == 0) {
        cancel(false);
        clear(true);
        self->canceled = true;
    }
    if (self->stops && below(self->random, 4) == 0) {
        self->call->stopped = true;
        return 1;
    }
    return 0;
}

/* Checks that a file has `at` bytes, then the resource's first `count` bytes, and nothing else. */
static void expect_content(int file, uint64_t at, uint64_t count, const char *what)
{
    struct stat stat;
    EXPECT(file >= 0, "%s: no file", what);
    EXPECT(fstat(file, &stat) == 0 && (uint64_t)stat.st_size == at + count,
           "%s: the file has %" PRId64 " bytes, not %" PRIu64, what, (int64_t)stat.st_size, at + count);
    if (count == 0)
        return;
    unsigned char *bytes = mmap(NULL, at + count, PROT_READ, MAP_PRIVATE, file, 0);
    EXPECT(bytes != MAP_FAILED, "%s: no memory", what);
    lock();
    for (uint64_t place = 0; place < count;) {
        const span *span = spans_at(&the.journal, place);
        EXPECT(span, "%s: byte %" PRIu64 " was never delivered", what, place);
        uint64_t until = span->end < count ? span->end : count;
        uint64_t same = content_same(the.plan.salt, span->variant, place, bytes + at + place, until - place);
        EXPECT(same == until - place, "%s: a wrong byte at %" PRIu64, what, place + same);
        place = until;
    }
    unlock();
    munmap(bytes, at + count);
}

static void expect_file(const char *path, uint64_t count, const char *what)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (count == NONE)
        EXPECT(file < 0, "%s: there is a file", what);
    else
        expect_content(file, 0, count, what);
    if (file >= 0)
        close(file);
}

static void judge(const call *self, int64_t result, uint32_t flags, uint64_t frontier, bool exists)
{
    lock();
    if (result >= 0) {
        uint64_t count = (uint64_t)result;
        if (flags & SB_SAVE_BUFFERED)
            EXPECT(count >= frontier && count <= spans_end(&the.held, 0),
                   "%" PRIu64 " buffered bytes were saved", count);
        else
            EXPECT(count == the.final, "%" PRIu64 " bytes were saved, the final size is %" PRId64, count,
                   (int64_t)the.final);
        EXPECT(!(flags & SB_SAVE_REQUIRE_SIZE) || count == the.plan.declared, "not the declared size");
        EXPECT(!(flags & SB_SAVE_NO_REPLACE) || !exists, "a file was to be kept");
        spans_add(&the.shown, 0, count, 0);
    } else if (result == SB_ERR_EXISTS) {
        EXPECT((flags & SB_SAVE_NO_REPLACE) && exists, "there is no file to keep");
    } else if (result == SB_ERR_SIZE) {
        EXPECT((flags & SB_SAVE_REQUIRE_SIZE) || ((flags & SB_SAVE_BUFFERED) && the.holes), "no reason for a size");
    } else if (result == SB_ERR_UNKNOWN_SIZE) {
        EXPECT((flags & SB_SAVE_REQUIRE_SIZE) && (the.plan.declared == SB_SIZE_UNKNOWN || the.plan.states),
               "a size was declared");
    } else {
        const char *why = unlawful(self, result);
        EXPECT(!why, "a save returned %s: %s", status_name(result), why);
    }
    unlock();
}

static void save(uint32_t flags, bool to_file, rng *random, bool stops)
{
    bool fetches = !(flags & SB_SAVE_BUFFERED);
    call self = { .name = to_file ? "sb_save_with" : "sb_save_with, a descriptor", .off = NONE,
                  .need = fetches ? NONE : 0, .limit = -1, .reader = -1, .fetches = fetches,
                  .waits = true };
    progress told = { .call = &self, .random = random, .stops = stops, .looks = below(random, 2),
                      .cancels = stops && !(flags & SB_SAVE_LINK) && below(random, 2), .total = NONE };
    uint64_t at = below(random, 2) ? 0 : below(random, 100);
    int file = to_file ? -1 : memfd_create("saved", MFD_CLOEXEC);
    if (file >= 0 && lseek(file, (off_t)at, SEEK_SET) < 0)
        fail("no seek");
    lock();
    uint64_t frontier = spans_end(&the.shown, 0);
    the.saved = true;
    unlock();
    bool plain = flags == 0 && to_file && !stops;
    char path[PATH_MAX];
    sb_error error;
    sb_error_init(&error, sizeof error);
    error.path = path;
    error.path_cap = sizeof path;
    sb_save_options options;
    sb_save_options_init(&options, sizeof options);
    options.path = to_file ? me->path : NULL;
    options.fd = file;
    options.flags = flags;
    options.progress = report;
    options.opaque = &told;
    options.error = &error;
    call_begin(&self);
    int64_t result = plain ? sb_save(the.buffer, me->path) : sb_save_with(the.buffer, &options);
    call_end(&self);
    EXPECT(plain || error.status == (result < 0 ? result : SB_OK), "a save returned %s, its error is %s",
           status_name(result), status_name(error.status));
    EXPECT(error.operation < SB_OP_TARGET_OPEN || !to_file || strcmp(path, me->path) == 0,
           "a save to %s failed at %s", me->path, path);
    trace("%s(%#x): %s", self.name, flags, status_name(result));
    EXPECT(!self.stopped || result == SB_ERR_CANCELED, "a save that was stopped returned %s",
           status_name(result));
    EXPECT(!told.canceled || result < 0, "a save that was canceled returned %" PRId64, result);
    EXPECT(plain || result < 0 || (told.done == (uint64_t)result && told.total == told.done),
           "a save of %" PRId64 " bytes told last of %" PRIu64 " of %" PRIu64, result, told.done, told.total);
    judge(&self, result, flags, frontier, to_file && me->saved != NONE);
    if (to_file) {
        if (result >= 0)
            me->saved = (uint64_t)result;
        expect_file(me->path, me->saved, result >= 0 ? "a save" : "a save that failed");
    } else {
        if (result > 0) {
            expect_content(file, at, (uint64_t)result, "a save to a descriptor");
            EXPECT(lseek(file, 0, SEEK_CUR) == (off_t)at + result, "a descriptor stands elsewhere");
        }
        close(file);
    }
}

void save_something(rng *random)
{
    static const uint32_t flags[] = {
        0, 0, 0, SB_SAVE_NO_REPLACE, SB_SAVE_REQUIRE_SIZE, SB_SAVE_BUFFERED, SB_SAVE_BUFFERED, SB_SAVE_LINK,
        SB_SAVE_LINK | SB_SAVE_NO_REPLACE, SB_SAVE_BUFFERED | SB_SAVE_REQUIRE_SIZE, SB_SAVE_BUFFERED | SB_SAVE_LINK,
        SB_SAVE_SYNC,
    };
    uint32_t chosen = flags[below(random, COUNT_OF(flags))];
    if (the.plan.giant)
        chosen |= SB_SAVE_BUFFERED;
    save(chosen, below(random, 3) || (chosen & (SB_SAVE_NO_REPLACE | SB_SAVE_LINK)), random,
         below(random, 6) == 0);
}

void save_whole(void)
{
    rng *random = &me->random;
    save(below(random, 3) ? 0 : SB_SAVE_LINK, below(random, 4), random, false);
}
