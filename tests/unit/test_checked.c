/* The files that an order was given for, compared with those that a daemon read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/scoped.h"
#include "policy/checked.h"
#include "policy/config/config.h"

static const struct one {
	enum set_file_kind kind;
	const char *name, *text;
	bool of_shadow;
} all[] = {
	{ FILE_OF_CONFIGURATION, "/nonexistent/etc/tollgate.yaml", "configuration", false },
	{ FILE_OF_POLICY, "/nonexistent/etc/default.yaml", "policy", false },
	{ FILE_OF_POLICY, "/nonexistent/etc/sub/rules.yaml", "rules", false },
	{ FILE_OF_WORDS, "/nonexistent/data/names.txt", "names", false },
	{ FILE_OF_POLICY, "/nonexistent/rules/iban.yaml", "detector", false },
	{ FILE_BUILT_IN, "iban.yaml", "built in", false },
	{ FILE_OF_POLICY, "/nonexistent/etc/next.yaml", "shadow", true },
	{ FILE_OF_SYSTEM, "/nonexistent/zoneinfo/Europe/Berlin", "zone", false },
	{ FILE_ROTATES, "/nonexistent/etc/keys.yaml", "keys", false },
};
enum { FILES = sizeof(all) / sizeof(all[0]) };

static const struct config config = { .policy = "/nonexistent/etc/default.yaml",
	.file = "/nonexistent/etc/tollgate.yaml",
	.detectors = "/nonexistent/rules" };

/* Fills the set with all files, except `without`. `changed` gets another text. */
static void
fill_read(struct file_set *set, const char *without, const char *changed)
{
	file_set_init(set);
	for (size_t i = 0; i < FILES; i++) {
		const struct one *f = &all[i];
		if (without && strstr(f->name, without))
			continue;
		file_set_record(f->of_shadow ? set : NULL);
		file_set_shadow(f->of_shadow);
		assert_true(file_set_add(set, f->kind, f->name,
			span_str(changed && strstr(f->name, changed) ? "another" : f->text)));
		file_set_shadow(false);
		file_set_record(NULL);
	}
}

static const struct {
	const char *name;
	const char *without, *changed; /* in the files that the daemon reads */
	const char *unchecked;	       /* left out of the check */
	const char *detectors;	       /* of the daemon's configuration; NULL: the same */
	const char *said;	       /* NULL: the order is accepted */
} rows[] = {
	{ "the same files", NULL, NULL, NULL, NULL, NULL },
	{ "a policy that was saved since", NULL, "default.yaml", NULL, NULL,
		"/nonexistent/etc/default.yaml:1:1: the file was changed" },
	{ "an include that was saved since", NULL, "sub/rules.yaml", NULL, NULL,
		"/nonexistent/etc/sub/rules.yaml:1:1: the file was changed" },
	{ "a data file elsewhere", NULL, "names.txt", NULL, NULL,
		"/nonexistent/data/names.txt:1:1: the file was changed" },
	{ "a detection rule", NULL, "rules/iban.yaml", NULL, NULL,
		"/nonexistent/rules/iban.yaml:1:1: the file was changed" },
	{ "the shadow policy", NULL, "next.yaml", NULL, NULL,
		"/nonexistent/etc/next.yaml:1:1: the file was changed" },
	{ "tollgate.yaml", NULL, "tollgate.yaml", NULL, NULL,
		"/nonexistent/etc/tollgate.yaml:1:1: the file was changed" },
	{ "a file that was added since", NULL, NULL, "sub/rules.yaml", NULL,
		"/nonexistent/etc/sub/rules.yaml:1:1: the file was not checked" },
	{ "a file that was removed since", "sub/rules.yaml", NULL, NULL, NULL,
		"/nonexistent/etc/sub/rules.yaml:1:1: the file was checked, but" },
	{ "keys are read by themselves", NULL, "keys.yaml", NULL, NULL, NULL },
	{ "time zones belong to the system", NULL, "Berlin", NULL, NULL, NULL },
	{ "another daemon's tollgate.yaml", NULL, "tollgate.yaml", "tollgate.yaml", NULL,
		NULL },
	{ "another daemon's shadow policy", NULL, "next.yaml", "tollgate.yaml", NULL, NULL },
	{ "another daemon's folder of detection rules", NULL, "rules/iban.yaml",
		"tollgate.yaml", "/nonexistent/others", NULL },
	{ "another daemon with the same folder", NULL, "rules/iban.yaml", "tollgate.yaml", NULL,
		"/nonexistent/rules/iban.yaml:1:1: the file was changed" },
	{ "another daemon reads the same policy", NULL, "default.yaml", "tollgate.yaml",
		"/nonexistent/others",
		"/nonexistent/etc/default.yaml:1:1: the file was changed" },
};

static void
daemon_refuses_other_contents_than_were_checked(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct file_set was, is;
		struct config daemon = config;
		SCOPED_DIAG(d);
		if (rows[i].detectors) /* the rules then are no detection rules of its own */
			daemon.detectors = rows[i].detectors;
		fill_read(&was, rows[i].unchecked, NULL);
		fill_read(&is, rows[i].detectors ? "rules/iban" : rows[i].without,
			rows[i].changed);
		json_auto_t *order = checked_files(&was, &config);
		assert_non_null(order);
		bool same = checked_same(order, &is, &daemon, &d);
		buf_putc(&d.text, '\0');
		if (same != !rows[i].said ||
			(rows[i].said && !strstr(buf_view(&d.text).p, rows[i].said)))
			fail_msg("%s: %s", rows[i].name, buf_view(&d.text).p);
		file_set_free(&was);
		file_set_free(&is);
	}
}

/* The order comes from outside. */
static void
any_json_is_refused_with_a_message(void **state)
{
	static const char *const orders[] = { "{}", "{\"files\":[]}", "{\"files\":{}}",
		"{\"files\":{\"/nonexistent/etc/default.yaml\":7},\"detectors\":[]}",
		"{\"files\":{},\"configuration\":{\"x\":null},\"shadow\":\"x\"}",
		"{\"files\":{\"a\\nb\":\"x\"},\"detectors\":{\"from\":1,\"files\":2}}" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(orders); i++) {
		struct file_set is;
		json_auto_t *order = json_loads(orders[i], 0, NULL);
		SCOPED_DIAG(d);
		assert_non_null(order);
		fill_read(&is, NULL, NULL);
		assert_false(checked_same(order, &is, &config, &d));
		assert_true(d.errors > 0);
		struct span text = buf_view(&d.text);
		for (size_t n = 0; n < d.errors; n++)
			assert_true(span_ends(span_next(&text, '\n'), SPAN_LIT("")));
		assert_int_equal(text.n, 0);
		file_set_free(&is);
	}
}

/* JSON cannot hold every name of a file. */
static void
names_that_are_no_utf8_are_compared_too(void **state)
{
	struct file_set set;
	struct config one = config;

	(void)state;
	file_set_init(&set);
	assert_true(file_set_add(
		&set, FILE_OF_POLICY, "/nonexistent/etc/\xff.yaml", SPAN_LIT("a")));
	json_auto_t *order = checked_files(&set, &one);
	assert_non_null(json_object_get(json_object_get(order, "files"), "%FF.yaml"));
	file_set_free(&set);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(daemon_refuses_other_contents_than_were_checked),
		cmocka_unit_test(any_json_is_refused_with_a_message),
		cmocka_unit_test(names_that_are_no_utf8_are_compared_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
