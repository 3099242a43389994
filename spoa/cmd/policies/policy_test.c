/* tollgate policy test: runs the cases of test files, prints the results in the Test
 * Anything Protocol (TAP), and lists rules that no case matched.
 *
 * Test files are YAML files with requests, in the form of `decide`, and expectations about the
 * decision. tollgate-policy(5), "TESTS", describes the form. */
#include <glob.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/codec/json_text.h"
#include "base/codec/yaml.h"
#include "base/log.h"
#include "base/scoped.h"
#include "cmd/cmd.h"
#include "cmd/policies/decide.h"
#include "cmd/policies/policy.h"
#include "policy/config/read.h"
#include "policy/policy.h"
#include "policy/rule.h"

/* ---- cases ---- */

/* One case of a test file. Lives in the arena, except for `request`. */
struct policy_case {
	const char *name;
	const struct yaml_node *at, *expect;
	json_t *request; /* the request in the form that decide_run() reads; owned */
};
/* The cases of one test file. Owned by the caller; freed by policy_cases_free(). */
struct policy_cases {
	const char *policy; /* the policy file that the cases are for */
	struct policy_case *v;
	size_t n;
};

static const char *const file_keys[] = { "policy", "defaults", "cases", NULL };
static const char *const default_keys[] = { "request", "identity", "time", "data", "classifier",
	"response", "tool", NULL };
static const char *const case_keys[] = { "name", "request", "identity", "time", "data",
	"classifier", "response", "tool", "expect", NULL };
static const char *const request_keys[] = { "method", "path", "host", "headers", "body",
	"body_base64", "prompt", "model", "src", "client_certificate", NULL };
static const char *const response_keys[] = { "status", "headers", "body", "body_base64", "text",
	NULL };

/* ---- YAML as JSON ---- */

static json_t *
json_of(const struct yaml_node *n)
{
	double d;
	int64_t i;
	bool b;

	if (n->kind == YAML_SEQUENCE) {
		json_t *list = json_array();
		for (const struct yaml_node *c = n->child; c; c = c->next)
			json_array_append_new(list, json_of(c));
		return list;
	}
	if (n->kind == YAML_MAPPING) {
		json_t *o = json_object();
		for (const struct yaml_node *c = n->child; c; c = c->next)
			json_object_set_new(o, c->key->s.p, json_of(c));
		return o;
	}
	if (yaml_is_null(n))
		return json_null();
	if (yaml_bool(n, &b))
		return json_boolean(b);
	if (yaml_int(n, &i))
		return json_integer((json_int_t)i);
	if (yaml_double(n, &d))
		return json_real(d);
	return json_stringn(n->s.p, n->s.n);
}

/* Merges the members of a case with the defaults. The case's members win; headers are
 * merged one by one. */
static json_t *
merged_case(const struct yaml_node *base, const struct yaml_node *over, const char *deep)
{
	json_t *o = base && base->kind == YAML_MAPPING ? json_of(base) : json_object();
	json_auto_t *more = over && over->kind == YAML_MAPPING ? json_of(over) : json_object();
	json_t *inner = deep ? json_object_get(o, deep) : NULL;
	json_t *inner_more = deep ? json_object_get(more, deep) : NULL;

	if (json_is_object(inner) && json_is_object(inner_more)) {
		json_object_update(inner, inner_more);
		json_object_del(more, deep);
	}
	json_object_update(o, more);
	return o;
}

/* ---- the request ---- */

/* If there is no body, builds a chat body with one turn from `prompt` and `model`. A body
 * that is not a string is written as JSON. */
static void
settle_body(json_t *request)
{
	json_t *body = json_object_get(request, "body"),
	       *prompt = json_object_get(request, "prompt"),
	       *model = json_object_get(request, "model"), *made = NULL;

	if (prompt && !body && !json_object_get(request, "body_base64"))
		made = json_pack("{s:o,s:[{s:s,s:O}]}", "model",
			model ? json_incref(model) : json_string("a-model"), "messages", "role",
			"user", "content", prompt);
	json_object_del(request, "prompt");
	json_object_del(request, "model");
	if (!made && body && !json_is_string(body))
		made = json_incref(body);
	if (!made)
		return;
	char *text = json_dumps(made, JSON_COMPACT | JSON_ENCODE_ANY);
	json_object_set_new(request, "body", json_string(text ? text : ""));
	free(text);
	json_decref(made);
	json_t *headers = json_object_get(request, "headers");
	const char *name;
	json_t *value;
	if (!headers) {
		headers = json_object();
		json_object_set_new(request, "headers", headers);
	}
	json_object_foreach(headers, name, value) if (!strcasecmp(name, "content-type")) return;
	if (json_is_object(headers))
		json_object_set_new(headers, "content-type", json_string("application/json"));
}

