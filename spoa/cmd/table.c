/* The table of subcommands: dispatch and usage. Apart from main() so that tests
 * link it. */
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

enum { NCOMMANDS = sizeof(commands) / sizeof(commands[0]) };

int
cmd_usage(const char *name)
{
	for (size_t i = 0; i < NCOMMANDS; i++)
		if (!strcmp(commands[i].name, name))
			fprintf(stderr, "usage: tollgate %s %s\n", name, commands[i].args);
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

int
cmd_main(int argc, char **argv)
{
	if (argc < 2) {
		usage(stderr);
		return EXIT_CANNOT;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		usage(stdout);
		return EXIT_DONE;
	}
	for (size_t i = 0; i < NCOMMANDS; i++)
		if (!strcmp(argv[1], commands[i].name))
			return commands[i].run(argc - 1, argv + 1);
	fprintf(stderr, "tollgate: %s: no such command; see tollgate --help\n", argv[1]);
	return EXIT_CANNOT;
}
