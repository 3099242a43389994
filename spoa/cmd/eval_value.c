/* JSON to values of CEL and back, for tollgate eval. Typed values are those of the
 * conformance data: one member, named after the type. */
#include "cmd/eval.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/ascii.h"
#include "base/codec/digits.h"
#include "base/codec/json_text.h"
#include "base/err.h"
#include "policy/cel/time.h"
#include "policy/cel/value.h"
#include "policy/data.h"

enum { EVAL_DEPTH = 200 };

static const char no_memory[] = "out of memory";

struct reader {
	struct arena *a;
	unsigned depth;
	const char *why;
};

static bool read_cel_value(struct reader *r, json_t *j, struct cel_value *out);

/* ---- typed: each reads the member's value; false: it is none, or r->why ---- */

static bool
typed_int(json_t *j, struct cel_value *out)
{
	char *end = NULL;

	errno = 0;
	if (json_is_integer(j))
		*out = cel_int(json_integer_value(j));
	else if (json_is_string(j))
		*out = cel_int(strtoll(json_string_value(j), &end, 10));
	return !errno && !(end && (*end || end == json_string_value(j))) &&
	       (json_is_integer(j) || json_is_string(j));
}

static bool
typed_uint(json_t *j, struct cel_value *out)
{
	const char *s = json_string_value(j);
	char *end = NULL;

	*out = (struct cel_value){ .type = CEL_UINT };
	errno = 0;
	if (json_is_integer(j) && json_integer_value(j) >= 0) {
		out->u = (uint64_t)json_integer_value(j);
		return true;
	}
	if (s && is_digit(*s))
		out->u = strtoull(s, &end, 10);
	return end && !*end && !errno;
}

static bool
typed_double(json_t *j, struct cel_value *out)
{
	const char *s = json_string_value(j);

	*out = (struct cel_value){ .type = CEL_DOUBLE, .d = json_number_value(j) };
	if (s && !strcmp(s, "NaN"))
		out->d = NAN;
	else if (s && (!strcmp(s, "Infinity") || !strcmp(s, "-Infinity")))
		out->d = *s == '-' ? -INFINITY : INFINITY;
	else
		return json_is_number(j);
	return true;
}

static bool
typed_bytes(struct reader *r, json_t *j, struct cel_value *out)
{
	struct span s = span_trim(json_span(j), "=");
	char *p = arena_alloc(r->a, s.n + 1);
	uint32_t v = 0;
	size_t n = 0;
	int bits = 0;

	if (!p)
		r->why = no_memory;
	if (!p || !json_is_string(j) || s.n % 4 == 1)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		int d = value64(s.p[i]);
		if (d < 0)
			return false;
		v = v << 6 | (uint32_t)d;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			p[n++] = (char)(v >> bits);
		}
	}
	*out = (struct cel_value){ .type = CEL_BYTES, .s = span_of(p, n) };
	return true;
}

static bool
typed_list(struct reader *r, json_t *j, struct cel_value *out)
{
	size_t n = json_array_size(j), i;
	struct cel_value *v = arena_array(r->a, n + 1, sizeof(*v));
	json_t *item;

	if (!v)
		r->why = no_memory;
	if (!v || !json_is_array(j))
		return false;
	json_array_foreach(j, i, item) if (!read_cel_value(r, item, &v[i])) return false;
	*out = cel_list(v, n);
	return true;
}

static bool
typed_map(struct reader *r, json_t *j, struct cel_value *out)
{
	size_t n = json_array_size(j), i;
	struct cel_value *v = arena_array(r->a, 2 * n + 1, sizeof(*v));
	json_t *pair;

	if (!v)
		r->why = no_memory;
	if (!v || !json_is_array(j))
		return false;
	json_array_foreach(
		j, i, pair) if (json_array_size(pair) != 2 ||
				!read_cel_value(r, json_array_get(pair, 0), &v[2 * i]) ||
				!read_cel_value(r, json_array_get(pair, 1),
					&v[2 * i + 1])) return false;
	*out = cel_list(v, n);
	out->type = CEL_MAP;
	return true;
}

