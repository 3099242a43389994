/* How an MCP client learns where to log in and with which scope, and what web pages cannot
 * reach: the document of RFC 9728, challenges of 401 and 403, Origin and Host. */
#include "scenario/gate_stage.h"

#define PROVIDERS                                                                              \
	"providers:\n  tools: {backend: openai, dialect: mcp}\n"                               \
	"  model: {backend: openai, dialect: openai}\n"
#define TWO                                                                                    \
	PROVIDERS                                                                              \
	"routes:\n"                                                                            \
	"  - name: tickets\n"                                                                  \
	"    match: {host: [gw.example, other.example], path: [/mcp/tickets, /mcp]}\n"         \
	"    targets: tools\n"                                                                 \
	"    login: {resource: 'https://gw.example/mcp/tickets', authorization_servers: "      \
	"['https://login.example/t'], scopes_supported: [tickets:read, tickets:write], "       \
	"scope: tickets:read}\n"                                                               \
	"  - {name: bare, match: {path: /bare}, targets: tools}\n"                             \
	"  - {name: chat, match: {path: /v1/chat/completions}, dialect: openai, backend: "     \
	"openai}\n"                                                                            \
	"  - name: wiki\n"                                                                     \
	"    match: {host: gw.example, path: /mcp/wiki}\n"                                     \
	"    targets: tools\n"                                                                 \
	"    login: {authorization_servers: ['https://login.example']}\n"                      \
	"rules:\n"                                                                             \
	"  - {name: known, when: 'identity.method == \"none\"', deny: {status: 401, reason: "  \
	"sign in}}\n"                                                                          \
	"  - {name: bobs, when: 'identity.person == \"bob\"', deny: {scope: tickets:read "     \
	"tickets:bob}}\n"                                                                      \
	"  - {name: writes, phase: tool, when: 'tool.name == \"create\"', deny: {scope: "      \
	"tickets:write, reason: writing needs a further login}}\n"                             \
	"  - {name: fails, phase: tool, when: 'tool.arguments.n > 1', deny: {scope: "          \
	"tickets:n}}\n"                                                                        \
	"default: permit\n"
#define ONE                                                                                    \
	PROVIDERS                                                                              \
	"routes: [{name: tickets, match: {path: /mcp}, targets: tools, login: {resource: "     \
	"'https://gw.example:8443/mcp', authorization_servers: ['https://login.example']}}]\n" \
	"default: permit\n"

#define VOICE                                                                                  \
	PROVIDERS                                                                              \
	"routes: [{name: voice, match: {path: /v1/realtime}, targets: model, websocket: "      \
	"true}]\ndefault: permit\n"

#define WELL_KNOWN "/.well-known/oauth-protected-resource"
#define TICKETS                                                                                \
	"{\"resource\":\"https://gw.example/mcp/tickets\",\"authorization_servers\":["         \
	"\"https://login.example/t\"],\"scopes_supported\":[\"tickets:read\","                 \
	"\"tickets:write\"],\"bearer_methods_supported\":[\"header\"]}"
#define WIKI                                                                                   \
	"{\"resource\":\"https://gw.example/mcp/wiki\",\"authorization_servers\":["            \
	"\"https://login.example\"],\"bearer_methods_supported\":[\"header\"]}"
#define MCP                                                                                    \
	"{\"resource\":\"https://gw.example:8443/mcp\",\"authorization_servers\":["            \
	"\"https://login.example\"],\"bearer_methods_supported\":[\"header\"]}"
#define CALL(name, arguments)                                                                  \
	"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tools/call\",\"params\":{\"name\":\"" name \
	"\",\"arguments\":{" arguments "}}}"

