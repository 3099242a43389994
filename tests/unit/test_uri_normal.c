/* URIs with one spelling: the same for a rule, for WHATWG's parser and for RFC 3986. If Node is
 * installed, its `new URL()` is compared for thousands of them. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/codec/uri.h"

static const char *const everyday[] = {
	"file:///home/me/notes.md",
	"file:///",
	"file:///C:/Users/me/My%20Documents/a.txt",
	"file:///tmp/a%20b/%C3%A9t%C3%A9.md",
	"file://server/share/x.doc",
	"https://example.com/",
	"https://example.com/mcp",
	"https://api.githubcopilot.com/mcp/",
	"https://mcp.example.com:8443/sse?team=a&q=x%20y#top",
	"http://127.0.0.1:3000/mcp",
	"http://[::1]:3000/mcp",
	"http://[2001:db8::8:800:200c:417a]/",
	"http://localhost:8080/a_b/c-d/~e/f.g",
	"http://my_host.internal/x",
	"https://example.com/a(b)*,;=:@!$&'+",
	"wss://example.com/socket",
	"ftp://example.com/a",
	"custom://x/y?z=1",
	"urn:isbn:9780131103627",
	"urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66",
	"postgres://db/table",
	"postgres://reader@db:5432/sales/schema",
	"mongodb+srv://cluster0.ab/db",
	"github://repo/issue/1",
	"note:///today",
	"note://",
	"memory:config",
	"screen://localhost/display1",
	"ui://widget/chart.html",
	"test://static-text",
	"demo://resource/static/document/architecture.md",
	"gitlab://group%2Fproject/issues/7",
	"s3://bucket/a//b",
	"data:text/plain;base64,SGVsbG8=",
	"mailto:ann@example.com",
	"tag:example.com,2026:x",
	"z39.50r://h/x",
	"x:/a/b",
	"a:",
	"config://app?x='y'",
	"git+ssh://git@host/r.git",
	"ssh://[fe80::1]:22/x",
};

static const char *const odd[] = {
	"SECRET://a",
	" secret://a",
	"secret://a ",
	"sec\nret://a",
	"\tsecret://a",
	"secret://a\n",
	"secret://A",
	"secret://a\r",
	"secret:\\\\a",
	"secret://a/%61",
	"secret://a/%2f",
	"secret://a/./b",
	"secret://a/b/..",
	"secret://%61",
	"secret://a/\x01",
	"secret://a/\x7f",
	"secret://a/\xC3\xA9",
	"secret://\xC3\xA9",
	"secret://a:",
	"secret://a:080/",
	"secret://a:99999/",
	"secret://@a",
	"secret://:@a",
	"secret://u:@a",
	"secret://u:a:b@a",
	"secret://u@",
	"secret://:80",
	"secret://a b",
	"secret://a|b",
	"secret://a/^",
	"secret://a/`",
	"secret://a/{x}",
	"secret://a/<x>",
	"secret://a/\"",
	"secret://a?[x]",
	"secret://a#b#c",
	"secret://a/%",
	"secret://a/%2",
	"secret://a/%zz",
	"secret:..",
	"secret:a/../b",
	"secret:/.",
	"secret:/.//a",
	"secret://a/..%2Fb",
	"secret://a/b%2F..",
	"secret://a/%5C..",
	"secret://[::1",
	"secret://[1::0:0]",
	"secret://[v1.x]",
	"secret://[::1]x",
	"secret://[::1]:",
	"secret",
	"",
	"//a",
	"/etc/shadow",
	":a",
	"1a:b",
	"s\xC3\xA9:a",
	"file:///pub/../etc/shadow",
	"FILE:///etc/shadow",
	"FILE:",
	"file:",
	"file:/etc/shadow",
	"file:etc/shadow",
	"file:\\\\\\etc\\shadow",
	"file://",
	"file:////etc/shadow",
	"file:///etc//shadow",
	"file://localhost/etc/shadow",
	"file:///C|/x",
	"file://C:/x",
	"file://u@h/x",
	"file://h:80/x",
	"file:///pub/%2e%2e/etc/shadow",
	"file:///pub/%2E%2E/etc/shadow",
	"file:///pub/.%2e/etc/shadow",
	"file:///%65tc/shadow",
	"file:///etc/./shadow",
	"file:///etc/sha\tdow",
	"file:///etc/shadow\n",
	"file:///etc/shadow ",
	"https://example.com",
	"https://example.com?x",
	"HTTPS://example.com/",
	"https://EXAMPLE.com/",
	"https:example.com/",
	"https:/example.com/",
	"https:///example.com/",
	"https:\\\\example.com/",
	"https://example.com:443/",
	"http://example.com:80/",
	"ws://h:80/",
	"wss://h:443/",
	"ftp://h:21/",
	"https://example.com:/",
	"https://example.com./",
	"https://.example.com/",
	"https://a..b/",
	"https://%65xample.com/",
	"https://\xC3\xBC/",
	"https://xn--bcher-kva.example/",
	"http://0x7f.1/",
	"http://127.1/",
	"http://2130706433/",
	"http://0177.0.0.1/",
	"http://127.0.0.1./",
	"http://127.0.0.01/",
	"http://1.2.3/",
	"http://a.1/",
	"http://256.0.0.1/",
	"http://a.0x/",
	"http://[0:0:0:0:0:0:0:1]/",
	"http://[::FFFF]/",
	"http://[::ffff:1.2.3.4]/",
	"http://[::1%25eth0]/",
	"https://@example.com/",
	"https://user@internal.example/x",
	"ftp://user:pw@example.com/a",
	"wss://u@h/",
	"https://u:@example.com/",
	"https://u;v@example.com/",
	"https://u@v@h/",
	"https://h/?'",
	"https://h/\\..\\x",
	"https://a*b/",
	"https://h/a/../b",
	"http://h /",
};

static const char *const templates[] = {
	"file:///{path}",
	"test://template/{id}/data",
	"github://{owner}/{repo}/issues{?state,page}",
	"weather:{city}",
	"db://t/{+rest}{#part}",
	"x://h/{list*}/{a:3}",
	"file:///plain",
};
static const char *const odd_templates[] = {
	"FILE:///{path}",
	"file:///pub/../{x}",
	"{+uri}",
	"file:///{",
	"file:///{}",
	"file:///{a b}",
	"file:///}x{a}",
	"x://h/%{a}",
	"x://h/{a{b}}",
	"x://A/{x}",
};

static void
expect_form(const char *const *v, size_t n, bool (*is)(struct span), bool want)
{
	for (size_t i = 0; i < n; i++)
		if (is(span_str(v[i])) != want)
			fail_msg("\"%s\" is%s normal", v[i], want ? " not" : "");
}

static void
common_uris_are_normal_and_odd_ones_are_not(void **state)
{
	(void)state;
	expect_form(everyday, COUNT_OF(everyday), uri_is_normal, true);
	expect_form(odd, COUNT_OF(odd), uri_is_normal, false);
	assert_false(uri_is_normal(SPAN_LIT("secret://a\0")));
	assert_false(uri_is_normal(SPAN_LIT("http://[::1\0]/")));
}

static void
template_expression_stands_for_letters(void **state)
{
	static char longer[URI_TEMPLATE_BYTES + 8] = "x:";

	(void)state;
	expect_form(everyday, COUNT_OF(everyday), uri_template_is_normal, true);
	expect_form(templates, COUNT_OF(templates), uri_template_is_normal, true);
	expect_form(odd_templates, COUNT_OF(odd_templates), uri_template_is_normal, false);
	memset(longer + 2, 'a', sizeof(longer) - 3);
	assert_false(uri_template_is_normal(span_str(longer)));
	assert_true(uri_template_is_normal(span_of(longer, URI_TEMPLATE_BYTES)));
}

static void
empty_path_lacks_only_its_slash(void **state)
{
	static const char *const lack[] = { "https://example.com", "http://127.0.0.1:3000",
		"wss://h" };
	static const char *const others[] = { "https://example.com/", "HTTPS://example.com",
		"https://example.com:443", "https://example.com?x", "https://h/a/..",
		"https://", "x://h", "https://h#x", "", "http://127.1" };

	(void)state;
	expect_form(lack, COUNT_OF(lack), uri_lacks_slash, true);
	expect_form(others, COUNT_OF(others), uri_lacks_slash, false);
}

/* ---- comparison with Node ---- */

