/* tollgate policy: dispatches to its verbs, and has the verbs apply, back, history and show.
 * `policy schema` prints the JSON Schema of policies, of tollgate.yaml or of price lists, for
 * editors.
 *
 * tollgate policy apply checks a policy, shows what it changes, installs its files and puts it
 * in force. tollgate policy back does the same with the text of an earlier version.
 *
 * The command first locks the policy's folder and checks the new policy. Then it prints the
 * differences and the other daemons, runs the policy's tests, replays recent decisions, and
 * asks for confirmation. Finally it writes the files, orders a reload, and waits until every
 * worker uses the new version. If the daemon refuses the policy, the old files are restored.
 * At the end, it orders a reload of the other daemons of the group.
 *
 * tollgate policy history lists the policies that were in force, with the time, the person
 * who ordered them, the reason and the changes. tollgate policy show prints the text of one
 * version. */
#include "cmd/policies/policy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/clock.h"
#include "base/codec/json_text.h"
#include "base/codec/yaml.h"
#include "base/err.h"
#include "base/replace.h"
#include "base/stops.h"
#include "base/why.h"
#include "cmd/cmd.h"
#include "cmd/daemon/admin.h"
#include "cmd/daemon/reading.h"
#include "cmd/plain.h"
#include "cmd/records/query.h"
#include "gate/snapshot.h"
#include "policy/checked.h"
#include "policy/config/config.h"
#include "policy/config/include.h"
#include "policy/differences.h"
#include "policy/own.h"
#include "policy/policy.h"
#include "policy/schema.h"
#include "record/archive/kept_policy.h"
#include "record/audit/record_terms.h"
#include "scan/detect/detect.h"

/* ---- versions, policy history, policy show ---- */

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

/* Returns the last of the first `n` records that the node of `o` wrote, or NULL. */
static const json_t *
last_of_node(const json_t *list, size_t n, const json_t *o)
{
	while (n-- > 0)
		if (str_same(json_str_in(json_array_get(list, n), "node"), json_str_in(o, "node")))
			return json_array_get(list, n);
	return NULL;
}

static int
by_record_time(const void *a, const void *b)
{
	return strcmp(json_text_in(*(json_t *const *)a, "time"),
		json_text_in(*(json_t *const *)b, "time"));
}

/* Sorts the records of several journals by time. Returns the list, or NULL if memory is exhausted.
 */
static json_t *
sort_versions(json_t *list)
{
	size_t n = json_array_size(list);
	json_t **record = calloc(n + 1, sizeof(*record)), *sorted = record ? json_array() : NULL;

	for (size_t i = 0; record && i < n; i++)
		record[i] = json_array_get(list, i);
	if (record)
		qsort(record, n, sizeof(*record), by_record_time);
	for (size_t i = 0; sorted && i < n; i++)
		json_array_append(sorted, record[i]);
	free(record);
	json_decref(list);
	return sorted;
}

static void
look_at_version(void *arg, struct span line)
{
	static const char type[] = "\"type\":\"policy\"";
	json_t *list = arg;

	if (!memmem(line.p, line.n, type, sizeof(type) - 1))
		return;
	json_auto_t *o = json_loadb(line.p, line.n, JSON_ALLOW_NUL, NULL);
	const json_t *last = last_of_node(list, json_array_size(list), o);
	if (!o || strcmp(json_text_in(o, "type"), "policy") != 0 || (last && same_text(last, o)))
		return;
	json_array_append(list, o);
}

/* Reads the records of type `policy` in the query's period, oldest first, as a list. A
 * record is omitted if the record before it in the same journal names the same text,
 * because a rotated key and a restart change no policy. The caller owns the result. Returns
 * NULL after a message. */
static json_t *
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
	return q->nbeside ? sort_versions(list) : list;
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

/* Returns the last record with another version than `version`, which is in force, or NULL
 * if there is none. The record lives in *list. */
static json_t *
versions_before(const json_t *list, const char *version)
{
	return last_record(list, version, true);
}

/* Returns the last record of `version`, or NULL. The record lives in *list. */
static json_t *
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

/* Finds the version that a person wrote: a version, a label such as default@8f3c12ab90de,
 * or at least its first 6 digits. Returns false with *why if no kept text or more than one
 * has it. */
static bool
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
	if (strlen(digits) >= LEAST && places->other)
		find_in_folder(places->other, digits, found, &several);
	for (size_t i = 0; strlen(digits) >= LEAST && i < places->nothers; i++)
		find_in_folder(places->others[i], digits, found, &several);
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

/* Parses the kept text of the version, which must have the SHA-256 `hash` unless that is
 * NULL. Returns the tree, in the arena, or NULL with *why if the text is not kept or cannot
 * be read. */
