/* Rotation of the signing key: see keys.h. Commits (audit.c) only know that some records come
 * last and which key signs. */
#include "record/audit/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/json_put.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/replace.h"
#include "base/scoped.h"
#include "base/stops.h"
#include "base/why.h"
#include "record/journal/journal.h"
#include "record/proof/export.h"
#include "record/proof/note.h"

/* bytes of the root's statements and of JOURNAL.keys */
#define STATED_MAX (4u << 20)

/* ---- files ---- */

int
audit_keys_stated(const struct config *cfg, const char *node, const struct pubkey *root,
	struct key_statement **out, size_t *n, struct buf *why)
{
	struct key_statement s;
	size_t room = 0, at = 0;
	int got = 0;

	*out = NULL;
	*n = 0;
	if (!cfg->audit_statements)
		return 0;
	SCOPED_BUF(text, STATED_MAX);
	int err = keyfile_text(cfg->audit_statements, NULL, &text, why);
	struct span rest = buf_view(&text);
	while (!err && (got = key_statement_next(&rest, &s)) > 0) {
		at++;
		if (s.says == KEY_ROTATE || s.says == KEY_ROOT ||
			!key_statement_signed(&s, root)) {
			err = why_err(why, ERR_AUTH,
				"%s: statement %zu is not signed by the key in audit.root",
				cfg->audit_statements, at);
		} else if (strcmp(s.node, node) != 0) {
			continue;
		} else if (!mem_room(out, &room, *n + 1, sizeof(s))) {
			err = ERR_NOMEM;
		} else {
			s.record = 0;
			(*out)[(*n)++] = s;
		}
	}
	if (!err && got < 0) {
		buf_printf(
			why, "%s: statement %zu is malformed", cfg->audit_statements, at + 1);
		err = got;
	}
	return err;
}

/* Loads audit.root. It must not be the signing key. */
static int
read_root(const struct config *cfg, const struct pubkey *signs, struct pubkey *root, bool *has,
	struct buf *why)
{
	*has = cfg->audit_root != NULL;
	if (cfg->audit_statements && !cfg->audit_root)
		return why_err(why, ERR_NOTFOUND,
			"audit.key_statements: set audit.root too, the public key that signed "
			"the statements");
	if (!*has)
		return 0;
	int n = pubkeys_load(cfg->audit_root, root, 1, why);
	if (n > 0 && !strcmp(root->id, signs->id)) {
		buf_printf(why,
			"%s: audit.root is the signing key itself: make another key for the "
			"root and keep it offline",
			cfg->audit_root);
		n = ERR_DUPLICATE;
	}
	return n < 0 ? n : 0;
}

/* Loads the secret that audit.key replaced. Returns false if it is missing, without a
 * message: callers that need it report this. */
static bool
read_previous(const struct config *cfg, struct signkey *out)
{
	char file[1088];

	snprintf(file, sizeof(file), "%s.old", cfg->audit_key);
	const char *named = cfg->audit_previous_key ? cfg->audit_previous_key : file;
	if (!cfg->audit_previous_key && access(file, F_OK) < 0)
		return false;
	SCOPED_BUF(why, 4096);
	int err = signkey_open(named, cfg->audit_passphrase_file, false, out, &why);
	if (err)
		log_event(LOG_WARN, "audit.previous_key", LSP("why", buf_view(&why)));
	return err == 0;
}

size_t
audit_hash_keys(const struct config *cfg, struct hashkey *out)
{
	char old[1088] = "";
	const char *from[] = { cfg->audit_key, cfg->audit_previous_key };
	int n = 0;

	SCOPED_BUF(why, 4096);
	if (cfg->audit_hash_key)
		n = hashkeys_load(cfg->audit_hash_key, out, &why);
	n = n < 0 ? 0 : n;
	if (cfg->audit_key && !cfg->audit_previous_key) {
		snprintf(old, sizeof(old), "%s.old", cfg->audit_key);
		from[1] = old;
	}
	for (size_t i = 0; i < COUNT_OF(from); i++) {
		int same = 0;
		if (!from[i] || hashkey_derive(from[i], &out[n], &why))
			continue;
		while (strcmp(out[same].id, out[n].id) != 0)
			same++;
		n += same == n;
	}
	return (size_t)n;
}

