/* text/target: the segments of a request target, and refused spellings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/buf.h"
#include "scan/text/body.h"
#include "support/guard.h"

static int
read_target(struct span target, struct arena *a, struct segment **s, size_t *n,
	struct body_refusal *why)
{
	size_t path = span_chr(target, '?');
	struct http_head h = { .path = span_cut(target, 0, path),
		.query = span_cut(target, path + 1, target.n),
		.has_query = path < target.n };
	struct unread unread = { 0 };

	static const char *const left_out[] = { "key", "jwt", NULL };

	return target_read(&h, left_out, false, a, s, n, &unread, why);
}

static const struct {
	const char *name, *in, *want;
} reads[] = {
	{ "the root", "/", "" },
	{ "segments, a trailing slash", "/v1/chat/", "path:v1 path:chat " },
	{ "escapes are decoded, a plus stays", "/a%20b/c+d/%C3%A9%c3%a9",
		"path:a b path:c+d path:\xc3\xa9\xc3\xa9 " },
	{ "sub-delimiters", "/m:gen@x;y=1,2/(a)!$&'*", "path:m:gen@x;y=1,2 path:(a)!$&'* " },
	{ "dots within names", "/.well-known/..a/a../...",
		"path:.well-known path:..a path:a.. path:... " },
	{ "names and values", "/x?a=b&c%40d=e+f%2B&g&=h&&i=",
		"path:x key:a query:b key:c@d query:e f+ key:g key: query:h key:i query: " },
	{ "parameters that are left out", "/x?key=a&b=c&jw%74=d&key",
		"path:x key:key key:b query:c key:jwt key:key " },
	{ "not in another case, nor where a value goes on", "/x?KEY=a&key=b;c",
		"path:x key:KEY query:a key:key query:b;c " },
	{ "an empty query", "/x?", "path:x " },
	{ "raw UTF-8 and odd bytes in a query", "/x?q=\xc3\xa9{}\"<|\\",
		"path:x key:q query:\xc3\xa9{}\"<|\\ " },
	{ "a question mark in a query", "/x?a=b?c", "path:x key:a query:b?c " },
};

static const struct {
	const char *name, *in;
	size_t at;
} refuses[] = {
	{ "no path", "", 0 },
	{ "an asterisk", "*", 0 },
	{ "no slash first", "v1/chat", 0 },
	{ "two slashes first", "//v1/chat", 1 },
	{ "two slashes", "/v1//chat", 4 },
	{ "a slash too many at the end", "/v1//", 4 },
	{ "a dot segment", "/./v1", 1 },
	{ "two dots", "/v1/../x", 4 },
	{ "dots at the end", "/v1/..", 4 },
	{ "dots with a parameter", "/v1/..;x/y", 4 },
	{ "an encoded dot", "/v1/%2e%2e/x", 4 },
	{ "an encoded letter", "/%761/chat", 1 },
	{ "an encoded slash", "/v1%2fchat", 3 },
	{ "an encoded backslash", "/v1%5Cchat", 3 },
	{ "a backslash", "/v1\\chat", 3 },
	{ "NUL", "/v1%00", 3 },
	{ "an encoded line feed", "/v1%0Ax", 3 },
	{ "a raw byte that must be encoded", "/caf\xc3\xa9", 4 },
	{ "a space", "/a b", 2 },
	{ "a fragment", "/a#b", 2 },
	{ "a broken escape", "/a%2", 2 },
	{ "an escape without digits", "/a%zz", 2 },
	{ "a path that is not UTF-8", "/x/%ff", 3 },
	{ "a broken escape in a query", "/x?a=%4", 5 },
	{ "a query that is not UTF-8", "/x?a=b&%C3=1", 7 },
	{ "a fragment in a query", "/x?a#b", 4 },
	{ "a space in a query", "/x?a b", 4 },
};

static void
target_is_read_as_segments(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(reads) / sizeof(reads[0]); i++) {
		struct span in = span_str(reads[i].in);
		char *p = guard_dup(in.p, in.n);
		struct arena a;
		struct segment *s;
		struct body_refusal why;
		struct buf out;
		size_t n;

		arena_init(&a, 0, false);
		buf_init(&out, 0);
		if (read_target(span_of(p, in.n), &a, &s, &n, &why))
			fail_msg("%s: %s", reads[i].name, why.why);
		for (size_t k = 0; k < n; k++) {
			buf_printf(&out, "%s:%.*s ", role_name(s[k].role), SPAN_ARG(s[k].text));
			assert_true(s[k].end <= in.n && s[k].start <= s[k].end);
			if (!s[k].escaped)
				assert_true(
					span_eq(span_cut(in, s[k].start, s[k].end), s[k].text));
			if (s[k].role == ROLE_QUERY)
				assert_int_equal(s[s[k].key].role, ROLE_KEY);
		}
		if (!span_is(buf_view(&out), reads[i].want))
			fail_msg("%s: got %.*s", reads[i].name, SPAN_ARG(buf_view(&out)));
		buf_free(&out);
		arena_reset(&a);
		guard_free(p, in.n);
	}
}

static void
invalid_target_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refuses) / sizeof(refuses[0]); i++) {
		struct span in = span_str(refuses[i].in);
		char *p = guard_dup(in.p, in.n);
		struct arena a;
		struct segment *s;
		struct body_refusal why;
		size_t n;

		arena_init(&a, 0, false);
		if (!read_target(span_of(p, in.n), &a, &s, &n, &why) || why.status != 400 ||
			why.at != refuses[i].at)
			fail_msg("%s: %d at %zu %s", refuses[i].name, why.status, why.at,
				why.why);
		assert_true(n == 0 && s == NULL && why.code);
		arena_reset(&a);
		guard_free(p, in.n);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(target_is_read_as_segments),
		cmocka_unit_test(invalid_target_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
