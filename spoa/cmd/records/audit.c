/* tollgate audit list|verify|show|explain: dispatch and the arguments they share. */
#include "cmd/records/audit.h"

#include <stdio.h>
#include <stdlib.h>

#include "cmd/cmd.h"
#include "cmd/daemon/reading.h"
#include "cmd/when.h"
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

int
audit_add_keys(struct audit_args *a, const char *file)
{
	struct buf why;

	buf_init(&why, 4096);
	int n = pubkeys_load(file, a->keys + a->nkeys, SIGNKEYS_MAX - a->nkeys, &why);
	if (n < 0)
		cmd_fail(a->what, "%.*s", SPAN_ARG(buf_view(&why)));
	else
		a->nkeys += (size_t)n;
	buf_free(&why);
	return n < 0 ? EXIT_CANNOT : 0;
}

int
audit_period(struct audit_args *a, const char *since, const char *until,
	char since_text[CLOCK_RFC3339_LEN], char until_text[CLOCK_RFC3339_LEN])
{
	int code = when_period(a->what, since, until, NULL, &a->since_ns, &a->until_ns);

	if (code)
		return code;
	since_text[0] = until_text[0] = '\0';
	if (since)
		clock_rfc3339(a->since_ns, since_text);
	if (until)
		clock_rfc3339(a->until_ns, until_text);
	return 0;
}

int
audit_source(struct audit_args *a, bool need_key)
{
	bool need_source = !a->journal && !a->redis && !a->file && !a->manifest;
	struct diag d = { 0 };
	const char *file = config_find(a->config);
	const struct config *cfg;
	char pub[4096];

	need_key = need_key && a->nkeys == 0;
	struct span journal = span_str(a->journal ? a->journal : "");
	if (span_ends(journal, SPAN_LIT(JOURNAL_RESTORED_SUFFIX))) {
		char *name = arena_strdup(&a->arena, a->journal);
		if (!name)
			return cmd_fail(a->what, "out of memory");
		name[journal.n - (sizeof(JOURNAL_RESTORED_SUFFIX) - 1)] = '\0';
		a->journal = name;
		a->restored = true;
	}
	if (!need_source)
		reading_of(a->journal, a->redis, a->file);
	if (!need_source && !need_key)
		return 0;
	if (!file)
		return cmd_no_config(a->what, a->config,
			need_source ? ", or the records with --journal, --redis or --file"
				    : ", or the key with --public-key");
	cfg = config_load(&a->arena, file, &d);
	diag_free(&d);
	if (!cfg)
		return cmd_fail(
			a->what, "%s: not a valid configuration; see tollgate check", file);
	if (need_source) {
		if (!cfg->journal)
			return cmd_fail(a->what, "%s: has no audit.journal", file);
		a->journal = cfg->journal;
		reading_of(a->journal, NULL, NULL);
	}
	if (!need_key)
		return 0;
	if (!cfg->audit_key)
		return cmd_fail(a->what, "%s: has no audit.key", file);
	snprintf(pub, sizeof(pub), "%s.pub", cfg->audit_key);
	return audit_add_keys(a, pub);
}

/* 0, or an exit code after a message. With `need_id` one plain argument, else none; with
 * `need_key` a key must be found. */
