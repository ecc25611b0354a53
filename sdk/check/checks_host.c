/* Checks of what passes between host and instance whatever the kind: tables of other sizes, floating-point state,
 * output. */
#include "check.h"
#include "exercise.h"
#include "guard.h"
#include "rig.h"
#include "sense.h"

#include <string.h>

/* A copy of a table of `size` bytes that claims to be `extra` bytes longer. Behind it lies a page nobody may touch. */
static const void *table_copy(const void *table, size_t size, size_t extra, const char *name)
{
    char *copy = guard_take(size + extra, name);
    uint64_t whole = size + extra;
    memcpy(copy, table, size);
    memset(copy + size, 0x5A, extra);
    memcpy(copy, &whole, sizeof whole);
    return copy;
}

static void with_tables(check_trial *t, size_t extra, uint64_t trailing)
{
    const stele__host_tables *own = rig_tables();
    stele__host_tables tables = {
        .ops = table_copy(own->ops, sizeof *own->ops, extra, "host->ops"),
        .vec = table_copy(own->vec, sizeof *own->vec, extra, "host->vec"),
        .build = table_copy(own->build, sizeof *own->build, extra, "host->build"),
        .fit = table_copy(own->fit, sizeof *own->fit, extra, "host->fit"),
    };
    rig_plan plan = { .tables = &tables, .trailing = trailing };
    exercise(t, &plan);
}

void check_abi_old_host(check_trial *t)
{
    with_tables(t, 0, 0);
}

void check_abi_new_host(check_trial *t)
{
    with_tables(t, 256, 128);
}

void check_fp_environment(check_trial *t)
{
    rig_plan plan = { 0 };
    sense before;
    sense_take(&before);
    exercise(t, &plan);
    const char *change = rig_change();
    change = change == NULL ? sense_float_change(&before) : change;
    if (change != NULL) {
        check_fail(t, "%s", change);
    }
    sense_take(&before); /* by now libraries that the host uses have started their threads */
    exercise(t, &plan);
    change = sense_other_change(&before);
    if (change != NULL) {
        check_fail(t, "%s", change);
    }
}

void check_silence(check_trial *t)
{
    rig_plan plan = { 0 };
    char printed[200];
    capture c;
    capture_start(&c);
    exercise(t, &plan);
    if (capture_end(&c, printed, sizeof printed)) {
        check_fail(t, "printed \"%s\": messages go through host->log", printed);
    }
}
