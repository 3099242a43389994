/* The client of a witness (C2SP tlog-witness, add-checkpoint). A request names the size that
 * the witness has seen ("old N"), a proof that the checkpoint continues the log of that size,
 * and the checkpoint. If the size is wrong, the witness responds with 409 and the size that
 * it has seen, and the client tries once more with that size. So nothing needs to be stored:
 * the first request of a start sends "old 0". */
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

/* ---- requests ---- */

static void ask_submit(struct place *p, uint64_t old);

static void
submit_refused(struct place *p, const char *why)
{
	place_over(p, ANCHOR_REFUSED, nothing, false, "%s", why);
}

/* Status 200: the response must have a cosignature that verifies. */
static void
take_cosignature(struct place *p, struct span answer)
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

/* Status 409: the witness has seen another size than the request stated. */
static void
resolve_conflict(struct place *p, const struct http_answer *a)
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
			" now: its end was cut off, an old copy was restored, or another log "
			"uses this origin",
			seen, size);
	else if (seen == size && seen == p->witness.old)
		place_over(p, ANCHOR_REFUSED, nothing, false,
			"the witness has seen another log with this origin and size: the "
			"journal was forked, or two daemons use one origin");
	else if (p->witness.again || seen == p->witness.old)
		place_over(p, ANCHOR_AWAY, nothing, false,
			"the size that the witness reports keeps changing: check whether two "
			"daemons use one origin");
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
	case 200: take_cosignature(p, a->body); break;
	case 409: resolve_conflict(p, a); break;
	case 400:
		submit_refused(p, "the witness reports that the request is malformed (400)");
		break;
	case 403:
		submit_refused(
			p, "the witness has no key that verifies this log's signature (403): "
			   "after a rotation, add the new public key at the witness");
		break;
	case 404:
		submit_refused(p, "the witness does not know the origin of this log (404): add "
				  "the log at the witness");
		break;
	case 422:
		submit_refused(p, "this log does not continue the log that the witness has "
				  "seen (422): the journal was forked or restored from an old "
				  "copy, or two daemons use one origin");
		break;
	default: place_failed(p, a, ANCHOR_AWAY);
	}
}

/* Checks that the files of the tree match the checkpoint. A proof from damaged files would
 * look like a fork to the witness, which would report one. */
static bool
proof_matches_checkpoint(const struct place *p, const struct merkle_source *s, uint64_t old,
	const struct merkle_hash *proof, size_t n)
{
	struct merkle_range range;
	struct merkle_hash root;

	if (merkle_range_at(s, old, &range))
		return false;
	merkle_root(&range, &root);
	return merkle_consistent(old, &root, p->checkpoint.size, &p->checkpoint.root, proof, n);
}

/* Appends the consistency proof from `old` records to the checkpoint, a hash in base64 on
 * each line. Returns 0, or an error with the reason in *why. */
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
		err = why_err(why, ERR_NOTFOUND,
			"the files of the tree do not reach the checkpoint yet: the next turn "
			"tries again");
	} else {
		struct merkle_source s = tiles_source(&t);
		err = merkle_consistency(&s, old, p->checkpoint.size, proof, &n);
		if (err || n > WITNESS_PROOF_MAX) {
			buf_str(why, "the files of the tree cannot be read for a proof");
		} else if (!proof_matches_checkpoint(p, &s, old, proof, n)) {
			err = why_err(why, ERR_AUTH,
				"the files of the tree do not match the checkpoint: restart "
				"the daemon, which rebuilds them");
		}
	}
	for (size_t i = 0; i < n; i++) {
		base64_put(body, proof[i].b, MERKLE_BYTES);
		buf_putc(body, '\n');
	}
	tiles_close(&t);
	return err;
}

/* Sends the checkpoint with `old`, the number of records that the witness is believed to have
 * seen. */
static void
ask_submit(struct place *p, uint64_t old)
{
	/* The witness has seen more records than the checkpoint has. "old 0" makes the
	 * witness report its size. */
	p->witness.old = old = old > p->checkpoint.size ? 0 : old;
	SCOPED_BUF(body, 0);
	SCOPED_BUF(why, PLACE_WHY);
	buf_printf(&body, "old %" PRIu64 "\n", old);
	int err = put_proof(p, old, &body, &why);
	buf_putc(&body, '\n');
	buf_span(&body, buf_view(&p->note));
	if (err)
		place_over(p, ANCHOR_AWAY, nothing, false,
			"there is no proof from record %" PRIu64 ": %.*s", old,
			SPAN_ARG(buf_view(&why)));
	else
		place_post(p, "/add-checkpoint", "text/plain; charset=utf-8", buf_view(&body),
			CAP_ANCHOR_ANSWER, on_submit_answer);
}

void
place_take_witness(struct place *p)
{
	ask_submit(p, p->witness.old);
}
