/* Reasoning that a provider signed, and something in it that is to be replaced: under
 * another text the signature does not hold, so a block goes back whole or not at all, as
 * on_failure.signed says. Without one the others of its turn would not hold either. */
#include "gate/steps/steps.h"

#include "answer/translate/answer.h"
#include "base/err.h"

/* The block that the segment is in; NULL. */
static struct signed_block *
block_of(struct request *r, const struct segment *s)
{
	size_t low = 0, high = r->in.body.nreasoning;

	if (request_in_target(r, s))
		return NULL;
	size_t at = (size_t)(s - r->in.body.segments);
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		struct signed_block *b = &r->in.body.reasoning[mid];
		if (at >= b->first && at < b->last)
			return b;
		if (at < b->first)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}

/* Marks the blocks in which something would be replaced. */
static void
mark(struct request *r, const struct hit *v, size_t n, bool *credential)
{
	for (size_t i = 0; i < n; i++) {
		struct signed_block *b = block_of(r, v[i].segment);
		if (b) {
			b->dropped = true;
			*credential |= v[i].kind == HIT_CREDENTIAL;
		}
	}
}

/* Nothing inside the marked blocks is replaced. */
static void
spare(struct request *r, struct hit *v, size_t *n)
{
	size_t kept = 0;

	for (size_t i = 0; i < *n; i++) {
		const struct signed_block *b = block_of(r, v[i].segment);
		if (!b || !b->dropped)
			v[kept++] = v[i];
	}
	*n = kept;
}

/* All blocks of the turns that have a marked one. Turns rise. False: the provider wants them
 * back. */
static bool
drop_turns(struct request *r)
{
	struct signed_block *v = r->in.body.reasoning;
	size_t n = r->in.body.nreasoning;

	for (size_t i = 0, end; i < n; i = end) {
		bool drop = false;
		for (end = i; end < n && v[end].turn == v[i].turn; end++)
			drop |= v[end].dropped;
		if (drop && v[i].pending)
			return false;
		for (size_t k = i; drop && k < end; k++) {
			v[k].dropped = true;
			r->found.reasoning_dropped++;
		}
	}
	return true;
}

/* Reasoning of another form's provider, which signed nothing: this one does not take it. How many.
 */
static size_t
drop_translated(struct request *r)
{
	size_t n = 0;

	for (size_t i = 0; r->found.route->translates && i < r->in.body.nreasoning; i++) {
		struct signed_block *b = &r->in.body.reasoning[i];
		struct span raw = span_cut(r->in.raw, b->start, b->end);
		if (memmem(raw.p, raw.n, TRANSLATED_SIGNATURE, strlen(TRANSLATED_SIGNATURE)))
			b->dropped = ++n;
	}
	r->found.reasoning_dropped += n;
	return n;
}

int
request_settle_reasoning(struct request *r)
{
	enum signed_reasoning says = request_on_failure(r)->signed_reasoning;
	struct overlay *o = &r->scan.overlay;
	bool credential = false;
	size_t marked = 0;

	if (!r->in.have_body || r->in.body.nreasoning == 0)
		return 0;
	for (size_t i = 0; r->found.pin.drops && i < r->in.body.nreasoning; i++)
		r->in.body.reasoning[i].dropped = true;
	mark(r, o->hits, o->nhits, &credential);
	mark(r, o->wholes, o->nwholes, &credential);
	for (size_t i = 0; i < r->in.body.nreasoning; i++)
		marked += r->in.body.reasoning[i].dropped;
	size_t translated = drop_translated(r);
	if (marked == 0 && translated == 0)
		return 0;
	if (marked == 0) {
		spare(r, o->hits, &o->nhits);
		spare(r, o->wholes, &o->nwholes);
		return 0;
	}
	/* Credentials never leave, whatever the policy says. */
	if (says == SIGNED_DENY || (says == SIGNED_LEAVE && credential) ||
		(says == SIGNED_DROP && !drop_turns(r)))
		return ERR_BAD_STATE;
	spare(r, o->hits, &o->nhits);
	spare(r, o->wholes, &o->nwholes);
	if (says == SIGNED_LEAVE) {
		r->found.reasoning_left = marked;
		for (size_t i = 0; i < r->in.body.nreasoning; i++)
			r->in.body.reasoning[i].dropped = false;
		r->found.reasoning_dropped -= translated;
		drop_translated(r);
	}
	return 0;
}
