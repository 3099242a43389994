/* tollgate notify: prints the state of the running daemon's webhooks, or sends a test
 * notice. */
#include <stdio.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "cmd/daemon/admin.h"

enum { LOOKS = 100, LOOK_US = 200000 }; /* 20 s in steps of 0.2 s; a webhook has 10 s to respond */

/* clang-format off */
static const struct admin_column notify_columns[] = {
	{ "KIND",       10, "kind", .none = "?" },
	{ "STATE",       8, "state", .none = "?" },
	{ "SENT",       -6, "sent", .none = "0" },
	{ "FAILED",     -6, "failed", .none = "0" },
	{ "SUPPRESSED", -10, "suppressed", .none = "0" },
	{ "LAST_SENT",  21, "last_sent", .none = "-" },
	{ "WHY",         1, "why", .none = "-" },
	{ .heading = NULL },
};
/* clang-format on */

static int
show_notify(struct admin_cmd *c)
{
	json_auto_t *answer = admin_answer(c, "/notify");

	if (answer && c->json)
		c->code = admin_print_json("notify", answer);
	else if (answer && !json_text_in(answer, "to")[0])
		c->code = cmd_fail("notify", "notify.url is not configured, so no notice "
					     "is sent: set it in tollgate.yaml");
	else if (answer)
		c->code = admin_print_table(
			"notify", notify_columns, json_object_get(answer, "kinds"), false);
	return c->code;
}

static json_t *
test_of(const json_t *answer)
{
	const json_t *kinds = json_object_get(answer, "kinds");

	for (size_t i = 0; i < json_array_size(kinds); i++)
		if (str_same(json_text_in(json_array_get(kinds, i), "kind"), "test"))
			return json_array_get(kinds, i);
	return NULL;
}

/* Waits until the notice is accepted or refused. The daemon retries a notice for an hour;
 * the command does not wait for that. */
static int
wait_for_notices(struct admin_cmd *c, long long sent, long long failed)
{
	for (int i = 0; i < LOOKS; i++) {
		json_auto_t *answer = admin_answer(c, "/notify");
		if (!answer)
			return c->code;
		const json_t *t = test_of(answer);
		const char *to = json_text_in(answer, "to");
		bool took = json_int_in(t, "sent") > sent,
		     retries = str_same(json_text_in(t, "state"), "retries"),
		     fails = retries || json_int_in(t, "failed") > failed;
		if (took)
			printf("the test message was sent to %s and accepted\n", to);
		else if (fails)
			cmd_fail("notify", "%s: %s%s", to, json_text_in(t, "why"),
				retries ? "; the daemon tries again" : "");
		if (took || fails)
			return took ? EXIT_DONE : EXIT_NO;
		usleep(LOOK_US);
	}
	cmd_fail("notify", "no response yet: see tollgate notify status");
	return EXIT_NO;
}

static int
send_test_notice(struct admin_cmd *c)
{
	json_auto_t *before = admin_answer(c, "/notify");
	const json_t *t = test_of(before);
	long long sent = json_int_in(t, "sent"), failed = json_int_in(t, "failed");

	if (!before)
		return EXIT_CANNOT;
	c->in = json_object();
	json_auto_t *answer = admin_answer(c, "/notify/test");
	return answer ? wait_for_notices(c, sent, failed) : c->code;
}

int
cmd_notify(int argc, char **argv)
{
	struct admin_cmd c = { .what = "notify" };
	const struct cmd_option options[] = { ADMIN_OPTIONS(&c), { .name = NULL } };
	char **operands;
	int n = cmd_options(argv[0], argc, argv, options, &operands);

	if (n == 1 && !strcmp(operands[0], "status"))
		return show_notify(&c);
	if (n == 1 && !strcmp(operands[0], "test"))
		return send_test_notice(&c);
	return cmd_usage(argv[0]);
}
