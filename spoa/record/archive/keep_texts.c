/* The pass over JOURNAL.texts: each file of ciphertexts that is not written to any more is
 * copied to the archive, and trimmed on its own clock (retention.texts), the oldest first. The
 * newest stays: where positions go on is known by it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/scoped.h"
#include "base/stops.h"
#include "base/why.h"
#include "record/archive/keep_private.h"
#include "record/archive/kept_texts.h"
#include "record/archive/trim.h"

/* Parts come in another order than that of their positions: an older file is written to for a
 * while, too. */
int64_t keep_texts_calm_s = 600;

struct texts_found {
	char name[TEXTS_NAME_MAX];
	int64_t end_s; /* it was written to last */
	uint64_t bytes;
};

struct texts_list {
	struct texts_found *file;
	size_t n, room;
};

static int
by_texts_name(const void *a, const void *b)
{
	return strcmp(
		((const struct texts_found *)a)->name, ((const struct texts_found *)b)->name);
}

/* All of this node's; none where there is no such folder. */
static int
list_texts(struct keep *k, int dirfd, struct texts_list *l)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), err = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	uint64_t begin;
	struct stat st;

	if (!d) {
		if (fd >= 0)
			close(fd);
		return ERR_IO;
	}
	for (struct dirent *e; !err && (e = readdir(d));) {
		if (!texts_name_read(e->d_name, k->cfg->node, &begin) ||
			fstatat(dirfd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
			!S_ISREG(st.st_mode))
			continue;
		if (!mem_room(&l->file, &l->room, l->n + 1, sizeof(*l->file))) {
			err = ERR_NOMEM;
			break;
		}
		struct texts_found *f = &l->file[l->n++];
		*f = (struct texts_found){ .end_s = st.st_mtime,
			.bytes = (uint64_t)st.st_size };
		memcpy(f->name, e->d_name, strlen(e->d_name) + 1);
	}
	closedir(d);
	if (l->n)
		qsort(l->file, l->n, sizeof(*l->file), by_texts_name);
	return err;
}

/* What it holds, as the disk has it now; fd is of it. */
static int
survey_texts(struct keep *k, int fd, const struct texts_found *is, struct texts_file *out,
	struct buf *why)
{
	*out = (struct texts_file){ .bytes = 0 };
	memcpy(out->name, is->name, sizeof(out->name));
	snprintf(out->node, sizeof(out->node), "%s", k->cfg->node);
	texts_file_times(out, is->end_s);
	return fd < 0 ? fd : files_hash(fd, &k->service.stopping, out->sha256, &out->bytes, why);
}

/* The file, what is said of it, then the mark. */
static int
archive_texts(struct keep *k, int dirfd, const struct texts_found *is, struct buf *why)
{
	char said[TEXTS_NAME_MAX + 8];
	struct texts_file f;

	SCOPED_FD(fd, files_open(dirfd, is->name, why));
	int err = survey_texts(k, fd, is, &f, why);
	if (!err)
		err = archive_put(&k->archive, f.name, fd, f.sha256, &k->service.stopping, why);
	stop_at("archive-texts");
	SCOPED_BUF(text, TEXTS_FILE_BYTES);
	texts_file_write(&f, &text);
	texts_file_said(f.name, said);
	if (!err)
		err = files_put(k->keepfd, said, buf_view(&text), why);
	if (!err)
		err = keep_put_one(k, said, NULL, why);
	return err ? err : keep_mark(k, is->name, why);
}

/* As the archive says now; what it lacks is put there again. */
static bool
texts_may_go(struct keep *k, const struct texts_file *f)
{
	if (!k->archive.place)
		return true;
	if (!keep_archived(k, f->name)) {
		keep_hold(k, f->name, "it is not archived");
		return false;
	}
	SCOPED_BUF(why, 4096);
	int err = archive_check(&k->archive, f->name, f->sha256, &k->service.stopping, &why);
	if (err) {
		keep_hold(k, f->name, "the archive does not have it as it is");
		keep_fail(k, "trim", f->name, err, &why);
		keep_unmark(k, f->name, err);
	}
	return !err;
}

