/* Parsing of tokens: strict base64url, strict JSON, and the form of credentials. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "base/caps.h"
#include "base/codec/jws.h"
#include "support/guard.h"
#include "support/jwt_make.h"

/* clang-format off */
static const struct {
	const char *name, *in;
	int err;
	const char *out;
} texts[] = {
	{ "nothing", "", 0, "" },
	{ "one byte", "Zg", 0, "f" },
	{ "two bytes", "Zm8", 0, "fo" },
	{ "three bytes", "Zm9v", 0, "foo" },
	{ "both special digits", "-_-_", 0, "\xfb\xff\xbf" },
	{ "the digits of the other alphabet", "+/+/", ERR_SYNTAX, "" },
	{ "padding", "Zg==", ERR_SYNTAX, "" },
	{ "a single digit", "Z", ERR_SYNTAX, "" },
	{ "five digits", "Zm9vZ", ERR_SYNTAX, "" },
	{ "trailing bits in one byte", "Zh", ERR_SYNTAX, "" },
	{ "trailing bits in two bytes", "Zm9", ERR_SYNTAX, "" },
	{ "a line feed", "Zm9v\n", ERR_SYNTAX, "" },
	{ "a space within", "Zm 9v", ERR_SYNTAX, "" },
	{ "a high byte", "Zm9\xc3", ERR_SYNTAX, "" },
};
/* clang-format on */

static void
base64url_is_decoded_strictly(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct arena a;
		struct span out = { NULL, 0 };
		size_t n = strlen(texts[i].in);
		char *in = guard_dup(texts[i].in, n);
		arena_init(&a, 0, false);
		int err = b64url_decode(span_of(in, n), &a, &out);
		if (err != texts[i].err || (!err && !span_is(out, texts[i].out)))
			fail_msg("%s: %d", texts[i].name, err);
		guard_free(in, n);
		arena_reset(&a);
	}
}

/* Each value has one encoding: a decoded text encodes to itself. */
static void
value_has_one_encoding_in_base64url(void **state)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

	(void)state;
	for (size_t n = 1; n <= 3; n++)
		for (size_t v = 0; v < (n == 3		? 64 * 64 * 64
					       : n == 2 ? 64 * 64
							: 64);
			v += n == 3 ? 7 : 1) {
			char in[4] = { digits[v % 64], digits[v / 64 % 64], digits[v / 4096],
				0 };
			struct arena a;
			struct span out;
			struct buf b;
			arena_init(&a, 0, false);
			buf_init(&b, 0);
			if (b64url_decode(span_of(in, n), &a, &out) == 0) {
				put_b64url(&b, out.p, out.n);
				assert_true(span_eq(buf_view(&b), span_of(in, n)));
			}
			buf_free(&b);
			arena_reset(&a);
		}
}

/* clang-format off */
static const struct { const char *in; enum credential_shape want; } shapes[] = {
	{ "", SHAPE_NONE }, { "abc", SHAPE_NONE }, { "a.b", SHAPE_NONE }, { "a.b.c", SHAPE_TOKEN },
	{ "a.b.c.d", SHAPE_NONE }, { "a.b.c.d.e", SHAPE_TOKEN }, { "a.b.c.d.e.f", SHAPE_NONE },
	{ "..", SHAPE_TOKEN }, { "....", SHAPE_TOKEN }, { "a..", SHAPE_TOKEN }, { ".b.", SHAPE_TOKEN },
	{ ".", SHAPE_NONE }, { "...", SHAPE_NONE },
	{ "tg_", SHAPE_API_KEY }, { "tg_a_b", SHAPE_API_KEY }, { "tg_a.b.c", SHAPE_API_KEY },
	{ "TG_a_b", SHAPE_NONE }, { "tg", SHAPE_NONE }, { "xtg_a_b", SHAPE_NONE },
	{ "sk-proj-abc", SHAPE_NONE },
};
/* clang-format on */

static void
form_of_a_credential_determines_its_kind(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		size_t n = strlen(shapes[i].in);
		char *in = guard_dup(shapes[i].in, n);
		if (credential_shape(span_of(in, n)) != shapes[i].want)
			fail_msg("%s", shapes[i].in);
		guard_free(in, n);
	}
}

