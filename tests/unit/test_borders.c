/* Values over the borders of parts: examples of all entities, cut into the parts of a message at
 * random, are replaced in each form of requests as if they were in one part. SEED=N selects
 * other cuts; make check-long uses the day's date. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/scoped.h"
#include "scan/detect/info.h"
#include "support/fidelity_docs.h"
#include "support/run_cmd.h"

enum { PER_FORM = 60, PARTS = 4, SEED = 7 };

static uint64_t random_state;
static const struct detect_rules *rules;

static size_t
below(size_t n)
{
	return (size_t)(docs_random(&random_state) % n);
}

/* ---- examples ---- */

struct cut_example {
	struct span text, find;
	size_t entity;
	struct span part[PARTS];
	size_t nparts;
};

/* Cuts the value at one to three places, at whole characters. */
static void
cut_value(struct cut_example *x)
{
	size_t value = (size_t)(x->find.p - x->text.p), from = 0;

	x->nparts = 0;
	for (size_t left = 1 + below(PARTS - 1); left; left--) {
		size_t at = value + 1 + below(x->find.n - 1);
		while (at < x->text.n && ((unsigned char)x->text.p[at] & 0xc0) == 0x80)
			at++;
		if (at <= from || at >= x->text.n)
			continue;
		x->part[x->nparts++] = span_cut(x->text, from, at);
		from = at;
	}
	x->part[x->nparts++] = span_cut(x->text, from, x->text.n);
}

static void
draw_example(struct cut_example *x)
{
	for (;;) {
		struct detect_example e;
		x->entity = below(detect_entity_count(rules));
		size_t n = 0;
		while (detect_example(rules, x->entity, n, &e))
			n++;
		if (!n || !detect_example(rules, x->entity, below(n), &e) || e.find.n < 2)
			continue;
		x->text = e.text;
		x->find = e.find;
		const char *at = memmem(e.text.p, e.text.n, e.find.p, e.find.n);
		if (!at)
			continue;
		x->find.p = at;
		cut_value(x);
		return;
	}
}

/* ---- forms ---- */

static json_t *
text_of(struct span s)
{
	return json_stringn(s.p, s.n);
}