static int
read_args(struct audit_args *a, int argc, char **argv, bool need_id, bool need_key)
{
	const char *from = NULL, *since = NULL, *until = NULL, *keys[SIGNKEYS_MAX];
	size_t nkeys = 0;
	bool list = !strcmp(a->what, "audit list");
	bool show = !strcmp(a->what, "audit show"), verify = !strcmp(a->what, "audit verify");
	struct cmd_option options[23 + AUDIT_FILTERS] = {
		{ "journal", .text = &a->journal },
		{ "redis", .text = &a->redis },
		{ "file", .text = &a->file },
		{ "public-key", .text = keys, .count = &nkeys, .most = SIGNKEYS_MAX },
		{ "from", .text = &from },
		{ "config", .text = &a->config },
		{ "c", .text = &a->config },
		{ "policy", .text = &a->policy },
		{ "json", .flag = &a->as_json },
		{ "since", .text = &since },
		{ "until", .text = &until },
		{ "follow", .flag = &a->follow },
		{ "proof", .flag = &a->proof, .text = &a->proof_of },
		{ "seq", .text = &a->seq },
		{ "receipt", .text = &a->receipt },
		{ "note", .text = &a->note },
		{ "manifest", .text = &a->manifest },
		{ "tsa-ca", .text = &a->tsa_ca },
		{ "witness-key", .text = &a->witness_key },
		{ "root", .text = &a->root },
		{ "statement", .text = a->statements, .count = &a->nstatements,
			.most = AUDIT_STATEMENTS },
		{ "no-index", .flag = &a->no_index },
	};
	bool wants = false;
	char **operands;

	for (size_t i = 0; i < AUDIT_FILTERS; i++)
		options[22 + i] = (struct cmd_option){ record_rows[audit_filters[i]].called,
			.text = &a->want[i] };
	int n = cmd_options(argc, argv, options, &operands);
	need_id = need_id && !a->seq && !a->receipt;
	if (n != (need_id ? 1 : 0) || (a->seq && a->receipt) ||
		(!show && (a->proof || a->seq || a->receipt)) ||
		(a->no_index && !show && strcmp(a->what, "audit explain") != 0) ||
		((a->note || a->manifest || a->tsa_ca || a->witness_key || a->root ||
			 a->nstatements) &&
			strcmp(a->what, "audit verify") != 0))
		return cmd_usage(a->what);
	for (size_t i = 0; i < nkeys; i++)
		if (audit_add_keys(a, keys[i]))
			return EXIT_CANNOT;
	if (from && (span_u64(span_str(from), &a->from) || a->from == 0))
		return cmd_fail(a->what, "--from: %s: not a sequence number", from);
	if (need_id)
		a->id = operands[0];
	for (size_t i = 0; i < AUDIT_FILTERS; i++)
		wants |= a->want[i] != NULL;
	if ((a->policy && !list && strcmp(a->what, "audit explain") != 0) ||
		(a->as_json && !list && !verify && strcmp(a->what, "audit explain") != 0) ||
		(list && (a->policy || from)) ||
		(!list && (since || until || wants || a->follow)))
		return cmd_usage(a->what);
	char since_text[CLOCK_RFC3339_LEN], until_text[CLOCK_RFC3339_LEN];
	int code = audit_period(a, since, until, since_text, until_text);
	if (code)
		return code;
	if (a->follow && (a->redis || a->file))
		return cmd_fail(a->what, "--follow reads a journal");
	if (a->file && (a->journal || a->redis))
		return cmd_fail(a->what, "--file goes without --journal and --redis");
	reading_begin(a->what, a->config, options, operands, n);
	reading_window(a->since_ns, a->until_ns);
	if (need_key)
		reading_quietly(); /* audit verify: no record is shown */
	return audit_source(a, need_key && !a->root);
}

int
cmd_audit(int argc, char **argv)
{
	struct audit_args a = { .nkeys = 0 };
	char what[32];

	if (argc > 1 && !strcmp(argv[1], "search"))
		return audit_search(argc - 1, argv + 1);
	if (argc > 1 && !strcmp(argv[1], "report"))
		return audit_report(argc - 1, argv + 1);
	if (argc > 1 && !strcmp(argv[1], "restore"))
		return audit_restore(argc - 1, argv + 1);
	if (argc > 1 && !strcmp(argv[1], "export"))
		return audit_export(argc - 1, argv + 1);
	if (argc > 1 && !strcmp(argv[1], "key"))
		return audit_key(argc - 1, argv + 1);
	for (size_t i = 0; argc > 1 && i < COUNT_OF(verbs); i++) {
		if (strcmp(argv[1], verbs[i].name) != 0)
			continue;
		snprintf(what, sizeof(what), "audit %s", verbs[i].name);
		a.what = what;
		arena_init(&a.arena, 16u << 20, false);
		int code =
			read_args(&a, argc - 1, argv + 1, verbs[i].need_id, verbs[i].need_key);
		if (!code)
			code = verbs[i].run(&a);
		arena_reset(&a.arena);
		return reading_end(code);
	}
	return cmd_usage(argv[0]);
}
