/* HTTP/1.1 heads and body framing: accepted and refused input. The result must not depend on
 * how the bytes arrive. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "base/caps.h"
#include "base/codec/http.h"
#include "base/err.h"
#include "support/guard.h"

#define MAX 16

struct parsed {
	ssize_t n;
	struct http_message m;
	struct http_field fields[MAX];
};

static void
parse(bool response, bool to_head, struct span in, struct http_scan *scan, struct parsed *out)
{
	out->n = response ? http_parse_response(in, scan, out->fields, MAX, to_head, &out->m)
			  : http_parse_request(in, scan, out->fields, MAX, &out->m);
}

/* Parses the head whole, before a guard page, with bytes after it, and byte by byte with the
 * scan state kept: the same result each time. *out gets the result of parsing `in` itself. */
static void
parse_all_ways(bool response, bool to_head, struct span in, struct parsed *out)
{
	struct parsed other;
	struct http_scan scan = { 0, 0 };

	parse(response, to_head, in, &scan, out);
	char *copy = guard_dup(in.p, in.n);
	scan = (struct http_scan){ 0, 0 };
	parse(response, to_head, span_of(copy, in.n), &scan, &other);
	assert_int_equal(other.n, out->n);
	scan = (struct http_scan){ 0, 0 };
	ssize_t n = 0;
	for (size_t cut = 0; cut <= in.n && n == 0; cut++) {
		/* Every prefix has its own guard page. */
		char *prefix = guard_dup(in.p, cut);
		parse(response, to_head, span_of(prefix, cut), &scan, &other);
		n = other.n;
		guard_free(prefix, cut);
	}
	assert_int_equal(n, out->n);
	/* From the start at every cut: no head is accepted before its end. */
	if (out->n > 0)
		for (size_t cut = 0; cut < (size_t)out->n; cut++) {
			scan = (struct http_scan){ 0, 0 };
			parse(response, to_head, span_of(copy + in.n - cut, 0), &scan, &other);
			assert_int_equal(other.n, 0);
			scan = (struct http_scan){ 0, 0 };
			parse(response, to_head, span_of(in.p, cut), &scan, &other);
			assert_int_equal(other.n, 0);
		}
	guard_free(copy, in.n);
}

/* want: 1 accepted, else the error. */
struct head_case {
	const char *name;
	struct span in;
	int want;
	enum http_framing framing;
	uint64_t length;
};

#define REQ(head) SPAN_LIT("POST /v1/x?a=b HTTP/1.1\r\nhost: h\r\n" head "\r\n")
#define RES(head) SPAN_LIT("HTTP/1.1 200 OK\r\n" head "\r\n")

