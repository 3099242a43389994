/* The range over the earlier records that a record states: read as written, or refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "record/proof/range.h"
#include "support/guard.h"

#define H "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define BEGIN(seq, type)                                                                       \
	"{\"v\":1,\"node\":\"gw-1\",\"boot\":1,\"seq\":" seq ",\"prev\":\"" H                  \
	"\",\"time\":\"2026-11-24T00:00:00.000000Z\",\"type\":\"" type "\""

static bool
has_range(const char *line, const char *type, uint64_t seq)
{
	struct merkle_range r;
	char *p = guard_dup(line, strlen(line));
	bool has = range_read(span_of(p, strlen(line)), span_str(type), seq, &r);

	guard_free(p, strlen(line));
	return has;
}

static void
length_of_a_range_follows_from_its_size(void **state)
{
	static const struct {
		const char *name, *line, *type;
		uint64_t seq;
		bool has;
	} rows[] = {
		{ "of three records",
			BEGIN("4", "checkpoint") ",\"size\":3,\"range\":[\"" H "\",\"" H "\"]}",
			"checkpoint", 4, true },
		{ "of a boot",
			BEGIN("4", "boot") ",\"tree\":{\"size\":3,\"range\":[\"" H "\",\"" H
					   "\"]}}",
			"boot", 4, true },
		{ "of none", BEGIN("1", "boot") ",\"tree\":{\"size\":0,\"range\":[]}}", "boot",
			1, true },
		{ "a hash too few",
			BEGIN("4", "checkpoint") ",\"size\":3,\"range\":[\"" H "\"]}",
			"checkpoint", 4, false },
		{ "a hash too many",
			BEGIN("3", "checkpoint") ",\"size\":2,\"range\":[\"" H "\",\"" H "\"]}",
			"checkpoint", 3, false },
		{ "of another record",
			BEGIN("5", "checkpoint") ",\"size\":3,\"range\":[\"" H "\",\"" H "\"]}",
			"checkpoint", 5, false },
		{ "of itself too",
			BEGIN("3", "checkpoint") ",\"size\":3,\"range\":[\"" H "\",\"" H "\"]}",
			"checkpoint", 3, false },
		{ "of no number",
			BEGIN("2", "checkpoint") ",\"size\":-1,\"range\":[\"" H "\"]}",
			"checkpoint", 2, false },
		{ "a letter that is no hex",
			BEGIN("2", "checkpoint") ",\"size\":1,\"range\":["
						 "\"00112233445566778899aabb"
						 "ccddeeff00112233445566778899aabbccddeefg\"]}",
			"checkpoint", 2, false },
		{ "a letter that is none in the middle",
			BEGIN("2", "checkpoint") ",\"size\":1,\"range\":["
						 "\"00112233445566778899aabb"
						 "ccddeefx00112233445566778899aabbccddeeff\"]}",
			"checkpoint", 2, false },
		{ "no quote at an end",
			BEGIN("2", "checkpoint") ",\"size\":1,\"range\":[\"" H "0]}",
			"checkpoint", 2, false },
		{ "of a record that has none",
			BEGIN("2", "decision") ",\"size\":1,\"range\":[\"" H "\"]}", "decision",
			2, false },
		{ "without one", BEGIN("2", "checkpoint") ",\"size\":1}", "checkpoint", 2,
			false },
		{ "without a tree", BEGIN("2", "boot") "}", "boot", 2, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (has_range(rows[i].line, rows[i].type, rows[i].seq) != rows[i].has)
			fail_msg("%s", rows[i].name);
}

static void
written_range_is_read_back(void **state)
{
	(void)state;
	for (uint64_t n = 0; n < 70; n++) {
		struct merkle_range r = { .n = 0 }, back;
		struct merkle_hash leaf = { { 0 } };
		struct buf line;
		for (uint64_t i = 0; i < n; i++) {
			leaf.b[0] = (unsigned char)i;
			merkle_append(&r, &leaf);
		}
		buf_init(&line, 0);
		buf_str(&line, BEGIN("1", "checkpoint"));
		buf_printf(&line, ",\"size\":%u,", (unsigned)n);
		range_write(&line, &r);
		buf_putc(&line, '}');
		assert_true(range_read(buf_view(&line), SPAN_LIT("checkpoint"), n + 1, &back));
		assert_int_equal(back.n, n);
		assert_memory_equal(
			back.hash, r.hash, merkle_range_hashes(n) * sizeof(struct merkle_hash));
		assert_false(range_read(buf_view(&line), SPAN_LIT("checkpoint"), n, &back));
		assert_false(range_read(buf_view(&line), SPAN_LIT("checkpoint"), n + 2, &back));
		buf_free(&line);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(length_of_a_range_follows_from_its_size),
		cmocka_unit_test(written_range_is_read_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
