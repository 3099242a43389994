/* Requests to transcribers and their responses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/err.h"
#include "scan/speech/transcript.h"

static struct arena arena;

static int
read_transcript(const char *answer, enum transcript_format f, struct transcript *t)
{
	arena_reset(&arena);
	arena_init(&arena, 0, false);
	return transcript_read(span_str(answer), f, 3000, &arena, t);
}

static void
form_has_fields_and_file(void **state)
{
	const struct transcript_form f = { "m-1", "de", TRANSCRIPT_JSON };
	struct buf b = { 0 };

	(void)state;
	size_t at = transcript_ask(&f, "wav", "BB", &b);
	assert_true(span_eq(buf_view(&b),
		SPAN_LIT("--BB\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm-1\r\n"
			 "--BB\r\nContent-Disposition: form-data; "
			 "name=\"language\"\r\n\r\nde\r\n"
			 "--BB\r\nContent-Disposition: form-data; "
			 "name=\"response_format\"\r\n\r\njson\r\n"
			 "--BB\r\nContent-Disposition: form-data; "
			 "name=\"temperature\"\r\n\r\n0\r\n"
			 "--BB\r\nContent-Disposition: form-data; name=\"file\"; "
			 "filename=\"sound.wav\"\r\n"
			 "Content-Type: "
			 "application/octet-stream\r\n\r\n\r\n--BB--\r\n")));
	assert_true(span_eq(span_cut(buf_view(&b), at, b.n), SPAN_LIT("\r\n--BB--\r\n")));
	buf_free(&b);
}

static void
pieces_are_joined_with_their_times(void **state)
{
	struct transcript t;

	(void)state;
	assert_int_equal(
		read_transcript(
			"{\"task\":\"transcribe\",\"language\":\"english\",\"duration\":3.0,"
			"\"text\":\" one two. three\",\"words\":[{\"word\":\"one\"}],"
			"\"segments\":[{\"id\":0,\"start\":0.0,\"end\":1.5,\"text\":\" one "
			"two.\","
			"\"avg_logprob\":-0.1,\"no_speech_prob\":0.25,\"tokens\":[1,2]},"
			"{\"id\":1,\"start\":1.5,\"end\":3.2,\"text\":\" three\","
			"\"avg_logprob\":-1.0,\"no_speech_prob\":0.75}]}",
			TRANSCRIPT_VERBOSE, &t),
		0);
	assert_true(span_is(t.text, "one two. three"));
	assert_int_equal(t.other.n, 0);
	assert_true(span_is(t.language, "english"));
	assert_true(t.confidence > 0.36 && t.confidence < 0.37);
	assert_true(t.no_speech > 0.74 && t.no_speech < 0.76);
	assert_int_equal(transcript_time(t.pieces, t.npieces, 0), 0);
	assert_int_equal(transcript_time(t.pieces, t.npieces, 8), 0);
	assert_int_equal(transcript_time(t.pieces, t.npieces, 9), 1500);
}

static void
text_that_differs_from_its_pieces_is_kept(void **state)
{
	struct transcript t;

	(void)state;
	assert_int_equal(
		read_transcript(
			"{\"text\":\"one and two\",\"segments\":[{\"start\":0,\"end\":1,"
			"\"text\":\"one\"}]}",
			TRANSCRIPT_VERBOSE, &t),
		0);
	assert_true(span_is(t.text, "one"));
	assert_true(span_is(t.other, "one and two"));
	assert_true(t.confidence < 0 && t.no_speech < 0);
}

static void
other_formats_are_texts(void **state)
{
	struct transcript t;

	(void)state;
	assert_int_equal(
		read_transcript("{\"text\":\"a \\u00e9\",\"usage\":{}}", TRANSCRIPT_JSON, &t),
		0);
	assert_true(span_is(t.text, "a é"));
	assert_int_equal(read_transcript("plain\n", TRANSCRIPT_TEXT, &t), 0);
	assert_true(span_is(t.text, "plain\n"));
	assert_int_equal(t.npieces, 0);
}

static void
other_responses_are_errors(void **state)
{
	static const struct {
		const char *answer;
		int err;
	} rows[] = {
		{ "", ERR_SYNTAX },
		{ "[]", ERR_SYNTAX },
		{ "{}", ERR_SYNTAX },
		{ "{\"text\":7}", ERR_SYNTAX },
		{ "{\"text\":\"a\"} b", ERR_SYNTAX },
		{ "{\"text\":\"a\",\"segments\":{}}", ERR_SYNTAX },
		{ "{\"text\":\"a\",\"segments\":[7]}", ERR_SYNTAX },
		{ "{\"text\":\"a\",\"segments\":[{\"start\":0,\"end\":1}]}", ERR_SYNTAX },
		{ "{\"text\":\"a\",\"segments\":[{\"start\":0,\"end\":60,\"text\":\"a\"}]}",
			ERR_RANGE },
		{ "{\"text\":\"a\",\"segments\":[{\"start\":-1,\"end\":1,\"text\":\"a\"}]}",
			ERR_RANGE },
		{ "{\"text\":\"a\",\"segments\":[{\"start\":2,\"end\":1,\"text\":\"a\"}]}",
			ERR_RANGE },
		{ "{\"text\":\"a\",\"duration\":7200}", ERR_RANGE },
		{ "{\"text\":\"a\",\"segments\":[{\"start\":1e999,\"end\":1,\"text\":\"a\"}]}",
			ERR_SYNTAX },
	};
	struct transcript t;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_int_equal(
			read_transcript(rows[i].answer, TRANSCRIPT_VERBOSE, &t), rows[i].err);
	assert_int_equal(read_transcript("a\xff", TRANSCRIPT_TEXT, &t), ERR_SYNTAX);
}

static int
free_arena(void **state)
{
	(void)state;
	arena_reset(&arena);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(form_has_fields_and_file),
		cmocka_unit_test(pieces_are_joined_with_their_times),
		cmocka_unit_test(text_that_differs_from_its_pieces_is_kept),
		cmocka_unit_test(other_formats_are_texts),
		cmocka_unit_test(other_responses_are_errors),
	};

	return cmocka_run_group_tests(tests, NULL, free_arena);
}
