/* Reads a configuration (tollgate.yaml) for a test. */
#ifndef TESTS_CONFIG_FIX_H
#define TESTS_CONFIG_FIX_H

#include "policy/config/config.h"

/* Reads the configuration in a file. Initializes the arena and the diagnostics; the caller
 * frees both with config_fix_done(). Returns NULL if the file has an error, which `d`
 * describes. */
const struct config *config_fix_file(struct arena *a, struct diag *d, const char *file);

/* Like config_fix_file(), for a text, which is written to c.yaml in the folder of
 * support/temp_dir.h. */
const struct config *config_fix_load(struct arena *a, struct diag *d, const char *text);

/* Frees the arena and the diagnostics. */
void config_fix_done(struct arena *a, struct diag *d);

#endif
