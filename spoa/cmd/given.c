/* A policy that the command line gives in place of the configured one: `--policy -`, which
 * reads standard input.
 *
 * Anyone who may try a policy must not be able to read the daemon's files with it, not even
 * through an error message that quotes a file. So given_policy() first records the set of
 * files that the policy in force reads, replaces the policy's text in that set, and allows
 * further reads from the set alone. */
#include "cmd/given.h"

#include "base/file_set.h"
#include "cmd/cmd.h"
#include "gate/snapshot.h"
#include "policy/config/config.h"

const char *
given_policy(const char *what, const char *config, struct span text)
{
	static struct file_set read; /* the files that the policy in force reads; kept until
				      * the process ends */
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
	/* Only the list of files matters. Mistakes in the policy in force are ignored. */
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
	cmd_fail(what, "standard input: cannot read the policy, or it is larger than %u bytes", CAP_YAML_BYTES);
	return NULL;
}
