/* JSON Schemas (draft-07) for editors, from the tables that the parsers use. */
#ifndef POLICY_SCHEMA_H
#define POLICY_SCHEMA_H

#include "base/buf.h"

/* Append the schema of a policy, of a price list, and of tollgate.yaml. Return false if memory
 * is exhausted. */
bool schema_policy(struct buf *out);
bool schema_prices(struct buf *out);
bool schema_config(struct buf *out);

#endif