/* The relay returns these documents itself and sends nothing upstream. */
static void
metadata_document_names_the_requested_url(void **state)
{
	/* clang-format off */
	static const struct {
		const char *name, *policy, *method, *path, *host, *document; /* NULL: 404 */
	} rows[] = {
		{ "by the route's path", TWO, "GET", WELL_KNOWN "/mcp/tickets", "gw.example", TICKETS },
		{ "with a port", TWO, "GET", WELL_KNOWN "/mcp/tickets", "gw.example:443", TICKETS },
		{ "HEAD", TWO, "HEAD", WELL_KNOWN "/mcp/tickets", "gw.example", TICKETS },
		{ "with the host and path of its route", TWO, "GET", WELL_KNOWN "/mcp/wiki", "gw.example", WIKI },
		{ "not for a POST", TWO, "POST", WELL_KNOWN "/mcp/tickets", "gw.example", NULL },
		{ "mcp-auth-proxy#177: the root stands for neither of two routes", TWO, "GET", WELL_KNOWN, "gw.example", NULL },
		{ "mcp-auth-proxy#177: the root stands for the only route", ONE, "GET", WELL_KNOWN, "gw.example", MCP },
		{ "another path of the route has no document", TWO, "GET", WELL_KNOWN "/mcp", "gw.example", NULL },
		{ "a path below the resource has no document", TWO, "GET", WELL_KNOWN "/mcp/tickets/x", "gw.example", NULL },
		{ "a route without login has no document", TWO, "GET", WELL_KNOWN "/bare", "gw.example", NULL },
		{ "agentgateway#545: the document does not contain the request's Host", ONE, "GET", WELL_KNOWN "/mcp", "inner.local", NULL },
		{ "another host of the route has no document", TWO, "GET", WELL_KNOWN "/mcp/tickets", "other.example", NULL },
	};
	/* clang-format on */
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char host[64];
		struct stage s;
		struct call c;
		struct pass p;
		snprintf(host, sizeof(host), "host: %s", rows[i].host);
		struct note n = { .method = rows[i].method,
			.path = rows[i].path,
			.no_host = true,
			.headers = { host, "authorization: Bearer anything" } };
		stage_up(&s, rows[i].policy);
		call_do(&s, &n, &c);
		if (!rows[i].document) {
			if (strcmp(call_var(&c, "status"), "404"))
				fail_msg("%s: %s", rows[i].name, call_var(&c, "status"));
			assert_string_equal(call_var(&c, "challenge"), "");
		} else {
			if (strcmp(call_var(&c, "decision"), "permit") ||
				strcmp(call_var(&c, "via"), "relay"))
				fail_msg("%s: %s", rows[i].name, call_var(&c, "error"));
			pass_send(&s, 1, &p, call_var(&c, "ticket"), rows[i].method, -1);
			stage_settle(&s);
			assert_non_null(p.x);
			struct span d = gate_plan(p.x)->document;
			if (!span_is(d, rows[i].document))
				fail_msg("%s: %.*s", rows[i].name, SPAN_ARG(d));
			assert_int_equal(gate_plan(p.x)->head.nfields, 0);
			pass_finish(&p, END_COMPLETE, 200, 0, 0);
			stage_settle(&s);
			assert_string_equal(stage_field(0, "decision"), "permit");
			assert_string_equal(stage_field(0, "identity.method"), "none");
			assert_string_equal(stage_field(1, "outcome"), "complete");
		}
		stage_settle(&s);
		stage_down(&s);
	}
}

/* Fields that the caller receives: variables of the ACK, or header lines of the relay's
 * denial. */
struct told {
	char decision[16], status[8], challenge[1600], body[1024];
};

