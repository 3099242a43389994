/* Walks the result before and after the replacement in parallel with the tool's schema. Only
 * values that differ are checked: an unchanged value that violates the schema is the server's
 * own mistake. */
#include "scan/mcp/output.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

enum {
	DEPTH = 64, /* nested schemas; deeper values count as valid */
	/* compared values; beyond, the result counts as invalid. Recursive schemas can branch
	 * without end */
	STEPS = 2000000,
	NAME = 128,
};

/* The state of one check. */
struct walk {
	const json_t *root; /* the whole schema, for references "#/…" */
	unsigned depth;
	size_t steps;
};

static bool output_fits(
	struct walk *w, const json_t *schema, const json_t *was, const json_t *now);

/* ---- texts ---- */

static bool
says_type(const json_t *schema, const char *type)
{
	const json_t *t = json_object_get(schema, "type"), *one;
	bool any = !t || (json_is_string(t) && !strcmp(json_string_value(t), type));
	size_t i;

	json_array_foreach(t, i, one)
	{
		any |= json_is_string(one) && !strcmp(json_string_value(one), type);
	}
	return any;
}

static bool
is_among(const json_t *values, const json_t *now)
{
	const json_t *one;
	bool any = !json_is_array(values);
	size_t i;

	json_array_foreach(values, i, one)
	{
		any |= json_equal(one, now);
	}
	return any;
}

static bool
is_any_text(const json_t *pattern)
{
	static const char *const any[] = { "", ".*", ".+", "^.*$", "^.+$", "^", "$", "^.*",
		"^.+", "[\\s\\S]*", "^[\\s\\S]*$" };
	const char *s = json_string_value(pattern);

	return !s || SPAN_IN(span_str(s), any);
}

static bool
text_fits(const json_t *schema, const json_t *now)
{
	const json_t *least = json_object_get(schema, "minLength"),
		     *most = json_object_get(schema, "maxLength"),
		     *only = json_object_get(schema, "const");
	/* JSON Schema counts characters, not bytes. */
	json_int_t n = (json_int_t)utf8_count(
		span_of(json_string_value(now), json_string_length(now)));

	return says_type(schema, "string") && is_among(json_object_get(schema, "enum"), now) &&
	       (!only || json_equal(only, now)) && !json_object_get(schema, "format") &&
	       is_any_text(json_object_get(schema, "pattern")) &&
	       (!json_is_integer(least) || n >= json_integer_value(least)) &&
	       (!json_is_integer(most) || n <= json_integer_value(most));
}

/* ---- objects and arrays ---- */

static bool
members_fit(struct walk *w, const json_t *schema, const json_t *was, const json_t *now)
{
	const json_t *named = json_object_get(schema, "properties"),
		     *others = json_object_get(schema, "additionalProperties"),
		     *required = json_object_get(schema, "required"), *v;
	bool closed = json_is_false(others) && !json_object_get(schema, "patternProperties");
	const char *key;
	size_t i;

	json_object_foreach((json_t *)(uintptr_t)now, key, v)
	{
		const json_t *before = json_object_get(was, key),
			     *of = json_object_get(named, key);
		if (closed && !of && !before)
			return false; /* a key that was replaced and is not allowed */
		if (!output_fits(w, of ? of : others, before, v))
			return false;
	}
	json_array_foreach(required, i, v)
	{
		const char *name = json_is_string(v) ? json_string_value(v) : "";
		if (json_object_get(was, name) && !json_object_get(now, name))
			return false;
	}
	return true;
}

static bool
items_fit(struct walk *w, const json_t *schema, const json_t *was, const json_t *now)
{
	const json_t *first = json_object_get(schema, "prefixItems"),
		     *rest = json_object_get(schema, "items"), *v;
	size_t i;

	json_array_foreach(now, i, v)
	{
		const json_t *of = json_array_get(first, i);
		if (!output_fits(w, of ? of : rest, json_array_get(was, i), v))
			return false;
	}
	return true;
}

