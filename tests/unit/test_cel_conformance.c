/* The public conformance suite of CEL (google/cel-spec, the tests that need no protocol
 * buffers), if its data is available. Every line is one expression with the required value or
 * error. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jansson.h>

#include "policy/cel/cel.h"
#include "policy/cel/time.h"
#include "policy/cel/value.h"

#define SUITE "../shared/data/cel-conformance/"

static int
base64_digit(char c)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

static struct span
unbase64(struct arena *a, const char *s)
{
	char *p = arena_alloc(a, strlen(s) + 1);
	size_t n = 0;
	uint32_t v = 0;
	int bits = 0;

	for (; *s && *s != '='; s++) {
		v = v << 6 | (uint32_t)base64_digit(*s);
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			p[n++] = (char)(v >> bits);
		}
	}
	return span_of(p, n);
}

static double
read_double(json_t *j)
{
	if (json_is_string(j))
		return strtod(json_string_value(j), NULL);
	return json_number_value(j);
}

/* Converts {"int": "1"} and the like to a value. */
static struct cel_value
read_value(struct arena *a, json_t *j)
{
	const char *type = json_object_iter_key(json_object_iter(j));
	json_t *v = json_object_get(j, type);
	struct cel_value out = { .type = CEL_NULL };
	size_t i;
	json_t *item;

	if (!strcmp(type, "int"))
		return cel_int(strtoll(json_string_value(v), NULL, 10));
	if (!strcmp(type, "uint"))
		return (struct cel_value){ .type = CEL_UINT,
			.u = strtoull(json_string_value(v), NULL, 10) };
	if (!strcmp(type, "double"))
		return (struct cel_value){ .type = CEL_DOUBLE, .d = read_double(v) };
	if (!strcmp(type, "bool"))
		return cel_bool(json_is_true(v));
	if (!strcmp(type, "string"))
		return cel_string(span_of(json_string_value(v), json_string_length(v)));
	if (!strcmp(type, "bytes"))
		return (struct cel_value){ .type = CEL_BYTES,
			.s = unbase64(a, json_string_value(v)) };
	if (!strcmp(type, "type"))
		return (struct cel_value){ .type = CEL_TYPE,
			.s = span_str(json_string_value(v)) };
	if (!strcmp(type, "timestamp"))
		assert_int_equal(cel_timestamp_parse(span_str(json_string_value(v)), &out), 0);
	else if (!strcmp(type, "duration"))
		assert_int_equal(cel_duration_parse(span_str(json_string_value(v)), &out), 0);
	else if (!strcmp(type, "list") || !strcmp(type, "map")) {
		bool map = type[0] == 'm';
		size_t n = json_array_size(v), width = map ? 2 : 1;
		struct cel_value *items = arena_array(a, n * width + 1, sizeof(*items));
		json_array_foreach(v, i, item)
		{
			if (map) {
				items[2 * i] = read_value(a, json_array_get(item, 0));
				items[2 * i + 1] = read_value(a, json_array_get(item, 1));
			} else {
				items[i] = read_value(a, item);
			}
		}
		out = cel_list(items, n);
		out.type = map ? CEL_MAP : CEL_LIST;
	} else {
		assert_string_equal(type, "null");
	}
	return out;
}

/* Compares values with their types, as the suite requires: 1 is not 1.0, NaN equals NaN. */
static bool
same(const struct cel_value *a, const struct cel_value *b)
{
	int64_t steps = 1000000;

	if (a->type != b->type)
		return false;
	if (a->type == CEL_DOUBLE)
		return memcmp(&a->d, &b->d, sizeof(a->d)) == 0 ||
		       (a->d != a->d && b->d != b->d);
	if (a->type != CEL_LIST)
		return cel_equal(a, b, &steps);
	if (a->list.n != b->list.n)
		return false;
	for (size_t i = 0; i < a->list.n; i++)
		if (!same(&a->list.v[i], &b->list.v[i]))
			return false;
	return true;
}

struct bindings {
	struct arena *a;
	json_t *j;
};

static bool
lookup_name(void *ctx, struct span name, struct cel_value *out)
{
	struct bindings *b = ctx;
	json_t *v = b->j ? json_object_getn(b->j, name.p, name.n) : NULL;

	if (v)
		*out = read_value(b->a, v);
	return v != NULL;
}

/* Returns NULL, or the reason why the line fails. */
static const char *
run_line(struct arena *a, json_t *line)
{
	json_t *expr = json_object_get(line, "expr");
	struct bindings b = { a, json_object_get(line, "bindings") };
	struct cel_activation act = { .ctx = &b, .lookup_name = lookup_name };
	struct cel_error err;
	struct cel_value got;
	bool wants_error = json_object_get(line, "error") != NULL;
	struct span src = span_of(json_string_value(expr), json_string_length(expr));

	const struct cel_program *p = cel_compile(a, NULL, src, CEL_DYN, &err);
	if (!p)
		return wants_error ? NULL : arena_strdup(a, err.message);
	if (cel_eval(p, &act, a, &got))
		return wants_error ? NULL : arena_printf(a, "%.*s", SPAN_ARG(got.s)).p;
	if (wants_error)
		return "gave a value instead of an error";
	struct cel_value want = read_value(a, json_object_get(line, "value"));
	if (same(&got, &want))
		return NULL;
	struct buf text;
	buf_init(&text, 0);
	cel_json(&got, &text);
	const char *why = arena_printf(a, "gave %.*s", SPAN_ARG(buf_view(&text))).p;
	buf_free(&text);
	return why;
}

static void
run_suite(const char *file, size_t must)
{
	FILE *f = fopen(file, "r");
	static char line[1 << 20];
	size_t passed = 0, total = 0;

	if (!f) {
		print_message("[  SKIPPED ] %s is not here\n", file);
		skip();
	}
	while (fgets(line, sizeof(line), f)) {
		struct arena a;
		json_error_t je;
		json_t *j = json_loads(line, JSON_ALLOW_NUL, &je);
		assert_non_null(j);
		arena_init(&a, 0, false);
		const char *why = run_line(&a, j);
		if (why)
			print_message("%s: %s: %s\n",
				json_string_value(json_object_get(j, "name")),
				json_string_value(json_object_get(j, "expr")), why);
		passed += why == NULL;
		total++;
		json_decref(j);
		arena_reset(&a);
	}
	fclose(f);
	print_message("%s: %zu of %zu passed\n", file, passed, total);
	assert_true(passed >= must);
}

static void
core_suite_passes(void **state)
{
	(void)state;
	run_suite(SUITE "core.jsonl", 1078);
}

static void
extensions_suite_passes(void **state)
{
	(void)state;
	run_suite(SUITE "extensions.jsonl", 536);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(core_suite_passes),
		cmocka_unit_test(extensions_suite_passes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
