/* Verifies a chain: see chain.h for the format, docs/threat-model.md for what verification
 * proves.
 *
 * A signature covers the last hash of its commit. Walking back from there, it covers each
 * record whose hash the next record names. This walk distinguishes a changed record from the
 * record after it, whose link breaks. Signatures are collected and verified in batches,
 * because one costs as much as fifty hashes. */
#include "record/journal/verify.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/pool.h"
#include "base/sha256.h"

#define BATCH	   16384 /* signatures that are verified together */
#define SIGNED_MAX 512	 /* bytes of a commit object: node 64, numbers, head 64, time 30 */
/* threads that verify signatures */
#define THREADS_MAX 16
/* if fewer commits wait, a vouching signature is not worth its cost */
#define WORTH_VOUCHING 256
#define BATCH_SERIAL   64 /* up to this number of signatures, one thread is used */

/* A record that no commit covers yet. */
struct pending {
	uint64_t seq, boot;
	unsigned char prev[CHAIN_HASH_BYTES], hash[CHAIN_HASH_BYTES];
	char time[CLOCK_RFC3339_LEN];
	char type[32];
};

/* A signature that is still to be verified. */
struct sig_job {
	uint64_t first, seq;
	const struct pubkey *key;
	size_t n;
	unsigned char sig[SIGNKEY_SIG_BYTES];
	char text[SIGNED_MAX];
	/* the result up to the commit before, which is restored if the signature is bad */
	struct verify_result before;
	bool good;
};

struct verifier {
	struct verify_options o;
	struct keyring ring; /* jobs point to its keys, so it never moves */
	struct chain at;     /* the last record that was read */
	/* the result so far; the last signatures may still be unverified */
	struct verify_result r;
	/* records since the last commit; grows by doubling, to CHAIN_COMMIT_RECORDS */
	struct pending *pend;
	size_t npend, room;
	bool began;  /* the first record was read, or verifier_continue() was called */
	bool broken; /* a link among `pend` is broken */
	bool failed;
	uint64_t rejected; /* a record that `each` rejected, and why; 0: none */
	char rejected_why[VERIFY_WHY_MAX];
	/* a record that was reported missing and may still come, which then was swapped; 0:
	 * none */
	uint64_t missing;
	/* text of the trim record that would explain the missing first records; "": nothing
	 * is missing */
	char cut[VERIFY_TRIM_BYTES];
	/* signatures to verify; grows by doubling, to BATCH */
	struct sig_job *jobs;
	size_t njobs, jobs_room;
};

void
verify_trim_text(
	uint64_t first, const unsigned char prev[CHAIN_HASH_BYTES], char out[VERIFY_TRIM_BYTES])
{
	char hex[2 * CHAIN_HASH_BYTES + 1];

	chain_hex(prev, hex);
	snprintf(
		out, VERIFY_TRIM_BYTES, "\"last\":%" PRIu64 ",\"head\":\"%s\"", first - 1, hex);
}

bool
verify_is_trim(struct span line, const char *text, bool unarchived)
{
	static const char none[] = "\"archive\":null";

	return memmem(line.p, line.n, text, strlen(text)) &&
	       (!unarchived || memmem(line.p, line.n, none, sizeof(none) - 1));
}

struct verifier *
verifier_new(const struct verify_options *o)
{
	struct verifier *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	v->o = *o;
	if (o->ring)
		v->ring = *o->ring;
	keyring_give(&v->ring, o->keys, o->nkeys);
	if (o->node) {
		snprintf(v->at.node, sizeof(v->at.node), "%s", o->node);
		/* The name of a stream is not trusted: replace characters that could control
		 * a terminal. */
		for (char *c = v->at.node; *c; c++)
			if (!chain_node_valid(span_of(c, 1)))
				*c = '?';
	}
	return v;
}

void
verifier_free(struct verifier **v)
{
	if (!*v)
		return;
	free((*v)->pend);
	free((*v)->jobs);
	free(*v);
	*v = NULL;
}

