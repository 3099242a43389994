/* tollgate keygen: the audit signing pair. The private file is read by the
 * daemon alone; the .pub beside it goes to whoever verifies. */
#include <stdio.h>
#include <string.h>

#include "cmd/cmd.h"
#include "store/signkey.h"

int
cmd_keygen(int argc, char **argv)
{
	const char *file = NULL;
	struct pubkey pub;
	struct buf why;

	for (int i = 1; i < argc; i++) {
		const char *a = argv[i];
		if (!strcmp(a, "--out") && i + 1 < argc)
			a = argv[++i];
		else if (!strncmp(a, "--out=", 6))
			a += 6;
		else if (a[0] == '-')
			return cmd_usage(argv[0]);
		if (file || !a[0])
			return cmd_usage(argv[0]);
		file = a;
	}
	if (!file)
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
