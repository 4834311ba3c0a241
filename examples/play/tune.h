/* A media file to play if none is given. Part of the example `play`. */

#ifndef TUNE_H
#define TUNE_H

#include <stdio.h>

/* Writes a WAV file of about 40 MB to `file`: Bach's Prelude in C, BWV 846, twice. Returns 0 on success. */
int tune_write(FILE *file);

#endif