/* Returns true if JOURNAL.keys has the statement. */
static bool
logged(const struct audit_keys *k, const struct key_statement *s)
{
	struct span log = buf_view(&k->log);

	return log.n && memmem(log.p, log.n, s->text, strlen(s->text)) != NULL;
}

static void
write_log(struct audit_keys *k)
{
	stop_at("keys-written");
	bool good = !buf_failed(&k->log) &&
		    replace_file(AT_FDCWD, k->file, 0600, buf_view(&k->log), NULL) == 0;
	if (!good && !k->log_dirty)
		log_event(LOG_WARN, "audit.keys_unwritten", LS("file", k->file),
			LS("system", strerror(errno)));
	k->log_dirty = !good;
}

/* ---- start and stop ---- */

int
audit_keys_load(struct audit_keys *k, const struct config *cfg, const struct hashkey *hash,
	struct buf *why)
{
	struct pubkey keys[SIGNKEYS_MAX];
	char pub[1088];
	int n = 0;

	pthread_mutex_init(&k->lock, NULL);
	buf_init(&k->log, STATED_MAX);
	memcpy(k->hash.id, hash->id, sizeof(k->hash.id));
	k->hash.derived = hash->derived;
	snprintf(k->node, sizeof(k->node), "%s", cfg->node);
	snprintf(k->file, sizeof(k->file), "%.*s.keys", SPAN_ARG(journal_folder(cfg->journal)));
	int err = signkey_open(cfg->audit_key, cfg->audit_passphrase_file, true, &k->now, why);
	if (err)
		return err;
	/* A replaced key still verifies what it signed. */
	snprintf(pub, sizeof(pub), "%s.pub", cfg->audit_key);
	if (access(pub, F_OK) == 0)
		n = pubkeys_load(pub, keys, SIGNKEYS_MAX, why);
	if (n < 0)
		return n;
	err = keyring_give(&k->ring, &k->now.pub, 1);
	err = err ? err : keyring_give(&k->ring, keys, (size_t)n);
	err = err ? err : read_root(cfg, &k->now.pub, &k->root, &k->has_root, why);
	if (!err && k->has_root) {
		k->ring.given_root = true;
		err = keyring_give_root(&k->ring, &k->root);
	}
	err = err ? err : keyring_file(&k->ring, k->file, true, why);
	if (!err && access(k->file, F_OK) == 0)
		err = keyfile_text(k->file, NULL, &k->log, why);
	err = err ? err
		  : audit_keys_stated(cfg, k->node, &k->root, &k->stated, &k->nstated, why);
	k->has_previous = !err && read_previous(cfg, &k->previous);
	return err;
}

void
audit_keys_free(struct audit_keys *k)
{
	signkey_wipe(&k->now);
	signkey_wipe(&k->next);
	signkey_wipe(&k->previous);
	free(k->stated);
	k->stated = NULL;
	buf_free(&k->log);
}

/* Stops signing checkpoints with the previous key. Verifiers who have only that key cannot
 * verify checkpoints from now on. */
static void
drop_previous(struct audit_keys *k)
{
	signkey_wipe(&k->previous);
	k->has_previous = false;
}

