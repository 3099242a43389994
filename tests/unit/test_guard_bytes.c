/* Content beside the texts of a dialect: bytes that do not match their type and are recognized
 * by their first bytes, headers of frames, and fields of the head. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "answer/guard/guard_private.h"
#include "base/codec/eventstream.h"
#include "base/codec/http.h"
#include "support/answer_fix.h"
#include "support/answer_run.h"

#define SSN    "536-22-1840"
#define ANSWER "{\"choices\":[{\"message\":{\"content\":\"my ssn is " SSN " and so on\"}}]}"

enum body_form { PLAIN, AWS, GZIP, ZSTD, LE16, BE16, LE16_MARKED, BE16_MARKED, LE32, BE32 };

/* Writes `text` in a form that clients may receive. For a compressed form, its beginning is
 * enough. */
static void
put_form(struct buf *b, enum body_form form, struct span text)
{
	static const char marks[][3] = {
		[LE16_MARKED] = "\xff\xfe", [BE16_MARKED] = "\xfe\xff"
	};
	size_t wide = form >= LE32 ? 4 : 2;
	size_t at = form == BE32 ? 3 : form == BE16 || form == BE16_MARKED ? 1 : 0;
	struct buf headers;

	switch (form) {
	case PLAIN: buf_span(b, text); return;
	case AWS:
		buf_init(&headers, 0);
		eventstream_header(&headers, ":message-type", SPAN_LIT("event"));
		eventstream_header(&headers, ":event-type", SPAN_LIT("contentBlockDelta"));
		assert_int_equal(eventstream_write(b, buf_view(&headers), text), 0);
		buf_free(&headers);
		return;
	case GZIP:
		buf_put(b, "\x1f\x8b\x08\0\0\0\0\0\0\x03", 10);
		buf_span(b, text);
		return;
	case ZSTD:
		buf_put(b, "\x28\xb5\x2f\xfd\x04", 5);
		buf_span(b, text);
		return;
	default: break;
	}
	if (form == LE16_MARKED || form == BE16_MARKED)
		buf_str(b, marks[form]);
	for (size_t i = 0; i < text.n; i++)
		for (size_t k = 0; k < wide; k++)
			buf_putc(b, k == at ? text.p[i] : '\0');
}

/* Bytes that are no text and no other known form. */
static const char image[] =
	"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\1\0\0\0\1\0\x08\6\0\0\0\x5c\x72\xa8\x66"
	"\0\0\0\1sRGB\0\xae\xce\x1c\xe9\0\0\0\4gAMA\0\0\xb1\x8f\x0b\xfc";

static enum guard_result
run_bytes(const char *type, struct span in, size_t step, enum outcome unread, struct buf *out)
{
	struct answer_case c = { "", DENY, "openai", "/v1/chat/completions", type, "", "" };
	struct guard_rig r;

	guard_rig_load(&r, &c);
	r.plan.unread = unread;
	guard_rig_begin(&r, &c);
	for (size_t i = 0; i < in.n; i += step)
		guard_rig_feed(&r, span_cut(in, i, i + step));
	guard_rig_end(&r);
	buf_clear(out);
	buf_span(out, buf_view(&r.out));
	enum guard_result got = r.got;
	guard_rig_close(&r);
	return got;
}

static const char *const types[] = { "", "application/octet-stream", "image/png", "audio/mpeg",
	"text/plain", "application/json", "application/x-unknown", "text/event-stream",
	"application/x-ndjson" };

/* Whatever the type, nothing is forwarded without the policy's permission. With it, the bytes
 * are unchanged. */
