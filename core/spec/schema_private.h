/* schema_private.h - jansson with one flag for all failures; `ok` stays 0 after the first. */
#ifndef STELE_SPEC_SCHEMA_PRIVATE_H
#define STELE_SPEC_SCHEMA_PRIVATE_H

#include <jansson.h>

/* Both take over `value`, which may be NULL as the result of a failed call. */
void stele__json_set(json_t *object, const char *key, json_t *value, int *ok);
void stele__json_add(json_t *array, json_t *value, int *ok);
/* { type: object, properties: {}, additionalProperties: false } */
json_t *stele__json_closed(int *ok);
void stele__json_require(json_t *object, const char *key, int *ok);

#endif
