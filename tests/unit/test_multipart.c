/* text/multipart: parts that are read, opaque parts, and refusals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/buf.h"
#include "scan/dialect/dialect.h"
#include "support/guard.h"

#define TYPE  "multipart/form-data; boundary=b"
#define PART  "--b\r\nContent-Disposition: form-data; name="
#define END   "\r\n--b--\r\n"
#define FIELD PART "\"f\"\r\n\r\n"

/* In the test, a NUL is written as 1. */
static char *
input(const char *in, size_t *n)
{
	*n = strlen(in);
	char *p = guard_dup(in, *n);

	for (size_t i = 0; i < *n; i++)
		if (p[i] == 1)
			p[i] = '\0';
	return p;
}

static int
read_parts(const char *type, struct span raw, struct arena *a, struct body *b,
	struct body_refusal *why)
{
	return body_read(
		dialect_table(dialect_find(SPAN_LIT("rest"))), span_str(type), raw, a, b, why);
}

/* Writes role name=text, with a star for reserved ones, and then the kinds of opaque parts. */
static void
dump(struct buf *out, const struct body *b, struct span raw)
{
	for (size_t i = 0; i < b->nsegments; i++) {
		const struct segment *s = &b->segments[i];
		if (!s->escaped && s->form != SEG_NUMBER)
			assert_true(span_eq(s->text, span_cut(raw, s->start, s->end)));
		buf_printf(out, "%s%s ", role_name(s->role), s->reserved ? "*" : "");
		if (s->key != SEGMENT_NO_KEY) {
			assert_true(s->key < i && b->segments[s->key].role == ROLE_KEY);
			buf_span(out, b->segments[s->key].text);
		}
		buf_putc(out, '=');
		buf_span(out, s->text);
		buf_putc(out, '\n');
	}
	for (size_t i = 0; i < b->unread.nmedia; i++)
		buf_printf(out, "<%.*s>", SPAN_ARG(b->unread.media[i].kind));
	if (b->unread.nmedia)
		buf_printf(out, " %zu\n", b->unread.bytes);
}

