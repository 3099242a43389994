/* text/opaque: content that counts as opaque or encrypted, wherever it occurs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "scan/dialect/dialect.h"
#include "scan/text/opaque.h"

/* ---- {bytes,spelling,count} stands for data in a body ---- */

static void
make_bytes(struct buf *out, const char *what, size_t n)
{
	static const char words[] = "The quick brown fox asks alice@example.com; 12 times. ";
	static const struct {
		const char *name;
		struct span head;
	} files[] = {
		{ "png", SPAN_LIT("\x89PNG\r\n\x1a\n") },
		{ "jpeg", SPAN_LIT("\xff\xd8\xff\xe0") },
		{ "wav", SPAN_LIT("RIFF\1\2\3\4WAVE") },
		{ "pdf", SPAN_LIT("%PDF-1.7\n%\xe2\xe3\xcf\xd3") },
		{ "later", SPAN_LIT("\n\n%PDF-1.7\n1 0 obj\n/ASCIIHexDecode stream 4445") },
		{ "gzip", SPAN_LIT("\x1f\x8b\x08\0") },
		{ "seal", SPAN_LIT("\x12\x0a\x0a\x48") },
	};
	uint32_t x = 7;
	size_t i = 0;

	for (size_t k = 0; k < sizeof(files) / sizeof(files[0]); k++)
		if (!strcmp(what, files[k].name)) {
			buf_span(out, files[k].head);
			i = files[k].head.n;
		}
	if (!strcmp(what, "mixed")) /* text, then a picture */
		for (; i < n / 2; i++)
			buf_putc(out, words[i % (sizeof(words) - 1)]);
	if (!strcmp(what, "later"))
		what = "text";
	for (; i < n; i++) {
		x = x * 1664525 + 1013904223;
		buf_putc(out, !strcmp(what, "text")    ? words[i % (sizeof(words) - 1)]
			      : !strcmp(what, "utf16") ? i % 2 ? '\0' : words[i / 2 % 53]
			      : !strcmp(what, "zero") ? '\0'
						       : (char)(x >> 24));
	}
}

static void
encode_bits(struct buf *out, struct span in, const char *digits, unsigned width,
	const char *line, size_t columns)
{
	uint32_t bits = 0;
	unsigned have = 0;
	size_t n = 0;

	for (size_t i = 0; i <= in.n; i++) {
		bits = bits << 8 | (i < in.n ? (unsigned char)in.p[i] : 0);
		have += 8;
		while (have >= width && (i < in.n || have > 8)) {
			if (columns && n && n % columns == 0)
				buf_str(out, line);
			have -= width;
			const char c = digits[bits >> have & ((1u << width) - 1)];
			if (c == '+' && !columns && !line[0])
				buf_str(out, "%2B");
			else
				buf_putc(out, c);
			n++;
		}
	}
}

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

