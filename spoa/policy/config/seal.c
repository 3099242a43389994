/* seal: {auditors: [{name, public_key}]}. What a key is, record/seal/auditor.h says. */
#include "base/caps.h"
#include "policy/config/load.h"
#include "policy/config/read.h"

static void
read_auditor(struct diag *d, const struct yaml_node *n, struct config_auditor *a)
{
	static const char *const accepted[] = { "name", "public_key", NULL };

	if (!read_map(d, n, "seal.auditors", accepted, NULL))
		return;
	a->at = n;
	const struct yaml_node *c = read_needed(d, n, n, "seal.auditors", "name");
	if (c && read_text(d, c, "seal.auditors: name", &a->name) &&
		!config_name_ok(span_str(a->name), 64))
		diag_at(d, c, "seal.auditors: name: not of [A-Za-z0-9_.-]{1,64}");
	if ((c = read_needed(d, n, n, "seal.auditors", "public_key")))
		read_text(d, c, "seal.auditors: public_key", &a->public_key);
}

void
auditors_read(struct arena *a, struct diag *d, const struct yaml_node *n,
	struct config_auditor **out, size_t *count)
{
	*out = read_room(a, d, n, "seal.auditors", CAP_AUDITORS, sizeof(**out));
	if (!*out)
		return;
	for (const struct yaml_node *c = n->child; c; c = c->next) {
		struct config_auditor *one = &(*out)[(*count)++];
		read_auditor(d, c, one);
		for (struct config_auditor *o = *out; one->name && o < one; o++)
			if (str_same(o->name, one->name))
				diag_at(d, c, "seal.auditors: name %s is given twice",
					one->name);
	}
}
