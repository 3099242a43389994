/* tollgate policy history lists the policies that were in force, with the time, the person
 * who ordered them, the reason and the changes. tollgate policy show prints the text of one
 * version. */
#include "cmd/policies/versions.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/codec/json_text.h"
#include "base/err.h"
#include "base/why.h"
#include "cmd/cmd.h"
#include "cmd/daemon/admin.h"
#include "cmd/daemon/reading.h"
#include "cmd/plain.h"
#include "cmd/policies/policy.h"
#include "policy/config/config.h"
#include "policy/config/include.h"
#include "policy/differences.h"
#include "record/audit/record_terms.h"

/* ---- records ---- */

static bool
same_text(const json_t *x, const json_t *y)
{
	static const char *const members[] = { "node", "text", "policy_version" };

	for (size_t i = 0; i < COUNT_OF(members); i++) {
		const char *a = json_str_in(x, members[i]), *b = json_str_in(y, members[i]);
		if ((a == NULL) != (b == NULL) || (a && strcmp(a, b) != 0))
			return false;
	}
	return true;
}

static void
look_at_version(void *arg, struct span line)
{
	static const char type[] = "\"type\":\"policy\"";
	json_t *list = arg;

	if (!memmem(line.p, line.n, type, sizeof(type) - 1))
		return;
	json_auto_t *o = json_loadb(line.p, line.n, JSON_ALLOW_NUL, NULL);
	const json_t *last = json_array_get(list, json_array_size(list) - 1);
	if (!o || strcmp(json_text_in(o, "type"), "policy") != 0 || (last && same_text(last, o)))
		return;
	json_array_append(list, o);
}

json_t *
versions_read(struct query *q)
{
	const uint64_t term = record_term_hash(RT_TYPE, SPAN_LIT("policy"));
	json_t *list = json_array();

	q->arg = list;
	q->line = look_at_version;
	q->term = &term;
	q->nterms = 1;
	q->within = true;
	if (query_source(q) || query_run(q)) {
		json_decref(list);
		return NULL;
	}
	return list;
}

static json_t *
last_record(const json_t *list, const char *version, bool other)
{
	for (size_t i = json_array_size(list); i--;) {
		json_t *one = json_array_get(list, i);
		const char *its = json_str_in(one, "policy_version");
		if (its && (strcmp(its, version) != 0) == other)
			return one;
	}
	return NULL;
}

json_t *
versions_before(const json_t *list, const char *version)
{
	return last_record(list, version, true);
}

json_t *
versions_last(const json_t *list, const char *version)
{
	return last_record(list, version, false);
}

/* Finds the versions among a journal's kept texts that begin with the digits. found[0] gets
 * the last of them, and *several is set if there are others. */
static void
find_in_folder(const char *journal, const char *digits, char found[17], bool *several)
{
	char its[17], hash[KEPT_POLICY_HEX];

	SCOPED_BUF(folder, 0);
	kept_policy_folder(journal, &folder);
	DIR *d = opendir(folder.p);
	for (const struct dirent *e; d && (e = readdir(d));)
		if (kept_policy_name_read(e->d_name, its, hash) &&
			!strncmp(its, digits, strlen(digits) < 16 ? strlen(digits) : 16)) {
			*several |= found[0] && strcmp(found, its) != 0;
			memcpy(found, its, sizeof(its));
		}
	if (d)
		closedir(d);
}

bool
versions_find(
	const struct kept_places *places, const char *given, char version[65], struct buf *why)
{
	enum { LEAST = 6 };
	const char *at = strrchr(given, '@'), *digits = at ? at + 1 : given;
	char found[17] = "";
	struct kept_policy kept;
	bool several = false;

	if (strlen(digits) >= LEAST)
		find_in_folder(places->journal, digits, found, &several);
	if (strlen(digits) >= LEAST && places->beside)
		find_in_folder(places->beside, digits, found, &several);
	if (several || !found[0]) {
		buf_printf(why, "%s: %s of a policy in %s" KEPT_POLICY_FOLDER "%s", given,
			several ? "several versions" : "no version", places->journal,
			several ? " begin with these digits: give more"
				: "; `tollgate policy history` lists the versions");
		return false;
	}
	int err = kept_policy_get(places, found, NULL, &kept, why);
	if (!err)
		snprintf(version, 65, "%.64s", kept.version);
	kept_policy_free(&kept);
	return !err;
}

/* ---- history ---- */

const struct yaml_node *
versions_tree(struct arena *a, const struct kept_places *places, const char *version,
	const char *hash, struct buf *why)
{
	struct kept_policy kept;
	const struct yaml_node *tree = NULL;

	SCOPED_DIAG(d);
	if (!kept_policy_get(places, version, hash, &kept, why)) {
		file_set_from(&kept.files, SET_AS_LOADED);
		tree = policy_tree(a, kept.root, &d);
		file_set_from(NULL, SET_AS_LOADED);
	}
	kept_policy_free(&kept);
	return tree;
}

/* Parses the text that a record of type `policy` names. */
static const struct yaml_node *
recorded_tree(struct arena *a, const struct kept_places *places, const json_t *record)
{
	const char *version = json_str_in(record, "policy_version");

	SCOPED_BUF(why, 4096);
	return version ? versions_tree(a, places, version, json_str_in(record, "text"), &why)
		       : NULL;
}

