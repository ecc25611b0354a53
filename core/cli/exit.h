/* exit.h - exit codes of `stele`. Scripts rely on them: docs/commands.md. */
#ifndef STELE_CLI_EXIT_H
#define STELE_CLI_EXIT_H

enum {
    STELE__EXIT_OK = 0,
    STELE__EXIT_FAILURE = 1,      /* data, files, plugins, memory: the message says what */
    STELE__EXIT_USAGE = 2,        /* the command line or the spec is wrong */
    STELE__EXIT_NONFINITE = 3,    /* NaN or infinity stopped the computation */
    STELE__EXIT_INTERRUPTED = 130 /* Ctrl-C or SIGTERM; what was reached is saved */
};

#endif
