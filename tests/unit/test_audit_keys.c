/* The life of the signing key: rotation by a record that the old key signs, starts afterwards,
 * statements of the offline root, and verification with only the first public key. */
#include <errno.h>
#include <stdatomic.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <unistd.h>

#include "record/audit/keys.h"
#include "support/audit_rig.h"
#include "support/replace_rig.h"

static struct rig r;
static char hash_file[200], stated_file[200];
static struct pubkey first; /* all that a verifier has */

static const char *
path(const char *name)
{
	static char p[4][256];
	static int at;

	at = (at + 1) % 4;
	snprintf(p[at], sizeof(p[at]), "%s/%s", r.dir, name);
	return p[at];
}

/* Replaces the signing key as `tollgate keygen --rotate` does. */
static void
replace_key(void)
{
	struct pubkey made;

	rig_sh("cd '%s' && mv key key.old && mv key.pub old.pub", r.dir);
	assert_int_equal(signkey_create(r.key, &made, &r.why), 0);
	rig_sh("cd '%s' && cat old.pub >> key.pub", r.dir);
	r.pub = made;
}

/* Reloads like the daemon. Returns "" or the error. */
static const char *
reload(void)
{
	buf_clear(&r.why);
	struct audit_keys_order *o = audit_keys_prepare(audit_keys(r.audit), &r.cfg, &r.why);
	if (o)
		audit_rekey(r.audit, o);
	if (o)
		buf_clear(&r.why);
	buf_putc(&r.why, '\0');
	return buf_view(&r.why).p;
}

static void
assert_reloaded(void)
{
	const char *why = reload();

	if (*why)
		fail_msg("%s", why);
}

/* Verifies with only the first public key, and `ring` or NULL. */
static struct verify_result
verify_with(const struct keyring *ring)
{
	struct verify_options o = {
		.keys = &first, .nkeys = 1, .node = "gw-1", .live = true, .ring = ring
	};
	struct verifier *v = verifier_new(&o);
	const struct query q = rig_verified_by(&r, v);
	struct verify_result result;

	assert_int_equal(query_read(&q, &r.why), 0);
	verifier_end(v, &result);
	verifier_free(&v);
	return result;
}

#define assert_first_key_verifies(nrecords)                                                    \
	do {                                                                                   \
		struct verify_result v_ = verify_with(NULL);                                   \
		if (!v_.ok)                                                                    \
			fail_msg("record %" PRIu64 ": %s", v_.bad_seq, v_.why);                \
		assert_int_equal(v_.records, nrecords);                                        \
	} while (0)

static struct buf
status(void)
{
	struct buf b;

	buf_init(&b, 0);
	audit_keys_status(audit_keys(r.audit), &b);
	buf_putc(&b, '\0');
	return b;
}

static void
assert_signs(const struct pubkey *key)
{
	struct buf b = status();
	char want[64];

	snprintf(want, sizeof(want), "{\"signs\":\"%s\",\"next\":null", key->id);
	if (strncmp(buf_view(&b).p, want, strlen(want)) != 0)
		fail_msg("%s, not %s", buf_view(&b).p, want);
	buf_free(&b);
}

static int
setup(void **state)
{
	struct hashkey made;

	(void)state;
	rig_init(&r);
	first = r.pub;
	snprintf(hash_file, sizeof(hash_file), "%s/hash.key", r.dir);
	snprintf(stated_file, sizeof(stated_file), "%s/statements", r.dir);
	INVARIANT(hashkey_create(hash_file, r.key, &made, &r.why) == 0);
	r.cfg.audit_hash_key = hash_file;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	rig_free(&r);
	return 0;
}

/* ---- rotation ---- */

