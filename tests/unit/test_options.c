/* Each option of the command line belongs to verbs. The table of options (option_rows) and the usage lines (CMD_TABLE)
 * agree, and a verb refuses each option of other verbs with a message that names them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "record/audit/record_terms.h"
#include "support/run_cmd.h"

struct usage_form {
	char command[32], verb[32]; /* verb "": the command has no verbs */
	struct span text;	    /* its usage line; for `all`, the options of all verbs */
	bool all;
};

static struct usage_form forms[96];
static size_t nforms;

static bool
is_verb(struct span word)
{
	for (size_t i = 0; i < word.n; i++)
		if (!(word.p[i] >= 'a' && word.p[i] <= 'z'))
			return false;
	return word.n > 0;
}

static void
add_form(const char *command, struct span text, bool all)
{
	struct usage_form *f = &forms[nforms++];
	struct span rest = text, word = span_next(&rest, ' ');

	assert_true(nforms <= COUNT_OF(forms));
	snprintf(f->command, sizeof(f->command), "%s", command);
	if (!all && is_verb(word) && strcmp(command, "completion") != 0)
		snprintf(f->verb, sizeof(f->verb), "%.*s", SPAN_ARG(word));
	f->text = text;
	f->all = all;
}

static void
read_usage(const char *command, const char *args)
{
	const char *all = strstr(args, "; all"), *begin = args;
	int depth = 0;

	for (const char *p = args;; p++) {
		depth += (*p == '[' || *p == '(') - (*p == ']' || *p == ')');
		if (p == all || !*p || (depth == 0 && !strncmp(p, " | ", 3))) {
			add_form(command, span_of(begin, (size_t)(p - begin)), false);
			begin = p + 3;
		}
		if (p == all || !*p)
			break;
	}
	if (all)
		add_form(command, span_str(all), true);
}

static int
setup(void **state)
{
#define X(name, fn, group, args, help) read_usage(name, args);
	CMD_TABLE(X)
#undef X
	return temp_dir_make(state);
}

/* Writes the next option of a usage line, without dashes. */
static bool
next_named(struct span *text, char out[OPTION_WHAT_MAX])
{
	while (text->n) {
		struct span word = span_trim(span_next(text, ' '), "[]()|;:.,");
		size_t dashes = word.n > 2 && word.p[0] == '-' ? 1 + (word.p[1] == '-') : 0;
		if (span_is(word, "-c"))
			dashes = 1;
		word = span_cut(word, dashes, word.n);
		size_t n = 0;
		while (n < word.n && ((word.p[n] >= 'a' && word.p[n] <= 'z') || word.p[n] == '-'))
			n++;
		if (!dashes || !n)
			continue;
		snprintf(out, OPTION_WHAT_MAX, "%.*s", (int)n, word.p);
		return true;
	}
	return false;
}

static bool
form_names(const struct usage_form *f, const char *option)
{
	char name[OPTION_WHAT_MAX];
	struct span text = f->text;

	while (next_named(&text, name))
		if (!strcmp(name, option))
			return true;
	return false;
}

/* Returns the row of the option for "audit list", or for a command. NULL: none. */
static const struct option_row *
find_row(const char *what, const char *option)
{
	for (const struct option_row *row = option_rows; row->name; row++)
		for (struct span of = span_str(row->of); of.n && !strcmp(row->name, option);)
			if (span_is(span_trim(span_next(&of, ','), " "), what))
				return row;
	return NULL;
}

/* Returns the row of the option for this form, else the one for the command. */
static const struct option_row *
row_of(const struct usage_form *f, const char *option)
{
	char what[OPTION_WHAT_MAX];

	snprintf(what, sizeof(what), "%s%s%s", f->command, f->verb[0] ? " " : "", f->verb);
	const struct option_row *row = find_row(what, option);
	return row ? row : find_row(f->command, option);
}

static bool
belongs(const struct usage_form *f, const char *option)
{
	return row_of(f, option) != NULL;
}

/* Returns true if the usage line has a value after the option. */
static bool
form_has_value(const struct usage_form *f, const char *option)
{
	char want[OPTION_WHAT_MAX];
	size_t n = (size_t)snprintf(want, sizeof(want), "%s%s", option[1] ? "--" : "-", option);

	for (const char *p = f->text.p; (p = memmem(p, (size_t)(f->text.p + f->text.n - p), want, n)); p += n)
		if (p[n] == '=' || (p[n] == '[' && p[n + 1] == '=') ||
			(p[n] == ' ' && !strchr("-(|<", p[n + 1]) && strncmp(p + n, " [-", 3) != 0))
			return true;
		else if (strchr(" ])", p[n]))
			return false;
	return false;
}

static void
row_has_a_value_if_the_usage_line_has_one(void **state)
{
	char name[OPTION_WHAT_MAX];

	(void)state;
	for (size_t i = 0; i < nforms; i++)
		for (struct span text = forms[i].text; !forms[i].all && next_named(&text, name);) {
			const struct option_row *row = row_of(&forms[i], name);
			if (row && form_has_value(&forms[i], name) != (row->value != NULL))
				fail_msg("%s %s: --%s: value: %s", forms[i].command, forms[i].verb, name,
					row->value ? row->value : "none");
		}
}