static void
hidden_content_is_uninspected(void **state)
{
	static const size_t steps[] = { 1, 13, 100000 };
	struct buf in, out;

	(void)state;
	buf_init(&in, 0);
	buf_init(&out, 0);
	for (size_t t = 0; t < COUNT_OF(types); t++)
		for (enum body_form f = AWS; f <= BE32; f++)
			for (size_t s = 0; s < COUNT_OF(steps); s++) {
				buf_clear(&in);
				put_form(&in, f, SPAN_LIT(ANSWER));
				enum guard_result got = run_bytes(
					types[t], buf_view(&in), steps[s], OUT_DENY, &out);
				bool stopped = got == GUARD_UNREAD || got == GUARD_BROKEN;
				if (!stopped || out.n)
					fail_msg("form %d as %s by %zu: %d, %zu bytes", f,
						types[t], steps[s], got, out.n);
				got = run_bytes(
					types[t], buf_view(&in), steps[s], OUT_PERMIT, &out);
				if (got == GUARD_PASS &&
					!span_eq(buf_view(&in), buf_view(&out)))
					fail_msg("form %d as %s by %zu: changed", f, types[t],
						steps[s]);
			}
	buf_free(&in);
	buf_free(&out);
}

static void
harmless_bytes_pass(void **state)
{
	static const struct {
		const char *type;
		struct span in;
	} harmless[] = {
		{ "image/png", { image, sizeof(image) - 1 } },
		{ "application/octet-stream", { image, sizeof(image) - 1 } },
		{ "application/gzip",
			SPAN_LIT("\x1f\x8b\x08\0\0\0\0\0\0\x03 and what is in it") },
		{ "application/zip", SPAN_LIT("PK\x03\x04\x14\0\0\0\x08\0 and what is in it") },
		{ "audio/mpeg", SPAN_LIT("\xff\xfb\x90\x64\0\0\0\0\0\0 and so on, for a while, "
					 "as music does, sixty bytes at least") },
		{ "video/mp4", SPAN_LIT("\0\0\0\x20"
					"ftypisom\0\0\2\0isomiso2avc1mp41 and so on, "
					"for a while, as films do, sixty") },
		{ "text/plain", SPAN_LIT("caf\xc3\xa9, \xe4\xbd\xa0\xe5\xa5\xbd") },
		{ "text/event-stream", SPAN_LIT("\xef\xbb\xbf: fine\n\ndata: [DONE]\n\n") },
		{ "application/x-ndjson", SPAN_LIT("{\"a\":1}\n") },
	};
	struct buf out;

	(void)state;
	buf_init(&out, 0);
	for (size_t i = 0; i < COUNT_OF(harmless); i++)
		for (size_t step = 1; step < 200; step += 99) {
			enum guard_result got = run_bytes(
				harmless[i].type, harmless[i].in, step, OUT_DENY, &out);
			if (got || !span_eq(buf_view(&out), harmless[i].in))
				fail_msg("%s, row %zu by %zu: %d", harmless[i].type, i, step,
					got);
		}
	buf_free(&out);
}

/* A field that no table knows precedes the first event. */
static void
events_after_any_field_are_read(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 0);
	assert_int_equal(
		run_bytes("image/png",
			SPAN_LIT("x-any: 1\n" CHUNK("my ssn is 536-") CHUNK("22-1840") STOP), 7,
			OUT_DENY, &out),
		GUARD_UNREAD);
	assert_int_equal(out.n, 0);
	buf_free(&out);
}

/* Some clients parse a document as such, whatever its type is. */
static void
document_is_not_read_as_events(void **state)
{
	static const size_t steps[] = { 1, 100000 };
	struct buf out;

	(void)state;
	buf_init(&out, 0);
	for (size_t i = 0; i < COUNT_OF(steps); i++) {
		assert_int_equal(
			run_bytes("text/event-stream",
				SPAN_LIT("{\"choices\":[{\"index\":0,\"message\":{\"content\":"
					 "\"my ssn is 536-22-1840\"}}]}"),
				steps[i], OUT_DENY, &out),
			GUARD_UNREAD);
		assert_int_equal(out.n, 0);
	}
	buf_free(&out);
}

#define WORDS " and this is what was said of it, at some length, by all who were there"
#define LONG  CHUNK(WORDS) CHUNK(WORDS) CHUNK(WORDS) CHUNK(WORDS)

/* An event over its limit after texts. The request contained no data of a class, but the
 * response may. */
