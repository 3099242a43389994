/* An operator's HAProxy files: the words of a line, conditions, sections and their defaults. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "operator/edge/haproxy_file.h"
#include "support/guard.h"
#include "support/temp_dir.h"

/* The words of a line separated by |, and the notes. */
static const struct {
	const char *name, *line, *words, *note;
} rows[] = {
	{ "spaces and tabs separate", "a  b\tc ", "a|b|c", "" },
	{ "a hash ends the line, in a word too", "a b#c d", "a|b", "" },
	{ "an escaped hash is a character", "a b\\#c", "a|b#c", "" },
	{ "an escaped space joins", "a b\\ c", "a|b c", "" },
	{ "other escapes stay", "a \\d+ \\.", "a|\\d+|\\.", "" },
	{ "\\x is a byte", "a \\x41\\x4", "a|A\\x4", "" },
	{ "weak quotes keep spaces", "a \"b  c\"d", "a|b  cd", "" },
	{ "strong quotes keep all", "a '$X \\ \"#'", "a|$X \\ \"#", "" },
	{ "an empty word is a word", "a \"\" b", "a||b", "" },
	{ "a variable in weak quotes", "a \"${TG_ONE}/$TG_ONE\"", "a|1/1", "" },
	{ "a variable outside of quotes is text", "a ${TG_ONE} $TG_ONE", "a|${TG_ONE}|$TG_ONE",
		"" },
	{ "a variable's other value", "a \"${TG_NONE-x y}\"", "a|x y", "" },
	{ "a list is several words", "a \"${TG_LIST[*]}\"", "a|x|y", "" },
	{ "an unset variable is empty and reported", "a \"$TG_NONE\"", "a|",
		"TG_NONE is not set" },
	{ "a variable of HAProxy's own is defined", "a \"${HAPROXY_HTTP_LOG_FMT} x\"",
		"a|HAPROXY_HTTP_LOG_FMT x", "" },
	{ "a quote that is not closed", "a \"b", NULL, "a quote is not closed" },
	{ "a strong one", "a 'b", NULL, "a quote is not closed" },
	{ "a variable without a name", "a \"$ b\"", NULL, "without the name" },
	{ "a brace that is not closed", "a \"${B\"", NULL, "\"${\" without" },
	{ "no negates", "no option x", "option|x", "" },
	{ "no alone is a word", "no", "no", "" },
	{ "carriage returns are spaces", "a b\r", "a|b", "" },
};

static void
lines_are_split_as_by_haproxy(void **state)
{
	(void)state;
	setenv("TG_ONE", "1", 1);
	setenv("TG_LIST", "x y", 1);
	unsetenv("TG_NONE");
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct haproxy h;
		struct buf got;
		size_t n = strlen(rows[i].line);
		char *text = guard_dup(rows[i].line, n);
		struct haproxy_line l = { .file = "f", .line = 7, .source = span_of(text, n) };
		haproxy_init(&h);
		buf_init(&got, 0);
		bool ok = haproxy_words(&h, &l);
		for (size_t k = 0; ok && k < l.n; k++) {
			if (k)
				buf_putc(&got, '|');
			buf_span(&got, l.word[k]);
		}
		buf_putc(&got, 0);
		buf_putc(&h.notes, 0);
		if (ok && !*rows[i].note && *h.notes.p)
			fail_msg("%s: %s", rows[i].name, h.notes.p);
		if (ok != (rows[i].words != NULL) || (ok && strcmp(got.p, rows[i].words)) ||
			!strstr(h.notes.p, rows[i].note))
			fail_msg("%s: %s, %s", rows[i].name, got.p, h.notes.p);
		buf_free(&got);
		haproxy_free(&h);
		guard_free(text, n);
	}
}

static void
nul_is_refused(void **state)
{
	struct haproxy h;
	struct haproxy_line l = { .file = "f", .line = 1, .source = { "a\0b", 3 } };

	(void)state;
	haproxy_init(&h);
	assert_false(haproxy_words(&h, &l));
	haproxy_free(&h);
}

static const struct {
	const char *text, *version;
	int want;
} conditions[] = {
	{ "version_atleast(3.2)", "3.2.26", 1 },
	{ "version_atleast(3.2)", "2.6.12", 0 },
	{ "version_atleast(2.6.13)", "2.6.12", 0 },
	{ "version_before(3.0)", "2.6.12", 1 },
	{ "version_atleast(3.2)", "", -1 },
	{ "!version_atleast(3.2) && version_atleast(2.6)", "2.6.12", 1 },
	{ "version_atleast(3.2) || version_atleast(2.6)", "2.6.12", 1 },
	{ "(version_atleast(3.2) || 0) && 1", "2.6.12", 0 },
	{ "defined(TG_ONE)", "2.6.12", 1 },
	{ "defined(TG_NONE)", "2.6.12", 0 },
	{ "streq(a,a)", "2.6.12", 1 },
	{ "strneq(a, a)", "2.6.12", 0 },
	{ "feature(OPENSSL)", "2.6.12", -1 },
	{ "feature(OPENSSL) && 0", "2.6.12", 0 },
	{ "feature(OPENSSL) || 1", "2.6.12", 1 },
	{ "!feature(OPENSSL)", "2.6.12", -1 },
	{ "", "2.6.12", 0 },
	{ "1 junk", "2.6.12", -1 },
	{ "streq(a", "2.6.12", -1 },
};

