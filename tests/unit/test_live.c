/* Entries made at run time: which verify, which replaces which, and what is kept on disk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/clock.h"
#include "base/err.h"
#include "support/live_rig.h"

#define KEY(rest) ENTRY("7", rest)
#define LIMIT(id, rest)                                                                        \
	"{\"kind\":\"limit\",\"id\":\"" id                                                     \
	"\",\"serial\":7,\"limit\":\"l\",\"counts\":\"tokens\",\"to\":5" rest "}"

static void
invalid_entry_is_refused(void **state)
{
	static const struct {
		const char *json, *want; /* NULL: valid */
	} rows[] = {
		{ KEY(OWN), NULL },
		{ KEY(OWN ",\"models\":[\"gpt-4o*\"],\"clearance\":-2,\"expires\":"
			  "\"2030-01-01T00:00:00Z\""),
			NULL },
		{ KEY(",\"revoked\":\"2026-01-01T00:00:00Z\""), NULL }, /* a key of a file */
		{ KEY(""), "person: is missing: name the person whose key this is" },
		{ KEY(",\"person\":\"al\""), "sha256: expected 64 hexadecimal digits" },
		{ KEY(OWN ",\"roles\":\"x\""), "roles: expected a list of strings" },
		{ KEY(OWN ",\"roles\":[]"), "roles: expected a list of strings" },
		{ KEY(OWN ",\"roles\":[1]"),
			"roles: expected text without control characters" },
		{ KEY(OWN ",\"team\":\"a\\u001bb\""),
			"team: expected text without control characters" },
		{ KEY(OWN ",\"team\":\"\""), "team: expected text without control characters" },
		{ KEY(OWN ",\"clearance\":1.5"), "clearance: expected a whole number" },
		{ KEY(OWN ",\"expires\":\"soon\""),
			"expires: expected a time such as 2026-11-20T08:00:00Z" },
		{ "{\"kind\":\"key\",\"id\":\"short\",\"serial\":1" OWN "}",
			"id: expected the id of an API key" },
		{ "{\"kind\":\"key\",\"id\":\"7f3k2m9p\"" OWN "}", "serial: is missing" },
		{ "{\"kind\":\"other\",\"id\":\"x\",\"serial\":1}",
			"kind: expected key, limit, erase or node" },
		{ LIMIT("x", ""), "for: is missing: expected conditions such as person=NAME or "
				  "team=NAME, or an "
				  "empty object for everyone" },
		{ LIMIT("x", ",\"for\":[]"), "for: is missing: expected conditions such as "
					     "person=NAME or team=NAME, or an "
					     "empty object for everyone" },
		{ LIMIT("x", ",\"for\":{\"colour\":\"red\"}"),
			"colour: expected one of person, agent, department, team, tier, key, "
			"model and route" },
		{ LIMIT("0000000000", ",\"for\":{\"person\":\"al\"}"),
			"id: is not the id of this limit and these conditions" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct buf why;
		struct live_entry *e = make(rows[i].json, &why);
		if (!e == !rows[i].want ||
			(rows[i].want && !span_is(buf_view(&why), rows[i].want)))
			fail_msg("%s: %.*s", rows[i].json, SPAN_ARG(buf_view(&why)));
		live_entry_unref(&e);
		buf_free(&why);
	}
}

/* With a changed byte or a cut end, an entry does not verify. */
static void
changed_entry_does_not_verify(void **state)
{
	struct live_entry *e = must(KEY(OWN)), *again;
	struct span text = e->text;
	char *copy = malloc(text.n);
	struct buf why;

	(void)state;
	buf_init(&why, 1024);
	again = live_entry_read(text, SPAN_LIT("key:7f3k2m9p"), secret, &why);
	assert_non_null(again);
	live_entry_unref(&again);
	assert_null(live_entry_read(text, SPAN_LIT("key:00000000"), secret, &why));
	for (size_t i = 0; i < text.n; i++) {
		memcpy(copy, text.p, text.n);
		copy[i] = (char)(copy[i] ^ 1);
		assert_null(live_entry_read(
			span_of(copy, text.n), SPAN_LIT("key:7f3k2m9p"), secret, &why));
		assert_null(live_entry_read(
			span_cut(text, 0, i), SPAN_LIT("key:7f3k2m9p"), secret, &why));
	}
	unsigned char other[SHA256_BYTES] = "another key";
	assert_null(live_entry_read(text, SPAN_LIT("key:7f3k2m9p"), other, &why));
	buf_free(&why);
	free(copy);
	live_entry_unref(&e);
}

