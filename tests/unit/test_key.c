/* tollgate key: the content of the file afterwards, its permissions, and refusals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "cmd/cmd.h"
#include "policy/identity/keylimits.h"

static char dir[64], file[96], out[96];

static int
setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/test_key.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(file, sizeof(file), "%s/keys.yaml", dir);
	snprintf(out, sizeof(out), "%s/out", dir);
	return 0;
}

static int
teardown(void **state)
{
	char lock[112];

	(void)state;
	snprintf(lock, sizeof(lock), "%s.lock", file);
	unlink(lock);
	unlink(file);
	unlink(out);
	return rmdir(dir);
}

/* Runs `tollgate key` on the file. Keeps stdout in `text` and drops stderr. */
static int
key(char text[256], const char *const *args)
{
	static char name[] = "key", flag[] = "--keys";
	char *argv[16] = { name };
	int argc = 1, keep[2] = { dup(1), dup(2) };
	int to = open(out, O_CREAT | O_TRUNC | O_RDWR, 0600),
	    null = open("/dev/null", O_WRONLY);

	for (; *args; args++)
		argv[argc++] = (char *)(uintptr_t)*args;
	argv[argc++] = flag;
	argv[argc++] = file;
	fflush(stdout);
	dup2(to, 1);
	dup2(null, 2);
	optind = 0;
	int code = cmd_key(argc, argv);
	fflush(stdout);
	dup2(keep[0], 1);
	dup2(keep[1], 2);
	ssize_t n = pread(to, text, 255, 0);
	text[n > 0 ? n : 0] = 0;
	close(keep[0]);
	close(keep[1]);
	close(to);
	close(null);
	return code;
}

#define KEY(text, ...) key(text, (const char *const[]){ __VA_ARGS__, NULL })

static struct apikeys *
load(struct diag *d)
{
	diag_init(d);
	struct apikeys *k = apikeys_load(file, d);
	if (!k)
		fail_msg("%.*s", SPAN_ARG(buf_view(&d->text)));
	return k;
}

static void
new_key_is_printed_once_and_found_by_its_hash(void **state)
{
	char text[256], listed[256], created[CLOCK_SECOND_LEN];
	struct diag d;

	(void)state;
	assert_int_equal(KEY(text, "new", "--person", "al\"ice", "--team", "red", "--roles",
				 "a, b", "--clearance", "-2", "--ttl", "1h"),
		EXIT_DONE);
	assert_memory_equal(text, "tg_", 3);
	text[strcspn(text, "\n")] = 0;
	struct apikeys *k = load(&d);
	const struct apikey *found = apikeys_find(k, span_str(text));
	assert_non_null(found);
	assert_string_equal(found->person, "al\"ice");
	assert_string_equal(found->team, "red");
	assert_int_equal(found->nroles, 2);
	assert_string_equal(found->roles[1], "b");
	assert_int_equal(found->clearance, -2);
	assert_true(apikey_live(found, clock_wall_ns()));
	assert_false(apikey_live(found, clock_wall_ns() + 3601 * INT64_C(1000000000)));
	assert_int_equal(KEY(listed, "list"), EXIT_DONE);
	clock_second(found->created_ns, created);
	assert_non_null(strstr(listed, created));
	apikeys_free(&k);
	diag_free(&d);
}

static void
key_may_have_models_and_limits(void **state)
{
	char text[256];
	struct diag d;
	struct arena a;
	size_t n;

	(void)state;
	assert_int_equal(
		KEY(text, "new", "--person", "mia", "--models", "gpt-4o*, echo", "--limits",
			"requests=5/1m,usd=0.25/month,concurrent=2,input_tokens=7/1h"),
		EXIT_DONE);
	text[strcspn(text, "\n")] = 0;
	struct apikeys *k = load(&d);
	const struct apikey *found = apikeys_find(k, span_str(text));
	assert_non_null(found);
	assert_int_equal(found->nmodels, 2);
	assert_string_equal(found->models[0], "gpt-4o*");
	arena_init(&a, 0, false);
	const struct limit *l = key_limits(found, &a, &n);
	assert_int_equal(n, 4);
	assert_true(l[2].of == LIMIT_CONCURRENT && l[2].amount == 2 && !l[2].reads_body);
	assert_true(l[3].of == LIMIT_INPUT_TOKENS && l[3].window_s == 3600 && l[3].reads_body);
	assert_true(l[0].of == LIMIT_REQUESTS && l[0].amount == 5 && l[0].window_s == 60);
	assert_true(l[1].of == LIMIT_USD && l[1].amount == 250000000 && l[1].by_calendar &&
		    l[1].calendar == CALENDAR_MONTH);
	arena_reset(&a);
	apikeys_free(&k);
	diag_free(&d);
}

