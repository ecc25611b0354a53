/* elf.h - the dynamic symbols of a shared object, read without loading it. */
#ifndef STELE_CHECK_ELF_H
#define STELE_CHECK_ELF_H

/* Call fn for every symbol of the dynamic table that others can see: defined 1 for exports, 0 for imports. 0: the file
 * is not one that this program can read. */
int elf_symbols(const char *path, void (*fn)(void *user, const char *name, int defined), void *user);

#endif
