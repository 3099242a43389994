/* The name of a node: see node.h. JOURNAL.node is one line, the name. The file is beside the
 * folder because the folder holds nothing but segments (record/journal/journal.h). */
#include "policy/config/node.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/among.h"
#include "base/err.h"
#include "base/replace.h"
#include "base/scoped.h"
#include "base/why.h"
#include "policy/config/load.h"

/* False: the folder's name is too long. */
static bool
node_path(const char *journal, char out[PATH_MAX])
{
	struct span folder = span_str(journal);

	while (folder.n > 1 && folder.p[folder.n - 1] == '/')
		folder.n--;
	return snprintf(out, PATH_MAX, "%.*s.node", SPAN_ARG(folder)) < PATH_MAX;
}

void
node_of_host(char out[NODE_NAME_MAX + 1])
{
	memset(out, 0, NODE_NAME_MAX + 1);
	if (gethostname(out, NODE_NAME_MAX) || !out[0])
		strcpy(out, "tollgate");
	for (char *c = out; *c; c++)
		if (!config_name_ok(span_of(c, 1), 1))
			*c = '-';
}

/* A file that holds no name counts as none: the daemon writes it anew. */
static bool
kept_node(const char *journal, char out[NODE_NAME_MAX + 1])
{
	char path[PATH_MAX], text[NODE_NAME_MAX + 2];
	SCOPED_FD(fd, node_path(journal, path) ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
					       : -1);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));
	struct span name = span_of(text, n > 0 ? (size_t)n : 0);

	if (name.n && text[name.n - 1] == '\n')
		name.n--;
	snprintf(out, NODE_NAME_MAX + 1, "%.*s", SPAN_ARG(name));
	return config_name_ok(name, NODE_NAME_MAX);
}

/* NODE-BOOT-SEQ.jsonl, read from the right, because NODE may contain dashes. Returns the
 * length of NODE, 0 if the name is no segment's. */
static size_t
segment_node(struct span name, uint64_t *boot, uint64_t *seq)
{
	if (!span_ends(name, SPAN_LIT(".jsonl")))
		return 0;
	name.n -= sizeof(".jsonl") - 1;
	for (int i = 0; i < 2; i++) {
		size_t dash = span_behind(name, '-');
		if (dash < 2 || span_u64(span_cut(name, dash, name.n), i ? boot : seq))
			return 0;
		name.n = dash - 1;
	}
	return config_name_ok(name, NODE_NAME_MAX) ? name.n : 0;
}

static bool
newest_node(const char *journal, char out[NODE_NAME_MAX + 1])
{
	DIR *d = opendir(journal);
	uint64_t last_boot = 0, last_seq = 0, boot, seq;
	bool any = false;

	for (struct dirent *e; d && (e = readdir(d));) {
		size_t n = segment_node(span_str(e->d_name), &boot, &seq);
		if (!n ||
			(any && (boot < last_boot || (boot == last_boot && seq < last_seq))))
			continue;
		snprintf(out, NODE_NAME_MAX + 1, "%.*s", (int)n, e->d_name);
		last_boot = boot;
		last_seq = seq;
		any = true;
	}
	if (d)
		closedir(d);
	return any;
}

const char *
node_of_journal(struct arena *a, const char *journal)
{
	char node[NODE_NAME_MAX + 1];

	if (!journal || (!kept_node(journal, node) && !newest_node(journal, node)))
		node_of_host(node);
	return arena_strdup(a, node);
}

int
node_keep(const char *journal, const char *node, struct buf *why)
{
	char path[PATH_MAX], kept[NODE_NAME_MAX + 1], text[NODE_NAME_MAX + 2];

	if (kept_node(journal, kept) && !strcmp(kept, node))
		return 0;
	if (!node_path(journal, path))
		return why_err(why, ERR_LIMIT, "%s: name too long", journal);
	/* every tool on this machine may read the name */
	int n = snprintf(text, sizeof(text), "%s\n", node);
	return replace_file(AT_FDCWD, path, 0644, span_of(text, (size_t)n), why);
}