/* clang-format off */
static const struct head_case requests[] = {
	{ "a request without a length has no body", REQ(""), 1, HTTP_NO_BODY, 0 },
	{ "Content-Length counts the body", REQ("Content-Length: 17\r\n"), 1, HTTP_LENGTH, 17 },
	{ "leading zeros in a length are digits like others", REQ("content-length: 0017\r\n"), 1, HTTP_LENGTH, 17 },
	{ "a length of zero is a length", REQ("content-length: 0\r\n"), 1, HTTP_LENGTH, 0 },
	{ "chunked is chunked in any case", REQ("Transfer-Encoding: CHUNKED\r\n"), 1, HTTP_CHUNKED, 0 },
	{ "an empty value is a value", REQ("x-empty:\r\n"), 1, HTTP_NO_BODY, 0 },
	{ "an empty value before the end", REQ("x-empty: \t \r\n"), 1, HTTP_NO_BODY, 0 },
	{ "bytes of UTF-8 may stand in a value", REQ("x: gr\xc3\xbc\xc3\x9f\r\n"), 1, HTTP_NO_BODY, 0 },
	{ "tabs may stand in a value", REQ("x: a\tb\r\n"), 1, HTTP_NO_BODY, 0 },
	{ "an absolute target is a target", SPAN_LIT("GET http://h/a HTTP/1.1\r\n\r\n"), 1, HTTP_NO_BODY, 0 },

	{ "length and chunked together", REQ("content-length: 5\r\ntransfer-encoding: chunked\r\n"), ERR_AMBIGUOUS, 0, 0 },
	{ "chunked and length together", REQ("transfer-encoding: chunked\r\ncontent-length: 5\r\n"), ERR_AMBIGUOUS, 0, 0 },
	{ "two different lengths", REQ("content-length: 5\r\ncontent-length: 6\r\n"), ERR_AMBIGUOUS, 0, 0 },
	{ "two equal lengths", REQ("content-length: 5\r\ncontent-length: 5\r\n"), ERR_AMBIGUOUS, 0, 0 },
	{ "a list of lengths", REQ("content-length: 5, 5\r\n"), ERR_AMBIGUOUS, 0, 0 },
	{ "a signed length", REQ("content-length: +5\r\n"), ERR_AMBIGUOUS, 0, 0 },
	{ "a negative length", REQ("content-length: -5\r\n"), ERR_AMBIGUOUS, 0, 0 },
	{ "an empty length", REQ("content-length: \r\n"), ERR_AMBIGUOUS, 0, 0 },
	{ "a hexadecimal length", REQ("content-length: 0x5\r\n"), ERR_AMBIGUOUS, 0, 0 },
	{ "a length with a space inside", REQ("content-length: 1 0\r\n"), ERR_AMBIGUOUS, 0, 0 },
	{ "a length over 2^64", REQ("content-length: 18446744073709551617\r\n"), ERR_AMBIGUOUS, 0, 0 },
	{ "a length over 2^60", REQ("content-length: 9223372036854775807\r\n"), ERR_AMBIGUOUS, 0, 0 },
	{ "gzip, chunked", REQ("transfer-encoding: gzip, chunked\r\n"), ERR_AMBIGUOUS, 0, 0 },
	{ "chunked, identity", REQ("transfer-encoding: chunked, identity\r\n"), ERR_AMBIGUOUS, 0, 0 },
	{ "identity", REQ("transfer-encoding: identity\r\n"), ERR_AMBIGUOUS, 0, 0 },
	{ "chunked twice", REQ("transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n"), ERR_AMBIGUOUS, 0, 0 },
	{ "chunked in quotes", REQ("transfer-encoding: \"chunked\"\r\n"), ERR_AMBIGUOUS, 0, 0 },
	{ "xchunked", REQ("transfer-encoding: xchunked\r\n"), ERR_AMBIGUOUS, 0, 0 },
	{ "an empty transfer coding", REQ("transfer-encoding:\r\n"), ERR_AMBIGUOUS, 0, 0 },

	{ "a folded line", REQ("x: a\r\n b\r\n"), ERR_SYNTAX, 0, 0 },
	{ "a line folded with a tab", REQ("x: a\r\n\tb\r\n"), ERR_SYNTAX, 0, 0 },
	{ "a folded transfer coding", REQ("transfer-encoding:\r\n chunked\r\n"), ERR_SYNTAX, 0, 0 },
	{ "a space before the colon", REQ("content-length : 5\r\n"), ERR_SYNTAX, 0, 0 },
	{ "a tab before the colon", REQ("transfer-encoding\t: chunked\r\n"), ERR_SYNTAX, 0, 0 },
	{ "a field without a name", REQ(": x\r\n"), ERR_SYNTAX, 0, 0 },
	{ "a field without a colon", REQ("nocolon\r\n"), ERR_SYNTAX, 0, 0 },
	{ "a space in a name", REQ("content length: 5\r\n"), ERR_SYNTAX, 0, 0 },
	{ "a bare LF after the request line", SPAN_LIT("GET / HTTP/1.1\nhost: h\r\n\r\n"), ERR_SYNTAX, 0, 0 },
	{ "a bare LF after a field", REQ("x: a\ny: b\r\n"), ERR_SYNTAX, 0, 0 },
	{ "a bare LF at the end", SPAN_LIT("GET / HTTP/1.1\r\nhost: h\r\n\n"), ERR_SYNTAX, 0, 0 },
	{ "a bare CR in a value", REQ("x: a\rtransfer-encoding: chunked\r\n"), ERR_SYNTAX, 0, 0 },
	{ "CR CR LF", REQ("x: a\r\r\n"), ERR_SYNTAX, 0, 0 },
	{ "NUL in a value", REQ("x: a\0b\r\n"), ERR_SYNTAX, 0, 0 },
	{ "NUL in a name", REQ("x\0y: b\r\n"), ERR_SYNTAX, 0, 0 },
	{ "DEL in a value", REQ("x: a\x7f\r\n"), ERR_SYNTAX, 0, 0 },
	{ "a control character late in a long value", REQ("x: aaaaaaaaaaaaaaaaaaaaaaaaaaaa\x01\r\n"), ERR_SYNTAX, 0, 0 },
	{ "an empty line first", SPAN_LIT("\r\nGET / HTTP/1.1\r\n\r\n"), ERR_SYNTAX, 0, 0 },
	{ "HTTP/1.0", SPAN_LIT("GET / HTTP/1.0\r\n\r\n"), 1, HTTP_NO_BODY, 0 },
	{ "HTTP/1.0 with a length", SPAN_LIT("POST / HTTP/1.0\r\ncontent-length: 5\r\n\r\n"), 1, HTTP_LENGTH, 5 },
	{ "chunked in HTTP/1.0", SPAN_LIT("POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n"), ERR_AMBIGUOUS, 0, 0 },
	{ "HTTP/1.2", SPAN_LIT("GET / HTTP/1.2\r\n\r\n"), ERR_SYNTAX, 0, 0 },
	{ "HTTP/2.0", SPAN_LIT("GET / HTTP/2.0\r\n\r\n"), ERR_SYNTAX, 0, 0 },
	{ "HTTP/0.9", SPAN_LIT("GET /\r\n\r\n"), ERR_SYNTAX, 0, 0 },
	{ "the preface of HTTP/2", SPAN_LIT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), ERR_SYNTAX, 0, 0 },
	{ "http/1.1 in lower case", SPAN_LIT("GET / http/1.1\r\n\r\n"), ERR_SYNTAX, 0, 0 },
	{ "HTTP/1.1 with more behind it", SPAN_LIT("GET / HTTP/1.1 x\r\n\r\n"), ERR_SYNTAX, 0, 0 },
	{ "a method in lower case", SPAN_LIT("get / HTTP/1.1\r\n\r\n"), ERR_SYNTAX, 0, 0 },
	{ "two spaces before the target", SPAN_LIT("GET  / HTTP/1.1\r\n\r\n"), ERR_SYNTAX, 0, 0 },
	{ "two spaces behind the target", SPAN_LIT("GET /  HTTP/1.1\r\n\r\n"), ERR_SYNTAX, 0, 0 },
	{ "a tab behind the method", SPAN_LIT("GET\t/ HTTP/1.1\r\n\r\n"), ERR_SYNTAX, 0, 0 },
	{ "a space behind the version", SPAN_LIT("GET / HTTP/1.1 \r\n\r\n"), ERR_SYNTAX, 0, 0 },
	{ "a space in the target", SPAN_LIT("GET /a b HTTP/1.1\r\n\r\n"), ERR_SYNTAX, 0, 0 },
	{ "a TLS client hello", SPAN_LIT("\x16\x03\x01\x02\x00\x01\x00\x01\n\r\n\r\n"), ERR_SYNTAX, 0, 0 },
	{ "seventeen fields where sixteen are the cap",
		REQ("a:1\r\nb:1\r\nc:1\r\nd:1\r\ne:1\r\nf:1\r\ng:1\r\nh:1\r\ni:1\r\nj:1\r\nk:1\r\nl:1\r\nm:1\r\nn:1\r\no:1\r\np:1\r\n"), ERR_SYNTAX, 0, 0 },
	{ "an unknown expectation", REQ("expect: 200-ok\r\n"), ERR_SYNTAX, 0, 0 },
	{ "two expectations", REQ("expect: 100-continue\r\nexpect: 100-continue\r\n"), ERR_AMBIGUOUS, 0, 0 },

	{ "CONNECT", SPAN_LIT("CONNECT h:443 HTTP/1.1\r\nhost: h\r\n\r\n"), ERR_UNSUPPORTED, 0, 0 },
	{ "TRACE", SPAN_LIT("TRACE / HTTP/1.1\r\nhost: h\r\n\r\n"), ERR_UNSUPPORTED, 0, 0 },
	{ "Upgrade: websocket", REQ("connection: upgrade\r\nupgrade: websocket\r\n"), ERR_UNSUPPORTED, 0, 0 },
	{ "Upgrade: h2c", REQ("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n"), ERR_UNSUPPORTED, 0, 0 },
	{ "Upgrade that Connection does not name", REQ("upgrade: websocket\r\n"), ERR_UNSUPPORTED, 0, 0 },
};

