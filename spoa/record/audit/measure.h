/* The SHA-256 of the files that decide how this gateway decides: the program, tollgate.yaml, the
 * policy, and HAProxy's files of ours. A boot record contains them. */
#ifndef RECORD_AUDIT_MEASURE_H
#define RECORD_AUDIT_MEASURE_H

#include "base/buf.h"
#include "base/sha256.h"
#include "policy/config/config.h"

#define MEASURE_FILES 32 /* of HAProxy; further ones are counted in "unmeasured" */

/* The folder of HAProxy's files, which `tollgate init` and the package fill. Tests set it. */
extern const char *measure_haproxy;

/* Hashes a regular file. 0, or a negative errno. */
int measure_file(const char *file, unsigned char hash[SHA256_BYTES], uint64_t *bytes);
/* Appends commit, build id and `measured`, each with a comma before it. `policy_version` NULL: it
 * is not known. */
void measure_put(struct buf *b, const struct config *cfg, const char *policy_version);

#endif
