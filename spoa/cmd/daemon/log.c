/* tollgate log: how much the running daemon's log says, and another level for a time. */
#include <stdio.h>

#include "cmd/cmd.h"
#include "cmd/daemon/admin.h"

static void
print_log_level(const json_t *o)
{
	const char *until = json_str_in(o, "until"), *configured = json_str_in(o, "configured"),
		   *level = json_str_in(o, "level");

	printf("%.16s", level ? level : "?");
	if (until)
		printf(" until %.19sZ", until);
	else if (configured && !str_same(configured, level))
		printf(" until the daemon ends; tollgate.yaml says %.16s", configured);
	putchar('\n');
}

int
cmd_log(int argc, char **argv)
{
	const char *config = NULL, *lasts = NULL, *by = NULL, *reason = NULL;
	bool as_json = false;
	const struct cmd_option options[] = {
		{ "c", .text = &config },
		{ "for", .text = &lasts },
		{ "by", .text = &by },
		{ "reason", .text = &reason },
		{ "json", .flag = &as_json },
		{ .name = NULL },
	};
	char **operands;
	int n = cmd_options(argc, argv, options, &operands), code = EXIT_CANNOT;

	if (n < 0 || n > 1 || (n == 0 && (lasts || by || reason)))
		return cmd_usage(argv[0]);
	json_t *in = json_object(), *answer = NULL;
	if (n == 0)
		answer = admin_call_json("log", config, "/log", NULL, &code);
	else if (admin_set_text("log", in, "level", operands[0]) &&
		 admin_set_text("log", in, "for", lasts) && admin_set_text("log", in, "by", by) &&
		 admin_set_text("log", in, "reason", reason))
		answer = admin_call_json("log", config, "/log", in, &code);
	if (answer && as_json)
		code = admin_print_json("log", answer);
	else if (answer)
		print_log_level(answer);
	json_decref(answer);
	json_decref(in);
	return code;
}
