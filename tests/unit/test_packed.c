/* Compressed segments: the seekable format, and lines that are read from it. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/attr.h"
#include "base/codec/lines.h"
#include "base/codec/seekable.h"
#include "base/err.h"
#include "record/journal/journal.h"

/* Writes n lines "line NNNNNN", compressed with `each` lines per frame. */
static void
pack(struct buf *plain, struct buf *packed, size_t n, size_t each)
{
	struct seekable_writer w;
	struct buf part;

	buf_init(plain, 0);
	buf_init(packed, 0);
	buf_init(&part, 0);
	assert_int_equal(seekable_begin(&w), 0);
	for (size_t i = 0; i < n; i++) {
		buf_printf(&part, "line %06zu\n", i);
		buf_printf(plain, "line %06zu\n", i);
		if ((i + 1) % each && i + 1 < n)
			continue;
		assert_int_equal(seekable_encode(&w, buf_view(&part), packed), 0);
		buf_clear(&part);
	}
	assert_int_equal(seekable_finish(&w, packed), 0);
	seekable_end(&w);
	buf_free(&part);
}

static int
file_of(struct span s)
{
	char name[] = "/tmp/tg-packed-XXXXXX";
	int fd = mkstemp(name);

	unlink(name);
	assert_int_equal(write(fd, s.p, s.n), (ssize_t)s.n);
	return fd;
}

static void
lines_equal_those_of_the_plain_file(void **state UNUSED)
{
	struct buf plain, packed;
	struct lines l;
	struct span line;
	char head[64];

	pack(&plain, &packed, 1000, 7);
	int fd = file_of(buf_view(&packed));
	for (uint64_t from = 0; from < plain.n; from += 12 * 61) {
		assert_int_equal(lines_open(&l, fd, from), 0);
		uint64_t i = from / 12;
		char want[32];
		while (lines_next(&l, UINT64_MAX, &line) > 0) {
			snprintf(want, sizeof(want), "line %06" PRIu64, i++);
			assert_true(span_is(line, want));
			assert_int_equal(l.offset, 12 * i);
		}
		assert_int_equal(i, 1000);
		assert_int_equal(lines_rest(&l).n, 0);
		lines_close(&l);
	}
	assert_int_equal(lines_head(fd, head, 23), 23);
	assert_memory_equal(head, "line 000000\nline 000001", 23);
	close(fd);
	buf_free(&plain);
	buf_free(&packed);
}

static void
damaged_frame_is_an_error(void **state UNUSED)
{
	struct buf plain, packed;
	size_t errors = 0;

	pack(&plain, &packed, 40, 7);
	for (size_t at = 0; at < packed.n; at++) {
		struct buf bad;
		struct lines l;
		struct span line;
		size_t i = 0;
		buf_init(&bad, 0);
		buf_span(&bad, buf_view(&packed));
		bad.p[bad.start + at] = (char)(bad.p[bad.start + at] ^ 0x55);
		int fd = file_of(buf_view(&bad)), got = 0;
		if (lines_open(&l, fd, 0) == 0) {
			while ((got = lines_next(&l, UINT64_MAX, &line)) > 0) {
				char want[32];
				snprintf(want, sizeof(want), "line %06zu", i++);
				if (line.n == 11 && !span_is(line, want))
					assert_false(span_starts(line, SPAN_LIT("line ")));
			}
			lines_close(&l);
		}
		errors += got < 0;
		close(fd);
		buf_free(&bad);
	}
	assert_true(errors > packed.n / 4);
	buf_free(&plain);
	buf_free(&packed);
}

