/* The admin server of a running daemon, on all its listeners: admission, the fields that a
 * browser must send, the end of a session, and that every endpoint responds as the table
 * states. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/un.h>

#include "base/clock.h"
#include "support/admin_rig.h"

/* Returns a JSON object of n bytes. */
static const char *
body_of(size_t n)
{
	static char text[2][(64 << 10) + 2];
	static unsigned turn;
	char *p = text[turn++ % 2];

	memset(p, 'x', n);
	memcpy(p, "{\"token\":\"", 10);
	memcpy(p + n - 2, "\"}", 3);
	return p;
}

/* ---- rows ---- */

static void
each_role_reaches_its_endpoints(void **state)
{
	const struct {
		const char *name;
		struct ask a;
		long want;
		const char *says;
	} rows[] = {
		{ "root by the socket", { .door = DOOR_UNIX, .path = "/session" }, 200,
			"\"roles\":[\"viewer\",\"operator\",\"auditor\"],\"by\":\"user\"" },
		{ "nobody by TLS", { .door = DOOR_TLS, .path = "/status" }, 401,
			"a token of admin.tokens" },
		{ "health by TLS", { .door = DOOR_TLS, .path = "/healthz" }, 200, "ok" },
		{ "a viewer's token", { .door = DOOR_TLS, .path = "/status", .token = viewer },
			200, "version" },
		{ "a wrong one", { .door = DOOR_TLS, .path = "/status", .token = "tga_x" }, 401,
			"is not in admin.tokens" },
		{ "a viewer changes nothing",
			{ .door = DOOR_TLS,
				.path = "/keys/revoke",
				.token = viewer,
				.body = "{}" },
			403, "needs the role operator; viewer has viewer" },
		{ "an operator reads no records",
			{ .door = DOOR_TLS,
				.path = "/audit/text",
				.token = operator_,
				.body = "{\"text\":\"x\"}" },
			403, "needs the role auditor; operator has operator" },
		{ "an auditor does",
			{ .door = DOOR_TLS,
				.path = "/audit/text",
				.token = auditor,
				.body = "{\"text\":\"x\"}" },
			200, "hashes" },
		{ "and changes nothing",
			{ .door = DOOR_TLS, .path = "/reload", .token = auditor, .body = "" },
			403, "needs the role operator" },
		{ "an operator reloads",
			{ .door = DOOR_TLS, .path = "/reload", .token = operator_, .body = "" },
			200, "\"result\":\"done\"" },
		{ "a token on the socket identifies its holder",
			{ .door = DOOR_UNIX, .path = "/session", .token = viewer }, 200,
			"{\"name\":\"viewer\",\"roles\":[\"viewer\"],\"by\":\"token\"" },
		{ "TCP takes its one token",
			{ .door = DOOR_TCP, .path = "/status", .token = "tcp-secret" }, 200,
			"version" },
		{ "and none of the others",
			{ .door = DOOR_TCP, .path = "/status", .token = operator_ }, 401,
			"admin.token_file" },
		{ "which is none elsewhere",
			{ .door = DOOR_TLS, .path = "/status", .token = "tcp-secret" }, 401,
			"is not in admin.tokens" },
		{ "TCP changes nothing",
			{ .door = DOOR_TCP,
				.path = "/keys/new",
				.token = "tcp-secret",
				.body = "{}" },
			403,
			"{\"error\":\"this endpoint is only on the Unix socket "
			"(admin.listen)\"}" },
		{ "another listener creates no session",
			{ .door = DOOR_TCP, .path = "/session", .token = "tcp-secret" }, 403,
			"only on the Unix socket" },
		{ "nor has sessions",
			{ .door = DOOR_TCP, .path = "/session", .body = "{\"token\":\"x\"}" },
			401, "admin.token_file" },
		{ "metrics are open", { .door = DOOR_TCP, .path = "/metrics" }, 200,
			"tollgate_admin_sessions" },
		{ "a certificate", { .door = DOOR_TLS, .path = "/session", .crt = "alice.crt" },
			200,
			"{\"name\":\"alice\",\"roles\":[\"viewer\",\"operator\"],\"by\":"
			"\"certificate\"" },
		{ "of a name without a role",
			{ .door = DOOR_TLS, .path = "/status", .crt = "mallory.crt" }, 403,
			"mallory has none" },
		{ "that no authority signed",
			{ .door = DOOR_TLS, .path = "/status", .crt = "forged.crt" }, 401, "" },
		{ "that is for servers",
			{ .door = DOOR_TLS, .path = "/status", .crt = "misused.crt" }, 401,
			"" },
		{ "a path that is none", { .door = DOOR_TLS, .path = "/sessions" }, 404,
			"\"accepted\":[\"/metrics\"" },
		{ "another method", { .door = DOOR_UNIX, .path = "/keys/new" }, 405,
			"{\"error\":\"POST only\"}" },
		{ "a body of 64 KB",
			{ .door = DOOR_UNIX, .path = "/session", .body = body_of(64 << 10) },
			400, "token: send a string of 0 to 256 bytes" },
		{ "and a byte",
			{ .door = DOOR_UNIX,
				.path = "/session",
				.body = body_of((64 << 10) + 1) },
			413, "longer than 64 KB" },
		{ "a member twice",
			{ .door = DOOR_UNIX,
				.path = "/session",
				.body = "{\"token\":\"x\",\"token\":\"x\"}" },
			400, "the body must be a JSON object" },
		{ "a member that is none",
			{ .door = DOOR_UNIX, .path = "/session", .body = "{\"tokn\":\"x\"}" },
			400, "tokn: unknown parameter; accepted: token" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (ask(&rows[i].a) != rows[i].want || !strstr(got.body, rows[i].says))
			fail_msg("%s: %ld %s %s", rows[i].name, got.status, got.body,
				got.status ? "" : curl_easy_strerror(got.err));
}

static void
browser_request_from_another_page_is_refused(void **state)
{
	char cookie[SESSION_TEXT], tls_cookie[SESSION_TEXT];

	(void)state;
	log_in(DOOR_UNIX, operator_, cookie);
	log_in(DOOR_TLS, operator_, tls_cookie);
	static const char *const mine = "origin: http://127.0.0.1:8406",
				 *const same = "sec-fetch-site: same-origin";
	const struct {
		const char *name;
		struct ask a;
		long want;
	} rows[] = {
		{ "its session",
			{ .door = DOOR_UNIX,
				.path = "/status",
				.cookie = cookie,
				.fields = { same } },
			200 },
		{ "without one, root's socket or not",
			{ .door = DOOR_UNIX, .path = "/status", .fields = { same } }, 401 },
		{ "a token is no session",
			{ .door = DOOR_UNIX,
				.path = "/status",
				.token = operator_,
				.fields = { same } },
			401 },
		{ "nor is a certificate",
			{ .door = DOOR_TLS,
				.path = "/status",
				.crt = "alice.crt",
				.fields = { same } },
			401 },
		{ "a wrong session",
			{ .door = DOOR_UNIX,
				.path = "/status",
				.cookie = "x",
				.fields = { same } },
			401 },
		{ "a change with all of it",
			{ .door = DOOR_UNIX,
				.path = "/reload",
				.body = "",
				.cookie = cookie,
				.fields = { mine, same, OURS } },
			200 },
		{ "without our field",
			{ .door = DOOR_UNIX,
				.path = "/reload",
				.body = "",
				.cookie = cookie,
				.fields = { mine, same } },
			403 },
		{ "without an origin",
			{ .door = DOOR_UNIX,
				.path = "/reload",
				.body = "",
				.cookie = cookie,
				.fields = { same, OURS } },
			403 },
		{ "a cookie alone",
			{ .door = DOOR_UNIX, .path = "/reload", .body = "", .cookie = cookie },
			403 },
		{ "a page of another origin",
			{ .door = DOOR_UNIX,
				.path = "/reload",
				.body = "",
				.cookie = cookie,
				.fields = { "origin: http://evil.example", OURS } },
			403 },
		{ "of none",
			{ .door = DOOR_UNIX,
				.path = "/reload",
				.body = "",
				.cookie = cookie,
				.fields = { "origin: null", OURS } },
			403 },
		{ "of another port",
			{ .door = DOOR_UNIX,
				.path = "/reload",
				.body = "",
				.cookie = cookie,
				.fields = { "origin: http://127.0.0.1:8407", OURS } },
			403 },
		{ "of another scheme",
			{ .door = DOOR_TLS,
				.path = "/reload",
				.body = "",
				.cookie = tls_cookie,
				.fields = { "origin: http://localhost", OURS } },
			403 },
		{ "a page of another site reads nothing",
			{ .door = DOOR_UNIX,
				.path = "/status",
				.cookie = cookie,
				.fields = { "sec-fetch-site: cross-site" } },
			403 },
		{ "nor of another person",
			{ .door = DOOR_UNIX,
				.path = "/status",
				.cookie = cookie,
				.fields = { "sec-fetch-site: same-site" } },
			403 },
		{ "an address that was typed in",
			{ .door = DOOR_UNIX,
				.path = "/status",
				.cookie = cookie,
				.fields = { "sec-fetch-site: none" } },
			200 },
		{ "nobody logs in for another page",
			{ .door = DOOR_UNIX,
				.path = "/session",
				.body = "{\"token\":\"x\"}",
				.fields = { "origin: http://evil.example", OURS } },
			403 },
		{ "a session on TCP", { .door = DOOR_TCP, .path = "/status", .cookie = cookie },
			401 },
		{ "with the token, from a page",
			{ .door = DOOR_TCP,
				.path = "/reload",
				.body = "",
				.token = "tcp-secret",
				.fields = { "origin: http://evil.example" } },
			403 },
		{ "a name that is not ours",
			{ .door = DOOR_UNIX, .path = "/status", .host = "evil.example:8406" },
			403 },
		{ "on TCP, metrics too",
			{ .door = DOOR_TCP, .path = "/metrics", .host = "evil.example" }, 403 },
		{ "by TLS",
			{ .door = DOOR_TLS,
				.path = "/status",
				.host = "evil.example",
				.token = viewer },
			403 },
		{ "one of the list",
			{ .door = DOOR_TLS,
				.path = "/status",
				.host = "GW.example:9443",
				.token = viewer },
			200 },
		{ "localhost",
			{ .door = DOOR_TLS,
				.path = "/status",
				.host = "localhost.",
				.token = viewer },
			200 },
		{ "a service's name",
			{ .door = DOOR_TCP, .path = "/metrics", .host = "tollgate:9464" },
			200 },
		{ "an address", { .door = DOOR_TCP, .path = "/metrics", .host = "[::1]:9464" },
			200 },
		{ "log out",
			{ .door = DOOR_UNIX,
				.path = "/session",
				.method = "DELETE",
				.cookie = cookie,
				.fields = { mine, OURS } },
			200 },
		{ "is the end",
			{ .door = DOOR_UNIX,
				.path = "/status",
				.cookie = cookie,
				.fields = { same } },
			401 },
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (ask(&rows[i].a) != rows[i].want)
			fail_msg("%s: %ld %s", rows[i].name, got.status, got.body);
}

/* Replaces the end of the file's lines that begin with `name`. */
static void
end_token(const char *name, const char *end)
{
	char text[8192], next[8192] = "", *line, *rest = text;

	cmd_slurp("tokens", text, sizeof(text));
	while ((line = strsep(&rest, "\n"))) {
		char *never = strstr(line, " never");
		if (!strncmp(line, name, strlen(name)) && never)
			*never = '\0';
		snprintf(next + strlen(next), sizeof(next) - strlen(next), "%s%s%s\n", line,
			!strncmp(line, name, strlen(name)) ? " " : "",
			!strncmp(line, name, strlen(name)) ? end : "");
	}
	put("tokens", next);
}

static void
ended_token_ends_its_sessions(void **state)
{
	char first[SESSION_TEXT], second[SESSION_TEXT];
	const struct ask by_first = { .door = DOOR_UNIX, .path = "/status", .cookie = first },
			 by_second = { .door = DOOR_TLS, .path = "/status", .cookie = second };

	(void)state;
	log_in(DOOR_UNIX, gone, first);
	log_in(DOOR_TLS, short_, second);
	assert_int_equal(ask(&by_first), 200);
	assert_int_equal(ask(&by_second), 200);
	assert_int_equal(
		tollgate("", "admin-token", "revoke", "gone", "--tokens", path("tokens"), NULL),
		0);
	assert_int_equal(ask(&by_first), 401);
	const struct ask itself = { .door = DOOR_TLS, .path = "/status", .token = gone };
	assert_int_equal(ask(&itself), 401);
	assert_int_equal(ask(&by_second), 200);
	end_token("short", "2026-01-01T00:00:00Z");
	assert_int_equal(ask(&by_second), 401);
	assert_int_equal(
		tollgate("", "admin-token", "list", "--tokens", path("tokens"), NULL), 0);
	assert_non_null(strstr(cmd_out, "gone                     operator           revoked"));
	assert_non_null(strstr(cmd_out, "short                    viewer             over"));
	/* While the file has an error, nobody is admitted. */
	cmd_slurp("tokens", cmd_out, sizeof(cmd_out));
	put("tokens", "viewer king x\n");
	const struct ask a = { .door = DOOR_TLS, .path = "/status", .token = viewer };
	assert_int_equal(ask(&a), 401);
	/* The daemon does not wait for a pipe that nobody writes to, as the file of tokens or
	 * as a certificate. */
	assert_int_equal(unlink(path("tokens")), 0);
	assert_int_equal(mkfifo(path("tokens"), 0600), 0);
	assert_int_equal(ask(&a), 401);
	assert_int_equal(unlink(path("tokens")), 0);
	put("tokens", cmd_out);
	assert_int_equal(ask(&a), 200);
	assert_int_equal(rename(path("server.crt"), path("kept.crt")), 0);
	assert_int_equal(mkfifo(path("server.crt"), 0600), 0);
	assert_int_equal(ask(&a), 200);
	assert_int_equal(rename(path("kept.crt"), path("server.crt")), 0);
	assert_int_equal(ask(&a), 200);
	const struct ask dashes = { .door = DOOR_UNIX, .path = "/records/show?id=--help" };
	assert_int_equal(ask(&dashes), 404);
}

static void
changes_are_recorded_with_their_author(void **state)
{
	static char journal[1 << 20];
	const struct ask a = { .door = DOOR_TLS,
		.path = "/reload",
		.body = "",
		.token = operator_ },
			 b = { .door = DOOR_TLS,
				 .path = "/targets/eject",
				 .body = "{\"target\":\"x\"}",
				 .crt = "alice.crt" },
			 c = { .door = DOOR_TLS,
				 .path = "/log",
				 .body = "{\"level\":\"warn\",\"by\":\"somebody else\"}",
				 .token = operator_ };

	(void)state;
	assert_int_equal(ask(&a), 200);
	assert_int_equal(ask(&c), 200);
	assert_int_equal(ask(&b), 404);
	for (int i = 0; i < 100; i++) {
		snprintf(cmd_err, sizeof(cmd_err), "cat %s/j/* >%s", dir, path("all"));
		assert_int_equal(system(cmd_err), 0);
		cmd_slurp("all", journal, sizeof(journal));
		if (strstr(journal, "\"change\":\"reload\"") &&
			strstr(journal, "\"change\":\"revoke\""))
			break;
		usleep(50000);
	}
	assert_non_null(strstr(journal,
		"\"change\":\"reload\",\"id\":\"reload\",\"by\":\"operator\",\"reason\":null,"
		"\"peer\":{"
		"\"door\":\"tls\",\"token\":\"operator\",\"from\":\"127.0.0.1\"}"));
	assert_non_null(strstr(journal, "\"by\":\"operator\",\"claimed\":\"somebody else\""));
	assert_non_null(
		strstr(journal, "\"what\":\"token\",\"change\":\"revoke\",\"id\":\"gone\""));
	assert_null(strstr(journal, operator_));
}

/* A stream is closed within seconds after its token was revoked. The record names the
 * reader. */
static void
stream_of_a_revoked_viewer_is_closed(void **state)
{
	static char watcher[TOKEN_TEXT], journal[1 << 20];
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char text[4096];
	ssize_t n;

	(void)state;
	new_token("watcher", "auditor", watcher);
	snprintf(un.sun_path, sizeof(un.sun_path), "%s", path("admin.sock"));
	assert_int_equal(connect(fd, (void *)&un, sizeof(un)), 0);
	int all = snprintf(text, sizeof(text),
		"GET /decisions/live HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer "
		"%s\r\n\r\n",
		watcher);
	assert_int_equal(send(fd, text, (size_t)all, MSG_NOSIGNAL), all);
	n = recv(fd, text, 12, MSG_WAITALL);
	assert_int_equal(n, 12);
	assert_memory_equal(text, "HTTP/1.1 200", 12);
	assert_int_equal(tollgate("", "admin-token", "revoke", "watcher", "--tokens",
				 path("tokens"), NULL),
		0);
	struct timeval most = { .tv_sec = 14 }; /* the stream has a comment every 15 s */
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof(most));
	while ((n = recv(fd, text, sizeof(text), 0)) > 0)
		;
	assert_int_equal(n, 0);
	close(fd);
	for (int i = 0; i < 100; i++) {
		snprintf(cmd_err, sizeof(cmd_err), "cat %s/j/* >%s", dir, path("all"));
		assert_int_equal(system(cmd_err), 0);
		cmd_slurp("all", journal, sizeof(journal));
		if (strstr(journal, "\"follow\":\"end\""))
			break;
		usleep(50000);
	}
	assert_non_null(strstr(journal, "\"read\":\"decisions live\""));
	assert_non_null(strstr(journal, "\"follow\":\"begin\""));
	assert_non_null(strstr(journal, "\"follow\":\"end\""));
}

static void
certificate_near_its_expiry_is_reported(void **state)
{
	const struct ask a = { .door = DOOR_UNIX, .path = "/readyz" };

	(void)state;
	for (int i = 0;
		i < 100 && !strstr(got.body, "degraded: certificate: the certificate of admin.tls "); i++)
		usleep(100000 * (ask(&a) > 0));
	assert_non_null(strstr(got.body, "degraded: certificate: the certificate of admin.tls ends 20"));
}

/* Every endpoint responds as openapi.json states. */
static void
endpoints_respond_as_openapi_states(void **state)
{
	const struct ask table = { .door = DOOR_UNIX, .path = "/openapi.json" };
	const char *at, *method, *name;
	json_t *path_item, *op;
	size_t n = 0;

	(void)state;
	assert_int_equal(ask(&table), 200);
	json_t *api = json_loads(got.body, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(api);
	assert_string_equal(json_string_value(json_object_get(api, "openapi")), "3.1.0");
	json_object_foreach(json_object_get(api, "paths"), at, path_item)
		json_object_foreach(path_item, method, op)
	{
		if (!json_is_object(op))
			continue;
		n++;
		json_t *content = json_object_get(
			json_object_get(
				json_object_get(json_object_get(op, "responses"), "200"),
				"content"),
			"application/json");
		bool is_post = !strcmp(method, "post");
		/* Streams have no end, and other tests cover changes. */
		if (strstr(at, "live") || strstr(at, "{file}"))
			continue;
		char upper[8] = "";
		for (size_t i = 0; method[i] && i < 7; i++)
			upper[i] = (char)(method[i] & ~0x20);
		const struct ask a = { .door = DOOR_UNIX,
			.path = at,
			.method = upper,
			.body = is_post ? "{}" : NULL };
		ask(&a);
		if (!got.status || strstr(got.body, "no such page") || got.status == 405 ||
			(got.status >= 500 && got.status != 503))
			fail_msg("%s %s: %ld %s", upper, at, got.status, got.body);
		if (!content || got.status == 302)
			continue;
		assert_non_null(strstr(got.head, "content-type: application/json"));
		json_t *o = json_loads(got.body, 0, NULL);
		if (!json_is_object(o))
			fail_msg("%s %s: no object: %s", upper, at, got.body);
		json_t *wanted = json_object_get(
			       json_object_get(content, "schema"), "properties"),
		       *type;
		if (got.status == 200)
			json_object_foreach(wanted, name, type)
			{
				const json_t *v = json_object_get(o, name);
				const char *t =
					json_string_value(json_object_get(type, "type"));
				bool fits = v &&
					    (!t				    ? true
						    : !strcmp(t, "array")   ? json_is_array(v)
						    : !strcmp(t, "object")  ? json_is_object(v)
						    : !strcmp(t, "string")  ? json_is_string(v)
						    : !strcmp(t, "boolean") ? json_is_boolean(v)
						    : !strcmp(t, "integer") ? json_is_integer(v)
						    : !strcmp(t, "number")  ? json_is_number(v)
									    : false);
				if (!fits)
					fail_msg("%s %s: %s is no %s in %s", upper, at, name,
						t ? t : "value", got.body);
			}
		else if (!json_is_string(json_object_get(o, "error")) && got.status != 422 &&
			 got.status != 202)
			fail_msg("%s %s: %ld without an error: %s", upper, at, got.status,
				got.body);
		json_decref(o);
	}
	json_decref(api);
	assert_int_equal(n, admin_endpoint_count);
}

static void
every_response_has_the_security_headers(void **state)
{
	static const char *const paths[] = { "/status", "/metrics", "/nope", "/console/",
		"/keys/new" };
	static const char *const fields[] = { "content-security-policy: default-src 'none'",
		"x-content-type-options: nosniff", "referrer-policy: no-referrer",
		"cross-origin-opener-policy: same-origin",
		"cross-origin-resource-policy: same-origin", "frame-ancestors 'none'" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(paths); i++) {
		const struct ask a = { .door = DOOR_UNIX, .path = paths[i] };
		ask(&a);
		for (size_t k = 0; k < COUNT_OF(fields); k++)
			if (!strstr(got.head, fields[k]))
				fail_msg("%s lacks %s: %s", paths[i], fields[k], got.head);
	}
}

/* The machine may pause for seconds, during which one more attempt is admitted. */
static void
asked_until_refused(const struct ask *wrong)
{
	for (int i = 0; i < 60; i++)
		if (ask(wrong) == 429)
			return;
	fail_msg("%s %s: never refused", wrong->path, wrong->token);
}

/* A valid token is admitted, whatever other callers sent from its address. */
static void
wrong_tokens_are_limited_by_source(void **state)
{
	const struct ask wrong = { .door = DOOR_TLS, .path = "/status", .token = "tga_wrong" },
			 right = { .door = DOOR_TLS, .path = "/status", .token = viewer },
			 metrics = { .door = DOOR_TCP, .path = "/metrics" };
	char cookie[SESSION_TEXT];
	unsigned let_in = 0;
	uint64_t began_us;

	(void)state;
	log_in(DOOR_TLS, viewer, cookie);
	began_us = clock_mono_us();
	for (int i = 0; i < 40; i++) {
		long status = ask(&wrong);
		let_in += status == 401;
		if (status == 429)
			assert_non_null(strstr(got.head, "retry-after: "));
		else
			assert_int_equal(status, 401);
	}
	assert_in_range(let_in, 1, 11 + (clock_mono_us() - began_us) / 6000000);
	asked_until_refused(&wrong);
	assert_int_equal(ask(&right), 200);
	asked_until_refused(&wrong);
	log_in(DOOR_TLS, viewer, cookie);
	const struct ask tcp = { .door = DOOR_TCP, .path = "/status", .token = "tcp-secret" },
			 tcp_wrong = { .door = DOOR_TCP, .path = "/status", .token = "x" };
	asked_until_refused(&tcp_wrong);
	assert_int_equal(ask(&tcp), 200);
	const struct ask session = { .door = DOOR_TLS, .path = "/status", .cookie = cookie },
			 socket = { .door = DOOR_UNIX, .path = "/status" };
	assert_int_equal(ask(&session), 200);
	assert_int_equal(ask(&socket), 200);
	assert_int_equal(ask(&metrics), 200);
	assert_non_null(strstr(got.body, "tollgate_admin_refused_total{why=\"rate\"} "));
	assert_null(strstr(got.body, "tollgate_admin_refused_total{why=\"rate\"} 0\n"));
}

static void
idle_connections_block_nobody(void **state)
{
	enum { MANY = 1000 };
	static int fd[MANY];
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons((uint16_t)tcp_port) };
	const struct ask metrics = { .door = DOOR_TCP, .path = "/metrics" };

	(void)state;
	for (size_t i = 0; i < MANY; i++) {
		fd[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (fd[i] >= 0 && connect(fd[i], (void *)&in, sizeof(in)) == 0 && i % 2)
			(void)!send(fd[i], "GET /metr", 9, MSG_NOSIGNAL);
	}
	assert_int_equal(ask(&metrics), 200);
	assert_null(strstr(got.body, "tollgate_admin_crowded_total 0\n"));
	for (size_t i = 0; i < MANY; i++)
		if (fd[i] >= 0)
			close(fd[i]);
}

int
main(int argc, char **argv)
{
	if (argc >
		1) /* the daemon's child process, which reads records and is this program too */
		return cmd_main(argc, argv);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_role_reaches_its_endpoints),
		cmocka_unit_test(browser_request_from_another_page_is_refused),
		cmocka_unit_test(ended_token_ends_its_sessions),
		cmocka_unit_test(changes_are_recorded_with_their_author),
		cmocka_unit_test(stream_of_a_revoked_viewer_is_closed),
		cmocka_unit_test(certificate_near_its_expiry_is_reported),
		cmocka_unit_test(endpoints_respond_as_openapi_states),
		cmocka_unit_test(every_response_has_the_security_headers),
		cmocka_unit_test(wrong_tokens_are_limited_by_source),
		cmocka_unit_test(idle_connections_block_nobody),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
