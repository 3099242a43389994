/* Secrets of a policy or configuration. The files name the place of a secret and never contain
 * the secret itself. */
#ifndef POLICY_CONFIG_SECRET_H
#define POLICY_CONFIG_SECRET_H

#include "base/buf.h"
#include "policy/config/read.h"

/* Reads a reference to a secret: `file:PATH` (relative to the folder of n's file) or `${NAME}`
 * (environment). Anything else is reported, but not repeated in the message. *out is for
 * secret_load() and lives in the arena. */
bool read_secret(struct arena *a, struct diag *d, const struct yaml_node *n, const char **out);
/* Appends the secret's bytes, at most 64 KB, without the newline at the end. Returns 0, or a
 * negative error with *why. The caller calls buf_free(out). */
int secret_load(const char *ref, struct buf *out, struct buf *why);

#endif
