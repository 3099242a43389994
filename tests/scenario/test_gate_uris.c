/* URIs in several spellings through the gate: every MCP method that names a URI, and every
 * dialect in which the provider contacts a server. If a rule reads URIs, odd spellings are
 * refused, otherwise they pass. Both are counted. */
#include "scenario/gate_stage.h"

#define TOOLS                                                                                  \
	"providers:\n"                                                                         \
	"  tools: {backend: openai, dialect: mcp}\n"                                           \
	"routes:\n"                                                                            \
	"  - {name: tools, match: {path: /mcp}, targets: tools}\n"                             \
	"default: permit\n"
#define READS                                                                                  \
	TOOLS "rules:\n"                                                                       \
	      "  - {name: secrets, phase: tool, when: "                                        \
	      "'resource.uri.startsWith(\"secret:\")', "                                       \
	      "deny: {reason: no secrets}}\n"                                                  \
	      "  - {name: etc, phase: tool, when: "                                            \
	      "'resource.uri.startsWith(\"file:///etc\")', "                                   \
	      "deny: true}\n"
/* The policy names the server, but the request to it comes from outside. */
#define SERVER                                                                                 \
	TOOLS "rules: [{name: s, phase: tool, when: 'tool.server == \"tools\" && tool.name "   \
	      "== \"x\"', deny: true}]\n"
#define OTHERWISE                                                                              \
	TOOLS "rules: [{name: n, phase: tool, when: 'tool.name == \"x\"', deny: true}]\n"
#define SHADOWED                                                                               \
	TOOLS "rules: [{name: n, phase: tool, when: 'resource.uri == \"x:\"', mode: shadow, "  \
	      "deny: true}]\n"
#define RPC "{\"jsonrpc\":\"2.0\",\"id\":7,"
#define NEW "\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\"}"

/* The spellings as in JSON. */
static const char *const odd[] = { "SECRET://a", " secret://a", "secret://a ", "sec\\nret://a",
	"sec\\tret://a", "secret:\\\\\\\\a", "secret://a/%2e%2e/b", "secret://%61",
	"secret://A", "FILE:///etc/shadow", "file:///pub/../etc/shadow",
	"file:///pub/%2e%2e/etc/shadow", "file:///pub/.%2E/etc/shadow",
	"file:\\\\\\\\\\\\etc\\\\shadow", "file:/etc/shadow", "file:etc/shadow",
	"file://localhost/etc/shadow", "file:////etc/shadow", "file:///%65tc/shadow",
	"\\u0001file:///etc/shadow", "file:///\\u00e9tc", "FILE:", "\\u0000secret://a", "x" };
static const char *const plain[] = { "file:///home/me/notes.md", "note:///today",
	"memory:config", "urn:isbn:9780131103627", "https://example.com/a%20b?c=d#e",
	"postgres://db/table", "github://repo/issue/1" };

static const struct method {
	const char *name, *before, *after, *header;
} methods[] = {
	{ "resources/read", "\"uri\":\"", "\"", NULL },
	{ "resources/subscribe", "\"uri\":\"", "\"", NULL },
	{ "resources/unsubscribe", "\"uri\":\"", "\"", NULL },
	{ "completion/complete",
		"\"argument\":{\"name\":\"a\",\"value\":\"\"},\"ref\":{\"type\":\"ref/"
		"resource\",\"uri\":\"",
		"\"}", NULL },
	{ "resources/read", NEW ",\"uri\":\"", "\"", "mcp-protocol-version: 2026-07-28" },
	{ "subscriptions/listen",
		NEW ",\"notifications\":{\"toolsListChanged\":true,\"resourceSubscriptions\":["
		    "\"note://ok\",\"",
		"\"]}", "mcp-protocol-version: 2026-07-28" },
};

