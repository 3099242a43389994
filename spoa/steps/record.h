/* The parts of a record, and how its members are written: each with its comma, texts cut
 * at a length. For record*.c alone. */
#ifndef STEPS_RECORD_H
#define STEPS_RECORD_H

#include <inttypes.h>

#include "base/sha256.h"
#include "steps/steps.h"
#include "verdict/answer.h"

enum {
	VALUE_MAX = 1024,   /* bytes of a text */
	LIST_MAX = 64,	    /* items */
	TEXT_MAX = 32 << 10 /* bytes of a prompt, or of all of an answer, as they stand there */
};

/* record_request.c */
void record_identity(struct request *r, struct buf *b);
void record_request(struct request *r, struct buf *b);
void record_prompt(struct request *r, struct buf *b);
void record_not_inspected(struct request *r, struct buf *b);
/* Fields of conditions that this record could not hold. */
void record_not_held(struct request *r, struct buf *b);
/* record_findings.c: how often each entity was found, with its best score. */
void record_findings(struct request *r, struct buf *b);
/* Who was asked, and what came of it. */
void record_recognitions(struct request *r, struct buf *b);

/* record_answer.c: the member `answer` of a completion. */
void record_answer(struct request *r, struct buf *b);
/* What was used, and what it cost. */
void record_usage(const struct request *r, const struct usage *u, struct buf *b);
/* record_verdict.c: its member `verdict`: what the rules on answers read, and the fate of each,
 * by the last time they were asked. Of calls the names, where they are among those that a
 * record may hold; never the arguments. */
struct guard_report;
void record_answer_verdict(struct buf *b, const struct policy *p, const struct route *route,
	const struct guard_report *a);
/* The rules that matched or failed; `trace` may be NULL. */
void record_rules(struct buf *b, const struct rule_trace *trace, size_t nrules);

/* Names of members are ours: nothing in them needs escaping. */
static inline void
key(struct buf *b, const char *name)
{
	size_t n = strlen(name);
	bool first = !b->n || buf_view(b).p[b->n - 1] == '{';
	char *to = buf_reserve(b, n + 4);

	if (!to)
		return;
	if (!first)
		*to++ = ',';
	*to++ = '"';
	memcpy(to, name, n);
	to[n] = '"';
	to[n + 1] = ':';
	buf_commit(b, n + 3 + !first);
}

/* Before item n of a list that this name has; the caller closes it. */
static inline void
put_item(struct buf *b, const char *name, size_t n)
{
	if (n == 0)
		key(b, name);
	buf_putc(b, n == 0 ? '[' : ',');
}

/* Item n of a list of texts. */
static inline void
put_text_item(struct buf *b, const char *name, size_t n, struct span s)
{
	put_item(b, name, n);
	buf_json_str(b, s);
}

/* After a list of n items. */
static inline void
put_end(struct buf *b, size_t n)
{
	if (n)
		buf_putc(b, ']');
}

/* The caller closes it. */
static inline void
put_object(struct buf *b, const char *name)
{
	key(b, name);
	buf_putc(b, '{');
}

/* As much of it as takes at most `max` bytes of a JSON string. */
static inline struct span
cut_escaped(struct span s, size_t max)
{
	size_t n = 0, i = 0;

	for (; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		n += c == '"' || c == '\\' || c == '\n' || c == '\r' || c == '\t' ? 2
		     : c < 0x20							  ? 6
										  : 1;
		if (n > max)
			break;
	}
	while (i && i < s.n && ((unsigned char)s.p[i] & 0xc0) == 0x80)
		i--;
	return span_cut(s, 0, i);
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
put_str(struct buf *b, const char *name, struct span s)
{
	char clean[VALUE_MAX];

	if (s.n == 0)
		return;
	s = cut(s, VALUE_MAX);
	for (size_t i = 0; i < s.n; i++)
		clean[i] = (signed char)s.p[i] < 0 ? '?' : s.p[i];
	key(b, name);
	buf_json_str(b, span_of(clean, s.n));
}

/* Text known to be UTF-8 (claims, model names). */
static inline void
put_utf8(struct buf *b, const char *name, struct span s)
{
	if (s.n == 0)
		return;
	key(b, name);
	buf_json_str(b, cut(s, VALUE_MAX));
}

static inline void
put_int(struct buf *b, const char *name, int64_t v)
{
	key(b, name);
	buf_int(b, v);
}

/* Where it is not 0. */
static inline void
put_count(struct buf *b, const char *name, uint64_t n)
{
	if (n)
		put_int(b, name, (int64_t)n);
}

/* HMAC-SHA-256 under a key derived from the audit key: the same text has the same hash in one
 * node's journal, and nobody without the key can test a guess. */
static inline void
put_hash(struct buf *b, const char *name, const unsigned char h[SHA256_BYTES])
{
	key(b, name);
	buf_putc(b, '"');
	buf_hex(b, h, SHA256_BYTES);
	buf_putc(b, '"');
}

static inline void
put_flag(struct buf *b, const char *name, bool v)
{
	if (!v)
		return;
	key(b, name);
	buf_str(b, "true");
}

#endif
