/* WebSocket frames whole, byte by byte, cut at every offset, against a guard page: the same
 * messages, or the same refusal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/caps.h"
#include "base/codec/ws.h"
#include "support/guard.h"

enum { CAP = 4096 };

/* Writes messages as "op:payload;", a close as "8:code:reason;", an error as "!code". */
static void
collect_ws(struct ws_reader *r, struct span in, struct buf *out)
{
	struct ws_message m;

	while (in.n) {
		ssize_t n = ws_next(r, in, &m);
		if (n < 0) {
			if (!out->n || buf_view(out).p[out->n - 1] != '!')
				buf_printf(out, "%d!", r->wrong);
			return;
		}
		in = span_cut(in, (size_t)n, in.n);
		if (m.op == WS_CLOSE)
			buf_printf(out, "8:%d:%.*s;", m.code, SPAN_ARG(m.payload));
		else if (m.op && m.payload.n > 64)
			buf_printf(out, "%d:%zu bytes;", m.op, m.payload.n);
		else if (m.op)
			buf_printf(out, "%d:%.*s;", m.op, SPAN_ARG(m.payload));
	}
}

static void
read_cut(
	const char *name, struct span in, bool masked, const char *want, size_t at, size_t step)
{
	struct ws_reader r;
	struct buf out;

	ws_reader_init(&r, masked, CAP);
	buf_init(&out, 0);
	for (size_t from = 0; from < in.n;) {
		size_t to = step ? from + step : from < at ? at : in.n;
		struct span cut = span_cut(in, from, to);
		char *p = guard_dup(cut.p, cut.n);
		collect_ws(&r, span_of(p, cut.n), &out);
		guard_free(p, cut.n);
		from = to;
	}
	buf_putc(&out, '\0');
	if (strcmp(buf_view(&out).p, want) != 0)
		fail_msg("%s (at %zu, step %zu): %s, not %s", name, at, step, buf_view(&out).p,
			want);
	buf_free(&out);
	ws_reader_free(&r);
}

#define MASKED "\x01\x02\x03\x04"

