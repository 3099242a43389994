/* codec/json: the grammar, further refusals, positions, and decoding. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <sodium.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/caps.h"
#include "base/codec/json.h"
#include "base/utf8.h"
#include "base/err.h"
#include "support/guard.h"

/* Reads the whole input before a guard page and writes the tokens: keys as k(text), strings as
 * s(text), numbers unchanged. Returns 0 or the error. */
static int
tokens(struct span in, struct buf *out)
{
	struct arena a;
	char *p = guard_dup(in.p, in.n);
	struct span copy = span_of(p, in.n);
	struct json_event ev;

	arena_init(&a, 0, false);
	struct json *j = json_open(&a, copy);
	enum json_tok tok;
	while ((tok = json_next(j, &ev)) != JSON_END && tok != JSON_ERROR) {
		assert_int_equal(tok, ev.tok);
		assert_true(ev.start <= ev.end && ev.end <= in.n);
		if (tok == JSON_KEY || tok == JSON_STRING) {
			struct span text = json_text(&a, copy, &ev);
			assert_true(utf8_valid(text));
			assert_true(copy.p[ev.start - 1] == '"' && copy.p[ev.end] == '"');
			if (out) {
				buf_putc(out, tok == JSON_KEY ? 'k' : 's');
				buf_putc(out, '(');
				buf_span(out, text);
				buf_putc(out, ')');
			}
		} else if (out) {
			buf_span(out, span_cut(copy, ev.start, ev.end));
			buf_putc(out, ' ');
		}
	}
	int err = json_error(j, NULL, NULL);
	assert_int_equal(tok == JSON_ERROR, err != 0);
	assert_int_equal(json_next(j, &ev), tok); /* the end is final */
	arena_reset(&a);
	guard_free(p, in.n);
	return err;
}

static const struct {
	const char *name, *in, *want;
} reads[] = {
	{ "a lone string is a document", "\"x\"", "s(x)" },
	{ "white space stands anywhere between tokens", " \t\r\n{ \"a\" : [ 1 , 2 ] } ",
		"{ k(a)[ 1 2 ] } " },
	{ "empty containers", "[{},[],\"\"]", "[ { } [ ] s()] " },
	{ "every escape", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\"", "s(\"\\/\b\f\n\r\tA)" },
	{ "hexadecimal digits in either case", "\"\\u00e9\\u00C9\"", "s(\xc3\xa9\xc3\x89)" },
	{ "a surrogate pair is one character", "\"\\ud83d\\uDE00!\"", "s(\xf0\x9f\x98\x80!)" },
	{ "UTF-8 of each length", "\"\xc2\x80\xe0\xa0\x80\xef\xbf\xbf\xf4\x8f\xbf\xbf\"",
		"s(\xc2\x80\xe0\xa0\x80\xef\xbf\xbf\xf4\x8f\xbf\xbf)" },
	{ "numbers of every shape", "[0,-0,10,1.5,-1e5,1E+2,0.1e-3,12345678901234567890]",
		"[ 0 -0 10 1.5 -1e5 1E+2 0.1e-3 12345678901234567890 ] " },
	{ "literals", "[true,false,null]", "[ true false null ] " },
	{ "the same key in different objects", "{\"a\":{\"a\":1},\"b\":[{\"a\":2},{\"a\":3}]}",
		"{ k(a){ k(a)1 } k(b)[ { k(a)2 } { k(a)3 } ] } " },
	{ "DEL and non-characters are characters", "\"\x7f\xef\xbf\xbe\"",
		"s(\x7f\xef\xbf\xbe)" },
	{ "an escaped key", "{\"\\u0061b\":1}", "{ k(ab)1 } " },
};

static void
valid_json_is_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(reads) / sizeof(reads[0]); i++) {
		struct buf out;
		buf_init(&out, 0);
		int err = tokens(span_str(reads[i].in), &out);
		if (err || !span_is(buf_view(&out), reads[i].want))
			fail_msg("%s: %d, got %.*s", reads[i].name, err,
				SPAN_ARG(buf_view(&out)));
		/* Cut anywhere, the input is incomplete. Only cut white space, a lone number or
		 * a prefix of one is not noticed. */
		for (size_t cut = 0; cut < span_str(reads[i].in).n; cut++) {
			char last = reads[i].in[cut];
			if (last != ' ' &&
				tokens(span_of(reads[i].in, cut), NULL) != ERR_TRUNCATED &&
				tokens(span_of(reads[i].in, cut), NULL) != ERR_ENCODING)
				fail_msg("%s: cut at %zu was not noticed", reads[i].name, cut);
		}
		buf_free(&out);
	}
}

