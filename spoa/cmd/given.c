/* A policy's text that somebody gives: `--policy -`. Who may try a policy may not read the
 * daemon's files by it, not even by an error that quotes one. */
#include "cmd/given.h"

#include "base/file_set.h"
#include "cmd/cmd.h"
#include "gate/snapshot.h"
#include "policy/config/config.h"

const char *
given_policy(const char *what, const char *config, struct span text)
{
	static struct file_set read; /* what the policy in force reads; for the rest of the process */
	static struct arena a;
	static struct diag d;
	const char *file = config_find(config);

	if (!file) {
		cmd_no_config(what, config, "");
		return NULL;
	}
	arena_init(&a, 0, false);
	diag_init(&d);
	file_set_init(&read);
	file_set_record(&read);
	const struct config *cfg = config_read(&a, file, &d);
	if (!cfg || !cfg->policy) {
		file_set_record(NULL);
		cmd_mistakes(what, &d);
		return NULL;
	}
	/* Mistakes in the policy in force do not matter here, only which files it reads. */
	struct snapshot *snap = snapshot_load(file, NULL, 1, NULL, &d);
	snapshot_unref(&snap);
	file_set_record(NULL);
	if (!file_set_replace(&read, cfg->policy, text))
		file_set_add(&read, FILE_OF_POLICY, cfg->policy, text);
	file_set_from(&read, SET_ONLY);
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