static const char *const pieces[] = { "http", "https", "ws", "ftp", "file", "x", "urn", "a+b",
	":", "://", "//", "/", "/", "///", ".", "..", "/.", "/..", "%2e", "%2E%2E", "%2F",
	"%5C", "%20", "%41", "%c3", "%C3%A9", "%", "\\", "?", "#", "@", ":80", ":443", ":0",
	":8080", ":00", "[::1]", "[::]", "[1:0:0:2::]", "[1::2:0:0:3]", "[::1.2.3.4]",
	"[::102:304]", "127.0.0.1", "127.1", "0x7f", "08", "1", "255", "localhost",
	"example.com", "h", "h.", "a_b", "-a", "a-", "xn--a", "xn--bcher-kva", "C:", "C|",
	"c:", "u:p@", "u@", ";", "=", "'", "(", ")", "*", "+", ",", "!", "$", "&", "~", "|",
	"^", "`", "{", "}", "<", ">", "\"", " ", "\t", "[", "]", "\x7f", "A", "b", "cd", "_",
	"-", "e.f" };

static uint64_t
next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* Writes a sequence of pieces, or inserts one into a normal URI. */
static void
make_spelling(uint64_t *seed, struct buf *out)
{
	const char *base = everyday[next_random(seed) % COUNT_OF(everyday)];
	size_t at = next_random(seed) % (strlen(base) + 1), skip = next_random(seed) % 3;
	bool whole = next_random(seed) % 3 == 0;

	buf_clear(out);
	if (!whole)
		buf_put(out, base, at);
	else
		buf_span(out, span_str(pieces[next_random(seed) % 8]));
	for (size_t n = 1 + next_random(seed) % (whole ? 7 : 2); n; n--)
		buf_span(out, span_str(pieces[next_random(seed) % COUNT_OF(pieces)]));
	if (!whole && at + skip < strlen(base))
		buf_span(out, span_str(base + at + skip));
}

