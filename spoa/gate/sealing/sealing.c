/* Seals the contents of a request. The prompt and the tool results are sealed with the
 * decision. A response is sealed in parts while it passes: the guard copies it, and
 * request_seal_more() takes the copy. The rest, and the calls of the response, are sealed with
 * the completion. */
#include "gate/sealing/sealing.h"

#include <sodium.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/json_put.h"
#include "base/scoped.h"
#include "gate/exchange.h"
#include "policy/limit.h"
#include "record/audit/audit.h"

enum { SEAL_RECORD_BYTES = 4096 };

/* ---- the holder ---- */

static bool
keeps_any(const struct route *route)
{
	return route && (record_text_sealed(route->record_prompt) ||
				record_text_sealed(route->record_answer) ||
				record_text_sealed(route->record_tools));
}

/* Returns NULL if memory is exhausted. */
static struct found_seal *
found_seal_of(struct request *r)
{
	if (!r->found.seal)
		r->found.seal = calloc(1, sizeof(*r->found.seal));
	return r->found.seal;
}

/* A share is made for a person whose name is hidden, because the pseudonym derives from it. A
 * request keeps to the share that its first record had. After an erasure the holder's share
 * is another one, and the request counts as erased. */
int
request_seal_holder(struct request *r)
{
	struct found_seal *f;
	struct shares *shares = r->gate ? r->gate->shared->shares : NULL;
	struct share b;

	if (!shares)
		return 0;
	if (!(f = found_seal_of(r)))
		return ERR_NOMEM;
	f->has_holder = false;
	if (request_erased(r))
		return 0;
	bool named = gate_cfg(r->gate)->audit_persons == PERSONS_PSEUDONYM &&
		     r->found.identity.person.n;
	bool make = !f->share && (named || keeps_any(r->found.route));
	int err = shares_get(shares, request_holder(r), make, &b);
	r->run.erased = f->share && f->share != b.number;
	if (err || r->run.erased) {
		explicit_bzero(&b, sizeof(b));
		return err == ERR_NOTFOUND ? 0 : err;
	}
	f->has_holder = true;
	f->share = b.number;
	share_hash_key(&b, f->hash_key);
	if (named && !f->pseudonym[0]) { /* the same pseudonym in all records of a request */
		share_pseudonym(&b, f->pseudonym);
		counter_key_of(&b, span_str(r->id), &f->counter);
	}
	explicit_bzero(&b, sizeof(b));
	return 0;
}

void
request_seal_wipe(struct request *r)
{
	struct found_seal *f = r->found.seal;

	if (!f)
		return;
	f->has_holder = false;
	explicit_bzero(f->hash_key, sizeof(f->hash_key));
}

bool
request_pseudonyms(const struct request *r)
{
	return r->gate && r->gate->shared->shares &&
	       gate_cfg(r->gate)->audit_persons == PERSONS_PSEUDONYM;
}

/* Returns true if records must not contain the person's name. */
static bool
person_hidden(const struct request *r)
{
	return request_pseudonyms(r) && r->found.identity.person.n;
}

struct span
request_person_shown(const struct request *r)
{
	const struct found_seal *f = r->found.seal;

	/* without a share there is no pseudonym, so the field is empty */
	if (f && f->pseudonym[0])
		return span_str(f->pseudonym);
	return person_hidden(r) ? SPAN_LIT("") : r->found.identity.person;
}

/* A function of its own, so that most charges, which count for no person, need no copy on the
 * stack. */
static __attribute__((noinline)) size_t
hidden_charge_text(const struct request *r, const struct quota_dim *d, char out[QUOTA_TEXT_MAX])
{
	const struct found_seal *f = r->found.seal;
	struct quota_dim hidden = *d;
	bool named = f && f->counter.share &&
		     counter_hide(&f->counter, hidden.key, sizeof(hidden.key));

	return named ? quota_write(&hidden, out) : 0;
}

size_t
request_charge_text(
	const struct request *r, const struct quota_dim *d, char out[QUOTA_TEXT_MAX])
{
	bool his = d->of && d->of->of_person && person_hidden(r);

	return his ? hidden_charge_text(r, d, out) : quota_write(d, out);
}

