/* Records the files of a load, and reads files from such a record instead of the disk. The
 * record and the source are thread-local, so that the functions that load need no argument for
 * them. */
#include "base/file_set.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"

static _Thread_local struct {
	enum set_file_kind kind;     /* the kind of the files that are read next */
	struct file_set *record;     /* NULL: nothing is recorded */
	const struct file_set *from; /* NULL: the disk */
	enum set_use use;
	bool shadow; /* the files that are read are those of the shadow policy */
} reading = { .kind = FILE_OF_POLICY };

void
file_set_init(struct file_set *set)
{
	*set = (struct file_set){ .n = 0 };
	arena_init(&set->arena, 0, false);
}

void
file_set_free(struct file_set *set)
{
	free(set->v);
	arena_reset(&set->arena);
	file_set_init(set);
}

enum set_file_kind
file_set_kind(enum set_file_kind kind)
{
	enum set_file_kind before = reading.kind;

	reading.kind = kind;
	return before;
}

bool
file_set_read_as(enum set_file_kind kind, struct buf *b, const char *file)
{
	enum set_file_kind before = file_set_kind(kind);
	bool done = buf_file(b, file);
	int err = errno;

	file_set_kind(before);
	errno = err;
	return done;
}

void
file_set_record(struct file_set *to)
{
	reading.record = to;
}

void
file_set_shadow(bool on)
{
	reading.shadow = on;
}

void
file_set_from(const struct file_set *from, enum set_use use)
{
	reading.from = from;
	reading.use = use;
}

static struct set_file *
find_in_set(const struct file_set *set, const char *name)
{
	for (size_t i = 0; i < set->n; i++)
		if (!strcmp(set->v[i].name, name))
			return &set->v[i];
	return NULL;
}

const struct set_file *
file_set_find(const struct file_set *set, const char *name)
{
	return find_in_set(set, name);
}

bool
file_set_replace(struct file_set *set, const char *name, struct span text)
{
	struct set_file *f = find_in_set(set, name);

	if (f)
		f->text = text;
	return f != NULL;
}

bool
file_set_add(struct file_set *set, enum set_file_kind kind, const char *name, struct span text)
{
	struct set_file f = { .kind = kind,
		.name = arena_strdup(&set->arena, name),
		.of_shadow = set == reading.record && reading.shadow };

	if (kind != FILE_ROTATES)
		f.text = arena_dup(&set->arena, text);
	if (!f.name || (kind != FILE_ROTATES && !f.text.p) ||
		!mem_room(&set->v, &set->room, set->n + 1, sizeof(*set->v))) {
		set->failed = true;
		return false;
	}
	set->v[set->n++] = f;
	return true;
}

int
file_set_take(struct buf *b, const char *file)
{
	enum set_file_kind kind = reading.kind;
	const struct set_file *f = reading.from ? find_in_set(reading.from, file) : NULL;

	bool disk = reading.use == SET_OVER_DISK ||
		    (reading.use != SET_ONLY &&
			    (kind == FILE_ROTATES || kind == FILE_OF_CONFIGURATION));

	if (!reading.from || (!f && disk) ||
		(reading.use == SET_AT_START && kind == FILE_OF_SYSTEM))
		return 0;
	if (!f || (reading.use == SET_ONLY && f->kind != kind)) {
		errno = reading.use == SET_ONLY ? EACCES : ENOENT;
		return -1;
	}
	if (!f->text.p)
		return 0;
	buf_span(b, f->text);
	return 1;
}

void
file_set_note(const struct buf *b, size_t at, const char *file)
{
	struct file_set *to = reading.record;

	if (!to || buf_failed(b) || find_in_set(to, file))
		return;
	file_set_add(to, reading.kind, file, span_cut(buf_view(b), at, b->n));
}

void
file_set_note_built_in(const char *name, struct span text)
{
	if (reading.record && !find_in_set(reading.record, name))
		file_set_add(reading.record, FILE_BUILT_IN, name, text);
}

/* ---- folders ---- */