/* Prints URIs that have another spelling. Implements RFC 3986 6.2.2 independently. */
static const char script[] =
	"const lines = require('fs').readFileSync(process.argv[1], "
	"'latin1').split('\\n').slice(0, -1);\n"
	"const dots = (p) => { const out = []; for (const s of p.split('/')) out.push(s);\n"
	"  return out.some((s) => s === '.' || s === '..'); };\n"
	"const rfc = (x) => { const m = "
	"/^([^:\\/?#]+):(?:\\/\\/([^\\/?#]*))?([^?#]*)(\\?[^#]*)?(#.*)?$/.exec(x);\n"
	"  if (!m || dots(m[3]) || m[1] !== m[1].toLowerCase()) return false;\n"
	"  if (/[^A-Za-z0-9\\-._~:\\/?#[\\]@!$&'()*+,;=%]/.test(x)) return false;\n"
	"  const host = (m[2] ?? '').replace(/^.*@/, '').replace(/%../g, '');\n"
	"  return host === host.toLowerCase() && x.replace(/%([0-9A-F]{2})/g, (e, h) =>\n"
	"    /[A-Za-z0-9\\-._~]/.test(String.fromCharCode(parseInt(h, 16))) ? '%' : "
	"'').indexOf('%') < 0; };\n"
	"let bad = 0;\n"
	"for (const x of lines) { let href; try { href = new URL(x).href; } catch (e) { href = "
	"String(e); }\n"
	"  if ((href !== x || !rfc(x)) && bad++ < 20) console.log(JSON.stringify([x, href])); "
	"}\n"
	"process.exit(bad ? 1 : 0);\n";

static void
normal_uri_equals_nodes_serialization(void **state)
{
	enum { TRIES = 400000 };
	char path[] = "/tmp/uri_normal.XXXXXX", command[8192];
	uint64_t seed = 0x9E3779B97F4A7C15;
	size_t n = 0;
	struct buf b;
	FILE *f;

	(void)state;
	if (system("command -v node >/dev/null"))
		skip();
	assert_true((f = fdopen(mkstemp(path), "w")) != NULL);
	buf_init(&b, 0);
	for (size_t i = 0; i < COUNT_OF(everyday); i++)
		fprintf(f, "%s\n", everyday[i]);
	for (size_t i = 0; i < TRIES; i++) {
		make_spelling(&seed, &b);
		if (!uri_is_normal(buf_view(&b)))
			continue;
		n++;
		fprintf(f, "%.*s\n", SPAN_ARG(buf_view(&b)));
	}
	assert_int_equal(fclose(f), 0);
	buf_free(&b);
	setenv("SCRIPT", script, 1);
	snprintf(command, sizeof(command), "node -e \"$SCRIPT\" %s", path);
	int said = system(command);
	unlink(path);
	assert_int_equal(said, 0);
	assert_true(n > 20000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(common_uris_are_normal_and_odd_ones_are_not),
		cmocka_unit_test(template_expression_stands_for_letters),
		cmocka_unit_test(empty_path_lacks_only_its_slash),
		cmocka_unit_test(normal_uri_equals_nodes_serialization),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
