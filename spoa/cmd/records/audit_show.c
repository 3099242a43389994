/* tollgate audit show: prints one record, indented for people. */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/sha256.h"
#include "cmd/cmd.h"
#include "cmd/daemon/reading.h"
#include "cmd/plain.h"
#include "cmd/records/audit.h"
#include "record/audit/record_terms.h"

/* Prints a line of JSON with one member a line, indented by two spaces a level. Scalars
 * keep their text. */
static void
put_pretty(struct span line, int indent)
{
	bool string = false, begins = false;

	for (size_t i = 0; i < line.n; i++) {
		char c = line.p[i];
		if (string) {
			putchar(c);
			if (c == '\\' && i + 1 < line.n)
				putchar(line.p[++i]);
			else if (c == '"')
				string = false;
			continue;
		}
		bool closes = c == '}' || c == ']';
		if (closes)
			indent -= 2;
		if (begins ? !closes : closes)
			printf("\n%*s", indent > 0 ? indent : 0, "");
		begins = c == '{' || c == '[';
		putchar(c);
		if (begins)
			indent += 2;
		else if (c == ',')
			printf("\n%*s", indent > 0 ? indent : 0, "");
		else if (c == ':')
			putchar(' ');
		string = c == '"';
	}
}

/* Reads `[NODE/]N` of --seq, or NODE/SEQ/HASH of a receipt. */
static bool
read_place(struct span s, bool receipt, struct audit_wanted *w)
{
	struct span node = { NULL, 0 }, seq = s;
	const char *end = NULL;
	size_t n = 0;

	if (receipt || span_chr(s, '/') < s.n) {
		node = span_next(&s, '/');
		seq = receipt ? span_next(&s, '/') : s;
		if (!chain_node_valid(node))
			return false;
		snprintf(w->node, sizeof(w->node), "%.*s", SPAN_ARG(node));
	}
	if (span_u64(seq, &w->seq) || w->seq == 0)
		return false;
	w->hashed = receipt;
	return !receipt || (s.n == 2 * CHAIN_HASH_BYTES &&
				   sodium_hex2bin(w->hash, sizeof(w->hash), s.p, s.n, NULL, &n,
					   &end) == 0 &&
				   n == CHAIN_HASH_BYTES);
}

bool
audit_is_wanted(const struct audit_wanted *w, struct span line, struct chain_line *l)
{
	struct span id = buf_view(&w->id);

	if ((id.n && !memmem(line.p, line.n, id.p, id.n)) || chain_parse(line, l) || l->commit)
		return false;
	if (w->node[0] && !span_is(l->node, w->node))
		return false;
	return w->seq ? l->seq == w->seq : span_eq(chain_member(line, "id"), id);
}

/* The search for the record that is shown. */
struct show {
	const struct audit_wanted *w;
	size_t found;
	bool enough, other; /* other: the record at that place has another hash */
};

static void
show_line(void *arg, struct span line)
{
	struct show *s = arg;
	struct chain_line l;
	unsigned char hash[CHAIN_HASH_BYTES];

	if (!audit_is_wanted(s->w, line, &l))
		return;
	sha256(line, hash);
	if (s->w->hashed && memcmp(hash, s->w->hash, sizeof(hash)) != 0) {
		s->other = true;
		return;
	}
	s->enough = s->w->seq && s->w->node[0];
	reading_add(1);
	SCOPED_BUF(shown, 0);
	plain_json(&shown, line);
	fputs(s->found++ ? ",\n  " : "[\n  ", stdout);
	put_pretty(buf_view(&shown), 2);
}

static int
show_record(struct audit_args *a, const struct audit_wanted *w)
{
	const uint64_t id = record_term_hash(RT_ID, span_str(a->id));
	struct show s = { .w = w };
	struct query q = a->q;

	q.arg = &s;
	q.line = show_line;
	q.node = w->node[0] ? w->node : NULL;
	q.from = w->seq;
	q.enough = &s.enough;
	if (!w->seq && !q.no_index) {
		q.term = &id;
		q.nterms = 1;
	}
	int code = query_run(&q);
	if (s.found)
		puts("\n]");
	if (!code && !s.found) {
		cmd_fail(a->q.what,
			s.other ? "%s: the record at this place has another hash: the "
				  "receipt belongs to another log"
				: "%s: no such record here: check the id; "
				  "restore archived records with tollgate audit restore",
			a->receipt ? a->receipt
			: a->seq   ? a->seq
				   : a->id);
		code = EXIT_NO;
	}
	return code;
}

static int
show_proof(struct audit_args *a, const struct audit_wanted *w)
{
	SCOPED_BUF(out, 0);
	int code = a->page ? audit_prove_page(a, w, &out) : audit_prove(a, w, &out, NULL);
	if (code)
		return code;
	reading_add(1);
	return cmd_print(a->q.what, &out);
}

int
audit_show(struct audit_args *a)
{
	struct audit_wanted w = { .seq = 0 };
	int code;

	buf_init(&w.id, 65536);
	if (a->id)
		buf_json_str(&w.id, span_str(a->id));
	if (a->seq && !read_place(span_str(a->seq), false, &w))
		code = cmd_fail(a->q.what, "--seq: %s: give NUMBER or NODE/NUMBER", a->seq);
	else if (a->receipt && !read_place(span_str(a->receipt), true, &w))
		code = cmd_fail(a->q.what, "--receipt: %s: give NODE/SEQ/HASH, as the "
					   "receipt has it", a->receipt);
	else
		code = a->proof ? show_proof(a, &w) : show_record(a, &w);
	buf_free(&w.id);
	return code;
}
