/* Writes the files of `tollgate init`: all files or none. Files keep their modes and
 * owners. If the command is killed, no half-written file remains under a final name. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/keyfile.h"
#include "base/replace.h"
#include "cmd/init/init.h"
#include "record/journal/signkey.h"

static void
make_folders(char *path)
{
	for (char *p = strchr(path + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = 0;
		if (mkdir(path, 0755) != 0 && errno != EEXIST)
			break; /* open() of the file will report the reason */
		*p = '/';
	}
}

static void
cannot_write(struct init *in, const struct buf *why)
{
	in->code = cmd_fail("init", "cannot write: %.*s", SPAN_ARG(buf_view(why)));
}

int
init_write_file(struct init *in, const char *path, struct span text)
{
	char *file = arena_strdup(&in->a, init_rooted(in, path));

	make_folders(file);
	SCOPED_BUF(why, 8192);
	if (replace_file(AT_FDCWD, file, 0644, text, &why))
		cannot_write(in, &why);
	return in->code;
}

/* ---- the operator's files ---- */

static bool
holds_text(const char *file, struct span text)
{
	SCOPED_BUF(have, INIT_TEXT_BYTES);
	return buf_file(&have, file) && span_eq(buf_view(&have), text);
}

const char *
init_kept_name(struct init *in, const char *file, const char *suffix, unsigned i)
{
	return i == 1 ? arena_printf(&in->a, "%s%s", file, suffix).p
		      : arena_printf(&in->a, "%s%s.%u", file, suffix, i).p;
}

/* Returns the name under which this text is kept, or will be kept. A copy with the same
 * text from an earlier run is reused. */
static const char *
kept_name(struct init *in, const char *file, struct span text)
{
	const char *suffix = in->undo ? INIT_WITH : INIT_BEFORE;

	for (unsigned i = 1; i < INIT_KEPT_MAX; i++) {
		const char *kept = init_kept_name(in, file, suffix, i);
		if (!init_exists(in, kept) || holds_text(init_rooted(in, kept), text))
			return kept;
	}
	in->code = cmd_fail("init", "%s%s.*: too many copies exist: move some away", file, suffix);
	return NULL;
}

/* Copies a file with its mode and owner. From the first byte on, only users who may read
 * the original can read the copy. */
static void
keep_file(struct init *in, const char *kept, const char *file, struct span text)
{
	char *name = arena_strdup(&in->a, init_rooted(in, kept));

	SCOPED_BUF(why, 8192);
	SCOPED_FD(fd, replace_begin(AT_FDCWD, name, 0600, &why));
	if (fd < 0 || replace_as(fd, file, &why) || replace_write(fd, name, text, &why) ||
		replace_place(AT_FDCWD, name, fd, &why))
		cannot_write(in, &why);
	if (fd >= 0 && in->code != EXIT_DONE)
		replace_drop(AT_FDCWD, name);
}

void
init_write_edited(struct init *in, const char *path, struct span text)
{
	char *file = arena_strdup(&in->a, init_rooted(in, path)), behind[PATH_MAX];
	bool there = init_exists(in, path);
	const char *kept = there ? kept_name(in, path, text) : NULL;

	if (in->code != EXIT_DONE)
		return;
	make_folders(file);
	if (realpath(file, behind)) /* a link stays a link: the file that it names is replaced */
		file = arena_strdup(&in->a, behind);
	SCOPED_BUF(out, INIT_TEXT_BYTES);
	init_result(in, path, &out);
	if (in->code == EXIT_DONE && kept && !init_exists(in, kept))
		keep_file(in, kept, file, text);
	if (in->code == EXIT_DONE) {
		SCOPED_BUF(why, 8192);
		int fd = replace_begin(AT_FDCWD, file, 0644, &why);
		if (fd >= 0)
			in->new[in->nnew++] = (struct init_new){ path, file, kept, fd };
		if (fd < 0 || replace_write(fd, file, buf_view(&out), &why))
			cannot_write(in, &why);
	}
}

static void
edits_take_place(struct init *in)
{
	SCOPED_BUF(why, 8192);
	for (size_t i = 0; i < in->nnew && in->code == EXIT_DONE; i++) {
		struct init_new *n = &in->new[i];
		if (replace_place(AT_FDCWD, n->file, n->fd, &why))
			cannot_write(in, &why);
		else
			printf("edited %s%s%s\n", n->path, n->kept ? "; old version: " : "",
				n->kept ? n->kept : "");
	}
}

