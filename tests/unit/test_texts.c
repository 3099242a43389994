/* The log of ciphertexts: positions, files, restarts, a full disk; frames that are cut,
 * changed, missing or swapped. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/err.h"
#include "record/journal/journal.h"
#include "record/seal/private.h"
#include "support/failing_disk.h"
#include "support/temp_dir.h"

#define FILE_0 "journal.texts/gw-1-0000000000000000.texts"
#define FILE_1 "journal.texts/gw-1-0000000004000000.texts"

static struct buf why, out;

static int
begin_texts(void **state)
{
	buf_init(&why, 4096);
	buf_init(&out, 0);
	return temp_dir_make(state);
}

static int
drop_texts(void **state)
{
	buf_free(&why);
	buf_free(&out);
	journal_io = (struct journal_io){ pwrite, fdatasync, ftruncate };
	return temp_dir_remove(state);
}

static struct texts *
open_texts(void)
{
	buf_clear(&why);
	struct texts *t = texts_open(path("journal"), "gw-1", &why);

	if (!t)
		fail_msg("%.*s", SPAN_ARG(buf_view(&why)));
	return t;
}

static void
refused(const char *with)
{
	buf_clear(&why);
	assert_null(texts_open(path("journal"), "gw-1", &why));
	if (!memmem(buf_view(&why).p, why.n, with, strlen(with)))
		fail_msg("%.*s", SPAN_ARG(buf_view(&why)));
}

/* Makes a frame of n equal bytes of ciphertext. */
static struct text_part *
frame(unsigned part, bool last, size_t n, char c)
{
	struct text_part *p = malloc(sizeof(*p) + TEXTS_FRAME_BYTES + n);

	assert_non_null(p);
	p->next = NULL;
	p->n = TEXTS_FRAME_BYTES + n;
	texts_frame_head(part, last, n, p->frame);
	memset(p->frame + TEXTS_FRAME_BYTES, c, n);
	return p;
}

static uint64_t
put_frame(struct texts *t, unsigned part, bool last, size_t n, char c)
{
	struct text_part *p = frame(part, last, n, c);

	uint64_t at = p->position = texts_take(t, p->n);
	assert_int_equal(texts_write(t, p), 0);
	free(p);
	return at;
}

static int
read_at(uint64_t position, unsigned *part, bool *last)
{
	buf_clear(&out);
	buf_clear(&why);
	return texts_read(path("journal"), "gw-1", position, part, last, &out, &why);
}

/* ---- frames and files ---- */

