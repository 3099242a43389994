/* Verifies a proof without its journal, and a journal against a checkpoint that someone kept. A
 * journal that was cut, rewritten or replaced by an older copy does not continue the
 * checkpoint.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/scoped.h"
#include "base/why.h"
#include "cmd/records/audit.h"
#include "cmd/records/audit_note.h"
#include "record/journal/chain.h"
#include "record/journal/verify.h"
#include "record/proof/bundle.h"
#include "record/proof/tiles.h"
#include "record/proof/tree_check.h"

/* Finds the key whose signature under a checkpoint counts: one that may sign the record
 * that follows the checkpoint and contains it. Returns NULL with *why if there is no such
 * key, or if the key had been replaced or revoked. */
static const struct pubkey *
signer_of(const struct keyring *ring, const struct checkpoint *c, const char *node,
	char why[VERIFY_WHY_MAX])
{
	static const char none[] = "signed by none of the keys";
	struct pubkey *keys = calloc(CAP_KEYRING, sizeof(*keys));
	const struct pubkey *signer = NULL, *found = NULL;
	char said[KEYRING_WHY] = "";

	snprintf(why, VERIFY_WHY_MAX, "wrong key: the checkpoint is %s", none);
	size_t n = keys ? keyring_signers(ring, node, c->size + 1, keys, CAP_KEYRING) : 0;
	signer = checkpoint_signer(c, c->origin, keys, n);
	for (size_t i = 0; i < ring->nkeys && signer && !found; i++)
		if (!memcmp(ring->key[i].raw, signer->raw, sizeof(signer->raw)))
			found = &ring->key[i];
	if (!found && (signer = checkpoint_signer(c, c->origin, ring->key, ring->nkeys))) {
		keyring_signer(
			ring, node, span_str(signer->id), c->size + 1, c->size + 1, said);
		snprintf(
			why, VERIFY_WHY_MAX, "wrong key: the checkpoint is signed by %s", said);
	}
	free(keys);
	return found;
}

/* ---- one record with its proof ---- */

const char *
audit_note_plain(struct span s, char *out, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n && n + 1 < size; i++)
		out[n++] = s.p[i] > ' ' && s.p[i] < 127 && s.p[i] != '"' ? s.p[i] : '?';
	out[n] = '\0';
	return out;
}

/* Returns why the proof is not valid, or NULL if it is; *signer is then the key that signed
 * it. */
static const char *
bundle_fault(const struct audit_args *a, const struct bundle *b, struct chain_line *l,
	const struct pubkey **signer, char why[VERIFY_WHY_MAX])
{
	char node[CHAIN_NODE_MAX + 1];
	unsigned char hash[CHAIN_HASH_BYTES];
	struct merkle_hash leaf;
	const struct checkpoint *c = &b->checkpoint;

	if (chain_parse(buf_view(&b->record), l) || l->commit)
		return "junk: the file does not contain a record";
	snprintf(node, sizeof(node), "%.*s", SPAN_ARG(l->node));
	*signer = signer_of(a->ring, c, node, why);
	/* Only the record names its node. A key that was revoked for one node does not
	 * prove a record of another. */
	if (*signer && keyring_revoked_elsewhere(a->ring, (*signer)->id, node)) {
		snprintf(why, VERIFY_WHY_MAX,
			"wrong key: the checkpoint is signed by %s, which is revoked for "
			"another node",
			(*signer)->id);
		*signer = NULL;
	}
	if (!*signer)
		return why;
	if (l->seq != b->index + 1)
		return "changed: its index differs from the record's index";
	sha256(buf_view(&b->record), hash);
	merkle_leaf(hash, &leaf);
	return merkle_included(&leaf, b->index, c->size, b->proof, b->nproof, &c->root)
		       ? NULL
		       : "changed: record and hashes do not match the signed root";
}

bool
audit_bundle_holds(const struct audit_args *a, const struct buf *file, struct buf *why)
{
	struct bundle *b = calloc(1, sizeof(*b));
	const struct pubkey *signer = NULL;
	struct chain_line l;
	char says[VERIFY_WHY_MAX];
	int err = ERR_NOMEM;

	if (b) {
		buf_init(&b->record, 0);
		err = bundle_read(buf_view(file), b, why);
	}
	const char *fault = err ? NULL : bundle_fault(a, b, &l, &signer, says);
	if (fault)
		buf_str(why, fault);
	else if (err && !why->n)
		buf_str(why, err_str(err));
	if (b)
		buf_free(&b->record);
	free(b);
	return !err && !fault;
}

