/*
 * Functions that are called inside an adapter's resume, before its reader is resumed or after that. Included before
 * the adapter's header.
 */
#include "spoolbuf.h"

static void (*before_resume)(void), (*after_resume)(void);

static inline int resume_reader(sb_reader *reader)
{
    int status;

    if (before_resume != NULL)
        before_resume();
    status = sb_reader_resume(reader);
    if (after_resume != NULL)
        after_resume();
    return status;
}

#define sb_reader_resume resume_reader