/* A list of parts, each with the members of `part`, whose "text" is replaced. */
static json_t *
parts_of(const char *type, const struct span *v, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++) {
		json_t *o = json_object();
		if (type)
			json_object_set_new(o, "type", json_string(type));
		json_object_set_new(o, "text", text_of(v[i]));
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *
chat(json_t *parts)
{
	return json_pack("{ssso}", "role", "user", "content", parts);
}

static json_t *
tool_result(json_t *parts)
{
	return json_pack("{sss[{ssssso}]}", "role", "user", "content", "type", "tool_result",
		"tool_use_id", "t1", "content", parts);
}

static json_t *
bedrock_result(json_t *parts)
{
	return json_pack("{sss[{s{ssso}}]}", "role", "user", "content", "toolResult",
		"toolUseId", "t1", "content", parts);
}

static json_t *
gemini(json_t *parts)
{
	return json_pack("{ssso}", "role", "user", "parts", parts);
}

static json_t *
gemini_result(json_t *parts)
{
	return json_pack("{sss[{s{sss{so}}}]}", "role", "user", "parts", "functionResponse",
		"name", "f", "response", "content", parts);
}

static json_t *
call_output(json_t *parts)
{
	return json_pack("{ssssso}", "type", "function_call_output", "call_id", "c", "output",
		parts);
}

static const struct form {
	const char *name, *path, *list, *type;
	json_t *(*message)(json_t *parts);
	const char *rest; /* members of the body */
} forms[] = {
	{ "chat", "/v1/chat/completions", "messages", "text", chat, "{\"model\":\"m\"}" },
	{ "responses", "/v1/responses", "input", "input_text", chat, "{\"model\":\"m\"}" },
	{ "results in responses", "/v1/responses", "input", "input_text", call_output,
		"{\"model\":\"m\"}" },
	{ "messages", "/v1/messages", "messages", "text", chat,
		"{\"model\":\"m\",\"max_tokens\":9}" },
	{ "results in messages", "/v1/messages", "messages", "text", tool_result,
		"{\"model\":\"m\",\"max_tokens\":9}" },
	{ "gemini", "/v1beta/models/m:generateContent", "contents", NULL, gemini, "{}" },
	{ "instructions", "/v1/responses", "instructions", "input_text", chat,
		"{\"model\":\"m\",\"input\":\"x\"}" },
	{ "results in gemini", "/v1beta/models/m:generateContent", "contents", "text",
		gemini_result, "{}" },
	{ "an API of no dialect", "/form", "turns", "text", chat, "{}" },
	{ "bedrock", "/model/m/converse", "messages", NULL, chat, "{}" },
	{ "results in bedrock", "/model/m/converse", "messages", NULL, bedrock_result, "{}" },
};

/* ---- decisions ---- */

static const char policy_head[] =
	"tollgate: 1\nname: t\ndefault: permit\nidentity: [{none: {person: nobody}}]\n"
	"detectors: {names: all}\n"
	"routes:\n"
	" - {name: o, match: {path_prefix: /v1/chat}, dialect: openai}\n"
	" - {name: r, match: {path_prefix: /v1/responses}, dialect: openai}\n"
	" - {name: a, match: {path: /v1/messages}, dialect: anthropic}\n"
	" - {name: g, match: {path_prefix: /v1beta}, dialect: gemini}\n"
	" - {name: b, match: {path_prefix: /model}, dialect: bedrock}\n"
	" - {name: f, match: {path_prefix: /form}}\n"
	"rules:\n"
	" - {name: all, when: 'size(prompt.entities) > 0', redact: {entities: [";

static int
setup(void **state)
{
	struct buf errors;

	if (temp_dir_make(state) != 0)
		return -1;
	buf_init(&errors, 0);
	rules = detect_load(NULL, &errors);
	buf_free(&errors);
	SCOPED_BUF(b, 0);
	buf_str(&b, policy_head);
	for (size_t i = 0; i < detect_entity_count(rules); i++)
		buf_printf(&b, "%s%s", i ? ", " : "", detect_entity_name(rules, i));
	buf_str(&b, "]}}\n");
	buf_putc(&b, '\0');
	put("policy.yaml", b.p);
	return 0;
}

static int
teardown(void **state)
{
	static const char *const made[] = { "policy.yaml", "in", "out", "err" };

	(void)state;
	for (size_t i = 0; i < sizeof(made) / sizeof(made[0]); i++)
		unlink(path(made[i]));
	return rmdir(dir);
}

/* Returns the decision on a body. */
static json_t *
decide(const char *path_, const char *type, const char *body)
{
	json_t *in = json_pack("{sssss{ss}ss}", "method", "POST", "path", path_, "headers",
		"content-type", type, "body", body);
	char *text = json_dumps(in, 0);
	char policy[256];

	snprintf(policy, sizeof(policy), "%s", path("policy.yaml"));
	tollgate(text, "decide", "--policy", policy, NULL);
	json_t *out = json_loads(cmd_out, 0, NULL);
	if (!out)
		print_message("%s%s\n", cmd_out, cmd_err);
	assert_non_null(out);
	free(text);
	json_decref(in);
	return out;
}

/* Appends all texts in a value, in their order. */
static void
put_texts(struct buf *b, json_t *v)
{
	const char *key;
	json_t *at;
	size_t i;

	json_array_foreach(v, i, at)
		put_texts(b, at);
	json_object_foreach(v, key, at)
		if (strcmp(key, "text") == 0 && json_is_string(at)) {
			assert_true(json_string_length(at) > 0); /* providers refuse it */
			buf_put(b, json_string_value(at), json_string_length(at));
		} else {
			put_texts(b, at);
		}
}

/* Sends the examples, one a message, whole or cut, and returns bits for those whose values are
 * gone. */
static uint64_t
values_gone(const struct form *f, const struct cut_example *v, bool cut)
{
	json_t *body = json_loads(f->rest, 0, NULL), *list = json_array();
	uint64_t gone = 0;

	for (size_t i = 0; i < PER_FORM; i++) {
		json_t *parts = cut ? parts_of(f->type, v[i].part, v[i].nparts)
				    : parts_of(f->type, &v[i].text, 1);
		json_array_append_new(list, f->message(parts));
	}
	json_object_set_new(body, f->list, list);
	char *text = json_dumps(body, 0);
	json_t *d = decide(f->path, "application/json", text);
	const char *sent = json_string_value(json_object_get(d, "body"));
	if (!sent)
		print_message("%s: %s\n", f->name, cmd_out);
	assert_non_null(sent);
	json_t *out = json_loads(sent, 0, NULL);
	for (size_t i = 0; i < PER_FORM; i++) {
		SCOPED_BUF(b, 0);
		put_texts(&b, json_array_get(json_object_get(out, f->list), i));
		bool there = memmem(b.p, b.n, v[i].find.p, v[i].find.n);
		gone |= (uint64_t)!there << i;
	}
	json_decref(out);
	json_decref(d);
	json_decref(body);
	free(text);
	return gone;
}

static void
values_over_borders_are_replaced(void **state)
{
	static struct cut_example v[PER_FORM];
	const char *seed = getenv("SEED");
	size_t values = 0, missed = 0;

	(void)state;
	random_state = seed ? strtoull(seed, NULL, 10) : SEED;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		for (size_t k = 0; k < PER_FORM; k++)
			draw_example(&v[k]);
		uint64_t whole = values_gone(&forms[i], v, false);
		uint64_t cut = values_gone(&forms[i], v, true);
		for (size_t k = 0; k < PER_FORM; k++) {
			if (!(whole >> k & 1))
				continue;
			values++;
			if (cut >> k & 1)
				continue;
			missed++;
			print_message("%s: %s missed:", forms[i].name,
				detect_entity_name(rules, v[k].entity));
			for (size_t p = 0; p < v[k].nparts; p++)
				print_message(" [%.*s]", SPAN_ARG(v[k].part[p]));
			print_message("\n");
		}
	}
	print_message("%zu of %zu values missed\n", missed, values);
	assert_true(values > PER_FORM * 7);
	assert_true(missed * 100 <= values);
}

