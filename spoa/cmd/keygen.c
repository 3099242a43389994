/* tollgate keygen: the audit signing pair. The private file is read by the
 * daemon alone; the .pub next to it goes to whoever verifies. */
#include <stdio.h>
#include <string.h>

#include "cmd/cmd.h"
#include "store/signkey.h"

int
cmd_keygen(int argc, char **argv)
{
	const char *file = NULL;
	const struct cmd_option options[] = { { "out", .text = &file }, { .name = NULL } };
	struct pubkey pub;
	struct buf why;
	char **operands;
	int n = cmd_options(argc, argv, options, &operands);

	if (n != (file ? 0 : 1))
		return cmd_usage(argv[0]);
	file = file ? file : operands[0];
	if (!file[0])
		return cmd_usage(argv[0]);
	buf_init(&why, 8192);
	int err = signkey_create(file, &pub, &why);
	if (err)
		cmd_fail("keygen", "%.*s", SPAN_ARG(buf_view(&why)));
	else
		printf("private %s\npublic %s.pub\nkey %s\n", file, file, pub.id);
	buf_free(&why);
	return err ? EXIT_CANNOT : EXIT_DONE;
}