static const struct {
	const char *name, *type, *in, *want;
} reads[] = {
	{ "fields are texts under their names", TYPE,
		FIELD "one\r\ntwo\r\n" PART "g\r\n\r\n3" END,
		"key =f\nother f=one\r\ntwo\nkey =g\nother g=3\n" },
	{ "a file that is text is a document, its name is text", TYPE,
		PART
		"\"f\"; filename=\"jane@a.org.txt\"\r\nContent-Type: text/plain\r\n\r\nhi" END,
		"key =f\nother f=jane@a.org.txt\nother* =text/plain\ndocument f=hi\n" },
	{ "a file that is none is opaque", TYPE,
		PART "\"f\"; filename=\"a.bin\"\r\nContent-Type: "
		     "application/octet-stream\r\n\r\n\1\2\3" END,
		"key =f\nother f=a.bin\nother* =application/octet-stream\n<file> 3\n" },
	{ "a file name without quotes stays", TYPE, PART "f; filename=a.txt\r\n\r\nx" END,
		"key =f\nother* f=a.txt\ndocument f=x\n" },
	{ "a file name in both ways, the same, stays", TYPE,
		PART "f; filename=\"a b\"; filename*=UTF-8''a%20b\r\n\r\nx" END,
		"key =f\nother* f=a b\ndocument f=x\n" },
	{ "its kind by its type", TYPE, PART "f\r\nContent-Type: audio/x-thing\r\n\r\n\1\2" END,
		"key =f\nother* =audio/x-thing\n<audio> 2\n" },
	{ "its kind by its first bytes", TYPE, FIELD "\x89PNG\r\n" END, "key =f\n<image> 6\n" },
	{ "whatever type a text has", TYPE, PART "f\r\nContent-Type: audio/mpeg\r\n\r\nhi" END,
		"key =f\nother* =audio/mpeg\nother f=hi\n" },
	{ "a text in another charset is opaque", TYPE,
		PART "f\r\nContent-Type: text/plain; charset=utf-7\r\n\r\n+AG0-" END,
		"key =f\nother* =text/plain; charset=utf-7\n<file> 5\n" },
	{ "a document is read as one", TYPE,
		PART "f\r\nContent-Type: "
		     "application/json\r\n\r\n{\"a\":[\"x\\u0040y\",12345678]}" END,
		"key =f\nother* =application/json\nkey f=a\nother a=x@y\nother a=12345678\n" },
	{ "also where nothing says so", TYPE, FIELD "[\"x\"]\n" END, "key =f\nother f=x\n" },
	{ "what only begins as one is text", TYPE, FIELD "[see above" END,
		"key =f\nother f=[see above\n" },
	{ "also one that ends within", TYPE, FIELD "{\"a\":\"b" END,
		"key =f\nother f={\"a\":\"b\n" },
	{ "an empty text", TYPE, FIELD END, "key =f\n" },
	{ "an empty file", TYPE, PART "f; filename=\"\"\r\n\r\n" END, "key =f\nother f=\n" },
	{ "nothing after the end", TYPE, FIELD "x\r\n--b--", "key =f\nother f=x\n" },
	{ "a field of its own is text that stays", TYPE, PART "f\r\nX-Note: hello\r\n\r\nx" END,
		"key =f\nother* =hello\nother f=x\n" },
	{ "a text whose length is declared stays", TYPE,
		PART "f\r\nContent-Length: 1\r\n\r\nx" END, "key =f\nother* =1\nother* f=x\n" },
	{ "an encoding that is none", TYPE,
		PART "f\r\nContent-Transfer-Encoding: binary\r\n\r\nx" END,
		"key =f\nother* =binary\nother f=x\n" },
	{ "the boundary in quotes", "Multipart/Form-Data; charset=utf-8; Boundary=\"b\"",
		FIELD "x" END, "key =f\nother f=x\n" },
	{ "parts without names, where they need none", "multipart/mixed; boundary=b",
		"--b\r\n\r\nhi\r\n--b\r\nContent-Type: image/png\r\n\r\n\1" END,
		"other =hi\nother* =image/png\n<image> 1\n" },
	{ "a PDF of ASCII that does not begin at once is no text", TYPE,
		FIELD "\n\n%PDF-1.7\n1 0 obj" END, "key =f\n<file> 18\n" },
	{ "one that a text speaks of is", TYPE, FIELD "It begins with %PDF-1.7" END,
		"key =f\nother f=It begins with %PDF-1.7\n" },
	{ "rich text is no text", TYPE, FIELD "{\\rtf1 \\'44}" END, "key =f\n<file> 12\n" },
	{ "base64 in a text is opaque, as in any text", TYPE,
		FIELD
		"data:image/"
		"png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk" END,
		"key =f\nother "
		"f=data:image/"
		"png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk\n<"
		"image> 82\n" },
};