static void
reload_hands_over_to_another_key(void **state)
{
	(void)state;
	assert_started();
	assert_int_equal(rig_put(&r, "a"), 0);
	assert_signs(&first);
	replace_key();
	assert_reloaded();
	assert_signs(&r.pub);
	assert_int_equal(rig_put(&r, "b"), 0);
	assert_first_key_verifies(4); /* boot, a, key, b */
	char want[200];
	snprintf(want, sizeof(want), "\"seq\":3,\"prev\":"), assert_true(rig_holds(&r, want));
	snprintf(want, sizeof(want),
		"\"type\":\"key\",\"change\":\"rotate\",\"from\":\"%s\",\"to\":\"%s\","
		"\"public_key\":\"",
		first.id, r.pub.id);
	assert_true(rig_holds(&r, want));
	/* Another reload adds no record. */
	assert_reloaded();
	assert_first_key_verifies(4);
	audit_stop(&r.audit);
	assert_first_key_verifies(5);
	/* The next start has the new key and JOURNAL.keys, and verifies with the first key
	 * too. */
	assert_started();
	assert_int_equal(rig_put(&r, "c"), 0);
	assert_first_key_verifies(7);
}

static void
rotations_may_return_to_an_earlier_key(void **state)
{
	(void)state;
	assert_started();
	for (int i = 0; i < 3; i++) {
		replace_key();
		assert_reloaded();
		assert_signs(&r.pub);
	}
	assert_first_key_verifies(4);
	/* Back to the previous key. */
	rig_sh("cd '%s' && mv key tmp && mv key.old key && mv tmp key.old", r.dir);
	assert_reloaded();
	assert_first_key_verifies(5);
	/* And to the other one again. */
	rig_sh("cd '%s' && mv key tmp && mv key.old key && mv tmp key.old", r.dir);
	assert_reloaded();
	assert_first_key_verifies(6);
	assert_int_equal(rig_put(&r, "a"), 0);
	audit_stop(&r.audit);
	assert_started();
	audit_stop(&r.audit);
	assert_first_key_verifies(10);
}

static void
old_key_signs_nothing_after_its_rotation(void **state)
{
	struct signkey old;

	(void)state;
	assert_started();
	replace_key();
	assert_reloaded();
	audit_stop(&r.audit);
	assert_first_key_verifies(3);
	/* An attacker with the old key continues the chain from where the key was replaced. */
	assert_int_equal(signkey_load(path("key.old"), &old, &r.why), 0);
	struct buf text = rig_text(&r), forged;
	struct chain c = { .node = "gw-1", .boot = 1, .seq = 2 };
	struct span rest = buf_view(&text);
	buf_init(&forged, 0);
	for (int lines = 0; lines < 4; lines++) { /* boot, commit, key, commit */
		struct span line = span_next(&rest, '\n');
		struct chain_line l;
		assert_int_equal(chain_parse(line, &l), 0);
		if (l.commit)
			memcpy(c.head, l.head, sizeof(c.head));
		buf_span(&forged, line);
		buf_putc(&forged, '\n');
	}
	chain_record(&forged, &c, 1800000000000000000, SPAN_LIT("\"type\":\"decision\""));
	chain_commit(&forged, &c, 3, 1800000000000000000, &old);
	rig_spill(rig_segment(&r, -1), buf_view(&forged));
	struct verify_result v = verify_with(NULL);
	assert_false(v.ok);
	assert_int_equal(v.bad_seq, 3);
	if (!strstr(v.why, "wrong key") || !strstr(v.why, "which was replaced by record 2"))
		fail_msg("%s", v.why);
	if (rig_start(&r))
		fail_msg("a start on it");
	buf_free(&text);
	buf_free(&forged);
}