struct span
request_conversation_shown(const struct request *r, char own[CONVERSATION_DIGITS + 1])
{
	const struct found_seal *f = r->found.seal;
	unsigned char digest[SHA256_BYTES];
	struct sha256 h;

	if (r->found.conversation_state != CONVERSATION_HASHED || !person_hidden(r))
		return r->found.conversation;
	if (!f || !f->has_holder)
		return SPAN_LIT("");
	hmac_begin(&h, f->hash_key);
	sha256_add(&h, SPAN_LIT("conversation"));
	sha256_add(&h, r->found.conversation);
	hmac_end(&h, f->hash_key, digest);
	sodium_bin2hex(own, CONVERSATION_DIGITS + 1, digest, CONVERSATION_DIGITS / 2);
	return span_of(own, CONVERSATION_DIGITS);
}

void
request_seal_hash(const struct request *r, const unsigned char h[SHA256_BYTES],
	unsigned char out[SHA256_BYTES])
{
	const struct found_seal *f = r->found.seal;

	if (f && f->has_holder)
		hmac_sha256(f->hash_key, span_of((const char *)h, SHA256_BYTES), out);
	else
		memcpy(out, h, SHA256_BYTES);
}

/* ---- one sealed text ---- */

/* Begins to seal a text, after the record of the seal itself. If the holder's share was
 * erased, the result is 0 and k->t is NULL. */
static int
begin_text(struct request *r, struct kept_text *k, enum seal_kind kind, enum record_text how)
{
	struct gate *g = r->gate;
	int err = ERR_NOMEM;

	SCOPED_BUF(record, SEAL_RECORD_BYTES * CAP_AUDITORS);
	seal_drop(&k->t);
	*k = (struct kept_text){ .how = how };
	if (!audit_has_room(g->shared->audit))
		return ERR_FULL;
	k->t = seal_begin(g->sealer, request_holder(r), r->found.seal->share, span_str(r->id),
		kind, r->now_wall_ns, &record, &err);
	if (!k->t && err == ERR_NOTFOUND) {
		r->run.erased = true;
		return 0;
	}
	if (!k->t || !record.n)
		return k->t ? 0 : err;
	struct audit_entry *e = audit_entry_new();
	if (!e || buf_failed(&record)) {
		free(e);
		sealer_forget(g->sealer, request_holder(r));
		seal_drop(&k->t);
		return ERR_NOMEM;
	}
	buf_move(&e->fields, &record);
	audit_append(g->shared->audit, e);
	return 0;
}

/* Returns the end of an entry's list of parts. */
static struct text_part **
end_of_parts(struct audit_entry *e)
{
	struct text_part **p = &e->parts;

	while (*p)
		p = &(*p)->next;
	return p;
}

static int
keep_whole(struct request *r, struct kept_text *k, enum seal_kind kind, enum record_text how,
	struct span text, bool cut, struct audit_entry *e)
{
	int err = begin_text(r, k, kind, how);

	if (err || !k->t)
		return err;
	err = seal_add(k->t, text, end_of_parts(e));
	return err ? err : seal_end(k->t, cut, end_of_parts(e), &k->said);
}

/* ---- a decision ---- */

static bool
is_sent(const struct request *r)
{
	return r->out.decision.kind != D_DENY && r->out.decision.kind != D_OBSERVED;
}

/* Finds the prompt to seal. A redacted prompt can be kept only if the request was sent, and
 * if no signed reasoning block is left in it: the content of such a block is not redacted.
 * Returns false if there is none. */
static bool
prompt_text(const struct request *r, enum record_text how, struct span *out)
{
	bool here = r->in.body_state != BODY_STATE_NONE &&
		    r->in.body_state != BODY_STATE_PARTIAL && r->in.raw.p;

	*out = how == KEPT_FULL || r->out.sends != SENDS_REWRITTEN
		       ? r->in.raw
		       : buf_view(&r->out.rewritten);
	return here && (how == KEPT_FULL || (is_sent(r) && r->found.reasoning_left == 0));
}

static void
put_line(struct buf *b, const char *by, struct span tool, const char *what, struct span text)
{
	json_put_form(b, "{'by':%s", by);
	if (tool.n)
		json_put_text(b, "tool", tool);
	json_put_text(b, what, text);
	buf_str(b, "}\n");
}

/* Appends the tool results in a prompt. Returns false if the results must be redacted,
 * because they cannot be located in the redacted body. */