static const struct head_case responses[] = {
	{ "a response without a length ends at the close", RES(""), 1, HTTP_UNTIL_CLOSE, 0 },
	{ "Content-Length", RES("content-length: 3\r\n"), 1, HTTP_LENGTH, 3 },
	{ "chunked", RES("transfer-encoding: chunked\r\n"), 1, HTTP_CHUNKED, 0 },
	{ "a status without a reason", SPAN_LIT("HTTP/1.1 200 \r\ncontent-length: 1\r\n\r\n"), 1, HTTP_LENGTH, 1 },
	{ "204 has no body", SPAN_LIT("HTTP/1.1 204 No Content\r\n\r\n"), 1, HTTP_NO_BODY, 0 },
	{ "204 with a length has no body", SPAN_LIT("HTTP/1.1 204 No\r\ncontent-length: 9\r\n\r\n"), 1, HTTP_NO_BODY, 0 },
	{ "304 with a length has no body", SPAN_LIT("HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n"), 1, HTTP_NO_BODY, 0 },
	{ "100 has no body", SPAN_LIT("HTTP/1.1 100 Continue\r\n\r\n"), 1, HTTP_NO_BODY, 0 },
	{ "HTTP/1.0 ends at the close", SPAN_LIT("HTTP/1.0 200 OK\r\n\r\n"), 1, HTTP_UNTIL_CLOSE, 0 },

	{ "length and chunked", RES("transfer-encoding: chunked\r\ncontent-length: 3\r\n"), ERR_AMBIGUOUS, 0, 0 },
	{ "two lengths", RES("content-length: 3\r\ncontent-length: 3\r\n"), ERR_AMBIGUOUS, 0, 0 },
	{ "an unknown coding", RES("transfer-encoding: gzip\r\n"), ERR_AMBIGUOUS, 0, 0 },
	{ "chunked in HTTP/1.0", SPAN_LIT("HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"), ERR_AMBIGUOUS, 0, 0 },
	{ "a folded line", RES("x: a\r\n b\r\n"), ERR_SYNTAX, 0, 0 },
	{ "a bare LF", RES("x: a\ny: b\r\n"), ERR_SYNTAX, 0, 0 },
	{ "a space before the colon", RES("content-length : 3\r\n"), ERR_SYNTAX, 0, 0 },
	{ "status 099", SPAN_LIT("HTTP/1.1 099 OK\r\n\r\n"), ERR_SYNTAX, 0, 0 },
	{ "status 600", SPAN_LIT("HTTP/1.1 600 OK\r\n\r\n"), ERR_SYNTAX, 0, 0 },
	{ "status 20", SPAN_LIT("HTTP/1.1 20 OK\r\n\r\n"), ERR_SYNTAX, 0, 0 },
	{ "status 2000", SPAN_LIT("HTTP/1.1 2000 OK\r\n\r\n"), ERR_SYNTAX, 0, 0 },
	{ "HTTP/2.0", SPAN_LIT("HTTP/2.0 200 OK\r\n\r\n"), ERR_SYNTAX, 0, 0 },
	{ "ICY", SPAN_LIT("ICY 200 OK\r\n\r\n"), ERR_SYNTAX, 0, 0 },
	{ "a request", SPAN_LIT("GET / HTTP/1.1\r\n\r\n"), ERR_SYNTAX, 0, 0 },
};
/* clang-format on */