static void
ask_for(const char *policy, const struct method *m, const char *uri, bool refused)
{
	char body[1024], said[128], name[256];
	struct note n = { .person = "alice", .path = "/mcp", .body = body };
	struct stage s;
	struct call c;
	struct pass p;

	memset(&p, 0, sizeof(p));
	snprintf(body, sizeof(body), RPC "\"method\":\"%s\",\"params\":{%s%s%s}}", m->name,
		m->before, uri, m->after);
	if (m->header) {
		snprintf(said, sizeof(said), "mcp-method: %s", m->name);
		snprintf(name, sizeof(name), "mcp-name: %s", uri);
		n.headers[0] = m->header;
		n.headers[1] = said;
		n.headers[2] = strcmp(m->name, "resources/read") ? NULL : name;
	}
	/* a value that no header field can hold is a mismatch before that */
	if (n.headers[2] && (strchr(uri, '\\') || strchr(uri, ' ')))
		return;
	stage_up(&s, policy);
	call_do(&s, &n, &c);
	assert_string_equal(call_var(&c, "via"), "relay");
	assert_int_equal(pass_claim(&s, 1, &p, &c, (int64_t)strlen(body)), 0);
	char *bytes = strdup(body);
	assert_true(gate_hold(p.x, strlen(bytes)));
	gate_body(p.x, span_str(bytes), pass_ruled, &p);
	stage_settle(&s);
	if (p.denied != refused)
		fail_msg("%s %s: %s", m->name, uri, p.denied ? p.denial_body : "it is sent");
	if (refused && (p.denial.status != 200 || !strstr(p.denial_body, "\"code\":-32010,")))
		fail_msg("%s %s: %d %s", m->name, uri, p.denial.status, p.denial_body);
	pass_finish(&p, refused ? END_DENIED : END_COMPLETE, refused ? 0 : 200, 1, 1);
	stage_settle(&s);
	bool is_odd = false;
	for (size_t i = 0; i < COUNT_OF(odd); i++)
		is_odd |= !strcmp(odd[i], uri);
	if (is_odd && stage_count(&s, M_URI_REFUSED) + stage_count(&s, M_URI_PASSED) != 1)
		fail_msg("%s %s: it is not counted", m->name, uri);
	if (!refused && stage_count(&s, M_URI_PASSED) != is_odd)
		fail_msg("%s %s: %d passed", m->name, uri, is_odd);
	stage_down(&s);
	free(bytes);
}

static void
odd_uri_is_refused_if_a_rule_reads_uris(void **state)
{
	(void)state;
	for (size_t m = 0; m < COUNT_OF(methods); m++) {
		for (size_t i = 0; i < COUNT_OF(odd); i++)
			ask_for(READS, &methods[m], odd[i], true);
		for (size_t i = 0; i < COUNT_OF(plain); i++)
			ask_for(READS, &methods[m], plain[i], false);
		ask_for(READS, &methods[m], "secret://a", true);
		ask_for(SERVER, &methods[m], odd[0], true);
	}
	ask_for(READS, &methods[3], "note:///{day}", false);
	ask_for(READS, &methods[0], "note:///{day}", true);
}

static void
odd_uri_passes_if_no_rule_reads_uris(void **state)
{
	(void)state;
	for (size_t m = 0; m < COUNT_OF(methods); m++)
		for (size_t i = 0; i < COUNT_OF(odd); i += 3)
			ask_for(i % 2 ? OTHERWISE : TOOLS, &methods[m], odd[i], false);
	ask_for(SHADOWED, &methods[0], odd[0], false);
	ask_for("mode: shadow\n" READS, &methods[0], odd[0], false);
}

/* ---- servers that a provider contacts ---- */

#define ROUTES                                                                                 \
	"providers:\n"                                                                         \
	"  o: {backend: openai, dialect: openai}\n"                                            \
	"  a: {backend: anthropic, dialect: anthropic}\n"                                      \
	"  g: {backend: gemini, dialect: gemini}\n"                                            \
	"routes:\n"                                                                            \
	"  - {name: chat, match: {path: [/v1/chat/completions, /v1/responses]}, targets: "     \
	"[o]}\n"                                                                               \
	"  - {name: messages, match: {path_prefix: /v1/messages}, targets: [a]}\n"             \
	"  - {name: gemini, match: {path_prefix: /v1beta}, targets: [g]}\n"                    \
	"default: permit\n"
#define EVIL                                                                                   \
	ROUTES "rules: [{name: evil, phase: tool, when: "                                      \
	       "'resource.uri.startsWith(\"https://evil.example/\")', deny: true}]\n"
#define LABELS                                                                                 \
	ROUTES "rules: [{name: label, phase: tool, when: 'tool.server == \"b\"', deny: "       \
	       "true}]\n"
