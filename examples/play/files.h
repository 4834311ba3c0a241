/* The files of the example `play`. An error ends the program with a line that names the file. */

#ifndef FILES_H
#define FILES_H

#include <stdint.h>

/* Opens FILE, or without one creates a tune in an unnamed file. Returns the descriptor. */
int files_open(const char *path, uint64_t *size);

/* Creates an empty unnamed file. */
int files_temporary(void);

/* Checks that a file can be created at `path`. */
void files_check_target(const char *path);

/* Creates a directory for a temporary file, and sets `path` to the path of the file. */
void files_make_target(char *path, int size);

/* Removes the file and the directory again. */
void files_remove_target(const char *path);

#endif
