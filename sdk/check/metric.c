#include "metric.h"

#include <ctype.h>
#include <string.h>

int metric_is_named(check_trial *t, uint32_t k, const stele_metric *m)
{
    size_t len = strnlen(m->name, sizeof m->name);
    int named = len > 0 && len < sizeof m->name;
    for (size_t c = 0; named && c < len; c++) {
        named = islower((unsigned char)m->name[c]) || isdigit((unsigned char)m->name[c]) || m->name[c] == '_';
    }
    if (!named || m->higher_is_better > STELE_METRIC_NEITHER) {
        check_fail(t, "metric %u: its name is not of [a-z0-9_], or its direction none of 0, 1 and STELE_METRIC_NEITHER",
                   k);
        return 0;
    }
    if (m->flags > STELE_METRIC_EXCESS) {
        check_fail(t, "metric `%s`: flags are %u, neither 0 nor STELE_METRIC_EXCESS", m->name, m->flags);
        return 0;
    }
    return 1;
}
