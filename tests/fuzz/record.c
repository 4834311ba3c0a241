/* The fuzzer's output: a trace of the last events, the failure, and which threads hang. */
#include "fuzz.h"

#include <dirent.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

atomic_uint_fast64_t operations_done, calls_done, bytes_done;
char scratch_folder[200];
int64_t patience_ms = 40000;
unsigned threads_at_first;

enum { EVENTS = 400, TEXT = 150 };
static char events[EVENTS][TEXT];
static atomic_uint events_count;

int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t now_ms(void)
{
    return now_us() / 1000;
}

void pause_us(unsigned us)
{
    struct timespec time = { us / 1000000, (long)(us % 1000000) * 1000 };
    nanosleep(&time, NULL);
}

unsigned entries(const char *folder)
{
    unsigned count = 0;
    DIR *open = opendir(folder);
    if (!open)
        return 0;
    for (struct dirent *entry; (entry = readdir(open)) != NULL;)
        count += entry->d_name[0] != '.' || strlen(entry->d_name) > 2;
    closedir(open);
    return count;
}

const char *status_name(int64_t status)
{
    static const char *names[] = {
        "OK",       "INVALID",   "SOURCE",      "IO",     "DISK_FULL", "NO_MEMORY", "CANCELED", "TIMEOUT",
        "REENTRANT", "UNKNOWN", "UNSUPPORTED", "EXISTS", "SIZE",      "PANIC",     "SHORT",    "LAPPED",
    };
    static _Thread_local char number[24];
    if (status <= 0 && status > -(int64_t)COUNT_OF(names))
        return names[-status];
    snprintf(number, sizeof number, "%" PRId64, status);
    return number;
}

static const char *who(const worker *self)
{
    static const char *names[] = { "thread 0", "thread 1", "thread 2", "thread 3", "main", "library" };
    return self ? names[self->number < HELPER ? self->number : HELPER] : "?";
}

void trace(const char *format, ...)
{
    unsigned number = atomic_fetch_add_explicit(&events_count, 1, memory_order_relaxed);
    char *text = events[number % EVENTS];
    int length = snprintf(text, TEXT, "%s%*s: ", who(me), me ? (int)(2 * me->inside) : 0, "");
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text + length, (size_t)(TEXT - length), format, arguments);
    va_end(arguments);
    if (the.tracing)
        fprintf(stderr, "%6u %s\n", number, text);
}

static void print_threads(void)
{
    for (size_t at = 0; at < WORKERS; at++) {
        const worker *self = &the.workers[at];
        for (const call *call = self->call; call; call = call->outer)
            fprintf(stderr, "  %s is in %s(%" PRIu64 ", %" PRIu64 ") for %" PRId64 " ms%s\n",
                    who(self), call->name, call->off, call->len, now_ms() - call->begun_ms,
                    the.insider == self ? ", inside the source" : "");
    }
    fprintf(stderr,
            "  the source: position %" PRIu64 ", %s%s%s, final %" PRId64 ", bound %" PRId64
            ", reads %" PRIu64 ", seeks %" PRIu64 "\n",
            the.position, the.insider ? "called by " : "idle", the.insider ? who(the.insider) : "",
            the.stalled ? ", stalls" : "", (int64_t)the.final, (int64_t)the.bound, the.reads,
            the.seeks);
}

void fail(const char *format, ...)
{
    static atomic_flag failed = ATOMIC_FLAG_INIT;
    if (atomic_flag_test_and_set(&failed))
        for (;;)
            pause_us(1000000);
    /* The output may go to a file. */
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_FSIZE, &limit);
    unsigned count = atomic_load(&events_count);
    if (!the.tracing)
        for (unsigned at = count > EVENTS ? count - EVENTS : 0; at < count; at++)
            fprintf(stderr, "%6u %s\n", at, events[at % EVENTS]);
    plan_print(&the.plan, stderr);
    print_threads();
    fprintf(stderr, "FAILED: seed %" PRIu64 ": %s: ", the.plan.seed, who(me));
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "\n");
    fflush(NULL);
    if (getenv("FUZZ_ABORT"))
        abort();
    _exit(1);
}

/* Ends the program if a call takes longer than any call may. */
static void *watch(void *opaque)
{
    for (;;) {
        pause_us(500000);
        lock();
        for (size_t at = 0; at < WORKERS; at++) {
            const call *call = the.workers[at].call;
            if (call && now_ms() - call->begun_ms > patience_ms)
                fail("a hang: %s of %s", call->name, who(&the.workers[at]));
        }
        unlock();
    }
    return opaque;
}

void watch_begin(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, watch, NULL) != 0)
        abort();
    pthread_detach(thread);
    threads_at_first = entries("/proc/self/task");
}