void
verifier_continue(struct verifier *v, const struct chain *before)
{
	INVARIANT(!v->began && v->npend == 0); /* before the first line */
	v->at = *before;
	v->r.boot = before->boot;
	memcpy(v->r.head, before->head, CHAIN_HASH_BYTES);
	v->began = true;
}

bool
verifier_at_commit(const struct verifier *v)
{
	return v->npend == 0;
}

/* ---- signatures ---- */

struct worker {
	pthread_t thread;
	struct sig_job *jobs;
	size_t from, to;
};

static void *
check_jobs(void *arg)
{
	struct worker *w = arg;

	for (size_t i = w->from; i < w->to; i++) {
		struct sig_job *j = &w->jobs[i];
		j->good = pubkey_verify(j->key, span_of(j->text, j->n), j->sig);
	}
	return NULL;
}

__attribute__((format(printf, 3, 4))) static void fail_verify(
	struct verifier *v, uint64_t seq, const char *fmt, ...);

/* Verifies all collected signatures, on all cores if that is worth it. The first bad one is
 * the error. */
static void
flush_sigs(struct verifier *v)
{
	struct worker w[THREADS_MAX];
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	size_t n = v->njobs <= BATCH_SERIAL || cores < 2 ? 1 : (size_t)cores, started = 1;

	INVARIANT(v->njobs <= BATCH);
	if (n > THREADS_MAX)
		n = THREADS_MAX;
	for (size_t i = 0; i < n; i++)
		w[i] = (struct worker){
			.jobs = v->jobs, .from = v->njobs * i / n, .to = v->njobs * (i + 1) / n
		};
	while (started < n &&
		thread_start(&w[started].thread, NULL, check_jobs, &w[started]) == 0)
		started++;
	for (size_t i = started; i < n; i++)
		check_jobs(&w[i]);
	check_jobs(&w[0]);
	for (size_t i = 1; i < started; i++)
		pthread_join(w[i].thread, NULL);
	size_t bad = 0, njobs = v->njobs;
	while (bad < njobs && v->jobs[bad].good)
		bad++;
	v->njobs = 0;
	if (bad == njobs)
		return;
	const struct sig_job *j = &v->jobs[bad];
	v->r = j->before;
	v->missing = 0;
	if (j->first == j->seq)
		fail_verify(v, j->first, "bad signature on its commit");
	else
		fail_verify(v, j->first,
			"bad signature on the commit of records %" PRIu64 " to %" PRIu64,
			j->first, j->seq);
}

/* Records the first error. Signatures that are not verified yet are of earlier records, so
 * they are verified first. */
static void
fail_verify(struct verifier *v, uint64_t seq, const char *fmt, ...)
{
	va_list ap;

	flush_sigs(v);
	if (v->failed)
		return;
	v->failed = true;
	v->r.bad_seq = seq;
	va_start(ap, fmt);
	vsnprintf(v->r.why, sizeof(v->r.why), fmt, ap);
	va_end(ap);
}

/* ---- which record was changed ---- */

static bool
is_same_hash(const unsigned char *a, const unsigned char *b)
{
	return memcmp(a, b, CHAIN_HASH_BYTES) == 0;
}

/* Returns true if pend[i] names the hash of the record before it. */
static bool
linked(const struct verifier *v, size_t i)
{
	return is_same_hash(v->pend[i].prev, i ? v->pend[i - 1].hash : v->r.head);
}

/* Finds the changed record among pend and reports it. `head` is the signed hash of the last
 * one, or NULL if no commit follows. */