#define NAMES                                                                                  \
	ROUTES "rules: [{name: name, phase: tool, when: 'tool.name == \"x\"', deny: true}]\n"

static const struct hosted {
	const char *path, *before, *after;
} hosted[] = {
	{ "/v1/responses",
		"{\"model\":\"m\",\"input\":\"hello\",\"tools\":[{\"type\":\"mcp\",\"server_"
		"label\":\"s\",\"server_url\":\"",
		"\"}]}" },
	{ CHAT,
		"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}],"
		"\"tools\":[{\"type\":\"mcp\",\"server_label\":\"s\",\"server_url\":\"",
		"\"}]}" },
	{ "/v1/messages",
		"{\"model\":\"m\",\"max_tokens\":50,\"messages\":[{\"role\":\"user\","
		"\"content\":\"hello\"}],\"mcp_servers\":[{\"type\":\"url\",\"name\":\"s\","
		"\"url\":\"",
		"\"}]}" },
	{ "/v1beta/models/m:generateContent",
		"{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"hello\"}]}],"
		"\"tools\":[{\"mcpServers\":[{\"name\":\"s\",\"streamableHttpTransport\":{"
		"\"url\":\"",
		"\"}}]}]}" },
};
static const char *const odd_places[] = { "HTTPS://evil.example/mcp",
	"https://EVIL.example/mcp", " https://evil.example/mcp", "https://evil.example:443/mcp",
	"https:\\\\\\\\evil.example\\\\mcp", "https:/evil.example/mcp",
	"https:evil.example/mcp", "ht\\ntps://evil.example/mcp", "https://evil.ex%61mple/mcp",
	"https://evil.example./mcp", "https://evil.example/a/../mcp", "https://evil.example?x",
	"evil.example/mcp", "//evil.example/mcp", "https://ev\\u00edl.example/" };

static void
offer(const char *policy, const struct hosted *h, const char *place, bool refused)
{
	char body[1024];
	struct note n = { .person = "alice", .path = h->path, .body = body };
	struct stage s;
	struct call c;
	struct pass p;

	snprintf(body, sizeof(body), "%s%s%s", h->before, place, h->after);
	stage_up(&s, policy);
	call_do(&s, &n, &c);
	if (!strcmp(call_var(&c, "decision"), "deny") != refused)
		fail_msg("%s %s: %s", h->path, place, call_var(&c, "decision"));
	if (refused)
		assert_string_equal(call_var(&c, "status"), "403");
	if (!strcmp(call_var(&c, "via"), "relay") && !refused) {
		assert_int_equal(pass_claim(&s, 1, &p, &c, (int64_t)strlen(body)), 0);
		pass_finish(&p, END_COMPLETE, 200, -1, -1);
	}
	stage_settle(&s);
	stage_down(&s);
}

static void
odd_url_of_a_providers_server_is_refused_if_a_rule_reads_it(void **state)
{
	(void)state;
	for (size_t h = 0; h < COUNT_OF(hosted); h++) {
		for (size_t i = 0; i < COUNT_OF(odd_places); i++) {
			offer(EVIL, &hosted[h], odd_places[i], true);
			offer(i % 2 ? LABELS : NAMES, &hosted[h], odd_places[i], i % 2);
		}
		offer(EVIL, &hosted[h], "https://good.example/mcp", false);
		/* also with the trailing slash that every client adds */
		offer(EVIL, &hosted[h], "https://good.example", false);
		offer(EVIL, &hosted[h], "https://evil.example", true);
		offer(EVIL, &hosted[h], "http://10.0.0.7:8080/sse?a=b", false);
	}
	static const struct hosted id = { "/v1/responses",
		"{\"model\":\"m\",\"input\":\"hello\",\"tools\":[{\"type\":\"mcp\",\"server_"
		"label\":\"s\",\"connector_id\":\"",
		"\"}]}" };
	offer(EVIL, &id, "connector_gmail", false);
	offer(EVIL, &id, "HTTPS://evil.example/", true);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(odd_uri_is_refused_if_a_rule_reads_uris),
		cmocka_unit_test(odd_uri_passes_if_no_rule_reads_uris),
		cmocka_unit_test(odd_url_of_a_providers_server_is_refused_if_a_rule_reads_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