static bool
put_results_brought(const struct request *r, enum record_text how, struct buf *b)
{
	const struct body *body = &r->in.body;

	for (size_t i = 0; r->in.have_body && i < body->nsegments; i++) {
		const struct segment *s = &body->segments[i];
		if (s->role != ROLE_TOOL_RESULT || !s->text.n)
			continue;
		if (how == KEPT_REDACTED && r->out.redacted)
			return false;
		put_line(b, "request", SPAN_LIT(""), "result", s->text);
	}
	return true;
}

/* Appends the arguments of an MCP call, or the results in a prompt. Returns as
 * put_results_brought(). */
static bool
calls_text(struct request *r, enum record_text how, struct buf *b)
{
	const struct found_message *m = r->found.message;
	struct span arguments;

	if (how != KEPT_FULL && !is_sent(r))
		return true;
	if (!r->found.call.is || !m)
		return put_results_brought(r, how, b);
	arguments = m->call.arguments;
	if (how != KEPT_FULL && r->out.sends == SENDS_REWRITTEN) {
		const struct mcp_message *now = request_message_sent(r);
		arguments = now ? now->arguments : SPAN_LIT("");
	}
	if (arguments.n)
		put_line(b, "mcp", m->call.name, "arguments", arguments);
	return true;
}

int
request_seal_decision(struct request *r, struct audit_entry *e)
{
	const struct route *route = r->found.route;
	struct found_seal *f = r->found.seal;
	struct span text;
	int err = 0;

	if (!r->gate->sealer || !keeps_any(route) || r->run.erased)
		return 0;
	if (record_text_sealed(route->record_prompt) &&
		prompt_text(r, route->record_prompt, &text))
		err = keep_whole(
			r, &f->prompt, SEAL_PROMPT, route->record_prompt, text, false, e);
	if (err || !record_text_sealed(route->record_tools))
		return err;
	SCOPED_BUF(calls, 2 * CAP_ANSWER_BYTES);
	bool all = calls_text(r, route->record_tools, &calls);
	if (buf_failed(&calls))
		return ERR_NOMEM;
	if (!calls.n && all)
		return 0;
	err = keep_whole(
		r, &f->tools, SEAL_TOOLS, route->record_tools, buf_view(&calls), !all, e);
	f->tools.texts = true;
	return err;
}

/* ---- a response ---- */

/* Only one text is sealed while it passes: the response, or for MCP the result if the
 * response is not kept. If placeholders are restored in the response, its redacted form is
 * known only as runs of text, which the guard keeps. */
int
request_seal_answer(struct request *r, struct guard_plan *plan)
{
	const struct route *route = r->found.route;
	struct found_seal *f;
	bool tools = record_text_sealed(route->record_tools);
	enum record_text how = record_text_sealed(route->record_answer) ? route->record_answer
			       : r->found.call.is			? route->record_tools
									: KEPT_HASH;

	request_seal_drop(r);
	if (!r->gate->sealer || request_erased(r))
		return 0;
	if (!(f = found_seal_of(r)))
		return ERR_NOMEM;
	f->runs = how == KEPT_REDACTED && plan->vault;
	if (record_text_sealed(how) && !f->runs)
		plan->copies = how == KEPT_FULL ? GUARD_COPIES_CAME : GUARD_COPIES_WENT;
	if (f->runs || (tools && !r->found.call.is))
		plan->keeps = GUARD_KEEPS_TEXT;
	plan->keeps_raw = !f->runs && route->record_tools == KEPT_FULL;
	int err = record_text_sealed(route->record_answer)
			  ? begin_text(r, &f->answer, SEAL_RESPONSE, how)
		  : record_text_sealed(how) ? begin_text(r, &f->tools, SEAL_TOOLS, how)
					    : 0;
	if (r->run.erased)
		plan->copies = GUARD_COPIES_NOTHING;
	if (!err || request_on_failure(r)->audit != OUT_PERMIT)
		return err;
	plan->copies = GUARD_COPIES_NOTHING;
	metric_inc(r->gate->metrics, M_AUDIT_FAILED);
	return 0;
}

/* Returns the text that is sealed while it passes, or NULL. */
static struct kept_text *
passing_text(struct request *r)
{
	struct found_seal *f = r->found.seal;

	if (!f)
		return NULL;
	return f->answer.t ? &f->answer : f->tools.t ? &f->tools : NULL;
}

