/* Reading the values of a configuration or policy tree: each function reports
 * what it found and what is accepted at the node's position, and returns whether
 * the value may be used, so that a caller goes on to the next mistake. */
#ifndef POLICY_CONFIG_READ_H
#define POLICY_CONFIG_READ_H

#include "base/codec/yaml.h"

/* Of durations, which are microseconds. */
#define MS	  1000ull
#define SECOND_US 1000000ull

/* The name most like `word` among those tried, for "did you mean". */
struct nearest {
	struct span word;
	const char *best;
	unsigned distance;
	char hint[96];
};
struct nearest nearest_to(struct span word);
void nearest_try(struct nearest *n, const char *name);
/* Whether it is the word itself; where not, it is tried. */
bool nearest_is(struct nearest *n, const char *name);
/* Of `count` elements, `stride` bytes apart, that begin with their const char *name, the first
 * one that is the word: its index; `count`: none is, and all were tried. */
size_t nearest_find(struct nearest *n, const void *elements, size_t count, size_t stride);
/* ", did you mean NAME?", or "" where nothing tried is near. Lives in *n. */
const char *nearest_hint(struct nearest *n);

/* What a node is called in messages: its key, or `otherwise`. */
struct span read_name(const struct yaml_node *n, const char *otherwise);

/* Whether the list, which ends with NULL, holds the word; NULL: an empty one. */
bool read_listed(const char *const *names, struct span word);
/* Lists end with NULL; `accepted` NULL: any key. `later`: keys of the language that this
 * version does not know yet. False where n is no mapping; unknown keys are reported, and the
 * others may still be read. */
bool read_map(struct diag *d, const struct yaml_node *n, const char *what,
	const char *const *accepted, const char *const *later);
bool read_list(struct diag *d, const struct yaml_node *n, const char *what);
/* The child under a key; NULL where there is none, of which `at` is told: "WHAT: KEY is
 * missing", or without WHAT where that is NULL. */
const struct yaml_node *read_needed(struct diag *d, const struct yaml_node *n,
	const struct yaml_node *at, const char *what, const char *key);
/* n zeroed elements; NULL with an error at `at`. */
void *read_array(
	struct arena *a, struct diag *d, const struct yaml_node *at, size_t n, size_t size);
/* A scalar that says something; numbers are taken as written. */
bool read_text(struct diag *d, const struct yaml_node *n, const char *what, const char **out);
bool read_bool(struct diag *d, const struct yaml_node *n, bool *out);
bool read_uint(
	struct diag *d, const struct yaml_node *n, uint64_t min, uint64_t max, uint64_t *out);
/* From 0.0 to 1.0. */
bool read_score(struct diag *d, const struct yaml_node *n, double *out);
/* "800ms", "30s", "10m", "2h", "1d". */
bool read_duration_us(struct diag *d, const struct yaml_node *n, uint64_t min_us,
	uint64_t max_us, uint64_t *out);
/* "65536", "64k", "32m", "1g": powers of 1024. */
bool read_size(
	struct diag *d, const struct yaml_node *n, uint64_t min, uint64_t max, uint64_t *out);
/* The index of the word in a list that ends with NULL. */
bool read_word(
	struct diag *d, const struct yaml_node *n, const char *const *words, unsigned *out);
/* One string or a list of strings, at least one, none twice. `out` may be NULL, with
 * `count`: then n is only checked. */
bool read_texts(struct arena *a, struct diag *d, const struct yaml_node *n, const char *what,
	const char ***out, size_t *count);
/* The first text of read_texts(), for a loop over them: NULL where they cannot be used, and
 * where n is NULL. for (c = read_each(…, n, …); c; c = yaml_next(n, c)) */
const struct yaml_node *read_each(struct arena *a, struct diag *d, const struct yaml_node *n,
	const char *what, const char ***out, size_t *count);
/* A file's or folder's path; a relative one counts from the folder of the file that n
 * is in. */
bool read_path(struct arena *a, struct diag *d, const struct yaml_node *n, const char **out);
const char *path_beside(struct arena *a, const char *file, const char *path);
/* Whether what goes to the URL leaves this machine by http://. */
bool url_leaves_in_clear(const char *url);

/* Durations and sizes without a node: 0, or ERR_SYNTAX, ERR_RANGE. */
int duration_parse(struct span s, uint64_t *us);
int size_parse(struct span s, uint64_t *bytes);

/* The patterns of models that a text means: "{us.,eu.}claude-*" two. How many; 0 after a remark.
 */
size_t read_patterns(
	struct arena *a, struct diag *d, const struct yaml_node *n, const char ***out);

/* Room in the arena for the items of list `n`, `max` at most; NULL: it is none, or was refused. */
void *read_room(struct arena *a, struct diag *d, const struct yaml_node *n, const char *what,
	size_t max, size_t size);

#endif
