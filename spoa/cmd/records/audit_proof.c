/* tollgate audit show --proof: writes one record with its proof, as a file
 * (record/proof/bundle.h).
 *
 * The proof leads to the first checkpoint that covers the record. It needs two parts of the
 * Merkle tree. The part left of the record is in the range that the previous checkpoint or
 * boot record states. The part right of it is computed from the lines up to the checkpoint.
 * So a proof needs only the lines around its record. If no range precedes the record, the
 * lines from the first one on are hashed; if those are gone, JOURNAL.tree provides the
 * hashes. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/sha256.h"
#include "cmd/cmd.h"
#include "cmd/records/audit.h"
#include "record/proof/bundle.h"
#include "record/proof/merkle.h"
#include "record/proof/tiles.h"
#include "record/proof/tree_check.h"

/* A range is written at least every ten seconds, so it is searched for in this many records
 * before the record. */
#define RECORDS_BEFORE 200000
/* The number of records after the proven one in which an anchor is searched for. */
#define RECORDS_AFTER 500000
/* A checkpoint follows a record within a second. A patient caller looks this often, with
 * this pause in microseconds. */
enum { LOOKS_MAX = 10, LOOK_US = 300000 };

/* The search for the parts of one proof. Owned by the function that makes the proof. */
struct prove {
	const struct audit_wanted *w;
	const char *type; /* the type of the record; NULL: any */
	/* the record itself */
	struct buf record;
	char node[CHAIN_NODE_MAX + 1];
	uint64_t seq;
	bool committed, other, enough;
	char types[128]; /* types of other records with the same id */
	/* the last record with a range before the record, and the first checkpoint after it */
	struct buf before, after;
	char before_node[CHAIN_NODE_MAX + 1];
	uint64_t after_seq;
	/* for a page: the size of the checkpoint that outside places confirmed, 0: none;
	 * and their records, one a line */
	uint64_t confirmed;
	uint64_t reached; /* the last record that was read without a gap */
	struct buf *anchors;
	/* the leaves between both */
	struct path path;
	bool gap;
};

static void
keep_proof_line(struct buf *to, struct span line)
{
	buf_clear(to);
	buf_span(to, line);
}

static void
take_record(struct prove *p, struct span line, const struct chain_line *l)
{
	unsigned char hash[CHAIN_HASH_BYTES];
	char with[72];

	if (p->type && !span_is(l->type, p->type)) {
		snprintf(with, sizeof(with), " --proof=%.*s", SPAN_ARG(l->type));
		if (!strstr(p->types, with) &&
			strlen(p->types) + strlen(with) < sizeof(p->types))
			strcat(p->types, with);
		return;
	}
	sha256(line, hash);
	if (p->w->hashed && memcmp(hash, p->w->hash, sizeof(hash)) != 0) {
		p->other = true;
		return;
	}
	keep_proof_line(&p->record, line);
	p->seq = l->seq;
	snprintf(p->node, sizeof(p->node), "%.*s", SPAN_ARG(l->node));
	if (strcmp(p->node, p->before_node) != 0)
		buf_clear(&p->before);
}

/* First reading: finds the record, the range before it and the checkpoint after it. */
static void
look_for(void *arg, struct span line)
{
	struct prove *p = arg;
	struct chain_line l;

	if (p->enough)
		return;
	if (!p->seq && audit_is_wanted(p->w, line, &l))
		take_record(p, line, &l);
	else if (chain_parse(line, &l))
		return;
	if (p->seq && !span_is(l.node, p->node))
		return;
	bool says_range = span_is(l.type, "checkpoint") || span_is(l.type, "boot");
	if (!p->seq && !l.commit && says_range) {
		keep_proof_line(&p->before, line);
		snprintf(p->before_node, sizeof(p->before_node), "%.*s", SPAN_ARG(l.node));
	}
	if (p->seq && !p->after_seq && !l.commit && l.seq > p->seq &&
		span_is(l.type, "checkpoint")) {
		keep_proof_line(&p->after, line);
		p->after_seq = l.seq;
	}
	if (p->seq && l.commit && l.seq >= p->seq) {
		p->committed = true;
		p->enough = p->after_seq && l.seq >= p->after_seq;
	}
}

