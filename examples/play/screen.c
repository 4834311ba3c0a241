#define _POSIX_C_SOURCE 200809L
#define _DARWIN_C_SOURCE

#include "screen.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int is_terminal, has_color, drawn;

void screen_open(int plain)
{
    const char *term = getenv("TERM");
    const char *no_color = getenv("NO_COLOR");

    is_terminal = !plain && isatty(STDOUT_FILENO) && term != NULL && strcmp(term, "dumb") != 0;
    has_color = is_terminal && (no_color == NULL || *no_color == '\0');
    if (is_terminal)
        fputs("\033[?25l", stdout);  /* hides the cursor */
}

void screen_close(void)
{
    if (is_terminal)
        fputs("\033[0m\033[?25h", stdout);
    fflush(stdout);
}

int screen_is_live(void)
{
    return is_terminal;
}

int screen_columns(void)
{
    struct winsize size;
    int columns = 80;

    if (is_terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        columns = size.ws_col;
    return columns - 1 < MOST_COLUMNS ? columns - 1 : MOST_COLUMNS;
}

/* Moves back to the start of the drawn lines, and clears everything below. */
static void go_back(void)
{
    if (drawn > 0)
        printf("\r\033[%dA\033[J", drawn);
    drawn = 0;
}

void screen_say(const char *format, ...)
{
    va_list arguments;

    go_back();
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
    fflush(stdout);
}

void screen_redraw(void)
{
    fflush(stdout);
    if (drawn > 0)
        printf("\r\033[%dA", drawn);
    drawn = 0;
}

void screen_line(enum mood mood, const char *text)
{
    const char *colors[] = {"", "\033[32m", "\033[1;31m"};

    printf("%s%.*s%s\033[K\n", has_color ? colors[mood] : "", screen_columns(), text,
           has_color && mood != PLAIN ? "\033[0m" : "");
    drawn++;
}

void screen_bar(char *out, int cells, uint64_t size, const struct mark *marks, size_t count)
{
    memset(out, '.', (size_t)cells);
    out[cells] = '\0';
    for (size_t i = 0; i < count; i++) {
        /* A mark without a length is one cell. */
        int is_point = marks[i].start == marks[i].end;
        int point = size > 0 ? (int)((double)marks[i].start / (double)size * cells) : 0;
        for (int cell = 0; cell < cells; cell++) {
            double middle = (cell + 0.5) * (double)size / cells;
            if (is_point ? cell == (point < cells ? point : cells - 1)
                         : middle >= (double)marks[i].start && middle < (double)marks[i].end)
                out[cell] = marks[i].sign;
        }
    }
}
