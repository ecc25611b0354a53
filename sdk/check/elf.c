#include "elf.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct image {
    const char *data;
    size_t size;
} image;

static const void *at(const image *f, uint64_t offset, uint64_t n)
{
    return offset <= f->size && n <= f->size - offset ? f->data + offset : NULL;
}

static int walk(const image *f, const ElfW(Shdr) * table, const ElfW(Shdr) * strings,
                void (*fn)(void *user, const char *name, int defined), void *user)
{
    const ElfW(Sym) *sym = at(f, table->sh_offset, table->sh_size);
    const char *text = at(f, strings->sh_offset, strings->sh_size);
    if (sym == NULL || text == NULL || strings->sh_size == 0 || text[strings->sh_size - 1] != '\0') {
        return 0;
    }
    for (size_t i = 1; i < table->sh_size / sizeof *sym; i++) {
        unsigned bind = ELF64_ST_BIND(sym[i].st_info), seen = ELF64_ST_VISIBILITY(sym[i].st_other);
        int defined = sym[i].st_shndx != SHN_UNDEF;
        if (sym[i].st_name < strings->sh_size && bind != STB_LOCAL && seen != STV_HIDDEN && seen != STV_INTERNAL) {
            fn(user, text + sym[i].st_name, defined);
        }
    }
    return 1;
}

static int read_sections(const image *f, void (*fn)(void *user, const char *name, int defined), void *user)
{
    const ElfW(Ehdr) *head = at(f, 0, sizeof *head);
    if (head == NULL || memcmp(head->e_ident, ELFMAG, SELFMAG) != 0 || head->e_shentsize != sizeof(ElfW(Shdr)) ||
        head->e_ident[EI_CLASS] != (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32)) {
        return 0;
    }
    const ElfW(Shdr) *section = at(f, head->e_shoff, (uint64_t)head->e_shnum * sizeof *section);
    for (unsigned i = 0; section != NULL && i < head->e_shnum; i++) {
        if (section[i].sh_type == SHT_DYNSYM && section[i].sh_link < head->e_shnum) {
            return walk(f, &section[i], &section[section[i].sh_link], fn, user);
        }
    }
    return 0;
}

int elf_symbols(const char *path, void (*fn)(void *user, const char *name, int defined), void *user)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC), good = 0;
    if (fd < 0) {
        return 0;
    }
    if (fstat(fd, &st) == 0 && st.st_size > 0) {
        image f = { .size = (size_t)st.st_size };
        void *map = mmap(NULL, f.size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (map != MAP_FAILED) {
            f.data = map;
            good = read_sections(&f, fn, user);
            munmap(map, f.size);
        }
    }
    close(fd);
    return good;
}
