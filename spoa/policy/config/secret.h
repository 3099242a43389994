/* Secrets of a policy or configuration: named there, never written. */
#ifndef POLICY_CONFIG_SECRET_H
#define POLICY_CONFIG_SECRET_H

#include "base/buf.h"
#include "policy/config/read.h"

/* Takes `file:PATH` (a relative path counts from the folder of n's file) or `${NAME}`
 * (the environment); anything else is reported without being repeated. *out is for
 * secret_load, in the arena. */
bool read_secret(struct arena *a, struct diag *d, const struct yaml_node *n,
	const char **out);
/* The secret's bytes, without the newline at the end; at most 64 KB. 0, or negative
 * with a message in *why. buf_free(out) when done. */
int secret_load(const char *ref, struct buf *out, struct buf *why);

#endif