static const struct {
	const char *name, *in;
	int err;
	size_t at;
} refuses[] = {
	{ "nothing at all", "", ERR_TRUNCATED, 0 },
	{ "white space only", " \n", ERR_TRUNCATED, 2 },
	{ "a byte order mark", "\xef\xbb\xbf{}", ERR_ENCODING, 0 },
	{ "data after the document", "{} {}", ERR_SYNTAX, 3 },
	{ "a second scalar", "1 2", ERR_SYNTAX, 2 },
	{ "a trailing comma in an array", "[1,]", ERR_SYNTAX, 3 },
	{ "a trailing comma in an object", "{\"a\":1,}", ERR_SYNTAX, 7 },
	{ "a leading comma", "[,1]", ERR_SYNTAX, 1 },
	{ "a key without quotes", "{a:1}", ERR_SYNTAX, 1 },
	{ "single quotes", "['a']", ERR_SYNTAX, 1 },
	{ "a key without a colon", "{\"a\" 1}", ERR_SYNTAX, 5 },
	{ "a comment", "[1/*x*/]", ERR_SYNTAX, 2 },
	{ "the wrong bracket", "[1}", ERR_SYNTAX, 2 },
	{ "a leading zero", "[01]", ERR_SYNTAX, 2 },
	{ "a plus sign", "[+1]", ERR_SYNTAX, 1 },
	{ "a fraction without digits", "[1.]", ERR_SYNTAX, 3 },
	{ "no digits before the fraction", "[.5]", ERR_SYNTAX, 1 },
	{ "an exponent without digits", "[1e+]", ERR_SYNTAX, 4 },
	{ "NaN", "[NaN]", ERR_SYNTAX, 1 },
	{ "a literal in capitals", "[True]", ERR_SYNTAX, 1 },
	{ "a literal with a tail", "[nullx]", ERR_SYNTAX, 5 },
	{ "an unknown escape", "\"\\x41\"", ERR_SYNTAX, 1 },
	{ "a short \\u", "\"\\u12g4\"", ERR_SYNTAX, 1 },
	{ "a control character", "\"a\nb\"", ERR_SYNTAX, 2 },
	{ "a control character in the sixteenth place", "\"0123456789abcd\tx\"", ERR_SYNTAX,
		15 },
	{ "a lone high surrogate", "\"\\ud800\"", ERR_ENCODING, 1 },
	{ "a high surrogate before another escape", "\"\\ud800\\n\"", ERR_ENCODING, 1 },
	{ "two high surrogates", "\"\\ud800\\ud800\"", ERR_ENCODING, 1 },
	{ "a lone low surrogate", "\"\\udc00\"", ERR_ENCODING, 1 },
	{ "a surrogate in UTF-8", "\"\xed\xa0\x80\"", ERR_ENCODING, 1 },
	{ "an overlong slash", "\"\xc0\xaf\"", ERR_ENCODING, 1 },
	{ "an overlong three-byte form", "\"\xe0\x9f\xbf\"", ERR_ENCODING, 1 },
	{ "beyond U+10FFFF", "\"\xf4\x90\x80\x80\"", ERR_ENCODING, 1 },
	{ "a lone continuation byte", "\"ab\x80\"", ERR_ENCODING, 3 },
	{ "a sequence cut by the quote", "\"\xe2\x82\"", ERR_ENCODING, 1 },
	{ "invalid UTF-8 in a key", "{\"\xff\":1}", ERR_ENCODING, 2 },
	{ "invalid UTF-8 between tokens", "[\xff]", ERR_SYNTAX, 1 },
	{ "the same key twice", "{\"a\":1,\"a\":2}", ERR_DUPLICATE, 8 },
	{ "the same key once escaped", "{\"ab\":1,\"\\u0061b\":2}", ERR_DUPLICATE, 9 },
	{ "the same key by surrogates", "{\"\xf0\x9f\x98\x80\":1,\"\\ud83d\\ude00\":2}",
		ERR_DUPLICATE, 11 },
	{ "two empty keys", "{\"\":1,\"\":2}", ERR_DUPLICATE, 7 },
	{ "the same key after a nested object", "{\"a\":{\"b\":1},\"a\":2}", ERR_DUPLICATE,
		14 },
};