static void
heads(bool response, const struct head_case *c, size_t n)
{
	for (; n--; c++) {
		struct parsed got;
		parse_all_ways(response, false, c->in, &got);
		bool as_wanted = c->want == 1 ? got.n == (ssize_t)c->in.n : got.n == c->want;
		if (!as_wanted)
			fail_msg("%s: %zd (%s)", c->name, got.n, got.m.why ? got.m.why : "");
		if (c->want == 1 && (got.m.framing != c->framing || got.m.length != c->length))
			fail_msg("%s: framing %d, length %llu", c->name, (int)got.m.framing,
				(unsigned long long)got.m.length);
		if (c->want != 1 && !got.m.why)
			fail_msg("%s: refused without a reason", c->name);
	}
}

static void
request_heads_are_accepted_or_refused(void **state)
{
	(void)state;
	heads(false, requests, sizeof(requests) / sizeof(requests[0]));
}

static void
response_heads_are_accepted_or_refused(void **state)
{
	(void)state;
	heads(true, responses, sizeof(responses) / sizeof(responses[0]));
}

static void
request_has_its_parts(void **state)
{
	(void)state;
	struct span in =
		SPAN_LIT("POST /v1/x?a=b?c HTTP/1.1\r\nHost: h\r\nX-A:  b c \t\r\nx-a:d\r\n"
			 "Expect: 100-Continue\r\nConnection: keep-alive, Close\r\n\r\nbody");
	struct parsed got;
	struct span v;

	parse_all_ways(false, false, in, &got);
	assert_int_equal(got.n, in.n - 4);
	const struct http_head *h = &got.m.head;
	assert_true(span_is(h->method, "POST"));
	assert_true(span_is(h->path, "/v1/x"));
	assert_true(h->has_query);
	assert_true(span_is(h->query, "a=b?c"));
	assert_int_equal(h->nfields, 5);
	assert_int_equal(http_field_one(h, "x-A", &v), ERR_DUPLICATE);
	assert_true(span_is(v, "b c"));
	assert_true(span_is(http_field_nth(h, "X-A", 1)->value, "d"));
	assert_null(http_field_nth(h, "X-A", 2));
	assert_int_equal(http_field_one(h, "host", &v), 1);
	assert_int_equal(http_field_one(h, "none", &v), 0);
	assert_null(v.p);
	assert_true(got.m.expects_continue);
	assert_true(got.m.close);
	assert_int_equal(got.m.declared, -1);
}

