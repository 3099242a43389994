/* What classify and redact share: their rules, and their input, which is
 * one text or JSON lines {"text", "role"?}. */
#ifndef CMD_TEXTS_SCAN_H
#define CMD_TEXTS_SCAN_H

#include "base/arena.h"
#include "base/buf.h"
#include "policy/policy.h"
#include "scan/text/inner.h"

struct scan_rules {
	struct detect_rules *rules;
	const struct policy *policy; /* NULL: none was named */
	struct arena arena;
};

/* `dir`, `policy`: NULL where not given. EXIT_DONE, or EXIT_CANNOT with every mistake on
 * stderr. */
int scan_rules_load(
	struct scan_rules *r, const char *command, const char *dir, const char *policy);
void scan_rules_free(struct scan_rules *r);
/* As detect_options takes them: NULL without a policy. */
const float *scan_rules_thresholds(const struct scan_rules *r);
/* True if the policy has placeholder: {form: plain}. */
bool scan_rules_plain(const struct scan_rules *r);
/* The policy's, or the rules' own. */
struct detect_options scan_rules_options(const struct scan_rules *r);
/* Calls put(arg, class) for the classes an entity belongs to: the rule file's, or those of
 * the policy. */
void scan_rules_classes(const struct scan_rules *r, size_t entity,
	void (*put)(void *arg, const char *class), void *arg);

/* ---- texts from standard input ---- */

struct scan_text {
	struct span text; /* decoded */
	struct span line; /* JSON lines: the whole line, else empty */
	size_t from, to;  /* JSON lines: the raw text in `line`, between its quotes */
	struct span role; /* JSON lines: "role" where given */
	struct findings findings;
	struct inner inner; /* of a text that is JSON; else n 0 */
};

struct scan {
	const struct detect_rules *rules;
	const struct scan_rules *with; /* the same, and the policy */
	struct arena *arena;	       /* reset after each text */
	struct buf *out;	       /* written to stdout after each text */
	const void *arg;
};

/* With the shipped rules, or those of a policy (NULL: none). Classifies standard input and
 * calls `each` per text. An exit code; errors are on stderr. */
int scan_input(const char *command, const char *policy, bool jsonl,
	int (*each)(struct scan *s, const struct scan_text *t), const void *arg);

/* Why a scan failed, where ERR_LIMIT is a cap of the detectors (base/caps.h). */
const char *scan_why(int err);

/* Writes all of `out` to stdout and empties it; false with errno. */
bool scan_write(struct buf *out);

#endif
