/* The table of subcommands: dispatch and usage. Apart from main() so that tests
 * link it. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cmd/cmd.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *args, *help;
} commands[] = {
#define X(name, fn, args, help) { name, fn, args, help },
	CMD_TABLE(X)
#undef X
};

enum { NCOMMANDS = COUNT_OF(commands), ARGS_MAX = 64 };

/* The next form in `args`: " | " outside of brackets parts them, "; all" ends them. */
static struct span
next_form(const char **args)
{
	const char *p = *args, *end;
	int depth = 0;

	for (end = p; *end && strncmp(end, "; all", 5) != 0; end++) {
		depth += (*end == '[' || *end == '(') - (*end == ']' || *end == ')');
		if (depth == 0 && !strncmp(end, " | ", 3))
			break;
	}
	*args = !strncmp(end, " | ", 3) ? end + 3 : NULL;
	return (struct span){ p, (size_t)(end - p) };
}

/* A line a form; of `verb`, where it has one, that alone. */
static void
print_forms(FILE *f, const char *name, const char *args, const char *verb)
{
	const char *all = strstr(args, "; all");
	size_t n = verb ? strlen(verb) : 0, said = 0;

	for (int one = n != 0; one >= 0 && !said; one--)
		for (const char *rest = args; rest;) {
			struct span form = next_form(&rest);
			if (one && (form.n < n || memcmp(form.p, verb, n) != 0 ||
					   (form.n > n && form.p[n] != ' ')))
				continue;
			fprintf(f, "%s tollgate %s %.*s\n", said++ ? "      " : "usage:", name,
				SPAN_ARG(form));
		}
	if (all)
		fprintf(f, "       %s\n", all + 2);
}

int
cmd_usage(const char *name)
{
	size_t n = strcspn(name, " ");

	for (size_t i = 0; i < NCOMMANDS; i++)
		if (strlen(commands[i].name) == n && !memcmp(commands[i].name, name, n)) {
			fprintf(stderr, "tollgate: %s: ", name);
			print_forms(stderr, commands[i].name, commands[i].args,
				name[n] ? name + n + 1 : NULL);
		}
	return EXIT_CANNOT;
}

static void
usage(FILE *f)
{
	fprintf(f, "usage: tollgate COMMAND [ARGUMENTS]\n\n");
	for (size_t i = 0; i < NCOMMANDS; i++)
		fprintf(f, "  %-10s %s\n", commands[i].name, commands[i].help);
	fprintf(f, "\nExit: 0 done, 1 the answer is no, 2 could not do it. See tollgate(1).\n");
}

static bool
asks_for_help(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (!strcmp(argv[i], "--help") || (i == 1 && !strcmp(argv[i], "-h")))
			return true;
	return false;
}

static int
help_of(size_t i, const char *verb)
{
	print_forms(stdout, commands[i].name, commands[i].args, verb);
	printf("\n  %s\n", commands[i].help);
	return EXIT_DONE;
}

/* "-c FILE COMMAND …" is "COMMAND -c FILE …". */
static int
config_first(int argc, char **argv)
{
	char *moved[ARGS_MAX] = { argv[0], argv[3], argv[1], argv[2] };

	if (argc > ARGS_MAX - 1)
		return cmd_fail(argv[0], "too many arguments");
	for (int i = 4; i < argc; i++)
		moved[i] = argv[i];
	return cmd_main(argc, moved);
}

int
cmd_main(int argc, char **argv)
{
	if (argc < 2) {
		usage(stderr);
		return EXIT_CANNOT;
	}
	bool help = !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") ||
		    !strcmp(argv[1], "help");
	if (help && argc == 2) {
		usage(stdout);
		return EXIT_DONE;
	}
	if (!strcmp(argv[1], "-c") && argc > 3 && argv[3][0] != '-')
		return config_first(argc, argv);
	const char *name = help ? argv[2] : !strcmp(argv[1], "--version") ? "version" : argv[1];
	opterr = 0; /* what is wrong is said in our own form */
	for (size_t i = 0; i < NCOMMANDS; i++) {
		if (strcmp(name, commands[i].name) != 0)
			continue;
		if (help)
			return help_of(i, argc > 3 ? argv[3] : NULL);
		if (asks_for_help(argc - 1, argv + 1))
			return help_of(i, argv[2]);
		return commands[i].run(argc - 1, argv + 1);
	}
	fprintf(stderr, "tollgate: %s: no such command; see tollgate --help\n", name);
	return EXIT_CANNOT;
}
