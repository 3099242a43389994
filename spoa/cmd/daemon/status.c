/* tollgate status prints the state of the running daemon, and tollgate reload orders a
 * reload and waits for its result. */
#include <stdio.h>

#include "cmd/cmd.h"
#include "cmd/daemon/admin.h"
#include "cmd/daemon/nodes.h"
#include "cmd/plain.h"

enum { ANSWER_S = 10 }; /* seconds; for a call that only reads */

static long
ask_page(const char *what, const char *socket, const char *page, bool post, struct buf *out)
{
	const struct admin_call call = {
		.socket = socket, .page = page, .post = post, .most_s = post ? 0 : ANSWER_S
	};

	return admin_ask_or_say(what, &call, out);
}

static void
put_differs(struct buf *out, const json_t *differs)
{
	const char *since = json_str_in(differs, "since"), *what = json_str_in(differs, "what");

	if (since && what)
		buf_printf(out,
			"policy: the file differs from what is in force since %.19sZ: %s (`tollgate "
			"reload` puts the file in force)\n",
			since, what);
}

/* Prints why the start did not take the text that was in force, or not the files. */
static void
put_start(struct buf *out, const json_t *start)
{
	const char *why = json_str_in(start, "why");

	if (why)
		buf_printf(out, "policy: the start took the %s: %s\n",
			str_same(json_str_in(start, "from"), "kept")
				? "text that was in force"
				: "files",
			why);
}

/* Prints a line for each daemon of the same Redis that has another policy in force. */
static void
put_other_policies(struct buf *out, const json_t *s)
{
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(s, "group"), i, one)
	{
		if (!strcmp(json_text_in(one, "policy_version"), json_text_in(s, "policy_version")))
			continue;
		buf_printf(out, "policy: node %s has %s in force, and this node %s\n",
			json_text_in(one, "node"), json_text_in(one, "policy"),
			json_text_in(s, "policy"));
	}
}

static int
show_status(json_t *s, struct span ready, bool ok)
{
	json_int_t workers, routes, rules;
	const char *version, *node, *started;

	if (!s || json_unpack(s, "{s:s,s:s,s:s,s:I,s:I,s:I}", "version", &version, "node",
			  &node, "started", &started, "workers", &workers, "routes", &routes,
			  "rules", &rules) != 0)
		return cmd_fail("status", "the daemon's response cannot be understood: check "
					  "that daemon and program have the same version");
	SCOPED_BUF(text, 0);
	buf_printf(&text,
		"tollgate %s, node %s, %lld workers, since %.19sZ\n%lld routes, %lld rules\n",
		version, node, (long long)workers, started, (long long)routes,
		(long long)rules);
	json_t *one, *alive = json_object_get(s, "requests_in_flight");
	size_t i;
	if (alive) {
		buf_printf(&text, "%lld requests in progress",
			(long long)json_integer_value(alive));
		admin_awaited(&text, json_object_get(s, "awaited"));
		buf_putc(&text, '\n');
	}
	json_array_foreach(json_object_get(s, "providers"), i, one)
	{
		const char *name = json_str_in(one, "provider");
		buf_printf(&text, "provider %.64s: ", name ? name : "?");
		admin_provider(&text, one);
		buf_putc(&text, '\n');
	}
	json_array_foreach(json_object_get(s, "targets"), i, one)
	{
		const char *name = json_str_in(one, "target");
		size_t before = text.n;
		buf_printf(&text, "target %.160s: ", name ? name : "?");
		if (admin_target(&text, one))
			buf_putc(&text, '\n');
		else
			text.n = before;
	}
	put_start(&text, json_object_get(s, "policy_start"));
	put_differs(&text, json_object_get(s, "policy_differs"));
	put_other_policies(&text, s);
	buf_span(&text, ready);
	plain_print(stdout, buf_view(&text));
	return ok ? EXIT_DONE : EXIT_NO;
}

