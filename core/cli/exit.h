/* exit.h - exit codes of `stele`. Scripts rely on them: docs/commands.md. */
#ifndef STELE_CLI_EXIT_H
#define STELE_CLI_EXIT_H

enum {
    STELE__EXIT_OK = 0,
    STELE__EXIT_FAILURE = 1,      /* what has no code of its own: memory, a defect */
    STELE__EXIT_USAGE = 2,        /* the command line or the spec is wrong; nothing was written */
    STELE__EXIT_DATA = 3,         /* a file or its data cannot be used, a result not be written */
    STELE__EXIT_PLUGIN = 4,       /* a plugin is missing or was refused */
    STELE__EXIT_NONFINITE = 5,    /* NaN or infinity in training */
    STELE__EXIT_INTERRUPTED = 130 /* Ctrl-C or SIGTERM; nothing is half-written */
};

#endif
