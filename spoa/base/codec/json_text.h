/* The values of a jansson tree. */
#ifndef BASE_CODEC_JSON_TEXT_H
#define BASE_CODEC_JSON_TEXT_H

#include <jansson.h>

#include "base/span.h"

/* Returns a string's text, valid as long as v; the empty span for any other value. */
static inline struct span
json_span(const json_t *v)
{
	return span_of(json_string_value(v), json_string_length(v));
}

/* json_str_in() returns the text of an object's member, or NULL if the member is missing or not a
 * string. json_int_in() returns the member's whole number, or 0. */
static inline const char *
json_str_in(const json_t *o, const char *name)
{
	return json_string_value(json_object_get(o, name));
}
static inline long long
json_int_in(const json_t *o, const char *name)
{
	return json_integer_value(json_object_get(o, name));
}

/* Returns the text of an object's member, or "". Valid as long as o. */
static inline const char *
json_text_in(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s ? s : "";
}

#endif