static void
diagnose(struct verifier *v, const unsigned char *head)
{
	/* pend[sound..] are covered by the signature */
	size_t n = v->npend, broke = 0, sound = n;

	INVARIANT(n > 0);
	for (const unsigned char *want = head;
		want && sound > 0 && is_same_hash(v->pend[sound - 1].hash, want);)
		want = v->pend[--sound].prev;
	while (broke < n && linked(v, broke))
		broke++;
	if (head && sound == 0) {
		fail_verify(v, v->pend[0].seq,
			"replaced: signed, but it does not follow the record before it");
		return;
	}
	size_t bad = broke;
	if (broke == n)
		bad = n - 1; /* all links are intact, but the signed hash differs */
	else if (broke > 0) {
		/* Either the `prev` of pend[broke] was changed, or the record before it. If
		 * pend[broke] was changed, the link after it is broken, too. */
		bool next_broken = broke + 1 < n
					   ? !linked(v, broke + 1)
					   : head && !is_same_hash(v->pend[broke].hash, head);
		bad = sound <= broke || !next_broken ? broke - 1 : broke;
	}
	fail_verify(v, v->pend[bad].seq, "changed: its bytes do not have the hash that %s",
		bad + 1 < n ? "the next record names"
		: head	    ? "is signed"
			    : "the records beside it name");
}

/* Reports an error that was found before the commit arrived. If a link before it is broken,
 * that error is earlier and is reported instead. */
#define fail_structure(v, ...) ((v)->broken ? diagnose(v, NULL) : fail_verify(v, __VA_ARGS__))

static void
fail_missing(struct verifier *v, uint64_t seq, uint64_t found)
{
	fail_structure(v, seq, "missing: record %" PRIu64 " stands in its place", found);
	if (v->r.bad_seq == seq && !strncmp(v->r.why, "missing", 7))
		v->missing = seq;
}

/* After the first error, only one question remains: does a record that was reported missing
 * come later? */
static void
look_for_missing(struct verifier *v, struct span line)
{
	struct chain_line l;

	if (!v->missing || chain_parse(line, &l) || l.commit || l.seq != v->missing)
		return;
	char in_its_place[128] = "";
	const char *tail = strstr(v->r.why, ": record ");
	if (tail)
		snprintf(in_its_place, sizeof(in_its_place), "%s", tail);
	snprintf(v->r.why, sizeof(v->r.why), "swapped%s, and the record itself comes later",
		in_its_place);
	v->missing = 0;
}

/* ---- lines ---- */

/* Makes room for one more element. Returns false if memory is exhausted; the error must not
 * look like a verdict on the chain. */
static bool
grow_verifier(struct verifier *v, void *array, size_t *room, size_t n, size_t size)
{
	bool grown = mem_room(array, room, n + 1, size);

	if (!grown)
		fail_verify(v, v->at.seq + 1,
			"unknown: out of memory: verify again with more memory");
	return grown;
}

/* Checks the very first record. Returns false if no chain begins like this. */
static bool
may_begin(struct verifier *v, const struct chain_line *l)
{
	static const unsigned char zeros[CHAIN_HASH_BYTES];

	if (v->o.from ? l->seq != v->o.from : l->seq != 1 && !v->o.trimmed) {
		uint64_t want = v->o.from ? v->o.from : 1;
		if (l->seq > want && !is_same_hash(l->prev, zeros))
			fail_missing(v, want, l->seq);
		else
			fail_verify(v, want,
				"changed: the line states that it is record %" PRIu64, l->seq);
		return false;
	}
	if (l->seq == 1 &&
		(l->boot != 1 || !is_same_hash(l->prev, zeros) || !span_is(l->type, "boot"))) {
		fail_verify(v, 1,
			"changed: the first record of a chain must be of type boot, with boot "
			"1 and prev 0");
		return false;
	}
	v->at.boot = l->boot;
	v->at.seq = l->seq - 1;
	memcpy(v->at.head, l->prev, CHAIN_HASH_BYTES);
	memcpy(v->r.head, l->prev, CHAIN_HASH_BYTES);
	v->began = true;
	if (v->o.by_trim && l->seq > 1)
		verify_trim_text(l->seq, l->prev, v->cut);
	return true;
}