/* Builds the response. `text` stands for the body of a chat response with one choice. */
static json_t *
response_of(const struct yaml_node *base, const struct yaml_node *over)
{
	json_t *r = merged_case(base, over, "headers"), *text = json_object_get(r, "text");

	if (text && !json_object_get(r, "body") && !json_object_get(r, "body_base64")) {
		json_t *message = json_pack("{s:s,s:O}", "role", "assistant", "content", text);
		json_object_set_new(r, "body",
			json_pack("{s:s,s:[{s:i,s:s,s:o}]}", "model", "a-model", "choices",
				"index", 0, "finish_reason", "stop", "message", message));
	}
	json_object_del(r, "text");
	settle_body(r);
	return r;
}

static const struct yaml_node *
of_either(const struct yaml_node *c, const struct yaml_node *defaults, const char *name)
{
	const struct yaml_node *n = yaml_get(c, name);

	return n ? n : yaml_get(defaults, name);
}

static json_t *
request_of(const struct yaml_node *c, const struct yaml_node *defaults)
{
	static const char *const others[] = { "time", "data", "classifier", "tool", NULL };
	const struct yaml_node *identity = yaml_get(c, "identity"),
			       *usual = yaml_get(defaults, "identity");
	json_t *r = merged_case(yaml_get(defaults, "request"), yaml_get(c, "request"), "headers");

	settle_body(r);
	const struct yaml_node *answer = yaml_get(c, "response"),
			       *usual_answer = yaml_get(defaults, "response");
	if (answer || usual_answer)
		json_object_set_new(r, "response", response_of(usual_answer, answer));
	if (!(identity && identity->kind == YAML_SCALAR) && (identity || usual))
		json_object_set_new(r, "identity", merged_case(usual, identity, "attributes"));
	for (size_t i = 0; others[i]; i++) {
		const struct yaml_node *n = of_either(c, defaults, others[i]);
		if (n)
			json_object_set_new(r, others[i],
				n->kind == YAML_SCALAR ? json_stringn(n->s.p, n->s.n)
						       : json_of(n));
	}
	return r;
}

/* ---- expectations ---- */

enum expected { TEXT, NUMBER, CONTAINS, SAME_SET, SUBSET, HAS, LACKS, NAME_OR_NONE, WITHIN };

/* clang-format off */
static const struct expectation {
	const char *key; /* NULL: end of the table */
	enum expected kind;
	const char *member; /* the member of the output of `decide` */
} expectations[] = {
	{ "decision",   TEXT,         "decision" },
	{ "status",     NUMBER,       "status" },
	{ "rule",       TEXT,         "rule" },
	{ "reason",     CONTAINS,     "reason" },
	{ "route",      TEXT,         "route" },
	{ "target",     TEXT,         "target" },
	{ "model",      TEXT,         "model" },
	{ "person",     TEXT,         "identity" },
	{ "classes",    SAME_SET,     "classes" },
	{ "tags",       SAME_SET,     "tags" },
	{ "found",      SUBSET,       "findings" },
	{ "redacted",   SAME_SET,     "findings" },
	{ "body_has",   HAS,          "body" },
	{ "body_lacks", LACKS,        "body" },
	{ "path",       TEXT,         "path" },
	{ "shadow",     NAME_OR_NONE, "shadow" },
	{ "would",      TEXT,         "would" },
	{ "response",   WITHIN,       "response" },
	{ "tool",       WITHIN,       "tool" },
	{ NULL,         TEXT,         NULL },
}, of_calls[] = {
	{ "decision",   TEXT,         "decision" },
	{ "rule",       TEXT,         "rule" },
	{ "reason",     CONTAINS,     "reason" },
	{ "as",         TEXT,         "as" },
	{ "hidden",     TEXT,         "hidden" },
	{ "redacts",    SUBSET,       "redacts" },
	{ "tags",       SAME_SET,     "tags" },
	{ "shadow",     NAME_OR_NONE, "shadow" },
	{ NULL,         TEXT,         NULL },
}, of_answers[] = {
	{ "decision",   TEXT,         "decision" },
	{ "status",     NUMBER,       "status" },
	{ "rule",       TEXT,         "rule" },
	{ "reason",     CONTAINS,     "reason" },
	{ "classes",    SAME_SET,     "classes" },
	{ "tags",       SAME_SET,     "tags" },
	{ "found",      SUBSET,       "findings" },
	{ "redacted",   SAME_SET,     "findings" },
	{ "tool_calls", SAME_SET,     "tool_calls" },
	{ "finish_reason", TEXT,      "finish_reason" },
	{ "body_has",   HAS,          "body" },
	{ "body_lacks", LACKS,        "body" },
	{ "shadow",     NAME_OR_NONE, "shadow" },
	{ NULL,         TEXT,         NULL },
};
/* clang-format on */
enum { EXPECTATIONS_MAX = 24 };
_Static_assert(COUNT_OF(expectations) <= EXPECTATIONS_MAX, "all of them match");

