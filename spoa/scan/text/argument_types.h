/* The types of tools' arguments, as the schemas in a request state them. A value that was a number
 * stays a string where the schema of the tool wants one. Any thread. */
#ifndef SCAN_TEXT_ARGUMENT_TYPES_H
#define SCAN_TEXT_ARGUMENT_TYPES_H

#include <stdint.h>

#include "base/arena.h"
#include "base/span.h"

/* The properties of the schemas, with their types. In an arena. */
struct argument_types;

/* Reads the schemas of all tools in a body, which is JSON: each object named `properties` or
 * `parameter_definitions` below an object with a `name`. Returns NULL if there is none, or if memory
 * is exhausted. The result has no views of the body. */
struct argument_types *argument_types_read(struct span body, struct arena *a);

/* Returns true if the argument must be a string: the type of its schema is string, and not a number too.
 * `tool` and `name` are span_hash() of the names. If the tool is 0 or has no schema, each tool counts.
 * t NULL: false. */
bool argument_is_string(const struct argument_types *t, uint64_t tool, uint64_t name);

/* Returns true if the types of the tool's arguments are known. t NULL: false. */
bool argument_types_have(const struct argument_types *t, uint64_t tool);

#endif