void
init_edits_end(struct init *in)
{
	if (in->code == EXIT_DONE && in->write)
		edits_take_place(in);
	for (size_t i = 0; i < in->nnew; i++) {
		replace_drop(AT_FDCWD, in->new[i].file);
		close(in->new[i].fd);
	}
	in->nnew = 0;
	if (in->code == EXIT_DONE && !in->write)
		init_show_differences(in);
}

/* ---- the daemon's files ---- */

/* Returns true if this is root on the machine itself, so that owners can be set. */
static bool
sets_owners(const struct init *in)
{
	return geteuid() == 0 && !*in->root;
}

/* Sets the owner of a temporary file and gives it its name. The temporary file may be from
 * a run that was killed. */
static void
give_and_place(struct init *in, const char *path, const char *file)
{
	const struct passwd *user = getpwnam("tollgate");
	const char *aside = arena_printf(&in->a, "%s" REPLACE_SUFFIX, file).p;

	SCOPED_BUF(why, 8192);
	SCOPED_FD(fd, open(aside, O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
	if (fd < 0)
		init_failed(in, path, "cannot write");
	else if (sets_owners(in) && user && fchown(fd, user->pw_uid, user->pw_gid) != 0)
		init_failed(in, path, "cannot change the owner");
	else if (replace_place(AT_FDCWD, file, fd, &why))
		cannot_write(in, &why);
}

/* The public key is written last. If it is missing, the next run writes it. */
void
init_make_audit_key(struct init *in, const char *path)
{
	const char *key = init_rooted(in, path), *pub = arena_printf(&in->a, "%s.pub", key).p;
	const char *aside = arena_printf(&in->a, "%s" REPLACE_SUFFIX, key).p;
	const char *aside_pub = arena_printf(&in->a, "%s.pub", aside).p;
	struct pubkey made;

	SCOPED_BUF(why, 8192);
	SCOPED_BUF(text, INIT_TEXT_BYTES);
	if (!init_exists(in, path)) {
		unlink(aside);
		unlink(aside_pub);
		if (signkey_create(aside, &made, &why) != 0)
			in->code = cmd_fail("init", "%.*s", SPAN_ARG(buf_view(&why)));
		else
			give_and_place(in, path, key);
	}
	if (in->code == EXIT_DONE && access(pub, F_OK) != 0 && buf_file(&text, aside_pub)) {
		if (replace_file(AT_FDCWD, pub, 0644, buf_view(&text), &why) != 0)
			cannot_write(in, &why);
		else
			unlink(aside_pub);
	}
}

void
init_make_state_key(struct init *in, const char *path)
{
	const char *key = init_rooted(in, path);
	const char *aside = arena_printf(&in->a, "%s" REPLACE_SUFFIX, key).p;

	SCOPED_BUF(why, 8192);
	unlink(aside);
	if (keyfile_create(aside, &why) != 0)
		in->code = cmd_fail("init", "%.*s", SPAN_ARG(buf_view(&why)));
	else
		give_and_place(in, path, key);
}

void
init_make_own_folder(struct init *in, const char *path)
{
	const struct group *group = getgrnam("tollgate");
	char *folder = arena_strdup(&in->a, init_rooted(in, path));
	char *aside = arena_printf(&in->a, "%s" REPLACE_SUFFIX, folder).n
			      ? arena_strdup(&in->a,
					arena_printf(&in->a, "%s" REPLACE_SUFFIX, folder).p)
			      : NULL;

	if (!aside)
		return;
	make_folders(aside);
	if ((mkdir(aside, 0755) != 0 && errno != EEXIST) ||
		(group && sets_owners(in) &&
			(chown(aside, 0, group->gr_gid) != 0 || chmod(aside, 02750) != 0)) ||
		rename(aside, folder) != 0 || replace_sync_folder(AT_FDCWD, folder, NULL))
		init_failed(in, path, "cannot make");
}

void
init_note_unreadable(struct init *in, const char *const *paths, size_t n)
{
	char fix[CMD_FIX_BYTES];

	if (*in->root)
		return;
	if (!getpwnam("tollgate")) {
		if (in->write && sets_owners(in))
			printf("note: the user tollgate does not exist: run "
			       "systemd-sysusers tollgate.conf, then chown tollgate "
			       "/etc/tollgate/audit.key\n");
		return;
	}
	for (size_t i = 0; i < n; i++)
		if (cmd_user_cannot("tollgate", paths[i], 04, fix, sizeof(fix)))
			printf("note: the daemon's user tollgate cannot read %s: %s\n",
				paths[i], fix);
}