/* ---- single cases ---- */

#define CHAT(parts)  "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[" parts "]}]}"
#define TEXT(s)	     "{\"type\":\"text\",\"text\":\"" s "\"}"
#define JSON_TYPE    "application/json"
#define FORM_TYPE    "application/x-www-form-urlencoded"

static const struct {
	const char *name, *path, *type, *body, *want;
} rows[] = {
	{ "the first part gets the placeholder, the others lose their piece",
		"/v1/chat/completions", JSON_TYPE,
		CHAT(TEXT("to jane.roe@exam") "," TEXT("ple.com now")),
		CHAT(TEXT("to <EMAIL_ADDRESS_1>") "," TEXT(" now")) },
	{ "a part that would become empty gets the placeholder", "/v1/chat/completions",
		JSON_TYPE, CHAT(TEXT("to jane.") "," TEXT("roe@ex") "," TEXT("ample.com")),
		CHAT(TEXT("to <EMAIL_ADDRESS_1>") "," TEXT("<EMAIL_ADDRESS_1>") "," TEXT(
			"<EMAIL_ADDRESS_1>")) },
	{ "a file between two texts does not end the run", "/v1/chat/completions", JSON_TYPE,
		CHAT(TEXT("to jane.roe@exam") ",{\"type\":\"image_url\",\"image_url\":{\"url\":"
						"\"https://x.example/a.png\"}}," TEXT("ple.com")),
		CHAT(TEXT("to <EMAIL_ADDRESS_1>") ",{\"type\":\"image_url\",\"image_url\":{"
						  "\"url\":\"https://x.example/a.png\"}}," TEXT(
							  "<EMAIL_ADDRESS_1>")) },
	{ "the label may be in the part before", "/v1/chat/completions", JSON_TYPE,
		CHAT(TEXT("My SSN is") "," TEXT("219-09-1234")),
		CHAT(TEXT("My SSN is") "," TEXT("<US_SSN_1>")) },
	{ "a value that ends with its part takes no word of the next one",
		"/v1/chat/completions", JSON_TYPE,
		CHAT(TEXT("to jane.roe@example.com") "," TEXT("Please reply")),
		CHAT(TEXT("to <EMAIL_ADDRESS_1>") "," TEXT("Please reply")) },
	{ "several messages are no run", "/v1/chat/completions", JSON_TYPE,
		"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"card 4111 "
		"1111\"},{\"role\":\"user\",\"content\":\"1111 1111 ok\"}]}",
		NULL },
	{ "the values of a form's repeated field are a run", "/form", FORM_TYPE,
		"a=jane.roe%40ex&b=1&a=ample.com+b", "a=%3CEMAIL_ADDRESS_1%3E&b=1&a=+b" },
	{ "guarded texts are a run", "/model/m/converse", JSON_TYPE,
		"{\"messages\":[{\"role\":\"user\",\"content\":[{\"guardContent\":{\"text\":{\"text\":\"to "
		"jane.roe@exam\"}}},{\"guardContent\":{\"text\":{\"text\":\"ple.com now\"}}}]}]}",
		"{\"messages\":[{\"role\":\"user\",\"content\":[{\"guardContent\":{\"text\":{\"text\":\"to "
		"<EMAIL_ADDRESS_1>\"}}},{\"guardContent\":{\"text\":{\"text\":\" now\"}}}]}]}" },
	{ "a predicted output is a run", "/v1/chat/completions", JSON_TYPE,
		"{\"model\":\"m\",\"messages\":[],\"prediction\":{\"type\":\"content\",\"content\":["
		TEXT("to jane.roe@exam") "," TEXT("ple.com now") "]}}",
		"{\"model\":\"m\",\"messages\":[],\"prediction\":{\"type\":\"content\",\"content\":["
		TEXT("to <EMAIL_ADDRESS_1>") "," TEXT(" now") "]}}" },
	{ "a list of records with texts is no run", "/form", JSON_TYPE,
		"{\"comments\":[{\"text\":\"card 4111 1111\"},{\"text\":\"1111 1111 ok\"}]}", NULL },
	{ "the system prompt of messages is a run", "/v1/messages", JSON_TYPE,
		"{\"model\":\"m\",\"max_tokens\":9,\"system\":[" TEXT("to jane.roe@exam") "," TEXT(
			"ple.com now") "],\"messages\":[]}",
		"{\"model\":\"m\",\"max_tokens\":9,\"system\":[" TEXT(
			"to <EMAIL_ADDRESS_1>") "," TEXT(" now") "],\"messages\":[]}" },
};

