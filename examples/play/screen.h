/* Lines that stay and, on a terminal, a few below them that are drawn again and again. */

#ifndef SCREEN_H
#define SCREEN_H

#include <stddef.h>
#include <stdint.h>

enum { MOST_COLUMNS = 200 };

/* What a line's color says. */
enum mood { PLAIN, GOOD, BAD };

/* A part of the file, as bytes, and the sign that its cells show. */
struct mark {
    uint64_t start, end;
    char sign;
};

void screen_open(int plain);

/* Whether lines are drawn again. */
int screen_is_live(void);

/* How wide a line may be. */
int screen_columns(void);

/* Begins the lines that are drawn again, in the place of the last ones. */
void screen_redraw(void);

/* Adds one of them, cut to fit. */
void screen_line(enum mood mood, const char *text);

/* Prints a line that stays. */
#if defined(__GNUC__)
__attribute__((format(printf, 1, 2)))
#endif
void screen_say(const char *format, ...);

/* Draws a file of `size` bytes as `cells` signs, later marks over earlier ones, and a NUL. */
void screen_bar(char *out, int cells, uint64_t size, const struct mark *marks, size_t count);

/* Leaves the terminal as it was. */
void screen_close(void);

#endif
