/* tollgate serve: runs the daemon in the foreground. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/cmd.h"
#include "operator/admin/admin.h"
#include "operator/server/server.h"

int
cmd_serve(int argc, char **argv)
{
	const char *named = NULL, *instance = NULL;
	bool take = false;
	const struct cmd_option options[] = { { "c", .text = &named },
		{ "instance", .text = &instance }, { "take", .flag = &take }, { .name = NULL } };
	char **operands;

	if (cmd_options(argv[0], argc, argv, options, &operands) != 0)
		return cmd_usage(argv[0]);
	if (instance && strcmp(instance, "a") && strcmp(instance, "b"))
		return cmd_fail("serve", "--instance %s: a or b", instance);
	/* the child processes of the admin server need the instance too */
	if (instance && setenv(CONFIG_INSTANCE, instance, 1) < 0)
		return cmd_fail("serve", "out of memory");
	const char *file = config_find(named);
	if (!file)
		return cmd_no_config("serve", named, "");
	if (sodium_init() < 0)
		return cmd_fail("serve", "libsodium cannot be initialized");
	return server_run(file, take, &admin_front);
}
