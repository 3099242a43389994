/* Measures the files that determine how this gateway decides: their SHA-256 is part of the
 * boot record. The files are the program, tollgate.yaml, the policy and tollgate's files for
 * HAProxy. */
#ifndef RECORD_AUDIT_MEASURE_H
#define RECORD_AUDIT_MEASURE_H

#include "base/buf.h"
#include "base/sha256.h"
#include "policy/config/config.h"

/* files for HAProxy; further ones are only counted, in "unmeasured" */
#define MEASURE_FILES 32

/* The folder of HAProxy's files, which `tollgate init` and the package fill. Tests set it. */
extern const char *measure_haproxy;

/* Hashes a regular file and sets *bytes to its size. Returns 0 or a negative errno. */
int measure_file(const char *file, unsigned char hash[SHA256_BYTES], uint64_t *bytes);
/* Appends commit, build id and `measured`, each with a comma before it. `policy_version`
 * NULL: not known. */
void measure_put(struct buf *b, const struct config *cfg, const char *policy_version);

#endif
