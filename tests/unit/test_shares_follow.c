/* Erasures that the journal records are carried out in a restored file of shares. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/codec/seekable.h"
#include "base/err.h"
#include "base/replace.h"
#include "base/stops.h"
#include "record/journal/chain.h"
#include "record/journal/journal.h"
#include "support/shares_rig.h"

/* Makes a journal of two segments. The first one contains records of these erasures, by
 * pseudonym, from the second record on; the second one contains none. */
static uint64_t
put_journal(const char (*pseudonym)[PSEUDONYM_LEN + 1], size_t n)
{
	struct chain c = { .node = "gw-1", .boot = 1 };
	struct buf text;
	char fields[256], name[JOURNAL_NAME_MAX + 16];

	buf_init(&text, 0);
	mkdir(path("journal"), 0700);
	chain_record(&text, &c, NOW, SPAN_LIT("\"type\":\"boot\""));
	for (size_t i = 0; i < n; i++) {
		snprintf(fields, sizeof(fields),
			"\"type\":\"erase\",\"erasure\":\"e\",\"serial\":%zu,"
			"\"pseudonyms\":[\"p_00000000000000000000000000000000\",\"%s\"],"
			"\"why\":\"w\"",
			i + 1, pseudonym[i]);
		chain_record(&text, &c, NOW, span_str(fields));
	}
	put_span("journal/gw-1-00000001-0000000000000001.jsonl", buf_view(&text));
	snprintf(name, sizeof(name), "journal/gw-1-00000001-%016llu.jsonl",
		(unsigned long long)c.seq + 1);
	buf_clear(&text);
	chain_record(&text, &c, NOW, SPAN_LIT("\"type\":\"close\""));
	put_span(name, buf_view(&text));
	buf_free(&text);
	return c.seq;
}

/* Opens the files and follows the journal. Returns how many shares were erased. */
static size_t
followed(struct shares **out)
{
	size_t n = 0;

	*out = opened();
	buf_clear(&why);
	if (shares_follow(*out, path("journal"), "gw-1", &n, &why))
		fail_msg("%.*s", SPAN_ARG(buf_view(&why)));
	return n;
}

static void
recorded_erasures_are_repeated_in_a_restored_file_and_head(void **state)
{
	struct share ann = two_shares(), b;
	char p[1][PSEUDONYM_LEN + 1];
	struct shares *s;

	(void)state;
	share_pseudonym(&ann, p[0]);
	uint64_t end = put_journal((const char (*)[PSEUDONYM_LEN + 1])p, 1);
	assert_int_equal(followed(&s), 1);
	assert_int_equal(shares_find(s, 1, &b, NULL), SHARE_ERASED);
	assert_int_equal(shares_find(s, 2, &b, NULL), SHARE_HERE);
	assert_false(file_has("shares", &ann));
	/* the next record of an erasure does not name her */
	assert_int_equal(erase(s, "nobody", "e1", 1), 0);
	assert_int_equal(erased.n, 0);
	of(s, "ann"); /* later, under another pseudonym */
	assert_int_equal(shares_sync(s), 0);
	shares_close(&s);
	assert_int_equal(followed(&s), 0);
	assert_int_equal(shares_find(s, 3, &b, NULL), SHARE_HERE);
	shares_seen(s, end, true);
	assert_int_equal(shares_sync(s), 0);
	shares_close(&s);
}

static void
journal_is_read_from_the_position_in_the_head(void **state)
{
	char p[2][PSEUDONYM_LEN + 1];
	struct share ann = two_shares(), bob;
	struct shares *s;

	(void)state;
	share_pseudonym(&ann, p[0]);
	uint64_t end = put_journal(NULL, 0);
	assert_int_equal(followed(&s), 0);
	shares_seen(s, end + 1, true);
	shares_sync(s);
	bob = of(s, "bob");
	shares_close(&s);
	share_pseudonym(&bob, p[1]);
	/* the first record is record 2, which was read before; the second one is record 3 */
	put_journal((const char (*)[PSEUDONYM_LEN + 1])p, 2);
	struct buf head;
	buf_init(&head, 0);
	read_file("head", &head);
	assert_true(said(&head, "journal 3 "));
	assert_int_equal(followed(&s), 0);
	shares_close(&s);
	/* the head of an earlier version has no position: everything is read */
	char *line = memmem(head.p, head.n, "journal 3 ", 10);
	size_t before = (size_t)(line - (char *)head.p), length = strcspn(line, "\n") + 1;
	memmove(line, line + length, head.n - before - length);
	put_span("head", span_cut(buf_view(&head), 0, head.n - length));
	assert_int_equal(followed(&s), 2);
	shares_close(&s);
	buf_free(&head);
}

