/* The output of the example `play`. */

#ifndef REPORT_H
#define REPORT_H

#include "spoolbuf.h"

#include "actors.h"
#include "mutexed.h"
#include "screen.h"

struct report {
    struct side *mutexed, *spoolbuf;
    struct mutexed *spool;
    sb_buffer *buffer;
    uint64_t have;    /* bytes on the mutexed side when its mutex was last free */
    int silences;     /* that were reported */
    int has_told_seek;
    double begin, drawn_at;
};

/* `path` is NULL for the tune. */
void report_title(const char *path, uint64_t size, const struct line *line);
void report_begin(struct report *report, struct side *mutexed, struct side *spoolbuf,
                  struct mutexed *spool, sb_buffer *buffer);

/* Draws the current state; without a terminal, prints a line each second. */
void report_draw(struct report *report);

/* Reports each silence that is over, once all the calls that it held up are done. */
void report_silences(struct report *report);

/* Reports how the read of the end went, once both sides have it, or now. */
void report_seek(struct report *report, int is_late);

/* Reports the rest. */
void report_end(struct report *report);

#endif