/* Checks that the record has the next number and a plausible boot. */
static bool
in_sequence(struct verifier *v, const struct chain_line *l)
{
	uint64_t want = v->at.seq + 1;

	if (l->seq != want && is_same_hash(l->prev, v->at.head))
		fail_structure(
			v, want, "changed: the line states that it is record %" PRIu64, l->seq);
	else if (l->seq < want)
		fail_structure(
			v, l->seq, "doubled: it is repeated after record %" PRIu64, v->at.seq);
	else if (l->seq > want)
		fail_missing(v, want, l->seq);
	else if (l->boot != v->at.boot &&
		 (l->boot != v->at.boot + 1 || !span_is(l->type, "boot")))
		fail_structure(v, want,
			"changed: its boot is %" PRIu64
			", but the boot of the record before it is %" PRIu64,
			l->boot, v->at.boot);
	return !v->failed;
}

/* A key that is trusted can introduce or end others, from the record of its statement on. */
static bool
take_statement(struct verifier *v, struct span line, uint64_t seq)
{
	struct key_statement s;
	enum keyring_verdict said =
		key_statement_of(line, &s) ? KEYRING_FALSE : keyring_take(&v->ring, &s);

	if (said == KEYRING_FALSE)
		fail_structure(v, seq,
			"false: its statement about a key has no signature by a key that may "
			"make it");
	else if (said == KEYRING_FULL)
		fail_verify(v, seq, "unknown: the chain has more keys than can be verified");
	return !v->failed;
}

static void
take_record(struct verifier *v, struct span line, const struct chain_line *l)
{
	if (!v->began ? !may_begin(v, l) : !in_sequence(v, l))
		return;
	if (v->npend == CHAIN_COMMIT_RECORDS) {
		fail_structure(v, v->pend[0].seq, "unsigned: no commit within %d records",
			CHAIN_COMMIT_RECORDS);
		return;
	}
	if (!grow_verifier(v, &v->pend, &v->room, v->npend, sizeof(*v->pend)) ||
		(span_is(l->type, "key") && !take_statement(v, line, l->seq)))
		return;
	INVARIANT(v->npend < CHAIN_COMMIT_RECORDS);
	struct pending *p = &v->pend[v->npend++];
	p->seq = l->seq;
	p->boot = l->boot;
	memcpy(p->prev, l->prev, CHAIN_HASH_BYTES);
	span_copy(l->time, p->time, sizeof(p->time));
	span_copy(l->type, p->type, sizeof(p->type));
	sha256(line, p->hash);
	if (v->o.record)
		v->o.record(v->o.arg, l, line);
	if (!is_same_hash(p->prev, v->at.head))
		v->broken = true;
	memcpy(v->at.head, p->hash, CHAIN_HASH_BYTES);
	v->at.seq = l->seq;
	v->at.boot = l->boot;
	if (v->cut[0] && !v->r.trim_seq && span_is(l->type, "trim") &&
		verify_is_trim(line, v->cut, v->o.unarchived))
		v->r.trim_seq = l->seq;
}

/* Reports a commit that is correctly signed but does not cover exactly the pending records. */
static void
commit_misfits(struct verifier *v, const struct chain_line *l)
{
	uint64_t first = v->npend ? v->pend[0].seq : v->at.seq + 1;
	uint64_t last = v->at.seq;
	bool head_trimmed = v->o.trimmed && !v->r.commits;

	if (v->npend == 0 && l->seq <= last)
		fail_verify(v, l->seq, "doubled: its commit is repeated");
	else if (v->npend == 0 || (l->first > first && l->first > last))
		fail_missing(v, v->npend ? first : last + 1, l->first);
	else if (l->first > first)
		fail_verify(v, first, "unsigned: its commit is missing");
	else if (l->first < first && !head_trimmed)
		fail_verify(v, first, "doubled: a commit of record %" PRIu64 " follows it",
			l->first);
	else if (l->seq > last)
		fail_verify(
			v, last + 1, "missing: a commit covers it, but the record is absent");
	else if (l->seq < last)
		fail_verify(v, l->seq + 1, "swapped: it precedes the commit of record %" PRIu64,
			l->seq);
	else
		fail_verify(v, last, "changed: its commit names another boot");
}

