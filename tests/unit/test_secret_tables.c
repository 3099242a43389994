/* Long tables of passwords, in many frames: each is redacted, or refused with 413 and the name
 * of a limit. SEED=N selects other frames, sizes and passwords; make check-long uses the day's
 * date, and ALL=0 tries each frame in each size, ALL=18 those from the 18th on. */
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
#include "support/fidelity_docs.h"
#include "support/run_cmd.h"

enum { SEED = 7, TRIES = 3 };

static uint64_t random_state;

static size_t
below(size_t n)
{
	return (size_t)(docs_random(&random_state) % n);
}

/* In a row, % is a password, & a token, @ a user, # a number and ^ an
 * at sign. */
static const struct frame {
	const char *head, *row, *tail;
} frames[] = {
	{ "user,password\n", "@,%\n", "" },
	{ "user\tpassword\n", "@\t%\n", "" },
	{ "id;user;password\n", "#;@;%\n", "" },
	{ "\"user\",\"password\"\n", "\"@\",\"%\"\n", "" },
	{ "| user | password |\n|---|---|\n", "| @ | % |\n", "" },
	{ "+------+----------+\n| user | password |\n+------+----------+\n", "| @ | % |\n",
		"" },
	{ "user          password\n------------- ---------------\n", "@       %\n", "" },
	{ "[", "{\"user\": \"@\", \"password\": \"%\"},\n", "{}]" },
	{ "", "{\"user\": \"@\", \"password\": \"%\"}\n", "" },
	{ "users:\n", "  - user: @\n    password: %\n", "" },
	{ "", "DB#_PASSWORD=%\n", "" },
	{ "", "export API#_TOKEN='&'\n", "" },
	{ "", "password: %\n", "" },
	{ "", "[db#]\nuser = @\npassword = %\n\n", "" },
	{ "", "INSERT INTO users (name, password) VALUES ('@', '%');\n", "" },
	{ "INSERT INTO users (name, password) VALUES\n", "('@', '%'),\n", "('x', 'y');" },
	{ "", "2026-11-29T10:00:00Z INFO login user=@ password=% ok\n", "" },
	{ "<users>\n", "<user><name>@</name><password>%</password></user>\n", "</users>" },
	{ "", "postgres://@:%^db.example.net/app#\n", "" },
	{ "users = {\n", "    '@': {'password': '%'},\n", "}" },
	{ "<table><tr><th>User</th><th>Password</th></tr>\n",
		"<tr><td>@</td><td><code>%</code></td></tr>\n", "</table>\n" },
	{ "<table>\n<tr>\n<td>Password</td>\n<td>User</td>\n</tr>\n",
		"<tr>\n<td>%</td>\n<td>@</td>\n</tr>\n", "</table>\n" },
	{ "password\n", "%\n", "" },
	{ "# Passwords\n\n", "- `%`\n", "" },
	{ "The passwords for db# are:\n", "1. %\n", "" },
	{ "passwords:\n", "  - \"%\"\n", "" },
	{ "{\"passwords\": [", "\"%\", ", "\"x\"]}" },
	{ "{\n  \"passwords\": [\n", "    \"%\",\n", "    \"x\"\n  ]\n}" },
	{ "INSERT INTO users (id, password, bio) VALUES\n",
		"(\n  #,\n  '%',\n  'it''s, (@)'\n),\n", "(1, 'x', 'y');" },
	{ "", "The password of @ is %. ", "" },
};
static const size_t sizes[] = { 20000, 200000, 450000, 900000 };

static void
put_word(struct buf *b, size_t n, const char *from)
{
	while (n--)
		buf_putc(b, from[below(strlen(from))]);
}

/* Appends a row. `drawn`: gets its passwords, one a line. */
static void
put_row(struct buf *b, const char *row, struct buf *drawn)
{
	static const char some[] = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";

	for (; *row; row++)
		if (*row == '%' || *row == '&') {
			size_t at = b->n;
			put_word(b, (*row == '%' ? 9 : 24) + below(6), some);
			put_word(b, 2, "23456789");
			buf_put(drawn, b->p + at, b->n - at);
			buf_putc(drawn, '\n');
		} else if (*row == '@') {
			put_word(b, 5, "aeiklmnorst");
		} else if (*row == '#') {
			put_word(b, 4, "123456789");
		} else {
			buf_putc(b, *row == '^' ? '@' : *row);
		}
}

