/* Pins as lines: invalid lines are refused, and of two lines each daemon keeps the same one, in
 * any order. Also approvals: their number and author. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <sodium.h>

#include "base/err.h"
#include "gate/store/signed.h"
#include "gate/toolpins/approve.h"
#include "gate/toolpins/private.h"

static const unsigned char key[SHA256_BYTES] = "the state key of all daemons....";

static const struct tool_pin_of add = { PIN_TOOL, { "s", 1 }, { "add", 3 } };

/* Returns a hash of which all bytes are c. */
static json_t *
hash_of(unsigned char c)
{
	char text[2 * SHA256_BYTES + 1];
	unsigned char h[SHA256_BYTES];

	memset(h, c, sizeof(h));
	sodium_bin2hex(text, sizeof(text), h, sizeof(h));
	return json_string(text);
}

/* Returns a valid entry. `approved` has one letter for each approved hash. */
static json_t *
said(const char *approved)
{
	json_t *list = json_array();

	for (; *approved; approved++)
		json_array_append_new(list, hash_of((unsigned char)*approved));
	return json_pack("{s:s s:s s:s s:s s:o s:I s:b s:o s:I s:I s:s s:o s:I s:[]}", "kind",
		"pin", "pin", "tool", "server", "s", "name", "add", "first", hash_of('f'),
		"first_at", (json_int_t)100, "settled", 0, "approved", list, "serial",
		(json_int_t)1, "approved_at", (json_int_t)200, "by", "ops", "seen",
		hash_of('s'), "seen_at", (json_int_t)300, "texts");
}

/* Returns true if the table accepts the line. Releases `o`. */
static bool
takes(struct tool_pins *p, json_t *o, const char *field, const unsigned char *with)
{
	struct buf line, why;

	buf_init(&line, 0);
	buf_init(&why, 0);
	signed_write(o, with, &line);
	bool ok = pin_read(p, buf_view(&line), span_str(field), key, &why);
	assert_int_equal(ok, why.n == 0);
	buf_free(&line);
	buf_free(&why);
	json_decref(o);
	return ok;
}

static struct span
member(struct tool_pins *p, const char *name)
{
	static char text[4096];
	json_t *o = tool_pins_get(p, &add);
	char *as =
		o ? json_dumps(json_object_get(o, name), JSON_ENCODE_ANY | JSON_COMPACT) : NULL;

	strncpy(text, as ? as : "", sizeof(text) - 1);
	free(as);
	json_decref(o);
	return span_str(text);
}

static void
invalid_line_is_refused(void **t)
{
	static const struct {
		const char *name;
		const char *member; /* this member is replaced; NULL: none */
		enum { IS_TEXT, IS_NUMBER, IS_LONG } how;
		const char *text;
		int number;
		bool ok;
	} rows[] = {
		{ "as it is", NULL, 0, NULL, 0, true },
		{ "another kind of entry", "kind", IS_TEXT, "key", 0, false },
		{ "a pin of nothing", "pin", IS_TEXT, "door", 0, false },
		{ "no server", "server", IS_TEXT, "", 0, false },
		{ "a server as a number", "server", IS_NUMBER, NULL, 7, false },
		{ "the longest name", "name", IS_LONG, NULL, PIN_NAME_MAX, true },
		{ "a longer one", "name", IS_LONG, NULL, PIN_NAME_MAX + 1, false },
		{ "first never", "first_at", IS_NUMBER, NULL, 0, false },
		{ "seen never", "seen_at", IS_NUMBER, NULL, 0, false },
		{ "seen before all time", "seen_at", IS_NUMBER, NULL, -1, false },
		{ "a serial below none", "serial", IS_NUMBER, NULL, -1, false },
		{ "a serial of none", "serial", IS_NUMBER, NULL, 0, true },
		{ "no first hash", "first", IS_TEXT, "", 0, false },
		{ "half a hash", "first", IS_TEXT, "0a0b", 0, false },
		{ "no hash", "seen", IS_TEXT,
			"zz00000000000000000000000000000000000000000000000000000000000000", 0,
			false },
		{ "approved by nothing", "approved", IS_TEXT, "x", 0, false },
		{ "somebody with a long name", "by", IS_LONG, NULL, PIN_BY_MAX, true },
	};

	(void)t;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct tool_pins *p = tool_pins_new();
		json_t *o = said("a");
		char name[256] = "";
		memset(name, 'n', (size_t)(rows[i].number > 0 ? rows[i].number : 0) % 200);
		json_t *v = rows[i].how == IS_NUMBER ? json_integer(rows[i].number)
			    : rows[i].how == IS_LONG ? json_string(name)
						     : json_string(rows[i].text);
		if (rows[i].member)
			json_object_set(o, rows[i].member, v);
		json_decref(v);
		if (takes(p, o, "", key) != rows[i].ok || tool_pins_count(p) != rows[i].ok) {
			print_error("%s\n", rows[i].name);
			fail();
		}
		tool_pins_free(&p);
	}
}

