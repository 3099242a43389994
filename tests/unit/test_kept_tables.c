/* Stored tables of placeholders: encrypted for a caller and a name, extended in chunks, and
 * unusable if cut, altered, moved, too long or erased. Also: placeholders that no table knows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>

#include "answer/restore.h"
#include "base/err.h"
#include "base/mem.h"
#include "gate/sources/kept.h"
#include "scan/detect/detect.h"
#include "support/guard.h"

static const unsigned char secret[32] = { 7 }, other[32] = { 8 }, ann[32] = { 1 },
			   bob[32] = { 2 };

static void
add(struct kept_tables *t, const unsigned char *key, const char *value, bool anew)
{
	struct buf b;

	buf_init(&b, 0);
	kept_write_head(&b, false, 3);
	kept_write_entry(
		&b, &(struct kept_entry){ SPAN_LIT("<E_1>"), SPAN_LIT("E"), span_str(value),
			    OCCURS_IN_PROSE });
	kept_write_entry(&b, &(struct kept_entry){ .placeholder = SPAN_LIT("<E_2>") });
	kept_add(t, NULL, key,
		&(struct kept_addition){ .holder = SPAN_LIT("ann"),
			.chunk = buf_view(&b),
			.now_ms = 1,
			.anew = anew });
	buf_free(&b);
}

/* Writes the values of all chunks, the last chunk first; "!" if the stored bytes are not
 * valid. */
static void
values(const struct kept_tables *t, const unsigned char *key, struct span stored,
	struct buf *out)
{
	int more;

	buf_clear(out);
	do {
		struct kept_chunk c;
		struct kept_entry e;
		struct buf plain;
		buf_init(&plain, 0);
		more = kept_chunk(t, key, &stored, &plain);
		if (more < 0)
			buf_putc(out, '!');
		if (more > 0 && kept_read_head(buf_view(&plain), &c))
			while (kept_read_entry(&c, &e))
				buf_printf(out, "%.*s=%.*s ", SPAN_ARG(e.placeholder),
					SPAN_ARG(e.value));
		buf_free(&plain);
	} while (more > 0);
}

static void
chunks_are_readable_only_for_their_caller_and_name(void **state)
{
	struct kept_tables *t = kept_tables_new(secret), *same = kept_tables_new(secret),
			   *foreign = kept_tables_new(other);
	unsigned char key[KEPT_KEY_BYTES], again[KEPT_KEY_BYTES], bobs[KEPT_KEY_BYTES];
	struct buf stored, out;

	(void)state;
	buf_init(&stored, 0);
	buf_init(&out, 0);
	kept_key(t, ann, SPAN_LIT("resp_1"), key);
	kept_key(same, ann, SPAN_LIT("resp_1"), again);
	kept_key(t, bob, SPAN_LIT("resp_1"), bobs);
	assert_memory_equal(key, again, sizeof(key));
	assert_memory_not_equal(key, bobs, sizeof(key));
	assert_false(kept_get(t, key, &stored));
	add(t, key, "jane", false);
	add(t, key, "bob", false);
	assert_true(kept_get(t, key, &stored));
	assert_null(memmem(buf_view(&stored).p, stored.n, "jane", 4));
	values(t, key, buf_view(&stored), &out);
	assert_true(span_is(buf_view(&out), "<E_1>=bob <E_2>= <E_1>=jane <E_2>= "));
	values(same, key, buf_view(&stored), &out);
	assert_true(span_is(buf_view(&out), "<E_1>=bob <E_2>= <E_1>=jane <E_2>= "));
	/* not readable with another secret, nor under another name */
	values(foreign, key, buf_view(&stored), &out);
	assert_true(span_is(buf_view(&out), "!"));
	values(t, bobs, buf_view(&stored), &out);
	assert_true(span_is(buf_view(&out), "!"));
	add(t, key, "carl", true);
	buf_clear(&stored);
	assert_true(kept_get(t, key, &stored));
	values(t, key, buf_view(&stored), &out);
	assert_true(span_is(buf_view(&out), "<E_1>=carl <E_2>= "));
	/* erased by its owner */
	unsigned char who[CACHE_NAME_BYTES];
	struct cache *c = kept_tables_cache(t);
	cache_name(cache_keys(c), CACHE_NAMED_WHO, SPAN_LIT("ann"), who);
	assert_int_equal(cache_purge(c, &(struct cache_purge){ .who = who }), 1);
	assert_false(kept_get(t, key, &stored));
	buf_free(&stored);
	buf_free(&out);
	kept_tables_free(&t);
	kept_tables_free(&same);
	kept_tables_free(&foreign);
}