/* Sets the member "changed" of a version to its differences from the version before. */
static void
put_changed(json_t *one, const json_t *before, const struct kept_places *places)
{
	struct differences found;

	SCOPED_ARENA(a, 0, false);
	SCOPED_BUF(text, 0);
	const struct yaml_node
		*was = before ? recorded_tree(&a, places, before) : NULL,
		*is = recorded_tree(&a, places, one);
	if (!was || !is || !policy_differences(&a, was, is, &found))
		return;
	policy_differences_print(&found, &text);
	if (!found.n)
		buf_str(&text, strcmp(json_text_in(one, "policy_version"),
				       json_text_in(before, "policy_version")) == 0
				       ? "comments or layout"
				       : "other files than the policy's own");
	json_object_set_new(one, "changed", json_stringn(text.p, text.n));
}

static json_t *
shown_version(const json_t *record)
{
	static const char *const members[] = { "time", "node", "policy", "policy_version", "text",
		"before", "by", "why" };
	json_t *o = json_object();

	for (size_t i = 0; i < COUNT_OF(members); i++)
		json_object_set(o, members[i], json_object_get(record, members[i]));
	return o;
}

static void
print_version(struct buf *out, const json_t *o)
{
	static const struct {
		const char *name, *label;
	} lines[] = { { "by", "by" }, { "why", "why" }, { "changed", "changed" } };
	const char *node = json_str_in(o, "node");

	buf_printf(out, "%.19sZ  %s  (node %s)\n", json_text_in(o, "time"),
		json_text_in(o, "policy"), node ? node : "?");
	for (size_t i = 0; i < COUNT_OF(lines); i++)
		if (json_str_in(o, lines[i].name))
			buf_printf(out, "    %-8s %s\n", lines[i].label,
				json_str_in(o, lines[i].name));
	if (!json_str_in(o, "text"))
		buf_str(out, "    text     not kept: recorded by an earlier version of tollgate\n");
}

static int
print_history(struct query *q, uint64_t limit, bool as_json)
{
	json_auto_t *list = versions_read(q), *shown = json_array();

	if (!list)
		return EXIT_CANNOT;
	const struct kept_places places = { .journal = q->journal, .beside = q->beside };
	size_t n = json_array_size(list), first = n > limit ? n - limit : 0;
	for (size_t i = n; i > first; i--) {
		json_t *o = shown_version(json_array_get(list, i - 1));
		if (q->journal)
			put_changed(o, i > 1 ? json_array_get(list, i - 2) : NULL, &places);
		json_array_append_new(shown, o);
	}
	reading_add(json_array_size(shown));
	if (as_json)
		return admin_print_json(q->what, shown);
	SCOPED_BUF(text, 0);
	for (size_t i = 0; i < json_array_size(shown); i++)
		print_version(&text, json_array_get(shown, i));
	plain_print(stdout, buf_view(&text));
	return EXIT_DONE;
}

int
policy_history(int argc, char **argv)
{
	struct query q = { .what = "policy history" };
	const char *most = NULL;
	bool as_json = false;
	const struct cmd_option options[] = { QUERY_SOURCE(&q), QUERY_TIMES(&q),
		{ "limit", .text = &most }, { "json", .flag = &as_json }, { .name = NULL } };
	uint64_t limit = 20;
	char **operands;

	if (cmd_options(q.what, argc, argv, options, &operands) != 0 ||
		(most && (span_u64(span_str(most), &limit) || !limit)))
		return cmd_usage(q.what);
	if (query_times(&q) || query_begin(&q, options, NULL, 0))
		return query_end(&q, EXIT_CANNOT);
	return query_end(&q, print_history(&q, limit, as_json));
}

/* ---- show ---- */

bool
versions_has_file(const struct set_file *f)
{
	return f->kind == FILE_OF_POLICY || f->kind == FILE_OF_WORDS;
}

static void
print_kept(const struct kept_policy *kept, struct buf *out)
{
	size_t shown = 0;

	for (size_t i = 0; i < kept->files.n; i++)
		shown += versions_has_file(&kept->files.v[i]);
	for (size_t i = 0; i < kept->files.n; i++) {
		const struct set_file *f = &kept->files.v[i];
		if (!versions_has_file(f))
			continue;
		if (shown > 1)
			buf_printf(out, "%s# ---- %s ----\n", i ? "\n" : "", f->name);
		buf_span(out, f->text);
	}
}

int
policy_show(int argc, char **argv)
{
	const char *config = NULL, *journal = NULL, *what = "policy show";
	const struct cmd_option options[] = { { "c", .text = &config },
		{ "config", .text = &config }, { "journal", .text = &journal },
		{ .name = NULL } };
	char **operands, version[65];
	struct kept_policy kept;

	if (cmd_options(what, argc, argv, options, &operands) != 1)
		return cmd_usage(what);
	SCOPED_ARENA(a, 0, false);
	SCOPED_BUF(why, 4096);
	SCOPED_BUF(text, 0);
	const struct config *cfg = journal ? NULL : cmd_config(&a, config);
	if (!journal && !cfg)
		return cmd_no_config(what, config, ", or the journal with --journal");
	const struct kept_places places = { .journal = journal ? journal : cfg->journal,
		.beside = journal ? NULL : cfg->other_journal };
	if (!places.journal)
		return cmd_fail(what, "%s: has no audit.journal", cfg->file);
	if (!versions_find(&places, operands[0], version, &why)) {
		cmd_fail(what, "%.*s", SPAN_ARG(buf_view(&why)));
		return EXIT_NO;
	}
	int err = kept_policy_get(&places, version, NULL, &kept, &why);
	if (!err)
		print_kept(&kept, &text);
	kept_policy_free(&kept);
	if (err) {
		cmd_fail(what, "%.*s", SPAN_ARG(buf_view(&why)));
		return err == ERR_AUTH ? EXIT_NO : EXIT_CANNOT;
	}
	return cmd_print(what, &text);
}