static void
ask(const char *policy, const struct note *n, struct told *t)
{
	struct stage s;
	struct call c;
	struct pass p;

	memset(t, 0, sizeof(*t));
	stage_up(&s, policy);
	call_do(&s, n, &c);
	snprintf(t->decision, sizeof(t->decision), "%s", call_var(&c, "decision"));
	snprintf(t->status, sizeof(t->status), "%s", call_var(&c, "status"));
	snprintf(t->challenge, sizeof(t->challenge), "%s", call_var(&c, "challenge"));
	snprintf(t->body, sizeof(t->body), "%s", call_var(&c, "error"));
	if (!strcmp(t->decision, "defer")) {
		char *bytes = strdup(n->body);
		assert_int_equal(pass_claim(&s, 1, &p, &c, (int64_t)strlen(bytes)), 0);
		assert_true(gate_hold(p.x, strlen(bytes)));
		gate_body(p.x, span_str(bytes), pass_ruled, &p);
		stage_settle(&s);
		snprintf(t->decision, sizeof(t->decision), "%s", p.denied ? "deny" : "permit");
		if (p.denied) {
			const char *at = strstr(p.denial_fields, "x-tollgate-challenge: ");
			snprintf(t->status, sizeof(t->status), "%d", p.denial.status);
			snprintf(t->body, sizeof(t->body), "%s", p.denial_body);
			if (at)
				snprintf(t->challenge, sizeof(t->challenge), "%.*s",
					(int)strcspn(at + 22, "\r"), at + 22);
		} else {
			for (size_t i = 0; i < gate_plan(p.x)->head.nfields; i++)
				assert_false(span_ieq(gate_plan(p.x)->head.fields[i].name,
					SPAN_LIT("authorization")));
		}
		pass_finish(&p, p.denied ? END_DENIED : END_COMPLETE, p.denied ? 0 : 200, 1, 1);
		stage_settle(&s);
		free(bytes);
	} else if (!strcmp(t->decision, "permit")) {
		pass_send(
			&s, 1, &p, call_var(&c, "ticket"), n->method ? n->method : "POST", -1);
		stage_settle(&s);
		pass_finish(&p, END_COMPLETE, 200, 0, 0);
	}
	stage_settle(&s);
	stage_down(&s);
}

#define META(path) "resource_metadata=\"https://gw.example" WELL_KNOWN path "\""

static void
challenge_names_the_metadata_and_scope(void **state)
{
	/* clang-format off */
	static const struct {
		const char *name, *path, *person, *body, *header, *status, *challenge, *says;
	} rows[] = {
		{ "modelcontextprotocol#581: no credential", "/mcp/tickets", NULL, CALL("list", ""), NULL, "401",
			"Bearer " META("/mcp/tickets") ", scope=\"tickets:read\"", "sign in" },
		{ "an invalid credential", "/mcp/tickets", NULL, CALL("list", ""), "authorization: Bearer tg_no", "401",
			"Bearer " META("/mcp/tickets") ", scope=\"tickets:read\", error=\"invalid_token\"", "does not verify" },
		{ "a session without a credential", "/mcp/tickets", NULL, CALL("list", ""), "mcp-session-id: s-1.00", "401",
			"Bearer " META("/mcp/tickets") ", scope=\"tickets:read\"", "sign in" },
		{ "no credential and no message",  "/mcp/tickets", NULL, NULL, NULL, "401",
			"Bearer " META("/mcp/tickets") ", scope=\"tickets:read\"", "sign in" },
		{ "no scope is known", "/mcp/wiki", NULL, CALL("list", ""), NULL, "401", "Bearer " META("/mcp/wiki"), "sign in" },
		{ "an MCP route without login", "/bare", NULL, CALL("list", ""), NULL, "401", "", "sign in" },
		{ "a route to a model", "/v1/chat/completions", NULL, "{\"model\":\"m\",\"messages\":[]}", NULL, "401", "", "sign in" },
		{ "a call that needs another scope", "/mcp/tickets", "alice", CALL("create", ""), NULL, "403",
			"Bearer error=\"insufficient_scope\", " META("/mcp/tickets") ", scope=\"tickets:read tickets:write\"",
			"\"id\":7,\"error\":{\"code\":-32010,\"message\":\"writing needs a further login" },
		{ "a route without login settings", "/bare", "alice", CALL("create", ""), NULL, "403",
			"Bearer error=\"insufficient_scope\", scope=\"tickets:write\"", "writing needs" },
		{ "a caller without the scope for any call", "/mcp/tickets", "bob", CALL("list", ""), NULL, "403",
			"Bearer error=\"insufficient_scope\", " META("/mcp/tickets") ", scope=\"tickets:read tickets:bob\"", "\"code\":-32010" },
		{ "a denial on a route to a model", "/v1/chat/completions", "bob", "{\"model\":\"m\",\"messages\":[]}", NULL, "403",
			"Bearer error=\"insufficient_scope\", scope=\"tickets:read tickets:bob\"", "insufficient_scope" },
		{ "a session of another person", "/mcp/tickets", "alice", CALL("list", ""), "mcp-session-id: s-1.00", "404", "", "session" },
		{ "a rule that fails asks for no login", "/mcp/tickets", "alice", CALL("list", "\"n\":\"x\""), NULL, "200", "", "isError" },
		{ "a permitted call", "/mcp/tickets", "alice", CALL("list", "\"n\":1"), NULL, "", "", "" },
	};
	/* clang-format on */
	struct told t;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		ask(TWO,
			&(struct note){ .path = rows[i].path,
				.person = rows[i].person,
				.body = rows[i].body,
				.method = rows[i].body ? NULL : "GET",
				.headers = { rows[i].header } },
			&t);
		if (strcmp(t.status, rows[i].status) ||
			strcmp(t.challenge, rows[i].challenge) || !strstr(t.body, rows[i].says))
			fail_msg("%s: %s\n%s\n%s", rows[i].name, t.status, t.challenge, t.body);
	}
}