static enum guard_result
after(const char *texts)
{
	struct answer_case c = { "", REDACT
		"on_failure: {classifier: {pii: deny, secret: permit, default: permit}}\n", "openai",
		"/v1/chat/completions", "text/event-stream", "", "" };
	struct guard_rig r;
	struct buf in;

	buf_init(&in, 0);
	buf_printf(&in, "%sdata: \"", texts);
	for (size_t i = 0; i < 3 << 19; i++)
		buf_putc(&in, 'x');
	buf_str(&in, "\"\n\n" STOP);
	guard_rig_load(&r, &c);
	r.plan.unread = OUT_PERMIT;
	r.plan.on_failure = &r.f.p->on_failure;
	guard_rig_begin(&r, &c);
	guard_rig_feed(&r, buf_view(&in));
	guard_rig_end(&r);
	enum guard_result got = r.got;
	guard_rig_close(&r);
	buf_free(&in);
	return got;
}

static void
class_found_in_a_response_blocks_its_uninspected_rest(void **state)
{
	(void)state;
	assert_int_equal(after(CHUNK("nothing here. ") LONG CHUNK("so")), GUARD_PASS);
	assert_int_equal(after(CHUNK("write to " MAIL " now.") LONG CHUNK("so")), GUARD_UNREAD);
}

/* The first bytes of an image are examined as they arrive: a byte, spaces, other bytes. */
static void
image_of_spaces_passes_byte_by_byte(void **state)
{
	static const struct answer_case c = { "", REDACT, "openai", "/v1/images", "image/png",
		"", "" };
	char spaces[96];
	struct guard_rig r;

	(void)state;
	memset(spaces, '\n', sizeof(spaces));
	spaces[0] = spaces[sizeof(spaces) - 2] = 'x';
	guard_rig_open(&r, &c);
	for (size_t i = 0; i < sizeof(spaces); i++)
		guard_rig_feed(&r, span_of(spaces + i, 1));
	guard_rig_end(&r);
	assert_int_equal(r.got, GUARD_PASS);
	assert_true(span_eq(buf_view(&r.out), span_of(spaces, sizeof(spaces))));
	guard_rig_close(&r);
}

/* ---- headers and fields ---- */

/* The headers of AWS messages are inspected, and a replacement in them gets a correct CRC. */
static void
headers_of_frames_are_inspected(void **state)
{
	static const struct answer_case row = { "headers", REDACT, "bedrock",
		"/model/x/converse-stream", FRAMES, "", "" };
	struct eventstream_message m;
	struct buf headers, in;
	struct guard_rig r;

	(void)state;
	buf_init(&headers, 0);
	buf_init(&in, 0);
	eventstream_header(&headers, ":message-type", SPAN_LIT("error"));
	eventstream_header(&headers, ":error-code", SPAN_LIT("Denied"));
	eventstream_header(&headers, ":error-message", SPAN_LIT("not for " MAIL));
	eventstream_header(&headers, "x-note", SPAN_LIT("card 4111 1111 1111 1111"));
	assert_int_equal(
		eventstream_write(&in, buf_view(&headers), SPAN_LIT("{\"message\":\"no\"}")),
		0);
	guard_rig_open(&r, &row);
	guard_rig_feed(&r, buf_view(&in));
	guard_rig_end(&r);
	assert_int_equal(r.got, GUARD_PASS);
	assert_int_equal(eventstream_read(buf_view(&r.out), &m), 0);
	assert_true(span_is(m.error_code, "Denied"));
	assert_true(span_is(m.error_message, "not for <EMAIL_ADDRESS>"));
	assert_true(span_is(m.payload, "{\"message\":\"no\"}"));
	assert_non_null(memmem(m.headers.p, m.headers.n, "card <CREDIT_CARD>", 18));
	buf_free(&headers);
	buf_free(&in);
	guard_rig_close(&r);
}

