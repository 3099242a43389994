/* Conditions for compressing a closed segment, for removing its plain form, and for the content
 * of an archive folder. Without a daemon: test_keep.c tests the order of these steps in keep.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "record/archive/archive.h"
#include "record/archive/pack.h"
#include "record/archive/trim.h"
#include "support/chain_build.h"
#include "support/temp_dir.h"

#define FIRST  "gw-1-00000001-0000000000000001.jsonl"
#define SECOND "gw-1-00000001-0000000000000004.jsonl"

/* Two segments: records 1 to 3 with two commits, and 4 to 8: three records, their commit, two
 * records, their commit. */
static struct buf first, second, why;
static unsigned char head_of_first[CHAIN_HASH_BYTES];
static int plain_dir, keep_dir;

static int
begin(void **state)
{
	struct chain_build b;

	if (temp_dir_make(state))
		return -1;
	buf_init(&first, 0);
	buf_init(&second, 0);
	buf_init(&why, 4096);
	chain_build_init(&b, "gw-1");
	chain_build_boot(&b);
	chain_build_add(&b, 2);
	buf_span(&first, buf_view(&b.out));
	memcpy(head_of_first, b.chain.head, sizeof(head_of_first));
	buf_clear(&b.out);
	chain_build_add(&b, 3);
	chain_build_add(&b, 2);
	buf_span(&second, buf_view(&b.out));
	chain_build_free(&b);
	if (mkdir(path("plain"), 0700) || mkdir(path("keep"), 0700))
		return -1;
	plain_dir = open(path("plain"), O_RDONLY | O_DIRECTORY);
	keep_dir = open(path("keep"), O_RDONLY | O_DIRECTORY);
	return 0;
}

static int
end(void **state)
{
	buf_free(&first);
	buf_free(&second);
	buf_free(&why);
	close(plain_dir);
	close(keep_dir);
	return temp_dir_remove(state);
}

static bool
says(const char *part)
{
	struct span s = buf_view(&why);

	return s.n && memmem(s.p, s.n, part, strlen(part));
}

