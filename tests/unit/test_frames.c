/* Framed responses whole, cut at every offset and byte by byte, against a guard page: always
 * the same frames and the same bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "answer/frames.h"
#include "base/codec/eventstream.h"
#include "base/err.h"
#include "support/frames_run.h"
#include "support/guard.h"

/* From providers.md of the AWS SDK: messageStart. */
#define START                                                                                  \
	"\x00\x00\x00\x76\x00\x00\x00\x52\x96\xd5\xfa\xde\x0b:event-type\x07\x00\x0cmessage"   \
	"Start\x0d:content-type\x07\x00\x10"                                                   \
	"application/json\x0d:message-type\x07\x00\x05"                                        \
	"event{\"role\":\"assistant\"}\x6f\xa8\xc5\x99"

static const struct {
	const char *name;
	enum frames_kind kind;
	struct span in;
	const char *want;
} cases[] = {
	{ "an event of a server", FRAMES_SSE,
		SPAN_LIT("event: x\ndata: a\n\n: c\n\ndata: b\n\n"), "x|a;|b;" },
	{ "an event without its blank line is handed out at the end", FRAMES_SSE,
		SPAN_LIT("data: a\n\ndata: b"), "|a;unended |b;" },
	{ "a document a line", FRAMES_LINES, SPAN_LIT("{\"a\":1}\n{\"b\":2}\n"),
		"|{\"a\":1};|{\"b\":2};" },
	{ "lines end with CR LF", FRAMES_LINES, SPAN_LIT("{}\r\n[]\r\n"), "|{};|[];" },
	{ "empty lines are no frames", FRAMES_LINES, SPAN_LIT("\n \n{}\n\t\r\n\n{}\n"),
		"|{};|{};" },
	{ "a last line without its end is one", FRAMES_LINES, SPAN_LIT("{}\n{\"x\""),
		"|{};unended |{\"x\";" },
	{ "an array's elements", FRAMES_ARRAY, SPAN_LIT("[{\"a\":1},{\"b\":2}]"),
		"|{\"a\":1};|{\"b\":2};" },
	{ "an array as Gemini sends it", FRAMES_ARRAY,
		SPAN_LIT("[{\n  \"a\": [1, 2]\n}\n,\r\n{\n  \"b\": {}\n}\n]\n"),
		"|{\n  \"a\": [1, 2]\n};|{\n  \"b\": {}\n};" },
	{ "an empty array", FRAMES_ARRAY, SPAN_LIT(" [ ] "), "" },
	{ "brackets, quotes and commas in strings are text", FRAMES_ARRAY,
		SPAN_LIT("[{\"a\":\"]},[{\\\"\\\\\"},\"]\\\\\"]"),
		"|{\"a\":\"]},[{\\\"\\\\\"};|\"]\\\\\";" },
	{ "numbers and names are elements", FRAMES_ARRAY,
		SPAN_LIT("[1 , -2.5e+3,true,null,[[]]]"), "|1;|-2.5e+3;|true;|null;|[[]];" },
	{ "an object is no array", FRAMES_ARRAY, SPAN_LIT("{\"error\":{}}"), "malformed" },
	{ "a byte order mark is no array", FRAMES_ARRAY, SPAN_LIT("\xef\xbb\xbf[]"),
		"malformed" },
	{ "nothing is no array", FRAMES_ARRAY, SPAN_LIT(""), "ends too early" },
	{ "two commas", FRAMES_ARRAY, SPAN_LIT("[{},,{}]"), "|{};malformed" },
	{ "a comma at the beginning", FRAMES_ARRAY, SPAN_LIT("[,{}]"), "malformed" },
	{ "a comma at the end", FRAMES_ARRAY, SPAN_LIT("[{},]"), "|{};malformed" },
	{ "no comma", FRAMES_ARRAY, SPAN_LIT("[{} {}]"), "|{};malformed" },
	{ "containers that do not match", FRAMES_ARRAY, SPAN_LIT("[{},{\"a\":]},{}]"),
		"|{};malformed" },
	{ "another end than the array's", FRAMES_ARRAY, SPAN_LIT("[{}}"), "|{};malformed" },
	{ "a name with a quote in it", FRAMES_ARRAY, SPAN_LIT("[tr\"ue]"), "malformed" },
	{ "bytes after the array", FRAMES_ARRAY, SPAN_LIT("[{}] x"), "|{};malformed" },
	{ "an array that ends in an element", FRAMES_ARRAY, SPAN_LIT("[{},{\"a\""),
		"|{};ends too early" },
	{ "an array that ends after an element", FRAMES_ARRAY, SPAN_LIT("[{}"),
		"|{};ends too early" },
	{ "a number that the end cuts", FRAMES_ARRAY, SPAN_LIT("[12"), "ends too early" },
	{ "messages of AWS", FRAMES_EVENTSTREAM, SPAN_LIT(START START),
		"messageStart|{\"role\":\"assistant\"};messageStart|{\"role\":\"assistant\"}"
		";" },
	{ "nothing is a stream of none", FRAMES_EVENTSTREAM, SPAN_LIT(""), "" },
	{ "the least message", FRAMES_EVENTSTREAM,
		SPAN_LIT("\0\0\0\x10\0\0\0\0\x05\xc2\x48\xeb\x7d\x98\xc8\xff"), "|;" },
	{ "a message that is cut", FRAMES_EVENTSTREAM,
		SPAN_LIT(START "\x00\x00\x00\x76\x00\x00\x00\x52\x96\xd5\xfa\xde\x0b"),
		"messageStart|{\"role\":\"assistant\"};ends too early" },
	{ "a prelude that is cut", FRAMES_EVENTSTREAM, SPAN_LIT("\x00\x00\x00\x76\x00\x00"),
		"ends too early" },
	{ "a wrong CRC of the prelude, before any more has come", FRAMES_EVENTSTREAM,
		SPAN_LIT(START "\x00\x00\x00\x76\x00\x00\x00\x52\x96\xd5\xfa\xdf"),
		"messageStart|{\"role\":\"assistant\"};malformed" },
	{ "text instead of messages", FRAMES_EVENTSTREAM, SPAN_LIT("{\"message\":\"no\"}"),
		"malformed" },
};