/* Returns the size of the checkpoint that a record of type "anchor" confirms, or 0 if
 * `line` is no such record or does not cover the proven record. Sets *signs if the response
 * is signed. */
static uint64_t
size_confirmed(const struct prove *p, struct span line, const struct chain_line *l, bool *signs)
{
	struct span kind = chain_member(line, "kind");
	uint64_t size;

	*signs = span_is(kind, "\"witness\"") || span_is(kind, "\"tsa\"");
	return !span_is(l->type, "anchor") || !span_is(chain_member(line, "result"), "\"taken\"") ||
			       span_u64(chain_member(line, "size"), &size) || size < p->seq
		       ? 0
		       : size;
}

/* Chooses the checkpoint that a page shows: the first one with a signed confirmation, or
 * else with any confirmation. The search ends at a gap in the records, because no proof
 * reaches over the gap. */
static void
choose_confirmed(void *arg, struct span line)
{
	struct prove *p = arg;
	struct chain_line l;
	bool signs;

	if (p->enough || chain_parse(line, &l) || l.commit || !span_is(l.node, p->node) ||
		l.seq <= p->reached)
		return;
	p->enough = l.seq != p->reached + 1 || l.seq > p->seq + RECORDS_AFTER;
	if (p->enough)
		return;
	p->reached = l.seq;
	uint64_t size = size_confirmed(p, line, &l, &signs);
	if (size && (signs || !p->confirmed))
		p->confirmed = size;
	p->enough = size && signs;
}

/* Takes the chosen checkpoint of a page and all its confirmations. */
static void
take_confirmed(void *arg, struct span line)
{
	struct prove *p = arg;
	struct chain_line l;
	bool signs;

	if (p->enough || chain_parse(line, &l) || l.commit || !span_is(l.node, p->node))
		return;
	if (l.seq == p->confirmed + 1 && span_is(l.type, "checkpoint")) {
		keep_proof_line(&p->after, line);
		p->after_seq = l.seq;
	} else if (size_confirmed(p, line, &l, &signs) == p->confirmed) {
		buf_span(p->anchors, line);
		buf_putc(p->anchors, '\n');
	}
	p->enough = l.seq > p->confirmed + RECORDS_AFTER;
}

/* Second reading: hashes the leaves. */
static void
hash_line(void *arg, struct span line)
{
	struct prove *p = arg;
	unsigned char hash[CHAIN_HASH_BYTES];
	struct merkle_hash leaf;
	struct chain_line l;

	if (p->enough || chain_parse(line, &l) || l.commit || !span_is(l.node, p->node) ||
		l.seq <= p->path.next)
		return;
	p->gap = p->gap || l.seq != p->path.next + 1;
	sha256(line, hash);
	merkle_leaf(hash, &leaf);
	path_leaf(&p->path, &leaf);
	p->enough = p->gap || p->path.next == p->path.size;
}

/* Provides the subtrees of a range as a source of hashes. */
static int
range_hash(void *arg, unsigned level, uint64_t index, struct merkle_hash *out)
{
	const struct merkle_range *r = arg;
	uint64_t at = index << level, size = UINT64_C(1) << level;

	/* The subtrees before this one are the larger binary digits of r->n. */
	if (at + size > r->n || !(r->n & size) || at != (r->n & ~(2 * size - 1)))
		return ERR_NOTFOUND;
	*out = r->hash[merkle_range_hashes(at)];
	return 0;
}

/* Reads the lines of the node (NULL: of every node) from the segment of that record on. */
static int
read_proof_lines(struct audit_args *a, const char *node, uint64_t from,
	void (*line)(void *arg, struct span line), struct prove *p, struct buf *why)
{
	struct query q = a->q;

	q.arg = p;
	q.line = line;
	q.node = node;
	q.from = from;
	q.enough = &p->enough;
	return query_read(&q, why);
}

/* Completes p->path. `have` is the number of leaves that `s` provides. Returns 0,
 * ERR_NOTFOUND if lines are missing, or an error with *why. */
