/* tollgate policy schema: the JSON Schema of policies for editors, tollgate.yaml's or a price
 * list's. */
#include <stdio.h>
#include <string.h>

#include "cmd/cmd.h"
#include "cmd/policies/policy.h"
#include "policy/schema.h"

int
policy_schema(int argc, char **argv)
{
	static const struct {
		const char *name;
		bool (*write)(struct buf *out);
	} files[] = { { "policy", schema_policy }, { "config", schema_config },
		{ "prices", schema_prices } };
	size_t i = 0;

	while (argc == 2 && i < COUNT_OF(files) && strcmp(argv[1], files[i].name) != 0)
		i++;
	if (argc > 2 || i == COUNT_OF(files))
		return cmd_usage("policy");
	SCOPED_BUF(out, 1 << 20);
	bool ok = files[i].write(&out);
	if (ok)
		ok = cmd_write(&out);
	else
		cmd_fail("policy schema", "out of memory");
	return ok ? EXIT_DONE : EXIT_CANNOT;
}
