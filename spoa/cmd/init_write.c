/* How tollgate init writes: whole files or none, with the modes and owners that they had, and
 * nothing half made where it is killed. */
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

#include "cmd/init.h"
#include "store/keyfile.h"
#include "store/signkey.h"

#define KEEP  ".before-tollgate"
#define ASIDE ".tollgate-new"

enum { KEPT_MAX = 100 };

static void
make_folders(char *path)
{
	for (char *p = strchr(path + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = 0;
		if (mkdir(path, 0755) != 0 && errno != EEXIST)
			break; /* the file's own open() says why */
		*p = '/';
	}
}

static bool
put_all(int fd, struct span text)
{
	while (text.n) {
		ssize_t n = write(fd, text.p, text.n);
		if (n < 0 && errno != EINTR)
			return false;
		text = span_cut(text, n > 0 ? (size_t)n : 0, text.n);
	}
	return true;
}

static void
sync_folder(const char *file)
{
	char dir[PATH_MAX];
	const char *slash = strrchr(file, '/');

	snprintf(dir, sizeof(dir), "%.*s", slash ? (int)(slash - file) + 1 : 1,
		slash ? file : ".");
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		fsync(fd);
		close(fd);
	}
}

/* Writes it aside with mode and owner of the file `like` (NULL, or not there: 644). From the
 * first byte on nobody reads it who may not read that. */
static bool
write_aside(const char *aside, const char *like, struct span text)
{
	struct stat st;
	bool as = like && stat(like, &st) == 0;

	unlink(aside); /* of a run that was killed */
	int fd = open(aside, O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY | O_CLOEXEC, 0600);
	bool ok = fd >= 0 && (!as || fchown(fd, st.st_uid, st.st_gid) == 0) &&
		  fchmod(fd, as ? st.st_mode & 07777 : 0644) == 0 && put_all(fd, text) &&
		  fsync(fd) == 0;
	int why = errno;
	if (fd >= 0)
		close(fd);
	if (!ok && fd >= 0)
		unlink(aside);
	errno = why;
	return ok;
}

static int
write_as(struct init *in, const char *path, const char *like, struct span text)
{
	char *file = arena_strdup(&in->a, rooted(in, path));
	const char *aside = arena_printf(&in->a, "%s" ASIDE, file).p;

	make_folders(file);
	if (!write_aside(aside, like, text))
		return failed(in, path, "cannot write");
	if (rename(aside, file) != 0) {
		failed(in, path, "cannot write");
		unlink(aside);
	}
	sync_folder(file);
	return in->code;
}

int
write_file(struct init *in, const char *path, struct span text)
{
	return write_as(in, path, NULL, text);
}

/* ---- files of the person ---- */

static bool
holds_text(const char *file, struct span text)
{
	struct buf have;

	buf_init(&have, INIT_TEXT_BYTES);
	bool same = buf_file(&have, file) && span_eq(buf_view(&have), text);
	buf_free(&have);
	return same;
}

/* The name under which this text is kept or will be: what an earlier run kept stays. */
static const char *
kept_name(struct init *in, const char *file, struct span text)
{
	for (unsigned i = 1; i < KEPT_MAX; i++) {
		const char *kept = i == 1 ? arena_printf(&in->a, "%s" KEEP, file).p
					  : arena_printf(&in->a, "%s" KEEP ".%u", file, i).p;
		if (!exists(in, kept) || holds_text(rooted(in, kept), text))
			return kept;
	}
	in->code = cmd_fail("init", "%s" KEEP ".*: too many of them; move some away", file);
	return NULL;
}

void
write_edited(struct init *in, const char *path, struct span text)
{
	char *file = arena_strdup(&in->a, rooted(in, path)), behind[PATH_MAX];
	bool there = exists(in, path);
	const char *kept = there ? kept_name(in, path, text) : NULL;
	struct buf out;

	if (in->code != EXIT_DONE)
		return;
	make_folders(file);
	if (realpath(file, behind)) /* a link stays one: what it names is replaced */
		file = arena_strdup(&in->a, behind);
	const char *aside = arena_printf(&in->a, "%s" ASIDE, file).p;
	result_of(in, path, &out);
	if (in->code == EXIT_DONE && kept && !exists(in, kept))
		write_as(in, kept, file, text);
	if (in->code == EXIT_DONE) {
		if (write_aside(aside, file, buf_view(&out)))
			in->new[in->nnew++] = (struct init_new){ path, aside, file, kept };
		else
			failed(in, path, "cannot write");
	}
	buf_free(&out);
}