/* The commit covers the pending records and their hashes agree. Collects its signature. */
static void
accept_commit(struct verifier *v, const struct chain_line *l, const struct pubkey *key)
{
	INVARIANT(v->npend > 0 && !v->broken && l->signed_text.n <= SIGNED_MAX);
	const struct pending *last = &v->pend[v->npend - 1];

	for (size_t i = 0; v->o.each && i < v->npend; i++)
		v->o.each(v->o.arg, v->pend[i].seq, v->pend[i].hash);
	if (v->failed)
		return;
	if (v->rejected) {
		if (!pubkey_verify(key, l->signed_text, l->sig))
			fail_verify(v, v->pend[0].seq, "bad signature on its commit");
		else
			fail_verify(v, v->rejected, "%s", v->rejected_why);
		return;
	}
	if (!grow_verifier(v, &v->jobs, &v->jobs_room, v->njobs, sizeof(*v->jobs)))
		return;
	struct sig_job *j = &v->jobs[v->njobs++];
	j->first = v->pend[0].seq;
	j->seq = l->seq;
	j->key = key;
	j->n = l->signed_text.n;
	memcpy(j->sig, l->sig, sizeof(j->sig));
	memcpy(j->text, l->signed_text.p, l->signed_text.n);
	j->before = v->r;
	if (!v->r.records)
		v->r.first = v->pend[0].seq;
	for (size_t i = 0; i < v->npend; i++) {
		if (v->pend[i].boot != v->r.boot)
			v->r.boots++;
		v->r.boot = v->pend[i].boot;
	}
	v->r.records += v->npend;
	v->r.commits++;
	v->r.last = last->seq;
	memcpy(v->r.head, last->hash, CHAIN_HASH_BYTES);
	memcpy(v->r.time, last->time, sizeof(v->r.time));
	memcpy(v->r.type, last->type, sizeof(v->r.type));
	memcpy(v->r.key, key->id, sizeof(v->r.key));
	v->npend = 0;
	if (v->njobs == (v->o.one_core ? BATCH_SERIAL : BATCH))
		flush_sigs(v);
}

static void
take_commit(struct verifier *v, const struct chain_line *l)
{
	uint64_t first = v->npend ? v->pend[0].seq : v->at.seq + 1;
	bool head_trimmed = v->o.trimmed && !v->r.commits && v->npend && l->first < first;
	uint64_t begins = head_trimmed ? first : l->first;
	char why[KEYRING_WHY];
	/* The commit's own members are not trusted before its signature is verified. */
	const struct pubkey *key =
		keyring_signer(&v->ring, v->at.node, l->key, l->first, l->seq, why);

	if (!key) {
		fail_verify(v, first, "wrong key: its commit is signed by %s", why);
		return;
	}
	bool fits = v->npend && begins == first && l->seq == v->at.seq &&
		    l->boot == v->at.boot && l->signed_text.n <= SIGNED_MAX;
	bool agrees = fits && !v->broken && is_same_hash(l->head, v->pend[v->npend - 1].hash);
	if (agrees) {
		accept_commit(v, l, key);
		return;
	}
	if (!pubkey_verify(key, l->signed_text, l->sig))
		fail_verify(v, first, "bad signature on its commit");
	else if (fits)
		diagnose(v, l->head);
	else if (v->broken)
		diagnose(v, NULL);
	else
		commit_misfits(v, l);
}