static void
empty_query_differs_from_none(void **state)
{
	(void)state;
	struct parsed got;

	parse_all_ways(false, false, SPAN_LIT("GET /a? HTTP/1.1\r\n\r\n"), &got);
	assert_true(got.m.head.has_query);
	assert_int_equal(got.m.head.query.n, 0);
	parse_all_ways(false, false, SPAN_LIT("GET /a HTTP/1.1\r\n\r\n"), &got);
	assert_false(got.m.head.has_query);
}

static void
head_over_the_limit_is_refused_before_its_end(void **state)
{
	(void)state;
	size_t n = CAP_HEAD_BYTES + 100;
	char *p = malloc(n);
	struct parsed got;
	struct http_scan scan = { 0, 0 };

	memset(p, 'a', n);
	memcpy(p, "GET /", 5);
	parse(false, false, span_of(p, CAP_HEAD_BYTES - 1), &scan, &got);
	assert_int_equal(got.n, 0);
	parse(false, false, span_of(p, n), &scan, &got);
	assert_int_equal(got.n, ERR_LIMIT);
	/* Also if the end of the head lies beyond the limit. */
	memcpy(p + n - 13, " HTTP/1.1\r\n\r\n", 13);
	scan = (struct http_scan){ 0, 0 };
	parse(false, false, span_of(p, n), &scan, &got);
	assert_int_equal(got.n, ERR_LIMIT);
	free(p);
}

static void
closing_response_is_recognized(void **state)
{
	(void)state;
	static const struct {
		const char *in;
		bool to_head, close;
	} table[] = {
		{ "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n", false, false },
		{ "HTTP/1.1 200 OK\r\ncontent-length: 1\r\nconnection: close\r\n\r\n", false,
			true },
		{ "HTTP/1.1 200 OK\r\n\r\n", false, true },
		{ "HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\n", false, true },
		{ "HTTP/1.1 204 N\r\n\r\n", false, false },
		{ "HTTP/1.1 204 N\r\ncontent-length: 5\r\n\r\n", false, true },
		{ "HTTP/1.1 204 N\r\ntransfer-encoding: chunked\r\n\r\n", false, true },
		{ "HTTP/1.1 304 N\r\ncontent-length: 5\r\n\r\n", false, false },
		{ "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", true, false },
		{ "HTTP/1.1 200 OK\r\n\r\n", true, false },
	};
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct parsed got;
		parse_all_ways(true, table[i].to_head, span_str(table[i].in), &got);
		assert_int_equal(got.n, strlen(table[i].in));
		if (got.m.close != table[i].close)
			fail_msg("close is %d: %s", got.m.close, table[i].in);
		if (table[i].to_head)
			assert_int_equal(got.m.framing, HTTP_NO_BODY);
	}
}

/* ---- bodies ---- */

/* Feeds `in` in pieces of `step` bytes. Returns 1: done, 0: more input is needed, <0: error.
 * *taken counts the consumed bytes. */
static int
decode(struct http_body *b, struct span in, size_t step, struct buf *out, size_t *taken)
{
	*taken = 0;
	while (*taken < in.n && !b->done) {
		size_t n = in.n - *taken < step ? in.n - *taken : step;
		char *piece = guard_dup(in.p + *taken, n);
		size_t at = 0;
		while (at < n && !b->done) {
			struct span payload;
			ssize_t took = http_body_next(b, span_of(piece + at, n - at), &payload);
			if (took <= 0) {
				guard_free(piece, n);
				assert_int_not_equal(took, 0);
				return (int)took;
			}
			buf_span(out, payload);
			at += (size_t)took;
		}
		*taken += at;
		guard_free(piece, n);
	}
	return b->done;
}