static void
spell(struct buf *out, struct span bytes, const char *how)
{
	static const struct {
		const char *name, *digits;
		unsigned width;
		const char *line;
		size_t columns;
	} ways[] = {
		{ "base64", LETTERS "+/", 6, "-", 0 },
		{ "url", LETTERS "-_", 6, "-", 0 },
		{ "escaped", LETTERS "+/", 6, "", 0 },
		{ "mime", LETTERS "+/", 6, "\\r\\n", 76 },
		{ "nested", LETTERS "+/", 6, "\\\\n", 76 },
		{ "pem", LETTERS "+/", 6, "\\n", 64 },
		{ "quoted", LETTERS "+/", 6, "\\n> ", 76 },
		{ "joined", LETTERS "+/", 6, "' +\\n    '", 70 },
		{ "raw", LETTERS "+/", 6, "\r\n", 76 },
		{ "hex", "0123456789abcdef", 4, "-", 0 },
		{ "xxd", "0123456789ABCDEF", 4, "\\n", 60 },
		{ "base32", "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 5, "-", 0 },
	};
	struct buf once;

	if (!strcmp(how, "twice")) {
		buf_init(&once, 0);
		encode_bits(&once, bytes, LETTERS "+/", 6, "-", 0);
		encode_bits(out, buf_view(&once), LETTERS "+/", 6, "-", 0);
		buf_free(&once);
		return;
	}
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		if (!strcmp(how, ways[i].name)) {
			encode_bits(out, bytes, ways[i].digits, ways[i].width, ways[i].line,
				ways[i].columns);
			return;
		}
	fail_msg("no spelling %s", how);
}

static void
expand(struct buf *out, const char *body)
{
	char what[16], how[16];
	unsigned n;
	int end;

	while (*body) {
		end = 0;
		if (*body == '{' &&
			sscanf(body, "{%15[a-z0-9],%15[a-z0-9],%u}%n", what, how, &n, &end) ==
				3 &&
			end) {
			struct buf bytes;
			buf_init(&bytes, 0);
			make_bytes(&bytes, what, n);
			spell(out, buf_view(&bytes), how);
			buf_free(&bytes);
			body += end;
		} else if (*body == '{' &&
			   sscanf(body, "{%15[^*{},]*%u}%n", what, &n, &end) == 2 && end) {
			for (unsigned i = 0; i < n; i++)
				buf_str(out, what);
			body += end;
		} else {
			buf_putc(out, *body++);
		}
	}
}

#define CHAT "{\"messages\":[{\"role\":\"user\",\"content\":"
#define THINKING(signature)                                                                    \
	"{\"messages\":[{\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\","          \
	"\"thinking\":\"t\",\"signature\":\"" signature "\"}]}]}"
#define A(text) "{\"a\":\"" text "\"}"

/* clang-format off */
static const struct {
	const char *name, *dialect, *type, *body;
	const char *media; /* kinds separated by spaces */
	size_t sealed;
} rows[] = {
	{ "Responses: input_image", "rest", NULL, "{\"input\":[{\"content\":[{\"type\":\"input_image\","
	  "\"image_url\":\"data:image/png;base64,{png,base64,70}\"}]}]}", "image", 0 },
	{ "Responses: input_file", "rest", NULL, "{\"input\":[{\"content\":[{\"type\":\"input_file\","
	  "\"file_data\":\"data:application/pdf;base64,{pdf,base64,900}\"}]}]}", "file", 0 },
	{ "Responses: an image by URL is a reference", "rest", NULL, "{\"input\":[{\"content\":[{\"type\":"
	  "\"input_image\",\"image_url\":\"https://example.com/a.png\"}]}]}", "", 0 },
	{ "audio", "rest", NULL, "{\"input_audio\":{\"data\":\"{wav,base64,900}\"}}", "audio", 0 },
	{ "Gemini: inlineData", "rest", NULL, "{\"contents\":[{\"parts\":[{\"inlineData\":{\"data\":"
	  "\"{jpeg,base64,900}\"}}]}]}", "image", 0 },
	{ "Ollama: images", "rest", NULL, "{\"images\":[\"{png,base64,800}\",\"{jpeg,base64,800}\"]}",
	  "image image", 0 },
	{ "a batch", "rest", NULL, "{\"requests\":[{\"params\":{\"messages\":[{\"content\":[{\"type\":\"image\","
	  "\"source\":{\"type\":\"base64\",\"data\":\"{png,base64,800}\"}}]}]}}]}", "image", 0 },
	{ "JSON in a string has strings of its own", "rest", NULL,
	  A("{\\\"b\\\":\\\"{noise,base64,800}\\\"}"), "unknown", 0 },
	{ "a key", "rest", NULL, "{\"{noise,base64,800}\":1}", "unknown", 0 },
	{ "a message of text", "openai", NULL, CHAT "\"{noise,base64,800}\"}]}", "unknown", 0 },
	{ "an image is counted once", "openai", NULL, CHAT "[{\"type\":\"image_url\",\"image_url\":{\"url\":"
	  "\"data:image/png;base64,{png,base64,900}\"}}]}]}", "image", 0 },
	{ "arguments of a tool", "anthropic", NULL, CHAT "[{\"type\":\"tool_use\",\"name\":\"f\",\"input\":"
	  "{\"x\":\"{noise,base64,800}\"}}]}]}", "unknown", 0 },

	{ "data URIs in Markdown, two", "rest", NULL, A("see ![a](data:image/png;base64,{png,base64,70}) and "
	  "![b](data:image/gif;base64,{noise,base64,40})."), "image image", 0 },
	{ "a data URI in capitals", "rest", NULL, A("DATA:IMAGE/PNG;BASE64,{png,base64,70}"), "image", 0 },
	{ "a data URI with blanks", "rest", NULL, A("data:image/png; base64, {png,base64,70}"), "image", 0 },
	{ "a data URI with its digits escaped", "rest", NULL, A("data:audio/x;base64,{noise,escaped,90}"), "audio", 0 },
	{ "a data URI that is escaped", "rest", NULL, A("data%3Aimage%2Fpng%3Bbase64%2C{png,escaped,70}"), "image", 0 },
	{ "one that is escaped twice", "rest", NULL, A("data%253Aimage%252Fpng%253Bbase64%252C{png,base64,70}"),
	  "image", 0 },
	{ "a data URI of bytes", "rest", NULL, A("data:image/png,%89PNG%0D%0A%1A%0A"), "image", 0 },
	{ "a data URI whose base64 is no last parameter", "rest", NULL,
	  A("data:image/png;base64;x=y,{png,base64,90}"), "image", 0 },
	{ "a list of types is no URI", "rest", NULL, A("accept='data:image/png,image/jpeg,image/gif'"), "", 0 },
	{ "a data URI without a type", "rest", NULL, A("data:;base64,{noise,base64,40}"), "unknown", 0 },
	{ "the label text helps no picture", "rest", NULL, A("data:text/plain;charset=utf-8;base64,{png,base64,70}"),
	  "image", 0 },
	{ "the label image makes opaque", "rest", NULL, A("data:image/png;base64,{text,base64,70}"), "image", 0 },
	{ "an ASCII PDF that does not begin at once is no text", "rest", NULL, A("data:;base64,{later,base64,400}"), "unknown", 0 },
	{ "a data URI in lines", "rest", NULL, A("data:image/png;base64,{png,mime,900}"), "image", 0 },
	{ "a data URI of text is text", "rest", NULL, A("data:text/plain;base64,{text,base64,60} and more words"), "", 0 },
	{ "a line after one too", "rest", NULL, A("data:text/plain;base64,{text,base64,60}\\nThen go on"), "", 0 },
	{ "an SVG is text", "rest", NULL, A("data:image/svg+xml;base64,{text,base64,90}"), "", 0 },
	{ "an SVG in percent escapes is text", "rest", NULL, A("url(data:image/svg+xml,%3Csvg viewBox='0 0 1 1'%3E)"),
	  "", 0 },
	{ "the name of a data URI is none", "rest", NULL, A("`data:image/png;base64,${x}`, data:image/png;base64,..."),
	  "", 0 },
	{ "data: in prose is no URI", "rest", NULL, A("the data: see a,b; metadata:x/y and data:foo,bar"), "", 0 },

	{ "1 KB of base64 is a whole string", "rest", NULL, A("{noise,base64,768}"), "unknown", 0 },
	{ "a small file is a file where it is a whole string", "rest", NULL, "{\"data\":\"{png,base64,70}\",\"images\":"
	  "[\"{jpeg,base64,90}\",\"{pdf,hex,40}\",\"{gzip,hex,40}\"]}", "image image file", 0 },
	{ "in prose its few bytes say nothing", "rest", NULL, A("begins with {png,base64,70}, they say"), "", 0 },
	{ "less is not looked at", "rest", NULL, A("{noise,base64,760}"), "", 0 },
	{ "4 KB inside prose", "rest", NULL, A("please read {noise,base64,3072} for me"), "unknown", 0 },
	{ "less inside prose is not looked at", "rest", NULL, A("please read {noise,base64,3060} for me"), "", 0 },
	{ "base64url", "rest", NULL, A("{noise,url,900}"), "unknown", 0 },
	{ "MIME's lines", "rest", NULL, A("{png,mime,900}"), "image", 0 },
	{ "PEM's lines", "rest", NULL, A("{gzip,pem,900}\\n"), "file", 0 },
	{ "lines in a string of a string", "rest", NULL, A("{noise,nested,900}"), "unknown", 0 },
	{ "quoted lines in a mail", "rest", NULL, A("Look:\\n> {noise,quoted,4000}\\nBye"), "unknown", 0 },
	{ "pieces joined in code", "rest", NULL, A("s = '{noise,joined,4000}';"), "unknown", 0 },
	{ "between quotes", "rest", NULL, A("\\\"{noise,base64,800}\\\""), "unknown", 0 },
	{ "hexadecimal", "rest", NULL, A("{noise,hex,800}"), "unknown", 0 },
	{ "hexadecimal in lines", "rest", NULL, A("{noise,xxd,800}"), "unknown", 0 },
	{ "base32", "rest", NULL, A("{noise,base32,800}"), "unknown", 0 },
	{ "base64 of base64", "rest", NULL, A("{png,twice,800}"), "unknown", 0 },
	{ "text before a picture", "rest", NULL, A("{mixed,base64,9000}"), "unknown", 0 },
	{ "a picture's first bytes and zeros", "rest", NULL, A("iVBORw0KGgo{A*1200}"), "image", 0 },
	{ "text in base64 is scanned", "rest", NULL, A("{text,base64,20000}"), "", 0 },
	{ "in lines too", "rest", NULL, A("{text,mime,20000}"), "", 0 },
	{ "text twice in base64", "rest", NULL, A("{text,twice,9000}"), "", 0 },
	{ "text in hexadecimal", "rest", NULL, A("{text,hex,2000}"), "", 0 },
	{ "text in base32", "rest", NULL, A("{text,base32,2000}"), "", 0 },
	{ "UTF-16 of ASCII", "rest", NULL, A("{utf16,base64,2000}"), "", 0 },
	{ "padding is no encoding", "rest", NULL, "[\"{x*9000}\",\"{A*9000}\",\"{-*9000}\"]", "", 0 },
	{ "nor are digits and letters in a row", "rest", NULL,
	  "[\"{0123456789*900}\",\"{abcdef*900}\",\"{0123456789abcde*900}\",\"{abcABC*900}\"]", "", 0 },

	{ "a form", "rest", "application/x-www-form-urlencoded", "a=1&image={noise,escaped,900}", "unknown", 0 },
	{ "a form whose + nobody escaped", "rest", "application/x-www-form-urlencoded", "image={noise,base64,900}",
	  "unknown", 0 },
	{ "a form of prose", "rest", "application/x-www-form-urlencoded",
	  "q={Some 3 words of internationalisation and more *90}", "", 0 },
	{ "JSON in a form", "rest", "application/x-www-form-urlencoded", "q=%7B%22a%22:%22{noise,escaped,800}%22%7D",
	  "unknown", 0 },
	{ "text", "rest", "text/plain", "{noise,raw,900}", "unknown", 0 },
	{ "a part of multipart", "rest", "multipart/mixed; boundary=x", "--x\r\nContent-Type: image/png\r\n\r\n"
	  "{png,raw,4000}\r\n--x--\r\n", "image", 0 },

	{ "a signature is sealed", "anthropic", NULL, THINKING("{seal,base64,900}"), "", 1 },
	{ "a short one too", "anthropic", NULL, THINKING("{seal,base64,90}"), "", 1 },
	{ "redacted thinking is sealed", "anthropic", NULL,
	  CHAT "[{\"data\":\"{seal,base64,900}\",\"type\":\"redacted_thinking\"}]}]}", "", 1 },
	{ "a search result's content is sealed", "anthropic", NULL, CHAT "[{\"type\":\"web_search_tool_result\","
	  "\"content\":[{\"type\":\"web_search_result\",\"encrypted_content\":\"{seal,base64,900}\"}]}]}]}", "", 1 },
	{ "Responses: encrypted reasoning", "rest", NULL,
	  "{\"input\":[{\"type\":\"reasoning\",\"encrypted_content\":\"gAAAAAB{seal,url,900}\"}]}", "", 1 },
	{ "the same in the dialect openai", "openai", NULL,
	  "{\"input\":[{\"type\":\"reasoning\",\"encrypted_content\":\"gAAAAAB{seal,url,900}\"}]}", "", 1 },
	{ "Gemini: thought signatures", "rest", NULL, "{\"contents\":[{\"parts\":[{\"thoughtSignature\":"
	  "\"{seal,base64,900}\"},{\"thought_signature\":\"{seal,base64,900}\"}]}]}", "", 2 },
	{ "a Gemini signature in messages", "openai", NULL, "{\"messages\":[{\"role\":\"assistant\",\"tool_calls\":"
	  "[{\"extra_content\":{\"google\":{\"thought_signature\":\"{seal,base64,900}\"}}}]}]}", "", 1 },
	{ "Anthropic's blocks in a batch", "rest", NULL, "{\"requests\":[{\"params\":" THINKING("{seal,base64,900}") "}]}",
	  "", 1 },
	{ "a signature of another block is none", "anthropic", NULL,
	  CHAT "[{\"type\":\"text\",\"text\":\"t\",\"signature\":\"{seal,base64,900}\"}]}]}", "unknown", 0 },
	{ "a signature elsewhere is none", "rest", NULL, "{\"signature\":\"{seal,base64,900}\"}", "unknown", 0 },
	{ "data of another type are none", "rest", NULL,
	  CHAT "[{\"type\":\"image\",\"data\":\"{seal,base64,900}\"}]}]}", "unknown", 0 },
	{ "a picture as a signature is opaque", "anthropic", NULL, THINKING("{png,base64,900}"), "image", 0 },
	{ "so is a data URI", "anthropic", NULL, THINKING("data:image/png;base64,{png,base64,90}"), "image", 0 },
	{ "and what was packed", "anthropic", NULL, THINKING("{gzip,base64,900}"), "file", 0 },
	{ "text as a signature is text", "anthropic", NULL, THINKING("{words of mine *90}"), "", 0 },
	{ "in base64 too", "anthropic", NULL, THINKING("{text,base64,900}"), "", 0 },
};
/* clang-format on */

static void
uninspected_content_of_bodies_is_listed(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct arena a;
		struct body b;
		struct body_refusal why;
		struct buf in, got;
		arena_init(&a, 0, false);
		buf_init(&in, 0);
		buf_init(&got, 0);
		expand(&in, rows[i].body);
		if (body_read(dialect_table(dialect_find(span_str(rows[i].dialect))),
			    span_str(rows[i].type), buf_view(&in), &a, &b, &why))
			fail_msg("%s: %s", rows[i].name, why.why);
		for (size_t k = 0; k < b.unread.nmedia; k++) {
			buf_str(&got, k ? " " : "");
			buf_span(&got, b.unread.media[k].kind);
		}
		if (!span_is(buf_view(&got), rows[i].media) ||
			b.unread.sealed != rows[i].sealed)
			fail_msg("%s: %zu parts, %.*s, %zu sealed", rows[i].name,
				b.unread.nmedia, SPAN_ARG(buf_view(&got)), b.unread.sealed);
		assert_true((b.unread.bytes > 0) == (b.unread.nmedia > 0));
		assert_true((b.unread.sealed_bytes > 0) == (b.unread.sealed > 0));
		assert_true(b.inspected_bytes + b.unread.sealed_bytes <= in.n);
		buf_free(&in);
		buf_free(&got);
		arena_reset(&a);
	}
}

