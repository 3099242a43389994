/* The kept texts of the policies that exported records name, in FILE.policies beside the file of --out.
 * No manifest lists them: a text's name has its SHA-256, and a signed record of type `policy`
 * names that. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "cmd/export/export.h"
#include "record/archive/files.h"
#include "record/archive/kept_policy.h"

void
export_note_policy(struct export *e, struct span line)
{
	struct span version = span_trim(chain_member(line, "policy_version"), "\"");

	if (version.n >= 16 && e->policies && !json_object_getn(e->policies, version.p, 16))
		json_object_setn_new(e->policies, version.p, 16, json_false());
}

static int
copy_text(int from, int to, const char *name, struct buf *why)
{
	SCOPED_FD(fd, files_open(from, name, why));
	SCOPED_FD(copy, fd < 0 ? -1 : files_copy(fd, to, name, NULL, why));

	return fd < 0	  ? fd
	       : copy < 0 ? copy
			  : replace_place(to, name, copy, why);
}

/* Copies the texts of one journal, and marks their versions. */
static int
copy_texts_of(struct export *e, const char *journal, int to, struct buf *why)
{
	char version[17], hash[KEPT_POLICY_HEX];
	int err = 0;

	SCOPED_BUF(folder, 0);
	kept_policy_folder(journal, &folder);
	DIR *d = opendir(folder.p);
	for (const struct dirent *f; d && !err && (f = readdir(d));)
		if (kept_policy_name_read(f->d_name, version, hash) &&
			json_object_get(e->policies, version)) {
			json_object_set_new(e->policies, version, json_true());
			err = copy_text(dirfd(d), to, f->d_name, why);
		}
	if (d)
		closedir(d);
	return err;
}

int
export_policies(struct export *e)
{
	const char *version;
	const json_t *copied;

	if (!e->from.journal || !json_object_size(e->policies))
		return 0;
	SCOPED_BUF(folder, 0);
	SCOPED_BUF(why, 4096);
	kept_policy_folder(e->path, &folder);
	SCOPED_FD(to, files_folder(folder.p, &why));
	int err = to < 0 ? to : copy_texts_of(e, e->from.journal, to, &why);
	if (!err && e->from.beside)
		err = copy_texts_of(e, e->from.beside, to, &why);
	if (err)
		return cmd_fail(EXPORT_WHAT, "%.*s", SPAN_ARG(buf_view(&why)));
	json_object_foreach(e->policies, version, copied)
		if (!json_is_true(copied))
			fprintf(stderr,
				"tollgate: " EXPORT_WHAT ": the text of policy version %s is not "
				"kept here, and not exported\n",
				version);
	return 0;
}
