/* tollgate completion: the words that are offered after other words, and that a shell's script
 * offers them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/span.h"
#include "support/run_cmd.h"

/* Returns true if `word` is a line of the output. */
static bool
said(const char *word)
{
	size_t n = strlen(word);

	for (const char *p = cmd_out; (p = strstr(p, word)); p += n)
		if ((p == cmd_out || p[-1] == '\n') && p[n] == '\n')
			return true;
	return false;
}

static void
each_place_offers_the_words_of_its_form(void **state)
{
	static const struct {
		const char *words[6];
		const char *offers[4], *not[3];
	} rows[] = {
		{ { "" }, { "serve", "audit", "completion" }, { "list" } },
		{ { "audit", "" }, { "list", "search", "--journal", "-c" }, { "--route" } },
		{ { "audit", "list", "--" }, { "--route", "--json", "--journal" },
			{ "search", "--octets", "--zone" } },
		{ { "audit", "export", "--format", "" }, { "jsonl", "csv", "syslog" }, { "--out" } },
		{ { "audit", "key", "" }, { "certify", "revoke" }, { "list" } },
		{ { "audit", "search", "--" }, { "--text-hash", "--person", "--where" }, { "--TERM" } },
		{ { "audit", "list", "--person", "" }, { NULL }, { "--route", ":files" } },
		{ { "usage", "--by", "" }, { "person", "team", "day" }, { "--since" } },
		{ { "check", "--haproxy", "" }, { ":files" }, { "--policy" } },
		{ { "key", "revoke", "--" }, { "--live", "--reason" }, { "--ttl" } },
		{ { "policy", "schema", "" }, { "config", "prices" }, { "test" } },
		{ { "nonsense", "" }, { NULL }, { "serve" } },
	};

	(void)state;
	for (size_t r = 0; r < COUNT_OF(rows); r++) {
		const char *argv[16] = { "completion", "words" };
		size_t n = 2;
		while (n - 2 < COUNT_OF(rows[r].words) && rows[r].words[n - 2]) {
			argv[n] = rows[r].words[n - 2];
			n++;
		}
		assert_int_equal(tollgate_argv("", argv), 0);
		for (size_t i = 0; i < 4 && rows[r].offers[i]; i++)
			if (!said(rows[r].offers[i]))
				fail_msg("row %zu lacks %s:\n%s", r, rows[r].offers[i], cmd_out);
		for (size_t i = 0; i < 3 && rows[r].not[i]; i++)
			if (said(rows[r].not[i]))
				fail_msg("row %zu has %s:\n%s", r, rows[r].not[i], cmd_out);
	}
}

/* Every option that --help lists for a command is offered after its verb. */
static void
every_option_is_offered(void **state)
{
#define X(name, fn, group, args, help) { name, args },
	static const struct {
		const char *name, *args;
	} forms[] = { CMD_TABLE(X) };
#undef X
	char text[4096];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(forms); i++) {
		snprintf(text, sizeof(text), "%s", forms[i].args);
		for (char *p = text; (p = strstr(p, "--"));) {
			size_t n = 2 + strspn(p + 2, "abcdefghijklmnopqrstuvwxyz-");
			char option[64], verb[32] = "";
			if (n == 2) {
				p += n;
				continue;
			}
			snprintf(option, sizeof(option), "%.*s", (int)n, p);
			/* the form of the option begins after the last " | " outside of
			 * brackets */
			const char *from = text;
			int depth = 0;
			for (const char *q = text; q < p; q++) {
				depth += (*q == '[' || *q == '(') - (*q == ']' || *q == ')');
				if (depth == 0 && (!strncmp(q, " | ", 3) || !strncmp(q, "; all", 5)))
					from = q + 3;
			}
			snprintf(verb, sizeof(verb), "%.*s",
				(int)strspn(from, "abcdefghijklmnopqrstuvwxyz-"), from);
			const char *argv[] = { "completion", "words", forms[i].name,
				from == text + (strstr(text, "; all") - text) + 3 ? "" : verb, "--",
				NULL };
			if (!argv[3][0] || argv[3][0] == '-') {
				argv[3] = "--";
				argv[4] = NULL;
			}
			assert_int_equal(tollgate_argv("", argv), 0);
			if (!said(option))
				fail_msg("tollgate %s %s: %s is not offered", forms[i].name, argv[3],
					option);
			p += n;
		}
	}
}

/* Runs the script in the shell, with this program as `tollgate`. */
static void
shell_completes_with_its_script(void **state)
{
	static const struct {
		const char *shell, *command;
	} rows[] = {
		{ "bash", "eval \"$(\"$T\" completion bash)\"; tollgate() { \"$T\" \"$@\"; };"
			  " COMP_WORDS=(tollgate audit expo); COMP_CWORD=2; compopt() { :; };"
			  " _tollgate; [ \"${COMPREPLY[*]}\" = export ]" },
		{ "zsh", "autoload -Uz compinit; compinit -D -u; compdef() { :; };"
			 " tollgate() { \"$T\" \"$@\"; }; eval \"$(\"$T\" completion zsh)\";"
			 " compadd() { print -l $found; }; words=(tollgate audit expo); CURRENT=3;"
			 " _tollgate | grep -qx export" },
		{ "fish", "function tollgate; $T $argv; end; $T completion fish | source;"
			  " complete -C 'tollgate audit expo' | grep -qx export" },
	};
	bool any = false;

	(void)state;
	setenv("T", getenv("TOLLGATE") ? getenv("TOLLGATE") : "build/tollgate", 1);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char line[2048];
		snprintf(line, sizeof(line), "command -v %s >/dev/null", rows[i].shell);
		if (system(line) != 0)
			continue;
		any = true;
		setenv("SCRIPT", rows[i].command, 1);
		snprintf(line, sizeof(line), "%s -c \"$SCRIPT\"", rows[i].shell);
		if (system(line) != 0)
			fail_msg("%s does not complete", rows[i].shell);
	}
	assert_true(any);
}

static void
unknown_shell_is_refused(void **state)
{
	static const char *const argv[] = { "completion", "powershell", NULL };

	(void)state;
	assert_int_equal(tollgate_argv("", argv), EXIT_CANNOT);
	assert_non_null(strstr(cmd_err, "bash|zsh|fish"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_place_offers_the_words_of_its_form),
		cmocka_unit_test(every_option_is_offered),
		cmocka_unit_test(shell_completes_with_its_script),
		cmocka_unit_test(unknown_shell_is_refused),
	};

	return cmocka_run_group_tests(tests, temp_dir_make, temp_dir_remove);
}