/* Determines until when the previous key signs checkpoints: 30 days after the last rotation. */
static void
keep_previous(struct audit_keys *k)
{
	struct span rest = buf_view(&k->log);
	struct key_statement s, last = { .from = 0 };

	while (key_statement_next(&rest, &s) > 0)
		if (s.says == KEY_ROTATE && !strcmp(s.key.id, k->now.pub.id) &&
			s.from >= last.from)
			last = s;
	bool wanted = last.from && clock_wall_ns() < last.time_ns + AUDIT_KEYS_NOTES_NS;
	bool revoked = wanted && keyring_revoked(&k->ring, last.was.id, k->node);
	if (k->has_previous &&
		(!wanted || revoked || strcmp(k->previous.pub.id, last.was.id) != 0))
		drop_previous(k);
	k->previous_until_ns = last.time_ns + AUDIT_KEYS_NOTES_NS;
	if (wanted && !revoked && !k->has_previous)
		log_event(LOG_WARN, "audit.previous_key", LS("key", last.was.id),
			LS("why", "the secret of the previous key is not available: "
				  "checkpoints have only the new key's signature"));
}

/* Returns the next statement of the root, from index *at on, that can be recorded; NULL:
 * none. */
static struct key_statement *
next_stated(const struct audit_keys *k, size_t *at)
{
	for (; *at < k->nstated; ++*at) {
		struct key_statement *s = &k->stated[*at];
		/* The commit with such a record would not verify, because the revoked key
		 * would sign it. */
		if (s->says == KEY_REVOKE && !strcmp(s->key.id, k->now.pub.id))
			continue;
		if (!logged(k, s))
			return s;
	}
	return NULL;
}

/* Returns true if no record names the configured root yet. */
static bool
root_due(const struct audit_keys *k)
{
	struct key_statement s;
	struct span rest = buf_view(&k->log);

	if (!k->has_root)
		return false;
	while (key_statement_next(&rest, &s) > 0)
		if (s.says == KEY_ROOT && !strcmp(s.key.id, k->root.id))
			return false;
	return true;
}

/* Sets k->due, and logs if the root revokes the signing key itself. */
static void
note_due(struct audit_keys *k)
{
	size_t at = 0;

	k->due = k->rotates || (k->nstated && next_stated(k, &at)) || root_due(k);
	for (at = 0; at < k->nstated; at++)
		if (k->stated[at].says == KEY_REVOKE &&
			!strcmp(k->stated[at].key.id, k->now.pub.id) && !k->rotates)
			log_event(LOG_ERROR, "audit.key_revoked", LS("key", k->now.pub.id),
				LS("why", "the root revokes the signing key: rotate the key; "
					  "the daemon records the revocation after another key "
					  "signs"));
}

/* Finds the key that is in force after the last record; "" in a new chain. */
static void
find_in_force(const struct recovery *found, char in_force[SIGNKEY_ID_LEN + 1])
{
	struct span rest = buf_view(&found->learned);
	struct key_statement s;

	memcpy(in_force, found->key, SIGNKEY_ID_LEN + 1);
	while (key_statement_next(&rest, &s) > 0)
		/* A rotation in the last record: the commit with it was the last of the old
		 * key. */
		if (s.says == KEY_ROTATE && s.record == found->at.seq)
			memcpy(in_force, s.key.id, SIGNKEY_ID_LEN + 1);
}

/* Returns true if audit.key was replaced while the daemon was down and the previous key can
 * hand over to it. */
static bool
can_hand_over(const struct audit_keys *k, const char *in_force, uint64_t seq)
{
	char whose[KEYRING_WHY];

	return in_force[0] && strcmp(in_force, k->now.pub.id) != 0 && k->has_previous &&
	       !strcmp(in_force, k->previous.pub.id) &&
	       !keyring_revoked(&k->ring, k->now.pub.id, k->node) &&
	       keyring_signer(&k->ring, k->node, span_str(in_force), seq, seq, whose);
}