static void
cut_seek_table_is_refused(void **state UNUSED)
{
	struct buf plain, packed;
	struct seekable s;

	pack(&plain, &packed, 40, 7);
	struct span all = buf_view(&packed);
	int64_t n = seekable_table_bytes(span_cut(all, all.n - SEEKABLE_FOOTER, all.n));
	assert_int_equal(n, 8 + 6 * 8 + 9);
	struct span table = span_cut(all, all.n - (size_t)n, all.n);
	assert_int_equal(seekable_table(table, all.n, &s), 0);
	assert_int_equal(s.n, 6);
	assert_int_equal(seekable_find(&s, plain.n), 6);
	assert_int_equal(seekable_find(&s, plain.n - 1), 5);
	seekable_free(&s);
	assert_int_equal(seekable_table(table, all.n + 1, &s), ERR_SYNTAX);
	for (size_t cut = 0; cut < table.n; cut++) {
		assert_int_not_equal(seekable_table(span_cut(table, 0, cut), all.n, &s), 0);
		assert_int_not_equal(
			seekable_table(span_cut(table, cut + 1, table.n), all.n, &s), 0);
	}
	buf_free(&plain);
	buf_free(&packed);
}

static void
put_file(const char *folder, const char *name, struct span s)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_int_equal(write(fd, s.p, s.n), (ssize_t)s.n);
	close(fd);
}

static void
segment_in_several_places_is_listed_once(void **state UNUSED)
{
	char dir[] = "/tmp/tg-packed-XXXXXX", folder[64], command[128];
	struct journal_list l;
	struct buf why;

	assert_non_null(mkdtemp(dir));
	buf_init(&why, 0);
	const char *const places[] = { "/j", "/j.keep", "/j.restored" };
	for (size_t i = 0; i < 3; i++) {
		snprintf(folder, sizeof(folder), "%s%s", dir, places[i]);
		assert_int_equal(mkdir(folder, 0700), 0);
	}
	snprintf(folder, sizeof(folder), "%s/j", dir);
	put_file(folder, "n-00000001-0000000000000009.jsonl", SPAN_LIT("a\n"));
	put_file(folder, "n-00000001-0000000000000005.jsonl", SPAN_LIT("a\n"));
	snprintf(folder, sizeof(folder), "%s/j.keep", dir);
	put_file(folder, "n-00000001-0000000000000005.jsonl.zst", SPAN_LIT("a\n"));
	put_file(folder, "n-00000001-0000000000000003.jsonl.zst", SPAN_LIT("a\n"));
	put_file(folder, "n-00000001-0000000000000003.json", SPAN_LIT("{}"));
	put_file(folder, "n-00000001-0000000000000003.jsonl.zst.tmp", SPAN_LIT("a"));
	snprintf(folder, sizeof(folder), "%s/j.restored", dir);
	put_file(folder, "n-00000001-0000000000000001.jsonl.zst", SPAN_LIT("a\n"));
	snprintf(folder, sizeof(folder), "%s/j/", dir);
	assert_int_equal(journal_list_all(folder, "n", false, &l, &why), 0);
	assert_int_equal(l.n, 3);
	assert_int_equal(l.seg[0].first, 3);
	assert_int_equal(l.seg[0].form, JOURNAL_KEPT);
	assert_int_equal(l.seg[1].form, JOURNAL_PLAIN);
	journal_list_free(&l);
	assert_int_equal(journal_list_all(folder, NULL, true, &l, &why), 0);
	assert_int_equal(l.n, 4);
	assert_int_equal(l.seg[0].form, JOURNAL_RESTORED);
	/* Compressed between listing and reading. */
	snprintf(command, sizeof(command), "%s/j/n-00000001-0000000000000005.jsonl", dir);
	unlink(command);
	int fd = journal_segment_open(folder, &l.seg[2]);
	assert_true(fd >= 0);
	close(fd);
	journal_list_free(&l);
	snprintf(folder, sizeof(folder), "%s/j.keep", dir);
	assert_int_equal(journal_list_all(folder, NULL, false, &l, &why), 0);
	size_t packed = 0;
	for (size_t i = 0; i < l.n; i++)
		packed += l.seg[i].form == JOURNAL_PACKED && l.seg[i].ours;
	assert_int_equal(packed, 2);
	journal_list_free(&l);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	assert_int_equal(system(command), 0);
	buf_free(&why);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_equal_those_of_the_plain_file),
		cmocka_unit_test(damaged_frame_is_an_error),
		cmocka_unit_test(cut_seek_table_is_refused),
		cmocka_unit_test(segment_in_several_places_is_listed_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