static void
options_of_usage_lines_are_in_the_table(void **state)
{
	char name[OPTION_WHAT_MAX];

	(void)state;
	assert_true(nforms > 60);
	for (size_t i = 0; i < nforms; i++)
		for (struct span text = forms[i].text;
			!forms[i].all && next_named(&text, name);)
			if (!belongs(&forms[i], name))
				fail_msg("%s %s: --%s is in no row", forms[i].command, forms[i].verb,
					name);
}

/* The rows that commands parse, as in the sources: { "NAME", .text = … }. */
static void
parsed_options_have_a_usage_line(void **state)
{
	static char text[65536];
	size_t n = 0;
	FILE *f = popen("grep -rhoE '\\{ \"[a-z-]+\", *\\.(text|flag|count)' spoa/cmd --include='*.c'", "r");

	(void)state;
	assert_non_null(f);
	struct span rest = span_of(text, fread(text, 1, sizeof(text), f));
	assert_int_equal(pclose(f), 0);
	for (; rest.n; n++) {
		struct span line = span_next(&rest, '\n');
		span_next(&line, '"');
		struct span name = span_next(&line, '"');
		bool found = false;
		for (const struct option_row *row = option_rows; row->name; row++)
			found |= span_is(name, row->name);
		if (!found)
			fail_msg("--%.*s has no line of help", SPAN_ARG(name));
	}
	assert_true(n > 150);
#define X(id, option, paths, flags, what) option,
	static const char *const terms[] = { RECORD_TERMS(X) };
#undef X
	for (size_t i = 0; i < RT_SEARCHED; i++)
		if (!find_row("audit search", terms[i]))
			fail_msg("--%s has no line of help", terms[i]);
}

static bool
is_form(struct span what)
{
	char text[OPTION_WHAT_MAX];

	for (size_t i = 0; i < nforms; i++) {
		snprintf(text, sizeof(text), "%s %s", forms[i].command, forms[i].verb);
		if (!forms[i].all && (span_is(what, text) || span_is(what, forms[i].command)))
			return true;
	}
	return false;
}

static void
rows_name_existing_verbs_and_have_help(void **state)
{
	(void)state;
	for (const struct option_row *row = option_rows; row->name; row++) {
		size_t n = strlen(row->help);
		if (n < 4 || n > 90 || row->help[n - 1] == '.')
			fail_msg("--%s: help: %s", row->name, row->help);
		for (struct span of = span_str(row->of); of.n;) {
			struct span what = span_trim(span_next(&of, ','), " ");
			if (!is_form(what))
				fail_msg("--%s: no verb %.*s", row->name, SPAN_ARG(what));
		}
	}
}

/* Runs the verb in a child with each option that belongs to other verbs of its command. The
 * results are appended to `err`, each after a line with the option. Returns the number of
 * options. */
static unsigned
run_with_options_of_others(const struct usage_form *f)
{
	unsigned n = 0;

	cmd_warm();
	fflush(NULL);
	pid_t pid = calm_fork();
	assert_true(pid >= 0);
	for (const struct option_row *row = option_rows; row->name; row++) {
		bool others = false;
		for (const struct usage_form *o = forms; o < forms + nforms; o++)
			others |= !strcmp(o->command, f->command) && !o->all &&
				  belongs(o, row->name);
		for (const struct option_row *b = option_rows; b < row; b++)
			others &= strcmp(b->name, row->name) != 0; /* once for each name */
		if (!others || belongs(f, row->name))
			continue;
		n++;
		if (pid)
			continue;
		char option[OPTION_WHAT_MAX];
		char *argv[] = { (char *)(uintptr_t) "tollgate", (char *)(uintptr_t)f->command,
			(char *)(uintptr_t)f->verb, option, (char *)(uintptr_t) "x", NULL };
		if (n == 1)
			dup2(open(path("err"), O_CREAT | O_WRONLY | O_TRUNC, 0600), 2);
		snprintf(option, sizeof(option), "%s%s", row->name[1] ? "--" : "-", row->name);
		fprintf(stderr, "\n%s\n", option);
		fprintf(stderr, "exit %d\n", cmd_main(5, argv));
	}
	if (!pid)
		_exit(0);
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return n;
}