static void
invalid_json_is_refused_with_its_place(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refuses) / sizeof(refuses[0]); i++) {
		struct arena a;
		struct json_event ev;
		size_t at;
		arena_init(&a, 0, false);
		struct json *j = json_open(&a, span_str(refuses[i].in));
		enum json_tok tok;
		while ((tok = json_next(j, &ev)) != JSON_END && tok != JSON_ERROR)
			;
		int err = json_error(j, NULL, &at);
		if (err != refuses[i].err || at != refuses[i].at)
			fail_msg("%s: got %d (%s) at %zu", refuses[i].name, err, err_str(err),
				at);
		arena_reset(&a);
		assert_int_equal(tokens(span_str(refuses[i].in), NULL), refuses[i].err);
	}
}

static void
each_byte_is_handled_at_each_place_of_a_string(void **state)
{
	/* Each byte value at each position of a vector step. */
	(void)state;
	for (unsigned c = 0; c < 256; c++) {
		for (size_t at = 1; at < 35; at++) {
			char s[37];
			memset(s, 'x', sizeof(s));
			s[0] = s[36] = '"';
			s[at] = (char)c;
			int want = c < 0x20 || c == '"' ? ERR_SYNTAX
				   : c >= 0x80		? ERR_ENCODING
				   : c == '\\'		? ERR_SYNTAX
							: 0;
			if (tokens(span_of(s, sizeof(s)), NULL) != want)
				fail_msg("byte %02x at %zu", c, at);
		}
	}
}

static void
duplicate_keys_are_refused_among_many(void **state)
{
	(void)state;
	/* Objects near the sizes at which the set of keys is made and grows. Later objects
	 * reuse the first object's table. */
	for (unsigned n = 1; n < 600; n = n < 40 ? n + 1 : n * 2) {
		struct buf b;
		buf_init(&b, 0);
		buf_str(&b, "[");
		for (unsigned o = 0; o < 3; o++) {
			buf_str(&b, o ? ",{" : "{");
			for (unsigned i = 0; i < (o == 1 ? 20 : n); i++)
				buf_printf(&b, "%s\"k%u\":%u", i ? "," : "", i, i);
			buf_str(&b, "}");
		}
		size_t good = b.n;
		buf_str(&b, "]");
		assert_int_equal(tokens(buf_view(&b), NULL), 0);
		for (unsigned i = 0; i < n; i += n / 7 + 1) {
			b.n = good - 1;
			buf_printf(&b, ",\"\\u006b%u\":0}]", i);
			assert_int_equal(tokens(buf_view(&b), NULL), ERR_DUPLICATE);
		}
		buf_free(&b);
	}
}

static void
depth_and_nodes_are_limited(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	for (int i = 0; i < CAP_JSON_DEPTH; i++)
		buf_str(&b, i % 2 ? "{\"a\":" : "[");
	size_t opened = b.n;
	buf_str(&b, "1");
	for (int i = CAP_JSON_DEPTH; i-- > 0;)
		buf_str(&b, i % 2 ? "}" : "]");
	assert_int_equal(tokens(buf_view(&b), NULL), 0);
	b.n = opened;
	buf_str(&b, "[");
	assert_int_equal(tokens(buf_view(&b), NULL), ERR_RANGE);

	buf_clear(&b);
	buf_str(&b, "[0");
	for (int i = 2; i < CAP_JSON_NODES; i++)
		buf_str(&b, ",0");
	buf_str(&b, "]");
	assert_int_equal(tokens(buf_view(&b), NULL), 0);
	b.n--;
	buf_str(&b, ",0]");
	assert_int_equal(tokens(buf_view(&b), NULL), ERR_LIMIT);
	buf_free(&b);
}

