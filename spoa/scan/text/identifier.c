/* The members of a schema whose values are names or permitted values. A model repeats these in
 * its calls, and the provider compares them. */
#include "scan/text/identifier.h"

#include "base/among.h"

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