/* The choice does not depend on the order, and a revoked key is revoked. */
static void
all_daemons_choose_the_same_entry(void **state)
{
#define AT(serial, rest) ENTRY(serial, OWN rest)
#define REVOKED		 ",\"revoked\":\"2026-01-01T00:00:00Z\""
	static const struct {
		const char *name, *wins, *loses;
	} rows[] = {
		{ "the later one", AT("8", ""), AT("7", "") },
		{ "a revoked one over a later one", AT("7", REVOKED), AT("8", "") },
		{ "the later of two revoked ones", AT("8", REVOKED), AT("7", REVOKED) },
		{ "of two made at once the one whose bytes sort last",
			AT("7", ",\"team\":\"b\""), AT("7", ",\"team\":\"a\"") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct live_entry *x = must(rows[i].wins), *y = must(rows[i].loses);
		if (!live_entry_beats(x, y) || live_entry_beats(y, x))
			fail_msg("%s", rows[i].name);
		assert_false(live_entry_beats(x, x));
		live_entry_unref(&x);
		live_entry_unref(&y);
	}
}

/* Puts the key with these further members. Returns its serial, or 0 if it was refused. */
static int64_t
put_entry(struct live *l, const char *id, const char *rest, int64_t serial)
{
	char json[512], field[64];
	struct buf why;

	snprintf(json, sizeof(json), "{\"id\":\"%s\"" OWN "%s}", id, rest);
	snprintf(field, sizeof(field), "key:%s", id);
	json_t *o = json_loads(json, 0, NULL);
	buf_init(&why, 1024);
	int err = live_put(l, LIVE_KEY, o, serial, &why);
	buf_free(&why);
	json_decref(o);
	o = err ? NULL : live_get(l, field);
	int64_t is = json_integer_value(json_object_get(o, "serial"));
	json_decref(o);
	return is;
}

static bool
is_revoked(struct live *l, const char *id)
{
	const struct live_view *v = live_enter(l, 0);
	const struct apikey *k = apikeys_by_id(&v->keys, span_str(id));
	bool revoked = k && k->revoked_ns;

	assert_non_null(k);
	live_leave(l, 0);
	return revoked;
}

static void
entries_are_kept_over_a_restart(void **state)
{
	struct live *l = opened();
	struct stat st;

	(void)state;
	int64_t first = put_entry(l, "aaaaaaaa", "", 0);
	assert_true(first > 0);
	assert_int_equal(put_entry(l, "aaaaaaaa", "", 0), 0); /* the key already exists */
	assert_int_equal(
		put_entry(l, "aaaaaaaa", "", first - 1), 0); /* the key was changed meanwhile */
	int64_t next = put_entry(l, "aaaaaaaa", REVOKED, first);
	assert_true(next > first);
	assert_int_equal(put_entry(l, "aaaaaaaa", "", next), 0); /* a revocation is final */
	assert_true(put_entry(l, "bbbbbbbb", "", 0) > 0);
	live_close(&l);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	/* A crash in the middle of a line. */
	FILE *f = fopen(file, "a");
	fputs("{\"kind\":\"key\",\"id\":\"cccc", f);
	fclose(f);
	l = opened();
	assert_int_equal(live_count(l), 2);
	assert_true(is_revoked(l, "aaaaaaaa"));
	assert_false(is_revoked(l, "bbbbbbbb"));
	assert_true(put_entry(l, "cccccccc", "", 0) > 0);
	live_close(&l);
	l = opened();
	assert_int_equal(live_count(l), 3);
	live_close(&l);
}

static void
entry_file_readable_by_others_refuses_the_start(void **state)
{
	struct buf why;

	(void)state;
	buf_init(&why, 1024);
	for (unsigned bit = 1; bit < 0100; bit <<= 1) {
		assert_int_equal(chmod(file, 0600 | bit), 0);
		assert_null(live_open(file, NULL, "n", secret, &metrics, &why));
		assert_non_null(strstr(buf_view(&why).p, "must be 0600 or narrower"));
		buf_clear(&why);
	}
	assert_int_equal(chmod(file, 0600), 0);
	struct live *l = opened();
	live_close(&l);
	buf_free(&why);
}

static void
entry_file_of_another_key_refuses_the_start(void **state)
{
	unsigned char other[SHA256_BYTES] = "another key";
	struct buf why;

	(void)state;
	buf_init(&why, 1024);
	assert_null(live_open(file, NULL, "n", other, &metrics, &why));
	assert_non_null(strstr(
		buf_view(&why).p, "/live:1: the entry was not made with this state_key"));
	buf_clear(&why);
	struct live *l = opened();
	assert_null(live_open(
		file, NULL, "n", secret, &metrics, &why)); /* another daemon uses the file */
	assert_non_null(strstr(
		buf_view(&why).p, "another daemon uses this file: give each daemon its own"));
	live_close(&l);
	buf_free(&why);
}

/* Opens the file of one instance, with that of the other. */
static struct live *
instance(const char *own, const char *other)
{
	struct buf why;

	buf_init(&why, 1024);
	struct live *l = live_open(own, other, "n", secret, &metrics, &why);
	if (!l)
		fail_msg("%.*s", SPAN_ARG(buf_view(&why)));
	buf_free(&why);
	return l;
}

/* After `tollgate upgrade`, a key is revoked at the second instance. Then Redis loses its data,
 * and the first instance is started. */
static void
changes_at_the_other_instance_are_taken_over(void **state)
{
	char a[128], b[128];
	struct buf why;

	(void)state;
	snprintf(a, sizeof(a), "%s/i.live", dir);
	snprintf(b, sizeof(b), "%s/i-b.live", dir);
	struct live *l = instance(a, b);
	int64_t first = put_entry(l, "aaaaaaaa", OWN, 0);
	int64_t kept = put_entry(l, "cccccccc", OWN, 0);
	assert_true(first && kept);
	live_close(&l);

	l = instance(b, a);
	assert_int_equal(live_count(l), 2); /* no Redis is needed */
	int64_t revoked =
		put_entry(l, "aaaaaaaa", OWN ",\"revoked\":\"2026-01-01T00:00:00Z\"", first);
	assert_true(revoked > first);
	assert_true(put_entry(l, "dddddddd", OWN, 0));
	live_close(&l);

	/* the second instance writes a line at this moment */
	FILE *f = fopen(b, "a");
	fputs("{\"kind\":\"key\",\"id\":\"eeee", f);
	fclose(f);
	uint64_t older = atomic_load(&metrics.v[M_LIVE_OLDER]);
	for (int i = 0; i < 2; i++) {
		/* at the second start there is no other file: our own has these entries too */
		l = instance(a, i ? NULL : b);
		assert_int_equal(live_count(l), 3);
		json_t *o = live_get(l, "key:aaaaaaaa");
		assert_true(json_is_string(json_object_get(o, "revoked")));
		assert_int_equal(json_integer_value(json_object_get(o, "serial")), revoked);
		json_decref(o);
		live_close(&l);
	}
	/* entries of ours that are newer than those of the other file are no fault */
	l = instance(a, NULL);
	assert_true(put_entry(l, "cccccccc", OWN ",\"team\":\"x\"", kept) > kept);
	live_close(&l);
	l = instance(a, b);
	live_close(&l);
	assert_int_equal(atomic_load(&metrics.v[M_LIVE_OLDER]), older);

	/* a complete line that does not verify refuses the start, as in our own file */
	f = fopen(b, "a");
	fputs("\"}\n", f);
	fclose(f);
	buf_init(&why, 1024);
	assert_null(live_open(a, b, "n", secret, &metrics, &why));
	assert_non_null(strstr(buf_view(&why).p, "/i-b.live:"));
	buf_free(&why);
}

static void
merge(struct live *l, struct span text, size_t want_older, uint64_t want_refused)
{
	struct live_item item = { .field = SPAN_LIT("key:bbbbbbbb"), .text = text };
	uint64_t before = atomic_load(&metrics.v[M_LIVE_FORGED]);
	size_t older;

	live_merge(l, &item, 1, &older);
	assert_int_equal(older, want_older);
	assert_int_equal(atomic_load(&metrics.v[M_LIVE_FORGED]) - before, want_refused);
}

static void
count_missing(void *arg, struct live_item item)
{
	size_t *n = arg;

	(void)item;
	*n += 1;
}

/* Another daemon, whose clock is 90 s ahead, changes the limit that was changed here. Either it
 * did not know the change, or it did. */
static void
losing_change_of_two_is_reported(void **state)
{
	static const bool knew[] = { false, true };
	struct buf why;
	size_t older;
	char id[LIVE_LIMIT_ID + 1], text[512];

	(void)state;
	buf_init(&why, 1024);
	json_auto_t *pairs = json_pack("{s:s}", "person", "al");
	live_limit_id("l", pairs, id);
	for (size_t i = 0; i < COUNT_OF(knew); i++) {
		unlink(file);
		struct live *l = opened();
		json_auto_t *o = json_pack("{s:s s:s s:s s:i s:O}", "id", id, "limit", "l",
			"counts", "tokens", "to", 5, "for", pairs);
		assert_int_equal(live_put(l, LIVE_LIMIT, o, 0, &why), 0);
		json_int_t ours = json_integer_value(json_object_get(o, "serial"));
		snprintf(text, sizeof(text),
			"{\"kind\":\"limit\",\"id\":\"%s\",\"limit\":\"l\",\"counts\":"
			"\"tokens\","
			"\"to\":7,\"for\":{\"person\":\"al\"},\"node\":\"m\",\"by\":\"eve\","
			"\"serial\":%lld,\"replaces\":%lld}",
			id, (long long)ours + 90000, knew[i] ? (long long)ours : 0);
		struct live_entry *e = must(text);
		struct live_item item = { .field = span_str(e->field), .text = e->text };
		uint64_t before = atomic_load(&metrics.v[M_LIVE_OLDER]);
		live_merge(l, &item, 1, &older);
		assert_int_equal(older, 0);
		assert_int_equal(atomic_load(&metrics.v[M_LIVE_OLDER]) - before, !knew[i]);
		live_entry_unref(&e);
		live_close(&l);
	}
	buf_free(&why);
}

static void
entries_of_redis_count_if_newer_and_valid(void **state)
{
	struct live *l = opened();
	size_t n = 0;

	(void)state;
	live_missing(l, NULL, 0, count_missing, &n);
	assert_int_equal(n, 3);
	struct live_entry
		*old = must("{\"kind\":\"key\",\"id\":\"bbbbbbbb\",\"serial\":1" OWN "}"),
		*end = must(
			"{\"kind\":\"key\",\"id\":\"bbbbbbbb\",\"serial\":2" OWN REVOKED "}");
	merge(l, old->text, 1, 0);
	merge(l, SPAN_LIT("x"), 0, 1);
	merge(l, SPAN_LIT("x"), 0, 0); /* the invalid item was counted */
	merge(l, span_cut(end->text, 0, end->text.n - 1), 0, 1);
	assert_false(is_revoked(l, "bbbbbbbb"));
	merge(l, end->text, 0, 0);
	assert_true(is_revoked(l, "bbbbbbbb"));
	merge(l, old->text, 1, 0);
	live_close(&l);
	l = opened();
	assert_true(is_revoked(l, "bbbbbbbb"));
	live_close(&l);
	live_entry_unref(&old);
	live_entry_unref(&end);
}

/* A worker reads while keys change. The view that it holds does not change. */
static _Atomic bool stop;

static void *
reader(void *arg)
{
	struct live *l = arg;

	while (!atomic_load(&stop)) {
		const struct live_view *v = live_enter(l, 1);
		const struct apikey *k = apikeys_by_id(&v->keys, SPAN_LIT("bbbbbbbb"));
		INVARIANT(k && k->revoked_ns && !strcmp(k->person, "al"));
		for (size_t i = 0; i < v->keys.n; i++)
			INVARIANT(strlen(v->keys.keys[i].id) == APIKEY_ID_LEN);
		live_leave(l, 1);
	}
	return NULL;
}

static void
view_is_unchanged_while_it_is_read(void **state)
{
	struct live *l = opened();
	pthread_t id;
	int64_t serial = 0;

	(void)state;
	assert_int_equal(pthread_create(&id, NULL, reader, l), 0);
	for (int i = 0; i < 200; i++)
		assert_true((serial = put_entry(l, "dddddddd", "", serial)) > 0);
	atomic_store(&stop, true);
	pthread_join(id, NULL);
	live_close(&l);
	/* Most lines of the file are outdated by now, so it is written again. */
	struct stat before, after;
	assert_int_equal(stat(file, &before), 0);
	l = opened();
	assert_int_equal(live_count(l), 4);
	live_close(&l);
	assert_int_equal(stat(file, &after), 0);
	assert_true(after.st_size < before.st_size / 10);
	l = opened();
	assert_int_equal(live_count(l), 4);
	assert_true(is_revoked(l, "bbbbbbbb"));
	live_close(&l);
}

static int64_t
override(struct live *l, const char *pairs, int to)
{
	char json[256], field[64], id[LIVE_LIMIT_ID + 1];
	json_t *o = json_loads(pairs, 0, NULL);
	struct buf why;

	live_limit_id("l", o, id);
	json_decref(o);
	snprintf(field, sizeof(field), "limit:%s", id);
	o = live_get(l, field);
	int64_t serial = json_integer_value(json_object_get(o, "serial"));
	json_decref(o);
	snprintf(json, sizeof(json),
		"{\"id\":\"%s\",\"limit\":\"l\",\"counts\":\"tokens\",\"to\":%d%s,\"for\":%s}",
		id, to, to ? "" : ",\"ended\":\"2026-01-01T00:00:00Z\"", pairs);
	o = json_loads(json, 0, NULL);
	buf_init(&why, 1024);
	if (live_put(l, LIVE_LIMIT, o, serial, &why))
		fail_msg("%s: %.*s", json, SPAN_ARG(buf_view(&why)));
	buf_free(&why);
	json_decref(o);
	return serial;
}

/* Returns the sum of the amounts of the limit's overrides for that pair; *n is their number. */
static uint64_t
found_by(struct live *l, const char *limit, const char *name, const char *value, size_t *n)
{
	const struct live_view *v = live_enter(l, 0);
	uint64_t sum = 0;
	size_t at = 0;

	for (*n = 0; (at = live_next_override(v, limit, span_str(name), span_str(value), at));
		*n += 1)
		sum += v->limits[at - 1]->to;
	live_leave(l, 0);
	return sum;
}

static void
overrides_are_found_by_limit_and_subject(void **state)
{
	char pairs[64];
	struct live *l = opened();
	size_t n;

	(void)state;
	for (int i = 1; i <= 300; i++) {
		snprintf(pairs, sizeof(pairs), "{\"person\":\"p%d\"}", i);
		override(l, pairs, i);
	}
	override(l, "{\"person\":\"p7\",\"model\":\"m\"}", 1000);
	for (int i = 1; i <= 300; i++) {
		snprintf(pairs, sizeof(pairs), "p%d", i);
		uint64_t sum = found_by(l, "l", "person", pairs, &n);
		assert_int_equal(n, i == 7 ? 2 : 1);
		assert_int_equal(sum, i == 7 ? 1007 : i);
	}
	found_by(l, "other", "person", "p7", &n);
	assert_int_equal(n, 0);
	found_by(l, "l", "team", "p7", &n);
	assert_int_equal(n, 0);
	override(l, "{\"person\":\"p9\"}", 0); /* cleared */
	found_by(l, "l", "person", "p9", &n);
	assert_int_equal(n, 0);
	found_by(l, "l", "", "", &n);
	assert_int_equal(n, 0);
	override(l, "{}", 77);
	assert_int_equal(found_by(l, "l", "", "", &n), 77);
	assert_int_equal(n, 1);
	override(l, "{}", 0);
	found_by(l, "l", "", "", &n);
	assert_int_equal(n, 0);
	override(l, "{\"person\":\"p9\"}", 5);
	assert_int_equal(found_by(l, "l", "person", "p9", &n), 5);
	live_close(&l);
}

/* On a full disk, a new entry does not take effect, but a revocation does. */
static void
full_disk_does_not_delay_a_revocation(void **state)
{
	struct buf why;

	(void)state;
	buf_init(&why, 1024);
	struct live *l = opened();
	struct rlimit was, none;
	struct stat st;
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	signal(SIGXFSZ, SIG_IGN);
	none = (struct rlimit){ (rlim_t)st.st_size / 2, was.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	assert_int_equal(put_entry(l, "eeeeeeee", "", 0), 0);
	assert_int_equal(live_count(l), 306);
	json_t *o = json_loads("{\"id\":\"eeeeeeee\"" OWN REVOKED "}", 0, NULL);
	assert_int_equal(live_put(l, LIVE_KEY, o, 0, &why), ERR_IO);
	assert_true(is_revoked(l, "eeeeeeee"));
	assert_false(live_kept(l));
	json_decref(o);
	/* There is room again: everything is stored with the next entry. */
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	assert_true(put_entry(l, "ffffffff", "", 0) > 0);
	assert_true(live_kept(l));
	live_close(&l);
	l = opened();
	assert_int_equal(live_count(l), 308);
	assert_true(is_revoked(l, "eeeeeeee"));
	live_close(&l);
	buf_free(&why);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(invalid_entry_is_refused),
		cmocka_unit_test(changed_entry_does_not_verify),
		cmocka_unit_test(all_daemons_choose_the_same_entry),
		cmocka_unit_test(entries_are_kept_over_a_restart),
		cmocka_unit_test(entry_file_readable_by_others_refuses_the_start),
		cmocka_unit_test(entry_file_of_another_key_refuses_the_start),
		cmocka_unit_test(changes_at_the_other_instance_are_taken_over),
		cmocka_unit_test(entries_of_redis_count_if_newer_and_valid),
		cmocka_unit_test(view_is_unchanged_while_it_is_read),
		cmocka_unit_test(overrides_are_found_by_limit_and_subject),
		cmocka_unit_test(full_disk_does_not_delay_a_revocation),
		cmocka_unit_test(losing_change_of_two_is_reported),
	};
	return cmocka_run_group_tests(tests, live_rig_make, temp_dir_remove);
}