static const struct {
	const char *name;
	struct span in;
	bool masked;
	const char *want;
} cases[] = {
	{ "a text of one frame", SPAN_LIT("\x81\x05Hello"), false, "1:Hello;" },
	{ "the masked text of RFC 6455 5.7",
		SPAN_LIT("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"), true, "1:Hello;" },
	{ "a text in two frames", SPAN_LIT("\x01\x03Hel\x80\x02lo"), false, "1:Hello;" },
	{ "a ping between two frames of a message", SPAN_LIT("\x01\x03Hel\x89\x02yo\x80\x02lo"),
		false, "9:yo;1:Hello;" },
	{ "an empty text", SPAN_LIT("\x81\x00"), false, "1:;" },
	{ "an empty masked text", SPAN_LIT("\x81\x80" MASKED), true, "1:;" },
	{ "frames without bytes in a message", SPAN_LIT("\x01\x00\x00\x00\x00\x01z\x80\x00"),
		false, "1:z;" },
	{ "a binary message may hold anything", SPAN_LIT("\x82\x02\xff\xfe"), false,
		"2:\xff\xfe;" },
	{ "a pong nobody asked for", SPAN_LIT("\x8a\x00"), false, "10:;" },
	{ "a close without a code", SPAN_LIT("\x88\x00"), false, "8:1005:;" },
	{ "a close with a code", SPAN_LIT("\x88\x02\x03\xe8"), false, "8:1000:;" },
	{ "a close with a reason",
		SPAN_LIT("\x88\x05\x0f\xa0"
			 "bye"),
		false, "8:4000:bye;" },
	{ "nothing is read after a close", SPAN_LIT("\x88\x02\x03\xe8\x81\x01x\xff"), false,
		"8:1000:;" },
	{ "a close with half a code", SPAN_LIT("\x88\x01\x03"), false, "1002!" },
	{ "a close with the code 1005", SPAN_LIT("\x88\x02\x03\xed"), false, "1002!" },
	{ "a close with the code 1006", SPAN_LIT("\x88\x02\x03\xee"), false, "1002!" },
	{ "a close with the code 999", SPAN_LIT("\x88\x02\x03\xe7"), false, "1002!" },
	{ "a close with the code 2999", SPAN_LIT("\x88\x02\x0b\xb7"), false, "1002!" },
	{ "a close with the code 5000", SPAN_LIT("\x88\x02\x13\x88"), false, "1002!" },
	{ "a close with a reason that is no UTF-8", SPAN_LIT("\x88\x03\x03\xe8\xff"), false,
		"1007!" },
	{ "a client's frame that is not masked", SPAN_LIT("\x81\x01x"), true, "1002!" },
	{ "a server's frame that is masked", SPAN_LIT("\x81\x81" MASKED "x"), false, "1002!" },
	{ "reserved bit 1", SPAN_LIT("\xc1\x01x"), false, "1002!" },
	{ "reserved bit 2", SPAN_LIT("\xa1\x01x"), false, "1002!" },
	{ "reserved bit 3", SPAN_LIT("\x91\x01x"), false, "1002!" },
	{ "a reserved bit of a control frame", SPAN_LIT("\xc9\x00"), false, "1002!" },
	{ "an opcode of data that nobody knows", SPAN_LIT("\x83\x00"), false, "1002!" },
	{ "an opcode of control that nobody knows", SPAN_LIT("\x8b\x00"), false, "1002!" },
	{ "a continuation frame without a message", SPAN_LIT("\x80\x01x"), false, "1002!" },
	{ "a continuation after a whole message", SPAN_LIT("\x81\x01x\x80\x01y"), false,
		"1:x;1002!" },
	{ "a text inside a message", SPAN_LIT("\x01\x01x\x81\x01y"), false, "1002!" },
	{ "a ping in pieces", SPAN_LIT("\x09\x00"), false, "1002!" },
	{ "a ping of 126 bytes", SPAN_LIT("\x89\x7e\x00\x7e"), false, "1002!" },
	{ "a length of 16 bits that needs seven", SPAN_LIT("\x81\x7e\x00\x7d"), false,
		"1002!" },
	{ "a length of 64 bits that needs 16",
		SPAN_LIT("\x81\x7f\x00\x00\x00\x00\x00\x00\xff\xff"), false, "1002!" },
	{ "a length of 64 bits", SPAN_LIT("\x81\x7f\x80\x00\x00\x00\x00\x00\x00\x00"), false,
		"1002!" },
	{ "a length of 63 bits is over any cap",
		SPAN_LIT("\x81\x7f\x7f\xff\xff\xff\xff\xff\xff\xff"), false, "1009!" },
	{ "a length over the cap, before any of it came", SPAN_LIT("\x82\x7e\x10\x01"), false,
		"1009!" },
	{ "a character over two frames", SPAN_LIT("\x01\x01\xc3\x80\x01\xa4"), false,
		"1:\xc3\xa4;" },
	{ "a character of four bytes over four frames",
		SPAN_LIT("\x01\x01\xf0\x00\x01\x9f\x00\x01\x98\x80\x01\x80"), false,
		"1:\xf0\x9f\x98\x80;" },
	{ "a text that ends inside a character", SPAN_LIT("\x81\x01\xc3"), false, "1007!" },
	{ "a text that ends inside a character, in two frames",
		SPAN_LIT("\x01\x01x\x80\x02\xe2\x82"), false, "1007!" },
	{ "an overlong form", SPAN_LIT("\x81\x02\xc0\x80"), false, "1007!" },
	{ "half of a surrogate pair", SPAN_LIT("\x81\x03\xed\xa0\x80"), false, "1007!" },
	{ "a bad text is refused before its last frame", SPAN_LIT("\x01\x02\xed\xa0"), false,
		"1007!" },
	{ "no character begins so", SPAN_LIT("\x01\x01\xf5"), false, "1007!" },
};

static void
messages_do_not_depend_on_cuts(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct span in = cases[i].in;
		const char *want = cases[i].want;
		read_cut(cases[i].name, in, cases[i].masked, want, in.n, 0);
		for (size_t step = 1; step < 4; step++)
			read_cut(cases[i].name, in, cases[i].masked, want, 0, step);
		for (size_t at = 1; at < in.n; at++)
			read_cut(cases[i].name, in, cases[i].masked, want, at, 0);
	}
}

static void
message_of_endless_frames_is_refused(void **state)
{
	struct ws_reader r;
	struct ws_message m;
	ssize_t n = 0;
	unsigned frames = 0;

	(void)state;
	ws_reader_init(&r, false, CAP);
	n = ws_next(&r, SPAN_LIT("\x01\x00"), &m);
	while (n >= 0 && frames < 2 * CAP_SOCKET_FRAGMENTS) {
		n = ws_next(&r, SPAN_LIT("\x00\x00"), &m);
		frames++;
	}
	assert_int_equal(frames, CAP_SOCKET_FRAGMENTS);
	assert_int_equal(r.wrong, WS_TOO_BIG);
	ws_reader_free(&r);
}

static void
pieces_of_a_message_count_as_one(void **state)
{
	struct ws_reader r;
	struct ws_message m;
	char frame[2 + 2 + 3000] = { 0x02, 126, 3000 >> 8, (char)(3000 & 0xff) };

	(void)state;
	ws_reader_init(&r, false, CAP);
	assert_int_equal(ws_next(&r, span_of(frame, sizeof(frame)), &m), sizeof(frame));
	frame[0] = 0;
	assert_true(ws_next(&r, span_of(frame, sizeof(frame)), &m) < 0);
	assert_int_equal(r.wrong, WS_TOO_BIG);
	ws_reader_free(&r);
}

