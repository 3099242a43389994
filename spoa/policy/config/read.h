/* Reading values of a configuration or policy. Each function returns true if the value can be
 * used. Otherwise it adds an error with the node's position to *d, with the found and the
 * accepted value, leaves the output unchanged, and returns false, so that the caller can
 * continue with the next mistake. Strings are borrowed from the tree unless a function takes an
 * arena. `what` names the value in messages if the node has no key. */
#ifndef POLICY_CONFIG_READ_H
#define POLICY_CONFIG_READ_H

#include "base/codec/yaml.h"

/* Durations are in microseconds. */
#define MS	  1000ull
#define SECOND_US 1000000ull

/* Finds the name that is spelled most like `word`, for "did you mean". Lives on the caller's
 * stack. */
struct nearest {
	struct span word;
	const char *best;  /* NULL: no name was tried */
	unsigned distance; /* edits between word and best */
	char hint[96];
};
struct nearest nearest_to(struct span word);
void nearest_try(struct nearest *n, const char *name);
/* Returns true if `name` is the word itself. Otherwise the name is a candidate. */
bool nearest_is(struct nearest *n, const char *name);
/* Searches `count` elements, `stride` bytes apart, each of which begins with its `const char
 * *name`. Returns the index of the word, or `count` if no name is equal; all names are then
 * candidates. */
size_t nearest_find(struct nearest *n, const void *elements, size_t count, size_t stride);
/* Returns ", did you mean NAME?", or "" if no candidate is near. The string lives in *n. */
const char *nearest_hint(struct nearest *n);

/* Returns the name of a node for messages: its key, or `otherwise`. */
struct span read_name(const struct yaml_node *n, const char *otherwise);

/* Returns true if the list, which ends with NULL, contains the word. `names` may be NULL. */
bool read_listed(const char *const *names, struct span word);
/* Checks that `n` is a mapping with keys of `accepted`; lists end with NULL, and `accepted`
 * NULL allows any key. Keys of `later` belong to a later version of the language. Unknown keys
 * are reported, but only a node that is not a mapping returns false. */
bool read_map(struct diag *d, const struct yaml_node *n, const char *what,
	const char *const *accepted, const char *const *later);
/* Returns true if `n` is a list of at most 16,384 items. */ bool read_list(
	struct diag *d, const struct yaml_node *n, const char *what);
/* Returns the child under `key`. If there is none, reports "WHAT: KEY is missing" at node `at`
 * (without "WHAT: " if `what` is NULL) and returns NULL. */
const struct yaml_node *read_needed(struct diag *d, const struct yaml_node *n,
	const struct yaml_node *at, const char *what, const char *key);
/* Returns `n` zeroed elements of `size` bytes in the arena, or NULL after an error at `at`. */
void *read_array(
	struct arena *a, struct diag *d, const struct yaml_node *at, size_t n, size_t size);
/* Reads a scalar that is not empty. Numbers are returned as written. */
bool read_text(struct diag *d, const struct yaml_node *n, const char *what, const char **out);
bool read_bool(struct diag *d, const struct yaml_node *n, bool *out);
bool read_uint(
	struct diag *d, const struct yaml_node *n, uint64_t min, uint64_t max, uint64_t *out);
/* Reads a number from 0.0 to 1.0. */
bool read_score(struct diag *d, const struct yaml_node *n, double *out);
/* Reads a duration such as "800ms", "30s", "10m", "2h" or "1d" into microseconds. */
bool read_duration_us(struct diag *d, const struct yaml_node *n, uint64_t min_us,
	uint64_t max_us, uint64_t *out);
/* Reads a size such as "65536", "64k", "32m" or "1g" into bytes; units are powers of 1024. */
bool read_size(
	struct diag *d, const struct yaml_node *n, uint64_t min, uint64_t max, uint64_t *out);
/* Reads a word of the list, which ends with NULL, into its index. */
bool read_word(
	struct diag *d, const struct yaml_node *n, const char *const *words, unsigned *out);
/* Reads one string or a list of strings: at least one, and no duplicates. The array lives in
 * the arena. If `out` is NULL, the strings are only checked. */
bool read_texts(struct arena *a, struct diag *d, const struct yaml_node *n, const char *what,
	const char ***out, size_t *count);
/* Calls read_texts() and returns the first node for a loop: for (c = read_each(…, n, …); c; c =
 * yaml_next(n, c)). Returns NULL if the strings cannot be used or `n` is NULL. */
const struct yaml_node *read_each(struct arena *a, struct diag *d, const struct yaml_node *n,
	const char *what, const char ***out, size_t *count);
/* Reads the path of a file or folder. A relative path is relative to the folder of the file
 * that contains `n`. path_beside() does the same for a given file name. */
bool read_path(struct arena *a, struct diag *d, const struct yaml_node *n, const char **out);
const char *path_beside(struct arena *a, const char *file, const char *path);
/* Returns true if a request to the URL leaves this machine over plain http. */
bool url_leaves_in_clear(const char *url);

/* Parse a duration or a size without a node. Return 0, ERR_SYNTAX or ERR_RANGE. */
int duration_parse(struct span s, uint64_t *us);
int size_parse(struct span s, uint64_t *bytes);

/* Expands the pattern of a model: "{us.,eu.}claude-*" becomes two patterns. Returns their
 * number, or 0 after an error. The array lives in the arena. */
size_t read_patterns(
	struct arena *a, struct diag *d, const struct yaml_node *n, const char ***out);

/* Returns zeroed room in the arena for the items of list `n`, at most `max`. Returns NULL after
 * an error. */
void *read_room(struct arena *a, struct diag *d, const struct yaml_node *n, const char *what,
	size_t max, size_t size);

#endif