static const struct expectation *
expected_within(const struct expectation *x)
{
	return strcmp(x->key, "tool") ? of_answers : of_calls;
}

static void check_expect(const struct yaml_node *n, const struct expectation *x,
	const char *what, struct diag *d);

static void
check_value(const struct yaml_node *c, const struct expectation *x, struct diag *d)
{
	bool single = x->kind <= CONTAINS || x->kind == NAME_OR_NONE;
	int64_t number;

	if (x->kind == WITHIN) {
		check_expect(c, expected_within(x),
			strcmp(x->key, "tool") ? "expect.response" : "expect.tool", d);
		return;
	}
	if (x->kind == NUMBER && !yaml_int(c, &number))
		diag_at(d, c, "%s: give a number", c->key->s.p);
	if (c->kind == YAML_MAPPING || (single && c->kind != YAML_SCALAR))
		diag_at(d, c, "%s: %s is expected, found %s", c->key->s.p,
			single ? "one value" : "a value or a list", yaml_type_name(c));
}

static void
check_expect(const struct yaml_node *n, const struct expectation *x, const char *what,
	struct diag *d)
{
	const char *keys[EXPECTATIONS_MAX];
	size_t k = 0;

	do
		keys[k] = x[k].key;
	while (x[k++].key);
	if (!read_map(d, n, what, keys, NULL))
		return;
	if (n->count == 0)
		diag_at(d, n, "%s: is empty, so the case could not fail: give a value", what);
	for (const struct yaml_node *c = n->child; c; c = c->next)
		for (size_t i = 0; x[i].key; i++)
			if (!strcmp(x[i].key, c->key->s.p))
				check_value(c, &x[i], d);
}

/* Returns the names that an expectation is about; for findings, the entities. */
static json_t *
names_in(json_t *answer, const struct expectation *x)
{
	json_t *member = json_object_get(answer, x->member), *names = json_object(), *one;
	bool redacted = !strcmp(x->key, "redacted");
	size_t k;

	json_array_foreach(member, k, one)
	{
		json_t *name = json_is_object(one) ? json_object_get(one, "entity") : one;
		if (json_is_string(name) && (!redacted || json_object_get(one, "with")))
			json_object_set_new(names, json_string_value(name), json_true());
	}
	return names;
}

static void
compare_names(
	const struct yaml_node *n, json_t *answer, const struct expectation *x, struct buf *out)
{
	json_auto_t *got = names_in(answer, x);
	const char *name;
	json_t *value;

	for (const struct yaml_node *c = yaml_first(n); c; c = yaml_next(n, c)) {
		if (!json_object_get(got, c->s.p))
			buf_printf(out, "%s: %s is missing\n", x->key, c->s.p);
		json_object_del(got, c->s.p);
	}
	if (x->kind == SAME_SET)
		json_object_foreach(got, name, value)
			buf_printf(out, "%s: %s was not expected\n", x->key, name);
}

/* Compares the body that is sent on: the rewritten body, or the original one. */
static void
compare_body(json_t *came, const struct yaml_node *n, json_t *answer,
	const struct expectation *x, struct buf *out)
{
	const char *body = json_str_in(answer, "body");

	if (!body)
		body = json_str_in(came, "body");
	for (const struct yaml_node *c = yaml_first(n); c; c = yaml_next(n, c)) {
		bool has = body && strstr(body, c->s.p);
		if (has != (x->kind == HAS))
			buf_printf(out, "%s: \"%s\" %s\n", x->key, c->s.p,
				has ? "is in it" : "is not in it");
	}
}