static const struct yaml_node *
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
	/* A newline in a reason must not begin an entry that nobody made. */
	for (size_t i = 0; i < COUNT_OF(lines); i++)
		if (json_str_in(o, lines[i].name)) {
			buf_printf(out, "    %-8s ", lines[i].label);
			plain_put(out, json_span(json_object_get(o, lines[i].name)), SIZE_MAX);
			buf_putc(out, '\n');
		}
	if (!json_str_in(o, "text"))
		buf_str(out, "    text     not kept: recorded by an earlier version of tollgate\n");
}

static int
print_history(struct query *q, uint64_t limit, bool as_json)
{
	json_auto_t *list = versions_read(q), *shown = json_array();

	if (!list)
		return EXIT_CANNOT;
	const struct kept_places places = query_places(q);
	size_t n = json_array_size(list), first = n > limit ? n - limit : 0;
	for (size_t i = n; i > first; i--) {
		json_t *o = shown_version(json_array_get(list, i - 1));
		if (q->journal)
			put_changed(o, last_of_node(list, i - 1, json_array_get(list, i - 1)),
				&places);
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

static int
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

/* Returns true for a file that an operator writes: `policy show` prints the file, and
 * `policy back` may write it. */
static bool
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

static int
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
	const struct kept_places places =
		journal ? (struct kept_places){ .journal = journal } : kept_places_of(cfg);
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

/* ---- policy apply, policy back ---- */

enum { WAIT_US = 60 * 1000000, LOOK_US = 50000 };

/* The state of one run. Lives on the stack of the command. */
struct apply {
	const char *what; /* the command, for messages */
	const char *config, *why, *since;
	bool yes;
	struct arena a;
	const struct config *cfg;
	const char *socket; /* the daemon's admin socket */
	struct kept_places places; /* the places of kept texts; journal NULL: none is configured */
	struct file_set next; /* files to install; empty: the files on disk are put in force */
	struct file_set was;  /* the contents of these files when the command began */
	struct file_set read; /* the files that were checked, with the contents to install */
	json_t *checked;      /* their SHA-256, which the orders carry */
	char version[65];     /* the version that is put in force */
	const char *label;
	char before[65]; /* the version that was in force */
	/* back: the version that is put in force again; version NULL: this is apply */
	struct kept_policy back;
	size_t foreign; /* number of files of that version that differ on disk and are not written */
};

/* ---- the policy that is put in force ---- */

static bool
load_config(struct apply *ap)
{
	const char *file = config_find(ap->config);

	if (!file) {
		cmd_no_config(ap->what, ap->config, "");
		return false;
	}
	SCOPED_DIAG(d);
	ap->cfg = config_load(&ap->a, file, &d);
	if (!ap->cfg)
		cmd_mistakes(ap->what, &d);
	else if (!ap->cfg->policy)
		cmd_fail(ap->what, "%s: has no `policy`: name a policy file there", file);
	if (!ap->cfg || !ap->cfg->policy)
		return false;
	ap->socket = admin_socket(ap->what, ap->config, &ap->a);
	if (!ap->socket)
		return false;
	ap->places = kept_places_of(ap->cfg);
	return true;
}

static bool
is_folder(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Returns the policy itself if it is a folder, or the folder of its file. Returns NULL if
 * memory is exhausted. */
static const char *
policy_folder(struct apply *ap)
{
	const char *policy = ap->cfg->policy, *slash = strrchr(policy, '/');

	if (is_folder(policy))
		return policy;
	if (!slash)
		return ".";
	return arena_printf(&ap->a, "%.*s", slash == policy ? 1 : (int)(slash - policy), policy).p;
}

/* Returns the configured policy file, which FILE replaces. */
static const char *
main_file(struct apply *ap)
{
	const char *named = ap->cfg->policy;

	if (!is_folder(named))
		return named;
	const char *own = arena_printf(&ap->a, "%s/policy.yaml", named).p;
	if (own && access(own, F_OK) == 0)
		return own;
	cmd_fail(ap->what,
		"%s is a folder of several files: edit them there, then run `tollgate policy apply "
		"--why TEXT` without FILE",
		named);
	return NULL;
}

static bool
is_in_folder(const char *folder, const char *name)
{
	size_t n = strlen(folder);

	if (strstr(name, ".."))
		return false;
	if (!strcmp(folder, "."))
		return name[0] != '/';
	return !strncmp(name, folder, n) && (name[n] == '/' || folder[n - 1] == '/');
}

/* Takes the files that FILE names and that are beside it, as `policy replay --policy FILE` reads
 * them, unless the installed ones are equal. A file that is not beside FILE is read from where the
 * policy is installed, so mistakes are reported later. */
static bool
take_files_beside(struct apply *ap, const char *file, const char *to)
{
	const char *slash = strrchr(file, '/'), *end = strrchr(to, '/');
	const char *from = slash ? arena_printf(&ap->a, "%.*s", (int)(slash - file), file).p : ".";
	const char *folder = end ? arena_printf(&ap->a, "%.*s", (int)(end - to), to).p : ".";
	size_t cut = slash ? (size_t)(slash - file) + 1 : 0;
	struct detect_rules *rules = NULL;
	struct file_set read;
	bool ok = from && folder;

	file_set_init(&read);
	SCOPED_ARENA(a, 0, false);
	SCOPED_DIAG(d);
	file_set_record(&read);
	policy_open(&a, file, ap->cfg, ap->cfg->detectors, &rules, &d);
	file_set_record(NULL);
	detect_free(&rules);
	for (size_t i = 0; ok && i < read.n; i++) {
		const struct set_file *f = &read.v[i];
		SCOPED_BUF(text, 0);
		if (!versions_has_file(f) || !strcmp(f->name, file) || !is_in_folder(from, f->name))
			continue;
		const char *name = arena_printf(&ap->a, "%s/%s", folder, f->name + cut).p;
		if (name && buf_file(&text, name) && span_eq(buf_view(&text), f->text))
			continue;
		ok = name && file_set_add(&ap->next, f->kind, name, f->text);
	}
	file_set_free(&read);
	return ok;
}

static bool
take_new_file(struct apply *ap, const char *file)
{
	const char *to = main_file(ap);

	SCOPED_BUF(text, CAP_YAML_BYTES);
	if (!to)
		return false;
	int err = cmd_read_file(file, &text);
	if (err) {
		cmd_fail(ap->what, "%s: %s", file,
			err == ERR_LIMIT ? "the file is too large" : strerror(errno));
		return false;
	}
	return file_set_add(&ap->next, FILE_OF_POLICY, to, buf_view(&text)) &&
	       take_files_beside(ap, file, to);
}

/* Returns true if the compiled-in detection rules are those of the kept version. */
static bool
same_built_in(const struct file_set *read, const struct file_set *kept)
{
	for (size_t i = 0; i < kept->n; i++) {
		const struct set_file *f = &kept->v[i];
		const struct set_file *now =
			f->kind == FILE_BUILT_IN ? file_set_find(read, f->name) : f;
		if (!now || !span_eq(now->text, f->text))
			return false;
	}
	return true;
}

/* Compares the policy that was read with the requested version. A file that was added since
 * changes the version, and `back` removes no file. Only different detection rules may
 * change the version. If a file was not written, the policy would be a mixture of two
 * versions. */
static bool
is_wanted_version(struct apply *ap, const struct file_set *read)
{
	size_t added = 0;

	if (!ap->back.version || !strcmp(ap->back.version, ap->version))
		return true;
	for (size_t i = 0; i < read->n; i++) {
		const struct set_file *f = &read->v[i];
		if (!versions_has_file(f) || file_set_find(&ap->back.files, f->name))
			continue;
		added++;
		cmd_fail(ap->what, "%s: version %.12s does not have this file", f->name,
			ap->back.version);
	}
	if (!added && !ap->foreign && !same_built_in(read, &ap->back.files)) {
		printf("version %.12s becomes %s, because this program has other detection "
		       "rules\n",
			ap->back.version, ap->label);
		return true;
	}
	if (added)
		cmd_fail(ap->what, "remove %s, and run the command again: nothing was changed",
			added == 1 ? "this file" : "these files");
	else if (ap->foreign)
		cmd_fail(ap->what,
			"give %s the contents of version %.12s (`tollgate policy show` prints "
			"them), and run the command again: nothing was changed",
			ap->foreign == 1 ? "the file that this command does not write"
					 : "the files that this command does not write",
			ap->back.version);
	else
		cmd_fail(ap->what,
			"with the present configuration the files of version %.12s make the policy "
			"%s: nothing was changed",
			ap->back.version, ap->label);
	return false;
}

/* Checks the policy as `tollgate check` does, and computes its version. The files that were
 * read are kept: differences, tests and replay read these contents too, even if somebody saves
 * a file meanwhile. */
static bool
check_next(struct apply *ap)
{
	bool good = false;

	SCOPED_DIAG(d);
	file_set_from(&ap->next, SET_OVER_DISK);
	file_set_record(&ap->read);
	struct snapshot *snap = snapshot_load(ap->cfg->file, NULL, 1, NULL, &d);
	file_set_record(NULL);
	if (!snap) {
		cmd_mistakes(ap->what, &d);
	} else {
		snprintf(ap->version, sizeof(ap->version), "%s", snap->policy->version);
		ap->label = arena_strdup(&ap->a, snap->policy->label);
		ap->checked = checked_files(&ap->read, snap->cfg);
		good = ap->label && ap->checked && !ap->read.failed &&
		       is_wanted_version(ap, &ap->read);
	}
	snapshot_unref(&snap);
	return good;
}

static json_t *
daemon_status(const struct apply *ap, const char *socket, int *code)
{
	return admin_call_at(ap->what, socket, "/status", NULL, code);
}

/* ---- changes ---- */

static void
put_next_changes(struct apply *ap, struct buf *out)
{
	struct differences found;
	const struct yaml_node *before = NULL;

	SCOPED_BUF(why, 4096);
	SCOPED_DIAG(d);
	if (ap->places.journal)
		before = versions_tree(&ap->a, &ap->places, ap->before, NULL, &why);
	else
		buf_str(&why, "the configuration has no audit.journal");
	file_set_from(&ap->read, SET_OVER_DISK);
	const struct yaml_node *after = policy_tree(&ap->a, ap->cfg->policy, &d);
	if (before && after && policy_differences(&ap->a, before, after, &found)) {
		policy_differences_print(&found, out);
		if (!found.n)
			buf_printf(out, "nothing in the policy's own files%s",
				strcmp(ap->before, ap->version) ? "; a file that they name differs"
								: "");
	} else {
		buf_printf(out, "unknown: %.*s", SPAN_ARG(buf_view(&why)));
	}
}

static void
print_differences(struct apply *ap)
{
	SCOPED_BUF(text, 0);
	put_next_changes(ap, &text);
	printf("changes: %.*s\n", SPAN_ARG(buf_view(&text)));
}

/* Runs the test files next to the policy: tests/NAME.yaml for NAME.yaml, else all files in
 * tests/. */
static int
run_tests(struct apply *ap)
{
	const char *policy = ap->cfg->policy, *slash = strrchr(policy, '/'),
		   *folder = policy_folder(ap);
	const char *name = folder == policy ? "" : slash ? slash + 1 : policy;
	const char *tests =
		folder ? arena_printf(&ap->a, "%s/tests/%s", folder, name).p : NULL;
	char *argv[] = { (char[]){ "test" }, (char[]){ "--policy" },
		arena_strdup(&ap->a, policy), (char[]){ "-c" },
		arena_strdup(&ap->a, ap->cfg->file), arena_strdup(&ap->a, tests ? tests : ""),
		NULL };

	if (!tests || access(tests, R_OK) != 0)
		return EXIT_DONE;
	printf("tests: %s\n", tests);
	return policy_test(6, argv);
}

/* Prints how the recorded decisions since `since` would differ under the policy. */
static void
run_replay(struct apply *ap)
{
	char *argv[] = { (char[]){ "replay" }, (char[]){ "-c" },
		arena_strdup(&ap->a, ap->cfg->file), (char[]){ "--policy" },
		arena_strdup(&ap->a, ap->cfg->policy), (char[]){ "--since" },
		arena_strdup(&ap->a, ap->since), (char[]){ "--examples" }, (char[]){ "3" },
		NULL };

	if (!ap->cfg->journal)
		return;
	printf("recorded decisions since %s, compared with this policy:\n", ap->since);
	fflush(stdout);
	policy_replay(9, argv);
}

static bool
confirm_apply(const struct apply *ap)
{
	char answer[16] = "";

	for (size_t i = 0; i < ap->next.n; i++)
		printf("writes %s%s\n", ap->next.v[i].name,
			access(ap->next.v[i].name, F_OK) == 0 ? "" : " (a new file)");

	if (ap->yes)
		return true;
	fflush(stdout);
	if (!isatty(STDIN_FILENO)) {
		cmd_fail(ap->what,
			"standard input is no terminal: add --yes to put the policy in "
			"force without a question");
		return false;
	}
	printf("put %s in force? [y/N] ", ap->label);
	fflush(stdout);
	if (!fgets(answer, sizeof(answer), stdin) || (answer[0] != 'y' && answer[0] != 'Y')) {
		printf("nothing was changed\n");
		return false;
	}
	return true;
}

/* ---- installing ---- */

/* Locks the policy. A second apply on this machine is refused instead of waiting. */
static int
lock_policy(struct apply *ap)
{
	const char *folder = policy_folder(ap);
	int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
		return fd;
	cmd_fail(ap->what, "%s: %s", folder ? folder : ap->cfg->policy,
		fd >= 0 && errno == EWOULDBLOCK
			? "another `tollgate policy apply` is in progress: wait until it "
			  "has ended"
			: strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

/* Replaces a file whose contents are `was` (NULL: no such file). A link stays, and the file that
 * it names is replaced, because a policy may be linked from a checkout. Returns 0, or an error
 * with *why: ERR_BAD_STATE if somebody else has saved the file. */
static int
replace_policy_file(
	const char *name, const struct set_file *was, struct span text, struct buf *why)
{
	char *target = realpath(name, NULL);
	int err = replace_file_over(AT_FDCWD, target ? target : name, 0640, text,
		was ? &was->text : NULL, why);

	free(target);
	return err;
}

/* Writes the new files in order. *written gets the number of files that were replaced. */
static int
write_files(struct apply *ap, size_t *written)
{
	SCOPED_BUF(why, 4096);
	for (*written = 0; *written < ap->next.n; ++*written) {
		const struct set_file *f = &ap->next.v[*written];
		int err = replace_policy_file(
			f->name, file_set_find(&ap->was, f->name), f->text, &why);
		if (err) {
			cmd_fail(ap->what, "%.*s", SPAN_ARG(buf_view(&why)));
			return err == ERR_BAD_STATE ? EXIT_NO : EXIT_CANNOT;
		}
	}
	return EXIT_DONE;
}

/* Reads the present contents of the files. A file that does not exist is not in ap->was. */
static int
remember_files(struct apply *ap)
{
	file_set_from(NULL, SET_AS_LOADED);
	for (size_t i = 0; i < ap->next.n; i++) {
		SCOPED_BUF(text, 0);
		const struct set_file *f = &ap->next.v[i];
		if (!buf_file(&text, f->name)) {
			if (errno != ENOENT)
				return cmd_fail(ap->what, "%s: %s", f->name, strerror(errno));
		} else if (!file_set_add(&ap->was, f->kind, f->name, buf_view(&text))) {
			return cmd_fail(ap->what, "out of memory");
		}
	}
	return EXIT_DONE;
}

/* Restores the earlier contents of the first `written` files, and removes those that did
 * not exist. A file that somebody else has saved since stays. */
static void
restore_files(struct apply *ap, size_t written)
{
	for (size_t i = 0; i < written; i++) {
		SCOPED_BUF(why, 4096);
		const struct set_file *ours = &ap->next.v[i];
		const struct set_file *was = file_set_find(&ap->was, ours->name);
		SCOPED_BUF(text, 0);
		if (was)
			replace_policy_file(ours->name, ours, was->text, &why);
		else if (!buf_file(&text, ours->name) || !span_eq(buf_view(&text), ours->text))
			buf_printf(&why, "%s: was changed by somebody else in the meantime",
				ours->name);
		else if (unlink(ours->name) < 0)
			buf_printf(&why, "%s: %s", ours->name, strerror(errno));
		if (why.n)
			cmd_fail(ap->what, "the file is not restored: %.*s",
				SPAN_ARG(buf_view(&why)));
	}
}

/* Called if the order's result is unknown, because the order may or may not have reached
 * the daemon. The version that is in force decides. */
static int
look_after_order(const struct apply *ap, const char *socket, struct span why)
{
	int code = EXIT_CANNOT;
	json_auto_t *s = daemon_status(ap, socket, &code);

	if (s && !strcmp(json_text_in(s, "policy_version"), ap->version))
		return EXIT_DONE;
	cmd_fail(ap->what,
		"%.*s: it is unknown whether the daemon carried out the change. The new files "
		"stay installed%s%s. `tollgate status` shows the policy in force, and "
		"`tollgate reload` orders the files again",
		SPAN_ARG(why), s ? ", and the policy in force is still " : "",
		s ? json_text_in(s, "policy") : "");
	return EXIT_CANNOT;
}

/* Orders a reload. Returns EXIT_DONE if the daemon has the policy in force, EXIT_NO if it
 * refused the policy, EXIT_CANNOT if the result is unknown. */
static int
order_reload(const struct apply *ap, const char *socket)
{
	json_auto_t *in = json_pack("{ss,sO}", "reason", ap->why, "checked", ap->checked),
		    *said = NULL;
	const json_t *one;
	size_t i;

	SCOPED_BUF(why, 4096);
	long status = admin_ask_json(socket, "/reload", in, &said, &why);
	const char *error = json_str_in(said, "error");
	if (status == 200)
		return EXIT_DONE;
	if (str_same(json_str_in(said, "result"), "repeat"))
		return cmd_fail(ap->what,
			"the other instance of the daemon decides now and may have read "
			"the new files, so they stay installed. Repeat the order with "
			"`tollgate policy apply --why TEXT`, without FILE");
	if (!str_same(json_str_in(said, "result"), "refused") && (status < 400 || !error)) {
		if (!why.n)
			buf_str(&why, "the daemon did not report a result in time");
		return look_after_order(ap, socket, buf_view(&why));
	}
	json_array_foreach(json_object_get(said, "errors"), i, one)
		fprintf(stderr, "%s\n", json_string_value(one) ? json_string_value(one) : "?");
	cmd_fail(ap->what, "the daemon refused the policy, and the previous one stays in "
			   "force%s%s",
		error ? ": " : "", error ? error : "");
	return EXIT_NO;
}

/* Waits until every worker uses the policy. `any` accepts any version, because under
 * another configuration the same files may have another version. */
static int
await_workers(const struct apply *ap, const char *socket, bool any)
{
	uint64_t end_us = clock_mono_us() + WAIT_US;
	int code = EXIT_CANNOT;

	for (;;) {
		json_auto_t *s = daemon_status(ap, socket, &code);
		if (!s)
			return code;
		const char *version = json_str_in(s, "policy_version"),
			   *label = json_str_in(s, "policy"), *node = json_str_in(s, "node");
		json_int_t workers = json_integer_value(json_object_get(s, "workers")),
			   current = json_integer_value(json_object_get(s, "workers_current"));
		if (!any && version && strcmp(version, ap->version) != 0) {
			cmd_fail(ap->what,
				"node %s has policy %s in force, not %s: another person "
				"applied it in the meantime; look at `tollgate policy "
				"history`",
				node ? node : "?", label ? label : "?", ap->label);
			return EXIT_NO;
		}
		if (current >= workers) {
			printf("node %s: policy %s is in force in %lld of %lld workers\n",
				node ? node : "?", label ? label : ap->label,
				(long long)current, (long long)workers);
			return EXIT_DONE;
		}
		if (clock_mono_us() > end_us)
			return cmd_fail(ap->what,
				"node %s: after 60 s only %lld of %lld workers use the "
				"policy: look at `tollgate status`",
				node ? node : "?", (long long)current, (long long)workers);
		usleep(LOOK_US);
	}
}

/* Prints the other daemons of the same Redis and their policies, before the question. */
static void
print_group(const struct apply *ap, const json_t *status)
{
	const json_t *group = json_object_get(status, "group"), *one;
	size_t i;

	SCOPED_BUF(text, 0);
	if (ap->cfg->redis_url && !json_is_array(group))
		buf_str(&text, "other daemons: unknown, because Redis does not respond\n");
	json_array_foreach(group, i, one)
	{
		bool shares = json_is_true(json_object_get(one, "shares_file"));
		buf_printf(&text, "node %s: %s in force, %s\n", json_text_in(one, "node"),
			json_text_in(one, "policy"),
			shares ? "from the same file, so it gets the policy too"
			       : "from another file: apply the policy there too");
	}
	plain_print(stdout, buf_view(&text));
}

/* Orders one daemon of the group, if the daemon at its admin socket has its name. In a
 * container, another daemon may be at that path. */
static int
order_member(const struct apply *ap, const char *node, const char *socket)
{
	int code;

	if (!socket)
		return cmd_fail(ap->what, "node %s: has no admin socket: send its daemon SIGHUP", node);
	json_auto_t *s = daemon_status(ap, socket, &code);
	if (!s)
		return code;
	if (strcmp(json_text_in(s, "node"), node) != 0)
		return cmd_fail(ap->what,
			"node %s: another daemon is at %s on this machine: run the command "
			"on the machine of that node",
			node, socket);
	code = order_reload(ap, socket);
	return code ? code : await_workers(ap, socket, true);
}

/* Orders each daemon of the group that reads the same file. The files stay in any case,
 * since the first daemon has the policy in force. */
static int
order_group(const struct apply *ap)
{
	int code = EXIT_CANNOT, worst;
	json_auto_t *s = daemon_status(ap, ap->socket, &code);
	const json_t *one;
	size_t i;

	worst = s ? EXIT_DONE : code;
	json_array_foreach(json_object_get(s, "group"), i, one)
	{
		if (!json_is_true(json_object_get(one, "shares_file")))
			continue;
		code = order_member(ap, json_text_in(one, "node"), json_str_in(one, "admin"));
		if (code)
			cmd_fail(ap->what, "node %s may not have the policy that is in force here",
				json_text_in(one, "node"));
		worst = code > worst ? code : worst;
	}
	return worst;
}

static int
install_policy(struct apply *ap)
{
	size_t written;

	file_set_from(NULL, SET_AS_LOADED);
	fflush(stdout); /* later messages on stderr must follow the printed text */
	int code = write_files(ap, &written);
	if (code) {
		restore_files(ap, written);
		return code;
	}
	stop_at("apply-written");
	code = order_reload(ap, ap->socket);
	stop_at("apply-ordered");
	if (code == EXIT_NO)
		restore_files(ap, written);
	if (!code)
		code = await_workers(ap, ap->socket, false);
	return code ? code : order_group(ap);
}

/* ---- the commands ---- */

static int
run_apply(struct apply *ap)
{
	int code = EXIT_CANNOT;

	SCOPED_FD(lock, lock_policy(ap));
	if (lock < 0)
		return EXIT_CANNOT;
	code = remember_files(ap);
	if (code)
		return code;
	code = EXIT_CANNOT;
	if (!check_next(ap))
		return EXIT_NO;
	stop_at("apply-checked");
	json_auto_t *s = daemon_status(ap, ap->socket, &code);
	if (!s)
		return code;
	snprintf(ap->before, sizeof(ap->before), "%s", json_text_in(s, "policy_version"));
	printf("in force: %s\nnext:     %s\n", json_text_in(s, "policy"), ap->label);
	print_differences(ap);
	print_group(ap, s);
	if (run_tests(ap)) {
		cmd_fail(ap->what, "tests fail: nothing was changed");
		return EXIT_NO;
	}
	run_replay(ap);
	if (!confirm_apply(ap))
		return EXIT_NO;
	return install_policy(ap);
}

/* Reads the options, the configuration and at most one operand; *operand is NULL if there
 * is none. Returns EXIT_DONE, or another exit code after a message. Call end_apply() in any
 * case. */
static int
begin_apply(struct apply *ap, int argc, char **argv, const char **operand)
{
	const struct cmd_option options[] = { { "c", .text = &ap->config },
		{ "config", .text = &ap->config }, { "why", .text = &ap->why },
		{ "since", .text = &ap->since }, { "yes", .flag = &ap->yes },
		{ .name = NULL } };
	char **operands;
	int n = cmd_options(ap->what, argc, argv, options, &operands);

	arena_init(&ap->a, 0, false);
	file_set_init(&ap->next);
	file_set_init(&ap->was);
	file_set_init(&ap->read);
	ap->since = ap->since ? ap->since : "1d";
	if (n < 0 || n > 1)
		return cmd_usage(ap->what);
	if (!ap->why || !*ap->why)
		return cmd_fail(
			ap->what, "--why TEXT is missing: give the reason, for the record");
	*operand = n == 1 ? operands[0] : NULL;
	return load_config(ap) ? EXIT_DONE : EXIT_CANNOT;
}

static int
end_apply(struct apply *ap, int code)
{
	file_set_from(NULL, SET_AS_LOADED);
	file_set_free(&ap->next);
	file_set_free(&ap->was);
	file_set_free(&ap->read);
	json_decref(ap->checked);
	kept_policy_free(&ap->back);
	arena_reset(&ap->a);
	return code;
}

static int
policy_apply(int argc, char **argv)
{
	struct apply ap = { .what = "policy apply" };
	const char *file;
	int code = begin_apply(&ap, argc, argv, &file);

	if (!code && file && !take_new_file(&ap, file))
		code = EXIT_CANNOT;
	return end_apply(&ap, code ? code : run_apply(&ap));
}

/* Prints the policy that an order would put in force now, and what it changes. With --json, also
 * the SHA-256 of its files, which an order by POST /reload carries. */
static int
policy_next(int argc, char **argv)
{
	struct apply ap = { .what = "policy next" };
	bool as_json = false;
	const struct cmd_option options[] = { { "c", .text = &ap.config },
		{ "config", .text = &ap.config }, { "json", .flag = &as_json },
		{ .name = NULL } };
	char **operands;
	struct kept_policy last;
	int code = EXIT_NO;

	if (cmd_options(ap.what, argc, argv, options, &operands) != 0)
		return cmd_usage(ap.what);
	arena_init(&ap.a, 0, false);
	file_set_init(&ap.next);
	file_set_init(&ap.was);
	file_set_init(&ap.read);
	SCOPED_BUF(why, 4096);
	SCOPED_BUF(text, 0);
	if (!load_config(&ap))
		return end_apply(&ap, EXIT_CANNOT);
	if (ap.cfg->journal) {
		kept_policy_last(&ap.places, &last, &why);
		snprintf(ap.before, sizeof(ap.before), "%s", last.version ? last.version : "");
		kept_policy_free(&last);
	}
	if (check_next(&ap)) {
		put_next_changes(&ap, &text);
		code = EXIT_DONE;
	}
	if (!code && as_json) {
		json_auto_t *o = json_pack("{s:s,s:s,s:s%,s:O}", "in_force", ap.before, "next",
			ap.label, "changes", text.p ? text.p : "", text.n, "checked", ap.checked);
		code = admin_print_json(ap.what, o);
	} else if (!code) {
		printf("in force: %.12s\nnext:     %s\nchanges: %.*s\n",
			ap.before[0] ? ap.before : "unknown", ap.label,
			SPAN_ARG(buf_view(&text)));
	}
	return end_apply(&ap, code);
}

/* Finds a version and the SHA-256 of its text in the records of type `policy`: the last
 * record of `version`, or with `version` NULL the version before the one in force. Returns
 * EXIT_DONE, or another exit code after a message. */
static int
find_record(struct apply *ap, const char *version, json_t **record)
{
	struct query q = { .what = ap->what, .journal = ap->cfg->journal, .config = ap->config };
	int code = EXIT_CANNOT;

	*record = NULL;
	json_auto_t *s = version ? NULL : daemon_status(ap, ap->socket, &code);
	if (!version && !s)
		return code;
	json_auto_t *list = query_times(&q) || query_begin(&q, NULL, NULL, 0) ? NULL
									     : versions_read(&q);
	if (list)
		*record = json_incref(version ? versions_last(list, version)
					      : versions_before(list,
							json_text_in(s, "policy_version")));
	query_end(&q, EXIT_DONE);
	if (!list)
		return EXIT_CANNOT;
	if (*record)
		return EXIT_DONE;
	cmd_fail(ap->what,
		version ? "%s: no record names version %.12s" : "%s: the records have no "
								"other policy",
		ap->cfg->journal, version);
	return EXIT_NO;
}

/* Adds a file to those that are installed, unless the file on disk has the same contents. A
 * file in another folder that the policy does not include belongs to other people. Such a
 * file is counted in ap->foreign and not written. */
static bool
take_kept_file(struct apply *ap, const struct set_file *f, const struct diag *included)
{
	const char *folder = policy_folder(ap);

	SCOPED_BUF(text, 0);
	if (!folder || !versions_has_file(f) ||
		(buf_file(&text, f->name) && span_eq(buf_view(&text), f->text)))
		return folder != NULL;
	if (is_in_folder(folder, f->name) ||
		diag_names(buf_view(&included->files), span_str(f->name)))
		return file_set_add(&ap->next, f->kind, f->name, f->text);
	cmd_fail(ap->what, "%s: differs from version %.12s but is not written, because it "
			   "is outside of %s",
		f->name, ap->back.version, folder);
	ap->foreign++;
	return true;
}

/* Takes the files of a recorded version that differ from those on disk. Returns EXIT_DONE,
 * or another exit code after a message. */
static int
take_version(struct apply *ap, const json_t *record)
{
	const char *version = json_text_in(record, "policy_version"),
		   *hash = json_str_in(record, "text");
	bool ok = true;

	SCOPED_BUF(why, 4096);
	int err = hash ? kept_policy_get(&ap->places, version, hash, &ap->back, &why)
		       : why_err(&why, ERR_NOTFOUND, "the record of version %.12s names no text",
				 version);
	if (!err && strcmp(ap->back.root, ap->cfg->policy) != 0)
		err = why_err(&why, ERR_NOTFOUND,
			"that version was loaded from %s, but %s names %s", ap->back.root,
			ap->cfg->file, ap->cfg->policy);
	SCOPED_DIAG(included);
	if (!err) {
		file_set_from(&ap->back.files, SET_AS_LOADED);
		policy_tree(&ap->a, ap->back.root, &included);
		file_set_from(NULL, SET_AS_LOADED);
	}
	for (size_t i = 0; !err && ok && i < ap->back.files.n; i++)
		ok = take_kept_file(ap, &ap->back.files.v[i], &included);
	if (!ok)
		return cmd_fail(ap->what, "out of memory");
	if (!err)
		return EXIT_DONE;
	cmd_fail(ap->what, "%.*s", SPAN_ARG(buf_view(&why)));
	return err == ERR_NOTFOUND || err == ERR_AUTH ? EXIT_NO : EXIT_CANNOT;
}

static int
policy_back(int argc, char **argv)
{
	struct apply ap = { .what = "policy back" };
	const char *given;
	char version[65];
	int code = begin_apply(&ap, argc, argv, &given);
	json_auto_t *record = NULL;

	SCOPED_BUF(why, 4096);
	if (!code && !ap.cfg->journal)
		code = cmd_fail(ap.what, "%s: has no audit.journal", ap.cfg->file);
	if (!code && given && !versions_find(&ap.places, given, version, &why)) {
		cmd_fail(ap.what, "%.*s", SPAN_ARG(buf_view(&why)));
		code = EXIT_NO;
	}
	if (!code)
		code = find_record(&ap, given ? version : NULL, &record);
	if (!code)
		code = take_version(&ap, record);
	return end_apply(&ap, code ? code : run_apply(&ap));
}

/* ---- the verbs ---- */

static int
policy_schema(int argc, char **argv)
{
	static const struct {
		const char *name;
		bool (*write)(struct buf *out);
	} files[] = { { "policy", schema_policy }, { "config", schema_config },
		{ "prices", schema_prices } };
	static const struct cmd_option none[] = { { .name = NULL } };
	char **operands;
	int n = cmd_options("policy schema", argc, argv, none, &operands);
	size_t i = 0;

	while (n == 1 && i < COUNT_OF(files) && strcmp(operands[0], files[i].name) != 0)
		i++;
	if (n < 0 || n > 1 || i == COUNT_OF(files))
		return cmd_usage("policy schema");
	SCOPED_BUF(out, 1 << 20);
	bool ok = files[i].write(&out);
	if (ok)
		ok = cmd_write(&out);
	else
		cmd_fail("policy schema", "out of memory");
	return ok ? EXIT_DONE : EXIT_CANNOT;
}

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} verbs[] = {
	{ "test", policy_test },
	{ "diff", policy_diff },
	{ "replay", policy_replay },
	{ "schema", policy_schema },
	{ "next", policy_next },
	{ "apply", policy_apply },
	{ "back", policy_back },
	{ "history", policy_history },
	{ "show", policy_show },
};

int
cmd_policy(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < COUNT_OF(verbs); i++)
		if (!strcmp(argv[1], verbs[i].name))
			return verbs[i].run(argc - 1, argv + 1);
	return cmd_usage(argv[0]);
}
