/* tollgate policy: dispatch to its verbs. */
#include "cmd/policies/policy.h"

#include <string.h>

#include "cmd/cmd.h"

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