/* clang-format off */
static const struct {
	const char *name;
	enum http_framing framing;
	uint64_t length;
	struct span in;
	int want; /* 1: done, 0: unfinished, or an error */
	const char *payload;
	size_t left; /* bytes after the end */
} bodies[] = {
	{ "a counted body ends at its count", HTTP_LENGTH, 3, SPAN_LIT("abcdef"), 1, "abc", 3 },
	{ "a short one is unfinished", HTTP_LENGTH, 3, SPAN_LIT("ab"), 0, "ab", 0 },
	{ "an empty one is done at once", HTTP_LENGTH, 0, SPAN_LIT("x"), 1, "", 1 },
	{ "no body takes nothing", HTTP_NO_BODY, 0, SPAN_LIT("x"), 1, "", 1 },
	{ "until the close takes all", HTTP_UNTIL_CLOSE, 0, SPAN_LIT("xyz"), 0, "xyz", 0 },
	{ "chunks are joined", HTTP_CHUNKED, 0, SPAN_LIT("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\nX"), 1, "abcde", 1 },
	{ "sizes are hexadecimal in any case", HTTP_CHUNKED, 0, SPAN_LIT("A\r\n0123456789\r\na\r\n0123456789\r\n00\r\n\r\n"), 1, "01234567890123456789", 0 },
	{ "leading zeros count for nothing", HTTP_CHUNKED, 0, SPAN_LIT("0003\r\nabc\r\n0000\r\n\r\n"), 1, "abc", 0 },
	{ "extensions are skipped", HTTP_CHUNKED, 0, SPAN_LIT("3;a=b;c=\"d\"\r\nabc\r\n0;x\r\n\r\n"), 1, "abc", 0 },
	{ "trailers are dropped", HTTP_CHUNKED, 0, SPAN_LIT("3\r\nabc\r\n0\r\nX-T: 1\r\nauthorization: no\r\n\r\nN"), 1, "abc", 1 },
	{ "data may hold what looks like framing", HTTP_CHUNKED, 0, SPAN_LIT("7\r\n0\r\n\r\n\r\n\r\n0\r\n\r\n"), 1, "0\r\n\r\n\r\n", 0 },
	{ "without the last chunk it is unfinished", HTTP_CHUNKED, 0, SPAN_LIT("3\r\nabc\r\n"), 0, "abc", 0 },
	{ "without the last line it is unfinished", HTTP_CHUNKED, 0, SPAN_LIT("3\r\nabc\r\n0\r\n"), 0, "abc", 0 },

	{ "an empty size", HTTP_CHUNKED, 0, SPAN_LIT("\r\nabc"), ERR_SYNTAX, "", 0 },
	{ "a size with a sign", HTTP_CHUNKED, 0, SPAN_LIT("+3\r\nabc\r\n"), ERR_SYNTAX, "", 0 },
	{ "a size with 0x", HTTP_CHUNKED, 0, SPAN_LIT("0x3\r\nabc\r\n"), ERR_SYNTAX, "", 0 },
	{ "a size with a space behind it", HTTP_CHUNKED, 0, SPAN_LIT("3 \r\nabc\r\n"), ERR_SYNTAX, "", 0 },
	{ "a size with a space before it", HTTP_CHUNKED, 0, SPAN_LIT(" 3\r\nabc\r\n"), ERR_SYNTAX, "", 0 },
	{ "another sign than CR behind the data", HTTP_CHUNKED, 0, SPAN_LIT("3\r\nabcX\n0\r\n\r\n"), ERR_SYNTAX, "abc", 0 },
	{ "another sign than LF behind its CR", HTTP_CHUNKED, 0, SPAN_LIT("3\r\nabc\rX0\r\n\r\n"), ERR_SYNTAX, "abc", 0 },
	{ "a size over 2^60", HTTP_CHUNKED, 0, SPAN_LIT("10000000000000003\r\nabc\r\n"), ERR_SYNTAX, "", 0 },
	{ "a bare LF behind the size", HTTP_CHUNKED, 0, SPAN_LIT("3\nabc\r\n"), ERR_SYNTAX, "", 0 },
	{ "a bare LF behind an extension", HTTP_CHUNKED, 0, SPAN_LIT("3;a\nabc\r\n"), ERR_SYNTAX, "", 0 },
	{ "a bare CR in an extension", HTTP_CHUNKED, 0, SPAN_LIT("3;a\rb\r\nabc\r\n"), ERR_SYNTAX, "", 0 },
	{ "NUL in an extension", HTTP_CHUNKED, 0, SPAN_LIT("3;a\0\r\nabc\r\n"), ERR_SYNTAX, "", 0 },
	{ "a bare LF behind the data", HTTP_CHUNKED, 0, SPAN_LIT("3\r\nabc\n0\r\n\r\n"), ERR_SYNTAX, "abc", 0 },
	{ "more data than the chunk size", HTTP_CHUNKED, 0, SPAN_LIT("3\r\nabcd\r\n0\r\n\r\n"), ERR_SYNTAX, "abc", 0 },
	{ "less data than the chunk size", HTTP_CHUNKED, 0, SPAN_LIT("4\r\nabc\r\n0\r\n\r\n"), ERR_SYNTAX, "abc\r", 0 },
	{ "a bare LF at the end", HTTP_CHUNKED, 0, SPAN_LIT("0\r\n\n"), ERR_SYNTAX, "", 0 },
	{ "a bare CR at the end", HTTP_CHUNKED, 0, SPAN_LIT("0\r\n\rx"), ERR_SYNTAX, "", 0 },
	{ "a trailer without a colon", HTTP_CHUNKED, 0, SPAN_LIT("0\r\nabc\r\n\r\n"), ERR_SYNTAX, "", 0 },
	{ "a trailer with a space before the colon", HTTP_CHUNKED, 0, SPAN_LIT("0\r\na : b\r\n\r\n"), ERR_SYNTAX, "", 0 },
	{ "a folded trailer", HTTP_CHUNKED, 0, SPAN_LIT("0\r\na: b\r\n c\r\n\r\n"), ERR_SYNTAX, "", 0 },
	{ "a trailer with a bare LF", HTTP_CHUNKED, 0, SPAN_LIT("0\r\na: b\n\r\n"), ERR_SYNTAX, "", 0 },
	{ "a request behind an unfinished end", HTTP_CHUNKED, 0, SPAN_LIT("0\r\nGET / HTTP/1.1\r\n\r\n"), ERR_SYNTAX, "", 0 },
};
/* clang-format on */

