/* tollgate decide: reads one request and prints the decision as JSON and as exit code. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "support/temp_dir.h"

#define POLICY                                                                                 \
	"tollgate: 1\nname: t\ndefault: permit\n"                                              \
	"identity: [{api_key: {keys: keys.yaml}}, {api_key: {header: x-api-key, keys: "         \
	"keys.yaml}}, {none: {person: nobody}}]\n"                                             \
	"routes: [{name: chat, match: {path: /v1/chat/completions}, dialect: openai},\n"       \
	"         {name: any, match: {path_prefix: /api}}]\n"                                  \
	"rules:\n"                                                                             \
	"  - {name: late, when: 'now > timestamp(\"2030-01-01T00:00:00Z\")', deny: true}\n"    \
	"  - {name: legal, when: 'request.host == \"x.example\"', deny: {status: 451}}\n"      \
	"  - {name: hidden, when: 'request.host == \"strict.example\" && prompt.evasion', "    \
	"deny: true}\n"                                                                        \
	"  - {name: secrets, when: '\"secret\" in prompt.classes', deny: {reason: no}}\n"      \
	"  - {name: pii, when: '\"pii\" in prompt.classes', redact: {classes: [pii]}}\n"

static char out[65536];

static int
setup(void **state)
{
	if (temp_dir_make(state) != 0)
		return -1;
	put("policy.yaml", POLICY);
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

/* `out` holds standard output, then standard error. */
static int
decide(const char *policy, const char *request)
{
	static char name[] = "decide", flag[] = "--policy";
	char file[128];
	int keep[3], fd[3];

	put("in", request);
	snprintf(file, sizeof(file), "%s", policy);
	char *argv[] = { name, flag, file, NULL };
	fd[0] = open(path("in"), O_RDONLY);
	fd[1] = open(path("out"), O_CREAT | O_TRUNC | O_RDWR, 0600);
	fd[2] = open(path("err"), O_CREAT | O_TRUNC | O_RDWR, 0600);
	fflush(stdout);
	for (int i = 0; i < 3; i++) {
		keep[i] = dup(i);
		dup2(fd[i], i);
	}
	clearerr(stdin);
	rewind(stdin);
	optind = 0;
	int code = cmd_decide(3, argv);
	fflush(stdout);
	size_t n = 0;
	for (int i = 0; i < 3; i++) {
		dup2(keep[i], i);
		ssize_t got = i ? pread(fd[i], out + n, sizeof(out) - 1 - n, 0) : 0;
		n += got > 0 ? (size_t)got : 0;
		close(keep[i]);
		close(fd[i]);
	}
	out[n] = 0;
	return code;
}

static void
says(const char *name, int code, int want_code, const char *const want[4])
{
	if (code != want_code)
		fail_msg("%s: exit %d\n%s", name, code, out);
	for (size_t k = 0; k < 4 && want[k]; k++)
		if (!strstr(out, want[k]))
			fail_msg("%s: no %s in\n%s", name, want[k], out);
}

#define CHAT                                                                                   \
	"\"path\":\"/v1/chat/completions\",\"headers\":{\"content-type\":\"application/"       \
	"json\"}"
#define SAYS(text)                                                                             \
	"\"body\":\"{\\\"model\\\":\\\"m\\\",\\\"messages\\\":[{\\\"role\\\":\\\"user\\\","    \
	"\\\"content\\\":\\\"" text "\\\"}]}\""