static void
replaced_key_cannot_start_alone(void **state)
{
	(void)state;
	assert_started();
	replace_key();
	assert_reloaded();
	audit_stop(&r.audit);
	rig_sh("cd '%s' && mv key new && mv key.pub new.pub && mv key.old key && mv old.pub "
	       "key.pub",
		r.dir);
	if (rig_start(&r))
		fail_msg("started");
	if (!strstr(buf_view(&r.why).p, "which was replaced by record 2"))
		fail_msg("%s", buf_view(&r.why).p);
	/* With the secret of the other key, it hands over to the old one. */
	char new[256];
	snprintf(new, sizeof(new), "%s/new", r.dir);
	r.cfg.audit_previous_key = new;
	assert_started();
	assert_signs(&first);
	audit_stop(&r.audit);
	assert_first_key_verifies(6); /* boot key close boot key close */
}

static void
key_replaced_while_stopped_is_introduced_by_the_old_one(void **state)
{
	(void)state;
	assert_started();
	audit_stop(&r.audit);
	replace_key(); /* the old key is in key.old */
	assert_started();
	assert_signs(&r.pub);
	assert_int_equal(rig_put(&r, "a"), 0);
	audit_stop(&r.audit);
	assert_first_key_verifies(6);
	assert_started();
}

static void
without_the_old_secret_both_public_keys_are_needed(void **state)
{
	(void)state;
	assert_started();
	audit_stop(&r.audit);
	replace_key();
	rig_sh("rm '%s/key.old'", r.dir);
	assert_started();
	audit_stop(&r.audit);
	struct verify_result v = verify_with(NULL);
	assert_false(v.ok);
	assert_int_equal(v.bad_seq, 3);
	assert_non_null(strstr(v.why, "wrong key"));
	struct keyring ring = { .nkeys = 0 };
	assert_int_equal(keyring_give(&ring, &r.pub, 1), 0);
	v = verify_with(&ring);
	assert_true(v.ok);
	rig_sh("cd '%s' && head -n 3 key.pub > new.pub && mv new.pub key.pub", r.dir);
	rig_sh("cd '%s' && rm journal/*2-*",
		r.dir); /* so that the old key's segment is the last one */
	rig_sh("rm -f '%s.head'", r.journal);
	assert_false(rig_start(&r));
}

/* ---- refusals by a reload ---- */

static void
t_open(void)
{
	rig_sh("chmod 0644 '%s'", r.key);
}
static void
t_gone(void)
{
	rig_sh("rm '%s'", r.key);
}
static void
t_half(void)
{
	rig_sh("cd '%s' && head -c 40 key > k && cat k > key", r.dir);
}
static void
t_empty(void)
{
	rig_sh(": > '%s'", r.key);
}
static void
t_rsa(void)
{
	rig_sh("openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out '%s' "
	       "2>/dev/null",
		r.key);
}
static void
t_x25519(void)
{
	rig_sh("openssl genpkey -algorithm X25519 -out '%s'", r.key);
}
static void
t_public(void)
{
	rig_sh("cat '%s.pub' > '%s'", r.key, r.key);
}
static void
t_locked(void)
{
	rig_sh("openssl genpkey -algorithm ED25519 -aes256 -pass pass:x -out '%s' 2>/dev/null",
		r.key);
}
static void
t_no_hash_key(void)
{
	r.cfg.audit_hash_key = NULL;
}
static void
t_other_hash_key(void)
{
	struct hashkey made;

	assert_int_equal(hashkey_create(path("hash2"), NULL, &made, &r.why), 0);
	rig_sh("cd '%s' && cat hash2 > hash.key", r.dir);
}

static void
refused_key_leaves_the_old_one_signing(void **state)
{
	/* clang-format off */
	static const struct { const char *name; void (*bad)(void); const char *why; } rows[] = {
		{ "open to others",    t_open,   "must be 0600" },
		{ "not there",         t_gone,   "No such file" },
		{ "half written",      t_half,   "private key" },
		{ "empty",             t_empty,  "private key" },
		{ "RSA",               t_rsa,    "not an Ed25519 key" },
		{ "X25519",            t_x25519, "not an Ed25519 key" },
		{ "a public key",      t_public, "private key" },
		{ "encrypted",         t_locked, "no passphrase is given" },
		{ "no hash key",       t_no_hash_key, "tollgate keygen --hash-key" },
		{ "another hash key",  t_other_hash_key, "not the hash key in force" },
	};
	/* clang-format on */
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		teardown(NULL);
		setup(NULL);
		assert_started();
		replace_key();
		rows[i].bad();
		const char *why = reload();
		if (!strstr(why, rows[i].why))
			fail_msg("%s: %s", rows[i].name, *why ? why : "taken");
		assert_signs(&first);
		assert_int_equal(rig_put(&r, "a"), 0);
		audit_stop(&r.audit);
		assert_first_key_verifies(3);
	}
}

