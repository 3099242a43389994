/* Ended keys and overrides: which are purged, what is left of them, and that no old copy
 * becomes valid again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/clock.h"
#include "base/err.h"
#include "support/live_rig.h"

#define KEY(serial, rest) ENTRY(serial, OWN rest)
#define FILED(rest)	  ENTRY("7", rest)
#define REVOKED		  ",\"revoked\":\"2029-12-01T00:00:00Z\""

static char limit_id[LIVE_LIMIT_ID + 1]; /* the id of limit l for person al */

static int
setup(void **state)
{
	json_t *pairs = json_pack("{s:s}", "person", "al");

	live_limit_id("l", pairs, limit_id);
	json_decref(pairs);
	return live_rig_make(state);
}

static struct live *
begun(void)
{
	unlink(file);
	return opened();
}

/* Makes an entry from a JSON text in which LIMIT stands for the override's own members. */
static struct live_entry *
entry(const char *json)
{
	char text[512];

	if (strncmp(json, "LIMIT", 5) != 0)
		return must(json);
	snprintf(text, sizeof(text),
		"{\"kind\":\"limit\",\"id\":\"%s\",\"limit\":\"l\",\"counts\":\"tokens\","
		"\"to\":5,\"for\":{\"person\":\"al\"}%s",
		limit_id, json + 5);
	return must(text);
}

/* Merges an entry as it is found in Redis. Returns whether Redis does not need it. *older:
 * number of entries that are older than ours. */
static bool
merge(struct live *l, const struct live_entry *e, size_t *older)
{
	struct live_item item = { .field = span_str(e->field), .text = e->text };

	live_merge(l, &item, 1, older);
	return item.stale;
}

static bool
merge_text(struct live *l, const char *json, size_t *older)
{
	struct live_entry *e = entry(json);
	bool stale = merge(l, e, older);

	live_entry_unref(&e);
	return stale;
}

static int64_t
at(const char *when)
{
	int64_t ns;

	assert_int_equal(clock_parse(when, strlen(when), &ns), 0);
	return ns;
}

static size_t
purge(struct live *l, const char *when)
{
	struct buf fields;

	buf_init(&fields, 0);
	size_t n = live_purge(l, at(when), SIZE_MAX, &fields);
	assert_true(!n == !fields.n);
	buf_free(&fields);
	return n;
}

/* Returns how many lines of the file contain this text. */
static size_t
lines_with(const char *what)
{
	char line[16384];
	size_t n = 0;
	FILE *f = fopen(file, "r");

	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		n += strstr(line, what) != NULL;
	fclose(f);
	return n;
}

static bool
key_is_live(struct live *l)
{
	const struct live_view *v = live_enter(l, 0);
	const struct apikey *k = apikeys_by_id(&v->keys, SPAN_LIT("7f3k2m9p"));
	bool is = k && !k->revoked_ns;

	live_leave(l, 0);
	return is;
}

static size_t
overrides(struct live *l)
{
	const struct live_view *v = live_enter(l, 0);
	size_t n = v->nlimits;

	live_leave(l, 0);
	return n;
}