static void
lack_of_memory_is_an_error(void **state)
{
	struct arena a;
	struct json_event ev;

	(void)state;
	for (size_t cap = 1; cap < 8192; cap += 97) {
		arena_init(&a, cap, false);
		struct json *j =
			json_open(&a, SPAN_LIT("{\"\\u0061\":[[[{\"b\":1,\"c\":2}]]]}"));
		enum json_tok tok = JSON_ERROR;
		while (j && (tok = json_next(j, &ev)) != JSON_END && tok != JSON_ERROR)
			;
		assert_true(!j || tok == JSON_END || json_error(j, NULL, NULL) == ERR_NOMEM);
		arena_reset(&a);
	}
}

static void
value_can_be_skipped(void **state)
{
	struct span in =
		SPAN_LIT("{\"a\":{\"b\":[1,{\"c\":2}]},\"d\":3,\"e\":[[]],\"f\":\"x\"}");
	struct arena a;
	struct json_event ev;

	(void)state;
	arena_init(&a, 0, false);
	struct json *j = json_open(&a, in);
	assert_int_equal(json_next(j, &ev), JSON_OBJECT);
	assert_int_equal(json_next(j, &ev), JSON_KEY); /* a */
	assert_int_equal(json_skip(j, &ev), JSON_OBJECT_END);
	assert_int_equal(json_next(j, &ev), JSON_KEY); /* d */
	assert_int_equal(json_skip(j, &ev), JSON_NUMBER);
	assert_int_equal(json_next(j, &ev), JSON_KEY); /* e */
	assert_int_equal(json_next(j, &ev), JSON_ARRAY);
	assert_int_equal(ev.depth, 1);
	assert_int_equal(json_skip(j, &ev), JSON_ARRAY_END);
	assert_int_equal(json_next(j, &ev), JSON_KEY); /* f */
	assert_true(span_is(json_text(&a, in, &ev), "f"));
	assert_int_equal(json_skip(j, &ev), JSON_STRING);
	assert_int_equal(json_next(j, &ev), JSON_OBJECT_END);
	assert_int_equal(ev.depth, 0);
	assert_int_equal(json_next(j, &ev), JSON_END);
	arena_reset(&a);
}

static void
places_in_a_string_map_to_the_raw_text(void **state)
{
	/* decoded: a, newline, e-acute (2 bytes), emoji (4 bytes), b */
	struct span raw = SPAN_LIT("a\\n\\u00e9\\ud83d\\ude00b");
	size_t want[] = { 0, 1, 3, 3, 9, 9, 9, 9, 21, 22 };

	(void)state;
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		assert_int_equal(json_raw_offset(raw, i), want[i]);
}

/* A random spelling of random text decodes to that text. */
static void
each_spelling_of_a_text_decodes_to_it(void **state)
{
	(void)state;
	srand(7);
	for (int round = 0; round < 3000; round++) {
		struct buf raw, text;
		buf_init(&raw, 0);
		buf_init(&text, 0);
		buf_putc(&raw, '"');
		for (int i = rand() % 40; i > 0; i--) {
			uint32_t cp = (uint32_t[]){ 'a' + (uint32_t)rand() % 26,
				(uint32_t)rand() % 0x800, 0x4e00 + (uint32_t)rand() % 0x100,
				0x1f600 + (uint32_t)rand() % 64 }[rand() % 4];
			char u[4];
			size_t n = utf8_encode(cp, u);
			buf_put(&text, u, n);
			if (rand() % 3 && cp >= 0x20 && cp != '"' && cp != '\\')
				buf_put(&raw, u, n);
			else if (cp < 0x10000)
				buf_printf(&raw, rand() % 2 ? "\\u%04x" : "\\u%04X", cp);
			else
				buf_printf(&raw, "\\u%04x\\u%04x",
					0xd800 + ((cp - 0x10000) >> 10), 0xdc00 + (cp & 0x3ff));
		}
		buf_putc(&raw, '"');
		struct arena a;
		struct json_event ev;
		arena_init(&a, 0, false);
		struct json *j = json_open(&a, buf_view(&raw));
		assert_int_equal(json_next(j, &ev), JSON_STRING);
		assert_true(span_eq(json_text(&a, buf_view(&raw), &ev), buf_view(&text)));
		assert_int_equal(json_next(j, &ev), JSON_END);
		arena_reset(&a);
		buf_free(&raw);
		buf_free(&text);
	}
}

