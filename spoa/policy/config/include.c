/* Several files as one policy. Files are read depth first, what is included before the
 * file that includes it, and laid over each other by the table of top-level keys. Each file
 * is read once: one that is named again, by itself or by another, is a mistake, so that
 * neither a cycle nor a fan of includes can grow. */
#include "policy/config/include.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/caps.h"
#include "base/file_set.h"
#include "policy/config/read.h"

enum { KEYS_MAX = 4096 };

/* How a key's values from two files become one. */
enum merge {
	MERGE_ONCE, /* given in one file only */
	MERGE_SAME, /* in any file, the same everywhere */
	MERGE_LIST, /* one after the other */
	MERGE_MAP   /* its keys each once; of `detectors` what is below them likewise */
};

static const struct {
	const char *key;
	enum merge how;
} merges[] = {
	{ "tollgate", MERGE_SAME },
	{ "on_failure", MERGE_MAP },
	{ "identity", MERGE_LIST },
	{ "data", MERGE_MAP },
	{ "classes", MERGE_MAP },
	{ "detectors", MERGE_MAP },
	{ "providers", MERGE_MAP },
	{ "models", MERGE_MAP },
	{ "routes", MERGE_LIST },
	{ "rules", MERGE_LIST },
	{ "limits", MERGE_LIST },
};

struct file {
	dev_t dev;
	ino_t ino;
	const char *path;
	const struct yaml_node
		*by; /* the entry of `include` that named it; NULL: the policy's own */
};

struct including {
	struct arena *a;
	struct diag *d;
	struct yaml_node *root; /* all that was read so far */
	struct file files[CAP_INCLUDES];
	size_t nfiles, nodes;
};

/* ---- laying over ---- */

static struct yaml_node *
copy_included(struct including *in, const struct yaml_node *n)
{
	struct yaml_node *c = arena_new(in->a, struct yaml_node);

	if (!c) {
		diag_at(in->d, n, "out of memory");
		return NULL;
	}
	*c = *n;
	c->next = NULL;
	return c;
}

static struct yaml_node **
tail_of(struct yaml_node *n)
{
	struct yaml_node **t = &n->child;

	while (*t)
		t = &(*t)->next;
	return t;
}

static struct yaml_node *
append_node(struct yaml_node *to, struct yaml_node **tail, struct yaml_node *n)
{
	if (n) {
		*tail = n;
		to->count++;
	}
	return n;
}

static bool append_copies(struct including *in, struct yaml_node *to,
	const struct yaml_node *from, unsigned depth);

/* A container of our own, whose children may be added to: those of the file's tree may be
 * shared by aliases. `depth`: so many levels of containers below it are ours too. */
static struct yaml_node *
own(struct including *in, const struct yaml_node *n, unsigned depth)
{
	struct yaml_node *c = copy_included(in, n);

	if (!c || n->kind == YAML_SCALAR)
		return c;
	c->child = NULL;
	c->count = 0;
	return append_copies(in, c, n, depth) ? c : NULL;
}

static bool
append_copies(struct including *in, struct yaml_node *to, const struct yaml_node *from,
	unsigned depth)
{
	struct yaml_node **tail = tail_of(to);

	for (const struct yaml_node *c = from->child; c; c = c->next) {
		struct yaml_node *last = append_node(
			to, tail, depth ? own(in, c, depth - 1) : copy_included(in, c));
		if (!last)
			return false;
		tail = &last->next;
	}
	return true;
}

static void
twice(struct including *in, const struct yaml_node *first, const struct yaml_node *again)
{
	diag_at(in->d, again->key, "%s: is given twice, first at %s:%u:%u", again->key->s.p,
		first->key->file, first->key->line, first->key->column);
}

/* Keys are looked up one by one. */
static bool
few(struct including *in, const struct yaml_node *n)
{
	if (n->count <= KEYS_MAX)
		return true;
	diag_at(in->d, n, "%s: more than %d keys", n->key ? n->key->s.p : "policy", KEYS_MAX);
	return false;
}

/* Lays one child of a mapping over that mapping, which is ours. */
static void
lay(struct including *in, struct yaml_node *to, const struct yaml_node *n, enum merge how,
	unsigned depth)
{
	struct yaml_node *old = yaml_get(to, n->key->s.p);
	bool same = old && old->kind == n->kind;

	if (!old) {
		append_node(to, tail_of(to),
			how >= MERGE_LIST ? own(in, n, depth) : copy_included(in, n));
	} else if (how == MERGE_SAME && same && n->kind == YAML_SCALAR &&
		   span_eq(old->s, n->s)) {
		return;
	} else if (how == MERGE_LIST && same && n->kind == YAML_SEQUENCE) {
		append_copies(in, old, n, 0);
	} else if (how == MERGE_MAP && same && n->kind == YAML_MAPPING) {
		/* classes: {pii: […]} is one class; detectors: {thresholds: {…}} are many. */
		for (const struct yaml_node *c = n->child; c && few(in, n) && few(in, old);
			c = c->next)
			lay(in, old, c,
				depth == 0		   ? MERGE_ONCE
				: c->kind == YAML_SEQUENCE ? MERGE_LIST
							   : MERGE_MAP,
				0);
	} else {
		twice(in, old, n);
	}
}

