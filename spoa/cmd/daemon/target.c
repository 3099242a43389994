/* tollgate target: how each target of the running daemon does; takes one out, lets one in. */
#include <stdio.h>

#include "cmd/cmd.h"
#include "cmd/daemon/admin.h"
#include "cmd/plain.h"

struct target_args {
	const char *config, *by, *reason;
	bool json;
};

static int
ask_target_change(
	const struct target_args *a, const char *name, const char *page, const char *done)
{
	json_t *o = json_object(), *answer = NULL;
	int code = EXIT_CANNOT;

	if (admin_set_text("target", o, "target", name) &&
		admin_set_text("target", o, "by", a->by) &&
		admin_set_text("target", o, "reason", a->reason))
		answer = admin_call_json("target", a->config, page, o, &code);
	if (answer && a->json)
		code = admin_print_json("target", answer);
	else if (answer)
		code = admin_changed("target", answer, done);
	json_decref(answer);
	json_decref(o);
	return code;
}

static void
put_target_row(struct buf *b, const json_t *one)
{
	const json_t *content = json_object_get(one, "first_content_ms"), *back;
	const char *size;
	json_t *ms;

	admin_cell(b, one, "target", 32, "?");
	admin_cell(b, one, "state", 10, "?");
	buf_printf(b, "%9lld %6.0f%% ", json_int_in(one, "under_way"),
		100 * json_number_value(json_object_get(one, "errors")));
	if ((back = json_object_get(one, "back_in_s")))
		buf_printf(b, "%7.1fs ", json_number_value(back));
	else
		buf_printf(b, "%8s ", "-");
	admin_cell(b, one, "last_failure", 14, "-");
	json_object_foreach((json_t *)(uintptr_t)content, size, ms)
		buf_printf(b, "%s:%lldms ", size, json_integer_value(ms));
	buf_putc(b, '\n');
}

static int
list_targets(const struct target_args *a)
{
	int code;
	json_t *answer = admin_call_json("target", a->config, "/targets", NULL, &code);
	char head[160];

	snprintf(head, sizeof(head), "%-32s %-10s %9s %7s %8s %-14s %s\n", "TARGET", "STATE",
		"UNDER_WAY", "ERRORS", "BACK", "LAST_FAILURE", "FIRST_CONTENT");
	if (answer)
		code = admin_print_rows("target", json_object_get(answer, "targets"), a->json,
			head, put_target_row);
	json_decref(answer);
	return code;
}

int
cmd_target(int argc, char **argv)
{
	struct target_args a = { .config = NULL };
	const struct cmd_option options[] = {
		{ "c", .text = &a.config },
		{ "by", .text = &a.by },
		{ "reason", .text = &a.reason },
		{ "json", .flag = &a.json },
		{ .name = NULL },
	};
	char **operands;
	int n = cmd_options(argc, argv, options, &operands);

	if (n == 1 && !strcmp(operands[0], "list") && !a.by && !a.reason)
		return list_targets(&a);
	if (n == 2 && !strcmp(operands[0], "eject"))
		return ask_target_change(&a, operands[1], "/targets/eject",
			"is out until it is admitted, or the daemon starts anew");
	if (n == 2 && !strcmp(operands[0], "admit"))
		return ask_target_change(&a, operands[1], "/targets/admit", "is in again");
	return cmd_usage(argv[0]);
}
