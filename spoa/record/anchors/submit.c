/* The client of a witness (C2SP tlog-witness, add-checkpoint). What it has seen of our log it
 * tells itself: a first request says "old 0", and a 409 names the size to go on from. */
#include <inttypes.h>

#include "base/caps.h"
#include "base/codec/base64.h"
#include "base/err.h"
#include "base/scoped.h"
#include "base/why.h"
#include "record/anchors/place.h"
#include "record/anchors/witness.h"
#include "record/proof/tiles.h"

static const struct span nothing = { NULL, 0 };

/* ---- keys and cosignatures ---- */

int
witness_keys(const char *file, struct pubkey *out, size_t max, struct buf *why)
{
	size_t n = 0;

	SCOPED_BUF(text, 64 << 10);
	int pem = pubkeys_load(file, out, max, why);
	if (pem == ERR_SYNTAX && buf_file(&text, file))
		for (struct span rest = buf_view(&text), name; rest.n && n < max;) {
			enum note_type type;
			n += note_vkey_parse(span_next(&rest, '\n'), &type, &name, &out[n]) ==
				     0 &&
			     type == NOTE_COSIGNATURE;
		}
	if (n)
		buf_clear(why);
	return n ? (int)n : pem;
}

struct span
witness_cosignature(struct span note, struct span answer, const struct pubkey *keys,
	size_t nkeys, uint64_t *time)
{
	struct span found = nothing, rest = answer;
	struct note_signature one;
	struct checkpoint c;
	const char *why;

	SCOPED_BUF(whole, NOTE_MAX);
	buf_span(&whole, note);
	buf_span(&whole, answer);
	bool read = !buf_failed(&whole) && checkpoint_parse(buf_view(&whole), &c, &why) == 0;
	while (read && !found.n && note_signature_next(&rest, &one) > 0)
		for (size_t i = 0; i < nkeys && !found.n; i++)
			if ((*time = checkpoint_cosigned(&c, one.name, &keys[i])))
				found = one.line;
	return found;
}

/* ---- asking ---- */

static void ask_submit(struct place *p, uint64_t old);

static void
submit_refused(struct place *p, const char *why)
{
	place_over(p, ANCHOR_REFUSED, nothing, false, "%s", why);
}

static void
cosigned(struct place *p, struct span answer)
{
	struct pubkey keys[SIGNKEYS_MAX];
	uint64_t time = 0;

	SCOPED_BUF(why, PLACE_WHY);
	int n = witness_keys(p->at->key, keys, SIGNKEYS_MAX, &why);
	struct span line =
		n > 0 ? witness_cosignature(buf_view(&p->note), answer, keys, (size_t)n, &time)
		      : nothing;
	if (n <= 0)
		place_over(p, ANCHOR_AWAY, nothing, false, "%.*s", SPAN_ARG(buf_view(&why)));
	else if (!line.n)
		submit_refused(p, "the response has no cosignature that verifies with the key "
				  "of the witness");
	else
		place_over(p, ANCHOR_TAKEN, line, false, " ");
	if (line.n)
		p->witness.old = p->checkpoint.size;
}

/* 409: it has seen another size than we said. */
static void
conflict(struct place *p, const struct http_answer *a)
{
	struct span text = a->body, type = http_answer_field(a, "content-type");
	uint64_t seen, size = p->checkpoint.size;

	if (text.n && text.p[text.n - 1] == '\n')
		text.n--;
	if (!span_is(type, "text/x.tlog.size") || span_u64(text, &seen) < 0)
		place_over(p, ANCHOR_REFUSED, nothing, false,
			"the witness returned status 409 without a size");
	else if (seen > size)
		place_over(p, ANCHOR_REFUSED, nothing, false,
			"the witness has seen %" PRIu64
			" records of this log, which has %" PRIu64
			" now: a cut tail, a restored old copy, or another log of the same "
			"origin",
			seen, size);
	else if (seen == size && seen == p->witness.old)
		place_over(p, ANCHOR_REFUSED, nothing, false,
			"the witness has seen another log of this origin with as many records: "
			"a fork, "
			"or two daemons with one origin");
	else if (p->witness.again || seen == p->witness.old)
		place_over(p, ANCHOR_AWAY, nothing, false,
			"the size that the witness reports changes: check for two daemons with "
			"one origin");
	else {
		p->witness.again = true;
		ask_submit(p, seen);
	}
}

