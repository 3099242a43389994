/* tollgate policy: dispatches to its verbs. `policy schema` prints the JSON Schema of
 * policies, of tollgate.yaml or of price lists, for editors. */
#include <stdio.h>
#include <string.h>

#include "cmd/cmd.h"
#include "cmd/policies/policy.h"
#include "policy/schema.h"

static int
policy_schema(int argc, char **argv)
{
	static const struct {
		const char *name;
		bool (*write)(struct buf *out);
	} files[] = { { "policy", schema_policy }, { "config", schema_config },
		{ "prices", schema_prices } };
	static const struct cmd_option none[] = { { .name = NULL } };
	char **operands;
	int n = cmd_options("policy schema", argc, argv, none, &operands);
	size_t i = 0;

	while (n == 1 && i < COUNT_OF(files) && strcmp(operands[0], files[i].name) != 0)
		i++;
	if (n < 0 || n > 1 || i == COUNT_OF(files))
		return cmd_usage("policy schema");
	SCOPED_BUF(out, 1 << 20);
	bool ok = files[i].write(&out);
	if (ok)
		ok = cmd_write(&out);
	else
		cmd_fail("policy schema", "out of memory");
	return ok ? EXIT_DONE : EXIT_CANNOT;
}

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} verbs[] = {
	{ "test", policy_test },
	{ "diff", policy_diff },
	{ "replay", policy_replay },
	{ "schema", policy_schema },
	{ "apply", policy_apply },
	{ "back", policy_back },
	{ "history", policy_history },
	{ "show", policy_show },
};

int
cmd_policy(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < COUNT_OF(verbs); i++)
		if (!strcmp(argv[1], verbs[i].name))
			return verbs[i].run(argc - 1, argv + 1);
	return cmd_usage(argv[0]);
}
