/* The file of a store: its content after a crash or a full disk, and who may read it. The
 * entries are words, one per line. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gate/store/store.h"
#include "support/temp_dir.h"

struct words {
	char text[1024]; /* each with its newline */
	struct store store;
};

static bool
read_word(void *arg, struct span line, struct buf *why)
{
	struct words *w = arg;
	size_t n = strlen(w->text);

	if (span_is(line, "bad"))
		buf_str(why, "it is bad");
	else
		snprintf(w->text + n, sizeof(w->text) - n, "%.*s\n", SPAN_ARG(line));
	return why->n == 0;
}

static size_t
write_words(void *arg, struct buf *out)
{
	const struct words *w = arg;
	size_t lines = 0;

	for (const char *p = w->text; (p = strchr(p, '\n')); p++)
		lines++;
	buf_str(out, w->text);
	return lines;
}

static const struct store_kind words_kind = { "live.failed", read_word, write_words };

static bool
open_words(struct words *w, struct buf *why)
{
	*w = (struct words){ .text = "" };
	store_init(&w->store, &words_kind, w, path("words"));
	return store_open(&w->store, why);
}

/* Adds a word and writes it to disk. */
static bool
add_word(struct words *w, const char *word)
{
	size_t n = strlen(w->text);
	struct buf line;

	snprintf(w->text + n, sizeof(w->text) - n, "%s\n", word);
	buf_init(&line, sizeof(w->text));
	buf_str(&line, w->text + n);
	bool kept = store_keep(&w->store, &line, 1);
	buf_free(&line);
	return kept;
}

static void
write_file(const char *text, size_t n)
{
	int fd = open(path("words"), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, n), n);
	close(fd);
}

static void
file_is(const char *want)
{
	struct buf text;

	buf_init(&text, 4096);
	assert_true(buf_file(&text, path("words")));
	assert_true(span_is(buf_view(&text), want));
	buf_free(&text);
}

static void
opened_it_has(const char *want)
{
	struct words w;
	struct buf why;

	buf_init(&why, 1024);
	if (!open_words(&w, &why))
		fail_msg("%.*s", SPAN_ARG(buf_view(&why)));
	assert_string_equal(w.text, want);
	store_close(&w.store);
	buf_free(&why);
}

/* A crash may cut off the file after any byte of the line that is being written. */
static void
line_cut_off_by_a_crash_is_removed(void **state)
{
	static const char whole[] = "one\nthree\n";
	struct words w;
	struct buf why;

	(void)state;
	buf_init(&why, 1024);
	for (size_t n = 0; n < sizeof(whole); n++) {
		const char *left = n < 4 ? "" : n < 10 ? "one\n" : whole;
		char want[32];
		write_file(whole, n);
		assert_true(open_words(&w, &why));
		assert_string_equal(w.text, left);
		file_is(left);
		assert_true(add_word(&w, "four"));
		store_close(&w.store);
		snprintf(want, sizeof(want), "%sfour\n", left);
		opened_it_has(want);
	}
	buf_free(&why);
}

static void
refused_line_is_named(void **state)
{
	struct words w;
	struct buf why;

	(void)state;
	buf_init(&why, 1024);
	write_file("one\nbad\ntwo\n", 12);
	assert_false(open_words(&w, &why));
	assert_true(span_ends(buf_view(&why), SPAN_LIT("/words:2: it is bad")));
	file_is("one\nbad\ntwo\n");
	buf_free(&why);
}

static void
store_file_readable_by_others_or_in_use_is_refused(void **state)
{
	struct words w, other;
	struct buf why;

	(void)state;
	buf_init(&why, 1024);
	write_file("one\n", 4);
	assert_int_equal(chmod(path("words"), 0644), 0);
	assert_false(open_words(&w, &why));
	assert_int_equal(chmod(path("words"), 0600), 0);
	assert_true(open_words(&w, &why));
	buf_clear(&why);
	assert_false(open_words(&other, &why));
	assert_true(span_ends(buf_view(&why), SPAN_LIT("another daemon uses this file: give each daemon its own")));
	/* The file that replaced it is in use too. */
	assert_true(store_rewrite(&w.store));
	assert_false(open_words(&other, &why));
	store_close(&w.store);
	opened_it_has("one\n");
	buf_free(&why);
}

