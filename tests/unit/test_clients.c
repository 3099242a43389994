/* The first requests of coding agents (tests/data/clients/) under each shipped policy: the
 * requests pass, and no name, id or word of the protocol in them is changed. A request without
 * a credential, such as the look whether the server responds, may get a 401, which clients
 * ignore. Runs in the root of the source tree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "policy/policy.h"
#include "policy/tools.h"
#include "support/policy_fix.h"
#include "support/run_cmd.h"

static const char *const clients[] = { "agent-sdk", "claude", "cline", "codex", "continue",
	"copilot", "gemini", "opencode", "pi", "qwen" };

/* Gemini CLI needs a provider with Gemini's API. docs/clients.md states these lines; they are
 * added to each policy. */
static const char gemini_provider[] =
	"  gemini: {backend: gemini, dialect: gemini, external: true}\n";
static const char gemini_route[] =
	"  - {name: gemini, match: {api: gemini}, targets: [gemini], response: [meter]}\n";

/* A policy, the host of its routes, and the paths that it has no route for: their beginnings,
 * with spaces between. `hello`: the look whether the server responds needs no credential. */
static const struct {
	const char *policy, *host, *without;
	bool hello;
} policies[] = {
	{ "default", "any.example", "", false },
	{ "hipaa", "ai.example.org", "", false },
	{ "gdpr-eu", "ai.example.eu", "", false },
	{ "gdpr-eu", "us.ai.example.eu", "/v1/messages /", false },
	{ "pci", "any.example", "/v1/messages /", false },
	{ "source-code", "ai.example.com", "", false },
	{ "agents-mcp", "any.example", "", true },
	{ "coding-agents", "any.example", "", true },
	{ "budgets", "any.example", "", false },
};

/* Returns true if a word of `without` is the beginning of the path; "/" alone stands for the
 * paths of requests without a body. */
static bool
has_no_route(const char *without, const char *path, bool empty)
{
	for (const char *at = without; *at; at += strcspn(at, " "), at += *at == ' ') {
		size_t n = strcspn(at, " ");
		if (n == 1 ? empty : !strncmp(path, at, n))
			return true;
	}
	return false;
}

/* Adds the texts that must reach the provider as they are: keys, and strings under keys that
 * name something. `key` is the key of the value or of the list around it. Searches that the
 * provider runs are left out, because a policy may remove them. */
static void
add_identifiers(json_t *set, const json_t *v, const char *key)
{
	static const char *const names[] = { "name", "id", "call_id", "type", "enum",
		"required", "role", "model", "tool_choice", "effort", "syntax" };
	const char *k;
	json_t *x;
	size_t i;

	json_object_foreach((json_t *)(uintptr_t)v, k, x)
	{
		char text[256];
		snprintf(text, sizeof(text), "\"%s\":", k);
		json_object_set_new(set, text, json_true());
		add_identifiers(set, x, k);
	}
	json_array_foreach(v, i, x)
	{
		const char *type = json_string_value(json_object_get(x, "type"));
		if (!type || strcmp(type, "web_search") != 0)
			add_identifiers(set, x, key);
	}
	for (i = 0; json_is_string(v) && i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(key, names[i])) {
			char *text = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);
			json_object_set_new(set, text, json_true());
			free(text);
		}
}

/* Returns the case of one request, as a value of a test file. */
static json_t *
case_of(const char *client, const json_t *r, size_t number, size_t policy)
{
	const char *method = json_string_value(json_object_get(r, "method"));
	const char *url = json_string_value(json_object_get(r, "path"));
	json_t *body = json_object_get(r, "body"), *expect = json_object();
	json_t *names = json_object(), *has = json_array();
	char *text = json_is_object(body) ? json_dumps(body, JSON_COMPACT) : NULL;
	const char *name;
	json_t *value;

	if (has_no_route(policies[policy].without, url, !text)) {
		json_object_set_new(expect, "status", json_integer(404));
	} else {
		json_object_set_new(expect, "status", json_integer(200));
		add_identifiers(names, body, "");
		json_object_foreach(names, name, value)
		{
			json_array_append_new(has, json_string(name));
		}
		if (text)
			json_object_set(expect, "body_has", has);
	}
	json_t *request = json_pack("{s:s, s:s, s:s, s:O}", "method", method, "path", url,
		"host", policies[policy].host, "headers", json_object_get(r, "headers"));
	if (text)
		json_object_set_new(request, "body", json_string(text));
	bool anonymous = !*json_string_value(json_object_get(r, "credential"));
	if (anonymous && !policies[policy].hello &&
		json_integer_value(json_object_get(expect, "status")) == 200)
		json_object_set_new(expect, "status", json_integer(401));
	json_t *c = json_pack("{s:o, s:o, s:o}", "name",
		json_sprintf("%s, request %zu", client, number), "request", request, "expect",
		expect);
	assert_non_null(c);
	if (anonymous)
		json_object_set_new(c, "identity", json_string("none"));
	free(text);
	json_decref(names);
	json_decref(has);
	return c;
}

/* Writes a copy of a shipped policy with the provider and the route of Gemini's API, next to
 * links to the policy's other files. */