static void
written_frame_is_read_again(void **state)
{
	static const size_t lengths[] = { 0, 1, 125, 126, 127, 4095, 65535, 65536, 100000 };
	static const unsigned char mask[4] = { 9, 8, 7, 6 };

	(void)state;
	for (size_t i = 0; i < 2 * COUNT_OF(lengths); i++) {
		size_t n = lengths[i / 2];
		const unsigned char *key = i % 2 ? mask : NULL;
		struct ws_reader r;
		struct ws_message m;
		struct buf out;
		char *text = malloc(n + 1);
		for (size_t k = 0; k < n; k++)
			text[k] = (char)('a' + k % 23);
		buf_init(&out, 0);
		ws_put(&out, WS_TEXT, true, span_of(text, n), key);
		ws_reader_init(&r, key, 1 << 20);
		assert_int_equal(ws_next(&r, buf_view(&out), &m), out.n);
		assert_int_equal(m.op, WS_TEXT);
		assert_true(span_eq(m.payload, span_of(text, n)));
		ws_reader_free(&r);
		buf_free(&out);
		free(text);
	}
}

static void
reason_of_a_close_is_limited(void **state)
{
	struct ws_reader r;
	struct ws_message m;
	struct buf out, reason;

	(void)state;
	buf_init(&out, 0);
	buf_init(&reason, 0);
	for (size_t i = 0; i < 100; i++)
		buf_str(&reason, "\xe2\x82\xac");
	ws_put_close(&out, WS_POLICY, buf_view(&reason), NULL);
	ws_reader_init(&r, false, CAP);
	assert_true(ws_next(&r, buf_view(&out), &m) > 0);
	assert_int_equal(m.op, WS_CLOSE);
	assert_int_equal(m.code, WS_POLICY);
	assert_int_equal(m.payload.n, WS_REASON_MAX);
	ws_reader_free(&r);
	buf_clear(&out);
	ws_put_close(&out, WS_NO_STATUS, SPAN_LIT("x"), NULL);
	assert_true(span_eq(buf_view(&out), SPAN_LIT("\x88\x00")));
	buf_free(&out);
	buf_free(&reason);
}

static void
key_of_the_rfc_gives_its_accept_value(void **state)
{
	char out[WS_ACCEPT_BYTES], key[WS_KEY_BYTES];
	struct span of_rfc = SPAN_LIT("dGhlIHNhbXBsZSBub25jZQ==");

	(void)state;
	ws_accept(of_rfc, out);
	assert_string_equal(out, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
	assert_true(ws_key_valid(of_rfc));
	assert_false(ws_key_valid(SPAN_LIT("dGhlIHNhbXBsZSBub25j")));
	assert_false(ws_key_valid(SPAN_LIT("")));
	ws_key_of((const unsigned char *)"the sample nonce", key);
	assert_true(span_is(of_rfc, key));
}

static void
incomplete_message_is_recognized(void **state)
{
	const struct {
		const char *bytes;
		size_t n;
		bool half;
	} pieces[] = {
		{ "", 0, false },
		{ "\x81", 1, true }, /* a head */
		{ "\x00", 1, false },
		{ "\x01\x02", 2, true }, /* a payload */
		{ "a", 1, true },
		{ "b", 1, true },	 /* its frame is complete, but not the last one */
		{ "\x89\x00", 2, true }, /* a ping in between */
		{ "\x80\x01z", 3, false },
		{ "\x89\x00", 2, false },
	};
	struct ws_reader r;
	struct ws_message m;

	(void)state;
	ws_reader_init(&r, false, CAP);
	for (size_t i = 0; i < COUNT_OF(pieces); i++) {
		for (struct span in = span_of(pieces[i].bytes, pieces[i].n); in.n;) {
			ssize_t n = ws_next(&r, in, &m);
			assert_true(n > 0);
			in = span_cut(in, (size_t)n, in.n);
		}
		if (ws_is_half(&r) != pieces[i].half)
			fail_msg("after piece %zu: %d", i, !pieces[i].half);
	}
	ws_reader_free(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_do_not_depend_on_cuts),
		cmocka_unit_test(message_of_endless_frames_is_refused),
		cmocka_unit_test(incomplete_message_is_recognized),
		cmocka_unit_test(pieces_of_a_message_count_as_one),
		cmocka_unit_test(written_frame_is_read_again),
		cmocka_unit_test(reason_of_a_close_is_limited),
		cmocka_unit_test(key_of_the_rfc_gives_its_accept_value),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