/* The disk accepts half of a line, and then nothing of the file that would replace it. */
static void
file_gets_all_entries_after_a_full_disk(void **state)
{
	struct rlimit was, little;
	struct words w;
	struct stat st;
	struct buf why;

	(void)state;
	buf_init(&why, 1024);
	write_file("one\n", 4);
	assert_true(open_words(&w, &why));
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	signal(SIGXFSZ, SIG_IGN);
	little = (struct rlimit){ 6, was.rlim_max };
	/* A failure in between could not be printed. */
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &little), 0);
	bool three = add_word(&w, "three"), kept = atomic_load(&w.store.kept);
	assert_int_equal(stat(path("words"), &st), 0);
	bool four = add_word(&w, "four");
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	assert_false(three || kept || four);
	assert_int_equal(st.st_size, 4);
	file_is("one\n");
	/* No new entry is needed for that. */
	buf_clear(&why);
	assert_true(store_keep(&w.store, &why, 0));
	assert_true(atomic_load(&w.store.kept));
	file_is("one\nthree\nfour\n");
	/* A line for which there was no memory is written with the next one. */
	struct buf none;
	buf_init(&none, 1);
	buf_str(&none, "five\n");
	strcat(w.text, "five\n");
	assert_false(store_keep(&w.store, &none, 1));
	file_is("one\nthree\nfour\n");
	assert_true(add_word(&w, "six"));
	store_close(&w.store);
	/* An entry that is among all entries may be present a second time. */
	opened_it_has("one\nthree\nfour\nfive\nsix\nsix\n");
	buf_free(&none);
	buf_free(&why);
}

static void
file_is_created_with_the_first_entry(void **state)
{
	struct words w = { .text = "" };
	struct buf none;
	struct stat st;

	(void)state;
	buf_init(&none, 16);
	unlink(path("words"));
	store_init(&w.store, &words_kind, &w, path("words"));
	assert_true(store_keep(&w.store, &none, 0));
	assert_int_not_equal(stat(path("words"), &st), 0);
	assert_true(add_word(&w, "one"));
	assert_true(w.store.begun);
	assert_int_equal(stat(path("words"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	store_close(&w.store);
	opened_it_has("one\n");
}

static void
file_with_too_many_lines_is_replaced(void **state)
{
	struct words w;
	struct buf why;

	(void)state;
	buf_init(&why, 1024);
	write_file("one\none\ntwo\ntwo\n", 16);
	assert_true(open_words(&w, &why));
	strcpy(w.text, "one\ntwo\n");
	assert_true(store_trim(&w.store, 4));
	file_is("one\none\ntwo\ntwo\n");
	assert_true(add_word(&w, "three"));
	assert_true(store_trim(&w.store, 4));
	file_is("one\ntwo\nthree\n");
	/* The lines are counted from there. */
	assert_true(add_word(&w, "four"));
	strcpy(w.text, "four\n");
	assert_true(store_trim(&w.store, 4));
	file_is("one\ntwo\nthree\nfour\n");
	assert_true(store_trim(&w.store, 3));
	file_is("four\n");
	store_close(&w.store);
	buf_free(&why);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(line_cut_off_by_a_crash_is_removed),
		cmocka_unit_test(refused_line_is_named),
		cmocka_unit_test(store_file_readable_by_others_or_in_use_is_refused),
		cmocka_unit_test(file_gets_all_entries_after_a_full_disk),
		cmocka_unit_test(file_is_created_with_the_first_entry),
		cmocka_unit_test(file_with_too_many_lines_is_replaced),
	};
	return cmocka_run_group_tests(tests, temp_dir_make, temp_dir_remove);
}