static size_t
files_in(const char *folder)
{
	DIR *d = opendir(path(folder));
	size_t n = 0;

	for (const struct dirent *e; (e = readdir(d));)
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static int
file_of(struct span text)
{
	put_span("text", text);
	return open(path("text"), O_RDONLY);
}

static int
survey(struct span text, const struct manifest *before, struct manifest *m)
{
	int fd = file_of(text);

	buf_clear(&why);
	int err = pack_survey(fd, before, NULL, NULL, m, &why);
	close(fd);
	return err;
}

/* ---- whole segments ---- */

/* The lines of the second segment: 4, 5, 6, their commit, 7, 8, their commit. */
static void
incomplete_segment_is_not_compressed(void **state)
{
	static const struct {
		const char *name;
		enum {
			AS_IS,
			WITHOUT,
			OTHER,
			BEFORE
		} how; /* a line: unchanged, missing, changed, inserted before */
		int line;
		const char *text;
		const char *says; /* NULL: the segment is whole */
	} rows[] = {
		{ "as it was written", AS_IS, 0, "", NULL },
		{ "a commit within it is missing: the next covers its records", WITHOUT, 3, "",
			NULL },
		{ "a record is missing", WITHOUT, 1, "",
			"its number or prev does not follow the preceding record" },
		{ "a changed record", OTHER, 1, "",
			"its number or prev does not follow the preceding record" },
		{ "the last one does", OTHER, 5, "",
			"the commit does not cover the record before it" },
		{ "its last commit is missing", WITHOUT, 6, "",
			"the segment does not end with a commit" },
		{ "a line that is neither", BEFORE, 4, "hello\n",
			"the line is neither a record nor a commit" },
		{ "what comes after it has no end", BEFORE, 7, "{\"v\":1",
			"the last line is incomplete" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct span rest = buf_view(&second);
		struct manifest m;
		struct buf text;
		buf_init(&text, 0);
		for (int at = 0; rest.n || at == rows[i].line; at++) {
			struct span line = span_cut(rest, 0, span_chr(rest, '\n') + 1);
			rest = span_cut(rest, line.n, rest.n);
			if (at == rows[i].line && rows[i].how == BEFORE)
				buf_str(&text, rows[i].text);
			if (at == rows[i].line && rows[i].how == WITHOUT)
				continue;
			buf_span(&text, line);
			if (at == rows[i].line && rows[i].how == OTHER)
				text.p[text.n - 4] ^= 1;
		}
		int err = survey(buf_view(&text), NULL, &m);
		if (rows[i].says ? err != ERR_AUTH || !says(rows[i].says)
				 : err || m.first != 4 || m.last != 8)
			fail_msg("%s: %d %.*s", rows[i].name, err, SPAN_ARG(buf_view(&why)));
		buf_free(&text);
	}
	struct manifest m;
	assert_int_equal(survey(SPAN_LIT(""), NULL, &m), ERR_AUTH);
}

static void
record_of_another_node_is_refused(void **state)
{
	struct chain_build b;
	struct manifest m;

	(void)state;
	chain_build_init(&b, "gw-1");
	chain_build_boot(&b);
	snprintf(b.chain.node, sizeof(b.chain.node), "gw-2");
	chain_build_add(&b, 1);
	assert_int_equal(survey(buf_view(&b.out), NULL, &m), ERR_AUTH);
	assert_true(says("the record belongs to another node"));
	chain_build_free(&b);
}

static void
segment_must_continue_the_previous_hash(void **state)
{
	struct manifest m, before = { .last = 3 };

	(void)state;
	memcpy(before.head, head_of_first, sizeof(before.head));
	assert_int_equal(survey(buf_view(&second), &before, &m), 0);
	assert_memory_equal(m.prev, head_of_first, sizeof(m.prev));
	before.head[31] ^= 1;
	assert_int_equal(survey(buf_view(&second), &before, &m), ERR_AUTH);
	assert_true(says("its prev is not the hash of the last record of the preceding segment"));
	/* of an earlier segment nothing is known */
	before.last = 2;
	assert_int_equal(survey(buf_view(&second), &before, &m), 0);
}

/* ---- compressed segments ---- */

static int
pack(const char *segment, struct span text, struct manifest *m)
{
	char name[128];

	snprintf(name, sizeof(name), "plain/%s", segment);
	put_span(name, text);
	buf_clear(&why);
	return pack_segment(plain_dir, keep_dir, segment, NULL, NULL, m, &why);
}

static ssize_t
other_byte(int fd, const void *p, size_t n)
{
	char bytes[8192];

	if (n < 64 || n > sizeof(bytes))
		return write(fd, p, n);
	memcpy(bytes, p, n);
	bytes[n / 2] ^= 1;
	return write(fd, bytes, n);
}

static void
damaged_compressed_segment_is_refused(void **state)
{
	struct manifest m;

	(void)state;
	replace_io.write = other_byte;
	int err = pack(SECOND, buf_view(&second), &m);
	replace_io.write = write;
	assert_int_equal(err, ERR_AUTH);
	assert_int_equal(files_in("keep"), 0);
	assert_int_equal(pack(SECOND, buf_view(&second), &m), 0);
	assert_int_equal(files_in("keep"), 2);
}

static void
segment_name_must_match_its_first_record(void **state)
{
	struct manifest m;

	(void)state;
	assert_int_equal(pack(FIRST, buf_view(&second), &m), ERR_AUTH);
	assert_true(says("the name of the segment does not match its first record"));
	assert_int_not_equal(access(path("keep/" FIRST ".zst"), F_OK), 0);
	assert_int_equal(manifest_load(keep_dir, FIRST, &m), ERR_NOTFOUND);
}

static int
compare(const struct manifest *m)
{
	buf_clear(&why);
	return pack_compare(plain_dir, keep_dir, m, NULL, &why);
}

static void
plain_form_is_removed_if_both_match_the_manifest(void **state)
{
	struct manifest m, other;
	struct span text;

	(void)state;
	assert_int_equal(pack(SECOND, buf_view(&second), &m), 0);
	assert_int_equal(compare(&m), 0);
	/* the compressed form: its size or bytes differ from the manifest */
	other = m;
	other.packed_sha256[0] ^= 1;
	assert_int_equal(compare(&other), ERR_AUTH);
	assert_true(says("changed: "));
	other = m;
	other.packed_bytes++;
	assert_int_equal(compare(&other), ERR_AUTH);
	/* the plain form: shorter, but complete in itself */
	text = buf_view(&second);
	for (int line = 0; line < 4; line++)
		text = span_cut(text, span_chr(text, '\n') + 1, text.n);
	put_span("plain/" SECOND, span_cut(buf_view(&second), 0, second.n - text.n));
	assert_int_equal(compare(&m), ERR_AUTH);
	assert_true(says("the uncompressed segment differs from the compressed one"));
	put_span("plain/" SECOND, buf_view(&second));
	assert_int_equal(compare(&m), 0);
}

static void
tree_leaves_must_match_the_manifest(void **state)
{
	struct manifest m;
	struct stat st;

	(void)state;
	assert_int_equal(pack(SECOND, buf_view(&second), &m), 0);
	int fd = pack_hashes(keep_dir, &m, NULL, &why);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, 5 * MERKLE_BYTES);
	close(fd);
	size_t files = files_in("keep");
	m.head[0] ^= 1;
	assert_int_equal(pack_hashes(keep_dir, &m, NULL, &why), ERR_AUTH);
	assert_int_equal(files_in("keep"), files - 1); /* no temporary file is left */
}

/* ---- manifests ---- */

static void
invalid_manifest_is_refused(void **state)
{
	static const struct {
		const char *name, *member, *is; /* as JSON; %: the last digits of a hash */
		bool ok;
	} rows[] = {
		{ "as it is", "v", "1", true },
		{ "of another version", "v", "2", false },
		{ "another node's", "node", "\"gw-2\"", false },
		{ "no node", "node", "\"\"", false },
		{ "of another start", "boot", "2", false },
		{ "named after another record", "first", "5", false },
		{ "of no record", "first", "0", false },
		{ "one record", "last", "4", true },
		{ "that ends before it begins", "last", "3", false },
		{ "bytes below none", "bytes", "-1", false },
		{ "a number that is a text", "packed_bytes", "\"7\"", false },
		{ "a beginning that is no time", "begin", "\"yesterday\"", false },
		{ "an end that is no time", "end", "\"\"", false },
		{ "a hash", "prev", "%ff", true },
		{ "a longer one", "prev", "%ff0", false },
		{ "a shorter one", "head", "%f", false },
		{ "one in capitals", "sha256", "%FF", false },
		{ "none", "packed_sha256", "null", false },
		{ "its name in a folder", "segment", "\"../" SECOND "\"", false },
	};
	struct manifest m, again;
	struct buf text, one;

	(void)state;
	buf_init(&text, 0);
	buf_init(&one, 0);
	assert_int_equal(pack(SECOND, buf_view(&second), &m), 0);
	manifest_write(&m, &text);
	assert_int_equal(manifest_read(buf_view(&text), &again), 0);
	assert_memory_equal(again.packed_sha256, m.packed_sha256, sizeof(m.packed_sha256));
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		json_t *o = json_loadb(text.p, text.n, 0, NULL);
		buf_clear(&one);
		if (rows[i].is[0] == '%')
			buf_printf(&one, "\"%062d%s\"", 0, rows[i].is + 1);
		else
			buf_str(&one, rows[i].is);
		json_object_set_new(o, rows[i].member,
			json_loadb(one.p, one.n, JSON_DECODE_ANY, NULL));
		char *written = json_dumps(o, 0);
		if ((manifest_read(span_str(written), &again) == 0) != rows[i].ok)
			fail_msg("%s: %s", rows[i].name, written);
		free(written);
		json_decref(o);
	}
	assert_int_equal(manifest_read(SPAN_LIT("[]"), &again), ERR_SYNTAX);
	buf_free(&text);
	buf_free(&one);
}