static void
entries_ended_for_a_day_are_purged(void **state)
{
	static const struct {
		const char *name, *json;
		size_t purged, remembered;
	} rows[] = {
		{ "a live key", KEY("7", ""), 0, 0 },
		{ "a key that ended 23 hours ago",
			KEY("7", ",\"expires\":\"2030-01-09T01:00:00Z\","
				 "\"latest\":\"2030-01-09T01:00:00Z\""),
			0, 0 },
		{ "a key that ended a day ago",
			KEY("7", ",\"expires\":\"2030-01-08T23:00:00Z\","
				 "\"latest\":\"2030-01-08T23:00:00Z\""),
			1, 0 },
		{ "one that had no end before",
			KEY("7", ",\"expires\":\"2030-01-08T23:00:00Z\""), 1, 1 },
		{ "one that had a later end before",
			KEY("7", ",\"expires\":\"2030-01-08T23:00:00Z\","
				 "\"latest\":\"2030-02-01T00:00:00Z\""),
			1, 1 },
		{ "a revoked key without an end", KEY("7", REVOKED), 1, 1 },
		{ "a revoked key that had ended by now",
			KEY("7", REVOKED ",\"expires\":\"2029-12-02T00:00:00Z\","
					 "\"latest\":\"2029-12-02T00:00:00Z\""),
			1, 0 },
		{ "a revoked key that would have gone on",
			KEY("7", REVOKED ",\"expires\":\"2031-12-02T00:00:00Z\","
					 "\"latest\":\"2031-12-02T00:00:00Z\""),
			1, 1 },
		{ "a key of a file that was revoked", FILED(REVOKED), 0, 0 },
		{ "an override that ended a day ago",
			"LIMIT,\"serial\":7,\"until\":\"2030-01-08T23:00:00Z\","
			"\"latest\":\"2030-01-08T23:00:00Z\"}",
			1, 0 },
		{ "an override that was cleared",
			"LIMIT,\"serial\":7,\"ended\":\"2029-12-01T00:00:00Z\"}", 1, 1 },
		{ "an override without an end", "LIMIT,\"serial\":7}", 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct live *l = begun();
		size_t older;
		assert_false(merge_text(l, rows[i].json, &older));
		assert_int_equal(live_count(l), 1);
		size_t n = purge(l, "2030-01-10T00:00:00Z");
		if (n != rows[i].purged || live_count(l) != 1 - n ||
			lines_with("\"kind\":\"gone\"") != rows[i].remembered)
			fail_msg("%s: %zu purged, %zu remembered", rows[i].name, n,
				lines_with("\"kind\":\"gone\""));
		assert_int_equal(purge(l, "2030-01-10T00:00:00Z"), 0);
		live_close(&l);
		l = opened();
		assert_int_equal(live_count(l), 1 - n);
		live_close(&l);
	}
}

/* An old copy of Redis, also after restarts of this daemon. */
static void
keep_text(void *arg, struct live_item item)
{
	struct buf *b = arg;

	buf_span(b, item.text);
}

/* Passes the text that one daemon writes to Redis under the field to another daemon, under that
 * field or another one. */
static void
tell(struct live *from, struct span field, struct live *to, struct span under)
{
	struct buf text;
	size_t older;

	buf_init(&text, 0);
	struct live_item was = { .field = field, .text = SPAN_LIT("x") };
	live_missing(from, &was, 1, keep_text, &text);
	struct live_item item = { .field = under, .text = buf_view(&text) };
	assert_true(text.n > 0);
	live_merge(to, &item, 1, &older);
	buf_free(&text);
}

/* A daemon was down for days, and the one that purged no longer exists when it is back. */
static void
daemon_that_was_down_learns_of_purged_entries(void **state)
{
	static const struct {
		const char *name, *purged, *has;
		bool lives;
	} rows[] = {
		{ "a key that lives on its disk", KEY("7", REVOKED), KEY("5", ""), false },
		{ "one that it changed meanwhile", KEY("7", REVOKED), KEY("9", ""), false },
		{ "one that it revoked too", KEY("7", REVOKED), KEY("9", REVOKED), false },
		{ "a rotated one", KEY("7", ",\"expires\":\"2029-12-01T00:00:00Z\""),
			KEY("5", ""), false },
		{ "one that was given more time here",
			KEY("7", ",\"expires\":\"2029-12-01T00:00:00Z\""), KEY("9", ""), true },
	};
	char aside[128];
	size_t older;

	(void)state;
	snprintf(aside, sizeof(aside), "%s.a", file);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct live *a = begun();
		merge_text(a, rows[i].purged, &older);
		assert_int_equal(purge(a, "2030-01-10T00:00:00Z"), 1);
		assert_int_equal(rename(file, aside), 0);
		struct live *b = begun();
		merge_text(b, rows[i].has, &older);
		/* An attacker who can write to Redis can move a line, but cannot sign one. */
		bool lived = key_is_live(b);
		tell(a, SPAN_LIT("key:7f3k2m9p"), b, SPAN_LIT("key:7f3k2m9q"));
		assert_int_equal(key_is_live(b), lived);
		tell(a, SPAN_LIT("key:7f3k2m9p"), b, SPAN_LIT("key:7f3k2m9p"));
		if (key_is_live(b) != rows[i].lives)
			fail_msg("%s", rows[i].name);
		live_close(&b);
		b = opened();
		if (key_is_live(b) != rows[i].lives)
			fail_msg("%s: after a restart", rows[i].name);
		/* An old copy has no effect either. */
		merge_text(b, KEY("5", ""), &older);
		if (key_is_live(b) != rows[i].lives)
			fail_msg("%s: once more", rows[i].name);
		live_close(&b);
		live_close(&a);
		unlink(aside);
	}
}