static void
killed_repeated_erasure_is_completed_by_the_next_start(void **state)
{
	static const char *const points[] = { "shares-appended", "shares-erasing",
		"shares-overwritten" };
	char p[1][PSEUDONYM_LEN + 1];
	struct share b;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(points); i++) {
		unlink(path("shares"));
		unlink(path("head"));
		struct share ann = two_shares();
		share_pseudonym(&ann, p[0]);
		put_journal((const char (*)[PSEUDONYM_LEN + 1])p, 1);
		pid_t child = fork();
		if (child == 0) {
			struct shares *s;
			stops_point = points[i];
			stops_hook = stops_kill;
			followed(&s);
			_exit(0);
		}
		int status;
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status));
		struct shares *s;
		followed(&s);
		assert_int_equal(shares_find(s, 1, &b, NULL), SHARE_ERASED);
		assert_int_equal(shares_find(s, 2, &b, NULL), SHARE_HERE);
		assert_false(file_has("shares", &ann));
		shares_close(&s);
	}
}

static void
unreadable_journal_does_not_count_as_read(void **state)
{
	struct share ann = two_shares();
	char p[1][PSEUDONYM_LEN + 1];
	struct shares *s = opened();
	size_t n;

	(void)state;
	share_pseudonym(&ann, p[0]);
	assert_int_not_equal(shares_follow(s, path("none"), "gw-1", &n, &why), 0);
	shares_seen(s, 9, true);
	shares_sync(s);
	shares_close(&s);
	put_journal((const char (*)[PSEUDONYM_LEN + 1])p, 1);
	assert_int_equal(followed(&s), 1);
	shares_close(&s);
}

/* The other segment is damaged: a byte is changed, or its end is missing. */
static void
readable_segments_are_followed(bool cut)
{
	struct share ann = two_shares(), b;
	char p[1][PSEUDONYM_LEN + 1], name[JOURNAL_NAME_MAX + 32];
	struct shares *s = opened();
	size_t n;

	share_pseudonym(&ann, p[0]);
	uint64_t end = put_journal((const char (*)[PSEUDONYM_LEN + 1])p, 1);
	snprintf(name, sizeof(name), "journal/gw-1-00000001-%016llu.jsonl",
		(unsigned long long)end);
	struct seekable_writer w;
	struct buf packed;
	buf_init(&packed, 0);
	assert_int_equal(unlink(path(name)), 0);
	assert_int_equal(seekable_begin(&w), 0);
	assert_int_equal(seekable_encode(&w, SPAN_LIT("{\"type\":\"close\"}\n"), &packed), 0);
	size_t frames = packed.n;
	packed.p[packed.n / 2] ^= cut ? 0 : 0x55;
	assert_int_equal(seekable_finish(&w, &packed), 0);
	seekable_end(&w);
	mkdir(path("journal.keep"), 0700);
	snprintf(name, sizeof(name), "journal.keep/gw-1-00000001-%016llu.jsonl.zst",
		(unsigned long long)end);
	put_span(name, span_cut(buf_view(&packed), 0, cut ? frames : packed.n));
	buf_free(&packed);
	assert_int_not_equal(shares_follow(s, path("journal"), "gw-1", &n, &why), 0);
	assert_int_equal(n, 1);
	assert_int_equal(shares_find(s, 1, &b, NULL), SHARE_ERASED);
	/* the head notes the readable segment, and the next start reads the damaged one
	 * again */
	struct buf head;
	buf_init(&head, 0);
	read_file("head", &head);
	snprintf(name, sizeof(name), "journal %llu ", (unsigned long long)end - 1);
	assert_true(said(&head, name));
	buf_free(&head);
	shares_seen(s, 9, true);
	shares_sync(s);
	shares_close(&s);
	s = opened();
	assert_int_not_equal(shares_follow(s, path("journal"), "gw-1", &n, &why), 0);
	shares_close(&s);
}

static void
erasures_in_readable_segments_are_carried_out(void **state)
{
	(void)state;
	readable_segments_are_followed(false);
}

static void
segment_without_its_frame_table_does_not_count_as_read(void **state)
{
	(void)state;
	readable_segments_are_followed(true);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(recorded_erasures_are_repeated_in_a_restored_file_and_head),
		IN_FOLDER(journal_is_read_from_the_position_in_the_head),
		IN_FOLDER(killed_repeated_erasure_is_completed_by_the_next_start),
		IN_FOLDER(unreadable_journal_does_not_count_as_read),
		IN_FOLDER(erasures_in_readable_segments_are_carried_out),
		IN_FOLDER(segment_without_its_frame_table_does_not_count_as_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
