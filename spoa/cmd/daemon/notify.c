/* tollgate notify: what came of the webhooks of the running daemon; sends one to try. */
#include <stdio.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "cmd/daemon/admin.h"

enum { LOOKS = 100, LOOK_US = 200000 }; /* a webhook has ten seconds to answer */

static void
put_notify_row(struct buf *b, const json_t *one)
{
	admin_cell(b, one, "kind", 10, "?");
	admin_cell(b, one, "state", 8, "?");
	buf_printf(b, "%6lld %6lld %10lld ", json_int_in(one, "sent"),
		json_int_in(one, "failed"), json_int_in(one, "suppressed"));
	admin_cell(b, one, "last_sent", 21, "-");
	admin_cell(b, one, "why", 1, "-");
	buf_putc(b, '\n');
}

static int
status(const char *config, bool as_json)
{
	int code;
	json_t *answer = admin_call_json("notify", config, "/notify", NULL, &code);
	char head[128];

	snprintf(head, sizeof(head), "%-10s %-8s %6s %6s %10s %-21s %s\n", "KIND", "STATE", "SENT",
		"FAILED", "SUPPRESSED", "LAST_SENT", "WHY");
	if (answer && as_json)
		code = admin_print_json("notify", answer);
	else if (answer && !json_text_in(answer, "to")[0])
		code = cmd_fail("notify", "notify.url is not configured: nobody is told");
	else if (answer)
		code = admin_print_rows("notify", json_object_get(answer, "kinds"), false, head,
			put_notify_row);
	json_decref(answer);
	return code;
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

/* Until it is taken or refused. It is tried again for an hour: nobody waits for that. */
static int
wait_for_notices(const char *config, long long sent, long long failed)
{
	for (int i = 0; i < LOOKS; i++) {
		int code;
		json_t *answer = admin_call_json("notify", config, "/notify", NULL, &code);
		if (!answer)
			return code;
		const json_t *t = test_of(answer);
		const char *to = json_text_in(answer, "to"), *state = json_text_in(t, "state");
		bool retries = state && !strcmp(state, "retries");
		if (json_int_in(t, "sent") > sent) {
			printf("sent to %s, which took it\n", to);
			json_decref(answer);
			return EXIT_DONE;
		}
		if (retries || json_int_in(t, "failed") > failed) {
			cmd_fail("notify", "%s: %s%s", to, json_text_in(t, "why"),
				retries ? "; it is tried again" : "");
			json_decref(answer);
			return EXIT_NO;
		}
		json_decref(answer);
		usleep(LOOK_US);
	}
	cmd_fail("notify", "no answer yet: see tollgate notify status");
	return EXIT_NO;
}

static int
test(const char *config, const char *by, const char *reason)
{
	int code;
	json_t *o = json_object(), *answer;
	json_t *before = admin_call_json("notify", config, "/notify", NULL, &code);
	const json_t *t = test_of(before);
	long long sent = json_int_in(t, "sent"), failed = json_int_in(t, "failed");

	json_decref(before);
	if (!before || !admin_set_text("notify", o, "by", by) ||
		!admin_set_text("notify", o, "reason", reason)) {
		json_decref(o);
		return EXIT_CANNOT;
	}
	answer = admin_call_json("notify", config, "/notify/test", o, &code);
	json_decref(o);
	if (!answer)
		return code;
	json_decref(answer);
	return wait_for_notices(config, sent, failed);
}

int
cmd_notify(int argc, char **argv)
{
	const char *config = NULL, *by = NULL, *reason = NULL;
	bool as_json = false;
	const struct cmd_option options[] = {
		{ "c", .text = &config },
		{ "by", .text = &by },
		{ "reason", .text = &reason },
		{ "json", .flag = &as_json },
		{ .name = NULL },
	};
	char **operands;
	int n = cmd_options(argc, argv, options, &operands);

	if (n == 1 && !strcmp(operands[0], "status") && !by && !reason)
		return status(config, as_json);
	if (n == 1 && !strcmp(operands[0], "test") && !as_json)
		return test(config, by, reason);
	return cmd_usage(argv[0]);
}
