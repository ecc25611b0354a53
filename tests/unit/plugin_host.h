/* A host for tests of a single plugin that is compiled into the test: it keeps the first message
 * and the last warning. */
#ifndef STELE_PLUGIN_HOST_H
#define STELE_PLUGIN_HOST_H

#include <stdarg.h>
#include <stdio.h>
#include <stele/plugin.h>

static char host_message[512];

static stele_status host_fail(const stele_host *h, stele_status code, const char *where,
                              const char *fmt, ...) STELE_PRINTF(4, 5);
static stele_status host_fail(const stele_host *h, stele_status code, const char *where,
                              const char *fmt, ...)
{
    va_list args;
    (void)h;
    (void)where;
    va_start(args, fmt);
    if (host_message[0] == '\0') {
        vsnprintf(host_message, sizeof host_message, fmt, args);
    }
    va_end(args);
    return code;
}

/* Counts warnings and keeps the last. */
static int host_warnings;
static char host_warning[512];

static void host_log(const stele_host *h, int32_t level, const char *fmt, ...) STELE_PRINTF(3, 4);
static void host_log(const stele_host *h, int32_t level, const char *fmt, ...)
{
    va_list args;
    (void)h;
    va_start(args, fmt);
    if (level == STELE_LOG_WARNING) {
        vsnprintf(host_warning, sizeof host_warning, fmt, args);
        host_warnings++;
    }
    va_end(args);
}

static const stele_host test_host = { .struct_size = sizeof test_host,
                                      .abi_major = STELE_ABI_MAJOR,
                                      .abi_minor = STELE_ABI_MINOR,
                                      .log = host_log,
                                      .fail = host_fail };

/* Create and build a source with this config. On failure *ret is NULL. */
static stele_status host_open_source(const void *config, const stele_source_vt **ret_vt,
                                     stele_inst **ret)
{
    const stele_plugin *p = stele_plugin_query(STELE_ABI_MAJOR, STELE_ABI_MINOR)->plugins[0];
    const stele_source_vt *vt = p->vtable;
    stele_create_args args = {
        .struct_size = sizeof args, .host = &test_host, .config = config, .name = "data"
    };
    host_message[0] = host_warning[0] = '\0';
    host_warnings = 0;
    *ret = NULL;
    *ret_vt = vt;
    stele_status st = vt->create(&args, ret);
    st = st == STELE_OK ? vt->build(*ret, NULL) : st;
    if (st != STELE_OK) {
        vt->destroy(*ret);
        *ret = NULL;
    }
    return st;
}

#endif