/* Fields of the head that no table lists are inspected before the head is forwarded. */
static void
unknown_fields_of_the_head_are_inspected(void **state)
{
	static const struct answer_case redacts = { "fields", REDACT, "openai",
		"/v1/chat/completions", "application/json", "", "" },
					denies = { "fields", DENY, "openai",
						"/v1/chat/completions", "text/event-stream", "",
						"" };
	struct http_field v[] = { { SPAN_LIT("X-Note"), SPAN_LIT("for " MAIL ", soon") },
		{ SPAN_LIT("etag"), SPAN_LIT("\"4111111111111111\"") },
		{ SPAN_LIT("CF-Ray"), SPAN_LIT("4111111111111111-FRA") },
		{ SPAN_LIT("x-key"), SPAN_LIT("fine") },
		{ SPAN_LIT("CF-Note"), SPAN_LIT("card 4111 1111 1111 1111") },
		{ SPAN_LIT("x-amz-meta-for"), SPAN_LIT("4111-1111-1111-1111") },
		{ SPAN_LIT("x-ms-owner"), SPAN_LIT(MAIL) },
		{ SPAN_LIT("Server"), SPAN_LIT("x (" MAIL ")") },
		{ SPAN_LIT("via"), SPAN_LIT("1.1 " MAIL) },
		{ SPAN_LIT("WWW-Authenticate"), SPAN_LIT("Bearer realm=\"" MAIL "\"") },
		{ SPAN_LIT("x-ratelimit-limit"), SPAN_LIT("1000000, 1000000;window=60") },
		{ SPAN_LIT("x-empty"), SPAN_LIT("") } };
	struct http_field ssn = { SPAN_LIT("x-note"), SPAN_LIT("my ssn is 536-22-1840") };
	struct guard_rig r;

	(void)state;
	guard_rig_open(&r, &redacts);
	assert_int_equal(guard_fields(r.g, v, COUNT_OF(v)), GUARD_PASS);
	assert_true(span_is(v[0].value, "for <EMAIL_ADDRESS>, soon"));
	assert_true(span_is(v[1].value, "\"4111111111111111\""));
	assert_true(span_is(v[2].value, "4111111111111111-FRA"));
	assert_true(span_is(v[3].value, "fine"));
	assert_true(span_is(v[4].value, "card <CREDIT_CARD>"));
	assert_true(span_is(v[5].value, "<CREDIT_CARD>"));
	assert_true(span_is(v[6].value, "<EMAIL_ADDRESS>"));
	assert_true(span_is(v[7].value, "x (<EMAIL_ADDRESS>)"));
	assert_true(span_is(v[8].value, "1.1 <EMAIL_ADDRESS>"));
	assert_true(span_is(v[9].value, "Bearer realm=\"<EMAIL_ADDRESS>\""));
	assert_true(span_is(v[10].value, "1000000, 1000000;window=60"));
	assert_int_equal(guard_report(r.g)->redactions, 7);
	guard_rig_close(&r);
	guard_rig_open(&r, &denies);
	assert_int_equal(guard_fields(r.g, &ssn, 1), GUARD_DENIED);
	guard_rig_feed(&r, SPAN_LIT(CHUNK("fine") STOP));
	assert_int_equal(r.got, GUARD_DENIED);
	assert_int_equal(r.out.n, 0);
	guard_rig_close(&r);
}

/* Each name that passes must be on the documentation page. */
static void
passing_fields_are_documented(void **state)
{
	(void)state;
	static char page[64 << 10];
	FILE *f = fopen("docs/answers.md", "r");
	const char *name;

	assert_non_null(f);
	page[fread(page, 1, sizeof(page) - 1, f)] = '\0';
	fclose(f);
	for (size_t i = 0; (name = guard_field_passes(i)); i++) {
		bool family = name[strlen(name) - 1] == '-', named = false;
		for (const char *at = page; !named && (at = strstr(at, name)); at++)
			named = at > page && strchr(" `", at[-1]) &&
				strchr(family ? "*" : " `\n", at[strlen(name)]);
		if (!named)
			fail_msg("docs/answers.md does not name %s", name);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(hidden_content_is_uninspected),
		cmocka_unit_test(harmless_bytes_pass),
		cmocka_unit_test(class_found_in_a_response_blocks_its_uninspected_rest),
		cmocka_unit_test(events_after_any_field_are_read),
		cmocka_unit_test(document_is_not_read_as_events),
		cmocka_unit_test(image_of_spaces_passes_byte_by_byte),
		cmocka_unit_test(headers_of_frames_are_inspected),
		cmocka_unit_test(unknown_fields_of_the_head_are_inspected),
		cmocka_unit_test(passing_fields_are_documented),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