/* The oldest that are due and may go; how many. */
static size_t
gather_texts(struct keep *k, int dirfd, const struct texts_list *l, size_t from, int64_t age_s,
	struct texts_file *f)
{
	size_t n = 0;

	SCOPED_BUF(why, 4096);
	for (size_t i = from; n < TRIM_AT_ONCE && i + 1 < l->n && !keep_stopped(k); i++) {
		if (k->believed_s - l->file[i].end_s <= age_s)
			break;
		SCOPED_FD(fd, files_open(dirfd, l->file[i].name, &why));
		int err = survey_texts(k, fd, &l->file[i], &f[n], &why);
		if (err)
			keep_fail(k, "trim", l->file[i].name, err, &why);
		if (err || !texts_may_go(k, &f[n]))
			break;
		n++;
	}
	return n;
}

/* Names them in a record, then they go. */
static int
trim_texts(struct keep *k, int dirfd, const struct texts_file *f, size_t n, struct buf *why)
{
	int err = 0;

	SCOPED_BUF(fields, CAP_RECORD_BYTES);
	texts_trim_fields(&fields, f, n, k->archive.place);
	if (faccessat(dirfd, ".", W_OK, AT_EACCESS) < 0)
		err = why_err(why, ERR_IO, "the folder cannot be opened: %s", strerror(errno));
	stop_at("trim-texts-record");
	/* Once a start: names sort by age. */
	if (!err && strcmp(f[n - 1].name, k->texts_named) > 0 &&
		(err = keep_record(k, &fields)) == 0)
		memcpy(k->texts_named, f[n - 1].name, sizeof(k->texts_named));
	stop_at("trim-texts-recorded");
	for (size_t i = 0; i < n && !err; i++) {
		err = files_remove(dirfd, f[i].name, why);
		if (!err)
			metric_inc(k->metrics, M_KEEP_TRIMMED);
		stop_at("trim-texts-removed");
	}
	if (!err)
		log_event(LOG_INFO, "retention.texts", LI("files", n), LS("first", f[0].name),
			LS("last", f[n - 1].name));
	return err;
}

static void
trim_old_texts(struct keep *k, int dirfd, const struct texts_list *l)
{
	uint64_t age_us = k->cfg->retention_texts_us ? k->cfg->retention_texts_us
						     : k->cfg->retention_age_us;
	struct texts_file *f = age_us ? calloc(TRIM_AT_ONCE, sizeof(*f)) : NULL;
	size_t n;
	int err = 0;

	SCOPED_BUF(why, 4096);
	for (size_t at = 0;
		f && !err && !keep_stopped(k) &&
		(n = gather_texts(k, dirfd, l, at, (int64_t)(age_us / 1000000), f)) > 0;
		at += n)
		err = trim_texts(k, dirfd, f, n, &why);
	if (err)
		keep_fail(k, "trim", f[0].name, err, &why);
	free(f);
}

void
keep_texts(struct keep *k)
{
	struct texts_list l = { .n = 0 };
	char path[JOURNAL_DIR_MAX + 16];

	SCOPED_BUF(why, 4096);
	snprintf(path, sizeof(path), "%.*s" TEXTS_SUFFIX,
		SPAN_ARG(span_cut(journal_folder(k->cfg->journal), 0, JOURNAL_DIR_MAX)));
	SCOPED_FD(dirfd, open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	if (dirfd < 0)
		return; /* nothing was ever sealed */
	int err = list_texts(k, dirfd, &l);
	if (err)
		keep_fail(k, "list", path, err, &why);
	int64_t now_s = clock_wall_ns() / 1000000000;
	for (size_t i = 0; !err && i + 1 < l.n && !keep_stopped(k); i++) {
		const struct texts_found *f = &l.file[i];
		if (!k->archive.place || now_s - f->end_s < keep_texts_calm_s ||
			keep_archived(k, f->name))
			continue;
		k->now.unarchived++;
		if (!keep_archive_waits(k))
			keep_archive_came(
				k, f->name, f->bytes, archive_texts(k, dirfd, f, &why), &why);
	}
	if (!err && !keep_stopped(k))
		trim_old_texts(k, dirfd, &l);
	free(l.file);
}
