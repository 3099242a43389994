/* Joins several files to one policy. Files are read depth first: an included file before the
 * file that includes it. The top-level keys of each file are merged into one tree as the table
 * `merges` states. Each file is read once. Including a file twice is an error, so neither a
 * cycle nor a fan of includes can grow. */
#include "policy/config/include.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/caps.h"
#include "base/file_set.h"
#include "policy/config/read.h"

enum { KEYS_MAX = 4096 }; /* the most keys of one mapping */

/* How the values of a key in two files become one value. */
enum merge {
	MERGE_ONCE, /* only one file may have the key */
	MERGE_SAME, /* several files may have it with the same value */
	MERGE_LIST, /* the lists are joined */
	/* the mappings are joined, and each key may occur once; in `detectors`, the mappings
	 * one level below too */
	MERGE_MAP
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
	{ "tools", MERGE_LIST },
	{ "rules", MERGE_LIST },
	{ "limits", MERGE_LIST },
};

/* A file that was read. */
struct file {
	dev_t dev;
	ino_t ino;
	const char *path;
	const struct yaml_node
		*by; /* entry of `include` that names the file; NULL: the policy itself */
};

/* State of one policy_tree() call. Lives in the arena. */
struct including {
	struct arena *a;
	struct diag *d;
	struct yaml_node *root; /* tree of all files that were read so far */
	struct file files[CAP_INCLUDES];
	size_t nfiles, nodes; /* nodes: in all files, at most CAP_YAML_NODES */
};

/* ---- merging ---- */

/* Returns a copy of a node with the same children and without siblings. NULL: out of memory,
 * reported. */
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

/* Returns the place where the next child is to be linked. */
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

/* Returns a copy of a container whose children may be added to. The file's own tree cannot be
 * changed, because YAML aliases may share it. `depth` is the number of levels of containers
 * below that are copied too. */
static struct yaml_node *
copy_container(struct including *in, const struct yaml_node *n, unsigned depth)
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
		struct yaml_node *last = append_node(to, tail,
			depth ? copy_container(in, c, depth - 1) : copy_included(in, c));
		if (!last)
			return false;
		tail = &last->next;
	}
	return true;
}

static void
report_twice(struct including *in, const struct yaml_node *first, const struct yaml_node *again)
{
	diag_at(in->d, again->key, "%s: occurs twice, first at %s:%u:%u", again->key->s.p,
		first->key->file, first->key->line, first->key->column);
}

/* Returns false for a mapping with too many keys. Keys are looked up one by one. */
static bool
has_few_keys(struct including *in, const struct yaml_node *n)
{
	if (n->count <= KEYS_MAX)
		return true;
	diag_at(in->d, n, "%s: more than %d keys", n->key ? n->key->s.p : "policy", KEYS_MAX);
	return false;
}

/* Merges child `n` of a mapping into mapping `to`, which must be a copy. */
static void
merge_key(struct including *in, struct yaml_node *to, const struct yaml_node *n, enum merge how,
	unsigned depth)
{
	struct yaml_node *old = yaml_get(to, n->key->s.p);
	bool same = old && old->kind == n->kind;

	if (!old) {
		append_node(to, tail_of(to),
			how >= MERGE_LIST ? copy_container(in, n, depth)
					  : copy_included(in, n));
	} else if (how == MERGE_SAME && same && n->kind == YAML_SCALAR &&
		   span_eq(old->s, n->s)) {
		return;
	} else if (how == MERGE_LIST && same && n->kind == YAML_SEQUENCE) {
		append_copies(in, old, n, 0);
	} else if (how == MERGE_MAP && same && n->kind == YAML_MAPPING) {
		/* depth 0 (classes: {pii: […]}): each key is a value; depth 1 (detectors:
		 * {thresholds: {…}}): each key is a mapping to join */
		for (const struct yaml_node *c = n->child;
			c && has_few_keys(in, n) && has_few_keys(in, old); c = c->next)
			merge_key(in, old, c,
				depth == 0		   ? MERGE_ONCE
				: c->kind == YAML_SEQUENCE ? MERGE_LIST
							   : MERGE_MAP,
				0);
	} else {
		report_twice(in, old, n);
	}
}

static void
merge_file(struct including *in, const struct yaml_node *file)
{
	if (!has_few_keys(in, file))
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
		merge_key(in, in->root, c, how, span_is(c->key->s, "detectors"));
	}
}

/* ---- reading files ---- */

/* Returns the number of nodes of a tree. */
static size_t
nodes_of(const struct yaml_node *n)
{
	size_t sum = 1;

	for (const struct yaml_node *c = n->child; c; c = c->next)
		sum += nodes_of(c);
	return sum;
}

/* Reports an error at the entry of `include`, or at the file if the policy itself is meant. */
__attribute__((format(printf, 4, 5))) static void
refuse_file(struct including *in, const struct yaml_node *by, const char *path, const char *fmt,
	...)
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

/* Adds the file to the list. Returns false after an error: the file cannot be opened, was
 * included already, or is one too many. */
static bool
enter_file(struct including *in, const char *path, const struct yaml_node *by)
{
	struct stat st;

	if (file_set_stat(path, &st) < 0) {
		refuse_file(in, by, path, by ? "cannot be opened: %s" : "cannot be opened: %s",
			strerror(errno));
		return false;
	}
	if (!S_ISREG(st.st_mode)) {
		refuse_file(in, by, path, "is not a regular file");
		return false;
	}
	for (const struct file *f = in->files; f < in->files + in->nfiles; f++) {
		if (f->dev != st.st_dev || f->ino != st.st_ino)
			continue;
		if (f->by)
			refuse_file(in, by, path, "is already included, at %s:%u:%u",
				f->by->file, f->by->line, f->by->column);
		else
			refuse_file(in, by, path, "is already part of this policy");
		return false;
	}
	if (in->nfiles == CAP_INCLUDES) {
		refuse_file(in, by, path, "is one file too many: a policy has at most %d files",
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
		refuse_file(in, by, path,
			"makes the policy too large: at most %d nodes in all files",
			CAP_YAML_NODES);
		return;
	}
	if (!read_map(in->d, n, "policy", NULL, NULL))
		return;
	read_includes(in, yaml_get(n, "include"), depth);
	merge_file(in, n);
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
		diag_file(in->d, dir, "contains no policy: no file *.yaml");
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