/* All are refused with 400 invalid_multipart, unless `code` has another code. */
static const struct {
	const char *name, *type, *in, *code;
} refuses[] = {
	{ "no boundary", "multipart/form-data", FIELD "x" END, NULL },
	{ "two boundaries", TYPE "; boundary=c", FIELD "x" END, NULL },
	{ "an empty boundary", "multipart/form-data; boundary=\"\"", FIELD "x" END, NULL },
	{ "a boundary in pieces", "multipart/form-data; boundary*0=b", FIELD "x" END, NULL },
	{ "a boundary with a blank", "multipart/form-data; boundary=\"b \"", FIELD "x" END,
		NULL },
	{ "a boundary of 71",
		"multipart/form-data; boundary="
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		FIELD "x" END, NULL },
	{ "another boundary", "multipart/form-data; boundary=c", FIELD "x" END, NULL },
	{ "another charset for all parts", TYPE,
		PART "\"_charset_\"\r\n\r\nutf-7\r\n" FIELD "a+AEA-b" END,
		"unsupported_charset" },
	{ "text before the parts", TYPE, "hi\r\n" FIELD "x" END, NULL },
	{ "text after them", TYPE, FIELD "x" END "hi", NULL },
	{ "a line after them", TYPE, FIELD "x" END "\r\n", NULL },
	{ "no end", TYPE, FIELD "x\r\n", NULL },
	{ "no part", TYPE, "--b--\r\n", NULL },
	{ "lines that end in LF alone", TYPE,
		"--b\nContent-Disposition: form-data; name=f\n\nx\n--b--\n", NULL },
	{ "a boundary after LF alone", TYPE, FIELD "\1\n--b\r\n\r\nhidden" END, NULL },
	{ "a boundary within a line", TYPE, FIELD "x--b" END, NULL },
	{ "a boundary that goes on", TYPE, FIELD "x\r\n--bc\r\ny" END, NULL },
	{ "a boundary with blanks after it", TYPE, FIELD "x\r\n--b \r\n\r\ny" END, NULL },
	{ "a part without a head", TYPE, "--b\r\nx" END, NULL },
	{ "a part that is nothing", TYPE, "--b" END, NULL },
	{ "no name", TYPE, "--b\r\nContent-Disposition: form-data\r\n\r\nx" END, NULL },
	{ "no Content-Disposition", TYPE, "--b\r\n\r\nx" END, NULL },
	{ "two of them", TYPE, PART "f\r\nContent-Disposition: form-data; name=g\r\n\r\nx" END,
		NULL },
	{ "another disposition", TYPE, "--b\r\nContent-Disposition: file; name=f\r\n\r\nx" END,
		NULL },
	{ "two names", TYPE, PART "f; name=g\r\n\r\nx" END, NULL },
	{ "two file names", TYPE, PART "f; filename=a; filename=b\r\n\r\nx" END, NULL },
	{ "a file name in another way", TYPE, PART "f; filename*=utf-8''a\r\n\r\nx" END, NULL },
	{ "and another one", TYPE, PART "f; filename=a; filename*=utf-8''b\r\n\r\nx" END,
		NULL },
	{ "and a longer one", TYPE, PART "f; filename=a; filename*=utf-8''a%20\r\n\r\nx" END,
		NULL },
	{ "and a shorter one", TYPE, PART "f; filename=ab; filename*=utf-8''a\r\n\r\nx" END,
		NULL },
	{ "and half an escape", TYPE, PART "f; filename=a; filename*=utf-8''%6\r\n\r\nx" END,
		NULL },
	{ "and another charset", TYPE, PART "f; filename=a; filename*=latin1''a\r\n\r\nx" END,
		NULL },
	{ "and the other way twice", TYPE,
		PART "f; filename=a; filename*=utf-8''a; filename*=utf-8''a\r\n\r\nx" END,
		NULL },
	{ "a quote in quotes", TYPE, PART "\"f\\\"; filename=\"a\"\r\n\r\nx" END, NULL },
	{ "quotes that stay open", TYPE, PART "\"f\r\n\r\nx" END, NULL },
	{ "something after quotes", TYPE, PART "\"f\"g\r\n\r\nx" END, NULL },
	{ "two types", TYPE,
		PART "f\r\nContent-Type: text/plain\r\nContent-Type: a/b\r\n\r\nx" END, NULL },
	{ "two types in one", TYPE, PART "f\r\nContent-Type: text/plain, a/b\r\n\r\nx" END,
		NULL },
	{ "base64", TYPE, PART "f\r\nContent-Transfer-Encoding: base64\r\n\r\neA==" END, NULL },
	{ "quoted-printable", TYPE,
		PART "f\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nx" END, NULL },
	{ "a field on two lines", TYPE, PART "f;\r\n filename=x\r\n\r\nx" END, NULL },
	{ "a field without a colon", TYPE, PART "f\r\nhello\r\n\r\nx" END, NULL },
	{ "a blank before the colon", TYPE, PART "f\r\nX-A : b\r\n\r\nx" END, NULL },
	{ "a NUL in a name", TYPE, PART "\"f\1\"\r\n\r\nx" END, NULL },
	{ "a name that is not UTF-8", TYPE, PART "\"f\xff\"\r\n\r\nx" END, NULL },
	{ "a lone CR in a head", TYPE, PART "f\rX-A: b\r\n\r\nx" END, NULL },
	{ "a document that is none", TYPE,
		PART "f\r\nContent-Type: application/json\r\n\r\n{" END, "invalid_json" },
	{ "a document with a key twice", TYPE,
		PART "f\r\nContent-Type: application/json\r\n\r\n{\"a\":1,\"a\":2}" END,
		"duplicate_key" },
};

