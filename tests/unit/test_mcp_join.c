/* mcp/: responses of several servers as one, and sealed session ids. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/err.h"
#include "base/scoped.h"
#include "scan/mcp/join.h"
#include "scan/mcp/session.h"

#define ID	"\"tollgate\""
#define ANSWER(r) "{\"jsonrpc\":\"2.0\",\"id\":" ID ",\"result\":" r "}"

/* clang-format off */
static const struct {
	const char *name, *response, *tools, *next;
	bool events, found, error;
	int err;
} rows[] = {
	{ "names get the server's", ANSWER("{\"tools\":[{\"name\":\"a\"},{\"x\":[1],\"name\":\"b\",\"y\":{\"name\":\"c\"}}]}"),
		"{\"name\":\"one__a\"},{\"x\":[1],\"name\":\"one__b\",\"y\":{\"name\":\"c\"}}", "", false, true, false, 0 },
	{ "an entry without a name is left out", ANSWER("{\"tools\":[{\"title\":\"a\"},7,{\"name\":\"\"},{\"name\":3},{\"name\":\"b\"}]}"),
		"{\"name\":\"one__b\"}", "", false, true, false, 0 },
	{ "a name with an escape", ANSWER("{\"tools\":[{\"n\\u0061me\":\"\\u0061\"}]}"), "{\"n\\u0061me\":\"one__\\u0061\"}", "", false, true, false, 0 },
	{ "a cursor", ANSWER("{\"nextCursor\":\"\\u0032\",\"tools\":[]}"), "", "2", false, true, false, 0 },
	{ "another id", "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"tools\":[{\"name\":\"a\"}]}}", "", "", false, false, false, 0 },
	{ "an error", "{\"jsonrpc\":\"2.0\",\"id\":" ID ",\"error\":{\"code\":1,\"message\":\"x\"}}", "", "", false, false, true, 0 },
	{ "another's error", "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":1,\"message\":\"x\"}}", "", "", false, false, false, 0 },
	{ "tools that are no list", ANSWER("{\"tools\":{}}"), "", "", false, true, false, ERR_SYNTAX },
	{ "text behind it", ANSWER("{\"tools\":[]}") "x", "", "", false, false, false, ERR_SYNTAX },
	{ "events", "data: {\"jsonrpc\":\"2.0\",\"method\":\"m\"}\n\nid: 2\r\ndata: {\"jsonrpc\":\"2.0\",\"id\":" ID ",\r\ndata:\"result\":{\"tools\":[{\"name\":\"a\"}]}}\r\n\r\n",
		"{\"name\":\"one__a\"}", "", true, true, false, 0 },
	{ "events without an empty line at the end", "data: " ANSWER("{\"tools\":[{\"name\":\"a\"}]}"), "{\"name\":\"one__a\"}", "", true, true, false, 0 },
};

static const struct {
	const char *name, *was, *now; /* now NULL: no such name */
	size_t n;
} calls[] = {
	{ "a plain name", "{\"method\":\"tools/call\",\"params\":{\"name\":\"one__a\"}}", "{\"method\":\"tools/call\",\"params\":{\"name\":\"a\"}}", 5 },
	{ "the params' own name", "{\"name\":\"x\",\"params\":{\"arguments\":{\"name\":\"one__b\"},\"name\":\"one__a\"}}",
		"{\"name\":\"x\",\"params\":{\"arguments\":{\"name\":\"one__b\"},\"name\":\"a\"}}", 5 },
	{ "escapes", "{\"params\":{\"n\\u0061me\":\"on\\u0065\\u005f_a\"}}", "{\"params\":{\"n\\u0061me\":\"a\"}}", 5 },
	{ "no name", "{\"params\":{\"uri\":\"one__a\"}}", NULL, 5 },
};
/* clang-format on */

static void
responses_are_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct mcp_joined is;
		SCOPED_ARENA(a, 1 << 20, false);
		SCOPED_BUF(out, 1 << 20);
		int err = mcp_join_read(span_str(rows[i].response), rows[i].events,
			SPAN_LIT(ID), SPAN_LIT("one"), MCP_JOIN_TOOLS, &a, &out, &is);
		bool good = err == rows[i].err && is.found == rows[i].found &&
			    is.error == rows[i].error && span_is(is.next, rows[i].next) &&
			    (err || span_is(buf_view(&out), rows[i].tools));
		if (!good)
			print_error("%s: %d %.*s\n", rows[i].name, err, (int)out.n, out.p);
		assert_true(good);
	}
}

static void
calls_lose_the_servers_name(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
		SCOPED_ARENA(a, 1 << 20, false);
		SCOPED_BUF(out, 1 << 20);
		int err = mcp_join_unname(span_str(calls[i].was), calls[i].n, &a, &out);
		bool good = calls[i].now ? !err && span_is(buf_view(&out), calls[i].now)
					 : err == ERR_SYNTAX;
		if (!good)
			print_error("%s: %d %.*s\n", calls[i].name, err, (int)out.n, out.p);
		assert_true(good);
	}
}

static void
sealed_texts(void **state)
{
	static const unsigned char key[SHA256_BYTES] = { 1 }, other[SHA256_BYTES] = { 2 };
	static char longest[MCP_SEALED_MAX + 1];
	static const size_t sizes[] = { 0, 1, 2, 3, 700, MCP_SEALED_MAX };

	(void)state;
	memset(longest, 'x', sizeof(longest));
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		SCOPED_ARENA(a, 1 << 20, false);
		struct span text = span_of(longest, sizes[i]),
			    sealed = mcp_seal(key, text, &a), back = mcp_unseal(key, sealed, &a);
		assert_true(back.p && span_eq(back, text));
		assert_null(mcp_unseal(other, sealed, &a).p);
		assert_null(mcp_unseal(key, span_cut(sealed, 0, sealed.n - 1), &a).p);
		char *changed = arena_alloc(&a, sealed.n);
		memcpy(changed, sealed.p, sealed.n);
		changed[sealed.n / 2] = changed[sealed.n / 2] == 'A' ? 'B' : 'A';
		assert_null(mcp_unseal(key, span_of(changed, sealed.n), &a).p);
	}
	SCOPED_ARENA(a, 1 << 20, false);
	assert_null(mcp_seal(key, span_of(longest, sizeof(longest)), &a).p);
	assert_null(mcp_unseal(key, SPAN_LIT(""), &a).p);
	assert_null(mcp_unseal(key, SPAN_LIT("s-1.0123456789abcdef"), &a).p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(responses_are_read),
		cmocka_unit_test(calls_lose_the_servers_name),
		cmocka_unit_test(sealed_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
