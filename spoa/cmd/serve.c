/* tollgate serve: the daemon, in the foreground. */
#include <sodium.h>

#include "cmd/cmd.h"
#include "operator/admin/admin.h"
#include "operator/server/server.h"

int
cmd_serve(int argc, char **argv)
{
	const char *named = NULL;
	const struct cmd_option options[] = { { "c", .text = &named }, { .name = NULL } };
	char **operands;

	if (cmd_options(argc, argv, options, &operands) != 0)
		return cmd_usage(argv[0]);
	const char *file = config_find(named);
	if (!file)
		return cmd_no_config("serve", named, "");
	if (sodium_init() < 0)
		return cmd_fail("serve", "libsodium does not start");
	return server_run(file, &admin_front);
}