static void
lay_file(struct including *in, const struct yaml_node *file)
{
	if (!few(in, file))
		return;
	if (!in->root && (in->root = copy_included(in, file))) {
		in->root->child = NULL;
		in->root->count = 0;
	}
	for (const struct yaml_node *c = file->child; c && in->root; c = c->next) {
		enum merge how = MERGE_ONCE;
		if (span_is(c->key->s, "include"))
			continue;
		for (size_t i = 0; i < COUNT_OF(merges); i++)
			if (span_is(c->key->s, merges[i].key))
				how = merges[i].how;
		lay(in, in->root, c, how, span_is(c->key->s, "detectors"));
	}
}

/* ---- reading ---- */

static size_t
nodes_of(const struct yaml_node *n)
{
	size_t sum = 1;

	for (const struct yaml_node *c = n->child; c; c = c->next)
		sum += nodes_of(c);
	return sum;
}

__attribute__((format(printf, 4, 5))) static void
refuse(struct including *in, const struct yaml_node *by, const char *path, const char *fmt, ...)
{
	char text[768];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (by)
		diag_at(in->d, by, "include: %s %s", path, text);
	else
		diag_file(in->d, path, "%s", text);
}

/* Notes the file; false where it may not be read. */
static bool
enter_file(struct including *in, const char *path, const struct yaml_node *by)
{
	struct stat st;

	if (file_set_stat(path, &st) < 0) {
		refuse(in, by, path, by ? "cannot be opened: %s" : "cannot open: %s",
			strerror(errno));
		return false;
	}
	if (!S_ISREG(st.st_mode)) {
		refuse(in, by, path, "is no file");
		return false;
	}
	for (const struct file *f = in->files; f < in->files + in->nfiles; f++) {
		if (f->dev != st.st_dev || f->ino != st.st_ino)
			continue;
		if (f->by)
			refuse(in, by, path, "is included already, at %s:%u:%u", f->by->file,
				f->by->line, f->by->column);
		else
			refuse(in, by, path, "is part of this policy already");
		return false;
	}
	if (in->nfiles == CAP_INCLUDES) {
		refuse(in, by, path, "is one file too many: a policy has at most %d",
			CAP_INCLUDES);
		return false;
	}
	in->files[in->nfiles++] =
		(struct file){ st.st_dev, st.st_ino, arena_strdup(in->a, path), by };
	return true;
}

static void read_included_file(
	struct including *in, const char *path, const struct yaml_node *by, unsigned depth);

static void
read_includes(struct including *in, const struct yaml_node *n, unsigned depth)
{
	const struct yaml_node *c = read_each(in->a, in->d, n, "include", NULL, NULL);
	const char *path;

	for (; c; c = yaml_next(n, c)) {
		if (depth == CAP_INCLUDE_DEPTH) {
			diag_at(in->d, c, "include: nested deeper than %d files",
				CAP_INCLUDE_DEPTH);
			return;
		}
		if (read_path(in->a, in->d, c, &path))
			read_included_file(in, path, c, depth + 1);
	}
}

static void
read_included_file(
	struct including *in, const char *path, const struct yaml_node *by, unsigned depth)
{
	if (!enter_file(in, path, by))
		return;
	const struct yaml_node *n = yaml_load_file(in->a, path, in->d);
	if (!n)
		return;
	in->nodes += nodes_of(n);
	if (in->nodes > CAP_YAML_NODES) {
		refuse(in, by, path, "is too much: more than %d nodes in all files",
			CAP_YAML_NODES);
		return;
	}
	if (!read_map(in->d, n, "policy", NULL, NULL))
		return;
	read_includes(in, yaml_get(n, "include"), depth);
	lay_file(in, n);
}

/* ---- folders ---- */

static void
read_folder(struct including *in, const char *dir)
{
	const char **names;
	int n = file_set_list(in->a, dir, ".yaml", &names);

	if (n < 0) {
		diag_file(in->d, dir, "cannot be read: %s", strerror(errno));
		return;
	}
	if (n == 0)
		diag_file(in->d, dir, "holds no policy: no file *.yaml");
	for (int i = 0; i < n; i++) {
		struct span path = arena_printf(in->a, "%s/%s", dir, names[i]);
		if (path.p)
			read_included_file(in, path.p, NULL, 0);
	}
}

const struct yaml_node *
policy_tree(struct arena *a, const char *named, struct diag *d)
{
	struct including *in = arena_new(a, struct including);
	unsigned errors = d->errors;
	struct stat st;

	if (!in) {
		diag_file(d, named, "out of memory");
		return NULL;
	}
	in->a = a;
	in->d = d;
	diag_reads(d, named);
	if (file_set_stat(named, &st) == 0 && S_ISDIR(st.st_mode)) {
		const char *own = arena_printf(a, "%s/policy.yaml", named).p;
		if (own && file_set_stat(own, &st) == 0)
			read_included_file(in, own, NULL, 0);
		else
			read_folder(in, named);
	} else {
		read_included_file(in, named, NULL, 0);
	}
	if (arena_failed(a) && d->errors == errors)
		diag_file(d, named, "out of memory");
	return d->errors == errors ? in->root : NULL;
}
