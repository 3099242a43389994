/* tollgate audit key: makes a statement of the offline root about a signing key, as a file for
 * audit.key_statements. The command runs where the root's private key is kept, which is never
 * the daemon's machine.
 *
 * audit_ring() is the verifying side: it combines all given keys and statements into a
 * keyring, which decides which key may sign which records. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/keyfile.h"
#include "cmd/cmd.h"
#include "cmd/records/audit.h"
#include "policy/config/config.h"
#include "record/journal/keyring.h"

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
	char **operands;
	uint64_t seq = 1;
	int n = cmd_options("audit key", argc, argv, options, &operands);

	bool revoke = n == 2 && !strcmp(operands[0], "revoke");
	if (n != 2 || (!revoke && strcmp(operands[0], "certify") != 0) || !root || !node ||
		!chain_node_valid(span_str(node)))
		return cmd_usage("audit key");
	if (from && (span_u64(span_str(from), &seq) || seq == 0))
		return cmd_fail("audit key", "--from: %s: give a sequence number", from);
	SCOPED_BUF(b, 8192);
	bool is_id = revoke && strlen(operands[1]) == SIGNKEY_ID_LEN &&
		     strspn(operands[1], "0123456789abcdef") == SIGNKEY_ID_LEN;
	if (is_id)
		memcpy(key.id, operands[1], sizeof(key.id));
	bool good = is_id || pubkeys_load(operands[1], &key, 1, &b) == 1;
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
	return good ? EXIT_DONE : EXIT_CANNOT;
}

/* ---- verifying: the keyring ---- */

/* Writes the path JOURNAL.keys to `out`. Returns false if no journal is known. */
static bool
keys_file(struct audit_args *a, char *out, size_t size)
{
	const char *journal = a->q.journal;
	const struct config *cfg = journal ? NULL : cmd_config(&a->q.arena, a->q.config);

	if (cfg)
		journal = cfg->journal;
	return journal &&
	       snprintf(out, size, "%.*s.keys", SPAN_ARG(journal_folder(journal))) < (int)size;
}

/* Reports statements that no known key signed. They are ignored, but not silently. */
static void
say_strangers(const struct audit_args *a, const char *file)
{
	struct key_statement s;
	int at = 0;

	SCOPED_BUF(text, 4u << 20);
	SCOPED_BUF(none, 4096);
	keyfile_text(file, NULL, &text, &none);
	for (struct span rest = buf_view(&text); key_statement_next(&rest, &s) > 0;)
		if (++at && keyring_take(a->ring, &s) == KEYRING_STRANGER)
			fprintf(stderr,
				"tollgate: %s: %s: statement %d (%s of key %s) is ignored: "
				"no known key signed it\n",
				a->q.what, file, at, key_says_name(s.says), s.key.id);
}

int
audit_ring(struct audit_args *a, struct buf *why)
{
	struct keyring *k = a->ring = calloc(1, sizeof(*k));
	struct pubkey roots[CAP_KEYRING_ROOTS];
	char file[4096];
	bool here = keys_file(a, file, sizeof(file));
	size_t before, now = 0;
	int err = k ? keyring_give(k, a->keys, a->nkeys) : ERR_NOMEM, n = 0;

	if (!err && a->root)
		n = pubkeys_load(a->root, roots, CAP_KEYRING_ROOTS, why);
	err = n < 0 ? n : err;
	for (int i = 0; i < n; i++)
		keyring_give_root(k, &roots[i]);
	if (!err)
		k->given_root = a->root != NULL;
	/* a statement may be signed by a key that another file introduces, so the files are
	 * read until nothing changes */
	do {
		before = now;
		for (size_t i = 0; i < a->nstatements && !err; i++)
			err = keyring_file(k, a->statements[i], false, why);
		/* Anyone may have written this file next to the journal; its valid
		 * statements are used. */
		if (!err && here && keyring_file(k, file, true, why)) {
			fprintf(stderr, "tollgate: %s: %.*s\n", a->q.what,
				SPAN_ARG(buf_view(why)));
			buf_clear(why);
			here = false;
		}
		now = err ? before : k->nevents + k->nrevoked + k->nroots;
	} while (now > before);
	for (size_t i = 0; i < a->nstatements && !err; i++)
		say_strangers(a, a->statements[i]);
	return err;
}
