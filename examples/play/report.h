/* What the example `play` says while it runs. */

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
    uint64_t have;    /* what the mutexed side had when it was last free to say so */
    int silences;     /* that have been told */
    int has_told_seek;
    double begin, drawn_at;
};

/* `path` is NULL for the tune. */
void report_title(const char *path, uint64_t size, const struct line *line);
void report_begin(struct report *report, struct side *mutexed, struct side *spoolbuf,
                  struct mutexed *spool, sb_buffer *buffer);

/* Draws how it is now; on no terminal, a line each second. */
void report_draw(struct report *report);

/* Tells what happened in each silence that is over, once all that it held up is done. */
void report_silences(struct report *report);

/* Tells how the read of the end went, once both have it, or now. */
void report_seek(struct report *report, int is_late);

/* Tells the rest. */
void report_end(struct report *report);

#endif
