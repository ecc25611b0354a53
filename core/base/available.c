/* How much memory is left, as Linux tells it: of the machine, and of each group of processes that
 * this one is in. */
#include "base/mem.h"
#include "base/str.h"

#include <stdio.h>
#include <string.h>

typedef struct group {
    const char *mount, *limit, *usage, *inactive;
} group;

/* Of both versions of Linux's control groups. */
static const group groups[] = {
    { "/sys/fs/cgroup", "memory.max", "memory.current", "inactive_file" },
    { "/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes",
      "total_inactive_file" },
};

/* The number behind `key` in a file of lines "KEY NUMBER"; key "": the number it starts with. 0 if
 * there is none; then *ret stays. */
static int read_number(const char *path, const char *key, uint64_t *ret)
{
    char line[256];
    int found = 0;
    FILE *f = fopen(path, "re");
    while (f != NULL && !found && fgets(line, sizeof line, f) != NULL) {
        size_t n = strlen(key);
        unsigned long long value = 0;
        if (strncmp(line, key, n) == 0 && sscanf(line + n, "%llu", &value) == 1) {
            *ret = value;
            found = 1;
        }
    }
    if (f != NULL) {
        fclose(f);
    }
    return found;
}

static int read_in(const char *root, const group *g, const char *at, const char *name,
                   const char *key, uint64_t *ret)
{
    stele__str path;
    stele__str_init(&path);
    stele__str_printf(&path, "%s%s%s/%s", root, g->mount, at, name);
    int found = !path.failed && read_number(path.data, key, ret);
    stele__str_finish(&path);
    return found;
}

/* What a group has left. Pages of files that nobody uses are given back when others want them. */
static uint64_t left_in(const char *root, const group *g, const char *at)
{
    uint64_t limit = 0, usage = 0, inactive = 0;
    if (!read_in(root, g, at, g->limit, "", &limit) ||
        !read_in(root, g, at, g->usage, "", &usage)) {
        return INT64_MAX; /* "max", or no such group */
    }
    (void)read_in(root, g, at, "memory.stat", g->inactive, &inactive);
    usage -= inactive < usage ? inactive : usage;
    return limit > usage ? limit - usage : 0;
}

/* The group at `at` and those around it. A container may see its own as the root. */
static uint64_t left_around(const char *root, const group *g, char *at)
{
    uint64_t least = INT64_MAX;
    for (;;) {
        uint64_t left = left_in(root, g, at);
        least = left < least ? left : least;
        char *slash = strrchr(at, '/');
        if (slash == NULL) {
            return least;
        }
        *slash = '\0';
    }
}

/* Lines of /proc/self/cgroup are "0::PATH" and, in version 1, "NUMBER:CONTROLLER:PATH". */
static uint64_t left_in_groups(const char *root, const char *list)
{
    char line[4096];
    uint64_t least = INT64_MAX;
    FILE *f = fopen(list, "re");
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        char *second = strstr(line, "::"), *first = strstr(line, ":memory:");
        char *at = second != NULL ? second + 2 : first != NULL ? first + strlen(":memory:") : NULL;
        if (at != NULL) {
            uint64_t left = left_around(root, &groups[second == NULL], at);
            least = left < least ? left : least;
        }
    }
    if (f != NULL) {
        fclose(f);
    }
    return least;
}

uint64_t stele__mem_available(const char *root)
{
    uint64_t machine = 0, kilobytes = 0, in_groups = INT64_MAX;
    stele__str info, list;
    stele__str_init(&info);
    stele__str_init(&list);
    stele__str_printf(&info, "%s/proc/meminfo", root);
    stele__str_printf(&list, "%s/proc/self/cgroup", root);
    int known = !info.failed && read_number(info.data, "MemAvailable:", &kilobytes);
    machine = known ? kilobytes * 1024 : INT64_MAX;
    if (!list.failed) {
        in_groups = left_in_groups(root, list.data);
    }
    stele__str_finish(&info);
    stele__str_finish(&list);
    return machine < in_groups ? machine : in_groups;
}
