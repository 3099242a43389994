/* tollgate log: prints the log level of the running daemon, or sets another level for a
 * limited time. */
#include <stdio.h>

#include "cmd/cmd.h"
#include "cmd/daemon/admin.h"

int
cmd_log(int argc, char **argv)
{
	struct admin_cmd c = { .what = "log" };
	const char *lasts = NULL;
	const struct cmd_option options[] = { ADMIN_OPTIONS(&c), { "for", .text = &lasts },
		{ .name = NULL } };
	char **operands;
	int n = cmd_options(argv[0], argc, argv, options, &operands);

	if (n < 0 || n > 1 || (n == 0 && (lasts || c.by || c.reason)))
		return cmd_usage(argv[0]);
	admin_give_text(&c, "level", n ? operands[0] : NULL);
	admin_give_text(&c, "for", lasts);
	json_auto_t *answer = admin_answer(&c, "/log");
	if (answer && c.json)
		c.code = admin_print_json("log", answer);
	else if (answer) {
		const char *until = json_str_in(answer, "until"),
			   *configured = json_str_in(answer, "configured"),
			   *level = json_str_in(answer, "level");

		printf("%.16s", level ? level : "?");
		if (until)
			printf(" until %.19sZ", until);
		else if (configured && !str_same(configured, level))
			printf(" until the daemon ends; tollgate.yaml has %.16s", configured);
		putchar('\n');
	}
	return c.code;
}