/* If no rule refuses an anonymous caller, the session of another caller does. */
static void
anonymous_caller_cannot_use_a_session_of_others(void **state)
{
	struct told t;

	(void)state;
	for (int posts = 0; posts < 2; posts++) {
		ask(ONE,
			&(struct note){ .path = "/mcp",
				.body = posts ? CALL("list", "") : NULL,
				.method = posts ? NULL : "GET",
				.headers = { "mcp-session-id: s-1.00" } },
			&t);
		assert_string_equal(t.status, "404");
		assert_non_null(strstr(t.body, "session_not_found"));
	}
}

static void
unlisted_origin_and_wrong_host_are_refused(void **state)
{
	/* clang-format off */
	static const struct {
		const char *name, *path, *host, *origin, *second, *listed, *status, *code;
		bool older;
	} rows[] = {
		{ "a request without Origin", "/mcp/tickets", "gw.example", NULL, NULL, NULL, "", "", false },
		{ "golang/vulndb#4179: a page that is not listed", "/mcp/tickets", "gw.example", "origin: http://evil.example", NULL, NULL, "403", "origin_not_listed", false },
		{ "golang/vulndb#4179: a page with its own name as Host", "/mcp/tickets", "evil.example", "origin: http://evil.example", NULL, NULL, "403", "wrong_host", false },
		{ "golang/vulndb#4179: a foreign Host without Origin", "/mcp/tickets", "evil.example", NULL, NULL, NULL, "403", "wrong_host", false },
		{ "an IP address as Host", "/mcp/wiki", "127.0.0.1:8080", NULL, NULL, NULL, "403", "wrong_host", false },
		{ "a listed Origin", "/mcp/tickets", "gw.example", "origin: https://app.example", NULL, "https://app.example", "", "", false },
		{ "an Origin other than the listed one", "/mcp/tickets", "gw.example", "origin: https://app.example", NULL, "https://app2.example", "403", "origin_not_listed", false },
		{ "two Origins, of which one is listed", "/mcp/tickets", "gw.example", "origin: https://evil.example", "origin: https://app.example", "https://app.example", "403", "origin_not_listed", false },
		{ "an empty Origin", "/mcp/tickets", "gw.example", "origin:", NULL, NULL, "403", "origin_not_listed", false },
		{ "Origin null", "/mcp/tickets", "gw.example", "origin: null", NULL, NULL, "403", "origin_not_listed", false },
		{ "a route without login", "/bare", "any.example", "origin: null", NULL, NULL, "403", "origin_not_listed", false },
		{ "an older spoe.cfg, which cannot list an Origin", "/mcp/tickets", "gw.example", "origin: https://app.example", NULL, NULL, "403", "origin_not_listed", true },
		{ "an older spoe.cfg, and no Origin", "/mcp/tickets", "gw.example", NULL, NULL, NULL, "", "", true },
		{ "a route to a model", "/v1/chat/completions", "evil.example", "origin: http://evil.example", NULL, NULL, "", "", false },
		{ "no route at all", "/nowhere", "evil.example", NULL, NULL, NULL, "404", "no_route", false },
	};
	/* clang-format on */
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char host[64];
		struct stage s;
		struct call c;
		snprintf(host, sizeof(host), "host: %s", rows[i].host);
		struct note n = { .path = rows[i].path,
			.person = "alice",
			.no_host = true,
			.headers = { host, rows[i].origin, rows[i].second },
			.body = CALL("list", "\"n\":1"),
			.origin = rows[i].listed,
			.no_origin = rows[i].older };
		stage_up(&s, TWO);
		call_send(&s, 0, &n, &c);
		stage_settle(&s);
		if (strcmp(call_var(&c, "status"), rows[i].status))
			fail_msg("%s: %s %s", rows[i].name, call_var(&c, "status"),
				call_var(&c, "error"));
		if (*rows[i].code) {
			if (strcmp(stage_field(0, "code"), rows[i].code))
				fail_msg("%s: %s", rows[i].name, stage_field(0, "code"));
			assert_string_equal(call_var(&c, "challenge"), "");
			assert_string_equal(stage_field(0, "identity.method"), "none");
		}
		if (*call_var(&c, "ticket"))
			stage_pass(&s, 60000000);
		stage_settle(&s);
		stage_down(&s);
	}
}