/* The message about one option names each verb of the command whose usage line has it. */
static void
expect_refusal(const struct usage_form *f, struct span said)
{
	char name[OPTION_WHAT_MAX], want[256];
	struct span option = span_next(&said, '\n'), line = span_next(&said, '\n');

	snprintf(want, sizeof(want), "tollgate: %s %s: %.*s is an option of %s ", f->command,
		f->verb, SPAN_ARG(option), f->command);
	if (!span_starts(line, span_str(want)))
		fail_msg("%s: got: %.*s", want, SPAN_ARG(line));
	snprintf(name, sizeof(name), "%.*s", SPAN_ARG(span_trim(option, "-")));
	for (const struct usage_form *o = forms; o < forms + nforms; o++) {
		if (strcmp(o->command, f->command) != 0 || o->all || !form_names(o, name))
			continue;
		snprintf(want, sizeof(want), "%s %s", o->command, o->verb);
		if (!memmem(line.p, line.n, want, strlen(want)))
			fail_msg("no %s: %.*s", want, SPAN_ARG(line));
	}
	snprintf(want, sizeof(want), "usage: tollgate %s ", f->command);
	assert_non_null(memmem(said.p, said.n, want, strlen(want)));
	assert_non_null(memmem(said.p, said.n, "exit 2\n", 7));
}

static void
verb_refuses_options_of_other_verbs(void **state)
{
	unsigned all = 0;

	(void)state;
	for (size_t i = 0; i < nforms; i++) {
		if (forms[i].all || !forms[i].verb[0] ||
			(i && !strcmp(forms[i].verb, forms[i - 1].verb)))
			continue;
		unsigned n = run_with_options_of_others(&forms[i]), seen = 0;
		if (!n)
			continue;
		cmd_slurp("err", cmd_err, sizeof(cmd_err));
		for (char *at = cmd_err; (at = strstr(at, "\n-")); seen++) {
			char *end = strstr(at, "\nexit ");
			assert_non_null(end);
			expect_refusal(&forms[i], span_of(at + 1, (size_t)(end + 8 - at - 1)));
			at = end;
		}
		assert_int_equal(seen, n);
		all += n;
	}
	assert_true(all > 500);
}

/* --help of each command and each verb has a line for each option, and an example. */
static void
help_has_options_and_an_example(void **state)
{
	(void)state;
	for (size_t i = 0; i < nforms; i++) {
		const struct usage_form *f = &forms[i];
		if (f->all)
			continue;
		const char *args[] = { f->command, f->verb[0] ? f->verb : "--help", "--help", NULL };
		assert_int_equal(tollgate_argv("", args), EXIT_DONE);
		for (const struct option_row *row = option_rows; row->name; row++) {
			char line[OPTION_WHAT_MAX];
			snprintf(line, sizeof(line), "\n  %s%s", row->name[1] ? "--" : "-", row->name);
			if (belongs(f, row->name) && !strstr(cmd_out, line))
				fail_msg("%s %s: no line for --%s", f->command, f->verb, row->name);
		}
		char example[OPTION_WHAT_MAX];
		snprintf(example, sizeof(example), "\n  tollgate %s", f->command);
		const char *at = strstr(cmd_out, "\nExamples:\n");
		if (!at || !strstr(at, example))
			fail_msg("%s %s: no example", f->command, f->verb);
	}
}

/* The help of a command with several verbs names the verbs of options that only some verbs
 * have, and of options with the same name. */
static void
help_names_the_verbs_of_its_options(void **state)
{
	static const char *const rows[][2] = {
		{ "policy", "\n  --since TIME                replay, history: only records from this time on" },
		{ "policy", "\n  --since TIME                apply, back: replay records from this time on" },
		{ "limit", "\n  --until TIME                set: when the key" },
		{ "limit", "\n  --json                      print JSON" },
		{ "quota", "\n  --team NAME                 the team" },
		{ "audit", "\n  --octets                    export: put" },
		{ "audit", "\n  --no-index                  read every record" },
		{ "audit", "\n  --by TERM                   search: count records by this term" },
		{ "audit", "\n  --person NAME               subject, erase: the person" },
		{ "tools", "\n  --all                       approve: approve all tools" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_int_equal(tollgate("", rows[i][0], "--help", NULL), EXIT_DONE);
		if (!strstr(cmd_out, rows[i][1]))
			fail_msg("%s: no line%s\n%s", rows[i][0], rows[i][1], cmd_out);
	}
}

static void
verb_may_follow_its_options(void **state)
{
	(void)state;
	assert_int_equal(tollgate("", "key", "--ttl", "3d", "list", NULL), 2);
	assert_non_null(strstr(cmd_err, "tollgate: key list: --ttl is an option of key new, key change, "
					"key rotate\n"));
	assert_int_equal(tollgate("", "audit", "list", "--unknown", NULL), 2);
	assert_non_null(strstr(cmd_err, "tollgate: --unknown: no such option; see --help\n"));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(parsed_options_have_a_usage_line),
		cmocka_unit_test(help_has_options_and_an_example),
		cmocka_unit_test(row_has_a_value_if_the_usage_line_has_one),
		cmocka_unit_test(options_of_usage_lines_are_in_the_table),
		cmocka_unit_test(rows_name_existing_verbs_and_have_help),
		cmocka_unit_test(verb_refuses_options_of_other_verbs),
		cmocka_unit_test(help_names_the_verbs_of_its_options),
		cmocka_unit_test(verb_may_follow_its_options),
	};

	return cmocka_run_group_tests(tests, setup, temp_dir_remove);
}