bool
verifier_line(struct verifier *v, struct span line)
{
	struct chain_line l;

	if (v->failed) {
		look_for_missing(v, line);
		return false;
	}
	if (chain_parse(line, &l)) {
		uint64_t seq = v->began ? v->at.seq + 1 : v->o.from ? v->o.from : 1;
		if (v->npend && span_starts(line, SPAN_LIT("{\"v\":1,\"commit\"")))
			fail_structure(v, v->pend[0].seq, "junk: its commit cannot be read");
		else
			fail_structure(v, seq,
				"junk: %zu bytes that are neither a record nor a commit",
				line.n);
		return false;
	}
	if (!v->at.node[0])
		snprintf(v->at.node, sizeof(v->at.node), "%.*s", SPAN_ARG(l.node));
	if (!span_is(l.node, v->at.node)) {
		/* Before the first signature, the first line is the one that is wrong. */
		bool first_lies = !v->o.node && !v->r.commits && v->npend;
		fail_structure(v,
			first_lies ? v->pend[0].seq
			: v->began ? v->at.seq + 1
				   : l.seq,
			"changed: a line names node %.*s, another line names node %s",
			SPAN_ARG(l.node), v->at.node);
		return false;
	}
	if (l.commit)
		take_commit(v, &l);
	else
		take_record(v, line, &l);
	return l.commit && !v->failed;
}

void
verifier_reject(struct verifier *v, const char *why)
{
	if (!v->failed)
		fail_structure(v, v->at.seq + 1, "%s", why);
}

void
verifier_reject_record(struct verifier *v, uint64_t seq, const char *why)
{
	if (v->rejected)
		return;
	v->rejected = seq;
	snprintf(v->rejected_why, sizeof(v->rejected_why), "%s", why);
}

size_t
verifier_keys(const struct verifier *v, uint64_t seq, struct pubkey *out, size_t max)
{
	return keyring_signers(&v->ring, v->at.node, seq, out, max);
}

const struct keyring *
verifier_ring(const struct verifier *v)
{
	return &v->ring;
}

bool
verifier_wants_vouching(const struct verifier *v)
{
	return v->o.every_signature || v->r.commits <= VERIFY_ALL || v->njobs >= WORTH_VOUCHING;
}

void
verifier_vouched(struct verifier *v, uint64_t from, uint64_t to)
{
	size_t own = 0, n, all = v->njobs;

	while (own < all &&
		(v->jobs[own].before.commits < VERIFY_ALL || v->jobs[own].first < from))
		own++;
	for (n = own; n < all && v->jobs[n].seq <= to;)
		n++;
	if (v->o.every_signature || v->failed || n == own)
		return;
	INVARIANT(own <= n && n <= all);
	v->njobs = own;
	flush_sigs(v);
	if (v->failed)
		return;
	v->r.vouched += n - own;
	v->njobs = all - n;
	memmove(v->jobs, v->jobs + n, v->njobs * sizeof(*v->jobs));
}

void
verifier_torn(struct verifier *v, size_t bytes)
{
	if (!bytes)
		return;
	if (v->o.live)
		v->r.torn_bytes += bytes;
	else if (!v->failed)
		fail_structure(v, v->at.seq + 1,
			"junk: the last line is incomplete (%zu bytes)", bytes);
}

void
verifier_end(struct verifier *v, struct verify_result *out)
{
	if (!v->failed && v->broken)
		diagnose(v, NULL);
	if (!v->failed && v->npend && !v->o.live)
		fail_verify(v, v->pend[0].seq, "unsigned: no commit follows the record");
	if (!v->failed)
		flush_sigs(v);
	/* A trim record counts only if it is signed. */
	if (!v->failed && v->cut[0] && (!v->r.trim_seq || v->r.trim_seq > v->r.last)) {
		uint64_t first = v->r.first ? v->r.first : v->at.seq;
		v->r = (struct verify_result){ .records = 0 };
		fail_verify(v, 1, "missing: record %" PRIu64 " stands in its place", first);
	}
	v->r.ok = !v->failed;
	v->r.unsigned_records = v->failed ? 0 : v->npend;
	memcpy(v->r.node, v->at.node, sizeof(v->r.node));
	*out = v->r;
}
