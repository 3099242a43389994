/* The JSON Schemas: the files equal the output of the tables. The schemas accept the policies
 * of this tree and refuse what the parser refuses because of its form. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>

#include "base/codec/yaml.h"
#include "cmd/cmd.h"
#include "policy/schema.h"

static json_t *policy_schema_json, *config_schema_json, *prices_schema_json;

static void
schema_files_equal_the_tables(void **state)
{
	struct buf out, file;

	(void)state;
	buf_init(&out, 0);
	buf_init(&file, 0);
	assert_true(schema_policy(&out));
	assert_int_equal(cmd_read_file("policies/policy.schema.json", &file), 0);
	if (!span_eq(buf_view(&out), buf_view(&file)))
		fail_msg("policies/policy.schema.json is old: make schema");
	buf_clear(&out);
	buf_clear(&file);
	assert_true(schema_config(&out));
	assert_int_equal(cmd_read_file("policies/tollgate.schema.json", &file), 0);
	if (!span_eq(buf_view(&out), buf_view(&file)))
		fail_msg("policies/tollgate.schema.json is old: make schema");
	buf_clear(&out);
	buf_clear(&file);
	assert_true(schema_prices(&out));
	assert_int_equal(cmd_read_file("policies/prices.schema.json", &file), 0);
	if (!span_eq(buf_view(&out), buf_view(&file)))
		fail_msg("policies/prices.schema.json is old: make schema");
	buf_free(&out);
	buf_free(&file);
}

/* ---- the parts of a validator that these schemas need ---- */

static bool valid(json_t *root, json_t *schema, const struct yaml_node *n);

static bool
is_type(const struct yaml_node *n, const char *type)
{
	int64_t i;
	double d;
	bool b;

	if (!strcmp(type, "object"))
		return n->kind == YAML_MAPPING;
	if (!strcmp(type, "array"))
		return n->kind == YAML_SEQUENCE;
	if (n->kind != YAML_SCALAR || yaml_is_null(n))
		return false;
	if (!strcmp(type, "boolean"))
		return yaml_bool(n, &b);
	if (!strcmp(type, "integer"))
		return yaml_int(n, &i);
	if (!strcmp(type, "number"))
		return yaml_double(n, &d);
	return !yaml_bool(n, &b) && !yaml_double(n, &d);
}

static bool
type_fits(json_t *type, const struct yaml_node *n)
{
	if (json_is_string(type))
		return is_type(n, json_string_value(type));
	for (size_t i = 0; i < json_array_size(type); i++)
		if (is_type(n, json_string_value(json_array_get(type, i))))
			return true;
	return !type;
}

static bool
among(json_t *words, const struct yaml_node *n)
{
	for (size_t i = 0; i < json_array_size(words); i++) {
		json_t *w = json_array_get(words, i);
		int64_t v;
		bool b;
		if (json_is_string(w) && span_is(n->s, json_string_value(w)))
			return true;
		if (json_is_integer(w) && yaml_int(n, &v) && v == json_integer_value(w))
			return true;
		if (json_is_boolean(w) && yaml_bool(n, &b) && b == json_is_true(w))
			return true;
	}
	return !words;
}

static bool
children_fit(json_t *root, json_t *schema, const struct yaml_node *n)
{
	json_t *props = json_object_get(schema, "properties"),
	       *rest = json_object_get(schema, "additionalProperties"),
	       *needed = json_object_get(schema, "required"),
	       *items = json_object_get(schema, "items");

	for (const struct yaml_node *c = n->child; c; c = c->next) {
		json_t *s =
			n->kind == YAML_SEQUENCE ? items : json_object_get(props, c->key->s.p);
		if (!s)
			s = n->kind == YAML_SEQUENCE ? NULL : rest;
		if (json_is_false(s) || (json_is_object(s) && !valid(root, s, c)))
			return false;
	}
	for (size_t i = 0; n->kind == YAML_MAPPING && i < json_array_size(needed); i++)
		if (!yaml_get(n, json_string_value(json_array_get(needed, i))))
			return false;
	json_t *most = json_object_get(schema, "maxProperties");
	return !most || n->count <= (size_t)json_integer_value(most);
}

static bool
valid(json_t *root, json_t *schema, const struct yaml_node *n)
{
	const char *ref = json_string_value(json_object_get(schema, "$ref"));
	json_t *any = json_object_get(schema, "anyOf"), *all = json_object_get(schema, "allOf");
	bool some = !any;

	if (ref) {
		assert_int_equal(strncmp(ref, "#/$defs/", 8), 0);
		json_t *to = json_object_get(json_object_get(root, "$defs"), ref + 8);
		assert_non_null(to);
		return valid(root, to, n);
	}
	for (size_t i = 0; i < json_array_size(any); i++)
		some |= valid(root, json_array_get(any, i), n);
	for (size_t i = 0; i < json_array_size(all); i++)
		some &= valid(root, json_array_get(all, i), n);
	return some && type_fits(json_object_get(schema, "type"), n) &&
	       among(json_object_get(schema, "enum"), n) && children_fit(root, schema, n);
}

