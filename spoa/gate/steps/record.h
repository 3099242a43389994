/* The parts of a record, and functions that write its members: each with its comma, strings cut
 * at a length. Only for record*.c. */
#ifndef GATE_STEPS_RECORD_H
#define GATE_STEPS_RECORD_H

#include <inttypes.h>

#include "base/sha256.h"
#include "gate/sealing/sealing.h"
#include "gate/steps/steps.h"
#include "policy/policy.h"
#include "policy/verdict/answer.h"
#include "record/audit/record_fields.h"

enum {
	VALUE_MAX = 1024, /* bytes of a string */
	LIST_MAX = 64	  /* items of a list */
};

/* record.c: writes where a kept text is stored; its members begin with `first`. Writes nothing
 * if no text was kept. */
void record_kept(struct buf *b, enum record_field first, const struct kept_text *k);
/* record_request.c: */
/* The caller's attributes that the record holds. */
struct held_attributes {
	struct buf json; /* an object */
	int64_t n;	 /* number of attributes; -1: their JSON is too long for a record */
};
/* The caller frees out->json. */
void held_attributes(struct request *r, struct held_attributes *out);
void record_identity(struct request *r, const struct held_attributes *held, struct buf *b);
void record_request(struct request *r, struct buf *b);
void record_prompt(struct request *r, struct buf *b);
void record_not_inspected(const struct request *r, struct buf *b);
/* Lists the fields of conditions that this record could not hold. */
void record_not_held(struct request *r, const struct held_attributes *held, struct buf *b);
/* Writes how often each entity was found, with its best score. */
void record_findings(const struct request *r, struct buf *b);
/* Lists the recognizers that were asked, with the result. */
void record_recognitions(const struct request *r, struct buf *b);

/* record.c: writes the member `verdict` of a response: the values that the rules read,
 * and the result of each rule, by the last evaluation. Names of called tools appear only if a
 * record may hold them; arguments never do. */
struct guard_report;
void record_answer_verdict(struct buf *b, const struct policy *p, const struct route *route,
	const struct guard_report *a);

/* Returns true if nothing was written in this object yet. */
static inline bool
is_first(const struct buf *b)
{
	return !b->n || buf_view(b).p[b->n - 1] == '{';
}

static inline void
put_member_key(struct buf *b, enum record_field f)
{
	const struct record_row *row = &record_rows[f];
	bool first = is_first(b);

	buf_put(b, row->key + first, (size_t)row->key_bytes - first);
}

/* Writes a key of a map. The name is a constant that needs no escaping. */
static inline void
key_in_map(struct buf *b, struct span name)
{
	buf_str(b, is_first(b) ? "\"" : ",\"");
	buf_span(b, name);
	buf_str(b, "\":");
}

/* Begins item n of a list that has this name. The caller ends the list with put_end(). */
static inline void
put_item(struct buf *b, enum record_field f, size_t n)
{
	if (n == 0)
		put_member_key(b, f);
	buf_putc(b, n == 0 ? '[' : ',');
}

/* Begins an object as an item of a list. The caller closes each object. */
static inline void
put_object_item(struct buf *b, enum record_field f, size_t n)
{
	put_item(b, f, n);
	buf_putc(b, '{');
}

/* Writes item n of a list of strings. */
static inline void
put_text_item(struct buf *b, enum record_field f, size_t n, struct span s)
{
	put_item(b, f, n);
	buf_json_str(b, s);
}

/* Ends a list of n items. */
static inline void
put_end(struct buf *b, size_t n)
{
	if (n)
		buf_putc(b, ']');
}

/* Writes at most LIST_MAX names. */
static inline void
put_names(struct buf *b, enum record_field f, const char *const *v, size_t n)
{
	for (size_t i = 0; i < n && i < LIST_MAX; i++)
		put_text_item(b, f, i, span_str(v[i]));
	put_end(b, n);
}

/* Lists the policy's classes that are in the set. */
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

/* Begins an object, which the caller closes. */
static inline void
put_object(struct buf *b, enum record_field f)
{
	put_member_key(b, f);
	buf_putc(b, '{');
}

/* Cuts UTF-8 at the begin of a character, to at most `max` bytes. */
static inline struct span
cut_utf8(struct span s, size_t max)
{
	if (s.n <= max)
		return s;
	while (max && ((unsigned char)s.p[max] & 0xc0) == 0x80)
		max--;
	return span_cut(s, 0, max);
}

/* Writes a string that may hold any byte, such as a header value: bytes above 127 become '?',
 * because records are UTF-8. */
static inline void
put_str(struct buf *b, enum record_field f, struct span s)
{
	char clean[VALUE_MAX];

	if (s.n == 0)
		return;
	s = cut_utf8(s, VALUE_MAX);
	put_member_key(b, f);
	if (span_is_ascii(s)) {
		buf_json_str(b, s);
		return;
	}
	for (size_t i = 0; i < s.n; i++)
		clean[i] = (signed char)s.p[i] < 0 ? '?' : s.p[i];
	buf_json_str(b, span_of(clean, s.n));
}

static inline void
put_name(struct buf *b, enum record_field f, const char *name)
{
	put_str(b, f, span_str(name));
}

/* Writes a string that is known to be UTF-8 (claims, model names). */
static inline void
put_utf8(struct buf *b, enum record_field f, struct span s)
{
	if (s.n == 0)
		return;
	put_member_key(b, f);
	buf_json_str(b, cut_utf8(s, VALUE_MAX));
}

static inline void
put_int(struct buf *b, enum record_field f, int64_t v)
{
	put_member_key(b, f);
	buf_int(b, v);
}

/* Writes n unless it is 0. */
static inline void
put_count(struct buf *b, enum record_field f, uint64_t n)
{
	if (n)
		put_int(b, f, (int64_t)n);
}

/* Writes HMAC-SHA-256 with a key derived from the audit key: the same text has the same hash in
 * one node's journal, and nobody without the key can test a guess. */
static inline void
put_hash(struct buf *b, enum record_field f, const unsigned char h[SHA256_BYTES])
{
	put_member_key(b, f);
	buf_putc(b, '"');
	buf_hex(b, h, SHA256_BYTES);
	buf_putc(b, '"');
}

/* Writes the keyed hash of a text of the request's holder, with the key of the holder's share
 * if there is one. Writes nothing if the holder was erased after the request began: under a
 * later share, or under the daemon's key, the hash could equal one of another record. */
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
	put_member_key(b, f);
	buf_str(b, "true");
}

#endif