static void
line_must_match_its_key_and_place(void **t)
{
	static const unsigned char other[SHA256_BYTES] = "of nobody whom we know..........";
	struct tool_pins *p = tool_pins_new();
	char place[PIN_FIELD];

	(void)t;
	assert_false(takes(p, said("a"), "", other));
	assert_false(takes(p, said("a"), "00112233445566778899aabbccddeeff", key));
	assert_int_equal(tool_pins_count(p), 0);
	pin_field(&add, place);
	assert_true(takes(p, said("a"), place, key));
	tool_pins_free(&p);
}

static void
at_most_eight_hashes_are_approved(void **t)
{
	unsigned char hash[SHA256_BYTES];
	struct tool_pins *p = tool_pins_new();

	(void)t;
	assert_false(takes(p, said("abcdefghi"), "", key));
	assert_int_equal(tool_pins_count(p), 0);
	assert_true(takes(p, said("abcdefgh"), "", key));
	memset(hash, 'i', sizeof(hash));
	assert_int_equal(tool_pins_approve(p, &add, PIN_ADD, hash, SPAN_LIT("eve")), ERR_FULL);
	assert_true(span_is(member(p, "by"), "\"ops\""));
	/* one of the eight is approved again; its author stays the same */
	memset(hash, 'h', sizeof(hash));
	assert_int_equal(tool_pins_approve(p, &add, PIN_ADD, hash, SPAN_LIT("eve")), 0);
	assert_true(span_is(member(p, "by"), "\"ops\""));
	/* in place of all of them; then there is room */
	memset(hash, 'i', sizeof(hash));
	assert_int_equal(tool_pins_approve(p, &add, PIN_ONLY, hash, SPAN_LIT("eve")), 0);
	assert_true(span_is(member(p, "by"), "\"eve\""));
	memset(hash, 'k', sizeof(hash));
	assert_int_equal(tool_pins_approve(p, &add, PIN_ADD, hash, SPAN_LIT("ann")), 0);
	assert_int_equal(pin_find(p, &add)->v.napproved, 2);
	/* effective at once, also for calls of listed tools */
	memset(hash, 's', sizeof(hash));
	assert_int_equal(tool_pins_state(p, &add), TOOL_CHANGED);
	assert_int_equal(tool_pins_approve(p, &add, PIN_ADD, hash, SPAN_LIT("ann")), 0);
	assert_int_equal(tool_pins_state(p, &add), TOOL_APPROVED);
	assert_int_equal(tool_pins_approve(p, &add, PIN_NONE, hash, SPAN_LIT("ann")), 0);
	assert_int_equal(pin_find(p, &add)->v.napproved, 0);
	const struct tool_pin_of none = { PIN_TOOL, SPAN_LIT("s"), SPAN_LIT("nobody") };
	assert_int_equal(
		tool_pins_approve(p, &none, PIN_ADD, hash, SPAN_LIT("ann")), ERR_BAD_STATE);
	tool_pins_free(&p);
}