bool
audit_verify_bundle(const struct audit_args *a, const struct buf *file, bool cut)
{
	struct bundle *b = calloc(1, sizeof(*b));
	const struct pubkey *signer = NULL;
	struct chain_line l = { .seq = 0 };
	const char *fault = "out of memory";
	char says[VERIFY_WHY_MAX];
	char origin[NOTE_NAME_MAX + 1] = "";

	SCOPED_BUF(why, 4096);
	if (b) {
		buf_init(&b->record, 0);
		if (buf_failed(file))
			fault = "junk: larger than a record with its proof";
		else if (cut)
			fault = "junk: its last line does not end with a newline";
		else if (bundle_read(buf_view(file), b, &why)) {
			buf_putc(&why, '\0');
			fault = buf_view(&why).p;
		} else {
			fault = bundle_fault(a, b, &l, &signer, says);
			audit_note_plain(b->checkpoint.origin, origin, sizeof(origin));
		}
	}
	if (fault)
		printf("bad node=%.*s source=proof seq=%" PRIu64 " why=\"%s\" verified=0\n",
			SPAN_ARG(l.node), l.seq, fault);
	else
		printf("ok node=%.*s source=proof seq=%" PRIu64
		       " time=%.*s type=%.*s origin=%s "
		       "size=%" PRIu64 " key=%s\n",
			SPAN_ARG(l.node), l.seq, SPAN_ARG(l.time), SPAN_ARG(l.type), origin,
			b->checkpoint.size, signer->id);
	if (b)
		buf_free(&b->record);
	free(b);
	return !fault;
}

/* ---- an old checkpoint ---- */

int
audit_note_read(const struct audit_args *a, struct audit_note *n, struct buf *why)
{
	struct bundle *b = calloc(1, sizeof(*b));
	const char *said = "";
	int err = b ? 0 : ERR_NOMEM;

	buf_init(&n->file, BUNDLE_MAX);
	if (!err && !buf_file(&n->file, a->note))
		err = why_err(why, ERR_IO, "%s: %s", a->note, strerror(errno));
	if (!err && span_starts(buf_view(&n->file), SPAN_LIT(BUNDLE_BEGIN))) {
		buf_printf(why, "%s: ", a->note);
		buf_init(&b->record, 0);
		err = bundle_read(buf_view(&n->file), b, why);
		n->checkpoint = b->checkpoint;
		buf_free(&b->record);
	} else if (!err) {
		err = checkpoint_parse(buf_view(&n->file), &n->checkpoint, &said);
		if (err)
			buf_printf(why, "%s: %s", a->note, said);
	}
	if (!err)
		buf_clear(why);
	free(b);
	return err;
}

void
audit_note_free(struct audit_note *n)
{
	buf_free(&n->file);
}

/* Returns true if the files of the tree have the tree that the note signed. */
static bool
tiles_of_note(const struct audit_args *a, const struct checkpoint *c, const char *node,
	struct tiles *tiles)
{
	struct merkle_range *range = calloc(1, sizeof(*range));
	struct merkle_hash root;
	bool found = false;

	SCOPED_BUF(none, 4096);
	if (range && a->q.journal && !a->q.file &&
		tiles_open(tiles, a->q.journal, node, false, &none) == 0) {
		struct merkle_source s = tiles_source(tiles);
		if (tiles->n >= c->size && merkle_range_at(&s, c->size, range) == 0) {
			merkle_root(range, &root);
			found = memcmp(root.b, c->root.b, sizeof(root.b)) == 0;
		}
		if (!found)
			tiles_close(tiles);
	}
	free(range);
	return found;
}

/* Finds the first record of the log whose leaf differs from the one in the files. */
struct compare {
	const char *node;
	struct merkle_source s;
	uint64_t to, first; /* compare up to this record; first 0: no difference yet */
	bool boot, done;
};

static void
compare_line(void *arg, struct span line)
{
	struct compare *c = arg;
	unsigned char hash[CHAIN_HASH_BYTES];
	struct merkle_hash leaf, had;
	struct chain_line l;

	if (c->done || chain_parse(line, &l) || l.commit || !span_is(l.node, c->node))
		return;
	sha256(line, hash);
	merkle_leaf(hash, &leaf);
	c->done = l.seq > c->to || c->s.hash(c->s.arg, 0, l.seq - 1, &had);
	if (c->done || memcmp(leaf.b, had.b, sizeof(leaf.b)) == 0)
		return;
	c->done = true;
	c->first = l.seq;
	c->boot = span_is(l.type, "boot");
}

static uint64_t
first_other(
	const struct audit_args *a, const struct checkpoint *c, const char *node, bool *boot)
{
	struct compare cmp = { .node = node, .to = c->size };
	struct tiles tiles;

	*boot = false;
	if (!tiles_of_note(a, c, node, &tiles))
		return 0;
	SCOPED_BUF(none, 4096);
	cmp.s = tiles_source(&tiles);
	const struct query q = { .journal = a->q.journal,
		.node = node,
		.enough = &cmp.done,
		.arg = &cmp,
		.line = compare_line };
	query_read(&q, &none);
	tiles_close(&tiles);
	*boot = cmp.boot;
	return cmp.first;
}

int
audit_note_stored(void *arg, const struct checkpoint *note, uint64_t n,
	struct merkle_range *out, bool *led)
{
	const struct stored_tree *of = arg;
	struct merkle_hash proof[MERKLE_PROOF_MAX], root;
	struct tiles tiles;
	size_t nproof = 0;

