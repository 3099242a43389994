/* Makes and compares the SHA-256 of the files of a load: see checked.h. */
#include "policy/checked.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/codec/json_text.h"
#include "base/scoped.h"
#include "base/sha256.h"
#include "policy/config/config.h"

#define BUILT_IN "built-in detection rules"

/* ---- the files of a load ---- */

/* Copies the path without links, or as given if it does not exist. */
static void
real_name(const char *path, char out[PATH_MAX])
{
	if (!realpath(path, out))
		snprintf(out, PATH_MAX, "%s", path);
}

/* Sets `out` to the policy itself if it is a folder, or to the folder of its file. */
static void
checked_folder(const char *policy, char out[PATH_MAX])
{
	char named[PATH_MAX];
	const char *slash = strrchr(policy, '/');
	struct stat st;

	if (stat(policy, &st) == 0 && S_ISDIR(st.st_mode))
		snprintf(named, sizeof(named), "%s", policy);
	else if (!slash)
		snprintf(named, sizeof(named), ".");
	else
		snprintf(named, sizeof(named), "%.*s",
			slash == policy ? 1 : (int)(slash - policy), policy);
	real_name(named, out);
}

/* Returns the part of the name below the folder, or NULL if the file is elsewhere. */
static const char *
name_below(const char *name, const char *folder)
{
	size_t n = strlen(folder);

	return n && !strncmp(name, folder, n) && name[n] == '/' ? name + n + 1 : NULL;
}

/* A name that is not UTF-8 gets %XX for each byte above ASCII, because JSON cannot hold it. */
static bool
put_checked(json_t *to, const char *name, struct span text)
{
	unsigned char hash[SHA256_BYTES];
	json_auto_t *given = json_string(name);

	SCOPED_BUF(hex, 0);
	SCOPED_BUF(ascii, 0);
	for (const char *p = name; !given && *p; p++)
		buf_printf(
			&ascii, (unsigned char)*p < 0x80 ? "%c" : "%%%02X", (unsigned char)*p);
	buf_put(&ascii, "", 1);
	if (!given)
		name = buf_view(&ascii).p;

	sha256(text, hash);
	buf_hex(&hex, hash, sizeof(hash));
	return json_object_set_new(to, name, json_stringn(hex.p, hex.n)) == 0;
}

/* Adds a file to the part of the object to which it belongs. */
static bool
put_checked_file(json_t *o, const struct set_file *f, const char *folder, const char *detectors)
{
	json_t *rules = json_object_get(json_object_get(o, "detectors"), "files");
	char name[PATH_MAX];

	if (!f->text.p || f->kind == FILE_ROTATES || f->kind == FILE_OF_SYSTEM ||
		f->kind == FILE_BUILT_IN)
		return true;
	real_name(f->name, name);
	const char *rule = name_below(name, detectors), *own = name_below(name, folder);
	if (rule && f->kind != FILE_OF_CONFIGURATION)
		return put_checked(rules, rule, f->text);
	return put_checked(json_object_get(o, f->kind == FILE_OF_CONFIGURATION ? "configuration"
					      : f->of_shadow		       ? "shadow"
									       : "files"),
		own && f->kind != FILE_OF_CONFIGURATION ? own : name, f->text);
}

/* All compiled-in files count as one, because no person edits them. */
static bool
put_built_in(json_t *o, const struct file_set *read)
{
	json_t *rules = json_object_get(json_object_get(o, "detectors"), "files");
	bool any = false;

	SCOPED_BUF(all, 0);
	for (size_t i = 0; i < read->n; i++)
		if (read->v[i].kind == FILE_BUILT_IN) {
			any = true;
			buf_printf(&all, "%s %zu\n", read->v[i].name, read->v[i].text.n);
			buf_span(&all, read->v[i].text);
		}
	return !buf_failed(&all) && (!any || put_checked(rules, BUILT_IN, buf_view(&all)));
}

json_t *
checked_files(const struct file_set *read, const struct config *cfg)
{
	char folder[PATH_MAX], detectors[PATH_MAX] = "";

	checked_folder(cfg->policy, folder);
	if (cfg->detectors)
		real_name(cfg->detectors, detectors);
	json_t *o = json_pack("{s:{},s:{},s:{},s:{s:s,s:{}}}", "files", "shadow",
		"configuration", "detectors", "from", detectors, "files");
	bool ok = o && put_built_in(o, read);

	for (size_t i = 0; ok && i < read->n; i++)
		ok = put_checked_file(o, &read->v[i], folder, detectors);
	if (ok)
		return o;
	json_decref(o);
	return NULL;
}

/* ---- comparison ---- */

/* Adds a mistake about a file. A name may come from the order, so control characters in it are
 * replaced. */
static void
refuse_file(struct diag *d, const char *folder, const char *name, const char *why)
{
	bool whole = name[0] == '/' || !folder[0] || !strcmp(name, BUILT_IN);
	char path[PATH_MAX];

	snprintf(
		path, sizeof(path), "%s%s%.1024s", whole ? "" : folder, whole ? "" : "/", name);
	for (char *p = path; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = ' ';
	diag_file(d, path, "%s", why);
}

/* Compares the files that were checked with those that were read. `folder` is where relative
 * names are. */
static void
compare_checked(const json_t *was, json_t *is, const char *folder, struct diag *d)
{
	const char *name;
	json_t *hash;

	json_object_foreach(is, name, hash)
	{
		const json_t *then = json_object_get(was, name);
		if (then && json_equal(then, hash))
			continue;
		refuse_file(d, folder, name,
			!strcmp(name, BUILT_IN)
				? "the program that checked the policy has other rules than "
				  "this daemon: run `tollgate upgrade`, and give the order "
				  "again"
			: then ? "the file was changed after it was checked: look at it, and "
				 "give the order again"
			       : "the file was not checked, because it was added since: look "
				 "at it, and give the order again");
	}
	json_object_foreach((json_t *)(uintptr_t)was, name,
		hash) if (!json_object_get(is, name)) refuse_file(d, folder, name,
		"the file was checked, but it is no longer read: it may have "
		"been removed since: give the order again");
}

/* Returns true if the check read a tollgate.yaml that this daemon reads too. */
static bool
same_configuration(const json_t *order, json_t *is)
{
	const char *name;
	const json_t *hash;

	json_object_foreach(is, name, hash) if (json_object_get(order, name)) return true;
	return false;
}

bool
checked_same(const json_t *order, const struct file_set *read, const struct config *cfg,
	struct diag *d)
{
	unsigned errors = d->errors;
	char folder[PATH_MAX];
	json_auto_t *is = checked_files(read, cfg);
	const json_t *rules = json_object_get(order, "detectors"),
		     *own = json_object_get(is, "detectors");

	if (!is || !json_is_object(json_object_get(order, "files"))) {
		diag_file(d, cfg->file,
			is ? "the order does not state which files were checked"
			   : "out of memory");
		return false;
	}
	checked_folder(cfg->policy, folder);
	compare_checked(
		json_object_get(order, "files"), json_object_get(is, "files"), folder, d);
	bool full = same_configuration(
		json_object_get(order, "configuration"), json_object_get(is, "configuration"));
	if (full) {
		compare_checked(json_object_get(order, "configuration"),
			json_object_get(is, "configuration"), "", d);
		compare_checked(json_object_get(order, "shadow"), json_object_get(is, "shadow"),
			folder, d);
	}
	if (full || str_same(json_str_in(rules, "from"), json_text_in(own, "from")))
		compare_checked(json_object_get(rules, "files"), json_object_get(own, "files"),
			json_text_in(own, "from"), d);
	return d->errors == errors;
}