static void
on_submit_answer(void *arg, const struct http_answer *a)
{
	struct place *p = TAGGED(place, arg);

	if (place_unanswered(p, a))
		return;
	switch (a->status) {
	case 200: cosigned(p, a->body); break;
	case 409: conflict(p, a); break;
	case 400:
		submit_refused(p, "the witness reports that the request is malformed (400)");
		break;
	case 403:
		submit_refused(p,
			"the witness has no key of this log's signatures (403): add the new "
			"public key after a rotation");
		break;
	case 404:
		submit_refused(p, "the witness does not know the origin of this log (404)");
		break;
	case 422:
		submit_refused(p,
			"this log does not continue the log that the witness has seen (422): "
			"a fork, a restored old copy, or two daemons with one origin");
		break;
	default: place_failed(p, a, ANCHOR_AWAY);
	}
}

/* By files that were damaged the witness would see a fork, and everybody be told of one. */
static bool
is_of_checkpoint(const struct place *p, const struct merkle_source *s, uint64_t old,
	const struct merkle_hash *proof, size_t n)
{
	struct merkle_range range;
	struct merkle_hash root;

	if (merkle_range_at(s, old, &range))
		return false;
	merkle_root(&range, &root);
	return merkle_consistent(old, &root, p->checkpoint.size, &p->checkpoint.root, proof, n);
}

static int
put_proof(struct place *p, uint64_t old, struct buf *body, struct buf *why)
{
	struct merkle_hash proof[MERKLE_PROOF_MAX];
	struct tiles t;
	size_t n = 0;

	if (old == 0 || old == p->checkpoint.size)
		return 0;
	int err = tiles_open(&t, place_journal(p), place_node(p), false, why);
	if (err)
		return err;
	if (t.n < p->checkpoint.size) {
		err = why_err(
			why, ERR_NOTFOUND, "the tree's files do not reach the checkpoint yet");
	} else {
		struct merkle_source s = tiles_source(&t);
		err = merkle_consistency(&s, old, p->checkpoint.size, proof, &n);
		if (err || n > WITNESS_PROOF_MAX) {
			buf_str(why, "the files of the tree cannot give a proof");
		} else if (!is_of_checkpoint(p, &s, old, proof, n)) {
			err = why_err(why, ERR_AUTH,
				"the tree's files are not those of our checkpoint: a "
				"restart mends them");
		}
	}
	for (size_t i = 0; i < n; i++) {
		base64_put(body, proof[i].b, MERKLE_BYTES);
		buf_putc(body, '\n');
	}
	tiles_close(&t);
	return err;
}

static void
ask_submit(struct place *p, uint64_t old)
{
	/* We have less than it has: it may say more itself. */
	p->witness.old = old = old > p->checkpoint.size ? 0 : old;
	SCOPED_BUF(body, 0);
	SCOPED_BUF(why, PLACE_WHY);
	buf_printf(&body, "old %" PRIu64 "\n", old);
	int err = put_proof(p, old, &body, &why);
	buf_putc(&body, '\n');
	buf_span(&body, buf_view(&p->note));
	if (err)
		place_over(p, ANCHOR_AWAY, nothing, false, "no proof from %" PRIu64 ": %.*s",
			old, SPAN_ARG(buf_view(&why)));
	else
		place_post(p, "/add-checkpoint", "text/plain; charset=utf-8", buf_view(&body),
			CAP_ANCHOR_ANSWER, on_submit_answer);
}

void
place_take_witness(struct place *p)
{
	ask_submit(p, p->witness.old);
}
