/* Long tables of passwords, in many frames: each is redacted, or refused with 413 and the name of a
 * limit. SEED=N selects other frames, sizes and passwords; make check-long uses the day's date, and
 * ALL=1 tries each frame in each size. */
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

/* In a row, % is a password, @ a user and # a number. */
static const struct frame {
	const char *head, *row, *tail;
} frames[] = {
	{ "user,password\n", "@,%\n", "" },
	{ "user\tpassword\n", "@\t%\n", "" },
	{ "id;user;password\n", "#;@;%\n", "" },
	{ "\"user\",\"password\"\n", "\"@\",\"%\"\n", "" },
	{ "| user | password |\n|---|---|\n", "| @ | % |\n", "" },
	{ "+------+----------+\n| user | password |\n+------+----------+\n", "| @ | % |\n", "" },
	{ "user          password\n------------- ---------------\n", "@       %\n", "" },
	{ "[", "{\"user\": \"@\", \"password\": \"%\"},\n", "{}]" },
	{ "", "{\"user\": \"@\", \"password\": \"%\"}\n", "" },
	{ "users:\n", "  - user: @\n    password: %\n", "" },
	{ "", "DB#_PASSWORD=%\n", "" },
	{ "", "export API#_TOKEN='%'\n", "" },
	{ "", "password: %\n", "" },
	{ "", "[db#]\nuser = @\npassword = %\n\n", "" },
	{ "", "INSERT INTO users (name, password) VALUES ('@', '%');\n", "" },
	{ "INSERT INTO users (name, password) VALUES\n", "('@', '%'),\n", "('x', 'y');" },
	{ "", "2026-11-29T10:00:00Z INFO login user=@ password=% ok\n", "" },
	{ "<users>\n", "<user><name>@</name><password>%</password></user>\n", "</users>" },
	{ "", "postgres://@:%@db.example.net/app#\n", "" },
	{ "users = {\n", "    '@': {'password': '%'},\n", "}" },
};
static const size_t sizes[] = { 200000, 450000, 900000 };

static void
put_word(struct buf *b, size_t n, const char *from)
{
	while (n--)
		buf_putc(b, from[below(strlen(from))]);
}

static void
put_row(struct buf *b, const char *row)
{
	static const char some[] = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";

	for (; *row; row++)
		if (*row == '%') {
			put_word(b, 9 + below(6), some);
			put_word(b, 2, "23456789");
		} else if (*row == '@') {
			put_word(b, 5, "aeiklmnorst");
		} else if (*row == '#') {
			put_word(b, 4, "123456789");
		} else {
			buf_putc(b, *row);
		}
}

static void
table_is_redacted_or_refused(const struct frame *f, size_t bytes)
{
	SCOPED_BUF(b, 0);
	char policy[256];

	buf_str(&b, f->head);
	while (b.n < bytes)
		put_row(&b, f->row);
	buf_str(&b, f->tail);
	json_t *body = json_pack("{sss[{ssss%}]}", "model", "m", "messages", "role", "user",
		"content", b.p, b.n);
	char *text = json_dumps(body, 0);
	json_t *in = json_pack("{sssss{ss}ss}", "method", "POST", "path",
		"/v1/chat/completions", "headers", "content-type", "application/json", "body",
		text);
	char *request = json_dumps(in, 0);
	snprintf(policy, sizeof(policy), "%s", path("policy.yaml"));
	tollgate(request, "decide", "--policy", policy, NULL);
	/* the output is cut off, but the decision comes first */
	bool refused = strstr(cmd_out, "\"status\": 413") && strstr(cmd_out, "limit of");
	if (!refused && !strstr(cmd_out, "\"status\": 200")) {
		print_message("%zu bytes of %s%s: %.300s\n", bytes, f->head, f->row, cmd_out);
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
		for (size_t i = 0; i < all * nsizes; i++)
			table_is_redacted_or_refused(&frames[i / nsizes], sizes[i % nsizes]);
	else
		for (size_t i = 0; i < TRIES; i++)
			table_is_redacted_or_refused(&frames[below(all)], sizes[below(nsizes - 1)]);
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
		"[GENERIC_SECRET, EMAIL_ADDRESS]}}]\n");
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
		cmocka_unit_test(tables_of_passwords_are_redacted_or_refused),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