static void
decision_is_printed_and_sets_the_exit_code(void **state)
{
	static const struct {
		const char *name, *request;
		int code;
		const char *want[4];
	} rows[] = {
		{ "a permit is 0", "{" CHAT "," SAYS("hello") "}", EXIT_DONE,
			{ "\"decision\": \"permit\"", "\"route\": \"chat\"",
				"\"person\": \"nobody\"", "\"model\": \"m\"" } },
		{ "a redaction is 0 and shows what would be sent",
			"{" CHAT "," SAYS("to jo@example.org") "}", EXIT_DONE,
			{ "\"decision\": \"redact\"", "<EMAIL_ADDRESS_1>", "\"rule\": \"pii\"",
				"\"classes\"" } },
		{ "a denial is 1", "{" CHAT "," SAYS("AKIAQ3EGRTZK7VXW2YUB") "}", EXIT_NO,
			{ "\"decision\": \"deny\"", "\"status\": 403", "\"rule\": \"secrets\"",
				"AWS_ACCESS_KEY" } },
		{ "time is the request's",
			"{" CHAT ",\"time\":\"2031-01-01T00:00:00Z\"," SAYS("hi") "}", EXIT_NO,
			{ "\"rule\": \"late\"" } },
		{ "host is the request's",
			"{" CHAT ",\"host\":\"X.example:8443\"," SAYS("hi") "}", EXIT_NO,
			{ "\"status\": 451", "\"rule\": \"legal\"" } },
		{ "an obfuscated value loses the bytes that hide it",
			"{" CHAT
			"," SAYS("to jo\\\\u200b@example.org, am9AZXhhbXBsZS5vcmc= too") "}",
			EXIT_DONE,
			{ "to <EMAIL_ADDRESS_1>, <EMAIL_ADDRESS_2> too", "\"evasion\": true",
				"\"rule\": \"pii\"" } },
		{ "a rule may read that a value was obfuscated",
			"{" CHAT
			",\"host\":\"strict.example\"," SAYS("4716%2D3791%2D4202%2D1968") "}",
			EXIT_NO, { "\"rule\": \"hidden\"" } },
		{ "what is written plainly is not",
			"{" CHAT
			",\"host\":\"strict.example\"," SAYS("4716-3791-4202-1968") "}",
			EXIT_DONE, { "\"rule\": \"pii\"" } },
		{ "text that is shown in another order is, with nothing in it",
			"{" CHAT ",\"host\":\"strict.example\"," SAYS("a \\\\u202etxt.exe") "}",
			EXIT_NO, { "\"rule\": \"hidden\"" } },
		{ "a second mention of a value is no finding, and replaced too",
			"{" CHAT "," SAYS("MRN: to jo@example.org, passport no. X1234567, then "
					  "x1234567") "}",
			EXIT_DONE,
			{ "passport no. <PASSPORT_1>, then <PASSPORT_1>", "\"mentions\"" } },
		{ "a key of ours is replaced, whatever the rules say",
			"{" CHAT
			"," SAYS("tg_abcd1234_"
				 "0123456789abcdefghjkmnpqrstvwxyz0123456789abcdefghjk") "}",
			EXIT_DONE,
			{ "<CREDENTIAL_1>", "\"decision\": \"redact\"", "\"CREDENTIAL\"" } },
		{ "a body in base 64",
			"{\"path\":\"/api/x\",\"body_base64\":\"dG8gam9AZXhhbXBsZS5vcmc=\"}",
			EXIT_DONE, { "to <EMAIL_ADDRESS_1>" } },
		{ "no route is a 404", "{\"path\":\"/other\"}", EXIT_NO,
			{ "\"status\": 404" } },
		{ "a spelling of the path is a 400", "{\"path\":\"/api//x\"}", EXIT_NO,
			{ "\"status\": 400" } },
		{ "a key where the file of keys is not there is a 401",
			"{\"path\":\"/api\",\"headers\":{\"authorization\":\"Bearer "
			"tg_abcdefgh_0123\"}}",
			EXIT_NO,
			{ "\"status\": 401",
				"keys.yaml: does not exist, so no API key is accepted" } },
		{ "no path", "{}", EXIT_CANNOT, { "path is missing" } },
		{ "no JSON", "nonsense", EXIT_CANNOT,
			{ "tollgate: decide: standard input: " } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int code = decide(i % 2 ? dir : path("policy.yaml"), rows[i].request);
		says(rows[i].name, code, rows[i].code, rows[i].want);
		/* Two entries name the file; its absence is reported once. */
		const char *missed = strstr(out, "no API key is known");
		assert_null(missed ? strstr(missed + 1, "no API key is known") : NULL);
	}
}

/* The decision that a request of a cutover would have got. The end of the cutover depends on
 * the request's time. */
static void
observed_request_is_reported_and_not_denied(void **state)
{
#define OLD "\"host\":\"old.example\",\"time\":\"2026-01-01T00:00:00Z\""
	static const struct {
		const char *name, *request;
		int code;
		const char *want[4];
	} rows[] = {
		{ "what a rule denies", "{" OLD "," CHAT "," SAYS("AKIAQ3EGRTZK7VXW2YUB") "}",
			EXIT_DONE,
			{ "\"decision\": \"observed\"", "\"backend\": \"llm-old\"",
				"\"would\": {\n    \"decision\": \"deny\",\n    \"status\": "
				"403",
				"\"rule\": \"secrets\"" } },
		{ "what a rule redacts is not", "{" OLD "," CHAT "," SAYS("jo@example.org") "}",
			EXIT_DONE,
			{ "\"would\": {\n    \"decision\": \"redact\"",
				"\"classes\": [\n    \"pii\"" } },
		{ "no route", "{" OLD ",\"path\":\"/other\"}", EXIT_DONE,
			{ "\"decision\": \"observed\"", "\"code\": \"no_route\"" } },
		{ "a spelling of the path", "{" OLD ",\"path\":\"/api//x\"}", EXIT_DONE,
			{ "\"code\": \"ambiguous_path\"" } },
		{ "an identity that is given is one of ours",
			"{" OLD ",\"identity\":{\"person\":\"al\"}," CHAT
			"," SAYS("AKIAQ3EGRTZK7VXW2YUB") "}",
			EXIT_NO, { "\"decision\": \"deny\"" } },
		{ "another host",
			"{\"time\":\"2026-01-01T00:00:00Z\"," CHAT
			"," SAYS("AKIAQ3EGRTZK7VXW2YUB") "}",
			EXIT_NO, { "\"decision\": \"deny\"" } },
		{ "after its end",
			"{\"host\":\"old.example\",\"time\":\"2026-02-01T00:00:00Z\"," CHAT
			"," SAYS("AKIAQ3EGRTZK7VXW2YUB") "}",
			EXIT_NO, { "\"decision\": \"deny\"" } },
	};

	(void)state;
	put("policy.yaml",
		POLICY "observe: {hosts: old.example, backend: llm-old, until: 2026-02-01}\n");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int code = decide(dir, rows[i].request);
		says(rows[i].name, code, rows[i].code, rows[i].want);
		assert_null(strstr(out, "\"body\": "));
	}
}

static void
policy_with_errors_decides_nothing(void **state)
{
	(void)state;
	put("policy.yaml", POLICY "nonsense: 1\n");
	assert_int_equal(decide(dir, "{\"path\":\"/api\"}"), EXIT_CANNOT);
	assert_non_null(strstr(out, "policy.yaml:13:1: nonsense: unknown key"));
	assert_null(strstr(out, "decision"));
	assert_int_equal(decide("/nonexistent", "{\"path\":\"/api\"}"), EXIT_CANNOT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decision_is_printed_and_sets_the_exit_code),
		cmocka_unit_test(observed_request_is_reported_and_not_denied),
		cmocka_unit_test(policy_with_errors_decides_nothing),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