/* nst/JSONTestSuite: input that it accepts is accepted, except duplicate keys; input that it
 * rejects is rejected. Input that it leaves open is rejected if it is not UTF-8. */
static void
public_json_suite_passes(void **state)
{
	static const char file[] = "../shared/data/json-parsing/cases.jsonl";
	FILE *f = fopen(file, "r");
	char *line = NULL;
	size_t room = 0, cases = 0;

	(void)state;
	if (!f) {
		print_message("SKIPPED: %s is not here\n", file);
		skip();
	}
	while (getline(&line, &room, f) > 0) {
		char name[128], expect[16];
		int at = 0;
		assert_int_equal(sscanf(line,
					 "{\"name\": \"%127[^\"]\", \"expect\": \"%15[^\"]\", "
					 "\"base64\": \"%n",
					 name, expect, &at),
			2);
		assert_true(at > 0);
		char *b64 = line + at;
		b64[strcspn(b64, "\"")] = 0;
		size_t n = 0, b64_n = strlen(b64);
		unsigned char *in = malloc(b64_n + 1);
		assert_int_equal(sodium_base642bin(in, b64_n + 1, b64, b64_n, NULL, &n, NULL,
					 sodium_base64_VARIANT_ORIGINAL),
			0);
		int err = tokens(span_of(in, n), NULL);
		bool accept = !strcmp(expect, "accept");
		if (strstr(name, "duplicated_key"))
			assert_int_equal(err, ERR_DUPLICATE);
		else if (strcmp(expect, "either") && accept != (err == 0))
			fail_msg("%s: expected %s, got %d", name, expect, err);
		if (!strcmp(expect, "either") && strstr(name, "surrogate") &&
			!strstr(name, "number"))
			assert_int_equal(err, ERR_ENCODING);
		if (!strcmp(expect, "either") && !utf8_valid(span_of(in, n)))
			assert_int_not_equal(err, 0);
		cases++;
		free(in);
	}
	free(line);
	fclose(f);
	print_message("%zu cases\n", cases);
	assert_int_equal(cases, 318);
}

/* Text that is cut within a surrogate pair: each half is three bytes, as UTF-8 would encode
 * it. */
static void
surrogate_halves_pass_if_permitted(void **state)
{
	struct span in = SPAN_LIT("[\"a\\ud83d\",\"\\ude00 b\",\"\\ud83d\\n\","
				  "\"\\ud83d\\ud83d\\ude00\",\"x\\n\"]");
	static const char *const texts[] = { "a\xed\xa0\xbd", "\xed\xb8\x80 b",
		"\xed\xa0\xbd\n", "\xed\xa0\xbd\xf0\x9f\x98\x80", "x\n" };
	struct json_event ev;
	struct arena a;

	(void)state;
	arena_init(&a, 0, false);
	struct json *j = json_open(&a, in);
	json_take_halves(j);
	assert_int_equal(json_next(j, &ev), JSON_ARRAY);
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		assert_int_equal(json_next(j, &ev), JSON_STRING);
		assert_true(span_is(json_text(&a, in, &ev), texts[i]));
		assert_int_equal(ev.halves, i + 1 < COUNT_OF(texts));
	}
	assert_int_equal(json_next(j, &ev), JSON_ARRAY_END);
	assert_int_equal(json_next(j, &ev), JSON_END);
	arena_reset(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(valid_json_is_read),
		cmocka_unit_test(invalid_json_is_refused_with_its_place),
		cmocka_unit_test(each_byte_is_handled_at_each_place_of_a_string),
		cmocka_unit_test(duplicate_keys_are_refused_among_many),
		cmocka_unit_test(depth_and_nodes_are_limited),
		cmocka_unit_test(lack_of_memory_is_an_error),
		cmocka_unit_test(value_can_be_skipped),
		cmocka_unit_test(places_in_a_string_map_to_the_raw_text),
		cmocka_unit_test(each_spelling_of_a_text_decodes_to_it),
		cmocka_unit_test(surrogate_halves_pass_if_permitted),
		cmocka_unit_test(public_json_suite_passes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
