/* The members of a schema whose values are names or permitted values. A model repeats these in
 * its calls, and the provider compares them. */
#include "scan/text/identifier.h"

#include "base/among.h"
#include "base/ascii.h"

enum name_kind
name_in_schema(struct span key)
{
	static const char *const schemas[] = { "items", "additionalProperties", "anyOf", "any_of",
		"allOf", "oneOf", "not", "if", "then", "else", "prefixItems", "contains",
		"propertyNames", "additionalItems", "unevaluatedItems", "unevaluatedProperties",
		"contentSchema", "additional_properties", "prefix_items" };
	static const char *const maps[] = { "properties", "$defs", "definitions", "defs",
		"patternProperties", "dependentSchemas" };
	static const char *const words[] = { "type", "enum", "required", "const", "format",
		"$ref", "ref", "$id", "$schema", "$anchor", "$dynamicRef", "$dynamicAnchor",
		"dependentRequired", "dependencies", "propertyOrdering", "property_ordering",
		"discriminator", "contentEncoding", "contentMediaType" };

	if (SPAN_IN(key, words))
		return NAME_WORD;
	if (SPAN_IN(key, maps))
		return NAME_SCHEMAS;
	return SPAN_IN(key, schemas) ? NAME_SCHEMA : NAME_NONE;
}

/* Removes and returns the next letter, digit or other byte of a name; -1: none is left. */
static int
next_of_name(struct span *s)
{
	while (s->n && (*s->p == ' ' || *s->p == '_' || *s->p == '-' || *s->p == '.'))
		*s = span_cut(*s, 1, s->n);
	if (!s->n)
		return -1;
	int c = (unsigned char)to_lower(*s->p);
	*s = span_cut(*s, 1, s->n);
	return c;
}

bool
is_name_spelled(struct span name, struct span title)
{
	int a, b;

	do {
		a = next_of_name(&name);
		b = next_of_name(&title);
	} while (a == b && a >= 0);
	return a == b;
}