static void
rotation_needs_a_hash_key_of_its_own(void **state)
{
	(void)state;
	r.cfg.audit_hash_key = NULL;
	assert_started();
	assert_reloaded();
	/* The derived key, put into a file, equals the one in force, so no restart is
	 * needed. */
	replace_key();
	assert_true(*reload());
	r.cfg.audit_hash_key = hash_file;
	assert_reloaded();
	assert_signs(&r.pub);
	assert_first_key_verifies(2);
}

static atomic_bool full;

static ssize_t
no_room(int fd, const void *p, size_t n, off_t at)
{
	if (full) {
		errno = ENOSPC;
		return -1;
	}
	return pwrite(fd, p, n, at);
}

static void
new_key_waits_while_the_disk_refuses(void **state)
{
	(void)state;
	journal_io.pwrite = no_room;
	full = false;
	assert_started();
	replace_key();
	full = true;
	assert_int_equal(rig_put(&r, "lost"), ERR_IO);
	assert_reloaded();
	struct buf b = status();
	assert_non_null(strstr(buf_view(&b).p, r.pub.id));
	assert_non_null(strstr(buf_view(&b).p, first.id));
	buf_free(&b);
	full = false;
	while (rig_put(&r, "a") != 0)
		usleep(10000);
	assert_reloaded();
	assert_signs(&r.pub);
	audit_stop(&r.audit);
	journal_io.pwrite = pwrite;
	assert_true(verify_with(NULL).ok);
	assert_true(rig_holds(&r, "\"change\":\"rotate\""));
}

static void
rotation_succeeds_if_its_statements_are_written_later(void **state)
{
	struct keyring ring = { .nkeys = 0 };
	char keys[300], why[KEYRING_WHY];

	(void)state;
	snprintf(keys, sizeof(keys), "%s.keys", r.journal);
	rig_sh("mkdir '%s" REPLACE_SUFFIX "'", keys);
	tree_pace = (struct tree_pace){ 10000, 10000, false };
	assert_started();
	replace_key();
	assert_reloaded();
	assert_signs(&r.pub);
	assert_int_equal(rig_put(&r, "a"), 0);
	assert_int_equal(access(keys, F_OK), -1);
	char asked[320];
	snprintf(asked, sizeof(asked), "%s.asked", r.journal);
	replace_rig_begin(asked);
	rig_sh("rmdir '%s" REPLACE_SUFFIX "'", keys);
	/* With the next checkpoint, and without a restart. */
	for (int i = 0; i < 6000 && access(keys, F_OK) < 0; i++) {
		assert_int_equal(rig_put(&r, "b"), 0);
		usleep(10000);
	}
	assert_int_equal(keyring_give(&ring, &first, 1), 0);
	assert_int_equal(keyring_file(&ring, keys, false, &r.why), 0);
	assert_non_null(keyring_signer(&ring, "gw-1", span_str(r.pub.id), 1000, 1000, why));
	audit_stop(&r.audit);
	replace_rig_end();
	assert_int_not_equal(replace_rig_count(".keys"), 0);
	assert_true(verify_with(NULL).ok);
}

/* The journal is cut at every byte of a rotation's record and the next one. Each cut is a kill,
 * and the operator's files are already the new ones. */