static void
body_ends_by_its_framing(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
		for (size_t step = 1; step <= bodies[i].in.n; step++) {
			struct http_body b;
			struct buf out;
			size_t taken;
			buf_init(&out, 0);
			http_body_init(&b, bodies[i].framing, bodies[i].length);
			int got = decode(&b, bodies[i].in, step, &out, &taken);
			if (got != bodies[i].want ||
				!span_is(buf_view(&out), bodies[i].payload))
				fail_msg("%s, in steps of %zu: %d, \"%.*s\"", bodies[i].name,
					step, got, SPAN_ARG(buf_view(&out)));
			if (got == 1 && bodies[i].in.n - taken != bodies[i].left)
				fail_msg("%s: %zu bytes left", bodies[i].name,
					bodies[i].in.n - taken);
			if (got == 1)
				assert_int_equal(http_body_eof(&b), 0);
			if (got == 0)
				assert_int_equal(http_body_eof(&b),
					bodies[i].framing == HTTP_UNTIL_CLOSE ? 0
									      : ERR_TRUNCATED);
			buf_free(&out);
		}
}

static void
chunk_size_lines_and_trailers_are_limited(void **state)
{
	(void)state;
	struct http_body b;
	struct span payload;
	char line[10000];
	ssize_t n;

	memset(line, 'a', sizeof(line));
	memcpy(line, "3;", 2);
	http_body_init(&b, HTTP_CHUNKED, 0);
	assert_int_equal(http_body_next(&b, span_of(line, sizeof(line)), &payload), ERR_LIMIT);
	memcpy(line, "0\r\nx:", 5);
	http_body_init(&b, HTTP_CHUNKED, 0);
	assert_int_equal(http_body_next(&b, span_of(line, sizeof(line)), &payload), ERR_LIMIT);
	/* Many short trailers are limited like a long one. */
	http_body_init(&b, HTTP_CHUNKED, 0);
	n = http_body_next(&b, SPAN_LIT("0\r\n"), &payload);
	for (int i = 0; n > 0 && i < 10000; i++)
		n = http_body_next(&b, SPAN_LIT("a:b\r\n"), &payload);
	assert_int_equal(n, ERR_LIMIT);
	/* The limit applies to each line: many chunks are permitted. */
	http_body_init(&b, HTTP_CHUNKED, 0);
	for (int i = 0; i < 1000; i++)
		for (struct span in = SPAN_LIT("1;x\r\na\r\n"); in.n;
			in = span_cut(in, (size_t)n, in.n)) {
			n = http_body_next(&b, in, &payload);
			assert_true(n > 0);
		}
}

/* ---- writing ---- */

static void
connection_fields_are_not_written(void **state)
{
	(void)state;
	struct parsed got;
	struct buf out;

	buf_init(&out, 0);
	parse_all_ways(false, false,
		SPAN_LIT("POST /a?b HTTP/1.1\r\nHost: h\r\nConnection: x-hop, keep-alive\r\n"
			 "X-Hop: 1\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\nTE: trailers\r\n"
			 "Trailer: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n"
			 "X-Hop-Not: 2\r\nX-Empty:\r\n\r\n"),
		&got);
	assert_true(got.n > 0);
	assert_int_equal(http_put_request(&out, &got.m.head), 0);
	const char *want = "POST /a?b HTTP/1.1\r\nHost: h\r\nX-Hop-Not: 2\r\nX-Empty: \r\n";
	assert_true(span_is(buf_view(&out), want));
	buf_clear(&out);
	assert_int_equal(http_put_fields(&out, &got.m.head, SPAN_LIT("x-hop-")), 0);
	assert_true(span_is(buf_view(&out), "Host: h\r\nX-Empty: \r\n"));
	buf_free(&out);
}