/* ---- schemas ---- */

/* json_equal() that counts its steps. */
static bool
is_same_value(struct walk *w, const json_t *a, const json_t *b)
{
	const json_t *v;
	const char *key;
	size_t i;

	if (++w->steps > STEPS || !a || !b || json_typeof(a) != json_typeof(b))
		return false;
	if (json_is_object(a)) {
		json_object_foreach((json_t *)(uintptr_t)a, key, v)
		{
			if (!is_same_value(w, v, json_object_get(b, key)))
				return false;
		}
		return json_object_size(a) == json_object_size(b);
	}
	if (!json_is_array(a))
		return json_equal(a, b);
	json_array_foreach(a, i, v)
	{
		if (!is_same_value(w, v, json_array_get(b, i)))
			return false;
	}
	return json_array_size(a) == json_array_size(b);
}

/* Returns the schema of a reference "#/a/b" without escapes; NULL: unknown or unsupported. */
static const json_t *
referred(const struct walk *w, const char *at)
{
	const json_t *o = w->root;
	struct span rest = span_str(at);

	if (!span_is(span_next(&rest, '/'), "#") || strpbrk(at, "~%"))
		return NULL;
	while (o && rest.n) {
		struct span name = span_next(&rest, '/');
		char text[NAME];
		snprintf(text, sizeof(text), "%.*s", SPAN_ARG(name));
		o = name.n < sizeof(text) ? json_object_get(o, text) : NULL;
	}
	return o;
}

static bool
branches_fit(struct walk *w, const json_t *schema, const json_t *was, const json_t *now)
{
	static const char *const names[] = { "anyOf", "oneOf", "allOf" };
	const json_t *one;
	size_t i;

	for (size_t k = 0; k < 3; k++) {
		const json_t *list = json_object_get(schema, names[k]);
		bool all = k == 2, any = !json_array_size(list);
		json_array_foreach(list, i, one)
		{
			bool fit = output_fits(w, one, was, now);
			any |= fit;
			if (all && !fit)
				return false;
		}
		if (!any)
			return false;
	}
	return true;
}

static bool
output_fits(struct walk *w, const json_t *schema, const json_t *was, const json_t *now)
{
	const char *to = json_string_value(json_object_get(schema, "$ref"));
	bool fit = true;

	if (!json_is_object(schema) || is_same_value(w, was, now) || w->depth == DEPTH)
		return true;
	if (w->steps > STEPS)
		return false;
	w->depth++;
	if (to)
		fit = output_fits(w, referred(w, to), was, now);
	fit = fit && branches_fit(w, schema, was, now);
	if (fit && json_is_string(now))
		fit = text_fits(schema, now);
	else if (fit && json_is_object(now))
		fit = members_fit(w, schema, was, now);
	else if (fit && json_is_array(now))
		fit = items_fit(w, schema, was, now);
	w->depth--;
	return fit;
}

static const json_t *
content_of(const json_t *message)
{
	const json_t *result = json_object_get(message, "result");

	/* a failed call needs no structured content */
	return json_is_true(json_object_get(result, "isError"))
		       ? NULL
		       : json_object_get(result, "structuredContent");
}

bool
mcp_output_fits(struct span tool, struct span was, struct span now)
{
	const size_t flags = JSON_ALLOW_NUL;
	json_t *t = json_loadb(tool.p, tool.n, flags, NULL);
	const json_t *schema = json_object_get(t, "outputSchema");
	struct walk w = { .root = schema };
	bool fit = true;

	if (schema) {
		json_t *a = json_loadb(was.p, was.n, flags, NULL);
		json_t *b = json_loadb(now.p, now.n, flags, NULL);
		const json_t *content = content_of(b);
		if (content && content_of(a))
			fit = output_fits(&w, schema, content_of(a), content);
		json_decref(a);
		json_decref(b);
	}
	json_decref(t);
	return fit;
}
