/* Verifies anchor records while their chain is verified. Each accepted response must be for
 * a checkpoint of the chain: a time stamp covers the checkpoint's note, a cosignature
 * covers its text. The signer is verified only with --tsa-ca or --witness-key. */
#include "cmd/records/audit_anchors.h"

#include <jansson.h>
#include <sodium.h>

#include "base/codec/base64.h"
#include "base/codec/json_text.h"
#include "record/anchors/place.h"
#include "record/proof/tree_check.h"

enum { TOKEN_MAX = 48 << 10 };

int
anchor_keys_read(const struct audit_args *a, struct anchor_keys *out, struct buf *why)
{
	const struct anchor_place ca = { .kind = ANCHOR_TSA, .ca = a->tsa_ca };
	int n = 0, err = 0;

	out->tsa_ca = a->tsa_ca;
	out->nwitness = 0;
	if (a->tsa_ca)
		err = anchors_files(&ca, why);
	if (!err && a->witness_key &&
		(n = witness_keys(a->witness_key, out->witness, SIGNKEYS_MAX, why)) < 0)
		err = n;
	out->nwitness = n > 0 ? (size_t)n : 0;
	return err;
}

static const struct anchored *
find_anchored(const struct anchors_check *c, uint64_t size)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->back[i].size == size)
			return &c->back[i];
	return NULL;
}

static const char *
time_stamp(struct anchors_check *c, const struct anchored *of, struct span answer)
{
	static unsigned char token[TOKEN_MAX];
	size_t n;

	SCOPED_BUF(why, 512);
	bool read = base64_get(answer, token, sizeof(token), &n) == 0;
	int err = !read ? -1
			: tsa_token_check(span_of((const char *)token, n), of->note,
				  c->keys->tsa_ca, &why);
	if (!err && c->keys->tsa_ca)
		c->verified++;
	return err ? "anchor: the time stamp is not for the checkpoint's note, or does not "
		     "verify"
		   : NULL;
}

/* A witness without a given key is not verified. */
static const char *
cosignature(struct anchors_check *c, const struct anchored *of, struct span origin,
	struct span answer)
{
	struct note_signature s;
	struct checkpoint held = { .size = 0 };
	const char *why, *bad = NULL;
	unsigned char id[4];

	SCOPED_BUF(note, NOTE_MAX);
	checkpoint_text(&note, origin, of->size, &of->root);
	buf_putc(&note, '\n');
	buf_span(&note, answer);
	buf_putc(&note, '\n');
	if (buf_failed(&note) || checkpoint_parse(buf_view(&note), &held, &why) < 0)
		bad = "anchor: the response is no cosignature";
	for (struct span lines = held.signatures; !bad && note_signature_next(&lines, &s) > 0;)
		for (size_t i = 0; i < c->keys->nwitness; i++) {
			note_key_id(NOTE_COSIGNATURE, s.name, &c->keys->witness[i], id);
			if (memcmp(id, s.id, sizeof(id)) != 0)
				continue;
			if (checkpoint_cosigned(&held, s.name, &c->keys->witness[i]))
				c->verified++;
			else
				bad = "anchor: the cosignature does not verify";
		}
	return bad;
}

static const char *
look_at_anchor(struct anchors_check *c, const json_t *o)
{
	struct merkle_hash root;
	size_t n = 0;
	const char *kind = json_str_in(o, "kind"), *hex = json_str_in(o, "root"),
		   *origin = json_str_in(o, "origin"), *answer = json_str_in(o, "answer");
	uint64_t size = (uint64_t)json_integer_value(json_object_get(o, "size"));
	const struct anchored *of = find_anchored(c, size);

	if (!kind || !hex || !origin ||
		sodium_hex2bin(root.b, MERKLE_BYTES, hex, strlen(hex), NULL, &n, NULL) != 0 ||
		n != MERKLE_BYTES)
		return "anchor: the record cannot be read";
	/* the checkpoint is older than those that are kept, or was trimmed: nothing can be
	 * verified */
	if (!of)
		return NULL;
	if (memcmp(&root, &of->root, sizeof(root)) != 0)
		return "anchor: the record has another root than the chain's checkpoint";
	if (!strcmp(kind, "tsa"))
		return time_stamp(c, of, span_str(answer ? answer : ""));
	if (!strcmp(kind, "witness"))
		return cosignature(c, of, span_str(origin), span_str(answer ? answer : ""));
	return NULL;
}

void
anchors_check_record(struct anchors_check *c, const struct chain_line *l, struct span line)
{
	if (span_is(l->type, "checkpoint")) {
		struct tree_said said;

		SCOPED_BUF(note, NOTE_MAX);
		if (tree_said_read(line, l->type, NULL, 0, &said, &note) && said.checkpoint &&
			!said.bad && !buf_failed(&note)) {
			struct anchored *to = &c->back[c->next];
			to->size = said.size;
			to->root = said.root;
			sha256(buf_view(&note), to->note);
			c->next = (c->next + 1) % ANCHORS_BACK;
			c->n += c->n < ANCHORS_BACK;
		}
	}
	if (c->bad_seq || !span_is(l->type, "anchor"))
		return;
	json_auto_t *o = json_loadb(line.p, line.n, 0, NULL);
	const char *result = json_str_in(o, "result");
	if (result && !strcmp(result, "taken")) {
		c->seen++;
		c->bad = look_at_anchor(c, o);
		c->bad_seq = c->bad ? l->seq : 0;
	}
}

void
anchors_check_each(struct anchors_check *c, uint64_t seq)
{
	if (c->bad_seq == seq && c->bad)
		verifier_reject_record(c->verifier, seq, c->bad);
}