int
audit_keys_fit(const struct audit_keys *k, const struct recovery *found, struct buf *why)
{
	char whose[KEYRING_WHY], in_force[SIGNKEY_ID_LEN + 1];
	uint64_t seq = found->at.seq + 1;

	find_in_force(found, in_force);
	if (can_hand_over(k, in_force, seq) ||
		keyring_signer(&k->ring, k->node, span_str(k->now.pub.id), seq, seq, whose))
		return 0;
	return why_err(why, ERR_AUTH,
		"audit.key is %s, but the last record is signed by %s: set audit.previous_key "
		"to the file of that key, so that it can hand over, or set audit.key to that "
		"file",
		whose, in_force);
}

int
audit_keys_begin(struct audit_keys *k, const struct recovery *found, struct buf *why)
{
	struct span rest = buf_view(&found->learned);
	struct key_statement s;
	char in_force[SIGNKEY_ID_LEN + 1];
	uint64_t seq = found->at.seq + 1;

	find_in_force(found, in_force);
	while (key_statement_next(&rest, &s) > 0)
		if (!logged(k, &s)) {
			key_statement_write(&k->log, &s);
			k->log_dirty = true;
		}
	if (k->log_dirty)
		write_log(k);
	int err = audit_keys_fit(k, found, why);
	if (err)
		return err;
	if (can_hand_over(k, in_force, seq)) {
		/* audit.key was replaced while the daemon was down. The boot commit is signed
		 * by the old key, and a record of it introduces the new key. */
		k->next = k->now;
		k->now = k->previous;
		k->rotates = true;
		k->has_previous = false;
		note_due(k);
		return 0;
	}
	k->unannounced = in_force[0] && strcmp(in_force, k->now.pub.id) != 0;
	if (k->unannounced)
		log_event(LOG_WARN, "audit.key_unannounced", LS("key", k->now.pub.id),
			LS("was", in_force),
			LS("why", "no record of the old key introduces the new key: give "
				  "verifiers both public keys"));
	keep_previous(k);
	note_due(k);
	return 0;
}

/* ---- records ---- */

/* Adds the record of a statement to the commit and notes it in k->made. */
static void
make_record(struct audit_keys *k, const struct key_statement *s, struct chain *c,
	int64_t now_ns, audit_keys_put *put, void *arg)
{
	SCOPED_BUF(fields, 4096);
	key_statement_fields(&fields, s);
	put(arg, c, now_ns, buf_view(&fields));
	INVARIANT(k->nmade < AUDIT_KEYS_RECORDS);
	k->made[k->nmade] = *s;
	k->made[k->nmade++].record = c->seq;
}

void
audit_keys_records(
	struct audit_keys *k, struct chain *c, int64_t now_ns, audit_keys_put *put, void *arg)
{
	struct key_statement s;
	const struct key_statement *next;

	k->nmade = 0;
	if (root_due(k)) {
		key_statement_make(&s, KEY_ROOT, k->node, &k->root, NULL, c->seq + 1, now_ns);
		key_statement_sign(&s, &k->now);
		make_record(k, &s, c, now_ns, put, arg);
	}
	for (size_t at = 0; k->nmade < AUDIT_KEYS_RECORDS - 1 && (next = next_stated(k, &at));
		at++)
		make_record(k, next, c, now_ns, put, arg);
	if (!k->rotates)
		return;
	key_statement_make(
		&s, KEY_ROTATE, k->node, &k->next.pub, &k->now.pub, c->seq + 1, now_ns);
	key_statement_sign(&s, &k->now);
	key_statement_sign(&s, &k->next);
	make_record(k, &s, c, now_ns, put, arg);
}