static void
expect(size_t i, size_t step, size_t cut)
{
	struct span in = cases[i].in;
	char *copy = guard_dup(in.p, in.n);
	struct frames_run run;

	frames_run_init(&run, cases[i].kind, 0);
	for (size_t at = 0; at < in.n; at += at ? step : cut)
		frames_run_feed(
			&run, span_cut(span_of(copy, in.n), at, at + (at ? step : cut)));
	frames_run_end(&run);
	if (!span_is(buf_view(&run.events), cases[i].want))
		fail_msg("%s (first %zu, then %zu): got %.*s", cases[i].name, cut, step,
			SPAN_ARG(buf_view(&run.events)));
	if (run.err == 0 && !span_eq(buf_view(&run.raw), in))
		fail_msg("%s (first %zu, then %zu): the bytes changed", cases[i].name, cut,
			step);
	if (!span_starts(in, buf_view(&run.raw)))
		fail_msg("%s: bytes that never came", cases[i].name);
	frames_run_free(&run);
	guard_free(copy, in.n);
}

static void
frames_do_not_depend_on_cuts(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		expect(i, 1, 1);
		expect(i, 7, 3);
		for (size_t cut = 1; cut <= cases[i].in.n; cut++)
			expect(i, cases[i].in.n, cut);
	}
}

/* ---- event streams ---- */

static void
changed_bit_of_a_message_is_detected(void **state)
{
	static const char start[] = START;
	char copy[sizeof(start) - 1];
	struct eventstream_message m;

	(void)state;
	assert_int_equal(eventstream_read(span_of(start, sizeof(copy)), &m), 0);
	assert_true(span_is(m.event_type, "messageStart"));
	assert_true(span_is(m.message_type, "event"));
	assert_null(m.exception_type.p);
	for (size_t bit = 0; bit < 8 * sizeof(copy); bit++) {
		memcpy(copy, start, sizeof(copy));
		copy[bit / 8] ^= (char)(1 << bit % 8);
		assert_int_equal(eventstream_read(span_of(copy, sizeof(copy)), &m), ERR_SYNTAX);
	}
	for (size_t n = 0; n < sizeof(copy); n++)
		assert_int_equal(eventstream_read(span_of(start, n), &m), ERR_SYNTAX);
}

static void
written_message_equals_the_test_vector(void **state)
{
	struct buf headers, out;

	(void)state;
	buf_init(&headers, 0);
	buf_init(&out, 0);
	eventstream_header(&headers, ":event-type", SPAN_LIT("messageStart"));
	eventstream_header(&headers, ":content-type", SPAN_LIT("application/json"));
	eventstream_header(&headers, ":message-type", SPAN_LIT("event"));
	buf_str(&out, "before");
	assert_int_equal(eventstream_write(&out, buf_view(&headers),
				 SPAN_LIT("{\"role\":\"assistant\"}")),
		0);
	assert_true(span_eq(span_cut(buf_view(&out), 6, out.n), SPAN_LIT(START)));
	assert_int_equal(eventstream_write(&out, buf_view(&headers),
				 span_of(START, EVENTSTREAM_PAYLOAD + 1)),
		ERR_LIMIT);
	buf_free(&headers);
	buf_free(&out);
}

