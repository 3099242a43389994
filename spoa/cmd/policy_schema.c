/* tollgate policy schema: the JSON Schema of policies for editors, or tollgate.yaml's. */
#include <stdio.h>
#include <string.h>

#include "cmd/cmd.h"
#include "cmd/policy.h"
#include "policy/schema.h"

int
policy_schema(int argc, char **argv)
{
	bool config = argc == 2 && !strcmp(argv[1], "config");
	struct buf out;

	if (argc > 2 || (argc == 2 && !config))
		return cmd_usage("policy");
	buf_init(&out, 1 << 20);
	bool ok = config ? schema_config(&out) : schema_policy(&out);
	if (ok)
		ok = cmd_write(&out);
	else
		cmd_fail("policy schema", "out of memory");
	buf_free(&out);
	return ok ? EXIT_DONE : EXIT_CANNOT;
}
