/* The functions of the language definition on strings and collections. */
#include "base/codec/utf8.h"
#include "base/err.h"
#include "policy/cel/fn.h"
#include "policy/cel/functions/regex.h"
#include "policy/cel/value.h"

CEL_CHARGED(size_string, v->s.n / 64, cel_int((int64_t)utf8_count(v->s)))
CEL_VALUE(size_bytes, cel_int((int64_t)v->s.n))
CEL_VALUE(size_collection, cel_int((int64_t)v->list.n))
CEL_CHARGED(starts_with, v[1].s.n / 64, cel_bool(span_starts(v[0].s, v[1].s)))
CEL_CHARGED(ends_with, v[1].s.n / 64, cel_bool(span_ends(v[0].s, v[1].s)))

static void
contains(CEL_ARGS)
{
	struct span text = v[0].s, part = v[1].s;

	if (cel_charge(c, text.n / 64, out))
		*out = cel_bool(
			part.n == 0 ||
			(part.n <= text.n && memmem(text.p, text.n, part.p, part.n) != NULL));
}

static const void *
matches_prepare(struct arena *a, const struct cel_value *pattern, const char **why)
{
	const struct cel_regex *re = cel_regex_compile(a, pattern->s, why);
	const char *risk = re ? cel_regex_risk(pattern->s) : NULL;

	if (risk)
		*why = risk;
	return risk ? NULL : re;
}

static void
matches(CEL_ARGS)
{
	const struct cel_regex *re = c->aux;
	const char *why = "not a valid regular expression";
	size_t spilled = 0;

	if (!cel_charge(c, v[0].s.n / 256, out))
		return;
	if (!re) { /* the pattern is known only now */
		size_t size = v[1].s.n;
		if (!cel_charge(c, 100 + size, out) || !cel_spend(c, 4096 + size * 64, out))
			return;
		re = cel_regex_compile(c->arena, v[1].s, &why);
	}
	int found = re ? cel_regex_match(re, v[0].s, c->arena, &spilled) : 0;
	if (!cel_spend(c, spilled, out))
		return;
	if (!re)
		cel_raise(c, out, "matches(): %s", why);
	else if (found < 0)
		cel_raise_lit(out, found == ERR_ENCODING ? "matches(): the text is not UTF-8"
							 : "matches(): too much backtracking");
	else
		*out = cel_bool(found);
}

void
cel_same(CEL_ARGS)
{
	*out = *v;
}

CEL_VALUE(type_of, ((struct cel_value){ .type = CEL_TYPE, .s = cel_type_name(v->type) }))

/* clang-format off */
const struct cel_fn cel_fns_core[] = {
	{ "size",       false, "s",  'i', size_string,     NULL },
	{ "size",       false, "y",  'i', size_bytes,      NULL },
	{ "size",       false, "l",  'i', size_collection, NULL },
	{ "size",       false, "m",  'i', size_collection, NULL },
	{ "size",       true,  "s",  'i', size_string,     NULL },
	{ "size",       true,  "y",  'i', size_bytes,      NULL },
	{ "size",       true,  "l",  'i', size_collection, NULL },
	{ "size",       true,  "m",  'i', size_collection, NULL },
	{ "startsWith", true,  "ss", 'b', starts_with,     NULL },
	{ "endsWith",   true,  "ss", 'b', ends_with,       NULL },
	{ "contains",   true,  "ss", 'b', contains,        NULL },
	{ "matches",    true,  "ss", 'b', matches,         matches_prepare },
	{ "matches",    false, "ss", 'b', matches,         matches_prepare },
	{ "dyn",        false, "*",  '*', cel_same,        NULL },
	{ "type",       false, "*",  'T', type_of,         NULL },
	{ NULL,         false, NULL, 0,   NULL,            NULL },
};
/* clang-format on */
