/* What the options of retention: say together. Whether those of its archive fit is said by
 * record/archive/archive.h, which config/ may not include: `check` and the start ask it. */
#include "policy/config/load.h"
#include "policy/config/read.h"

#define SIX_MONTHS_US (183ull * 86400 * 1000000)

void
config_retention(struct config *cfg, struct diag *d)
{
	static const char *const of_archive[] = { "endpoint", "credentials_file", "lock" };
	const struct yaml_node *s = yaml_get(cfg->root, "retention");

	cfg->retention = s != NULL;
	if (!s)
		return;
	if (!cfg->journal)
		diag_at(d, s->key ? s->key : s, "retention: needs audit.journal");
	if (s->kind != YAML_MAPPING)
		return;
	if (cfg->retention_age_us && cfg->retention_age_us < SIX_MONTHS_US &&
		!cfg->below_six_months)
		diag_at(d, yaml_get(s, "age"),
			"retention.age: is below six months (183d); where the law lets you: "
			"below_six_months: true");
	for (size_t i = 0; !cfg->retention_archive && i < COUNT_OF(of_archive); i++)
		if (yaml_get(s, of_archive[i]))
			diag_at(d, yaml_get(s, of_archive[i]),
				"retention.%s: needs retention.archive", of_archive[i]);
}