static void compare_all(json_t *came, const struct yaml_node *expect, json_t *answer,
	const struct expectation *x, struct buf *out);

static void
compare_within(json_t *came, const struct yaml_node *n, json_t *answer,
	const struct expectation *x, struct buf *out)
{
	if (!answer) {
		buf_printf(out,
			"%s: there is no value to compare: the case has no response or tool, "
			"or the request was denied\n",
			x->key);
		return;
	}
	SCOPED_BUF(b, 1u << 20);
	compare_all(json_object_get(came, x->key), n, answer, expected_within(x), &b);
	struct span lines = buf_view(&b);
	while (lines.n) {
		struct span line = span_next(&lines, '\n');
		buf_printf(out, "%s.%.*s\n", x->key, SPAN_ARG(line));
	}
}

/* Appends how the decision differs from one expectation of the case. Appends nothing if it
 * does not. */
static void
compare_one(json_t *came, const struct yaml_node *n, json_t *answer,
	const struct expectation *x, struct buf *out)
{
	json_t *got = json_object_get(answer, x->member);
	int64_t number = 0;

	if (x->kind == WITHIN) {
		compare_within(came, n, got, x, out);
		return;
	}
	if (json_is_object(got)) /* for identity the person is compared, for would the decision */
		got = json_object_get(got, strcmp(x->key, "would") ? x->key : "decision");
	const char *text = json_is_boolean(got) ? (json_is_true(got) ? "true" : "false")
						: json_string_value(got);
	if (!text)
		text = x->kind == NAME_OR_NONE ? "none" : "";
	switch (x->kind) {
	case NUMBER:
		yaml_int(n, &number);
		if (json_integer_value(got) != number)
			buf_printf(out, "%s: wanted %lld, got %lld\n", x->key,
				(long long)number, (long long)json_integer_value(got));
		break;
	case CONTAINS:
		if (!strstr(text, n->s.p))
			buf_printf(out, "%s: \"%s\" is not in \"%s\"\n", x->key, n->s.p, text);
		break;
	case TEXT:
	case NAME_OR_NONE:
		if (strcmp(text, n->s.p) != 0)
			buf_printf(out, "%s: wanted %s, got %s\n", x->key, n->s.p, text);
		break;
	case SAME_SET:
	case SUBSET: compare_names(n, answer, x, out); break;
	case HAS:
	case LACKS: compare_body(came, n, answer, x, out); break;
	case WITHIN: break;
	}
}

static void
compare_all(json_t *came, const struct yaml_node *expect, json_t *answer,
	const struct expectation *x, struct buf *out)
{
	for (; x->key; x++) {
		const struct yaml_node *n = yaml_get(expect, x->key);
		if (n)
			compare_one(came, n, answer, x, out);
	}
}

/* Appends a line for each difference between the output of `decide` and the expectations of
 * the case. Nothing is appended if there is none. */
static void
policy_case_compare(const struct policy_case *c, json_t *answer, struct buf *out)
{
	compare_all(c->request, c->expect, answer, expectations, out);
}

/* ---- files ---- */

/* Returns the folder above the folder of a file, with a final slash: "a/tests/x" gives
 * "a/", and "x" gives "../". */
static const char *
folder_above(struct arena *a, const char *file)
{
	struct span dir = span_of(file, strlen(file));

	while (dir.n && dir.p[dir.n - 1] != '/')
		dir.n--;
	size_t n = dir.n ? dir.n - 1 : 0;
	while (n && dir.p[n - 1] != '/')
		n--;
	struct span last = span_cut(dir, n, dir.n);
	if (last.n == 0 || span_is(last, "/") || span_is(last, "./") || span_is(last, "../"))
		return arena_printf(a, "%.*s../", SPAN_ARG(dir)).p;
	return arena_printf(a, "%.*s", (int)n, dir.p).p;
}

/* Returns the policy file of a test file: NAME.yaml for NAME.test.yaml in the same folder,
 * ../NAME.yaml for tests/NAME.yaml, else the policy.yaml in the same folder or above. */
