/* tollgate target: prints the health of each target of the running daemon, and ejects a
 * target or readmits it. */
#include "cmd/cmd.h"
#include "cmd/daemon/admin.h"

static void
put_error_share(struct buf *cell, const json_t *one, const char *name)
{
	buf_printf(cell, "%.0f%%", 100 * json_number_value(json_object_get(one, name)));
}

static void
put_back_in(struct buf *cell, const json_t *one, const char *name)
{
	const json_t *back = json_object_get(one, name);

	if (back)
		buf_printf(cell, "%.1fs", json_number_value(back));
}

static void
put_first_content(struct buf *cell, const json_t *one, const char *name)
{
	const char *size;
	json_t *ms;

	json_object_foreach(json_object_get(one, name), size, ms)
		buf_printf(cell, "%s:%lldms ", size, json_integer_value(ms));
}

/* clang-format off */
static const struct admin_column target_columns[] = {
	{ "TARGET",        32, "target", .none = "?" },
	{ "STATE",         10, "state", .none = "?" },
	{ "IN_PROGRESS",  -11, "under_way", .none = "0" },
	{ "ERRORS",        -7, "errors", .put = put_error_share },
	{ "BACK",          -8, "back_in_s", "-", .put = put_back_in },
	{ "LAST_FAILURE",  14, "last_failure", .none = "-" },
	{ "FIRST_CONTENT",  0, "first_content_ms", .put = put_first_content, .bare = true },
	{ .heading = NULL },
};
/* clang-format on */

int
cmd_target(int argc, char **argv)
{
	struct admin_cmd c = { .what = "target" };
	const struct cmd_option options[] = { ADMIN_OPTIONS(&c), { .name = NULL } };
	char **operands;
	int n = cmd_options(argv[0], argc, argv, options, &operands);

	if (n == 1 && !strcmp(operands[0], "list"))
		return admin_list(&c, &(struct admin_list){ "/targets", "targets",
					      .columns = target_columns });
	if (n != 2)
		return cmd_usage(argv[0]);
	bool out = !strcmp(operands[0], "eject");
	if (!out && strcmp(operands[0], "admit") != 0)
		return cmd_usage(argv[0]);
	admin_give_text(&c, "target", operands[1]);
	return admin_change(&c, out ? "/targets/eject" : "/targets/admit",
		out ? "is ejected until you admit it, or without redis until the daemon "
		      "restarts"
		    : "is readmitted");
}
