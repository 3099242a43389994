/* Adapts JSON Schemas. Anthropic
 * (https://docs.anthropic.com/en/docs/build-with-claude/structured-outputs): Google's own words
 * are refused, and in an enforced schema each object excludes further members. OpenAI
 * (https://platform.openai.com/docs/guides/structured-outputs) accepts less, so a schema is
 * checked before OpenAI is requested to enforce it. */
#include "answer/translate/request_private.h"

enum { SCHEMA_DEPTH = 64 }; /* deeper ones stay as they are */

/* Words of OpenAPI's and Google's schemas that JSON Schema does not have. */
static const char *const googles[] = { "nullable", "propertyOrdering", "example" };
/* Words whose members or elements are schemas, and words that are a schema or a list of
 * schemas. */
static const char *const maps[] = { "properties", "$defs", "definitions", "patternProperties" };
static const char *const schemas[] = { "items", "prefixItems", "anyOf", "oneOf", "allOf", "not",
	"additionalProperties" };

static void
adapt_schema(const struct tree *t, struct node *schema, bool closed, unsigned depth)
{
	struct node *type = tree_member(schema, "type");
	bool is_object = node_is(type, "object") || (!type && tree_member(schema, "properties"));

	for (struct node *e = tree_elements(type); e; e = e->next)
		is_object |= node_is(e, "object");
	if (depth == SCHEMA_DEPTH || schema->tok != JSON_OBJECT)
		return;
	for (struct node *n = schema->first; n; n = n->next) {
		bool map = SPAN_IN(n->key, maps) && n->tok == JSON_OBJECT;
		if (SPAN_IN(n->key, googles))
			tree_cut(n);
		else if (SPAN_IN(n->key, schemas) && n->tok == JSON_OBJECT)
			adapt_schema(t, n, closed, depth + 1);
		else if (map || (SPAN_IN(n->key, schemas) && n->tok == JSON_ARRAY))
			for (struct node *in = n->first; in; in = in->next)
				adapt_schema(t, in, closed, depth + 1);
	}
	if (is_object && closed && !tree_member(schema, "additionalProperties"))
		(void)tree_add(t, schema, "additionalProperties", SPAN_LIT("false"));
}

struct node *
question_schema(struct question *q, struct node *schema, bool closed)
{
	if (!schema || (!closed && q->form->form != FORM_GENERATE))
		return schema;
	/* in a tree of its own, since another target may get the original */
	struct node *own = question_json(
		q, schema, arena_dup(q->a, tree_raw(schema->of, schema)), question_nowhere);
	if (own)
		adapt_schema(own->of, own, closed, 0);
	return own;
}

/* Words that OpenAI refuses in an enforced schema. */
static const char *const unenforced[] = { "allOf", "oneOf", "not", "if", "then", "else", "dependentRequired",
	"dependentSchemas", "patternProperties" };

static bool
lists_every_member(const struct node *required, const struct node *properties)
{
	for (const struct node *p = properties ? properties->first : NULL; p; p = p->next) {
		const struct node *e = tree_elements(required);
		while (e && !span_eq(node_text(e), p->key))
			e = e->next;
		if (!e)
			return false;
	}
	return true;
}

/* Returns true if the schema is an object, and each object in it excludes further members and
 * requires all of its own. */
static bool
is_enforced_by_openai(const struct node *schema, unsigned depth)
{
	const struct node *type = tree_member(schema, "type"), *more = tree_member(schema, "additionalProperties");
	bool is_object = node_is(type, "object") || tree_member(schema, "properties");

	for (const struct node *e = tree_elements(type); e; e = e->next)
		is_object |= node_is(e, "object");
	if (depth == SCHEMA_DEPTH || schema->tok != JSON_OBJECT || (!depth && !is_object) ||
		(is_object && (!more || more->tok != JSON_FALSE ||
				      !lists_every_member(tree_member(schema, "required"), tree_member(schema, "properties")))))
		return false;
	for (const struct node *n = schema->first; n; n = n->next) {
		bool map = SPAN_IN(n->key, maps) && n->tok == JSON_OBJECT;
		if (SPAN_IN(n->key, unenforced) ||
			(SPAN_IN(n->key, schemas) && n->tok == JSON_OBJECT && !is_enforced_by_openai(n, depth + 1)))
			return false;
		if (map || (SPAN_IN(n->key, schemas) && n->tok == JSON_ARRAY))
			for (const struct node *in = n->first; in; in = in->next)
				if (!is_enforced_by_openai(in, depth + 1))
					return false;
	}
	return true;
}

bool
question_enforced(struct question *q, const struct node *schema, const struct node *at)
{
	enum form from = q->form->form;

	if (from == FORM_CHAT || from == FORM_RESPONSES || (schema && is_enforced_by_openai(schema, 0)))
		return true;
	question_left_out(q, at);
	return false;
}
