/* Operations that control a buffer: cancel, resume, retry, prefetch, spill, free. */
#include "fuzz.h"

#include <sys/resource.h>

void clear(bool resumes)
{
    call self = { .name = resumes ? "sb_resume" : "sb_retry", .off = NONE, .limit = -1, .reader = -1 };
    call_begin(&self);
    lock();
    clear_begins(resumes);
    unlock();
    int result = resumes ? sb_resume(the.buffer) : sb_retry(the.buffer);
    call_end(&self);
    lock();
    clear_ended(resumes, self.begin);
    unlock();
    trace("%s: %d", self.name, result);
    if (result != SB_OK)
        judge_status(&self, result);
}

void await_stopped(uint64_t before, int reader)
{
    int64_t until = now_ms() + patience_ms;
    for (size_t at = 0; at < WORKERS; at++) {
        const worker *other = &the.workers[at];
        for (bool waits = true; waits;) {
            waits = false;
            lock();
            /* A call that had only just begun may have been reached after a resume. */
            bool goes_on = (reader < 0 ? the.resumed_at : the.reader_resumed_at) > before;
            if (other != me && other != the.insider && other->inside == 0 && !goes_on)
                for (const call *call = other->call; call; call = call->outer)
                    waits |= call->begin < before && call->waits && strcmp(call->name, "sb_free") != 0
                        && (reader < 0 || call->reader == reader);
            if (waits)
                EXPECT(now_ms() < until, "thread %zu is still blocked in %s after a cancel", at,
                       other->call->name);
            unlock();
            if (waits)
                pause_us(100);
        }
    }
}

/* The call of the source that a cancel must interrupt: one that stays stalled for as long as the cancel
 * takes. */
typedef struct stall {
    bool is_one;
    uint64_t calls, cancels, turn;
} stall;

static stall stall_begins(void)
{
    /* One thread at a time is inside `cancel`: another one's cancel may be about to tell the source. */
    bool is_one = the.cancelers++ == 0 && the.stalled && the.insider != me && the.plan.has_cancel;
    return (stall){ is_one, the.calls, the.cancels_called, ++the.cancels_begun };
}

static void stall_was_told(stall before, bool told, const char *what)
{
    the.cancelers--;
    if (before.is_one && told && before.turn == the.cancels_begun && the.stalled && the.calls == before.calls)
        EXPECT(the.cancels_called > before.cancels, "%s does not interrupt the source", what);
}

void cancel(bool sees)
{
    call self = { .name = "sb_cancel", .off = NONE, .limit = -1, .reader = -1 };
    call_begin(&self);
    lock();
    the.holds++;
    cancel_begins();
    stall before = stall_begins();
    unlock();
    int result = sb_cancel(the.buffer);
    call_end(&self);
    trace("sb_cancel: %d", result);
    lock();
    stall_was_told(before, result == SB_OK, self.name);
    cancel_ended(self.begin, result == SB_OK);
    unlock();
    if (result != SB_OK)
        judge_status(&self, result);
    else if (sees && me->inside == 0)
        await_stopped(self.begin, -1);
    lock();
    the.holds--;
    unlock();
}

void change_prefetch(uint64_t ahead)
{
    call self = { .name = "sb_prefetch", .off = NONE, .limit = -1, .reader = -1 };
    call_begin(&self);
    lock();
    prefetch_begins(ahead);
    unlock();
    int result = sb_prefetch(the.buffer, ahead);
    call_end(&self);
    lock();
    prefetch_ended(ahead, self.begin);
    unlock();
    trace("sb_prefetch(%" PRId64 "): %d", (int64_t)ahead, result);
    if (result != SB_OK)
        judge_status(&self, result);
}

static void spill(void)
{
    call self = { .name = "sb_spill", .off = NONE, .limit = -1, .reader = -1 };
    call_begin(&self);
    int result = sb_spill(the.buffer);
    call_end(&self);
    trace("sb_spill: %d", result);
    if (result != SB_OK)
        judge_status(&self, result);
}

void change_max(rng *random)
{
    uint64_t max = below(random, 3) ? below(random, the.plan.size % SB_MAX_DEFAULT + 2) : the.plan.max;
    call self = { .name = "sb_set_max_memory", .off = NONE, .limit = -1, .reader = -1 };
    call_begin(&self);
    lock();
    if (max > the.max)
        the.max = max;
    unlock();
    int result = sb_set_max_memory(the.buffer, max);
    call_end(&self);
    trace("sb_set_max_memory(%" PRId64 "): %d", (int64_t)max, result);
    if (result != SB_OK) {
        judge_status(&self, result);
        return;
    }
    lock();
    if (alone())
        the.max = max;
    unlock();
}

void free_buffer(void)
{
    /* Without a `close`, its return is the sign that the source is no longer used. */
    bool waits = !the.plan.has_close;
    call self = { .name = "sb_free", .off = NONE, .limit = -1, .reader = -1, .waits = waits };
    call_begin(&self);
    lock();
    /* Nobody knows which of several frees takes effect. */
    the.frees++;
    free_begins();
    stall before = stall_begins();
    unlock();
    sb_free(the.buffer);
    call_end(&self);
    lock();
    stall_was_told(before, the.frees == 1, self.name);
    if (the.frees == 1)
        free_ended();
    if (the.frees == 1 && waits && me->inside == 0)
        EXPECT(atomic_load(&the.occupied) == 0 && the.canceling == 0,
               "sb_free returned while the source runs");
    unlock();
    trace("sb_free");
}

void change_disk(rng *random, bool full)
{
    static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
    struct rlimit limit;
    pthread_mutex_lock(&one_at_a_time);
    getrlimit(RLIMIT_FSIZE, &limit);
    if (full) {
        lock();
        cause_open(DISK_FULL, 0, 0);
        the.disk_full = true;
        unlock();
        limit.rlim_cur = below(random, the.plan.size + 1);
    } else {
        limit.rlim_cur = limit.rlim_max;
    }
    trace("files may have %" PRId64 " bytes", (int64_t)limit.rlim_cur);
    setrlimit(RLIMIT_FSIZE, &limit);
    if (!full) {
        lock();
        disk_lifted();
        unlock();
    }
    pthread_mutex_unlock(&one_at_a_time);
}

void control(rng *random)
{
    bool cancels = below(random, 3) == 0;
    switch (below(random, 12)) {
    case 0: case 1: case 2:
        if (cancels)
            cancel(below(random, 2));
        else
            clear(true);
        break;
    case 3: case 4: case 5:
        clear(true);
        break;
    case 6: case 7:
        clear(false);
        break;
    case 8: case 9:
        spill();
        break;
    default:
        if (the.plan.threads == 1 && the.plan.prefetch == 0)
            spill();
        else if (below(random, 2))
            change_prefetch(0);
        else
            change_prefetch(below(random, 4) || the.plan.giant ? 1 + below(random, 300000) : SB_PREFETCH_ALL);
    }
}