static const char *
policy_of(struct arena *a, const char *file)
{
	static const struct span suffix = { ".test.yaml", 10 };
	const char *slash = strrchr(file, '/'), *name = slash ? slash + 1 : file;
	struct span base = span_str(name);
	const char *tries[4] = { NULL }, *above = folder_above(a, file);

	if (span_ends(base, suffix))
		tries[0] = path_beside(a, file,
			arena_printf(
				a, "%.*s.yaml", SPAN_ARG(span_cut(base, 0, base.n - suffix.n)))
				.p);
	else
		tries[1] = arena_printf(a, "%s%s", above, name).p;
	tries[2] = path_beside(a, file, "policy.yaml");
	tries[3] = arena_printf(a, "%spolicy.yaml", above).p;
	for (size_t i = 0; i < 4; i++)
		if (tries[i] && access(tries[i], F_OK) == 0)
			return tries[i];
	return NULL;
}

static void
check_request(const struct yaml_node *n, struct diag *d)
{
	const struct yaml_node *request = yaml_get(n, "request"),
			       *response = yaml_get(n, "response");

	if (request)
		read_map(d, request, "request", request_keys, NULL);
	if (response)
		read_map(d, response, "response", response_keys, NULL);
}

static void
load_case(const struct yaml_node *n, const struct yaml_node *defaults, struct policy_case *c,
	struct diag *d)
{
	const struct yaml_node *x;
	int64_t ns;

	c->at = n;
	c->name = "";
	if (!read_map(d, n, "case", case_keys, NULL))
		return;
	if (!(x = yaml_get(n, "name")))
		diag_at(d, n, "name is missing");
	else
		read_text(d, x, "name", &c->name);
	check_request(n, d);
	if ((x = of_either(n, defaults, "time")) &&
		(x->kind != YAML_SCALAR || clock_parse(x->s.p, x->s.n, &ns) < 0))
		diag_at(d, x, "time: give RFC 3339, such as 2026-11-20T08:00:00Z");
	if ((x = yaml_get(n, "identity")) && x->kind != YAML_MAPPING &&
		!(x->kind == YAML_SCALAR && span_is(x->s, "none")))
		diag_at(d, x, "identity: a mapping, or none, is expected, found %s",
			yaml_type_name(x));
	if (!(c->expect = yaml_get(n, "expect")))
		diag_at(d, n, "expect is missing, so the case could not fail");
	else
		check_expect(c->expect, expectations, "expect", d);
	c->request = request_of(n, defaults);
}

static void
load_all(
	struct arena *a, const struct yaml_node *root, struct policy_cases *out, struct diag *d)
{
	const struct yaml_node *defaults = yaml_get(root, "defaults"),
			       *list = yaml_get(root, "cases");

	if (defaults && !read_map(d, defaults, "defaults", default_keys, NULL))
		defaults = NULL;
	if (defaults)
		check_request(defaults, d);
	if (!list) {
		diag_at(d, root, "cases is missing");
		return;
	}
	if (!read_list(d, list, "cases"))
		return;
	if (list->count == 0)
		diag_at(d, list, "cases: is empty");
	out->v = arena_array(a, list->count, sizeof(*out->v));
	for (const struct yaml_node *c = list->child; out->v && c; c = c->next)
		load_case(c, defaults, &out->v[out->n++], d);
}

/* Loads the cases of a test file. Adds every mistake to *d and returns false if there is
 * one. Call policy_cases_free() in either case. */
static bool
policy_cases_load(struct arena *a, const char *file, struct policy_cases *out, struct diag *d)
{
	unsigned errors = d->errors;
	const struct yaml_node *root = yaml_load_file(a, file, d), *named;

	*out = (struct policy_cases){ 0 };
	if (!root || !read_map(d, root, "test file", file_keys, NULL))
		return false;
	if (!(named = yaml_get(root, "policy")))
		out->policy = policy_of(a, file);
	else
		read_path(a, d, named, &out->policy);
	if (!out->policy && d->errors == errors)
		diag_file(d, file, "no policy file is next to this file: name one with "
				   "`policy: FILE`");
	load_all(a, root, out, d);
	return d->errors == errors && !arena_failed(a);
}

static void
policy_cases_free(struct policy_cases *c)
{
	for (size_t i = 0; i < c->n; i++)
		json_decref(c->v[i].request);
	*c = (struct policy_cases){ 0 };
}

/* ---- the command ---- */

enum { POLICIES_MAX = 256 };

