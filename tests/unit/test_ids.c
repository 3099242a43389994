/* text/ids: lists of token ids are read as the text that they stand for, with a vocabulary in
 * which ids are bytes. If something in a list is replaced, the list is sent as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "scan/dialect/dialect.h"
#include "support/byte_ranks.h"
#include "support/guard.h"

/* Writes each text with its place, and the number of uninspected lists. */
static const struct {
	const char *name, *path, *in, *want;
} rows[] = {
	{ "a list", "/v1/embeddings", "{\"input\":[72,105]}", "input=Hi; 0 of 1" },
	{ "lists", "/v1/embeddings", "{\"input\":[[72], [105 , 33]]}",
		"input[0]=H; input[1]=i!; 0 of 2" },
	{ "a list of a prompt", "/v1/completions", "{\"prompt\":[72,105]}",
		"prompt=Hi; 0 of 1" },
	{ "an escape, and two bytes of a character", "/v1/embeddings",
		"{\"input\":[10,195,169]}", "input=\n\xc3\xa9; 0 of 1" },
	{ "half of a character", "/v1/embeddings", "{\"input\":[72,195]}",
		"input=; 5 of 1, unknown" },
	{ "an id that is unknown", "/v1/embeddings", "{\"input\":[72,256]}",
		"input=; 5 of 1, unknown" },
	{ "one list of two", "/v1/embeddings", "{\"input\":[[72],[256]]}",
		"input[0]=H; input[1]=; 5 of 2, unknown" },
	{ "a long number first", "/v1/embeddings", "{\"input\":[7272727272,72]}",
		"input=; input[0]=7272727272; 12 of 1, unknown" },
	{ "a fraction", "/v1/embeddings", "{\"input\":[72.0]}", "input=; 4 of 1, unknown" },
	{ "no integer", "/v1/embeddings", "{\"input\":[-72]}", "input=; 3 of 1, unknown" },
	{ "a text among them", "/v1/embeddings", "{\"input\":[72,\"x\",73]}",
		"input=; input[1]=x; 4 of 1, unknown" },
	{ "a list in a list", "/v1/embeddings", "{\"input\":[72,[73]]}",
		"input=; input[1]=I; 4 of 2, unknown" },
	{ "an empty one", "/v1/embeddings", "{\"input\":[]}", " 0 of 0" },
	{ "in a batch's line", "/v1/files",
		"{\"url\":\"/v1/embeddings\",\"body\":{\"input\":[72]}}\n",
		"url=/v1/embeddings; input=H; 0 of 1" },
};

static void
lists_of_ids_are_read_as_text(void **state)
{
	struct ranks *ranks = byte_ranks();
	unsigned bad = 0;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		size_t n = strlen(rows[i].in);
		char *p = guard_dup(rows[i].in, n);
		struct span raw = span_of(p, n);
		struct endpoint e = dialect_endpoint(dialect_find(SPAN_LIT("openai")),
			SPAN_LIT("POST"), span_str(rows[i].path));
		struct body_refusal why;
		struct body b;
		struct arena a;
		struct buf out;
		arena_init(&a, 0, false);
		buf_init(&out, 0);
		assert_int_equal(
			body_read(e.table,
				p[n - 1] == '\n' ? SPAN_LIT("application/jsonl") : SPAN_LIT(""),
				raw, &a, &b, &why),
			0);
		struct body unknown = b;
		assert_int_equal(body_decode_ids(&unknown, raw, NULL, &a), 0);
		assert_int_equal(unknown.unread.nmedia, b.nids > 0);
		assert_int_equal(body_decode_ids(&b, raw, ranks, &a), 0);
		struct path_reader *r = path_open(&a, &b, raw);
		for (size_t k = 0; k < b.nsegments; k++) {
			const struct segment *s = &b.segments[k];
			struct span at = path_at(r, k);
			if (s->role != ROLE_KEY)
				buf_printf(
					&out, "%.*s=%.*s; ", SPAN_ARG(at), SPAN_ARG(s->text));
		}
		buf_printf(&out, "%s%zu of %zu", out.n ? "" : " ", b.unread.bytes, b.nids);
		for (size_t k = 0; k < b.unread.nmedia; k++)
			buf_printf(&out, ", %.*s", SPAN_ARG(b.unread.media[k].kind));
		if (!span_is(buf_view(&out), rows[i].want)) {
			fprintf(stderr, "%s: got %.*s\n", rows[i].name,
				SPAN_ARG(buf_view(&out)));
			bad++;
		}
		buf_free(&out);
		arena_reset(&a);
		guard_free(p, n);
	}
	ranks_close(&ranks);
	assert_int_equal(bad, 0);
}

static void
edited_list_of_ids_is_sent_as_text(void **state)
{
	struct span raw = SPAN_LIT("{\"input\":[[72,34,105]]}");
	struct text_edit edits[] = { { 0, 1, SPAN_LIT("<X>") }, { 3, 3, SPAN_LIT("\n") } };
	struct endpoint e = dialect_endpoint(
		dialect_find(SPAN_LIT("openai")), SPAN_LIT("POST"), SPAN_LIT("/v1/embeddings"));
	struct ranks *ranks = byte_ranks();
	struct body_refusal why;
	struct splice out[2];
	struct body b;
	struct arena a;
	struct buf sent;
	size_t n;

	(void)state;
	arena_init(&a, 0, false);
	buf_init(&sent, 0);
	assert_int_equal(body_read(e.table, SPAN_LIT(""), raw, &a, &b, &why), 0);
	assert_int_equal(body_decode_ids(&b, raw, ranks, &a), 0);
	assert_int_equal(segment_splices(&b.segments[1], raw, edits, 2, &a, out, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(splice_apply(raw, out, n, &sent), 0);
	assert_true(span_is(buf_view(&sent), "{\"input\":[\"<X>\\\"i\\n\"]}"));
	buf_free(&sent);
	arena_reset(&a);
	ranks_close(&ranks);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_of_ids_are_read_as_text),
		cmocka_unit_test(edited_list_of_ids_is_sent_as_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
