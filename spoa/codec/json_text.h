/* Texts of a jansson tree. */
#ifndef CODEC_JSON_TEXT_H
#define CODEC_JSON_TEXT_H

#include <jansson.h>

#include "base/span.h"

/* A string's text, which lives as long as v; nothing of another value. */
static inline struct span
json_span(const json_t *v)
{
	return span_of(json_string_value(v), json_string_length(v));
}

#endif
