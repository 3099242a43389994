/* `tollgate completion` provides the words that a shell offers after the tab key.
 *
 * `tollgate completion SHELL` prints a script for bash, zsh or fish. The script calls
 * `tollgate completion words COMMAND ...` for each completion, so that its words are always
 * those of the installed program. The words come from the usage forms of CMD_TABLE, the
 * same ones that --help prints. */
#include <stdio.h>
#include <string.h>

#include "cmd/cmd.h"
#include "record/audit/record_terms.h"

static const struct {
	const char *name, *args;
} forms[] = {
#define X(name, fn, group, args, help) { name, args },
	CMD_TABLE(X)
#undef X
};

/* clang-format off */
static const struct {
	const char *shell, *script;
} scripts[] = {
	{ "bash",
	  "# tollgate completion bash: source it, or put it into /usr/share/bash-completion/completions/tollgate\n"
	  "_tollgate() {\n"
	  "\tlocal IFS=$'\\n' words\n"
	  "\twords=$(tollgate completion words \"${COMP_WORDS[@]:1:COMP_CWORD}\" 2>/dev/null)\n"
	  "\tif [ \"$words\" = :files ]; then compopt -o filenames; COMPREPLY=($(compgen -f -- \"${COMP_WORDS[COMP_CWORD]}\"))\n"
	  "\telse COMPREPLY=($(compgen -W \"$words\" -- \"${COMP_WORDS[COMP_CWORD]}\")); fi\n"
	  "}\n"
	  "complete -o bashdefault -o default -F _tollgate tollgate\n" },
	{ "zsh",
	  "#compdef tollgate\n"
	  "# tollgate completion zsh: put it into a folder of $fpath as _tollgate, or source it after compinit\n"
	  "_tollgate() {\n"
	  "\tlocal -a found\n"
	  "\tfound=(\"${(@f)$(tollgate completion words \"${(@)words[2,CURRENT]}\" 2>/dev/null)}\")\n"
	  "\tif [[ $found[1] == :files ]]; then _files; else compadd -a found; fi\n"
	  "}\n"
	  "if [ \"$funcstack[1]\" = _tollgate ]; then _tollgate \"$@\"; else compdef _tollgate tollgate; fi\n" },
	{ "fish",
	  "# tollgate completion fish: put it into ~/.config/fish/completions/tollgate.fish\n"
	  "function __tollgate_words\n"
	  "\tset -l words (commandline -opc)\n"
	  "\tset -l found (tollgate completion words $words[2..-1] (commandline -ct) 2>/dev/null)\n"
	  "\tif test \"$found\" = :files\n"
	  "\t\t__fish_complete_path (commandline -ct)\n"
	  "\telse\n"
	  "\t\tprintf '%s\\n' $found\n"
	  "\tend\n"
	  "end\n"
	  "complete -c tollgate -f -a '(__tollgate_words)'\n" },
};
/* clang-format on */

/* Reads a usage form token by token, without the brackets around the tokens. */
struct tokens {
	const char *p, *end;
	bool after_option, of_option, choice; /* the token follows an option; the token is an
					       * option's value; the token is a choice, which
					       * is in parentheses or written "a|b" */
};

static struct span
next_token(struct tokens *t)
{
	static const char between[] = " []();<";
	bool ended = false;

	for (; t->p < t->end && memchr(between, *t->p, sizeof(between) - 1); t->p++) {
		ended = ended || *t->p == ']' || *t->p == '[';
		t->choice = *t->p == '(' || (t->choice && *t->p != ')');
	}
	const char *from = t->p;
	while (t->p < t->end && !memchr(between, *t->p, sizeof(between) - 1))
		t->p++;
	struct span s = { from, (size_t)(t->p - from) };
	while (s.n > 3 && !memcmp(s.p + s.n - 3, "...", 3))
		s.n -= 3;
	t->of_option = t->after_option && !ended && s.n && s.p[0] != '-' && s.p[0] != '|';
	t->after_option = s.n > 1 && s.p[0] == '-';
	return s;
}

/* Returns the next usage form of a command and moves *rest behind the form. " | " outside
 * of brackets separates forms. Options after "; all" belong to every form. */
static struct tokens
next_form(const char **rest)
{
	const char *p = *rest, *end = p;
	int depth = 0;

	for (; *end && *end != ';'; end++) {
		depth += (*end == '[' || *end == '(') - (*end == ']' || *end == ')');
		if (depth == 0 && !strncmp(end, " | ", 3))
			break;
	}
	*rest = !*end ? NULL : *end == ';' ? end + 1 : end + 3;
	return (struct tokens){ .p = p, .end = end };
}

static bool
is_word(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!((s.p[i] >= 'a' && s.p[i] <= 'z') || (i && s.p[i] == '-') ||
			    (i && s.p[i] == '|')))
			return false;
	return s.n > 0;
}