/* A policy under test. Several test files may be for the same policy. */
struct tested {
	const char *file;
	struct snapshot *snap;
	bool *matched; /* one flag for each rule: rules on requests, then on responses, then on
		        * calls */
	size_t cases;
};

/* The state of the command: n tests were run, of which `failed` failed. Owned by
 * policy_test(). */
struct run {
	struct arena a;
	const char *policy; /* --policy, which replaces the policies that the test files name */
	const char *config; /* -c: the configuration whose policy is tested; NULL: none */
	bool require;	    /* --require-coverage */
	struct tested tested[POLICIES_MAX];
	size_t ntested;
	size_t n, failed;
	bool broken; /* a file cannot be used */
};

static struct tested *
tested_of(struct run *t, const char *file)
{
	for (size_t i = 0; i < t->ntested; i++)
		if (!strcmp(t->tested[i].file, file))
			return &t->tested[i];
	if (t->ntested == POLICIES_MAX) {
		cmd_fail("policy test", "the test files are for more than %d policies, "
					"which is the limit", POLICIES_MAX);
		return NULL;
	}
	struct snapshot *snap =
		decide_load("policy test", t->config, t->config ? NULL : file);
	bool *matched =
		snap ? arena_array(&t->a, snap->policy->nall_rules, sizeof(*matched)) : NULL;
	if (!matched) {
		snapshot_unref(&snap);
		return NULL;
	}
	t->tested[t->ntested] = (struct tested){ file, snap, matched, 0 };
	return &t->tested[t->ntested++];
}

static void
print_test_result(struct run *t, bool ok, const struct policy *p, const char *name)
{
	t->n++;
	t->failed += !ok;
	printf("%sok %zu - %s: ", ok ? "" : "not ", t->n, p->name);
	for (; *name; name++) /* '#' would begin a directive of TAP */
		putchar(*name == '\n' || *name == '#' ? ' ' : *name);
	putchar('\n');
}

static void
say_lines(struct span text)
{
	while (text.n) {
		struct span line = span_next(&text, '\n');
		if (line.n)
			printf("#   %.*s\n", SPAN_ARG(line));
	}
}

/* Prints a sentence for each rule that matched or failed. */
static void
say_rules(json_t *e)
{
	json_t *one;
	size_t i;

	json_array_foreach(json_object_get(e, "rules"), i, one)
	{
		const char *outcome = json_str_in(one, "outcome");
		if (!strcmp(outcome, "matched") || !strcmp(outcome, "error"))
			say_lines(span_str(json_str_in(one, "says")));
	}
	say_lines(span_str(json_str_in(e, "says")));
	say_lines(span_str(json_str_in(e, "refused")));
}

/* Marks the rules that matched with the chosen target, and the rules that made the request
 * use that target because they denied or skipped another one. */
static void
note_matched(struct tested *p, const struct request *r)
{
	const struct policy *policy = p->snap->policy;
	const struct policy_verdict *v = &r->found.verdict;

	if (!r->found.have_verdict)
		return;
	for (size_t i = 0; v->ruled.trace && i < policy->nrules; i++)
		p->matched[i] |= v->ruled.trace[i].fate == RULE_MATCHED;
	for (size_t i = 0; i < v->ncandidates; i++)
		if (v->candidates[i].rule)
			p->matched[v->candidates[i].rule - policy->rules] = true;
}

static void
one_case(struct run *t, struct tested *p, const struct policy_case *c)
{
	const struct policy *policy = p->snap->policy;
	const char *why;
	struct request *r = decide_run(p->snap, c->request, &why);

	p->cases++;
	if (!r) {
		print_test_result(t, false, policy, c->name);
		printf("#   %s:%u:%u\n#   the request: %s\n", c->at->file, c->at->line,
			c->at->column, why);
		return;
	}
	json_auto_t *answer = decide_result(r), *explain = decide_explain(r);
	SCOPED_BUF(diff, 1u << 20);
	why = decide_answer(r, c->request, answer, explain, p->matched + policy->nrules);
	if (!why)
		why = decide_tool(r, c->request, answer, explain,
			p->matched + policy->nrules + policy->nanswer_rules);
	if (why)
		buf_printf(&diff, "%s\n", why);
	policy_case_compare(c, answer, &diff);
	print_test_result(t, diff.n == 0 && !buf_failed(&diff), policy, c->name);
	if (diff.n) { /* print where the case is and what differs */
		printf("#   %s:%u:%u\n", c->at->file, c->at->line, c->at->column);
		say_lines(buf_view(&diff));
		say_rules(explain);
		say_rules(json_object_get(explain, "response"));
		say_rules(json_object_get(explain, "tool"));
	}
	note_matched(p, r);
	request_free(&r);
}

