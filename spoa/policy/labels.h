/* A policy's `labels`: names for the results of tools, for rules that ask where the values of a call
 * come from. The label `untrusted` has a meaning of its own: other people may write such texts. A
 * result whose tool no label names is untrusted too. */
#ifndef POLICY_LABELS_H
#define POLICY_LABELS_H

#include <stdbool.h>

#include "base/span.h"

struct yaml_node;

struct label {
	const char *name;
	const char **results_of; /* patterns of SERVER/TOOL or TOOL, as glob() reads them */
	size_t nresults_of;
	bool documents; /* documents in requests have the label too */
	/* of `untrusted`: members of results that count as fields and not as text */
	struct label_field {
		const char *tool;
		const char **paths; /* names with points between them: account.iban */
		size_t npaths;
	} * fields;
	size_t nfields;
	const struct yaml_node *at;
};

/* Returns true if the label names the tool, written as origin sources are: SERVER/TOOL or TOOL. */
bool label_names(const struct label *l, struct span tool);
/* Returns true if the label is `untrusted`. */
bool label_untrusted(const struct label *l);
/* Returns true if the member of the tool's results at `path` is listed as a field. */
bool labels_field(const struct label *labels, size_t n, struct span tool, struct span path);

#endif
