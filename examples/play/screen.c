#define _POSIX_C_SOURCE 200809L
#define _DARWIN_C_SOURCE

#include "screen.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "network.h"

enum { MOST_RANGES = 64, MOST_CELLS = 400 };

static int is_terminal, has_colour;
static double drawn_at;

void screen_open(int plain)
{
    const char *term = getenv("TERM");
    const char *no_colour = getenv("NO_COLOR");

    is_terminal = !plain && isatty(STDOUT_FILENO) && term != NULL && strcmp(term, "dumb") != 0;
    has_colour = is_terminal && (no_colour == NULL || *no_colour == '\0');
    if (is_terminal)
        fputs("\033[?25l", stdout);  /* hides the cursor */
}

void screen_close(void)
{
    if (is_terminal)
        fputs("\r\033[K\033[0m\033[?25h", stdout);
    fflush(stdout);
}

void screen_say(const char *format, ...)
{
    va_list arguments;

    flockfile(stdout);  /* other threads draw and say as well */
    if (is_terminal)
        fputs("\r\033[K", stdout);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
    fflush(stdout);
    funlockfile(stdout);
}

static int columns(void)
{
    struct winsize size;
    if (!is_terminal)
        return 100;
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

/* What a cell of the seek bar shows: '=' on disk, '#' in memory, '.' still to come. */
static void fill_bar(char *cells, int count, sb_buffer *buffer, uint64_t size, uint64_t disk)
{
    sb_range ranges[MOST_RANGES];
    size_t known = sb_ranges(buffer, ranges, MOST_RANGES);

    memset(cells, '.', (size_t)count);
    for (size_t i = 0; i < known && i < MOST_RANGES; i++) {
        for (int cell = 0; cell < count; cell++) {
            double middle = (cell + 0.5) * (double)size / count;
            if (middle < (double)ranges[i].start || middle >= (double)ranges[i].end)
                continue;
            /* The oldest bytes are spilled first; a source that goes forwards brings them in order. */
            cells[cell] = middle < (double)disk ? '=' : '#';
        }
    }
}

static void mark(char *cells, int count, uint64_t at, uint64_t size, char sign)
{
    if (at <= size && size > 0)
        cells[at == size ? count - 1 : (int)((double)at * count / (double)size)] = sign;
}

static void put_bar(const char *cells, int count)
{
    char last = '\0';

    for (int i = 0; i < count; i++) {
        if (has_colour && cells[i] != last)
            fputs(cells[i] == '='   ? "\033[0;34m"
                  : cells[i] == '#' ? "\033[0;32m"
                  : cells[i] == '.' ? "\033[0;2m"
                                    : "\033[0;1m", stdout);
        last = cells[i];
        putchar(last);
    }
    if (has_colour)
        fputs("\033[0m", stdout);
}

void screen_draw(sb_buffer *buffer, const struct view *view)
{
    char cells[MOST_CELLS], text[128];
    sb_stats stats;

    if (now() - drawn_at < (is_terminal ? 0.05 : 0.5))
        return;
    drawn_at = now();
    if (sb_stat(buffer, &stats, sizeof stats) != SB_OK)
        return;
    double done = (double)view->done / 1e6, size = (double)view->size / 1e6;
    double memory = (double)stats.memory / 1e6, disk = (double)stats.disk / 1e6;
    int wide = columns() - 3;  /* leaves room for the ^C that a terminal prints */
    if (wide >= 96)
        snprintf(text, sizeof text, "%-6s %5.1f  buffered %5.1f  memory %4.1f  disk %5.1f  of %5.1f MB",
                 view->verb, done, memory + disk, memory, disk, size);
    else if (wide >= 60)
        snprintf(text, sizeof text, "%s %5.1f  memory %4.1f  disk %5.1f  of %5.1f MB", view->verb, done,
                 memory, disk, size);
    else
        snprintf(text, sizeof text, "%s %.1f/%.1f MB", view->verb, done, size);
    int count = wide - (int)strlen(text) - 3;
    if (count > MOST_CELLS)
        count = MOST_CELLS;

    flockfile(stdout);
    if (is_terminal)
        fputs("\r\033[K", stdout);
    if (count >= 4) {
        fill_bar(cells, count, buffer, view->size, stats.disk);
        mark(cells, count, view->scrubber, view->size, 'S');
        mark(cells, count, view->done, view->size, 'P');
        printf("%s [", text);
        put_bar(cells, count);
        putchar(']');
    } else {
        printf("%.*s", wide > 0 ? wide : 0, text);
    }
    if (!is_terminal)
        putchar('\n');
    fflush(stdout);
    funlockfile(stdout);
}