static void
cut_or_altered_table_is_invalid(void **state)
{
	struct kept_tables *t = kept_tables_new(secret);
	unsigned char key[KEPT_KEY_BYTES];
	struct buf stored, out;

	(void)state;
	buf_init(&stored, 0);
	buf_init(&out, 0);
	kept_key(t, ann, SPAN_LIT("x"), key);
	add(t, key, "jane", false);
	assert_true(kept_get(t, key, &stored));
	struct span whole = buf_view(&stored);
	for (size_t n = 1; n < whole.n; n++) {
		char *cut = guard_dup(whole.p, n);
		values(t, key, span_of(cut, n), &out);
		assert_true(span_is(buf_view(&out), "!"));
		guard_free(cut, n);
	}
	for (size_t i = 0; i < whole.n; i++) {
		char *p = (char *)(uintptr_t)whole.p;
		p[i] ^= 1;
		values(t, key, whole, &out);
		assert_true(span_is(buf_view(&out), "!"));
		p[i] ^= 1;
	}
	buf_free(&stored);
	buf_free(&out);
	kept_tables_free(&t);
}

static void
entries_are_read_to_their_end(void **state)
{
	struct buf b;
	struct kept_chunk c;
	struct kept_entry e;

	(void)state;
	buf_init(&b, 0);
	kept_write_head(&b, true, 70000);
	kept_write_entry(
		&b, &(struct kept_entry){ SPAN_LIT("<E_1>"), SPAN_LIT("E"), SPAN_LIT("v"),
			    OCCURS_AS_TEXT });
	struct span whole = buf_view(&b);
	assert_true(kept_read_head(whole, &c));
	assert_true(c.tagged);
	assert_int_equal(c.floor, 70000);
	assert_true(kept_read_entry(&c, &e));
	assert_true(span_is(e.entity, "E") && span_is(e.value, "v"));
	assert_int_equal(e.occurs, OCCURS_AS_TEXT);
	assert_false(kept_read_entry(&c, &e));
	for (size_t n = 0; n < whole.n; n++)
		assert_false(
			kept_read_head(span_cut(whole, 0, n), &c) && kept_read_entry(&c, &e));
	buf_free(&b);
}

static void
table_over_its_limit_begins_again(void **state)
{
	struct kept_tables *t = kept_tables_new(NULL);
	unsigned char key[KEPT_KEY_BYTES];
	static char big[100000];
	struct buf stored, out;

	(void)state;
	memset(big, 'x', sizeof(big) - 1);
	buf_init(&stored, 0);
	buf_init(&out, 0);
	kept_key(t, ann, SPAN_LIT("x"), key);
	for (int i = 0; i < 6; i++) {
		add(t, key, big, false);
		buf_clear(&stored);
		assert_true(kept_get(t, key, &stored));
		assert_true(stored.n <= KEPT_TABLE_MOST);
	}
	assert_false(kept_tables_shared(t));
	buf_free(&stored);
	buf_free(&out);
	kept_tables_free(&t);
}

/* A text with the form of a placeholder that was never assigned is counted, wherever it is
 * cut. */
static void
unassigned_placeholders_are_counted(void **state)
{
	static const struct {
		const char *in;
		size_t count;
		enum restore_form form;
	} rows[] = {
		{ "a<EMAIL_ADDRESS_99><PERSON_77>b", 2, RESTORE_TEXT },
		{ "<EMAIL_ADDRESS_7GKQ2MPX_1>", 1, RESTORE_TEXT },
		{ "{\"to\":\"<EMAIL_ADDRESS_99>\"}", 1, RESTORE_JSON },
		{ "<EMAIL_ADDRESS_1>", 0, RESTORE_TEXT },
		{ "https://x.example/?q=<EMAIL_ADDRESS_1>", 0, RESTORE_TEXT },
		{ "<H_1> <b> <FOO_1> <EMAIL_ADDRESS> <EMAIL_ADDRESS_x> <email_address_99>", 0, RESTORE_TEXT },
		{ "<EMAIL_ADDRESS_7GKQ2MP_1> <EMAIL_ADDRESS_9", 0, RESTORE_TEXT },
		{ "<CREDENTIAL_1>", 0, RESTORE_TEXT },
	};
	struct buf errors, out;
	struct vault *v = vault_new();

	(void)state;
	buf_init(&errors, 0);
	buf_init(&out, 0);
	struct detect_rules *rules = detect_load(NULL, &errors);
	assert_non_null(rules);
	vault_count_unknown(v, rules, true);
	assert_true(vault_matters(v));
	vault_add(v, SPAN_LIT("<EMAIL_ADDRESS_1>"), SPAN_LIT("a@b.de"));
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct span in = span_str(rows[i].in);
		for (size_t cut = 1; cut <= in.n; cut++) {
			struct restorer *r = restorer_new(v, rows[i].form);
			restorer_feed(r, span_cut(in, 0, cut), &out);
			restorer_feed(r, span_cut(in, cut, in.n), &out);
			restorer_end(r, &out);
			if (restorer_left(r, LEFT_UNKNOWN) != rows[i].count)
				fail_msg("%s cut at %zu", rows[i].in, cut);
			restorer_free(&r);
		}
	}
	buf_free(&out);
	buf_free(&errors);
	vault_free(&v);
	detect_free(&rules);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chunks_are_readable_only_for_their_caller_and_name),
		cmocka_unit_test(cut_or_altered_table_is_invalid),
		cmocka_unit_test(entries_are_read_to_their_end),
		cmocka_unit_test(table_over_its_limit_begins_again),
		cmocka_unit_test(unassigned_placeholders_are_counted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