void
audit_keys_done(struct audit_keys *k, int err)
{
	if (err || !k->nmade) {
		k->nmade = 0;
		return;
	}
	pthread_mutex_lock(&k->lock);
	for (size_t i = 0; i < k->nmade; i++) {
		const struct key_statement *s = &k->made[i];
		key_statement_write(&k->log, s);
		keyring_take(&k->ring, s);
		if (s->says != KEY_ROTATE)
			log_event(LOG_INFO, "audit.key_statement",
				LS("says", key_says_name(s->says)), LS("key", s->key.id),
				LI("seq", s->record));
	}
	if (k->rotates) {
		const struct key_statement *s = &k->made[k->nmade - 1];
		/* The key that signs next must be the one that the old key's record names. */
		INVARIANT(s->says == KEY_ROTATE && !strcmp(s->key.id, k->next.pub.id) &&
			  !strcmp(s->was.id, k->now.pub.id));
		log_event(LOG_INFO, "audit.key_rotated", LS("from", s->was.id),
			LS("to", s->key.id), LI("seq", s->record));
		signkey_wipe(&k->previous);
		k->previous = k->now;
		k->now = k->next;
		signkey_wipe(&k->next);
		k->has_previous = true;
		k->previous_until_ns = s->time_ns + AUDIT_KEYS_NOTES_NS;
		k->rotates = k->unannounced = false;
	}
	if (k->has_previous && keyring_revoked(&k->ring, k->previous.pub.id, k->node))
		drop_previous(k);
	k->nmade = 0;
	note_due(k);
	pthread_mutex_unlock(&k->lock);
	write_log(k);
}

void
audit_keys_again(struct audit_keys *k)
{
	if (k->log_dirty)
		write_log(k);
}

void
audit_keys_note(struct audit_keys *k, struct buf *note, struct span text, struct span name,
	int64_t now_ns)
{
	note_sign(note, text, name, &k->now);
	if (k->has_previous && now_ns < k->previous_until_ns)
		note_sign(note, text, name, &k->previous);
}

/* ---- a reload ---- */

/* Takes the order of a reload, on the audit thread. */
static void
take_order(struct mail *m, void *consumer UNUSED)
{
	struct audit_keys_order *o = CONTAINER_OF(m, struct audit_keys_order, mail);
	struct audit_keys *k = o->keys;

	pthread_mutex_lock(&k->lock);
	k->taken++;
	signkey_wipe(&k->next);
	k->rotates = strcmp(o->next.pub.id, k->now.pub.id) != 0;
	if (k->rotates)
		k->next = o->next;
	k->has_root = o->has_root;
	k->root = o->root;
	if (o->has_root) {
		k->ring.given_root = true;
		keyring_give_root(&k->ring, &o->root);
	}
	free(k->stated);
	k->stated = o->stated;
	k->nstated = o->nstated;
	o->stated = NULL;
	note_due(k);
	pthread_mutex_unlock(&k->lock);
	audit_keys_order_free(&o);
}

void
audit_keys_order_free(struct audit_keys_order **op)
{
	struct audit_keys_order *o = *op;

	if (!o)
		return;
	signkey_wipe(&o->next);
	free(o->stated);
	free(o);
	*op = NULL;
}

/* Checks that the hash key stays the same. Otherwise the keyed hashes of texts would change
 * with the next start. */
static int
keeps_hashes(const struct audit_keys *k, const struct config *cfg, struct buf *why)
{
	struct hashkey hash;

	if (!cfg->audit_hash_key)
		return why_err(why, ERR_NOTFOUND,
			"audit.key: the key is another one, but audit.hash_key is not set: the "
			"keyed hashes of texts are derived from the file of the current "
			"signing key and would all change. First run tollgate keygen "
			"--hash-key hash.key --from OLDKEY, where OLDKEY is the file of the "
			"current key, such as %s.old, then set audit.hash_key: hash.key and "
			"reload. Key %s continues to sign",
			cfg->audit_key, k->now.pub.id);
	if (hashkey_load(cfg->audit_hash_key, &hash, why))
		return ERR_IO;
	explicit_bzero(hash.key, sizeof(hash.key));
	if (!strcmp(hash.id, k->hash.id))
		return 0;
	return why_err(why, ERR_DUPLICATE,
		"audit.key: the key is another one, but audit.hash_key is not the hash key in "
		"force (%s, not %s): keep the one in force with tollgate keygen --hash-key "
		"FILE --from OLDKEY, or restart to use the other. Key %s continues to sign",
		hash.id, k->hash.id, k->now.pub.id);
}

