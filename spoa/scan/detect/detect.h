/* Finding entities in text: the face of detect/ for the other layers.
 * Rules are data (policies/detectors/ *.yaml); a rule set is immutable once
 * loaded and shared by all threads; each thread brings its own scratch. */
#ifndef SCAN_DETECT_DETECT_H
#define SCAN_DETECT_DETECT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/span.h"
#include "scan/detect/rules/entities.h"
#include "scan/detect/rules/finding.h"

struct detect_rules;
struct detect_scratch;

/* Loads every *.yaml of `dir`, or the one file that it names; NULL loads the set compiled into
 * the program. On failure NULL, and every mistake is appended to *errors, one
 * "file:line:column: message" a line. */
struct detect_rules *detect_load(const char *dir, struct buf *errors);
/* The folder in the names of the files that are compiled in. */
#define DETECT_BUILT_IN "policies/detectors"
/* The same with a policy's own classes (scan/detect/custom/custom.h); NULL: none. */
struct detect_extra;
struct detect_rules *detect_load_with(
	const char *dir, const struct detect_extra *extra, struct buf *errors);
void detect_free(struct detect_rules **r);
/* Runs every rule's own examples; 0, or the number that fail with lines in
 * *errors. */
int detect_self_test(const struct detect_rules *r, struct buf *errors);

/* True where every pattern runs as machine code; false where memory that is written may not be
 * executed (MemoryDenyWriteExecute=): all is found, slower. */
bool detect_jit(const struct detect_rules *r);
/* A stable hash of the rules' meaning, 64 hex digits; part of a policy's version. */
const char *detect_version(const struct detect_rules *r);

struct detect_scratch *detect_scratch_new(const struct detect_rules *r);
/* Nothing of the texts that were scanned is left in it. Some microseconds: after a request's
 * texts, not after each. */
void detect_scratch_wipe(struct detect_scratch *s);
void detect_scratch_free(struct detect_scratch **s);

/* Some of the entities, for detect_options.used. Made of thresholds as there, and a bit an
 * entity, DETECT_ENTITIES_MAX of them. The rules must outlive it; any thread may use it. NULL:
 * out of memory. */
struct detect_used *detect_used_new(
	const struct detect_rules *r, const uint64_t *entities, const float *thresholds);
void detect_used_free(struct detect_used **u);

/* Appends nothing on error. 0; ERR_LIMIT (a match limit was hit or too many
 * findings, encodings nested too deep, or more work than its length allows: the caller applies
 * on_failure.classifier); ERR_CLOSED (nobody waits for it any more: effort_watch()); ERR_NOMEM.
 * The findings live in the arena. */
int detect_scan(const struct detect_rules *r, struct detect_scratch *s, struct span text,
	const struct detect_options *opt, struct arena *a, struct findings *out);

/* The table that a long text's parts have in common, for detect_options.table: the header of its
 * columns is in one part, its rows in later ones (scan/detect/context/columns.h says when a table
 * ends). For the first part, in the arena; NULL: out of memory. */
struct column_table *detect_table_new(struct arena *a);
/* Moves it past `text`, from where the part began that was scanned last to where the next one
 * begins. `more`: the next part is not the last. */
void detect_table_pass(struct column_table *t, struct span text, bool more);

/* Units of work that a text of n bytes may cost: no more than a tenth of a second in a window
 * of 256 KB, which nothing interrupts. */
uint64_t detect_work(size_t n);

/* Whether the last scan ended over what a text of its length may cost (CAP_WORK_…), so that it
 * would again, and so would the stream that it was of. */
bool detect_overworked(const struct detect_scratch *s);
/* Whether nothing at all is found in a word that others say again and again: a model, why an
 * answer ended. The last short ones in which nothing was found are remembered, and stay in the
 * scratch. */
bool detect_is_clean(const struct detect_rules *r, struct detect_scratch *s, struct span word,
	struct arena *a);

#endif