/* Anyone who can write in the folder could replace one segment's manifest by another's. */
static void
manifest_must_match_the_segments_name(void **state)
{
	struct manifest m;
	struct buf text;

	(void)state;
	buf_init(&text, 0);
	assert_int_equal(pack(FIRST, buf_view(&first), &m), 0);
	assert_int_equal(pack(SECOND, buf_view(&second), &m), 0);
	assert_int_equal(manifest_load(keep_dir, FIRST, &m), 0);
	manifest_load(keep_dir, SECOND, &m);
	manifest_write(&m, &text);
	put_span("keep/gw-1-00000001-0000000000000001.json", buf_view(&text));
	assert_int_equal(manifest_load(keep_dir, FIRST, &m), ERR_SYNTAX);
	buf_free(&text);
}

/* ---- an archive folder ---- */

static void
archive_folder_holds_the_stored_files(void **state)
{
	struct archive_options o = { .place = path("away") };
	unsigned char hash[SHA256_BYTES], other[SHA256_BYTES];
	char place[192];

	(void)state;
	snprintf(place, sizeof(place), "%s", o.place);
	o.place = place;
	sha256(SPAN_LIT("bytes\n"), hash);
	sha256(SPAN_LIT("other\n"), other);
	int fd = file_of(SPAN_LIT("bytes\n"));
	/* a folder that is not mounted must not count as an empty one */
	assert_int_equal(archive_check(&o, "n", hash, NULL, &why), ERR_IO);
	assert_int_equal(archive_put(&o, "n", fd, hash, NULL, &why), ERR_IO);
	assert_int_not_equal(access(place, F_OK), 0);
	assert_int_equal(mkdir(place, 0700), 0);
	assert_int_equal(archive_check(&o, "n", hash, NULL, &why), ERR_NOTFOUND);
	assert_int_equal(archive_put(&o, "n", fd, hash, NULL, &why), 0);
	assert_int_equal(archive_check(&o, "n", hash, NULL, &why), 0);
	assert_int_equal(archive_check(&o, "n", other, NULL, &why), ERR_AUTH);
	/* a stored file is read back and compared */
	assert_int_equal(archive_put(&o, "n", fd, other, NULL, &why), ERR_AUTH);
	/* a link is not the stored file */
	put("elsewhere", "bytes\n");
	assert_int_equal(symlink("../elsewhere", path("away/linked")), 0);
	assert_int_equal(archive_check(&o, "linked", hash, NULL, &why), ERR_IO);
	close(fd);
}

