/* The files of the example `play`. What cannot be had ends the program with a line that names it. */

#ifndef FILES_H
#define FILES_H

#include <stdint.h>

/* Opens FILE, or without one makes a tune in a file without a name. Its descriptor. */
int files_open(const char *path, uint64_t *size);

/* An empty file without a name. */
int files_temporary(void);

/* Sees that a file can be made at `path`. */
void files_check_target(const char *path);

/* Makes a directory for a file that is not to stay; `path` becomes that of the file. */
void files_make_target(char *path, int size);

/* Removes the file and the directory again. */
void files_remove_target(const char *path);

#endif
