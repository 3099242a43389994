/* tollgate audit open: prints what was sent to a model and what it returned, for a person
 * with an auditor's key. The record is verified first, so that the opened text is the one
 * that the signed log names. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/sha256.h"
#include "cmd/cmd.h"
#include "cmd/daemon/admin.h"
#include "cmd/daemon/reading.h"
#include "cmd/plain.h"
#include "cmd/records/audit.h"
#include "cmd/records/audit_note.h"
#include "cmd/records/opening.h"

#define WHAT "audit open"

enum { RECORDS_MAX = 64 /* records with one id */ };

/* A record with texts. Owns `object`. */
struct opened_record {
	json_t *object;
	uint64_t seq;
	unsigned char hash[CHAIN_HASH_BYTES];
	bool verified;
};

/* The state of the command. Owned by audit_open(). */
struct audit_opening {
	struct audit_args a;
	struct opening_args args;
	struct opening *opening;
	struct audit_wanted wanted;
	const char *part; /* NULL: all texts that were kept */
	struct opened_record record[RECORDS_MAX];
	size_t n, nfound; /* records that have texts; records that have the id */
	size_t shown;
	char last; /* the last byte that was printed */
};

static bool
is_asked(const struct audit_opening *o, enum seal_kind kind)
{
	return !o->part || !strcmp(o->part, seal_kinds[kind]);
}

static void
take_opened(void *arg, struct span line)
{
	struct audit_opening *o = arg;
	struct chain_line l;
	bool kept = false;

	if (o->n == RECORDS_MAX || !audit_is_wanted(&o->wanted, line, &l))
		return;
	o->nfound++;
	json_t *object = json_loadb(line.p, line.n, JSON_ALLOW_NUL, NULL);
	for (enum seal_kind k = SEAL_PROMPT; k <= SEAL_TOOLS; k++)
		kept |= is_asked(o, k) && opening_kept(object, k);
	if (!kept) {
		json_decref(object);
		return;
	}
	struct opened_record *r = &o->record[o->n++];
	r->object = object;
	r->seq = l.seq;
	sha256(line, r->hash);
}

static int
find_opened(struct audit_opening *o)
{
	const uint64_t term = record_term_hash(RT_ID, span_str(o->a.id));
	struct query q = o->a.q;

	q.arg = o;
	q.line = take_opened;
	q.term = &term;
	q.nterms = q.no_index ? 0 : 1;
	int code = query_run(&q);
	if (code)
		return code;
	if (!o->nfound)
		cmd_fail(WHAT,
			"%s: no such record here: check the id; restore archived records with "
			"tollgate audit restore",
			o->a.id);
	else if (!o->n)
		cmd_fail(WHAT,
			"%s: no %s was kept for it: there was none, or `record:` of its "
			"route excludes it",
			o->a.id, o->part ? o->part : "text");
	return o->n ? 0 : EXIT_NO;
}

/* Verifies that the record is in the tree of a signed checkpoint. */
static int
verify_opened(struct audit_opening *o, struct opened_record *r)
{
	struct audit_wanted w = { .seq = r->seq, .hashed = true };

	if (r->verified)
		return 0;
	snprintf(w.node, sizeof(w.node), "%s", record_text(r->object, RF_NODE));
	memcpy(w.hash, r->hash, sizeof(w.hash));
	SCOPED_BUF(proof, BUNDLE_MAX);
	SCOPED_BUF(why, 4096);
	buf_init(&w.id, 0);
	int code = audit_prove(&o->a, &w, &proof, NULL);
	if (!code && !audit_bundle_holds(&o->a, &proof, &why)) {
		cmd_fail(WHAT, "record %s/%llu does not verify: %.*s", w.node,
			(unsigned long long)r->seq, SPAN_ARG(buf_view(&why)));
		code = EXIT_NO;
	}
	r->verified = !code;
	return code;
}

/* Prints a text. A terminal gets the text without control characters, any other output gets
 * the exact bytes. */
static bool
print_opened(struct audit_opening *o, const struct buf *text)
{
	struct span s = buf_view(text);

	if (o->shown++ && o->last != '\n' && putchar('\n') == EOF)
		return false;
	o->last = s.n ? s.p[s.n - 1] : o->last;
	if (isatty(STDOUT_FILENO)) {
		plain_print(stdout, s);
		o->last = '\n';
	} else if (s.n && fwrite(s.p, 1, s.n, stdout) != s.n) {
		return false;
	}
	return fflush(stdout) == 0;
}

static void
say_opened(const struct opened_record *r, enum seal_kind kind)
{
	const json_t *kept = opening_kept(r->object, kind);
	char node[CHAIN_NODE_MAX + 1];

	fprintf(stderr, "tollgate: " WHAT ": %s of the %s %s/%llu at %s, %s%s, %lld bytes%s\n",
		seal_kinds[kind], record_text(r->object, RF_TYPE),
		audit_note_plain(record_span(r->object, RF_NODE), node, sizeof(node)),
		(unsigned long long)r->seq, record_text(r->object, RF_TIME),
		json_text_in(kept, "how"),
		str_same(json_str_in(kept, "form"), "texts") ? " as JSON lines" : "",
		json_int_in(kept, "bytes"),
		json_is_true(json_object_get(kept, "cut"))
			? ": only the beginning; the rest did not arrive or was not kept"
			: "");
}

