/* The strings of a document at known paths. */
#ifndef BASE_CODEC_JSON_STRINGS_H
#define BASE_CODEC_JSON_STRINGS_H

#include "base/codec/json.h"

/* "a.b": members; arrays are passed through, those in arrays are not. */
struct json_place {
	const char *path;
	int what;
};

/* Calls take() for each string at one of the places, `items`: and for those of a list there, in
 * the order of the document; `text` lives as long as the arena and the document. True: the
 * document is whole; else what was taken may have come from something else. */
bool json_strings(struct span json, const struct json_place *places, size_t n, bool items,
	struct arena *a, void (*take)(void *arg, int what, struct span text), void *arg);

#endif