static void
limit_of_a_key_is_read_or_refused(void **state)
{
	static const struct {
		const char *text;
		bool fits;
	} rows[] = {
		{ "requests=1/1s", true },
		{ "tokens=1099511627776/31d", true },
		{ "usd=0.000000001/hour", true },
		{ "tokens_per_request=2000", true },
		{ "", false },
		{ "requests", false },
		{ "requests=", false },
		{ "requests=0/1m", false },
		{ "requests=-1/1m", false },
		{ "requests=1.5/1m", false },
		{ "requests=5", false },
		{ "requests=5/", false },
		{ "requests=5/1m/2m", false },
		{ "requests=5/500ms", false },
		{ "requests=5/1500ms", false },
		{ "requests=5/32d", false },
		{ "requests=5/year", false },
		{ "tokens=1099511627777/1d", false },
		{ "usd=0/day", false },
		{ "usd=0.0000000001/day", false },
		{ "usd=x/day", false },
		{ "input_tokens=1000/1h", true },
		{ "output_tokens=1000/day", true },
		{ "concurrent=5", true },
		{ "input_tokens=1000", false },
		{ "concurrent=5/1m", false },
		{ "concurrent=0", false },
		{ "tokens_per_conversation=5/1d", false },
		{ "tokens_per_request=2000/1m", false },
	};
	struct limit l;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (!key_limit_read(span_str(rows[i].text), &l) != rows[i].fits)
			fail_msg("%s", rows[i].text);
}

static void
revoked_key_is_invalid_and_unknown_key_is_reported(void **state)
{
	char text[256];
	struct diag d;

	(void)state;
	assert_int_equal(KEY(text, "new", "--person", "bob"), EXIT_DONE);
	text[strcspn(text, "\n")] = 0;
	struct apikeys *k = load(&d);
	char id[APIKEY_ID_LEN + 1];
	snprintf(id, sizeof(id), "%s", apikeys_find(k, span_str(text))->id);
	apikeys_free(&k);
	diag_free(&d);
	char said[256];
	assert_int_equal(KEY(said, "revoke", "nosuchid"), EXIT_NO);
	assert_int_equal(KEY(said, "revoke", id), EXIT_DONE);
	k = load(&d);
	assert_false(apikey_live(apikeys_find(k, span_str(text)), clock_wall_ns()));
	apikeys_free(&k);
	diag_free(&d);
}

static void
rotated_key_overlaps_with_the_new_one(void **state)
{
	char old_text[256], new_text[256], said[256], id[APIKEY_ID_LEN + 1];
	struct diag d;
	int64_t hour = 3600 * INT64_C(1000000000), now = clock_wall_ns();

	(void)state;
	assert_int_equal(KEY(old_text, "new", "--person", "dora", "--owner", "ops", "--scopes",
				 "chat, models", "--ttl", "90d"),
		EXIT_DONE);
	old_text[strcspn(old_text, "\n")] = 0;
	struct apikeys *k = load(&d);
	snprintf(id, sizeof(id), "%s", apikeys_find(k, span_str(old_text))->id);
	apikeys_free(&k);
	diag_free(&d);
	assert_int_equal(KEY(said, "rotate", "nosuchid"), EXIT_NO);
	assert_int_equal(KEY(new_text, "rotate", id, "--overlap", "2h"), EXIT_DONE);
	new_text[strcspn(new_text, "\n")] = 0;
	assert_string_not_equal(old_text, new_text);
	k = load(&d);
	const struct apikey *was = apikeys_find(k, span_str(old_text)),
			    *is = apikeys_find(k, span_str(new_text));
	assert_true(apikey_live(was, now + hour) && !apikey_live(was, now + 3 * hour));
	assert_true(apikey_live(is, now + 89 * 24 * hour) &&
		    !apikey_live(is, now + 91 * 24 * hour));
	assert_string_equal(is->person, "dora");
	assert_string_equal(is->owner, "ops");
	assert_int_equal(is->nscopes, 2);
	assert_string_equal(is->scopes[1], "models");
	assert_string_equal(apikey_counts_as(was), id);
	assert_string_equal(apikey_counts_as(is), id);
	char next_id[APIKEY_ID_LEN + 1];
	snprintf(next_id, sizeof(next_id), "%s", is->id);
	apikeys_free(&k);
	diag_free(&d);
	/* A key that is rotated again still uses the counters of the first one. */
	assert_int_equal(KEY(new_text, "rotate", next_id), EXIT_DONE);
	new_text[strcspn(new_text, "\n")] = 0;
	k = load(&d);
	assert_string_equal(apikey_counts_as(apikeys_find(k, span_str(new_text))), id);
	apikeys_free(&k);
	diag_free(&d);
	/* A revoked key cannot be rotated. */
	assert_int_equal(KEY(said, "revoke", id), EXIT_DONE);
	assert_int_equal(KEY(said, "rotate", id), EXIT_NO);
}