static void
daemon_killed_during_a_rotation_starts_and_verifies(void **state)
{
	(void)state;
	assert_started();
	struct buf before = rig_slurp(rig_segment(&r, -1));
	replace_key();
	assert_reloaded();
	assert_int_equal(rig_put(&r, "a"), 0);
	struct buf after = rig_slurp(rig_segment(&r, -1));
	char segment[512];
	snprintf(segment, sizeof(segment), "%s", rig_segment(&r, -1));
	rig_sh("cp '%s.keys' '%s/all.keys'", r.journal, r.dir);
	audit_stop(&r.audit);
	assert_true(after.n > before.n);
	for (int keys = 0; keys < 2; keys++)
		for (size_t n = before.n; n <= after.n; n += n + 40 < after.n ? 13 : 1) {
			rig_spill(segment, span_cut(buf_view(&after), 0, n));
			/* JOURNAL.keys is written after the commit, so it may be missing. */
			if (keys && n == after.n)
				rig_sh("cp '%s/all.keys' '%s.keys'", r.dir, r.journal);
			else
				rig_sh("rm -f '%s.keys'", r.journal);
			rig_sh("rm -f '%s.head'", r.journal);
			if (!rig_start(&r))
				fail_msg("cut at %zu: %s", n, buf_view(&r.why).p);
			assert_signs(&r.pub);
			assert_int_equal(rig_put(&r, "x"), 0);
			audit_stop(&r.audit);
			struct verify_result v = verify_with(NULL);
			if (!v.ok)
				fail_msg("cut at %zu: record %" PRIu64 ": %s", n, v.bad_seq,
					v.why);
			rig_sh("cd '%s' && ls | grep -v -- '%s' | xargs rm -f", r.journal,
				strrchr(segment, '/') + 1);
		}
	buf_free(&before);
	buf_free(&after);
}

/* The rotation's record is the last one, its key has signed nothing yet, and the operator has
 * replaced that key too. */
static void
daemon_killed_after_a_rotation_may_rotate_again_at_start(void **state)
{
	char segment[512];

	(void)state;
	assert_started();
	replace_key();
	assert_reloaded();
	assert_signs(&r.pub);
	snprintf(segment, sizeof(segment), "%s", rig_segment(&r, -1));
	struct buf killed = rig_slurp(segment);
	audit_stop(&r.audit);
	rig_spill(segment, buf_view(&killed));
	for (int restarts = 0; restarts < 2; restarts++) {
		if (!restarts)
			replace_key();
		assert_started();
		assert_signs(&r.pub);
		assert_int_equal(rig_put(&r, "a"), 0);
		audit_stop(&r.audit);
		struct verify_result v = verify_with(NULL);
		if (!v.ok)
			fail_msg("record %" PRIu64 ": %s", v.bad_seq, v.why);
	}
	buf_free(&killed);
}

/* ---- notes ---- */

static void
checkpoints_have_both_signatures_for_thirty_days(void **state)
{
	struct audit_keys *k;
	struct buf note;
	const int64_t day = INT64_C(86400) * 1000000000;

	(void)state;
	assert_started();
	replace_key();
	assert_reloaded();
	for (int restart = 0; restart < 3; restart++) {
		k = audit_keys(r.audit);
		for (int late = 0; late < 2; late++) {
			buf_init(&note, 0);
			audit_keys_note(k, &note, SPAN_LIT("text\n"), SPAN_LIT("gw"),
				clock_wall_ns() + (late ? 31 : 29) * day);
			size_t lines = 0;
			for (size_t i = 0; i < note.n; i++)
				lines += buf_view(&note).p[i] == '\n';
			/* Finally the old secret is missing. */
			assert_int_equal(lines, late || restart == 2 ? 1 : 2);
			buf_free(&note);
		}
		audit_stop(&r.audit);
		if (restart == 1)
			rig_sh("rm '%s/key.old'", r.dir);
		assert_started();
	}
}

/* ---- the root ---- */

static struct signkey root;

