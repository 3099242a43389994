/* tollgate audit key: what an offline root says of a signing key, as a file for
 * audit.key_statements. It runs where the root's secret is, which is never on the daemon. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cmd/cmd.h"
#include "cmd/records/audit.h"
#include "store/keyring.h"

static bool
read_id(const char *s, struct pubkey *out)
{
	if (strlen(s) != SIGNKEY_ID_LEN || strspn(s, "0123456789abcdef") != SIGNKEY_ID_LEN)
		return false;
	memcpy(out->id, s, SIGNKEY_ID_LEN + 1);
	return true;
}

int
audit_key(int argc, char **argv)
{
	const char *root = NULL, *passphrase = NULL, *node = NULL, *from = NULL;
	const struct cmd_option options[] = { { "root-key", .text = &root },
		{ "passphrase-file", .text = &passphrase }, { "node", .text = &node },
		{ "from", .text = &from }, { .name = NULL } };
	struct pubkey key = { .id = "" };
	struct key_statement s;
	struct signkey signs;
	struct buf b;
	char **operands;
	uint64_t seq = 1;
	int n = cmd_options(argc, argv, options, &operands);

	bool revoke = n == 2 && !strcmp(operands[0], "revoke");
	if (n != 2 || (!revoke && strcmp(operands[0], "certify") != 0) || !root || !node ||
		!chain_node_valid(span_str(node)))
		return cmd_usage("audit");
	if (from && (span_u64(span_str(from), &seq) || seq == 0))
		return cmd_fail("audit key", "--from: %s: not a sequence number", from);
	buf_init(&b, 8192);
	bool good = (revoke && read_id(operands[1], &key)) ||
		    pubkeys_load(operands[1], &key, 1, &b) == 1;
	good = good && signkey_open(root, passphrase, true, &signs, &b) == 0;
	if (good) {
		key_statement_make(&s, revoke ? KEY_REVOKE : KEY_CERTIFY, node, &key, NULL, seq,
			clock_wall_ns());
		key_statement_sign(&s, &signs);
		signkey_wipe(&signs);
		key_statement_write(&b, &s);
		good = cmd_write(&b);
	} else {
		cmd_fail("audit key", "%.*s", SPAN_ARG(buf_view(&b)));
	}
	buf_free(&b);
	return good ? EXIT_DONE : EXIT_CANNOT;
}
