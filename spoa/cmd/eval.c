/* tollgate eval: prints the value of a CEL expression, for people who write conditions and for
 * CEL's conformance tests.
 *
 * Names in the expression are looked up in the bindings, a JSON object, instead of in a
 * request. The first half of this file converts JSON to CEL values and back. Plain JSON
 * cannot distinguish int, uint and double; typed JSON, in the form of the conformance data,
 * can: a value is an object with one member that is named after its type, such as
 * {"int":"1"}. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/ascii.h"
#include "base/codec/digits.h"
#include "base/codec/json_text.h"
#include "base/err.h"
#include "base/json_put.h"
#include "cmd/cmd.h"
#include "cmd/eval.h"
#include "policy/cel/time.h"
#include "policy/cel/value.h"
#include "policy/data.h"

enum { EVAL_DEPTH = 200 };

static const char no_memory[] = "out of memory";

/* The conversion of one value: nesting depth so far, at most EVAL_DEPTH, and the first
 * error; NULL: none. */
struct reader {
	struct arena *a;
	unsigned depth;
	const char *why;
};

static bool read_cel_value(struct reader *r, json_t *j, struct cel_value *out);
static void eval_write(const struct cel_value *v, bool typed, struct buf *out);

/* ---- typed JSON: each function reads the member's value; false: it is not of this type,
 * or r->why states the error ---- */

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
	const char *is; /* the expected form of the value, for the error message */
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
	default: /* CEL_STRING and CEL_TYPE */
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

static void
eval_write(const struct cel_value *v, bool typed, struct buf *out)
{
	const char *name = "string"; /* addresses and networks are written as text */

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

/* The names that an expression may use. */

struct bindings {
	struct arena *a;
	json_t *j; /* an object, or NULL: no names */
	bool typed;
	const char *why; /* why a binding could not be converted; NULL: none failed */
};

static bool
lookup_name(void *ctx, struct span name, struct cel_value *out)
{
	struct bindings *b = ctx;
	json_t *v = b->j ? json_object_getn(b->j, name.p, name.n) : NULL;
	const char *why = NULL;

	if (!v)
		return false;
	if (eval_read(b->a, v, b->typed, out, &why))
		return true;
	b->why = arena_printf(b->a, "%.*s: %s", SPAN_ARG(name), why).p;
	return false;
}

/* Evaluates an expression. Returns true with the value as JSON in *out, or false with the
 * error message in *out. */
static bool
evaluate_cel(struct arena *a, struct span expr, json_t *bindings, bool typed, struct buf *out)
{
	struct bindings b = { a, bindings, typed, NULL };
	struct cel_activation act = { .ctx = &b, .lookup_name = lookup_name };
	struct cel_error err;
	struct cel_value v;

	const struct cel_program *p = cel_compile(a, NULL, expr, CEL_DYN, &err);
	if (!p) {
		buf_printf(out, "%u:%u: %s", err.line, err.column, err.message);
		return false;
	}
	if (cel_eval(p, &act, a, &v)) {
		if (b.why)
			buf_str(out, b.why);
		else
			buf_put(out, v.s.p, v.s.n);
		return false;
	}
	eval_write(&v, typed, out);
	return true;
}

static json_t *
parse_cel(const char *text, size_t n, const char *what, char why[256])
{
	json_error_t e;
	json_t *j = json_loadb(text, n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &e);

	if (j && json_is_object(j))
		return j;
	snprintf(why, 256, "%s: %s", what, j ? "a JSON object is expected" : e.text);
	json_decref(j);
	return NULL;
}

static int
eval_one(const char *expr, const char *bindings, bool typed)
{
	char why[256];
	json_auto_t *j = bindings ? parse_cel(bindings, strlen(bindings), "--bindings", why) : NULL;

	if (bindings && !j)
		return cmd_fail("eval", "%s", why);
	SCOPED_ARENA(a, 0, false);
	SCOPED_BUF(out, 0);
	bool ok = evaluate_cel(&a, span_str(expr), j, typed, &out);
	fprintf(ok ? stdout : stderr, "%s%.*s\n",
		ok ? "" : "error: ", SPAN_ARG(buf_view(&out)));
	int code = ok ? EXIT_DONE : EXIT_NO;
	if (buf_failed(&out) || fflush(stdout))
		code = cmd_fail("eval", "%s", err_str(buf_failed(&out) ? ERR_NOMEM : ERR_IO));
	return code;
}

/* Evaluates a line {"expr": ..., "bindings": ...}, where bindings may be missing, and
 * appends {"value": ...} or {"error": "..."} to *out. Returns NULL, or why the line cannot
 * be read. */
static const char *
eval_line(struct arena *a, json_t *line, bool typed, struct buf *out)
{
	json_t *expr = json_object_get(line, "expr"),
	       *bindings = json_object_get(line, "bindings");

	if (!json_is_string(expr))
		return "\"expr\" is not a string";
	if (bindings && !json_is_object(bindings))
		return "\"bindings\" is not an object";
	SCOPED_BUF(value, 0);
	bool ok = evaluate_cel(a, json_span(expr), bindings, typed, &value);
	json_put_form(out, ok ? "{'value':%j}\n" : "{'error':%t}\n", buf_view(&value));
	return buf_failed(&value) ? err_str(ERR_NOMEM) : NULL;
}

static int
answer_line(void *arg, struct span line, size_t number)
{
	const bool *typed = arg;
	char why[256];
	json_auto_t *j = parse_cel(line.p, line.n, "a line is a JSON object with expr and "
						   "bindings", why);

	SCOPED_ARENA(a, 0, false);
	SCOPED_BUF(out, 0);
	const char *bad = j ? eval_line(&a, j, *typed, &out) : why;
	if (bad || buf_failed(&out))
		return cmd_fail("eval", "line %zu: %s", number, bad ? bad : err_str(ERR_NOMEM));
	return cmd_print("stdout", &out);
}

int
cmd_eval(int argc, char **argv)
{
	const char *expr = NULL, *bindings = NULL;
	bool typed = false, jsonl = argc > 1 && !strcmp(argv[1], "--jsonl");
	int i = 1;

	/* The first argument is the expression even if it begins with '-'. Only --jsonl,
	 * and --typed before it, are options. */
	if (argc == 3 && !strcmp(argv[1], "--typed") && !strcmp(argv[2], "--jsonl"))
		return cmd_each_line(answer_line, &(bool){ true });
	if (argc < 2)
		return cmd_usage(argv[0]);
	if (!jsonl)
		expr = argv[1];
	for (i = 2; i < argc; i++) {
		struct span value = span_str(argv[i]), name = span_next(&value, '=');
		if (!strcmp(argv[i], "--typed"))
			typed = true;
		else if (jsonl || !span_is(name, "--bindings"))
			return cmd_usage(argv[0]);
		else if (value.p)
			bindings = value.p;
		else if (++i < argc)
			bindings = argv[i];
		else
			return cmd_usage(argv[0]);
	}
	return jsonl ? cmd_each_line(answer_line, &typed) : eval_one(expr, bindings, typed);
}