static void
field_that_would_split_a_head_is_not_written(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		struct span method, path, query, field, value;
	} table[] = {
		{ "CR LF in a value", SPAN_LIT("GET"), SPAN_LIT("/"), SPAN_LIT(""),
			SPAN_LIT("a"), SPAN_LIT("b\r\nc: d") },
		{ "LF in a value", SPAN_LIT("GET"), SPAN_LIT("/"), SPAN_LIT(""), SPAN_LIT("a"),
			SPAN_LIT("b\nc") },
		{ "NUL in a value", SPAN_LIT("GET"), SPAN_LIT("/"), SPAN_LIT(""), SPAN_LIT("a"),
			SPAN_LIT("b\0c") },
		{ "a colon in a name", SPAN_LIT("GET"), SPAN_LIT("/"), SPAN_LIT(""),
			SPAN_LIT("a:b"), SPAN_LIT("") },
		{ "a space in a name", SPAN_LIT("GET"), SPAN_LIT("/"), SPAN_LIT(""),
			SPAN_LIT("a "), SPAN_LIT("") },
		{ "an empty name", SPAN_LIT("GET"), SPAN_LIT("/"), SPAN_LIT(""), SPAN_LIT(""),
			SPAN_LIT("x") },
		{ "NUL in a name", SPAN_LIT("GET"), SPAN_LIT("/"), SPAN_LIT(""),
			SPAN_LIT("a\0"), SPAN_LIT("x") },
		{ "a space in the path", SPAN_LIT("GET"), SPAN_LIT("/a b"), SPAN_LIT(""),
			SPAN_LIT("a"), SPAN_LIT("x") },
		{ "CR LF in the path", SPAN_LIT("GET"), SPAN_LIT("/a HTTP/1.1\r\nx: y"),
			SPAN_LIT(""), SPAN_LIT("a"), SPAN_LIT("x") },
		{ "an empty path", SPAN_LIT("GET"), SPAN_LIT(""), SPAN_LIT(""), SPAN_LIT("a"),
			SPAN_LIT("x") },
		{ "CR LF in the query", SPAN_LIT("GET"), SPAN_LIT("/"), SPAN_LIT("\r\n"),
			SPAN_LIT("a"), SPAN_LIT("x") },
		{ "a space in the method", SPAN_LIT("GET /"), SPAN_LIT("/"), SPAN_LIT(""),
			SPAN_LIT("a"), SPAN_LIT("x") },
	};
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct http_field f = { table[i].field, table[i].value };
		struct http_head h = { .method = table[i].method,
			.path = table[i].path,
			.query = table[i].query,
			.has_query = true,
			.fields = &f,
			.nfields = 1 };
		struct buf out;
		buf_init(&out, 0);
		if (http_put_request(&out, &h) != ERR_SYNTAX)
			fail_msg("%s was written", table[i].name);
		buf_free(&out);
	}
}

static void
status_lines_and_chunk_lines_are_written(void **state)
{
	(void)state;
	struct buf out;
	char line[HTTP_CHUNK_MAX];

	buf_init(&out, 0);
	http_put_status(&out, 200);
	http_put_status(&out, 429);
	http_put_status(&out, 426);
	http_put_status(&out, 299);
	assert_true(span_is(buf_view(&out),
		"HTTP/1.1 200 OK\r\nHTTP/1.1 429 Too Many Requests\r\nHTTP/1.1 426 Upgrade Required\r\nHTTP/1.1 299 \r\n"));
	buf_free(&out);
	assert_true(span_is(span_of(line, http_chunk_line(line, 0)), "0\r\n"));
	assert_true(span_is(span_of(line, http_chunk_line(line, 0x1a2f)), "1a2f\r\n"));
	assert_true(span_is(
		span_of(line, http_chunk_line(line, SIZE_MAX)), "ffffffffffffffff\r\n"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(request_heads_are_accepted_or_refused),
		cmocka_unit_test(response_heads_are_accepted_or_refused),
		cmocka_unit_test(request_has_its_parts),
		cmocka_unit_test(empty_query_differs_from_none),
		cmocka_unit_test(head_over_the_limit_is_refused_before_its_end),
		cmocka_unit_test(closing_response_is_recognized),
		cmocka_unit_test(body_ends_by_its_framing),
		cmocka_unit_test(chunk_size_lines_and_trailers_are_limited),
		cmocka_unit_test(connection_fields_are_not_written),
		cmocka_unit_test(field_that_would_split_a_head_is_not_written),
		cmocka_unit_test(status_lines_and_chunk_lines_are_written),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