/* For example a contractor's last day, in the time zone of the contract. */
static void
key_may_end_at_a_date_or_time(void **state)
{
	static const struct {
		const char *until;
		int64_t end_s;
	} rows[] = { { "2199-12-04", 7255699200 },
		{ "2199-12-04T18:00:00+01:00", 7255760400 } };
	char text[256];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct diag d;
		assert_int_equal(KEY(text, "new", "--person", "erin", "--until", rows[i].until),
			EXIT_DONE);
		text[strcspn(text, "\n")] = 0;
		struct apikeys *k = load(&d);
		assert_int_equal(apikeys_find(k, span_str(text))->expires_ns,
			rows[i].end_s * INT64_C(1000000000));
		apikeys_free(&k);
		diag_free(&d);
	}
}

/* The daemon runs as another user: root adds a key, and the daemon can still read the file. */
static void
owner_and_mode_of_the_key_file_are_kept(void **state)
{
	char text[256];
	struct stat st;

	(void)state;
	assert_int_equal(chmod(file, 0604), 0);
	if (getuid() == 0)
		assert_int_equal(chown(file, 12, 34), 0);
	assert_int_equal(KEY(text, "new", "--person", "carol"), EXIT_DONE);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0604);
	if (getuid() == 0) {
		assert_int_equal(st.st_uid, 12);
		assert_int_equal(st.st_gid, 34);
	}
}

static void
contradictory_arguments_are_refused(void **state)
{
	char many[400] = "r", text[256];
	struct stat before, after;

	(void)state;
	for (int i = 0; i < 64; i++)
		strcat(many, ",r");
	assert_int_equal(stat(file, &before), 0);
	const char *const rows[][5] = {
		{ "new" }, { "new", "--person", "x", "--clearance", "2x" },
		{ "new", "--person", "x", "--clearance", "" },
		{ "new", "--person", "x", "--clearance", "99999999999999999999" },
		{ "new", "--person", "x", "--ttl", "soon" },
		{ "new", "--person", "x", "--until", "friday" },
		{ "new", "--person", "x", "--until", "2020-01-01" }, /* in the past */
		{ "rotate", "x", "--until", "2020-01-01" },
		{ "new", "--person", "x", "--roles", many }, { "new", "--person", "" },
		{ "new", "--person", "a\nb" }, { "new", "--person", "\xff" },
		{ "new", "--person", "x", "--team", "\x1b[31m" }, { "revoke" }, { "rotate" },
		{ "rotate", "x", "--overlap", "soon" }, { "frobnicate" },
		{ "new", "--person", "x", "--limits", "requests=5" },
		{ "change", "x", "--team", "y" }, /* only for keys of the daemon */
		{ "new", "--person", "x", "--by", "y" },
		{ "new", "--person", "x", "--live" }, /* together with a file */
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *args[6] = { 0 };
		memcpy(args, rows[i], sizeof(rows[i]));
		if (key(text, args) != EXIT_CANNOT)
			fail_msg("row %zu was taken", i);
		assert_string_equal(text, "");
	}
	assert_int_equal(stat(file, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(new_key_is_printed_once_and_found_by_its_hash),
		cmocka_unit_test(key_may_have_models_and_limits),
		cmocka_unit_test(limit_of_a_key_is_read_or_refused),
		cmocka_unit_test(revoked_key_is_invalid_and_unknown_key_is_reported),
		cmocka_unit_test(rotated_key_overlaps_with_the_new_one),
		cmocka_unit_test(key_may_end_at_a_date_or_time),
		cmocka_unit_test(owner_and_mode_of_the_key_file_are_kept),
		cmocka_unit_test(contradictory_arguments_are_refused),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
