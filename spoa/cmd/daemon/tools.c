/* tollgate tools: prints what MCP servers reported about their tools to the running daemon,
 * what changed since the approval, and approves tools. */
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "cmd/daemon/admin.h"
#include "cmd/plain.h"
#include "gate/toolpins/tool_pins.h"
#include "policy/config/read.h"

/* The options of the command, borrowed from argv; NULL and false: not given. */
struct tools_args {
	struct admin_cmd c;
	const char *kind, *server, *state;
	bool only, none, all;
};

/* Adds the operand SERVER/NAME as parameters. SERVER alone means the instructions of the
 * server. */
static void
give_place(struct tools_args *a, const char *operand)
{
	size_t n = span_chr(span_str(operand), '/');

	admin_give(&a->c, "server", json_stringn(operand, n));
	admin_give_text(&a->c, "name", operand[n] ? operand + n + 1 : NULL);
	admin_give_text(&a->c, "kind", a->kind);
}

/* ---- list ---- */

static void
put_tool(struct buf *cell, const json_t *one, const char *member)
{
	const char *name = json_text_in(one, member);

	buf_printf(cell, "%s%s%s", json_text_in(one, "server"), *name ? "/" : "", name);
}

static void
put_tool_hash(struct buf *cell, const json_t *one, const char *member)
{
	buf_printf(cell, "%.32s", json_text_in(one, member));
}

/* clang-format off */
static const struct admin_column tool_columns[] = {
	{ "TOOL",        40, "name", .put = put_tool },
	{ "KIND",        12, "kind", .none = "?" },
	{ "STATE",        8, "state", .none = "?" },
	{ "HASH",        32, "hash", .put = put_tool_hash },
	{ "SEEN",        20, "seen", .none = "-" },
	{ "APPROVED_BY", 16, "by", .none = "-" },
	{ .heading = NULL },
};
/* clang-format on */

/* Returns a new list of the rows that the options select. */
static json_t *
rows_of(const struct tools_args *a, const json_t *answer)
{
	const json_t *list = json_object_get(answer, "tools");
	json_t *rows = json_array();

	for (size_t i = 0; i < json_array_size(list); i++) {
		json_t *row = json_array_get(list, i);
		if ((!a->server || str_same(a->server, json_str_in(row, "server"))) &&
			(!a->state || str_same(a->state, json_str_in(row, "state"))) &&
			(!a->kind || str_same(a->kind, json_str_in(row, "kind"))))
			json_array_append(rows, row);
	}
	return rows;
}

static int
list_tools(struct tools_args *a)
{
	static const char *const states[] = { "new", "approved", "changed", NULL };
	json_t *one;
	size_t i;

	if (a->state && !read_listed(states, span_str(a->state)))
		return cmd_fail(
			"tools", "--state: %s: give new, approved or changed", a->state);
	if (a->kind && !read_listed(tool_pin_kinds, span_str(a->kind)))
		return cmd_fail("tools", "--kind: %s: give tool, prompt or instructions",
			a->kind);
	json_auto_t *answer = admin_answer(&a->c, "/tools");
	if (!answer)
		return a->c.code;
	json_auto_t *rows = rows_of(a, answer);
	int code = admin_print_table("tools", tool_columns, rows, a->c.json);
	/* Remind the operator of the look that `approve` needs for all tools of a server. */
	if (!a->c.json && code == EXIT_DONE && a->server && !a->state && !a->kind &&
		json_array_size(rows))
		printf("\nto approve all of them: tollgate tools approve %s --all %s\n", a->server,
			json_text_in(json_array_get(rows, 0), "look"));
	json_array_foreach(json_object_get(answer, "full"), i, one) fprintf(stderr,
		"tollgate: tools: %s lists more tools than the daemon keeps: the remaining "
		"ones are hidden and denied\n",
		json_string_value(one));
	return code;
}

/* ---- show and diff ---- */

static json_t *
get_tool(struct tools_args *a, const char *operand)
{
	give_place(a, operand);
	return admin_answer(&a->c, "/tools/show");
}

static void
put_tool_text(const char *what, const char *hash, const char *text)
{
	printf("\n%s %s\n", what, hash);
	if (!text) {
		printf("(its text is not kept: it is over 16 KB, or the server's texts are "
		       "over 4 MB)\n");
		return;
	}
	SCOPED_BUF(b, 0);
	plain_tree(&b, span_str(text));
	printf("%.*s", SPAN_ARG(buf_view(&b)));
}

static int
show_tool(struct tools_args *a, const char *operand)
{
	json_auto_t *pin = get_tool(a, operand);
	const json_t *approved = json_object_get(pin, "approved_hashes");
	size_t n = json_array_size(approved);

	if (!pin)
		return a->c.code;
	if (a->c.json)
		return admin_print_json("tools", pin);
	SCOPED_BUF(b, 0);
	plain_lines(&b, span_str(operand));
	printf("%.*s: %s, %s\n", SPAN_ARG(span_trim(buf_view(&b), "\n")),
		json_text_in(pin, "kind"), json_text_in(pin, "state"));
	put_tool_text("listed last", json_text_in(pin, "hash"), json_str_in(pin, "text"));
	if (!str_same(json_str_in(pin, "hash"), json_str_in(pin, "first_hash")))
		put_tool_text("listed first", json_text_in(pin, "first_hash"),
			json_str_in(pin, "first_text"));
	for (size_t i = 0; i < n; i++)
		printf("%sapproved %s\n", i ? "" : "\n",
			json_string_value(json_array_get(approved, i)));
	return EXIT_DONE;
}

