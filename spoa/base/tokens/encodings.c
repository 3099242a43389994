/* Finds and opens the rank files. */
#include "base/tokens/encodings.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/err.h"

#define SUFFIX ".ranks"

/* The folders that an installed and a built program search, relative to the program's folder. */
static const char *const places[] = { "ranks", "../share/tollgate/ranks" };

static int
is_ranks(const struct dirent *d)
{
	return span_ends(span_str(d->d_name), SPAN_LIT(SUFFIX)) && d->d_name[0] != '.';
}

static void
open_encoding(struct encodings *e, const char *dir, const char *name, struct buf *why)
{
	char path[PATH_MAX];
	const char *what = "there are too many vocabulary files";
	struct ranks *r = NULL;

	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
		what = "the path is too long";
	else if (e->n < ENCODINGS_MAX && ranks_open(path, &r, &what) == 0 &&
		 encodings_find(e, span_str(r->head->name)))
		what = "another file has the same encoding", ranks_close(&r);
	if (r) {
		e->v[e->n++] = r;
		return;
	}
	e->refused++;
	buf_printf(why, "%s/%s: %s\n", dir, name, what);
}

/* Opens the files of a folder. Returns their number, refused ones included, or -1 if the folder
 * cannot be read. */
static int
open_folder(struct encodings *e, const char *dir, struct buf *why)
{
	struct dirent **names;
	int n = scandir(dir, &names, is_ranks, alphasort);

	for (int i = 0; i < n; i++) {
		open_encoding(e, dir, names[i]->d_name, why);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
	if (n > 0)
		e->dir = strdup(dir);
	return n;
}

static void
open_places(struct encodings *e, struct buf *why)
{
	char self[PATH_MAX], dir[PATH_MAX + 32];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n <= 0)
		return;
	self[n] = '\0';
	char *slash = strrchr(self, '/');
	if (slash)
		*slash = '\0';
	for (size_t i = 0; i < COUNT_OF(places); i++) {
		snprintf(dir, sizeof(dir), "%s/%s", self, places[i]);
		if (open_folder(e, dir, why) > 0)
			return;
	}
	for (size_t i = 0; i < COUNT_OF(places); i++)
		buf_printf(why, "%s/%s: not a vocabulary file\n", self, places[i]);
}

int
encodings_open(const char *dir, struct encodings **out, struct buf *why)
{
	struct encodings *e = *out = calloc(1, sizeof(*e));

	if (!e)
		return ERR_NOMEM;
	if (!dir)
		open_places(e, why);
	else {
		int n = open_folder(e, dir, why);
		if (n <= 0)
			buf_printf(why, "%s: %s\n", dir,
				n ? strerror(errno) : "not a vocabulary file");
	}
	return e->n || e->refused ? 0 : ERR_NOTFOUND;
}

void
encodings_close(struct encodings **p)
{
	struct encodings *e = *p;

	*p = NULL;
	for (size_t i = 0; e && i < e->n; i++)
		ranks_close(&e->v[i]);
	if (e)
		free(e->dir);
	free(e);
}

const struct ranks *
encodings_find(const struct encodings *e, struct span name)
{
	for (size_t i = 0; e && i < e->n; i++)
		if (span_is(name, e->v[i]->head->name))
			return e->v[i];
	return NULL;
}
