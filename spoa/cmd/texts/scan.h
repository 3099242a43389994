/* The detectors and the input that `classify` and `redact` share. The input is one text, or
 * JSON lines {"text", "role"?}. */
#ifndef CMD_TEXTS_SCAN_H
#define CMD_TEXTS_SCAN_H

#include "base/arena.h"
#include "base/buf.h"
#include "scan/detect/detect.h"
#include "scan/text/inner.h"

struct policy;

/* The detectors of a command: the shipped ones, those of a folder, or either with the
 * classes and thresholds of a policy. Owned by the command; freed by scan_rules_free(). */
struct scan_rules {
	struct detect_rules *rules;
	const struct policy *policy; /* NULL: no policy is used */
	struct arena arena;
};

/* Loads the rules. `dir` and `policy` are NULL if they are not given. Returns EXIT_DONE, or
 * EXIT_CANNOT after printing every mistake to stderr. */
int scan_rules_load(
	struct scan_rules *r, const char *command, const char *dir, const char *policy);
void scan_rules_free(struct scan_rules *r);
/* Returns the thresholds for detect_options, or NULL without a policy. */
const float *scan_rules_thresholds(const struct scan_rules *r);
/* True if the policy has placeholder: {form: plain}. */
bool scan_rules_plain(const struct scan_rules *r);
/* Returns the options of the policy, or the defaults without one. */
struct detect_options scan_rules_options(const struct scan_rules *r);
/* Calls put(arg, class) for each class of an entity: the class of the rule file, or those
 * of the policy. */
void scan_rules_classes(const struct scan_rules *r, size_t entity,
	void (*put)(void *arg, const char *class), void *arg);

/* ---- texts from standard input ---- */

/* One text of the input and its findings. Valid during the call of each(). */
struct scan_text {
	struct span text; /* the decoded text */
	struct span line; /* JSON lines: the whole line; else empty */
	size_t from, to;  /* JSON lines: the range of the raw text in `line`, without its quotes */
	struct span role; /* JSON lines: the member "role"; else empty */
	struct findings findings;
	struct inner inner; /* the parsed JSON, if the text itself is JSON; else n is 0 */
};

/* Arguments of each(), besides the text. */
struct scan {
	const struct detect_rules *rules;
	const struct scan_rules *with; /* the same rules, and the policy */
	struct arena *arena;	       /* reset after each text */
	struct buf *out;	       /* written to stdout after each text */
	const void *arg;
};

/* Scans standard input with the shipped rules, or those of a policy (NULL: none), and calls
 * each() for every text. Returns an exit code; errors are printed to stderr. */
int scan_input(const char *command, const char *policy, bool jsonl,
	int (*each)(struct scan *s, const struct scan_text *t), const void *arg);

/* Returns why a scan failed. ERR_LIMIT means that a cap of the detectors was reached
 * (base/caps.h). */
const char *scan_why(int err);

/* Writes all of `out` to stdout and empties it. Returns false with errno if that fails. */
bool scan_write(struct buf *out);

#endif
