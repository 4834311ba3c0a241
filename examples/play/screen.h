/* One live line on a terminal, plain lines elsewhere. Part of the example `play`. */

#ifndef SCREEN_H
#define SCREEN_H

#include "spoolbuf.h"

/* What the live line shows. */
struct view {
    const char *verb;   /* what goes on */
    uint64_t done;      /* how far it is */
    uint64_t size;      /* of the resource */
    uint64_t scrubber;  /* where it is; SB_SIZE_UNKNOWN: nowhere */
};

void screen_open(int plain);

/* Draws the buffer as it is now. Does nothing if it has just done so. */
void screen_draw(sb_buffer *buffer, const struct view *view);

/* Prints a line that stays. */
#if defined(__GNUC__)
__attribute__((format(printf, 1, 2)))
#endif
void screen_say(const char *format, ...);

/* Leaves the terminal as it was. */
void screen_close(void);

#endif