static const struct kind {
	const char *name;
	enum cel_type type;
	const char *is; /* what is expected of the value */
} kinds[] = {
	{ "int", CEL_INT, "decimal text of 64 bits" },
	{ "uint", CEL_UINT, "decimal text of 64 bits" },
	{ "double", CEL_DOUBLE, "a number, \"NaN\", \"Infinity\" or \"-Infinity\"" },
	{ "string", CEL_STRING, "a string" },
	{ "bytes", CEL_BYTES, "text in base64" },
	{ "bool", CEL_BOOL, "true or false" },
	{ "null", CEL_NULL, "null" },
	{ "list", CEL_LIST, "an array of typed values" },
	{ "map", CEL_MAP, "an array of pairs" },
	{ "timestamp", CEL_TIMESTAMP, "text of RFC 3339" },
	{ "duration", CEL_DURATION, "text such as 1.5s" },
	{ "type", CEL_TYPE, "the name of a type" },
};
enum { NKINDS = COUNT_OF(kinds) };

static bool
read_kind(struct reader *r, const struct kind *k, json_t *j, struct cel_value *out)
{
	*out = (struct cel_value){ .type = k->type };
	switch (k->type) {
	case CEL_INT: return typed_int(j, out);
	case CEL_UINT: return typed_uint(j, out);
	case CEL_DOUBLE: return typed_double(j, out);
	case CEL_BYTES: return typed_bytes(r, j, out);
	case CEL_LIST: return typed_list(r, j, out);
	case CEL_MAP: return typed_map(r, j, out);
	case CEL_NULL: return json_is_null(j);
	case CEL_BOOL: *out = cel_bool(json_is_true(j)); return json_is_boolean(j);
	case CEL_TIMESTAMP:
		return json_is_string(j) && cel_timestamp_parse(json_span(j), out) == 0;
	case CEL_DURATION:
		return json_is_string(j) && cel_duration_parse(json_span(j), out) == 0;
	default: /* CEL_STRING, CEL_TYPE */
		out->s = json_span(j);
		return json_is_string(j) &&
		       (k->type != CEL_TYPE || cel_type_named(out->s) != CEL_ERROR);
	}
}

static bool
read_typed(struct reader *r, json_t *j, struct cel_value *out)
{
	void *at = json_object_iter(j);

	if (json_object_size(j) == 1)
		for (const struct kind *k = kinds; k < kinds + NKINDS; k++) {
			if (strcmp(json_object_iter_key(at), k->name) != 0)
				continue;
			bool ok = read_kind(r, k, json_object_iter_value(at), out);
			if (!ok && !r->why)
				r->why = arena_printf(r->a, "a typed %s is %s", k->name, k->is)
						 .p;
			return ok;
		}
	r->why = "a typed value is an object with one member, named int, uint, double, string, "
		 "bytes, bool, null, list, map, timestamp, duration or type";
	return false;
}

static bool
read_cel_value(struct reader *r, json_t *j, struct cel_value *out)
{
	if (++r->depth > EVAL_DEPTH) {
		r->why = "nested too deeply";
		return false;
	}
	bool ok = read_typed(r, j, out);
	r->depth--;
	return ok;
}

bool
eval_read(struct arena *a, json_t *j, bool typed, struct cel_value *out, const char **why)
{
	struct reader r = { .a = a };
	int err = typed ? 0 : data_json(j, EVAL_DEPTH, a, out);

	bool ok = typed ? read_cel_value(&r, j, out) : err == 0;
	*why = err == ERR_LIMIT ? "nested too deeply" : r.why ? r.why : no_memory;
	return ok;
}

/* ---- writing ---- */

static void
write_items(const struct cel_value *v, size_t n, struct buf *out)
{
	buf_putc(out, '[');
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_putc(out, ',');
		eval_write(&v[i], true, out);
	}
	buf_putc(out, ']');
}

void
eval_write(const struct cel_value *v, bool typed, struct buf *out)
{
	const char *name = "string"; /* addresses and networks are their text */

	if (!typed) {
		cel_json(v, out);
		return;
	}
	for (size_t i = 0; i < NKINDS; i++)
		if (kinds[i].type == v->type)
			name = kinds[i].name;
	buf_printf(out, "{\"%s\":", name);
	switch (v->type) {
	case CEL_INT: buf_printf(out, "\"%lld\"", (long long)v->i); break;
	case CEL_UINT: buf_printf(out, "\"%llu\"", (unsigned long long)v->u); break;
	case CEL_LIST: write_items(v->list.v, v->list.n, out); break;
	case CEL_MAP:
		buf_putc(out, '[');
		for (size_t i = 0; i < v->list.n; i++) {
			if (i)
				buf_putc(out, ',');
			write_items(&v->list.v[2 * i], 2, out);
		}
		buf_putc(out, ']');
		break;
	default: cel_json(v, out);
	}
	buf_putc(out, '}');
}
