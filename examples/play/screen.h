/* Lines that stay and, on a terminal, a few lines below them that are redrawn. */

#ifndef SCREEN_H
#define SCREEN_H

#include <stddef.h>
#include <stdint.h>

enum { MOST_COLUMNS = 200 };

/* The meaning of a line's color. */
enum mood { PLAIN, GOOD, BAD };

/* A part of the file, in bytes, and the character that its cells show. */
struct mark {
    uint64_t start, end;
    char sign;
};

void screen_open(int plain);

/* Whether lines are redrawn. */
int screen_is_live(void);

/* How wide a line may be. */
int screen_columns(void);

/* Begins the redrawn lines, over the last ones. */
void screen_redraw(void);

/* Adds one of them, cut to fit. */
void screen_line(enum mood mood, const char *text);

/* Prints a line that stays. */
#if defined(__GNUC__)
__attribute__((format(printf, 1, 2)))
#endif
void screen_say(const char *format, ...);

/* Draws a file of `size` bytes as `cells` characters and a NUL, later marks over earlier ones. */
void screen_bar(char *out, int cells, uint64_t size, const struct mark *marks, size_t count);

/* Restores the terminal. */
void screen_close(void);

#endif