static int
open_one(struct audit_opening *o, struct opened_record *r, enum seal_kind kind)
{
	int code = verify_opened(o, r);

	if (code)
		return code;
	SCOPED_BUF(text, 0);
	SCOPED_BUF(why, 4096);
	enum opening_is is = opening_text(o->opening, r->object, kind, &text, &why);
	if (is == OPENING_OPENED) {
		say_opened(r, kind);
		reading_add(1);
		return print_opened(o, &text) ? EXIT_DONE
					      : cmd_fail(WHAT, "cannot write the output");
	}
	const char *word =
		is == OPENING_NOT_SEALED ? "not sealed to this key" : opening_words[is];
	bool said = span_starts(buf_view(&why), span_str(word));
	cmd_fail(WHAT, "%s of the %s %s/%llu: %s%s%.*s", seal_kinds[kind],
		record_text(r->object, RF_TYPE), record_text(r->object, RF_NODE),
		(unsigned long long)r->seq, said ? "" : word, said ? "" : ": ",
		SPAN_ARG(buf_view(&why)));
	return is == OPENING_NOT_GIVEN ? EXIT_CANNOT : EXIT_NO;
}

/* Opens every text. A text that cannot be opened does not prevent the others. */
static int
open_all(struct audit_opening *o)
{
	int code = EXIT_DONE;

	for (enum seal_kind k = SEAL_PROMPT; k <= SEAL_TOOLS; k++)
		for (size_t i = 0; i < o->n && is_asked(o, k); i++) {
			if (!opening_kept(o->record[i].object, k))
				continue;
			int one = open_one(o, &o->record[i], k);
			code = one > code ? one : code;
		}
	return code;
}

/* Prints what the console needs to open the texts. The browser page has the key; nothing is
 * opened here. */
static int
print_sealed(struct audit_opening *o)
{
	const char *node = record_text(o->record[0].object, RF_NODE);
	json_auto_t *all = json_pack("{s:s,s:[]}", "node", node, "records");
	json_t *list = json_object_get(all, "records");

	for (enum seal_kind k = SEAL_PROMPT; k <= SEAL_TOOLS; k++)
		for (size_t i = 0; i < o->n && is_asked(o, k); i++) {
			struct opened_record *r = &o->record[i];
			if (!opening_kept(r->object, k))
				continue;
			int code = verify_opened(o, r);
			if (code)
				return code;
			json_array_append_new(list, opening_sealed(o->opening, r->object, k));
			reading_add(1);
		}
	return admin_print_json(WHAT, all);
}

static int
run_open(struct audit_opening *o)
{
	SCOPED_BUF(why, 8192);
	int code = find_opened(o);
	if (!code)
		code = audit_signers(&o->a, true);
	if (!code)
		code = cmd_failed(WHAT, audit_ring(&o->a, &why), &why);
	if (!code && !(o->opening = opening_begin(&o->a.q, &o->args)))
		code = EXIT_CANNOT;
	return code ? code : o->args.sealed ? print_sealed(o) : open_all(o);
}

int
audit_open(int argc, char **argv)
{
	struct audit_opening *o = calloc(1, sizeof(*o));

	if (!o)
		return cmd_fail(WHAT, "%s", err_str(ERR_NOMEM));
	o->a.q.what = WHAT;
	o->a.patient = true;
	const struct cmd_option options[] = {
		QUERY_SOURCE(&o->a.q),
		AUDIT_KEYS(&o->a),
		OPENING_OPTIONS(&o->args),
		{ "part", .text = &o->part },
		{ "root", .text = &o->a.root },
		{ "statement", .text = o->a.statements, .count = &o->a.nstatements,
			.most = AUDIT_STATEMENTS },
		{ "sealed", .flag = &o->args.sealed },
		{ "no-index", .flag = &o->a.q.no_index },
		{ .name = NULL },
	};
	char **operands;
	int n = cmd_options(WHAT, argc, argv, options, &operands), code;
	bool known = !o->part;

	for (enum seal_kind k = SEAL_PROMPT; k <= SEAL_TOOLS; k++)
		known |= is_asked(o, k);
	if (n != 1 || !o->args.key == !o->args.sealed)
		code = cmd_usage(WHAT);
	else if (!known)
		code = cmd_fail(
			WHAT, "--part: %s: give prompt, response or tools", o->part);
	else if (o->a.q.redis)
		code = cmd_fail(WHAT, "sealed texts are next to a journal: omit --redis");
	else {
		o->a.id = operands[0];
		buf_init(&o->wanted.id, 65536);
		buf_json_str(&o->wanted.id, span_str(o->a.id));
		code = query_times(&o->a.q);
		if (!code)
			code = query_begin(&o->a.q, options, operands, n);
		code = query_end(&o->a.q, code ? code : run_open(o));
		opening_end(&o->opening);
		buf_free(&o->wanted.id);
	}
	for (size_t i = 0; i < o->n; i++)
		json_decref(o->record[i].object);
	free(o->a.ring);
	free(o);
	return code;
}
