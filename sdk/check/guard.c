#include "guard.h"

#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MOST_BLOCKS = 4096, LEAST_PATTERN = 64, TRAPPED_PAGES = 16, PATTERN = 0xA5 };

/* Pages from `open` on may be touched, those on both sides of them not. */
typedef struct block {
    char *map, *open, *user;
    size_t mapped, opened, size;
    const char *name;
} block;

static block blocks[MOST_BLOCKS];
static size_t n_blocks;
static int at_beginning;
static const char *text_of_null;

static size_t page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

void guard_at_beginning(int beginning)
{
    at_beginning = beginning;
}

void guard_expect_null(const char *text)
{
    text_of_null = text;
}

void *guard_take_aligned(size_t size, size_t align, const char *name)
{
    const size_t page = page_size(), trap = TRAPPED_PAGES * page;
    const size_t room = (size + align - 1) / align * align;
    block b = { .size = size, .name = name, .opened = (room + LEAST_PATTERN + page - 1) / page * page };
    b.mapped = b.opened + 2 * trap;
    b.map = n_blocks < MOST_BLOCKS ? mmap(NULL, b.mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
                                   : MAP_FAILED;
    if (b.map == MAP_FAILED || mprotect(b.map + trap, b.opened, PROT_READ | PROT_WRITE) != 0) {
        abort(); /* of the checker's own process of this check: a crash verdict */
    }
    b.open = b.map + trap;
    b.user = at_beginning ? b.open : b.open + b.opened - room;
    memset(b.open, PATTERN, (size_t)(b.user - b.open));
    memset(b.user + size, PATTERN, (size_t)(b.open + b.opened - b.user) - size);
    blocks[n_blocks++] = b;
    return b.user;
}

void *guard_take(size_t size, const char *name)
{
    /* Elements of up to 8 bytes keep their alignment: sizes that are multiples of 4 end at the page itself. */
    return guard_take_aligned(size, 4, name);
}

void guard_seal(void *last)
{
    const block *b = &blocks[n_blocks - 1];
    if (b->user != last || mprotect(b->open, b->opened, PROT_READ) != 0) {
        abort();
    }
}

size_t guard_mark(void)
{
    return n_blocks;
}

static int is_clean(const char *from, const char *to)
{
    int clean = 1;
    for (const char *c = from; c < to; c++) {
        clean = clean && (unsigned char)*c == PATTERN;
    }
    return clean;
}

void guard_free(check_trial *t, size_t mark)
{
    while (n_blocks > mark) {
        const block *b = &blocks[--n_blocks];
        if (!is_clean(b->open, b->user)) {
            check_fail(t, "wrote in front of `%s`", b->name);
        }
        if (!is_clean(b->user + b->size, b->open + b->opened)) {
            check_fail(t, "wrote behind `%s`", b->name);
        }
        munmap(b->map, b->mapped);
    }
}

static const block *owner_of(const char *at)
{
    for (size_t i = 0; i < n_blocks; i++) {
        if (at >= blocks[i].map && at < blocks[i].map + blocks[i].mapped) {
            return &blocks[i];
        }
    }
    return NULL;
}

/* Only what may be called in a handler: the text is put together by hand. */
static void on_fault(int number, siginfo_t *info, void *context)
{
    static char text[256];
    const block *b = number == SIGSEGV ? owner_of(info->si_addr) : NULL;
    (void)context;
    const char *at = info->si_addr;
    if (b == NULL && number == SIGSEGV && text_of_null != NULL && (uintptr_t)at < 65536) {
        check_bail(text_of_null);
    }
    if (b != NULL) {
        const char *what = at < b->open               ? "touches memory in front of `"
                           : at < b->open + b->opened ? "writes what is only to be read, `"
                                                      : "touches memory beyond the end of `";
        const char *parts[] = { what, b->name, "`\n" };
        size_t n = 0;
        for (size_t k = 0; k < 3; k++) {
            for (const char *c = parts[k]; *c != '\0' && n + 1 < sizeof text; c++) {
                text[n++] = *c;
            }
        }
        check_bail(text);
    }
    signal(number, SIG_DFL);
    raise(number);
}

void guard_signals(void)
{
    static char stack[65536];
    stack_t own = { .ss_sp = stack, .ss_size = sizeof stack };
    struct sigaction act;
    memset(&act, 0, sizeof act);
    act.sa_sigaction = on_fault;
    act.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESETHAND;
    sigaltstack(&own, NULL);
    sigaction(SIGSEGV, &act, NULL);
    sigaction(SIGBUS, &act, NULL);
}