static void
put_policy(const char *cwd, const char *policy)
{
	char from[320], to[512], line[1024];

	snprintf(from, sizeof(from), "%s/policies/%s.yaml", cwd, policy);
	snprintf(to, sizeof(to), "%s", path("policy.yaml"));
	FILE *in = fopen(from, "r"), *out = fopen(to, "w");
	assert_non_null(in);
	assert_non_null(out);
	while (fgets(line, sizeof(line), in)) {
		fputs(line, out);
		if (!strncmp(line, "providers:", 10))
			fputs(gemini_provider, out);
		if (!strncmp(line, "routes:", 7))
			fputs(gemini_route, out);
	}
	fclose(in);
	assert_int_equal(fclose(out), 0);
}

/* Links the files of policies/, which policies name, into the test's folder. */
static void
link_policy_files(const char *cwd)
{
	char from[320];
	DIR *d = opendir("policies");
	struct dirent *e;

	assert_non_null(d);
	while ((e = readdir(d)))
		if (e->d_name[0] != '.') {
			snprintf(from, sizeof(from), "%s/policies/%s", cwd, e->d_name);
			assert_int_equal(symlink(from, path(e->d_name)), 0);
		}
	closedir(d);
}

static void
first_requests_pass_each_shipped_policy(void **state)
{
	json_t *file[sizeof(clients) / sizeof(clients[0])];
	char cwd[256], name[64];

	(void)state;
	assert_non_null(getcwd(cwd, sizeof(cwd)));
	link_policy_files(cwd);
	for (size_t i = 0; i < sizeof(clients) / sizeof(clients[0]); i++) {
		char from[64];
		snprintf(from, sizeof(from), "tests/data/clients/%s.json", clients[i]);
		file[i] = json_load_file(from, 0, NULL);
		assert_non_null(file[i]);
	}
	for (size_t p = 0; p < sizeof(policies) / sizeof(policies[0]); p++) {
		json_t *cases = json_array(), *r;
		size_t n;
		for (size_t i = 0; i < sizeof(clients) / sizeof(clients[0]); i++)
			json_array_foreach(json_object_get(file[i], "requests"), n, r)
			{
				json_array_append_new(cases, case_of(clients[i], r, n + 1, p));
			}
		json_t *all = json_pack("{s:o, s:{s:{s:s, s:s, s:s, s:[s]}}, s:o}", "policy",
			json_string("policy.yaml"), "defaults", "identity", "person", "ada",
			"team", "red", "department", "support", "roles", "hipaa-trained",
			"cases", cases);
		put_policy(cwd, policies[p].policy);
		snprintf(name, sizeof(name), "%zu.test.yaml", p);
		char *text = json_dumps(all, 0);
		put(name, text);
		int code = tollgate("", "policy", "test", path(name), NULL);
		if (code)
			fail_msg("%s, host %s: exit %d\n%s%s", policies[p].policy,
				policies[p].host, code, cmd_out, cmd_err);
		assert_null(strstr(cmd_out, "not ok"));
		free(text);
		json_decref(all);
	}
	for (size_t i = 0; i < sizeof(clients) / sizeof(clients[0]); i++)
		json_decref(file[i]);
}

/* Counts the tools that a body offers without a row of coding-agents.yaml. Rows of the tools that the
 * provider runs, and of one that a client never calls, are not needed. */
static void
count_offered(const struct policy *p, const json_t *v, size_t *known, size_t *unknown)
{
	const json_t *of, *tools = json_object_get(v, "tools"), *t;
	const char *key;
	size_t n;

	json_array_foreach(tools, n, t)
	{
		const json_t *f = json_object_get(t, "function");
		const char *name = json_string_value(json_object_get(f ? f : t, "name"));
		if (!name || !strcmp(name, "DeferredToolPlaceholder"))
			continue;
		bool has = policy_tool_row(p->tools, p->ntools, span_str(name)) ||
			   json_object_get(t, "tools");
		++*(has ? known : unknown);
		if (!has)
			print_error("no row for %s\n", name);
	}
	json_object_foreach((json_t *)v, key, of)
	{
		count_offered(p, of, known, unknown);
	}
	json_array_foreach(v, n, of)
	{
		count_offered(p, of, known, unknown);
	}
	if (json_array_size(json_object_get(v, "functionDeclarations")))
		json_array_foreach(json_object_get(v, "functionDeclarations"), n, t)
		{
			const char *name = json_string_value(json_object_get(t, "name"));
			++*(policy_tool_row(p->tools, p->ntools, span_str(name)) ? known : unknown);
		}
}

static void
offered_tool_has_a_row_in_the_policy_of_agents(void **state)
{
	struct policy_fix f;
	size_t known = 0, unknown = 0;
	char from[128];

	(void)state;
	const struct policy *p = fix_load_file(&f, NULL, "policies/coding-agents.yaml");
	assert_non_null(p);
	for (size_t i = 0; i < sizeof(clients) / sizeof(clients[0]); i++) {
		snprintf(from, sizeof(from), "tests/data/clients/%s.json", clients[i]);
		json_t *file = json_load_file(from, 0, NULL);
		assert_non_null(file);
		count_offered(p, file, &known, &unknown);
		json_decref(file);
	}
	assert_in_range(known, 100, 1000);
	assert_int_equal(unknown, 0);
	fix_done(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(offered_tool_has_a_row_in_the_policy_of_agents),
		cmocka_unit_test(first_requests_pass_each_shipped_policy),
	};
	cmd_warm();
	return cmocka_run_group_tests(tests, temp_dir_make, temp_dir_remove);
}