/* One digit too few or too many at every place in the groups, and cut at every offset. */
static void
base64_with_a_missing_digit_is_text(void **state)
{
	struct buf in, cut;
	struct arena a;
	struct body b;
	struct body_refusal why;

	(void)state;
	buf_init(&in, 0);
	buf_init(&cut, 0);
	expand(&in, "{text,base64,1500}");
	for (size_t skip = 0; skip < 24; skip++)
		for (size_t less = 0; less < 4; less++) {
			arena_init(&a, 0, false);
			buf_clear(&cut);
			buf_span(&cut, span_cut(buf_view(&in), skip, in.n - less));
			assert_int_equal(
				body_read(dialect_table(dialect_find(SPAN_LIT("rest"))),
					SPAN_LIT("text/plain"), buf_view(&cut), &a, &b, &why),
				0);
			assert_int_equal(b.unread.nmedia, 0);
			arena_reset(&a);
		}
	buf_free(&in);
	buf_free(&cut);
}

/* If the text were read once for each backslash, the test would exceed its time limit. */
static void
backslashes_take_linear_time(void **state)
{
	struct opaque_reader r;
	struct opaque got;
	struct buf text;

	(void)state;
	buf_init(&text, 0);
	for (size_t i = 0; i < 2 << 20; i++)
		buf_putc(&text, '\\');
	opaque_open(&r, buf_view(&text), false, 0);
	assert_false(opaque_next(&r, &got));
	buf_free(&text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(uninspected_content_of_bodies_is_listed),
		cmocka_unit_test(base64_with_a_missing_digit_is_text),
		cmocka_unit_test(backslashes_take_linear_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