/* Splits a text at what is neither letter nor digit, and sorts the words. */
static size_t
words_of(char *text, char **v, size_t room)
{
	size_t n = 0;

	for (char *at = text; *at && n < room;) {
		size_t len = strspn(
			at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");
		char *next = at + len;
		if (*next)
			*next++ = '\0';
		if (len > 8)
			v[n++] = at;
		at = next;
	}
	return n;
}

static int
by_word(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Returns how many of the passwords are in the body that is sent. */
static size_t
passwords_kept(const struct buf *drawn, size_t *n)
{
	enum { WORDS = 400000 };
	static char *sent[WORDS];
	json_t *d = json_load_file(path("out"), 0, NULL);
	size_t kept = 0;

	*n = 0;
	assert_non_null(d);
	const char *body = json_string_value(json_object_get(d, "body"));
	char *words = body ? strdup(body) : NULL, *all = strndup(drawn->p, drawn->n);
	size_t nsent = words ? words_of(words, sent, WORDS) : 0;
	qsort(sent, nsent, sizeof(*sent), by_word);
	for (char *save, *one = strtok_r(all, "\n", &save); one;
		one = strtok_r(NULL, "\n", &save)) {
		++*n;
		kept += !body || bsearch(&one, sent, nsent, sizeof(*sent), by_word);
	}
	free(all);
	free(words);
	json_decref(d);
	return kept;
}

static void
table_is_redacted_or_refused(const struct frame *f, size_t bytes)
{
	SCOPED_BUF(b, 0);
	SCOPED_BUF(drawn, 0);
	char policy[256];
	size_t n, kept;

	buf_str(&b, f->head);
	while (b.n < bytes)
		put_row(&b, f->row, &drawn);
	buf_str(&b, f->tail);
	json_t *body = json_pack("{sss[{ssss%}]}", "model", "m", "messages", "role", "user",
		"content", b.p, b.n);
	char *text = json_dumps(body, 0);
	json_t *in =
		json_pack("{sssss{ss}ss}", "method", "POST", "path", "/v1/chat/completions",
			"headers", "content-type", "application/json", "body", text);
	char *request = json_dumps(in, 0);
	snprintf(policy, sizeof(policy), "%s", path("policy.yaml"));
	tollgate(request, "decide", "--policy", policy, NULL);
	/* the output is cut off, but the decision comes first */
	bool refused = strstr(cmd_out, "\"status\": 413") && strstr(cmd_out, "limit of");
	if (!refused && !strstr(cmd_out, "\"status\": 200")) {
		print_message("%zu bytes of %s%s: %.300s\n", bytes, f->head, f->row, cmd_out);
		fail();
	}
	/* A few passwords look like words. */
	if (!refused && (kept = passwords_kept(&drawn, &n)) * 500 > n) {
		print_message("%zu bytes of %s%s: %zu of %zu passwords are sent\n", bytes,
			f->head, f->row, kept, n);
		fail();
	}
	json_decref(in);
	json_decref(body);
	free(request);
	free(text);
}

static void
tables_of_passwords_are_redacted_or_refused(void **state)
{
	const size_t all = sizeof(frames) / sizeof(frames[0]);
	const size_t nsizes = sizeof(sizes) / sizeof(sizes[0]);
	const char *seed = getenv("SEED");

	(void)state;
	random_state = seed ? strtoull(seed, NULL, 10) : SEED;
	table_is_redacted_or_refused(&frames[0], sizes[1]);
	if (getenv("ALL"))
		for (size_t i = strtoul(getenv("ALL"), NULL, 10) * nsizes; i < all * nsizes;
			i++)
			table_is_redacted_or_refused(&frames[i / nsizes], sizes[i % nsizes]);
	else
		for (size_t i = 0; i < TRIES; i++)
			table_is_redacted_or_refused(
				&frames[below(all)], sizes[below(nsizes - 1)]);
}

/* Content with more encodings in each other than the detectors decode is refused by name. */
static void
encodings_in_each_other_are_refused_by_name(void **state)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char text[4096] = "the password of alice is kX8mQ2vL9z and more words";

	(void)state;
	for (unsigned depth = 0; depth < 6; depth++) {
		char out[4096];
		size_t n = strlen(text), k = 0;
		for (size_t i = 0; i + 2 < n; i += 3) {
			unsigned v = (unsigned)(unsigned char)text[i] << 16 |
				     (unsigned)(unsigned char)text[i + 1] << 8 |
				     (unsigned char)text[i + 2];
			for (int shift = 18; shift >= 0; shift -= 6)
				out[k++] = letters[v >> shift & 63];
		}
		out[k] = '\0';
		memcpy(text, out, k + 1);
	}
	json_t *body = json_pack(
		"{sss[{ssss}]}", "model", "m", "messages", "role", "user", "content", text);
	char *dumped = json_dumps(body, 0), policy[256];
	json_t *in =
		json_pack("{sssss{ss}ss}", "method", "POST", "path", "/v1/chat/completions",
			"headers", "content-type", "application/json", "body", dumped);
	char *request = json_dumps(in, 0);
	snprintf(policy, sizeof(policy), "%s", path("policy.yaml"));
	tollgate(request, "decide", "--policy", policy, NULL);
	if (!strstr(cmd_out, "\"status\": 413") ||
		!strstr(cmd_out, "encodings in each other")) {
		print_message("%.400s\n", cmd_out);
		fail();
	}
	json_decref(in);
	json_decref(body);
	free(request);
	free(dumped);
}

static int
setup(void **state)
{
	if (temp_dir_make(state) != 0)
		return -1;
	put("policy.yaml",
		"tollgate: 1\nname: t\ndefault: permit\nidentity: [{none: {person: nobody}}]\n"
		"routes: [{name: o, match: {path_prefix: /v1/chat}, dialect: openai}]\n"
		"rules: [{name: all, when: 'size(prompt.entities) > 0', redact: {entities: "
		"[GENERIC_SECRET, DATABASE_CREDENTIALS, EMAIL_ADDRESS]}}]\n");
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(encodings_in_each_other_are_refused_by_name),
		cmocka_unit_test(tables_of_passwords_are_redacted_or_refused),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
