/* Finds the configuration files of the other daemons of this machine, in the folder of the own
 * one. Redis knows these daemons too, but its values are untrusted input, and it forgets a daemon
 * that is stopped. The folder is the operator's, and its files name journals, keys and sockets.
 *
 * The folder also has policies, prices and keys, which may be large. A file is parsed only if it
 * is small and a line of it begins with "redis:". */
#include "policy/config/members.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/scoped.h"
#include "base/span.h"
#include "policy/config/config.h"
#include "policy/config/read.h"

enum { MEMBER_FILE_BYTES = 64 << 10, MEMBER_FILES = 256 };

/* Returns true if the file may be a tollgate.yaml with a section redis. */
static bool
names_redis(const char *file)
{
	static const char key[] = "redis:";

	SCOPED_BUF(text, MEMBER_FILE_BYTES);
	if (!buf_regular_file(&text, file))
		return false;
	struct span rest = buf_view(&text);
	while (rest.n) {
		struct span line = span_next(&rest, '\n');
		if (line.n >= sizeof(key) - 1 && !memcmp(line.p, key, sizeof(key) - 1))
			return true;
	}
	return false;
}

static bool
is_other_daemon(const struct config *cfg, const struct config *m)
{
	return m->redis_url && !strcmp(m->redis_url, cfg->redis_url) && m->journal && m->node &&
	       strcmp(m->journal, cfg->journal) != 0 && strcmp(m->node, cfg->node) != 0;
}

static int
by_member_path(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Lists the folder's files NAME.yaml by their paths, sorted. */
static size_t
list_yaml(struct arena *a, const char *beside, const char *out[static MEMBER_FILES])
{
	const char *slash = strrchr(beside, '/');
	struct span folder = slash ? span_of(beside, (size_t)(slash - beside) + 1) : SPAN_LIT("");
	const char *name = folder.n ? arena_printf(a, "%.*s", SPAN_ARG(folder)).p : ".";
	DIR *dir = name ? opendir(name) : NULL;
	const struct dirent *e;
	size_t n = 0;

	while (dir && n < MEMBER_FILES && (e = readdir(dir))) {
		const char *path =
			e->d_name[0] != '.' && span_ends(span_str(e->d_name), SPAN_LIT(".yaml"))
				? arena_printf(a, "%.*s%s", SPAN_ARG(folder), e->d_name).p
				: NULL;
		if (path && strcmp(path, beside) != 0)
			out[n++] = path;
	}
	if (dir)
		closedir(dir);
	qsort(out, n, sizeof(*out), by_member_path);
	return n;
}

size_t
config_members(struct arena *a, const struct config *cfg,
	const struct config *out[static CONFIG_MEMBERS_MAX])
{
	const char *file[MEMBER_FILES];
	size_t n = 0;

	if (!cfg->file || !cfg->redis_url || !cfg->journal || !cfg->node)
		return 0;
	const size_t files = list_yaml(a, cfg->file, file);
	for (size_t i = 0; i < files && n < CONFIG_MEMBERS_MAX; i++) {
		if (!names_redis(file[i]))
			continue;
		SCOPED_DIAG(d);
		const struct config *m = config_load(a, file[i], &d);
		bool other = m && is_other_daemon(cfg, m);
		for (size_t k = 0; k < n && other; k++)
			other = is_other_daemon(out[k], m);
		if (other)
			out[n++] = m;
	}
	return n;
}
