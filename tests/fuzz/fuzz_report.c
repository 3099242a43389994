/* Any bytes as lines of a journal: counted or skipped. The result is JSON of a bounded size and
 * the same twice. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "cmd/report/report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *
report(struct span text)
{
	static struct audit_args a = { .q = { .what = "audit report" } };
	struct report r = { .a = &a, .o = json_object(), .open = json_object() };

	r.chain = calloc(REPORT_NODES, sizeof(*r.chain));
	INVARIANT(r.chain && r.o && r.open);
	while (text.n) {
		size_t n = span_chr(text, '\n');
		report_line(&r, span_cut(text, 0, n));
		text = span_cut(text, n + 1, text.n);
	}
	report_end(&r);
	char *out = json_dumps(r.o, JSON_COMPACT | JSON_SORT_KEYS);
	INVARIANT(out != NULL);
	free(r.chain);
	json_decref(r.open);
	json_decref(r.o);
	return out;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *once = report(span_of((const char *)data, size)),
	     *twice = report(span_of((const char *)data, size));

	INVARIANT(!strcmp(once, twice));
	free(once);
	free(twice);
	return 0;
}