static int
gather_proof(struct audit_args *a, struct prove *p, uint64_t size,
	const struct merkle_source *s, uint64_t have, struct buf *why)
{
	int err = path_begin(&p->path, p->seq - 1, size);

	if (!err && have)
		err = path_take(&p->path, s, have);
	p->enough = p->gap = false;
	if (!err && p->path.next < size)
		err = read_proof_lines(a, p->node, p->path.next + 1, hash_line, p, why);
	return err ? err : p->gap || p->path.next < size ? ERR_NOTFOUND : 0;
}

/* Completes the path from the range before the record, or from the first line on, or from
 * the tree's files. The files serve for the leaves before the record, and for all leaves if
 * later lines are gone. */
static int
gather_somehow(struct audit_args *a, struct prove *p, uint64_t size, struct buf *why)
{
	struct tree_said said = { .ranged = false };
	struct chain_line l;
	struct tiles tiles;
	int err;

	if (p->before.n && chain_parse(buf_view(&p->before), &l) == 0 &&
		tree_said_read(buf_view(&p->before), l.type, NULL, 0, &said, NULL) &&
		!said.bad && said.ranged && said.size == l.seq - 1) {
		struct merkle_source s = { range_hash, &said.range };
		err = gather_proof(a, p, size, &s, said.size, why);
	} else {
		err = gather_proof(a, p, size, NULL, 0, why);
	}
	if (err != ERR_NOTFOUND || a->q.file)
		return err;
	SCOPED_BUF(none, 4096);
	if (tiles_open(&tiles, query_journal_of(&a->q, p->node), p->node, false, &none) == 0) {
		struct merkle_source s = tiles_source(&tiles);
		err = gather_proof(
			a, p, size, &s, tiles.n < p->seq - 1 ? tiles.n : p->seq - 1, why);
		if (err == ERR_NOTFOUND && tiles.n >= size)
			err = gather_proof(a, p, size, &s, size, why);
		tiles_close(&tiles);
	}
	return err;
}

/* ---- the reports ---- */

static int
not_found(struct audit_args *a, const struct prove *p)
{
	const char *what = a->receipt ? a->receipt : a->seq ? a->seq : a->id;

	if (p->other)
		cmd_fail(a->q.what,
			"%s: the record at this place has another hash: the receipt "
			"belongs to another log",
			what);
	else if (p->types[0])
		cmd_fail(
			a->q.what, "%s: no %s of this id; there is%s", what, p->type, p->types);
	else
		cmd_fail(a->q.what,
			"%s: no such record here: check the id; restore archived records with "
			"tollgate audit restore",
			what);
	return EXIT_NO;
}

static int
not_covered(struct audit_args *a, const struct prove *p)
{
	cmd_fail(a->q.what,
		"record %" PRIu64 " of %s: %s. A running daemon writes a checkpoint within "
		"a second, and another one when it ends: try again then. After a crash, "
		"the next start writes it. If the segment was restored, restore the next "
		"segment too",
		p->seq, p->node,
		p->committed ? "no checkpoint covers it yet" : "its commit is being written");
	return EXIT_NO;
}