static void
written_frame_is_read_back(void **state)
{
	struct stat st;
	unsigned part;
	bool last;

	(void)state;
	struct texts *t = open_texts();
	assert_int_equal(stat(path("journal.texts"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_int_equal(texts_sync(t), 0); /* nothing to sync */
	uint64_t a = put_frame(t, 0, false, 100, 'a'), b = put_frame(t, 1, true, 16, 'b');
	assert_int_equal(a, TEXTS_HEAD_BYTES);
	assert_int_equal(b, a + 128);
	assert_int_equal(texts_sync(t), 0);
	assert_int_equal(stat(path(FILE_0), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(read_at(a, &part, &last), 0);
	assert_int_equal(part, 0);
	assert_false(last);
	assert_int_equal(out.n, 100);
	assert_int_equal(buf_view(&out).p[99], 'a');
	assert_int_equal(read_at(b, &part, &last), 0);
	assert_int_equal(part, 1);
	assert_true(last);
	assert_int_equal(out.n, 16);
	texts_close(&t);
	/* The log continues after it. */
	t = open_texts();
	assert_int_equal(put_frame(t, 0, true, 16, 'c'), b + 32);
	texts_close(&t);
}

static void
frame_never_crosses_the_end_of_a_file(void **state)
{
	size_t most = TEXTS_FRAME_BYTES + TEXTS_PART_MAX + HPKE_TAG_BYTES;
	uint64_t end = 0;

	(void)state;
	struct texts *t = open_texts();
	for (int i = 0; i < 3000; i++) {
		size_t n = i % 7 ? most : 33;
		uint64_t at = texts_take(t, n);
		assert_true(at >= end);
		assert_int_equal(at % TEXTS_FRAME_BYTES, 0);
		assert_int_equal(at / TEXTS_SEGMENT_BYTES, (at + n - 1) / TEXTS_SEGMENT_BYTES);
		assert_true(at % TEXTS_SEGMENT_BYTES >= TEXTS_HEAD_BYTES);
		end = at + n;
	}
	assert_true(end > 2 * TEXTS_SEGMENT_BYTES);
	texts_close(&t);
}

static void
frames_after_midnight_are_in_another_file(void **state)
{
	unsigned part;
	bool last;

	(void)state;
	struct texts *t = open_texts();
	texts_roll(t); /* the first file is empty */
	uint64_t a = put_frame(t, 0, true, 20, 'a');
	assert_int_equal(a, TEXTS_HEAD_BYTES);
	texts_roll(t);
	texts_roll(t);
	uint64_t b = put_frame(t, 0, true, 20, 'b');
	assert_int_equal(b, TEXTS_SEGMENT_BYTES + TEXTS_HEAD_BYTES);
	/* A position that was taken earlier may be written later. */
	uint64_t c = texts_take(t, 36);
	texts_roll(t);
	uint64_t d = put_frame(t, 0, true, 20, 'd');
	struct text_part *p = frame(0, true, 20, 'c');
	p->position = c;
	assert_int_equal(texts_write(t, p), 0);
	free(p);
	assert_int_equal(texts_sync(t), 0);
	texts_close(&t);
	assert_int_equal(read_at(c, &part, &last), 0);
	assert_int_equal(buf_view(&out).p[0], 'c');
	assert_int_equal(read_at(d, &part, &last), 0);
	t = open_texts();
	assert_int_equal(texts_take(t, 16), d + 48);
	texts_close(&t);
}

/* More files than are kept open. */
/* As after the loss of only the folder. */
static void
positions_of_lost_texts_stay_used(void **state)
{
	(void)state;
	struct texts *t = open_texts();
	uint64_t lost = put_frame(t, 0, true, 100, 'a'), now;
	assert_int_equal(texts_sync(t), 0);
	texts_close(&t);
	assert_int_equal(rename(path("journal.texts"), path("lost")), 0);
	fclose(fopen(path("journal.texts.head"), "w"));
	t = open_texts();
	now = put_frame(t, 0, true, 100, 'b');
	assert_true(now > lost + (UINT64_C(1) << 20) * TEXTS_SEGMENT_BYTES);
	assert_true(now < UINT64_C(1) << 53);
	assert_int_equal(texts_sync(t), 0);
	texts_close(&t);
	/* The next start continues there. */
	t = open_texts();
	assert_int_equal(texts_take(t, 116), now + 128);
	texts_close(&t);
}

static void
parts_may_be_read_in_any_order(void **state)
{
	struct text_part *p[10];
	unsigned part;
	bool last;

	(void)state;
	struct texts *t = open_texts();
	for (size_t i = 0; i < COUNT_OF(p); i++) {
		p[i] = frame(0, true, 20, (char)('a' + i));
		p[i]->position = texts_take(t, p[i]->n);
		texts_roll(t);
	}
	for (size_t i = 0; i < COUNT_OF(p); i++)
		assert_int_equal(texts_write(t, p[(7 * i) % COUNT_OF(p)]), 0);
	assert_int_equal(texts_sync(t), 0);
	for (size_t i = 0; i < COUNT_OF(p); i++) {
		assert_int_equal(read_at(p[i]->position, &part, &last), 0);
		assert_int_equal(buf_view(&out).p[19], 'a' + i);
		free(p[i]);
	}
	texts_close(&t);
}

static void
unwritten_position_is_not_a_frame(void **state)
{
	unsigned part;
	bool last;

	(void)state;
	struct texts *t = open_texts();
	uint64_t gap = texts_take(t, 200);
	put_frame(t, 0, true, 20, 'a');
	uint64_t after = texts_take(t, 200);
	assert_int_equal(texts_sync(t), 0);
	assert_int_equal(read_at(gap, &part, &last), ERR_SYNTAX);
	assert_int_equal(read_at(after, &part, &last), ERR_TRUNCATED);
	assert_int_equal(read_at(gap + 1, &part, &last), ERR_SYNTAX);
	assert_int_equal(read_at(0, &part, &last), ERR_SYNTAX);
	assert_int_equal(read_at(TEXTS_SEGMENT_BYTES + 128, &part, &last), ERR_NOTFOUND);
	assert_non_null(memmem(buf_view(&why).p, why.n, FILE_1, sizeof(FILE_1) - 1));
	texts_close(&t);
}

/* With any cut or changed byte, there is never another length and never bytes from
 * elsewhere. */
static void
cut_or_changed_file_is_detected(void **state)
{
	struct buf text;
	unsigned part;
	bool last;

	(void)state;
	buf_init(&text, 0);
	struct texts *t = open_texts();
	uint64_t at = put_frame(t, 3, false, 40, 'a');
	texts_close(&t);
	assert_true(buf_file(&text, path(FILE_0)));
	assert_int_equal(text.n, at + TEXTS_FRAME_BYTES + 40);
	for (size_t n = 0; n < text.n; n++) {
		put_span(FILE_0, span_cut(buf_view(&text), 0, n));
		assert_int_equal(read_at(at, &part, &last), ERR_TRUNCATED);
		assert_int_equal(out.n, 0);
	}
	for (size_t i = 0; i < at + TEXTS_FRAME_BYTES; i++) {
		text.p[text.start + i] ^= 0x10;
		put_span(FILE_0, buf_view(&text));
		text.p[text.start + i] ^= 0x10;
		int err = read_at(at, &part, &last);
		/* A valid but wrong length or part number is detected by the record. */
		if (err && err != ERR_SYNTAX && err != ERR_TRUNCATED)
			fail_msg("byte %zu: %d", i, err);
		if (!err && (i < at + 4 || i >= at + 12))
			fail_msg("byte %zu is nothing", i);
	}
	buf_free(&text);
}

static void
file_of_another_position_or_node_is_not_read(void **state)
{
	char command[512];
	unsigned part;
	bool last;

	(void)state;
	struct texts *t = open_texts();
	uint64_t a = put_frame(t, 0, true, 20, 'a');
	texts_roll(t);
	uint64_t b = put_frame(t, 0, true, 20, 'b');
	texts_close(&t);
	snprintf(command, sizeof(command), "cd %s && mv %s x && mv %s %s && mv x %s", dir,
		FILE_0, FILE_1, FILE_0, FILE_1);
	assert_int_equal(system(command), 0);
	assert_int_equal(read_at(a, &part, &last), ERR_SYNTAX);
	assert_int_equal(read_at(b, &part, &last), ERR_SYNTAX);
	refused("the head of the file does not match");
	/* After it is restored, the file is read; files in the folder take precedence. */
	snprintf(command, sizeof(command),
		"cd %s && mkdir journal.restored.texts && mv %s journal.restored.texts/gw-1-"
		"0000000000000000.texts",
		dir, FILE_1);
	assert_int_equal(system(command), 0);
	assert_int_equal(read_at(a, &part, &last), ERR_SYNTAX);
	unlink(path(FILE_0));
	assert_int_equal(read_at(a, &part, &last), 0);
	assert_int_equal(buf_view(&out).p[0], 'a');
}

static void
foreign_file_is_refused(void **state)
{
	char head[TEXTS_HEAD_BYTES];

	(void)state;
	struct texts *t = open_texts();
	put_frame(t, 0, true, 20, 'a');
	texts_close(&t);
	put("journal.texts/.hidden", "x");
	assert_int_equal(mkdir(path("journal.texts/folder"), 0700), 0);
	t = open_texts();
	texts_close(&t);
	static const char *const names[] = { "x", "gw-2-0000000000000000.texts",
		"gw-1-0000000000000001.texts", "gw-1-000000000000000.texts",
		"gw-1-0000000000000000.texts.zst", "gw-1-ffffffffff000000.texts",
		"gw-10000000000000000.texts" };
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		char name[128];
		snprintf(name, sizeof(name), "journal.texts/%s", names[i]);
		put(name, "");
		refused("move it to another folder");
		unlink(path(name));
	}
	texts_head("gw-2", TEXTS_SEGMENT_BYTES, head);
	put_span(FILE_1, span_of(head, sizeof(head)));
	refused("the head of the file does not match");
	put_span(FILE_1, span_of(head, 24)); /* for gw-1 it would be an incomplete one */
	refused("the head of the file does not match");
}

/* A kill or a power cut while a file is created. */
static void
file_with_an_incomplete_head_is_created_again(void **state)
{
	char head[TEXTS_HEAD_BYTES], zeros[500] = "";
	unsigned part;
	bool last;

	(void)state;
	struct texts *t = open_texts();
	put_frame(t, 0, true, 20, 'a');
	texts_close(&t);
	texts_head("gw-1", TEXTS_SEGMENT_BYTES, head);
	const struct span begins[] = { { "", 0 }, { head, 60 }, { zeros, 100 },
		{ zeros, 500 } };
	for (size_t i = 0; i < COUNT_OF(begins); i++) {
		put_span(FILE_1, begins[i]);
		t = open_texts();
		uint64_t at = put_frame(t, 0, true, 20, 'b');
		assert_int_equal(at, TEXTS_SEGMENT_BYTES + (i < 3 ? TEXTS_HEAD_BYTES : 512));
		assert_int_equal(texts_sync(t), 0);
		assert_int_equal(read_at(at, &part, &last), 0);
		texts_close(&t);
	}
}

/* ---- disks ---- */

static int writes_left, write_errno;

static ssize_t
failing_pwrite(int fd, const void *p, size_t n, off_t at)
{
	if (writes_left-- == 0) {
		if (!write_errno)
			return pwrite(fd, p, n / 2, at);
		errno = write_errno;
		return -1;
	}
	return pwrite(fd, p, n, at);
}

static void
full_disk_is_reported_and_the_write_is_repeated(void **state)
{
	static const struct {
		int sys, err;
	} rows[] = { { ENOSPC, ERR_FULL }, { EDQUOT, ERR_FULL }, { EFBIG, ERR_FULL },
		{ EIO, ERR_IO } };
	unsigned part;
	bool last;

	(void)state;
	journal_io.pwrite = failing_pwrite;
	journal_io.ftruncate = failing_cut; /* truncation fails */
	struct texts *t = open_texts();
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		for (int at = 0; at < 2; at++) { /* the head, the frame */
			struct text_part *p = frame(0, true, 50, (char)('a' + i));
			texts_roll(t);
			p->position = texts_take(t, p->n);
			write_errno = rows[i].sys;
			writes_left = at;
			assert_int_equal(texts_write(t, p), rows[i].err);
			assert_int_equal(errno, rows[i].sys);
			assert_int_equal(texts_write(t, p), 0);
			assert_int_equal(texts_sync(t), 0);
			assert_int_equal(read_at(p->position, &part, &last), 0);
			free(p);
		}
	write_errno = 0; /* a short write */
	writes_left = 0;
	cuts_to_fail = 1;
	uint64_t at = put_frame(t, 0, true, 50, 's');
	assert_int_equal(read_at(at, &part, &last), 0);
	texts_close(&t);
}

static int syncs;

static int
counted_sync(int fd)
{
	syncs++;
	return failing_sync(fd);
}

static void
one_sync_per_file_and_failed_frames_are_written_again(void **state)
{
	unsigned part;
	bool last;

	(void)state;
	journal_io.fdatasync = counted_sync;
	struct texts *t = open_texts();
	for (int i = 0; i < 20; i++)
		put_frame(t, 0, true, 50, 'a');
	assert_int_equal(texts_sync(t), 0);
	assert_int_equal(syncs, 1);
	assert_int_equal(texts_sync(t), 0);
	assert_int_equal(syncs, 1);
	struct text_part *p = frame(0, true, 50, 'b');
	p->position = texts_take(t, p->n);
	assert_int_equal(texts_write(t, p), 0);
	syncs_to_fail = 1;
	assert_int_equal(texts_sync(t), ERR_IO);
	assert_int_equal(errno, EIO);
	assert_int_equal(texts_write(t, p), 0);
	assert_int_equal(texts_sync(t), 0);
	assert_int_equal(read_at(p->position, &part, &last), 0);
	/* The file was removed while open: frames in it are not durable. */
	unlink(path(FILE_0));
	assert_int_equal(texts_write(t, p), 0);
	assert_int_equal(texts_sync(t), ERR_IO);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(texts_write(t, p), 0);
	assert_int_equal(texts_sync(t), 0);
	assert_int_equal(read_at(p->position, &part, &last), 0);
	free(p);
	texts_close(&t);
}

/* ---- threads ---- */

enum { TAKES = 20000 };
static struct texts *shared;
static uint64_t taken[4][TAKES];

static void *
take_many(void *arg)
{
	uint64_t *at = arg;

	for (size_t i = 0; i < TAKES; i++) {
		at[i] = texts_take(shared, 3000 + i % 7000);
		if (i % 5000 == 4999)
			texts_roll(shared);
	}
	return NULL;
}

static int
by_position(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void
threads_have_different_positions(void **state)
{
	static uint64_t all[4 * TAKES];
	pthread_t worker[4];

	(void)state;
	shared = open_texts();
	for (size_t i = 0; i < COUNT_OF(worker); i++)
		pthread_create(&worker[i], NULL, take_many, taken[i]);
	for (size_t i = 0; i < COUNT_OF(worker); i++)
		pthread_join(worker[i], NULL);
	memcpy(all, taken, sizeof(all));
	qsort(all, COUNT_OF(all), sizeof(all[0]), by_position);
	for (size_t i = 1; i < COUNT_OF(all); i++)
		assert_true(all[i] - all[i - 1] >= 3000);
	texts_close(&shared);
}

int
main(void)
{
#define IN_FOLDER(f) cmocka_unit_test_setup_teardown(f, begin_texts, drop_texts)
	const struct CMUnitTest tests[] = {
		IN_FOLDER(written_frame_is_read_back),
		IN_FOLDER(frame_never_crosses_the_end_of_a_file),
		IN_FOLDER(frames_after_midnight_are_in_another_file),
		IN_FOLDER(positions_of_lost_texts_stay_used),
		IN_FOLDER(parts_may_be_read_in_any_order),
		IN_FOLDER(unwritten_position_is_not_a_frame),
		IN_FOLDER(cut_or_changed_file_is_detected),
		IN_FOLDER(file_of_another_position_or_node_is_not_read),
		IN_FOLDER(foreign_file_is_refused),
		IN_FOLDER(file_with_an_incomplete_head_is_created_again),
		IN_FOLDER(full_disk_is_reported_and_the_write_is_repeated),
		IN_FOLDER(one_sync_per_file_and_failed_frames_are_written_again),
		IN_FOLDER(threads_have_different_positions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