void
edits_take_place(struct init *in)
{
	for (size_t i = 0; i < in->nnew && in->code == EXIT_DONE; i++) {
		struct init_new *n = &in->new[i];
		if (rename(n->aside, n->file) != 0) {
			failed(in, n->path, "cannot write");
			continue;
		}
		n->aside = NULL;
		sync_folder(n->file);
		printf("edited %s%s%s\n", n->path, n->kept ? "; as it was: " : "",
			n->kept ? n->kept : "");
	}
}

void
edits_forgotten(struct init *in)
{
	for (size_t i = 0; i < in->nnew; i++)
		if (in->new[i].aside)
			unlink(in->new[i].aside);
	in->nnew = 0;
}

/* ---- what is the daemon's ---- */

/* Root on the machine itself: then owners are set. */
static bool
sets_owners(const struct init *in)
{
	return geteuid() == 0 && !*in->root;
}

/* Under another name until it has its owner; the public half comes last, and where it is
 * missing the next run puts it there. */
void
make_audit_key(struct init *in, const char *path)
{
	const struct passwd *user = getpwnam("tollgate");
	const char *key = rooted(in, path), *pub = arena_printf(&in->a, "%s.pub", key).p;
	const char *aside = arena_printf(&in->a, "%s" ASIDE, key).p;
	const char *aside_pub = arena_printf(&in->a, "%s.pub", aside).p;
	struct pubkey made;
	struct buf why;

	if (!exists(in, path)) {
		unlink(aside);
		unlink(aside_pub);
		buf_init(&why, 8192);
		if (signkey_create(aside, &made, &why) != 0)
			in->code = cmd_fail("init", "%.*s", SPAN_ARG(buf_view(&why)));
		buf_free(&why);
		if (in->code == EXIT_DONE && sets_owners(in) && user &&
			chown(aside, user->pw_uid, user->pw_gid) != 0)
			failed(in, path, "cannot change its owner");
		if (in->code == EXIT_DONE && rename(aside, key) != 0)
			failed(in, path, "cannot write");
	}
	if (in->code == EXIT_DONE && access(pub, F_OK) != 0 && access(aside_pub, F_OK) == 0 &&
		rename(aside_pub, pub) != 0)
		failed(in, path, "cannot write its public half");
	sync_folder(key);
}

void
make_state_key(struct init *in, const char *path)
{
	const struct passwd *user = getpwnam("tollgate");
	const char *key = rooted(in, path);
	const char *aside = arena_printf(&in->a, "%s" ASIDE, key).p;
	struct buf why;

	buf_init(&why, 8192);
	unlink(aside);
	if (keyfile_create(aside, &why) != 0)
		in->code = cmd_fail("init", "%.*s", SPAN_ARG(buf_view(&why)));
	else if (sets_owners(in) && user && chown(aside, user->pw_uid, user->pw_gid) != 0)
		failed(in, path, "cannot change its owner");
	else if (rename(aside, key) != 0)
		failed(in, path, "cannot write");
	buf_free(&why);
	sync_folder(key);
}

void
make_own_folder(struct init *in, const char *path)
{
	const struct group *group = getgrnam("tollgate");
	char *folder = arena_strdup(&in->a, rooted(in, path));
	char *aside = arena_printf(&in->a, "%s" ASIDE, folder).n
			      ? arena_strdup(&in->a, arena_printf(&in->a, "%s" ASIDE, folder).p)
			      : NULL;

	if (!aside)
		return;
	make_folders(aside);
	if ((mkdir(aside, 0755) != 0 && errno != EEXIST) ||
		(group && sets_owners(in) &&
			(chown(aside, 0, group->gr_gid) != 0 || chmod(aside, 02750) != 0)) ||
		rename(aside, folder) != 0)
		failed(in, path, "cannot make");
}

void
note_unreadable(struct init *in, const char *const *paths, size_t n)
{
	char fix[CMD_FIX_BYTES];

	if (*in->root)
		return;
	if (!getpwnam("tollgate")) {
		if (in->write && sets_owners(in))
			printf("note: no user tollgate: systemd-sysusers tollgate.conf, then "
			       "chown tollgate /etc/tollgate/audit.key\n");
		return;
	}
	for (size_t i = 0; i < n; i++)
		if (cmd_user_cannot("tollgate", paths[i], 04, fix, sizeof(fix)))
			printf("note: the daemon's user tollgate cannot read %s: %s\n",
				paths[i], fix);
}