/* Two lines for one pin give the same members in either order. */
static void
two_lines_merge_equally_in_any_order(void **t)
{
	static const struct {
		const char *name;
		/* of the second line, with approved hash b, first hash g and seen hash t */
		int serial, approved_at, first_at, settled, seen_at;
		const char *more;	    /* also approved by it */
		char approved, first, seen; /* the letter of the value that applies */
	} rows[] = {
		{ "a later serial", 2, 100, 500, 0, 100, "", 'b', 'f', 's' },
		{ "an earlier one, later in time", 0, 900, 500, 0, 100, "", 'a', 'f', 's' },
		{ "one serial: the later time", 1, 201, 500, 0, 100, "", 'b', 'f', 's' },
		{ "one serial, an earlier time", 1, 199, 500, 0, 100, "", 'a', 'f', 's' },
		{ "at one time: who approves more", 1, 200, 500, 0, 100, "0", 'b', 'f', 's' },
		{ "and else the greater hashes", 1, 200, 500, 0, 100, "", 'b', 'f', 's' },
		{ "an older first text", 0, 0, 99, 0, 100, "", 'a', 'g', 's' },
		{ "at one time the smaller hash", 0, 0, 100, 0, 100, "", 'a', 'f', 's' },
		{ "a younger one that is settled", 0, 0, 500, 1, 100, "", 'a', 'g', 's' },
		{ "seen later", 0, 0, 500, 0, 301, "", 'a', 'f', 't' },
	};

	(void)t;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		for (int second_first = 0; second_first < 2; second_first++) {
			struct tool_pins *p = tool_pins_new();
			char approved[4] = "";
			strcat(strcpy(approved, rows[i].more), "b");
			json_t *two = said(approved), *one = said("a");
			json_object_set_new(two, "serial", json_integer(rows[i].serial));
			json_object_set_new(
				two, "approved_at", json_integer(rows[i].approved_at));
			json_object_set_new(two, "first_at", json_integer(rows[i].first_at));
			json_object_set_new(two, "settled", json_boolean(rows[i].settled));
			json_object_set_new(two, "seen_at", json_integer(rows[i].seen_at));
			json_object_set_new(two, "first", hash_of('g'));
			json_object_set_new(two, "seen", hash_of('t'));
			json_object_set_new(two, "by", json_string("eve"));
			assert_true(takes(p, second_first ? two : one, "", key));
			assert_true(takes(p, second_first ? one : two, "", key));
			const struct pin_value *v = &pin_find(p, &add)->v;
			bool of_two = rows[i].approved == 'b';
			if (v->approved[v->napproved - 1][0] != rows[i].approved ||
				v->first[0] != rows[i].first || v->seen[0] != rows[i].seen ||
				strcmp(v->by, of_two ? "eve" : "ops") != 0) {
				print_error("%s, %d: %c %c %c %s\n", rows[i].name, second_first,
					v->approved[v->napproved - 1][0], v->first[0],
					v->seen[0], v->by);
				fail();
			}
			tool_pins_free(&p);
		}
}

/* An approver has seen all earlier approvals, so the new one is later, whatever the clocks
 * are. */
static void
approval_overrides_the_state_it_was_based_on(void **t)
{
	unsigned char hash[SHA256_BYTES];
	struct tool_pins *p = tool_pins_new();
	json_t *ahead = said("a");

	(void)t;
	json_object_set_new(ahead, "approved_at", json_integer(INT64_C(8000000000000000000)));
	assert_true(takes(p, json_deep_copy(ahead), "", key));
	memset(hash, 'k', sizeof(hash));
	assert_int_equal(tool_pins_approve(p, &add, PIN_ONLY, hash, SPAN_LIT("eve")), 0);
	assert_true(takes(p, ahead, "", key));
	assert_true(span_is(member(p, "by"), "\"eve\""));
	assert_int_equal(pin_find(p, &add)->v.approved[0][0], 'k');
	tool_pins_free(&p);
}

