/* The parts of a record, and how its members are written: each with its comma, texts cut
 * at a length. For record*.c alone. */
#ifndef GATE_STEPS_RECORD_H
#define GATE_STEPS_RECORD_H

#include <inttypes.h>

#include "base/sha256.h"
#include "gate/sealing/sealing.h"
#include "gate/steps/steps.h"
#include "policy/verdict/answer.h"
#include "record/audit/record_fields.h"

enum {
	VALUE_MAX = 1024, /* bytes of a text */
	LIST_MAX = 64	  /* items */
};

/* record.c: where a text is that was kept; its rows begin with `first`. Nothing where none was.
 */
void record_kept(struct buf *b, enum record_field first, const struct kept_text *k);
/* record_request.c */
void record_identity(struct request *r, struct buf *b);
void record_request(struct request *r, struct buf *b);
void record_prompt(struct request *r, struct buf *b);
void record_not_inspected(struct request *r, struct buf *b);
/* Fields of conditions that this record could not hold. */
void record_not_held(struct request *r, struct buf *b);
/* record_request.c: how often each entity was found, with its best score. */
void record_findings(struct request *r, struct buf *b);
/* Who was asked, and what came of it. */
void record_recognitions(struct request *r, struct buf *b);

/* record_answer.c: the attempts that were made; which one the record of a later one is of,
 * those before it and what they were charged. */
void record_attempts(struct request *r, struct buf *b);
void record_attempt(struct request *r, struct buf *b);

/* record_answer.c: the member `answer` of a completion. */
void record_answer(struct request *r, struct buf *b);
/* What was used, and what it cost. */
void record_usage(const struct request *r, const struct usage *u, struct buf *b);
/* record_calls.c: an entry a call: of the request, where it is one, and of what an answer
 * calls; of a completion with what came of it. The names of tools that a request offers. */
void record_calls(struct request *r, struct buf *b);
struct exchange_result;
void record_called(struct request *r, const struct exchange_result *res, struct buf *b);
void record_offered(struct request *r, struct buf *b);

/* record_answer.c: its member `verdict`: what the rules on answers read, and the fate of each,
 * by the last time they were asked. Of calls the names, where they are among those that a
 * record may hold; never the arguments. */
struct guard_report;
void record_answer_verdict(struct buf *b, const struct policy *p, const struct route *route,
	const struct guard_report *a);
/* For GET /policy/rules: what a rule did, and one in shadow that would have. */
void record_rule_did(const struct request *r, const struct rule_outcome *o);
/* Where rules in shadow would have decided otherwise: what, and which. */
void record_would(struct buf *b, const struct rule_outcome *o, enum record_field effect,
	enum record_field rule);
/* The rules that matched or failed; `trace` may be NULL. */
void record_rules(struct buf *b, const struct rule_trace *trace, size_t nrules);
/* The fate of each as a letter (explain_letters), of at most 4,096. */
void record_outcomes(
	struct buf *b, enum record_field field, const struct rule_trace *trace, size_t nrules);

/* Nothing was written before in this object. */
static inline bool
is_first(const struct buf *b)
{
	return !b->n || buf_view(b).p[b->n - 1] == '{';
}

static inline void
key(struct buf *b, enum record_field f)
{
	const struct record_row *row = &record_rows[f];
	bool first = is_first(b);

	buf_put(b, row->key + first, (size_t)row->key_bytes - first);
}

/* A name of ours in a map: nothing in it needs escaping. */
static inline void
key_in_map(struct buf *b, const char *name)
{
	buf_str(b, is_first(b) ? "\"" : ",\"");
	buf_str(b, name);
	buf_str(b, "\":");
}

/* Before item n of a list that this name has; the caller closes it. */
static inline void
put_item(struct buf *b, enum record_field f, size_t n)
{
	if (n == 0)
		key(b, f);
	buf_putc(b, n == 0 ? '[' : ',');
}

/* The same of a list of objects. */
static inline void
put_object_item(struct buf *b, enum record_field f, size_t n)
{
	put_item(b, f, n);
	buf_putc(b, '{');
}