static void
conditions_are_evaluated_or_reported_as_unknown(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(conditions); i++) {
		struct haproxy h;
		haproxy_init(&h);
		haproxy_set_version(&h, span_str(conditions[i].version));
		if (haproxy_condition(&h, span_str(conditions[i].text)) != conditions[i].want)
			fail_msg("%s on %s", conditions[i].text, conditions[i].version);
		haproxy_free(&h);
	}
}

/* Writes the names of the sections whose lines are read, with + for a line that may be read. */
static void
shape(const char *text, struct buf *out)
{
	struct haproxy h;

	haproxy_init(&h);
	haproxy_set_version(&h, SPAN_LIT("2.6.12"));
	assert_int_equal(haproxy_read_text(&h, "h.cfg", span_str(text)), 0);
	haproxy_resolve(&h);
	for (size_t i = 0; i < h.n; i++) {
		const struct haproxy_section *s = &h.section[i];
		buf_printf(out, "%s(%s)", s->name.p, s->defaults ? s->defaults->name.p : "-");
		for (size_t k = 0; k < s->n; k++)
			buf_printf(out, " %s%u%s", s->line[k].word[0].p, s->line[k].line,
				s->line[k].maybe ? "?" : "");
		buf_str(out, "; ");
	}
	buf_span(out, buf_view(&h.notes));
	buf_putc(out, 0);
	haproxy_free(&h);
}

static const struct {
	const char *name, *text, *want;
} shapes[] = {
	{ "the last defaults before a proxy applies",
		"defaults a\n x\ndefaults\n y\nfrontend f\n z\nbackend b from a\n",
		"a(-) x2; (-) y4; f() z6; b(a); " },
	{ "defaults of defaults", "defaults a\ndefaults b from a\nbackend c from b\n",
		"a(-); b(a); c(b); " },
	{ "a branch whose condition is false is skipped",
		"backend a\n.if version_atleast(3.2)\n x\n.else\n y\n.endif\n", "a(-) y5; " },
	{ "the first branch that holds is taken",
		"backend a\n.if 0\n x\n.elif 1\n y\n.elif 1\n z\n.else\n w\n.endif\n v\n",
		"a(-) y5 v11; " },
	{ "a branch that cannot be judged may be, and so may those after it",
		"backend a\n.if feature(X)\n x\n.else\n y\n.endif\n",
		"a(-) x3? y5?; h.cfg:2: tollgate cannot evaluate this condition; it "
		"checks the lines below as if they may apply\n" },
	{ "a section in a branch that does not hold",
		"backend a\n.if 0\nbackend b\n x\n.endif\n y\n", "a(-) y6; " },
	{ "an .if in one that is skipped",
		"backend a\n.if 0\n.if 1\n x\n.endif\n.else\n y\n.endif\n", "a(-) y7; " },
	{ "an .if without its .endif", "backend a\n.if 1\n x\n",
		"a(-) x3; h.cfg:4: .if without .endif; add the .endif\n" },
	{ "lines before any section", " x\nbackend a\n",
		"a(-); h.cfg:1: `x` stands before the first section of this file; "
		"tollgate ignored this line and the next ones up to a section\n" },
	{ "they are reported once", " x\n y\nbackend a\n z\n",
		"a(-) z4; h.cfg:1: `x` stands before the first section of this file; "
		"tollgate ignored this line and the next ones up to a section\n" },
	{ "missing defaults", "backend a from b\n",
		"a(-); h.cfg:1: `defaults b` does not exist above this line; define it "
		"earlier or correct the name\n" },
	{ "a comment is no line", "# x\nbackend a # b\n\n y\n", "a(-) y4; " },
	{ "setenv counts from its line on",
		"global\n setenv TG_SET 1\nbackend a\n.if defined(TG_SET)\n x\n.endif\n",
		"(-) setenv2; a(-) x5; " },
	{ "presetenv changes nothing that is set",
		"global\n setenv TG_SET 1\n presetenv TG_SET 2\nbackend a\n.if "
		"streq(\"$TG_SET\",1)\n x\n.endif\n",
		"(-) setenv2 presetenv3; a(-) x6; " },
};

static void
sections_are_split_as_by_haproxy(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(shapes); i++) {
		struct buf out;
		buf_init(&out, 0);
		shape(shapes[i].text, &out);
		if (strcmp(out.p, shapes[i].want))
			fail_msg("%s: %s", shapes[i].name, out.p);
		buf_free(&out);
	}
}