static int
write_proof(struct audit_args *a, struct prove *p, struct buf *out)
{
	struct merkle_hash proof[MERKLE_LEVELS], leaf;
	unsigned char hash[CHAIN_HASH_BYTES];
	struct tree_said said = { .bad = "it is not a checkpoint" };
	int code = EXIT_CANNOT;
	bool whole;

	SCOPED_BUF(note, NOTE_MAX);
	SCOPED_BUF(why, 8192);
	tree_said_read(buf_view(&p->after), SPAN_LIT("checkpoint"), NULL, 0, &said, &note);
	int err = said.bad || said.size < p->seq || buf_failed(&note)
			  ? ERR_SYNTAX
			  : gather_somehow(a, p, said.size, &why);
	if (err == ERR_SYNTAX) {
		cmd_fail(a->q.what, "checkpoint in record %" PRIu64 ": %s", p->after_seq,
			said.bad ? said.bad : "the checkpoint does not cover the records "
					      "before it");
		code = EXIT_NO;
	} else if (err == ERR_NOTFOUND) {
		cmd_fail(a->q.what,
			"record %" PRIu64
			" of %s: lines between it and the checkpoints around it "
			"are missing here%s, and JOURNAL.tree does not have their hashes: "
			"`tollgate audit restore` restores archived records",
			p->seq, p->node, a->q.file ? " (a file is read alone)" : "");
	} else if (!cmd_failed(a->q.what, err, &why)) {
		size_t n = path_proof(&p->path, proof, &whole);
		sha256(buf_view(&p->record), hash);
		merkle_leaf(hash, &leaf);
		if (!whole ||
			!merkle_included(&leaf, p->seq - 1, said.size, proof, n, &said.root)) {
			cmd_fail(a->q.what,
				"the records around %" PRIu64 " do not have the root of the "
				"checkpoint in record %" PRIu64
				": `tollgate audit verify` names "
				"what is wrong",
				p->seq, p->after_seq);
			code = EXIT_NO;
		} else {
			bundle_write(out, buf_view(&p->record), p->seq - 1, proof, n,
				buf_view(&note));
			code = EXIT_DONE;
		}
	}
	return code;
}

/* Reads the record and its surroundings. p->enough stays false if no checkpoint covers the
 * record. */
static int
look_until(struct audit_args *a, struct prove *p, struct buf *why)
{
	const struct audit_wanted *w = p->w;
	uint64_t from = w->seq > RECORDS_BEFORE ? w->seq - RECORDS_BEFORE : 0;
	int err = 0;

	for (unsigned i = 0; i < (a->patient ? LOOKS_MAX : 1) && !err && !p->enough; i++) {
		if (i)
			usleep(LOOK_US);
		p->seq = p->after_seq = 0;
		p->committed = p->other = false;
		p->types[0] = p->before_node[0] = '\0';
		buf_clear(&p->before);
		err = read_proof_lines(a, w->node[0] ? w->node : NULL, from, look_for, p, why);
		if (!p->seq)
			break;
	}
	return err;
}

/* Finds the confirmations of outside places. Returns 0, or an error with *why. */
static int
look_outside(struct audit_args *a, struct prove *p, struct buf *why)
{
	p->enough = false;
	p->reached = p->seq;
	int err = read_proof_lines(a, p->node, p->seq, choose_confirmed, p, why);
	p->enough = false;
	if (!err && p->confirmed)
		err = read_proof_lines(a, p->node, p->seq, take_confirmed, p, why);
	p->enough = true;
	return err;
}

int
audit_prove(struct audit_args *a, const struct audit_wanted *w, struct buf *out,
	struct buf *anchors)
{
	struct prove *p;
	int code;

	if (!a->q.file && !a->q.journal)
		return cmd_fail(
			a->q.what, "a proof needs a journal or an exported file: omit --redis");
	if (a->q.file && !strcmp(a->q.file, "-"))
		return cmd_fail(a->q.what, "--proof reads the file twice: give a file "
					   "instead of standard input");
	p = calloc(1, sizeof(*p));
	if (!p)
		return cmd_fail(a->q.what, "%s", err_str(ERR_NOMEM));
	p->w = w;
	p->type = a->proof_of ? a->proof_of : w->seq ? NULL : "decision";
	buf_init(&p->record, 0);
	buf_init(&p->before, 0);
	buf_init(&p->after, 0);
	SCOPED_BUF(why, 8192);
	p->anchors = anchors;
	int err = look_until(a, p, &why);
	if (!err && p->enough && anchors)
		err = look_outside(a, p, &why);
	if (err)
		code = cmd_fail(a->q.what, "%.*s", SPAN_ARG(buf_view(&why)));
	else if (!p->seq)
		code = not_found(a, p);
	else if (!p->enough)
		code = not_covered(a, p);
	else
		code = write_proof(a, p, out);
	buf_free(&p->record);
	buf_free(&p->before);
	buf_free(&p->after);
	free(p);
	return code;
}
