/* A policy's text that somebody gives: `--policy -`. Who may try a policy may not read the
 * daemon's files by it, not even by an error that quotes one. */
#include "cmd/given.h"

#include "base/instead.h"
#include "cmd/cmd.h"
#include "gate/snapshot.h"
#include "policy/config/config.h"

const char *
given_policy(const char *what, const char *config, struct span text)
{
	static struct buf noted; /* what was read and as what, for the rest of the process */
	static struct arena a;
	static struct diag d;
	const char *file = config_find(config);

	if (!file) {
		cmd_no_config(what, config, "");
		return NULL;
	}
	arena_init(&a, 0, false);
	diag_init(&d);
	buf_init(&noted, 1 << 20);
	buf_files_noted(&noted);
	const struct config *cfg = config_read(&a, file, &d);
	if (!cfg || !cfg->policy) {
		buf_files_noted(NULL);
		cmd_mistakes(what, &d);
		return NULL;
	}
	/* What is wrong with the one in force does not matter here: what it reads does. */
	struct snapshot *snap = snapshot_load(file, NULL, 1, NULL, &d);
	snapshot_unref(&snap);
	buf_files_noted(NULL);
	buf_file_instead(cfg->policy, text, buf_view(&noted));
	return cfg->policy;
}

const char *
given_policy_stdin(const char *what, const char *config)
{
	static struct buf given = { .cap = CAP_YAML_BYTES };

	if (cmd_read_stdin(&given) == 0)
		return given_policy(what, config, buf_view(&given));
	cmd_fail(what, "standard input: over %u bytes, or unread", CAP_YAML_BYTES);
	return NULL;
}
