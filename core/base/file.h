/* file.h - files that are there whole or not at all, and paths. */
#ifndef STELE_BASE_FILE_H
#define STELE_BASE_FILE_H

#include "base/diag.h"

#include <stdio.h>

/* A file under construction: written beside its place as PATH.tmp, then fsync'ed and renamed over
 * PATH. */
typedef struct stele__writer {
    FILE *stream; /* write here with stdio; errors are caught by commit */
    char *path, *temporary;
    int reason; /* errno of the first failed write, where it is known; commit names it */
    int hasty;  /* 1: commit leaves fsync out, which stele__file_sync makes up for */
} stele__writer;

STELE_NODISCARD stele_status stele__writer_open(stele__writer *w, const char *path,
                                                stele__diag *diag);
/* As fwrite of n bytes, keeping the reason for commit. 0, or -1 once a write has failed. */
int stele__writer_write(stele__writer *w, const void *bytes, size_t n);
/* Flush, fsync, rename, fsync of the folder; of a hasty writer a crash of the machine, not one of
 * the program, may leave a damaged PATH behind. On failure the temporary file is removed and PATH
 * is as it was. */
STELE_NODISCARD stele_status stele__writer_commit(stele__writer *w, stele__diag *diag);
/* fsync of a file that is there, and of its folder. Errors: E_IO with a message. */
STELE_NODISCARD stele_status stele__file_sync(const char *path, stele__diag *diag);
/* Give up: remove the temporary file. Legal after a failed open and after commit (then a no-op). */
void stele__writer_abandon(stele__writer *w);

/* Files that are to appear together: until release, files that are committed wait beside their
 * places, as PATH.tmp. One set at a time. [main] */
void stele__files_hold(void);
/* Rename all of them. Before that no place is touched; errors: E_IO with a message, and what has
 * not been renamed is removed. */
STELE_NODISCARD stele_status stele__files_release(stele__diag *diag);
/* Remove what waits, if anything does. */
void stele__files_drop(void);

/* Remove the temporary file of a writer at work, and of files that wait, for a signal handler that
 * then ends the program: it is safe there, and leaves nothing half-written. */
void stele__writer_interrupt(void);

/* "dir/name"; `name` alone if it is absolute or dir is NULL or "". The caller frees it. NULL: out
 * of memory. */
char *stele__path_join(const char *dir, const char *name);
/* The folder part of a path ("." if none). The caller frees it. */
char *stele__path_folder(const char *path);
/* Make a folder and its parents; an existing folder is fine. */
STELE_NODISCARD stele_status stele__folder_create(const char *path, stele__diag *diag);
/* Whole file as a NUL-terminated string of *ret_len bytes; the caller frees it. Refuses more than
 * `limit` bytes, and what is no regular file, without waiting for it. A pipe that somebody writes
 * to (`<(command)` of a shell, /dev/stdin) is read to its end. */
STELE_NODISCARD stele_status stele__file_read(const char *path, size_t limit, char **ret_text,
                                              size_t *ret_len, stele__diag *diag);

#endif