int
request_seal_more(struct request *r)
{
	const struct guard *g = r->x->guard;
	struct kept_text *k = passing_text(r);
	struct audit_entry *e;

	if (!k || guard_copied(g).n < TEXTS_PART_MAX)
		return 0;
	if (request_erased(r)) {
		guard_copied_clear(r->x->guard);
		return 0;
	}
	if (!audit_has_room(r->gate->shared->audit) && seal_cut(k->t))
		metric_inc(r->gate->metrics, M_TEXTS_CUT);
	if (!(e = audit_entry_new()))
		return ERR_NOMEM;
	int err = seal_add(k->t, guard_copied(g), &e->parts);
	guard_copied_clear(r->x->guard);
	if (e->parts)
		audit_append(r->gate->shared->audit, e);
	else
		free(e);
	return err;
}

/* Appends one line for each run of text. */
static void
put_runs(const struct guard *g, struct buf *b)
{
	struct guard_transcript s;

	for (size_t n = 0; guard_transcript(g, n, &s); n++) {
		json_put_form(b, "{'kind':%s,'choice':%u,'part':%u,'text':%t}\n",
			answer_kind_name(s.kind), (uint64_t)s.choice, (uint64_t)s.part, s.text);
	}
}

static void
put_calls(const struct guard *g, struct buf *b)
{
	const struct guard_report *a = guard_report(g);

	for (size_t i = 0; i < a->ncalled; i++)
		put_line(b, "answer", span_str(a->called[i].name), "arguments",
			guard_called_text(g, &a->called[i]));
}

/* Seals the text that `put` writes from what the guard kept. */
static int
end_texts(const struct request *r, struct kept_text *k,
	void (*put)(const struct guard *, struct buf *), bool whole, struct audit_entry *e)
{
	const struct guard *g = r->x->guard;

	SCOPED_BUF(text, 2 * CAP_ANSWER_BYTES);
	put(g, &text);
	int err = buf_failed(&text) ? ERR_NOMEM
				    : seal_add(k->t, buf_view(&text), end_of_parts(e));
	k->texts = true;
	return err ? err
		   : seal_end(k->t, !whole || guard_transcript_cut(g), end_of_parts(e),
			     &k->said);
}

/* Seals the tool calls of a response, which are known at its end. If placeholders are
 * restored, the calls are kept in redacted form, too. */
static int
end_calls(struct request *r, bool whole, struct audit_entry *e)
{
	struct found_seal *f = r->found.seal;
	enum record_text how = r->found.route->record_tools;

	if (!record_text_sealed(how) || r->found.call.is || !guard_report(r->x->guard)->ncalled)
		return 0;
	int err = begin_text(r, &f->tools, SEAL_TOOLS, f->runs ? KEPT_REDACTED : how);
	return err || !f->tools.t ? err : end_texts(r, &f->tools, put_calls, whole, e);
}

int
request_seal_end(struct request *r, bool whole, struct audit_entry *e)
{
	struct guard *g = r->x ? r->x->guard : NULL;
	struct kept_text *k = passing_text(r);
	int err = 0;

	if (!g || !r->gate->sealer || r->run.erased) {
		request_seal_drop(r);
		return 0;
	}
	if (k && r->found.seal->runs) {
		err = end_texts(r, k, put_runs, whole, e);
	} else if (k) {
		err = seal_add(k->t, guard_copied(g), end_of_parts(e));
		guard_copied_clear(g);
		if (!err)
			err = seal_end(k->t, !whole, end_of_parts(e), &k->said);
	}
	return err ? err : end_calls(r, whole, e);
}

void
request_seal_drop(struct request *r)
{
	struct found_seal *f = r->found.seal;

	if (!f)
		return;
	struct kept_text *all[] = { &f->prompt, &f->answer, &f->tools };
	for (size_t i = 0; i < COUNT_OF(all); i++) {
		seal_drop(&all[i]->t);
		*all[i] = (struct kept_text){ .how = KEPT_HASH };
	}
}

void
request_seal_free(struct request *r)
{
	request_seal_drop(r);
	request_seal_wipe(r);
	if (r->found.seal)
		explicit_bzero(&r->found.seal->counter, sizeof(r->found.seal->counter));
	free(r->found.seal);
	r->found.seal = NULL;
}
