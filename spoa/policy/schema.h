/* JSON Schemas for editors, from the lists and tables that the parsers read by. */
#ifndef POLICY_SCHEMA_H
#define POLICY_SCHEMA_H

#include "base/buf.h"

/* Of a policy, and of tollgate.yaml: JSON Schema, draft-07, which editors' YAML servers know.
 * False: a key that a parser accepts has no row, or the other way round, or no memory; the
 * first such key is in *lacks, where it is one. */
bool schema_policy(struct buf *out, const char **lacks);
bool schema_config(struct buf *out);

#endif
