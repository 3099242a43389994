/* Identifiers: names, ids and words of a protocol, which providers and clients compare byte for
 * byte. They are never edited. The tables of requests (table.h) and the formats of responses
 * (answer/format.h) state where they are. */
#ifndef SCAN_TEXT_IDENTIFIER_H
#define SCAN_TEXT_IDENTIFIER_H

#include "base/span.h"

/* The identifiers in a value. */
enum name_kind {
	NAME_NONE,
	NAME_WORD,    /* every string and key in the value */
	NAME_SPEAKER, /* the same, unless the message is the user's or the system's */
	NAME_KEYS,    /* the keys of the object */
	NAME_SCHEMA,  /* a JSON Schema: its names, required members and permitted values */
	NAME_SCHEMAS, /* an object of schemas by name */
};

/* Returns what is an identifier in the value of a schema's member `key` (JSON Schema 2020-12,
 * OpenAPI 3.0). */
enum name_kind name_in_schema(struct span key);
/* Returns true if both are the same except for case, spaces, "_", "-" and ".". */
bool is_name_spelled(struct span name, struct span title);

#endif
