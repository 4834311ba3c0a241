/* The command line of the example `play`. */

#ifndef OPTIONS_H
#define OPTIONS_H

struct options {
    const char *file;  /* NULL: creates one */
    const char *out;   /* NULL: a temporary one */
    double rate;       /* MiB/s */
    double silence;    /* ms */
    double play;       /* MiB/s */
    double ahead;      /* MiB */
    double max;        /* MiB */
    int plain;
};

/* Reads the command line. Ends the program for --help (0) and for an invalid argument (2). */
struct options options_read(int argc, char **argv);

#endif