/* Writes a message with these headers and correct CRCs. `total` and `of_headers` are its
 * lengths, unless they are 0. */
static struct span
message(struct buf *out, struct span headers, uint32_t total, uint32_t of_headers)
{
	assert_int_equal(eventstream_write(out, headers, SPAN_LIT("{}")), 0);
	char *p = out->p + out->start;
	const uint32_t lengths[] = { total, of_headers };
	for (size_t i = 0; i < 2; i++)
		for (size_t k = 0; lengths[i] && k < 4; k++)
			p[4 * i + k] = (char)(lengths[i] >> (24 - 8 * k));
	uint32_t crc = eventstream_crc(0, span_of(p, 8));
	for (size_t k = 0; k < 4; k++)
		p[8 + k] = (char)(crc >> (24 - 8 * k));
	crc = eventstream_crc(0, span_of(p, out->n - 4));
	for (size_t k = 0; k < 4; k++)
		p[out->n - 4 + k] = (char)(crc >> (24 - 8 * k));
	return buf_view(out);
}

static void
headers_and_lengths_are_checked_with_correct_crcs(void **state)
{
	static const struct {
		const char *name;
		struct span headers;
		uint32_t total, of_headers;
		const char *want;
	} rows[] = {
		{ "every type of header",
			SPAN_LIT("\1a\0\1b\1\1c\2x\1d\3xx\1e\4xxxx\1f\5xxxxxxxx\1g\6\0\2xx\1h\7"
				 "\0\1x"
				 "\1i\x08xxxxxxxx\1j\x09xxxxxxxxxxxxxxxx"),
			0, 0, "|{};" },
		{ "an exception has its type",
			SPAN_LIT("\x0d:message-type\7\0\x09"
				 "exception\x0f:exception-type\7\0\1x"),
			0, 0, "!x|{};" },
		{ "an error has a code",
			SPAN_LIT("\x0d:message-type\7\0\5error\x0b:error-code\7\0\1"
				 "7"),
			0, 0, "!7|{};" },
		{ "an error has its reason",
			SPAN_LIT("\x0d:message-type\7\0\5error\x0e:error-message\7\0\2no"), 0,
			0, "!|{}|no;" },
		{ "a type that is none", SPAN_LIT("\1a\x0a"), 0, 0, "malformed" },
		{ "a type beyond 127", SPAN_LIT("\1a\xff"), 0, 0, "malformed" },
		{ "a name without bytes", SPAN_LIT("\0\0"), 0, 0, "malformed" },
		{ "a name longer than the headers", SPAN_LIT("\5ab"), 0, 0, "malformed" },
		{ "a value longer than the headers", SPAN_LIT("\1a\7\0\5ab"), 0, 0,
			"malformed" },
		{ "a value without its length", SPAN_LIT("\1a\7\0"), 0, 0, "malformed" },
		{ "an integer that is cut", SPAN_LIT("\1a\4xx"), 0, 0, "malformed" },
		{ "a type that is no string", SPAN_LIT("\x0b:event-type\6\0\1x"), 0, 0,
			"malformed" },
		{ "two types", SPAN_LIT("\x0b:event-type\7\0\1x\x0b:event-type\7\0\1y"), 0, 0,
			"malformed" },
		{ "a length below the least", SPAN_LIT("\1a\0"), 15, 0, "malformed" },
		{ "headers longer than the message", SPAN_LIT("\1a\0"), 0, 6, "malformed" },
		{ "headers that end elsewhere", SPAN_LIT("\1a\0"), 0, 5, "malformed" },
		{ "a length beyond any message", SPAN_LIT("\1a\0"), 0x7fffffff, 0,
			"malformed" },
		{ "the greatest length", SPAN_LIT("\1a\0"), 0xffffffff, 0, "malformed" },
		{ "headers beyond any message", SPAN_LIT("\1a\0"), 300000, 200000,
			"malformed" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct frames_run run;
		struct buf out;
		buf_init(&out, 0);
		frames_run_init(&run, FRAMES_EVENTSTREAM, 0);
		struct span in =
			message(&out, rows[i].headers, rows[i].total, rows[i].of_headers);
		/* A wrong length is detected in the prelude. */
		frames_run_feed(&run, rows[i].total ? span_cut(in, 0, 12) : in);
		if (!span_is(buf_view(&run.events), rows[i].want))
			fail_msg("%s: got %.*s", rows[i].name, SPAN_ARG(buf_view(&run.events)));
		frames_run_free(&run);
		buf_free(&out);
	}
}

/* ---- limits ---- */

static void
frame_over_the_limit_continues_in_pieces(void **state)
{
	static const struct {
		const char *name;
		enum frames_kind kind;
		size_t cap;
		struct span in;
		const char *want;
	} rows[] = {
		{ "SSE", FRAMES_SSE, 12,
			SPAN_LIT("data: 0123456789\ndata: more\n\ndata: ok\n\n"),
			"<over>|ok;" },
		{ "SSE of the cap and a line feed", FRAMES_SSE, 12,
			SPAN_LIT("data: 0123\r\n\r\ndata: 012\r\n\r\n"), "<over>|012;" },
		{ "lines", FRAMES_LINES, 12, SPAN_LIT("{\"a\":0123456789}\n{\"b\":1}\n"),
			"<over>|{\"b\":1};" },
		{ "array", FRAMES_ARRAY, 12, SPAN_LIT("[ {\"a\":[0123456789]} , {\"b\":1},{}]"),
			"<over>|{\"b\":1};|{};" },
		{ "a number", FRAMES_ARRAY, 12, SPAN_LIT("[0123456789012345,1]"), "<over>|1;" },
		{ "spaces in an array", FRAMES_ARRAY, 12, SPAN_LIT("[1,             {}]"),
			"|1;malformed" },
		{ "spaces up to the limit before an array", FRAMES_ARRAY, 12,
			SPAN_LIT("            [1]"), "malformed" },
		{ "spaces before an array's end", FRAMES_ARRAY, 12, SPAN_LIT("[1            ]"),
			"|1;malformed" },
		{ "SSE that ends in a long event", FRAMES_SSE, 12,
			SPAN_LIT("data: 0123456789\ndata: more\n"), "<ends too early" },
		{ "an array that ends in a long element", FRAMES_ARRAY, 12,
			SPAN_LIT("[{\"a\":[0123456789]"), "<ends too early" },
		{ "spaces after an array", FRAMES_ARRAY, 12, SPAN_LIT("[1]             \n "),
			"|1;" },
		{ "spaces before an array", FRAMES_ARRAY, 12, SPAN_LIT("             []"),
			"malformed" },
		{ "messages", FRAMES_EVENTSTREAM, 117,
			SPAN_LIT(START "\0\0\0\x10\0\0\0\0\x05\xc2\x48\xeb\x7d\x98\xc8\xff"),
			"<over>|;" },
		{ "a message with a wrong CRC", FRAMES_EVENTSTREAM, 15,
			SPAN_LIT("\0\0\0\x10\0\0\0\0\x05\xc2\x48\xeb\x7d\x98\xc8\xfe"),
			"<malformed" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		for (size_t step = 1; step <= rows[i].in.n; step++) {
			struct frames_run run;
			frames_run_init(&run, rows[i].kind, rows[i].cap);
			for (size_t at = 0; at < rows[i].in.n; at += step)
				frames_run_feed(&run, span_cut(rows[i].in, at, at + step));
			frames_run_end(&run);
			/* If all bytes arrive at once, the last piece is not given out. */
			struct span got = buf_view(&run.events);
			bool fine = span_is(got, rows[i].want) ||
				    (rows[i].want[0] == '<' && span_is(got, rows[i].want + 1) &&
					    run.err);
			if (!fine)
				fail_msg("%s (step %zu): got %.*s", rows[i].name, step,
					SPAN_ARG(got));
			if (!run.err && !span_eq(buf_view(&run.raw), rows[i].in))
				fail_msg(
					"%s (step %zu): the bytes changed", rows[i].name, step);
			frames_run_free(&run);
		}
}

static void
frame_of_ten_megabytes_holds_at_most_the_limit(void **state)
{
	static char mass[64 << 10];
	static const struct span begins[] = { SPAN_LIT("data: "), SPAN_LIT("{\"a\":\""),
		SPAN_LIT("[{\"a\":\"") };

	(void)state;
	memset(mass, 'x', sizeof(mass));
	for (size_t i = 0; i < COUNT_OF(begins); i++) {
		struct frames f;
		struct frame out;
		size_t went = 0, most = 0;
		frames_init(&f, (enum frames_kind)i, 0);
		for (size_t fed = 0; fed < 10 << 20; fed += sizeof(mass)) {
			struct span in = fed ? span_of(mass, sizeof(mass)) : begins[i];
			while (frames_next(&f, &in, &out) > 0)
				went += out.raw.n;
			size_t held = f.block.size + f.sse.block.size;
			most = held > most ? held : most;
		}
		assert_true(went > 8 << 20);
		assert_true(most <= 4 << 20);
		assert_true(f.block.size + f.sse.block.size <= 2 << 20);
		frames_free(&f);
	}
}

static void
memory_of_a_long_frame_is_released(void **state)
{
	struct frames f;
	struct frame out;
	struct buf line;

	(void)state;
	buf_init(&line, 0);
	buf_str(&line, "data:");
	for (int i = 0; i < 100000; i++)
		buf_str(&line, "12345");
	for (int kind = FRAMES_SSE; kind <= FRAMES_LINES; kind++) {
		struct span in = buf_view(&line), end = SPAN_LIT("\n\n");
		end.n -= kind == FRAMES_LINES;
		frames_init(&f, (enum frames_kind)kind, 0);
		assert_int_equal(frames_next(&f, &in, &out), FRAME_MORE);
		assert_int_equal(frames_next(&f, &end, &out), FRAME_WHOLE);
		assert_true(out.data.n >= 500000);
		assert_int_equal(frames_next(&f, &end, &out), FRAME_MORE);
		assert_true(f.block.size + f.sse.block.size <= 16 << 10);
		frames_free(&f);
	}
	buf_free(&line);
}

static void
containers_may_nest_as_deep_as_in_json(void **state)
{
	char in[2 * CAP_JSON_DEPTH + 8];

	(void)state;
	for (size_t depth = CAP_JSON_DEPTH; depth <= CAP_JSON_DEPTH + 1; depth++) {
		struct frames_run run;
		in[0] = '[';
		in[2 * depth + 1] = ']';
		memset(in + 1, '[', depth);
		memset(in + 1 + depth, ']', depth);
		frames_run_init(&run, FRAMES_ARRAY, 0);
		frames_run_feed(&run, span_of(in, 2 * depth + 2));
		frames_run_end(&run);
		assert_int_equal(run.err, depth > CAP_JSON_DEPTH ? ERR_SYNTAX : 0);
		frames_run_free(&run);
	}
}

static void
value_of_a_header_is_limited(void **state)
{
	static char value[EVENTSTREAM_VALUE_MOST + 1];
	struct eventstream_message m;

	(void)state;
	for (size_t n = EVENTSTREAM_VALUE_MOST; n <= sizeof(value); n++) {
		struct buf headers, out;
		buf_init(&headers, 0);
		buf_init(&out, 0);
		buf_put(&headers, "\1a\7", 3);
		buf_putc(&headers, (char)(n >> 8));
		buf_putc(&headers, (char)n);
		buf_put(&headers, value, n);
		assert_int_equal(eventstream_write(&out, buf_view(&headers), SPAN_LIT("")), 0);
		assert_int_equal(eventstream_read(buf_view(&out), &m),
			n > EVENTSTREAM_VALUE_MOST ? ERR_SYNTAX : 0);
		buf_free(&headers);
		buf_free(&out);
	}
}

/* ---- writing ---- */

/* Drops, forwards or rewrites each frame, by the base-3 digits of `how`. */
static void
forward(enum frames_kind kind, struct span in, unsigned how, bool own_first, bool own_last,
	struct buf *out)
{
	struct frames f;
	struct frame_writer w;
	struct frame fr;

	frames_init(&f, kind, 0);
	frame_writer_init(&w, kind);
	if (own_first)
		assert_int_equal(
			frame_write(&w, SPAN_LIT("t"), SPAN_LIT("{\"own\":1}"), out), 0);
	while (frames_next(&f, &in, &fr) > 0) {
		if (own_last && !fr.has_data && span_ends(fr.raw, SPAN_LIT("]")))
			assert_int_equal(
				frame_write(&w, SPAN_LIT(""), SPAN_LIT("{\"own\":2}"), out), 0);
		if (!fr.has_data || how % 3 == 1)
			frame_pass(&w, &fr, out);
		else if (how % 3 == 2)
			assert_int_equal(
				frame_rewrite(&w, &fr, SPAN_LIT("{\"new\":0}"), out), 0);
		if (fr.has_data)
			how /= 3;
	}
	assert_int_equal(frames_end(&f, &fr), FRAME_MORE);
	frames_free(&f);
}

static void
commas_of_an_array_stay_correct(void **state)
{
	static const char *const inputs[] = { "[{\"a\":1},{\"b\":2},{\"c\":3}]",
		"[ 1 , \"x\"\n,\r\n[true] ] \n", " [{\"a\":1},\n{\"b\":2},\n{\"c\":3}\n]" };
	static const char *const element[3][3] = { { "{\"a\":1}", "{\"b\":2}", "{\"c\":3}" },
		{ "1", "\"x\"", "[true]" }, { "{\"a\":1}", "{\"b\":2}", "{\"c\":3}" } };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(inputs); i++)
		for (unsigned how = 0; how < 27 * 4; how++) {
			bool first = how / 27 % 2, last = how / 54 % 2;
			struct buf out, want;
			struct frames_run run;
			buf_init(&out, 0);
			buf_init(&want, 0);
			forward(FRAMES_ARRAY, span_str(inputs[i]), how % 27, first, last, &out);
			if (first)
				buf_str(&want, "|{\"own\":1};");
			for (unsigned k = 0, left = how % 27; k < 3; k++, left /= 3)
				if (left % 3)
					buf_printf(&want, "|%s;",
						left % 3 == 1 ? element[i][k] : "{\"new\":0}");
			if (last)
				buf_str(&want, "|{\"own\":2};");
			/* The strict reader finds the same elements. */
			frames_run_init(&run, FRAMES_ARRAY, 0);
			frames_run_feed(&run, buf_view(&out));
			frames_run_end(&run);
			if (!span_eq(buf_view(&run.events), buf_view(&want)))
				fail_msg("%s (%u): %.*s", inputs[i], how,
					SPAN_ARG(buf_view(&out)));
			if (how == 13 && !span_is(buf_view(&out), inputs[i]))
				fail_msg("%s: the bytes changed", inputs[i]);
			frames_run_free(&run);
			buf_free(&out);
			buf_free(&want);
		}
}

static void
rewriting_changes_only_the_payload(void **state)
{
	static const struct {
		enum frames_kind kind;
		struct span in;
		unsigned how;
		const char *want;
	} rows[] = {
		{ FRAMES_LINES, SPAN_LIT(" {\"a\":1} \r\n\n{\"b\":2}\n"), 2 + 3 * 1,
			" {\"new\":0} \r\n\n{\"b\":2}\n" },
		{ FRAMES_LINES, SPAN_LIT("{\"a\":1}\n{\"b\":2}\n"), 0 + 3 * 2,
			"{\"new\":0}\n" },
		{ FRAMES_SSE, SPAN_LIT("event: x\r\nid: 1\r\ndata: a\r\n\r\ndata: b\n\n"),
			2 + 3 * 1,
			"event: x\r\nid: 1\r\ndata: {\"new\":0}\r\n\r\ndata: b\n\n" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct buf out;
		buf_init(&out, 0);
		forward(rows[i].kind, rows[i].in, rows[i].how, false, false, &out);
		if (!span_is(buf_view(&out), rows[i].want))
			fail_msg("row %zu: %.*s", i, SPAN_ARG(buf_view(&out)));
		buf_free(&out);
	}
}

static void
rewritten_message_keeps_its_headers(void **state)
{
	struct frames_run run;
	struct buf out;

	(void)state;
	buf_init(&out, 0);
	forward(FRAMES_EVENTSTREAM, SPAN_LIT(START START), 2 + 3 * 1, false, false, &out);
	assert_int_equal(out.n, 2 * 0x76 - 20 + 9);
	frames_run_init(&run, FRAMES_EVENTSTREAM, 0);
	frames_run_feed(&run, buf_view(&out));
	frames_run_end(&run);
	assert_true(span_is(buf_view(&run.events),
		"messageStart|{\"new\":0};messageStart|{\"role\":\"assistant\"};"));
	frames_run_free(&run);
	buf_free(&out);
}

static void
frames_of_the_gateway_are_valid(void **state)
{
	static const struct {
		enum frames_kind kind;
		bool error;
		const char *type, *data;
		struct span want;
	} rows[] = {
		{ FRAMES_SSE, false, "", "{}", SPAN_LIT("data: {}\n\n") },
		{ FRAMES_SSE, true, "error", "{}", SPAN_LIT("event: error\ndata: {}\n\n") },
		{ FRAMES_SSE, false, "", "a\nb", SPAN_LIT("data: a\ndata: b\n\n") },
		{ FRAMES_LINES, false, "x", "{}", SPAN_LIT("{}\n") },
		{ FRAMES_ARRAY, true, "x", "{}", SPAN_LIT("[{}") },
		{ FRAMES_EVENTSTREAM, false, "messageStart", "{\"role\":\"assistant\"}",
			SPAN_LIT(START) },
	};
	struct frames_run run;
	struct frame_writer w;
	struct buf out;

	(void)state;
	buf_init(&out, 0);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		frame_writer_init(&w, rows[i].kind);
		buf_clear(&out);
		assert_int_equal((rows[i].error ? frame_write_error : frame_write)(&w,
					 span_str(rows[i].type), span_str(rows[i].data), &out),
			0);
		if (!span_eq(buf_view(&out), rows[i].want))
			fail_msg("row %zu: %.*s", i, SPAN_ARG(buf_view(&out)));
	}
	frame_writer_init(&w, FRAMES_EVENTSTREAM);
	buf_clear(&out);
	assert_int_equal(
		frame_write_error(&w, SPAN_LIT("throttlingException"), SPAN_LIT("{}"), &out),
		0);
	frames_run_init(&run, FRAMES_EVENTSTREAM, 0);
	frames_run_feed(&run, buf_view(&out));
	assert_true(span_is(buf_view(&run.events), "!throttlingException|{};"));
	frames_run_free(&run);
	buf_free(&out);
}

static void
gateway_frame_never_follows_half_a_frame(void **state)
{
	static const struct {
		enum frames_kind kind;
		struct span in;
		size_t cap;
		const char *want; /* NULL: nothing can be sent */
	} rows[] = {
		{ FRAMES_SSE, SPAN_LIT("data: a"), 0, "data: a\n\ndata: {}\n\n" },
		{ FRAMES_SSE, SPAN_LIT("data: 0123456789"), 8,
			"data: 0123456789\n\ndata: {}\n\n" },
		{ FRAMES_SSE, SPAN_LIT("data: a\n\n"), 0, "data: a\n\ndata: {}\n\n" },
		{ FRAMES_LINES, SPAN_LIT("{\"a\""), 0, "{\"a\"\n{}\n" },
		{ FRAMES_ARRAY, SPAN_LIT("[1,"), 0, "[1,{}" },
		{ FRAMES_ARRAY, SPAN_LIT("[1]"), 0, NULL },
		{ FRAMES_ARRAY, SPAN_LIT("[\"0123456789"), 8, NULL },
		{ FRAMES_EVENTSTREAM, SPAN_LIT("\0\0\0\x10\0\0\0\0\x05\xc2\x48\xeb"), 8, NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct frames f;
		struct frame fr;
		struct frame_writer w;
		struct buf out;
		struct span in = rows[i].in;
		buf_init(&out, 0);
		frames_init(&f, rows[i].kind, rows[i].cap);
		frame_writer_init(&w, rows[i].kind);
		while (frames_next(&f, &in, &fr) > 0)
			frame_pass(&w, &fr, &out);
		if (frames_end(&f, &fr) == FRAME_WHOLE)
			frame_pass(&w, &fr, &out);
		int r = frame_write(&w, SPAN_LIT(""), SPAN_LIT("{}"), &out);
		assert_int_equal(r, rows[i].want ? 0 : ERR_BAD_STATE);
		if (rows[i].want && !span_is(buf_view(&out), rows[i].want))
			fail_msg("row %zu: %.*s", i, SPAN_ARG(buf_view(&out)));
		frames_free(&f);
		buf_free(&out);
	}
}

/* ---- Bedrock's InvokeModel ---- */

static void
wrapped_model_event_is_unwrapped_and_wrapped_again(void **state)
{
	struct frame_writer w = { .kind = FRAMES_EVENTSTREAM, .wrap = true };
	struct buf out, changed, scratch;
	struct frames f;
	struct frame fr;

	(void)state;
	buf_init(&out, 0);
	buf_init(&changed, 0);
	buf_init(&scratch, 0);
	assert_int_equal(frame_write(&w, SPAN_LIT("chunk"), SPAN_LIT("{\"a\":1}"), &out), 0);
	for (int round = 0; round < 2; round++) {
		struct span in = buf_view(round ? &changed : &out);
		frames_init(&f, FRAMES_EVENTSTREAM, 0);
		assert_int_equal(frames_next(&f, &in, &fr), FRAME_WHOLE);
		assert_true(span_is(fr.type, "chunk"));
		assert_true(span_is(fr.data, round ? "{\"bytes\":\"eyJiIjoyMn0=\"}"
						   : "{\"bytes\":\"eyJhIjoxfQ==\"}"));
		assert_int_equal(frame_unwrap(&fr, &scratch), 0);
		assert_true(span_is(fr.data, round ? "{\"b\":22}" : "{\"a\":1}"));
		if (!round)
			assert_int_equal(
				frame_rewrite(&w, &fr, SPAN_LIT("{\"b\":22}"), &changed), 0);
		frames_free(&f);
	}
	buf_clear(&out);
	frame_write_error(&w, SPAN_LIT("x"), SPAN_LIT("{\"bytes\":\"e30=\"}"), &out);
	struct span in = buf_view(&out);
	frames_init(&f, FRAMES_EVENTSTREAM, 0);
	assert_int_equal(frames_next(&f, &in, &fr), FRAME_WHOLE);
	assert_int_equal(frame_unwrap(&fr, &scratch), ERR_NOTFOUND);
	frames_free(&f);
	buf_free(&out);
	buf_free(&changed);
	buf_free(&scratch);
}

static void
other_members_beside_a_wrapped_event_stay(void **state)
{
	static const struct {
		const char *payload;
		int want;
		const char *data, *rewritten;
	} rows[] = {
		{ " {\"p\":\"abc\", \"bytes\" : \"e30=\" ,\"q\":[1]} ", 0, "{}",
			" {\"p\":\"abc\", \"bytes\" : \"W10=\" ,\"q\":[1]} " },
		{ "{\"bytes\":\"a\\/8=\"}", 0, "k\xff", "{\"bytes\":\"W10=\"}" },
		{ "{\"bytes\":\"\"}", 0, "", "{\"bytes\":\"W10=\"}" },
		{ "{\"bytes\":\"e30\"}", ERR_SYNTAX, NULL, NULL },
		{ "{\"bytes\":\"e3 0=\"}", ERR_SYNTAX, NULL, NULL },
		{ "{\"bytes\":1}", ERR_NOTFOUND, NULL, NULL },
		{ "{\"byte\":\"e30=\"}", ERR_NOTFOUND, NULL, NULL },
		{ "{\"in\":{\"bytes\":\"e30=\"}}", ERR_NOTFOUND, NULL, NULL },
		{ "{\"bytes\":\"e30=\"", ERR_NOTFOUND, NULL, NULL },
		{ "{\"bytes\":\"e30=\",\"bytes\":\"e30=\"}", ERR_NOTFOUND, NULL, NULL },
		{ "[\"bytes\"]", ERR_NOTFOUND, NULL, NULL },
		{ "", ERR_NOTFOUND, NULL, NULL },
	};
	struct frame_writer w = { .kind = FRAMES_EVENTSTREAM };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct buf in, out, scratch;
		struct frames f;
		struct frame fr;
		struct eventstream_message m;
		buf_init(&in, 0);
		buf_init(&out, 0);
		buf_init(&scratch, 0);
		frame_write(&w, SPAN_LIT("chunk"), span_str(rows[i].payload), &in);
		struct span left = buf_view(&in);
		frames_init(&f, FRAMES_EVENTSTREAM, 0);
		assert_int_equal(frames_next(&f, &left, &fr), FRAME_WHOLE);
		int r = frame_unwrap(&fr, &scratch);
		if (r != rows[i].want)
			fail_msg("%s: %d", rows[i].payload, r);
		if (r == 0) {
			assert_true(span_is(fr.data, rows[i].data));
			assert_int_equal(frame_rewrite(&w, &fr, SPAN_LIT("[]"), &out), 0);
			assert_int_equal(eventstream_read(buf_view(&out), &m), 0);
			assert_true(span_is(m.payload, rows[i].rewritten));
		} else {
			assert_true(span_is(fr.data, rows[i].payload));
		}
		frames_free(&f);
		buf_free(&in);
		buf_free(&out);
		buf_free(&scratch);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_do_not_depend_on_cuts),
		cmocka_unit_test(changed_bit_of_a_message_is_detected),
		cmocka_unit_test(written_message_equals_the_test_vector),
		cmocka_unit_test(headers_and_lengths_are_checked_with_correct_crcs),
		cmocka_unit_test(frame_over_the_limit_continues_in_pieces),
		cmocka_unit_test(frame_of_ten_megabytes_holds_at_most_the_limit),
		cmocka_unit_test(memory_of_a_long_frame_is_released),
		cmocka_unit_test(containers_may_nest_as_deep_as_in_json),
		cmocka_unit_test(value_of_a_header_is_limited),
		cmocka_unit_test(commas_of_an_array_stay_correct),
		cmocka_unit_test(rewriting_changes_only_the_payload),
		cmocka_unit_test(rewritten_message_keeps_its_headers),
		cmocka_unit_test(frames_of_the_gateway_are_valid),
		cmocka_unit_test(gateway_frame_never_follows_half_a_frame),
		cmocka_unit_test(wrapped_model_event_is_unwrapped_and_wrapped_again),
		cmocka_unit_test(other_members_beside_a_wrapped_event_stay),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