/* Returns the name of a file of the set that is directly in `dir`. n is 0 if the file is
 * elsewhere. */
static struct span
name_in(const struct set_file *f, struct span dir)
{
	struct span name = span_str(f->name);

	if (name.n <= dir.n + 1 || !span_starts(name, dir) || name.p[dir.n] != '/')
		return span_cut(name, 0, 0);
	name = span_cut(name, dir.n + 1, name.n);
	return span_chr(name, '/') < name.n ? span_cut(name, 0, 0) : name;
}

int
file_set_stat(const char *path, struct stat *st)
{
	const struct file_set *set = reading.from;
	const struct set_file *f = set ? find_in_set(set, path) : NULL;

	if (!set || (!f && reading.use == SET_OVER_DISK))
		return stat(path, st);
	*st = (struct stat){ .st_mode = S_IFREG | 0400 };
	if (f) {
		st->st_ino = (ino_t)(f - set->v) + 1;
		st->st_size = (off_t)f->text.n;
		return 0;
	}
	st->st_mode = S_IFDIR | 0500;
	for (size_t i = 0; i < set->n; i++)
		if (name_in(&set->v[i], span_str(path)).n)
			return 0;
	errno = reading.use == SET_ONLY ? EACCES : ENOENT;
	return -1;
}

static bool
is_wanted(struct span name, struct span suffix)
{
	return name.n > suffix.n && name.p[0] != '.' && span_ends(name, suffix);
}

static int
by_file_name(const void *x, const void *y)
{
	return strcmp(*(const char *const *)x, *(const char *const *)y);
}

struct listing {
	struct arena *a;
	const char **v;
	size_t n, room;
};

static bool
add_file_name(struct listing *l, struct span name)
{
	const char **v = arena_grow(l->a, l->v, l->n, &l->room, sizeof(*v), 64);
	const char *copy = v ? arena_dup(l->a, name).p : NULL;

	if (!copy)
		return false;
	l->v = v;
	l->v[l->n++] = copy;
	return true;
}

static int
list_disk(struct listing *l, const char *dir, struct span suffix)
{
	DIR *d = opendir(dir);
	bool ok = true;

	if (!d)
		return -1;
	for (const struct dirent *e; ok && (e = readdir(d));)
		if (is_wanted(span_str(e->d_name), suffix))
			ok = add_file_name(l, span_str(e->d_name));
	closedir(d);
	errno = ok ? 0 : ENOMEM;
	return ok ? 0 : -1;
}

static bool
lists_name(const struct listing *l, struct span name)
{
	for (size_t i = 0; i < l->n; i++)
		if (span_is(name, l->v[i]))
			return true;
	return false;
}

/* Adds the names of the set that the list does not have. */
static int
list_set(struct listing *l, const struct file_set *set, const char *dir, struct span suffix)
{
	if (find_in_set(set, dir)) {
		errno = ENOTDIR;
		return -1;
	}
	for (size_t i = 0; i < set->n; i++) {
		struct span name = name_in(&set->v[i], span_str(dir));
		if (is_wanted(name, suffix) && !lists_name(l, name) &&
			!add_file_name(l, name)) {
			errno = ENOMEM;
			return -1;
		}
	}
	errno = l->n ? 0 : ENOENT;
	return l->n ? 0 : -1;
}

int
file_set_list(struct arena *a, const char *dir, const char *suffix, const char ***names)
{
	struct listing l = { .a = a };
	bool over_disk = !reading.from || reading.use == SET_OVER_DISK;
	int err = over_disk ? list_disk(&l, dir, span_str(suffix)) : 0;

	if (reading.from && (!err || errno == ENOENT)) {
		bool on_disk = over_disk && !err;
		err = list_set(&l, reading.from, dir, span_str(suffix));
		if (on_disk && errno == ENOENT)
			err = 0;
	}
	*names = l.v;
	if (err)
		return -1;
	if (l.n)
		qsort(l.v, l.n, sizeof(*l.v), by_file_name);
	return (int)l.n;
}
