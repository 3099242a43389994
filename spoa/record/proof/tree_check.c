/* Checks checkpoints against the records that they cover: see tree_check.h. It is separate
 * from the verifier, which handles lines, hashes and commits but not trees. */
#include "record/proof/tree_check.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/codec/json_text.h"
#include "base/mem.h"

/* ---- reading a record's statement about the tree ---- */

/* Reads the range. Returns false if there is one that does not fit the size. */
static bool
read_range(const json_t *v, uint64_t size, struct tree_said *out)
{
	out->ranged = v != NULL;
	if (!v)
		return true;
	if (!json_is_array(v) || json_array_size(v) != merkle_range_hashes(size))
		return false;
	out->range.n = size;
	for (size_t i = 0; i < json_array_size(v); i++)
		if (!sha256_read(json_span(json_array_get(v, i)), out->range.hash[i].b))
			return false;
	return true;
}

/* Reads root and note of a checkpoint. Returns NULL, or what is wrong. */
static const char *
read_note(const json_t *record, const struct pubkey *keys, size_t nkeys, struct tree_said *out)
{
	struct checkpoint c;
	const char *why;

	if (!sha256_read(json_span(json_object_get(record, "root")), out->root.b))
		return "its root cannot be read";
	if (checkpoint_parse(json_span(json_object_get(record, "note")), &c, &why))
		return "its note cannot be read";
	snprintf(out->origin, sizeof(out->origin), "%.*s", SPAN_ARG(c.origin));
	if (c.size != out->size || memcmp(c.root.b, out->root.b, sizeof(c.root.b)) != 0 ||
		!span_is(c.origin, json_text_in(record, "origin")))
		return "its note differs from the record";
	out->signature = keys && checkpoint_signer(&c, c.origin, keys, nkeys);
	return !keys || out->signature ? NULL
				       : "its note has no signature by a key that may sign it";
}

bool
tree_said_read(struct span line, struct span type, const struct pubkey *keys, size_t nkeys,
	struct tree_said *out, struct buf *note)
{
	bool checkpoint = span_is(type, "checkpoint");

	if (!checkpoint && !span_is(type, "boot"))
		return false;
	json_auto_t *record = json_loadb(line.p, line.n, 0, NULL);
	const json_t *at = checkpoint ? record : json_object_get(record, "tree");
	if (!checkpoint && !at)
		return false;
	const json_t *size = json_object_get(at, "size");
	out->checkpoint = checkpoint;
	out->origin[0] = '\0';
	out->bad = NULL;
	out->signature = false;
	out->size = json_integer_value(size) > 0 ? (uint64_t)json_integer_value(size) : 0;
	if (!json_is_integer(size) || json_integer_value(size) < 0)
		out->bad = "its size cannot be read";
	else if (!read_range(json_object_get(at, "range"), out->size, out))
		out->bad = "its range cannot be read";
	else if (checkpoint)
		out->bad = read_note(record, keys, nkeys, out);
	if (note)
		buf_span(note, json_span(json_object_get(record, "note")));
	return true;
}

/* ---- while a chain is verified ---- */

void
tree_check_record(void *arg, const struct chain_line *l, struct span line)
{
	struct tree_check *t = arg;

	if (!span_is(l->type, "checkpoint") && !span_is(l->type, "boot"))
		return;
	if (t->at == t->nsaid) /* the statements of the last commit are finished */
		t->at = t->nsaid = 0;
	if (!mem_room(&t->said, &t->room, t->nsaid + 1, sizeof(*t->said))) {
		t->failed = true;
		return;
	}
	struct tree_said *s = &t->said[t->nsaid];
	struct pubkey keys[CAP_KEYRING];
	bool look = verifier_wants_vouching(t->verifier);
	size_t n = look ? verifier_keys(t->verifier, l->seq, keys, COUNT_OF(keys)) : 0;
	if (tree_said_read(line, l->type, look ? keys : NULL, n, s, NULL)) {
		s->seq = l->seq;
		t->nsaid++;
	}
}

