/* tollgate audit: dispatches to the verbs, and reads the arguments that list, verify, show
 * and explain share. */
#include "cmd/records/audit.h"

#include <stdio.h>
#include <unistd.h>

#include "base/err.h"
#include "cmd/daemon/reading.h"
#include "policy/config/config.h"

static const struct {
	const char *name;
	int (*run)(struct audit_args *a);
	bool need_id, need_key;
} verbs[] = {
	{ "list", audit_list, false, false },
	{ "verify", audit_verify, false, true },
	{ "show", audit_show, true, false },
	{ "explain", audit_explain, true, false },
};

const enum record_field audit_filters[] = { RF_IDENTITY_PERSON, RF_DECISION, RF_ROUTE,
	RF_CLASSES, RF_OUTCOME, RF_ABOUT_OPERATION, RF_CALLS_SERVER, RF_CALLS_TOOL };

static int
add_keys(struct audit_args *a, const char *file)
{
	SCOPED_BUF(why, 4096);
	int n = pubkeys_load(file, a->keys + a->nkeys, SIGNKEYS_MAX - a->nkeys, &why);
	int code = cmd_failed(a->q.what, n < 0 ? n : 0, &why);
	a->nkeys += n > 0 ? (size_t)n : 0;
	return code;
}

int
audit_signers(struct audit_args *a, bool need)
{
	const char *file = config_find(a->q.config), *what = a->q.what;
	int code = 0;

	for (size_t i = 0; i < a->nkey_files && !code; i++)
		code = add_keys(a, a->key_file[i]);
	if (code || a->nkeys || a->root || (!file && !need))
		return code;
	if (!file)
		return cmd_no_config(what, a->q.config, ", or the key with --public-key");
	const struct config *cfg = cmd_config(&a->q.arena, a->q.config);
	const char *beside = cfg && a->q.beside
				     ? arena_printf(&a->q.arena, "%s.pub", cfg->other_key).p
				     : NULL;
	if (beside && access(beside, R_OK) == 0 && (code = add_keys(a, beside)))
		return code;
	if (cfg && cfg->audit_key)
		return add_keys(a, arena_printf(&a->q.arena, "%s.pub", cfg->audit_key).p);
	return !need ? 0
	       : cfg ? cmd_fail(what, "%s: has no audit.key: give the public key with "
				      "--public-key", file)
		     : cmd_fail(
			       what, "%s: has mistakes: tollgate check lists them", file);
}

/* Reads --proof=html and --proof=TYPE,html: sets the page form and the type. */
static void
read_proof_form(struct audit_args *a)
{
	struct span type = span_str(a->proof_of), form = type;

	while (span_chr(form, ',') < form.n)
		span_next(&form, ',');
	a->page = span_is(form, "html");
	if (!a->page)
		return;
	type = span_cut(type, 0, type.n - form.n);
	a->proof_of = type.n ? arena_printf(&a->q.arena, "%.*s", (int)type.n - 1, type.p).p : NULL;
}

/* Reads the arguments of a verb. With `need_id` it has one operand, else none; with
 * `need_key` it needs a public key. Returns 0, or an exit code after a message. */
static int
read_args(struct audit_args *a, int argc, char **argv, bool need_id, bool need_key)
{
	struct query *q = &a->q;
	const char *from = NULL;
	enum { OWN_MOST = 32 }; /* at most so many rows before the filters */
	struct cmd_option options[OWN_MOST + AUDIT_FILTERS + 1] = {
		QUERY_SOURCE(q),
		QUERY_TIMES(q),
		AUDIT_KEYS(a),
		{ "from", .text = &from },
		{ "policy", .text = &a->policy },
		{ "json", .flag = &a->as_json },
		{ "follow", .flag = &a->follow },
		{ "proof", .flag = &a->proof, .text = &a->proof_of },
		{ "seq", .text = &a->seq },
		{ "receipt", .text = &a->receipt },
		{ "note", .text = &a->note },
		{ "manifest", .text = &a->manifest },
		{ "program", .text = a->program, .count = &a->nprograms, .most = AUDIT_PROGRAMS },
		{ "tsa-ca", .text = &a->tsa_ca },
		{ "witness-key", .text = &a->witness_key },
		{ "root", .text = &a->root },
		{ "statement", .text = a->statements, .count = &a->nstatements,
			.most = AUDIT_STATEMENTS },
		{ "texts", .flag = &a->texts },
		OPENING_OPTIONS(&a->opening),
		{ "no-index", .flag = &q->no_index },
	};
	char **operands;
	size_t own = 0;

	while (options[own].name)
		own++;
	INVARIANT(own <= OWN_MOST);
	for (size_t i = 0; i < AUDIT_FILTERS; i++)
		options[own + i] =
			(struct cmd_option){ record_rows[audit_filters[i]].called,
				.text = &a->want[i] };
	int n = cmd_options(q->what, argc, argv, options, &operands);
	need_id = need_id && !a->seq && !a->receipt;
	if (n != (need_id ? 1 : 0) || (a->seq && a->receipt))
		return cmd_usage(q->what);
	if (from && (span_u64(span_str(from), &a->from) || a->from == 0))
		return cmd_fail(q->what, "--from: %s: give a sequence number", from);
	if (need_id)
		a->id = operands[0];
	int code = query_times(q);
	if (code)
		return code;
	read_proof_form(a);
	if (a->follow && (q->redis || q->file))
		return cmd_fail(q->what, "--follow reads a journal: omit --redis and --file");
	if (a->texts && (q->file || a->manifest || (q->redis && !q->journal)))
		return cmd_fail(q->what, "--texts: sealed texts are next to a journal: "
					 "omit --redis and --file");
	if (q->file && (q->journal || q->redis))
		return cmd_fail(q->what, "--file cannot be combined with --journal or --redis");
	reading_begin(q->what, q->config, options, operands, n);
	reading_window(q->since_ns, q->until_ns);
	if (need_key)
		reading_quietly(); /* audit verify shows no record */
	if (!a->manifest || q->journal || q->redis || q->file)
		code = query_source(q);
	need_key = need_key || a->page;
	return code || !(need_key || a->nkey_files) ? code : audit_signers(a, need_key);
}

int
cmd_audit(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(int argc, char **argv);
	} others[] = { { "search", audit_search }, { "report", audit_report },
		{ "restore", audit_restore }, { "subject", audit_subject },
		{ "export", audit_export }, { "key", audit_key }, { "open", audit_open },
		{ "erase", audit_erase } };
	struct audit_args a = { .nkeys = 0 };
	char what[32];

	for (size_t i = 0; argc > 1 && i < COUNT_OF(others); i++)
		if (!strcmp(argv[1], others[i].name))
			return others[i].run(argc - 1, argv + 1);
	for (size_t i = 0; argc > 1 && i < COUNT_OF(verbs); i++) {
		if (strcmp(argv[1], verbs[i].name) != 0)
			continue;
		snprintf(what, sizeof(what), "audit %s", verbs[i].name);
		a.q.what = what;
		int code =
			read_args(&a, argc - 1, argv + 1, verbs[i].need_id, verbs[i].need_key);
		if (!code)
			code = verbs[i].run(&a);
		/* each chain is verified by itself, but a note and a sequence number belong
		 * to one chain */
		if (verbs[i].run == audit_verify && a.q.beside && !a.note && !a.from &&
			code != EXIT_CANNOT) {
			a.q.journal = a.q.beside;
			int other = audit_verify(&a);
			code = other > code ? other : code;
		}
		return query_end(&a.q, code);
	}
	return cmd_usage(argv[0]);
}