static void
file_begins_outside_of_sections(void **state)
{
	struct haproxy h;

	(void)state;
	haproxy_init(&h);
	assert_int_equal(haproxy_read_text(&h, "a.cfg", SPAN_LIT("backend a\n x\n")), 0);
	assert_int_equal(haproxy_read_text(&h, "b.cfg", SPAN_LIT(" y\n")), 0);
	assert_int_equal(h.section[0].n, 1);
	buf_putc(&h.notes, 0);
	assert_non_null(strstr(h.notes.p, "b.cfg:1: `y` stands before the first section"));
	haproxy_free(&h);
}

static void
folder_stands_for_its_cfg_files(void **state)
{
	struct haproxy h;

	(void)state;
	assert_int_equal(mkdir(path("d"), 0700), 0);
	put("d/b.cfg", "backend b\n");
	put("d/a.cfg", "backend a\n");
	put("d/.c.cfg", "backend hidden\n");
	put("d/c.txt", "backend other\n");
	haproxy_init(&h);
	assert_int_equal(haproxy_read(&h, path("d")), 0);
	assert_int_equal(h.n, 2);
	assert_string_equal(h.section[0].name.p, "a");
	assert_string_equal(h.section[1].name.p, "b");
	assert_int_equal(haproxy_read(&h, path("none")), ERR_IO);
	haproxy_free(&h);
}

/* The files that Debian's service loads, from a part of them. */
static void
files_that_debian_loads_are_read(void **state)
{
	static const struct {
		const char *config, *extraopts, *named, *want;
	} files[] = {
		{ NULL, "-f /t.cfg -q", "/etc/haproxy/haproxy.cfg",
			"/etc/haproxy/haproxy.cfg /t.cfg" },
		{ "/etc/haproxy/conf.d", "-f /t.cfg", "/etc/haproxy/conf.d",
			"/etc/haproxy/conf.d /t.cfg" },
		{ NULL, "-f /etc/haproxy/conf.d -f /t.cfg", "/etc/haproxy/conf.d",
			"/etc/haproxy/haproxy.cfg /etc/haproxy/conf.d /t.cfg" },
		{ "/etc/haproxy/main.cfg", "-f /t.cfg", "/etc/haproxy",
			"/etc/haproxy /t.cfg" },
		{ NULL, "-f /t.cfg", "/home/me/haproxy.cfg", "/home/me/haproxy.cfg" },
		{ NULL, "-f /t.cfg", "/etc/haproxy-2/haproxy.cfg",
			"/etc/haproxy-2/haproxy.cfg" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		const char *list[8] = { files[i].named };
		char got[256] = "";
		struct haproxy h;
		struct arena a;
		haproxy_init(&h);
		arena_init(&a, 0, false);
		if (files[i].config)
			haproxy_setenv(&h, SPAN_LIT("CONFIG"), span_str(files[i].config));
		haproxy_setenv(&h, SPAN_LIT("EXTRAOPTS"), span_str(files[i].extraopts));
		size_t n = haproxy_extraopts(&h, &a, list, 1, 8);
		for (size_t k = 0; k < n; k++)
			snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%s",
				k ? " " : "", list[k]);
		assert_string_equal(got, files[i].want);
		arena_reset(&a);
		haproxy_free(&h);
	}
}

static void
haproxy_versions_are_read(void **state)
{
	static const struct {
		const char *text;
		unsigned v[3];
		bool ok;
	} versions[] = {
		{ "HAProxy version 2.6.12-1+deb12u3 2025/10/03 - https://haproxy.org/",
			{ 2, 6, 12 }, true },
		{ "3.2", { 3, 2, 0 }, true },
		{ "3.4-dev7", { 3, 4, 0 }, true },
		{ "three", { 0, 0, 0 }, false },
		{ "3", { 3, 0, 0 }, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(versions); i++) {
		struct haproxy h;
		haproxy_init(&h);
		assert_int_equal(
			haproxy_set_version(&h, span_str(versions[i].text)), versions[i].ok);
		assert_memory_equal(h.version, versions[i].v, sizeof(h.version));
		haproxy_free(&h);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_split_as_by_haproxy),
		cmocka_unit_test(nul_is_refused),
		cmocka_unit_test(conditions_are_evaluated_or_reported_as_unknown),
		cmocka_unit_test(sections_are_split_as_by_haproxy),
		cmocka_unit_test(file_begins_outside_of_sections),
		cmocka_unit_test(folder_stands_for_its_cfg_files),
		cmocka_unit_test(files_that_debian_loads_are_read),
		cmocka_unit_test(haproxy_versions_are_read),
	};

	return cmocka_run_group_tests_name(
		"haproxy_file", tests, temp_dir_make, temp_dir_remove);
}
