/* tollgate keygen: makes the keys that the daemon and its records need. The option selects the
 * kind:
 *
 * - no option: the pair that signs records. Only the daemon reads the private file; verifiers
 * get the file .pub next to it.
 * - --rotate: a new pair in the place of an existing one, which is kept as FILE.old.
 * - --root: the pair of the offline root, which has the same format.
 * - --secret: a file of random bytes, for state_key and redact.key_file.
 * - --hash-key: the key of the keyed hashes of texts. */
#include <stdio.h>

#include "base/keyfile.h"
#include "cmd/cmd.h"
#include "record/journal/signkey.h"

int
cmd_keygen(int argc, char **argv)
{
	const char *file = NULL, *from = NULL, *passphrase = NULL;
	bool secret = false, hash = false, root = false, rotate = false;
	const struct cmd_option options[] = { { "out", .text = &file },
		{ "secret", .flag = &secret }, { "hash-key", .flag = &hash },
		{ "from", .text = &from }, { "passphrase-file", .text = &passphrase },
		{ "root", .flag = &root }, { "rotate", .flag = &rotate }, { .name = NULL } };
	struct hashkey made;
	struct pubkey pub;
	char **operands;
	int n = cmd_options(argv[0], argc, argv, options, &operands), err;

	if (n != (file ? 0 : 1) || secret + hash + root > 1 ||
		(rotate && (secret || root || from)) || (from && !hash) ||
		(passphrase && (secret || hash)))
		return cmd_usage(argv[0]);
	file = file ? file : operands[0];
	if (!file[0])
		return cmd_usage(argv[0]);
	SCOPED_BUF(why, 8192);
	if (hash && rotate)
		err = hashkey_replace(file, &made, &why);
	else if (hash)
		err = hashkey_create(file, from, &made, &why);
	else if (secret)
		err = keyfile_create(file, &why);
	else if (rotate)
		err = signkey_replace(file, passphrase, &pub, &why);
	else
		err = signkey_create_locked(file, passphrase, &pub, &why);
	if (err)
		cmd_fail("keygen", "%.*s", SPAN_ARG(buf_view(&why)));
	else if (secret)
		printf("secret %s\n", file);
	else if (hash)
		printf("hash key %s\nkey %s\n", file, made.id);
	else
		printf("%s %s\npublic %s.pub\nkey %s\n", root ? "root" : "private", file, file,
			pub.id);
	if (!err && rotate && !hash)
		printf("before %s.old\n", file);
	return err ? EXIT_CANNOT : EXIT_DONE;
}