static void
parts_of_a_form_are_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(reads); i++) {
		struct arena a;
		struct body b;
		struct body_refusal why;
		struct buf out;
		size_t n;

		char *p = input(reads[i].in, &n);
		arena_init(&a, 0, false);
		buf_init(&out, 0);
		if (read_parts(reads[i].type, span_of(p, n), &a, &b, &why))
			fail_msg("%s: %s at %zu", reads[i].name, why.why, why.at);
		assert_int_equal(b.format, BODY_MULTIPART);
		dump(&out, &b, span_of(p, n));
		if (!span_is(buf_view(&out), reads[i].want))
			fail_msg("%s: got\n%.*s", reads[i].name, SPAN_ARG(buf_view(&out)));
		buf_free(&out);
		arena_reset(&a);
		guard_free(p, n);
	}
}

static void
ambiguous_multipart_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(refuses); i++) {
		const char *code = refuses[i].code ? refuses[i].code : "invalid_multipart";
		struct arena a;
		struct body b;
		struct body_refusal why;
		size_t n;

		char *p = input(refuses[i].in, &n);
		arena_init(&a, 0, false);
		int err = read_parts(refuses[i].type, span_of(p, n), &a, &b, &why);
		if (!err || why.status != 400 || strcmp(why.code, code))
			fail_msg("%s: %d, %d %s %s", refuses[i].name, err, why.status,
				why.code ? why.code : "", why.why);
		assert_true(why.at <= n && !why.unreadable);
		assert_null(strstr(why.why, "hidden"));
		arena_reset(&a);
		guard_free(p, n);
	}
}

/* A body is accepted only whole, or without its last line end. */
static void
cut_multipart_body_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(reads); i++)
		for (size_t cut = 1; cut < strlen(reads[i].in); cut++) {
			struct arena a;
			struct body b;
			struct body_refusal why;
			size_t n;

			char *p = input(reads[i].in, &n);
			char *part = guard_dup(p, cut);
			arena_init(&a, 0, false);
			int err = read_parts(reads[i].type, span_of(part, cut), &a, &b, &why);
			bool whole = n - cut == 2 && !memcmp(p + n - 2, "\r\n", 2);
			if ((err == 0) != whole)
				fail_msg(
					"%s, %zu of %zu bytes: %d", reads[i].name, cut, n, err);
			arena_reset(&a);
			guard_free(part, cut);
			guard_free(p, n);
		}
}

static void
json_dialect_accepts_no_multipart(void **state)
{
	struct arena a;
	struct body b;
	struct body_refusal why;
	struct span in = SPAN_LIT(FIELD "x" END);

	(void)state;
	arena_init(&a, 0, false);
	assert_int_not_equal(body_read(dialect_table(dialect_find(SPAN_LIT("openai"))),
				     SPAN_LIT(TYPE), in, &a, &b, &why),
		0);
	assert_string_equal(why.code, "invalid_json");
	arena_reset(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_of_a_form_are_read),
		cmocka_unit_test(ambiguous_multipart_is_refused),
		cmocka_unit_test(cut_multipart_body_is_refused),
		cmocka_unit_test(json_dialect_accepts_no_multipart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
