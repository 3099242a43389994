/* Verifies the records that a person gets, before they are written: every chain, hash by
 * hash and signature by signature, as `audit verify` does. A chain may begin at any record.
 * Trimmed records, and records that were not restored, are a gap, after which the chain
 * begins again. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "cmd/sealed/subject.h"
#include "record/journal/verify.h"

/* The chain of one node. */
struct subject_chain {
	char node[CHAIN_NODE_MAX + 1];
	struct verifier *verifier; /* verifies the records after the last gap */
	uint64_t read, verified;   /* sequence numbers: the last record that was read, and the
				    * last one that is signed */
};

/* All chains of the records; `at` is the index of the chain of the last record. */
struct subject_chains {
	const struct keyring *ring;
	struct subject_chain *chain;
	size_t n, room, at;
	bool every_signature, no_memory;
	struct buf bad; /* message about the first bad record */
};

static void
begin_subject_chain(struct subject_chains *s, struct subject_chain *c)
{
	struct verify_options o = { .ring = s->ring,
		.trimmed = true,
		.live = true,
		.every_signature = s->every_signature,
		.node = c->node };

	c->verifier = verifier_new(&o);
	s->no_memory |= !c->verifier;
}

/* Ends the verification of a chain. `more` means that records follow after a gap. */
static void
end_subject_chain(struct subject_chains *s, struct subject_chain *c, bool more)
{
	struct verify_result r;

	if (!c->verifier)
		return;
	verifier_end(c->verifier, &r);
	verifier_free(&c->verifier);
	c->verified = r.last;
	if (r.ok && more && r.unsigned_records) {
		r.ok = false;
		r.bad_seq = c->read;
		snprintf(r.why, sizeof(r.why), "missing: no commit signs it");
	}
	if (!r.ok && !s->bad.n)
		buf_printf(&s->bad, "record %s/%" PRIu64 " does not verify: %s", c->node,
			r.bad_seq, r.why);
}

static struct subject_chain *
find_subject_chain(const struct subject_chains *s, struct span node)
{
	for (size_t i = 0; i < s->n; i++)
		if (span_is(node, s->chain[i].node))
			return &s->chain[i];
	return NULL;
}

/* A line that is no record is a fault of the chain before it. */
static void
verify_subject_line(void *arg, struct span line)
{
	struct subject_chains *s = arg;
	struct chain_line l;
	bool known = chain_parse(line, &l) == 0;
	struct subject_chain *c = known	 ? find_subject_chain(s, l.node)
				  : s->n ? &s->chain[s->at]
					 : NULL;

	if (!c && !known) {
		buf_str(&s->bad, s->bad.n ? "" : "the first line is not a record");
		return;
	}
	if (!c) {
		if (!mem_room(&s->chain, &s->room, s->n + 1, sizeof(*c))) {
			s->no_memory = true;
			return;
		}
		c = &s->chain[s->n++];
		*c = (struct subject_chain){ .verifier = NULL };
		snprintf(c->node, sizeof(c->node), "%.*s", SPAN_ARG(l.node));
		begin_subject_chain(s, c);
	} else if (known && !l.commit && l.seq > c->read + 1) {
		end_subject_chain(s, c, true);
		begin_subject_chain(s, c);
	}
	s->at = (size_t)(c - s->chain);
	if (known && !l.commit)
		c->read = l.seq;
	if (c->verifier)
		verifier_line(c->verifier, line);
}

void
subject_chains_free(struct subject_chains **s)
{
	if (!*s)
		return;
	for (size_t i = 0; i < (*s)->n; i++)
		verifier_free(&(*s)->chain[i].verifier);
	free((*s)->chain);
	buf_free(&(*s)->bad);
	free(*s);
	*s = NULL;
}

bool
subject_verified(const struct subject_chains *s, struct span node, uint64_t seq)
{
	const struct subject_chain *c = find_subject_chain(s, node);

	return c && seq <= c->verified;
}

static int
verify_subject_once(const struct audit_args *a, bool every_signature, struct subject_chains *s)
{
	struct query q = a->q;

	*s = (struct subject_chains){ .ring = a->ring, .every_signature = every_signature };
	buf_init(&s->bad, 4096);
	q.evidence = true;
	q.arg = s;
	q.line = verify_subject_line;
	int code = query_run(&q);
	for (size_t i = 0; i < s->n; i++)
		end_subject_chain(s, &s->chain[i], false);
	return code || !s->no_memory ? code : cmd_fail(a->q.what, "%s", err_str(ERR_NOMEM));
}

/* If the first reading finds a fault, the records are read again with every signature. A
 * running daemon may cut off a line that a full disk left incomplete, and the second
 * reading names the first bad record. */
int
subject_verify(const struct audit_args *a, struct subject_chains **out)
{
	int code = 0;

	for (int tries = 0; tries < 2 && !code && (!*out || (*out)->bad.n); tries++) {
		subject_chains_free(out);
		*out = calloc(1, sizeof(**out));
		code = *out ? verify_subject_once(a, tries > 0, *out)
			    : cmd_fail(a->q.what, "%s", err_str(ERR_NOMEM));
	}
	if (code || !(*out)->bad.n)
		return code;
	cmd_fail(a->q.what, "%.*s; nothing is written", SPAN_ARG(buf_view(&(*out)->bad)));
	return EXIT_NO;
}