/* Item n of a list of texts. */
static inline void
put_text_item(struct buf *b, enum record_field f, size_t n, struct span s)
{
	put_item(b, f, n);
	buf_json_str(b, s);
}

/* After a list of n items. */
static inline void
put_end(struct buf *b, size_t n)
{
	if (n)
		buf_putc(b, ']');
}

/* At most LIST_MAX of them. */
static inline void
put_names(struct buf *b, enum record_field f, const char *const *v, size_t n)
{
	for (size_t i = 0; i < n && i < LIST_MAX; i++)
		put_text_item(b, f, i, span_str(v[i]));
	put_end(b, n);
}

/* The policy's classes in the set. */
static inline void
put_classes(struct buf *b, enum record_field f, const struct policy *p,
	const struct entity_set *hit)
{
	size_t n = 0;

	for (size_t i = 0; i < p->nclasses; i++)
		if (entity_in(hit, i))
			put_text_item(b, f, n++, span_str(p->classes[i].name));
	put_end(b, n);
}

static inline void
put_spans(struct buf *b, enum record_field f, const struct span *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		put_text_item(b, f, i, v[i]);
	put_end(b, n);
}

static inline void
put_roles(struct buf *b, enum record_field f, unsigned roles)
{
	size_t n = 0;

	for (unsigned k = 0; k < ROLE_COUNT; k++)
		if (roles >> k & 1)
			put_text_item(b, f, n++, span_str(role_name((enum seg_role)k)));
	put_end(b, n);
}

/* The caller closes it. */
static inline void
put_object(struct buf *b, enum record_field f)
{
	key(b, f);
	buf_putc(b, '{');
}

/* UTF-8 cut at a character. */
static inline struct span
cut(struct span s, size_t max)
{
	if (s.n <= max)
		return s;
	while (max && ((unsigned char)s.p[max] & 0xc0) == 0x80)
		max--;
	return span_cut(s, 0, max);
}

/* Header values may hold any byte; records are UTF-8. */
static inline void
put_str(struct buf *b, enum record_field f, struct span s)
{
	char clean[VALUE_MAX];

	if (s.n == 0)
		return;
	s = cut(s, VALUE_MAX);
	for (size_t i = 0; i < s.n; i++)
		clean[i] = (signed char)s.p[i] < 0 ? '?' : s.p[i];
	key(b, f);
	buf_json_str(b, span_of(clean, s.n));
}

static inline void
put_name(struct buf *b, enum record_field f, const char *name)
{
	put_str(b, f, span_str(name));
}

/* Text known to be UTF-8 (claims, model names). */
static inline void
put_utf8(struct buf *b, enum record_field f, struct span s)
{
	if (s.n == 0)
		return;
	key(b, f);
	buf_json_str(b, cut(s, VALUE_MAX));
}

static inline void
put_int(struct buf *b, enum record_field f, int64_t v)
{
	key(b, f);
	buf_int(b, v);
}

/* Where it is not 0. */
static inline void
put_count(struct buf *b, enum record_field f, uint64_t n)
{
	if (n)
		put_int(b, f, (int64_t)n);
}

/* HMAC-SHA-256 under a key derived from the audit key: the same text has the same hash in one
 * node's journal, and nobody without the key can test a guess. */
static inline void
put_hash(struct buf *b, enum record_field f, const unsigned char h[SHA256_BYTES])
{
	key(b, f);
	buf_putc(b, '"');
	buf_hex(b, h, SHA256_BYTES);
	buf_putc(b, '"');
}

/* The same of a text of the request's holder: where he has a share it is his own. Nothing if
 * the holder was erased after the request began: under a later share, or under the daemon's key,
 * the hash could equal one of another record. */
static inline void
put_text_hash(struct buf *b, enum record_field f, const struct request *r,
	const unsigned char h[SHA256_BYTES])
{
	unsigned char own[SHA256_BYTES];

	if (r->run.erased)
		return;
	request_seal_hash(r, h, own);
	put_hash(b, f, own);
}

static inline void
put_flag(struct buf *b, enum record_field f, bool v)
{
	if (!v)
		return;
	key(b, f);
	buf_str(b, "true");
}

#endif