struct audit_keys_order *
audit_keys_prepare(struct audit_keys *k, const struct config *cfg, struct buf *why)
{
	struct audit_keys_order *o = calloc(1, sizeof(*o));
	int err = ERR_NOMEM;

	if (!o) {
		buf_str(why, err_str(err));
		return NULL;
	}
	o->keys = k;
	o->mail.run = take_order;
	buf_str(why, "audit.key: ");
	err = signkey_open(cfg->audit_key, cfg->audit_passphrase_file, true, &o->next, why);
	if (!err)
		buf_clear(why);
	err = err ? err : read_root(cfg, &o->next.pub, &o->root, &o->has_root, why);
	err = err ? err
		  : audit_keys_stated(cfg, k->node, &o->root, &o->stated, &o->nstated, why);
	pthread_mutex_lock(&k->lock);
	if (err && why->n)
		buf_printf(why,
			"; no change of this reload takes effect, key %s continues to sign",
			k->now.pub.id);
	if (!err && strcmp(o->next.pub.id, k->now.pub.id) != 0) {
		err = keeps_hashes(k, cfg, why);
		/* Revoked already, or by a statement of this reload. */
		if (!err && keyring_revoked(&k->ring, o->next.pub.id, k->node))
			err = ERR_AUTH;
		for (size_t i = 0; i < o->nstated && !err; i++)
			if (o->stated[i].says == KEY_REVOKE &&
				!strcmp(o->stated[i].key.id, o->next.pub.id))
				err = ERR_AUTH;
		if (err == ERR_AUTH)
			buf_printf(why,
				"audit.key: key %s is revoked: name another key; key %s "
				"continues to sign",
				o->next.pub.id, k->now.pub.id);
		if (!err && (k->ring.nkeys + 1 > CAP_KEYRING ||
				    k->ring.nevents + 2 > COUNT_OF(k->ring.event)))
			err = why_err(why, ERR_LIMIT,
				"audit.key: a journal can have at most %d signing keys: begin "
				"a new journal",
				CAP_KEYRING);
	}
	pthread_mutex_unlock(&k->lock);
	if (err && !why->n)
		buf_str(why, err_str(err));
	if (err)
		audit_keys_order_free(&o);
	return o;
}

void
audit_keys_status(struct audit_keys *k, struct buf *out)
{
	SCOPED_LOCK(&k->lock);
	bool revoked = false;
	for (size_t i = 0; i < k->nstated; i++)
		revoked |= k->stated[i].says == KEY_REVOKE &&
			   !strcmp(k->stated[i].key.id, k->now.pub.id);
	json_put_form(out, "{'signs':%s", k->now.pub.id);
	json_put_opt(out, "next", k->rotates ? k->next.pub.id : NULL);
	json_put_bool(out, "revoked", revoked);
	json_put_form(out, "'hash_key':{'id':%s,'from':%s}}", k->hash.id,
		k->hash.derived ? "derived" : "file");
}

void
audit_keys_export(struct audit_keys *k, struct buf *out, struct span object)
{
	pthread_mutex_lock(&k->lock);
	export_sign(out, object, &k->now);
	pthread_mutex_unlock(&k->lock);
}

void
audit_keys_sign(struct audit_keys *k, struct span text, char id[SIGNKEY_ID_LEN + 1],
	unsigned char sig[SIGNKEY_SIG_BYTES])
{
	SCOPED_LOCK(&k->lock);
	memcpy(id, k->now.pub.id, SIGNKEY_ID_LEN + 1);
	signkey_sign(&k->now, text, sig);
}

void
audit_keys_ring(struct audit_keys *k, struct keyring *out)
{
	SCOPED_LOCK(&k->lock);
	*out = k->ring;
}
