/* The relay and logins to MCP servers: the gateway's own metadata document, and a server's
 * response that asks for a login of its own. */
#include "scenario/relay_stage.h"

#define DOCUMENT "{\"resource\":\"https://gw.example/mcp\"}"
#define GET(method)                                                                            \
	method " /.well-known/oauth-protected-resource/mcp HTTP/1.1\r\nhost: h\r\n" TICKET     \
	       "\r\n"
#define SECRET "sk-inside-0123456789"

static void
metadata_document_is_returned_by_the_relay(void **state)
{
	struct stage *s = *state;

	stage_start(s);
	s->gate.plan.body_mode = BODY_NONE;
	s->gate.plan.document = SPAN_LIT(DOCUMENT);
	struct peer edge = edge_connect(s);
	say(s, &edge, GET("GET"));
	until(s, heard(&edge, "\r\n\r\n" DOCUMENT));
	assert_true(heard(&edge, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"));
	assert_true(heard(&edge, FIELDS));
	assert_int_equal(s->gate.exchanges->result.end, END_COMPLETE);
	assert_int_equal(s->gate.exchanges->result.status, 200);
	buf_clear(&edge.in);
	/* the same connection is used again */
	say(s, &edge, GET("HEAD"));
	until(s, heard(&edge, "content-length: 37\r\n\r\n"));
	pass(s, 5);
	assert_false(heard(&edge, "resource\":"));
	assert_int_equal(s->gate.exchanges->sent, 0);
	no_egress(s);
	peer_close(&edge);
}

/* A document request that cannot be recorded is not answered. */
static void
metadata_document_waits_for_its_record(void **state)
{
	struct stage *s = *state;

	stage_start(s);
	s->gate.plan.body_mode = BODY_NONE;
	s->gate.plan.document = SPAN_LIT(DOCUMENT);
	s->gate.plan.unrecorded = true;
	s->gate.deny = true;
	struct peer edge = edge_connect(s);
	say(s, &edge, GET("GET"));
	until(s, s->gate.finishes == 1);
	assert_false(heard(&edge, DOCUMENT));
	peer_close(&edge);
}

static void
login_request_of_a_server_is_not_forwarded(void **state)
{
	static const struct {
		const char *name, *head;
		bool mcp, passes;
	} rows[] = {
		{ "litellm#27847: 401 with a challenge",
			"401 Unauthorized\r\nwww-authenticate: Bearer "
			"resource_metadata=\"http://10.0.0.7/" SECRET "\"\r\n",
			true, false },
		{ "401 without a challenge", "401 Unauthorized\r\n", true, false },
		{ "litellm#29936: 403 with a challenge",
			"403 Forbidden\r\nWWW-Authenticate: Bearer "
			"error=\"insufficient_scope\"\r\n",
			true, false },
		{ "403 without a challenge", "403 Forbidden\r\n", true, true },
		{ "a challenge with another status",
			"200 OK\r\nwww-authenticate: Bearer\r\nproxy-authenticate: Basic\r\n",
			true, true },
		{ "a route that is not an MCP route",
			"401 Unauthorized\r\nwww-authenticate: Bearer\r\n", false, true },
	};
	struct stage *s = *state;

	stage_start(s);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char answer[512];
		s->gate.plan.sessions = rows[i].mcp;
		s->gate.plan.dialect =
			dialect_find(rows[i].mcp ? SPAN_LIT("mcp") : SPAN_LIT("openai"));
		snprintf(answer, sizeof(answer), "HTTP/1.1 %scontent-length: 20\r\n\r\n" SECRET,
			rows[i].head);
		struct peer edge = edge_connect(s);
		say(s, &edge, POST("content-length: 1\r\n") "x");
		struct peer up = egress_accept(s);
		until(s, heard(&up, "\r\n\r\nx"));
		say(s, &up, answer);
		size_t finishes = i + 1;
		until(s, s->gate.finishes == finishes && heard(&edge, "\r\n\r\n"));
		bool secret = heard(&edge, SECRET), failed = heard(&edge, "HTTP/1.1 502 ");
		bool says = heard(&edge, "authenticate:");
		if (secret != rows[i].passes || failed == rows[i].passes ||
			says != !rows[i].mcp ||
			(failed &&
				!heard(&edge, "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":")))
			fail_msg("%s: %.*s", rows[i].name, SPAN_ARG(buf_view(&edge.in)));
		/* the record has the server's status */
		assert_int_equal(s->gate.exchanges->result.status, atoi(rows[i].head));
		assert_int_equal(s->gate.exchanges->result.end, END_COMPLETE);
		if (failed)
			assert_string_equal(s->gate.exchanges->result.why,
				"the MCP server rejects the gateway's credential and requires "
				"a login of its own");
		peer_close(&edge);
		peer_close(&up);
		pass(s, 2);
	}
}

/* The client would repeat its request there, with the values before any replacement. */
static void
redirect_to_another_host_is_not_forwarded(void **state)
{
	static const struct {
		const char *to;
		bool mcp, passes;
	} rows[] = {
		{ "http://10.0.0.7:9/mcp", true, false },
		{ "//evil.example/mcp", true, false },
		{ "/\\evil.example", true, false },
		{ "https:evil.example", true, false },
		{ "http://h.evil.example/", true, false },
		{ "http://h@evil.example/", true, false },
		{ "/mcp/", true, true },
		{ "http://h/mcp/", true, true },
		{ "http://10.0.0.7:9/mcp", false, true },
	};
	struct stage *s = *state;

	stage_start(s);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char answer[256];
		s->gate.plan.sessions = rows[i].mcp;
		s->gate.plan.dialect =
			dialect_find(rows[i].mcp ? SPAN_LIT("mcp") : SPAN_LIT("openai"));
		snprintf(answer, sizeof(answer),
			"HTTP/1.1 307 Temporary Redirect\r\nlocation: %s\r\n"
			"content-length: 0\r\n\r\n",
			rows[i].to);
		struct peer edge = edge_connect(s);
		say(s, &edge, POST("content-length: 1\r\n") "x");
		struct peer up = egress_accept(s);
		until(s, heard(&up, "\r\n\r\nx"));
		say(s, &up, answer);
		size_t finishes = i + 1;
		until(s, s->gate.finishes == finishes && heard(&edge, "\r\n\r\n"));
		if (heard(&edge, "HTTP/1.1 307 ") != rows[i].passes ||
			heard(&edge, "HTTP/1.1 502 ") == rows[i].passes ||
			heard(&edge, rows[i].to) != rows[i].passes)
			fail_msg("%s: %.*s", rows[i].to, SPAN_ARG(buf_view(&edge.in)));
		assert_int_equal(s->gate.exchanges->result.status, 307);
		peer_close(&edge);
		peer_close(&up);
		pass(s, 2);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(metadata_document_is_returned_by_the_relay,
			relay_setup, relay_teardown),
		cmocka_unit_test_setup_teardown(
			metadata_document_waits_for_its_record, relay_setup, relay_teardown),
		cmocka_unit_test_setup_teardown(login_request_of_a_server_is_not_forwarded,
			relay_setup, relay_teardown),
		cmocka_unit_test_setup_teardown(
			redirect_to_another_host_is_not_forwarded, relay_setup, relay_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