static void
bodies_are_edited_at_their_borders(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json_t *d = decide(rows[i].path, rows[i].type, rows[i].body);
		const char *body = json_string_value(json_object_get(d, "body"));
		const char *want = rows[i].want;
		if (want ? !body || strcmp(body, want) : body && strcmp(body, rows[i].body)) {
			print_message("%s:\n%s\n", rows[i].name, cmd_out);
			fail();
		}
		assert_false(json_is_true(json_object_get(d, "evasion")));
		if (want)
			assert_int_equal(
				json_array_size(json_object_get(d, "findings")), 1);
		json_decref(d);
	}
}

/* A key of the gateway in two parts or more is refused, wherever it is cut. */
static void
keys_over_borders_are_refused(void **state)
{
	static const char key[] =
		"tg_0a1b2c3d_0123456789abcdefghjkmnpqrstvwxyz0123456789abcdefghjk";
	char body[512];

	(void)state;
	for (size_t at = 1; at < sizeof(key) - 1; at += 7)
		for (size_t more = at; more < sizeof(key) - 1; more += 29) {
			snprintf(body, sizeof(body), CHAT(TEXT("use %.*s") "," TEXT("%.*s") ","
								TEXT("%s now")),
				(int)at, key, (int)(more - at), key + at, key + more);
			json_t *d = decide("/v1/chat/completions", JSON_TYPE, body);
			if (json_integer_value(json_object_get(d, "status")) != 403) {
				print_message("%s\n%s\n", body, cmd_out);
				fail();
			}
			json_decref(d);
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bodies_are_edited_at_their_borders),
		cmocka_unit_test(keys_over_borders_are_refused),
		cmocka_unit_test(values_over_borders_are_replaced),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