/* Returns a descriptor from which `diff` reads the text; -1: none. */
static int
text_fd(struct span text)
{
	int fd = memfd_create("text", 0);
	bool ok = fd >= 0 && write(fd, text.p, text.n) == (ssize_t)text.n;

	if (fd >= 0 && !ok)
		close(fd);
	return ok ? fd : -1;
}

/* Prints the lines of both texts as `diff -U` does, with all lines that are equal. Returns
 * false if the program did not run. */
static bool
run_diff(const char *old_label, struct span was, const char *new_label, struct span now)
{
	int fd[2] = { text_fd(was), text_fd(now) }, status = 0;
	char path[2][32];

	for (int i = 0; i < 2; i++)
		snprintf(path[i], sizeof(path[i]), "/proc/self/fd/%d", fd[i]);
	fflush(stdout);
	pid_t pid = fd[0] >= 0 && fd[1] >= 0 ? fork() : -1;
	if (pid == 0) {
		execlp("diff", "diff", "-a", "-U", "1000000", "--label", old_label, "--label",
			new_label, path[0], path[1], (char *)NULL);
		_exit(EXIT_CANNOT);
	}
	bool ran = pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
		   WEXITSTATUS(status) < EXIT_CANNOT;
	for (int i = 0; i < 2; i++)
		if (fd[i] >= 0)
			close(fd[i]);
	return ran;
}

/* Prints the difference between the approved text, or the first text if none is approved,
 * and the latest one. Returns an exit code; 0 means that both are equal. */
static int
tools_diff(struct tools_args *a, const char *operand)
{
	json_auto_t *pin = get_tool(a, operand);

	if (!pin)
		return a->c.code;
	bool approved = json_array_size(json_object_get(pin, "approved_hashes")) > 0;
	const char *old = json_str_in(pin, approved ? "approved_text" : "first_text"),
		   *text = json_str_in(pin, "text");
	bool same = str_same(json_str_in(pin, "state"), approved ? "approved" : "new");
	SCOPED_BUF(was, 0);
	SCOPED_BUF(now, 0);
	int code = same ? EXIT_DONE : EXIT_NO;
	if (!same && (!old || !text)) {
		code = cmd_fail("tools",
			"%s: the text differs, but the texts are not kept: this one is "
			"over 16 KB, or the server's are over 4 MB",
			operand);
	} else if (!same) {
		plain_tree(&was, span_str(old));
		plain_tree(&now, span_str(text));
		char label[64];
		snprintf(label, sizeof(label), "listed last %.32s", json_text_in(pin, "hash"));
		if (!run_diff(approved ? "approved last" : "listed first", buf_view(&was),
			    label, buf_view(&now)))
			code = cmd_fail("tools", "the program diff did not run");
	}
	return code;
}

/* ---- approve ---- */

static int
approve_one(struct tools_args *a, const char *hash)
{
	if (a->only)
		admin_give(&a->c, "only", json_true());
	if (a->none)
		admin_give(&a->c, "none", json_true());
	admin_give_text(&a->c, "hash", hash);
	return admin_change(&a->c, "/tools/approve",
		a->none	  ? "has no approved text"
		: a->only ? "is approved with this text only"
			  : "is approved");
}

/* Approves each tool as it was when the daemon showed that look. */
static int
approve_all(struct tools_args *a, const char *server, const char *look)
{
	const struct tools_args asked = { .server = server };
	json_auto_t *answer = admin_answer(&a->c, "/tools");
	int code = EXIT_DONE;
	json_t *one;
	size_t i;

	if (!answer)
		return a->c.code;
	json_auto_t *rows = rows_of(&asked, answer);
	const char *now = json_text_in(json_array_get(rows, 0), "look");
	if (!*now || strcmp(now, look) != 0) {
		fprintf(stderr,
			*now ? "tollgate: tools: %s does not match the current tools of %s: "
			       "run tollgate tools list --server %s and approve what it shows\n"
			     : "tollgate: tools: %s: the daemon has seen no tools of %s "
			       "yet%.0s\n",
			look, server, server);
		return EXIT_NO;
	}
	a->c.json = false;
	json_array_foreach(rows, i, one)
	{
		if (str_same(json_str_in(one, "state"), "approved"))
			continue;
		a->c.in = json_pack("{s:O s:O s:O}", "server", json_object_get(one, "server"),
			"kind", json_object_get(one, "kind"), "name",
			json_object_get(one, "name"));
		int got = approve_one(a, json_str_in(one, "hash"));
		code = got > code ? got : code;
	}
	return code;
}

int
cmd_tools(int argc, char **argv)
{
	struct tools_args a = { .c = { .what = "tools" } };
	const struct cmd_option options[] = {
		ADMIN_OPTIONS(&a.c),
		{ "kind", .text = &a.kind },
		{ "server", .text = &a.server },
		{ "state", .text = &a.state },
		{ "only", .flag = &a.only },
		{ "none", .flag = &a.none },
		{ "all", .flag = &a.all },
		{ .name = NULL },
	};
	char **operands;
	int n = cmd_options(argv[0], argc, argv, options, &operands);

	if (n == 1 && !strcmp(operands[0], "list"))
		return list_tools(&a);
	if (n == 2 && !strcmp(operands[0], "show"))
		return show_tool(&a, operands[1]);
	if (n == 2 && !strcmp(operands[0], "diff"))
		return tools_diff(&a, operands[1]);
	if (n == (a.none ? 2 : 3) && !strcmp(operands[0], "approve") &&
		a.only + a.none + a.all <= 1 && !(a.all && a.kind)) {
		const char *hash = a.none ? NULL : operands[2];
		if (a.all)
			return approve_all(&a, operands[1], hash);
		give_place(&a, operands[1]);
		return approve_one(&a, hash);
	}
	return cmd_usage(argv[0]);
}