/* ---- retention ---- */

static void
retention_keeps_the_last_second_and_byte(void **state)
{
	static const struct {
		const char *name;
		struct trim_rules
			rules; /* a journal of 100 bytes whose last record has the time 0 */
		enum trim_due want;
	} rows[] = {
		{ "just as old as the rule", { .age_s = 1000, .now_s = 1000 }, TRIM_NOT },
		{ "a second older", { .age_s = 1000, .now_s = 1001 }, TRIM_AGE },
		{ "of a clock that is behind it", { .age_s = 1, .now_s = -5 }, TRIM_NOT },
		{ "just the size", { .size = 100, .below_six_months = true }, TRIM_NOT },
		{ "a byte more", { .size = 99, .below_six_months = true }, TRIM_SIZE },
		{ "just six months", { .size = 99, .now_s = SIX_MONTHS_S }, TRIM_TOO_YOUNG },
		{ "a second over them", { .size = 99, .now_s = SIX_MONTHS_S + 1 }, TRIM_SIZE },
		{ "by age they may be younger", { .age_s = 1, .size = 99, .now_s = 60 },
			TRIM_AGE },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct manifest m = { .end = "1970-01-01T00:00:00.000000000Z" };
		if (trim_due(&rows[i].rules, &m, 100) != rows[i].want)
			fail_msg("%s", rows[i].name);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(incomplete_segment_is_not_compressed),
		cmocka_unit_test(record_of_another_node_is_refused),
		cmocka_unit_test(segment_must_continue_the_previous_hash),
		cmocka_unit_test(damaged_compressed_segment_is_refused),
		cmocka_unit_test(segment_name_must_match_its_first_record),
		cmocka_unit_test(plain_form_is_removed_if_both_match_the_manifest),
		cmocka_unit_test(tree_leaves_must_match_the_manifest),
		cmocka_unit_test(invalid_manifest_is_refused),
		cmocka_unit_test(manifest_must_match_the_segments_name),
		cmocka_unit_test(archive_folder_holds_the_stored_files),
		cmocka_unit_test(retention_keeps_the_last_second_and_byte),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