/* Parts are given as text and encoded here; a part that begins with '=' is used unchanged. */
/* clang-format off */
static const struct { const char *name, *header, *payload, *signature; bool ok; } tokens[] = {
	{ "two objects and a signature", "{\"alg\":\"RS256\"}", "{}", "sig", true },
	{ "an empty header object", "{}", "{}", "s", true },
	{ "no signature", "{}", "{}", "", false },
	{ "no payload", "{}", "", "s", false },
	{ "no header", "", "{}", "s", false },
	{ "a header that is a list", "[]", "{}", "s", false },
	{ "a payload that is a string", "{}", "\"x\"", "s", false },
	{ "a payload that is null", "{}", "null", "s", false },
	{ "a header that is no JSON", "{", "{}", "s", false },
	{ "a byte order mark", "\xef\xbb\xbf{}", "{}", "s", false },
	{ "something behind the object", "{}x", "{}", "s", false },
	{ "two objects in one part", "{}{}", "{}", "s", false },
	{ "a key given twice", "{\"alg\":\"RS256\",\"alg\":\"none\"}", "{}", "s", false },
	{ "a key given twice, spelt otherwise", "{\"alg\":\"RS256\",\"al\\u0067\":\"none\"}", "{}", "s", false },
	{ "a claim given twice", "{}", "{\"sub\":\"a\",\"sub\":\"b\"}", "s", false },
	{ "a claim given twice, deep", "{}", "{\"a\":{\"b\":1,\"b\":2}}", "s", false },
	{ "a NUL in a string", "{}", "{\"sub\":\"a\\u0000b\"}", "s", false },
	{ "a NUL in a key", "{}", "{\"su\\u0000b\":1}", "s", false },
	{ "a lone surrogate", "{}", "{\"sub\":\"\\ud800\"}", "s", false },
	{ "not UTF-8", "{}", "{\"sub\":\"\xff\"}", "s", false },
	{ "a number beyond all bounds", "{}", "{\"exp\":1e999}", "s", false },
	{ "an integer beyond 64 bits", "{}", "{\"exp\":99999999999999999999}", "s", false },
	{ "a comment", "{/**/}", "{}", "s", false },
	{ "NaN", "{}", "{\"exp\":NaN}", "s", false },
	{ "space around", " {} ", "\n{}\n", "s", true },
	{ "padding", "=e30=", "{}", "s", false },
	{ "padding at the signature", "{}", "{}", "=cw==", false },
	{ "trailing bits at the signature", "{}", "{}", "=cx", false },
	{ "a space in a part", "=e3 0", "{}", "s", false },
};
/* clang-format on */

static void
put_part(struct buf *b, const char *part)
{
	if (*part == '=')
		buf_str(b, part + 1);
	else
		put_b64url(b, part, strlen(part));
}

static void
token_is_parsed_or_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
		struct arena a;
		struct buf b;
		struct jws j;
		const char *why = NULL;
		arena_init(&a, 0, false);
		buf_init(&b, 0);
		put_part(&b, tokens[i].header);
		buf_putc(&b, '.');
		put_part(&b, tokens[i].payload);
		size_t signed_n = b.n;
		buf_putc(&b, '.');
		put_part(&b, tokens[i].signature);
		char *in = guard_dup(buf_view(&b).p, b.n);
		int err = jws_parse(span_of(in, b.n), &a, &j, &why);
		if ((err == 0) != tokens[i].ok || (err && (err != ERR_SYNTAX || !why)))
			fail_msg("%s: %d", tokens[i].name, err);
		if (!err) {
			assert_true(span_eq(j.signed_text, span_of(in, signed_n)));
			assert_true(span_is(j.signature, tokens[i].signature));
		}
		jws_clear(&j);
		/* Cut anywhere, it is no token, or has another signature. */
		for (size_t cut = 0; cut < b.n; cut++) {
			char *part = guard_dup(in, cut);
			err = jws_parse(span_of(part, cut), &a, &j, &why);
			assert_true(err || cut > signed_n + 1);
			jws_clear(&j);
			guard_free(part, cut);
		}
		guard_free(in, b.n);
		buf_free(&b);
		arena_reset(&a);
	}
}

static void
token_must_have_three_parts(void **state)
{
	static const char *const bad[] = { "", ".", "..", "...", "....", "e30.e30", "e30.e30.",
		"e30..cw", ".e30.cw", "e30.e30.cw.", "e30.e30.cw.cw", "e30.e30.cw.cw.cw",
		"e30.e30.c w", "e30.e30.cw\n" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct arena a;
		struct jws j;
		const char *why = NULL;
		arena_init(&a, 0, false);
		if (jws_parse(span_str(bad[i]), &a, &j, &why) != ERR_SYNTAX)
			fail_msg("%s", bad[i]);
		arena_reset(&a);
	}
}

static void
token_of_a_megabyte_is_refused(void **state)
{
	enum { MEGABYTE = 1 << 20 };
	struct arena a;
	struct jws j;
	const char *why = NULL;
	char *text = malloc(MEGABYTE);

	(void)state;
	memset(text, 'A', MEGABYTE);
	memcpy(text, "e30.e30.", 8);
	arena_init(&a, 0, false);
	assert_int_equal(jws_parse(span_of(text, CAP_TOKEN_BYTES), &a, &j, &why), 0);
	jws_clear(&j);
	assert_int_equal(
		jws_parse(span_of(text, CAP_TOKEN_BYTES + 1), &a, &j, &why), ERR_LIMIT);
	assert_int_equal(jws_parse(span_of(text, MEGABYTE), &a, &j, &why), ERR_LIMIT);
	arena_reset(&a);
	/* Brackets nested as deep as a token can hold. */
	struct buf b;
	buf_init(&b, 0);
	memset(text, '[', 5000);
	memcpy(text, "{\"a\":", 5);
	put_signed_text(&b, SPAN_LIT("{}"), span_of(text, 5000));
	buf_str(&b, ".cw");
	assert_int_equal(jws_parse(buf_view(&b), &a, &j, &why), ERR_SYNTAX);
	arena_reset(&a);
	/* No memory. */
	arena_init(&a, 64, false);
	assert_int_equal(jws_parse(buf_view(&b), &a, &j, &why), ERR_NOMEM);
	arena_reset(&a);
	buf_free(&b);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(base64url_is_decoded_strictly),
		cmocka_unit_test(value_has_one_encoding_in_base64url),
		cmocka_unit_test(form_of_a_credential_determines_its_kind),
		cmocka_unit_test(token_is_parsed_or_refused),
		cmocka_unit_test(token_must_have_three_parts),
		cmocka_unit_test(token_of_a_megabyte_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
