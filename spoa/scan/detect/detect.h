/* Finds entities in text: the interface of detect/ for the other layers. Rules are data
 * (policies/detectors/ *.yaml). A loaded rule set is immutable, and all threads share it. Each
 * thread has its own scratch. */
#ifndef SCAN_DETECT_DETECT_H
#define SCAN_DETECT_DETECT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/span.h"
#include "scan/detect/rules/entities.h"
#include "scan/detect/rules/finding.h"

struct detect_rules;
struct detect_scratch;

/* Loads every *.yaml of `dir`, or the file `dir`; NULL loads the set that is compiled into the
 * program. Returns NULL on failure, and appends every mistake to *errors, one line each:
 * "file:line:column: message". */
struct detect_rules *detect_load(const char *dir, struct buf *errors);
/* The folder in the names of the files that are compiled in. */
#define DETECT_BUILT_IN "policies/detectors"
/* The same, with a policy's own classes (scan/detect/custom/custom.h); `extra` NULL: none. */
struct detect_extra;
struct detect_rules *detect_load_with(
	const char *dir, const struct detect_extra *extra, struct buf *errors);
void detect_free(struct detect_rules **r);
/* Runs the examples of all rules. Returns the number of examples that fail, with a line for each in
 * *errors, or ERR_NOMEM. */
int detect_self_test(const struct detect_rules *r, struct buf *errors);

/* Returns true if every pattern runs as machine code. Returns false if written memory may not
 * be executed (MemoryDenyWriteExecute=); scans then find the same, but are slower. */
bool detect_jit(const struct detect_rules *r);
/* Returns a stable hash of the rules' meaning, 64 hexadecimal digits; part of a policy's
 * version. */
const char *detect_version(const struct detect_rules *r);

/* Returns a hash of what finds this entity: its patterns, words and lists, without the threshold.
 * If it is equal in two rule sets of one program, both find the same. */
uint64_t detect_entity_meaning(const struct detect_rules *r, size_t entity);

struct detect_scratch *detect_scratch_new(const struct detect_rules *r);
/* Erases all remains of scanned texts from the scratch. Takes some microseconds: call it after
 * the last text of a request, not after each. */
void detect_scratch_wipe(struct detect_scratch *s);
void detect_scratch_free(struct detect_scratch **s);

/* Prepares a search for some of the entities, for detect_options.used. `entities`: a bit for
 * each, DETECT_ENTITIES_MAX bits. `thresholds`: as in detect_options. The rules must outlive
 * the result, which any thread may use. Returns NULL if memory is exhausted. */
struct detect_used *detect_used_new(
	const struct detect_rules *r, const uint64_t *entities, const float *thresholds);
void detect_used_free(struct detect_used **u);

/* Scans a text. *out has the findings, in the arena; none on error. Returns 0, ERR_NOMEM,
 * ERR_CLOSED (the result is no longer needed: effort_watch()), or ERR_LIMIT: a match limit was
 * reached, there are too many findings, encodings are nested too deeply, or the scan took more
 * work than the text's length allows. On ERR_LIMIT the caller applies on_failure.classifier. */
int detect_scan(const struct detect_rules *r, struct detect_scratch *s, struct span text,
	const struct detect_options *opt, struct arena *a, struct findings *out);

/* Makes findings of candidates of one text, sorted by start and without overlaps. A validated
 * candidate wins over a longer one, and a longer one over a higher score. If a secret loses, the
 * bytes that the winner does not cover become a finding of their own, so that no part of a secret
 * stays readable. v has n candidates and is reordered. *out is in the arena. Returns 0, ERR_NOMEM
 * or ERR_LIMIT. */
int detect_resolve(const struct detect_rules *r, struct finding *v, size_t n, struct arena *a,
	struct findings *out);

/* Makes the table that the parts of a long text have in common, for detect_options.table: the
 * header of the columns may be in one part and the rows in later parts.
 * scan/detect/context/columns.h describes when a table ends. Call it before the first part. The
 * table is in the arena. Returns NULL if memory is exhausted. */
struct column_table *detect_table_new(struct arena *a);
/* Moves the table past `text`: from the beginning of the part that was scanned last to the
 * beginning of the next part. `more`: the next part is not the last. */
void detect_table_pass(struct column_table *t, struct span text, bool more);

/* Returns the units of work that a text of n bytes may cost: at most a tenth of a second for a
 * window of 256 KB, because nothing interrupts a scan. */
uint64_t detect_work(size_t n);

/* Returns true if the last scan ended because it took more work than a text of its length may
 * cost (CAP_WORK_…). The same scan would fail again, and so would the stream that the text
 * belongs to. */
bool detect_overworked(const struct detect_scratch *s);
/* Returns the name of the limit that the last scan exceeded, if it returned ERR_LIMIT. */
const char *detect_limit(const struct detect_scratch *s);
/* Returns true if nothing is found in a word that occurs again and again, such as a model's
 * name or the reason why a response ended. The scratch keeps the last short words in which
 * nothing was found. */
bool detect_is_clean(const struct detect_rules *r, struct detect_scratch *s, struct span word,
	struct arena *a);

#endif