static void
old_copy_does_not_revive_a_purged_key(void **state)
{
	static const struct {
		const char *name, *ended, *replayed;
		bool stale, lives;
		size_t older;
	} rows[] = {
		{ "as it was made", KEY("7", REVOKED), KEY("5", ""), false, false, 1 },
		{ "as it was when it was purged", KEY("7", REVOKED), KEY("7", REVOKED), false,
			false, 0 },
		{ "revoked long ago", KEY("7", REVOKED),
			KEY("6", ",\"revoked\":\"2020-01-01T00:00:00Z\""), false, false, 0 },
		{ "changed elsewhere by who did not know", KEY("7", REVOKED), KEY("9", ""),
			false, false, 1 },
		{ "a rotated one as it was before",
			KEY("7", ",\"expires\":\"2029-12-01T00:00:00Z\""), KEY("5", ""), false,
			false, 1 },
		{ "a rotated one that was given more time elsewhere",
			KEY("7", ",\"expires\":\"2029-12-01T00:00:00Z\""), KEY("9", ""), false,
			true, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct live *l = begun();
		size_t older, again;
		merge_text(l, rows[i].ended, &older);
		assert_int_equal(purge(l, "2030-01-10T00:00:00Z"), 1);
		live_close(&l);
		l = opened();
		assert_int_equal(live_count(l), 0);
		bool stale = merge_text(l, rows[i].replayed, &older);
		if (stale != rows[i].stale || key_is_live(l) != rows[i].lives ||
			older != rows[i].older)
			fail_msg("%s: %sstale, %s, %zu older", rows[i].name,
				stale ? "" : "not ", key_is_live(l) ? "live" : "dead", older);
		live_close(&l);
		l = opened();
		if (key_is_live(l) != rows[i].lives)
			fail_msg("%s: after a restart", rows[i].name);
		merge_text(l, KEY("5", ""), &again);
		if (key_is_live(l) != rows[i].lives)
			fail_msg("%s: once more", rows[i].name);
		live_close(&l);
	}
}

static int
put_override(struct live *l, const char *rest, int64_t serial)
{
	json_t *o = json_pack("{s:s s:s s:s s:i s:{s:s}}", "id", limit_id, "limit", "l",
		"counts", "tokens", "to", 5, "for", "person", "al");
	json_t *more = json_loads(rest, 0, NULL);
	struct buf why;

	json_object_update(o, more);
	json_decref(more);
	buf_init(&why, 1024);
	int err = live_put(l, LIVE_LIMIT, o, serial, &why);
	buf_free(&why);
	json_decref(o);
	return err;
}

static void
purged_override_may_be_set_again_but_not_revived(void **state)
{
	struct live *l = begun();
	struct live_entry *old = entry("LIMIT,\"serial\":1}");
	size_t older;

	(void)state;
	merge_text(l, "LIMIT,\"serial\":4102444800000,\"ended\":\"2029-12-01T00:00:00Z\"}",
		&older);
	assert_int_equal(purge(l, "2030-01-10T00:00:00Z"), 1);
	assert_false(merge(l, old, &older));
	assert_int_equal(older, 1);
	assert_int_equal(overrides(l), 0);
	assert_int_equal(live_count(l), 0);
	live_close(&l);
	l = begun();
	merge_text(l, "LIMIT,\"serial\":4102444800000,\"ended\":\"2029-12-01T00:00:00Z\"}",
		&older);
	assert_int_equal(purge(l, "2030-01-10T00:00:00Z"), 1);
	/* The new one is later than the purged one, although that clock was ahead. */
	assert_int_equal(put_override(l, "{}", 0), 0);
	assert_int_equal(overrides(l), 1);
	live_close(&l);
	l = opened();
	assert_int_equal(overrides(l), 1);
	merge(l, old, &older);
	assert_int_equal(older, 1);
	assert_int_equal(overrides(l), 1);
	live_close(&l);
	live_entry_unref(&old);
}

static void
latest_is(struct live *l, const char *want)
{
	char field[64];

	snprintf(field, sizeof(field), "limit:%s", limit_id);
	json_t *o = live_get(l, field);
	const char *is = json_string_value(json_object_get(o, "latest"));
	if (!is != !want || (want && strncmp(is, want, strlen(want))))
		fail_msg("%s", is ? is : "none");
	json_decref(o);
}

static int64_t
serial_is(struct live *l)
{
	char field[64];

	snprintf(field, sizeof(field), "limit:%s", limit_id);
	json_t *o = live_get(l, field);
	int64_t serial = json_integer_value(json_object_get(o, "serial"));
	json_decref(o);
	return serial;
}

static void
entry_knows_its_latest_end(void **state)
{
	struct live *l = begun();

	(void)state;
	assert_int_equal(put_override(l, "{\"until\":\"2031-01-01T00:00:00Z\"}", 0), 0);
	latest_is(l, "2031-01-01");
	assert_int_equal(
		put_override(l, "{\"until\":\"2030-01-01T00:00:00Z\"}", serial_is(l)), 0);
	latest_is(l, "2031-01-01");
	live_close(&l);
	l = opened();
	assert_int_equal(put_override(l, "{}", serial_is(l)), 0);
	latest_is(l, NULL);
	assert_int_equal(
		put_override(l, "{\"until\":\"2030-01-01T00:00:00Z\",\"latest\":\"x\"}",
			serial_is(l)),
		0);
	latest_is(l, NULL);
	live_close(&l);
}

/* An entry that ended in Redis long ago and is unknown here is not needed. */
static void
long_ended_entry_is_not_taken(void **state)
{
	struct live *l = begun();
	size_t older;

	(void)state;
	assert_true(merge_text(l,
		KEY("7", ",\"expires\":\"2020-01-01T00:00:00Z\",\"latest\":\"2020-01-01T00:00:"
			 "00Z\""),
		&older));
	assert_int_equal(live_count(l), 0);
	assert_int_equal(older, 0);
	/* Copies of this one may exist elsewhere. */
	assert_false(merge_text(l, KEY("7", ",\"revoked\":\"2020-01-01T00:00:00Z\""), &older));
	assert_int_equal(live_count(l), 1);
	live_close(&l);
}

/* Puts as many entries as are kept, in one call. */
static void
fill(struct live *l, struct live_entry **e)
{
	struct live_item *items = calloc(CAP_LIVE_ENTRIES, sizeof(*items));
	char json[512];
	size_t older;

	for (size_t i = 0; i < CAP_LIVE_ENTRIES; i++) {
		snprintf(json, sizeof(json),
			"{\"kind\":\"key\",\"id\":\"%08zu\",\"serial\":7" OWN
			",\"revoked\":\"2029-12-%02dT00:00:00Z\"}",
			i, i % 2 ? 1 : 20);
		e[i] = entry(json);
		items[i] = (struct live_item){ .field = span_str(e[i]->field),
			.text = e[i]->text };
	}
	live_merge(l, items, CAP_LIVE_ENTRIES, &older);
	assert_int_equal(live_count(l), CAP_LIVE_ENTRIES);
	free(items);
}

static void
full_table_is_reported_and_a_purge_makes_room(void **state)
{
	struct live *l = begun();
	struct live_entry **e = calloc(CAP_LIVE_ENTRIES, sizeof(*e));
	uint64_t full = atomic_load(&metrics.v[M_LIVE_FULL]);
	struct buf why;
	size_t older;

	(void)state;
	fill(l, e);
	buf_init(&why, 1024);
	assert_int_equal(put_override(l, "{}", 0), ERR_FULL);
	json_t *o = json_loads(FILED(REVOKED), 0, NULL);
	assert_int_equal(
		live_put(l, LIVE_KEY, o, 0, &why), 0); /* a revocation always has room */
	json_decref(o);
	merge_text(l, "LIMIT,\"serial\":7}", &older);
	assert_int_equal(overrides(l), 0);
	assert_int_equal(atomic_load(&metrics.v[M_LIVE_FULL]) - full, 2);
	/* Half of them are purged; a line of each remains. */
	assert_int_equal(purge(l, "2029-12-03T00:00:00Z"), CAP_LIVE_ENTRIES / 2);
	assert_int_equal(lines_with("\"kind\":\"gone\""), CAP_LIVE_ENTRIES / 2);
	assert_int_equal(put_override(l, "{}", 0), 0);
	live_close(&l);
	l = opened();
	assert_int_equal(live_count(l), CAP_LIVE_ENTRIES / 2 + 2);
	assert_int_equal(lines_with("\"kind\":\"gone\""), CAP_LIVE_ENTRIES / 2);
	live_close(&l);
	for (size_t i = 0; i < CAP_LIVE_ENTRIES; i++)
		live_entry_unref(&e[i]);
	free(e);
	buf_free(&why);
}

/* At most a limited number at once, each named once. */
static void
purge_names_the_removed_entries(void **state)
{
	struct live *l = begun();
	struct buf fields;
	size_t older;

	(void)state;
	merge_text(l, KEY("7", REVOKED), &older);
	merge_text(l, "LIMIT,\"serial\":7,\"ended\":\"2029-12-01T00:00:00Z\"}", &older);
	buf_init(&fields, 0);
	assert_int_equal(live_purge(l, at("2030-01-10T00:00:00Z"), 1, &fields), 1);
	assert_true(span_is(buf_view(&fields), "\"key:7f3k2m9p\""));
	assert_int_equal(live_purge(l, at("2030-01-10T00:00:00Z"), 1, &fields), 1);
	assert_int_equal(live_purge(l, at("2030-01-10T00:00:00Z"), 1, &fields), 0);
	buf_free(&fields);
	live_close(&l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entries_ended_for_a_day_are_purged),
		cmocka_unit_test(daemon_that_was_down_learns_of_purged_entries),
		cmocka_unit_test(old_copy_does_not_revive_a_purged_key),
		cmocka_unit_test(purged_override_may_be_set_again_but_not_revived),
		cmocka_unit_test(entry_knows_its_latest_end),
		cmocka_unit_test(long_ended_entry_is_not_taken),
		cmocka_unit_test(full_table_is_reported_and_a_purge_makes_room),
		cmocka_unit_test(purge_names_the_removed_entries),
	};
	return cmocka_run_group_tests(tests, setup, temp_dir_remove);
}