static bool
accepts(json_t *root, const char *file, const char *text)
{
	struct arena a;
	struct diag d;

	arena_init(&a, 0, false);
	diag_init(&d);
	const struct yaml_node *n =
		text ? yaml_load(&a, "t", span_str(text), &d) : yaml_load_file(&a, file, &d);
	assert_non_null(n);
	json_t *top = json_object_get(root, "$ref")
			      ? json_pack("{s:O}", "$ref", json_object_get(root, "$ref"))
			      : json_incref(root);
	bool ok = valid(root, top, n);
	json_decref(top);
	diag_free(&d);
	arena_reset(&a);
	return ok;
}

static void
policies_of_this_tree_are_valid(void **state)
{
	static const char *const where[] = { "policies/*.yaml",
		"tests/support/stack-policy.yaml", "tests/e2e/policy.yaml",
		"tests/faults/policy.yaml" };
	glob_t g = { .gl_pathc = 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(where) / sizeof(where[0]); i++)
		glob(where[i], i ? GLOB_APPEND : 0, NULL, &g);
	assert_true(g.gl_pathc >= 5);
	for (size_t i = 0; i < g.gl_pathc; i++) {
		const char *f = g.gl_pathv[i];
		if (strstr(f, "models.yaml") || strstr(f, "courtesy.yaml") ||
			strstr(f, "questions.yaml"))
			/* these files have no sections; other code reads them */
			continue;
		json_t *schema = strstr(f, "tollgate.yaml") ? config_schema_json
				 : strstr(f, "prices.yaml") ? prices_schema_json
							    : policy_schema_json;
		if (!accepts(schema, f, NULL))
			fail_msg("%s is refused by its schema", f);
	}
	globfree(&g);
}

static void
schema_refuses_forms_that_the_parser_refuses(void **state)
{
	static const struct {
		const char *text;
		bool ok;
	} rows[] = {
		{ "include: [a.yaml]\nrules: []\n", true },
		{ "include: a.yaml\n", true },
		{ "rule: []\n", false },
		{ "mode: off\n", false },
		{ "tollgate: 2\n", false },
		{ "rules: [{name: a, deny: true}]\n", true },
		{ "rules: [{name: a, deny: {status: 403, reason: no}}]\n", true },
		{ "rules: [{name: a, deny: {status: 402}}]\n", false },
		{ "rules: [{name: a, permit: false}]\n", false },
		{ "rules: [{deny: true}]\n", false },
		{ "rules: [{name: a, redact: {with: stars}}]\n", false },
		{ "rules: {name: a}\n", false },
		{ "identity: [{api_key: {keys: k}}, {none: {}}]\n", true },
		{ "identity: [{api_key: {}, none: {}}]\n", false },
		{ "identity: [{saml: {}}]\n", false },
		{ "data: {p: {file: x, key: identity.person}, i: {redis: k, ttl: 5s}}\n",
			true },
		{ "data: {p: {file: x, ttl: 5s}}\n", false },
		{ "classes: {a: [X], b: {score: 0.9}, c: {words: [x]}}\n", true },
		{ "classes: {b: {scores: 0.9}}\n", false },
		{ "routes: [{name: a, match: {path: /x}, targets: [p, {provider: q, model: "
		  "m}]}]\n",
			true },
		{ "routes: [{name: a}]\n", false },
		{ "limits: [{name: a, requests: many}]\n", false },
		{ "detectors: {thresholds: {PERSON: 0.5}}\n", true },
		{ "detectors: {threshold: {}}\n", false },
		{ "models: {include: x}\n", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (accepts(policy_schema_json, NULL, rows[i].text) != rows[i].ok)
			fail_msg(
				"%s: is %s", rows[i].text, rows[i].ok ? "refused" : "accepted");
	assert_true(accepts(config_schema_json, NULL,
		"policy: p\nagent: {listen: ['127.0.0.1:1', 'unix@/x']}\nworkers: auto\n"));
	assert_false(accepts(config_schema_json, NULL, "agents: {}\n"));
	assert_false(accepts(config_schema_json, NULL, "agent: {listens: x}\n"));
	assert_false(accepts(config_schema_json, NULL, "log: {level: loud}\n"));
	assert_false(accepts(prices_schema_json, NULL, "providers: {}\n"));
	assert_false(accepts(prices_schema_json, NULL,
		"prices: 1\nproviders: {a: [{model: b, input: 1}]}\n"));
	assert_false(accepts(prices_schema_json, NULL,
		"prices: 1\nproviders: {a: [{model: b, input: x, output: 1}]}\n"));
}

static json_t *
parsed(struct buf *b)
{
	json_t *o = json_loadb(buf_view(b).p, b->n, JSON_REJECT_DUPLICATES, NULL);

	buf_free(b);
	return o;
}

static int
setup(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	schema_policy(&b);
	policy_schema_json = parsed(&b);
	buf_init(&b, 0);
	schema_config(&b);
	config_schema_json = parsed(&b);
	buf_init(&b, 0);
	schema_prices(&b);
	prices_schema_json = parsed(&b);
	return policy_schema_json && config_schema_json && prices_schema_json ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	json_decref(policy_schema_json);
	json_decref(config_schema_json);
	json_decref(prices_schema_json);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(schema_files_equal_the_tables),
		cmocka_unit_test(policies_of_this_tree_are_valid),
		cmocka_unit_test(schema_refuses_forms_that_the_parser_refuses),
	};

	return cmocka_run_group_tests_name("schema", tests, setup, teardown);
}