/* Returns why the statement of record s->seq about the records before it is wrong, or NULL. */
static const char *
misfit(struct tree_check *t, const struct tree_said *s)
{
	struct merkle_hash root;

	if (s->bad)
		return s->bad;
	if (s->size != s->seq - 1)
		return "its size is not the number of records before it";
	bool taken = !t->known && s->ranged;
	if (taken) {
		t->known = true;
		t->range = s->range;
		t->from = s->seq;
	}
	if (!t->known)
		return NULL;
	if (s->ranged && !taken &&
		(t->range.n != s->range.n ||
			memcmp(t->range.hash, s->range.hash,
				merkle_range_hashes(s->range.n) * sizeof(*s->range.hash)) != 0))
		return "its range does not match the records before it";
	merkle_root(&t->range, &root);
	if (!s->checkpoint || memcmp(root.b, s->root.b, sizeof(root.b)) == 0)
		return NULL;
	t->known = !taken;
	return taken ? "its root does not match its range"
		     : "its root does not match the records before it";
}

/* Checks a statement and reports it to the verifier if it is wrong. A correct checkpoint
 * vouches for the records that it covers. */
static void
hold(struct tree_check *t, const struct tree_said *s)
{
	const char *why = misfit(t, s);
	char text[VERIFY_WHY_MAX];

	if (why) {
		snprintf(text, sizeof(text), "%s: %s",
			s->checkpoint ? "checkpoint" : "tree of a boot record", why);
		verifier_reject_record(t->verifier, s->seq, text);
	} else if (s->checkpoint) {
		struct tree_against *a = &t->against;
		if (a->known && a->range.n == s->size) {
			struct merkle_hash root;
			merkle_root(&a->range, &root);
			bool same = memcmp(root.b, s->root.b, sizeof(root.b)) == 0;
			a->agrees |= same;
			a->differs |= !same;
		}
		t->checkpoints++;
		t->covered = s->size;
		t->root = s->root;
		memcpy(t->origin, s->origin, sizeof(t->origin));
		if (t->known && s->signature)
			verifier_vouched(t->verifier, t->from, s->size);
	}
}

/* Compares the note with the tree when the tree has as many leaves as the note. */
static void
hold_note(struct tree_check *t)
{
	struct tree_against *a = &t->against;
	struct merkle_hash root;

	if (!a->known || a->range.n != a->note->size)
		return;
	merkle_root(&a->range, &root);
	t->note_is = memcmp(root.b, a->note->root.b, sizeof(root.b)) == 0 ? NOTE_CONTINUED
									  : NOTE_FORKED;
}

/* Prepares the comparison with the note, before the first record is read. */
static void
begin_note(struct tree_check *t, uint64_t seq)
{
	struct tree_against *a = &t->against;

	if (!a->note || a->asked)
		return;
	a->asked = true;
	a->unread = seq - 1 < a->note->size ? seq - 1 : a->note->size;
	if (seq - 1 > a->note->size)
		t->note_is = NOTE_UNREAD;
	a->known = seq == 1 ||
		   (a->stored && a->stored(a->arg, a->note, seq - 1, &a->range, &a->led) == 0);
	hold_note(t);
}

void
tree_check_each(void *arg, uint64_t seq, const unsigned char hash[CHAIN_HASH_BYTES])
{
	struct tree_check *t = arg;
	struct merkle_hash leaf;

	if (seq == 1) {
		t->known = true;
		t->range.n = 0;
		t->from = 1;
	}
	begin_note(t, seq);
	for (; t->at < t->nsaid && t->said[t->at].seq <= seq; t->at++)
		if (t->said[t->at].seq == seq)
			hold(t, &t->said[t->at]);
	merkle_leaf(hash, &leaf);
	if (t->known)
		merkle_append(&t->range, &leaf);
	if (t->against.known) {
		merkle_append(&t->against.range, &leaf);
		hold_note(t);
	}
}

void
tree_check_free(struct tree_check *t)
{
	free(t->said);
	t->said = NULL;
	t->nsaid = t->at = t->room = 0;
}
