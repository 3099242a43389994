/* tollgate keygen: the audit signing pair. The private file is read by the
 * daemon alone; the .pub next to it goes to whoever verifies. With --secret one file of
 * random text, as state_key and redact.key_file want it. */
#include <stdio.h>
#include <string.h>

#include "cmd/cmd.h"
#include "store/keyfile.h"
#include "store/signkey.h"

int
cmd_keygen(int argc, char **argv)
{
	const char *file = NULL;
	bool secret = false;
	const struct cmd_option options[] = { { "out", .text = &file },
		{ "secret", .flag = &secret }, { .name = NULL } };
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
	int err = secret ? keyfile_create(file, &why) : signkey_create(file, &pub, &why);
	if (err)
		cmd_fail("keygen", "%.*s", SPAN_ARG(buf_view(&why)));
	else if (secret)
		printf("secret %s\n", file);
	else
		printf("private %s\npublic %s.pub\nkey %s\n", file, file, pub.id);
	buf_free(&why);
	return err ? EXIT_CANNOT : EXIT_DONE;
}