static void
say_choices(struct span s, char between)
{
	while (s.n) {
		struct span one = span_next(&s, between);
		printf("%.*s\n", SPAN_ARG(one));
	}
}

/* Prints what an option's value may be: its choices, or a request for the names of files.
 * Nothing is printed for a value that only the user knows. */
static void
say_value(struct span s)
{
	static const char *const files[] = { "FILE", "DIR", "FILE|DIR", "BIN", "POLICY", "KEY",
		"PLACE", "KEYS" };

	if (s.p[0] >= 'a' && memchr(s.p, '|', s.n))
		say_choices(s, '|');
	else if (s.p[0] >= 'a' && memchr(s.p, ',', s.n))
		say_choices(s, ',');
	else if (SPAN_IN(s, files))
		printf(":files\n");
}

static void
say_terms(void)
{
#define X(id, option, fields, flags, what) option,
	static const char *const terms[] = { RECORD_TERMS(X) };
#undef X
	for (size_t i = 0; i < COUNT_OF(terms); i++)
		if (terms[i])
			printf("--%s\n", terms[i]);
}

/* Searches one form for the option `before`. If the option takes a value there, prints what
 * the value may be and returns true. Returns false if `before` is no option with a value in
 * this form. With `skip_first`, the form's first word (the verb) is passed over. */
static bool
say_form(struct tokens t, bool skip_first, struct span before)
{
	struct span s, option = { "", 0 };

	if (skip_first)
		next_token(&t);
	while ((s = next_token(&t)).n) {
		if (t.of_option && option.n && span_eq(option, before)) {
			say_value(s);
			return true;
		}
		option = s.p[0] == '-' ? s : (struct span){ "", 0 };
	}
	return false;
}

static void
say_options(struct tokens t, bool skip_first)
{
	struct span s;

	if (skip_first)
		next_token(&t);
	while ((s = next_token(&t)).n) {
		if (span_eq(s, SPAN_LIT("--TERM")))
			say_terms();
		else if (s.p[0] == '-' && s.n > 1)
			printf("%.*s\n", SPAN_ARG(s));
		else if (!t.of_option && is_word(s) && (t.choice || memchr(s.p, '|', s.n)))
			say_choices(s, '|');
	}
}

/* Sets *verb to the first word of a form. Returns false if the form begins with no word, so
 * that the form belongs to every verb. */
static bool
form_verb(struct tokens t, struct span *verb)
{
	*verb = next_token(&t);
	return is_word(*verb) && !memchr(verb->p, '|', verb->n);
}

static bool
is_for_all(struct tokens t)
{
	while (t.p < t.end && *t.p == ' ')
		t.p++;
	return t.end - t.p >= 3 && !memcmp(t.p, "all", 3);
}

/* Returns true if the verb is among the words after the command. */
static bool
was_given(struct span verb, size_t n, char **words)
{
	for (size_t i = 0; i < n; i++)
		if (span_eq(verb, span_str(words[i])))
			return true;
	return false;
}

/* Prints the completions for words[0..n): words[0] is the command, and the last word is the
 * one that is being typed. */
static void
say_words(const char *args, size_t n, char **words)
{
	struct span before = span_str(n > 2 ? words[n - 2] : ""), verb = { "", 0 };
	bool chosen = false;

	for (const char *rest = args; rest;) {
		struct tokens t = next_form(&rest);
		chosen = chosen || (!is_for_all(t) && form_verb(t, &verb) &&
					   was_given(verb, n - 2, words + 1));
	}
	for (int value = before.n && before.p[0] == '-'; value >= 0; value--)
		for (const char *rest = args; rest;) {
			struct tokens t = next_form(&rest);
			bool all = is_for_all(t), named = !all && form_verb(t, &verb);
			bool mine = !named ? all || !chosen
					   : was_given(verb, n - 2, words + 1);
			if (value && mine && say_form(t, all || named, before))
				return;
			if (value)
				continue;
			if (named && !chosen)
				printf("%.*s\n", SPAN_ARG(verb));
			if (mine)
				say_options(t, all || named);
		}
}

int
cmd_completion(int argc, char **argv)
{
	bool words = argc > 1 && !strcmp(argv[1], "words");

	for (size_t i = 0; words && i < COUNT_OF(forms); i++) {
		if (argc < 4)
			printf("%s\n", forms[i].name);
		else if (!strcmp(forms[i].name, argv[2]))
			say_words(forms[i].args, (size_t)argc - 2, argv + 2);
	}
	if (words)
		return EXIT_DONE;
	for (size_t i = 0; argc == 2 && i < COUNT_OF(scripts); i++)
		if (!strcmp(argv[1], scripts[i].shell)) {
			fputs(scripts[i].script, stdout);
			return EXIT_DONE;
		}
	return cmd_usage(argv[0]);
}
