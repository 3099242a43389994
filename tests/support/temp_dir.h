/* A temporary folder of the test, and files in it. Include after cmocka's header. */
#ifndef SUPPORT_TEMP_DIR_H
#define SUPPORT_TEMP_DIR_H

#include "base/span.h"

extern char dir[64];

/* Returns a path in the folder, valid until the eighth call after this one. */
const char *path(const char *name);

/* Writes a file in the folder. */
void put_span(const char *name, struct span text);

/* Writes a file in the folder. */
void put(const char *name, const char *text);

/* For cmocka: makes the folder. `state` is not used. */
int temp_dir_make(void **state);

/* Removes the folder with its content. */
int temp_dir_remove(void **state);

#endif
