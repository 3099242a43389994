/* Reads the strings of a JSON document at known paths. */
#ifndef BASE_CODEC_JSON_STRINGS_H
#define BASE_CODEC_JSON_STRINGS_H

#include "base/codec/json.h"

/* A place: a path of members such as "a.b", and a number for the caller. Arrays on the path are
 * passed through; arrays inside arrays are not. */
struct json_place {
	const char *path;
	int what;
};

/* Calls take() for each string at one of the places, in the order of the document. `items`: also
 * for the strings of a list at a place. `text` is valid as long as the arena and the document.
 * Returns true if the document is whole. If it returns false, the strings may belong to
 * something else. */
bool json_strings(struct span json, const struct json_place *places, size_t n, bool items,
	struct arena *a, void (*take)(void *arg, int what, struct span text), void *arg);

#endif
