/* Texts of a jansson tree. */
#ifndef BASE_CODEC_JSON_TEXT_H
#define BASE_CODEC_JSON_TEXT_H

#include <jansson.h>

#include "base/span.h"

/* A string's text, which lives as long as v; nothing of another value. */
static inline struct span
json_span(const json_t *v)
{
	return span_of(json_string_value(v), json_string_length(v));
}

/* Of an object's member: its text, NULL where it has none; its whole number, or 0. */
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

/* The text of an object's member; "" where it has none. As long as o. */
static inline const char *
json_text_in(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s ? s : "";
}

#endif