static void
longest_name_of_an_approver_is_kept(void **t)
{
	unsigned char hash[SHA256_BYTES];
	struct tool_pins *p = tool_pins_new();
	char name[PIN_BY_MAX];

	(void)t;
	memset(name, 'n', sizeof(name));
	memset(hash, 'k', sizeof(hash));
	assert_true(takes(p, said("a"), "", key));
	for (size_t n = PIN_BY_MAX - 1; n <= PIN_BY_MAX; n++) {
		assert_int_equal(
			tool_pins_approve(p, &add, PIN_ONLY, hash, span_of(name, n)), 0);
		const struct pin_value *v = &pin_find(p, &add)->v;
		assert_int_equal(strnlen(v->by, sizeof(v->by)), n == PIN_BY_MAX ? 0 : n);
	}
	tool_pins_free(&p);
}

/* A line has at most the three texts of a pin: a fourth is not read. */
static void
line_has_at_most_three_texts(void **t)
{
	static const char *const all[] = { "{}", "[]", "\"\"", "0", "1" };
	char text[2 * SHA256_BYTES + 1];
	unsigned char hash[SHA256_BYTES];

	(void)t;
	for (size_t i = 2; i < COUNT_OF(all); i++) {
		struct tool_pins *p = tool_pins_new();
		json_t *o = said("a"), *list = json_array();
		for (size_t k = 0; k < COUNT_OF(all); k++)
			json_array_append_new(list, json_string(all[k]));
		json_object_set_new(o, "texts", list);
		sha256(span_str(all[i]), hash);
		sodium_bin2hex(text, sizeof(text), hash, sizeof(hash));
		json_object_set_new(o, "seen", json_string(text));
		assert_true(takes(p, o, "", key));
		assert_int_equal(pin_find(p, &add)->v.seen_text != NULL, i == 2);
		/* no text is shown for a hash that matches none of them */
		assert_null(pin_find(p, &add)->v.first_text);
		tool_pins_free(&p);
	}
}

static void
written_line_is_read_as_the_same_pin(void **t)
{
	struct tool_pins *p = tool_pins_new(), *q = tool_pins_new();
	struct buf line, again, why;

	(void)t;
	buf_init(&line, 0);
	buf_init(&again, 0);
	buf_init(&why, 0);
	tool_pins_see(p, &add, SPAN_LIT("{\"name\":\"add\",\"description\":\"adds\"}"));
	tool_pins_see(p, &add, SPAN_LIT("{\"name\":\"add\",\"description\":\"more\"}"));
	pin_write(p, pin_find(p, &add), false, key, &line);
	assert_true(pin_read(q, buf_view(&line), SPAN_LIT(""), key, &why));
	pin_write(q, pin_find(q, &add), false, key, &again);
	assert_true(span_eq(buf_view(&line), buf_view(&again)));
	assert_int_equal(tool_pins_state(q, &add), TOOL_CHANGED);
	assert_true(span_is(member(q, "first_text"),
		"\"{\\\"description\\\":\\\"adds\\\",\\\"name\\\":\\\"add\\\"}\""));
	assert_true(span_is(member(q, "text"),
		"\"{\\\"description\\\":\\\"more\\\",\\\"name\\\":\\\"add\\\"}\""));
	/* reading it again changes nothing and causes no write */
	uint64_t puts = q->puts;
	assert_true(pin_read(q, buf_view(&line), SPAN_LIT(""), key, &why));
	assert_int_equal(q->puts, puts);
	assert_int_equal(tool_pins_changed(q), 1);
	buf_free(&line);
	buf_free(&again);
	buf_free(&why);
	tool_pins_free(&p);
	tool_pins_free(&q);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(invalid_line_is_refused),
		cmocka_unit_test(line_must_match_its_key_and_place),
		cmocka_unit_test(at_most_eight_hashes_are_approved),
		cmocka_unit_test(two_lines_merge_equally_in_any_order),
		cmocka_unit_test(approval_overrides_the_state_it_was_based_on),
		cmocka_unit_test(longest_name_of_an_approver_is_kept),
		cmocka_unit_test(line_has_at_most_three_texts),
		cmocka_unit_test(written_line_is_read_as_the_same_pin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
