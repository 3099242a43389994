/* JSON Schemas for editors, from the tables that the parsers read by. */
#ifndef POLICY_SCHEMA_H
#define POLICY_SCHEMA_H

#include "base/buf.h"

/* JSON Schema of values. */
/* clang-format off */
#define TEXT     "\"type\":[\"string\",\"number\"]"
#define BOOL     "\"type\":\"boolean\""
#define COUNT    "\"type\":\"integer\",\"minimum\":0"
#define NUMBER   "\"type\":\"number\""
#define SCORE    "\"type\":\"number\",\"minimum\":0,\"maximum\":1"
#define DURATION "\"type\":\"string\",\"pattern\":\"^[0-9]+(ms|s|m|h|d)$\""
#define SIZE     "\"type\":[\"string\",\"integer\"],\"pattern\":\"^[0-9]+([kmg]|[KMGT]B)?$\""
#define SHARE    "\"type\":\"string\",\"pattern\":\"^[0-9]+(\\\\.[0-9]+)?%$\""
#define TEXTS    "\"$ref\":\"#/$defs/texts\""
#define REF(x)   "\"$ref\":\"#/$defs/" x "\""
#define LIST(x)  "\"type\":\"array\",\"items\":{" x "}"
#define MAPOF(x) "\"type\":\"object\",\"additionalProperties\":{" x "}"
#define ONE(x)   "\"enum\":[" x "]"
#define EITHER(x, y) "\"anyOf\":[{" x "},{" y "}]"
/* clang-format on */

/* Of a policy, of a price list, and of tollgate.yaml: JSON Schema, draft-07, which editors'
 * YAML servers know. False: no memory. */
bool schema_policy(struct buf *out);
bool schema_prices(struct buf *out);
bool schema_config(struct buf *out);

#endif
