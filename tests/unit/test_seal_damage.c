/* Sealed texts that are cut, changed, swapped, missing, of another text, or recorded wrongly:
 * the damage is named, and the text is never opened as another one. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>

#include "support/sealer_rig.h"

static int
check_all(const struct text *t, const json_t *seal)
{
	buf_clear(&why);
	int checked = seal_check_text(t->kept, path("journal"), NODE, &why);
	size_t said = why.n;
	int err = open_text(t, seal, &one);

	assert_int_equal(opened_text.n, 0);
	assert_true(said > 0 && why.n > 0);
	assert_int_equal(checked, err);
	return err;
}

static void
changed_ciphertext_does_not_open(void **state)
{
	(void)state;
	struct text t =
		seal_text(sealer, "ann", "id", SEAL_PROMPT, DAY_1, some_text(70000), 70000);
	int fd = open(path("journal.texts/gw-1-0000000000000000.texts"), O_RDWR);
	for (size_t i = 0; i < 70000; i += 997) {
		off_t at = TEXTS_HEAD_BYTES + TEXTS_FRAME_BYTES + (off_t)i;
		unsigned char c;
		assert_int_equal(pread(fd, &c, 1, at), 1);
		c ^= 4;
		assert_int_equal(pwrite(fd, &c, 1, at), 1);
		assert_int_equal(check_all(&t, t.seal), ERR_AUTH);
		c ^= 4;
		assert_int_equal(pwrite(fd, &c, 1, at), 1);
	}
	opens(&t, t.seal, &one, some_text(70000));
	assert_int_equal(ftruncate(fd, TEXTS_HEAD_BYTES + 50000), 0);
	assert_int_equal(check_all(&t, t.seal), ERR_TRUNCATED);
	unlink(path("journal.texts/gw-1-0000000000000000.texts"));
	assert_int_equal(check_all(&t, t.seal), ERR_NOTFOUND);
	close(fd);
	free_text(&t);
}

/* The member `kept` with another list of places. */
static void
swapped_or_missing_parts_do_not_open(void **state)
{
	(void)state;
	struct text t =
		seal_text(sealer, "ann", "id-1", SEAL_PROMPT, DAY_1, some_text(190000), 190000);
	struct text u =
		seal_text(sealer, "ann", "id-2", SEAL_PROMPT, DAY_1, some_text(190000), 190000);
	json_t *is = json_object_get(t.kept, "at"), *of_u = json_object_get(u.kept, "at");
	json_int_t a[3], b[3];
	for (size_t i = 0; i < 3; i++) {
		a[i] = json_integer_value(json_array_get(is, i));
		b[i] = json_integer_value(json_array_get(of_u, i));
	}
	const struct {
		json_int_t at[4];
		size_t n;
		int want;
	} rows[] = { { { a[1], a[0], a[2] }, 3, ERR_AUTH }, { { a[0], a[1] }, 2, ERR_AUTH },
		{ { a[1], a[2] }, 2, ERR_AUTH }, { { a[0], a[1], a[1], a[2] }, 4, ERR_AUTH },
		{ { a[0], b[1], a[2] }, 3, ERR_AUTH }, { { b[0], b[1], b[2] }, 3, ERR_AUTH },
		{ { a[0], a[1], a[2] + 16 }, 3, ERR_SYNTAX },
		{ { a[0], a[1], -1 }, 3, ERR_SYNTAX },
		{ { a[0], a[1], INT64_MAX }, 3, ERR_NOTFOUND }, { { 0 }, 0, ERR_SYNTAX } };
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		json_t *list = json_array();
		for (size_t j = 0; j < rows[i].n; j++)
			json_array_append_new(list, json_integer(rows[i].at[j]));
		json_object_set_new(t.kept, "at", list);
		int err = check_all(&t, t.seal);
		if (err != rows[i].want)
			fail_msg("row %zu: %s", i, err_str(err));
	}
	/* The record names the other text's parts and hash, but the key does not match. */
	for (size_t i = 0; i < 3; i++)
		json_array_insert_new(json_object_get(t.kept, "at"), i, json_integer(b[i]));
	json_object_set(t.kept, "sha256", json_object_get(u.kept, "sha256"));
	assert_int_equal(open_text(&t, t.seal, &one), ERR_AUTH);
	assert_int_equal(opened_text.n, 0);
	opens(&u, t.seal, &one, some_text(190000));
	json_object_set_new(u.kept, "bytes", json_integer(189999));
	assert_int_equal(check_all(&u, t.seal), ERR_AUTH);
	free_text(&t);
	free_text(&u);
}

static void
malformed_records_of_seals_are_refused(void **state)
{
	static const char *const kept[] = { "{}", "[]", "{'at':[128],'bytes':1}",
		"{'at':128,'bytes':1,'sha256':'%s'}", "{'at':[],'bytes':1,'sha256':'%s'}",
		"{'at':['128'],'bytes':1,'sha256':'%s'}",
		"{'at':[128],'bytes':-1,'sha256':'%s'}",
		"{'at':[128],'bytes':'1','sha256':'%s'}",
		"{'at':[128],'bytes':1,'sha256':'00'}",
		"{'at':[128.0],'bytes':1,'sha256':'%s'}" };
	static const char *const seal[] = { "{}", "{'type':'seal'}",
		"{'type':'seal','seal':'1','to':[]}",
		"{'type':'seal','seal':'00000000000000000000000000000000','to':{}}",
		"{'type':'seal','seal':'00000000000000000000000000000000','to':[{'key':'%s'}]}",
		"{'type':'seal','seal':'00000000000000000000000000000000','to':[{'key':'%s','"
		"enc':"
		"'AAAA','sealed':'AAAA'}]}" };
	unsigned char k[32] = "";
	char text[512];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(kept) + COUNT_OF(seal); i++) {
		bool is_seal = i >= COUNT_OF(kept);
		const char *form = is_seal ? seal[i - COUNT_OF(kept)] : kept[i];
		const char *place = strstr(form, "%s");
		snprintf(text, sizeof(text), "%.*s%s%s", place ? (int)(place - form) : 500,
			form,
			!place	  ? ""
			: is_seal ? one.public.id
				  : "000000000000000000000000000000000000000000000000000000"
				    "0000000000",
			place ? place + 2 : "");
		for (char *p = text; *p; p++)
			*p = *p == '\'' ? '"' : *p;
		json_t *o = json_loads(text, 0, NULL);
		assert_non_null(o);
		buf_clear(&why);
		int err = is_seal ? seal_open_share(o, NODE, one.key, one.public.id, k, &why)
				  : seal_open_text(
					    o, path("journal"), NODE, k, &opened_text, &why);
		if (err != ERR_SYNTAX || !why.n)
			fail_msg("%s: %s", text, err_str(err));
		json_decref(o);
	}
}

int
main(void)
{
#define SEALED(f) cmocka_unit_test_setup_teardown(f, begin_seals, end_seals)
	const struct CMUnitTest tests[] = {
		SEALED(changed_ciphertext_does_not_open),
		SEALED(swapped_or_missing_parts_do_not_open),
		SEALED(malformed_records_of_seals_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
