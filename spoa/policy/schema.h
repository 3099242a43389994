/* JSON Schemas for editors, from the tables that the parsers read by. */
#ifndef POLICY_SCHEMA_H
#define POLICY_SCHEMA_H

#include "base/buf.h"

/* Of a policy, of a price list, and of tollgate.yaml: JSON Schema, draft-07, which editors'
 * YAML servers know. False: no memory. */
bool schema_policy(struct buf *out);
bool schema_prices(struct buf *out);
bool schema_config(struct buf *out);

#endif
