/* The pass over JOURNAL.policies: each kept text goes to the archive, and is removed once no record
 * that retention keeps can name it. The daemon sets the time of the text in force each hour
 * (kept_policy_put()), so a file's time is when its policy was in force last. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "base/scoped.h"
#include "record/archive/keep_private.h"
#include "record/archive/kept_policy.h"

enum { MARGIN_S = 86400 }; /* beyond retention.age: an hour would do */

static void
archive_policy(struct keep *k, int dirfd, const char *name)
{
	unsigned char hash[SHA256_BYTES];
	uint64_t bytes = 0;

	if (!k->archive.place || keep_archived(k, name))
		return;
	k->now.unarchived++;
	if (keep_archive_waits(k))
		return;
	SCOPED_BUF(why, 4096);
	SCOPED_FD(fd, files_open(dirfd, name, &why));
	int err = fd < 0 ? fd : files_hash(fd, &k->service.stopping, hash, &bytes, &why);
	if (!err)
		err = archive_put(&k->archive, name, fd, hash, &k->service.stopping, &why);
	if (!err)
		err = keep_mark(k, name, &why);
	keep_archive_came(k, name, bytes, err, &why);
}

static void
trim_policy(struct keep *k, int dirfd, const char *name, int64_t written_s)
{
	int64_t age_s = (int64_t)(k->cfg->retention_age_us / 1000000);

	if (!age_s || k->believed_s - written_s <= age_s + MARGIN_S ||
		(k->archive.place && !keep_archived(k, name)))
		return;
	SCOPED_BUF(why, 4096);
	int err = files_remove(dirfd, name, &why);
	if (err)
		keep_fail(k, "trim", name, err, &why);
	else
		log_event(LOG_INFO, "retention.policy", LS("file", name));
}

void
keep_policies(struct keep *k)
{
	char version[17], hash[KEPT_POLICY_HEX];
	struct stat st;

	SCOPED_BUF(folder, 0);
	kept_policy_folder(k->cfg->journal, &folder);
	SCOPED_FD(dirfd, open(folder.p, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	int fd = dirfd < 0 ? -1 : openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	if (!d && fd >= 0)
		close(fd);
	for (const struct dirent *e; d && !keep_stopped(k) && (e = readdir(d));) {
		if (!kept_policy_name_read(e->d_name, version, hash) ||
			fstatat(dirfd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		archive_policy(k, dirfd, e->d_name);
		trim_policy(k, dirfd, e->d_name, st.st_mtime);
	}
	if (d)
		closedir(d);
}