int
cmd_status(int argc, char **argv)
{
	const char *config = NULL;
	bool as_json = false, all = false;
	const struct cmd_option options[] = { { "c", .text = &config },
		{ "json", .flag = &as_json }, { "all", .flag = &all }, { .name = NULL } };
	char **operands;
	int code = EXIT_CANNOT;

	if (cmd_options(argv[0], argc, argv, options, &operands) != 0)
		return cmd_usage(argv[0]);
	if (all)
		return nodes_status(config, as_json);
	SCOPED_ARENA(a, 0, false);
	SCOPED_BUF(status, ADMIN_ANSWER_BYTES);
	SCOPED_BUF(ready, ADMIN_ANSWER_BYTES);
	const char *socket = admin_socket("status", config, &a);
	long page = socket ? ask_page("status", socket, "/status", false, &status) : 0;
	long is_ready = page == 200 ? ask_page("status", socket, "/readyz", false, &ready) : 0;
	json_auto_t *s = is_ready ? json_loadb(buf_view(&status).p, status.n, 0, NULL) : NULL;
	if (is_ready && as_json) {
		code = admin_print_json("status", s);
		if (code == EXIT_DONE && is_ready != 200)
			code = EXIT_NO;
	} else if (is_ready) {
		code = show_status(s, buf_view(&ready), is_ready == 200);
	}
	return code;
}

/* Prints the response to a reload, {"result":"done","errors":["file:line:column: ..."]},
 * and the state of /status after it. The result "unknown" means that the daemon is still
 * busy with the order, and "repeat" that the other instance decides. Returns the exit code. */
static int
show_reload(struct span answer, struct span status, bool ok)
{
	json_auto_t *o = json_loadb(answer.p, answer.n, 0, NULL);
	json_auto_t *now = json_loadb(status.p, status.n, 0, NULL);
	const char *policy = json_str_in(now, "policy");
	bool unknown = str_same(json_str_in(o, "result"), "unknown"),
	     repeat = str_same(json_str_in(o, "result"), "repeat");
	const char *at_restart = json_str_in(o, "at_restart");
	const json_t *one;
	size_t i;

	SCOPED_BUF(text, 0);
	buf_printf(&text,
		ok	? "reloaded: policy %s\n"
		: unknown ? "tollgate: reload: the daemon has not finished the reload in "
			    "time; policy %s is in force now: see `tollgate status`\n"
		: repeat  ? "tollgate: reload: not done; policy %s is in force now: reload "
			    "again\n"
			  : "tollgate: reload: refused; policy %s stays in force: correct "
			    "the mistakes above and reload again\n",
		policy ? policy : "?");
	if (at_restart && *at_restart)
		buf_printf(&text, "%s: changed in the file; takes effect after a restart\n",
			at_restart);
	json_array_foreach(json_object_get(o, "errors"), i, one) buf_printf(
		&text, "%s\n", json_string_value(one) ? json_string_value(one) : "?");
	plain_print(ok ? stdout : stderr, buf_view(&text));
	return ok ? EXIT_DONE : unknown || repeat ? EXIT_CANNOT : EXIT_NO;
}

int
cmd_reload(int argc, char **argv)
{
	const char *config = NULL;
	const struct cmd_option options[] = { { "c", .text = &config }, { .name = NULL } };
	char **operands;
	int code = EXIT_CANNOT;

	if (cmd_options(argv[0], argc, argv, options, &operands) != 0)
		return cmd_usage(argv[0]);
	SCOPED_ARENA(a, 0, false);
	SCOPED_BUF(answer, ADMIN_ANSWER_BYTES);
	SCOPED_BUF(status, ADMIN_ANSWER_BYTES);
	const char *socket = admin_socket("reload", config, &a);
	long done = socket ? ask_page("reload", socket, "/reload", true, &answer) : 0;
	if (done && ask_page("reload", socket, "/status", false, &status))
		code = show_reload(buf_view(&answer), buf_view(&status), done == 200);
	return code;
}