static void
state_of_root(enum key_says says, const struct pubkey *key, uint64_t from)
{
	struct key_statement s;
	struct buf b;

	buf_init(&b, 0);
	buf_file(&b, stated_file);
	key_statement_make(&s, says, "gw-1", key, NULL, from, clock_wall_ns());
	key_statement_sign(&s, &root);
	key_statement_write(&b, &s);
	rig_spill(stated_file, buf_view(&b));
	buf_free(&b);
}

static void
with_root(void)
{
	struct pubkey made;

	assert_int_equal(signkey_create(path("root"), &made, &r.why), 0);
	assert_int_equal(signkey_load(path("root"), &root, &r.why), 0);
	static char pub[256];
	snprintf(pub, sizeof(pub), "%s/root.pub", r.dir);
	r.cfg.audit_root = pub;
	r.cfg.audit_statements = stated_file;
	rig_spill(stated_file, SPAN_LIT("# none yet\n"));
}

/* Otherwise a verifier with only the revoked key would continue to trust the log's
 * checkpoints. */
static void
assert_signs_notes_alone(void)
{
	struct buf note;
	size_t lines = 0;

	buf_init(&note, 0);
	audit_keys_note(audit_keys(r.audit), &note, SPAN_LIT("text\n"), SPAN_LIT("gw"),
		clock_wall_ns());
	for (size_t i = 0; i < note.n; i++)
		lines += buf_view(&note).p[i] == '\n';
	assert_int_equal(lines, 1);
	buf_free(&note);
}

static void
revoked_key_does_not_verify_after_its_record(void **state)
{
	(void)state;
	with_root();
	assert_started();
	assert_first_key_verifies(2); /* boot, root */
	replace_key();
	assert_reloaded();
	struct pubkey second = r.pub;
	replace_key();
	state_of_root(KEY_REVOKE, &second, 1);
	/* The signing key cannot be revoked by a commit of its own, so it is replaced first. */
	assert_reloaded();
	assert_signs(&r.pub);
	assert_int_equal(rig_put(&r, "a"), 0);
	assert_true(rig_holds(&r, "\"change\":\"revoke\""));
	assert_int_equal(rig_put(&r, "b"), 0); /* the previous commit is complete */
	assert_signs_notes_alone();
	audit_stop(&r.audit);
	assert_true(verify_with(NULL).ok);
	assert_started();
	assert_signs_notes_alone();
	audit_stop(&r.audit);
	/* A return to it is refused. */
	rig_sh("cd '%s' && mv key tmp && mv key.old key && mv tmp key.old", r.dir);
	if (rig_start(&r))
		fail_msg("started with a revoked key");
	if (!strstr(buf_view(&r.why).p, "revoked"))
		fail_msg("%s", buf_view(&r.why).p);
	rig_sh("cd '%s' && mv key tmp && mv key.old key && mv tmp key.old", r.dir);
	assert_started();
	rig_sh("cd '%s' && mv key tmp && mv key.old key && mv tmp key.old", r.dir);
	assert_non_null(strstr(reload(), "is revoked"));
	assert_signs(&r.pub);
}

static void
forgery_with_a_revoked_key_is_named(void **state)
{
	struct chain c = { .node = "gw-1", .boot = 1 };
	struct signkey old;
	struct chain_line l;

	(void)state;
	with_root();
	assert_int_equal(signkey_load(r.key, &old, &r.why), 0);
	assert_started();
	replace_key();
	state_of_root(KEY_REVOKE, &first, 1);
	assert_reloaded();
	audit_stop(&r.audit);
	assert_true(verify_with(NULL).ok);
	struct buf text = rig_text(&r), forged;
	struct span rest = buf_view(&text), line;
	buf_init(&forged, 0);
	while (span_chr(rest, '\n') < rest.n) {
		line = span_next(&rest, '\n');
		assert_int_equal(chain_parse(line, &l), 0);
		if (l.commit)
			memcpy(c.head, l.head, sizeof(c.head)), c.seq = l.seq;
		buf_span(&forged, line);
		buf_putc(&forged, '\n');
	}
	uint64_t next = c.seq + 1;
	chain_record(&forged, &c, 1800000000000000000, SPAN_LIT("\"type\":\"decision\""));
	chain_commit(&forged, &c, next, 1800000000000000000, &old);
	rig_spill(rig_segment(&r, -1), buf_view(&forged));
	struct verify_result v = verify_with(NULL);
	assert_false(v.ok);
	assert_int_equal(v.bad_seq, next);
	if (!strstr(v.why, "revoked from record"))
		fail_msg("%s", v.why);
	buf_free(&text);
	buf_free(&forged);
}