static void
one_file(struct run *t, const char *file)
{
	struct policy_cases cases;

	SCOPED_DIAG(d);
	struct tested *p = NULL;
	if (policy_cases_load(&t->a, file, &cases, &d))
		p = tested_of(t, t->policy ? t->policy : cases.policy);
	else
		fprintf(stderr, "%.*s", SPAN_ARG(buf_view(&d.text)));
	t->broken |= !p;
	if (p)
		printf("# %s: %s\n", file, p->snap->policy->label);
	for (size_t i = 0; p && i < cases.n; i++)
		one_case(t, p, &cases.v[i]);
	policy_cases_free(&cases);
}

/* ---- coverage ---- */

static void
print_coverage(struct run *t, const struct tested *p)
{
	const struct policy *policy = p->snap->policy;
	size_t n = 0, all = policy->nall_rules;

	for (size_t i = 0; i < all; i++)
		n += p->matched[i];
	if (t->require)
		print_test_result(t, n == all, policy, "every rule is matched by a case");
	printf("# %s: %zu of %zu rules matched in %zu cases%s", policy->name, n, all, p->cases,
		n < all ? "; not matched:" : "");
	for (size_t i = 0; i < all; i++)
		if (!p->matched[i])
			printf(" %s", policy->rules[i].name);
	putchar('\n');
}

/* ---- which files ---- */

/* Lists the test files of a folder: DIR/NAME.test.yaml and all files in DIR/tests; if the
 * folder is named tests, all files in it. */
static bool
files_in(struct run *t, const char *dir)
{
	static const char *const patterns[] = { "/*.test.yaml", "/tests/*.yaml", "/*.yaml" };
	struct span folder = span_str(dir);
	char pattern[4096];

	while (folder.n > 1 && folder.p[folder.n - 1] == '/')
		folder.n--;
	size_t found = 0, npatterns = span_ends(folder, SPAN_LIT("tests")) ? 3 : 2;
	for (size_t i = 0; i < npatterns && (i < 2 || found == 0); i++) {
		glob_t g;
		snprintf(pattern, sizeof(pattern), "%.*s%s", SPAN_ARG(folder), patterns[i]);
		if (glob(pattern, 0, NULL, &g) == 0)
			for (size_t k = 0; k < g.gl_pathc; k++, found++)
				one_file(t, arena_strdup(&t->a, g.gl_pathv[k]));
		globfree(&g);
	}
	if (found == 0)
		cmd_fail("policy test", "%s: neither this folder nor its folder tests has "
					"a test file", dir);
	return found > 0;
}

static void
one_path(struct run *t, const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0) {
		cmd_fail("policy test", "%s: the file or folder cannot be read", path);
		t->broken = true;
	} else if (S_ISDIR(st.st_mode)) {
		t->broken |= !files_in(t, path);
	} else {
		one_file(t, path);
	}
}

int
policy_test(int argc, char **argv)
{
	struct run *t = calloc(1, sizeof(*t));
	char **paths;

	if (!t)
		return cmd_fail("policy test", "out of memory");
	const struct cmd_option options[] = { { "policy", .text = &t->policy },
		{ "c", .text = &t->config },
		{ "require-coverage", .flag = &t->require }, { .name = NULL } };
	int n = cmd_options("policy test", argc, argv, options, &paths), code;
	arena_init(&t->a, 0, false);
	log_setup(LOG_LOGFMT, LOG_ERROR); /* refused credentials are a normal part of cases and
					   * are not logged */
	for (int i = 0; i < n; i++)
		one_path(t, paths[i]);
	for (size_t i = 0; i < t->ntested; i++)
		print_coverage(t, &t->tested[i]);
	if (n <= 0) {
		code = cmd_usage("policy test");
	} else {
		printf("1..%zu\n", t->n);
		code = t->broken || t->n == 0 ? EXIT_CANNOT : t->failed ? EXIT_NO : EXIT_DONE;
	}
	for (size_t i = 0; i < t->ntested; i++)
		snapshot_unref(&t->tested[i].snap);
	arena_reset(&t->a);
	free(t);
	return code;
}