	*led = false;
	SCOPED_BUF(none, 4096);
	int err = tiles_open(&tiles, of->journal, of->node, false, &none);
	if (err)
		return err;
	struct merkle_source s = tiles_source(&tiles);
	err = tiles.n < n ? ERR_NOTFOUND : merkle_range_at(&s, n, out);
	if (!err && note->size < n &&
		merkle_consistency(&s, note->size, n, proof, &nproof) == 0) {
		merkle_root(out, &root);
		*led = merkle_consistent(note->size, &note->root, n, &root, proof, nproof);
	}
	tiles_close(&tiles);
	return err;
}

__attribute__((format(printf, 4, 5))) static bool
note_is_bad(const struct audit_note *n, const struct verify_result *r, uint64_t seq,
	const char *fmt, ...)
{
	char origin[NOTE_NAME_MAX + 1], why[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	printf("bad node=%s source=note origin=%s size=%" PRIu64 " seq=%" PRIu64
	       " why=\"%s\" verified=%" PRIu64 "\n",
		r->node, audit_note_plain(n->checkpoint.origin, origin, sizeof(origin)),
		n->checkpoint.size, seq, why, r->records);
	return false;
}

static bool
nodes_forked(const struct audit_args *a, const struct audit_note *n,
	const struct tree_against *w, const struct verify_result *r)
{
	const struct checkpoint *c = &n->checkpoint;
	bool boot;
	uint64_t first = first_other(a, c, r->node, &boot);

	if (first && boot)
		return note_is_bad(n, r, first,
			"fork: an older copy that ended with record %" PRIu64
			" was put back and written to: records %" PRIu64 " to %" PRIu64
			" that the note covers are other ones",
			first - 1, first, c->size);
	if (first)
		return note_is_bad(n, r, first,
			"fork: it is the first record that is not the one which the note "
			"covers");
	if (w->unread)
		return note_is_bad(n, r, c->size,
			"not verified: records %" PRIu64 " to %" PRIu64
			" and the hashes that JOURNAL.tree has of the %" PRIu64
			" before them, which were not read, do not have the note's root: other "
			"records, or other hashes",
			r->first, c->size, w->unread);
	return note_is_bad(n, r, c->size,
		"fork: records 1 to %" PRIu64 " are not those that the note covers: another "
		"history, or an older copy that was "
		"put back and written to",
		c->size);
}

bool
audit_note_print(const struct audit_args *a, const struct audit_note *n,
	const struct tree_check *t, const struct keyring *ring, const struct verify_result *r)
{
	const struct checkpoint *c = &n->checkpoint;
	char origin[NOTE_NAME_MAX + 1], key_why[VERIFY_WHY_MAX];
	const struct pubkey *any = checkpoint_signer(c, c->origin, ring->key, ring->nkeys);
	bool believed = signer_of(ring, c, r->node, key_why) != NULL;
	const struct tree_against *w = &t->against;
	bool continued = t->note_is == NOTE_CONTINUED;

	if (!any || (!believed && keyring_revoked(ring, any->id, r->node)))
		return note_is_bad(n, r, c->size, "%s", key_why);
	audit_note_plain(c->origin, origin, sizeof(origin));
	if (!continued && t->origin[0] && !span_is(c->origin, t->origin)) {
		char ours[NOTE_NAME_MAX + 1];
		return note_is_bad(n, r, 1,
			"another log: the note is from %s, the checkpoints here are from %s",
			origin, audit_note_plain(span_str(t->origin), ours, sizeof(ours)));
	}
	if (t->note_is == NOTE_FORKED)
		return nodes_forked(a, n, w, r);
	if (!continued && r->last < c->size && r->ok)
		return note_is_bad(n, r, r->last + 1,
			"cut: the log ends with record %" PRIu64 ", the note covers %" PRIu64
			": records %" PRIu64 " to %" PRIu64
			" are missing, its end was cut off or an older copy was put back",
			r->last, c->size, r->last + 1, c->size);
	/* The records begin after the note. Continuity is proved if the stored hashes have
	 * the note's tree, lead to the first record, and agree with the records on the
	 * roots of the later checkpoints. */
	if (t->note_is == NOTE_UNREAD)
		continued = w->known && w->led && w->agrees && !w->differs;
	if (!continued && r->ok && w->unread)
		return note_is_bad(n, r, c->size,
			"not verified: %" PRIu64 " of the %" PRIu64
			" records that the note covers were not read (the log begins with "
			"record "
			"%" PRIu64 "), and JOURNAL.tree %s: `tollgate audit restore` restores "
				   "archived records",
			w->unread, c->size, r->first,
			w->known ? "does not lead from the note to the present records"
				 : "lacks the hashes of earlier records");
	if (!continued)
		return note_is_bad(
			n, r, r->bad_seq, "unknown: the log does not verify up to it");
	/* a key that was replaced long ago may reveal a fork, but it proves nothing else */
	if (!believed)
		return note_is_bad(n, r, c->size, "%s", key_why);
	printf("ok node=%s source=note origin=%s size=%" PRIu64 " seq=%" PRIu64, r->node,
		origin, c->size, r->last);
	if (w->unread)
		printf(" unread=%" PRIu64, w->unread);
	putchar('\n');
	return true;
}
