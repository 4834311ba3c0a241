/* What a library could change in the process that it is loaded into, at one moment. After check.h. */
#ifndef MANNERS_H
#define MANNERS_H

#include <locale.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/time.h>

extern char **environ;

enum { SIGNALS = 65, LIMITS = 16, TEXT = 65536 };

typedef struct {
    struct sigaction actions[SIGNALS];
    sigset_t blocked;
    stack_t stack;
    struct rlimit limits[LIMITS];
    struct itimerval timer;
    mode_t mask;
    int threads, priority;
    char *const *environment;
    /* The environment, the open files, the directory and the locale, a line each. */
    char text[TEXT];
} process_state;

static inline void state_add(process_state *self, const char *kind, const char *text)
{
    size_t length = strlen(self->text);

    CHECK(length + strlen(kind) + strlen(text) + 3 < TEXT);
    snprintf(self->text + length, TEXT - length, "%s %s\n", kind, text);
}

static inline void state_files(process_state *self)
{
    char path[64], target[4096];
    int fd;

    for (fd = 0; fd < 1024; fd++) {
        ssize_t length;
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        length = readlink(path, target, sizeof target - 1);
        if (length >= 0) {
            target[length] = 0;
            state_add(self, path, target);
        }
    }
}

static inline void state_take(process_state *self)
{
    char directory[4096];
    char *const *variable;
    int index;

    memset(self, 0, sizeof *self);
    /* Two signals are the C library's own. */
    for (index = 1; index < SIGNALS; index++)
        (void)sigaction(index, NULL, &self->actions[index]);
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, NULL, &self->blocked), 0);
    CHECK_EQ(sigaltstack(NULL, &self->stack), 0);
    for (index = 0; index < LIMITS; index++)
        (void)getrlimit(index, &self->limits[index]);
    CHECK_EQ(getitimer(ITIMER_REAL, &self->timer), 0);
    self->mask = umask(0);
    umask(self->mask);
    self->threads = threads();
    self->priority = getpriority(PRIO_PROCESS, 0);
    self->environment = environ;
    for (variable = environ; *variable != NULL; variable++)
        state_add(self, "variable", *variable);
    state_files(self);
    CHECK(getcwd(directory, sizeof directory) != NULL);
    state_add(self, "directory", directory);
    state_add(self, "locale", setlocale(LC_ALL, NULL));
}

/* Checks that nothing has changed since. */
static inline void state_check(const process_state *before)
{
    static process_state now;
    int index;

    state_take(&now);
    for (index = 1; index < SIGNALS; index++) {
        check_context = strsignal(index);
        CHECK(now.actions[index].sa_handler == before->actions[index].sa_handler);
        CHECK_EQ(now.actions[index].sa_flags, before->actions[index].sa_flags);
        CHECK_EQ(sigismember(&now.blocked, index), sigismember(&before->blocked, index));
    }
    check_context = "";
    CHECK(now.stack.ss_sp == before->stack.ss_sp);
    CHECK_EQ(now.stack.ss_flags, before->stack.ss_flags);
    CHECK(memcmp(now.limits, before->limits, sizeof now.limits) == 0);
    CHECK(memcmp(&now.timer, &before->timer, sizeof now.timer) == 0);
    CHECK_EQ(now.mask, before->mask);
    CHECK_EQ(now.threads, before->threads);
    CHECK_EQ(now.priority, before->priority);
    CHECK(now.environment == before->environment);
    if (strcmp(now.text, before->text) != 0) {
        fprintf(stderr, "before:\n%snow:\n%s", before->text, now.text);
        CHECK(!"the environment, the files, the directory and the locale are as before");
    }
}

#endif
