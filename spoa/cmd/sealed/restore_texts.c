/* tollgate audit restore --texts: copies archived files of sealed texts to
 * JOURNAL.restored.texts, where every command that opens texts finds them. A file that
 * differs from its trim record is refused. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/why.h"
#include "cmd/cmd.h"
#include "cmd/records/audit.h"
#include "record/archive/archive.h"
#include "record/archive/kept_texts.h"

/* The state of the command: the n files that were selected. */
struct texts_restore {
	const struct audit_texts_wanted *w;
	int tofd;
	char journal[JOURNAL_DIR_MAX + 1];
	struct texts_file *file;
	size_t n, room;
};

/* ---- selecting files ---- */

static bool
texts_are_asked(const struct audit_texts_wanted *w, const struct texts_file *f)
{
	for (int i = 0; i < w->nasked; i++)
		if (!strcmp(w->asked[i], f->name))
			return true;
	return w->by_time && (!w->since[0] || strcmp(f->end, w->since) >= 0) &&
	       (!w->until[0] || strcmp(f->begin, w->until) < 0);
}

/* Reads the description of a file in a folder. Returns 0, ERR_NOTFOUND or ERR_SYNTAX. */
static int
load_texts_file(int fd, const char *name, struct texts_file *out)
{
	char text[TEXTS_FILE_BYTES], said[TEXTS_NAME_MAX + 8];

	if (fd < 0)
		return ERR_NOTFOUND;
	ssize_t n = pread(fd, text, sizeof(text), 0);
	close(fd);
	int err = n < 0 ? ERR_IO : texts_file_read(span_of(text, (size_t)n), out);
	texts_file_said(out->name, said);
	return err ? err : strcmp(said, name) ? ERR_SYNTAX : 0;
}

static int
take_texts_folder(struct texts_restore *r, const char *path)
{
	DIR *d = opendir(path);
	int err = 0;

	for (struct dirent *e; d && !err && (e = readdir(d));) {
		struct texts_file f = { .bytes = 0 };
		bool known = false;
		if (!span_ends(span_str(e->d_name), SPAN_LIT(TEXTS_SUFFIX ".json")) ||
			load_texts_file(openat(dirfd(d), e->d_name,
						O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK),
				e->d_name, &f) ||
			!texts_are_asked(r->w, &f))
			continue;
		for (size_t i = 0; i < r->n; i++)
			known |= !strcmp(r->file[i].name, f.name);
		if (!known && !mem_room(&r->file, &r->room, r->n + 1, sizeof(f)))
			err = ERR_NOMEM;
		else if (!known)
			r->file[r->n++] = f;
	}
	if (d)
		closedir(d);
	return err;
}

/* Selects a file by its name, for an archive that cannot be listed. */
static int
take_texts_asked(struct texts_restore *r, const char *name, struct buf *why)
{
	char said[TEXTS_NAME_MAX + 8];
	struct texts_file f = { .bytes = 0 };

	if (!span_ends(span_str(name), SPAN_LIT(TEXTS_SUFFIX)) ||
		strlen(name) >= TEXTS_NAME_MAX)
		return 0;
	for (size_t i = 0; i < r->n; i++)
		if (!strcmp(r->file[i].name, name))
			return 0;
	texts_file_said(name, said);
	int fd = archive_get(r->w->archive, said, r->tofd, NULL, why);
	if (fd < 0)
		return fd;
	int err = load_texts_file(fd, said, &f);
	replace_drop(r->tofd, said);
	if (err)
		return why_err(why, ERR_AUTH,
			"the description in the archive does not match the file");
	if (!mem_room(&r->file, &r->room, r->n + 1, sizeof(f)))
		return ERR_NOMEM;
	r->file[r->n++] = f;
	return 0;
}

/* ---- restoring one file ---- */

static int
restore_texts_file(struct texts_restore *r, const struct texts_file *f, struct buf *why)
{
	unsigned char hash[SHA256_BYTES];
	uint64_t bytes;
	SCOPED_FD(fd, archive_get(r->w->archive, f->name, r->tofd, NULL, why));

	if (fd < 0)
		return fd;
	int err = files_hash(fd, NULL, hash, &bytes, why);
	if (!err && (memcmp(hash, f->sha256, sizeof(hash)) != 0 || bytes != f->bytes))
		err = why_err(why, ERR_AUTH, "the archive has a different file");
	if (!err)
		err = audit_agrees_with_trims(r->w->trims, "file", f->name, f->sha256, why);
	if (!err)
		err = replace_place(r->tofd, f->name, fd, why);
	if (err)
		replace_drop(r->tofd, f->name);
	return err;
}

static bool
texts_are_here(const struct texts_restore *r, const char *name)
{
	static const char *const folders[] = { TEXTS_SUFFIX,
		JOURNAL_RESTORED_SUFFIX TEXTS_SUFFIX };
	char path[JOURNAL_PATH_MAX + 32];
	bool here = false;

	for (size_t i = 0; i < COUNT_OF(folders); i++) {
		snprintf(path, sizeof(path), "%s%s/%s", r->journal, folders[i], name);
		here |= access(path, F_OK) == 0;
	}
	return here;
}

static int
restore_each(struct texts_restore *r, struct audit_texts_done *done, struct buf *why)
{
	int err = 0;

	for (size_t i = 0; i < r->n && !err; i++) {
		const struct texts_file *f = &r->file[i];
		if (texts_are_here(r, f->name)) {
			done->here++;
			printf("here %s\n", f->name);
			continue;
		}
		buf_clear(why);
		err = restore_texts_file(r, f, why);
		if (!err) {
			done->restored++;
			printf("restored %s begin=%s end=%s\n", f->name, f->begin, f->end);
		} else if (err == ERR_AUTH || err == ERR_NOTFOUND) {
			done->refused++;
			printf("refused %s why=\"%.*s\"\n", f->name, SPAN_ARG(buf_view(why)));
			err = 0;
		}
	}
	return err;
}

int
audit_restore_texts(
	const struct audit_texts_wanted *w, struct audit_texts_done *done, struct buf *why)
{
	struct texts_restore r = { .w = w, .tofd = -1 };
	char path[JOURNAL_PATH_MAX + 32];
	bool any = w->by_time;

	for (int i = 0; i < w->nasked; i++)
		any |= span_ends(span_str(w->asked[i]), SPAN_LIT(TEXTS_SUFFIX));
	if (!any)
		return 0;
	snprintf(r.journal, sizeof(r.journal), "%.*s",
		SPAN_ARG(span_cut(journal_folder(w->journal), 0, JOURNAL_DIR_MAX)));
	snprintf(path, sizeof(path), "%s" JOURNAL_RESTORED_SUFFIX TEXTS_SUFFIX, r.journal);
	int err = r.tofd = files_folder(path, why);
	snprintf(path, sizeof(path), "%s" JOURNAL_KEEP_SUFFIX, r.journal);
	err = err < 0 ? err : take_texts_folder(&r, path);
	if (!err && w->archive->place[0] == '/')
		err = take_texts_folder(&r, w->archive->place);
	for (int i = 0; i < w->nasked && !err; i++) {
		err = take_texts_asked(&r, w->asked[i], why);
		if (err == ERR_AUTH || err == ERR_NOTFOUND) {
			done->refused++;
			printf("refused %s why=\"%.*s\"\n", w->asked[i],
				SPAN_ARG(buf_view(why)));
			buf_clear(why);
			err = 0;
		}
	}
	err = err ? err : restore_each(&r, done, why);
	scoped_fd_close(&r.tofd);
	free(r.file);
	return err;
}
