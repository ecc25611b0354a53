#include "guard.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MOST_BLOCKS = 4096, FRONT = 64, PATTERN = 0xA5 };

typedef struct block {
    char *map, *user;
    size_t mapped, size;
    const char *name;
} block;

static block blocks[MOST_BLOCKS];
static size_t n_blocks;

static size_t page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

void *guard_take(size_t size, const char *name)
{
    const size_t page = page_size();
    /* Elements of up to 8 bytes keep their alignment: sizes that are multiples of 4 end at the page itself. */
    const size_t room = (size + 3) / 4 * 4;
    const size_t mapped = (room + FRONT + page - 1) / page * page + page;
    char *map = n_blocks < MOST_BLOCKS ? mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                                       : MAP_FAILED;
    if (map == MAP_FAILED || mprotect(map + mapped - page, page, PROT_NONE) != 0) {
        abort(); /* of the checker's own process of this check: a crash verdict */
    }
    char *user = map + mapped - page - room;
    memset(map, PATTERN, (size_t)(user - map));
    blocks[n_blocks++] = (block){ map, user, mapped, size, name };
    return user;
}

size_t guard_mark(void)
{
    return n_blocks;
}

void guard_free(check_trial *t, size_t mark)
{
    while (n_blocks > mark) {
        const block *b = &blocks[--n_blocks];
        int clean = 1;
        for (const char *c = b->map; c < b->user; c++) {
            clean = clean && (unsigned char)*c == PATTERN;
        }
        if (!clean) {
            check_fail(t, "wrote in front of `%s`", b->name);
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
    if (b != NULL) {
        const char *parts[] = { "touches memory beyond the end of `", b->name, "`\n" };
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