/* An anonymous caller is identified only by its address. Therefore the Origin of a page must be
 * listed, as for a caller who has only a certificate. */
static void
websocket_of_an_unlisted_origin_is_refused(void **state)
{
	/* clang-format off */
	static const struct {
		const char *name, *person, *origin, *listed, *code;
		bool older;
	} rows[] = {
		{ "no Origin and no credential", NULL, NULL, NULL, "", false },
		{ "an Origin and no credential", NULL, "origin: https://evil.example", NULL, "origin_not_listed", false },
		{ "an Origin other than the listed one", NULL, "origin: https://evil.example", "https://app.example", "origin_not_listed", false },
		{ "the Origin null of a sandboxed frame", NULL, "origin: null", NULL, "origin_not_listed", false },
		{ "a listed Origin", NULL, "origin: https://app.example", "https://app.example", "", false },
		{ "an older spoe.cfg, which cannot list an Origin", NULL, "origin: https://app.example", NULL, "origin_not_listed", true },
		{ "no Origin, and a key", "alice", NULL, NULL, "", false },
		{ "an unlisted Origin, and a key", "alice", "origin: https://evil.example", NULL, "", false },
	};
	/* clang-format on */
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct stage s;
		struct call c;
		struct note n = { .method = "GET",
			.path = "/v1/realtime",
			.query = "model=gpt-realtime",
			.person = rows[i].person,
			.headers = { "upgrade: websocket", "connection: upgrade",
				"sec-websocket-version: 13",
				"sec-websocket-key: MDEyMzQ1Njc4OWFiY2RlZg==", rows[i].origin },
			.origin = rows[i].listed,
			.no_origin = rows[i].older };
		stage_up(&s, VOICE);
		call_send(&s, 0, &n, &c);
		stage_settle(&s);
		if (strcmp(call_var(&c, "status"), *rows[i].code ? "403" : ""))
			fail_msg("%s: %s %s", rows[i].name, call_var(&c, "status"),
				call_var(&c, "error"));
		if (*rows[i].code)
			assert_string_equal(stage_field(0, "code"), rows[i].code);
		if (*call_var(&c, "ticket"))
			stage_pass(&s, 60000000);
		stage_settle(&s);
		stage_down(&s);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(metadata_document_names_the_requested_url),
		cmocka_unit_test(challenge_names_the_metadata_and_scope),
		cmocka_unit_test(anonymous_caller_cannot_use_a_session_of_others),
		cmocka_unit_test(unlisted_origin_and_wrong_host_are_refused),
		cmocka_unit_test(websocket_of_an_unlisted_origin_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