static void
key_certified_by_the_root_is_accepted_alone(void **state)
{
	struct keyring ring = { .nkeys = 0 };
	struct pubkey second;

	(void)state;
	with_root();
	state_of_root(KEY_CERTIFY, &first, 1);
	assert_started();
	audit_stop(&r.audit);
	/* The old secret is lost. */
	replace_key();
	second = r.pub;
	rig_sh("rm '%s/key.old'", r.dir);
	state_of_root(KEY_CERTIFY, &second, 1);
	assert_started();
	audit_stop(&r.audit);
	/* A verifier with only the root, and one with only the first key. */
	assert_int_equal(keyring_give_root(&ring, &root.pub), 0);
	ring.given_root = true;
	struct verify_options o = { .node = "gw-1", .ring = &ring, .live = true };
	struct verifier *v = verifier_new(&o);
	const struct query q = rig_verified_by(&r, v);
	struct verify_result result;
	assert_int_equal(query_read(&q, &r.why), 0);
	verifier_end(v, &result);
	verifier_free(&v);
	if (!result.ok)
		fail_msg("record %" PRIu64 ": %s", result.bad_seq, result.why);
	assert_true(verify_with(NULL).ok);
}

static void
unsigned_root_statements_are_refused(void **state)
{
	struct signkey other;
	struct pubkey made;

	(void)state;
	with_root();
	other = root;
	assert_int_equal(signkey_create(path("other"), &made, &r.why), 0);
	assert_int_equal(signkey_load(path("other"), &root, &r.why), 0);
	state_of_root(KEY_REVOKE, &first, 1);
	root = other;
	if (rig_start(&r))
		fail_msg("started");
	assert_non_null(strstr(buf_view(&r.why).p, "statement 1 is not signed by"));
	rig_spill(stated_file, SPAN_LIT("# none\n"));
	assert_started();
	rig_spill(stated_file, SPAN_LIT("tollgate-key-v1 revoke node=gw-1\n"));
	assert_non_null(strstr(reload(), "statement 1 is malformed"));
	r.cfg.audit_root = NULL;
	assert_non_null(strstr(reload(), "set audit.root too"));
	assert_signs(&first);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(reload_hands_over_to_another_key),
		T(rotations_may_return_to_an_earlier_key),
		T(old_key_signs_nothing_after_its_rotation),
		T(replaced_key_cannot_start_alone),
		T(key_replaced_while_stopped_is_introduced_by_the_old_one),
		T(without_the_old_secret_both_public_keys_are_needed),
		T(refused_key_leaves_the_old_one_signing),
		T(rotation_needs_a_hash_key_of_its_own),
		T(new_key_waits_while_the_disk_refuses),
		T(rotation_succeeds_if_its_statements_are_written_later),
		T(daemon_killed_during_a_rotation_starts_and_verifies),
		T(daemon_killed_after_a_rotation_may_rotate_again_at_start),
		T(checkpoints_have_both_signatures_for_thirty_days),
		T(revoked_key_does_not_verify_after_its_record),
		T(forgery_with_a_revoked_key_is_named),
		T(key_certified_by_the_root_is_accepted_alone),
		T(unsigned_root_statements_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
