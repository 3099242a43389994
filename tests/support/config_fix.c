/* Reads a configuration for a test, from a file or from text in a file of the test's folder. */
#include "support/config_fix.h"
#include "support/temp_dir.h"

const struct config *
config_fix_file(struct arena *a, struct diag *d, const char *file)
{
	arena_init(a, 0, false);
	diag_init(d);
	return config_load(a, file, d);
}

const struct config *
config_fix_load(struct arena *a, struct diag *d, const char *text)
{
	put("c.yaml", text);
	return config_fix_file(a, d, path("c.yaml"));
}

void
config_fix_done(struct arena *a, struct diag *d)
{
	diag_free(d);
	arena_reset(a);
}
